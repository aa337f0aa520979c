"""The checks for a CUDA machine, gone through on the CPU."""

import subprocess
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "gpu" / "check.sh"
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def run(*arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.splitlines() or done.stderr.splitlines()


@pytest.mark.slow
def test_without_a_device_a_dry_run_goes_through_all_of_it() -> None:
    code, lines = run("--dry-run")
    assert (code, len(lines)) == (0, 1), "\n".join(lines)
    assert "no CUDA device" in lines[0] and " 0 failed" in lines[0]


@pytest.mark.slow
def test_without_a_device_nothing_is_checked_and_that_is_an_error() -> None:
    code, lines = run()
    assert (code, len(lines)) == (2, 1) and "no CUDA device" in lines[0]
