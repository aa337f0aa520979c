"""Matches of programs that speak UCI on real clocks: a player out of time loses.

    python -m alphazero match --game chess --clock 1+0.1 --games 100 \\
        "uci:python -m alphazero uci" uci:stockfish,depth=1

A clock runs from when `go` is sent until `bestmove` is read, so it counts what else the machine
does: only one game at a time is played, and nothing else should run.
"""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.arena.players import RESIGN, Player, ProgramPlayer
from alphazero.arena.subprocess_engine import IllegalAnswer
from alphazero.arena.uci_client import UciEngine
from alphazero.errors import UserError
from alphazero.game import Position


class Fischer(NamedTuple):
    """Seconds for a game, and the seconds that every move adds."""

    main: float
    increment: float = 0.0


class Clocks:
    """Both players' clocks in the game that is being played."""

    def __init__(self, control: Fischer) -> None:
        self.control = control
        self.left = [control.main, control.main]
        self._position: Position | None = None

    def begin(self, position: Position) -> None:
        """Reset the clocks if it is another game's position."""
        if position is not self._position:
            self._position = position
            self.left = [self.control.main] * 2

    def words(self) -> str:
        """The arguments of `go`: whole milliseconds, rounded down."""
        white, black = (max(int(1000 * left), 0) for left in self.left)
        gain = round(1000 * self.control.increment)
        return f"wtime {white} btime {black} winc {gain} binc {gain}"

    def spend(self, player: int, seconds: float) -> bool:
        """Charge a player's clock for a move, and return whether it was in time."""
        self.left[player] -= seconds
        if self.left[player] < 0:
            return False
        self.left[player] += self.control.increment
        return True


class TimedPlayer(Player):
    """A program with a clock, for matches of one game at a time."""

    def __init__(self, player: Player, clocks: Clocks) -> None:
        """Raises UserError for a player that is not a program that speaks UCI."""
        if not (isinstance(player, ProgramPlayer) and player.pool.kind is UciEngine):
            raise UserError(
                f"clocks are for programs that speak UCI (uci:COMMAND), not {player.name}"
            )
        self.name = player.name
        self.losses_on_time = 0
        self.least_left = clocks.control.main  # seconds left, the fewest after any move
        self.longest = 0.0  # seconds, of the slowest move
        self._clocks = clocks
        self._start = player.pool.start
        self._engine: UciEngine | None = None

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        (position,) = positions
        engine = self._engine = self._engine or self._start()
        clocks, player = self._clocks, position.to_play
        clocks.begin(position)
        engine.show(position)
        began = time.perf_counter()
        move = engine.go(" ".join([clocks.words(), *engine.limits.words()]))
        seconds = time.perf_counter() - began
        self.longest = max(self.longest, seconds)
        in_time = clocks.spend(player, seconds)
        self.least_left = min(self.least_left, clocks.left[player])
        if not in_time:
            self.losses_on_time += 1
            return [RESIGN]
        try:
            return [engine.action(position, move)]
        except IllegalAnswer:
            return [RESIGN]

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.losses_on_time} lost on time, least time left"
            f" {self.least_left:.2f} s, longest move {self.longest:.2f} s"
        )


def timed(players: Sequence[Player], control: str) -> list[TimedPlayer]:
    """Give the players clocks such as 1+0.1. Raises UserError for other players than programs."""
    clocks = Clocks(read_fischer(control))
    return [TimedPlayer(player, clocks) for player in players]


def read_fischer(text: str) -> Fischer:
    """Seconds as in 1+0.1 or 60. Raises UserError."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(?:\+(\d+\.?\d*|\.\d+))?", text.strip(), re.ASCII)
    if match is None or float(match[1]) <= 0:
        raise UserError(f"a clock is seconds and those added by a move, as in 1+0.1, not {text!r}")
    return Fischer(float(match[1]), float(match[2] or 0))
