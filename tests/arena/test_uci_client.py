"""Programs that speak UCI as opponents: what they are told, what goes wrong, and clocks."""

import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena import timed as timing
from alphazero.arena.match import play_match
from alphazero.arena.players import RESIGN, Player, RandomPlayer, make_player, parse_spec
from alphazero.arena.timed import Clocks, Fischer, TimedPlayer, read_fischer, timed
from alphazero.arena.uci_client import UciEngine, UciLimits
from alphazero.errors import UserError
from alphazero.game import Position, load

FAKE = Path(__file__).parents[1] / "helpers" / "fake_uci.py"
CHESS = load("chess")
RNG = np.random.default_rng(0)


def command(fault: str, log: Path | None = None) -> str:
    words = [sys.executable, str(FAKE), fault, *([str(log)] if log else [])]
    return " ".join(f"'{word}'" for word in words)


def after(*moves: str, game=CHESS) -> Position:
    position = game.position()
    for move in moves:
        position.play(move)
    return position


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., UciEngine]]:
    """Starts a faulty program; all of them are ended after the test."""
    engines: list[UciEngine] = []

    def start(fault: str = "none at all", game=CHESS, timeout: float = 30.0, **more) -> UciEngine:
        engines.append(UciEngine(command(fault, tmp_path / "log"), game, timeout=timeout, **more))
        return engines[-1]

    yield start
    for one in engines:
        one.close()


def told(tmp_path: Path) -> list[str]:
    """What the program was told since the last time."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines()
    log.write_text("")
    return lines


# -- what it is told -------------------------------------------------------------------------------


def test_a_position_is_told_with_its_moves(engine, tmp_path: Path) -> None:
    program = engine()
    assert told(tmp_path) == ["uci", "isready"]
    position = after()
    assert position.text(program.choose(position)) == "a2a3"
    assert told(tmp_path) == ["position startpos", "go movetime 100"]
    for move in ("e2e4", "g8f6"):
        position.play(move)
    assert position.text(program.choose(position)) == "a2a3"
    assert told(tmp_path) == ["position startpos moves e2e4 g8f6", "go movetime 100"]


def test_another_game_is_announced(engine, tmp_path: Path) -> None:
    program = engine()
    program.choose(after())
    told(tmp_path)
    program.choose(after("d2d4", "d7d5"))
    assert told(tmp_path)[0].startswith("position startpos moves d2d4")  # it goes on from the start
    program.choose(after("c2c4", "d7d5"))
    assert told(tmp_path)[:3] == ["ucinewgame", "isready", "position startpos moves c2c4 d7d5"]


def test_positions_of_another_start_and_chess960(engine, tmp_path: Path) -> None:
    start = CHESS.position().state.copy()
    assert CHESS.pieces is not None
    fen = "4k3/8/8/8/8/8/P7/R3K2R w KQ - 0 1"
    CHESS.pieces.set_fen(start, fen)
    position = Position(CHESS, start)
    engine().choose(position)
    assert told(tmp_path)[2] == f"position fen {fen}"
    position.play("e1g1")
    position.play("e8e7")
    engine().choose(position)
    assert told(tmp_path)[2] == f"position fen {fen} moves e1g1 e8e7"
    game = load("chess:chess960=true,position=959")
    engine(game=game).choose(game.position())
    lines = told(tmp_path)
    assert "setoption name UCI_Chess960 value true" in lines
    assert game.pieces is not None
    assert f"position fen {game.pieces.fen(game.position().state)}" in lines
    with pytest.raises(UserError, match="has no option 'UCI_Chess960'"):
        engine("standard only", game=game)


def test_limits_and_options_are_told(engine, tmp_path: Path) -> None:
    engine(limits=UciLimits(1.5, 1000, 3), options={"uci_elo": "1500", "Skill Level": "3"}).choose(
        after()
    )
    assert told(tmp_path) == [
        "uci",
        "setoption name UCI_Elo value 1500",
        "setoption name Skill Level value 3",
        "setoption name UCI_LimitStrength value true",
        "isready",
        "position startpos",
        "go movetime 1500 nodes 1000 depth 3",
    ]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no-such-program", "cannot start 'no-such-program': No such file or directory"),
        (command("dies at once"), "has ended with exit code 3, asked for 'uci': fatal: no network"),
        ("true", "has ended with exit code 0, asked for 'uci'"),
    ],
)
def test_programs_that_cannot_be_used_are_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as failure:
        UciEngine(text, CHESS, timeout=30.0)
    assert message in str(failure.value) and "\n" not in str(failure.value)


@pytest.mark.slow
@pytest.mark.parametrize("text", [command("silent"), "cat"])
def test_a_program_of_another_kind_is_not_waited_for_long(text: str) -> None:
    with pytest.raises(UserError, match=r"did not answer 'uci' within 0.5 s; does it speak UCI\?"):
        UciEngine(text, CHESS, timeout=0.5)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", "exit code 1, asked for 'go movetime 100': assertion failed: nodes > 0"),
        ("nonsense", "answers 'banana': 'banana' is no move"),
        ("illegal", "answers 'e1e8': e1e8 is illegal"),
        ("none", "answers (none), but there are legal moves"),
        ("empty", "answers 'ponder'"),
    ],
)
def test_answers_that_cannot_be_used_are_one_line(engine, fault: str, message: str) -> None:
    program = engine(fault)
    with pytest.raises(UserError) as failure:
        program.choose(after())
    text = str(failure.value)
    assert message in text and repr(program.command) in text and "\n" not in text


@pytest.mark.slow
def test_silence_ends_the_program(engine) -> None:
    program = engine("hangs", timeout=1.0)
    with pytest.raises(UserError, match=r"did not answer 'go movetime 100' within 1 s$"):
        program.choose(after())
    assert program._process.poll() is not None


def test_options_that_a_program_lacks_are_named_with_those_it_has(engine) -> None:
    with pytest.raises(UserError) as failure:
        engine(options={"Hesh": "4"})
    assert "has no option 'Hesh' (did you mean \"Hash\"?); its options: Hash, UCI_L" in str(
        failure.value
    )


# -- as a player -----------------------------------------------------------------------------------


def test_a_player_is_written_as_a_command_line(tmp_path) -> None:
    text = f"uci:{command('fine')} --book=a,b=c,nodes=20,Skill Level=3,UCI_Elo=1350"
    spec = parse_spec(text)
    assert spec.argument == f"{command('fine')} --book=a"
    assert spec.options == {"b": "c", "nodes": "20", "Skill Level": "3", "UCI_Elo": "1350"}
    player = make_player(f"uci:{command('fine')},nodes=20,Hash=3", CHESS)
    assert player.choose([after(), after("a2a3")], RNG) == [
        after().action("a2a3"), after("a2a3").action("a7a6")
    ]  # fmt: skip
    log = tmp_path / "log"
    text = f"uci:{command('fine', log)},option.Hash=3,nodes=9,processes=1"
    assert parse_spec(text).argument == command("fine", log)
    make_player(text, CHESS).choose([after()], RNG)
    assert "setoption name Hash value 3" in log.read_text() and "go nodes 9" in log.read_text()
    for bad, message in (
        ("uci", "lacks the command line of a program: write uci:COMMAND"),
        ("uci:cat,nodes=many", "nodes must be a whole number above 0"),
        ("uci:cat,seconds=soon", "seconds must be a number"),
    ):
        with pytest.raises(UserError, match=message):
            make_player(bad, CHESS)
    with pytest.raises(UserError, match="play chess, not Connect Four"):
        make_player("uci:stockfish", load("connect4"))


def test_an_illegal_move_forfeits_the_game_and_is_reported(caplog) -> None:
    player = make_player(f"uci:{command('illegal')}", CHESS)
    with caplog.at_level(logging.WARNING):
        assert player.choose([after()], RNG) == [RESIGN]
    assert caplog.messages[0].endswith("it forfeits the game")
    assert play_match(CHESS, player, RandomPlayer(), 2, opening_plies=0).score == 0


# -- clocks ----------------------------------------------------------------------------------------


def test_clocks() -> None:
    assert read_fischer("1+0.1") == Fischer(1.0, 0.1) and read_fischer(" 60 ") == Fischer(60.0)
    for text in ("", "0", "1+", "+1", "1+-1", "a", "1e3", "inf"):
        with pytest.raises(UserError, match=r"as in 1\+0\.1"):
            read_fischer(text)
    clocks = Clocks(Fischer(2.0, 0.5))
    position = after()
    clocks.begin(position)
    assert clocks.words() == "wtime 2000 btime 2000 winc 500 binc 500"
    assert clocks.spend(0, 1.5) and clocks.left == [1.0, 2.0]
    clocks.begin(position)
    assert clocks.words() == "wtime 1000 btime 2000 winc 500 binc 500"
    assert not clocks.spend(0, 1.1)
    clocks.begin(after())
    assert clocks.left == [2.0, 2.0]


def test_who_thinks_too_long_loses(monkeypatch) -> None:
    now = iter(np.arange(0, 1e6, 0.4))  # every look at the clock takes so long
    clock = types.SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr(timing, "time", clock)
    text = f"uci:{command('fine')},depth=1,processes=1"
    one, other = timed([make_player(text, CHESS), make_player(text, CHESS)], "1+0.1")
    assert one.choose([after()], RNG) == [after().action("a2a3")]
    result = play_match(CHESS, one, other, 2, opening_plies=0, parallel=1)
    # a3 and a6; then both know no other move, and the first to be asked forfeits.
    assert one.losses_on_time == other.losses_on_time == 0 and result.score == 0.5
    assert one.longest == pytest.approx(0.4) and "0 lost on time" in str(one)
    one, other = timed([make_player(text, CHESS), make_player(text, CHESS)], "0.3")
    result = play_match(CHESS, one, other, 2, opening_plies=0, parallel=1)
    assert one.losses_on_time == other.losses_on_time == 1 and result.score == 0.5
    assert "1 lost on time, least time left -0.10 s" in str(one)


def test_clocks_are_for_programs() -> None:
    clocks = Clocks(Fischer(1.0))
    for player in (RandomPlayer(), Player()):
        with pytest.raises(UserError, match="clocks are for programs that speak UCI"):
            TimedPlayer(player, clocks)
