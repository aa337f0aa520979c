"""An analysis engine that is asked anything: random bytes, wrong fields, many queries at once.

It must neither die nor hang, and answer every query: with one error, or with one final answer for
each of its turns. A few seconds by default; ANALYSIS_FUZZ_SECONDS=300 goes on for minutes.
"""

import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("ANALYSIS_FUZZ_SECONDS", "4"))
PATIENCE = 600  # seconds without a line: it hangs
BATCH = 20  # queries at once
COLUMNS = "ABCDEFGHJ"
ANYTHING = [
    None, True, False, 0, 1, -1, 2, 5, 9, 9.0, 7.5, -1e9, 1e300, 2**31, 2**70, "", "x", "B", "W",
    "D4", "pass", "(3,3)", "chinese", "japanese", "BLACK", [], {}, [[]], [["B", "D4"]], ["B"],
    [["B", "D4", "E5"]], [1, 2, 2], {"player": "B", "moves": ["D4"], "untilDepth": 2},
    "\u00e9\u4e2d",
]  # fmt: skip
FIELDS = [
    "moves", "rules", "komi", "boardXSize", "boardYSize", "initialStones", "initialPlayer",
    "analyzeTurns", "priority", "priorities", "maxVisits", "reportDuringSearchEvery", "avoidMoves",
    "allowMoves", "includePolicy", "includeOwnership", "includeMovesOwnership", "analysisPVLen",
    "includePVVisits", "overrideSettings", "whiteHandicapBonus", "action", "terminateId", "turns",
]  # fmt: skip
RULES: list[Any] = ["chinese", "tromp-taylor", "aga", "japanese", "new-zealand", {"ko": "SIMPLE"}]


class Process:
    """An engine under test, with all it writes."""

    def __init__(self, folder: Path) -> None:
        options = ["--game", "go:size=9", "--simulations", "4", "--seed", "1"]
        self.errors = folder / "errors"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alphazero", "analysis", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors.open("wb"),
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(b"")

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, lines: list[bytes], end: str) -> list[dict[str, Any]]:
        """Send lines, then one query of which every other answer comes before the last."""
        # Of the lowest priority, so that it is searched last.
        last = {**valid_query(random.Random(0)), "id": end, "priority": -(2**31)}
        last |= {"moves": [], "analyzeTurns": [0], "maxVisits": 1}
        writer = threading.Thread(
            target=self.send, args=[b"\n".join([*lines, encode(last)]) + b"\n"]
        )
        writer.start()
        answers = []
        while True:
            line = self.lines.get(timeout=PATIENCE)
            assert line, f"it has ended: {self.errors.read_text()[-2000:]}"
            answer = json.loads(line, parse_constant=lambda text: pytest.fail(text))
            assert isinstance(answer, dict), line
            assert "internal error" not in answer.get("error", ""), line
            if answer.get("id") == end and "warning" not in answer:
                assert "turnNumber" in answer, line
                break
            answers.append(answer)
        writer.join()
        return answers

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.reader.join()
        assert "Traceback" not in self.errors.read_text(), self.errors.read_text()[-2000:]


def encode(query: object) -> bytes:
    return json.dumps(query).encode()


def valid_query(rng: random.Random) -> dict[str, Any]:
    """A query that is often right: moves may be illegal."""
    moves = [
        ["BW"[turn % 2], f"{rng.choice(COLUMNS)}{rng.randint(1, 9)}"]
        for turn in range(rng.choice([0, 1, 3, 10]))
    ]
    query: dict[str, Any] = {
        "moves": moves,
        "rules": rng.choice(RULES),
        "komi": rng.choice([0, 5.5, 7, -30]),
        "boardXSize": 9,
        "boardYSize": 9,
        "maxVisits": rng.choice([1, 2, 8]),
    }
    if rng.random() < 0.3:
        query["analyzeTurns"] = [rng.randint(0, len(moves)) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.3:
        query[rng.choice(["includePolicy", "includeOwnership", "includeMovesOwnership"])] = True
    return query


def random_line(rng: random.Random, number: int) -> bytes:
    """A query with the id `number`, or something that is not one."""
    kind = rng.random()
    query = valid_query(rng) | {"id": str(number)}
    if kind < 0.3:
        return encode(query)
    if kind < 0.75:
        for _ in range(rng.choice([1, 1, 2, 3])):
            field = rng.choice(FIELDS)
            query[field] = rng.choice(ANYTHING)
            if field == "action":
                query[field] = rng.choice(["terminate", "query_version", "query_models", "x", None])
                query["terminateId"] = str(number - rng.randint(1, 5))
            if rng.random() < 0.1:
                del query[field]
        return encode(query)
    if kind < 0.8:  # an empty line is not a query
        return rng.choice(
            [b"", b"  ", b"{}", b"[]", b"null", b'{"id":1}', b"[" * 100_000, b"{" * 9]
        )
    line = bytearray(encode(query))
    if kind < 0.95:
        for _ in range(rng.randint(1, 4)):
            line[rng.randrange(len(line))] = rng.randrange(32, 256)
        return bytes(line)
    return bytes(rng.randrange(256) for _ in range(rng.randrange(60))).replace(b"\n", b" ")


def check(lines: list[bytes], answers: list[dict[str, Any]]) -> None:
    """Every query has one error, one echo of its action, or one answer for each of its turns."""
    for line in lines:
        try:
            query = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(query, dict) or not isinstance(query.get("id"), str):
            continue
        mine = [one for one in answers if one.get("id") == query["id"] and "warning" not in one]
        mine = [one for one in mine if not one.get("isDuringSearch")]
        turns = [one["turnNumber"] for one in mine if "turnNumber" in one]
        if "error" in (mine[0] if mine else {}) or "action" in query:
            assert len(mine) == 1 and not (turns and "action" not in query), (line, mine)
        else:
            asked = query.get("analyzeTurns")
            wanted = [len(query["moves"])] if not isinstance(asked, list) else asked
            assert sorted(turns) == sorted({int(turn) for turn in wanted}), (line, mine)
            assert len(turns) == len(mine), (line, mine)


@pytest.mark.slow
def test_nothing_that_is_asked_disturbs_it(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("ANALYSIS_FUZZ_SEED", "1")))
    process = Process(tmp_path)
    count = 0
    try:
        process.ask([], "loaded")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            numbers = range(count, count + rng.randrange(1, BATCH))
            lines = [random_line(rng, number) for number in numbers]
            answers = process.ask(lines, f"end {count}")
            check(lines, answers)
            count += len(lines)
        process.close()
    finally:
        process.process.kill()
    print(f"{count} lines in {SECONDS:g} seconds")
    assert count > 0
