"""KaTrain itself, without its window: its engine, its game and its own judgement of the moves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("KATRAIN_PYTHON", "")  # one that has KaTrain, which wants its own packages
MOST_LOST, MOST_GAINED = 3.0, 8.0  # points, by the engine's own best move of sixty visits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="KATRAIN_PYTHON names no Python with KaTrain"),
]


def test_katrain_plays_and_analyses_with_it() -> None:
    command = f"exec {sys.executable} -m alphazero analysis --seed 1"  # the shell is replaced
    done = subprocess.run(
        [PYTHON, str(ROOT / "tests" / "helpers" / "katrain_game.py"), command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"KIVY_NO_ARGS": "1", "KIVY_NO_CONSOLELOG": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    first, *moves = told["played"]
    assert told["errors"] == [] and first["score"] is not None and len(moves) == 10
    for move in moves:
        assert 0 <= move["winrate"] <= 1 and abs(move["score"]) < 81 and abs(move["owned"]) <= 81
        assert -MOST_GAINED <= move["lost"] <= MOST_LOST, told["played"]
        assert move["score"] == pytest.approx(move["owned"] - 7, abs=1e-3)  # less the komi
    assert told["swept"] > 50 and told["candidates"]
