"""`python play.py` as people and scripts start it: options, pipes, Ctrl-C and a real terminal."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphazero.cli.engine_options import engine_options
from alphazero.cli.play import choose_side, main, parser
from alphazero.errors import UserError
from alphazero.formats.game_file import GameFile
from alphazero.game import load

ROOT = Path(__file__).resolve().parents[2]
PLAY = [sys.executable, str(ROOT / "play.py")]
HEAVY = ("numpy", "numba", "torch", "ray", "gymnasium", "tensorboard")
PATIENCE = 300  # seconds, for a first compilation on a busy machine


@pytest.fixture
def environment(tmp_path, monkeypatch) -> dict[str, str]:
    """Where nothing is saved outside of tmp_path."""
    return os.environ | {"XDG_DATA_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "NO_COLOR": ""}


def play(environment: dict[str, str], *options: str, stdin: str = "", code: int = 0):
    """Output and error output of a whole game."""
    done = subprocess.run(
        [*PLAY, *options],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def saved_games(environment: dict[str, str]) -> list[GameFile]:
    folder = Path(environment["XDG_DATA_HOME"]) / "alphazero" / "games"
    return [GameFile.read(path) for path in sorted(folder.glob("*.txt"))]


# -- options ---------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy(environment):
    probe = (
        "import runpy, sys; sys.argv = ['play.py', '--help']\n"
        "try: runpy.run_path('play.py', run_name='__main__')\n"
        "except SystemExit as exit: assert exit.code == 0\n"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.stdout.startswith("usage: play.py")
    assert done.stdout.endswith("HEAVY []\n"), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--game", "conect4"],
            "unknown game 'conect4' (did you mean \"connect4\"?); known games: ",
        ),
        (["--game", "connect4:rows=x"], "rows and cols must be whole numbers"),
        (["--game", "./none.py"], "no such game file"),
        (["--level", "11"], "argument --level: invalid choice: 11"),
        (["--simulations", "0"], "'0' is not a whole number of at least 1"),
        (["--time", "-1"], "'-1' is not a number of seconds above 0"),
        (["--time", "nan"], "'nan' is not a number of seconds above 0"),
        (["--seed", "-1"], "'-1' is not a whole number from 0 to"),
        (["--level", "3", "--time", "1"], "--time: not allowed with argument --level"),
        (["--color", "Z"], "unknown side 'Z'; choices: first, second, X, O, random"),
        (["--vs", "nobody"], "nobody"),
        (["--vs", "random", "--moves", "a1"], "--moves"),
        (["--network", "none.safetensors"], "none.safetensors"),
        (["--load", "none.txt"], "cannot read none.txt: No such file or directory"),
        (["--save", "/dev/null/game.txt"], "cannot write /dev/null/game.txt"),
        (["--save", "/"], "cannot write /: it is a folder"),
        (["--save", "none/game.txt"], "cannot write none/game.txt: there is no folder none"),
        (["--sytle", "ascii"], 'unrecognized arguments: --sytle ascii (did you mean "--style"?)'),
        (["--style", "asci"], '(did you mean "ascii"?)'),
        (["--sims", "3", "x"], "unrecognized arguments"),
        (["--device", "gpu"], "argument --device: 'gpu' is not auto, cpu, cuda, cuda:1 or mps"),
        (["--device", "cuda:99"], 'device "cuda:99" is not available here: choose auto or cpu'),
        (["--threads", "0"], "'0' is not a whole number of at least 1"),
        (["--uci", "--game", "go"], "--uci is for chess, not for Go"),
        (["--uci", "--game", "Connect-4:rows=5"], "--uci is for chess, not for Connect Four"),
        (["--no-resign"], "--no-resign goes with --gtp"),
        (["--gtp-name", "x"], "--gtp-name goes with --gtp"),
        (["--gtp-version", "1"], "--gtp-version goes with --gtp"),
        (["--uci", "--no-resign"], "--no-resign goes with --gtp"),
        (["--gtp", "--style", "ascii"], "--style is for playing here"),
        (["--gtp", "--at", "0"], "--at is for playing here"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    try:
        code = main(options)
    except SystemExit as exit:  # argparse's way out
        code = exit.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("play.py: error: ") and message in line
    assert list(tmp_path.iterdir()) == []


def test_the_engine_runs_where_it_is_told_to(monkeypatch):
    asked = []

    def no_engine(game, options, report):
        asked.append(options)
        raise UserError("enough")

    monkeypatch.setattr("alphazero.engine.engine.make_engine", no_engine)
    assert main(["--device", "cpu", "--threads", "2"]) == 2
    assert (asked[0].device, asked[0].threads) == ("cpu", 2)
    assert main([]) == 2
    assert (asked[1].device, asked[1].threads) == ("auto", 1)
    options = engine_options(parser().parse_args(["--uci", "--device", "cuda:1", "--threads", "3"]))
    assert (options.device, options.threads) == ("cuda:1", 3)


def test_the_help_has_the_usual_number_of_simulations():
    text = " ".join(parser().format_help().split())
    assert "how much it searches for a move (800; without a network 4000)" in text


# -- scripts and pipes -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_game_from_a_pipe_ends_with_it(environment):
    options = ["--game", "tic-tac-toe", "--vs-human", "--simulations", "50", "--seed", "1"]
    out, _ = play(environment, *options, stdin="b2\nnonsense\nb2\nhint\n")
    assert "X(1): b2\n" in out and "2  . (X) .  2" in out
    assert re.search(r"O plays \w\d \| you \d+% \[#*\.*\] \| .*\d+ simulations", out)
    assert re.search(r"\nX\(3\): nonsense\n'nonsense' is not a cell.*\nX\(3\): b2\n", out)
    assert "b2 is illegal: the cell is taken by X\n" in out
    assert re.search(r"\n1\. \w\d +\d+% +\d+ visits +\w\d.*\n2\. .*\n3\. .*\n", out)
    assert "\x1b" not in out and "●" not in out  # no colours into a pipe
    (game,) = saved_games(environment)
    assert len(game.moves) == 2 and game.moves[0] == "b2" and game.headers["X"] == "human"
    assert out.rstrip().endswith(".txt") and "game saved: " in out


@pytest.mark.slow
def test_moves_come_before_stdin_and_the_same_seed_repeats_the_game(environment):
    options = ["--game", "connect4", "--simulations", "40", "--seed", "5", "--quiet"]
    first, _ = play(environment, *options, "--moves", "d d", stdin="c\n")
    again, _ = play(environment, *options, stdin="d\nd\nc\n")
    strip = re.compile(r"game saved: .*")
    assert strip.sub("", first) == strip.sub("", again)
    games = saved_games(environment)
    assert games[0].moves == games[1].moves and games[0].moves[::2] == ("d", "d", "c")
    assert games[0].headers["seed"] == "5"


@pytest.mark.slow
def test_without_a_network_it_says_so_in_one_line(environment, tmp_path):
    game = tmp_path / "plain.py"
    source = (ROOT / "games" / "tictactoe.py").read_text()
    game.write_text(source.replace('name="tic-tac-toe"', 'name="plain"'))
    _, err = play(environment, "--game", str(game), "--simulations", "9")
    line = "no trained network for Tic-tac-toe: playing with random rollouts (mcts:9)"
    assert line in err.splitlines()
    assert len([line for line in err.splitlines() if "compiling" not in line]) == 1


@pytest.mark.slow
def test_parameters_reach_the_game(environment):
    out, _ = play(environment, "--game", "connect4:rows=4,cols=5", stdin="legal\n")
    assert "a b c d e\n" in out and "4  .  .  .  .  .  4" in out


@pytest.mark.slow
def test_color_gives_the_engine_the_first_move(environment):
    out, _ = play(environment, "--color", "o", "--simulations", "5", stdin="quit\n")
    assert "you are O, " in out and "X plays" in out


def test_sides_have_several_names():
    names = ("first", "X", "x", "FIRST"), ("second", "O", "o")
    for player, ways in enumerate(names):
        assert all(choose_side(way, ("X", "O"), 0) == player for way in ways)
    drawn = [choose_side("random", ("X", "O"), seed) for seed in range(20)]
    assert set(drawn) == {0, 1}
    assert drawn == [choose_side("random", ("X", "O"), seed) for seed in range(20)]


@pytest.mark.slow
def test_save_and_load_go_on_with_a_game(environment, tmp_path):
    path = tmp_path / "my game.txt"
    options = ["--simulations", "20", "--seed", "3", "--save", str(path)]
    play(environment, "--game", "connect4", *options, "--moves", "d e")
    before = GameFile.read(path)
    assert len(before.moves) == 4 and saved_games(environment) == []
    out, _ = play(environment, "--load", str(path), "--simulations", "20", stdin="a\n")
    assert out.startswith("Connect Four: you are X")  # the game is the file's
    (after,) = saved_games(environment)
    assert after.moves[:5] == (*before.moves, "a") and len(after.moves) == 6
    assert GameFile.read(path) == before


@pytest.mark.slow
def test_a_side_that_is_asked_for_wins_over_the_files(environment, tmp_path):
    path = tmp_path / "game.txt"
    path.write_text("alphazero game 1\ngame: tic-tac-toe\nO: human\n\n1. b2\n")
    out, _ = play(environment, "--load", str(path), "--simulations", "5")
    assert "you are O" in out and "X plays" not in out
    out, _ = play(environment, "--load", str(path), "--simulations", "5", "--color", "X")
    assert "you are X" in out and "O plays" in out


@pytest.mark.slow
def test_a_file_of_another_game_is_refused(environment, tmp_path):
    path = tmp_path / "game.txt"
    path.write_text("alphazero game 1\ngame: connect4\n\n1. d\n")
    _, err = play(environment, "--game", "tic-tac-toe", "--load", str(path), code=2)
    assert "is a game of connect4, not of " in err.splitlines()[-1]


@pytest.mark.slow
def test_two_players_are_watched_to_the_end(environment):
    out, _ = play(environment, "--vs", "random", "--simulations", "50", "--seed", "2", stdin="")
    assert out.startswith("Tic-tac-toe: random is X, O is ")
    assert re.search(r"(X wins|O wins|The game is a draw)\.\ngame saved", out)
    (game,) = saved_games(environment)
    position = game.position(load("tic-tac-toe"), "")
    assert position.is_over and game.headers["X"] == "random"


@pytest.mark.slow
def test_unicode_can_be_wished_for_and_ascii_locales_are_safe(environment):
    wish = ["--style", "unicode", "--simulations", "5"]
    painted = environment | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    out, _ = play(painted, *wish, stdin="b2\nquit\n")
    assert "48;5;236m" in out and "X" in out
    plain = environment | {"TERM": "xterm-256color", "PYTHONIOENCODING": "ascii"}
    out, _ = play(plain, *wish, stdin="b2\nquit\n")
    assert "\x1b" not in out and "2  . (X) .  2" in out
    out, _ = play(painted | {"NO_COLOR": "1"}, *wish, stdin="b2\nquit\n")
    assert "\x1b" not in out and "2  · (X) ·  2" in out


@pytest.mark.slow
def test_odd_bytes_and_a_closed_input_do_no_harm(environment):
    done = subprocess.run(
        [*PLAY, "--simulations", "5"],
        input=b"\xff\xfe\x00\nb2\n",
        capture_output=True,
        env=environment,
        timeout=PATIENCE,
    )
    assert done.returncode == 0 and b"O plays" in done.stdout and b"Traceback" not in done.stderr
    command = " ".join([*PLAY, "--simulations 5 <&-"])
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(environment):
    command = " ".join([*PLAY, "--vs random --simulations 5 | head -1"])
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, timeout=PATIENCE
    )
    assert done.stdout.startswith("Tic-tac-toe: random is X")
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr


# -- Ctrl-C ----------------------------------------------------------------------------------------


def start_thinking(environment: dict[str, str]) -> subprocess.Popen:
    """A game in which the engine has begun to think for ten minutes."""
    game = subprocess.Popen(
        [*PLAY, "--game", "connect4", "--time", "600", "--moves", "d"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert game.stdout is not None
    for line in game.stdout:
        if "(X)" in line:
            break
    time.sleep(1)  # the board is shown a moment before the search begins
    assert game.poll() is None
    return game


@pytest.mark.slow
def test_the_first_interrupt_makes_the_engine_move(environment):
    game = start_thinking(environment)
    game.send_signal(signal.SIGINT)
    out, err = game.communicate(timeout=PATIENCE)  # and the end of the input
    assert game.returncode == 0, err
    assert re.search(r"O plays [a-g] \| .* simulations", out)
    (saved,) = saved_games(environment)
    assert len(saved.moves) == 2


@pytest.mark.slow
def test_the_second_interrupt_leaves_with_the_game_saved(environment):
    game = start_thinking(environment)
    assert game.stdout is not None
    game.send_signal(signal.SIGINT)
    for line in game.stdout:
        if line.startswith("O plays"):
            break
    time.sleep(0.5)
    game.send_signal(signal.SIGINT)
    out, err = game.communicate(timeout=PATIENCE)
    assert game.returncode == 130 and "Traceback" not in err
    assert "game saved: " in out
    (saved,) = saved_games(environment)
    assert len(saved.moves) == 2


# -- a real terminal -------------------------------------------------------------------------------


@pytest.fixture
def terminal(environment):
    pexpect = pytest.importorskip("pexpect")
    children = []

    def start(*options: str, **variables: str):
        child = pexpect.spawn(
            PLAY[0],
            [PLAY[1], *options],
            env=environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | variables,
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(40, 100),
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


@pytest.mark.slow
def test_on_a_terminal_the_board_is_painted_and_progress_shown(terminal):
    game = terminal("--game", "connect4", "--time", "600")
    game.expect_exact("48;5;236m")
    game.expect_exact("X(1): ")
    game.sendline("d")
    game.expect(r"thinking: \d+ s, \d+ simulations, [a-g], you \d+% \(Ctrl-C: move now\)")
    game.sendintr()
    game.expect(r"O plays [a-g] \| you \d+%")
    game.expect_exact("X(3): ")
    game.sendline("undo")
    game.expect_exact("X(1): ")
    game.sendeof()
    game.expect_exact("game saved: ")
    game.expect(game_over())
    game.close()
    assert game.exitstatus == 0


@pytest.mark.slow
def test_an_interrupt_at_the_prompt_leaves(terminal):
    game = terminal("--simulations", "10")
    game.expect_exact("X(1): ")
    game.sendline("b2")
    game.expect_exact("X(3): ")
    game.sendintr()
    game.expect_exact("game saved: ")
    game.expect(game_over())
    game.close()
    assert game.exitstatus == 130


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--style", "ascii"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
)
def test_a_terminal_without_colours_gets_plain_text(terminal, options, variables):
    game = terminal("--simulations", "10", *options, **variables)
    game.expect_exact("X(1): ")
    assert "3  .  .  .  3" in game.before and "\x1b[4" not in game.before
    game.sendline("quit")
    game.expect(game_over())


def game_over():
    import pexpect

    return pexpect.EOF
