"""A conversation in UCI: what is answered at once, and what has to wait its turn.

The thread that reads never does anything that takes time, so that it can always hear `stop` and
answer `isready`. Everything else goes to a second thread, which does one thing after the other.
"""

import queue
import threading
from collections.abc import Callable, Sequence

import alphazero
from alphazero.engine.options import EngineOptions
from alphazero.protocols.uci.control import Control
from alphazero.protocols.uci.desk import Desk
from alphazero.protocols.uci.options import Settings
from alphazero.protocols.uci.words import read_go, read_words

NAME = "AlphaZero"
AUTHOR = "the AlphaZero authors"
PARTING_SECONDS = 3.0  # for what is under way when the conversation ends

Task = Callable[[], None]


class Front:
    """One conversation."""

    def __init__(self, options: EngineOptions, write: Callable[[bytes], None]) -> None:
        """`write` sends bytes, all at once; it may be called by two threads in turn."""
        self._write = write
        self._settings = Settings(options)
        self._desk = Desk(options, self._settings, self.send)
        self._sending = threading.Lock()
        self._has_reader = True
        self._goes: list[Control] = []  # without an answer
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def take(self, line: bytes) -> bool:
        """Take one line of input; False after the last."""
        words = read_words(line)
        self._log(">", " ".join(words))
        for place, word in enumerate(words):
            if word == "quit":
                return False
            if word in COMMANDS:
                COMMANDS[word](self, words[place + 1 :])
                break
        return True

    def close(self, patience: float = PARTING_SECONDS) -> None:
        """End the conversation: searches have their answers, if that can be soon."""
        self._stop_all()
        self._tasks.put(None)
        self._worker.join(patience)

    def send(self, text: str) -> None:
        """Write one or more lines."""
        with self._sending:
            self._log("<", text)
            if self._has_reader:
                try:
                    self._write(f"{text}\n".encode(errors="replace"))
                except OSError:  # nobody is there to be told, and the input will end as well
                    self._has_reader = False

    def _log(self, sign: str, text: str) -> None:
        path = self._settings.text("LogFile")
        if path and text:
            try:
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{sign} {text}\n")
            except OSError:
                pass  # a log is no reason to lose a game

    # -- the second thread -------------------------------------------------------------------------

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._desk.do(task)

    def _later(self, task: Task) -> None:
        self._tasks.put(task)

    def _search(self, control: Control, task: Task) -> None:
        """A task that may be stopped. One that is under way ends first, for two cannot be."""
        self._stop_all()
        self._goes.append(control)

        def run() -> None:
            try:
                task()
            finally:
                self._goes.remove(control)

        self._later(run)

    def _stop_all(self) -> None:
        for control in list(self._goes):
            control.stop()

    # -- commands ----------------------------------------------------------------------------------

    def uci(self, words: Sequence[str]) -> None:
        lines = [f"id name {NAME} {alphazero.__version__}", f"id author {AUTHOR}", ""]
        lines += [option.declaration() for option in self._settings.options]
        self.send("\n".join([*lines, "uciok"]))
        self._later(self._desk.warm)

    def is_ready(self, words: Sequence[str]) -> None:
        if self._goes:  # it thinks, so it is
            self.send("readyok")
        else:
            self._later(self._desk.ready)

    def set_option(self, words: Sequence[str]) -> None:
        self._later(lambda: self._desk.set_option(list(words)))

    def new_game(self, words: Sequence[str]) -> None:
        self._later(self._desk.new_game)

    def position(self, words: Sequence[str]) -> None:
        self._later(lambda: self._desk.set_position(list(words)))

    def go(self, words: Sequence[str]) -> None:
        go = read_go(words)
        if go.perft is not None:
            plies = go.perft
            control = Control(waits=False, ponders=False)
            self._search(control, lambda: self._desk.perft(plies, control))
        else:
            control = Control(waits=go.infinite, ponders=go.ponder)
            self._search(control, lambda: self._desk.go(go, control))

    def stop(self, words: Sequence[str]) -> None:
        self._stop_all()

    def ponder_hit(self, words: Sequence[str]) -> None:
        for control in list(self._goes):
            control.hit()

    def show(self, words: Sequence[str]) -> None:
        self._later(self._desk.show)

    def nothing(self, words: Sequence[str]) -> None:
        """`debug` changes nothing, for what matters is told anyway; `register` is not needed."""


COMMANDS: dict[str, Callable[[Front, Sequence[str]], None]] = {
    "uci": Front.uci,
    "isready": Front.is_ready,
    "setoption": Front.set_option,
    "ucinewgame": Front.new_game,
    "position": Front.position,
    "go": Front.go,
    "stop": Front.stop,
    "ponderhit": Front.ponder_hit,
    "d": Front.show,
    "debug": Front.nothing,
    "register": Front.nothing,
}
