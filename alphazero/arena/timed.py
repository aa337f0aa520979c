"""Matches of programs that speak UCI on real clocks: who thinks too long loses.

    python -m alphazero match --game chess --clock 1+0.1 --games 100 \\
        "uci:python -m alphazero uci" uci:stockfish,depth=1

A clock runs from when `go` is sent until `bestmove` is read, so it counts what the machine does
meanwhile: only one game at a time is played, and nothing else should run.
"""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.arena.player import RESIGN, Player, ProgramPlayer
from alphazero.arena.subprocess_engine import IllegalAnswer
from alphazero.arena.uci_client import UciEngine, UciPool
from alphazero.errors import UserError
from alphazero.game import Position


class Fischer(NamedTuple):
    """Seconds for a game, and those that every move adds."""

    main: float
    increment: float = 0.0


class Clocks:
    """Both players' clocks in the game that is being played."""

    def __init__(self, control: Fischer) -> None:
        self.control = control
        self.left = [control.main, control.main]
        self._position: Position | None = None

    def begin(self, position: Position) -> None:
        """Start anew, if it is another game's position."""
        if position is not self._position:
            self._position = position
            self.left = [self.control.main] * 2

    def words(self) -> str:
        """As `go` takes them: whole milliseconds, never more than there are."""
        white, black = (max(int(1000 * left), 0) for left in self.left)
        gain = round(1000 * self.control.increment)
        return f"wtime {white} btime {black} winc {gain} binc {gain}"

    def spend(self, player: int, seconds: float) -> bool:
        """A player has moved after so long; whether that was in time."""
        self.left[player] -= seconds
        if self.left[player] < 0:
            return False
        self.left[player] += self.control.increment
        return True


class TimedPlayer(Player):
    """A program with a clock, for matches of one game at a time."""

    def __init__(self, player: Player, clocks: Clocks) -> None:
        """Raises UserError for a player that is no program."""
        if not (isinstance(player, ProgramPlayer) and isinstance(player.pool, UciPool)):
            raise UserError(
                f"clocks are for programs that speak UCI (uci:COMMAND), not {player.name}"
            )
        self.name = player.name
        self.losses_on_time = 0
        self.least_left = clocks.control.main  # seconds that were left after a move, at the least
        self.longest = 0.0  # seconds that a move took, at the most
        self._clocks = clocks
        self._start = player.pool.start
        self._engine: UciEngine | None = None

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        (position,) = positions
        if self._engine is None:
            self._engine = self._start()
        clocks, player = self._clocks, position.to_play
        clocks.begin(position)
        self._engine.show(position)
        began = time.perf_counter()
        move = self._engine.go(" ".join([clocks.words(), *self._engine.effort.words()]))
        seconds = time.perf_counter() - began
        self.longest = max(self.longest, seconds)
        in_time = clocks.spend(player, seconds)
        self.least_left = min(self.least_left, clocks.left[player])
        if not in_time:
            self.losses_on_time += 1
            return [RESIGN]
        try:
            return [self._engine.action(position, move)]
        except IllegalAnswer:
            return [RESIGN]

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.losses_on_time} lost on time, least time left"
            f" {self.least_left:.2f} s, longest move {self.longest:.2f} s"
        )


def timed(players: Sequence[Player], control: str) -> list[TimedPlayer]:
    """The players with clocks such as 1+0.1. Raises UserError for those that are no programs."""
    clocks = Clocks(read_fischer(control))
    return [TimedPlayer(player, clocks) for player in players]


def read_fischer(text: str) -> Fischer:
    """Seconds as in 1+0.1 or 60. Raises UserError."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(?:\+(\d+\.?\d*|\.\d+))?", text.strip(), re.ASCII)
    if match is None or float(match[1]) <= 0:
        raise UserError(f"a clock is seconds and those added by a move, as in 1+0.1, not {text!r}")
    return Fischer(float(match[1]), float(match[2] or 0))
