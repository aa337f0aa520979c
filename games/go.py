"""Go on boards of 2x2 to 19x19: `go:size=19,komi=7.5,rules=tromp-taylor`.

Area scoring; two passes end the game. The rulesets differ in what repetition they forbid, in
whether suicide is allowed, and in what White gets for handicap stones:

    tromp-taylor   positional superko    suicide      nothing
    chinese        positional superko    no suicide   a point for each stone
    aga            situational superko   no suicide   a point for each stone but the first
    new-zealand    situational superko   suicide      nothing

`ko=simple|positional|situational` and `suicide=true|false` change a ruleset. A single stone's
suicide changes nothing on the board and is never legal here. A game of very many moves is scored as
it stands.

`tidy=true` is for self-play: nobody moves where pass-alive chains have settled who owns the point.
Under area scoring such a move changes nothing, or kills the mover's own stones, and players who do
not know yet when to pass would go on for hundreds of moves. What such chains enclose is theirs at
the end.

The rules are in the state, not in the compiled code: one compilation serves all of them.
The kernels are in `go_rules.py`, Benson's pass-alive chains in `go_life_rules.py`.
"""

import re

import numpy as np

from alphazero.game import Auxiliary, Game, Stones, Symmetries
from alphazero.jit import kernel
from games.go_life_rules import fill_final_area, mark_settled
from games.go_rules import (
    ALL,
    ALL_BUT_ONE,
    BLACK,
    BORDER,
    EMPTY,
    LARGEST,
    NOTHING,
    POSITIONAL,
    RECENT,
    SIMPLE,
    SITUATIONAL,
    WHITE,
    add_stone,
    cell_of,
    clear,
    count_score,
    has_friend,
    is_own_eye,
    mark_forbidden,
    mark_moves,
    number_of_cells,
    play_pass,
    play_stone,
    position_key,
    state_dtype,
    white_points,
)

COLUMNS = "ABCDEFGHJKLMNOPQRST"  # there is no I
RULES = {  # ko rule, suicide, points for handicap
    "tromp-taylor": (POSITIONAL, True, NOTHING),
    "chinese": (POSITIONAL, False, ALL),
    "aga": (SITUATIONAL, False, ALL_BUT_ONE),
    "new-zealand": (SITUATIONAL, True, NOTHING),
}
KO_RULES = {"simple": SIMPLE, "positional": POSITIONAL, "situational": SITUATIONAL}
DEFAULT_KOMI = 7.5
MAX_KOMI = 1000.0

# Planes.
ON_BOARD, MINE, THEIRS, LIBERTIES_1, LIBERTIES_2, LIBERTIES_3, FORBIDDEN = range(7)
FIRST_RECENT = 7
MY_LIFE, THEIR_LIFE, KOMI_FOR, KOMI_AGAINST, SUICIDE, IS_POSITIONAL, IS_SITUATIONAL, PASSED = range(
    FIRST_RECENT + RECENT, FIRST_RECENT + RECENT + 8
)
PLANES = PASSED + 1
KOMI_STEPS = 2  # half points
KOMI_SCALE = 1 / 40  # 20 points are 1 to the network, as for KataGo


def go(
    size: int = 19,
    komi: float = DEFAULT_KOMI,
    rules: str = "tromp-taylor",
    ko: str = "",
    suicide: bool | str = "",
    tidy: bool = False,
    min_size: int = 0,
) -> Game:
    """Go. `ko` and `suicide` change the ruleset; self-play with varied starts also uses boards from
    min_size x min_size on (0: only the full size)."""
    if not isinstance(size, int) or not 2 <= size <= LARGEST:
        raise ValueError(f"size must be a whole number from 2 to {LARGEST}, not {size}")
    smallest = min_size or size
    if not isinstance(smallest, int) or not 2 <= smallest <= size:
        raise ValueError(f"min_size must be a whole number from 2 to {size}, not {min_size}")
    if not isinstance(tidy, bool):
        raise ValueError(f"tidy must be true or false, not {tidy}")
    check_komi(komi)
    ko_rule, suicide_allowed, handicap_rule = find_rules(rules, ko, suicide)
    komi32 = float(np.float32(komi))
    width = np.uint64(size + 1)
    cells = number_of_cells(size)
    pass_action = size * size

    @kernel
    def start(state):
        clear(state, size, size)
        state.komi = komi32
        state.ko_rule = ko_rule
        state.suicide = suicide_allowed
        state.handicap_rule = handicap_rule

    @kernel
    def play(state, action):
        if action == pass_action:
            play_pass(state)
        else:
            play_stone(state, cell_of(action, size), width)

    @kernel
    def legal(state, keys, n, mask):
        mark_moves(state, size, mask)
        mark_forbidden(state, keys, n, size, mask, 0)
        mask[pass_action] = 1
        if tidy:
            owner = np.zeros(cells, np.uint8)
            mark_settled(state, owner, width)
            for point in range(pass_action):
                if owner[cell_of(point, size)] != 0:
                    mask[point] = 0

    @kernel
    def outcome(state, keys, n):
        if state.passes < 2 and state.ply < MAX_PLIES_FACTOR * size * size + MAX_PLIES_SPARE:
            return False, 0.0
        owner = np.empty(cells, np.uint8)
        fill_final_area(state, owner, width, tidy)
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
        mark_settled(state, owner, width)
        forbidden = np.zeros(size * size, np.uint8)
        mark_forbidden(state, keys, n, size, forbidden, 1)
        komi_for = white_points(state) * KOMI_STEPS  # White's
        komi_for = min(max(komi_for, -255.0), 255.0)
        if mine == BLACK:
            komi_for = -komi_for
        for row in range(state.lines):
            for column in range(state.lines):
                cell = np.uint64((row + 1) * (size + 1) + column + 1)
                planes[ON_BOARD, row, column] = 1
                color = state.color[cell]
                if color != EMPTY:
                    planes[MINE if color == mine else THEIRS, row, column] = 1
                    liberties = min(state.liberties[state.chain[cell]], 3)
                    planes[LIBERTIES_1 + liberties - 1, row, column] = 1
                if owner[cell] != 0:
                    planes[MY_LIFE if owner[cell] == mine else THEIR_LIFE, row, column] = 1
                planes[FORBIDDEN, row, column] = forbidden[row * size + column]
                if komi_for > 0:
                    planes[KOMI_FOR, row, column] = np.uint8(komi_for)
                else:
                    planes[KOMI_AGAINST, row, column] = np.uint8(-komi_for)
                planes[SUICIDE, row, column] = state.suicide
                planes[IS_POSITIONAL, row, column] = state.ko_rule == POSITIONAL
                planes[IS_SITUATIONAL, row, column] = state.ko_rule == SITUATIONAL
                planes[PASSED, row, column] = state.passes > 0
        for i in range(RECENT):
            cell = np.int64(state.recent[i])
            if cell > 0:
                planes[FIRST_RECENT + i, cell // (size + 1) - 1, cell % (size + 1) - 1] = 1

    @kernel
    def prune(state, mask):
        mine = state.to_play + 1
        found = False
        for action in range(pass_action):
            if mask[action]:
                if is_own_eye(state, cell_of(action, size), mine, width):
                    mask[action] = 0
                else:
                    found = True
        if found:
            mask[pass_action] = 0

    @kernel
    def ownership(state, final, out):
        owner = np.empty(cells, np.uint8)
        fill_final_area(final, owner, width, tidy)
        mine = state.to_play + 1
        for point in range(pass_action):
            color = owner[cell_of(point, size)]
            out[point] = 0.0 if color == 0 else (1.0 if color == mine else -1.0)

    @kernel
    def score(state, final, out):
        owner = np.empty(cells, np.uint8)
        fill_final_area(final, owner, width, tidy)
        points = count_score(final, owner) / np.float32(final.lines * final.lines)
        out[0] = points if state.to_play == 0 else -points

    @kernel
    def benson(states, owners):
        owners[0, :] = 0
        mark_settled(states[0], owners[0], width)

    @kernel
    def area_batch(states, owners):
        fill_final_area(states[0], owners[0], width, tidy)

    @kernel
    def set_up_batch(states, actions, colors):
        for i in range(actions.shape[0]):
            cell = cell_of(actions[i], size)
            add_stone(states[0], cell, colors[i], width)

    points = np.array([cell_of.py_func(point, size) for point in range(pass_action)])

    def on_points(array: np.ndarray) -> np.ndarray:
        return array[points].astype(np.int8).reshape(size, size)

    def board(state) -> np.ndarray:
        colors = on_points(np.asarray(state["color"]))
        colors[colors == BORDER] = 0
        return colors

    def one(state) -> np.ndarray:
        """A copy of a state as an array [1], which is what compiled functions take."""
        states = np.zeros(1, game.state)
        states[0] = state
        return states

    def area(state, dead: np.ndarray | None = None) -> np.ndarray:
        states = one(state)
        if dead is not None:
            colors = board(state)
            colors[np.asarray(dead, bool)] = 0
            place(states, colors, int(state["to_play"]))
        owners = np.zeros((1, cells), np.uint8)
        area_batch(states, owners)
        return on_points(owners[0])

    def final_score(state, dead: np.ndarray | None = None) -> float:
        owners = area(state, dead)
        points = int((owners == BLACK).sum()) - int((owners == WHITE).sum())
        return points - float(white_points.py_func(state))

    def pass_alive(state) -> np.ndarray:
        owners = np.zeros((1, cells), np.uint8)
        benson(one(state), owners)
        return on_points(owners[0])

    def place(states: np.ndarray, colors: np.ndarray, to_play: int) -> None:
        """Put these stones on an emptied board."""
        before = states.copy()
        game.start_batch(states)
        for name in ("komi", "ko_rule", "suicide", "handicap_rule", "lines"):
            states[name] = before[name]
        states["color"] = np.where(before["color"] == BORDER, BORDER, EMPTY)
        actions = np.flatnonzero(colors)
        set_up_batch(states, actions.astype(np.int32), colors.ravel()[actions].astype(np.uint8))
        states["to_play"] = to_play

    def set_up(state, colors: np.ndarray, to_play: int) -> None:
        colors = np.asarray(colors, np.int8)
        if colors.shape != (size, size) or not np.isin(colors, (EMPTY, BLACK, WHITE)).all():
            raise ValueError(f"a board must be [{size}, {size}] of 0, 1 and 2")
        if np.any((on_points(np.asarray(state["color"])) == BORDER) & (colors != EMPTY)):
            raise ValueError("a stone is off the board")
        if to_play not in (0, 1):
            raise ValueError(f"to_play must be 0 or 1, not {to_play}")
        states = one(state)
        place(states, colors, to_play)
        if not np.array_equal(board(states[0]), colors):
            raise ValueError("a chain has no liberty")
        for stone in np.flatnonzero(colors):
            if states["liberties"][0, states["chain"][0, points[stone]]] == 0:
                raise ValueError(f"the chain at {action_to_str(state, int(stone))} has no liberty")
        for name in game.state.names or ():
            state[name] = states[name][0]

    def set_komi(state, value: float) -> None:
        check_komi(value)
        state["komi"] = value

    def set_rules(state, name: str, ko: str = "", suicide: bool | str = "") -> None:
        ruleset = find_rules(name, ko, suicide)
        state["ko_rule"], state["suicide"], state["handicap_rule"] = ruleset

    def set_handicap(state, count: int) -> None:
        state["handicap"] = count

    def vary(state, rng: np.random.Generator) -> None:
        """Another komi, around the usual one, any ruleset, and perhaps a smaller board."""
        set_rules(state, str(rng.choice(list(RULES))))
        board_size = int(rng.integers(smallest, size + 1))
        columns, rows = np.meshgrid(np.arange(size), np.arange(size))
        inside = (columns < board_size) & (rows < board_size)
        colors = np.asarray(state["color"])
        colors[points] = np.where(inside.ravel(), EMPTY, BORDER)
        state["color"] = colors
        state["lines"] = board_size
        spread = board_size if rng.random() < 0.25 else 1.0
        state["komi"] = komi32 + np.round(2 * rng.normal(0.0, spread)) / 2

    def action_to_str(state, action: int) -> str:
        if action == pass_action:
            return "pass"
        row, column = divmod(int(action), size)
        return f"{COLUMNS[column]}{int(state['lines']) - row}"

    def str_to_action(state, text: str) -> int:
        text = text.strip().upper()
        if text == "PASS":
            return pass_action
        limit = int(state["lines"])
        written = re.fullmatch(r"([A-HJ-T])([1-9]\d?)", text, re.ASCII)
        if written and written[1] in COLUMNS[:limit] and int(written[2]) <= limit:
            return (limit - int(written[2])) * size + COLUMNS.index(written[1])
        corner = f"{COLUMNS[limit - 1]}{limit}"
        raise ValueError(f"{text!r} is not a point: write A1 to {corner} (there is no I) or pass")

    def render(state, last_action: int | None) -> str:
        limit = int(state["lines"])
        colors = board(state)[:limit, :limit]
        stars = star_points(limit)
        header = "   " + " ".join(COLUMNS[:limit])
        lines = [header]
        for row in range(limit):
            cells_text, closing = "", " "
            for column in range(limit):
                last = last_action == row * size + column and colors[row, column] != EMPTY
                opening, mark = "(" if last else closing, ".XO"[colors[row, column]]
                if mark == "." and (row, column) in stars:
                    mark = "+"
                cells_text += opening + mark
                closing = ")" if last else " "
            number = limit - row
            lines.append(f"{number:2}{cells_text}{closing}{number}")
        text = "\n".join([*lines, header])
        return text + ("\npass" if last_action == pass_action else "")

    def explain(state, action: int) -> str:
        row, column = divmod(int(action), size)
        cell = (row + 1) * (size + 1) + column + 1
        if state["color"][cell] != EMPTY:
            return "the point is off the board" if state["color"][cell] == BORDER else "occupied"
        if cell == state["ko"] and not has_friend.py_func(state, np.uint64(cell), width):
            return "ko: the stone may not be retaken at once"
        trial = one(state)
        verdict = np.zeros(pass_action + 1, np.uint8)
        game.legal_batch(trial, np.zeros((1, 1), np.uint64), np.zeros(1, np.int32), verdict[None])
        if not verdict[action]:
            if tidy and pass_alive(state)[row, column]:
                return "it is settled who owns the point"
            return "suicide: the stone would have no liberty"
        return "superko: it would repeat an earlier position"

    game = Game(
        name="go",
        title="Go",
        state=state_dtype(size),
        num_actions=pass_action + 1,
        planes=(PLANES, size, size),
        max_plies=MAX_PLIES_FACTOR * size * size + MAX_PLIES_SPARE,
        start=start,
        play=play,
        legal=legal,
        outcome=outcome,
        key=key,
        observe=observe,
        action_to_str=action_to_str,
        str_to_action=str_to_action,
        render=render,
        explain=explain,
        players=("black", "white"),
        symmetries=symmetries(size),
        auxiliary=(
            Auxiliary("ownership", (size, size), ownership, "tanh"),
            Auxiliary("score", (1,), score),
        ),
        plane_scale=tuple(
            KOMI_SCALE if plane in (KOMI_FOR, KOMI_AGAINST) else 1.0 for plane in range(PLANES)
        ),
        board_plane=ON_BOARD,
        vary=vary,
        prune=prune,
        stones=Stones(
            board=board,
            captures=lambda state: (int(state["captures"][0]), int(state["captures"][1])),
            komi=lambda state: float(state["komi"]),
            set_komi=set_komi,
            rules=tuple(RULES),
            set_rules=set_rules,
            set_up=set_up,
            set_handicap=set_handicap,
            area=area,
            score=final_score,
            pass_alive=pass_alive,
        ),
        parameters={
            "size": size,
            "komi": komi,
            "rules": rules,
            **({"ko": ko} if ko else {}),
            **({"suicide": bool(suicide_allowed)} if suicide != "" else {}),
            **({"tidy": True} if tidy else {}),
            **({"min_size": min_size} if min_size else {}),
        },
        in_planes=("komi", "rules", "ko", "suicide", "tidy", "min_size"),
        fully_convolutional=True,
    )
    return game


MAX_PLIES_FACTOR = 2
MAX_PLIES_SPARE = 60  # games on tiny boards are long for their size


def check_komi(komi: float) -> None:
    """Raises ValueError for what is no number of points."""
    if isinstance(komi, bool) or not isinstance(komi, int | float) or not abs(komi) <= MAX_KOMI:
        raise ValueError(f"komi must be a number from {-MAX_KOMI:g} to {MAX_KOMI:g}, not {komi}")


def find_rules(rules: str, ko: str, suicide: bool | str) -> tuple[int, int, int]:
    """The ko rule, whether suicide is allowed, the handicap rule. Raises ValueError."""
    if rules not in RULES:
        raise ValueError(
            f"unknown rules {rules!r}: those with area scoring are {', '.join(RULES)}"
            " (territory scoring, as in Japanese rules, is not supported)"
        )
    ko_rule, suicide_allowed, handicap_rule = RULES[rules]
    if ko:
        if ko not in KO_RULES:
            raise ValueError(f"unknown ko rule {ko!r}: choose {', '.join(KO_RULES)}")
        ko_rule = KO_RULES[ko]
    if suicide != "":
        if not isinstance(suicide, bool):
            raise ValueError(f"suicide must be true or false, not {suicide}")
        suicide_allowed = suicide
    return ko_rule, int(suicide_allowed), handicap_rule


def star_points(size: int) -> set[tuple[int, int]]:
    """The marked points (row, column) of a board."""
    if size < 7:
        return {(size // 2, size // 2)} if size % 2 and size > 2 else set()
    edge = 2 if size < 13 else 3
    lines = [edge, size - 1 - edge]
    middle = size // 2
    stars = {(row, column) for row in lines for column in lines}
    if size % 2:
        stars.add((middle, middle))
        if size > 13:
            stars |= {(row, middle) for row in lines} | {(middle, column) for column in lines}
    return stars


def symmetries(size: int) -> Symmetries:
    """The eight turns and reflections; a pass stays a pass."""
    grid = np.arange(size * size, dtype=np.int32).reshape(size, size)
    boards = [np.rot90(board, turns) for board in (grid, grid.T) for turns in range(4)]
    points = np.stack([board.ravel() for board in boards])
    passes = np.full((8, 1), size * size, np.int32)
    return Symmetries(points, np.concatenate([points, passes], axis=1))


GAME = go
