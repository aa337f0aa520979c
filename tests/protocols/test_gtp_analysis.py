"""GTP's live analysis: its lines as the boards of people read them, and when it begins and ends."""

import itertools
import json
import re

import numpy as np
import pytest

from alphazero.engine.analysis import Expectation, MoveInfo
from alphazero.protocols.gtp import analyze_format as dialects
from alphazero.protocols.gtp.analyze_format import MoveReport, Report
from tests.helpers.gtp_conversation import (
    Conversation,
    knowing,  # noqa: F401  (a fixture)
    nothing_in_the_background,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("knowing", "nothing_in_the_background")

VERTEX = r"(?:[A-HJ-T][1-9][0-9]?|pass)"
WHOLE = r"(?:10000|[0-9]{1,4})"
REAL = r"-?[0-9]+\.[0-9]+"
LEELA = re.compile(
    rf"info move {VERTEX} visits \d+ winrate {WHOLE} prior {WHOLE} lcb {WHOLE} order \d+"
    rf" pv {VERTEX}(?: {VERTEX})*"
)
KATAGO = re.compile(
    rf"info move {VERTEX} visits \d+ edgeVisits \d+ utility {REAL} winrate {REAL}"
    rf"(?: scoreMean ({REAL}) scoreStdev {REAL} scoreLead ({REAL}) scoreSelfplay {REAL})?"
    rf" prior {REAL} lcb {REAL}"
    rf" utilityLcb {REAL} weight {REAL} order \d+ pv {VERTEX}(?: {VERTEX})*"
)


@pytest.fixture
def conversation() -> Conversation:
    made = Conversation(network="stand-in")
    made.all("play b E5")
    return made


def segments(line: str) -> list[str]:
    """The parts of a line, each about one move."""
    return [part.strip() for part in re.split(r"(?=info )", line) if part.strip()]


def moves(line: str) -> list[str]:
    return re.findall(rf"info move ({VERTEX})", line)


def analyse(conversation: Conversation, command: str, lines: int = 2) -> list[str]:
    """The lines of an analysis that ends after so many of them."""
    answer = conversation(command, lines)
    assert answer.ok, answer
    first, *others = str(answer).split("\n")
    assert first == ""
    return others


# -- lines -----------------------------------------------------------------------------------------


def test_leela_zeros_lines_have_whole_numbers(conversation) -> None:
    for line in analyse(conversation, "lz-analyze w 1", 3):
        assert all(map(LEELA.fullmatch, segments(line))), line
        assert [int(order) for order in re.findall(r"order (\d+)", line)] == list(
            range(len(moves(line)))
        )


def test_katagos_lines_have_fractions_and_the_score(conversation) -> None:
    *_, line = analyse(conversation, "kata-analyze w 1", 3)
    for segment in segments(line):
        match = KATAGO.fullmatch(segment)
        assert match is not None and match[1] == match[2], segment
        # Black is five points ahead in this stand-in's eyes, whatever White does but pass.
        assert match[1] == "-5.000000" or segment.startswith("info move pass")
    assert "ownership" not in line and "rootInfo" not in line


def test_sabakis_lines_have_whole_numbers_too(conversation) -> None:
    """From 0.60 on it takes fractions for those of another 10,000: 49 % became 0.0049 %."""
    sabaki = re.compile(LEELA.pattern.replace(r" order", rf" scoreLead {REAL} order"))
    conversation.session.engine._evaluator.for_black = 0.5
    for command in ("analyze B 1", "genmove_analyze B 1"):
        line = analyse(conversation, command)[0]
        for segment in segments(line):
            assert sabaki.fullmatch(segment), segment
            assert segment.split(" pv ")[1].split()[0] == moves(segment)[0]
            assert int(re.findall(r"winrate (\d+)", segment)[0]) == 7500


def test_katagos_line_tells_of_the_whole_board_if_it_is_asked_to(conversation) -> None:
    wish = "rootInfo true ownership true movesOwnership true pvVisits false maxmoves 2"
    *_, line = analyse(conversation, f"kata-analyze b 1 {wish}", 3)
    assert len(moves(line)) == 2
    own = np.array(line.rpartition(" ownership ")[2].split(), float).reshape(9, 9)  # for Black
    lead = float(re.findall(rf"scoreLead ({REAL})", line)[-1])
    assert own.sum() == pytest.approx(lead + 7.5, abs=0.01)
    assert own[0] == pytest.approx(0.5, abs=0.1) and own[1:8, 1:8] == pytest.approx(0, abs=0.1)
    root = re.search(rf"rootInfo visits (\d+) utility {REAL} winrate ({REAL}) scoreMean", line)
    assert root is not None and int(root[1]) > 0
    told = analyse(conversation, "kata-analyze b 1 pvVisits true pvEdgeVisits true maxmoves 1")[-1]
    pv, visits, edges = re.findall(r"pv (.*) pvVisits (.*) pvEdgeVisits (.*)", told)[0]
    assert visits == edges and len(visits.split()) == len(pv.split())
    assert visits.split()[0] == re.findall(r"visits (\d+)", told)[0]
    after = re.findall(r"movesOwnership ((?:-?\d\.\d+ ?){81})", line)
    assert [float(part.split()[0]) for part in after] == pytest.approx([0.5] * 2, abs=0.1)


def test_ownership_may_come_with_its_deviations(conversation) -> None:
    wish = "ownershipStdev true movesOwnershipStdev true maxmoves 3"
    *_, line = analyse(conversation, f"kata-analyze b 1 {wish}", 3)
    assert " ownership " not in line and "movesOwnership " not in line
    assert len(line.rpartition(" ownershipStdev ")[2].split()) == 81
    found = re.findall(r"movesOwnershipStdev ((?:\d\.\d+ ?){81})", line)
    assert len(found) == 3 and float(found[0].split()[0]) < 0.01


def test_the_moves_add_up_to_the_position(conversation) -> None:
    """Its score is the mean of its moves' by their visits, and of its own evaluation."""
    *_, line = analyse(conversation, "kata-genmove_analyze b 1 rootInfo true", 3)[:-1]
    visits = [int(number) for number in re.findall(r"edgeVisits (\d+)", line)]
    *leads, root = [float(number) for number in re.findall(rf"scoreLead ({REAL})", line)]
    total = sum(count * lead for count, lead in zip(visits, leads, strict=True))
    assert root == pytest.approx((total + 5.0) / (sum(visits) + 1), abs=1e-4)


def test_shares_belong_to_the_side_that_is_asked_about(conversation) -> None:
    conversation.session.engine._evaluator.for_black = 0.5
    for color, expected in (("b", 7500), ("w", 2500)):
        *_, line = analyse(conversation, f"lz-analyze {color} 1")
        assert int(re.findall(r"winrate (\d+)", line)[0]) == expected
    *_, line = analyse(conversation, "lz-analyze 1")  # White is to move
    assert int(re.findall(r"winrate (\d+)", line)[0]) == 2500


def test_more_or_fewer_moves_may_be_wanted(conversation) -> None:
    assert len(moves(analyse(conversation, "lz-analyze w 1 maxmoves 3")[-1])) == 3
    everything = conversation("lz-genmove_analyze w minmoves 400").split("\n")[-2]
    assert len(moves(everything)) == 81 and everything.count("visits 0 ") == 61


def test_moves_may_be_left_aside_or_be_the_only_ones(conversation) -> None:
    chosen = analyse(conversation, "lz-analyze w interval 1 allow w D4,d6,pass 1")[-1]
    assert set(moves(chosen)) == {"D4", "D6", "pass"}
    less = analyse(conversation, "lz-analyze w 1 minmoves 99 avoid w D4,D6 1 avoid b A1 3")[-1]
    assert len(moves(less)) == 79 and not {"D4", "D6"} & set(moves(less))
    analyse(conversation, "kata-analyze w 1 avoid w D4 7 rootInfo TRUE")
    answer = conversation("lz-analyze w 1 allow w E5 1")
    assert not answer.ok and answer == "no move is left to consider"


def test_moves_may_be_restricted_for_some_plies_and_for_either_side(conversation) -> None:
    """White has just two points left, then also Black."""

    def lines(arguments: str) -> list[list[str]]:
        conversation.session.host.set_limits(simulations=400)
        told = conversation(f"lz-genmove_analyze b {arguments}")
        conversation.all("undo")
        shown = re.findall(r" pv ((?:[A-J]\d|pass| )+)", str(told).split("\n")[-2])
        return [line.split() for line in shown]

    conversation.all("clear_board")
    free = lines("avoid b E5 1")
    assert not {line[1] for line in free if len(line) > 1} <= {"A1", "B1"}
    for arguments in ("allow w A1,(1,8) 2", "allow w A1,B1 4 avoid w C3 4 avoid w B1,D4 1"):
        replies = {line[1] for line in lines(arguments) if len(line) > 1}
        assert replies and replies <= {"A1", "B1"}, arguments
    deep = [line for line in lines("allow w A1,B1 9 allow b C3,D3,E3 9") if len(line) > 1]
    for line in deep:
        # Once all moves that are allowed are made, any may be.
        assert set(line[:5:2]) <= {"C3", "D3", "E3"} and set(line[1:4:2]) <= {"A1", "B1"}, line
    points = ",".join(f"{column}{row}" for row in range(2, 10) for column in "ABCDEFGHJ")
    many = [line for line in lines(f"avoid w {points} 20 avoid b pass 1") if len(line) > 1]
    assert many and all(move in {"pass", *(f"{c}1" for c in "ABCDEFGHJ")}
                        for line in many for move in line[1::2])  # fmt: skip


def test_no_score_is_told_where_none_is_known(conversation, monkeypatch) -> None:
    evaluator = conversation.session.engine._evaluator
    monkeypatch.setattr(evaluator, "predicts", ())
    *_, line = analyse(conversation, "kata-analyze w 1 ownership true rootInfo true")
    assert "score" not in line and "ownership" not in line and "rootInfo visits" in line


def test_numbers_are_written_so_that_every_reader_takes_them() -> None:
    sure = MoveReport(MoveInfo(0, 1.0, 5, (0,), 1.0, expected=Expectation(-0.0)), ["A1"])
    empty = MoveReport(MoveInfo(1, 1e-9, 0, (1,), 1e-9), ["B1", "pass"])
    report = Report([sure, empty])
    for line in (dialects.katago(report), dialects.sabaki(report)):
        assert not re.search(r"\d[eE]", line) and " -0.0" not in line
    assert " 1.000000 " in dialects.katago(report)
    for line in (dialects.leela(report), dialects.sabaki(report)):
        assert "winrate 10000 prior 10000" in line
    assert dialects.leela(report).endswith("order 1 pv B1 pass")
    assert dialects.katago(Report([])) == ""


# -- beginning and end -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    ["x", "b x", "b 1 nonsense 3", "b 1 interval", "b -1", "b 1 minmoves", "b nan", "b 1e400",
     "b 1 maxmoves x", "b 1 avoid", "b 1 avoid b", "b 1 avoid b D4", "b 1 avoid x D4 1",
     "b 1 ownership", "b 1 ownership maybe"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_before_anything_begins(conversation, arguments) -> None:
    for command in ("lz-analyze", "kata-genmove_analyze"):
        answer = conversation(f"{command} {arguments}")
        assert not answer.ok
        assert answer == f"Could not parse analyze arguments: {arguments}"


def test_without_an_interval_nothing_is_said(conversation) -> None:
    assert analyse(conversation, "lz-analyze", 0) == []
    assert analyse(conversation, "lz-analyze w", 0) == []


def test_an_analysis_leaves_the_board_alone_and_helps_the_move_after_it() -> None:
    conversation = Conversation(network="stand-in", simulations=600)
    before = conversation("showboard")
    *_, line = analyse(conversation, "lz-analyze w 1", 5)
    assert conversation("showboard") == before
    visits = sum(map(int, re.findall(r"visits (\d+)", line)))
    last = conversation.say(b"lz-genmove_analyze w 1000\n").decode().split("\n")[-4]
    assert sum(map(int, re.findall(r"visits (\d+)", last))) > visits


def test_after_two_passes_and_at_the_end_there_is_still_an_analysis(conversation) -> None:
    conversation.all("play w pass", "play b pass")
    assert "pass" in moves(analyse(conversation, "lz-analyze w 1 minmoves 99")[-1])
    finished = Conversation("tic-tac-toe")
    finished.all("gogui-play_sequence b A1 w B1 b A2 w B2 b A3")
    assert analyse(finished, "lz-analyze w 1", 0) == []


def test_a_solved_position_is_told_of_and_then_waited_in() -> None:
    conversation = Conversation("tic-tac-toe")
    conversation.all("gogui-play_sequence b A1 w B1 b A2 w B2")
    (line,) = analyse(conversation, "lz-analyze b 100000", 1)
    assert line.startswith("info move A3 ") and "winrate 10000" in line


# -- moves with analysis ---------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["lz-", "kata-", ""])
def test_a_move_comes_after_at_least_one_line(conversation, style) -> None:
    for interval in ("", " 1", " 100000"):
        before = len(conversation("move_history").split("\n"))
        answer = conversation(f"{style}genmove_analyze w{interval}")
        first, *told, last = str(answer).split("\n")
        assert first == "" and told and all(line.startswith("info move ") for line in told)
        move = last.removeprefix("play ")
        assert moves(told[-1])[0] == move and re.fullmatch(VERTEX, move)
        history = conversation("move_history").split("\n")
        assert len(history) == before + 1 and history[0] == f"white {move}"


def test_a_search_makes_no_move_and_may_be_cancelled(conversation) -> None:
    assert re.fullmatch(VERTEX, conversation("kata-search w"))
    assert "play " in conversation("kata-search_analyze w 1")
    assert conversation("kata-search_analyze_cancellable w 1", 1).endswith("\nplay cancelled")
    assert conversation("kata-search_cancellable w", -1) == "cancelled"
    assert conversation("move_history") == "black E5"


def test_moves_may_be_forbidden_to_the_engine_too(conversation) -> None:
    for _ in range(3):
        answer = conversation("lz-genmove_analyze w 100 allow w D4,D6 1")
        assert answer.endswith(("play D4", "play D6"))
        conversation.all("undo")


def test_cgos_gets_json(conversation) -> None:
    first, told, last = str(conversation("cgos-genmove_analyze w")).split("\n")
    fields = json.loads(told)
    assert first == "" and last == f"play {fields['moves'][0]['move']}"
    assert fields["winrate"] == 0.5 and fields["score"] == -5 and fields["visits"] == 20
    assert set(fields["moves"][0]) == {"move", "winrate", "score", "prior", "pv", "visits"}
    assert len(fields["ownership"]) == 81 and fields["ownership"][0] in "PQR"  # White's -0.5 or so


def test_parameters_of_katago(conversation) -> None:
    assert conversation("kata-get-param maxVisits") == "20"
    conversation.all("kata-set-param maxVisits 30", "kata-set-param allowResignation false")
    assert json.loads(conversation("kata-get-params")) == {
        "maxVisits": "30",
        "maxTime": "0",
        "allowResignation": "false",
        "playoutDoublingAdvantage": "0",
        "analysisWideRootNoise": "0",
    }
    conversation.all("kata-set-param maxTime 1.5", "kata-set-param playoutDoublingAdvantage 0")
    assert conversation("kata-get-param maxTime") == "1.5"
    for wrong in ("maxVisits x", "nonsense 1", "playoutDoublingAdvantage 1", "maxTime 0", ""):
        assert not conversation(f"kata-set-param {wrong}").ok
    assert not conversation("kata-get-param nonsense").ok
    assert conversation("kata-list-params").split()[0] == "maxVisits"
    assert json.loads(conversation("kata-get-models"))[0]["name"] == "a stand-in"


def test_intervals_are_kept(conversation, monkeypatch) -> None:
    """Every so many hundredths of a second by the clock that the engine looks at."""
    from alphazero.engine import engine

    ticks = itertools.count()
    monkeypatch.setattr(engine.time, "perf_counter", lambda: next(ticks) * 0.01)
    looked = []
    analyze = conversation.session.engine.analyze

    def spy(request, stop, on_info):
        return analyze(request, stop, lambda found: looked.append(found.seconds) or on_info(found))

    monkeypatch.setattr(conversation.session.engine, "analyze", spy)
    analyse(conversation, "lz-analyze w 25", 4)
    gaps = [after - before for before, after in itertools.pairwise(looked)]
    assert gaps == pytest.approx([0.25] * 3, abs=0.03)
