"""Chess: counting the leaves of the tree of legal moves, the usual test of a move generator."""

from typing import Any

import numpy as np

from alphazero.game.jit import borrow, kernel

from .chess_moves_rules import list_moves, make_move
from .chess_notation_rules import legal_actions
from .chess_rules import SCRATCH_MOVES, STATE


@kernel
def count_leaves(boards, moves, counts, depth):
    """Lines of `depth` plies from boards[0]; every move of every line is made.

    boards [D + 1], int16 moves [D, SCRATCH_MOVES] and int64 counts [D] are scratch; D is at least
    `depth`. The boards are whole states, though only the pieces count: for records of another kind
    the move generator would be compiled once more.
    """
    boards, moves, counts = borrow(boards), borrow(moves), borrow(counts)
    if depth == 0:
        return 1
    leaves, ply = 0, 0
    counts[0] = list_moves(boards[0], moves[0])
    while ply >= 0:
        if ply + 1 == depth:
            for i in range(counts[ply]):
                make_move(boards[ply], boards[depth], moves[ply, i])
                leaves += 1
            ply -= 1
        elif counts[ply] == 0:
            ply -= 1
        else:
            counts[ply] -= 1
            make_move(boards[ply], boards[ply + 1], moves[ply, counts[ply]])
            ply += 1
            counts[ply] = list_moves(boards[ply], moves[ply])
    return leaves


def perft(state: Any, depth: int) -> dict[int, int]:
    """How many lines of `depth` plies begin with each legal action; no draw ends one."""
    assert depth >= 1, "a line has at least one move"
    boards = np.zeros(depth + 1, np.dtype((np.record, STATE)))
    moves, counts = np.empty((depth + 1, SCRATCH_MOVES), np.int16), np.zeros(depth + 1, np.int64)
    found = {}
    for action in legal_actions(state):
        boards[0] = state
        make_move(boards[0], boards[0], action)
        found[action] = int(count_leaves(boards, moves, counts, depth - 1))
    return found
