"""The training loop: play, store, learn, publish, repeat.

    source ──games──► store (disk) ──► replay window ──batch──► learner ──weights──► source
    (executor, or the disk after a kill)   └─► replay ratio (steps due)  └──► checkpoint

Games count once they are on the disk, and everything else follows from them: a run that was killed
loads its last checkpoint and takes the games stored since then from the disk, in the same order,
instead of playing them again. Without Ray the order of playing and learning depends on the settings
alone, and a run that was killed ends with the same weights, to the bit, as one that was not.
"""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from alphazero.arena.exhaustive import Proof
from alphazero.config import Config, LearnerConfig
from alphazero.errors import UserError
from alphazero.game import Game, load
from alphazero.learning.divergence import Diverged
from alphazero.learning.learner import auxiliary_weights
from alphazero.run.evaluation import check_evaluation
from alphazero.run.hooks import Hooks
from alphazero.run.interrupt import Interrupt
from alphazero.run.log_throttle import LogThrottle
from alphazero.run.metrics.events import Sink, make_reporter
from alphazero.run.metrics.prometheus import Gauges
from alphazero.run.run_directory import (
    RunDirectory,
    changed_settings,
    choose_directory,
    locked,
)
from alphazero.run.source import GameSource
from alphazero.run.state import Progress, TrainingState, initial_network
from alphazero.selfplay.workers.executor import Executor
from alphazero.selfplay.workers.factory import make_executor, warm_up

MakeExecutor = Callable[[Game, int], Executor]  # (game, id of its first game)


def iterate(state: TrainingState, source: GameSource, executor: Executor, hooks: Hooks) -> None:
    """Run training iterations until the limits of the run or a signal.

    One iteration takes the games that have arrived and at most one optimiser step.
    """
    for games in source:  # on the disk; none while the learner has steps to catch up on
        if games:
            state.add(games)  # to the replay window; they earn steps
        if state.step_is_due:
            hooks.step_done(state.step())
            if state.publish():
                executor.publish(state.version, state.published)
        hooks.after_iteration()  # evaluation, checkpoint, report


@dataclass(frozen=True)
class Summary:
    """Result of one call to `train`."""

    directory: Path
    finished: bool  # False: stopped by a signal; the same command resumes the run
    progress: Progress
    # With `run.prove`, once the run is finished: of the player that users get, which searches with
    # `players.SIMULATIONS`, and of its network without search.
    proof: Proof | None
    policy_proof: Proof | None
    validation: dict[str, float]  # on the held-out games of the window, by the names of reports


def train(
    config: Config,
    *,
    directory: Path | str | None = None,
    fresh: bool = False,
    address: str | None = None,
    stream: TextIO = sys.stderr,
    make_games: MakeExecutor | None = None,
) -> Summary:
    """Train until the limits of `config.run` or a signal; an interrupted run is resumed.

    `directory` and `fresh` choose the run's folder (see `choose_directory`), `address` is a Ray
    cluster to join; `make_games` makes the executor, instead of the one in the settings.
    Raises UserError when the folder, the settings, the game's rules or Ray do not allow it, of the
    kind Diverged when the last checkpoint is all that can be learned on from.
    """
    game = load(config.game)
    run, warnings = check_run(config, game, directory, fresh=fresh)
    config = replace(config, game=game.spec)
    if not run.config.exists():
        initial_network(config, game)  # which fails before anything is written
    with contextlib.ExitStack() as stack:
        if not run.path.exists():  # a start that fails leaves no folder
            stack.callback(run.discard)
        stack.enter_context(locked(run))
        run.create(config)
        state = TrainingState(game, config, run)
        stack.callback(state.learner.close)
        reporter = make_reporter(run.path, stream, f"training {game.title}", state.resumed_at)
        stack.callback(reporter.close)
        stack.enter_context(LogThrottle(reporter.message))
        verb = "resuming" if len(state.store) else "writing to"
        reporter.message(f"{verb} {run.path}: {len(state.store):,} games")
        for warning in warnings:
            reporter.message(f"warning: {warning}")
        warm_up(config, reporter.message)
        if make_games is not None:
            executor = make_games(game, state.next_game)
        else:
            executor = make_executor(
                config,
                game,
                first_id=state.next_game,
                identity=run.identify,
                address=address,
                learner_gpus=state.learner.gpus,
            )
        stack.callback(executor.close)
        executor.start(state.version, state.published)
        gauges = make_gauges(config, run) if make_games is None else []
        reporter.sinks += gauges
        with Interrupt() as interrupt:  # after the start, since Ray sets handlers of its own
            hooks = Hooks(state, executor, reporter)
            source = GameSource(
                state,
                executor,
                interrupt,
                is_late=hooks.time_is_over,
                on_batch=hooks.batch_stored,
            )
            try:
                iterate(state, source, executor, hooks)
                finished = source.is_done
                if not finished:
                    source.drain()
                hooks.report()
                hooks.save()
            except Diverged as error:
                raise way_out(error, config, run) from error
            for gauge in gauges:  # Ray serves them
                gauge.close()
            executor.close(finished)
            proofs = hooks.finish() if finished else (None, None)
        return Summary(run.path, finished, hooks.progress, *proofs, hooks.validate())


def way_out(error: Diverged, config: Config, run: RunDirectory) -> Diverged:
    """Return the error of a run that has diverged, with the command that goes on."""
    rate = config.learner.learning_rate
    lower = min(rate / 10, LearnerConfig().learning_rate)
    clip = " learner.gradient_clip=1" if config.learner.gradient_clip == 0 else ""
    return Diverged(
        f"{error}, with learner.learning_rate = {rate:g}; nothing of that was saved: go on from the"
        f" last checkpoint by train --resume {run.path} learner.learning_rate={lower:g}{clip}"
    )


def check_run(
    config: Config, game: Game, directory: Path | str | None = None, *, fresh: bool = False
) -> tuple[RunDirectory, list[str]]:
    """Choose the folder of a run and check the settings; nothing is written.

    Returns the folder and warnings. Raises UserError when the run could not begin or resume with
    these settings.
    """
    base, config = config.directory, replace(config, game=game.spec)
    run = choose_directory(config, base, directory, fresh=fresh)
    auxiliary_weights(game, config.learner)
    check_evaluation(config, game)
    if not config.self_play.opening_plies < game.max_plies:
        raise UserError(
            f"self_play.opening_plies = {config.self_play.opening_plies}:"
            f" must be below {game.max_plies} for {game.spec}"
        )
    return run, changed_settings(run, config)


def make_gauges(config: Config, run: RunDirectory) -> list[Sink]:
    """Make the gauges for Prometheus, if there is Ray to serve them."""
    if config.run.workers in (0, "none"):
        return []
    from alphazero.selfplay.workers.ray import make_gauge

    return [Gauges(make_gauge, {"game": config.game, "run": run.path.name})]
