"""Ready means ready: once an engine is, nothing is compiled in the middle of a game."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.game.jit import PURE_PYTHON

ROOT = Path(__file__).resolve().parents[2]
CONVERSATIONS = [
    "uci",
    "gtp go:size=9",
    "gtp go",
    "gtp tic-tac-toe",
    "gtp connect4",
    "analysis",
    "terminal tic-tac-toe",
    "terminal connect4",
    "terminal go:size=9",
    "terminal chess",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that is empty before the first conversation."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.skipif(PURE_PYTHON, reason="nothing is compiled")
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_no_kernel_is_used_for_the_first_time_in_a_game(
    conversation: str, cache: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.first_use", conversation],
        cwd=ROOT,
        env=os.environ | {"ALPHAZERO_CACHE": str(cache), "XDG_DATA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
