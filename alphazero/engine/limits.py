"""Limits of a search, requests for one, and the rules by which it ends.

Imports nothing heavy: a request is made before a network is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from alphazero.arena.level import Level
    from alphazero.game import Position
    from alphazero.search.search import Search, SearchResult

SETTLE_SECONDS = 0.1  # between two checks whether the best move can still change
DEPTH_CHECKS = 50  # the depth is measured each time a search has grown by one in this many
REPORT_SECONDS = 1.0


class SearchLimits(NamedTuple):
    """The limits of a search, and how its move is drawn.

    The search ends at whichever limit it reaches first. Without any of the first four it goes on
    until it is stopped.
    """

    simulations: int | None = None
    seconds: float | None = None
    depth: int | None = None  # mean length in moves of the simulations' paths
    solve: bool = False  # end only when the result is proven
    temperature: float = 0.0
    # Stop before `seconds` are over if the best move cannot change within the simulations that the
    # remaining time allows, divided by this number; 0: never.
    settle: float = 0.0
    level: "Level | None" = None  # consider only the moves of the root that this level sees
    fresh: bool = False  # do not use the tree of an earlier search
    # A clock runs: `seconds` count from when the search was asked for, or from its ponderhit, and
    # not from when it began.
    on_clock: bool = False

    @property
    def is_endless(self) -> bool:
        return (self.simulations, self.seconds, self.depth) == (None,) * 3 and not self.solve


class Restriction(NamedTuple):
    """Moves that a player does not make, or the only ones, in the first plies below the root."""

    player: int
    actions: Sequence[int]
    plies: int  # from the root on; 1: only a move in the root
    is_allowed: bool = False  # True: these moves alone are considered


@dataclass(frozen=True)
class SearchRequest:
    """A position to search, which is not over, and how.

    The best `continuations` moves come with the moves expected to follow, even where the search has
    not looked that far. With `only`, other moves are not considered in
    the root; `restrictions` hold below it, in games that count their plies. Without a seed the
    engine's own makes a new one for every ply.
    """

    position: "Position"
    limits: SearchLimits | None = None  # None: the engine's own
    only: Sequence[int] | None = None
    restrictions: Sequence[Restriction] = ()
    seed: int | None = None
    report_every: float = REPORT_SECONDS  # seconds between two reports of progress
    continuations: int = 1
    full_strength: bool = False  # the engine's own limits without its level
    ownership: bool = False  # have the analysis tell whose the points are expected to be
    is_ended: bool = False  # the players have passed: score and ownership are the judge's


class StopRule:
    """Decides after each step whether a search of one tree has reached a limit.

    The number of simulations is checked elsewhere. Times are seconds since the search began.
    """

    def __init__(self, limits: SearchLimits) -> None:
        self._limits = limits
        self._elapsed = 0.0  # at the last check
        self._next_settled = SETTLE_SECONDS
        self._next_depth = 1  # simulations

    def __call__(self, search: "Search", simulations: int, elapsed: float) -> bool:
        """Return True if the search is to end."""
        limits = self._limits
        before, self._elapsed = self._elapsed, elapsed
        if limits.seconds is not None:
            # Half a step early, so that on average it is neither late nor early.
            if elapsed + (elapsed - before) / 2 >= limits.seconds:
                return True
            if limits.settle and elapsed >= self._next_settled:
                self._next_settled = elapsed + SETTLE_SECONDS
                left = simulations / elapsed * (limits.seconds - elapsed)
                if is_settled(search.result(0), left / limits.settle):
                    return True
        if limits.depth is not None and simulations >= self._next_depth:
            self._next_depth = simulations + simulations // DEPTH_CHECKS + 1
            return search.depth(0)[0] >= limits.depth
        return False


def is_settled(result: "SearchResult", left: float) -> bool:
    """Return True if no other move can overtake the best within `left` simulations."""
    best = result.visits[result.index(result.best)]
    others = result.visits[result.actions != result.best]
    return len(others) == 0 or bool(best - others.max() > left)
