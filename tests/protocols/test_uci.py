"""UCI: conversations that are kept as golden files, and what they cannot show."""

import itertools
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from alphazero.arena.level import LEVELS
from alphazero.arena.reference import Reference
from alphazero.arena.tablebase import Ending
from alphazero.config import PuctConfig
from alphazero.engine import engine as engines
from alphazero.engine.limits import SearchLimits
from alphazero.engine.options import EngineOptions, require_game
from alphazero.errors import UserError
from alphazero.network.evaluator import Evaluation, UniformEvaluator
from alphazero.protocols.uci import go_command
from alphazero.protocols.uci.codec import read_go
from alphazero.protocols.uci.options import OPTIONS, Settings
from tests.helpers.uci_conversation import (
    PATIENCE,
    Conversation,
    fields,
    quiet,  # noqa: F401  (a fixture)
    transcript,
    uniform,  # noqa: F401
    use_evaluator,
)

pytestmark = pytest.mark.usefixtures("uniform", "quiet")

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parents[1] / "golden"
MATE_IN_ONE = "position fen 6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"
RUY_LOPEZ = "position startpos moves e2e4 e7e5 g1f3 b8c6 f1b5"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.uci")), ids=lambda path: path.stem)
def test_a_conversation_goes_as_it_went(path: Path, regen_golden: bool) -> None:
    kept, now = transcript(path, regen_golden, Conversation)
    assert now == kept, f"{path.name} differs; if meant: pytest --regen-golden"


# -- what there is ---------------------------------------------------------------------------------


def test_options_are_such_as_programs_can_read() -> None:
    names = [option.name for option in OPTIONS]
    assert len({name.lower() for name in names}) == len(names)
    assert {"Move Overhead", "Threads", "Hash", "SyzygyPath", "UCI_ShowWDL"} <= set(names)
    for option in OPTIONS:
        words = set(option.name.lower().split())
        assert not words & {"name", "value", "type", "default", "min", "max", "var"}
        if option.kind != "button":
            assert option.read(option.default) == option.default
    default = {option.name: option.default for option in OPTIONS}
    assert default["UCI_ShowWDL"] == "false" and default["Move Overhead"] == "100"
    assert float(default["CPuct"]) == PuctConfig().c_init
    assert float(default["FpuValue"]) == PuctConfig().fpu_reduction


def test_the_command_line_sets_what_options_begin_with() -> None:
    lines = Conversation(level=3, simulations=77, network="some file").ask("uci")
    assert "option name Level type spin default 3 min 0 max 10" in lines
    assert any(line.startswith("option name MaxNodes type spin default 77 ") for line in lines)
    assert "option name WeightsFile type string default some file" in lines
    lines = Conversation(device="cuda:1", threads=3).ask("uci")
    assert "option name Threads type spin default 3 min 1 max 1024" in lines
    device = "option name Device type combo default cuda:1 var auto var cpu var cuda var mps"
    assert f"{device} var cuda:1" in lines


def test_options_are_listed_before_anything_large_is_loaded() -> None:
    program = (
        "import sys\nfrom alphazero.engine.options import EngineOptions\n"
        "from alphazero.engine import host\nhost.IDLE_SECONDS = 1e9\n"
        "from alphazero.protocols.uci.server import UciServer\n"
        "server = UciServer(EngineOptions('chess'), lambda data: None)\n"
        "server.receive(b'uci\\n'), server.receive(b'setoption name Hash value 1\\n')\n"
        "loaded = [name for name in ('numpy', 'numba', 'torch') if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", [["play.py", "--game", "chess", "--uci"], ["-m", "alphazero", "uci"]]
)
def test_it_leaves_when_told_to_and_when_the_input_ends(command: list[str]) -> None:
    for text in ("uci\nquit\nuci\n", "uci"):
        done = subprocess.run(
            [sys.executable, *command], input=text, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.startswith("id name AlphaZero")
        assert done.stdout.endswith("\nuciok\n") and done.stdout.count("uciok") == 1


def test_options_for_people_do_not_go_with_it() -> None:
    for arguments in (["--moves", "e4"], ["--quiet"], ["--gtp"]):
        done = subprocess.run(
            [sys.executable, "play.py", "--uci", *arguments],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""


def test_the_games_of_the_package_are_known_by_their_names_alone() -> None:
    for spec in ("chess", "Chess:draws=automatic", "./go.py", "C:\\go.py", "a-plugin"):
        require_game(spec, "chess", "UCI")
    for spec in ("go", "GO:size=9", "tic-tac-toe", "connect4:rows=5"):
        with pytest.raises(UserError, match="UCI is for chess, not for "):
            require_game(spec, "chess", "UCI")


def test_another_game_is_refused_but_the_conversation_goes_on() -> None:
    lines = Conversation("connect4").ask("isready", "position startpos", "go nodes 5")
    problem = "info string programs that speak UCI play chess, not Connect Four"
    assert lines == [problem, "readyok", problem, problem, "bestmove (none)"]


def test_a_network_that_is_not_there_is_told_and_no_reason_to_lose(monkeypatch) -> None:
    monkeypatch.undo()  # the stand-in for networks
    lines = Conversation().ask(
        "setoption name WeightsFile value nowhere.safetensors", "isready", RUY_LOPEZ, "go nodes 200"
    )
    ready = lines.index("readyok")
    assert "nowhere.safetensors" in lines[ready - 1] and "plays instead" in lines[ready - 1]
    assert sum("nowhere" in line for line in lines) == 1
    assert fields(lines[-2])["nodes"] == "200" and lines[-1] != "bestmove c6d4"  # it has searched


def test_after_a_network_that_cannot_be_read_the_last_one_plays_on(monkeypatch) -> None:
    made = engines.make_engine
    asked: list[str | None] = []

    def make(game, options, *arguments, **more):
        asked.append(options.network)
        if options.network == "broken":
            raise UserError("cannot read the network broken")
        return made(game, options, *arguments, **more)

    monkeypatch.setattr(engines, "make_engine", make)
    conversation = Conversation()
    weights = "setoption name WeightsFile value"
    conversation.ask(f"{weights} good", "isready")
    lines = conversation.ask(f"{weights} broken", "isready", "position startpos", "go nodes 30")
    assert lines[0] == "info string cannot read the network broken; a stand-in plays instead"
    assert lines[1] == "readyok" and asked == ["good", "broken", "good"]
    assert fields(lines[-2])["nodes"] == "30"


# -- searching -------------------------------------------------------------------------------------


def test_a_search_is_answered_once_and_not_before_it_is_stopped() -> None:
    conversation = Conversation()
    conversation.send(MATE_IN_ONE, "go infinite", "isready")
    assert conversation.until("readyok")[-1] == "readyok"
    time.sleep(0.2)  # the mate is found at once
    conversation.send("isready")
    assert not any(line.startswith("bestmove") for line in conversation.until("readyok"))
    lines = conversation.ask("stop", "stop")
    assert lines[-1] == "bestmove a1a8" and "mate 1" in lines[-2]
    assert sum(line.startswith("bestmove") for line in lines) == 1
    assert conversation.ask("stop", "ponderhit") == []


def test_every_search_has_its_answer_whatever_comes_next() -> None:
    conversation = Conversation()
    conversation.send("position startpos", "go infinite", MATE_IN_ONE, "go infinite")
    conversation.send("position startpos", "go ponder nodes 5", "ucinewgame", "isready")
    conversation.send("go nodes 3", "stop")
    answers = [line for line in conversation.rest() if line.startswith("bestmove")]
    assert len(answers) == 4 and answers[1] == "bestmove a1a8"


def test_it_hears_while_an_engine_is_made(monkeypatch) -> None:
    made, may_end = engines.make_engine, threading.Event()

    def make_slowly(*arguments, **options):
        assert may_end.wait(PATIENCE)
        return made(*arguments, **options)

    monkeypatch.setattr(engines, "make_engine", make_slowly)
    conversation = Conversation()
    conversation.send("position startpos", "go infinite", "isready")
    assert conversation.line() == "readyok"
    conversation.send("stop", "isready")
    assert conversation.line() == "readyok"
    may_end.set()
    assert conversation.until("bestmove")[-1].startswith("bestmove ")
    conversation.send("go infinite")
    conversation.server.close()  # as at `quit`
    assert conversation.until("bestmove")


def test_a_clock_does_not_run_out_while_an_engine_is_made(monkeypatch) -> None:
    made, may_end = engines.make_engine, threading.Event()

    def make_slowly(*arguments, **options):
        assert may_end.wait(PATIENCE)
        return made(*arguments, **options)

    monkeypatch.setattr(engines, "make_engine", make_slowly)
    conversation = Conversation()
    conversation.send(MATE_IN_ONE, "go wtime 900 btime 900")
    told = conversation.until("bestmove")
    assert told[-1] == "bestmove a1a8" and "not compiled" in told[-2]
    conversation.send("go wtime 3600000 btime 3600000")
    may_end.set()
    told = conversation.until("bestmove")
    assert told[-1] == "bestmove a1a8" and "score mate 1" in told[-2], "by the engine itself"


@pytest.mark.parametrize("go", ["go nodes 5", "go perft 1", "bench 2"])
def test_options_after_the_answer_are_set_before_readyok(monkeypatch, go: str) -> None:
    conversation = Conversation()
    conversation.ask("isready", "position startpos")
    end = {"go nodes 5": "bestmove", "go perft 1": "\nNodes", "bench 2": "\nTotal"}[go]
    hear = conversation.server._write

    def hear_and_ask(data: bytes) -> None:
        hear(data)
        if data.decode().startswith(end) and b"Hash" not in data:  # its task is not over yet
            conversation.send("setoption name Hash value many", "isready")

    monkeypatch.setattr(conversation.server, "_write", hear_and_ask)
    conversation.send(go)
    lines = conversation.until("readyok")
    assert "option Hash" in lines[-2]


def test_a_rejected_fen_leaves_no_position() -> None:
    conversation = Conversation()
    conversation.ask("position startpos moves g2g3")
    for fen in ("nonsense", "8/8/8/8/8/8/8/8 w - - 0 1", "4k3/8/8/8/8/8/8/4K2R w X - 0 1"):
        lines = conversation.ask("ucinewgame", f"position fen {fen} moves e2e4", "go nodes 5")
        assert lines[-1] == "bestmove (none)" and lines[0].startswith("info string position: ")
        assert conversation.ask("d")[0].startswith("info string position: ")
    assert conversation.best("position startpos moves g2g3", "go nodes 5") != "(none)"
    careless = "position fen 5k2/8/5K2/8/8/8/8/7R w KQkq - 151 12000"
    assert conversation.best(careless, "go nodes 30") == "h1h8"
    assert "Fen: 5k2/8/5K2/8/8/8/8/7R w - - 151 12000" in conversation.ask("d")


def test_pondering_waits_for_the_move_and_keeps_what_it_has_found() -> None:
    conversation = Conversation()
    conversation.ask("isready", RUY_LOPEZ)
    conversation.send("go ponder wtime 1000 btime 1000", "isready")
    conversation.until("readyok")
    time.sleep(0.3)
    conversation.send("isready")
    assert conversation.until("readyok") == ["readyok"]
    lines = conversation.ask("ponderhit")
    assert lines[-1].startswith("bestmove ") and " ponder " in lines[-1]
    before, after = (int(fields(line)["nodes"]) for line in lines[-3:-1])
    assert after > before > 16
    # Another move was made than that expected: `stop`, and the answer is thrown away.
    conversation.send("go ponder wtime 1000 btime 1000")
    lines = conversation.ask("stop")
    assert sum(line.startswith("bestmove") for line in lines) == 1
    conversation.send("go ponder infinite", "ponderhit", "isready")  # nonsense, but not the end
    assert conversation.until("readyok")[-1] == "readyok"
    assert conversation.ask("stop")[-1].startswith("bestmove")


def test_what_is_known_of_a_position_is_kept_when_the_game_goes_on() -> None:
    conversation = Conversation()
    conversation.ask("setoption name VerboseMoveStats value true")

    reply: list[str] = []

    def visits(*commands: str) -> int:
        lines = conversation.ask(*commands)
        reply[:] = lines[-1].split()[1::2]
        return sum(int(n) for n in re.findall(r" N: +(\d+)", "\n".join(lines)))

    assert visits("position startpos", "go nodes 700") == 700
    moves = " ".join(reply)
    assert visits(f"position startpos moves {moves}", "go nodes 700") > 700
    assert visits(f"position startpos moves {moves}", "go nodes 700") > 1400
    assert visits("position startpos moves a2a3", "go nodes 700") == 700  # something else
    conversation.ask("ucinewgame")
    assert visits("position startpos moves a2a3", "go nodes 700") == 700


def test_depth_ends_a_search() -> None:
    conversation = Conversation()
    line = conversation.ask("position startpos", "go depth 2")[-2]
    assert fields(line)["depth"] == "2" and int(fields(line)["seldepth"]) >= 2
    assert int(fields(line)["nodes"]) > 20


def test_levels_and_limits_of_the_command_line() -> None:
    conversation = Conversation(level=2)
    nodes = [fields(conversation.ask("position startpos", "go")[-2])["nodes"]]
    conversation = Conversation(simulations=33)
    nodes.append(fields(conversation.ask("position startpos", "go")[-2])["nodes"])
    nodes.append(fields(conversation.ask("go nodes 12")[-2])["nodes"])
    assert nodes == [str(LEVELS[1].simulations), "33", "12"]


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"UCI_Elo": 700}, 0),  # UCI_LimitStrength is false
        ({"UCI_LimitStrength": "true"}, 6),  # 1500
        ({"UCI_LimitStrength": "true", "UCI_Elo": 700}, 2),
        ({"UCI_LimitStrength": "true", "UCI_Elo": 790}, 2),
        ({"UCI_LimitStrength": "true", "UCI_Elo": 2300}, 10),
        ({"UCI_LimitStrength": "true", "UCI_Elo": 2300, "Level": 3}, 3),
        ({"UCI_LimitStrength": "true", "UCI_Elo": 700, "Level": 3}, 2),
    ],
)
def test_strength_is_limited_by_a_rating(options: dict, level: int) -> None:
    settings = Settings(EngineOptions("chess"))
    for name, value in options.items():
        settings.set(name, str(value))
    assert settings.level == level


def test_a_limited_strength_is_played() -> None:
    conversation = Conversation()
    conversation.ask("setoption name UCI_LimitStrength value true")
    line = conversation.ask("setoption name UCI_Elo value 700", "position startpos", "go")[-2]
    assert fields(line)["nodes"] == str(LEVELS[1].simulations)


def test_commands_for_people() -> None:
    conversation = Conversation()
    lines = conversation.ask("position startpos moves e2e4", "eval")
    assert lines[0].startswith("Evaluation: +0.00 (White's side") and "%" in lines[1]
    lines = conversation.ask("position fen 7k/6Q1/5K2/8/8/8/8/8 b - - 0 1", "eval")
    assert lines[0].startswith("info string the game is over")
    assert conversation.ask("bench 3")[-2] == "Nodes searched  : 15"
    assert any("bench" in line for line in conversation.ask("help"))


def test_long_games_are_told_again_and_again() -> None:
    conversation = Conversation()
    moves: list[str] = []
    for number in range(120):  # knights out and back, pawns now and then
        pawn = f"{'abcdefgh'[number // 12 % 8]}{2 + number // 96}"
        shuffle = [["b1c3", "b8c6"], ["c3b1", "c6b8"]][number % 2]
        if number % 12 == 11:
            shuffle = [f"{pawn}{pawn[0]}{int(pawn[1]) + 1}", "c6b8"]
            shuffle = [shuffle[0], "b8c6"] if number % 2 == 0 else ["c3b1", "c6b8"]
        moves += shuffle
        lines = conversation.ask(f"position startpos moves {' '.join(moves)}")
        assert lines == [], (number, lines)
    assert conversation.best("go nodes 4") != "(none)"
    shown = conversation.ask("d")[-2]
    assert shown.endswith(" 121"), shown


class Broken(UniformEvaluator):
    """Stands in for a network that fails while it is asked."""

    asked: ClassVar[list] = []

    def evaluate(self, leaves):
        if len(self.asked) > 30:
            raise RuntimeError("out of memory")
        self.asked.append(leaves)
        return super().evaluate(leaves)


def test_an_error_while_it_thinks_loses_no_game(monkeypatch, capfd) -> None:
    Broken.asked.clear()
    use_evaluator(monkeypatch, Broken)
    conversation = Conversation()
    *_, problem, info, move = conversation.ask("isready", RUY_LOPEZ, "go nodes 4000")
    assert "out of memory" in problem and info.startswith("info depth")  # the best of the search
    assert move.startswith("bestmove") and move.split()[1] == info.partition(" pv ")[2].split()[0]
    # Nothing works any more, not even what might play instead.
    *_, problem, move = conversation.ask("isready", "go infinite", "stop")
    assert "out of memory" in problem and move.startswith("bestmove ")
    assert "Traceback" in capfd.readouterr().err


class FirstMove:
    """Stands in for a book: it knows the first move."""

    def choose(self, position, rng):
        return None if position.moves else position.action("g2g4")


class RookPawn:
    """Stands in for tables: by them only two moves are good."""

    men = 0  # of none of its positions it knows the result

    def ending(self, position):
        return Ending(0, [position.action("h7h5"), position.action("h7h6")])


def test_book_and_tables(monkeypatch) -> None:
    def open_files(game, book: str | None, tables: str | None, fifty_moves: bool) -> Reference:
        rules.append(fifty_moves)
        if "nothing" in (book, tables):
            raise UserError(f"cannot read {book or tables}")
        found = Reference.__new__(Reference)
        found.book, found.tablebase = book and FirstMove(), tables and RookPawn()  # type: ignore
        return found

    rules: list[bool] = []
    monkeypatch.setattr(Reference, "open", staticmethod(open_files))
    conversation = Conversation()
    names = ("BookFile", "SyzygyPath")
    lines = conversation.ask(*(f"setoption name {name} value nothing" for name in names), "isready")
    assert lines == ["info string cannot read nothing"] * 2 + ["readyok"]
    assert conversation.best("position startpos", "go nodes 3") != "g2g4"
    conversation.ask("setoption name BookFile value a book")
    assert conversation.ask("go nodes 3")[-1] == "bestmove g2g4"  # and that there are no tables
    conversation.ask("setoption name SyzygyPath value some:folders")
    assert conversation.ask("go nodes 3") == ["bestmove g2g4"]
    lines = conversation.ask("position startpos moves g2g4", "go nodes 30")
    assert lines[-1].split()[1] in ("h7h5", "h7h6") and fields(lines[-2])["tbhits"] == "1"
    lines = conversation.ask("go nodes 30 searchmoves h7h6 e7e5")
    assert lines[-1].split()[1] == "h7h6"
    assert conversation.best("go nodes 30 searchmoves e7e5") == "e7e5"
    conversation.ask(*(f"setoption name {name} value <empty>" for name in names))
    assert fields(conversation.ask("go nodes 30")[-2])["tbhits"] == "0"
    assert set(rules) == {True}
    conversation.ask("setoption name Syzygy50MoveRule value false")
    conversation.ask("setoption name SyzygyPath value folders", "isready")
    assert rules[-1] is False


def test_tables_without_distances_are_told(monkeypatch) -> None:
    class Results(RookPawn):
        def ending(self, position):
            return super().ending(position)._replace(has_distance=False)

    opened = Reference(None, Results())  # type: ignore
    monkeypatch.setattr(Reference, "open", staticmethod(lambda *files: opened))
    conversation = Conversation()
    conversation.ask("setoption name SyzygyPath value folders", "isready")
    lines = conversation.ask("position startpos moves g2g4", "go nodes 30")
    assert ".rtbz" in lines[0] and lines[-1].split()[1] in ("h7h5", "h7h6")


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("go", "overhead", "least", "most"),
    [
        ("movetime 1000", 100, 0.9, 0.9),
        ("movetime 50", 100, 0.01, 0.01),
        ("wtime 60000 btime 1000", 100, 1.0, 2.0),
        ("btime 60000 wtime 1000", 0, 0.01, 0.05),
        ("btime 60000", 100, 1.0, 2.0),  # the other's clock is better than none
        ("wtime 60000 winc 2000 btime 1", 100, 2.5, 4.0),
        ("wtime 60000 movestogo 2", 100, 10.0, 30.0),
        ("wtime 60000 movestogo 1", 100, 30.0, 50.0),
        ("wtime 1000 winc 100 binc 100 btime 1000", 100, 0.01, 0.1),
        ("wtime 50 winc 100", 100, 0.0, 0.001),  # less left than is lost on the way
        ("wtime -20 btime 100", 100, 0.0, 0.001),
        ("wtime 259200000 winc 86400000", 100, 300.0, 300.0),  # days
        ("movetime 7200000", 0, 7000.0, 7200.0),  # what is asked for is not bounded
        ("movetime -50", 100, 0.0, 0.001),
        ("winc 1000 binc 1000", 100, 0.9, 0.9),  # no clock: the increment is all that is known
        ("winc -1000 binc -1000", 100, 0.0, 0.001),
        ("wtime 60000 winc -1000 btime 1", 100, 1.0, 2.0),
    ],
)
def test_time_is_spent_within_the_clock(monkeypatch, go, overhead, least, most) -> None:
    limits: list[SearchLimits] = []

    def remember(*arguments) -> SearchLimits:
        limits.append(limits_of(*arguments))
        return limits[-1]._replace(simulations=1)

    limits_of = go_command.limits_of
    monkeypatch.setattr(go_command, "limits_of", remember)
    conversation = Conversation()
    conversation.ask(f"setoption name Move Overhead value {overhead}", "isready")
    conversation.ask("position startpos", f"go {go}")
    (limit,) = limits
    assert limit.seconds is not None
    assert least - 1e-9 <= limit.seconds <= most + 1e-9
    assert limit.on_clock and (limit.settle > 0) == ("movetime" not in go)


def test_a_whole_game_stays_within_the_clock() -> None:

    for main, gain, overhead in itertools.product((1000, 60000), (0, 100), (0, 100)):
        left = float(main)
        for made in range(200):
            go = read_go(f"wtime {int(left)} btime 1 winc {gain} binc {gain}".split())
            seconds = go_command.seconds_for_move(go, 0, made, overhead / 1000)
            assert seconds is not None
            left -= 1000 * seconds + overhead * (seconds > 0.001) * 0.9
            assert left > 0, (main, gain, overhead, made)
            left += gain


# -- what it says ----------------------------------------------------------------------------------


def test_lines_tell_whole_numbers_and_legal_moves() -> None:
    conversation = Conversation()
    conversation.ask("setoption name MultiPV value 500", "setoption name UCI_ShowWDL value true")
    lines = conversation.ask(RUY_LOPEZ, "go nodes 300")[:-1]
    assert [fields(line)["multipv"] for line in lines] == [str(n) for n in range(1, 31)]
    for line in lines:
        found = fields(line)
        assert sum(map(int, found["wdl"].split())) == 1000
        for name in ("depth", "seldepth", "nodes", "nps", "hashfull", "tbhits", "time", "cp"):
            assert re.fullmatch(r"-?\d+", found[name]), (name, line)
        assert conversation.ask(f"{RUY_LOPEZ} {found['pv']}") == []


class Sharp(UniformEvaluator):
    """Stands in for a network that expects few draws, and more of White than of Black."""

    uses_states = True
    white = np.array([0.68, 0.09, 0.23], np.float32)

    def evaluate(self, leaves):
        is_white = leaves.states["to_play"] == 0
        wdl = np.where(is_white[:, None], self.white, self.white[::-1])
        return Evaluation(super().evaluate(leaves).logits, wdl)


def test_win_draw_and_loss_are_the_networks(monkeypatch) -> None:
    use_evaluator(monkeypatch, Sharp)
    conversation = Conversation()
    conversation.ask("setoption name UCI_ShowWDL value true")
    for position, wdl in (("startpos", "680 90 230"), ("startpos moves e2e4", "230 90 680")):
        line = conversation.ask(f"position {position}", "go nodes 60")[-2]
        assert fields(line)["wdl"] == wdl
    lines = conversation.ask(MATE_IN_ONE, "go nodes 30")
    assert fields(lines[-2])["wdl"] == "1000 0 0"


def test_scores_of_other_kinds() -> None:
    conversation = Conversation()
    kinds = ("centipawn", "win_percentage", "Q")
    even = [
        fields(
            conversation.ask(
                f"setoption name ScoreType value {kind}", "position startpos", "go nodes 5"
            )[-2]
        )["cp"]
        for kind in kinds
    ]
    assert even == ["0", "5000", "0"]


def test_a_log_of_everything(tmp_path: Path) -> None:
    conversation = Conversation()
    path = tmp_path / "log of it"
    conversation.ask(f"setoption name LogFile value {path}", "position startpos", "go nodes 2")
    lines = path.read_text().splitlines()
    assert lines[0] == "> go nodes 2" or lines[-1].startswith("< bestmove")
    assert lines[-1].startswith("< bestmove") and any(line.startswith("< info") for line in lines)
    conversation.ask(f"setoption name LogFile value {tmp_path}")  # a folder: no log
    assert conversation.best("go nodes 2")
