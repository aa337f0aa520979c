"""The operation of a run beside its training: evaluation, checkpoints, reports."""

import logging
import math
import time
from dataclasses import asdict
from pathlib import Path

from alphazero.arena.exhaustive import Proof, prove_unbeaten
from alphazero.arena.players import SIMULATIONS, Player, SearchPlayer, make_player
from alphazero.command_line import ProgressReport
from alphazero.config import to_toml
from alphazero.data.record import GameRecord, start_states
from alphazero.data.record_text import write_text
from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.game import Position
from alphazero.picture import board_picture
from alphazero.run.evaluation import Evaluation
from alphazero.run.metrics.events import Reporter
from alphazero.run.metrics.host import HostMetrics
from alphazero.run.metrics.training import TrainingMetrics, WorkerStatistics, validation
from alphazero.run.state import Progress, TrainingState
from alphazero.selfplay.workers.executor import Executor, GameBatch

log = logging.getLogger(__name__)

VALIDATION_POSITIONS = 512


class Hooks:
    """Called by the training loop; nothing here changes what is learned."""

    def __init__(self, state: TrainingState, executor: Executor, reporter: Reporter) -> None:
        """Start the clock of training, which stands still during evaluations."""
        self.state, self.executor, self.reporter = state, executor, reporter
        self.game, self.config, self.run = state.game, state.config, state.run
        self.metrics = TrainingMetrics(self.game, self.config)
        self.host = HostMetrics(self.run.path)
        self.workers = WorkerStatistics()
        self.evaluation = Evaluation(self.game, self.config, self.reporter.message)
        self._evaluated_steps = -1  # of the weights in the last evaluation of this process
        self._began = self._saved_at = time.monotonic()
        self._games_before, self._saved_steps = state.replay.games, state.learner.steps
        reporter.text(state.replay.games, "run/config", to_toml(self.config))

    # -- called by the loop ------------------------------------------------------------------------

    def batch_stored(self, batch: GameBatch) -> None:
        """Count a batch of games that is on the disk."""
        self.metrics.add_batch(batch, self.state.version)
        self.workers.add(batch)

    def step_done(self, metrics: dict[str, float]) -> None:
        """Count one optimiser step."""
        self.metrics.add_step(metrics)

    def after_iteration(self) -> None:
        """Evaluate, save a checkpoint and report if it is time to."""
        run, games, state = self.config.run, self.state.replay.games, self.state
        every = self.config.evaluation.every_games
        has_all = 0 < run.games <= games  # the last evaluation is of what was learned from them
        if every and games // every > state.evaluated_at // every and not has_all:
            self.evaluate()
        if (
            state.learner.steps - self._saved_steps >= run.checkpoint_steps
            or time.monotonic() - self._saved_at >= run.checkpoint_seconds
        ):
            self.save()
        if self.metrics.seconds >= run.report_seconds:
            self.report()

    # -- time --------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Seconds of playing and learning, earlier starts included."""
        return self.state.seconds + time.monotonic() - self._began

    @property
    def progress(self) -> Progress:
        """Progress of the run until now."""
        return self.state.progress(self.seconds)

    def time_is_over(self) -> bool:
        """Return whether the run has reached its limit of minutes."""
        return 0 < self.config.run.minutes * 60 <= self.seconds

    def _seconds_left(self) -> float:
        """Estimate the seconds until the first limit; infinite without one."""
        run, games = self.config.run, self.state.replay.games
        played = games - self._games_before
        left = run.minutes * 60 - self.seconds if run.minutes else math.inf
        if run.games and played:
            per_game = (self.seconds - self.state.seconds) / played
            left = min(left, per_game * (run.games - games))
        return max(left, 0.0)

    # -- actions -----------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint."""
        self.state.save(self.seconds)
        self._saved_at, self._saved_steps = time.monotonic(), self.state.learner.steps

    def evaluate(self) -> None:
        """Measure the strength of the newest weights, and show the newest game. Raises Diverged."""
        state, began = self.state, time.monotonic()
        state.check()
        state.evaluated_at, self._evaluated_steps = state.replay.games, state.learner.steps
        values = self.evaluation.evaluate(state.learner.weights())
        self.reporter.report(state.replay.games, values)
        self._write_workers()
        for record in state.store.records(len(state.store) - 1):
            self._show(record)
        self._began += time.monotonic() - began

    def report(self) -> None:
        """Report all metrics since the last report."""
        state, replay, learner = self.state, self.state.replay, self.state.learner
        samples = learner.steps * self.config.learner.batch_size
        values = {
            "run/seconds": self.seconds,
            "run/workers": self.executor.workers,
            "run/workers_replaced": self.executor.replaced,
            "selfplay/games": replay.games,
            "selfplay/positions": replay.positions,
            "replay/games": replay.games,
            "replay/positions": len(replay),
            "replay/holdout_positions": replay.holdout_positions,
            "learner/steps": learner.steps,
            "learner/replay_ratio": samples / max(replay.training_positions, 1),
            "learner/version": state.version,
        }
        if math.isfinite(left := self._seconds_left()):
            values["run/seconds_left"] = left
        if replay.holdout_positions >= VALIDATION_POSITIONS:
            values |= self.validate()
        values |= self.host.measure() | self.metrics.report()
        if memory := learner.device_memory:
            values["system/device_memory"] = float(memory)
        self.reporter.report(replay.games, values)
        self._write_workers()

    def validate(self) -> dict[str, float]:
        """Return the validation metrics by their names in reports; empty without held-out games."""
        metrics = self.state.validate(VALIDATION_POSITIONS)
        return validation(metrics) if metrics else {}

    def finish(self) -> tuple[Proof | None, Proof | None]:
        """Save and evaluate a run that has reached its limits, and write its result.

        Returns proofs of the player that users get, `checkpoint:<folder of the run>`, and of its
        network without search.
        """
        state = self.state
        self.save()
        if (state.evaluated_at, self._evaluated_steps) != (state.replay.games, state.learner.steps):
            self.evaluate()
        result, proof, policy_proof = asdict(self.progress), None, None
        if self.config.run.prove:
            player = make_player(f"checkpoint:{self.run.path}", self.game)
            assert isinstance(player, SearchPlayer)
            proof, policy_proof = self._prove(player), self._prove(player.without_search())
        if proof is not None:
            result |= {"lines": proof.lines, "lost_lines": proof.losses, "simulations": SIMULATIONS}
        if policy_proof is not None:
            result["lost_lines_without_search"] = policy_proof.losses
        self.run.finish(result)
        self._write_workers()
        return proof, policy_proof

    def _prove(self, player: Player | None) -> Proof | None:
        """Try every line against a player; None if that fails."""
        if player is None:
            return None
        progress, seed = ProgressReport(self.reporter.message), self.config.run.seed
        return self.evaluation.attempt(
            "by run.prove",
            lambda: prove_unbeaten(player, self.game, seed=seed, progress=progress),
        )

    def _show(self, record: GameRecord) -> None:
        """Write a sample game into the run's folder and the reports."""
        sheet = write_text(record, self.game, top=3)
        position = Position(self.game, start_states(record.start, self.game)[0])
        for action in record.moves.tolist():
            position.play(action)
        write_if_possible(self.run.games / f"game-{record.game_id:08d}.txt", sheet)
        games = self.state.replay.games
        self.reporter.text(games, "games/sample", sheet)
        self.reporter.picture(games, "games/board", board_picture(position.board_view()))

    def _write_workers(self) -> None:
        write_if_possible(self.run.workers, self.workers.to_json(self.evaluation.failures))


def write_if_possible(path: Path, text: str) -> None:
    """Write a file without which the run can go on, as on a full disk."""
    try:
        atomic_write(path, text.encode())
    except UserError as error:
        log.warning("%s", error)
