"""A board of Go as people and other programs see it: text, rulesets, stones set up, areas, scores.

Plain Python around the kernels of `go_rules.py` and `go_life_rules.py`.
"""

import re

import numpy as np

from alphazero.game import BoardView, Cell, Ruleset, Stones
from alphazero.game.jit import kernel

from .go_life_rules import fill_final_area, mark_settled, white_points
from .go_rules import (
    ALL,
    ALL_BUT_ONE,
    BLACK,
    BORDER,
    EMPTY,
    NOTHING,
    POSITIONAL,
    SIMPLE,
    SITUATIONAL,
    WHITE,
    add_stone,
    cell_of,
    clear,
    has_friend,
    mark_moves,
    number_of_cells,
    state_dtype,
)

COLUMNS = "ABCDEFGHJKLMNOPQRST"  # there is no I
RULES = {
    "tromp-taylor": Ruleset("positional", True, "0"),
    "chinese": Ruleset("positional", False, "N"),
    "aga": Ruleset("situational", False, "N-1"),
    "new-zealand": Ruleset("situational", True, "0"),
}
HANDICAP_RULES = {"0": NOTHING, "N": ALL, "N-1": ALL_BUT_ONE}
KO_RULES = {"simple": SIMPLE, "positional": POSITIONAL, "situational": SITUATIONAL}
MAX_KOMI = 1000.0
POINTS = (Cell(), Cell("X", 0), Cell("O", 1))  # by colour


@kernel
def settle(states, owners, width):
    """Fill owners uint8 [1, cells] with the colours to which points are pass-alive."""
    owners[0, :] = 0
    mark_settled(states[0], owners[0], width)


@kernel
def find_areas(states, owners, width, tidy):
    """Fill owners uint8 [1, cells] with those whom the points belong to."""
    fill_final_area(states[0], owners[0], width, tidy)


@kernel
def find_moves(states, masks, size):
    """Fill masks uint8 [1, size * size] with the points that are not suicide."""
    mark_moves(states[0], size, masks[0])


@kernel
def put_stones(states, actions, colors, size, lines):
    """Empty a board [1] of so many lines and put stones on points."""
    clear(states[0], size, lines)
    for i in range(actions.shape[0]):
        add_stone(states[0], cell_of(actions[i], size), colors[i], np.uint64(size + 1))


class Board:
    """Plain Python functions of states of boards of up to size x size."""

    def __init__(self, size: int, tidy: bool) -> None:
        self.size, self.tidy = size, tidy
        self._width = np.uint64(size + 1)
        self._dtype = np.dtype((np.record, state_dtype(size)))
        self._cells = number_of_cells(size)
        self._points = np.array([int(cell_of.py_func(i, size)) for i in range(size * size)])

    def stones(self) -> Stones:
        """All of it that front ends may ask for."""
        return Stones(
            board=self.board,
            captures=lambda state: (int(state["captures"][0]), int(state["captures"][1])),
            komi=lambda state: float(state["komi"]),
            set_komi=self.set_komi,
            rules=RULES,
            set_rules=self.set_rules,
            set_up=self.set_up,
            set_handicap=self.set_handicap,
            area=self.area,
            score=self.score,
            pass_alive=self.pass_alive,
        )

    # -- areas -------------------------------------------------------------------------------------

    def board(self, state) -> np.ndarray:
        """Colours int8 [size, size]."""
        colors = self._on_points(np.asarray(state["color"]))
        colors[colors == BORDER] = 0
        return colors

    def area(self, state, dead: np.ndarray | None = None) -> np.ndarray:
        """Owners int8 [size, size], once dead stones are taken off."""
        states = self._one(state)
        if dead is not None:
            colors = self.board(state)
            colors[np.asarray(dead, bool)] = 0
            self._place(states, colors, int(state["to_play"]))
        owners = np.zeros((1, self._cells), np.uint8)
        find_areas(states, owners, self._width, self.tidy)
        return self._on_points(owners[0])

    def score(self, state, dead: np.ndarray | None = None) -> float:
        """Points of Black less those of White."""
        owners = self.area(state, dead)
        points = int((owners == BLACK).sum()) - int((owners == WHITE).sum())
        return points - float(white_points.py_func(state))

    def pass_alive(self, state) -> np.ndarray:
        """Owners int8 [size, size] of what is pass-alive."""
        owners = np.zeros((1, self._cells), np.uint8)
        settle(self._one(state), owners, self._width)
        return self._on_points(owners[0])

    # -- changing a state --------------------------------------------------------------------------

    def set_up(self, state, colors: np.ndarray, to_play: int) -> None:
        """Another board, without history. Raises ValueError."""
        size = self.size
        colors = np.asarray(colors, np.int8)
        if colors.shape != (size, size) or not np.isin(colors, (EMPTY, BLACK, WHITE)).all():
            raise ValueError(f"a board must be [{size}, {size}] of 0, 1 and 2")
        if np.any((self._on_points(np.asarray(state["color"])) == BORDER) & (colors != EMPTY)):
            raise ValueError("a stone is off the board")
        if to_play not in (0, 1):
            raise ValueError(f"to_play must be 0 or 1, not {to_play}")
        states = self._one(state)
        self._place(states, colors, to_play)
        if not np.array_equal(self.board(states[0]), colors):
            raise ValueError("a chain has no liberty")
        for stone in np.flatnonzero(colors):
            if states["liberties"][0, states["chain"][0, self._points[stone]]] == 0:
                text = self.action_to_str(state, int(stone))
                raise ValueError(f"the chain at {text} has no liberty")
        for name in self._dtype.names or ():
            state[name] = states[name][0]

    def set_komi(self, state, value: float) -> None:
        """Raises ValueError."""
        check_komi(value)
        state["komi"] = value

    def set_rules(self, state, name: str, ko: str = "", suicide: bool | str = "") -> None:
        """Raises ValueError."""
        ruleset = find_rules(name, ko, suicide)
        state["ko_rule"], state["suicide"], state["handicap_rule"] = ruleset

    def set_handicap(self, state, count: int) -> None:
        state["handicap"] = count

    def shrink(self, state, lines: int) -> None:
        """Leave so many lines of an empty board."""
        states = self._one(state)
        states["lines"] = lines
        self._place(states, np.zeros((self.size, self.size), np.int8), 0)
        for name in ("color", "lines"):
            state[name] = states[name][0]

    # -- text --------------------------------------------------------------------------------------

    def action_to_str(self, state, action: int) -> str:
        if action == self.pass_action:
            return "pass"
        row, column = divmod(int(action), self.size)
        return f"{COLUMNS[column]}{int(state['lines']) - row}"

    def str_to_action(self, state, text: str) -> int:
        text = text.strip().upper()
        if text == "PASS":
            return self.pass_action
        limit = int(state["lines"])
        written = re.fullmatch(r"([A-HJ-T])([1-9]\d?)", text, re.ASCII)
        if written and written[1] in COLUMNS[:limit] and int(written[2]) <= limit:
            return (limit - int(written[2])) * self.size + COLUMNS.index(written[1])
        corner = f"{COLUMNS[limit - 1]}{limit}"
        raise ValueError(f"{text!r} is not a point: write A1 to {corner} (there is no I) or pass")

    def view(self, state, last_action: int | None) -> BoardView:
        """The board, as large as this state's is."""
        limit = int(state["lines"])
        colors = self.board(state)[:limit, :limit]
        last = ()
        if last_action is not None and last_action != self.pass_action:
            row, column = divmod(int(last_action), self.size)
            if colors[row, column] != EMPTY:
                last = (row * limit + column,)
        return BoardView(
            "points",
            rows=[str(number) for number in range(limit, 0, -1)],
            columns=COLUMNS[:limit],
            cells=[POINTS[color] for color in colors.ravel()],
            stars=frozenset(row * limit + column for row, column in star_points(limit)),
            last=last,
            names={"X": "stone", "O": "stone"},
            caption="pass" if last_action == self.pass_action else "",
        )

    def explain(self, state, action: int) -> str:
        row, column = divmod(int(action), self.size)
        cell = (row + 1) * (self.size + 1) + column + 1
        if state["color"][cell] != EMPTY:
            return "the point is off the board" if state["color"][cell] == BORDER else "occupied"
        if cell == state["ko"] and not has_friend.py_func(state, np.uint64(cell), self._width):
            return "ko: the stone may not be retaken at once"
        trial = self._one(state)
        possible = np.zeros((1, self.pass_action), np.uint8)
        find_moves(trial, possible, self.size)
        if self.tidy and self.pass_alive(state)[row, column]:
            return "it is settled who owns the point"
        if not possible[0, action]:
            return "suicide: the stone would have no liberty"
        return "superko: it would repeat an earlier position"

    # -- inside ------------------------------------------------------------------------------------

    @property
    def pass_action(self) -> int:
        return self.size * self.size

    def _on_points(self, array: np.ndarray) -> np.ndarray:
        """The points of an array [cells], as int8 [size, size]."""
        return array[self._points].astype(np.int8).reshape(self.size, self.size)

    def _one(self, state) -> np.ndarray:
        """A copy of a state as an array [1], which is what compiled functions take."""
        states = np.zeros(1, self._dtype)
        states[0] = state
        return states

    def _place(self, states: np.ndarray, colors: np.ndarray, to_play: int) -> None:
        """Put these stones on an emptied board."""
        actions = np.flatnonzero(colors)
        kinds = colors.ravel()[actions].astype(np.uint8)
        put_stones(states, actions.astype(np.int32), kinds, self.size, int(states["lines"][0]))
        states["to_play"] = to_play


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
    ruleset = RULES[rules]
    ko = ko or ruleset.ko
    if ko not in KO_RULES:
        raise ValueError(f"unknown ko rule {ko!r}: choose {', '.join(KO_RULES)}")
    suicide = ruleset.suicide if suicide == "" else suicide
    if not isinstance(suicide, bool):
        raise ValueError(f"suicide must be true or false, not {suicide}")
    return KO_RULES[ko], int(suicide), HANDICAP_RULES[ruleset.handicap]


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
