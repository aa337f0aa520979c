"""An engine ends at once when its client has gone: while it compiles, and while it searches."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30  # seconds, on a busy machine; compiling or searching would go on for longer
COMPILES_AFTER = 4  # seconds from the start, when numba is at work
QUERY = json.dumps(
    {
        "id": "a", "moves": [], "rules": "chinese", "boardXSize": 9, "boardYSize": 9,
        "maxVisits": 10**9, "reportDuringSearchEvery": 0.1,
    }
)  # fmt: skip
LINES = {  # what begins an endless search, with a word of the first report of it
    "gtp": ("boardsize 9\nlz-analyze b 10\n", "info move"),
    "uci": ("uci\nisready\nposition startpos\ngo infinite\n", "info depth"),
    "analysis": (f"{QUERY}\n", "isDuringSearch"),
}

pytestmark = pytest.mark.slow


def start(protocol: str, cache: Path | None = None) -> subprocess.Popen[str]:
    """An engine that has been asked to search."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if cache is not None:
        environment["ALPHAZERO_CACHE"] = str(cache)
    process = subprocess.Popen(
        [sys.executable, "-m", "alphazero", protocol, "--game", "chess" if protocol == "uci"
         else "go:size=9"],
        cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(LINES[protocol][0])
    process.stdin.flush()
    return process


def go(process: subprocess.Popen[str], how: str) -> None:
    """Go, like a program that ends, or one that closes either pipe."""
    for name in ("stdin", "stdout") if how == "both" else (how,):
        getattr(process, name).close()


def ends(process: subprocess.Popen[str]) -> bool:
    try:
        return process.wait(PATIENCE) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "how"),
    [("gtp", "stdin"), ("gtp", "stdout"), ("gtp", "both"), ("uci", "stdin"), ("analysis", "both")],
)
def test_while_it_compiles(protocol: str, how: str, tmp_path: Path) -> None:
    process = start(protocol, tmp_path)
    time.sleep(COMPILES_AFTER)
    assert process.poll() is None
    go(process, how)
    assert ends(process)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "how"),
    [
        ("gtp", "stdin"), ("gtp", "stdout"), ("uci", "stdin"), ("uci", "both"),
        ("analysis", "stdout"), ("analysis", "both"),
    ],
)  # fmt: skip
def test_while_it_searches(protocol: str, how: str) -> None:
    process = start(protocol)
    assert process.stdout is not None
    while LINES[protocol][1] not in process.stdout.readline():
        assert process.poll() is None
    go(process, how)
    assert ends(process)
