"""Go as slowly and plainly as it can be said: sets of points, flood fill, every earlier position.

It shares nothing with `games/go_rules.py` but the numbers of colours (0 empty, 1 Black, 2 White)
and of points (row * columns + column, row 0 on top). A board is a tuple of its points' colours.
"""

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

Board = tuple[int, ...]


class Verdict(NamedTuple):
    """What a stone on a point would do."""

    reason: str  # why it is illegal: occupied, suicide, ko, superko, settled; or empty
    board: Board  # after it, whether legal or not
    taken: frozenset[int]  # stones that it takes off, its own in a suicide
    repeats: int  # plies back to the latest earlier position that it may not repeat; 0: none


class GoOracle:
    """A game with its whole history. `ko` is simple, positional or situational; in a `tidy` game
    nobody moves where pass-alive chains have settled who owns the point."""

    def __init__(
        self,
        size: int | tuple[int, int],  # rows and columns
        ko: str,
        suicide: bool,
        board: Iterable[int] = (),
        to_play: int = 0,
        max_plies: int = 1000,
        tidy: bool = False,
    ):
        self.rows, self.columns = size if isinstance(size, tuple) else (size, size)
        self.ko, self.suicide = ko, suicide
        self.max_plies, self.tidy = max_plies, tidy
        self.board: Board = tuple(board) or (0,) * self.rows * self.columns
        self.to_play = to_play
        self.captures = [0, 0]  # stones that Black and White have taken
        self.history: list[tuple[Board, int]] = []  # earlier boards, and who was to move
        self.moves: list[int | None] = []  # None: a pass
        self.taken: list[frozenset[int]] = []  # stones that each move took off
        self.points = range(self.rows * self.columns)
        self.beside = neighbours(self.rows, self.columns)

    # -- the board ---------------------------------------------------------------------------------

    def flood(self, board: Board, start: int, colors: tuple[int, ...]) -> set[int]:
        """All points of these colours that are connected to one of them."""
        found, frontier = {start}, [start]
        while frontier:
            for point in self.beside[frontier.pop()]:
                if point not in found and board[point] in colors:
                    found.add(point)
                    frontier.append(point)
        return found

    def chain(self, board: Board, point: int) -> set[int]:
        return self.flood(board, point, (board[point],))

    def all_liberties(self) -> list[int]:
        """How many liberties the chain of each stone has; 0 at empty points."""
        board = self.board
        return [
            len(self.liberties(board, self.chain(board, point))) if board[point] else 0
            for point in self.points
        ]

    def liberties(self, board: Board, chain: set[int]) -> set[int]:
        return {point for stone in chain for point in self.beside[stone] if board[point] == 0}

    # -- moves -------------------------------------------------------------------------------------

    def verdict(self, point: int) -> Verdict:
        """Look at a stone of the player to move on this point."""
        mine = self.to_play + 1
        if self.board[point]:
            return Verdict("occupied", self.board, frozenset(), 0)
        board = replaced(self.board, {point}, mine)
        taken: set[int] = set()
        for beside in self.beside[point]:
            if board[beside] == 3 - mine:
                chain = self.chain(board, beside)
                if not self.liberties(board, chain):
                    taken |= chain
        board = replaced(board, taken, 0)
        own = self.chain(board, point)
        reason = ""
        if not self.liberties(board, own):
            if len(own) == 1 or not self.suicide:
                reason = "suicide"
            taken = own
            board = replaced(board, own, 0)
        repeats = 0 if reason else self.repeats(board)
        if repeats:
            reason = "ko" if self.ko == "simple" else "superko"
        return Verdict(reason, board, frozenset(taken), repeats)

    def repeats(self, board: Board) -> int:
        """How many plies before this board, after a move made now, it stood in a forbidden way."""
        for back, (earlier, to_play) in enumerate(reversed(self.history), start=2):
            if board == earlier and not (self.ko == "situational" and to_play == self.to_play):
                return back
            if self.ko == "simple":
                break
        return 0

    def verdicts(self) -> list[Verdict]:
        """Of all points, looked at as candidates of the player to move."""
        verdicts = [self.verdict(point) for point in self.points]
        if self.tidy:
            settled = self.pass_alive()
            for point in self.points:
                if settled[point] and not verdicts[point].reason:
                    verdicts[point] = verdicts[point]._replace(reason="settled")
        return verdicts

    def play(self, point: int | None) -> None:
        board, taken = self.board, frozenset[int]()
        if point is not None:
            _, board, taken, _ = self.verdict(point)
        if taken:
            winner = self.to_play if point not in taken else 1 - self.to_play
            self.captures[winner] += len(taken)
        self.history.append((self.board, self.to_play))
        self.moves.append(point)
        self.taken.append(taken)
        self.board = board
        self.to_play = 1 - self.to_play

    @property
    def is_over(self) -> bool:
        return self.moves[-2:] == [None, None] or len(self.moves) >= self.max_plies

    # -- the end -----------------------------------------------------------------------------------

    def area(self) -> Board:
        """The owner of every point: stones, and empty regions that one colour alone surrounds."""
        owners = self.board
        for point in self.points:
            if owners[point] == 0:
                region = self.flood(self.board, point, (0,))
                colors = {self.board[p] for q in region for p in self.beside[q]} - {0}
                if len(colors) == 1:
                    owners = replaced(owners, region, colors.pop())
        if self.tidy:
            settled = self.pass_alive()
            owners = tuple(late or owner for late, owner in zip(settled, owners, strict=True))
        return owners

    def score(self, komi: float) -> float:
        """Black's points less White's."""
        owners = self.area()
        return owners.count(1) - owners.count(2) - komi

    def seen(self, points: float) -> float:
        """Points for Black, seen by the player to move."""
        return points if self.to_play == 0 else -points

    # -- Benson 1976 -------------------------------------------------------------------------------

    def pass_alive(self) -> Board:
        """The owner of every pass-alive stone and of every region vital to one, else 0."""
        owners: Board = (0,) * len(self.points)
        for color in (1, 2):
            for points in self.alive_sets(color):
                owners = replaced(owners, points, color)
        return owners

    def alive_sets(self, color: int) -> list[set[int]]:
        """The pass-alive chains of a colour, and the regions vital to them."""
        stones = {point for point in self.points if self.board[point] == color}
        chains = partition(stones, lambda point: self.chain(self.board, point))
        regions = partition(
            set(self.points) - stones, lambda point: self.flood(self.board, point, (0, 3 - color))
        )
        while True:
            vital = [[region for region in regions if self.is_vital(region, c)] for c in chains]
            alive = [chain for chain, eyes in zip(chains, vital, strict=True) if len(eyes) >= 2]
            safe: set[int] = set().union(*alive)
            enclosed = [
                region
                for region in regions
                if all(p in safe or p in region for q in region for p in self.beside[q])
            ]
            if len(alive) == len(chains) and len(enclosed) == len(regions):
                return chains + [region for eyes in vital for region in eyes]
            chains, regions = alive, enclosed

    def is_vital(self, region: set[int], chain: set[int]) -> bool:
        """Whether the chain touches all empty points of the region. Where suicide is allowed the
        opponent can also empty the points of the stones there, so these count too."""
        return all(
            any(beside in chain for beside in self.beside[point])
            for point in region
            if self.suicide or self.board[point] == 0
        )


@functools.cache
def neighbours(rows: int, columns: int) -> list[list[int]]:
    """The points beside each point."""
    return [
        [r * columns + c for r, c in around if 0 <= r < rows and 0 <= c < columns]
        for row in range(rows)
        for column in range(columns)
        for around in [[(row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)]]
    ]


def replaced(board: Board, points: Iterable[int], color: int) -> Board:
    """This board with another colour on these points."""
    changed = list(board)
    for point in points:
        changed[point] = color
    return tuple(changed)


def partition(points: set[int], component: Callable[[int], set[int]]) -> list[set[int]]:
    """The different components of these points."""
    parts, rest = [], set(points)
    while rest:
        part = component(next(iter(rest)))
        parts.append(part)
        rest -= part
    return parts


def read_board(picture: str) -> Board:
    """A board drawn with X for Black, O for White, and anything else for empty points."""
    return tuple("XO".find(mark) + 1 for row in picture.split() for mark in row)
