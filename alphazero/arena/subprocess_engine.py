"""Programs that play and talk in lines of text, whatever protocol: processes and pools of them.

What goes wrong (no such program, silence, death, nonsense as an answer) is a UserError of one line.
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
from typing import IO, Generic, Protocol, TypeVar

from alphazero.errors import UserError
from alphazero.game import Position

TIMEOUT = 300.0  # seconds that an answer may take
PATIENCE = 60.0  # seconds for the first answer, if the program is one of this kind at all
PARTING = 2.0  # seconds that a program is given to end by itself
LAST_WORDS = 5  # lines of a program's error output that are kept
SHOWN = 200  # letters of what a program says that go into a message


class IllegalAnswer(UserError):
    """The program was asked for a move and has answered with something that is no legal move."""


class Program:
    """A program under way. Not to be used from two threads at once."""

    def __init__(self, command: str, protocol: str) -> None:
        """Start a program by its command line. Raises UserError."""
        self.command = command
        self._protocol = protocol
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
        self._has_answered = False

    def close(self) -> None:
        """End the program."""
        self._finalizer()

    def write(self, text: str) -> None:
        """Send text to the program. One that has ended is found out by its silence."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def read(self, asked: str, timeout: float, deadline: float) -> str:
        """The program's next line, by time.monotonic() at `deadline`, `timeout` seconds after it
        was asked for something. Raises UserError if it is silent or has ended."""
        try:
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            self.close()
            hint = "" if self._has_answered else f"; does it speak {self._protocol}?"
            message = f"did not answer {shorten(asked)!r} within {timeout:g} s{hint}"
            raise self.failure(message) from None
        if line is None:
            self._lines.put(None)  # for whoever asks next
            raise self._death(asked)
        return line

    def failure(self, what: str) -> UserError:
        """An error that names the program."""
        return UserError(f"{self.command!r} {what}")

    def _death(self, asked: str) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING)
        self._errors.join(PARTING)
        code = self._process.returncode
        what = "has closed its output" if code is None else f"has ended with exit code {code}"
        words = next((line for line in reversed(self._last_words) if line and line.strip()), "")
        words = f": {shorten(words)}" if words else ""
        return self.failure(f"{what}, asked for {shorten(asked)!r}{words}")


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


# -- several processes -----------------------------------------------------------------------------


class Playing(Protocol):
    """A program that chooses moves."""

    def choose(self, position: Position) -> int | None:
        """Its move, or None if it resigns. Raises IllegalAnswer, UserError."""
        ...

    def familiarity(self, position: Position) -> int:
        """How many moves of a position it knows already; -1 if it would have to begin anew."""
        ...


Engine = TypeVar("Engine", bound=Playing)


class Pool(Generic[Engine]):
    """Up to so many processes of one program, started when there is work for them."""

    def __init__(self, start: Callable[[], Engine], processes: int) -> None:
        self.start, self._processes = start, processes
        self.engines: list[Engine] = []

    def choose(self, positions: Sequence[Position]) -> list[int | None]:
        """The program's move in every position; None where it resigns, or forfeits the game by an
        illegal move, which is logged. Raises UserError."""
        while len(self.engines) < min(self._processes, len(positions)):
            self.engines.append(self.start())
        shares = self._share(positions)
        moves: dict[int, int | None] = {}

        def work(engine: Engine, rows: list[int]) -> None:
            for row in rows:
                moves[row] = choose_or_forfeit(engine, positions[row])

        with ThreadPoolExecutor(max(len(shares), 1)) as threads:
            for done in [threads.submit(work, *share) for share in shares]:
                done.result()
        return [moves[row] for row in range(len(positions))]

    def _share(self, positions: Sequence[Position]) -> list[tuple[Engine, list[int]]]:
        """Rows for every process: about as many for each, and such as it knows already."""
        shares: list[tuple[Engine, list[int]]] = [(engine, []) for engine in self.engines]
        most = -(-len(positions) // max(len(shares), 1))
        pairs = [
            (engine.familiarity(position), -row, rows)
            for row, position in enumerate(positions)
            for engine, rows in shares
        ]
        given: set[int] = set()
        for _, row, rows in sorted(pairs, key=lambda pair: pair[:2], reverse=True):
            if -row not in given and len(rows) < most:
                given.add(-row)
                rows.append(-row)
        return shares


def choose_or_forfeit(engine: Playing, position: Position) -> int | None:
    """A program's move, or None if it makes none that is legal, which is logged."""
    try:
        return engine.choose(position)
    except IllegalAnswer as error:
        logging.getLogger(__name__).warning("%s: it forfeits the game", error)
        return None
