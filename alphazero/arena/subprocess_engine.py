"""Other programs as opponents: their processes, their lines of text, and pools of them.

`gtp_client` and `uci_client` speak the two protocols. Every failure (no such program, silence, an
exit, nonsense as an answer) is a UserError of one line.
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
from typing import IO, Any, Generic, TypeVar

from alphazero.errors import UserError
from alphazero.game import Position

TIMEOUT = 300.0  # seconds that an answer may take
FIRST_TIMEOUT = 60.0  # seconds for the first answer, which shows that the protocol is right
CLOSING_SECONDS = 2.0  # for a program to end by itself
ERROR_LINES = 5  # of a program's error output that are kept
LONGEST_QUOTE = 200  # characters of a program's output in a message


class IllegalAnswer(UserError):
    """A program asked for a move has answered with something that is not a legal move."""


class SubprocessEngine:
    """One process of a program. Not to be used from two threads at once."""

    protocol = ""  # its name, for messages

    def __init__(self, command: str, timeout: float = TIMEOUT) -> None:
        """Start a program by its command line. Raises UserError."""
        self.command, self.timeout = command, timeout
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
        self._error_lines: deque[str | None] = deque(maxlen=ERROR_LINES)
        threads = [
            threading.Thread(target=read_lines, args=arguments, daemon=True)
            for arguments in (
                (self._process.stdout, self._lines.put),
                (self._process.stderr, self._error_lines.append),
            )
        ]
        for thread in threads:
            thread.start()
        self._error_reader = threads[1]
        self._has_answered = False

    # -- playing -----------------------------------------------------------------------------------

    def choose(self, position: Position) -> int | None:
        """The program's move, or None if it resigns.

        Raises IllegalAnswer for an illegal move, UserError if there is not an answer.
        """
        raise NotImplementedError

    def familiarity(self, position: Position) -> int:
        """The number of a position's moves that the program has been sent; -1: of another game."""
        raise NotImplementedError

    def action(self, position: Position, move: str) -> int:
        """The action of a move as the program writes it. Raises IllegalAnswer."""
        try:
            return position.copy().play(move)
        except ValueError as error:
            raise IllegalAnswer(f"{self.command!r} answers {shorten(move)!r}: {error}") from error

    def close(self) -> None:
        """End the program."""
        self._finalizer()

    # -- lines of text -----------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Send text. That the program has ended shows when it is read from."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def read_until(
        self, is_last: Callable[[str], bool], question: str, timeout: float | None = None
    ) -> list[str]:
        """Read the program's lines up to one that is the last of its answer to a question.

        All of them must come within `timeout` seconds, at the first answer FIRST_TIMEOUT, else the
        engine's own. Raises UserError if the program is silent or has ended.
        """
        if timeout is None:
            timeout = self.timeout if self._has_answered else min(self.timeout, FIRST_TIMEOUT)
        deadline = time.monotonic() + timeout
        lines = [self._read(question, timeout, deadline)]
        while not is_last(lines[-1]):
            lines.append(self._read(question, timeout, deadline))
        self._has_answered = True
        return lines

    def _read(self, question: str, timeout: float, deadline: float) -> str:
        try:
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            self.close()
            hint = "" if self._has_answered else f"; does it speak {self.protocol}?"
            message = f"did not answer {shorten(question)!r} within {timeout:g} s{hint}"
            raise self.failure(message) from None
        if line is None:
            self._lines.put(None)  # for the next read
            raise self._exit(question)
        return line

    def failure(self, what: str) -> UserError:
        """An error that names the program."""
        return UserError(f"{self.command!r} {what}")

    def _exit(self, question: str) -> UserError:
        """The error of a program that has ended, with the last line of its error output."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSING_SECONDS)
        self._error_reader.join(CLOSING_SECONDS)
        code = self._process.returncode
        what = "has closed its output" if code is None else f"has ended with exit code {code}"
        last = next((line for line in reversed(self._error_lines) if line and line.strip()), "")
        quote = f": {shorten(last)}" if last else ""
        return self.failure(f"{what}, asked for {shorten(question)!r}{quote}")


def shorten(text: str) -> str:
    """A program's output on one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…"


def read_lines(stream: IO[bytes], take: Callable[[str | None], object]) -> None:
    """Hand over every line of a stream, then None: the work of a thread."""
    for line in stream:
        take(line.decode(errors="replace").rstrip().replace("\t", " "))
    take(None)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Close a program's input, which should end it; else kill it."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(CLOSING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# -- several processes -----------------------------------------------------------------------------


E = TypeVar("E", bound=SubprocessEngine)


class EnginePool(Generic[E]):
    """Up to `processes` processes of one program, started when there is work for them."""

    def __init__(self, kind: Callable[..., E], arguments: tuple[Any, ...], processes: int) -> None:
        """Every process is `kind(*arguments)`."""
        self.kind, self._arguments, self._processes = kind, arguments, processes
        self.engines: list[E] = []

    def start(self) -> E:
        """Start another process. Raises UserError."""
        return self.kind(*self._arguments)

    def choose(self, positions: Sequence[Position]) -> list[int | None]:
        """The program's move in every position.

        None where it resigns, or forfeits the game by an illegal move, which is logged. Raises
        UserError.
        """
        while len(self.engines) < min(self._processes, len(positions)):
            self.engines.append(self.start())
        shares = self._share(positions)
        moves: dict[int, int | None] = {}

        def work(engine: E, rows: list[int]) -> None:
            for row in rows:
                moves[row] = choose_or_forfeit(engine, positions[row])

        with ThreadPoolExecutor(max(len(shares), 1)) as threads:
            for done in [threads.submit(work, *share) for share in shares]:
                done.result()
        return [moves[row] for row in range(len(positions))]

    def _share(self, positions: Sequence[Position]) -> list[tuple[E, list[int]]]:
        """Rows of positions for every process: about as many for each, and those whose game it
        already has on its board."""
        shares: list[tuple[E, list[int]]] = [(engine, []) for engine in self.engines]
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


def choose_or_forfeit(engine: SubprocessEngine, position: Position) -> int | None:
    """A program's move, or None if its answer is not legal, which is logged."""
    try:
        return engine.choose(position)
    except IllegalAnswer as error:
        logging.getLogger(__name__).warning("%s: it forfeits the game", error)
        return None
