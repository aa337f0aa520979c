"""Compiling before the first move: two processes, a percentage, and nothing left to do after it."""

import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.arena.tactics import without_network
from alphazero.cli.main import main
from alphazero.engine import warm_up
from alphazero.engine.engine import Engine
from alphazero.engine.judge import compile_judge, kernels_of_judge
from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.game.jit import PURE_PYTHON

ROOT = Path(__file__).resolve().parents[2]
TICTACTOE = load("tic-tac-toe")
compiled = pytest.mark.skipif(PURE_PYTHON, reason="nothing is compiled")


def make() -> Engine:
    evaluator, source = without_network(TICTACTOE)
    return Engine(TICTACTOE, evaluator, source, simulations=20)


def test_it_is_silent_when_it_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "SLOW_SECONDS", 600.0)
    heard: list[str] = []
    TICTACTOE.compile()
    warm_up.ready(make, TICTACTOE, EngineOptions("tic-tac-toe"), heard.append)
    assert heard == []


@compiled
def test_progress_is_told_in_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(warm_up, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(warm_up, "expected_kernels", lambda *_: {"a", "b", "c", "d"})
    heard: list[str] = []
    progress = warm_up.Progress(TICTACTOE, False, heard.append)
    for name in ("a", "a", "x", "b", "d", "c"):
        progress.count(name)
    percent = [int(line.split()[-2]) for line in heard]
    assert percent == [25, 25, 25, 50, 75, 100] and "Tic-tac-toe" in heard[0]


@compiled
def test_the_kernels_of_a_game_are_known_before_they_are_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warm_up, "is_warm", lambda *kernels: False)
    found = {name.partition("__")[0] for name in warm_up.expected_kernels(TICTACTOE, False)}
    assert {"play", "legal", "examine", "select", "backup_and_select", "read_root"} <= found
    assert "sure_points" not in found
    found = {name.partition("__")[0] for name in warm_up.expected_kernels(load("go:size=5"), False)}
    assert "sure_points" in found, "Go has a judge"


def test_an_error_of_making_the_engine_is_raised() -> None:
    def fail() -> Engine:
        raise UserError("no such network")

    with pytest.raises(UserError, match="no such network"):
        warm_up.ready(fail, TICTACTOE, EngineOptions("tic-tac-toe"), print)


ONE_GAME = """
import sys
from alphazero.arena.tactics import without_network
from alphazero.engine import warm_up
from alphazero.engine.engine import Engine
from alphazero.engine.limits import SearchRequest
from alphazero.engine.options import EngineOptions
from alphazero.game import load
from alphazero.game.compile_cache import watching

warm_up.LEAST_PROCESSORS = 1
if sys.argv[1] == "broken":
    sys.executable = "/bin/false"
game = load("tic-tac-toe")
make = lambda: Engine(game, *without_network(game), simulations=20)
with watching(print):
    engine = warm_up.ready(make, game, EngineOptions("tic-tac-toe"), lambda text: None)
    print("ready")
    engine.analyze(SearchRequest(game.position()))
"""


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("second", ["whole", "broken"])
def test_a_second_process_compiles_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    monkeypatch.setenv("ALPHAZERO_CACHE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", ONE_GAME, second], cwd=ROOT, capture_output=True, text=True
    )
    names = [name.partition("__")[0] for name in done.stdout.split()]
    assert names[-1] == "ready", f"{done.stdout}{done.stderr}"
    searching = {"select", "backup_and_select", "read_root", "restrict_root"} & set(names)
    assert len(searching) == (0 if second == "whole" else 4)


@compiled
def test_the_second_process_ends_with_the_first() -> None:
    code = "import sys; sys.argv[1:] = ['tic-tac-toe']; from alphazero.engine.warm_up import main"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; main()"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) in (0, 1)


def test_the_command_compiles_what_playing_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm-up", "tic-tac-toe", "connect4:rows=4,cols=4"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("tic-tac-toe: ready after ") and "rows=4,cols=4: ready" in second


@compiled
def test_all_that_the_second_process_compiles_is_known_to_be_compiled() -> None:
    """Else it would be started every time."""
    go = load("go:size=5")
    compile_judge(go, uses_planes=True)
    kernels = kernels_of_judge(go, uses_planes=True)
    assert all(vars(kernel)["overloads"] for kernel in kernels)
