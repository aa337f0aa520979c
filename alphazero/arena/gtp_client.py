"""Go programs as opponents, by the Go Text Protocol, version 2.

A `GtpEngine` is one process. It is brought to a position by further moves, by taking moves back, or
from an empty board, whichever needs the fewest commands.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alphazero.arena.subprocess_engine import TIMEOUT, SubprocessEngine, shorten
from alphazero.errors import UserError
from alphazero.game import Game, Position, Stones

COLORS = ("b", "w")
CLEANUP = "kgs-genmove_cleanup"  # like genmove, but no pass while dead stones are on the board
RULES_HINT = " (are the rules those that it plays by, such as go:rules=chinese?)"

Move = tuple[str, str]  # colour and vertex


class GtpError(UserError):
    """A program's response to a command is an error."""


class GtpEngine(SubprocessEngine):
    """One process of a program that speaks GTP."""

    protocol = "GTP"

    def __init__(
        self, command: str, timeout: float = TIMEOUT, seconds: float | None = None
    ) -> None:
        """Start a program by its command line, to take `seconds` for a move if given.

        Raises UserError.
        """
        super().__init__(command, timeout)
        self._number = 0  # of the last command
        self.shown: History | None = None  # the game on the program's board, if known
        (version,) = self.send(["protocol_version"])
        if version != "2":
            raise self.failure(f"speaks version {version!r} of the protocol, not 2")
        self._known = set(self.send(["list_commands"])[0].split())
        if seconds is not None:
            self.send([f"time_settings 0 {max(round(seconds), 1)} 1"])

    # -- commands ----------------------------------------------------------------------------------

    def send(self, commands: Sequence[str]) -> list[str]:
        """Send some commands at once and return the responses.

        Raises GtpError if a response is an error, UserError if there is none.
        """
        numbered = list(enumerate(commands, self._number + 1))
        self._number += len(numbered)
        self.write("".join(f"{number} {command}\n" for number, command in numbered))
        responses = []
        failed: GtpError | None = None
        for number, command in numbered:  # all are read, so that the next ones are in step
            is_success, response = self._response(number, command)
            if not is_success and failed is None:
                hint = RULES_HINT if command.startswith("play ") else ""
                refusal = f"refuses {command!r}: {shorten(response)}{hint}"
                failed = GtpError(f"{self.command!r} {refusal}")
            responses.append(response)
        if failed is not None:
            raise failed
        return responses

    def _response(self, number: int, command: str) -> tuple[bool, str]:
        """Read one response: whether it is a success, and its text."""
        has_begun = False

        def is_last(line: str) -> bool:
            nonlocal has_begun
            was_open, has_begun = has_begun, has_begun or line[:1] in ("=", "?")
            return was_open and not line

        lines = self.read_until(is_last, command)[:-1]
        while lines[0][:1] not in ("=", "?"):  # a greeting
            del lines[0]
        head, _, rest = lines[0][1:].partition(" ")
        if head != str(number):
            self.close()
            raise self.failure(
                f"answers {shorten(lines[0])!r} to {command!r}, which is number {number}"
            )
        return lines[0][0] == "=", "\n".join([rest, *lines[1:]]).strip()

    # -- playing -----------------------------------------------------------------------------------

    def choose(self, position: Position) -> int | None:
        """The program's move, or None if it resigns.

        All stones on the board count as alive when two passes end a game here, so a program that
        wants to pass is asked to capture dead stones first, if it knows how.
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
        action = self.action(position, answer)
        assert shown is not None
        self.shown = shown._replace(moves=[*shown.moves, (color, position.text(action))])
        return action

    def familiarity(self, position: Position) -> int:
        return History.of(position).common(self.shown)

    def _show(self, position: Position) -> None:
        """Bring the program's board to this position, with the moves that led to it."""
        history, shown = History.of(position), self.shown
        same = history.common(shown)
        back = len(shown.moves) - same if shown is not None else 0
        commands: list[str] = []
        if same < 0 or (back and ("undo" not in self._known or back > same)):
            commands += self._start(position)
            same = back = 0
        commands += ["undo"] * back
        commands += [f"play {color} {vertex}" for color, vertex in history.moves[same:]]
        self.shown = None  # unknown if the program refuses a command
        if commands:
            self.send(commands)
        self.shown = history

    def _start(self, position: Position) -> list[str]:
        """The commands for the position before the first move."""
        stones = stones_of(position.game)
        state = position.start_state
        board = stones.board(state)
        rows, columns = board.shape
        size = (
            f"boardsize {columns}" if rows == columns else f"rectangular_boardsize {columns} {rows}"
        )
        commands = [size, "clear_board", f"komi {stones.komi(state):g}"]
        points = [
            [position.text(int(point)) for point in np.flatnonzero(board == color)]
            for color in (1, 2)
        ]
        if len(points[0]) > 1 and not points[1] and "set_free_handicap" in self._known:
            return [*commands, f"set_free_handicap {' '.join(points[0])}"]
        # In no order do these stones capture any: every chain has a liberty in the end.
        for color, vertices in zip(COLORS, points, strict=True):
            commands += [f"play {color} {vertex}" for vertex in vertices]
        return commands


class History(NamedTuple):
    """A game as a program must know it: its start and the moves."""

    start: tuple[tuple[int, ...], float, bytes]  # rows and columns, komi, stones
    moves: list[Move]

    @staticmethod
    def of(position: Position) -> "History":
        stones, start = stones_of(position.game), position.start_state
        board = stones.board(start)
        moves = [
            (COLORS[player], position.text(action))
            for player, action in zip(position.movers, position.moves, strict=True)
        ]
        return History((board.shape, stones.komi(start), board.tobytes()), moves)

    def common(self, other: "History | None") -> int:
        """The number of first moves two games have in common; -1 if they start differently."""
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
