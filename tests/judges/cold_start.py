"""How long the first move takes: from an empty cache of compiled kernels, and from a full one.

    python -m tests.judges.cold_start  the table: every game, cold and warm
    python -m tests.judges.cold_start tic-tac-toe "gtp go:size=9"  some rows of it
    python -m tests.judges.cold_start --kernels go:size=9  CPU seconds of compiling, by module

Wall seconds are meaningful on a quiet machine with two processors only. CPU seconds are those of
all processes of the engine.
"""

import argparse
import collections
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
SIMULATIONS = "100"  # of the first move
PATIENCE = 300.0  # seconds


class Row(NamedTuple):
    """A front end with a game: what it is started with and told, and what shows that it answers."""

    command: list[str]
    told: str
    greeting: str  # the beginning of the line by which it says who it is; "" for the terminal
    move: str  # a part of the line with its first move
    goal: float  # wall seconds from an empty cache


def terminal(game: str, move: str, goal: float) -> Row:
    command = ["play.py", "--game", game, "--vs-human", "--simulations", SIMULATIONS]
    return Row(command, f"{move}\n", "", " plays ", goal)


def gtp(game: str, goal: float) -> Row:
    command = ["play.py", "--game", game, "--gtp", "--simulations", SIMULATIONS]
    return Row(command, "1 name\n2 list_commands\n3 genmove b\n", "=1", "=3 ", goal)


ROWS = {
    "tic-tac-toe": terminal("tic-tac-toe", "a1", 10),
    "connect4": terminal("connect4", "d", 10),
    "chess": terminal("chess", "e2e4", 15),
    "go:size=9": terminal("go:size=9", "e5", 15),
    "gtp tic-tac-toe": gtp("tic-tac-toe", 10),
    "gtp connect4": gtp("connect4", 10),
    "gtp go:size=9": gtp("go:size=9", 15),
    "gtp go": gtp("go", 15),
    "uci": Row(
        ["play.py", "--uci"],
        f"uci\nisready\nposition startpos\ngo nodes {SIMULATIONS}\n",
        "uciok",
        "bestmove ",
        15,
    ),
}


class Measured(NamedTuple):
    """Seconds until an engine said who it is and until its first move, and CPU seconds in all."""

    greeting: float
    move: float
    cpu: float


def measure(row: Row, cache: Path) -> Measured:
    """Start an engine with a cache and time its first move. Raises RuntimeError without one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(
        [PYTHON, *row.command],
        cwd=ROOT,
        env=os.environ | {"ALPHAZERO_CACHE": str(cache), "XDG_DATA_HOME": str(cache / "data")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(row.told)
    process.stdin.flush()
    greeting = 0.0
    for line in process.stdout:
        if row.greeting and line.startswith(row.greeting):
            greeting = time.perf_counter() - began
        if row.move in line and not line.startswith("info"):
            break
    else:
        raise RuntimeError(f"{' '.join(row.command)} made no move")
    move = time.perf_counter() - began
    process.stdin.close()
    process.wait()
    killer.cancel()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(greeting, move, cpu)


def print_table(names: list[str]) -> None:
    print("front end and game  goal | cold: greeting  move    CPU | warm: greeting  move    CPU")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (measure(ROWS[name], Path(folder)) for _ in range(2))
        cells = [f"{one.greeting:13.2f} {one.move:7.1f} {one.cpu:6.1f}" for one in (cold, warm)]
        print(f"{name:18} {ROWS[name].goal:4.0f} s |{cells[0]} |{cells[1]}", flush=True)


def print_kernels(game: str) -> None:
    """Print the CPU seconds of compiling for a game in one process, by module of the kernels."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ALPHAZERO_CACHE"] = folder
        from numba.core import event

        from alphazero.engine import warm_up
        from alphazero.engine.engine import make_engine
        from alphazero.engine.options import EngineOptions
        from alphazero.game import load

        spent: collections.Counter[str] = collections.Counter()
        count: collections.Counter[str] = collections.Counter()
        stack: list[list[float]] = []

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                stack.append([time.thread_time(), 0.0])

            def on_end(self, event: Any) -> None:
                began, within = stack.pop()
                seconds = time.thread_time() - began
                module = event.data["dispatcher"].py_func.__module__
                spent[module] += seconds - within
                count[module] += 1
                if stack:
                    stack[-1][1] += seconds

        event.register("numba:compile", Listener())
        warm_up.LEAST_PROCESSORS = sys.maxsize  # no second process
        options = EngineOptions(game)
        made = load(game)
        warm_up.ready(lambda: make_engine(made, options, print), made, options, print)
        for module, seconds in spent.most_common():
            print(f"{module:40} {count[module]:4} {seconds:6.2f} s")
        print(f"{'all':40} {count.total():4} {sum(spent.values()):6.2f} s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; without one all")
    options.add_argument("--kernels", metavar="GAME", help="CPU seconds by module instead")
    asked = options.parse_args()
    if asked.kernels:
        print_kernels(asked.kernels)
    else:
        print_table(asked.rows or list(ROWS))


if __name__ == "__main__":
    main()
