"""A game from outside the package: `games/README.md` is followed to the letter.

Its Python blocks become `mygame.py` in an empty folder, and its commands are run on that file.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alphazero.game import Game, available, load
from alphazero.game.check import check

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "games/README.md").read_text()
SHORT = {  # what is added to the guide's commands, so that the test takes seconds
    "check": ["--games", "20"],
    "train": ["run.games=24", "evaluation.every_games=0"],
    "match": ["--games", "4"],
    "play.py": ["--simulations", "20", "--seed", "1", "--style", "ascii"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: their game, and the project's own files where commands look."""
    folder = tmp_path_factory.mktemp("plugin")
    code = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)
    assert len(code) == 5, "one block for each of the first five steps"
    (folder / "mygame.py").write_text("\n\n".join(code))
    (folder / "play.py").symlink_to(ROOT / "play.py")
    (folder / "configs").symlink_to(ROOT / "configs")
    return folder


def guide_commands() -> dict[str, list[str]]:
    """The guide's commands by what they do: check, play.py, train, match."""
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.M | re.S)
             for line in block.splitlines()]  # fmt: skip
    found = {}
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "python"
        found[words[3] if words[1] == "-m" else words[1]] = words[1:]
    return found


def run(folder: Path, what: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the guide in the folder."""
    done = subprocess.run(
        [sys.executable, *guide_commands()[what], *SHORT[what]],
        cwd=folder,
        input=typed,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{what}: {done.stdout}\n{done.stderr}"
    return done


def test_the_guide_has_six_steps_and_a_command_for_each_promise() -> None:
    assert re.findall(r"^## (\d)\.", GUIDE, re.M) == list("123456")
    assert set(guide_commands()) == set(SHORT)


def test_the_example_is_in_the_projects_own_style(folder: Path) -> None:
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments]
        command += ["--config", str(ROOT / "pyproject.toml"), "mygame.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_step_5_the_check_passes(folder: Path) -> None:
    done = run(folder, "check")
    assert "FAILED" not in done.stdout + done.stderr
    assert "symmetries commute with play" in done.stdout + done.stderr


@pytest.mark.slow
def test_step_6_it_is_played_in_the_terminal(folder: Path) -> None:
    done = run(folder, "play.py", typed="b2b3\nc1c5\nlegal\nundo\nquit\n")
    assert "Breakthrough" in done.stdout
    assert re.search(r"3 .*\(X\)", done.stdout), "the move is shown, marked"
    assert "c1c5" in done.stdout, "what cannot be read is answered"


@pytest.mark.slow
def test_step_6_it_is_trained_and_measured(folder: Path) -> None:
    run(folder, "train")
    assert (folder / "runs/mygame").is_dir()
    done = run(folder, "match")
    assert "Elo" in done.stdout


# -- the example's rules, by an oracle that knows nothing of boards turned round -------------------


def oracle_moves(pawns: dict[tuple[int, int], str], player: str) -> list[str]:
    """Legal moves by the rules as one would tell them; squares are (column, row), rows from 1."""
    moves, forward = [], 1 if player == "X" else -1
    for (column, row), owner in pawns.items():
        if owner == player:
            for aside in (-1, 0, 1):
                target = column + aside, row + forward
                if not (0 <= target[0] < 5 and 1 <= target[1] <= 5):
                    continue
                if target not in pawns or (pawns[target] != player and aside != 0):
                    moves.append(square(column, row) + square(*target))
    return sorted(moves)


def square(column: int, row: int) -> str:
    return "abcde"[column] + str(row)


@pytest.mark.slow
def test_the_example_plays_breakthrough(folder: Path) -> None:
    game = load(str(folder / "mygame.py"))
    rng = np.random.default_rng(2)
    captures = 0
    for _ in range(100):
        position = game.position()
        pawns = {
            (column, row): "X" if row < 3 else "O" for column in range(5) for row in (1, 2, 4, 5)
        }
        over = False
        while not over:
            player = "XO"[position.to_play]
            legal = sorted(position.text(action) for action in position.legal_actions())
            assert legal == oracle_moves(pawns, player)
            move = str(rng.choice(legal))
            position.play(move)
            del pawns["abcde".index(move[0]), int(move[1])]
            captures += ("abcde".index(move[2]), int(move[3])) in pawns
            pawns["abcde".index(move[2]), int(move[3])] = player
            arrived = move[3] == ("5" if player == "X" else "1")
            over = arrived or len(set(pawns.values())) == 1
            assert position.is_over == over
            assert position.value_to_move() == (-1 if over else 0)
            for (column, row), owner in pawns.items():
                line = next(x for x in position.render().splitlines() if x.startswith(str(row)))
                assert line[3 + 3 * column] == owner
    assert captures > 0


@pytest.mark.slow
def test_the_example_breaks_the_contract_when_a_line_is_wrong(folder: Path, tmp_path: Path) -> None:
    """The guide promises that the check finds mistakes; here is one of a newcomer's."""
    code = (folder / "mygame.py").read_text()
    wrong = code.replace("+ 2 - actions % 3", "+ actions % 3")
    assert wrong != code
    (tmp_path / "mirrored.py").write_text(wrong)
    failures = check(load(str(tmp_path / "mirrored.py")), games=10)
    assert ["symmetries commute" in failure.identity for failure in failures] == [True]


# -- found by name ---------------------------------------------------------------------------------


def test_an_installed_package_offers_its_game_by_name(folder: Path, tmp_path: Path) -> None:
    """What pip leaves of a package with the guide's entry point, made by hand."""
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage/__init__.py").write_text("")
    (tmp_path / "mypackage/breakthrough.py").write_text((folder / "mygame.py").read_text())
    metadata = tmp_path / "mypackage-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1.0\n")
    toml = re.findall(r"^  ```toml\n(.*?)^  ```", GUIDE, re.M | re.S)[0]
    name, target = re.findall(r'^  (\w+) = "([^"]+)"$', toml, re.M)[0]
    (metadata / "entry_points.txt").write_text(f"[alphazero.games]\n{name} = {target}\n")
    program = (
        "from alphazero.game import available, load\n"
        "game = load('breakthrough')\n"
        "print(available()['breakthrough'], game.title, game.spec, load(game.spec).num_actions)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [target, "Breakthrough", "breakthrough", "75"], done.stderr


def test_a_file_is_found_by_its_path_and_said_to_be_broken_when_it_is(
    folder: Path, tmp_path: Path
) -> None:
    game = load(str(folder / "mygame.py"))
    assert isinstance(game, Game)
    assert game.spec == str(folder / "mygame.py")
    assert "mygame" not in available()
    for content, message in (
        ("x = 1", "does not define GAME"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("GAME = 3", "GAME must be"),
    ):
        broken = tmp_path / f"broken_{len(content)}.py"
        broken.write_text(content)
        with pytest.raises(ValueError, match=message):
            load(str(broken))
