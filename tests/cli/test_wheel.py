"""The wheel, installed into an environment of its own and used from a stranger's folder.

The folder holds packages named `games`, `configs` and `helper`, as a user's project may; whoever
imports one of them fails.
"""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "network.size=b1c8", "search.simulations=4", "self_play.parallel_games=8",
    "self_play.games_per_work_item=8", "replay.min_positions=32", "replay.window=512",
    "learner.batch_size=16", "run.games=16", "evaluation.every_games=0", "run.prove=false",
]  # fmt: skip
HELPER = """
import numpy as np

from alphazero_games import tictactoe

NAME = {name!r}
"""
GAME = """
from dataclasses import replace

import helper

from helper import tictactoe

GAME = replace(tictactoe.GAME, name="mine", title=helper.NAME)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the project, in which only committed kinds of files lie."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("alphazero", "games", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment: the wheel, and behind it the packages of this one, without which there
    is no numpy. Nothing of this project is among them."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    done = subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], capture_output=True)
    assert done.returncode == 0, done.stderr
    (site,) = folder.rglob("site-packages")
    theirs = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "others.pth").write_text("\n".join(theirs) + "\n")
    return python


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with names of ours in it, and two games with helpers of the same name."""
    folder = tmp_path_factory.mktemp("stranger")
    for package in ("games", "configs", "helper"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise SystemExit('a stranger')\n")
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "helper.py").write_text(HELPER.format(name=f"Game {name}"))
        (folder / name / "mygame.py").write_text(GAME)
    return folder


def run(environment: Path, folder: Path, *arguments: str, typed: str = "") -> str:
    variables = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(environment), *arguments],
        cwd=folder,
        input=typed,
        env=variables | {"XDG_DATA_HOME": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def alphazero(environment: Path, folder: Path, *arguments: str, typed: str = "") -> str:
    """Run the command that the wheel has installed."""
    program = environment.with_name("alphazero").read_text().splitlines()
    assert program[0] == f"#!{environment}"
    return run(
        environment, folder, str(environment.with_name("alphazero")), *arguments, typed=typed
    )


def test_the_wheel_holds_everything_and_no_name_of_a_user(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"alphazero", "alphazero_configs", "alphazero_games"}
    expected = {"alphazero/py.typed", "alphazero_games/README.md"}
    for folder, suffixes in {"alphazero": ".py .safetensors", "games": ".py",
                             "configs": ".toml .yaml"}.items():  # fmt: skip
        installed = folder if folder == "alphazero" else f"alphazero_{folder}"
        for path in (ROOT / folder).rglob("*"):
            if path.suffix and path.suffix in suffixes.split():
                expected.add(f"{installed}/{path.relative_to(ROOT / folder).as_posix()}")
    assert expected <= names, f"not in the wheel: {sorted(expected - names)}"


@pytest.mark.slow
def test_it_is_the_wheel_that_runs(environment: Path, folder: Path) -> None:
    program = "import alphazero, alphazero_games; print(alphazero.__file__, alphazero_games)"
    assert str(ROOT) not in run(environment, folder, "-c", program)


def test_lists(environment: Path, folder: Path) -> None:
    games = alphazero(environment, folder, "games").splitlines()
    names = {line.split()[0]: line.split()[1] for line in games[:-1]}
    assert names.keys() == {"chess", "connect4", "go", "tic-tac-toe"}
    assert all(module.startswith("alphazero_games.") for module in names.values())
    assert "search.simulations" in alphazero(environment, folder, "settings")


@pytest.mark.slow
def test_a_game_is_checked_and_its_helper_is_its_own(environment: Path, folder: Path) -> None:
    assert "FAILED" not in alphazero(environment, folder, "check", "tic-tac-toe", "--games", "3")
    program = (
        "from alphazero.game import load\n"
        "print(*(load(f'./{name}/mygame.py').title for name in ('one', 'two')), sep=', ')"
    )
    assert run(environment, folder, "-c", program) == "Game one, Game two\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["connect4", "configs/connect4.toml"])
def test_a_shipped_configuration_is_found_by_its_name(
    environment: Path, folder: Path, name: str
) -> None:
    shown = alphazero(environment, folder, "train", name, "search.simulations=77", "--dry-run")
    assert 'game = "connect4"' in shown and "simulations = 77" in shown


@pytest.mark.slow
def test_it_plays_with_its_network(environment: Path, folder: Path) -> None:
    options = ["--game", "connect4", "--simulations", "8", "--seed", "1", "--style", "ascii"]
    said = alphazero(environment, folder, "play", *options, typed="d\nquit\n")
    assert "Connect Four" in said


@pytest.mark.slow
def test_it_trains_and_plays_a_match(environment: Path, folder: Path) -> None:
    said = alphazero(environment, folder, "train", "tictactoe", "--local", *TINY)
    assert "alphazero play --game tic-tac-toe --network runs/" in said
    said = alphazero(environment, folder, "match", "mcts:5", "random", "--games", "4")
    assert "Elo difference" in said
