"""Ready means ready: once an engine is, nothing is compiled in the middle of a game."""

import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.game.jit import PURE_PYTHON

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(PURE_PYTHON, reason="nothing is compiled")
@pytest.mark.parametrize("protocol", ["uci", "gtp"])
def test_no_kernel_is_used_for_the_first_time_in_a_game(protocol: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.first_use", protocol],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
