"""The state of a run: store, replay window, replay ratio and learner, and its checkpoints.

Learning is a function of the settings and of the games in the order they were stored. Nothing that
depends on a clock (reports, checkpoints, the moment of a kill) changes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from alphazero.config import Config, to_toml
from alphazero.data.record import GameRecord
from alphazero.data.replay import Batch, Replay
from alphazero.data.replay_ratio import ReplayRatio
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.learning import checkpoint
from alphazero.learning.distributed import make_learner
from alphazero.network.find import weights_path
from alphazero.network.network import Network
from alphazero.network.weights import load_weights
from alphazero.run.run_directory import RunDirectory
from alphazero.selfplay.workers.executor import Weights
from alphazero.selfplay.workers.shared_folder import FIRST_CONTRIBUTED

TRAINING, VALIDATION = 1, 2  # streams of random numbers, beside those of the games


@dataclass(frozen=True)
class Progress:
    """Progress over the whole run."""

    games: int
    positions: int
    steps: int
    seconds: float  # of training


class TrainingState:
    """Everything that a run has learned and counted, as of the last checkpoint or as it begins."""

    def __init__(self, game: Game, config: Config, run: RunDirectory) -> None:
        """Restore the newest checkpoint of a run, or begin the run if there is none.

        Raises UserError when the files of the run do not fit together.
        """
        self.game, self.config, self.run = game, config, run
        self.store = Store(run.records)
        self.replay = Replay(game, config.replay)
        self.learner = make_learner(game, config)
        samples = config.learner.replay_ratio
        self.ratio = ReplayRatio(samples, most=samples * config.replay.window)
        self.version = 0  # of the published weights
        self.published: Weights = self.learner.weights()
        self.seconds = 0.0  # of training, up to the checkpoint
        self.evaluated_at = 0  # games at the last evaluation
        self.resumed_at = self._resume()  # games in the checkpoint; None without one
        if self.resumed_at is None and (network := initial_network(config, game)):
            self.learner.start_from(network)
            self.published = self.learner.weights()

    @property
    def next_game(self) -> int:
        """Id of the first game after those on the disk that this run's workers have played."""
        own = (i for shard in self.store.shards for i in shard.ids if i < FIRST_CONTRIBUTED)
        return 1 + max(own, default=-1)

    @property
    def step_is_due(self) -> bool:
        """True if the replay ratio allows another step."""
        return self.replay.is_ready and self.ratio.allows(self.config.learner.batch_size)

    def add(self, games: Sequence[GameRecord]) -> None:
        """Add games that are on the disk to the replay window, in the order of the store."""
        before = self.replay.training_positions
        for record in games:
            self.replay.add(record)
        self.ratio.earn(self.replay.training_positions - before)

    def uncounted_games(self) -> Iterator[list[GameRecord]]:
        """Yield the games on disk that the checkpoint has not seen, shard by shard.

        Games of damaged shards are skipped but keep their numbers.
        """
        first, number = self.replay.games, 0
        for shard in list(self.store.shards):
            end = number + len(shard.ids)
            if end > first:
                records = list(self.store.records(max(number, first), end))
                self.replay.games = end - len(records)  # adding these games leads to `end`
                yield records
            number = end

    def step(self) -> dict[str, float]:
        """Train on one batch; returns the learner's metrics. Raises Diverged."""
        size = self.config.learner.batch_size
        batch = self.sample(size)
        metrics = self.learner.step(batch)
        self.ratio.spend(size)
        return metrics

    def sample(self, size: int) -> Batch:
        """Sample the batch of the next step, which the seed and the number of steps decide."""
        settings = self.config.learner
        return self.replay.sample(
            size,
            self._rng(TRAINING),
            symmetry=settings.symmetry,
            q_ratio=settings.q_ratio,
        )

    def check(self) -> None:
        """Look at the weights before they are used, on the batch of the next step.

        Raises Diverged.
        """
        if self.learner.steps and len(self.replay):
            self.learner.check(self.sample(self.config.learner.batch_size))

    def publish(self) -> bool:
        """Take the learner's weights as the next published version, if enough steps have passed.

        Raises Diverged.
        """
        if self.learner.steps % self.config.run.publish_every_steps:
            return False
        self.check()
        self.version += 1
        self.published = self.learner.weights()
        return True

    def validate(self, size: int) -> dict[str, float]:
        """Return the learner's metrics on held-out positions; empty without any, or any step."""
        if not (self.learner.steps and self.replay.holdout_positions):
            return {}
        batch = self.replay.sample(size, self._rng(VALIDATION), holdout=True)
        return self.learner.validate(batch)

    def progress(self, seconds: float) -> Progress:
        """Return the progress of the run after `seconds` of training."""
        return Progress(self.replay.games, self.replay.positions, self.learner.steps, seconds)

    def save(self, seconds: float) -> None:
        """Write a checkpoint from which the run continues exactly as from here.

        Raises Diverged, so that what is on the disk can be learned on from, and UserError when it
        cannot be written.
        """
        self.check()
        state = {
            "learner": self.learner.state_dict(),
            "published": {name: pack(array) for name, array in self.published.items()},
            "version": self.version,
            "replay": self.replay.state(),
            "replay_ratio": {"samples": self.ratio.samples, "skipped": self.ratio.skipped},
            "seconds": seconds,
            "evaluated_at": self.evaluated_at,
        }
        checkpoint.save(
            self.run.checkpoints,
            self.learner.steps,
            state=state,
            network=self.learner.averaged_network(),
            game=self.game,
            config=to_toml(self.config),
            counters=asdict(self.progress(seconds)),
            keep=self.config.run.keep_checkpoints,
        )

    def _resume(self) -> int | None:
        path = checkpoint.latest(self.run.checkpoints)
        if path is None:
            return None
        state = checkpoint.load(path).state
        self.learner.load_state_dict(state["learner"])
        self.published = {name: unpack(array) for name, array in state["published"].items()}
        self.version = state["version"]
        try:
            self.replay.restore(state["replay"], self.store)
        except UserError as error:
            raise UserError(f"{error}; has the game changed since the run began?") from error
        ratio: Mapping[str, float] = state["replay_ratio"]
        self.ratio.samples, self.ratio.skipped = ratio["samples"], ratio["skipped"]
        self.seconds = state["seconds"]
        self.evaluated_at = state["evaluated_at"]
        return self.replay.games

    def _rng(self, stream: int) -> np.random.Generator:
        # Not last of the three: numpy takes [seed, game] for [seed, game, 0].
        return np.random.default_rng([self.config.run.seed, self.learner.steps, stream])


def initial_network(config: Config, game: Game) -> Network | None:
    """Load the network of `run.start_from`, if any. Raises UserError if it does not fit."""
    start = config.run.start_from
    if not start:
        return None
    network, _ = load_weights(weights_path(start), game)
    for name, wanted in asdict(config.network).items():
        if (found := getattr(network.config, name)) != wanted:
            raise UserError(
                f"run.start_from = {start} has network.{name} = {found}, the settings say {wanted}"
            )
    return network


def pack(array: np.ndarray) -> list:
    """Convert a float32 array to the plain values that a checkpoint can hold."""
    return [list(array.shape), array.astype(np.float32).tobytes()]


def unpack(packed: list) -> np.ndarray:
    """Convert back what `pack` returned."""
    shape, content = packed
    return np.frombuffer(content, np.float32).reshape(shape)
