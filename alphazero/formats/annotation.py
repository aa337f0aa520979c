"""What a game's file says about a position, whatever its format."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """Belongs to the position after a move, or before the first."""

    comment: str = ""
    share: float | None = None  # of the point, 0 to 1, that the first player expects
    seconds_left: float | None = None  # to the player who has moved
    stones_left: int | None = None  # to be played in that time
