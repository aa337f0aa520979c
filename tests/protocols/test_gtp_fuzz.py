"""A GTP engine that is told anything at all: random bytes, endless lines, commands in any order.

It must neither die nor hang, answer every command once and in order, and write nothing else. A few
seconds by default; GTP_FUZZ_SECONDS=300 goes on for minutes.
"""

import os
import queue
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alphazero.protocols.gtp.codec import parse
from tests.helpers.gtp_conversation import Answer

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("GTP_FUZZ_SECONDS", "4"))
PATIENCE = 600  # seconds without a byte: it hangs
BATCH = 40  # lines at once
COLORS = ["b", "w", "black", "WHITE", "x"]
NUMBERS = ["0", "1", "2", "3", "4", "9", "9", "26", "-1", "7.5", "1e9", "nan", "2147483648", "x"]
WORDS = [
    "pass", "resign", "true", "false", "alive", "seki", "dead", "chinese", "aga", "japanese",
    "byoyomi", "canadian", "fischer", "none", "absolute", "interval", "minmoves", "maxmoves",
    "avoid", "allow", "ownership", "rootInfo", "all", "average", "game.sgf", "{}", "suicide",
    '{"ko":"SIMPLE"}', "ko", "POSITIONAL", "resign", "D4,E5", "A1,A2,pass", "PB=me", "\u00e9\u4e2d",
]  # fmt: skip
VERTICES = [f"{column}{row}" for column in "ABCDEFGHJKIZ" for row in range(0, 11)]
# Sizes that would have to be compiled first, files outside of the test's folder, and the end.
LEFT_OUT = {"quit", "boardsize", "rectangular_boardsize"}


class Process:
    """An engine under test, with all it writes."""

    def __init__(self, *options: str, folder: Path) -> None:
        command = [sys.executable, str(ROOT / "play.py"), "--gtp", "--seed", "1", *options]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        self.chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.errors = b""
        self.rest = b""  # of what it has written, not looked at yet
        self.threads = [threading.Thread(target=read) for read in (self._read, self._read_errors)]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while chunk := os.read(self.process.stdout.fileno(), 1 << 16):
            self.chunks.put(chunk)
        self.chunks.put(b"")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 1 << 16):
            self.errors += chunk

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def answer(self) -> bytes:
        """The next answer."""
        while b"\n\n" not in self.rest:
            chunk = self.chunks.get(timeout=PATIENCE)
            assert chunk, f"it has ended: {self.errors.decode(errors='replace')[-2000:]}"
            self.rest += chunk
        end = self.rest.index(b"\n\n") + 2
        answer, self.rest = self.rest[:end], self.rest[end:]
        return answer

    def ask(self, data: bytes) -> None:
        """Send lines, and check the answers to all of them."""
        lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
        # Written by a thread of its own: answers may have to be read before all has been taken in.
        writer = threading.Thread(target=self.send, args=[data])
        writer.start()
        for line in lines:
            request = parse(line)
            if request is None:
                continue
            text = self.answer()
            answer = Answer(text)
            assert answer.number == request.id, (line[:200], text[:200])
            assert "internal error" not in answer, (line[:200], answer)
        writer.join()

    def close(self) -> None:
        self.ask(b"123456 quit\n")
        assert self.process.wait(PATIENCE) == 0
        for thread in self.threads:
            thread.join()
        assert self.rest == b"" and self.chunks.get() == b""
        assert b"Traceback" not in self.errors, self.errors.decode(errors="replace")


def random_argument(rng: random.Random) -> str:
    return rng.choice([rng.choice(pool) for pool in (COLORS, NUMBERS, WORDS, VERTICES, VERTICES)])


def random_command(rng: random.Random, names: list[str]) -> bytes:
    """A command that there is, often one that can be carried out."""
    number = f"{rng.randrange(10**6)} " if rng.random() < 0.5 else ""
    color = rng.choice(COLORS[:4])
    kind = rng.randrange(6)
    if kind == 0:
        text = f"play {color} {rng.choice(VERTICES)}"
    elif kind == 1:
        text = f"genmove {color}"
    elif kind == 2:
        text = rng.choice(["undo", "clear_board", "boardsize 9", "boardsize 26", "komi 5.5"])
    else:
        count = rng.choice([0, 1, 1, 2, 2, 3, 4, 6, 200])
        arguments = " ".join(random_argument(rng) for _ in range(count))
        text = f"{rng.choice(names)} {color if rng.random() < 0.5 else ''} {arguments}"
    return f"{number}{text}\n".encode()


def random_line(rng: random.Random, names: list[str]) -> bytes:
    kind = rng.random()
    if kind < 0.75:
        line = random_command(rng, names)
        if rng.random() < 0.1:  # with something in it that is no part of it
            place = rng.randrange(len(line))
            line = (
                line[:place]
                + rng.choice([b"\x00", b"\x07", b"\r", b"\t", b"#", b"\xff", b"  "])
                + line[place:]
            )
        return line
    if kind < 0.85:
        line = bytes(rng.randrange(256) for _ in range(rng.randrange(60))) + b"\n"
        return line if b"quit" not in line else b"\n"
    if kind < 0.9:
        return rng.choice([b"\n", b"   \n", b"# a comment\n", b"# interrupt\n", b"77\n", b"\x00\n"])
    if kind < 0.95:
        return (
            rng.choice([b"a", b" ", b"\t", b"9", b"play b D4 "]) * rng.randrange(1, 100_000) + b"\n"
        )
    return b"gogui-play_sequence " + b"b pass w pass " * rng.randrange(200) + b"\n"


def fuzz(process: Process, seconds: float, seed: int) -> int:
    """Send batches of random lines for so long; returns how many lines."""
    rng = random.Random(seed)
    process.send(b"list_commands\n")
    listed = Answer(process.answer()).split("\n")
    names = [name for name in listed if name not in LEFT_OUT]
    process.ask(b"genmove b\nclear_board\n")  # everything is loaded then
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines = [random_line(rng, names) for _ in range(rng.randrange(1, BATCH))]
        process.ask(b"".join(lines) + b"987654 known_command play\n")
        count += len(lines)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("game", ["go:size=9", "connect4"])
def test_nothing_that_is_said_disturbs_it(game: str, tmp_path: Path) -> None:
    (tmp_path / "game.sgf").write_text("(;GM[1]SZ[9]KM[7]AB[cc];W[ee];B[gg])")
    process = Process("--game", game, "--simulations", "4", folder=tmp_path)
    try:
        count = fuzz(process, SECONDS, seed=int(os.environ.get("GTP_FUZZ_SEED", "1")))
        process.close()
    finally:
        process.process.kill()
    print(f"{count} lines in {SECONDS:g} seconds")
    assert count > 0
