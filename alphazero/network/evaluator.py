"""What an evaluator is, and those that need no network: uniform, random rollouts, and a cache.

An evaluator answers for a batch of leaves with policy logits and values. Search knows nothing else
about it; the network's evaluator is in `alphazero/network/network_evaluator.py`.
Letters in shapes: B leaves, A actions, C x H x W planes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import kernel, mix

UNDECIDED = 2  # no certain result


class Leaves(NamedTuple):
    """A batch of positions to evaluate. The arrays belong to the search: copy what must be kept."""

    planes: np.ndarray  # uint8 [B, C, H, W], seen by the player to move, perhaps under a symmetry
    states: np.ndarray  # state records [B]; meaningful only if the evaluator `uses_states`
    seeds: np.ndarray  # uint64 [B], fresh randomness for every leaf


class Evaluation(NamedTuple):
    """The answer for a batch."""

    logits: np.ndarray  # float32 [B, A], anything at illegal actions; under the planes' symmetry
    value: np.ndarray  # float32 [B] in [-1, 1], for the player to move
    # int8 [B], results for the player to move that are certain, as from tables of endings: -1, 0, 1
    # or UNDECIDED; None where nothing is. The search goes no further there.
    known: np.ndarray | None = None
    # int8 [B, A], who made an action first in the playout that the value comes from: 1 the player
    # to move, -1 the other, 0 nobody. Only from an evaluator that `traces`, never under a symmetry.
    firsts: np.ndarray | None = None


class Evaluator:
    """Base of all evaluators. `submit` lets a device work while the caller goes on."""

    name = "evaluator"
    player = ""  # the kind of player that searches with it, as matches call it
    uses_planes = True  # False spares the search from observing leaves
    uses_states = False  # True has the search hand over state records
    pipelines = 1  # batches worth having under way: 2 where a device works while the caller goes on
    traces = False  # True: its answers say who made an action first, for RAVE

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Logits and values of a batch, at once."""
        raise NotImplementedError

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        """Start on a batch and return the function that waits for its answer.

        The leaves' arrays stay unchanged until that function has returned.
        """
        evaluation = self.evaluate(leaves)
        return lambda: evaluation

    def auxiliary(self, planes: np.ndarray) -> dict[str, np.ndarray]:
        """What is known of the game's auxiliary targets, by name: float32 [B, *shape] for planes
        uint8 [B, C, H, W], seen by the player to move. Not for the inside of a search: it is slow.
        """
        return {}


class UniformEvaluator(Evaluator):
    """Equal priors and value 0: the free evaluator of tests and benchmarks."""

    name = "uniform"

    def __init__(self, game: Game) -> None:
        self._num_actions = game.num_actions
        self._grow(256)

    def _grow(self, rows: int) -> None:
        self._logits = np.zeros((rows, self._num_actions), np.float32)
        self._value = np.zeros(rows, np.float32)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        if rows > len(self._value):
            self._grow(2 * rows)
        return Evaluation(self._logits[:rows], self._value[:rows])


class RolloutEvaluator(Evaluator):
    """Equal priors, and the mean result of random playouts as value: MCTS before networks."""

    name = "rollout"
    player = "mcts"
    uses_planes = False
    uses_states = True

    def __init__(self, game: Game, playouts: int = 1) -> None:
        if playouts < 1:
            raise ValueError(f"playouts must be at least 1, not {playouts}")
        self._game = game
        self._playouts = playouts

    def evaluate(self, leaves: Leaves) -> Evaluation:
        states = np.repeat(leaves.states, self._playouts)
        seeds = np.repeat(leaves.seeds, self._playouts)
        seeds += np.tile(np.arange(self._playouts, dtype=np.uint64), len(leaves.states))
        values = np.empty(len(states), np.float32)
        self._game.playout_batch(states, seeds, values)
        logits = np.zeros((len(leaves.states), self._game.num_actions), np.float32)
        return Evaluation(logits, values.reshape(-1, self._playouts).mean(axis=1))


class TracedRolloutEvaluator(Evaluator):
    """Equal priors, and as value the result of one playout that says who made each move first, as
    RAVE needs. Its moves are drawn by their weights, if the game has some (`Game.weigh`)."""

    name = "traced rollout"
    player = "rave"
    uses_planes = False
    uses_states = True
    traces = True

    def __init__(self, game: Game) -> None:
        self._game = game

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.states)
        values = np.empty(rows, np.float32)
        firsts = np.zeros((rows, self._game.num_actions), np.int8)
        self._game.trace_batch(leaves.states.copy(), leaves.seeds, values, firsts)
        logits = np.zeros((rows, self._game.num_actions), np.float32)
        return Evaluation(logits, values, firsts=firsts)


class CachedEvaluator(Evaluator):
    """Remembers the answers of another evaluator for planes it has seen.

    Direct mapped: two positions that fall on one entry replace each other. An entry is checked
    against 128 hashed bits of the planes, so the answers are those of the inner evaluator.
    Call `clear` when the inner evaluator has changed.
    """

    def __init__(self, inner: Evaluator, game: Game, capacity: int) -> None:
        if not inner.uses_planes or inner.uses_states:
            raise ValueError(f"only an evaluator of planes can be cached, not {inner.name!r}")
        self.inner = inner
        self.name = f"cached {inner.name}"
        self.pipelines = inner.pipelines
        self.hits = 0
        self.misses = 0
        self._generation = 0  # times cleared
        size = 1 << max(capacity - 1, 1).bit_length()
        self._tags = np.zeros((size, 2), np.uint64)
        self._logits = np.empty((size, game.num_actions), np.float32)
        self._value = np.empty(size, np.float32)

    def clear(self) -> None:
        """Forget everything, answers under way included."""
        self._tags[:] = 0
        self._generation += 1

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        rows = len(leaves.planes)
        tags = np.empty((rows, 2), np.uint64)
        hash_rows(leaves.planes.reshape(rows, -1), tags)
        slots = (tags[:, 0] & np.uint64(len(self._tags) - 1)).astype(np.int64)
        hit = (self._tags[slots] == tags).all(axis=1)
        missing = np.flatnonzero(~hit)
        logits, value = self._logits[slots], self._value[slots]
        self.hits += rows - len(missing)
        self.misses += len(missing)
        if not len(missing):
            return lambda: Evaluation(logits, value)
        ask = Leaves(*(part[missing] for part in leaves))
        wait = self.inner.submit(ask)
        generation = self._generation

        def answer() -> Evaluation:
            found = wait()
            assert len(found.value) == len(ask.seeds), "wrong values"  # and `ask` lives until here
            logits[missing], value[missing] = found.logits, found.value
            if generation == self._generation:
                taken, first = np.unique(slots[missing], return_index=True)
                kept = missing[first]  # of misses that share a slot, one is kept, whole
                self._tags[taken] = tags[kept]
                self._logits[taken] = logits[kept]
                self._value[taken] = value[kept]
            return Evaluation(logits, value)

        return answer

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, planes: np.ndarray) -> dict[str, np.ndarray]:
        return self.inner.auxiliary(planes)


_STEP_1 = np.uint64(0x9E3779B97F4A7C15)
_STEP_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(8)


@kernel
def hash_rows(rows, tags):
    """Fill tags uint64 [B, 2] with two hashes of uint8 rows [B, n]; never zero in the second."""
    for b in range(rows.shape[0]):
        first, second = _STEP_1, _STEP_2
        word = np.uint64(0)
        for i in range(rows.shape[1]):
            word = (word << _SHIFT) | np.uint64(rows[b, i])
            if i % 8 == 7 or i == rows.shape[1] - 1:
                first = mix(first ^ word) * _STEP_2
                second = mix(second + word) * _STEP_1
                word = np.uint64(0)
        tags[b, 0] = mix(first)
        tags[b, 1] = mix(second) | np.uint64(1)
