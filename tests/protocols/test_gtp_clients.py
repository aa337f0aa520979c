"""The GTP engine as programs find it that use one: a process with pipes; real controllers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.arena.gtp_client import GtpEngine

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT.parent / "shared" / "tools" / "gtp_check.py"
GNUGO = shutil.which("gnugo", path=f"{os.environ.get('PATH', '')}:/usr/games")
ENGINE = [sys.executable, str(ROOT / "play.py"), "--gtp", "--seed", "1"]


def converse(commands: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A whole conversation; the input ends with the commands."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command or ENGINE, input=commands, capture_output=True, text=True, env=environment, cwd=ROOT
    )


# -- the process -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_commands_in_a_pipe_are_all_answered() -> None:
    done = converse("1 boardsize 9\n2 play b E5\n3 genmove w\n4 final_score\n", *ENGINE,
                    "--game", "go:size=9", "--simulations", "8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("\n\n")
    assert answers[:2] == ["=1", "=2"] and re.fullmatch(r"=3 ([A-HJ][1-9]|pass)", answers[2])
    assert answers[3].startswith("=4 ") and answers[4:] == [""]


def test_what_is_printed_meanwhile_is_no_answer(tmp_path: Path) -> None:
    """A game, or a library, that prints; in Python and in C."""
    (tmp_path / "noisy.py").write_text(
        "import os, sys\n"
        "print('hello from Python')\n"
        "os.write(1, b'hello from C\\n')\n"
        "from alphazero_games.tictactoe import GAME\n"
    )
    done = converse("gogui-rules_game_id\nquit\n", *ENGINE, "--game", str(tmp_path / "noisy.py"))
    assert done.stdout == "= Tictactoe\n\n=\n\n"
    assert "hello from Python" in done.stderr and "hello from C" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--game", "conect4"], "unknown game 'conect4'"),
        (["--game", "go:size=99"], "size must be a whole number from 2 to 25, not 99"),
        (["--game", "go:size=9", "--network", "none.safetensors"], "none.safetensors"),
    ],
)
def test_what_cannot_be_loaded_is_said_and_the_session_lives(options, message) -> None:
    done = converse("name\ngenmove b\nversion\nquit\n", *ENGINE, *options)
    answers = done.stdout.split("\n\n")
    assert done.returncode == 0 and len(answers) == 5
    assert answers[0] == "= AlphaZero" and answers[1].startswith("? ") and message in answers[1]
    assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "option", ["--color=black", "--load=x", "--save=x", "--moves=D4", "--quiet"]
)
def test_options_of_the_terminal_are_refused(option: str) -> None:
    done = converse("", *ENGINE, option)
    assert done.returncode == 2 and "does not go with --gtp" in done.stderr and done.stdout == ""


# -- real controllers ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not CHECK.exists(), reason="gtp_check.py is not there")
def test_every_check_of_the_protocol_passes() -> None:
    engine = [*ENGINE, "--game", "go:size=9", "--simulations", "20"]
    done = subprocess.run(
        [sys.executable, str(CHECK), "--", *engine], capture_output=True, text=True, cwd=ROOT
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    # It wants fractions of `analyze`, and loses step there; Sabaki reads whole numbers.
    assert done.stdout.split()[-1] in ("61/63", "63/63"), done.stdout
    assert all(" analyze: " in line for line in failed), done.stdout


@pytest.fixture(scope="module")
def sabaki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where node finds Sabaki's modules."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("sabaki")
    install = ["npm", "install", "--no-audit", "--no-fund", "@sabaki/gtp", "@sabaki/go-board"]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not get at its registry")
    if done.returncode:
        pytest.skip(f"npm cannot install Sabaki's controller: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"


@pytest.mark.slow
def test_sabaki_drives_it(sabaki: Path) -> None:
    engine = [*ENGINE, "--game", "go:size=9", "--simulations", "10"]
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "helpers" / "sabaki_controller.js"), *engine],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"NODE_PATH": str(sabaki), "OMP_NUM_THREADS": "1"},
    )
    steps = ["start", "synchronise", "handicap", "analyse", "selfPlay", "quit"]
    assert done.returncode == 0 and done.stdout.split() == steps, done.stdout + done.stderr


def play_to_the_end(ours: GtpEngine, theirs: GtpEngine, our_color: str, size: int) -> list[str]:
    """A game to two passes; our engine captures dead stones before it passes. Returns the moves."""
    for engine in (ours, theirs):
        engine.send([f"boardsize {size}", "clear_board", "komi 7.5"])
    moves: list[str] = []
    while moves[-2:] != ["pass", "pass"]:
        color = "bw"[len(moves) % 2]
        mine, other = (ours, theirs) if color == our_color else (theirs, ours)
        passed = moves[-1:] == ["pass"]
        command = "kgs-genmove_cleanup" if mine is ours and passed else "genmove"
        move = mine.send([f"{command} {color}"])[0].lower()
        other.send([f"play {color} {move}"])
        moves.append(move)
        assert len(moves) < 4 * size * size, moves
    return moves


@pytest.mark.slow
@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
@pytest.mark.parametrize(
    ("size", "color", "simulations"), [(9, "b", 50), (9, "w", 50), (19, "b", 8)]
)
def test_gnu_go_and_it_play_to_the_end_and_agree(size: int, color: str, simulations: int) -> None:
    """On the score too, once all dead stones are off the board; on every stone meanwhile."""
    ours = GtpEngine(
        f"{' '.join(ENGINE)} --game go:size={size},rules=chinese --no-resign"
        f" --simulations {simulations}"
    )
    theirs = GtpEngine(  # GNU Go 3.8 dies of a segmentation fault in some games, as by seed 1
        f"{GNUGO} --mode gtp --level 0 --seed 2 --chinese-rules --capture-all-dead"
        " --positional-superko --never-resign"
    )
    try:
        play_to_the_end(ours, theirs, color, size)
        for player in ("black", "white"):
            stones = [engine.send([f"list_stones {player}"])[0] for engine in (ours, theirs)]
            assert sorted(stones[0].split()) == sorted(stones[1].split())
        assert ours.send(["final_status_list dead"]) == [""]
        ours.send(["kgs-rules chinese"])
        score, other = ours.send(["final_score"])[0], theirs.send(["final_score"])[0]
        assert score[0] == other[0] and float(score[2:]) == float(other[2:])
    finally:
        ours.close()
        theirs.close()
