"""Exact search of one region of a board: how many points either side gets there, and who is left.

A region is up to 64 points: empty ones and stones that may be taken. Around it stand *walls*:
chains that never run out of liberties. A set of points is the bits of a uint64.

"Does Black get as many points?" is a question that somebody wins, so a depth-first proof-number
search answers it (df-pn, Nagai 2002). Both sides may pass, and two passes end the game. Moves
elsewhere, ko threats among them, do not exist, and no position of a line may come back. An answer
that rests on a move being forbidden by that is remembered for this line alone (Kishimoto and Müller
2004). The search knows no game but stones: one compilation serves every board.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrow, kernel, lowest_bit, mix, popcount

MOST_POINTS = 64
PLIES = 120  # of a line
CHILDREN = MOST_POINTS + 1
TABLE = 1 << 17  # positions remembered for one question
BUCKET = 4  # places where a position may lie
INFINITE = 1 << 30
UNKNOWN = -1
NO_KO = -1
FROM_NOTHING = 9  # points that may be eyes, of which nobody makes two where no stone is
ANY_LINE = PLIES + 1  # an answer that holds whatever moves led there
NONE, ONE = np.uint64(0), np.uint64(1)
WHITE_BIT, PASSED_BIT = np.uint64(1 << 8), np.uint64(1 << 9)


def record_dtype(fields: list[tuple]) -> np.dtype:
    """A record whose fields are attributes, in compiled code and without it."""
    return np.dtype((np.record, np.dtype(fields, align=True)))


REGION = record_dtype(
    [
        ("near", np.uint64, MOST_POINTS),  # the points beside a point
        ("points", np.uint64),
        ("walls", np.uint64, 2),  # points beside a wall of the first player, of the second
        ("suicide", np.int8),
    ]
)
# A position of the line that is being searched, with those after each move; the first is a pass.
FRAME = record_dtype(
    [
        ("stones", np.uint64, 2),
        ("name", np.uint64),
        ("line", np.uint64),  # names of all positions before
        ("next_first", np.uint64, CHILDREN),  # the first player's stones after a move
        ("next_second", np.uint64, CHILDREN),
        ("next_name", np.uint64, CHILDREN),  # 0: the game is over
        ("next_ko", np.int8, CHILDREN),
        ("count", np.int64),  # of moves
        ("reach", np.int64),  # the earliest position of the line that a forbidden move would repeat
        ("phi_limit", np.int64),
        ("delta_limit", np.int64),
        ("final", np.int64),  # the score if the game ends here
        ("low", np.int64),  # bounds of the score of best play
        ("high", np.int64),
        ("ko", np.int8),  # point that may not be retaken at once
        ("to_play", np.int8),
        ("passed", np.int8),
    ]
)
ENTRY = record_dtype(
    [("name", np.uint64), ("phi", np.int32), ("delta", np.int32), ("reach", np.int32)]
)


# -- sets of points --------------------------------------------------------------------------------


@kernel
def beside(region, points):
    """The points beside some points."""
    found = NONE
    while points != NONE:
        found |= region.near[lowest_bit(points)]
        points &= points - ONE
    return found


@kernel
def connected(region, points, among):
    """All of a set that is connected with these points of it."""
    found = new = points
    while new != NONE:
        new = beside(region, new) & among & ~found
        found |= new
    return found


@kernel
def breathes(region, chain, empty, wall):
    """Return True if a chain has a liberty or is connected with a wall of its colour."""
    return chain & wall != NONE or beside(region, chain) & empty != NONE


@kernel
def play_point(region, mine, theirs, point, my_wall, their_wall):
    """The mover's stones, the opponent's, and those taken, after a move that may be suicide."""
    mine |= point
    empty = region.points & ~(mine | theirs)
    taken = NONE
    left = beside(region, point) & theirs
    while left != NONE:
        chain = connected(region, left & (~left + ONE), theirs)
        left &= ~chain
        if not breathes(region, chain, empty, their_wall):
            taken |= chain
    if taken == NONE:
        chain = connected(region, point, mine)
        if not breathes(region, chain, empty, my_wall):
            mine &= ~chain
    return mine, theirs & ~taken, taken


@kernel
def is_eye(region, point, mine, my_wall, their_wall):
    """Return True if filling an empty point takes a liberty from its owner and connects nothing."""
    around = beside(region, point)
    if around & ~mine != NONE or point & their_wall != NONE:
        return False
    chains, lasting = 0, True
    while around != NONE:
        chain = connected(region, around & (~around + ONE), mine)
        around &= ~chain
        chains += 1
        lasting &= chain & my_wall != NONE
    return lasting or (chains == 1 and point & my_wall == NONE)


@kernel
def owned(region, first, second):
    """The points of each player by area: stones, and empty regions that touch one player only."""
    left = region.points & ~(first | second)
    while left != NONE:
        empty = connected(region, left & (~left + ONE), left)
        left &= ~empty
        edge = beside(region, empty)
        touches_first = edge & first | empty & region.walls[0]
        touches_second = edge & second | empty & region.walls[1]
        if touches_first != NONE and touches_second == NONE:
            first |= empty
        if touches_second != NONE and touches_first == NONE:
            second |= empty
    return first, second


@kernel
def sure_points(region, mine, theirs, my_wall, their_wall):
    """The points that are a player's whatever happens: stones connected with walls, and parts of
    the rest from which the opponent cannot get out, nor make two eyes there.

    A point beside such stones is never the opponent's eye. One other point, or two that touch, are
    one eye at most, and from nothing nobody makes two in a few.
    """
    sure = connected(region, mine & my_wall, mine)
    watched = beside(region, sure) | my_wall
    left = region.points & ~sure
    while left != NONE:
        part = connected(region, left & (~left + ONE), left)
        left &= ~part
        eyes = part & ~watched
        one = eyes & (~eyes + ONE)
        other = eyes ^ one
        touching = other & (other - ONE) == NONE and beside(region, one) & other != NONE
        nothing = part & theirs == NONE and popcount(eyes) <= FROM_NOTHING
        few = other == NONE or touching or nothing
        if few and part & their_wall == NONE:
            sure |= part
    return sure


# -- positions and their moves ---------------------------------------------------------------------


@kernel
def name_of(first, second, to_play, ko, passed):
    """A number for a position; different for different ones but for chance, and never 0."""
    rest = np.uint64(ko + 1) + WHITE_BIT * np.uint64(to_play) + PASSED_BIT * np.uint64(passed)
    return mix(mix(mix(first) ^ second) + rest) | ONE


@kernel
def list_moves(regions, line, depth):
    """Fill in the moves of line[depth]: a pass, those that take stones, the others."""
    region, frame = regions[0], line[depth]
    mover = np.int64(frame.to_play)
    mine, theirs = frame.stones[mover], frame.stones[1 - mover]
    my_wall, their_wall = region.walls[mover], region.walls[1 - mover]
    walls = region.walls
    first_sure = sure_points(region, frame.stones[0], frame.stones[1], walls[0], walls[1])
    second_sure = sure_points(region, frame.stones[1], frame.stones[0], walls[1], walls[0])
    frame.low, frame.high = -popcount(region.points), popcount(region.points)
    if not (frame.passed and mover == 1):  # who could end the game at once
        frame.low += 2 * popcount(first_sure)
    if not (frame.passed and mover == 0):
        frame.high -= 2 * popcount(second_sure)
    frame.reach = ANY_LINE
    frame.count = 1
    frame.next_first[0], frame.next_second[0] = frame.stones[0], frame.stones[1]
    frame.next_ko[0] = NO_KO
    if frame.passed:
        frame.next_name[0] = NONE
        first, second = owned(region, frame.stones[0], frame.stones[1])
        frame.final = popcount(first) - popcount(second)
    else:
        frame.next_name[0] = name_of(frame.stones[0], frame.stones[1], 1 - mover, NO_KO, 1)
    captures = 1
    left = region.points & ~(mine | theirs)
    while left != NONE:
        point = left & (~left + ONE)
        left ^= point
        if lowest_bit(point) == frame.ko or is_eye(region, point, mine, my_wall, their_wall):
            continue
        after, others, taken = play_point(region, mine, theirs, point, my_wall, their_wall)
        if after & point == NONE and (not region.suicide or after == mine):
            continue
        first, second = (after, others) if mover == 0 else (others, after)
        repeated = depth
        while repeated > 0:
            repeated -= 1
            if line[repeated].stones[0] == first and line[repeated].stones[1] == second:
                frame.reach = min(frame.reach, repeated)
                repeated = -1
        if repeated < 0:
            continue
        ko = NO_KO
        if (
            popcount(taken) == 1
            and point & my_wall == NONE
            and beside(region, point) & ~(others | taken) == NONE
        ):
            ko = lowest_bit(taken)
        place = np.int64(frame.count)
        if taken != NONE:
            frame.next_first[place] = frame.next_first[captures]
            frame.next_second[place] = frame.next_second[captures]
            frame.next_name[place] = frame.next_name[captures]
            frame.next_ko[place] = frame.next_ko[captures]
            place = captures
            captures += 1
        frame.next_first[place], frame.next_second[place] = first, second
        frame.next_ko[place] = ko
        frame.next_name[place] = name_of(first, second, 1 - mover, ko, 0)
        frame.count += 1


@kernel
def step(line, depth, move):
    """Set line[depth + 1] to the position after a move of line[depth]."""
    frame, after = line[depth], line[depth + 1]
    after.stones[0], after.stones[1] = frame.next_first[move], frame.next_second[move]
    after.name, after.ko = frame.next_name[move], frame.next_ko[move]
    after.line = mix(frame.line ^ frame.name)
    after.to_play = 1 - frame.to_play
    after.passed = move == 0


# -- the search ------------------------------------------------------------------------------------
# phi and delta say how much is still to be shown for the player to move to win, and to lose.


@kernel
def find(table, name):
    """The place of a position in the table, -1 if it is not there."""
    first = np.int64(name >> ONE & np.uint64(TABLE - BUCKET))
    for place in range(first, first + BUCKET):
        if table[place].name == name:
            return place
    return -1


@kernel
def remember(table, name, phi, delta, reach):
    """Put a position into the table, over the one that least work went into if there is no room."""
    first = np.int64(name >> ONE & np.uint64(TABLE - BUCKET))
    place, least = first, np.int64(2 * INFINITE)
    for other in range(first, first + BUCKET):
        if table[other].name == name or table[other].name == NONE:
            place = other
            break
        work = min(np.int64(table[other].phi) + table[other].delta, INFINITE)
        if work < least:
            place, least = other, work
    table[place].name, table[place].reach = name, reach
    table[place].phi, table[place].delta = phi, delta


@kernel
def look_up(table, frame, move, line, target):
    """Return what is known of the position after a move: phi, delta, and the answer's reach.

    `line` names the positions up to this one.
    """
    name = frame.next_name[move]
    if name == NONE:
        wins = (frame.final >= target) == (frame.to_play == 1)  # the player who would move next
        return (0, INFINITE, ANY_LINE) if wins else (INFINITE, 0, ANY_LINE)
    phi, delta = 1, 1
    place = find(table, name)
    if place >= 0:
        phi, delta = np.int64(table[place].phi), np.int64(table[place].delta)
        if phi == 0 or delta == 0:
            return phi, delta, ANY_LINE
    place = find(table, name ^ line | ONE)
    if place >= 0:
        reach = np.int64(table[place].reach)
        return np.int64(table[place].phi), np.int64(table[place].delta), reach
    return phi, delta, ANY_LINE


@kernel
def prove(regions, line, start, target, table, nodes):
    """Return whether the first player gets `target` points or more from line[start], the positions
    before which may not come back: 1, 0, or UNKNOWN; and how many of `nodes` positions are left."""
    line, table = borrow(line), borrow(table)
    line[start].phi_limit = line[start].delta_limit = INFINITE
    list_moves(regions, line, start)
    depth = start
    while True:
        frame = line[depth]
        below = mix(frame.line ^ frame.name)
        phi, delta, second, best, reach = INFINITE, 0, INFINITE, 0, ANY_LINE
        best_phi, furthest = 0, np.int64(frame.reach)
        for move in range(frame.count):
            next_phi, next_delta, next_reach = look_up(table, frame, move, below, target)
            if next_delta < phi:
                second, phi, best, best_phi, reach = phi, next_delta, move, next_phi, next_reach
            elif next_delta < second:
                second = next_delta
            delta = min(delta + next_phi, INFINITE if next_phi == INFINITE else INFINITE - 1)
            furthest = min(furthest, next_reach)
        if frame.low >= target or frame.high < target:
            wins = (frame.low >= target) == (frame.to_play == 0)
            phi, delta, reach, furthest = 0 if wins else INFINITE, 0, ANY_LINE, ANY_LINE
        if phi == 0 or delta == 0 or phi >= frame.phi_limit or delta >= frame.delta_limit:
            if phi == 0:
                delta = INFINITE
            elif delta == 0:
                phi, reach = INFINITE, furthest
            if (phi == 0 or delta == 0) and reach < depth:
                remember(table, frame.name ^ frame.line | ONE, phi, delta, reach)
            else:
                remember(table, frame.name, phi, delta, ANY_LINE)
            if depth == start:
                return np.int64((phi == 0) == (frame.to_play == 0)), nodes
            depth -= 1
            continue
        if nodes == 0 or depth + 2 > line.shape[0] - 1:
            return UNKNOWN, nodes
        nodes -= 1
        step(line, depth, best)
        after = line[depth + 1]
        after.phi_limit = min(frame.delta_limit - (delta - best_phi), INFINITE)
        after.delta_limit = min(np.int64(frame.phi_limit), second + second // 4 + 1)
        depth += 1
        list_moves(regions, line, depth)


@kernel
def known_win(line, depth, target, table):
    """A move of line[depth] after which the mover is known to win; -1 if none is known."""
    frame = line[depth]
    below = mix(frame.line ^ frame.name)
    for move in range(frame.count):
        _, delta, _ = look_up(table, frame, move, below, target)
        if delta == 0:
            return move
    return -1


Point = tuple[int, int]


def neighbours(point: Point, shape: Sequence[int]) -> list[Point]:
    """The points beside a point on the board."""
    row, column = point
    around = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
    return [(r, c) for r, c in around if 0 <= r < shape[0] and 0 <= c < shape[1]]


class End(NamedTuple):
    """The end of best play in a region: the first player's points less the second's, and the owner
    of every point, 1, -1 or 0, in the order of the region's points."""

    score: int
    owners: np.ndarray


class RegionSearch:
    """The search of one region, with a budget of positions."""

    def __init__(
        self, board: np.ndarray, points: Sequence[Point], suicide: bool, nodes: int
    ) -> None:
        """`board` is int8 [H, W]; stones beside the points are walls. At most `nodes` positions are
        looked at by all questions together."""
        assert 0 < len(points) <= MOST_POINTS, "the points of a region"
        self.nodes = nodes
        self._count = len(points)
        self._regions = np.zeros(1, REGION)
        self._stones = np.zeros(2, np.uint64)
        self._line = np.zeros(PLIES + 2, FRAME)
        self._tables: dict[int, np.ndarray] = {}
        region = self._regions[0]
        numbers = {point: number for number, point in enumerate(points)}
        for (row, column), number in numbers.items():
            bit = np.uint64(1 << number)
            region["points"] |= bit
            if board[row, column]:
                self._stones[board[row, column] - 1] |= bit
            for near in (
                (row - 1, column),
                (row, column - 1),
                (row, column + 1),
                (row + 1, column),
            ):
                if near in numbers:
                    region["near"][number] |= np.uint64(1 << numbers[near])
                elif (
                    0 <= near[0] < board.shape[0] and 0 <= near[1] < board.shape[1] and board[near]
                ):
                    region["walls"][board[near] - 1] |= bit
        region["suicide"] = suicide

    def best_end(self, to_play: int, guess: int = 0) -> End | None:
        """The end of best play when `to_play` begins; None if it is not found within the budget.
        `guess` is a score to ask for first."""
        score = self._best_score(to_play, guess)
        return None if score is None else self._follow(to_play, score)

    def _begin(self, to_play: int) -> None:
        frame = self._line[0]
        frame["stones"], frame["to_play"] = self._stones, to_play
        frame["ko"], frame["passed"], frame["line"] = NO_KO, 0, 0
        frame["name"] = name_of(self._stones[0], self._stones[1], to_play, NO_KO, 0)

    def _best_score(self, to_play: int, guess: int) -> int | None:
        low, high = -self._count, self._count
        trials = [guess, guess + 1]
        while low < high:
            trial = trials.pop(0) if trials else (low + high + 1) // 2
            if not low < trial <= high:
                continue
            self._begin(to_play)
            answer = self._reaches(trial, 0)
            if answer is None:
                return None
            low, high = (trial, high) if answer else (low, trial - 1)
        return low

    def _table(self, target: int) -> np.ndarray:
        if target not in self._tables:
            self._tables[target] = np.zeros(TABLE, ENTRY)
        return self._tables[target]

    def _reaches(self, target: int, depth: int) -> bool | None:
        """Return True if the first player gets `target` points from this depth on."""
        answer, self.nodes = prove(
            self._regions, self._line, depth, target, self._table(target), self.nodes
        )
        return None if answer == UNKNOWN else bool(answer)

    def _follow(self, to_play: int, score: int) -> End | None:
        """Play best moves to the end, a pass where it is one of them."""
        self._begin(to_play)
        for depth in range(PLIES):
            frame = self._line[depth]
            player = int(frame["to_play"])
            target = score + player  # that the first player is to reach, or the second to prevent
            list_moves(self._regions, self._line, depth)
            if score in (frame["low"], frame["high"]):
                return self._settled(frame["stones"], score, by=int(score == frame["high"]))
            moves = list(range(int(frame["count"])))
            known = known_win(self._line, depth, target, self._table(target))
            if known >= 0:
                moves = [known]
            for move in moves:
                if frame["next_name"][move] == 0:
                    if (frame["final"] >= target) == (player == 0):
                        return self._end(frame["stones"], score)
                    continue
                step(self._line, depth, move)
                answer = self._reaches(target, depth + 1)
                if answer is None:
                    return None
                if answer == (player == 0):
                    break
            else:
                return None
        return None

    def _settled(self, stones: np.ndarray, score: int, by: int) -> End:
        """The end in which player `by` gets no more than what is sure."""
        region = self._regions[0]
        walls = region["walls"]
        sure = sure_points(region, stones[by], stones[1 - by], walls[by], walls[1 - by])
        mine = self._owners(sure)
        return End(score, (2 * mine - 1) * (1 - 2 * by))

    def _end(self, stones: np.ndarray, score: int) -> End:
        first, second = owned(self._regions[0], *stones)
        return End(score, self._owners(first) - self._owners(second))

    def _owners(self, points: np.uint64) -> np.ndarray:
        """1 for points of a set, 0 for the others, int8."""
        return np.array([int(points) >> number & 1 for number in range(self._count)], np.int8)


def compile_search() -> None:
    """Compile all that a search runs, or load it from disk."""
    board = np.array([[0, 0, 1]], np.int8)
    search = RegionSearch(board, [(0, 0), (0, 1)], False, 100)
    search.best_end(0)
    search._begin(0)  # what a region so small does not need
    list_moves(search._regions, search._line, 0)
    known_win(search._line, 0, 1, search._table(1))
    step(search._line, 0, 0)
    search._settled(search._stones, 0, by=0)
    search._end(search._stones, 0)


SEARCH_KERNELS = [list_moves, step, prove, known_win, owned, sure_points, name_of]
