"""Alpha-beta search for any game, on the game's own kernels: a yardstick without learning.

Negamax with iterative deepening, a transposition table, killer moves and history (Schaeffer 1989).
It needs no knowledge of the game: a position at the depth limit counts as a draw unless a heuristic
is given. A game may offer some (`alphazero.game.Tactics`): then captures come first, and where the
depth ends the noisy moves are searched until the position is quiet.

A *score* is an integer for the player to move, WIN for a game won; every move on the way there
takes one point off, so that quicker wins and slower losses are better:

    score of a move = -(score of the position after it, one point nearer to 0)

and without the minus sign where the same player moves again. The search keeps its stack in arrays
instead of recursing, so that it can pause to look at the clock.

Where the rules look at earlier positions (repetition, superko: `game.uses_keys`), two ways into a
position may give it different values. The table is then trusted for move ordering only; in games
with tactics it is trusted nevertheless, as chess programs do, whose search would be far slower.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alphazero.arena.alphabeta_kernels import (
    BEYOND,
    ENTRY,
    FRAME,
    NEW,
    NOISY_PLIES,
    PROGRESS,
    SURE,
    WIN,
    Stack,
    enter,
    gain,
    heuristic,
    moves,
    noisy,
    search_nodes,
)
from alphazero.game import Game, Position, Tactics
from alphazero.game.jit import bind

SLICE = 20_000  # nodes between two looks at the clock, about 10 ms
TABLE_BITS, LARGE_TABLE_BITS = 18, 20  # the latter where a table is what makes brute force strong


NO_TACTICS = Tactics(moves, noisy, gain, heuristic)


@dataclass(frozen=True)
class Finding:
    """The result of a search."""

    action: int  # a best one, at this depth
    value: float  # for the player to move, in [-1, 1]
    proven: bool  # the value is what perfect play leads to, whatever the depth limit
    plies: int | None  # moves to the end, if the position is proven to be won or lost outright
    depth: int  # plies searched
    nodes: int
    seconds: float


class AlphaBeta:
    """Alpha-beta search for one game; the same arguments give the same move.

    `heuristic(state)` is a kernel: the expected value in [-1, 1] for the player to move; None for
    that of the game's tactics.
    """

    def __init__(
        self,
        game: Game,
        *,
        heuristic: Callable[..., Any] | None = None,
        table_bits: int | None = None,
    ) -> None:
        self.game = game
        known = game.tactics or NO_TACTICS
        heuristic = heuristic or known.value
        self._noisy_plies = NOISY_PLIES if game.tactics is not None else 0
        if table_bits is None:
            table_bits = TABLE_BITS if game.tactics is None else LARGE_TABLE_BITS
        parameters = "_".join(f"{name}{value}" for name, value in game.parameters.items())
        name = f"{game.name}_{parameters}_{heuristic.__qualname__}"
        enter_bound = bind(
            enter,
            name,
            legal=game.legal,
            outcome=game.outcome,
            key=game.key,
            heuristic=heuristic,
            moves=known.moves,
            noisy=known.noisy,
            gain=known.gain,
            HAS_TACTICS=game.tactics is not None,
            USES_KEYS=game.uses_keys,
        )
        self._search_nodes = bind(search_nodes, name, play=game.play, enter=enter_bound)
        self._table = _records(1 << table_bits, ENTRY)  # 24 bytes an entry
        self._progress = _records(1, PROGRESS)
        self._stack = self._make_stack(0)

    def search(
        self,
        position: Position,
        depth: int | None = None,
        *,
        seconds: float | None = None,
        seed: int = 0,
    ) -> Finding:
        """Deepen until the value is proven, `depth` plies are searched, or time is up.

        The seed settles ties between moves. Raises ValueError if the game is over.
        """
        if position.is_over:
            raise ValueError("cannot search: the game is over")
        started = time.perf_counter()
        deepest = self.game.max_plies - position.ply
        deepest = max(1, deepest if depth is None else min(depth, deepest))
        self._set_up(position, deepest, seed)
        deadline = math.inf if seconds is None else started + seconds
        self._search_depth(1, math.inf)  # a move there must be, however little time
        finding = self._finding(1)
        for limit in range(2, deepest + 1):
            if finding.proven or not self._search_depth(limit, deadline):
                break
            finding = self._finding(limit)
        nodes = int(self._progress[0]["nodes"])
        return replace(finding, nodes=nodes, seconds=time.perf_counter() - started)

    def _set_up(self, position: Position, deepest: int, seed: int) -> None:
        """Put the root on the stack. Entries of earlier searches are left behind: they would make a
        move depend on what was searched before."""
        earlier = position.keys if self.game.uses_keys else position.keys[:0]
        deepest += self._noisy_plies
        if len(self._stack.frames) <= deepest or len(self._stack.keys) <= len(earlier) + deepest:
            self._stack = self._make_stack(deepest, len(earlier))
        stack, run = self._stack, self._progress[0]
        stack.states[0] = position.state
        stack.keys[: len(earlier)] = earlier
        stack.killers[:] = -1
        stack.history[:] = 0
        rng = np.random.default_rng(seed)
        stack.root_order[:] = rng.permutation(len(stack.root_order))
        if run["generation"] == np.iinfo(np.int16).max:
            self._table["generation"] = run["generation"] = 0
        run["generation"] += 1
        run["history"] = len(earlier)
        run["nodes"] = 0

    def _search_depth(self, depth: int, deadline: float) -> bool:
        """Search the root to a depth; False if time ran out before that was done."""
        run, root = self._progress[0], self._stack.frames[0]
        root["status"], root["alpha"], root["beta"] = NEW, -BEYOND, BEYOND
        run["ply"], run["depth"] = 0, depth
        while time.perf_counter() < deadline:
            if self._search_nodes(self._stack, self._table, self._progress, run["nodes"] + SLICE):
                return True
        return False

    def _finding(self, depth: int) -> Finding:
        root = self._stack.frames[0]
        score = int(root["best"])
        decided = abs(score) >= SURE
        return Finding(
            action=int(root["action"]),
            value=math.copysign(1.0, score) if decided else score / WIN,
            proven=bool(root["complete"]),
            plies=WIN - abs(score) if decided else None,
            depth=depth,
            nodes=0,
            seconds=0.0,
        )

    def _make_stack(self, depth: int, earlier: int = 0) -> Stack:
        game = self.game
        return Stack(
            frames=_records(depth + 1, FRAME),
            states=game.empty_states(depth + 1),
            moves=np.zeros((depth + 1, game.max_legal), np.int32),
            priorities=np.zeros((depth + 1, game.max_legal), np.int64),
            keys=np.zeros(earlier + depth + 1, np.uint64),
            mask=np.zeros(game.num_actions, np.uint8),
            killers=np.full((depth + 1, 2), -1, np.int32),
            history=np.zeros((2, game.num_actions), np.int64),
            root_order=np.zeros(game.num_actions, np.int32),
        )


def _records(count: int, dtype: np.dtype) -> np.ndarray:
    """Zeroed records whose fields are attributes in plain Python too."""
    return np.zeros(count, np.dtype((np.record, dtype)))
