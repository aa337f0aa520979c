"""Divergence of training: losses and gradients that are not finite, and losses that explode."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from alphazero.config import LearnerConfig
from alphazero.errors import UserError
from alphazero.game import Game

EXPLODED = 10.0  # times its level: a loss that has diverged, on the average of some steps
STEPS_OF_LEVEL = 16


class Diverged(UserError):
    """Training has diverged: loss, gradient or weights are not finite, or the loss has exploded."""


def diverged(steps: int, problem: str) -> Diverged:
    """Make the error that training has diverged after so many steps."""
    return Diverged(f"training diverged after {steps} steps: {problem}")


class LossLevel:
    """The level of a run's losses: the lowest mean of some steps, or the loss of a network that
    knows nothing, whichever is larger."""

    def __init__(self, game: Game, config: LearnerConfig) -> None:
        self._chance = config.policy_weight * math.log(game.num_actions)
        self._chance += config.value_weight * math.log(3)
        self._recent: deque[float] = deque(maxlen=STEPS_OF_LEVEL)  # losses of the last steps
        self._lowest = math.inf  # mean of so many losses

    def add(self, loss: float, gradient: float, steps: int) -> None:
        """Take the loss and the norm of the gradient of a step. Raises Diverged."""
        self._recent.append(loss)
        mean = sum(self._recent) / len(self._recent)
        if not math.isfinite(gradient):
            raise diverged(steps, f"the gradient is {gradient}")
        self.check(mean, steps)
        self._lowest = min(self._lowest, mean)

    def check(self, loss: float, steps: int) -> None:
        """Raise Diverged unless a loss is finite and not far above the level."""
        level = max(self._chance, self._lowest if math.isfinite(self._lowest) else loss)
        if not math.isfinite(loss):
            raise diverged(steps, f"the loss is {loss}")
        if loss > EXPLODED * level:
            raise diverged(steps, f"the loss is {loss:.3g}, {loss / level:.3g} times its level")

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to continue."""
        return {"level": self._lowest, "recent": list(self._recent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`, empty in checkpoints of version 0.1."""
        self._lowest = state.get("level", math.inf)
        self._recent = deque(state.get("recent", ()), maxlen=STEPS_OF_LEVEL)
