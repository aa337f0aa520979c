"""Kernels that play recorded games again and put training batches together. Letters as in
`alphazero.data.replay`; P points or actions of one row, M policy entries."""

import functools
from collections.abc import Callable
from typing import Any

from alphazero.game import Auxiliary, Game
from alphazero.game.jit import bind, kernel
from alphazero.game.kernels import USES_KEYS, key, legal, outcome, play


def referee(moves, states, keys, mask):
    """Play moves [N] from states[0] for as long as the rules allow, filling states and keys
    [N + 1]; mask [A] is scratch.

    Returns how many moves were made, and the outcome of the last position.
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
    """The kernel `referee` of a game."""
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
    """Make zeroed out [B, A] the sparse rows [starts[b] : starts[b] + counts[b]] of actions and
    weights [M], every action where the inverse permutations [S, A] take it."""
    for b in range(starts.shape[0]):
        s = chosen[b]
        for i in range(starts[b], starts[b] + counts[b]):
            out[b, inverse[s, actions[i]]] = weights[i]


@kernel
def gather_keys(keys, ends, counts, out):
    """Fill out [B, K] with the counts[b] keys before ends[b]."""
    for b in range(ends.shape[0]):
        for i in range(counts[b]):
            out[b, i] = keys[ends[b] - counts[b] + i]


def target(state: Any, final_state: Any, out: Any) -> None: ...


def target_batch(states, final_states, out):
    """Fill float32 out [B, P] with an auxiliary target of states [B]."""
    for b in range(states.shape[0]):
        target(states[b], final_states[b], out[b])


def compile_target(game: Game, auxiliary: Auxiliary) -> Any:
    """The kernel `target_batch` of one of a game's auxiliary targets."""
    return bind(target_batch, f"{game.name}_{auxiliary.name}", target=auxiliary.target)
