"""Programs that speak GTP as opponents: what they are told, and what goes wrong with them."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena import subprocess_engine as programs
from alphazero.arena.gtp_client import GtpEngine, GtpError, History
from alphazero.arena.match import play_match
from alphazero.arena.players import RESIGN, Player, make_player
from alphazero.errors import UserError
from alphazero.formats.handicap import handicap_position
from alphazero.game import Position, load

FAKE = Path(__file__).parents[1] / "helpers" / "fake_gtp.py"
GO9 = load("go:size=9")
RNG = np.random.default_rng(0)


def command(fault: str, log: Path | None = None) -> str:
    words = [sys.executable, str(FAKE), fault, *([str(log)] if log else [])]
    return " ".join(f"'{word}'" for word in words)


@pytest.fixture
def engine(tmp_path):
    """Starts a faulty program; all of them are ended after the test."""
    engines: list[GtpEngine] = []

    def start(fault: str = "none", timeout: float = 30.0, **options) -> GtpEngine:
        engines.append(GtpEngine(command(fault, tmp_path / "log"), timeout, **options))
        return engines[-1]

    yield start
    for one in engines:
        one.close()


def told(tmp_path: Path) -> list[str]:
    """What the program was told since the last time, without the first questions."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines()
    log.write_text("")
    return [line for line in lines if line not in ("protocol_version", "list_commands")]


def after(*moves: str) -> Position:
    position = GO9.position()
    for move in moves:
        position.play(move)
    return position


# -- what it is told -------------------------------------------------------------------------------


def test_a_position_is_set_up_and_then_kept_in_step(engine, tmp_path):
    program = engine()
    position = after("E5", "pass")
    assert position.text(program.choose(position)) == "A1"
    setup = ["boardsize 9", "clear_board", "komi 7.5"]
    assert told(tmp_path) == [*setup, "play b E5", "play w pass", "genmove b"]
    for move in ("A1", "C3"):
        position.play(move)
    assert position.text(program.choose(position)) == "B1"
    assert told(tmp_path) == ["play w C3", "genmove b"]
    # Another line of play: one move back is less than everything anew.
    position = after("E5", "pass", "A1", "D3")
    program.choose(position)
    assert told(tmp_path) == ["undo", "undo", "play w D3", "genmove b"]
    # A game that has little in common begins anew, and so does another komi.
    program.choose(after("E5", "G7"))
    assert told(tmp_path) == [*setup, "play b E5", "play w G7", "genmove b"]
    position = after("E5", "G7")
    position.amend(lambda state: GO9.stones.set_komi(state, -0.5))
    program.choose(position)
    assert told(tmp_path)[:3] == ["boardsize 9", "clear_board", "komi -0.5"]


def test_a_program_that_cannot_take_back_is_set_up_anew(engine, tmp_path):
    program = engine("no undo")
    program.choose(after("E5", "C3"))
    told(tmp_path)
    program.choose(after("E5", "C3", "C4"))
    assert told(tmp_path) == [
        "boardsize 9", "clear_board", "komi 7.5",
        "play b E5", "play w C3", "play b C4", "genmove w",
    ]  # fmt: skip


def test_handicap_is_set_as_such_where_the_program_knows_it(engine, tmp_path):
    position = handicap_position(GO9, 3)
    engine().choose(position)
    assert told(tmp_path)[3:] == ["set_free_handicap C7 G7 C3", "genmove w"]
    engine("no undo").choose(position)
    assert told(tmp_path)[3:] == ["play b C7", "play b G7", "play b C3", "genmove w"]


def test_other_stones_that_were_set_up_are_played(engine, tmp_path):
    state = GO9.position().start_state.copy()
    board = np.zeros((9, 9), np.int8)
    board[0, 0], board[8, 8], board[4, 4] = 1, 2, 1
    GO9.stones.set_up(state, board, 1)
    position = Position(GO9, state)
    position.play("pass")
    assert position.text(engine().choose(position)) == "A1"
    assert told(tmp_path)[3:] == [
        "play b A9", "play b E5", "play w J1", "play w pass", "genmove b",
    ]  # fmt: skip


def test_a_side_may_move_twice(engine, tmp_path):
    position = after("E5")
    position.set_to_play(0)
    position.play("C3")
    engine().choose(position)
    assert told(tmp_path)[3:] == ["play b E5", "play b C3", "genmove w"]


def test_time_for_a_move_is_told(engine, tmp_path):
    engine(seconds=2.4)
    assert told(tmp_path) == ["time_settings 0 2 1"]


def test_a_program_that_passes_is_asked_to_capture_what_is_dead(engine, tmp_path):
    program = engine("passes early")
    position = after("E5")
    assert position.text(program.choose(position)) == "D1"
    assert told(tmp_path)[3:] == ["play b E5", "genmove w", "undo", "kgs-genmove_cleanup w"]
    position.play("D1")
    position.play("G7")
    program.choose(position)  # it is in step
    assert told(tmp_path)[0] == "play b G7"
    position = after("E5")
    assert position.text(engine("passes").choose(position)) == "pass"


def test_a_greeting_and_capitals_do_no_harm(engine):
    assert engine("greets").choose(after("E5")) == 72
    assert engine("shouts").choose(after("E5")) == 72
    assert engine("resign").choose(after("E5")) is None
    assert engine("RESIGN").choose(after("E5")) is None


def test_records_of_positions():
    one, other = History.of(after("E5", "C3", "G7")), History.of(after("E5", "C3", "G3", "A1"))
    assert one.common(other) == other.common(one) == 2
    assert one.common(one) == 3 and one.common(None) == -1
    assert one.common(History.of(load("go:size=19").position())) == -1
    assert one.moves == [("b", "E5"), ("w", "C3"), ("b", "G7")]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "no-such-program --gtp",
            "cannot start 'no-such-program --gtp': No such file or directory",
        ),
        ("/", "cannot start '/': Permission denied"),
        ("", "cannot start '': "),
        ("gnugo '--mode", 'cannot start "gnugo \'--mode": No closing quotation'),
        (
            command("dies at once"),
            "has ended with exit code 3, asked for 'protocol_version': fatal",
        ),
        (command("old"), "speaks version '1' of the protocol, not 2"),
        (command("wrong number"), "answers '=99 2' to 'protocol_version', which is number 1"),
        ("true", "has ended with exit code 0, asked for 'protocol_version'"),
    ],
)
def test_programs_that_cannot_be_used_are_one_line(text, message):
    with pytest.raises(UserError) as failure:
        GtpEngine(text, 30.0).close()
    assert message in str(failure.value) and "\n" not in str(failure.value)


@pytest.mark.slow
@pytest.mark.parametrize("text", [command("silent"), "cat"])
def test_a_program_of_another_kind_is_not_waited_for_long(text):
    with pytest.raises(UserError, match=r"did not answer 'protocol_version' within 0.5 s; does it"):
        GtpEngine(text, 0.5)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", "has ended with exit code 1, asked for 'genmove w': assertion failed: moves > 0"),
        ("error", "refuses 'genmove w': out of memory"),
        ("refuses", "refuses 'play b E5': illegal move (are the rules those that it plays by,"),
        ("occupied", "answers 'E5': E5 is illegal: occupied"),
        ("nonsense", "answers 'banana': 'BANANA' is not a point"),
    ],
)
def test_answers_that_cannot_be_used_are_one_line(engine, fault, message):
    program = engine(fault)
    with pytest.raises(UserError) as failure:
        program.choose(after("E5"))
    text = str(failure.value)
    assert message in text and repr(program.command) in text and "\n" not in text


@pytest.mark.slow
def test_silence_ends_the_program(engine):
    program = engine("hangs", timeout=1.0)
    with pytest.raises(UserError, match=r"did not answer 'genmove w' within 1 s$"):
        program.choose(after("E5"))
    assert program._process.poll() is not None


@pytest.mark.slow
def test_closed_output_is_an_end_too(engine, monkeypatch):
    monkeypatch.setattr(programs, "CLOSING_SECONDS", 0.2)
    with pytest.raises(UserError, match="has closed its output, asked for 'genmove w'"):
        engine("closes").choose(after("E5"))


def test_after_an_error_the_dialogue_is_in_step(engine, tmp_path):
    program = engine("refuses")
    with pytest.raises(GtpError):
        program.choose(after("E5", "C3"))
    assert program.choose(GO9.position()) == 72
    assert told(tmp_path)[-4:] == ["boardsize 9", "clear_board", "komi 7.5", "genmove b"]


def test_a_dead_program_stays_dead(engine):
    program = engine("dies")
    for _ in range(2):
        with pytest.raises(UserError, match="has ended with exit code 1"):
            program.choose(after("E5"))


def test_programs_end_with_us(engine, tmp_path):
    script = (
        "import sys\nfrom alphazero.arena.gtp_client import GtpEngine\n"
        "print(GtpEngine(sys.argv[1])._process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command("none")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


# -- as a player -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_player_is_written_as_a_command_line():
    player = make_player(f"gtp:{command('none')}", GO9)
    assert player.choose([after("E5")], RNG) == [72]
    assert player.name == f"gtp:{command('none')}"
    with_options = (
        f"gtp:{command('hangs', Path(os.devnull))} --threads=2,config=a,timeout=0.5,processes=1"
    )
    with pytest.raises(UserError, match=r"within 0\.5 s"):
        make_player(with_options, GO9).choose([after("E5")], RNG)
    with pytest.raises(UserError, match="lacks the command line of a program: write gtp:COMMAND"):
        make_player("gtp", GO9)
    with pytest.raises(UserError, match="play Go, not Connect Four"):
        make_player("gtp:gnugo", load("connect4"))
    with pytest.raises(UserError, match="timeout must be a number"):
        make_player("gtp:gnugo,timeout=soon", GO9)


def test_many_positions_are_shared_by_a_few_programs(tmp_path):
    pool = programs.EnginePool(GtpEngine, (command("none", tmp_path / "log"), 30.0), 3)
    positions = [after(move) for move in ("E5", "A1", "C3", "D4", "G7")]
    assert pool.choose(positions) == [72, 73, 72, 72, 72]
    assert len(pool.engines) == 3
    told(tmp_path)
    for position, move in zip(positions, ("A1", "B1", "A1", "A1", "A1"), strict=True):
        position.play(move)
        position.play("G3")
    assert pool.choose(positions) == [73, 74, 73, 73, 73]
    lines = told(tmp_path)
    # Each of the three goes on with a game that it has on its board; two are set up anew.
    assert lines.count("clear_board") == 2 and lines.count("genmove w") == 5
    assert pool.choose([]) == []


def test_one_process_is_enough_for_one_game(tmp_path):
    pool = programs.EnginePool(GtpEngine, (command("none"), 30.0), 4)
    pool.choose([after("E5")])
    assert len(pool.engines) == 1


class FirstPoint(Player):
    """Plays the first legal point."""

    name = "first point"

    def choose(self, positions, rng):
        return [position.legal_actions()[0] for position in positions]


def test_who_resigns_loses_the_game_of_a_match():
    resigning = make_player(f"gtp:{command('resign')}", GO9)
    for a, b, score in ((resigning, FirstPoint(), 0), (FirstPoint(), resigning, 1)):
        result = play_match(GO9, a, b, 4, opening_plies=2)
        assert result.score == score and result.pairs[4 * score] == 2
        for number, record in enumerate(result.records):
            first_is_resigning = (a if number % 2 == 0 else b) is resigning
            assert record.result == (-1 if first_is_resigning else 1)
            assert record.info["resigned"] and len(record.moves) == (2 if first_is_resigning else 3)


def test_an_illegal_move_forfeits_the_game_and_is_reported(caplog):
    player = make_player(f"gtp:{command('occupied')}", GO9)
    with caplog.at_level(logging.WARNING):
        assert player.choose([after("E5"), after("C3")], RNG) == [RESIGN, RESIGN]
    ends = {message.partition(" answers ")[2] for message in caplog.messages}
    illegal = "'{0}': {0} is illegal: occupied: it forfeits the game"
    assert ends == {illegal.format("E5"), illegal.format("C3")}
    assert play_match(GO9, player, FirstPoint(), 2).score == 0


# -- a real one ------------------------------------------------------------------------------------


@pytest.fixture
def gnugo() -> str:
    path = shutil.which("gnugo", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/games")))
    if path is None:
        pytest.skip("gnugo is not installed")
    return f"'{path}' --mode gtp --level 1"


@pytest.mark.slow
def test_gnugo_has_the_same_board_after_every_kind_of_step(gnugo):
    program = GtpEngine(gnugo)
    rng = np.random.default_rng(3)
    chinese = load("go:size=9,rules=chinese")
    position = handicap_position(chinese, 2)
    for _ in range(40):
        while len(position.moves) > 2 and rng.random() < 0.3:
            position.undo()
        for _ in range(int(rng.integers(3))):
            legal = [move for move in position.legal_actions() if move != 81]
            position.play(int(rng.choice(legal)))
        action = program.choose(position)
        assert action is not None and position.is_legal(action)
        if rng.random() < 0.5:
            position.play(action)
        else:  # it is taken back when the next position is shown
            program._show(position)
        board = chinese.stones.board(position.state)
        for number, color in ((1, "black"), (2, "white")):
            (answer,) = program.send([f"list_stones {color}"])
            points = np.flatnonzero(board == number).tolist()
            assert set(answer.split()) == {position.text(point) for point in points}
    program.close()


class SoonPassing(Player):
    """Plays at random for a few moves and then leaves the board to the other side."""

    name = "soon passing"

    def choose(self, positions, rng):
        return [
            int(rng.choice(position.legal_actions())) if len(position.moves) < 14 else 81
            for position in positions
        ]


@pytest.mark.slow
def test_gnugo_captures_what_is_dead_before_it_passes(gnugo):
    chinese = load("go:size=9,rules=chinese")
    player = make_player(f"gtp:{gnugo}", chinese)
    result = play_match(chinese, player, SoonPassing(), 2, seed=1, opening_plies=0)
    assert result.score == 1
    for number, record in enumerate(result.records):
        assert record.moves[-2:].tolist() == [81, 81] and not record.info.get("resigned")
        position = chinese.position()
        for move in record.moves.tolist():
            position.play(move)
        color = 2 if number % 2 == 0 else 1  # of the one who passes
        assert not (chinese.stones.board(position.state) == color).any()
