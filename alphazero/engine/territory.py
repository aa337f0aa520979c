"""Territory of a game of stones: the expected owner of every point, dead stones, the score.

The estimate comes from the network's ownership head or, without one, from random playouts to the
end. Stones and eyes that no attack can take are certain.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alphazero.game import Position, Stones

PLAYOUTS = 400
DEAD_BELOW = -0.3  # mean ownership, for its own player, below which a chain is dead
LIKELY = 0.3  # ownership from which a point counts as a player's

Auxiliary = Callable[[list[Position]], dict[str, np.ndarray]]  # as `Engine.auxiliary`


def scored_by_area(position: Position) -> Position:
    """The position with rules of area scoring, by which searches and networks count.

    The komi is turned so that the result comes nearest to the position's own rules. Under territory
    scoring it may be a point off, as either player may move last. The same position where it counts
    area already.
    """
    stones = position.game.stones
    if stones is None:
        return position
    rules, komi = stones.by_area(position.state)
    if rules == stones.terms(position.state):
        return position

    def change(state: np.void) -> None:
        stones.set_rules(state, rules)
        stones.set_komi(state, komi)

    changed = position.copy()
    changed.amend(change)
    return changed


class Estimate(NamedTuple):
    """The expected end of a game. Values are for the first player."""

    ownership: np.ndarray  # float32 [H, W] in [-1, 1], 1 for the first player
    dead: np.ndarray  # bool [H, W]: stones that will be captured or removed
    score: float  # the first player's points minus the second's, komi and handicap included


def estimate(position: Position, auxiliary: Auxiliary, seed: int = 0) -> Estimate:
    """Estimate the end of a game of stones, from a position that may be over already."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    state = position.state
    board = stones.board(state)
    unfinished = position.copy()
    while position.is_over and unfinished.last_action == board.size:
        unfinished.undo()  # the passes: networks are trained on unfinished games
    heads = auxiliary([unfinished])
    sign = 1 if unfinished.to_play == 0 else -1
    if "ownership" in heads:
        ownership = sign * heads["ownership"][0]
    else:
        ownership = by_playouts(position, stones, seed)
    certain = stones.pass_alive(state)
    ownership = np.where(certain == 0, ownership, np.where(certain == 1, 1, -1)).astype(np.float32)
    owners = stones.area(state, None)
    points = float((owners == 1).sum()) - float((owners == 2).sum())
    compensation = stones.score(state, None) - points
    if "score" in heads:
        score = sign * float(heads["score"][0, 0]) * board.size
    else:
        score = float(ownership.sum()) + compensation
    return Estimate(ownership, dead_stones(board, ownership), score)


def by_playouts(position: Position, stones: Stones, seed: int) -> np.ndarray:
    """Average the owner of every point over random playouts, in half of which either player moves
    first; float32 [H, W]."""
    game = position.game
    states = game.empty_states(PLAYOUTS)
    board = stones.board(position.state)
    for player in (0, 1):
        states[player] = position.state
        stones.set_up(states[player], board, player)  # without passes before
    states[2:] = np.tile(states[:2], PLAYOUTS // 2 - 1)
    seeds = np.random.default_rng(seed).integers(2**63, size=PLAYOUTS).astype(np.uint64)
    game.playout_batch(states, seeds, np.empty(PLAYOUTS, np.float32))
    owners = np.stack([stones.area(state, None) for state in states])
    return ((owners == 1).mean(axis=0) - (owners == 2).mean(axis=0)).astype(np.float32)


def dead_stones(board: np.ndarray, ownership: np.ndarray) -> np.ndarray:
    """Mark the stones of chains whose points are likely the opponent's, bool [H, W]."""
    dead = np.zeros(board.shape, bool)
    for chain in chains(board):
        rows, columns = zip(*chain, strict=True)
        mine = ownership[rows, columns].mean() * (1 if board[chain[0]] == 1 else -1)
        dead[rows, columns] = mine < DEAD_BELOW
    return dead


def chains(board: np.ndarray) -> list[list[tuple[int, int]]]:
    """List all chains of a board int8 [H, W], each a list of points (row, column)."""
    left = {(int(row), int(column)) for row, column in np.argwhere(board != 0)}
    return [chain_at(board, point, left) for point in sorted(left) if point in left]


def chain_at(
    board: np.ndarray, point: tuple[int, int], left: set[tuple[int, int]] | None = None
) -> list[tuple[int, int]]:
    """List the chain at a point. Its points are removed from `left`, the stones to look at."""
    if left is None:
        left = {(int(row), int(column)) for row, column in np.argwhere(board != 0)}
    left.remove(point)
    chain = [point]
    for row, column in chain:  # which grows during the loop
        for beside in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
            if beside in left and board[beside] == board[point]:
                left.remove(beside)
                chain.append(beside)
    return chain
