"""A board of Go as people and other programs see it: text, rules, stones set up, areas, scores.

Plain Python around the kernels of `go_rules.py` and `go_life_rules.py`.
"""

import re

import numpy as np

from alphazero.game import BoardView, Cell, Count, Ruleset, Stones
from alphazero.game.jit import kernel

from .go_life_rules import button_points, compensation, fill_final_area, mark_settled
from .go_rules import (
    BLACK,
    BORDER,
    EMPTY,
    WHITE,
    add_stone,
    cell_of,
    clear,
    has_friend,
    mark_moves,
    number_of_cells,
    state_dtype,
)
from .go_score_rules import RULES, count, find_groups, set_terms, terms_of

COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # there is no I
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
def find_moves(states, masks, columns, board_columns):
    """Fill masks uint8 [1, rows * columns] with the points that are not suicide."""
    mark_moves(states[0], columns, board_columns, masks[0])


@kernel
def put_stones(states, actions, colors, columns, board_rows, board_columns):
    """Empty a board [1] of board_rows x board_columns and put stones on points."""
    clear(states[0], columns, board_rows, board_columns)
    for i in range(actions.shape[0]):
        add_stone(states[0], cell_of(actions[i], columns), colors[i], np.uint64(columns + 1))


class Board:
    """Plain Python functions of states of boards of up to rows x columns. A square board may be
    smaller than that, in the upper left of the arrays."""

    def __init__(self, rows: int, columns: int, tidy: bool) -> None:
        self.rows, self.columns, self.tidy = rows, columns, tidy
        self.pass_action = rows * columns
        self._width = np.uint64(columns + 1)
        self._dtype = np.dtype((np.record, state_dtype(rows, columns)))
        self._cells = number_of_cells(rows, columns)
        self._points = np.array([int(cell_of.py_func(i, columns)) for i in range(rows * columns)])

    def stones(self) -> Stones:
        """All of it that front ends may ask for."""
        return Stones(
            board=self.board,
            captures=self.captures,
            set_captures=self.set_captures,
            komi=lambda state: float(state["komi"]),
            set_komi=self.set_komi,
            rules=RULES,
            terms=terms_of,
            set_rules=set_terms,
            set_up=self.set_up,
            set_handicap=self.set_handicap,
            area=self.area,
            count=self.count,
            seki=self.seki,
            pass_alive=self.pass_alive,
            by_area=self.by_area,
        )

    # -- areas -------------------------------------------------------------------------------------

    def board(self, state) -> np.ndarray:
        """Colours int8 [H, W]."""
        colors = self._on_points(np.asarray(state["color"]))
        colors[colors == BORDER] = 0
        return colors

    def captures(self, state) -> tuple[int, int]:
        """The stones that each player has taken."""
        return int(state["captures"][0]), int(state["captures"][1])

    def area(self, state, dead: np.ndarray | None = None) -> np.ndarray:
        """Owners int8 [H, W], once dead stones are taken off."""
        states = self._one(state)
        if dead is not None:
            self._place(states, self.living(state, dead), int(state["to_play"]))
        owners = np.zeros((1, self._cells), np.uint8)
        find_areas(states, owners, self._width, self.tidy)
        return self._on_points(owners[0])

    def living(self, state, dead: np.ndarray | None) -> np.ndarray:
        """Colours int8 [H, W] without dead stones."""
        colors = self.board(state)
        if dead is not None:
            colors[np.asarray(dead, bool)] = EMPTY
        return colors

    def count(self, state, dead: np.ndarray | None = None) -> Count:
        """Count the board by the state's rules."""
        before, living, owners = self.board(state), self.living(state, dead), self.area(state, dead)
        living[living != owners] = EMPTY  # in a tidy game: they are within pass-alive chains
        taken = self.captures(state)
        prisoners = (
            taken[0] + int((before == WHITE).sum() - (living == WHITE).sum()),
            taken[1] + int((before == BLACK).sum() - (living == BLACK).sum()),
        )
        points = float(compensation.py_func(state) + button_points.py_func(state))
        return count(living, owners, prisoners, terms_of(state), points)

    def seki(self, state, dead: np.ndarray | None = None) -> np.ndarray:
        """The stones in seki, bool [H, W]."""
        living = self.living(state, dead)
        groups, seki = find_groups(living, self.area(state, dead))
        return np.isin(groups, list(seki)) & (living != EMPTY)

    def by_area(self, state) -> tuple[Ruleset, float]:
        """Rules with area scoring and the komi by which they come nearest to the state's own.

        Of territory scoring it is known how many stones each player has set so far, but not who
        will move last. Tax on groups is left out.
        """
        terms = terms_of(state)
        if terms.scoring == "area" and terms.tax == "none":
            return terms, float(state["komi"])
        points = float(compensation.py_func(state))
        if terms.scoring == "territory":
            board, taken = self.board(state), self.captures(state)
            set_so_far = int((board == BLACK).sum()) + taken[1]
            set_so_far -= int((board == WHITE).sum()) + taken[0]
            points += set_so_far + (0.5 if state["to_play"] == 0 else -0.5)
        rules = terms._replace(scoring="area", tax="none", handicap="0")
        return rules, min(max(points, -MAX_KOMI), MAX_KOMI)

    def pass_alive(self, state) -> np.ndarray:
        """Owners int8 [H, W] of what is pass-alive."""
        owners = np.zeros((1, self._cells), np.uint8)
        settle(self._one(state), owners, self._width)
        return self._on_points(owners[0])

    # -- changing a state --------------------------------------------------------------------------

    def set_up(self, state, colors: np.ndarray, to_play: int) -> None:
        """Another board, without history. Raises ValueError."""
        rows, columns = self.rows, self.columns
        colors = np.asarray(colors, np.int8)
        if colors.shape != (rows, columns) or not np.isin(colors, (EMPTY, BLACK, WHITE)).all():
            raise ValueError(f"a board must be [{rows}, {columns}] of 0, 1 and 2")
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

    def set_handicap(self, state, count: int) -> None:
        state["handicap"] = count

    def set_captures(self, state, captures: tuple[int, int]) -> None:
        state["captures"] = captures

    def shrink(self, state, lines: int) -> None:
        """Leave so many lines of an empty square board."""
        states = self._one(state)
        states["lines"] = lines
        self._place(states, np.zeros((self.rows, self.columns), np.int8), 0)
        for name in ("color", "lines"):
            state[name] = states[name][0]

    # -- text --------------------------------------------------------------------------------------

    def action_to_str(self, state, action: int) -> str:
        if action == self.pass_action:
            return "pass"
        row, column = divmod(int(action), self.columns)
        return f"{COLUMNS[column]}{int(state['lines']) - row}"

    def str_to_action(self, state, text: str) -> int:
        text = text.strip().upper()
        if text == "PASS":
            return self.pass_action
        rows, columns = self.shape(state)
        written = re.fullmatch(r"([A-HJ-Z])([1-9]\d?)", text, re.ASCII)
        if written and written[1] in COLUMNS[:columns] and int(written[2]) <= rows:
            return (rows - int(written[2])) * self.columns + COLUMNS.index(written[1])
        corner = f"{COLUMNS[columns - 1]}{rows}"
        raise ValueError(f"{text!r} is not a point: write A1 to {corner} (there is no I) or pass")

    def view(self, state, last_action: int | None) -> BoardView:
        """The board, as large as this state's is."""
        rows, columns = self.shape(state)
        colors = self.board(state)[:rows, :columns]
        last = ()
        if last_action is not None and last_action != self.pass_action:
            row, column = divmod(int(last_action), self.columns)
            if colors[row, column] != EMPTY:
                last = (row * columns + column,)
        stars = star_points(rows, columns)
        return BoardView(
            "points",
            rows=[str(number) for number in range(rows, 0, -1)],
            columns=COLUMNS[:columns],
            cells=[POINTS[color] for color in colors.ravel()],
            stars=frozenset(row * columns + column for row, column in stars),
            last=last,
            names={"X": "stone", "O": "stone"},
            caption="pass" if last_action == self.pass_action else "",
        )

    def explain(self, state, action: int) -> str:
        row, column = divmod(int(action), self.columns)
        cell = (row + 1) * (self.columns + 1) + column + 1
        if state["color"][cell] != EMPTY:
            return "the point is off the board" if state["color"][cell] == BORDER else "occupied"
        if cell == state["ko"] and not has_friend.py_func(state, np.uint64(cell), self._width):
            return "ko: the stone may not be retaken at once"
        trial = self._one(state)
        possible = np.zeros((1, self.pass_action), np.uint8)
        find_moves(trial, possible, self.columns, self.shape(state)[1])
        if self.tidy and self.pass_alive(state)[row, column]:
            return "it is settled who owns the point"
        if not possible[0, action]:
            return "suicide: the stone would have no liberty"
        return "superko: it would repeat an earlier position"

    # -- inside ------------------------------------------------------------------------------------

    def shape(self, state) -> tuple[int, int]:
        """The rows and columns of a state's board, which may be smaller than the arrays."""
        lines = int(state["lines"])
        return lines, lines if self.rows == self.columns else self.columns

    def _on_points(self, array: np.ndarray) -> np.ndarray:
        """The points of an array [cells], as int8 [H, W]."""
        return array[self._points].astype(np.int8).reshape(self.rows, self.columns)

    def _one(self, state) -> np.ndarray:
        """A copy of a state as an array [1], which is what compiled functions take."""
        states = np.zeros(1, self._dtype)
        states[0] = state
        return states

    def _place(self, states: np.ndarray, colors: np.ndarray, to_play: int) -> None:
        """Put these stones on an emptied board."""
        actions = np.flatnonzero(colors)
        kinds = colors.ravel()[actions].astype(np.uint8)
        shape = self.shape(states[0])
        put_stones(states, actions.astype(np.int32), kinds, self.columns, *shape)
        states["to_play"] = to_play


def check_komi(komi: float) -> None:
    """Raises ValueError for what is no number of points."""
    if isinstance(komi, bool) or not isinstance(komi, int | float) or not abs(komi) <= MAX_KOMI:
        raise ValueError(f"komi must be a number from {-MAX_KOMI:g} to {MAX_KOMI:g}, not {komi}")


def star_points(rows: int, columns: int) -> set[tuple[int, int]]:
    """The marked points (row, column) of a board."""
    if min(rows, columns) < 7:
        is_odd = rows % 2 and columns % 2 and min(rows, columns) > 2
        return {(rows // 2, columns // 2)} if is_odd else set()
    across, down = star_lines(columns), star_lines(rows)
    stars = {(row, column) for row in down for column in across}
    if rows % 2 and columns % 2:
        stars.add((rows // 2, columns // 2))
    if columns % 2 and columns > 13:
        stars |= {(row, columns // 2) for row in down}
    if rows % 2 and rows > 13:
        stars |= {(rows // 2, column) for column in across}
    return stars


def star_lines(size: int) -> tuple[int, int]:
    """The outer lines with marked points, of a side of 7 points or more."""
    edge = 2 if size < 13 else 3
    return edge, size - 1 - edge
