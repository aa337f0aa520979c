"""What the engine may spend on a position, and what it says about one."""

import math
from dataclasses import dataclass
from typing import NamedTuple

CONFIDENCE = 1.96  # standard deviations of the lower bound: 97.5 % of a normal distribution


class Level(NamedTuple):
    """How well the engine plays: it draws its move with weights visits ** (1 / temperature)."""

    simulations: int
    temperature: float


# Measured with random rollouts at Connect Four, 100 games between neighbours, in Elo upwards from
# level 1: 108, 235, 92, 210, 156, 139, 89, 241, 235. A trained network makes every level stronger.
LEVELS = {
    1: Level(2, 2.0),
    2: Level(4, 1.5),
    3: Level(8, 1.0),
    4: Level(16, 0.8),
    5: Level(32, 0.6),
    6: Level(64, 0.4),
    7: Level(128, 0.25),
    8: Level(256, 0.0),
    9: Level(800, 0.0),
    10: Level(3200, 0.0),
}


class Limit(NamedTuple):
    """What a search may spend, and how its move is drawn.

    It ends at whatever comes first; without any of the first four it goes on until it is told to
    stop.
    """

    simulations: int | None = None
    seconds: float | None = None
    depth: int | None = None  # moves that simulations go from the root on average
    solve: bool = False  # end only when the result is proven
    temperature: float = 0.0
    # End before the time is up, once the best move cannot change any more if so many times fewer
    # simulations follow than there is time for; 0: never.
    settle: float = 0.0
    fresh: bool = False  # leave aside what earlier searches have found

    @property
    def is_endless(self) -> bool:
        return (self.simulations, self.seconds, self.depth) == (None,) * 3 and not self.solve


@dataclass(frozen=True)
class Line:
    """One move that the engine has looked at, with what it expects to follow."""

    action: int
    share: float  # of the point, 0 to 1, that the player to move expects from it
    visits: int
    pv: tuple[int, ...]  # begins with the action
    prior: float = 0.0  # the evaluator's probability of the move
    pv_visits: tuple[int, ...] = ()  # of the moves expected, as far as the search has gone
    plies: int | None = None  # to the end, where it is proven to be won or lost

    @property
    def lower_bound(self) -> float:
        """What the share is at least, in all likelihood: Wilson's interval, as if every visit were
        a game won or lost. That is so for single rollouts, and cautious for a network."""
        if not self.visits:
            return 0.0
        doubt = CONFIDENCE**2 / self.visits
        variance = self.share * (1 - self.share) + doubt / 4
        radius = CONFIDENCE * math.sqrt(variance / self.visits)
        return max((self.share + doubt / 2 - radius) / (1 + doubt), 0.0)


@dataclass(frozen=True)
class Thought:
    """What the engine thinks of a position."""

    to_play: int
    value: float  # for the player to move, in [-1, 1]
    proven: int | None  # -1, 0, 1 for the player to move where the search has proven it
    action: int  # the move it would make, at its level
    lines: list[Line]  # best first
    simulations: int
    seconds: float
    depth: float = 0.0  # moves that simulations have gone from the root on average,
    deepest: int = 0  # and at most
    filled: float = 0.0  # share of the memory that the search may take

    def share(self, player: int) -> float:
        """The share of the point, 0 to 1, that a player expects; a draw is a half."""
        return (1 + (self.value if player == self.to_play else -self.value)) / 2

    @property
    def rate(self) -> float:
        """Simulations per second."""
        return self.simulations / max(self.seconds, 1e-3)

    @property
    def visits(self) -> int:
        """Visits of all moves, those of earlier searches included."""
        return sum(line.visits for line in self.lines)
