"""The public names: `import alphazero as az` and what a program does with it."""

import importlib
import pkgutil
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import alphazero as az
from alphazero.errors import UserError
from alphazero.network.evaluator import UniformEvaluator

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "network.size=b1c8", "search.simulations=4", "self_play.parallel_games=8",
    "self_play.playout_cap_fast_simulations=2", "self_play.games_per_work_item=8",
    "replay.min_positions=32", "replay.window=512", "learner.batch_size=16", "run.games=16",
    "evaluation.every_games=0", "run.prove=false", "run.workers=0",
]  # fmt: skip


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- names -----------------------------------------------------------------------------------------


def test_importing_the_package_takes_no_time() -> None:
    program = """
        import sys, time
        began = time.process_time()
        import alphazero
        seconds = time.process_time() - began
        large = {"numpy", "numba", "torch", "ray", "pydantic"} & set(sys.modules)
        print(seconds, *large)
    """
    times = []
    for _ in range(3):
        seconds, *large = python(program).split()
        assert not large
        times.append(float(seconds))
    assert min(times) < 0.05


def test_no_public_name_is_that_of_a_room() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(az.__path__)}
    assert not rooms & set(az.__all__), "importing the room would replace the name"


def test_every_public_name_is_what_it_was_the_second_time() -> None:
    first = {name: getattr(az, name) for name in az.__all__}
    for module in pkgutil.iter_modules(az.__path__):
        if module.name != "__main__":
            importlib.import_module(f"alphazero.{module.name}")
    assert {name: getattr(az, name) for name in az.__all__} == first
    assert all(callable(value) for value in first.values())
    assert set(az.__all__) <= set(dir(az))
    with pytest.raises(AttributeError, match="nothing"):
        _ = az.nothing


def test_rooms_imported_before_replace_nothing() -> None:
    program = """
        import alphazero.game, alphazero.search, alphazero.network, alphazero.arena
        import alphazero as az
        for _ in range(2):
            print(*(getattr(az, name).__module__ for name in az.__all__))
    """
    first, second = python(program).splitlines()
    assert first == second


# -- functions -------------------------------------------------------------------------------------


def test_games_and_load() -> None:
    assert set(az.games()) >= {"chess", "connect4", "go", "tic-tac-toe"}
    assert az.load("connect4") is az.load("connect4:rows=6,cols=7")
    assert az.load("connect4:rows=4") is not az.load("connect4")


def test_analyze_finds_a_win() -> None:
    position = az.load("tic-tac-toe").position("a1 b1 a2 b2")
    best = az.analyze(position, "uniform", simulations=200)
    assert best.move == "a3" and best.value == 1.0 and best.proven
    assert best.wdl == (1.0, 0.0, 0.0) and best.line == ("a3",)
    assert best.moves[0].move == "a3" and {one.move for one in best.moves} <= {
        "a3", "b3", "c1", "c2", "c3"
    }  # fmt: skip
    assert "a3" in str(best)


def test_analyze_is_reproducible_and_sums_to_one() -> None:
    game = az.load("connect4:rows=5,cols=5")
    evaluator = az.evaluator(game, "rollout")
    one, other = (
        az.analyze(game.position("c c"), evaluator, simulations=64, seed=3) for _ in range(2)
    )
    assert one.moves == other.moves and one.value == other.value
    assert sum(one.wdl) == pytest.approx(1) and min(one.wdl) >= 0
    assert one.wdl.win - one.wdl.loss == pytest.approx(one.value)
    assert one.simulations == 64 and one.line[0] == one.move
    only = az.analyze(game.position("c c"), evaluator, simulations=16, only=["a", "b"])
    assert {candidate.move for candidate in only.moves} == {"a", "b"}


def test_misuse_is_refused_with_a_sentence() -> None:
    game = az.load("tic-tac-toe")
    position = game.position()
    with pytest.raises(ValueError, match="simulations must be above 0"):
        az.analyze(position, "uniform", simulations=-1)
    with pytest.raises(ValueError, match="seconds must be above 0"):
        az.analyze(position, "uniform", seconds=0)
    with pytest.raises(ValueError, match="the game is over"):
        az.analyze(game.position("a1 b1 a2 b2 a3"), "uniform")
    with pytest.raises(TypeError, match="takes a Position, not Game"):
        az.analyze(game, "uniform")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="illegal"):
        game.position("a1 a1")
    with pytest.raises(ValueError, match="illegal"):
        az.analyze(game.position("a1"), "uniform", only=["a1"])
    with pytest.raises(UserError, match="nowhere"):
        az.analyze(position, "nowhere.safetensors")
    with pytest.raises(UserError, match="configuration"):
        az.train("connect5")
    with pytest.raises(UserError, match="changes"):
        az.train(az.Config(), "run.games=1")


def test_match_and_player() -> None:
    game = az.load("tic-tac-toe")
    result = az.match(game, az.player(game, "mcts:50"), "random", games=10, seed=1)
    assert result.total.games == 10 and result.score > 0.5
    assert "mcts:50 against random" in repr(result) and "Elo" in repr(result)
    assert len(repr(result)) < 200


@pytest.mark.slow
def test_train(tmp_path: Path) -> None:
    summary = az.train("tictactoe", *TINY, directory=tmp_path / "run")
    assert summary.finished and summary.directory == tmp_path / "run"
    game = az.load("tic-tac-toe")
    best = az.analyze(game.position(), tmp_path / "run", simulations=8)
    assert best.simulations == 8


def test_a_search_of_ones_own() -> None:
    game = az.load("tic-tac-toe")
    search = az.Search(game, UniformEvaluator(game), az.SearchConfig(simulations=8))
    search.begin(0, game.position("b2"), seed=1)
    search.run()
    assert isinstance(UniformEvaluator(game), az.Evaluator)
    assert search.result(0).best in game.position("b2").legal_actions()


PROGRAM = """
import alphazero as az

game = az.load("connect4")
position = game.position("d d e e")
best = az.analyze(position, "pretrained", simulations=800)
print(best.move.upper(), best.value + 1, best.wdl.draw, best.line[0].upper())
result = az.match(game, "pretrained:200", "mcts:1000", games=20)
print(result.elo.low, position.game.spec, position.legal_actions()[0] + 1)
summary = az.train("configs/connect4.toml", "search.simulations=32")
print(summary.directory / "x", az.Config().search.simulations + 1, az.games()[0].upper())
"""


@pytest.mark.slow
def test_a_users_type_checker_understands_the_package(tmp_path: Path) -> None:
    checker = shutil.which("pyright", path=Path(sys.executable).parent)
    if checker is None:
        pytest.skip("pyright is not installed")
    (tmp_path / "program.py").write_text(f"# pyright: strict\n{PROGRAM}")
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{ROOT}"]}}')
    command = [checker, "--pythonpath", sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
