"""Kernels of the replay window: replay recorded moves, assemble training batches.

Shapes as in `alphazero.data.replay`; P points or actions of one row, M policy entries.
"""

import functools
from collections.abc import Callable

from alphazero.game import Game
from alphazero.game.jit import kernel
from alphazero.game.kernels import USES_KEYS, key, legal, outcome, play


def referee(moves, states, keys, mask):
    """Play moves [N] from states[0] as long as they are legal, filling states and keys [N + 1];
    mask [A] is scratch.

    Returns (moves made, whether the last position is over, its value for the player to move).
    """
    for ply in range(moves.shape[0] + 1):
        state = states[ply]
        keys[ply] = key(state)
        n = ply if USES_KEYS else 0
        over, value = outcome(state, keys, n)
        if over or ply == moves.shape[0]:
            break
        mask[:] = 0
        legal(state, keys, n, mask)
        if not mask[moves[ply]]:
            break
        states[ply + 1] = state
        play(states[ply + 1], moves[ply])
    return ply, over, value


@functools.cache
def compile_referee(game: Game) -> Callable[..., tuple[int, bool, float]]:
    """Compile the kernel `referee` for a game."""
    return game.bind(referee)


@kernel
def permute(source, permutations, chosen, out):
    """out[b, c, p] = source[b, c, permutations[chosen[b], p]] for arrays [B, C, P]."""
    for b in range(source.shape[0]):
        s = chosen[b]
        for c in range(source.shape[1]):
            for p in range(source.shape[2]):
                out[b, c, p] = source[b, c, permutations[s, p]]


@kernel
def scatter_policies(starts, counts, actions, weights, inverse, chosen, out):
    """Scatter the sparse rows [starts[b] : starts[b] + counts[b]] of actions and weights [M] into
    zeroed out [B, A], every action mapped by the inverse permutation [S, A] chosen[b]."""
    for b in range(starts.shape[0]):
        s = chosen[b]
        for i in range(starts[b], starts[b] + counts[b]):
            out[b, inverse[s, actions[i]]] = weights[i]


@kernel
def gather_keys(keys, ends, counts, out):
    """Copy the counts[b] keys before ends[b] into out [B, K]."""
    for b in range(ends.shape[0]):
        for i in range(counts[b]):
            out[b, i] = keys[ends[b] - counts[b] + i]
