"""A GTP conversation within one process, for tests: lines in, answers out, every byte checked."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alphazero.engine import engine
from alphazero.engine.engine import Engine
from alphazero.engine.host import EngineHost
from alphazero.engine.options import EngineOptions
from alphazero.game import Game
from alphazero.network import find
from alphazero.network.encoder import Inputs
from alphazero.network.evaluator import Evaluation, Leaves, UniformEvaluator
from alphazero.protocols.gtp.codec import parse
from alphazero.protocols.gtp.server import answer
from alphazero.protocols.gtp.session import GtpOptions, Reply, Session

ANALYZE = re.compile(r"> (?:\d+ )?(?:lz-|kata-)?analyze\b")
FRAME = re.compile(rb"([=?])([0-9]*)(?: ([^\n ][^\n]*))?\n((?:[^\n]+\n)*)\n")


class Answer(str):
    """The text of an answer, and whether the command was carried out."""

    ok: bool
    number: str

    def __new__(cls, data: bytes) -> "Answer":
        match = FRAME.fullmatch(data)
        assert match is not None, f"not the frame of an answer: {data!r}"
        sign, number, first, others = match.groups()
        for line in others.split(b"\n"):
            assert not line.startswith((b"=", b"?")) and line == line.rstrip(), line
        first = first or b""
        text = first + (b"\n" + others if others else b"")
        made = super().__new__(cls, text.decode().removesuffix("\n"))
        made.ok, made.number = sign == b"=", number.decode()
        return made


class Written(Reply):
    """A reply that keeps what is written. No other line comes after it, or one after so many lines
    of its own: at once after -1."""

    def __init__(self, followed_after: int | None = None) -> None:
        super().__init__("", self._keep)
        self.data = b""
        self._followed_after = followed_after
        self._keep(b"")

    def _keep(self, data: bytes) -> None:
        self.data += data
        if self._followed_after is not None and self.data.count(b"\n") > self._followed_after:
            self.follow()


class Conversation:
    """An engine to talk to."""

    def __init__(self, game: str = "go:size=9", **options) -> None:
        limits = {"simulations": 20, "seed": 1}
        presented = {}
        for name, value in options.items():
            (limits if name in EngineOptions.__annotations__ else presented)[name] = value
        self.heard: list[str] = []
        options = GtpOptions(EngineOptions(game, **limits), **presented)
        self.session = Session(options, self.heard.append)

    def say(self, line: bytes, followed_after: int | None = None) -> bytes:
        """The bytes written for a line of input."""
        command = parse(line)
        if command is None:
            return b""
        reply = Written(followed_after)
        reply.id = command.id
        answer(self.session, command, reply)
        return reply.data

    def __call__(self, command: str, lines: int | None = None) -> Answer:
        """The answer to a command; an analysis ends after so many lines."""
        return Answer(self.say(command.encode() + b"\n", lines))

    def all(self, *commands: str) -> list[str]:
        """The answers to commands, none of which may fail."""
        answers = []
        for command in commands:
            answers.append(answer := self(command))
            assert answer.ok, f"{command}: {answer}"
        return [str(answer) for answer in answers]


def transcript(path: Path, regenerate: bool, make: Callable[[], Conversation]) -> tuple[str, str]:
    """A golden conversation as it is kept and as it goes now: `> ` begins a command. An analysis is
    followed by the next line at once."""
    kept = path.read_text()
    conversation = make()
    now = ""
    for line in kept.split("\n"):
        if line.startswith("#"):
            now += line + "\n"
        elif line.startswith("> "):
            at_once = -1 if ANALYZE.match(line) else None
            data = conversation.say(line[2:].encode() + b"\n", at_once)
            if data:
                Answer(data)
            now += f"{line}\n{data.decode() or chr(10)}"
    if regenerate:
        path.write_text(now)
        print(f"written: {path}", file=sys.stderr)
        return now, now
    return kept, now


class Knowing(UniformEvaluator):
    """Stands in for a network that knows score and ownership: in a search it expects Black to own
    the edge of the board, and to be five points ahead. Asked about one position, it expects the
    player to move to own the upper half."""

    name = "knowing"
    uses_states = True
    predicts = ("ownership", "score")
    for_black = 0.0  # the value of every position

    def evaluate(self, leaves: Leaves) -> Evaluation:
        logits, *_ = super().evaluate(leaves)
        signs = np.where(leaves.states["to_play"] == 0, 1, -1).astype(np.float32)
        ownership = np.full((len(signs), *leaves.planes.shape[2:]), 0.5, np.float32)
        ownership[:, 1:-1, 1:-1] = 0.0
        points = ownership[0].size
        found = {
            "ownership": ownership * signs[:, None, None],
            "score": (5 / points * signs)[:, None],
        }
        extra = {name: found[name] for name in leaves.extra}
        return Evaluation.of_value(logits, self.for_black * signs)._replace(extra=extra)

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        rows, _, height, width = inputs.planes.shape
        ownership = np.zeros((rows, height, width), np.float32)
        ownership[:, : height // 2] = 0.5
        return {"ownership": ownership, "score": np.full((rows, 1), 5 / 81, np.float32)}


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All engines have that evaluator."""

    def make(game: Game, options: EngineOptions, report: Callable, keep_tree: bool) -> Engine:
        return Engine(
            game,
            Knowing(game),
            "a stand-in",
            simulations=options.simulations or 50,
            seconds=options.seconds,
            level=options.level,
            seed=options.seed,
            keep_tree=keep_tree,
        )

    monkeypatch.setattr(engine, "make_engine", make)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if the package came without networks: the engine plays with rollouts."""
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)


@pytest.fixture
def nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are made when they are needed, and in tests of the board they seldom are."""
    monkeypatch.setattr(EngineHost, "prepare", lambda host, game: None)
