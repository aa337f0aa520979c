"""Comments and evaluations of positions, whatever the format of the game's file."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Annotation:
    """Remarks on a position: after a move, or before the first."""

    comment: str = ""
    winrate: float | None = None  # the result expected by the first player, 0 to 1
    seconds_left: float | None = None  # on the clock of the player who moved
    stones_left: int | None = None  # to be played in that time


# lc0's conversion: 90 tan(1.5637541897 q) is 100 for an expected result of about 0.54 each way.
CENTIPAWN_SCALE, CENTIPAWN_CURVE = 90.0, 1.5637541897
MOST_CENTIPAWNS = 12800


def centipawns(value: float) -> int:
    """Convert a value in [-1, 1] to hundredths of a pawn."""
    most = math.tan(CENTIPAWN_CURVE)
    pawns = CENTIPAWN_SCALE * min(max(math.tan(CENTIPAWN_CURVE * value), -most), most)
    return round(min(max(pawns, -MOST_CENTIPAWNS), MOST_CENTIPAWNS))


def value_of_pawns(pawns: float) -> float:
    """Convert pawns to a value in [-1, 1], the inverse of `centipawns`."""
    return math.atan(100 * pawns / CENTIPAWN_SCALE) / CENTIPAWN_CURVE
