"""A UCI conversation within one process, for tests: lines in, lines out."""

import queue
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphazero.engine import engine
from alphazero.engine.engine import Engine
from alphazero.engine.options import EngineOptions
from alphazero.game import Game
from alphazero.network.evaluator import Evaluator, UniformEvaluator
from alphazero.protocols.uci import go_command
from alphazero.protocols.uci.server import UciServer

PATIENCE = 300  # seconds without a line: it hangs
ENDS = {"uci": "uciok", "isready": "readyok"}  # by which an answer ends
CLOCK = re.compile(r"(nps|time) \d+|(?<=info string )[\d.]+ s, [\d.]+ million nodes/s")


class Conversation:
    """An engine to talk to."""

    def __init__(self, game: str = "chess", **options: Any) -> None:
        said: dict[str, Any] = {"seed": 1, **options}
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.server = UciServer(EngineOptions(game, **said), self._hear)

    def _hear(self, data: bytes) -> None:
        text = data.decode()
        assert text.endswith("\n") and "\r" not in text
        for line in text[:-1].split("\n"):
            if not line.startswith("info string compiling "):  # told where it takes long
                self._lines.put(line)

    def send(self, *commands: str) -> None:
        """Send lines without waiting for what they bring about."""
        for command in commands:
            self.server.receive(command.encode() + b"\n")

    def line(self) -> str:
        """The next line."""
        return self._lines.get(timeout=PATIENCE)

    def until(self, word: str) -> list[str]:
        """All lines up to one that begins with a word."""
        lines = [self.line()]
        while lines[-1].split()[:1] != [word]:
            lines.append(self.line())
        return lines

    def rest(self) -> list[str]:
        """What it has to say once it has done everything that it was told."""
        self.server.host.run(lambda handle: None).result(PATIENCE)
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return lines

    def ask(self, *commands: str) -> list[str]:
        """What commands bring about, all of them being done."""
        self.send(*commands)
        return self.rest()

    def best(self, *commands: str) -> str:
        """The move that some commands, a search among them, lead to."""
        answers = [line for line in self.ask(*commands) if line.startswith("bestmove")]
        assert len(answers) == 1, answers
        return answers[0].split()[1]


def fields(line: str) -> dict[str, str]:
    """An `info` line as keys and values; the score as `cp` or `mate`."""
    found = {}
    words = iter(line.split()[1:])
    for word in words:
        if word == "pv":
            found["pv"] = " ".join(words)
        elif word == "wdl":
            found["wdl"] = " ".join(next(words) for _ in range(3))
        elif word != "score":
            found[word] = next(words)
    return found


def transcript(path: Path, regenerate: bool, make: Callable[[], Conversation]) -> tuple[str, str]:
    """A golden conversation as it is kept and as it goes now, without what a clock has to do with.

    `> ` begins a command. One that leaves the engine searching is followed by `> stop` or the like.
    """
    kept, now = path.read_text(), ""
    conversation = make()
    for line in kept.split("\n"):
        if line.startswith("#"):
            now += f"{line}\n"
        elif line.startswith("> "):
            command = line[2:]
            conversation.send(command)
            is_open = {"infinite", "ponder"} & set(command.split()[:2])
            answer = [] if is_open else conversation.rest()
            answer = [CLOCK.sub(lambda found: f"{found[1] or 'time'} _", text) for text in answer]
            now += "".join(f"{text}\n" for text in [line, *answer])
    if regenerate:
        path.write_text(now)
        print(f"written: {path}", file=sys.stderr)
        return now, now
    return kept, now


def use_evaluator(
    monkeypatch: pytest.MonkeyPatch, make_evaluator: Callable[[Game], Evaluator]
) -> None:
    """All engines have this evaluator instead of a network."""

    def make(game: Game, options: EngineOptions, report: Callable, keep_tree: bool) -> Engine:
        return Engine(
            game,
            make_evaluator(game),
            "a stand-in",
            simulations=options.simulations or 50,
            seconds=options.seconds,
            level=options.level,
            seed=options.seed,
            keep_tree=keep_tree,
        )

    monkeypatch.setattr(engine, "make_engine", make)


@pytest.fixture
def uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every position is even, and every move as good as another."""
    use_evaluator(monkeypatch, UniformEvaluator)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches tell what they have found at their end only."""
    monkeypatch.setattr(go_command, "REPORT_SECONDS", 1e9)
