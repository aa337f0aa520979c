"""Time controls, clocks, and the seconds to spend on a move.

A control is what both players start with, a clock what one of them has left. The controller may
correct a clock (`correct`); else it counts the engine's own moves (`spend`). Times are seconds.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

LONGEST_MOVE = 60.0  # searched with days on the clock, unless a person allows more
LAG = 0.25  # between the end of a search and the controller stopping its clock
LEAST_SHARE = 0.2  # of a time shorter than the lag that is searched all the same
MOST_SHARE = 0.25  # of the time left for the whole game that one move may take
USUAL_LENGTH = 0.75  # plies of a game of Go, as a share of the points of its board
FEWEST_MOVES = 0.08  # own moves still to come that are planned for at least, likewise
INCREMENT_SHARE = 0.9  # of the increment that is spent on the move


@dataclass(frozen=True)
class TimeControl:
    """Main time, and an increment for every move (Fischer), overtime, or nothing (absolute).

    In Canadian overtime every period is for several `stones`; in byo-yomi there are several
    `periods` of one move each, and one is lost when a move takes longer.
    """

    main: float
    increment: float = 0.0
    overtime: float = 0.0  # of one period
    stones: int = 0  # Canadian: moves in a period; there is no last period
    periods: int = 0  # byo-yomi
    most: float = math.inf  # capped Fischer: limit of the clock
    longest_move: float = math.inf  # capped Fischer

    @property
    def has_overtime(self) -> bool:
        return self.overtime > 0 and (self.stones > 0 or self.periods > 0)


class _Standing(NamedTuple):
    """A player's time left: main time, then overtime with a count of stones or periods."""

    main: float
    period: float
    count: int


class Clock:
    """One player's time."""

    def __init__(self, control: TimeControl) -> None:
        self.control = control
        self.reset()

    def reset(self) -> None:
        """Begin a new game."""
        control = self.control
        self._left = _Standing(control.main, control.overtime, control.stones or control.periods)

    @property
    def in_overtime(self) -> bool:
        return self.control.has_overtime and self._left.main <= 0

    @property
    def left(self) -> tuple[float, int]:
        """The arguments of GTP's time_left: seconds of main time and 0, or of overtime and the
        stones (Canadian) or periods (byo-yomi) left."""
        if self.in_overtime:
            return self._left.period, self._left.count
        return self._left.main, 0

    @property
    def until_flag(self) -> float:
        """Seconds that a move may take before the flag falls."""
        main, period, count = self._left
        if not self.control.has_overtime:
            return main
        return (
            max(main, 0.0)
            + period
            + self.control.overtime * (0 if self.control.stones else max(count - 1, 0))
        )

    def correct(self, seconds: float, count: int = 0) -> None:
        """Set what is left, as in `left`."""
        if count > 0 and self.control.has_overtime:
            self._left = _Standing(0.0, seconds, count)
        else:
            self._left = self._left._replace(main=seconds)

    def spend(self, seconds: float) -> None:
        """Take the time of a move off the clock."""
        main, period, count = self._left
        control = self.control
        beyond = seconds - max(main, 0.0)
        if not control.has_overtime or beyond < 0:
            self._left = self._left._replace(
                main=min(main - seconds + control.increment, control.most)
            )
        elif control.stones:
            left, stones = period - beyond, count - 1
            if stones <= 0 and left >= 0:
                left, stones = control.overtime, control.stones
            self._left = _Standing(0.0, left, stones)
        else:
            if beyond > period and count > 1:
                beyond, period = beyond - period, control.overtime
                more = max(math.ceil(min(beyond / period, count - 1)) - 1, 0)
                beyond, count = beyond - more * period, count - 1 - more
            left = control.overtime if beyond <= period else period - beyond
            self._left = _Standing(0.0, left, count)

    def seconds(self, moves_to_go: float, lag: float = LAG) -> float:
        """Seconds to spend on the next move, with `moves_to_go` own moves still to come and `lag`
        seconds of the controller's clock lost on each."""
        main, period, count = self._left
        control = self.control
        if self.in_overtime:
            return _usable(period / max(count, 1) if control.stones else period, lag)
        # After the main time every move has at least this, and it cannot be saved.
        later = control.overtime / max(control.stones, 1)
        share = main / max(moves_to_go, 1.0) + INCREMENT_SHARE * control.increment
        wanted = max(share, later)
        if not control.has_overtime:
            wanted = min(wanted, max(main * MOST_SHARE, main / max(moves_to_go, 1.0)))
        return _usable(min(wanted, control.longest_move), lag, main + later)


def _usable(seconds: float, lag: float, left: float = math.inf) -> float:
    """The wanted seconds less the lag, at most those left, at least 0."""
    return max(min(max(seconds - lag, LEAST_SHARE * seconds), left - lag), 0.0)


def moves_to_go(points: int, plies: int) -> float:
    """Estimate the own moves still to come in a game of Go on so many points."""
    return max((USUAL_LENGTH * points - plies) / 2, FEWEST_MOVES * points, 1.0)


# -- as protocols write them -----------------------------------------------------------------------


def canadian(main: float, overtime: float, stones: int) -> TimeControl | None:
    """The control of GTP's time_settings; None, no limit, for overtime without stones or no time at
    all."""
    if overtime > 0 and stones <= 0:
        return None
    if main <= 0 and overtime <= 0:
        return None
    if stones <= 0 or overtime <= 0:
        return TimeControl(main)
    return TimeControl(main, overtime=overtime, stones=stones)


def named_control(kind: str, values: list[float]) -> TimeControl | None:
    """The control of KGS's and KataGo's time settings, by name and numbers; None: no limit.

    Raises ValueError for an unknown name or wrong numbers.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown time settings {kind!r}: choose {', '.join(KINDS)}")
    limits: list[float] = []
    if kind == "fischer-capped":
        values, limits = values[:2], [math.inf if value < 0 else value for value in values[2:]]
    is_wrong = any(math.isnan(value) for value in limits)
    is_wrong |= not all(0 <= value < math.inf for value in values)
    if is_wrong or len(values) + len(limits) < KINDS[kind]:
        besides = ", or -1 for no limit" if limits else ""
        raise ValueError(f"{kind} takes {KINDS[kind]} numbers that are not negative{besides}")
    if kind == "none":
        return None
    control = TimeControl(values[0])
    if kind in ("byoyomi", "canadian"):
        if values[2] != int(values[2]):
            raise ValueError(f"{values[2]:g} is not a whole number")
        if kind == "canadian":
            return canadian(values[0], values[1], int(values[2]))
        return replace(control, overtime=values[1], periods=int(values[2]))
    if kind.startswith("fischer"):
        control = replace(control, increment=values[1])
    if kind == "fischer-capped":
        control = replace(control, most=limits[0], longest_move=limits[1])
    return control


KINDS = {  # time settings, and how many numbers each takes
    "none": 0,
    "absolute": 1,
    "byoyomi": 3,
    "canadian": 3,
    "fischer": 2,
    "fischer-capped": 4,
}
