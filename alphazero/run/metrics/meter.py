"""What happened since the last report, named as in `events.METRICS`."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from alphazero.config import Config
from alphazero.data.record import GameRecord
from alphazero.data.replay import expand
from alphazero.game import Game
from alphazero.selfplay.workers.inline import Chunk

# What the learner measures -> the name it is reported by, after "learner/" or "validation/".
LEARNER = {
    "loss/total": "loss",
    "loss/policy": "policy_loss",
    "loss/value": "value_loss",
    "policy/entropy": "policy_entropy",
    "policy/top1": "policy_accuracy",
    "learner/gradient_norm": "gradient_norm",
    "learner/learning_rate": "learning_rate",
}
VALIDATION = {
    "loss/total": "loss",
    "loss/policy": "policy_loss",
    "loss/value": "value_loss",
    "policy/top1": "policy_accuracy",
    "value/accuracy": "value_accuracy",
    "value/calibration": "value_calibration",
}


class Meter:
    """Collects what a report says of the time since the one before."""

    def __init__(
        self, game: Game, config: Config, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.game = game
        self.config = config
        self.clock = clock
        self.restart()

    def restart(self) -> None:
        self.began = self.clock()
        self.learned: dict[str, list[float]] = defaultdict(list)
        self._restart_games()

    def _restart_games(self) -> None:
        self.games_began = self.clock()
        self.counts: dict[str, float] = defaultdict(float)
        self.lags: list[int] = []
        self.newest: list[GameRecord] = []

    @property
    def seconds(self) -> float:
        """Since the last report."""
        return self.clock() - self.began

    def add_chunk(self, chunk: Chunk, version: int) -> None:
        """Count games that were played with an older version of the weights, or with this one."""
        for name, count in chunk.stats.items():
            self.counts[name] += count
        for record in chunk.records:
            self.counts["moves"] += len(record.moves)
            self.counts["first_wins"] += record.result > 0
            self.counts["second_wins"] += record.result < 0
            self.lags.append(version - record.version)
        self.newest = chunk.records or self.newest

    def add_step(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.learned[name].append(value)

    def report(self) -> dict[str, float]:
        """Rates and means since the last report, and begin anew.

        Games arrive in chunks: their rates are of the time since the last report that had any.
        """
        report = self._self_play() | self._learner()
        if self.counts["games"]:
            self._restart_games()
        self.learned = defaultdict(list)
        self.began = self.clock()
        return report

    def _self_play(self) -> dict[str, float]:
        counts, games = self.counts, self.counts["games"]
        seconds = max(self.clock() - self.games_began, 1e-9)
        if not games:
            return {}
        entropy, value_error = search_quality(self.game, self.newest)
        room = self.config.self_play.parallel_games * self.config.search.leaves_per_tree
        return {
            "selfplay/games_per_second": games / seconds,
            "selfplay/positions_per_second": counts["plies"] / seconds,
            "selfplay/simulations_per_second": counts["simulations"] / seconds,
            "selfplay/evaluations_per_second": counts["evaluations"] / seconds,
            "selfplay/batch_fill": counts["evaluations"] / max(counts["batches"] * room, 1),
            "selfplay/cache_hits": counts["cache_hits"] / max(counts["evaluations"], 1),
            "selfplay/plies": counts["moves"] / games,
            "selfplay/first_wins": counts["first_wins"] / games,
            "selfplay/draws": (games - counts["first_wins"] - counts["second_wins"]) / games,
            "selfplay/second_wins": counts["second_wins"] / games,
            "selfplay/policy_entropy": entropy,
            "selfplay/value_error": value_error,
            "selfplay/version_lag": float(np.median(self.lags)),
        }

    def _learner(self) -> dict[str, float]:
        if not self.learned:
            return {}
        means = {name: float(np.mean(values)) for name, values in self.learned.items()}
        samples = len(self.learned["loss/total"]) * self.config.learner.batch_size
        report = {"learner/samples_per_second": samples / max(self.seconds, 1e-9)}
        report |= {f"learner/{known}": means[name] for name, known in LEARNER.items()}
        for item in self.game.auxiliary:
            report[f"learner/auxiliary_loss/{item.name}"] = means[f"loss/{item.name}"]
        return report


def validation(metrics: Mapping[str, float]) -> dict[str, float]:
    """What the learner measured on held-out games, by the names of reports."""
    return {f"validation/{known}": metrics[name] for name, known in VALIDATION.items()}


def search_quality(game: Game, records: list[GameRecord]) -> tuple[float, float]:
    """(mean entropy of the policy targets in nats, mean squared difference of the searches' values
    and the results), NaN where there are none."""
    weights = np.concatenate([record.policy_weights for record in records])
    targets = sum(np.count_nonzero(np.diff(record.policy_offsets)) for record in records)
    entropy = -float(np.sum(weights * np.log(np.maximum(weights, 1e-30))))
    rows = np.concatenate([expand(game, record, False).rows for record in records])
    errors = (rows["root_value"] - rows["value"]) ** 2
    return (
        entropy / targets if targets else np.nan,
        float(np.nanmean(errors)) if np.isfinite(errors).any() else np.nan,
    )
