"""The judge of a game of Go that has ended, or nearly: who owns what, which stones are dead.

One opinion for all front ends. It comes in three steps:

1. Stones and eyes that no attack can take (Benson 1976) are certain.
2. For the rest, playouts to the end in which each side moves first in half of them and moves are
   drawn from the network's policy (from the game's weights without a network), mixed with the
   network's ownership averaged over the symmetries and both players to move.
3. Where that leaves stones in doubt and the region around them is small, an exact search of the
   region by both sides (`local_search.py`) decides: stones live, die, or share liberties in a seki.

What step 3 cannot settle stays with step 2, and is named as doubtful.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from alphazero.engine.local_search import best_score, bound_search
from alphazero.engine.territory import chains
from alphazero.game import Game, Position
from alphazero.game.kernels import legal, outcome, prune
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import Evaluator, Leaves

PLAYOUTS = 32  # with a network's policy
WEIGHTED_PLAYOUTS = 400  # without a network
TEMPERATURE = 0.7
LONGEST = 1.2  # plies of a playout, per point of the board
PLAYOUT_SHARE = 0.7  # of the opinion; the rest is the network's ownership
# Opinion of a chain above which it is not in doubt, and lower ones for regions that are too large.
SURE = (0.85, 0.6, 0.3)
LARGEST_REGION = 30  # points of a region to be searched
MOST_EMPTY = 9  # empty points of such a region
MOST_CHAINS = 6  # in doubt in one region, whose survival is tried in all combinations
TEMPO = 2  # points by which the best score may depend on who moves first, as at the end of any game

Points = list[tuple[int, int]]


class Judgement(NamedTuple):
    """The end of a game. Arrays are of the board's shape [H, W]."""

    ownership: np.ndarray  # float32 in [-1, 1], 1 for the first player
    dead: np.ndarray  # bool
    seki: np.ndarray  # bool: stones that live by liberties which neither side can fill
    doubtful: np.ndarray  # bool: stones whose fate depends on who moves first, or is not proven
    score: float  # the first player's points minus the second's, komi and handicap included


def judge(position: Position, evaluator: Evaluator, seed: int = 0) -> Judgement:
    """Judge a position of a game of stones. The game may be over."""
    game, stones = position.game, position.game.stones
    assert stones is not None, "a game of stones"
    unfinished = position.copy()
    while unfinished.moves and unfinished.last_action == game.num_actions - 1:
        unfinished.undo()
    board = stones.board(unfinished.state)
    certain = stones.pass_alive(unfinished.state)
    certain = np.where(certain == 2, -1, certain)
    expected = np.where(certain == 0, opinion(unfinished, evaluator, seed), certain)
    status = [Chain(points, *side_of(points, board, expected, certain)) for points in chains(board)]
    doubtful = np.zeros(board.shape, bool)
    dead = np.zeros(board.shape, bool)
    for chain in status:
        dead[chain.index] = chain.opinion < 0
    search = None
    for region in regions_in_doubt(board, status):
        search = search or bound_search(game)
        found = settle(game, search, unfinished, region, dead)
        for chain in region.chains:
            doubtful[chain.index] = found is None
            if found is not None:
                dead[chain.index] = chain in found
    area = stones.area(unfinished.state, dead)
    seki = stones.seki(unfinished.state, dead)
    owners = np.where(area == 2, -1, area)
    ownership = np.where(owners == 0, 0, np.where(doubtful, expected, owners))
    score = stones.score(position.state, dead)
    return Judgement(ownership.astype(np.float32), dead, seki, doubtful, score)


def compile_judge(game: Game, *, uses_planes: bool) -> None:
    """Compile what `judge` and `estimate` use, with or without a network, on nothing at all."""
    states, number = game.empty_states(0), game.num_actions
    keys, values = np.zeros(0, np.uint64), np.zeros(0, np.float32)
    if uses_planes:
        masks, over = np.zeros((0, number), np.uint8), np.zeros(0, np.uint8)
        game.bind(playable_batch)(states, keys[:, None], np.zeros(0, np.int32), masks, over)
        game.key_batch(states, keys)
    else:
        game.trace_batch(states, keys, values, np.zeros((0, number), np.int8))
        game.playout_batch(states, keys, values)
    bound_search(game)(game.empty_states(2), np.zeros(number, np.uint8), False, 0)


def kernels_of_judge(game: Game, *, uses_planes: bool) -> list[Callable[..., Any]]:
    """The kernels that `compile_judge` compiles."""
    own = [game.bind(playable_batch), game.key_batch]
    return [bound_search(game), *(own if uses_planes else [game.trace_batch, game.playout_batch])]


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


class Region(NamedTuple):
    """Empty points and chains in doubt that touch, to be searched together."""

    points: np.ndarray  # bool [H, W]
    chains: list[Chain]


def side_of(
    points: Points, board: np.ndarray, expected: np.ndarray, certain: np.ndarray
) -> tuple[int, float, bool]:
    """The side of a chain, the mean expectation of its points for that side, whether it is sure."""
    side = 1 if board[points[0]] == 1 else -1
    rows, columns = zip(*points, strict=True)
    return side, side * float(expected[rows, columns].mean()), bool(certain[points[0]] == side)


# -- opinions --------------------------------------------------------------------------------------


def opinion(position: Position, evaluator: Evaluator, seed: int) -> np.ndarray:
    """The expected owner of every point, float [H, W], 1 for the first player."""
    if not evaluator.uses_planes:
        return weighted_playouts(position, seed)
    played = policy_playouts(position, evaluator, seed)
    seen = network_ownership(position, evaluator)
    return played if seen is None else PLAYOUT_SHARE * played + (1 - PLAYOUT_SHARE) * seen


def both_to_move(position: Position) -> np.ndarray:
    """The state with either player to move, [2], without passes or forbidden recaptures."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    states = np.repeat(position.state_array, 2)
    for player in (0, 1):
        stones.set_up(states[player], stones.board(position.state), player)
    return states


def network_ownership(position: Position, evaluator: Evaluator) -> np.ndarray | None:
    """The network's ownership, averaged over symmetries and both players to move; None if the
    network has no such head."""
    encoder = evaluator.encoder or Encoder.of(position.game)
    planes, values = encoder.empty(2)
    no_keys, lengths = np.zeros((2, 1), np.uint64), np.zeros(2, np.int32)
    encoder.encode_batch(both_to_move(position), no_keys, lengths, planes, values)
    turns = encoder.symmetries.points
    turned = np.concatenate([turn_planes(planes, points) for points in turns])
    heads = evaluator.auxiliary(encoder.inputs(turned, np.tile(values, (len(turns), 1))))
    if "ownership" not in heads:
        return None
    answers = heads["ownership"].reshape(len(turns), 2, -1)
    total = np.zeros(answers.shape[2])
    for points, answer in zip(turns, answers, strict=True):
        total[points] += answer[0] - answer[1]  # of the player to move: the first, the second
    return total.reshape(planes.shape[2:]) / (2 * len(turns))


def turn_planes(planes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Planes [B, C, H, W] under a symmetry's permutation of points [H * W]."""
    flat = planes.reshape(*planes.shape[:2], -1)[:, :, points]
    return np.ascontiguousarray(flat.reshape(planes.shape))


def weighted_playouts(position: Position, seed: int) -> np.ndarray:
    """The mean owner of every point over playouts whose moves are drawn by the game's weights."""
    game = position.game
    states = np.tile(both_to_move(position), WEIGHTED_PLAYOUTS // 2)
    seeds = np.random.default_rng(seed).integers(2**63, size=len(states)).astype(np.uint64)
    firsts = np.zeros((len(states), game.num_actions), np.int8)
    game.trace_batch(states, seeds, np.empty(len(states), np.float32), firsts)
    return mean_owner(game, states)


def mean_owner(game: Game, states: np.ndarray) -> np.ndarray:
    """The mean owner of every point over final states."""
    assert game.stones is not None
    owners = np.stack([game.stones.area(state, None) for state in states])
    return (owners == 1).mean(axis=0) - (owners == 2).mean(axis=0)


def playable_batch(states, keys, lengths, masks, over):
    """Fill uint8 masks [B, A] with the legal moves that the game does not prune, and over [B];
    keys [B, L] and lengths [B] are the keys of earlier positions. A template."""
    for b in range(states.shape[0]):
        masks[b, :] = 0
        over[b], _ = outcome(states[b], keys[b], lengths[b])
        if not over[b]:
            legal(states[b], keys[b], lengths[b], masks[b])
            prune(states[b], masks[b])


def policy_playouts(position: Position, evaluator: Evaluator, seed: int) -> np.ndarray:
    """The mean owner of every point over playouts whose moves are drawn from the network's policy.

    Nobody passes while a move is left that does not fill an eye, so that dead stones are taken.
    """
    game, encoder = position.game, evaluator.encoder or Encoder.of(position.game)
    symmetries = encoder.symmetries
    rng = np.random.default_rng(seed)
    playable = game.bind(playable_batch)
    states = np.tile(both_to_move(position), PLAYOUTS // 2)
    length = int(LONGEST * (game.num_actions - 1))
    keys = np.zeros((PLAYOUTS, length + 1), np.uint64)
    live = np.arange(PLAYOUTS)
    for ply in range(length):
        now, lengths = states[live], np.full(len(live), ply, np.int32)
        masks, over = np.zeros((len(live), game.num_actions), np.uint8), np.zeros(len(live), "u1")
        playable(now, keys[live], lengths, masks, over)
        going = over == 0
        live, now, masks, lengths = live[going], now[going], masks[going], lengths[going]
        if not len(live):
            break
        planes, values = encoder.empty(len(live))
        encoder.encode_batch(now, keys[live], lengths, planes, values)
        turn = int(rng.integers(len(symmetries.points)))
        turned, inputs = (
            turn_planes(planes, symmetries.points[turn]),
            encoder.inputs(planes, values),
        )
        seeds = np.zeros(len(live), np.uint64)
        answer = evaluator.evaluate(Leaves(turned, now, seeds, inputs.globals))
        logits = answer.logits[:, symmetries.inverse_actions[turn]] / TEMPERATURE
        drawn = np.where(masks > 0, logits + rng.gumbel(size=logits.shape), -np.inf)
        found = np.empty(len(live), np.uint64)
        game.key_batch(now, found)
        keys[live, ply] = found
        game.play_batch(now, drawn.argmax(axis=1).astype(np.int32))
        states[live] = now
    return mean_owner(game, states)


# -- regions ---------------------------------------------------------------------------------------


def neighbours(point: tuple[int, int], shape: Sequence[int]) -> Points:
    """The points beside a point on the board."""
    row, column = point
    around = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
    return [(r, c) for r, c in around if 0 <= r < shape[0] and 0 <= c < shape[1]]


def regions_in_doubt(board: np.ndarray, status: list[Chain]) -> list[Region]:
    """The regions to search: around every chain that is not sure to live, the largest that is small
    enough."""
    found: list[Region] = []
    seen: set[int] = set()
    for start in status:
        if id(start) in seen or start.lives(SURE[0]):
            continue
        for sure in SURE:
            region = region_around(start, board, status, sure)
            if region is not None:
                seen.update(id(chain) for chain in region.chains)
                found.append(region)
                break
    return found


def region_around(
    start: Chain, board: np.ndarray, status: list[Chain], sure: float
) -> Region | None:
    """The empty points that a chain reaches, through chains whose opinion is not above `sure`, with
    these and the chains that could be taken there; None if it is too large to be searched."""
    chain_at = {point: chain for chain in status for point in chain.points}
    points: set[tuple[int, int]] = set()
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
        if len(points) > LARGEST_REGION or empty > MOST_EMPTY or len(members) > MOST_CHAINS:
            return None
        new = [chain for chain in status if can_be_taken(chain, board, points)]
    marked = np.zeros(board.shape, bool)
    marked[tuple(zip(*points, strict=True))] = True
    return Region(marked, members)


def can_be_taken(chain: Chain, board: np.ndarray, points: set[tuple[int, int]]) -> bool:
    """Return True if a chain outside of some points has all its liberties among them."""
    if chain.certain or chain.points[0] in points:
        return False
    beside = {near for point in chain.points for near in neighbours(point, board.shape)}
    return {near for near in beside if board[near] == 0} <= points


def settle(
    game: Game, search: Any, position: Position, region: Region, dead: np.ndarray
) -> list[Chain] | None:
    """Return the chains of a region that are dead, None if it is not proven or depends on who moves
    first. Chains elsewhere stand as they are."""
    stones = game.stones
    assert stones is not None, "a game of stones"
    board = stones.board(position.state)
    reach = int(2 * region.points.sum()) + TEMPO

    def points_with(gone: Sequence[Chain]) -> int:
        removed = np.zeros(board.shape, bool)
        for chain in gone:
            removed[chain.index] = True
        owners = stones.area(position.state, removed)
        return int((owners == 1).sum()) - int((owners == 2).sum())

    now = points_with(())
    best = [
        best_score(search, game, board, player, region.points, now - reach, now + reach)
        for player in (0, 1)
    ]
    if best[0] is None or best[1] is None or abs(best[0] - best[1]) > TEMPO:
        return None
    middle = (best[0] + best[1]) / 2
    choices = [
        gone
        for count in range(len(region.chains) + 1)
        for gone in itertools.combinations(region.chains, count)
    ]
    distances = [abs(points_with(gone) - middle) for gone in choices]
    closest = int(np.argmin(distances))
    return list(choices[closest]) if distances[closest] <= TEMPO else None
