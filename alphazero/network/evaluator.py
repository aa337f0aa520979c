"""Evaluators: batches of leaves in, policy logits and win, draw, loss out.

Search knows nothing else of what evaluates. Here are the interface, the evaluators that need no
network (uniform, random rollouts) and a cache; `NetworkEvaluator` is in
`alphazero/network/network_evaluator.py`. All results are for the player to move.
Letters in shapes: B leaves, A actions, C x H x W planes, G float inputs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import kernel, mix
from alphazero.network.encoder import Encoder, Inputs

UNDECIDED = 2  # no certain result
EXCLUDED = -(2.0**100)  # the logit of an action that the search is not to consider


class Leaves(NamedTuple):
    """A batch of positions to evaluate. The arrays belong to the search: copy what must be kept."""

    planes: np.ndarray  # [B, C, H, W] as the encoder fills them, perhaps under a symmetry
    states: np.ndarray  # state records [B]; meaningful only if the evaluator `uses_states`
    seeds: np.ndarray  # uint64 [B], fresh randomness for every leaf
    globals: np.ndarray | None = None  # float32 [B, G]; None: the encoder has none
    # Auxiliary targets to predict as well, by name, of those that the evaluator `predicts`.
    extra: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> "Leaves":
        """Copy some of the leaves, by index or mask [B]."""
        values = None if self.globals is None else self.globals[rows]
        return Leaves(self.planes[rows], self.states[rows], self.seeds[rows], values, self.extra)


class Evaluation(NamedTuple):
    """The answer for a batch, for the player to move."""

    logits: np.ndarray  # float32 [B, A], anything at illegal actions; under the planes' symmetry
    wdl: np.ndarray  # float32 [B, 3]: probabilities of a win, a draw and a loss
    # float32 [B, *shape] by name: the auxiliary targets of `Leaves.extra`, under the symmetry too.
    extra: dict[str, np.ndarray] | None = None
    # int8 [B]: results that are certain, as from tables of endings: -1, 0, 1 or UNDECIDED; None
    # where nothing is. The search goes no further there.
    known: np.ndarray | None = None
    # int8 [B, A]: who made an action first in the playout that the result comes from: 1 the player
    # to move, -1 the opponent, 0 neither. Only if the evaluator `traces`, never under a symmetry.
    firsts: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """float32 [B] in [-1, 1]: the probability of a win less that of a loss."""
        return self.wdl[:, 0] - self.wdl[:, 2]

    @classmethod
    def of_value(
        cls, logits: np.ndarray, value: np.ndarray, firsts: np.ndarray | None = None
    ) -> "Evaluation":
        """Make an answer of values [B] in [-1, 1] alone; see `wdl_of_value`."""
        return cls(logits, wdl_of_value(value), firsts=firsts)


def wdl_of_value(value: np.ndarray) -> np.ndarray:
    """Split values [B] in [-1, 1] into win, draw, loss float32 [B, 3]; win - loss is exactly each.

    What the better side does not win is a draw: right for results of finished games, and the most
    draws that the value allows otherwise.
    """
    value = value.astype(np.float32)
    wdl = np.empty((len(value), 3), np.float32)
    np.maximum(value, 0, out=wdl[:, 0])
    np.maximum(-value, 0, out=wdl[:, 2])
    np.subtract(1, np.abs(value), out=wdl[:, 1])
    return wdl


class Evaluator:
    """Base of all evaluators. `submit` lets a device work while the caller goes on."""

    name = "evaluator"
    player = ""  # the kind of player that searches with it, as matches call it
    game: Game | None = None  # the one it was made for; None: all that its encoder fits
    encoder: Encoder | None = None  # of its planes; None: `Encoder.of` the game
    uses_planes = True  # False spares the search from encoding leaves
    uses_states = False  # True has the search hand over state records
    # Batches worth having under way: more than one where others work while the caller goes on.
    pipelines = 1
    concurrent = False  # True: several threads may ask it at once
    # Set by who relies on it: a row's answer is to be the same to the bit in every batch.
    steady = False
    traces = False  # True: its answers say who made an action first, for RAVE
    predicts: tuple[str, ...] = ()  # names of auxiliary targets that leaves may ask for

    def evaluate(self, leaves: Leaves) -> Evaluation:
        """Evaluate a batch and wait for the answer."""
        raise NotImplementedError

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        """Start on a batch and return the function that waits for its answer.

        The leaves' arrays stay unchanged until that function has returned.
        """
        evaluation = self.evaluate(leaves)
        return lambda: evaluation

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Predict the game's auxiliary targets, by name: float32 [B, *shape] for the inputs of B
        positions, for the player to move; {} if it has none. Too slow for the inside of a search.
        """
        return {}


class UniformEvaluator(Evaluator):
    """Equal priors and a draw: the free evaluator of tests and benchmarks."""

    name = "uniform"

    def __init__(self, game: Game) -> None:
        self.game: Game = game
        self._num_actions = game.num_actions
        self._grow(256)

    def _grow(self, rows: int) -> None:
        self._logits = np.zeros((rows, self._num_actions), np.float32)
        self._wdl = wdl_of_value(np.zeros(rows))

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        if rows > len(self._wdl):
            self._grow(2 * rows)
        return Evaluation(self._logits[:rows], self._wdl[:rows])


class RolloutEvaluator(Evaluator):
    """Equal priors, and the results of random playouts, counted: MCTS before networks."""

    name = "rollout"
    player = "mcts"
    uses_planes = False
    uses_states = True

    def __init__(self, game: Game, playouts: int = 1) -> None:
        """Raises ValueError for less than one playout."""
        if playouts < 1:
            raise ValueError(f"playouts must be at least 1, not {playouts}")
        self.game: Game = game
        self._playouts = playouts

    def evaluate(self, leaves: Leaves) -> Evaluation:
        states = np.repeat(leaves.states, self._playouts)
        seeds = np.repeat(leaves.seeds, self._playouts)
        seeds += np.tile(np.arange(self._playouts, dtype=np.uint64), len(leaves.states))
        values = np.empty(len(states), np.float32)
        self.game.playout_batch(states, seeds, values)
        logits = np.zeros((len(leaves.states), self.game.num_actions), np.float32)
        # Of each playout, then averaged: the mean of a win and a loss is not a draw.
        wdl = wdl_of_value(values).reshape(-1, self._playouts, 3).mean(axis=1)
        return Evaluation(logits, wdl)


class TracedRolloutEvaluator(Evaluator):
    """Equal priors, and the result of one playout with who made each move first, as RAVE needs.
    The moves are drawn by the game's weights, if it has some (`Game.weigh`)."""

    name = "traced rollout"
    player = "rave"
    uses_planes = False
    uses_states = True
    traces = True

    def __init__(self, game: Game) -> None:
        self.game: Game = game

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.states)
        values = np.empty(rows, np.float32)
        firsts = np.zeros((rows, self.game.num_actions), np.int8)
        self.game.trace_batch(leaves.states.copy(), leaves.seeds, values, firsts)
        logits = np.zeros((rows, self.game.num_actions), np.float32)
        return Evaluation.of_value(logits, values, firsts)


class CachedEvaluator(Evaluator):
    """A cache of another evaluator's answers, by their inputs.

    Direct mapped: two positions that fall on one entry replace each other. An entry is checked
    against 128 hashed bits of the inputs, so the answers are those of the inner evaluator. Once
    leaves have asked for an auxiliary target, all entries hold it, and there are fewer of them.
    Call `clear` when the inner evaluator has changed. Made by `cached`.
    """

    def __init__(self, inner: Evaluator, game: Game, entries: int) -> None:
        """`entries` is rounded up to a power of two.

        Raises ValueError for an evaluator that looks at states, which say more than the planes.
        """
        if not caches(inner):
            raise ValueError(f"only an evaluator of planes can be cached, not {inner.name!r}")
        self.inner = inner
        self.name = f"cached {inner.name}"
        self.game, self.encoder = inner.game, inner.encoder
        self.pipelines, self.predicts = inner.pipelines, inner.predicts
        self.hits = 0
        self.misses = 0
        self._generation = 0  # times cleared
        self._extra: tuple[str, ...] = ()  # the auxiliary targets that entries hold
        self._shapes = {item.name: tuple(item.shape) for item in game.auxiliary}
        self._num_actions = game.num_actions
        self._allocate(1 << max(entries - 1, 1).bit_length())

    def _allocate(self, entries: int) -> None:
        """Make empty entries, a power of two of them."""
        self._tags = np.zeros((entries, 2), np.uint64)
        self._kept: dict[str, np.ndarray] = {
            "logits": np.empty((entries, self._num_actions), np.float32),
            "wdl": np.empty((entries, 3), np.float32),
        }
        for name in self._extra:
            self._kept[name] = np.empty((entries, *self._shapes[name]), np.float32)

    def clear(self) -> None:
        """Drop everything, answers under way included."""
        self._tags[:] = 0
        self._generation += 1

    def _hold(self, extra: tuple[str, ...]) -> None:
        """Have the entries hold more auxiliary targets, in the memory that they have taken."""
        before = entry_bytes(self._num_actions, self._floats)
        self._extra = tuple(dict.fromkeys((*self._extra, *extra)))
        after = entry_bytes(self._num_actions, self._floats)
        self._allocate(1 << (len(self._tags) * before // after).bit_length() - 1)
        self._generation += 1

    @property
    def _floats(self) -> int:
        """Numbers of the auxiliary targets in one entry."""
        return sum(math.prod(self._shapes[name]) for name in self._extra)

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        if not set(leaves.extra) <= set(self._extra):
            self._hold(leaves.extra)
        tags = tags_of(leaves)
        rows = len(tags)
        slots = (tags[:, 0] & np.uint64(len(self._tags) - 1)).astype(np.int64)
        hit = (self._tags[slots] == tags).all(axis=1)
        missing = np.flatnonzero(~hit)
        found = {name: kept[slots] for name, kept in self._kept.items()}
        self.hits += rows - len(missing)
        self.misses += len(missing)
        if not len(missing):
            return lambda: _evaluation(found)
        ask = leaves.take(missing)._replace(extra=self._extra)
        wait = self.inner.submit(ask)
        generation = self._generation

        def answer() -> Evaluation:
            new = wait()
            if len(new.wdl) != len(ask.seeds):  # and `ask` lives until here
                raise AssertionError("wrong values")
            parts = {"logits": new.logits, "wdl": new.wdl, **(new.extra or {})}
            for name in found:
                found[name][missing] = parts[name]
            if generation == self._generation:
                taken, first = np.unique(slots[missing], return_index=True)
                kept = missing[first]  # of misses that share a slot, one is kept, whole
                self._tags[taken] = tags[kept]
                for name, array in found.items():
                    self._kept[name][taken] = array[kept]
            return _evaluation(found)

        return answer

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        return self.inner.auxiliary(inputs)


def _evaluation(parts: dict[str, np.ndarray]) -> Evaluation:
    """The answer whose arrays a cache keeps by name."""
    extra = {name: rows for name, rows in parts.items() if name not in ("logits", "wdl")}
    return Evaluation(parts["logits"], parts["wdl"], extra or None)


def entry_bytes(num_actions: int, floats: int = 0) -> int:
    """Bytes of a cache's entry: logits, win, draw, loss, other numbers, tag."""
    return 4 * (num_actions + 3 + floats) + 16


def caches(evaluator: Evaluator) -> bool:
    """Return True if an evaluator's answers depend on the inputs alone and may be remembered."""
    return evaluator.uses_planes and not evaluator.uses_states


def cached(
    evaluator: Evaluator, game: Game, entries: int = 0, *, memory: int | None = None
) -> Evaluator:
    """Put an evaluator behind a cache of `entries` or, instead, of at most `memory` bytes.

    Returns the evaluator itself if there is no room for an entry, it has a cache already, or its
    answers depend on more than the inputs.
    """
    if memory is not None:
        entry = entry_bytes(game.num_actions)
        entries = 1 << (memory // entry).bit_length() - 1 if memory >= entry else 0
    if not entries or isinstance(evaluator, CachedEvaluator) or not caches(evaluator):
        return evaluator
    return CachedEvaluator(evaluator, game, entries)


def tags_of(leaves: Leaves) -> np.ndarray:
    """Hash the inputs of every leaf to 128 bits, uint64 [B, 2]."""
    rows = len(leaves.planes)
    inputs = leaves.planes.reshape(rows, -1).view(np.uint8)
    if leaves.globals is not None:
        inputs = np.concatenate([inputs, leaves.globals.view(np.uint8)], axis=1)
    tags = np.empty((rows, 2), np.uint64)
    hash_rows(inputs, tags)
    return tags


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
