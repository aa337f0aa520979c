"""The analysis of a position: what a search has found, move by move.

The names are KataGo's: a winrate is the expected result from 0 to 1, a draw counting a half, and
the lcb its lower confidence bound.
"""

import math
from dataclasses import dataclass

import numpy as np

from alphazero.search.search import Search, SearchResult

CONFIDENCE = 1.96  # standard deviations of the lower bound: 97.5 % of a normal distribution


@dataclass(frozen=True)
class MoveInfo:
    """One move of the position. All values are for the player who makes it."""

    action: int
    winrate: float
    visits: int
    pv: tuple[int, ...]  # the moves expected, this one first
    prior: float = 0.0  # the evaluator's probability of the move
    pv_visits: tuple[int, ...] = ()  # of the moves expected, as far as the search has gone
    plies_to_end: int | None = None  # where the move is proven to win or to lose
    draw: float = 0.0  # the probability of a draw, which the winrate counts as a half

    @property
    def wdl(self) -> tuple[float, float, float]:
        """The probabilities of a win, a draw and a loss."""
        return split_winrate(self.winrate, self.draw)

    @property
    def lcb(self) -> float:
        """The lower confidence bound of the winrate: Wilson's interval, as if every visit were a
        game won or lost, which is so for single rollouts, and cautious for a network."""
        if not self.visits:
            return 0.0
        doubt = CONFIDENCE**2 / self.visits
        variance = self.winrate * (1 - self.winrate) + doubt / 4
        radius = CONFIDENCE * math.sqrt(variance / self.visits)
        return max((self.winrate + doubt / 2 - radius) / (1 + doubt), 0.0)


@dataclass(frozen=True)
class Analysis:
    """A position as a search sees it."""

    to_play: int
    value: float  # for the player to move, in [-1, 1]
    proven: int | None  # -1, 0, 1 for the player to move where the result is proven
    action: int  # the move chosen, which a level may have drawn from several
    moves: list[MoveInfo]  # all moves considered, best first
    simulations: int
    seconds: float
    depth: float = 0.0  # mean length in moves of the simulations' paths
    max_depth: int = 0
    memory_used: float = 0.0  # share of the memory that the tree may take
    draw: float = 0.0  # the probability of a draw

    @property
    def wdl(self) -> tuple[float, float, float]:
        """The probabilities of a win, a draw and a loss for the player to move."""
        return split_winrate(self.winrate(self.to_play), self.draw)

    def winrate(self, player: int) -> float:
        """The expected result for a player, from 0 to 1."""
        return (1 + (self.value if player == self.to_play else -self.value)) / 2

    @property
    def speed(self) -> float:
        """Simulations per second."""
        return self.simulations / max(self.seconds, 1e-3)

    @property
    def visits(self) -> int:
        """Visits of all moves, those of earlier searches included."""
        return sum(move.visits for move in self.moves)


def split_winrate(winrate: float, draw: float) -> tuple[float, float, float]:
    """Split a winrate, in which a draw counts a half, into win, draw and loss."""
    return max(winrate - draw / 2, 0.0), draw, max(1 - winrate - draw / 2, 0.0)


def move_infos(search: Search, result: SearchResult) -> list[MoveInfo]:
    """List the root's moves of a search of one tree: the move to play, then by policy and visits.

    A move without visits has the winrate of the position, and its probability of a draw.
    """
    proven = search.proven_lines(0)
    best = result.quickest(proven)
    winrates = (1 + np.where(np.isnan(result.q), result.value, result.q)) / 2
    draws = np.where(np.isnan(result.q), result.wdl[1], result.move_wdl[:, 1])
    order = np.lexsort((-result.prior, -result.visits, -result.policy))
    moves = []
    for row in sorted(order, key=lambda row: result.actions[row] != best):
        action, visits = int(result.actions[row]), int(result.visits[row])
        plies, pv, pv_visits = proven.get(action) or (None, *search.line(0, action))
        winrate, prior, draw = (float(rows[row]) for rows in (winrates, result.prior, draws))
        moves.append(
            MoveInfo(action, winrate, visits, tuple(pv), prior, tuple(pv_visits), plies, draw)
        )
    return moves
