"""Games that break the contract end in one clear line: when they are loaded, tried or played."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.errors import UserError
from alphazero.game import load
from tests.helpers import odd_games

ROOT = Path(__file__).resolve().parents[2]
# Interpreted, since to compile each of these games would take longer than to play it.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
SETTINGS = """
network.size = "b1c8"
search.simulations = 8
self_play = {parallel_games = 4, games_per_work_item = 4}
replay = {min_positions = 20, window = 200}
learner.batch_size = 16
run = {games = 16}
evaluation.every_games = 0
"""


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "alphazero", *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("many", "num_actions is 70000.*limit is 65535"),
        ("wide", "max_legal is 40000.*most legal actions.*limit is 32767"),
        ("byte", "ply is int8.*max_plies = 300"),
    ],
)
def test_what_no_array_can_hold_is_known_when_the_game_is_loaded(tmp_path, name, words):
    with pytest.raises(UserError, match=words):
        load(str(odd_games.write(tmp_path, name)))


TRIED = {
    "endless": "goes on after max_plies = 60",
    "endless-with-keys": "goes on after max_plies = 60",
    "short": "goes on after max_plies = 3",
    "dice": "the same moves do not lead to the same",
    "three": "to_play is 2, not 0 or 1",
    "over": "over before the first move",
}


def test_the_trial_and_check_find_what_is_wrong(tmp_path):
    """`trial` is what every command does before it plays, `check` says it in more detail."""
    paths = {name: str(odd_games.write(tmp_path, name)) for name in odd_games.CHANGES}
    script = """
import json, sys
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.game.check import check

found = {}
for name, path in json.loads(sys.argv[1]).items():
    said = []
    try:
        game = load(path)
        game.compile(said.append)
        refused = ""
    except UserError as error:
        refused = str(error)
    try:
        failures = [(str(f), f.warning) for f in check(game, games=20)]
    except UserError as error:
        failures = [(str(error), False)]
    found[name] = {"refused": refused, "said": said, "failures": failures}
print(json.dumps(found))
"""
    fits = {name: path for name, path in paths.items() if name not in ("many", "wide", "byte")}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(fits)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, problem in TRIED.items():
        assert problem in found[name]["refused"], name
        assert "alphazero check" in found[name]["refused"]
        texts = [text for text, warning in found[name]["failures"] if not warning]
        assert any(problem in text for text in texts) or (name == "dice" and texts), name
    for name in ("heap", "counted"):
        assert found[name] == {"refused": "", "said": [], "failures": []}, name
    assert "only the first player ever moves" in found["solo"]["said"][-1]
    for name, words in [("solo", "only the first player"), ("hidden", "not the legal moves")]:
        assert not found[name]["refused"] and all(warning for _, warning in found[name]["failures"])
        assert any(words in text for text, _ in found[name]["failures"])
    for name, words in [
        ("repeating", "leave the ply out of the key"),
        ("halves", "observe writes 0.5"),
        ("nan", "NaN"),
    ]:
        (text, warning), *_ = found[name]["failures"]
        assert not warning and words in text
    assert "five is unlucky" in found["fragile"]["refused"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), [("dice", "same moves"), ("three", "to_play is 2")])
def test_a_run_is_refused_in_one_line_and_leaves_no_folder(tmp_path, name, words):
    (tmp_path / "settings.toml").write_text(SETTINGS)
    path = odd_games.write(tmp_path, name)
    done = command(
        tmp_path, "train", "settings.toml", f"game={path.name}", "--local", "--run-dir", "run"
    )
    *_, line = done.stderr.splitlines()
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert line.startswith("alphazero: error: the rules of ") and words in line
    assert not (tmp_path / "run").exists()


def test_a_match_and_a_game_are_refused_in_one_line(tmp_path):
    path = odd_games.write(tmp_path, "dice")
    for arguments in (
        ("match", "mcts:8", "random", "--games", "2", "--game", path.name),
        ("play", "--game", path.name, "--simulations", "8", "--moves", "1"),
    ):
        done = command(tmp_path, *arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert "the same moves" in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["endless", "endless-with-keys", "fragile"])
def test_what_shows_only_in_self_play_is_one_line_too(tmp_path, name):
    """As if the trial had not found it: random players may be lucky."""
    (tmp_path / "settings.toml").write_text(SETTINGS)
    path = odd_games.write(tmp_path, name)
    script = (
        "import sys; from alphazero.game import Game; from alphazero.__main__ import main\n"
        "Game.compile = lambda self, report=None: None\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["train", "settings.toml", f"game={path.name}", "--local", "--run-dir", "run"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    words = "five is unlucky" if name == "fragile" else "max_plies"
    assert words in done.stderr.splitlines()[-1]


def test_a_file_that_imports_by_an_old_name_is_understood(tmp_path, caplog):
    path = odd_games.write(tmp_path, "heap")
    path.write_text(path.read_text().replace("alphazero.game.jit", "alphazero.jit"))
    assert load(str(path)).title == "Heap"
