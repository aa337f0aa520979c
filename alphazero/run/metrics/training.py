"""Training metrics since the last report, named as in `events.METRICS`, and worker statistics."""

import json
import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from alphazero.config import Config
from alphazero.data.record import GameRecord
from alphazero.data.replay import replay_record
from alphazero.game import Game
from alphazero.selfplay.workers.executor import GameBatch

FORGET_SECONDS = 3600.0  # a worker silent for longer is left out

# Name of the learner's metric -> its name in reports, after "learner/" or "validation/".
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


class TrainingMetrics:
    """Collects rates and means between two reports."""

    def __init__(
        self, game: Game, config: Config, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.game = game
        self.config = config
        self.clock = clock
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
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
        """Seconds since the last report."""
        return self.clock() - self.began

    def add_batch(self, batch: GameBatch, version: int) -> None:
        """Count a batch of games; `version` of the weights is the newest one."""
        for name, count in batch.stats.items():
            self.counts[name] += count
        for record in batch.records:
            self.counts["moves"] += len(record.moves)
            self.counts["first_wins"] += record.result > 0
            self.counts["second_wins"] += record.result < 0
            self.lags.append(version - record.version)
        self.newest = batch.records or self.newest

    def add_step(self, metrics: Mapping[str, float]) -> None:
        """Count one optimiser step."""
        for name, value in metrics.items():
            self.learned[name].append(value)

    def report(self) -> dict[str, float]:
        """Return rates and means since the last report, and begin anew.

        Games arrive in batches: their rates cover the time since the last report that had any.
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
    """Rename the learner's metrics on held-out games to those of reports."""
    return {f"validation/{known}": metrics[name] for name, known in VALIDATION.items()}


def search_quality(game: Game, records: list[GameRecord]) -> tuple[float, float]:
    """Return (mean entropy of the policy targets in nats, mean squared difference of the searches'
    values and the results); NaN without any."""
    weights = np.concatenate([record.policy_weights for record in records])
    targets = sum(np.count_nonzero(np.diff(record.policy_offsets)) for record in records)
    entropy = -float(np.sum(weights * np.log(np.maximum(weights, 1e-30))))
    rows = np.concatenate([replay_record(game, record).rows for record in records])
    errors = (rows["root_value"] - rows["value"]) ** 2
    return (
        entropy / targets if targets else np.nan,
        float(np.nanmean(errors)) if np.isfinite(errors).any() else np.nan,
    )


@dataclass
class WorkerEntry:
    """Statistics of one worker; times are in seconds since 1970."""

    name: str
    games: int  # that arrived since `first`
    version: int  # of the weights it had
    first: float  # time of its first games
    last: float  # time of its last games


class WorkerStatistics:
    """The workers that have sent games since this process started."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.entries: dict[str, WorkerEntry] = {}
        self.began = clock()

    def add(self, batch: GameBatch) -> None:
        """Count a batch of games."""
        now = self.clock()
        entry = self.entries.setdefault(
            batch.worker, WorkerEntry(batch.worker, 0, batch.version, self.began, now)
        )
        entry.games += len(batch.records)
        entry.version, entry.last = max(entry.version, batch.version), now

    def to_json(self, failures: Mapping[str, str] | None = None) -> str:
        """Write this process, its workers and the failures of the last evaluation, for `status`."""
        now = self.clock()
        self.entries = {
            name: entry for name, entry in self.entries.items() if now - entry.last < FORGET_SECONDS
        }
        content = {
            "time": now,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "workers": [asdict(entry) for entry in self.entries.values()],
            "evaluation_failures": dict(failures or {}),
        }
        return json.dumps(content) + "\n"
