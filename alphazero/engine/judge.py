"""The judge of a game of Go that has ended, or nearly: who owns each point, which stones are dead.

One opinion for all front ends, which depends on the stones alone and not on who is to move. It
comes in three steps:

1. Stones and eyes that no attack can take (Benson 1976) are certain.
2. For the rest, an opinion: many playouts to the end, in half of which either side moves first.
   No network is asked, so that all of them, and players without one, are judged by the same judge.
3. Around chains that step 2 does not call alive, if the region is small, exact search by both sides
   (`local_search.py`): the stones of the region are what best play leaves of them, whoever begins.
   That finds dead stones, seki and races, and shows what depends on the next move.

Stones whose fate depends on the next move, and unclear ones in regions too large to be searched,
are in doubt: the opinion decides about them, and they are named as doubtful.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from alphazero.engine.local_search import (
    SEARCH_KERNELS,
    End,
    Point,
    RegionSearch,
    compile_search,
    neighbours,
)
from alphazero.engine.territory import chains
from alphazero.game import Game, Position

PLAYOUTS = 400
ALIVE = 0.85  # opinion of a chain, for its own side, above which it is not searched
CLEAR = 0.6  # opinion, for either side, from which a chain that cannot be searched is not in doubt
ONE_STONE = 4  # points by which a single stone and the point beside it change the score

# A region is searched first with the weaker of the chains around it as part of it, then without.
WALLS = ((ALIVE, True), (CLEAR, True), (CLEAR, False))  # opinion of a wall, which may not be taken
MOST_EMPTY = 14  # points of a region to be searched
MOST_POINTS = 60
REGION_NODES = 150_000  # positions looked at in one region
NODES = 1_500_000  # and in all of one board's
LARGE_EYE = 6  # points of an eye that is as good as two

Points = list[Point]


class Judgement(NamedTuple):
    """The end of a game. Arrays are of the board's shape [H, W]."""

    ownership: np.ndarray  # float32 in [-1, 1], 1 for the first player
    dead: np.ndarray  # bool
    seki: np.ndarray  # bool: stones that live by liberties which neither side can fill
    doubtful: np.ndarray  # bool: stones whose fate depends on who moves first, or is not clear
    score: float  # the first player's points minus the second's, komi and handicap included

    def status(self, point: Point) -> str:
        """The status of the stone at a point: alive, dead or seki."""
        return "dead" if self.dead[point] else "seki" if self.seki[point] else "alive"


class Chain(NamedTuple):
    """Stones that live or die together."""

    points: Points
    side: int  # 1 the first player's, -1 the second's
    opinion: float  # mean ownership of its points, for its own side
    certain: bool  # no attack can take it

    def lives(self, sure: float) -> bool:
        """Return True if it is certain or its opinion is above `sure`."""
        return self.certain or self.opinion > sure

    @property
    def index(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Its points as an index into an array [H, W]."""
        rows, columns = zip(*self.points, strict=True)
        return rows, columns


def judge(position: Position, seed: int = 0) -> Judgement:
    """Judge a position of a game of stones, over or not. The same seed gives the same answer."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    board = stones.board(position.state)
    certain = signed(stones.pass_alive(position.state))
    alone = [player for player in (1, 2) if (board == player).any()]
    if len(alone) < 2:  # a player without stones has nothing
        expected = signed(stones.area(position.state, None)).astype(float)
    else:
        expected = np.where(certain == 0, playout_ownership(position, seed), certain)
    everyone = [chain_of(points, board, expected, certain) for points in chains(board)]
    dead = np.zeros(board.shape, bool)
    for chain in everyone:
        dead[chain.index] = chain.opinion < 0
    doubtful, seki = np.zeros(board.shape, bool), np.zeros(board.shape, bool)
    for chain in everyone:
        doubtful[chain.index] = abs(chain.opinion) < CLEAR
    settle_regions(position, everyone, dead, doubtful, seki)
    owners = signed(stones.area(position.state, dead))
    ownership = np.where(doubtful, expected, owners).astype(np.float32)
    return Judgement(ownership, dead, seki, doubtful, stones.score(position.state, dead))


def compile_judge(game: Game, *, uses_planes: bool) -> None:
    """Compile what `judge` and `estimate` use, with or without a network, or load it from disk."""
    compile_search()
    states, seeds, values = game.empty_states(0), np.zeros(0, np.uint64), np.zeros(0, np.float32)
    game.trace_batch(states, seeds, values, np.zeros((0, game.num_actions), np.int8))
    if not uses_planes:
        game.playout_batch(states, seeds, values)


def kernels_of_judge(game: Game, *, uses_planes: bool) -> list[Callable[..., Any]]:
    """The kernels that `compile_judge` compiles."""
    return [*SEARCH_KERNELS, game.trace_batch, *([] if uses_planes else [game.playout_batch])]


def signed(owners: np.ndarray) -> np.ndarray:
    """Owners 0, 1, 2 as 0, 1, -1."""
    return np.where(owners == 2, -1, owners)


def chain_of(points: Points, board: np.ndarray, expected: np.ndarray, certain: np.ndarray) -> Chain:
    """A chain with what is expected of it."""
    side = 1 if board[points[0]] == 1 else -1
    rows, columns = zip(*points, strict=True)
    mean = side * float(expected[rows, columns].mean())
    return Chain(points, side, mean, bool(certain[points[0]] == side))


# -- playouts --------------------------------------------------------------------------------------


def both_to_move(position: Position) -> np.ndarray:
    """The state with either player to move, [2], without passes or forbidden recaptures."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    states = np.repeat(position.state_array, 2)
    for player in (0, 1):
        stones.set_up(states[player], stones.board(position.state), player)
    return states


def playout_ownership(position: Position, seed: int) -> np.ndarray:
    """The mean owner of every point, float [H, W], 1 the first player, over playouts whose moves
    are drawn by the game's weights.

    Nobody passes while a move is left that does not fill an eye, so that dead stones are taken.
    """
    game = position.game
    assert game.stones is not None, "a game of stones"
    states = np.tile(both_to_move(position), PLAYOUTS // 2)
    seeds = np.random.default_rng(seed).integers(2**63, size=len(states)).astype(np.uint64)
    firsts = np.zeros((len(states), game.num_actions), np.int8)
    game.trace_batch(states, seeds, np.empty(len(states), np.float32), firsts)
    owners = np.stack([game.stones.area(state, None) for state in states])
    return (owners == 1).mean(axis=0) - (owners == 2).mean(axis=0)


# -- regions ---------------------------------------------------------------------------------------


class Region(NamedTuple):
    """Empty points and chains that touch, to be searched together."""

    points: Points
    chains: list[Chain]


def settle_regions(
    position: Position,
    everyone: list[Chain],
    dead: np.ndarray,
    doubtful: np.ndarray,
    seki: np.ndarray,
) -> None:
    """Search the regions around all chains that are not sure to live, the least clear first, and
    correct the three boards [H, W] in place."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    board, suicide = stones.board(position.state), stones.terms(position.state).suicide
    nodes, done = NODES, set()
    for start in sorted(everyone, key=lambda chain: abs(chain.opinion)):
        if start.points[0] in done or start.lives(ALIVE):
            continue
        owners = signed(stones.area(position.state, dead))
        for region in regions_around(start, board, everyone):
            guess = int(sum(owners[point] for point in region.points))
            search = RegionSearch(board, region.points, suicide, min(nodes, REGION_NODES))
            budget = search.nodes
            ends = [search.best_end(player, guess) for player in (0, 1)]
            nodes -= budget - search.nodes
            if ends[0] is not None and ends[1] is not None:
                mark(region, board, ends[0], ends[1], dead, doubtful, seki)
                done.update(chain.points[0] for chain in region.chains)
                break


def regions_around(start: Chain, board: np.ndarray, everyone: list[Chain]) -> Iterator[Region]:
    """The regions around a chain that are small enough to be searched, the most complete first."""
    before: list[Points] = []
    for sure, takeable in WALLS:
        region = region_around(start, board, everyone, sure, takeable)
        if region is not None and region.points not in before:
            before.append(region.points)
            yield region


def region_around(
    start: Chain, board: np.ndarray, everyone: list[Chain], sure: float, takeable: bool
) -> Region | None:
    """The empty points that a chain reaches through chains whose opinion is not above `sure`, with
    these and, if `takeable`, the chains that could be taken there; None if it is too large."""
    chain_at = {point: chain for chain in everyone for point in chain.points}
    points: set[Point] = set()
    members: list[Chain] = []
    new = [start]  # at first; later chains whose last liberties have been reached
    while new:
        members += new
        queue = [point for chain in new for point in chain.points]
        points.update(queue)
        for point in queue:  # which grows during the loop
            for beside in neighbours(point, board.shape):
                chain = chain_at.get(beside)
                if beside in points or (chain is not None and chain.lives(sure)):
                    continue
                more = [beside] if chain is None else chain.points
                points.update(more)
                queue += more
                members += [] if chain is None else [chain]
        empty = sum(board[point] == 0 for point in points)
        if len(points) > MOST_POINTS or empty > MOST_EMPTY:
            return None
        new = [chain for chain in everyone if takeable and can_be_taken(chain, board, points)]
    return Region(sorted(points), members)


def can_be_taken(chain: Chain, board: np.ndarray, points: set[Point]) -> bool:
    """Return True if a chain outside of some points has all its liberties among them."""
    if chain.certain or chain.points[0] in points:
        return False
    return liberties(chain, board) <= points


def liberties(chain: Chain, board: np.ndarray) -> set[Point]:
    """The empty points beside a chain."""
    beside = {near for point in chain.points for near in neighbours(point, board.shape)}
    return {near for near in beside if board[near] == 0}


def mark(
    region: Region,
    board: np.ndarray,
    first: End,
    second: End,
    dead: np.ndarray,
    doubtful: np.ndarray,
    seki: np.ndarray,
) -> None:
    """Enter the chains of a region whose best play ends so if the first or the second player
    begins. Those whose fate depends on that are in doubt: they keep their opinion or, if it is
    about a single stone, stand as they are."""
    ends = [np.zeros(board.shape, np.int8) for _ in (first, second)]
    for end, owners in zip((first, second), ends, strict=True):
        owners[tuple(zip(*region.points, strict=True))] = end.owners
    for chain in region.chains:
        lives = [bool((owners[chain.index] == chain.side).all()) for owners in ends]
        doubtful[chain.index] = lives[0] != lives[1]
        if lives[0] == lives[1] or abs(first.score - second.score) <= ONE_STONE:
            dead[chain.index] = not any(lives)
    neutral = (ends[0] == 0) & (ends[1] == 0) & (board == 0)
    mark_seki(region, board, ends, neutral, seki)


def mark_seki(
    region: Region,
    board: np.ndarray,
    ends: list[np.ndarray],
    neutral: np.ndarray,
    seki: np.ndarray,
) -> None:
    """Mark the groups of a region that live by points which stay neutral to the end."""
    for side in (1, -1):
        mine = [chain for chain in region.chains if chain.side == side and not chain.certain]
        kept = [c for c in mine if all((owners[c.index] == side).all() for owners in ends)]
        for group, eyes in groups(kept, board, ends, side):
            shared = any(neutral[point] for c in group for point in liberties(c, board))
            room = sum(2 if len(eye) >= LARGE_EYE else 1 for eye in eyes)
            if shared and room < 2:
                for c in group:
                    seki[c.index] = True


def groups(
    kept: list[Chain], board: np.ndarray, ends: list[np.ndarray], side: int
) -> Iterator[tuple[list[Chain], list[set[Point]]]]:
    """Chains that share eyes, with these eyes: connected points without their own stones now that
    are theirs in the end."""
    own = (ends[0] == side) & (ends[1] == side) & (signed(board) != side)
    left = {(int(row), int(column)) for row, column in np.argwhere(own)}
    eyes: list[set[Point]] = []
    while left:
        queue = [left.pop()]
        for point in queue:  # which grows during the loop
            more = [near for near in neighbours(point, board.shape) if near in left]
            left.difference_update(more)
            queue += more
        eyes.append(set(queue))
    waiting = list(kept)
    while waiting:
        group, mine = [waiting.pop()], []
        for chain in group:  # which grows during the loop
            beside = {n for point in chain.points for n in neighbours(point, board.shape)}
            new = [eye for eye in eyes if eye & beside and eye not in mine]
            mine += new
            around = {n for eye in new for point in eye for n in neighbours(point, board.shape)}
            joined = [other for other in waiting if around.intersection(other.points)]
            waiting = [other for other in waiting if other not in joined]
            group += joined
        yield group, mine
