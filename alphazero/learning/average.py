"""Averages of a network's weights over its training steps: the weights that self-play uses.

An average plays better than the last weights because it evens out their noise (Izmailov et al.
2018). Batch-norm statistics are averaged with the weights they belong to. Both averages are torch's
`AveragedModel`, whose `module` is the averaged network.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from alphazero.config import LearnerConfig
from alphazero.network.network import Network

Tensors = tuple[Tensor, ...] | list[Tensor]
EARLY_STEPS = 10  # after n steps the EMA keeps at most (1 + n) / (EARLY_STEPS + n)


def make_average(network: Network, config: LearnerConfig) -> AveragedModel | None:
    """Make the average that the settings ask for; None where the last weights are used as they are.

    Call `update_parameters(network)` once after every step.
    """
    if config.averaging == "none":
        return None
    if config.averaging == "swa":
        return SnapshotMean(network, config.swa_steps, config.swa_count)

    def follow(averaged: Tensors, current: Tensors, steps: Tensor | int) -> None:
        n = int(steps)
        kept = min(config.ema_decay, (1 + n) / (EARLY_STEPS + n))
        for average, tensor in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(tensor, 1 - kept)
            else:  # a counter of batch norm
                average.copy_(tensor)

    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    average.update_parameters(network)  # the first update copies: the initial weights count too
    return average


class SnapshotMean(AveragedModel):
    """The mean of the last `count` snapshots, one taken every `every` steps; until the first
    snapshot the current weights."""

    def __init__(self, network: Network, every: int, count: int) -> None:
        super().__init__(network)
        self.every, self.count = every, count
        self.snapshots: list[dict[str, Tensor]] = []  # oldest first

    @torch.no_grad()
    def update_parameters(self, model: torch.nn.Module) -> None:
        self.n_averaged += 1
        if int(self.n_averaged) % self.every == 0:
            taken = {name: tensor.clone() for name, tensor in floats(model).items()}
            self.snapshots = [*self.snapshots, taken][-self.count :]
            for name, tensor in floats(self.module).items():
                tensor.copy_(torch.stack([snapshot[name] for snapshot in self.snapshots]).mean(0))
        elif not self.snapshots:
            for name, tensor in floats(self.module).items():
                tensor.copy_(floats(model)[name])

    def get_extra_state(self) -> dict[str, Any]:
        return {"snapshots": self.snapshots}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        device = next(self.module.parameters()).device
        self.snapshots = [
            {name: tensor.to(device, copy=True) for name, tensor in snapshot.items()}
            for snapshot in state["snapshots"]
        ]


def floats(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return a network's parameters and statistics themselves, without the counters."""
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
