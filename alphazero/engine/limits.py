"""When a search that is under way has done enough."""

from alphazero.engine.analysis import Limit
from alphazero.search.search import Search, SearchResult

SETTLE_SECONDS = 0.1  # between two looks whether the best move can still change
DEPTH_LOOKS = 50  # a search is looked at for its depth whenever it has grown by one in so many


class Enough:
    """Tells, step by step, whether one search has come to its limit, but for that of simulations.

    Time is seconds since the search began.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._elapsed = 0.0  # when it was last asked
        self._next_look = SETTLE_SECONDS
        self._next_depth = 1  # simulations

    def __call__(self, search: Search, simulations: int, elapsed: float) -> bool:
        """Whether a search of one tree is to end after so many simulations and so much time."""
        limit = self._limit
        before, self._elapsed = self._elapsed, elapsed
        if limit.seconds is not None:
            # Less half a step, so that it is no later on average than it is early.
            if elapsed + (elapsed - before) / 2 >= limit.seconds:
                return True
            if limit.settle and elapsed >= self._next_look:
                self._next_look = elapsed + SETTLE_SECONDS
                left = simulations / elapsed * (limit.seconds - elapsed)
                if is_settled(search.result(0), left / limit.settle):
                    return True
        if limit.depth is not None and simulations >= self._next_depth:
            self._next_depth = simulations + simulations // DEPTH_LOOKS + 1
            return search.depth(0)[0] >= limit.depth
        return False


def is_settled(result: SearchResult, left: float) -> bool:
    """Whether no other move can get more visits with so many simulations left."""
    best = result.visits[result.index(result.best)]
    others = result.visits[result.actions != result.best]
    return len(others) == 0 or bool(best - others.max() > left)
