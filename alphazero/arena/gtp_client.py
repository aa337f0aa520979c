"""Programs that play Go and speak the Go Text Protocol, version 2, as opponents.

A `GtpEngine` is one process. It is shown a position by playing on from what it already has on its
board, by taking moves back, or from an empty board, whichever is least. What goes wrong (no such
program, silence, death, an error or nonsense for an answer) is a UserError of one line.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.arena.subprocess_engine import (
    PATIENCE,
    TIMEOUT,
    IllegalAnswer,
    Pool,
    Program,
    shorten,
)
from alphazero.errors import UserError
from alphazero.game import Game, Position, Stones

COLORS = ("b", "w")
CLEANUP = "kgs-genmove_cleanup"  # as genmove, but no pass as long as dead stones are there

RULES_HINT = " (are the rules those that it plays by, such as go:rules=chinese?)"

Move = tuple[str, str]  # colour and vertex


class GtpError(UserError):
    """The program has answered a command with an error."""


class GtpEngine(Program):
    """A program under way. Not to be used from two threads at once."""

    def __init__(
        self, command: str, timeout: float = TIMEOUT, seconds: float | None = None
    ) -> None:
        """Start a program by its command line. With `seconds`, it is told to take so many for a
        move. Raises UserError."""
        super().__init__(command, "GTP")
        self._timeout = timeout
        self._number = 0  # of the last command
        self.shown: Record | None = None  # what the program has on its board, if that is known
        (version,) = self.send(["protocol_version"], min(timeout, PATIENCE))
        if version != "2":
            raise self.failure(f"speaks version {version!r} of the protocol, not 2")
        self._known = set(self.send(["list_commands"])[0].split())
        if seconds is not None:
            self.send([f"time_settings 0 {max(round(seconds), 1)} 1"])

    # -- the dialogue ------------------------------------------------------------------------------

    def send(self, commands: Sequence[str], timeout: float | None = None) -> list[str]:
        """The answers to some commands, which are sent at once.

        Raises GtpError if the program answers one with an error, UserError if it does not answer.
        """
        numbered = []
        for command in commands:
            self._number += 1
            numbered.append((self._number, command))
        self.write("".join(f"{number} {command}\n" for number, command in numbered))
        answers = []
        failed: GtpError | None = None
        for number, command in numbered:  # all are read, so that the next ones are in step
            is_success, answer = self._answer(number, command, timeout or self._timeout)
            if not is_success and failed is None:
                hint = RULES_HINT if command.startswith("play ") else ""
                failed = GtpError(f"{self.command!r} refuses {command!r}: {shorten(answer)}{hint}")
            answers.append(answer)
        if failed is not None:
            raise failed
        return answers

    def _answer(self, number: int, command: str, timeout: float) -> tuple[bool, str]:
        deadline = time.monotonic() + timeout
        lines: list[str] = []
        while True:
            line = self.read(command, timeout, deadline)
            if lines or line[:1] in ("=", "?"):  # anything before is a greeting
                if not line and lines:
                    break
                lines.append(line)
        head, _, rest = lines[0][1:].partition(" ")
        if head != str(number):
            self.close()
            raise self.failure(
                f"answers {shorten(lines[0])!r} to {command!r}, which is number {number}"
            )
        self._has_answered = True
        return lines[0][0] == "=", "\n".join([rest, *lines[1:]]).strip()

    # -- playing -----------------------------------------------------------------------------------

    def choose(self, position: Position) -> int | None:
        """The program's move in a position, or None if it resigns.

        All stones on the board count as alive when two passes end a game here, so that a program
        which wants to pass is asked to capture dead stones first, if it knows how.
        Raises IllegalAnswer for one that is no legal move, UserError if there is none.
        """
        self._show(position)
        color = COLORS[position.to_play]
        shown, self.shown = self.shown, None
        (answer,) = self.send([f"genmove {color}"])
        if answer.lower() == "pass" and {CLEANUP, "undo"} <= self._known:
            answer = self.send(["undo", f"{CLEANUP} {color}"])[1]
        if answer.lower() == "resign":
            self.shown = shown
            return None
        try:
            action = position.copy().play(answer)
        except ValueError as error:
            message = f"{self.command!r} answers {shorten(answer)!r}: {error}"
            raise IllegalAnswer(message) from error
        assert shown is not None
        self.shown = shown._replace(moves=[*shown.moves, (color, position.text(action))])
        return action

    def familiarity(self, position: Position) -> int:
        """How many moves of a position are on its board; -1 if it would have to be cleared."""
        return Record.of(position).shared(self.shown)

    def _show(self, position: Position) -> None:
        """Have the program set up this position with the moves that led to it."""
        record, shown = Record.of(position), self.shown
        same = record.shared(shown)
        back = len(shown.moves) - same if shown is not None else 0
        commands: list[str] = []
        if same < 0 or (back and ("undo" not in self._known or back > same)):
            commands += self._start(position)
            same = back = 0
        commands += ["undo"] * back
        commands += [f"play {color} {vertex}" for color, vertex in record.moves[same:]]
        self.shown = None  # if the program refuses something, nobody knows what is on its board
        if commands:
            self.send(commands)
        self.shown = record

    def _start(self, position: Position) -> list[str]:
        """The commands for the position before the first move."""
        stones = stones_of(position.game)
        state = position.start_state
        board = stones.board(state)
        commands = [f"boardsize {len(board)}", "clear_board", f"komi {stones.komi(state):g}"]
        points = [
            [position.text(int(point)) for point in np.flatnonzero(board == color)]
            for color in (1, 2)
        ]
        if len(points[0]) > 1 and not points[1] and "set_free_handicap" in self._known:
            return [*commands, f"set_free_handicap {' '.join(points[0])}"]
        # No order of these stones can capture any, for every chain has a liberty in the end.
        for color, vertices in zip(COLORS, points, strict=True):
            commands += [f"play {color} {vertex}" for vertex in vertices]
        return commands


class Record(NamedTuple):
    """What a program must know of a position: how it began, and the moves."""

    start: tuple[int, float, bytes]  # size, komi, stones
    moves: list[Move]

    @staticmethod
    def of(position: Position) -> "Record":
        stones, start = stones_of(position.game), position.start_state
        board = stones.board(start)
        moves = [
            (COLORS[player], position.text(action))
            for player, action in zip(position.movers, position.moves, strict=True)
        ]
        return Record((len(board), stones.komi(start), board.tobytes()), moves)

    def shared(self, other: "Record | None") -> int:
        """How many moves two records have in common at the beginning; -1: not even that."""
        if other is None or self.start != other.start:
            return -1
        pairs = zip(self.moves, other.moves, strict=False)
        shortest = min(len(self.moves), len(other.moves))
        return next((n for n, (one, two) in enumerate(pairs) if one != two), shortest)


def stones_of(game: Game) -> Stones:
    """The functions of a game of stones. Raises UserError for any other game."""
    if game.stones is None:
        raise UserError(f"programs that speak GTP play Go, not {game.title}")
    return game.stones


class GtpPool(Pool[GtpEngine]):
    """Up to so many processes of one program, started when there is work for them."""

    def __init__(
        self, command: str, processes: int, timeout: float, seconds: float | None = None
    ) -> None:
        super().__init__(lambda: GtpEngine(command, timeout, seconds), processes)
