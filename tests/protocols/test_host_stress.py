"""The three protocols on the engine's host under random lines at random instants.

Whatever comes and whenever it stops, every command is answered once, in order where the protocol
has an order, and the server ends. A second for each protocol by default; STRESS_SECONDS=300 goes
on for longer, STRESS_SEED begins elsewhere.
"""

import functools
import itertools
import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from alphazero import game
from alphazero.engine.options import EngineOptions
from alphazero.network.evaluator import UniformEvaluator
from alphazero.protocols.gtp.codec import is_interrupt, parse
from alphazero.protocols.gtp.server import GtpServer
from alphazero.protocols.gtp.session import GtpOptions, Session
from alphazero.protocols.kata_analysis.server import AnalysisServer
from alphazero.protocols.uci import server as uci_server
from alphazero.protocols.uci.server import UciServer
from tests.helpers.gtp_conversation import Answer
from tests.helpers.uci_conversation import use_evaluator

SECONDS = float(os.environ.get("STRESS_SECONDS", "1"))
SEED = int(os.environ.get("STRESS_SEED", "1"))
PATIENCE = 120  # seconds in which a server must end
LONGEST_PAUSE = 0.02  # seconds between two lines


load = functools.cache(game.load)  # compiled once


@pytest.fixture(autouse=True)
def uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(game, "load", load)
    use_evaluator(monkeypatch, UniformEvaluator)
    monkeypatch.setattr(uci_server, "CLOSING_SECONDS", PATIENCE)  # to load a game may take longer


class Output:
    """What a server writes, sometimes slowly, from whichever thread."""

    def __init__(self, rng: random.Random) -> None:
        self.data, self._rng, self._lock = b"", random.Random(rng.random()), threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._rng.random() < 0.05:
                time.sleep(self._rng.random() * LONGEST_PAUSE)
            self.data += data


def converse(server: Any, lines: list[bytes], rng: random.Random, is_abandoned: bool) -> None:
    """Send lines at random instants, then end the input; the server must end soon after. One that
    is abandoned is told to stop all searches instead, as when its process is killed."""
    for line in lines:
        if rng.random() < 0.3:
            time.sleep(rng.random() * LONGEST_PAUSE)
        if not server.receive(line):
            break
    if is_abandoned:
        server.host.stop()
        server.host.close(0)
        end = time.monotonic() + PATIENCE
        while server.host.is_busy and time.monotonic() < end:
            time.sleep(0.001)
        assert not server.host.is_busy, lines
        return
    closing = threading.Thread(target=server.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive(), lines


def stress(one: Callable[[random.Random, bool], int]) -> None:
    """Hold conversations for so long, each with a seed of its own; the tenth is abandoned."""
    end, total = time.monotonic() + SECONDS, 0
    for number in itertools.count(SEED):
        total += one(random.Random(number), number % 10 == 0)
        if time.monotonic() > end and number >= SEED + 10:
            break
    print(f"{total} lines in {number - SEED + 1} conversations")


# -- GTP -------------------------------------------------------------------------------------------

GTP = [
    "genmove b", "genmove w", "reg_genmove b", "undo", "clear_board", "play b A1", "play w pass",
    "lz-analyze 1", "lz-analyze b interval 5", "analyze", "genmove_analyze w 1", "lz-analyze x",
    "alphazero-search", "alphazero-value", "showboard", "list_commands", "name", "nosuch", "stop",
    "time_settings 1 0 0", "time_settings 0 0 1", "time_left b 1 0", "clear_cache", "final_score",
    "alphazero-param simulations 3", "alphazero-param simulations 2000", "gogui-rules_legal_moves",
]  # fmt: skip


def gtp_line(rng: random.Random) -> bytes:
    if rng.random() < 0.15:
        return rng.choice([b"\n", b"# interrupt\n", b"# a comment\n", b"7\n"])
    number = f"{rng.randrange(1000)} " if rng.random() < 0.5 else ""
    return f"{number}{rng.choice(GTP)}\n".encode()


def gtp(rng: random.Random, is_abandoned: bool) -> int:
    output = Output(rng)
    spec = rng.choice(["tic-tac-toe", "connect4"])
    session = Session(GtpOptions(EngineOptions(spec, simulations=50)), lambda line: None)
    server = GtpServer(session, output.write)
    lines = [gtp_line(rng) for _ in range(rng.randrange(60))]
    if rng.random() < 0.3:
        lines.append(b"99 quit\n")
        lines += [gtp_line(rng) for _ in range(3)]
    converse(server, lines, rng, is_abandoned)
    commands = [command for command in map(parse, lines) if command is not None]
    names = [command.name for command in commands]
    if "quit" in names:
        commands = commands[: names.index("quit") + 1]
    answers = [text + b"\n\n" for text in output.data.split(b"\n\n")[:-1]]
    expected = [command.id for command in commands]
    found = [Answer(text).number for text in answers]
    assert found == expected[: len(found)], lines
    assert is_abandoned or len(found) == len(expected), lines
    assert b"internal error" not in output.data, output.data
    return len(lines)


def test_gtp() -> None:
    assert is_interrupt(b"# interrupt\n")
    stress(gtp)


# -- UCI -------------------------------------------------------------------------------------------

UCI = [
    "position startpos", "position startpos moves e2e4 e7e5", "position startpos moves e2e9",
    "position fen 8/8/8/8/8/8/6k1/4K2R w K - 0 1", "position fen nonsense", "ucinewgame",
    "setoption name MultiPV value 3", "setoption name Hash value 1", "setoption name nosuch",
    "d", "stop", "ponderhit", "isready", "uci", "nosuch", "go perft 2",
    "go nodes 1", "go nodes 30", "go movetime 10", "go wtime 100 btime 100", "go infinite",
    "go ponder wtime 100 btime 100", "go ponder movetime 5", "go depth 2", "go", "eval", "bench 2",
    "go movetime -5", "go winc 10 binc 10", "setoption name UCI_LimitStrength value true", "help",
]  # fmt: skip


def uci(rng: random.Random, is_abandoned: bool) -> int:
    output = Output(rng)
    server = UciServer(EngineOptions("chess", simulations=30), output.write)
    texts = [rng.choice(UCI) for _ in range(rng.randrange(60))]
    if rng.random() < 0.3:
        texts += ["quit", "isready"]
    converse(server, [f"{text}\n".encode() for text in texts], rng, is_abandoned)
    if "quit" in texts:
        texts = texts[: texts.index("quit")]
    told = output.data.decode().split("\n")
    found = Counter(line.split()[0] for line in told if line)
    searches = [text for text in texts if text.startswith("go") and "perft" not in text]
    for word, count in (
        ("bestmove", len(searches)),
        ("readyok", texts.count("isready")),
        ("uciok", texts.count("uci")),
    ):
        assert found[word] == count or (is_abandoned and found[word] < count), (word, texts, told)
    for line in told:
        assert not line.startswith("bestmove") or re.fullmatch(
            r"bestmove (\(none\)|([a-h][1-8]){2}[nbrq]?( ponder ([a-h][1-8]){2}[nbrq]?)?)", line
        ), line
    assert "internal error" not in output.data.decode()
    return len(texts)


def test_uci() -> None:
    stress(uci)


# -- KataGo's analysis -----------------------------------------------------------------------------

MOVES = [["B", "E5"], ["W", "C3"], ["B", "pass"], ["W", "G7"]]


def query(rng: random.Random, number: int) -> dict[str, Any]:
    kind = rng.random()
    if kind < 0.1:
        return {"id": f"act{number}", "action": rng.choice(["query_version", "clear_cache"])}
    if kind < 0.25:
        return {"id": f"act{number}", "action": "terminate", "terminateId": str(number // 2)}
    if kind < 0.3:
        return {"id": f"act{number}", "action": "terminate_all"}
    fields = {
        "id": str(number),
        "moves": MOVES[: rng.randrange(5)],
        "rules": rng.choice(["chinese", "japanese", {"ko": "SIMPLE"}]),
        "boardXSize": 9,
        "boardYSize": 9,
        "maxVisits": rng.choice([1, 5, 200]),
        "priority": rng.randrange(3),
    }
    if rng.random() < 0.5:
        fields["analyzeTurns"] = list(range(len(fields["moves"]) + 1))
    if rng.random() < 0.2:
        fields["reportDuringSearchEvery"] = 0.01
    if rng.random() < 0.1:
        fields["moves"] = [["B", "Z99"]]
    return fields


def analysis(rng: random.Random, is_abandoned: bool) -> int:
    answers: list[dict[str, Any]] = []
    options = EngineOptions("go:size=9", simulations=10)
    server = AnalysisServer(options, answers.append, lambda line: None)
    queries = [query(rng, number) for number in range(rng.randrange(12))]
    lines = [json.dumps(fields).encode() + b"\n" for fields in queries]
    lines.insert(rng.randrange(len(lines) + 1), rng.choice([b"\n", b"{\n", b"[]\n", b"\xff\n"]))
    converse(server, lines, rng, is_abandoned)
    errors = {answer["id"] for answer in answers if "error" in answer and "id" in answer}
    finished = Counter(
        (answer["id"], answer["turnNumber"])
        for answer in answers
        if answer.get("isDuringSearch") is False
    )
    assert not finished or max(finished.values()) == 1
    for fields in queries:
        turns = fields.get("analyzeTurns", [len(fields.get("moves", []))])
        if "action" in fields:
            echoes = sum(answer.get("action") == fields["action"] and answer["id"] == fields["id"]
                         for answer in answers)  # fmt: skip
            assert echoes == 1 or (is_abandoned and echoes == 0), fields
        elif fields["id"] not in errors and not is_abandoned:
            assert all(finished[fields["id"], turn] for turn in turns), fields
    return len(lines)


def test_analysis() -> None:
    stress(analysis)
