"""The learner: one optimiser step per batch, and the averaged weights that self-play uses.

    loss = policy_weight    * cross-entropy of the policy among legal actions
         + value_weight     * cross-entropy of win, draw and loss
         + sum of the game's auxiliary losses, each times its weight

The policy loss is a mean over the samples that have a policy target, the others are means over all
samples. An auxiliary target per point is averaged over the points on the board. A step is a
function of the state before it and the batch: a learner loaded from its `state_dict` continues
exactly as if it had never stopped, given the same batches on a machine of the same kind.

Shapes: B samples, A actions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphazero.config import LearnerConfig, NetworkConfig
from alphazero.data.replay import Batch
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.learning.average import floats, make_average
from alphazero.learning.divergence import LossLevel, diverged
from alphazero.network.device import choose_device, choose_precision
from alphazero.network.network import Network, NetworkOutput
from alphazero.network.registry import build
from alphazero.network.weights import copy_weights

ILLEGAL = -1e9  # logit of an illegal action; infinity times a target of 0 would be NaN
CALIBRATION_BINS = 10

Total = Callable[[Tensor], Tensor]  # sum of a tensor over all processes of one learner


def alone(x: Tensor) -> Tensor:
    """Return the sum over a single process: the tensor itself."""
    return x


class Targets(NamedTuple):
    """A batch without its inputs, as tensors on the learner's device."""

    policy: Tensor  # float32 [B, A]
    policy_weight: Tensor  # float32 [B]: the sample's weight, 0 where it has no policy target
    legal: Tensor  # bool [B, A]
    wdl: Tensor  # float32 [B, 3]
    auxiliary: dict[str, Tensor]  # float32 [B, *shape]
    weight: Tensor  # float32 [B]


class Learner:
    """A network in training."""

    def __init__(
        self,
        game: Game,
        network: NetworkConfig,
        config: LearnerConfig,
        device: str = "auto",
        seed: int = 0,
        threads: int = 1,
        precision: str = "auto",
    ) -> None:
        """Make a network with random weights drawn from `seed`.

        `threads` are torch's on a CPU; `precision` of the trunk is float32, bfloat16 or auto.
        """
        self.steps = 0  # done so far
        self._game, self._config, self._threads = game, config, threads
        self._device = choose_device(device)
        self.network = build(game, network, seed).to(self._device)
        self._optimizer = make_optimizer(self.network, config)
        self._average = make_average(self.network, config)
        self._auxiliary_weights = auxiliary_weights(game, config)
        self._precision = choose_precision(precision, self._device, self.network)
        self._level = LossLevel(game, config)
        # Replaced in a learner that is distributed over several processes.
        self.objective: Callable[[Batch], dict[str, Tensor]] = self.measure
        self.total: Total = alone
        # Settings that a checkpoint must agree on.
        self._fixed = {
            **{f"network.{name}": value for name, value in asdict(network).items()},
            "learner.optimizer": config.optimizer,
            "learner.averaging": config.averaging,
        }

    @property
    def gpus(self) -> int:
        """Number of this machine's GPUs in use, counted from the first."""
        return 1 if self._device.type == "cuda" else 0

    @property
    def device_memory(self) -> int:
        """Bytes that torch has reserved on the device; 0 on a CPU."""
        return torch.cuda.memory_reserved(self._device) if self.gpus else 0

    def step(self, batch: Batch) -> dict[str, float]:
        """Take one optimiser step on a batch and return its metrics by name.

        Raises Diverged, before the weights change.
        """
        rate = learning_rate(self._config, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        self.network.train()
        metrics = self.objective(batch)
        metrics["loss/total"].backward()
        metrics["learner/gradient_norm"] = nn.utils.clip_grad_norm_(
            self.network.parameters(), self._config.gradient_clip or math.inf
        )
        measured = to_floats(metrics)
        self._level.add(measured["loss/total"], measured["learner/gradient_norm"], self.steps)
        self._optimizer.step()
        self.steps += 1
        if self._average is not None:
            self._average.update_parameters(self.network)
        return {**measured, "learner/learning_rate": rate}

    @torch.no_grad()
    def check(self, batch: Batch) -> None:
        """Raise Diverged unless the weights are finite and so is their loss on a batch, and near
        its level; changes nothing. Before weights are saved or played with: a step looks at the
        loss of the weights before it."""
        if not all(torch.isfinite(tensor).all() for tensor in floats(self.network).values()):
            raise diverged(self.steps, "a weight is not finite")
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        self.network.train()
        loss = float(self.measure(batch)["loss/total"])
        for name, buffer in self.network.named_buffers():
            buffer.copy_(buffers[name])
        self._level.check(loss, self.steps)

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, float]:
        """Return the same metrics of a batch, without those of the optimiser, and learn nothing."""
        self.network.eval()
        return to_floats(self.measure(batch))

    def weights(self) -> dict[str, np.ndarray]:
        """Return float32 copies of the averaged weights by name."""
        network = self.network if self._average is None else self._average.module
        return {
            name: tensor.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
            for name, tensor in floats(network).items()
        }

    def averaged_network(self) -> Network:
        """Return a new network with the averaged weights, to save or to play with."""
        network = build(self._game, self.network.config)
        copy_weights(self.weights(), network)
        return network.eval()

    def start_from(self, network: Network) -> None:
        """Copy the weights of another network of the same shape; only before the first step."""
        assert self.steps == 0, "learning has begun"
        self.network.load_state_dict(network.state_dict())
        self._average = make_average(self.network, self._config)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to continue exactly: tensors, numbers and texts in dicts.

        The tensors are not copies: write them before the next step.
        """
        generators = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self._device)
        return {
            "steps": self.steps,
            "fixed": dict(self._fixed),
            "network": dict(self.network.state_dict()),
            "optimizer": self._optimizer.state_dict(),
            "average": {} if self._average is None else dict(self._average.state_dict()),
            "generators": generators,
            "losses": self._level.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; sets torch's global random generators too.

        Raises UserError when network, optimiser or average are others, or the game has other
        planes or actions than it had.
        """
        for name, value in self._fixed.items():
            if state["fixed"].get(name) != value:
                raise UserError(
                    f"the checkpoint was made with {name} = {state['fixed'].get(name)}, which"
                    f" cannot become {value} during a run"
                )
        self.steps = state["steps"]
        for name, tensor in self.network.state_dict().items():
            was = state["network"].get(name)
            if was is None or was.shape != tensor.shape:
                raise UserError(
                    f"the checkpoint's network does not fit {self._game.spec} ({name}): the game"
                    " has other planes or actions than when the run began"
                )
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._level.load_state_dict(state.get("losses", {}))
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        torch.set_rng_state(state["generators"]["cpu"])
        if self._device.type == "cuda" and "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"], self._device)

    def close(self) -> None:
        """Release helper processes, if there are any."""

    def measure(self, batch: Batch) -> dict[str, Tensor]:
        """Compute losses and metrics of a batch as tensors; the losses carry gradients."""
        if self._device.type == "cpu" and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        planes = torch.from_numpy(batch.planes).to(self._device)
        values = None if batch.globals is None else torch.from_numpy(batch.globals).to(self._device)
        mask = self._mask(batch.planes)
        targets = self._targets(batch)
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._precision == torch.bfloat16
        ):
            trunk = self.network.trunk(
                planes.float().contiguous(memory_format=torch.channels_last), mask, values
            )
        output = self.network.heads(trunk.float(), mask)
        # Illegal actions are left out of the loss and of the policy's metrics.
        output = output._replace(policy=output.policy.masked_fill(~targets.legal, ILLEGAL))
        losses = self._losses(output, targets, mask)
        return {**losses, **quality(output, targets, self.total)}

    def _mask(self, planes: np.ndarray) -> Tensor | None:
        """Return the points on the board as float [B, 1, H, W]; None if all are."""
        plane = self._game.board_plane
        if plane is None or planes[:, plane].all():
            return None
        return torch.from_numpy(planes[:, plane, None] != 0).to(self._device).float()

    def _targets(self, batch: Batch) -> Targets:
        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(self._device)

        weight = tensor(batch.weight)
        return Targets(
            policy=tensor(batch.policy),
            policy_weight=tensor(batch.policy_mask) * weight,
            legal=tensor(batch.legal) != 0,
            wdl=tensor(batch.wdl),
            auxiliary={name: tensor(array) for name, array in batch.auxiliary.items()},
            weight=weight,
        )

    def _losses(
        self, output: NetworkOutput, targets: Targets, mask: Tensor | None
    ) -> dict[str, Tensor]:
        policy = cross_entropy(output.policy, targets.policy)
        value = cross_entropy(output.wdl, targets.wdl)
        losses = {
            "loss/policy": weighted_mean(policy, targets.policy_weight, self.total),
            "loss/value": weighted_mean(value, targets.weight, self.total),
        }
        total = (
            self._config.policy_weight * losses["loss/policy"]
            + self._config.value_weight * losses["loss/value"]
        )
        for item in self._game.auxiliary:
            on_points = item.shape == self._game.planes[1:]
            loss = auxiliary_loss(
                item.loss,
                output.auxiliary[item.name],
                targets.auxiliary[item.name],
                mask[:, 0] if mask is not None and on_points else None,
            )
            losses[f"loss/{item.name}"] = weighted_mean(loss, targets.weight, self.total)
            total = total + self._auxiliary_weights[item.name] * losses[f"loss/{item.name}"]
        return {"loss/total": total, **losses}


def learning_rate(config: LearnerConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0, as the settings alone decide it.

    It rises linearly over the first `warmup_steps`, which are a part of the schedule.
    """
    rate = config.learning_rate
    if config.schedule == "cosine":
        share = min(step / config.schedule_steps, 1.0)
        height = (1 + math.cos(math.pi * share)) / 2
        rate *= config.schedule_factor + (1 - config.schedule_factor) * height
    elif config.schedule == "step":
        rate *= config.schedule_factor ** (step // config.schedule_steps)
    if step < config.warmup_steps:
        rate *= (step + 1) / config.warmup_steps
    return rate


def make_optimizer(network: Network, config: LearnerConfig) -> torch.optim.Optimizer:
    """Make AdamW, or SGD with Nesterov momentum; biases and batch norm have no weight decay."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        fused = parameters[0].device.type != "mps"
        return torch.optim.AdamW(groups, config.learning_rate, fused=fused)
    return torch.optim.SGD(
        groups, config.learning_rate, config.momentum, nesterov=config.momentum > 0
    )


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Compute [B, N], [B, N] -> [B]; it is 0 for a target row of zeros."""
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)


def auxiliary_weights(game: Game, config: LearnerConfig) -> dict[str, float]:
    """Return the loss weight of every auxiliary target. Raises UserError for an unknown target."""
    weights = {item.name: config.auxiliary_weight for item in game.auxiliary}
    for text in config.auxiliary_weights:
        name, _, weight = text.partition("=")
        if name not in weights:
            has = f"has {', '.join(weights)}" if weights else "has none"
            raise UserError(f'learner.auxiliary_weights = "{text}": {game.name} {has}')
        weights[name] = float(weight)
    return weights


def auxiliary_loss(kind: str, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute [B, *shape], [B, *shape] -> [B]: the mean loss over the shape, or over the ones of
    mask [B, *shape]."""
    if kind == "bce":
        loss = F.binary_cross_entropy_with_logits(output, target, reduction="none")
    elif kind == "tanh":  # the sigmoid of 2x is (1 + tanh x) / 2
        share = (1 + target) / 2
        loss = F.binary_cross_entropy_with_logits(2 * output, share, reduction="none")
    else:
        assert kind == "mse", f"auxiliary loss {kind!r} must be mse, bce or tanh"
        loss = F.mse_loss(output, target, reduction="none")
    if loss.ndim == 1:
        return loss
    if mask is None:
        return loss.flatten(1).mean(dim=1)
    return (loss * mask).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)


def weighted_mean(values: Tensor, weights: Tensor, total: Total = alone) -> Tensor:
    """Return the weighted mean of values [B]; 0 if all weights are 0."""
    return total((values * weights).sum()) / total(weights.sum()).clamp_min(1e-12)


@torch.no_grad()
def quality(output: NetworkOutput, targets: Targets, total: Total = alone) -> dict[str, Tensor]:
    """Return accuracy, entropy and calibration: metrics that do not depend on the loss weights."""
    policy, wdl = torch.softmax(output.policy, dim=1), torch.softmax(output.wdl, dim=1)
    choice = policy.argmax(dim=1, keepdim=True)
    # Any of several actions that share the target's maximum is right.
    top1 = targets.policy.gather(1, choice)[:, 0] == targets.policy.amax(dim=1)
    right = wdl.argmax(dim=1) == targets.wdl.argmax(dim=1)
    return {
        "policy/entropy": weighted_mean(
            cross_entropy(output.policy, policy), targets.policy_weight, total
        ),
        "policy/target_entropy": weighted_mean(
            entropy(targets.policy), targets.policy_weight, total
        ),
        "policy/top1": weighted_mean(top1.float(), targets.policy_weight, total),
        "value/accuracy": weighted_mean(right.float(), targets.weight, total),
        "value/calibration": calibration_error(wdl, targets.wdl, targets.weight, total),
    }


def entropy(shares: Tensor) -> Tensor:
    """Compute the entropy of distributions [B, N] -> [B], in nats."""
    return -torch.special.xlogy(shares, shares).sum(dim=1)


def calibration_error(
    predicted: Tensor, target: Tensor, weight: Tensor, total: Total = alone
) -> Tensor:
    """Return the distance of mean prediction and mean result, averaged over ten prediction bins.

    Values are win - loss, in [-1, 1]. A small batch shows some error even for perfect predictions.
    """
    value = predicted[:, 0] - predicted[:, 2]
    surprise = (value - (target[:, 0] - target[:, 2])) * weight
    bins = ((value + 1) / 2 * CALIBRATION_BINS).long().clamp(0, CALIBRATION_BINS - 1)
    sums = torch.zeros(CALIBRATION_BINS, device=value.device).index_add_(0, bins, surprise)
    return total(sums).abs().sum() / total(weight.sum()).clamp_min(1e-12)


def to_floats(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """Copy all metrics from the device in one transfer."""
    values = torch.stack([metric.detach().float() for metric in metrics.values()])
    return dict(zip(metrics, values.tolist(), strict=True))
