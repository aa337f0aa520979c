"""The analysis of a position: what a search has found, move by move.

The names are KataGo's: a winrate is the expected result from 0 to 1, a draw counting a half, and
the lcb its lower confidence bound. Score and ownership, in games of stones whose network predicts
them, are averages over the visits as winrates are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from alphazero.engine.judge import Judgement
from alphazero.search.score import OWNERSHIP, SCORE, Average
from alphazero.search.search import Search, SearchResult

SUREST = 0.9999  # ownership of a point, either way
SHIFT_STEPS = 50
SUM_ERROR = 1e-4  # points
CONFIDENCE = 1.96  # standard deviations of the lower bound: 97.5 % of a normal distribution


@dataclass(frozen=True)
class Expectation:
    """The expected end of a game of stones, for one of the players.

    The standard deviations are those among the positions that were searched: what the search is
    undecided about. What the network itself is unsure of is not in them.
    """

    score: float  # points by which the player is ahead, komi included
    score_stdev: float = 0.0
    # float [P] in [-1, 1], from the top left; None if it is not kept.
    ownership: np.ndarray | None = field(default=None, compare=False, repr=False)
    ownership_stdev: np.ndarray | None = field(default=None, compare=False, repr=False)  # [P]


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
    expected: Expectation | None = None  # of the game after the move; None where nothing is known

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
    # Averaged over all visits, while `value` is that of the best move.
    mean_value: float = 0.0  # for the player to move, in [-1, 1]
    expected: Expectation | None = None  # for the player to move; None where nothing is known
    problem: str = ""  # that ended the search before its limits

    @property
    def wdl(self) -> tuple[float, float, float]:
        """The probabilities of a win, a draw and a loss for the player to move."""
        return split_winrate(self.winrate(self.to_play), self.draw)

    def winrate(self, player: int) -> float:
        """The expected result for a player, from 0 to 1."""
        return (1 + (self.value if player == self.to_play else -self.value)) / 2

    @property
    def mean_winrate(self) -> float:
        """The winrate of the player to move averaged over all visits, as `expected` is."""
        return (1 + self.mean_value) / 2

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


def expectations(search: Search) -> tuple[Expectation | None, dict[int, Expectation]]:
    """Read what a search of one tree expects of the position and after each move with visits, by
    action, for the player to move; None and nothing if it does not keep scores."""
    if not search.predictions:
        return None, {}
    points = math.prod(search.game.planes[1:])  # the network predicts points per point of the board
    komi = 0.0
    if OWNERSHIP in search.predictions:
        finals = search.finals(0)
        komi = float(points * finals[SCORE][0] - finals[OWNERSHIP].sum())

    def expectation(average: Average) -> Expectation:
        score, ownership = points * average.score, average.ownership
        if ownership is not None:
            ownership = with_sum(ownership, score - komi)
        return Expectation(score, points * average.score_stdev, ownership, average.ownership_stdev)

    root, moves = search.averages(0)
    return expectation(root), {action: expectation(moves[action]) for action in moves}


def with_sum(ownership: np.ndarray, points: float) -> np.ndarray:
    """Shift ownership [P] so that it sums to these points, as near to that as +-1 allows.

    A network's score and the sum of its ownership are two estimates of one number. Of all
    ownerships with the sum wanted, this is the nearest (in relative entropy): the log odds of all
    points are shifted alike, so that sure ones stay and undecided ones move.
    """
    odds = np.arctanh(np.clip(ownership, -SUREST, SUREST))
    most = SUREST * len(odds)
    points = min(max(points, -most), most)
    shift = 0.0
    for _ in range(SHIFT_STEPS):  # Newton's, of bounded length
        shifted = np.tanh(odds + shift)
        missing = points - float(shifted.sum())
        if abs(missing) < SUM_ERROR:
            break
        slope = float((1 - shifted**2).sum())
        shift += min(max(missing / max(slope, 1e-9), -1.0), 1.0)
    return np.tanh(odds + shift)


def judged(analysis: Analysis, judgement: Judgement) -> Analysis:
    """The analysis of a game that has ended: score and ownership are the judge's, and so is the
    winrate unless something is in doubt. The moves' scores differ as the search found."""
    assert analysis.expected is not None
    sign = 1 if analysis.to_play == 0 else -1
    score, before = sign * judgement.score, analysis.expected
    owners = None if before.ownership is None else sign * judgement.ownership.ravel()
    moves = [
        move if move.expected is None else replace(
            move,
            expected=replace(move.expected, score=move.expected.score + score - before.score),
        )
        for move in analysis.moves
    ]  # fmt: skip
    value = analysis.mean_value if judgement.doubtful.any() else float(np.sign(score))
    expected = replace(before, score=score, ownership=owners)
    return replace(analysis, moves=moves, mean_value=value, expected=expected)


def move_infos(
    search: Search,
    result: SearchResult,
    expected: Expectation | None = None,
    after: Mapping[int, Expectation] | None = None,
) -> list[MoveInfo]:
    """List the root's moves of a search of one tree: the move to play, then by policy and visits.

    `expected` is the end of the game expected of the position, `after` those after moves. A move
    without visits has the winrate of the position, its probability of a draw and its score.
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
            MoveInfo(
                action, winrate, visits, tuple(pv), prior, tuple(pv_visits), plies, draw,
                (after or {}).get(action, expected),
            )
        )  # fmt: skip
    return moves
