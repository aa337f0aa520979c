"""Programs that play Go and speak the Go Text Protocol, version 2, as opponents.

A `GtpEngine` is one process. It is shown a position by playing on from what it already has on its
board, by taking moves back, or from an empty board, whichever is least. What goes wrong (no such
program, silence, death, an error or nonsense for an answer) is a UserError of one line.
"""

import contextlib
import logging
import queue
import shlex
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, NamedTuple

import numpy as np

from alphazero.errors import UserError
from alphazero.game import Game, Position, Stones

TIMEOUT = 300.0  # seconds that an answer may take
PATIENCE = 60.0  # seconds for the first answer, if the program is one of this kind at all
PARTING = 2.0  # seconds that a program is given to end by itself
COLORS = ("b", "w")
CLEANUP = "kgs-genmove_cleanup"  # as genmove, but no pass as long as dead stones are there
LAST_WORDS = 5  # lines of a program's error output that are kept
SHOWN = 200  # letters of what a program says that go into a message

RULES_HINT = " (are the rules those that it plays by, such as go:rules=chinese?)"

Move = tuple[str, str]  # colour and vertex


class GtpError(UserError):
    """The program has answered a command with an error."""


class IllegalAnswer(UserError):
    """The program has answered `genmove` with something that is no legal move."""


class GtpEngine:
    """A program under way. Not to be used from two threads at once."""

    def __init__(
        self, command: str, timeout: float = TIMEOUT, seconds: float | None = None
    ) -> None:
        """Start a program by its command line. With `seconds`, it is told to take so many for a
        move. Raises UserError."""
        self.command, self._timeout = command, timeout
        try:
            words = shlex.split(command)
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # or Ctrl-C, which tells us to move, would end the program
            )
        except (OSError, ValueError, IndexError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"cannot start {command!r}: {reason}") from error
        self._finalizer = weakref.finalize(self, end_process, self._process)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._last_words: deque[str | None] = deque(maxlen=LAST_WORDS)
        threads = [
            threading.Thread(target=read_lines, args=arguments, daemon=True)
            for arguments in (
                (self._process.stdout, self._lines.put),
                (self._process.stderr, self._last_words.append),
            )
        ]
        for thread in threads:
            thread.start()
        self._errors = threads[1]
        self._number = 0  # of the last command
        self._has_answered = False
        self.shown: Record | None = None  # what the program has on its board, if that is known
        (version,) = self.send(["protocol_version"], min(timeout, PATIENCE))
        if version != "2":
            raise self._failure(f"speaks version {version!r} of the protocol, not 2")
        self._known = set(self.send(["list_commands"])[0].split())
        if seconds is not None:
            self.send([f"time_settings 0 {max(round(seconds), 1)} 1"])

    def close(self) -> None:
        """End the program."""
        self._finalizer()

    # -- the dialogue ------------------------------------------------------------------------------

    def send(self, commands: Sequence[str], timeout: float | None = None) -> list[str]:
        """The answers to some commands, which are sent at once.

        Raises GtpError if the program answers one with an error, UserError if it does not answer.
        """
        numbered = []
        for command in commands:
            self._number += 1
            numbered.append((self._number, command))
        text = "".join(f"{number} {command}\n" for number, command in numbered)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a program that has ended is found out by its silence
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
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
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                self.close()
                hint = "" if self._has_answered else "; does it speak GTP?"
                message = f"did not answer {command!r} within {timeout:g} s{hint}"
                raise self._failure(message) from None
            if line is None:
                self._lines.put(None)  # for whoever asks next
                raise self._death(command)
            if lines or line[:1] in ("=", "?"):  # anything before is a greeting
                if not line and lines:
                    break
                lines.append(line)
        head, _, rest = lines[0][1:].partition(" ")
        if head != str(number):
            self.close()
            raise self._failure(
                f"answers {shorten(lines[0])!r} to {command!r}, which is number {number}"
            )
        self._has_answered = True
        return lines[0][0] == "=", "\n".join([rest, *lines[1:]]).strip()

    def _death(self, command: str) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING)
        self._errors.join(PARTING)
        code = self._process.returncode
        what = "has closed its output" if code is None else f"has ended with exit code {code}"
        words = next((line for line in reversed(self._last_words) if line and line.strip()), "")
        words = f": {shorten(words)}" if words else ""
        return self._failure(f"{what}, asked for {command!r}{words}")

    def _failure(self, what: str) -> UserError:
        return UserError(f"{self.command!r} {what}")

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


def shorten(text: str) -> str:
    """What a program says, on one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def read_lines(stream: IO[bytes], take: Callable[[str | None], object]) -> None:
    """Hand over every line of a stream, then None, until it ends: the work of a thread."""
    for line in stream:
        take(line.decode(errors="replace").rstrip().replace("\t", " "))
    take(None)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a program: its input ends, which it should notice; else by force."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(PARTING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class GtpPool:
    """Up to so many processes of one program, started when there is work for them."""

    def __init__(
        self, command: str, processes: int, timeout: float, seconds: float | None = None
    ) -> None:
        self._command, self._timeout, self._seconds = command, timeout, seconds
        self._processes = processes
        self.engines: list[GtpEngine] = []

    def choose(self, positions: Sequence[Position]) -> list[int | None]:
        """The program's move in every position; None where it resigns, or forfeits the game by an
        illegal move, which is logged. Raises UserError."""
        while len(self.engines) < min(self._processes, len(positions)):
            self.engines.append(GtpEngine(self._command, self._timeout, self._seconds))
        shares = self._share([Record.of(position) for position in positions])
        moves: dict[int, int | None] = {}

        def work(engine: GtpEngine, rows: list[int]) -> None:
            for row in rows:
                moves[row] = choose_or_forfeit(engine, positions[row])

        with ThreadPoolExecutor(max(len(shares), 1)) as threads:
            for done in [threads.submit(work, *share) for share in shares]:
                done.result()
        return [moves[row] for row in range(len(positions))]

    def _share(self, records: Sequence[Record]) -> list[tuple[GtpEngine, list[int]]]:
        """Rows for every process: about as many for each, and such as it has on its board."""
        shares: list[tuple[GtpEngine, list[int]]] = [(engine, []) for engine in self.engines]
        most = -(-len(records) // max(len(shares), 1))
        pairs = [
            (record.shared(engine.shown), -row, rows)
            for row, record in enumerate(records)
            for engine, rows in shares
        ]
        given: set[int] = set()
        for _, row, rows in sorted(pairs, key=lambda pair: pair[:2], reverse=True):
            if -row not in given and len(rows) < most:
                given.add(-row)
                rows.append(-row)
        return shares


def choose_or_forfeit(engine: GtpEngine, position: Position) -> int | None:
    try:
        return engine.choose(position)
    except IllegalAnswer as error:
        logging.getLogger(__name__).warning("%s: it forfeits the game", error)
        return None
