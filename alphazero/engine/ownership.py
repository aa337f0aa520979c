"""Score and ownership as a network predicts them, for a position and after each move in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from alphazero.engine.engine import Engine
from alphazero.game import Position

HEADS = ("ownership", "score")


@dataclass(frozen=True)
class Prediction:
    """The expected end of a game, for the player to move in the position asked about."""

    score: float  # points
    ownership: list[float] = field(repr=False)  # [points] in [-1, 1], from the top left


class Predictor:
    """Predictions for one position and its moves, each made once."""

    def __init__(self, engine: Engine, position: Position, now: Prediction) -> None:
        self.now = now
        self._engine, self._position = engine, position
        self._after: dict[int, Prediction] = {}

    def after(self, actions: Sequence[int]) -> list[Prediction]:
        """Predict the end after each of these moves."""
        new = [action for action in dict.fromkeys(actions) if action not in self._after]
        positions = []
        for action in new:
            position = self._position.copy()
            position.play(action)
            positions.append(position)
        predictions = _read(self._engine.auxiliary(positions), positions) if new else []
        for action, prediction in zip(new, predictions, strict=True):
            self._after[action] = _for_opponent(prediction)
        return [self._after[action] for action in actions]


def predictor(engine: Engine, position: Position) -> Predictor | None:
    """Make the predictor for a position; None without a network that has the heads for it."""
    if position.game.stones is None:
        return None
    heads = engine.auxiliary([position])
    if not heads.keys() >= set(HEADS):
        return None
    return Predictor(engine, position, _read(heads, [position])[0])


def _read(heads: Mapping[str, np.ndarray], positions: Sequence[Position]) -> list[Prediction]:
    """Read the heads' outputs, for the player to move. Finished games are scored instead."""
    predictions = []
    for row, position in enumerate(positions):
        stones = position.game.stones
        assert stones is not None, "only games of stones have points"
        ownership, score = heads["ownership"][row], float(heads["score"][row].ravel()[0])
        score *= ownership.size  # the head predicts points per point of the board
        if position.is_over:
            sign = 1 if position.to_play == 0 else -1
            score = sign * stones.score(position.state, None)
            owners = stones.area(position.state, None)
            ownership = sign * ((owners == 1).astype(np.float32) - (owners == 2))
        predictions.append(Prediction(score, ownership.ravel().astype(float).tolist()))
    return predictions


def _for_opponent(prediction: Prediction) -> Prediction:
    ownership = [0.0 - value for value in prediction.ownership]  # never -0.0
    return Prediction(0.0 - prediction.score, ownership)
