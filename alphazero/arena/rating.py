"""Statistics of strength: Elo differences with intervals, a sequential test, ratings of many.

A result is worth 1, 1/2 or 0 points, and the Elo difference d of two players is what makes the
stronger expect 1 / (1 + 10 ** (-d / 400)) points a game. Games come as *counts*: how often each
score occurred, from the lowest to the highest, evenly spaced. So (losses, draws, wins) for single
games, and five counts for pairs of games from one opening with colours changed, worth 0, 1/4, ...
1 of both points. The two games of a pair are not independent (an opening may favour one colour), so
where openings are played twice the pairs are the independent trials.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alphazero.errors import UserError, closest

Z_95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval
ELO_PER_NAT = 400 / math.log(10)  # an Elo difference is this times the log of the odds


def expected_score(elo: float) -> float:
    """The expected score, in [0, 1], of a player who is `elo` stronger."""
    return 1 / (1 + 10 ** (-elo / 400))


def elo_of_score(score: float) -> float:
    """The Elo difference behind a share of the points; infinite for 0 and 1."""
    if score <= 0 or score >= 1:
        return math.copysign(math.inf, score - 0.5)
    return ELO_PER_NAT * math.log(score / (1 - score))


# -- one match -------------------------------------------------------------------------------------


class EloDifference(NamedTuple):
    """An Elo difference with its 95 % interval."""

    elo: float  # infinite if one side made no point
    low: float  # of the 95 % interval
    high: float

    def __str__(self) -> str:
        if not (math.isfinite(self.low) or math.isfinite(self.high)):
            return "unknown"
        if not math.isfinite(self.high):
            return f"above {self.low:+.0f}"
        if not math.isfinite(self.low):
            return f"below {self.high:+.0f}"
        return f"{self.elo:+.0f} [{self.low:+.0f}, {self.high:+.0f}]"


def elo_difference(wins: int, draws: int, losses: int) -> EloDifference:
    """The Elo difference and its 95 % interval after single, independent games.

    For wins and losses alone it is Wilson's interval, with draws Tango's (Statistics in Medicine
    17, 1998, for paired proportions): 40 wins of 40 are "above +407", not infinite.
    """
    return elo_difference_of_counts((losses, draws, wins))


def elo_difference_of_counts(counts: Sequence[int]) -> EloDifference:
    """The Elo difference and its 95 % interval from counts of any number of scores.

    The interval holds every mean score that the observed one does not contradict: it is less than
    1.96 standard errors away, where the error is that of the likeliest distribution with that mean
    (the score test inverted, as Wilson 1927 and Tango 1998 do). Without games it is everything.
    """
    points, total = _points(counts), float(sum(counts))
    if not total:
        return EloDifference(0.0, -math.inf, math.inf)
    observed = float(np.dot(counts, points)) / total

    def rejected(score: float) -> bool:
        weights = likeliest_distribution(counts, score)
        variance = float(np.dot(weights, (points - score) ** 2))
        return (observed - score) ** 2 > Z_95**2 * variance / total

    low = _edge(rejected, outside=0.0, inside=observed)
    high = _edge(rejected, outside=1.0, inside=observed)
    return EloDifference(*(elo_of_score(score) for score in (observed, low, high)))


def likeliest_distribution(counts: Sequence[int], mean: float) -> np.ndarray:
    """The probabilities of the scores that make the counts likeliest among those with this mean.

    They are p_i = n_i / (N (1 + t (a_i - mean))) (Owen, Empirical Likelihood, 1988), with t such
    that the mean comes out; where no t does it, the mass that is missing lies on the lowest or the
    highest score, which was then never observed. `mean` is strictly between 0 and 1.
    """
    n, points = np.asarray(counts, np.float64), _points(counts)
    seen = n > 0
    distance = points[seen] - mean
    n = n[seen]

    def excess(t: float) -> float:  # falls as t grows
        return float(np.sum(n * distance / (1 + t * distance)))

    low, high = -1 / (1 - mean), 1 / mean
    for _ in range(60):
        t = (low + high) / 2
        if excess(t) > 0:
            low = t
        else:
            high = t
    weights = np.zeros(len(points))
    weights[seen] = n / n.sum() / (1 + t * distance)
    missing = max(0.0, 1 - weights.sum())
    weights[-1 if t < 0 else 0] += missing
    return weights


def _points(counts: Sequence[int]) -> np.ndarray:
    """The scores that the counts belong to: evenly spaced from 0 to 1."""
    return np.linspace(0, 1, len(counts))


def _edge(rejected: Callable[[float], bool], outside: float, inside: float) -> float:
    """Find the end of the interval around `inside` towards `outside`, by bisection."""
    if outside == inside:
        return outside
    for _ in range(45):
        middle = (outside + inside) / 2
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2


# -- a sequential test -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sprt:
    """A sequential probability ratio test: is the first player elo1 stronger, or only elo0?

    `alpha` is the chance of accepting elo1 when elo0 is true, `beta` that of the other error.
    """

    elo0: float = 0.0
    elo1: float = 10.0
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not -1500 <= self.elo0 < self.elo1 <= 1500:
            raise UserError(
                f"SPRT: elo0 = {self.elo0:g} must be below elo1 = {self.elo1:g}, within -1500..1500"
            )
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 0.5:
                raise UserError(f"SPRT: {name} = {getattr(self, name):g} must be between 0 and 0.5")

    @property
    def bounds(self) -> tuple[float, float]:
        """The log-likelihood ratios at which elo0 and elo1 are accepted (Wald 1945)."""
        low = math.log(self.beta / (1 - self.alpha))
        return low, math.log((1 - self.beta) / self.alpha)

    def llr(self, counts: Sequence[int]) -> float:
        """The log of how much likelier elo1 makes the counts than elo0.

        Each hypothesis stands for its likeliest distribution of scores: the generalised SPRT of
        Van den Bergh, "A practical introduction to the GSPRT" (2017), used by Stockfish's testing.
        """
        likely0 = likeliest_distribution(counts, expected_score(self.elo0))
        likely1 = likeliest_distribution(counts, expected_score(self.elo1))
        seen = np.asarray(counts) > 0
        ratios = np.log(likely1[seen] / likely0[seen])
        return float(np.dot(np.asarray(counts)[seen], ratios))

    def decision(self, counts: Sequence[int]) -> float | None:
        """The Elo difference accepted, elo0 or elo1, or None while the match must go on."""
        low, high = self.bounds
        llr = self.llr(counts)
        return self.elo0 if llr <= low else self.elo1 if llr >= high else None


# -- many players ----------------------------------------------------------------------------------


class Pairing(NamedTuple):
    """All games of two players, as counts of the first one's results."""

    first: str
    second: str
    wins: int
    draws: int
    losses: int

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """Points made by the first."""
        return self.wins + self.draws / 2


class Rating(NamedTuple):
    """A player's rating among others."""

    name: str
    elo: float
    error: float  # half the width of the 95 % interval
    games: int
    score: float  # points made


PRIOR_ELO = 1000.0  # standard deviation of the prior: weak, but keeps a player who lost all finite


def fit_elo(pairings: Iterable[Pairing], anchor: str | None = None) -> list[Rating]:
    """Fit the ratings that explain all results best, strongest first; anchor, else mean, has 0.

    Maximum likelihood of the Bradley-Terry model, where a draw counts as half a win and half a
    loss, so that two players end as far apart as their score says, with a weak normal prior. The
    errors are those of the difference to the anchor (or to the mean), from the Hessian H: H^-1 J
    H^-1, with J the variance of the results, which draws make smaller than H (Huber's sandwich).
    Raises UserError when the anchor did not play.
    """
    pairings = [pairing for pairing in pairings if pairing.games]
    names = list(dict.fromkeys(name for pairing in pairings for name in pairing[:2]))
    if anchor is not None and anchor not in names:
        raise UserError(
            f"anchor {anchor!r} is not one of the players{closest(anchor, names)}: "
            + ", ".join(names)
        )
    place = {name: row for row, name in enumerate(names)}
    sides = np.zeros((len(pairings), len(names)))  # +1 for the first, -1 for the second
    for row, pairing in enumerate(pairings):
        sides[row, place[pairing.first]] += 1
        sides[row, place[pairing.second]] -= 1
    games = np.array([pairing.games for pairing in pairings], float)
    scores = np.array([pairing.score for pairing in pairings])
    draws = np.array([pairing.draws for pairing in pairings], float)

    ratings = _most_likely(sides, games, scores)
    expected = _logistic(sides @ ratings)
    prior = np.eye(len(names)) * (ELO_PER_NAT / PRIOR_ELO) ** 2
    information = _information(sides, games * expected * (1 - expected)) + prior
    drawn = np.minimum(draws / games, 2 * np.minimum(expected, 1 - expected))
    drawn *= games / (games + Z_95**2)  # a few draws say little about how many there will be
    noise = _information(sides, games * (expected * (1 - expected) - drawn / 4)) + prior

    level = np.full(len(names), 1 / max(len(names), 1))
    if anchor is not None:
        level = np.eye(len(names))[place[anchor]]
    against = np.eye(len(names)) - level  # rows: a player minus the level that is called 0
    inverse = np.linalg.inv(information)
    covariance = against @ inverse @ noise @ inverse @ against.T
    elo = ELO_PER_NAT * (against @ ratings)
    error = ELO_PER_NAT * Z_95 * np.sqrt(np.maximum(np.diag(covariance), 0))
    made = np.maximum(sides, 0).T @ scores + np.maximum(-sides, 0).T @ (games - scores)
    played = np.abs(sides).T @ games
    table = [
        Rating(name, float(elo[i]), float(error[i]), int(played[i]), float(made[i]))
        for i, name in enumerate(names)
    ]
    return sorted(table, key=lambda rating: (-rating.elo, rating.name))


def _most_likely(sides: np.ndarray, games: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Log-odds ratings [players] of greatest posterior likelihood, by Newton's method.

    The posterior is log-concave; a step is halved until it does not make things worse.
    """
    precision = (ELO_PER_NAT / PRIOR_ELO) ** 2

    def loss(ratings: np.ndarray) -> float:
        gap = sides @ ratings
        # -log of the likelihood: each point made costs log(1 + e^-gap), each lost log(1 + e^gap)
        cost = scores @ np.logaddexp(0, -gap) + (games - scores) @ np.logaddexp(0, gap)
        return float(cost + precision / 2 * ratings @ ratings)

    ratings = np.zeros(sides.shape[1])
    for _ in range(100):
        expected = _logistic(sides @ ratings)
        slope = sides.T @ (scores - games * expected) - precision * ratings
        curvature = _information(sides, games * expected * (1 - expected))
        step = np.linalg.solve(curvature + precision * np.eye(len(ratings)), slope)
        while loss(ratings + step) > loss(ratings) and np.abs(step).max() > 1e-9:
            step /= 2
        ratings = ratings + step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return ratings


def _information(sides: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return sides.T @ (weights[:, None] * sides)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
