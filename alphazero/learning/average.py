"""Averages of a network's weights over the steps of its training: what players use.

An average plays better than the last weights, whose noise it evens out (Izmailov et al. 2018).
Batch-norm statistics are averaged with the weights they belong to.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from alphazero.config import LearnerConfig
from alphazero.network.architectures.resnet import Network

EARLY_STEPS = 10  # after n steps an exponential average keeps at most (1 + n) / (EARLY_STEPS + n)


def floats(network: Network) -> dict[str, Tensor]:
    """The parameters and statistics themselves, not copies; counters are left out."""
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}


class Average:
    """No average: the weights as they are."""

    def __init__(self, network: Network, config: LearnerConfig) -> None:
        self._network = network
        self._config = config

    def follow(self, steps: int) -> None:
        """Take in the network's weights after this many steps."""

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights; not to be changed."""
        return floats(self._network)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class ExponentialAverage(Average):
    """Keeps `ema_decay` of the average at every step; less at first, to forget the start soon."""

    @torch.no_grad()
    def __init__(self, network: Network, config: LearnerConfig) -> None:
        super().__init__(network, config)
        self._average = {name: tensor.clone() for name, tensor in floats(network).items()}

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        kept = min(self._config.ema_decay, (1 + steps) / (EARLY_STEPS + steps))
        for name, tensor in floats(self._network).items():
            self._average[name].lerp_(tensor, 1 - kept)

    def tensors(self) -> dict[str, Tensor]:
        return self._average

    def state_dict(self) -> dict[str, Any]:
        return {"average": self._average}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, tensor in self._average.items():
            tensor.copy_(state["average"][name])


class SnapshotAverage(Average):
    """The mean of the last `swa_count` weights, one taken every `swa_steps` steps."""

    def __init__(self, network: Network, config: LearnerConfig) -> None:
        super().__init__(network, config)
        self._snapshots: list[dict[str, Tensor]] = []  # oldest first

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        if steps % self._config.swa_steps == 0:
            taken = {name: tensor.clone() for name, tensor in floats(self._network).items()}
            self._snapshots = [*self._snapshots, taken][-self._config.swa_count :]

    @torch.no_grad()
    def tensors(self) -> dict[str, Tensor]:
        """Until there is a snapshot, the weights as they are."""
        if not self._snapshots:
            return floats(self._network)
        return {
            name: torch.stack([snapshot[name] for snapshot in self._snapshots]).mean(0)
            for name in self._snapshots[0]
        }

    def state_dict(self) -> dict[str, Any]:
        return {"snapshots": self._snapshots}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        device = next(self._network.parameters()).device
        self._snapshots = [
            {name: tensor.to(device, copy=True) for name, tensor in snapshot.items()}
            for snapshot in state["snapshots"]
        ]


AVERAGES = {"none": Average, "ema": ExponentialAverage, "swa": SnapshotAverage}
