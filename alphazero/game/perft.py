"""Perft: counting the lines of legal moves, which tests rules against published counts.

A game that counts for itself (`Pieces.perft`) is asked; any other is counted by its contract.
"""

import time
from collections.abc import Iterator

import numpy as np

from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.game.kernels import key, legal, outcome, play


def divide(game: Game, fen: str | None, depth: int) -> Iterator[str]:
    """Yield what `perft` prints: a count for every move from the start or a FEN, and a sum.

    Raises UserError for a bad FEN.
    """
    position = game.position()
    if fen is not None:
        if game.pieces is None:
            raise UserError(f"{game.name} has no positions in FEN")
        try:
            game.pieces.set_fen(position.state, fen)
        except ValueError as error:
            raise UserError(f"FEN {fen!r}: {error}") from error
        position = Position(game, position.state)
    lines_by_move(position, 2)  # compiles what is needed
    total, began = 0, time.process_time()
    for action, lines in count_by_move(position, depth):
        total += lines
        yield f"{position.text(action)}: {lines}"
    elapsed = max(time.process_time() - began, 1e-9)
    yield f"\nNodes searched: {total}"
    yield f"({elapsed:.2f} s of one core, {total / elapsed / 1e6:.1f} million nodes/s)"


def lines_by_move(position: Position, depth: int) -> dict[int, int]:
    """Count the lines of `depth` >= 1 plies that begin with each legal action.

    A line that ends earlier does not count. Games with pieces count on where a draw could be
    claimed.
    """
    return dict(count_by_move(position, depth))


def count_by_move(position: Position, depth: int) -> Iterator[tuple[int, int]]:
    """Yield the items of `lines_by_move` one after the other, as they are known."""
    assert depth >= 1, "a line has at least one move"
    game = position.game
    if game.pieces is not None:
        for action in game.pieces.legal(position.state):
            states = position.state_array.copy()
            game.play_batch(states, np.array([action], np.int32))
            below = game.pieces.perft(states[0], depth - 1).values() if depth > 1 else [1]
            yield action, sum(below)
        return
    for action in position.legal_actions():
        after = position.copy()
        after.play(action)
        yield action, count(after, depth - 1)


def count(position: Position, depth: int) -> int:
    """Count the lines of `depth` plies from a position, by the game's contract."""
    game, n = position.game, len(position.moves)
    states = game.empty_states(depth + 1)
    states[0] = position.state
    keys = np.zeros(n + depth + 1, np.uint64)
    keys[:n] = position.keys
    masks, next_actions = (
        np.zeros((depth + 1, game.num_actions), np.uint8),
        np.zeros(depth + 1, int),
    )
    return int(game.bind(count_lines)(states, masks, next_actions, keys, n, depth))


def count_lines(states, masks, next_actions, keys, n, depth):
    """Count the lines from states[0]; a template. The arrays have room for `depth` more plies."""
    lines, ply, entered = 0, 0, True
    while ply >= 0:
        if entered:
            entered = False
            if ply == depth:
                lines += 1
                ply -= 1
                continue
            over, _ = outcome(states[ply], keys, n + ply)
            if over:
                ply -= 1
                continue
            masks[ply] = 0
            legal(states[ply], keys, n + ply, masks[ply])
            keys[n + ply] = key(states[ply])
            next_actions[ply] = 0
        action = next_actions[ply]
        while action < masks.shape[1] and masks[ply, action] == 0:
            action += 1
        if action == masks.shape[1]:
            ply -= 1
            continue
        next_actions[ply] = action + 1
        states[ply + 1] = states[ply]
        play(states[ply + 1], action)
        ply += 1
        entered = True
    return lines
