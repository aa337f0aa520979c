"""Score and ownership as a network expects them, for a position and after the moves in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alphazero.engine.engine import Engine
from alphazero.game import Position

NEEDED = ("ownership", "score")


@dataclass(frozen=True)
class Expectation:
    """For the player to move in the position that was asked about."""

    score: float  # in points
    ownership: list[float] = field(repr=False)  # in [-1, 1], point by point from the top left


@dataclass
class Outlook:
    """What a network's other heads say of a position, each move being looked at once."""

    now: Expectation
    _engine: Engine
    _position: Position
    _after: dict[int, Expectation] = field(default_factory=dict)

    def after(self, actions: Sequence[int]) -> list[Expectation]:
        """What is expected once each of these moves has been made."""
        new = [action for action in dict.fromkeys(actions) if action not in self._after]
        positions = []
        for action in new:
            position = self._position.copy()
            position.play(action)
            positions.append(position)
        for action, expectation in zip(new, expect(self._engine, positions), strict=True):
            self._after[action] = _turned(expectation)
        return [self._after[action] for action in actions]


def outlook(engine: Engine, position: Position) -> Outlook | None:
    """The outlook from a position of a game of stones; None if the engine knows only values."""
    if position.game.stones is None or not engine.auxiliary([position]).keys() >= set(NEEDED):
        return None
    return Outlook(expect(engine, [position])[0], engine, position)


def expect(engine: Engine, positions: Sequence[Position]) -> list[Expectation]:
    """For the player to move in each position. The score of a finished game is what it is."""
    if not positions:
        return []
    answers = engine.auxiliary(list(positions))
    found = []
    for row, position in enumerate(positions):
        stones = position.game.stones
        assert stones is not None, "only games of stones have points"
        ownership, score = answers["ownership"][row], float(answers["score"][row].ravel()[0])
        score *= ownership.size  # it is told as a share of the board's points
        if position.is_over:
            sign = 1 if position.to_play == 0 else -1
            score = sign * stones.score(position.state, None)
            owners = stones.area(position.state, None)
            ownership = sign * ((owners == 1).astype(np.float32) - (owners == 2))
        found.append(Expectation(score, ownership.ravel().astype(float).tolist()))
    return found


def _turned(expectation: Expectation) -> Expectation:
    """For the other player."""
    ownership = [0.0 - value for value in expectation.ownership]
    return Expectation(0.0 - expectation.score, ownership)
