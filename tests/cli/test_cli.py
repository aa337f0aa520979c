"""`python -m alphazero`: every command, what it prints, what it leaves behind, how it fails."""

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

from alphazero import command_line as commandline
from alphazero.arena.players import KINDS, make_player
from alphazero.cli import main as cli
from alphazero.cli import train
from alphazero.cli.engine_options import with_parameters
from alphazero.cli.match import PLAYER_OPTIONS
from alphazero.config import NetworkConfig, load_config
from alphazero.data.record import GameRecord
from alphazero.data.record_text import read_text
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.files import writable
from alphazero.game import available, load
from alphazero.network.registry import build
from alphazero.network.weights import save_weights

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = "play train settings selfplay match check prove perft export show games bench".split()  # noqa: SIM905
HEAVY = ("numpy", "numba", "torch", "ray", "gymnasium", "tensorboard", "safetensors")
TINY = [
    "game=tic-tac-toe",
    "network.size=b1c8",
    "search.simulations=4",
    "self_play.parallel_games=8",
    "self_play.games_per_work_item=8",
    "replay.min_positions=32",
    "replay.window=512",
    "learner.batch_size=16",
    "run.games=24",
    "evaluation.every_games=0",
]


def run(*arguments: str, code: int = 0) -> str:
    """What a command prints, in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        got = cli.main(list(arguments))
    assert got == code
    return out.getvalue()


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that is refused with exit code 2."""
    capsys.readouterr()
    try:
        code = cli.main(list(arguments))
    except SystemExit as exit:  # argparse's way out
        code = exit.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("alphazero") and ": error: " in line
    return line


def test_boards_of_go_agree_on_dead_stones_unless_told_otherwise():
    said = argparse.Namespace(size=None, komi=None, rules=None)
    for game, spec in (
        ("go", "go:rules=chinese"),
        ("go:size=9", "go:size=9,rules=chinese"),
        ("go:rules=aga,size=9", "go:rules=aga,size=9"),
        ("chess", "chess"),
        ("./go.py", "./go.py"),
    ):
        assert with_parameters(game, said) == spec
    said = argparse.Namespace(size=9, komi=6.5, rules="tromp-taylor")
    assert with_parameters("go", said) == "go:size=9,komi=6.5,rules=tromp-taylor"
    options = cli.read_options(["gtp", "--rules", "aga", "--size", "13"])
    assert with_parameters(options.game, options) == "go:size=13,rules=aga"
    options = cli.read_options(["gtp", "--rules", "japanese", "--size", "19x13"])
    assert with_parameters(options.game, options) == "go:width=19,height=13,rules=japanese"


# -- the line itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["match", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    probe = (
        f"import runpy, sys; sys.argv = ['alphazero', *{arguments}]\n"
        "try: runpy.run_module('alphazero', run_name='__main__')\n"
        "except SystemExit as exit: assert exit.code == 0\n"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("usage: alphazero")
    assert done.stdout.endswith("HEAVY []\n"), done.stdout + done.stderr


def test_help_lists_every_command():
    text = cli.parser().format_help()
    for name in COMMANDS:
        assert f"\n    {name} " in text


@pytest.mark.slow
def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "alphazero", "show", "none.npz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("alphazero: error: ") and "none.npz" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required: COMMAND"),
        ("tran", "invalid choice: 'tran'"),
        ("games --fast", "unrecognized arguments: --fast"),
        ("games connect4", "unrecognized arguments: connect4"),
        ("train none.toml", "none.toml"),
        ("train conect4 --dry-run", "unknown configuration 'conect4' (did you mean \"connect4\"?)"),
        ("train a.toml b.toml", "one file of settings at a time, not a.toml, b.toml"),
        ("train serch.simulations=3 --dry-run", "did you mean"),
        ("train game=connect5 --dry-run", "unknown game 'connect5' (did you mean \"connect4\"?)"),
        ("train --local --workers 2", "--local does without Ray"),
        ("train --local --address auto", "--local does without Ray"),
        ("train --workers many --dry-run", "run.workers"),
        ("train --resume nowhere", "no run to resume in nowhere"),
        ("train --resume a --fresh", "--resume names the run"),
        ("train --resume a --run-dir b", "--resume names the run"),
        ("selfplay --game tic-tac-toe", "required: --out"),
        ("selfplay --game tic-tac-toe --out /dev/null/x", "cannot make the folder /dev/null/x"),
        ("match random", "a match needs two players, not 1: random"),
        ("match random nobody", "unknown player 'nobody'"),
        ("match random random --games 3", "even number of games, at least 2, not 3"),
        (f"match random random --seed {2**63}", "is not a whole number from 0 to"),
        ('train evaluation.opponents=["nobody"] --dry-run', "unknown player 'nobody'"),
        ("train run.start_from=none game=connect4", "cannot read the network none"),
        ("match random random --games x", "'x' is not a whole number of at least 1"),
        ("match random random --sprt 5", "--sprt takes two numbers as in 0,20, not '5'"),
        ("match random random --sprt 5,0", "elo0 = 5 must be below elo1 = 0"),
        ("match random mcts:1 mcts:2 --sprt 0,5", "--sprt compares two players"),
        ("match random random --round-robin", "two or more different players"),
        ("match random mcts:1 --anchor random", "--anchor names one of the players"),
        ("match random mcts:1 mcts:2 --anchor mcts:3", "--anchor names one of the players"),
        ("check conect4", "unknown game 'conect4'"),
        ("prove tic-tac-toe pretrained:x", "pretrained:x"),
        ("export none.safetensors out.safetensors", "none.safetensors"),
        ("uci --game go", "UCI is for chess, not for Go"),
        ("analysis --game chess", "analysis is for Go, not for chess"),
        ("bench serach", "unknown suite 'serach'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, *arguments.split())
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_a_message_of_several_lines_becomes_one(capsys):
    def command() -> int:
        raise UserError("first\n  second")

    assert commandline.run("alphazero", command) == 2
    assert capsys.readouterr().err == "alphazero: error: first second\n"


def test_a_bug_shows_its_traceback():
    def command() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        commandline.run("alphazero", command)


def test_an_interrupt_is_exit_code_130():
    def command() -> int:
        raise KeyboardInterrupt

    assert commandline.run("alphazero", command) == 130


def test_an_interrupted_program_leaves_quietly():
    match = subprocess.Popen(
        [sys.executable, "-m", "alphazero", "match", "random", "mcts:100000"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},  # tells when numba has been imported
    )
    assert match.stderr is not None
    for line in match.stderr:
        if "alphazero.arena.match" in line:
            break
    match.send_signal(signal.SIGINT)
    out, err = match.communicate(timeout=300)
    assert match.returncode == 130 and out == "" and "Traceback" not in err


@pytest.mark.slow
def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m alphazero train game=tic-tac-toe --dry-run | head -1"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("game = ") and done.stderr == ""


# -- commands --------------------------------------------------------------------------------------


def test_settings_lists_every_setting_with_its_meaning():
    lines = run("settings").splitlines()
    (found,) = [line for line in lines if line.startswith("search.simulations = ")]
    assert "simulations" in found and len(lines) > 60


def test_the_options_of_players_are_those_in_the_help():
    options = {name for kind in KINDS.values() for name in kind.options}
    assert options == set(re.findall(r"(\w+)=[A-Z]+", PLAYER_OPTIONS))


def test_what_cannot_be_written_is_known_before_the_work(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("alphazero.arena.match.play_match", None)
    folder = str(tmp_path / "file" / "x")
    said = fails(capsys, "match", "random", "random", "--out", folder)
    assert f"cannot write {folder}" in said
    with pytest.raises(UserError, match="it is a folder"):
        writable(tmp_path)


def test_games_lists_what_there_is():
    out = run("games")
    for name in available():
        assert name in out
    assert "./mygame.py" in out


def test_check_passes_a_good_game_and_fails_a_bad_one(tmp_path):
    out = run("check", "tic-tac-toe", "--games", "5")
    assert "ok " in out and "FAILED" not in out
    source = (ROOT / "games" / "tictactoe.py").read_text()
    bad = tmp_path / "bad.py"
    wrong = "mask[cell] = state.board[cell] == 0 or cell == 4"
    bad.write_text(source.replace("mask[cell] = state.board[cell] == 0", wrong))
    out = run("check", str(bad), "--games", "5", code=1)
    assert "FAILED" in out and "failed: " in out


def test_a_match_prints_elo_and_saves_its_games(tmp_path):
    arguments = ["match", "mcts:50", "random", "--games", "20", "--seed", "3"]
    out = run(*arguments, "--out", str(tmp_path / "results"))
    assert "mcts:50 against random at " in out and "Elo difference" in out
    (numbers,) = (tmp_path / "results").glob("*.json")
    summary = json.loads(numbers.read_text())
    assert summary["score"] > 0.6 and summary["opening_plies"] == 2
    assert sum(summary["as_first"].values()) == sum(summary["as_second"].values()) == 10
    (shard,) = (tmp_path / "results").glob("*.npz")
    assert run("show", str(shard)).count("\nid ") == 20
    assert out.splitlines()[-1] == f"saved as {shard.with_suffix('')}.json, .npz and .txt"
    again = run(*arguments)
    assert again.splitlines() == out.splitlines()[:-1]
    assert run(*arguments, "--seed", "4") != again


def test_players_may_stand_anywhere_and_openings_be_chosen():
    out = run("match", "random", "--games", "2", "mcts:5", "--openings", "0")
    assert "random against mcts:5" in out and "no random openings" in out
    out = run("match", "--player", "random", "--player", "mcts:5", "--games", "2")
    assert "random against mcts:5" in out


def test_a_match_stops_when_its_sequential_test_has_decided():
    players = ["mcts:50", "random", "--games", "1000", "--seed", "1"]
    out = run("match", *players, "--sprt", "0,200")
    assert "accepts 200" in out
    games = int(out.split("\nall ")[1].split()[0])
    assert 2 <= games < 200


def test_more_than_two_players_meet_each_other(tmp_path):
    out = run("match", "random", "mcts:5", "mcts:50", "--games", "10", "--out", str(tmp_path))
    assert "Elo" in out and out.index("1 mcts:50") < out.index("random")
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_a_person_may_play_in_a_match(monkeypatch, capsys):
    lines = iter(["nonsense"] + [str(n) for n in range(1, 10)] * 20)
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    out = run("match", "human", "random", "--games", "2", "--openings", "0")
    assert "'nonsense' is not a cell" in out and "human against random" in out

    def end(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    with contextlib.redirect_stdout(io.StringIO()):
        assert cli.main(["match", "human", "random", "--games", "2"]) == 2
    assert "the input has ended before the game" in capsys.readouterr().err


def test_prove_counts_every_line_and_its_losses():
    out = run("prove", "tic-tac-toe", "alphabeta:9")
    lines, lost = out.splitlines()[-1].split(" lines, ")
    assert lost == "0 lost" and int(lines) > 500
    out = run("prove", "tic-tac-toe", "random", code=1)
    assert "a loss after " in out and ", 0 lost" not in out.splitlines()[-1]


def test_selfplay_writes_records_that_show_prints(tmp_path):
    out_dir = tmp_path / "games"
    settings = ["search.simulations=8", "self_play.games_per_work_item=4"]
    arguments = ["selfplay", *settings, "--game", "tic-tac-toe", "--out", str(out_dir)]
    out = run(*arguments, "--games", "6", "--seed", "9")
    assert out.startswith("6 games, ")
    records = list(Store(out_dir))
    assert [record.game_id for record in records] == [0, 1, 2, 3, 4, 5]
    assert all(record.seed == 9 and record.info["simulations"] == 8 for record in records)
    run(*arguments, "--games", "2", "--seed", "9")  # goes on with the numbers
    assert len(list(Store(out_dir))) == 8
    text = run("show", str(out_dir), "--game-id", "5")
    assert read_text(text, load("tic-tac-toe")) == records[5]
    assert run("show", str(out_dir)).count("\nid ") == 8
    short = run("show", str(out_dir), "--game-id", "5", "--top", "1")
    assert len(short) < len(text) and "..." in short


def test_show_names_what_it_does_not_find(capsys, tmp_path):
    assert f"no games in {tmp_path}" in fails(capsys, "show", str(tmp_path))
    damaged = tmp_path / "shard-0.npz"
    damaged.write_bytes(b"PK")
    assert str(damaged) in fails(capsys, "show", str(damaged))
    record = GameRecord("tic-tac-toe", 1, 0, 0, None, [4], [0.0], [0, 0], [], [], 0.0)
    Store(tmp_path / "store").append([record])
    assert "no game 7 in" in fails(capsys, "show", str(tmp_path / "store"), "--game-id", "7")


def test_show_prints_a_saved_game_with_its_board(tmp_path, capsys):
    saved = tmp_path / "game.txt"
    saved.write_text("alphazero game 1\ngame: tic-tac-toe\n\n1. b2 a1\n")
    out = run("show", str(saved))
    assert "1. b2 a1" in out and "1 (O) .  .  1" in out
    saved.write_text("alphazero game 1\ngame: tic-tac-toe\n\n1. b2 b2\n")
    assert "move 2 (b2): b2 is illegal" in fails(capsys, "show", str(saved))


def test_bench_hands_its_options_on(monkeypatch):
    seen = []
    stub = types.SimpleNamespace(main=lambda arguments: seen.append(arguments) or 0)
    monkeypatch.setitem(sys.modules, "alphazero.bench", stub)
    run("bench", "--quick", "search", "--json", "x.json")
    assert seen == [["--quick", "search", "--json", "x.json"]]


# -- training --------------------------------------------------------------------------------------


def test_dry_run_shows_the_settings_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = run("train", *TINY, "--workers", "3", "search.simulations=5", "--dry-run")
    assert list(tmp_path.iterdir()) == []
    saved = tmp_path / "shown.toml"
    saved.write_text(shown)
    config = load_config(saved)
    assert (config.run.workers, config.search.simulations, config.run.games) == (3, 5, 24)
    again = run("train", str(saved), "--dry-run", "run.games=9", "--local")
    assert "games = 9" in again and "workers = 0" in again
    assert run("train", "run.workers=2", "--dry-run") != run("train", "--local", "--dry-run")


@pytest.mark.slow
def test_a_run_trains_goes_on_and_can_be_exported_and_played(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = run("train", *TINY, "--local", "--run-dir", "run")
    assert out.endswith("-m alphazero play --game tic-tac-toe --network run\n")
    out = run("train", "--resume", "run", "run.games=32", "--local")
    assert len(list(Store(tmp_path / "run" / "records"))) == 32
    assert "with other settings" not in out
    message = fails_after_start(capsys, "train", *TINY, "search.simulations=6", "--run-dir", "run")
    assert "search.simulations = 4, not 6" in message

    out = run("export", "run", "weights.safetensors")
    assert "weights.safetensors: b1c8 for " in out
    message = fails(capsys, "export", "run", "x.safetensors", "--game", "connect4")
    assert 'not for "connect4"' in message and not (tmp_path / "x.safetensors").exists()
    game = load("tic-tac-toe")
    for spec in ("policy:weights.safetensors", "policy:run"):
        assert make_player(spec, game).name == spec

    Path("cut.safetensors").write_bytes(Path("weights.safetensors").read_bytes()[:-100])
    assert "cut.safetensors" in fails(capsys, "export", "cut.safetensors", "y.safetensors")


def fails_after_start(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line of a command that may have said something before it was refused."""
    capsys.readouterr()
    assert cli.main(list(arguments)) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_training_ends_with_its_proof_and_how_to_play(monkeypatch, tmp_path):
    loop = pytest.importorskip("alphazero.run.loop")
    monkeypatch.chdir(tmp_path)

    class Proof(types.SimpleNamespace):
        def __str__(self) -> str:
            return "moving first 10 lines"

    calls = []

    def train_nothing(config, **options):
        calls.append((config.run.workers, options))
        proof = Proof(lines=20, losses=losses, unbeaten=losses == 0)
        progress = types.SimpleNamespace(steps=steps, games=7, positions=30)
        return types.SimpleNamespace(
            directory=tmp_path / "runs" / "x",
            finished=done,
            proof=proof,
            policy_proof=Proof(lines=21, losses=5),
            progress=progress,
        )

    monkeypatch.setattr(loop, "train", train_nothing)
    done, losses, steps = True, 0, 9
    out = run("train", "run.workers=1", "--workers", "auto", "--address", "host:1", "--fresh")
    assert calls == [("auto", {"directory": None, "fresh": True, "address": "host:1"})]
    assert "moving first 10 lines\n" in out and "20 lines, 0 lost.\n" in out
    assert "200 simulations a move: 20" in out and "without search: 21 lines, 5 lost" in out
    assert out.endswith("-m alphazero play --game tic-tac-toe --network runs/x\n")
    losses = 3
    assert "20 lines, 3 lost." in run("train", code=1)
    steps, losses = 0, 0
    out = run("train", "run.games=7")
    assert "Nothing was learned from 7 games" in out and "min_positions = 2,000" in out
    assert "Play against it" not in out
    done = False
    out = run("train", "--run-dir", "there")
    assert "train --resume runs/x" in out and calls[-1][1]["directory"] == "there"


def test_training_without_a_file_of_settings_has_a_limit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text('game = "connect4"\n')
    for arguments, minutes in [
        ((), 10.0),
        (("game=connect4",), 10.0),
        (("run.minutes=0",), 0.0),
        (("run.games=5",), 0.0),
        (("own.toml",), 0.0),
    ]:
        assert f"\nminutes = {minutes}\n" in run("train", *arguments, "--dry-run")


def test_the_command_to_play_works_where_it_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(None, ["game=my game.py"])
    below, elsewhere = tmp_path / "the runs" / "x", Path("/else where/x")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/alphazero"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    start = "venv/python -m alphazero play --game 'my game.py' --network"
    assert train.play_command(config, below) == f"{start} 'the runs/x'"
    assert train.play_command(config, elsewhere) == f"{start} '/else where/x'"
    # `python /project/train.py` from another folder, where the package cannot be imported.
    monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py")])
    script = f"venv/python {ROOT / 'play.py'} --game 'my game.py' --network"
    assert train.play_command(config, below) == f"{script} 'the runs/x'"
    monkeypatch.chdir(ROOT)
    assert " -m alphazero play " in train.play_command(config, below)


def test_a_network_is_exported_without_the_rules_of_its_game(tmp_path, monkeypatch):
    game = dataclasses.replace(load("tic-tac-toe"), name="mygame", parameters={"size": 3})
    network = build(game, NetworkConfig(size="b1c8"), 1)
    save_weights(tmp_path / "one.safetensors", network, game)
    out = run("export", str(tmp_path / "one.safetensors"), str(tmp_path / "two.safetensors"))
    assert out.endswith("two.safetensors: b1c8 for mygame:size=3\n")
    one, two = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    run("export", str(tmp_path / "one.safetensors"), str(tmp_path / "half.safetensors"), "--half")
    save_weights(tmp_path / "also.safetensors", network, game, half=True)
    assert (tmp_path / "half.safetensors").read_bytes() == (
        tmp_path / "also.safetensors"
    ).read_bytes()


def test_long_work_says_how_far_it_is_where_no_terminal_shows_it(monkeypatch, capsys):
    monkeypatch.setattr(commandline.ProgressReport, "QUIET_SECONDS", 0.0)
    run("match", "random", "mcts:5", "--games", "4")
    lines = capsys.readouterr().err.splitlines()
    assert "random against mcts:5: 4 of 4 games" in lines
    run("prove", "tic-tac-toe", "alphabeta:9")
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("every line, moving second: ply 2, 0 of 9") for line in lines)


def test_progress_is_a_line_now_and_then():
    now, said = [0.0], []
    progress = commandline.ProgressReport(said.append, clock=lambda: now[0])
    for second in range(13):
        now[0] = float(second)
        progress(str(second))
    assert said == ["5", "10"]


def test_a_proof_says_how_the_player_was_tested(tmp_path):
    game = load("tic-tac-toe")
    save_weights(tmp_path / "x.safetensors", build(game, NetworkConfig(size="b1c8"), 1), game)
    player = f"checkpoint:{tmp_path / 'x.safetensors'},simulations=3"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli.main(["prove", "tic-tac-toe", player])
    raw, searched, lines = out.getvalue().splitlines()[-3:]
    assert raw.startswith(f"{player} without search: ") and raw.endswith(" lost")
    assert searched == f"{player} with 3 simulations a move:" and lines.endswith(" lost")


@pytest.mark.slow
def test_show_executes_no_path_that_the_user_did_not_give(tmp_path, capsys):
    """A file of records, or a saved game, may come from anybody."""
    trap, proof = tmp_path / "trap.py", tmp_path / "executed"
    rules = (ROOT / "games" / "tictactoe.py").read_text()
    trap.write_text(f"open({str(proof)!r}, 'w').close()\n{rules}")
    run("match", "random", "random", "--games", "2", "--game", str(trap), "--out", str(tmp_path))
    saved = tmp_path / "saved.txt"
    saved.write_text(f"game {trap}\n")
    proof.unlink()
    (shard,) = tmp_path.glob("*.npz")
    program = "import sys; from alphazero.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "show", str(shard)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "--game" in done.stderr and not proof.exists()
    done = subprocess.run([*command, "--game", str(trap)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "\nid 0" in done.stdout and proof.exists(), done.stderr


@pytest.mark.parametrize(
    ("script", "command"),
    [("alphazero-gtp", "gtp"), ("alphazero-uci", "uci"), ("alphazero-analysis", "analysis")],
)
def test_protocols_have_a_script_without_arguments(script, command, monkeypatch) -> None:
    """For programs such as Cute Chess and Arena, which take a path alone."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts[script].partition(":")
    ran = []
    monkeypatch.setattr(f"{module}.main", lambda arguments: ran.append(arguments) or 0)
    monkeypatch.setattr(sys, "argv", [script, "--seed", "1"])
    assert getattr(importlib.import_module(module), name)() == 0
    assert ran == [[command, "--seed", "1"]]
