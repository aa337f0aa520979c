"""The training loop: play, store, learn, publish, again.

    executor ──chunk──► store (disk) ──► replay ──batch──► learner ──weights──► executor
                                     └─► pace (how much may be learned)   └──► checkpoint

Games count once they are on disk, and everything else follows from them: a run that was killed
takes its last checkpoint and reads the games that came after it, in the order they were stored,
instead of playing them. Without Ray the order of playing and learning depends on nothing but the
settings, and then a run that was killed ends with the same weights, to the bit, as one that was not.
"""

import contextlib
import functools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from alphazero.config import Config, to_toml
from alphazero.evaluate import UniformEvaluator
from alphazero.game import Game, load
from alphazero.search.mcts import search_many
from alphazero.training import checkpoint
from alphazero.training.directory import RunDirectory, choose_directory, locked
from alphazero.training.executor import (
    Chunk,
    Executor,
    InlineExecutor,
    SelfPlayWorker,
    Weights,
    calls,
)
from alphazero.training.learner import Learner
from alphazero.training.pace import Pace
from alphazero.training.record import GameRecord
from alphazero.training.replay import Replay
from alphazero.training.store import Store

log = logging.getLogger(__name__)


def train(
    config: Config,
    *,
    directory: Path | str | None = None,
    fresh: bool = False,
    address: str | None = None,
) -> "Summary":
    """Train until the limits of `config.run`, or until a signal asks to stop; goes on where an
    earlier start of the same run left off.

    `directory` and `fresh` choose the run's folder (`directory.choose_directory`), `address` a Ray
    cluster to join. Raises UserError when the folder, the settings or Ray do not allow it.
    """
    game = load(config.game)
    run = choose_directory(config, directory, fresh=fresh)
    with locked(run), Trainer(game, config, run) as trainer:
        trainer.resume()
        executor = make_executor(config, trainer.store, address)
        try:
            executor.start(trainer.version, trainer.players)
            with Interrupt() as interrupt:
                trainer.start_clock()
                while not interrupt.requested and not trainer.is_done:
                    chunk = trainer.chunk_on_disk() or executor.collect(wait=not trainer.may_learn)
                    if chunk is not None:
                        trainer.take(chunk)
                    if trainer.may_learn and trainer.learn():
                        executor.publish(trainer.version, trainer.players)
                    trainer.look_around()
        finally:
            executor.close()
        return trainer.finish()
