"""A perfect solver of Connect Four on 7 columns of 6 rows: the judge of tests and benchmarks.

Negamax with alpha-beta on bitboards, null windows, a transposition table of bounds, a filter for
moves that lose at once, and moves ordered by the threats they make, centre first; the ideas are
John Tromp's and Pascal Pons's ("Solving Connect 4", blog.gamesolver.org). It knows nothing of the
engine's own Connect Four: positions come in as lists of columns, so that it is a second opinion.

Bit 7 * column + row; row 6 of every column stays empty, so that lines do not wrap around:

     6 13 20 27 34 41 48     always empty
     5 12 19 26 33 40 47     top row
     ...
     0  7 14 21 28 35 42     bottom row

Two bitboards make a position: `own`, the discs of the player to move, and `filled`, all discs.
A *score* is for the player to move: 22 minus the number of discs the winner has at the end,
negative for a loss, 0 for a draw. So the sooner a win, the higher its score. Its sign is the
*result*.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.game.jit import kernel, popcount

WIDTH, HEIGHT = 7, 6
CELLS = WIDTH * HEIGHT
MOST = 18  # the highest score: no game is won with fewer than 4 discs
ILLEGAL = -100  # stands for the value of a move in a full column

_STRIDE = np.uint64(HEIGHT + 1)
_BOTTOM = np.uint64(sum(1 << column * (HEIGHT + 1) for column in range(WIDTH)))
_BOARD = np.uint64(int(_BOTTOM) * ((1 << HEIGHT) - 1))
_COLUMN = np.uint64((1 << HEIGHT) - 1)
_ZERO, _ONE, _TWO, _THREE = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
_HORIZONTAL, _RISING, _FALLING = np.uint64(7), np.uint64(8), np.uint64(6)
_CENTRE_FIRST = (3, 2, 4, 1, 5, 0, 6)

# A table entry is one uint64: position key (49 bits) << 8 | 1 + bound - lowest, where bounds from
# above come first and bounds from below after them; 0 is an empty entry.
TABLE_BITS = 22
_HASH = np.uint64(0x9E3779B97F4A7C15)
_BOUND_BITS, _BOUND_MASK = np.uint64(8), np.uint64(255)
_BOUNDS = 2 * MOST + 1


# -- kernels on one position -----------------------------------------------------------------------


@kernel
def drops(filled):
    """The cells where a disc dropped into each open column comes to rest."""
    return (filled + _BOTTOM) & _BOARD


@kernel
def _fourth(discs, step):
    """Cells that make a line of four in one direction with three of `discs`."""
    above = (discs << step) & (discs << (_TWO * step))
    below = (discs >> step) & (discs >> (_TWO * step))
    return (
        (above & (discs << (_THREE * step)))  # ooo.
        | (above & (discs >> step))  # oo.o
        | (below & (discs << step))  # o.oo
        | (below & (discs >> (_THREE * step)))  # .ooo
    )


@kernel
def winning_cells(discs, filled):
    """Empty cells, reachable now or not, where the owner of `discs` would make four in a line."""
    cells = (discs << _ONE) & (discs << _TWO) & (discs << _THREE)
    cells |= _fourth(discs, _HORIZONTAL) | _fourth(discs, _RISING) | _fourth(discs, _FALLING)
    return cells & _BOARD & ~filled


@kernel
def has_four(discs):
    """Whether `discs` contain four in a line."""
    for step in (_ONE, _HORIZONTAL, _RISING, _FALLING):
        pairs = discs & (discs >> step)
        if pairs & (pairs >> (_TWO * step)):
            return True
    return False


@kernel
def safe_moves(own, filled):
    """Drops after which the opponent cannot win at once; 0 if there are none.

    Only for positions where the player to move cannot win at once.
    """
    moves = drops(filled)
    threats = winning_cells(own ^ filled, filled)
    forced = moves & threats
    if forced:
        if forced & (forced - _ONE):  # two threats cannot both be answered
            return _ZERO
        moves = forced
    return moves & ~(threats >> _ONE)  # not below a cell that the opponent needs


@kernel
def _ordered_moves(own, filled, moves):
    """The columns of `moves`, most promising first, packed in one integer.

    Each column takes 8 bits, lowest first: 8 * (threats after the move) + (1 + column); 0 ends.
    """
    packed = _ZERO
    count = 0
    for column in _CENTRE_FIRST:
        move = moves & (_COLUMN << (np.uint64(column) * _STRIDE))
        if not move:
            continue
        threats = popcount(winning_cells(own | move, filled))
        entry = np.uint64(8 * min(threats, 31) + 1 + column)
        place = np.uint64(0)  # insertion sort; equal threats keep the order of the loop
        for _ in range(count):
            if ((packed >> place) & _BOUND_MASK) >> _THREE < entry >> _THREE:
                break
            place += _BOUND_BITS
        low = packed & ((_ONE << place) - _ONE)
        packed = low | (entry << place) | ((packed ^ low) << _BOUND_BITS)
        count += 1
    return packed


@kernel
def negamax(own, filled, alpha, beta, table, nodes):
    """The score if it lies between alpha and beta, else a bound on the same side of the window.

    The player to move cannot win at once. `table` is uint64 [2**k], `nodes` int64 [1] a counter.
    """
    nodes[0] += 1
    moves = safe_moves(own, filled)
    discs = popcount(filled)
    if moves == _ZERO:
        return -((CELLS - discs) // 2)  # the opponent wins with the next disc
    if discs >= CELLS - 2:
        return 0
    low = -((CELLS - 2 - discs) // 2)  # the opponent cannot win with the next disc
    high = (CELLS - 1 - discs) // 2  # nor can we
    key = own + filled + _BOTTOM  # never 0, which is an empty entry
    slot = (key * _HASH) >> (np.uint64(64) - np.uint64(popcount(np.uint64(len(table) - 1))))
    entry = table[slot]
    if entry >> _BOUND_BITS == key:
        bound = np.int64(entry & _BOUND_MASK) - 1 - MOST
        if bound <= MOST:
            high = min(high, bound)
        else:
            low = max(low, bound - _BOUNDS)
    if low >= beta:
        return low
    if high <= alpha:
        return high
    alpha = max(alpha, low)
    beta = min(beta, high)
    if alpha >= beta:
        return alpha
    order = _ordered_moves(own, filled, moves)
    while order:
        column = (order & np.uint64(7)) - _ONE
        order >>= _BOUND_BITS
        move = moves & (_COLUMN << (column * _STRIDE))
        score = -negamax(own ^ filled, filled | move, -beta, -alpha, table, nodes)
        if score >= beta:
            table[slot] = key << _BOUND_BITS | np.uint64(score + _BOUNDS + MOST + 1)
            return score
        alpha = max(alpha, score)
    table[slot] = key << _BOUND_BITS | np.uint64(alpha + MOST + 1)
    return alpha


@kernel
def solve(own, filled, weak, table, nodes):
    """The score of a position that is not over; `weak` finds only its sign, much sooner.

    The score is cornered by null windows, nearest to 0 first.
    """
    discs = popcount(filled)
    if drops(filled) & winning_cells(own, filled):
        return 1 if weak else (CELLS + 1 - discs) // 2
    low, high = -((CELLS - discs) // 2), (CELLS + 1 - discs) // 2
    if weak:
        low, high = max(low, -1), min(high, 1)
    while low < high:
        middle = low + (high - low) // 2
        if middle <= 0 and low // 2 < middle:
            middle = low // 2
        elif middle >= 0 and high // 2 > middle:
            middle = high // 2
        score = negamax(own, filled, middle, middle + 1, table, nodes)
        if score <= middle:
            high = score
        else:
            low = score
    return max(-1, min(1, low)) if weak else low  # bounds in the table may know it better


@kernel
def _score_moves(own, filled, weak, table, nodes, values):
    """Fill values int8 [WIDTH] with the score of every move for the player who makes it."""
    for column in range(WIDTH):
        move = drops(filled) & (_COLUMN << (np.uint64(column) * _STRIDE))
        discs = popcount(filled)
        if not move:
            values[column] = ILLEGAL
        elif has_four(own | move):
            values[column] = 1 if weak else (CELLS + 1 - discs) // 2
        elif discs == CELLS - 1:
            values[column] = 0
        else:
            values[column] = -solve(own ^ filled, filled | move, weak, table, nodes)


@kernel
def _score_moves_batch(own, filled, weak, table, nodes, values):
    """Boards own, filled [N] -> int8 values [N, WIDTH]."""
    for n in range(own.shape[0]):
        _score_moves(own[n], filled[n], weak, table, nodes, values[n])


# -- positions as lists of columns -----------------------------------------------------------------


class Board(NamedTuple):
    own: np.uint64  # discs of the player to move
    filled: np.uint64  # all discs


def board(moves: Sequence[int]) -> Board:
    """The position after these columns; ValueError when a column is full or the game was over."""
    own, filled = 0, 0
    for ply, column in enumerate(moves):
        move = int(drops(np.uint64(filled))) & int(_COLUMN) << 7 * column
        if not move:
            raise ValueError(f"move {ply + 1} of {list(moves)}: column {column} is full")
        if has_four(np.uint64(own ^ filled)):
            raise ValueError(f"move {ply + 1} of {list(moves)}: the game is over")
        own, filled = own ^ filled, filled | move
    return Board(np.uint64(own), np.uint64(filled))


class Solver:
    """The kernels above with a transposition table that is kept from call to call.

    `nodes` counts the positions searched so far.
    """

    def __init__(self, table_bits: int = TABLE_BITS):
        self._table = np.zeros(1 << table_bits, np.uint64)  # 8 bytes an entry
        self._nodes = np.zeros(1, np.int64)

    @property
    def nodes(self) -> int:
        return int(self._nodes[0])

    def result(self, moves: Sequence[int]) -> int:
        """1, 0 or -1: the player to move wins, draws or loses against perfect play."""
        return int(solve(*board(moves), True, self._table, self._nodes))

    def score(self, moves: Sequence[int]) -> int:
        """The score of the player to move (see above): the result and how soon it comes."""
        return int(solve(*board(moves), False, self._table, self._nodes))

    def judge(self, positions: Sequence[Sequence[int]], weak: bool = True) -> "Judgement":
        """Value every legal move of every position: its result if `weak`, else its score."""
        boards = [board(moves) for moves in positions]
        own = np.array([b.own for b in boards], np.uint64)
        filled = np.array([b.filled for b in boards], np.uint64)
        values = np.empty((len(boards), WIDTH), np.int8)
        _score_moves_batch(own, filled, weak, self._table, self._nodes, values)
        return Judgement(values)


class Judgement:
    """What a perfect player thinks of N positions: `values` int8 [N, WIDTH], ILLEGAL where full.

    `best` bool [N, WIDTH] marks the moves that keep the value of the position, `decisive` bool [N]
    the positions where some legal move does not.
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self.best = values == values.max(axis=1, keepdims=True)
        self.decisive = (self.best != (values != ILLEGAL)).any(axis=1)

    def share_best(self, chosen: Sequence[int]) -> tuple[float, float]:
        """The share of columns `chosen` [N] that are best, over all and over decisive positions."""
        right = self.best[np.arange(len(self.best)), np.asarray(chosen)]
        return float(right.mean()), float(right[self.decisive].mean())


def random_positions(count: int, seed: int, fewest: int = 8, most: int = 24) -> list[list[int]]:
    """Distinct unfinished positions after random legal moves, as lists of columns.

    The number of discs is uniform in [fewest, most]; a game that ends sooner is played anew to the
    same number. Two positions with the same discs count as one whatever the order of the moves.
    """
    rng = np.random.default_rng(seed)
    found: dict[Board, list[int]] = {}
    while len(found) < count:
        discs = int(rng.integers(fewest, most + 1))
        moves = _random_game(discs, rng)
        while moves is None:
            moves = _random_game(discs, rng)
        found.setdefault(board(moves), moves)
    return list(found.values())


def _random_game(plies: int, rng: np.random.Generator) -> list[int] | None:
    own, filled = 0, 0
    moves = []
    for _ in range(plies):
        open_columns = [c for c in range(WIDTH) if not filled >> (7 * c + HEIGHT - 1) & 1]
        column = int(rng.choice(open_columns))
        move = int(drops(np.uint64(filled))) & int(_COLUMN) << 7 * column
        if has_four(np.uint64(own | move)):
            return None
        own, filled = own ^ filled, filled | move
        moves.append(column)
    return moves
