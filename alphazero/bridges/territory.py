"""Whose the points of a board will be, and which stones are dead: what people agree on after two
passes, and programs must say.

A network with an ownership head tells. Without one, random playouts do: what is dead seldom
survives them. Stones that are pass-alive are alive whatever either says.
"""

import numpy as np

from alphazero.bridges.engine import Engine
from alphazero.game import Position

PLAYOUTS = 200
DEAD = -0.3  # mean ownership of a chain, for its owner, below which it is dead


def ownership(engine: Engine, position: Position, seed: int = 0) -> np.ndarray:
    """Expected owners of the points, float32 [H, W] in [-1, 1], 1 for the first player's.

    The position must be one of a game of stones that is not over.
    """
    game = position.game
    stones = game.stones
    assert stones is not None, "ownership is asked of games of stones"
    known = engine.auxiliary([position])
    if "ownership" in known:
        expected = known["ownership"][0].astype(np.float32)
        expected = expected if position.to_play == 0 else -expected
    else:
        expected = _by_playouts(position, seed)
    alive = stones.pass_alive(position.state)
    return np.where(alive == 0, expected, np.where(alive == 1, 1, -1)).astype(np.float32)


def dead_stones(engine: Engine, position: Position, seed: int = 0) -> np.ndarray:
    """The stones that will not survive, bool [H, W]; whole chains."""
    stones = position.game.stones
    assert stones is not None, "only stones can be dead"
    board = stones.board(position.state)
    expected = ownership(engine, position, seed)
    dead = np.zeros(board.shape, bool)
    for chain in chains(board):
        for_owner = 1 if board[chain[0]] == 1 else -1
        if for_owner * float(np.mean([expected[point] for point in chain])) < DEAD:
            for point in chain:
                dead[point] = True
    return dead


def chains(board: np.ndarray) -> list[list[tuple[int, int]]]:
    """Stones [H, W] of one colour that touch, as lists of points (row, column)."""
    rows, columns = board.shape
    seen = board == 0
    found = []
    for start in zip(*np.nonzero(board), strict=True):
        if seen[start]:
            continue
        first = (int(start[0]), int(start[1]))
        seen[first] = True
        chain = [first]
        for row, column in chain:  # which grows while it is walked
            for beside in (
                (row - 1, column),
                (row, column - 1),
                (row, column + 1),
                (row + 1, column),
            ):
                inside = 0 <= beside[0] < rows and 0 <= beside[1] < columns
                if inside and not seen[beside] and board[beside] == board[first]:
                    seen[beside] = True
                    chain.append(beside)
        found.append(chain)
    return found


def _by_playouts(position: Position, seed: int) -> np.ndarray:
    game = position.game
    assert game.stones is not None
    states = np.repeat(position.state_array, PLAYOUTS)
    seeds = np.random.SeedSequence([seed, position.ply]).generate_state(PLAYOUTS, np.uint64)
    game.playout_batch(states, seeds, np.empty(PLAYOUTS, np.float32))
    owners = np.stack([game.stones.area(state, None) for state in states])
    return ((owners == 1).mean(axis=0) - (owners == 2).mean(axis=0)).astype(np.float32)
