"""Every protocol says who it is before anything large is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["numpy", "numba", "torch", "pydantic", "ray", "gymnasium", "tensorboard"]
GTP = "protocol_version\nname\nversion\nknown_command play\nlist_commands\nquit\n"
GREETINGS = {
    "gtp": (GTP, "genmove"),
    "play --gtp": (GTP, "genmove"),
    "uci": ("uci\nsetoption name Hash value 16\nquit\n", "uciok"),
    "analysis": ('{"id": "v", "action": "query_version"}\n', "git_hash"),
}


@pytest.mark.parametrize("protocol", GREETINGS)
def test_it_says_who_it_is_before_anything_large_is_loaded(protocol: str) -> None:
    probe = f"""
import os, sys
import alphazero.__main__ as program
def leave(code):
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
    leave_now(code)
leave_now, os._exit = os._exit, leave
program.main({protocol.split()})
"""
    lines, answer = GREETINGS[protocol]
    done = subprocess.run(
        [sys.executable, "-c", probe], input=lines, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0 and done.stderr == "[]\n", done.stderr
    assert answer in done.stdout
