"""A UCI engine that is told anything at all: random bytes, endless lines, commands in any order.

It must neither die nor hang, answer every `isready`, and every `go` once, with a legal move for a
position that it was told. A few seconds by default; UCI_FUZZ_SECONDS=300 goes on for minutes.
"""

import os
import queue
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alphazero.protocols.uci.codec import read_go, read_words
from alphazero.protocols.uci.options import OPTIONS
from alphazero.protocols.uci.server import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("UCI_FUZZ_SECONDS", "4"))
PATIENCE = 600  # seconds without a line: it hangs
BATCH = 30  # lines at once
KNOWN = re.compile(
    r"info (string .*|depth \d+ (seldepth \d+ multipv \d+ )?score (cp|mate) -?\d+.*)|readyok|uciok"
    r"|bestmove (\(none\)|[a-h][1-8][a-h][1-8][qrbn]?)( ponder [a-h][1-8][a-h][1-8][qrbn]?)?"
    r"|id (name|author) .*|option name .*|\w+: \d+|Nodes searched: \d+|Fen: .*|Key: [0-9A-F]{16}"
    r"|[1-8 ][^\n]*[1-8a-h ]|"
)
FENS = [
    "startpos",
    "fen r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "fen n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
    "fen 4k3/8/8/8/8/8/3R4/4K3 w - - 99 80",
    "fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    "fen 8/8/8/8/8/2k5/8/K6r w - - 0 1",
    "fen k7/8/2K5/8/8/8/8/8 b - - 0 1",
    "fen bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9",
    "fen 8/8/8/8/8/8/8/8 w - - 0 1",
    "fen rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR",
]
WORDS = [
    "fen", "moves", "startpos", "searchmoves", "infinite", "ponder", "nodes", "depth", "wtime",
    "btime", "movetime", "mate", "name", "value", "e2e4", "e7e5", "e1g1", "0000", "a7a8q",
    "-1", "0", "1", "3", "50", "nan", "1e9", "x", "\u00e9\u4e2d", "go", "perft", "uci",
]  # fmt: skip


class Process:
    """An engine under test, with all it writes."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(ROOT / "play.py"), "--game", "chess", "--uci", "--seed", "1"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "errors").open("wb"),
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.decode().removesuffix("\n"))
        self.lines.put(None)

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, data: bytes) -> None:
        """Send lines; all searches among them are stopped and answered."""
        searches = sum(is_search(line) for line in data.split(b"\n"))
        ready = sum(first_command(line) == "isready" for line in data.split(b"\n"))
        writer = threading.Thread(target=self.send, args=[data + b"stop\nucinewgame\nisready\n"])
        writer.start()
        answers, readies = 0, 0
        while answers < searches or readies < ready + 1:
            line = self.lines.get(timeout=PATIENCE)
            assert line is not None, "it has ended"
            assert KNOWN.fullmatch(line), line
            assert "internal error" not in line, line
            answers += line.startswith("bestmove")
            readies += line == "readyok"
        writer.join()
        assert answers == searches and readies == ready + 1


def first_command(line: bytes) -> str:
    return next((word for word in read_words(line) if word in COMMANDS or word == "quit"), "")


def is_search(line: bytes) -> bool:
    words = read_words(line)
    if first_command(line) != "go":
        return False
    return read_go(words[words.index("go") + 1 :]).perft is None


def random_line(rng: random.Random) -> bytes:
    kind = rng.random()
    count = rng.choice([0, 1, 2, 3, 5, 8])
    words = " ".join(rng.choice(WORDS) for _ in range(count))
    if kind < 0.35:
        moves = " ".join(rng.choice(WORDS[14:19]) for _ in range(count))
        text = f"position {rng.choice(FENS)} moves {moves} {words}"
    elif kind < 0.5:
        text = (
            f"go {rng.choice(['nodes 3', 'movetime 5', 'depth 1', 'infinite', 'ponder'])} {words}"
        )
    elif kind < 0.6:
        option = rng.choice([one for one in OPTIONS if one.name not in ("LogFile", "WeightsFile")])
        value = rng.choice([*option.choices, *WORDS[19:], "true", "false", option.default])
        text = f"setoption name {option.name} value {value}"
    elif kind < 0.75:
        text = rng.choice(["isready", "stop", "ponderhit", "ucinewgame", "d", "debug on", "uci"])
    elif kind < 0.9:
        text = f"{rng.choice(['go', 'position', 'setoption', 'hello', ''])} {words}"
    else:
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(60))).replace(b"\n", b"")
        return data * rng.choice([1, 1, 1, 1000]) + b"\n"
    return text.encode() + rng.choice([b"\n", b"\n", b"\r\n", b" \t\n"])


@pytest.mark.slow
def test_nothing_that_is_said_disturbs_it(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("UCI_FUZZ_SEED", "1")))
    process = Process(tmp_path)
    count = 0
    try:
        process.ask(b"uci\ngo nodes 1\n")  # everything is loaded then
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            lines = [random_line(rng) for _ in range(rng.randrange(1, BATCH))]
            # Deep perft is not stopped between two of the moves it begins with.
            lines = [line for line in lines if b"quit" not in line and b"perft" not in line]
            process.ask(b"".join(lines))
            count += len(lines)
        process.send(b"go infinite\nquit\n")
        assert process.process.wait(PATIENCE) == 0
    finally:
        process.process.kill()
    assert "Traceback" not in (tmp_path / "errors").read_text(errors="replace")
    print(f"{count} lines in {SECONDS:g} seconds")
    assert count > 0
