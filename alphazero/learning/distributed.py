"""One learner on several devices: a process for each, and every batch shared out among them.

    learner's process                             helpers, each a Learner of its own
    step(batch)   ──── a share of the batch ────► the same step
                  ◄─── DistributedDataParallel ──► averages the gradients while they are computed

Batch norm and the means of losses count the samples of all (`alphazero.learning.collective`), so
every process makes the step that one process would make of the whole batch, but for rounding. Only
the learner's process is asked for weights and checkpoints; the number of devices is not a part of
them. On processors the devices are processes with one thread each.

A helper that dies ends the run, which goes on from its checkpoint when it is started again; helpers
end with the learner's process, in whatever way that ends.
"""

import contextlib
import io
import multiprocessing
import signal
import tempfile
import warnings
from collections.abc import Mapping
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from alphazero.config import Config
from alphazero.data.replay import Batch
from alphazero.errors import UserError
from alphazero.game import Game, load
from alphazero.learning.collective import share_norms, total
from alphazero.learning.learner import Learner
from alphazero.network.architectures.resnet import Network
from alphazero.network.network_evaluator import choose_device

PATIENCE = timedelta(minutes=3)  # in which all arrive at the same point, or one is thought dead


class Place(NamedTuple):
    """Which of the processes this is."""

    rank: int  # 0 is the learner's
    devices: int  # how many there are
    device: str
    meeting: str  # a file by which they find each other
    precision: str


def make_learner(game: Game, config: Config, precision: str = "auto") -> Learner:
    """The learner that the settings want. Raises UserError where there are too few devices."""
    devices = config.learner.devices
    if devices == 1:
        return Learner(
            game,
            config.network,
            config.learner,
            config.run.device,
            config.run.seed,
            precision=precision,
        )
    kind = choose_device(config.run.device).type
    if kind not in ("cpu", "cuda") or ":" in config.run.device:
        raise UserError(
            f'learner.devices = {devices} with run.device = "{config.run.device}":'
            " several devices are the first GPUs (cuda) or processes (cpu)"
        )
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise UserError(
            f"learner.devices = {devices}: there are {torch.cuda.device_count()} GPUs here"
        )
    return ParallelLearner(game, config, kind, precision)


class ParallelLearner(Learner):
    """A learner with helpers."""

    def __init__(self, game: Game, config: Config, kind: str, precision: str = "auto") -> None:
        """`kind` of device is cpu or cuda."""
        devices = config.learner.devices
        self._folder = tempfile.TemporaryDirectory()
        names = [kind if kind == "cpu" else f"cuda:{rank}" for rank in range(devices)]
        meeting = (Path(self._folder.name) / "meeting").as_uri()
        places = [Place(rank, devices, name, meeting, precision) for rank, name in enumerate(names)]
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._pipes: list[Connection] = []
        self._processes = []
        for place in places[1:]:
            ours, theirs = context.Pipe()
            process = context.Process(target=help_out, args=(place, config, theirs), daemon=True)
            process.start()
            theirs.close()  # so that its end is seen
            self._pipes.append(ours)
            self._processes.append(process)
        arguments = (game, config.network, config.learner, names[0], config.run.seed)
        super().__init__(*arguments, precision=precision)
        unite(self, places[0])

    @property
    def gpus(self) -> int:
        return super().gpus * self._config.devices

    def step(self, batch: Batch) -> dict[str, float]:
        return super().step(self._share_out("step", batch))

    def validate(self, batch: Batch) -> dict[str, float]:
        return super().validate(self._share_out("validate", batch))

    def start_from(self, network: Network) -> None:
        super().start_from(network)
        self._tell_state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._tell_state()

    def close(self) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        leave()
        for process in self._processes:
            process.join(10)
            process.kill()  # it has nothing to lose
            process.join()
        self._folder.cleanup()

    def _share_out(self, what: str, batch: Batch) -> Batch:
        """Send all but the first share of a batch to the helpers; returns the first."""
        first, *others = shares(batch, self._config.devices)
        for pipe, share in zip(self._pipes, others, strict=True):
            pipe.send((what, share))
        return first

    def _tell_state(self) -> None:
        content = io.BytesIO()
        torch.save(self.state_dict(), content)
        for pipe in self._pipes:
            pipe.send(("load", content.getvalue()))


class Objective(nn.Module):
    """A learner's losses as a function of a batch, in the form that DistributedDataParallel takes:
    a module with the parameters."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.network = learner.network
        self._measure = learner.measure

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return self._measure(batch)


def unite(learner: Learner, place: Place) -> None:
    """Have a learner make its steps together with those of the other processes."""
    torch.distributed.init_process_group(
        "nccl" if place.device.startswith("cuda") else "gloo",
        init_method=place.meeting,
        rank=place.rank,
        world_size=place.devices,
        timeout=PATIENCE,
    )
    share_norms(learner.network)
    learner.total = total
    # A gradient of a 1x1 kernel lies in memory in one of two ways that are the same.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    # A group of its own, for totals are summed while gradients are averaged.
    gradients = torch.distributed.new_group(timeout=PATIENCE)
    learner.objective = DistributedDataParallel(Objective(learner), process_group=gradients)


def leave() -> None:
    """All processes at once, for some libraries wait for each other then."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def help_out(place: Place, config: Config, pipe: Connection) -> None:
    """What a helper does until the learner's process closes the pipe or ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the learner's process says when to stop
        signal.signal(number, signal.SIG_IGN)
    if place.device.startswith("cuda"):
        torch.cuda.set_device(place.device)
    game = load(config.game)
    arguments = (game, config.network, config.learner, place.device, config.run.seed)
    learner = Learner(*arguments, precision=place.precision)
    unite(learner, place)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            what, content = pipe.recv()
            if what == "step":
                learner.step(content)
            elif what == "validate":
                learner.validate(content)
            else:
                state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
                learner.load_state_dict(state)
    leave()


def shares(batch: Batch, count: int) -> list[Batch]:
    """A batch in so many parts, of equal size as far as possible."""
    parts = {
        name: np.array_split(array, count)
        for name, array in batch._asdict().items()
        if name != "auxiliary"
    }
    auxiliary = {name: np.array_split(array, count) for name, array in batch.auxiliary.items()}
    return [
        Batch(
            **{name: part[index] for name, part in parts.items()},
            auxiliary={name: part[index] for name, part in auxiliary.items()},
        )
        for index in range(count)
    ]
