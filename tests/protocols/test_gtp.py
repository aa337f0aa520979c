"""GTP: conversations that are kept as golden files, and what they cannot show."""

import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from alphazero.engine import engine as engines
from alphazero.engine.resignation import LOST_TURNS
from tests.helpers.gtp_conversation import (
    Conversation,
    knowing,  # noqa: F401  (a fixture)
    no_network,  # noqa: F401
    nothing_in_the_background,  # noqa: F401
    transcript,
)

pytestmark = pytest.mark.usefixtures("nothing_in_the_background", "no_network")

GOLDEN = Path(__file__).parents[1] / "golden"
GAMES = {"connect4": "connect4", "tictactoe": "tic-tac-toe"}
VERTEX = re.compile(r"[A-HJ-T][1-9][0-9]?|pass")


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.gtp")), ids=lambda path: path.stem)
def test_a_conversation_goes_as_it_went(path: Path, regen_golden: bool) -> None:
    game = GAMES.get(path.stem, "go:size=9")
    kept, now = transcript(path, regen_golden, lambda: Conversation(game))
    assert now == kept, f"{path.name} differs; if meant: pytest --regen-golden"


def points(text: str) -> list[str]:
    found = text.split()
    assert all(map(VERTEX.fullmatch, found)), text
    return found


# -- what there is ---------------------------------------------------------------------------------


def test_all_commands_are_listed_once_and_known() -> None:
    conversation = Conversation()
    listed = conversation("list_commands").split("\n")
    assert listed == sorted(set(listed))
    assert all(conversation(f"known_command {name}") == "true" for name in listed)
    standard = """protocol_version name version known_command list_commands quit boardsize
        clear_board komi play genmove undo fixed_handicap place_free_handicap set_free_handicap
        time_settings time_left final_score final_status_list loadsgf reg_genmove showboard"""
    beyond = """lz-analyze lz-genmove_analyze analyze genmove_analyze kgs-time_settings cputime
        clear_cache stop kgs-rules kgs-genmove_cleanup kgs-game_over kata-get-rules kata-set-rules
        get_komi printsgf gogui-interrupt gogui-analyze_commands gogui-play_sequence gg-undo
        gogui-setup gogui-setup_player cgos-genmove_analyze gomill-explain_last_move
        gomill-describe_engine kata-time_settings kata-list_time_settings kata-raw-nn heatmap
        set_position rectangular_boardsize is_legal all_legal list_stones"""
    assert set(f"{standard} {beyond}".split()) <= set(listed)
    # They need a network that knows the score, and programs would take them for a promise of it.
    assert not {"kata-analyze", "kata-genmove_analyze"} & set(listed)
    without = Conversation(network="uniform")("list_commands").split("\n")
    assert without == listed
    with_network = Conversation(network="some.safetensors")("list_commands").split("\n")
    assert {"kata-analyze", "kata-genmove_analyze", "kata-get-param"} <= set(with_network)
    assert not any(name.startswith("gogui-rules_") for name in listed)


def test_other_games_have_no_commands_of_go() -> None:
    listed = set(Conversation("tic-tac-toe")("list_commands").split("\n"))
    assert {"gogui-rules_game_id", "gogui-rules_board", "genmove", "lz-analyze", "komi"} <= listed
    assert not {"list_stones", "fixed_handicap", "loadsgf", "kgs-rules", "get_komi"} & listed


def test_the_engine_may_go_by_another_name() -> None:
    conversation = Conversation(name="KataGo", version="1.15.3")
    assert conversation.all("name", "version") == ["KataGo", "1.15.3"]


# -- moves of the engine ---------------------------------------------------------------------------


def test_the_engine_moves_for_either_side_and_the_move_is_made() -> None:
    conversation = Conversation()
    for color in ("b", "b", "w", "white", "BLACK"):
        (point,) = points(conversation(f"genmove {color}"))
        assert not conversation(f"play w {point}").ok
    assert len(conversation("move_history").split("\n")) == 5
    assert not conversation("genmove").ok and not conversation("genmove x").ok


def test_reg_genmove_has_no_randomness_and_leaves_the_board_alone() -> None:
    one, other = Conversation(seed=1), Conversation(seed=2)
    for conversation in (one, other):
        conversation.all("play b E5", "genmove w", "undo", "play w C3")
    assert one("reg_genmove b") == other("reg_genmove b") == one("reg_genmove b")
    assert one("move_history") == "white C3\nblack E5"


def test_after_two_passes_the_engine_passes_until_it_is_to_clean_up() -> None:
    conversation = Conversation(simulations=50)
    wall = [f"{color} {column}{row}" for row in range(1, 10) for color, column in ("bD", "wE")]
    alive = "b B2 w G2 b B8 w G8 b A1 w J1 b A9 w J9 b C5 w G5 b pass w B5"
    conversation.all("kgs-rules chinese", f"gogui-play_sequence {' '.join(wall)} {alive}")
    conversation.all("play b pass", "play w pass")
    assert conversation("final_status_list dead") == "B5"
    assert conversation.all("genmove b", "genmove w") == ["pass", "pass"]
    conversation.all("kgs-game_over")
    moves = []
    while conversation("final_status_list dead"):
        moves.append(conversation("kgs-genmove_cleanup b"))
        conversation.all("play w pass")
    # Black has taken the stone, and kept close to it.
    assert "B5" not in points(conversation("list_stones w")) and len(moves) < 12
    assert {"B6", "B4", "A5"} <= set(moves) <= set(points("B3 B4 B6 B7 A4 A5 A6 C4 C6"))
    assert conversation("kgs-genmove_cleanup w") != "resign"


@pytest.mark.usefixtures("knowing")
def test_resignation() -> None:
    wall = [f"b {column}{row}" for row in (3, 4, 6, 7) for column in "ABCDEFGHJ"]
    lost = "gogui-play_sequence " + " ".join(wall) + " w E5 w pass b J1 w A9 b A8"

    def last_words(*before: str, **options) -> list[str]:
        conversation = Conversation(network="stand-in", **options)
        conversation.all(*before, lost)
        conversation.session.engine._evaluator.for_black = 0.99
        return [conversation("genmove w") for _ in range(LOST_TURNS)]

    moves = last_words("play w A1")
    assert "resign" not in moves[:-1] and moves[-1] == "resign"
    assert "resign" not in last_words("play w A1", may_resign=False)
    assert "resign" not in last_words()  # Black's many first moves are handicap
    early = Conversation(network="stand-in")
    early.all("play b E5", "play w A1")
    early.session.engine._evaluator.for_black = 0.99
    assert "resign" not in [early("genmove w") for _ in range(LOST_TURNS + 1)]


def test_clocks_limit_the_engine(monkeypatch) -> None:
    conversation = Conversation(simulations=None)
    conversation.all("boardsize 9", "genmove b")
    engine = conversation.session.engine
    limits = []
    analyze = engine.analyze

    def briefly(request, stop, on_info):
        limits.append(request.limits)
        return analyze(replace(request, limits=request.limits._replace(seconds=0.01)), stop)

    monkeypatch.setattr(engine, "analyze", briefly)
    conversation.all("genmove b", "time_settings 0 5 1", "genmove b")
    conversation.all("time_left b 2 1", "genmove b", "time_settings 300 0 0", "genmove w")
    conversation.all("time_left w 30 0", "genmove w", "time_left w -5 0", "genmove w")
    conversation.all("kata-time_settings none", "genmove w")
    assert limits[0].seconds is None and limits[0].simulations
    expected = [4.75, 1.75, 9.5, 0.7, 0.001]
    for limit, seconds in zip(limits[1:-1], expected, strict=True):
        assert limit.simulations is None and limit.settle
        assert limit.seconds == pytest.approx(seconds, rel=0.2)
    assert limits[-1] == limits[0]


def test_a_clock_does_not_run_out_while_an_engine_is_made(monkeypatch) -> None:
    made, may_end = engines.make_engine, threading.Event()

    def make_slowly(*arguments, **options):
        assert may_end.wait(300)
        return made(*arguments, **options)

    monkeypatch.setattr(engines, "make_engine", make_slowly)
    conversation = Conversation()
    conversation.all("time_settings 1 0 0", "play b b1", "play w a1", "play b e5", "play w j9")
    assert conversation("genmove b") == "A2", "it captures"
    assert "not compiled" in conversation.heard[-1]
    assert "without a search" in conversation("gomill-explain_last_move")
    may_end.set()


def test_the_own_clock_runs_where_nobody_tells_the_time() -> None:
    conversation = Conversation()
    conversation.all("kata-time_settings absolute 300", "genmove b", "genmove b", "genmove w")
    black, white = conversation.session.state.clocks
    assert black.left[0] < white.left[0] < 300
    conversation.all("clear_board")
    assert black.left[0] == white.left[0] == 300


def test_a_move_is_bounded_with_days_on_the_clock() -> None:
    for options, longest in (({}, 60), ({"seconds": 600}, 600), ({"seconds": 5}, 5)):
        conversation = Conversation(**{"simulations": None} | options)
        for control in ("fischer 259200 86400", "absolute 1e7", "byoyomi 0 1e6 5"):
            conversation.all(f"kata-time_settings {control}", "time_left b 259200 0")
            assert conversation.session.move_limits(0).seconds == longest
        conversation.all("time_settings 0 2 1")
        assert conversation.session.move_limits(0).seconds < 2


def test_limits_of_a_clock_may_be_absent() -> None:
    conversation = Conversation()
    conversation.all("kata-time_settings fischer-capped 60 5 -1 -1", "genmove b")
    conversation.all("kata-time_settings byoyomi 10 0 2000000000", "genmove w", "genmove b")
    conversation.all("time_left b 0 2000000000", "genmove b")


def test_levels_and_simulations_hold_with_clocks_too() -> None:
    conversation = Conversation(simulations=None, level=3)
    conversation.all("time_settings 300 0 0")
    limit = conversation.session.move_limits(0)
    assert limit.simulations == 8 and limit.level is not None and limit.seconds is not None


# -- the state of the table ------------------------------------------------------------------------


def test_a_new_size_keeps_komi_and_rules() -> None:
    conversation = Conversation()
    conversation.all("komi 5.5", "kgs-rules aga", "play b E5", "boardsize 9")
    assert conversation("list_stones b") == "" and conversation("get_komi") == "5.5"
    assert '"whiteHandicapBonus":"N-1"' in conversation("kata-get-rules")


def test_undo_takes_no_number() -> None:
    conversation = Conversation()
    conversation.all("play b E5", "play w C3")
    answer = conversation("undo 3")
    assert not answer.ok and answer == "syntax error"
    assert conversation("undo").ok and conversation("move_history") == "black E5"


def test_undo_goes_back_over_resumptions() -> None:
    conversation = Conversation()
    conversation.all("play b E5", "play w pass", "play b pass", "play w pass", "play w C3")
    conversation.all("play b pass", "play w pass", "play b G7")
    assert conversation("move_history").count("pass") == 5
    boards = []
    for _ in range(8):
        boards.append(conversation("list_stones w"))
        conversation.all("undo")
    assert boards == ["C3"] * 4 + [""] * 4 and conversation("undo") == "cannot undo"


def test_files_are_read_and_written(tmp_path) -> None:
    path = tmp_path / "game.sgf"
    path.write_text("(;GM[1]FF[4]SZ[9]KM[6.5]RU[AGA]AB[cc]\n;B[ee];W[gg]\n;B[gc])")
    conversation = Conversation()
    conversation.all("play b A1", f"loadsgf {path}")
    assert conversation("get_komi") == "6.5" and "SITUATIONAL" in conversation("kata-get-rules")
    assert points(conversation("list_stones b")) == ["C7", "G7", "E5"]
    assert conversation("move_history") == "black G7\nwhite G3\nblack E5"
    conversation.all(f"loadsgf {path} 2")
    assert conversation("move_history") == "black E5"
    conversation.all("undo")
    assert conversation("undo") == "cannot undo" and conversation("list_stones b") == "C7"
    spaced = tmp_path / "my  games" / "one.sgf"
    spaced.parent.mkdir()
    spaced.write_bytes(path.read_bytes())
    for name in (spaced, f'"{spaced}"', f"{spaced} 2"):
        conversation.all(f"loadsgf {name}")
    assert conversation("move_history") == "black E5"
    conversation.all(f"loadsgf {path} 2", "undo", "play b E5", "play w pass")
    saved = tmp_path / "saved.sgf"
    conversation.all(f"printsgf {saved}")
    assert saved.read_text().split() == conversation("printsgf").split()
    assert ";B[ee]" in saved.read_text() and "AB[cc]" in saved.read_text()
    conversation.all(f"gomill-savesgf {saved} PB=one\\_two RE=B+2")
    assert "PB[one two]" in saved.read_text() and "RE[B+2]" in saved.read_text()
    assert conversation("loadsgf /no/such.sgf") == "cannot load file"
    assert conversation("loadsgf") == "syntax error"
    path.write_text("(;GM[2]SZ[9];B[zz])")
    assert conversation(f"loadsgf {path}") == "cannot load file"
    path.write_text("(;GM[1]SZ[9]KM[7];B[zz];W[aa])")
    conversation.all(f"loadsgf {path}")
    assert any("move 1 (B[zz]) left out" in line for line in conversation.heard)
    assert conversation("printsgf /dev/null/x.sgf").startswith("cannot")
    assert any("no such" in line.lower() for line in conversation.heard)


def test_what_the_engine_thought_can_be_asked_for() -> None:
    conversation = Conversation()
    assert conversation("gomill-explain_last_move") == ""
    conversation.all("genmove b")
    assert re.match(
        r"Black wins \d+\.\d % of 20 simulations", conversation("gomill-explain_last_move")
    )
    described = conversation("gomill-describe_engine")
    assert "20 simulations" in described and "seed: 1" in described
    conversation.all("komi 5.5", "kgs-rules aga")
    assert "komi 5.5, aga rules" in conversation("gomill-describe_engine")


def test_pictures_for_gogui() -> None:
    conversation = Conversation()
    conversation.all("play b E5")
    search = conversation("alphazero-search").split("\n")
    assert search[0].startswith("VAR w ") and search[-1].startswith("TEXT Black ")
    policy = conversation("alphazero-policy")
    assert policy.count(" 1.00") == 80 and policy.endswith("pass 1 %")
    rows = conversation("alphazero-ownership").split("\n")
    assert len(rows) == 9 and all(-1 <= float(x) <= 1 for row in rows for x in row.split())
    assert re.fullmatch(r"Black \d+\.\d %, White \d+\.\d %", conversation("alphazero-value"))


@pytest.mark.usefixtures("knowing")
def test_what_the_evaluator_says() -> None:
    conversation = Conversation(network="stand-in")
    conversation.all("play b E5")
    heatmap = conversation("heatmap").split("\n")
    assert (
        heatmap[0] == ""
        and len(heatmap) == 12
        and heatmap[-2:] == ["pass: 12", "winrate: 0.500000"]
    )
    assert [len(row.split()) for row in heatmap[1:10]] == [9] * 9 and heatmap[5].split()[4] == "0"
    raw = conversation("kata-raw-nn 0").split()
    assert raw[raw.index("whiteWin") + 1] == "0.500000"
    assert raw[raw.index("whiteLead") + 1] == "-5.000000"
    start = raw.index("policy") + 1
    assert raw[start : start + 81].count("NAN") == 1
    owners = raw[raw.index("whiteOwnership") + 1 :]
    assert owners[:10] == ["-0.500000"] * 10 and owners[10:17] == ["0.000000"] * 7
    assert conversation("kata-raw-nn all").count("symmetry") == 8
    for color in ("b", "white"):
        for arguments in (color, f"{color} 3", f"{color} 7 0.5"):
            raw = conversation(f"kata-raw-nn {arguments}").split()
            assert raw[raw.index("whiteLead") + 1] == "-5.000000"
    assert conversation("kata-raw-nn w all").count("symmetry") == 8
    for wrong in ("8", "-1", "x", "12", "01", "b x", "²", "0 high"):
        answer = conversation(f"kata-raw-nn {wrong}")
        assert not answer.ok and answer.startswith("syntax error")
    for wrong in ("8", "12", "01", "-1", "x", "1.0"):
        answer = conversation(f"heatmap {wrong}")
        assert not answer.ok and "symmetry" in answer
    assert conversation("heatmap 7").ok


def test_katagos_words_are_taken_as_katago_takes_them() -> None:
    conversation = Conversation()
    conversation.all(
        "kata-set-rules koPOSITIONALscoreAREAtaxNONEsui1",
        "kata-set-rule friendlyPassOk TRUE",
        "kata-set-rule suicide False",
        "kata-set-rules chinese",
    )
    rules = conversation("kata-get-rules")
    assert '"ko":"SIMPLE"' in rules and '"friendlyPassOk":true' in rules
    conversation.all("play b (2,6)")  # from the top left
    assert conversation("list_stones b") == "C3"
    assert not conversation("play w (9,0)").ok and not conversation("play w (1,").ok
    for number in ("NaN", "-Infinity", "1e999"):
        answer = conversation(f'kata-set-rules {{"ko":"SIMPLE","suicide":{number}}}')
        assert not answer.ok and "finite" in answer
