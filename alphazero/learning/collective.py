"""Sums over processes that learn together, one on each device, and batch norm made of them.

Every process calls these the same number of times in the same order, once torch.distributed is
initialised. Gradients flow through them, so that a loss made of totals has the gradient of the
whole batch's loss: see `Total.backward`.
"""

from typing import Any, cast

import torch
import torch.distributed
from torch import Tensor, nn

from alphazero.network.architectures.resnet import Convolution, Network


class Total(torch.autograd.Function):
    """The sum of a tensor over all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach().clone()
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Each process's loss is the total: together they are as many times the loss as there are
        processes, which averaging the gradients, as DistributedDataParallel does, undoes."""
        gradient = gradients[0].clone()
        torch.distributed.all_reduce(gradient)
        return gradient


def total(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes that learn together."""
    return cast(Tensor, Total.apply(x))


class SharedNorm(nn.BatchNorm2d):
    """Batch norm by the mean and variance of all processes' samples, in float32.

    torch's own SyncBatchNorm exists for CUDA alone.
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
        """Move the running statistics as `nn.BatchNorm2d` does."""
        running_mean, running_variance = self.running_mean, self.running_var
        assert running_mean is not None and running_variance is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        running_mean.lerp_(mean, self.momentum)
        running_variance.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum)


def share_norms(network: Network) -> None:
    """Give a network batch norms that count the samples of all processes; weights and their names
    stay as they are."""
    for module in network.modules():
        if isinstance(module, Convolution):
            norm, shared = module.norm, SharedNorm(module.norm.num_features)
            shared.weight, shared.bias = norm.weight, norm.bias  # the optimiser's own
            for name, buffer in norm.named_buffers():
                setattr(shared, name, buffer)
            module.norm = shared
