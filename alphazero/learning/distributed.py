"""Data-parallel learning on several devices: one process each, every batch split among them.

    learner's process                             helper processes, each with its own Learner
    step(batch)   ──── a part of the batch  ────► the same step
                  ◄─── DistributedDataParallel ──► averages the gradients while they are computed

Batch norm and the means of the losses are taken over the samples of all processes (`total`), so
every process takes the step that one process would take on the whole batch, up to rounding. Only
the learner's process serves weights and checkpoints, which do not depend on the number of devices.
On CPUs the devices are processes with one thread each.

A helper that dies ends the run, which can be resumed from its checkpoint; helpers end with the
learner's process, however that ends.
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
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from alphazero.config import Config
from alphazero.data.replay import Batch
from alphazero.errors import UserError
from alphazero.game import Game, load
from alphazero.learning.divergence import Diverged
from alphazero.learning.learner import Learner
from alphazero.network.device import choose_device
from alphazero.network.network import Network

PATIENCE = timedelta(minutes=3)  # a process that is not at the same point by then counts as dead


class Place(NamedTuple):
    """The rank of one process and how it finds the others."""

    rank: int  # 0 is the learner's process
    devices: int  # number of processes
    device: str
    meeting: str  # URI of the rendezvous file
    precision: str


def make_learner(game: Game, config: Config, precision: str = "auto") -> Learner:
    """Make the learner that the settings ask for. Raises UserError for too few devices."""
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
    """A learner whose batches are split among helper processes."""

    def __init__(self, game: Game, config: Config, kind: str, precision: str = "auto") -> None:
        """Start the helpers; `kind` of device is cpu or cuda."""
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
            theirs.close()  # so that the end of the helper is noticed
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

    def check(self, batch: Batch) -> None:
        super().check(self._share_out("check", batch))

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
            process.kill()  # it holds no state
            process.join()
        self._folder.cleanup()

    def _share_out(self, what: str, batch: Batch) -> Batch:
        """Send the parts of a batch to the helpers and return the first part."""
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
    """A learner's losses as a module, as DistributedDataParallel requires."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.network = learner.network
        self._measure = learner.measure

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return self._measure(batch)


def unite(learner: Learner, place: Place) -> None:
    """Connect a learner with those of the other processes."""
    torch.distributed.init_process_group(
        "nccl" if place.device.startswith("cuda") else "gloo",
        init_method=place.meeting,
        rank=place.rank,
        world_size=place.devices,
        timeout=PATIENCE,
    )
    share_norms(learner.network)
    learner.total = total
    # The gradient of a 1x1 kernel has two equivalent memory layouts.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    # A separate group, because totals are summed while gradients are averaged.
    gradients = torch.distributed.new_group(timeout=PATIENCE)
    learner.objective = DistributedDataParallel(Objective(learner), process_group=gradients)


def leave() -> None:
    """Leave the process group; all processes must call it, since some backends wait."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def help_out(place: Place, config: Config, pipe: Connection) -> None:
    """Run a helper process until the learner's process closes the pipe or ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the learner's process decides when to stop
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if place.device.startswith("cuda"):
        torch.cuda.set_device(place.device)
    game = load(config.game)
    arguments = (game, config.network, config.learner, place.device, config.run.seed)
    learner = Learner(*arguments, precision=place.precision)
    unite(learner, place)
    # Where training has diverged, it has in all processes, and the learner's says so.
    with contextlib.suppress(EOFError, ConnectionError, Diverged):
        while True:
            what, content = pipe.recv()
            if what == "step":
                learner.step(content)
            elif what == "validate":
                learner.validate(content)
            elif what == "check":
                learner.check(content)
            else:
                state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
                learner.load_state_dict(state)
    leave()


def shares(batch: Batch, count: int) -> list[Batch]:
    """Split a batch into parts whose sizes differ by at most one."""
    return [batch.take(rows) for rows in np.array_split(np.arange(len(batch.planes)), count)]


# -- sums over all processes, and batch norm made of them ------------------------------------------


class Total(torch.autograd.Function):
    """The sum of a tensor over all processes, with a gradient.

    Every process must call it equally often, in the same order.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach().clone()
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum the gradients: every process computes the whole batch's loss, so the sum is that many
        times too large, which DistributedDataParallel's average of the gradients cancels."""
        gradient = gradients[0].clone()
        torch.distributed.all_reduce(gradient)
        return gradient


def total(x: Tensor) -> Tensor:
    """Sum a tensor over all processes, differentiably."""
    return cast(Tensor, Total.apply(x))


class SharedNorm(nn.BatchNorm2d):
    """Batch norm over the samples of all processes, in float32.

    torch's SyncBatchNorm works on CUDA only, and the tests run on CPUs.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        dims, count = (0, 2, 3), x.new_full((), x.numel() / x.shape[1])
        sums = total(torch.cat([x.sum(dims), count[None]]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        off = x - mean[:, None, None]
        variance = total(off.square().sum(dims)) / count
        self._follow(mean.detach(), variance.detach(), count)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (off * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics as `nn.BatchNorm2d` does."""
        running_mean, running_variance = self.running_mean, self.running_var
        assert running_mean is not None and running_variance is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        running_mean.lerp_(mean, self.momentum)
        running_variance.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum)


def share_norms(network: Network) -> None:
    """Replace a network's batch norms by shared ones; parameters and their names stay the same."""
    for module in network.modules():
        for name, norm in list(module.named_children()):
            if type(norm) is not nn.BatchNorm2d:
                continue
            shared = SharedNorm(norm.num_features)
            shared.weight, shared.bias = norm.weight, norm.bias  # the optimiser's own
            for statistic, buffer in norm.named_buffers():
                setattr(shared, statistic, buffer)
            setattr(module, name, shared)
