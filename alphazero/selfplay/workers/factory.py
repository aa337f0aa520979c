"""Choice of the executor that the settings ask for, and compilation ahead of play."""

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from alphazero.config import Config, SelfPlayConfig
from alphazero.data.replay import Replay
from alphazero.files import durable_path
from alphazero.game import Game, load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.selfplay.play import SelfPlay
from alphazero.selfplay.workers.executor import CombinedExecutor, Executor, WorkItem, work_items
from alphazero.selfplay.workers.inline import InlineExecutor, SelfPlayWorker
from alphazero.selfplay.workers.shared_folder import SharedFolder, SharedFolderExecutor
from alphazero.storage import is_url

SLOW_SECONDS = 2.0  # a warm-up that takes longer is announced


def make_executor(
    config: Config,
    game: Game,
    *,
    first_id: int,
    identity: Callable[[], str],
    address: str | None = None,
    learner_gpus: int = 0,
) -> Executor:
    """Make the executor of a run: this process, Ray actors, a shared folder, or a combination.

    Its games are numbered from `first_id` on; `identity` is asked for the run's id where
    contributors need it. `address` is a Ray cluster, `learner_gpus` the number of this machine's
    GPUs that the learner uses.
    """
    if not config.run.shared_folder:
        return make_workers(
            config,
            work_items(first_id, config.self_play.games_per_work_item),
            address,
            learner_gpus,
        )
    location = config.run.shared_folder
    folder = SharedFolder(location if is_url(location) else str(durable_path(Path(location))))
    contributors = SharedFolderExecutor(game, config, folder, identity())
    if config.run.workers == "none":
        return contributors
    work = work_items(first_id, config.self_play.games_per_work_item)
    return CombinedExecutor(make_workers(config, work, address, learner_gpus), contributors)


def make_workers(
    config: Config,
    work: Iterator[WorkItem],
    address: str | None,
    learner_gpus: int = 0,
    inline: type[InlineExecutor] = InlineExecutor,
) -> Executor:
    """Make Ray actors if `run.workers` asks for them, else an `inline` executor."""
    workers, threads = config.run.workers, config.self_play.threads
    if workers == 0:
        return inline(functools.partial(SelfPlayWorker, config, config.run.device), work)

    from alphazero.selfplay.workers.ray import RayExecutor

    # An actor sees only the devices that Ray assigns to it, numbered from 0.
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
    """Compile everything that playing and learning need, by playing one short game.

    `report` receives a line if it takes long.
    """
    game = load(config.game)
    game.compile(report)
    # For the random playouts of an evaluation, on no position at all.
    game.playout_batch(game.empty_states(0), np.zeros(0, np.uint64), np.zeros(0, np.float32))
    slow = threading.Timer(
        SLOW_SECONDS, report or (lambda text: None), ["compiling the search (once)…"]
    )
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
