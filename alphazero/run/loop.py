"""The training loop: play, store, learn, publish, again.

    executor ──chunk──► store (disk) ──► replay ──batch──► learner ──weights──► executor
                                     └─► pace (how much may be learned)   └──► checkpoint

Games count once they are on disk, and everything else follows from them: a run that was killed
takes its last checkpoint and reads the games that came after it, in the order they were stored,
instead of playing them. Without Ray the order of playing and learning depends on nothing but the
settings, and a run that was killed ends with the same weights, to the bit, as one that was not.
"""

import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TextIO

import numpy as np

from alphazero.arena.exhaustive import Proof
from alphazero.arena.players import parse_spec
from alphazero.config import Config, SelfPlayConfig
from alphazero.cores import lasting
from alphazero.data.replay import Replay
from alphazero.game import Game, load
from alphazero.learning.learner import auxiliary_weights
from alphazero.network.evaluator import UniformEvaluator
from alphazero.run.log_throttle import Journal, LogFile
from alphazero.run.metrics.events import Sink, make_reporter
from alphazero.run.metrics.prometheus import Gauges
from alphazero.run.run_directory import RunDirectory, choose_directory, locked
from alphazero.run.trainer import Progress, Trainer, network_to_begin_with
from alphazero.selfplay.play import SelfPlay
from alphazero.selfplay.workers.contribute import Together, Volunteers
from alphazero.selfplay.workers.inline import (
    Call,
    Chunk,
    Collect,
    Executor,
    InlineExecutor,
    SelfPlayWorker,
    calls,
)
from alphazero.selfplay.workers.shared_folder import Share
from alphazero.storage import is_url

SLOW_SECONDS = 2.0  # after which a person is told why nothing happens


@dataclass(frozen=True)
class Summary:
    """What a start of a run came to."""

    directory: Path
    finished: bool  # False: a signal stopped it, and the same command goes on
    progress: Progress
    proof: Proof | None  # with `run.prove`, once the run is finished
    validation: dict[str, float]  # measured on the window's held-out games, by the names of reports


def check_fits(config: Config, game: Game) -> None:
    """Raise UserError for settings that read well but mean nothing here."""
    auxiliary_weights(game, config.learner)
    for opponent in config.evaluation.opponents:
        parse_spec(opponent)


def check_beginning(config: Config, game: Game) -> None:
    """Raise UserError for what a run could not begin with, before anything is written."""
    check_fits(config, game)
    network_to_begin_with(config, game)


def train(
    config: Config,
    *,
    directory: Path | str | None = None,
    fresh: bool = False,
    address: str | None = None,
    stream: TextIO = sys.stderr,
    make_executor: "Callable[[Config, Trainer, str | None], Executor] | None" = None,
) -> Summary:
    """Train until the limits of `config.run`, or until a signal asks to stop; a run that was begun
    before goes on where it was.

    `directory` and `fresh` choose the run's folder (see `choose_directory`), `address` is a Ray
    cluster to join; `make_executor` says who plays, if not workers as the settings want them.
    Raises UserError when the folder, the settings or Ray do not allow it.
    """
    game = load(config.game)
    base, config = config.directory, replace(config, game=game.spec)
    run = choose_directory(config, base, directory, fresh=fresh)
    if not run.config.exists():
        check_beginning(config, game)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(run))
        run.create(config)
        trainer = Trainer(game, config, run)
        stack.callback(trainer.learner.close)
        reporter = make_reporter(run.path, stream, f"training {game.title}", trainer.resumed_at)
        reporter.sinks.append(LogFile(run.log))
        stack.callback(reporter.close)
        stack.enter_context(Journal(reporter.message))
        verb = "going on with" if len(trainer.store) else "writing to"
        reporter.message(f"{verb} {run.path}: {len(trainer.store):,} games")
        warm_up(config, reporter.message)
        volunteers = None
        if make_executor is None:
            executor, volunteers = make_players(config, trainer, address)
        else:
            executor = make_executor(config, trainer, address)
        stack.callback(executor.close)
        executor.start(trainer.version, trainer.players)
        gauges = make_gauges(config, run) if make_executor is None else []
        reporter.sinks += gauges
        with Interrupt() as interrupt:  # only now, for Ray sets handlers of its own
            trainer.start(reporter)
            go_on(trainer, executor, interrupt)
            finished = trainer.is_done
            if volunteers is not None:
                volunteers.close(for_good=finished)
            if not finished:
                trainer.collect_finished(executor)
            trainer.report(executor)
            trainer.save()
            for gauge in gauges:  # they go with Ray
                gauge.close()
            executor.close()
            proof = trainer.finish() if finished else None
        return Summary(run.path, finished, trainer.progress, proof, trainer.validate())


def go_on(trainer: Trainer, executor: Executor, interrupt: "Interrupt") -> None:
    """Play and learn until the run's limits or a signal."""
    collect = executor.collect
    if executor.plays_in_collect:  # what only waits must not be broken off within Ray
        collect = interrupt.giving_up(collect)
    while not (interrupt.requested or trainer.is_done):
        trainer.collect(collect)
        trainer.has_no_more_games = executor.is_exhausted
        if trainer.may_learn and trainer.learn():
            executor.publish(trainer.version, trainer.players)
        trainer.attend(executor)


def make_gauges(config: Config, run: RunDirectory) -> list[Sink]:
    """What Prometheus reads, where there is Ray to serve it."""
    if config.run.workers in (0, "none"):
        return []
    from alphazero.selfplay.workers.ray import make_gauge

    return [Gauges(make_gauge, {"game": config.game, "run": run.path.name})]


def make_players(
    config: Config, trainer: Trainer, address: str | None
) -> tuple[Executor, Volunteers | None]:
    """Who plays, as the settings want it, and those among them who join by a folder."""
    work = calls(trainer.next_game, config.self_play.games_per_work_item)
    make = functools.partial(make_workers, config, work, address, trainer.learner.gpus)
    if not config.run.shared_folder:
        return make(), None
    location = config.run.shared_folder
    share = Share(location if is_url(location) else str(lasting(Path(location))))
    volunteers = Volunteers(trainer.game, config, share, trainer.run.identify())
    if config.run.workers == "none":
        return volunteers, volunteers
    return Together(make(), volunteers), volunteers


def make_workers(
    config: Config,
    work: Iterator[Call],
    address: str | None,
    learner_gpus: int = 0,
    inline: type[InlineExecutor] = InlineExecutor,
) -> Executor:
    """Ray actors where `run.workers` asks for them, else this process, by way of `inline`."""
    workers, threads = config.run.workers, config.self_play.threads
    if workers == 0:
        return inline(functools.partial(SelfPlayWorker, config, config.run.device), work)

    from alphazero.selfplay.workers.ray import RayExecutor

    # An actor sees the devices that Ray gives it, and no others, as the first ones.
    device = config.run.device.partition(":")[0]
    return RayExecutor(
        functools.partial(SelfPlayWorker, config, device),
        work,
        workers=0 if workers == "auto" else int(workers),
        address=address,
        warm_up=functools.partial(warm_up, config),
        gpus=device in ("auto", "cuda"),
        gpus_per_worker=config.run.gpus_per_worker,
        learner_gpus=learner_gpus,
        threads=0 if threads == "auto" else int(threads),
    )


def warm_up(config: Config, report: Callable[[str], None] | None = None) -> None:
    """Have everything compiled that playing and learning use, by playing one short-sighted game.

    `report` hears of it when it takes a while.
    """
    game = load(config.game)
    game.compile(report)
    slow = threading.Timer(SLOW_SECONDS, report or print, ["compiling the search (once)…"])
    if report is not None:
        slow.start()
    search = replace(config.search, simulations=2, nn_cache_size=0)
    threads = 1 if config.self_play.threads == 1 else 2
    settings = SelfPlayConfig(parallel_games=threads, threads=threads)
    self_play = SelfPlay(game, UniformEvaluator(game), search, settings)
    replay = Replay(game, replace(config.replay, holdout=0.0))
    for record in self_play.play(1, first_id=0, seed=0):
        replay.add(record)
    replay.sample(1, np.random.default_rng(0))
    slow.cancel()


class GivenUp(BaseException):
    """Raised by a signal's handler to end the playing of games that will not be finished."""


class Interrupt:
    """While it is entered, Ctrl-C and SIGTERM only ask to stop; the second time they end the
    process at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._may_give_up = False

    def giving_up(self, collect: Collect) -> Collect:
        """The same, but a signal ends it: the games under way are played again another time."""

        def collect_or_give_up(wait: bool) -> Chunk | None:
            with contextlib.suppress(GivenUp):
                self._may_give_up = True
                try:
                    return collect(wait)
                finally:
                    self._may_give_up = False
            return None

        return collect_or_give_up

    def __enter__(self) -> "Interrupt":
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python's rule for handlers
            self._before = {number: signal.getsignal(number) for number in self.SIGNALS}
            for number in self.SIGNALS:
                signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if self._may_give_up:
            raise GivenUp
