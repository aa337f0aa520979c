"""Go on boards of 2x2 to 25x25: `go:size=19,komi=7.5,rules=tromp-taylor`, `go:width=19,height=13`.

Two passes end the game. `rules` is a ruleset by KataGo's name for it, in `go_score_rules.RULES`:

    tromp-taylor          area        positional superko    suicide, all stones alive at the end
    chinese               area        simple ko             a point for each handicap stone
    chinese-ogs, -kgs     area        positional superko    likewise
    aga, bga              area        situational superko   for each handicap stone but the first
    aga-button            area        situational superko   likewise, half a point for a first pass
    new-zealand           area        situational superko   suicide
    ing                   area        positional superko    suicide
    japanese, korean      territory   simple ko             no points in seki
    stone-scoring         area        simple ko             and two points less for every group
    ancient-territory     territory   simple ko             likewise

`ko=simple|positional|situational` and `suicide=true|false` change a ruleset. Komi is 7.5, under
territory scoring 6.5, with the button 7. A single stone's suicide changes nothing on the board and
is never legal here. A game of very many moves is scored as it stands.

A game's own result, which searches and training see, counts area with all stones alive; under
territory scoring the komi is turned, so that it differs by a point at most if nobody passes early.
What people agree on, without dead stones, counts by the rules: `Stones.count`.

`tidy=true` is for self-play: nobody moves where pass-alive chains have settled who owns the point.
Under area scoring such a move changes nothing, or kills the mover's own stones, and players who do
not know yet when to pass would go on for hundreds of moves. What such chains enclose is theirs at
the end.

The rules are in the state, not in the compiled code: one compilation serves all of them.
The kernels are in `go_rules.py`, those of areas and of Benson's pass-alive chains in
`go_life_rules.py`; what people and other programs see of a board is in `go_board_rules.py`.
"""

from typing import Any

import numpy as np

from alphazero.game import Auxiliary, Game, Symmetries
from alphazero.game.jit import kernel

from .go_board_rules import Board, check_komi
from .go_ko_rules import mark_forbidden, position_key
from .go_life_rules import count_score, fill_final_area, mark_settled, white_points
from .go_playout_rules import weigh_moves
from .go_rules import (
    BLACK,
    BORDER,
    LARGEST,
    RECENT,
    SITUATIONAL,
    cell_of,
    clear,
    is_own_eye,
    mark_moves,
    number_of_cells,
    play_pass,
    play_stone,
    state_dtype,
)
from .go_score_rules import KO_RULES, RULES, counting_of, find_rules, set_terms

# Planes.
ON_BOARD, MINE, THEIRS, LIBERTIES_1, LIBERTIES_2, LIBERTIES_3, FORBIDDEN = range(7)
FIRST_RECENT = 7
MY_LIFE, THEIR_LIFE, KOMI_FOR, KOMI_AGAINST, SUICIDE, IS_POSITIONAL, IS_SITUATIONAL, PASSED = range(
    FIRST_RECENT + RECENT, FIRST_RECENT + RECENT + 8
)
PLANES = PASSED + 1
KOMI_STEPS = 2  # half points
KOMI_SCALE = 1 / 40  # 20 points are 1 to the network, as for KataGo
PLANE_SCALE = tuple(
    KOMI_SCALE if plane in (KOMI_FOR, KOMI_AGAINST) else 1.0 for plane in range(PLANES)
)
VARIED = ("tromp-taylor", "chinese-kgs", "aga", "new-zealand")  # rulesets of varied self-play
IN_PLANES = ("komi", "rules", "ko", "suicide", "tidy", "min_size")  # what one network serves


def go(
    size: int = 19,
    komi: float | None = None,
    rules: str = "tromp-taylor",
    ko: str = "",
    suicide: bool | str = "",
    tidy: bool = False,
    min_size: int = 0,
    width: int = 0,
    height: int = 0,
) -> Game:
    """Go. `ko` and `suicide` change the ruleset; self-play with varied starts also uses boards from
    min_size x min_size on (0: only the full size). `width` and `height` make a rectangular board;
    0 means `size`."""
    columns, rows = width or size, height or size
    check_board(rows, columns, min_size, tidy)
    is_square = rows == columns
    terms = find_rules(rules, ko, suicide)
    komi = terms.usual_komi if komi is None else komi
    check_komi(komi)
    smallest = min_size or rows
    ko_rule, suicide_allowed = KO_RULES[terms.ko], int(terms.suicide)
    counting = counting_of(terms)
    komi32 = float(np.float32(komi))
    row_cells = np.uint64(columns + 1)
    cells = number_of_cells(rows, columns)
    pass_action = rows * columns
    board = Board(rows, columns, tidy)

    @kernel
    def start(state):
        clear(state, columns, rows, columns)
        state.komi = komi32
        state.ko_rule = ko_rule
        state.suicide = suicide_allowed
        state.counting = counting

    @kernel
    def play(state, action):
        if action == pass_action:
            play_pass(state)
        else:
            play_stone(state, cell_of(action, columns), row_cells)

    @kernel
    def legal(state, keys, n, mask):
        mark_moves(state, columns, state.lines if is_square else columns, mask)
        mark_forbidden(state, keys, n, columns, mask, 0)
        mask[pass_action] = 1
        if tidy:
            owner = np.zeros(cells, np.uint8)
            mark_settled(state, owner, row_cells)
            for point in range(pass_action):
                if owner[cell_of(point, columns)] != 0:
                    mask[point] = 0

    @kernel
    def outcome(state, keys, n):
        if state.passes < 2 and state.ply < MAX_PLIES_FACTOR * pass_action + MAX_PLIES_SPARE:
            return False, 0.0
        owner = np.empty(cells, np.uint8)
        fill_final_area(state, owner, row_cells, tidy)
        score = count_score(state, owner)
        if score == 0:
            return True, 0.0
        return True, 1.0 if (score > 0) == (state.to_play == 0) else -1.0

    @kernel
    def key(state):
        return position_key(state)

    @kernel
    def observe(state, keys, n, planes):
        mine = state.to_play + 1
        owner = np.zeros(cells, np.uint8)
        mark_settled(state, owner, row_cells)
        mark_forbidden(state, keys, n, columns, planes[FORBIDDEN].reshape(pass_action), 1)
        komi_for = white_points(state) * KOMI_STEPS  # White's
        komi_for = min(max(komi_for, -255.0), 255.0)
        if mine == BLACK:
            komi_for = -komi_for
        for row in range(rows):
            for column in range(columns):
                cell = np.uint64((row + 1) * (columns + 1) + column + 1)
                color = state.color[cell]
                liberties = state.liberties[state.chain[cell]]  # 0 where no stone is
                planes[ON_BOARD, row, column] = color != BORDER
                planes[MINE, row, column] = color == mine
                planes[THEIRS, row, column] = color == 3 - mine
                planes[LIBERTIES_1, row, column] = liberties == 1
                planes[LIBERTIES_2, row, column] = liberties == 2
                planes[LIBERTIES_3, row, column] = liberties >= 3
                planes[MY_LIFE, row, column] = owner[cell] == mine
                planes[THEIR_LIFE, row, column] = owner[cell] == 3 - mine
        lines = state.lines
        across = lines if is_square else columns
        fill_plane(planes[KOMI_FOR], lines, across, np.uint8(max(komi_for, 0.0)))
        fill_plane(planes[KOMI_AGAINST], lines, across, np.uint8(max(-komi_for, 0.0)))
        fill_plane(planes[SUICIDE], lines, across, state.suicide)
        # Simple ko looks like positional superko: few games differ, and networks know the latter.
        fill_plane(planes[IS_POSITIONAL], lines, across, state.ko_rule != SITUATIONAL)
        fill_plane(planes[IS_SITUATIONAL], lines, across, state.ko_rule == SITUATIONAL)
        fill_plane(planes[PASSED], lines, across, state.passes > 0)
        for i in range(RECENT):
            cell = np.int64(state.recent[i])
            if cell > 0:
                row, column = cell // (columns + 1) - 1, cell % (columns + 1) - 1
                planes[FIRST_RECENT + i, row, column] = 1

    @kernel
    def prune(state, mask):
        mine = state.to_play + 1
        found = False
        for action in range(pass_action):
            if mask[action]:
                if is_own_eye(state, cell_of(action, columns), mine, row_cells):
                    mask[action] = 0
                else:
                    found = True
        if found:
            mask[pass_action] = 0

    @kernel
    def weigh(state, mask):
        weigh_moves(state, mask, pass_action, columns)

    @kernel
    def ownership(state, final, out):
        owner = np.empty(cells, np.uint8)
        fill_final_area(final, owner, row_cells, tidy)
        mine = state.to_play + 1
        for point in range(pass_action):
            color = owner[cell_of(point, columns)]
            out[point] = 0.0 if color == 0 else (1.0 if color == mine else -1.0)

    @kernel
    def score(state, final, out):
        owner = np.empty(cells, np.uint8)
        fill_final_area(final, owner, row_cells, tidy)
        across = final.lines if is_square else columns
        points = count_score(final, owner) / np.float32(final.lines * across)
        out[0] = points if state.to_play == 0 else -points

    def vary(state, rng: np.random.Generator) -> None:
        """Another komi, around the usual one, other rules, and perhaps a smaller board. Stones left
        on the board are alive."""
        set_terms(state, RULES[str(rng.choice(VARIED))]._replace(friendly_pass=False))
        board_size = int(rng.integers(smallest, rows + 1))
        if is_square:
            board.shrink(state, board_size)
        spread = board_size if rng.random() < 0.25 else 1.0
        state["komi"] = komi32 + np.round(2 * rng.normal(0.0, spread)) / 2

    return Game(
        name="go",
        title="Go",
        state=state_dtype(rows, columns),
        num_actions=pass_action + 1,
        planes=(PLANES, rows, columns),
        max_plies=MAX_PLIES_FACTOR * pass_action + MAX_PLIES_SPARE,
        start=start,
        play=play,
        legal=legal,
        outcome=outcome,
        key=key,
        observe=observe,
        action_to_str=board.action_to_str,
        str_to_action=board.str_to_action,
        view=board.view,
        explain=board.explain,
        players=("black", "white"),
        symmetries=symmetries(rows, columns),
        auxiliary=(
            Auxiliary("ownership", (rows, columns), ownership, "tanh"),
            Auxiliary("score", (1,), score),
        ),
        plane_scale=PLANE_SCALE,
        board_plane=ON_BOARD,
        vary=vary,
        prune=prune,
        weigh=weigh,
        stones=board.stones(),
        parameters={
            **({"size": rows} if is_square else {"width": columns, "height": rows}),
            "komi": komi,
            "rules": rules,
            **given(ko=ko, suicide=suicide, tidy=tidy, min_size=min_size),
        },
        in_planes=IN_PLANES,
        fully_convolutional=True,
    )


@kernel
def fill_plane(plane, rows, columns, value):
    """Set the points of a board in a zeroed plane [H, W]."""
    if value:
        for row in range(rows):
            for column in range(columns):
                plane[row, column] = value


def check_board(rows: int, columns: int, min_size: int, tidy: bool) -> None:
    """Raises ValueError."""
    sides = {"size": rows} if rows == columns else {"width": columns, "height": rows}
    for name, side in sides.items():
        if not isinstance(side, int) or not 2 <= side <= LARGEST:
            raise ValueError(f"{name} must be a whole number from 2 to {LARGEST}, not {side}")
    if min_size and rows != columns:
        raise ValueError("min_size is for square boards")
    smallest = min_size or rows
    if not isinstance(smallest, int) or not 2 <= smallest <= rows:
        raise ValueError(f"min_size must be a whole number from 2 to {rows}, not {min_size}")
    if not isinstance(tidy, bool):
        raise ValueError(f"tidy must be true or false, not {tidy}")


def given(**parameters: Any) -> dict[str, Any]:
    """The parameters that are given, suicide=False among them."""
    return {
        name: value
        for name, value in parameters.items()
        if value or (name == "suicide" and value != "")
    }


MAX_PLIES_FACTOR = 2
MAX_PLIES_SPARE = 60  # games on tiny boards are long for their size


def symmetries(rows: int, columns: int) -> Symmetries:
    """The turns and reflections that keep the board's shape: eight, of a rectangle four. A pass
    stays a pass."""
    grid = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    boards = [np.rot90(board, turns) for board in (grid, grid.T) for turns in range(4)]
    points = np.stack([board.ravel() for board in boards if board.shape == grid.shape])
    passes = np.full((len(points), 1), rows * columns, np.int32)
    return Symmetries(points, np.concatenate([points, passes], axis=1))


GAME = go
