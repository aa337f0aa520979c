"""KataGo's analysis protocol, as KaTrain speaks it: questions, answers, and how they line up."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from alphazero.engine.host import EngineHost
from alphazero.engine.options import EngineOptions
from alphazero.protocols.kata_analysis.codec import QueryError
from alphazero.protocols.kata_analysis.job import make_jobs
from alphazero.protocols.kata_analysis.query import read_query
from alphazero.protocols.kata_analysis.server import AnalysisServer
from tests.helpers.gtp_conversation import knowing  # noqa: F401  (a fixture)

ROOT = Path(__file__).resolve().parents[2]
QUESTION = {
    "id": "a",
    "moves": [["B", "D4"], ["W", "F6"]],
    "rules": "chinese",
    "komi": 7,
    "boardXSize": 9,
    "boardYSize": 9,
    "maxVisits": 30,
}


def ask(*questions: dict | bytes) -> list[dict]:
    """All answers to these questions."""
    answers: list[dict] = []
    options = EngineOptions("go:size=9", network="stand-in", simulations=20)
    server = AnalysisServer(options, answers.append, lambda text: None)
    for line in questions:
        server.receive(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    server.close()
    return [json.loads(json.dumps(answer)) for answer in answers]


def ask_one(**changes) -> dict:
    (answer,) = ask(QUESTION | changes)
    return answer


# -- questions -------------------------------------------------------------------------------------


def test_a_question_is_read_with_its_defaults() -> None:
    query = read_query(QUESTION | {"maxVisits": 5.0})
    assert query.moves == ((0, "D4"), (1, "F6")) and query.turns == (2,) and query.visits == 5
    assert (query.rows, query.komi, query.settings.view, query.priorities) == (
        9,
        7.0,
        "BLACK",
        (0,),
    )
    del_komi = {name: value for name, value in QUESTION.items() if name != "komi"}
    assert read_query(del_komi).komi is None
    several = read_query(QUESTION | {"analyzeTurns": [0, 2], "priorities": [3, -1]})
    assert several.turns == (0, 2) and several.priorities == (3, -1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("moves", None),
        ("moves", "D4"),
        ("moves", [["B"]]),
        ("moves", [["B", 4]]),
        ("moves", [["X", "D4"]]),
        ("initialStones", [["B", "D4", "D5"]]),
        ("initialPlayer", 1),
        ("boardXSize", None),
        ("boardXSize", 9.5),
        ("boardXSize", True),
        ("boardYSize", "9"),
        ("komi", "7"),
        ("komi", float("nan")),
        ("analyzeTurns", 3),
        ("analyzeTurns", [3]),
        ("analyzeTurns", [-1]),
        ("maxVisits", 0),
        ("priority", "high"),
        ("priorities", [1, 2]),
        ("includePolicy", 1),
        ("overrideSettings", []),
        ("overrideSettings", {"reportAnalysisWinratesAs": "GREEN"}),
        ("reportDuringSearchEvery", -1),
        ("avoidMoves", [{"player": "B"}]),
    ],
)
def test_what_makes_no_sense_is_named(field: str, value: object) -> None:
    fields = QUESTION | {field: value}
    if value is None:
        del fields[field]
    with pytest.raises(QueryError) as raised:
        read_query(fields)
    assert raised.value.field in (
        field,
        "boardXSize",
        "boardYSize",
        "overrideSettings",
        "priorities",
    )


@pytest.mark.usefixtures("knowing")
def test_errors_are_answers() -> None:
    answers = ask(
        b"\n",
        b"not json\n",
        b"[" * 10**5 + b"\n",
        b'{"id": "n", "action": "clear_cache", "more": NaN}\n',
        b'{"id": "n", "action": "clear_cache", "more": [-Infinity]}\n',
        b'{"id": "n", "action": "clear_cache", "more": 1e999}\n',
        b"[1]\n",
        {"moves": []},
        {"id": 3},
        QUESTION | {"id": "size", "boardXSize": 26, "boardYSize": 26},
        QUESTION | {"id": "illegal", "moves": [["B", "D4"], ["W", "D4"]]},
        QUESTION | {"id": "point", "moves": [["B", "Z4"]]},
        QUESTION | {"id": "stones", "initialStones": [["B", "pass"]]},
        QUESTION | {"id": "komi", "komi": 1e6},
        {"id": "action", "action": "dance"},
    )
    assert [answer.get("id") for answer in answers] == [
        *[None] * 8, "size", "illegal", "point", "stones", "komi", "action",
    ]  # fmt: skip
    fields = [answer.get("field") for answer in answers[8:]]
    assert fields == ["boardXSize", "moves", "moves", "initialStones", "komi", "action"]
    assert all("error" in answer and "\n" not in answer["error"] for answer in answers)
    assert answers[9]["error"] == "move 1 (D4): illegal move"


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("knowing")
def test_an_answer_has_what_katrain_reads() -> None:
    answer = ask_one(
        includePolicy=True, includeOwnership=True, includeMovesOwnership=True, includePVVisits=True
    )
    assert (answer["id"], answer["turnNumber"], answer["isDuringSearch"]) == ("a", 2, False)
    root, best = answer["rootInfo"], answer["moveInfos"][0]
    assert root["visits"] == 30 and root["currentPlayer"] == "B" and root["winrate"] == 0.5
    # In the stand-in's eyes Black leads by five points.
    assert root["scoreLead"] == best["scoreLead"] == root["scoreMean"] == 5.0
    assert best["scoreStdev"] == 0
    assert best["pv"][0] == best["move"] and best["order"] == 0
    assert best["pvVisits"][0] == best["visits"] and len(best["pvVisits"]) == len(best["pv"])
    names = {"move", "visits", "winrate", "scoreLead", "scoreMean", "prior", "lcb", "utility", "pv"}
    assert names <= set(best)
    policy = answer["policy"]
    assert len(policy) == 82 and policy.count(-1) == 2
    assert policy[5 * 9 + 3] == policy[3 * 9 + 5] == -1  # D4 and F6, row by row from the top
    assert sum(share for share in policy if share > 0) == pytest.approx(1, abs=1e-4)
    for ownership in (answer["ownership"], best["ownership"]):
        rows = np.array(ownership).reshape(9, 9)
        assert rows.sum() == pytest.approx(5 + 7, abs=0.01)  # the score and the komi
        assert rows[[0, 8]] == pytest.approx(0.5, abs=0.1)
        assert rows[1:8, 1:8] == pytest.approx(0, abs=0.1)
    assert "ownershipStdev" not in answer and "ownershipStdev" not in best


@pytest.mark.usefixtures("knowing")
def test_standard_deviations_are_those_of_the_search() -> None:
    answer = ask_one(includeOwnershipStdev=True, includeMovesOwnershipStdev=True)
    assert "ownership" not in answer and len(answer["ownershipStdev"]) == 81
    best = answer["moveInfos"][0]
    assert "ownership" not in best and max(best["ownershipStdev"]) < 0.01


@pytest.mark.usefixtures("knowing")
def test_the_score_of_a_finished_game_is_the_judges() -> None:
    """Black's stones left of the middle and White's right of it, and nothing left to take."""
    stones = [["B", f"D{row}"] for row in range(1, 10)] + [["W", f"E{row}"] for row in range(1, 10)]
    query = {"initialStones": stones, "moves": [["B", "pass"], ["W", "pass"]], "analyzeTurns": [2],
             "includeOwnership": True}  # fmt: skip
    answer = ask_one(**query)
    assert answer["rootInfo"]["scoreLead"] == 36 - 45 - 7
    assert answer["rootInfo"]["winrate"] == 0
    assert answer["ownership"] == ([1] * 4 + [-1] * 5) * 9


@pytest.mark.usefixtures("knowing")
def test_values_are_told_for_black_unless_it_is_said_otherwise() -> None:
    leads, owners = {}, {}
    for view in ("BLACK", "WHITE", "SIDETOMOVE"):
        for turn in (1, 2):  # White's, Black's
            answer = ask_one(
                analyzeTurns=[turn],
                includeOwnership=True,
                overrideSettings={"reportAnalysisWinratesAs": view},
            )
            leads[view, turn] = answer["rootInfo"]["scoreLead"]
            owners[view, turn] = answer["ownership"][0]
    assert leads == {
        ("BLACK", 1): 5, ("BLACK", 2): 5, ("WHITE", 1): -5, ("WHITE", 2): -5,
        ("SIDETOMOVE", 1): -5, ("SIDETOMOVE", 2): 5,
    }  # fmt: skip
    for asked, lead in leads.items():
        assert owners[asked] == pytest.approx(lead / 10, abs=0.1)


@pytest.mark.usefixtures("knowing")
def test_every_turn_is_answered_once() -> None:
    answers = ask(QUESTION | {"analyzeTurns": [0, 1, 2]}, QUESTION | {"id": "b"})
    assert [(answer["id"], answer["turnNumber"]) for answer in answers] == [
        ("a", 0), ("a", 1), ("a", 2), ("b", 2),
    ]  # fmt: skip
    assert [answer["rootInfo"]["currentPlayer"] for answer in answers] == list("BWBB")


@pytest.mark.usefixtures("knowing")
def test_whose_move_it_is() -> None:
    def to_move(**changes) -> str:
        return ask_one(moves=[], **changes)["rootInfo"]["currentPlayer"]

    handicap = [["B", "C3"], ["B", "G7"]]
    assert to_move() == "B" and to_move(initialPlayer="W") == "W"
    assert to_move(initialStones=handicap) == "W"
    assert to_move(initialStones=handicap, initialPlayer="B") == "B"
    assert to_move(initialStones=[*handicap, ["W", "E5"]]) == "B"
    after = ask_one(moves=[["B", "C3"], ["B", "G7"]], analyzeTurns=[1])
    assert after["rootInfo"]["currentPlayer"] == "B"


@pytest.mark.usefixtures("knowing")
def test_moves_may_be_restricted() -> None:
    only = {"player": "B", "moves": ["C3", "pass"], "untilDepth": 1}
    moves = {info["move"] for info in ask_one(allowMoves=[only])["moveInfos"]}
    assert moves == {"C3", "pass"}
    others = {info["move"] for info in ask_one(avoidMoves=[only], maxVisits=200)["moveInfos"]}
    assert others and not moves & others
    white = only | {"player": "W"}
    assert len(ask_one(allowMoves=[white], maxVisits=200)["moveInfos"]) > 2


@pytest.mark.usefixtures("knowing")
def test_rules_that_a_search_does_not_count_by_come_with_a_warning() -> None:
    katago = {"ko": "SITUATIONAL", "scoring": "AREA", "suicide": True, "tax": "NONE"}
    answers = ask(
        QUESTION | {"rules": "japanese"},
        QUESTION | {"id": "b", "rules": "japanese"},
        QUESTION | {"id": "c", "rules": katago, "whiteHandicapBonus": "N-1"},
        QUESTION | {"id": "d", "rules": {"scoring": "TERRITORY"}},
        QUESTION | {"id": "e", "rules": 5},
        QUESTION | {"id": "f", "rules": "koSIMPLEscoreAREAtaxALLsui0"},
    )
    warnings = [answer for answer in answers if "warning" in answer]
    assert [warning["id"] for warning in warnings] == ["a", "d", "e", "f"]  # each once
    assert all(warning["field"] == "rules" for warning in warnings)
    assert "area" in warnings[0]["warning"] and "tax" in warnings[3]["warning"]
    assert {answer["id"] for answer in answers if "moveInfos" in answer} == set("abcdef")


@pytest.mark.parametrize(
    ("rules", "komi"), [("japanese", 6.5), ("chinese", 7.5), ({"hasButton": True}, 7.0)]
)
def test_komi_is_the_rules_own_where_none_is_given(rules: object, komi: float) -> None:
    fields = {name: value for name, value in QUESTION.items() if name != "komi"}
    host = EngineHost(EngineOptions("go:size=9"), lambda text: None)
    (job,), _ = make_jobs(host, "go:size=9", read_query(fields | {"rules": rules}))
    host.close()
    stones = job.position.game.stones
    assert stones is not None and stones.komi(job.position.state) == komi


@pytest.mark.usefixtures("knowing")
def test_boards_may_be_rectangular() -> None:
    changes = {"boardXSize": 7, "boardYSize": 5, "moves": [["B", "G5"], ["W", "(0,4)"]]}
    answer = ask_one(**changes, includePolicy=True, includeOwnership=True)
    assert len(answer["policy"]) == 36 and len(answer["ownership"]) == 35
    assert answer["policy"][6] == answer["policy"][28] == -1
    for sides in ((1, 9), (9, 26)):
        error = ask_one(boardXSize=sides[0], boardYSize=sides[1], moves=[])
        assert "from 2 to 25" in error["error"] and error["field"] == "boardXSize"


KO = [["B", "D5"], ["W", "E5"], ["B", "C4"], ["W", "F4"], ["B", "D3"], ["W", "E3"], ["B", "J9"],
      ["W", "D4"], ["B", "E4"], ["W", "D4"], ["B", "A1"]]  # fmt: skip


@pytest.mark.usefixtures("knowing")
def test_moves_of_a_recorded_game_may_break_our_rules() -> None:
    def asked(moves: list[list[str]], **changes) -> tuple[dict, dict]:
        warning, answer = ask(QUESTION | {"moves": moves, "includePolicy": True} | changes)
        assert warning["field"] == "moves" and warning["id"] == answer["id"] == "a"
        return warning, answer

    def taken(answer: dict) -> set[str]:
        """The points where nobody can play."""
        names = (f"{column}{row}" for row in range(9, 0, -1) for column in "ABCDEFGHJ")
        return {name for name, share in zip(names, answer["policy"], strict=False) if share == -1}

    warning, answer = asked(KO)
    assert "move 9 (D4)" in warning["warning"] and "ko" in warning["warning"]
    assert "D4" in taken(answer) and answer["rootInfo"]["currentPlayer"] == "W"
    corner = [["B", "A2"], ["W", "J9"], ["B", "B1"], ["W", "A1"], ["B", "E5"]]
    warning, answer = asked(corner)  # suicide
    assert "move 3 (A1)" in warning["warning"] and "suicide" in warning["warning"]
    assert {"A2", "B1", "E5", "J9"} <= taken(answer)
    assert answer["rootInfo"]["currentPlayer"] == "W"
    two = [["B", "A2"], ["W", "A1"], ["B", "B2"], ["W", "J9"], ["B", "C1"], ["W", "B1"]]
    _, answer = asked(two)  # of two stones, which some rules allow
    assert "J9" in taken(answer) and ask_one(moves=two, rules="tromp-taylor")
    _, answer = asked(KO, analyzeTurns=[10])
    assert answer["rootInfo"]["currentPlayer"] == "B"
    for moves in ([["B", "E5"], ["W", "E5"]], [["B", "E5"], ["W", "Z9"]]):
        assert ask_one(moves=moves)["field"] == "moves"


@pytest.mark.usefixtures("knowing")
def test_fields_without_effect_are_named() -> None:
    answers = ask(
        QUESTION
        | {
            "maxvisits": 3,
            "includeNoResultValue": True,
            "includeSomething": False,
            "overrideSettings": {"fooBar": 1, "maxTime": 60},
        },
        QUESTION | {"id": "b", "maxvisits": 3},
    )
    warned = [(answer["id"], answer["field"]) for answer in answers if "warning" in answer]
    assert warned == [("a", "maxvisits"), ("a", "includeNoResultValue"), ("a", "fooBar")]
    assert [answer["id"] for answer in answers if "moveInfos" in answer] == ["a", "b"]


@pytest.mark.usefixtures("knowing")
def test_a_turn_given_twice_is_answered_once() -> None:
    answers = ask(QUESTION | {"analyzeTurns": [1, 0, 1, 1], "priorities": [1, 2, 3, 4]})
    assert sorted(answer["turnNumber"] for answer in answers) == [0, 1]


@pytest.mark.usefixtures("knowing")
def test_points_may_be_numbers() -> None:
    for point, name in (("(2,6)", "C3"), ("(0,0)", "A9"), ("( 8 , 8 )", "J1")):
        only = [{"player": "B", "moves": [point], "untilDepth": 1}]
        answer = ask_one(moves=[], allowMoves=only)
        assert [info["move"] for info in answer["moveInfos"]] == [name]
    for point in ("(9,0)", "(0,9)", "(-1,0)", "(1)", "(1,2"):
        assert ask_one(moves=[["B", point]])["field"] == "moves"


@pytest.mark.slow
@pytest.mark.usefixtures("knowing")
def test_only_illegal_moves_allowed_is_an_error() -> None:
    for moves in (["D4"], ["D4", "F6"], []):
        only = [{"player": "B", "moves": moves, "untilDepth": 1}]
        assert ask_one(allowMoves=only)["field"] == "allowMoves"
    everything = ask_one(moves=[["B", "A1"]], boardXSize=2, boardYSize=2)["moveInfos"]
    avoid = [{"player": "W", "moves": ["A2", "B1", "B2", "pass"], "untilDepth": 1}]
    answer = ask_one(moves=[["B", "A1"]], boardXSize=2, boardYSize=2, avoidMoves=avoid)
    assert everything and answer["field"] == "avoidMoves"


@pytest.mark.usefixtures("knowing")
def test_moves_of_the_opponent_may_be_restricted() -> None:
    only = [{"player": "W", "moves": ["A1", "(1,8)"], "untilDepth": 3}]
    infos = ask_one(allowMoves=only, maxVisits=400)["moveInfos"]
    replies = {info["pv"][1] for info in infos if len(info["pv"]) > 1}
    assert len(infos) > 2 and replies and replies <= {"A1", "B1"}
    infos = ask_one(avoidMoves=only, maxVisits=400)["moveInfos"]
    replies = {info["pv"][1] for info in infos if len(info["pv"]) > 1}
    assert replies and not replies & {"A1", "B1"}


@pytest.mark.usefixtures("knowing")
def test_lines_may_be_shortened() -> None:
    whole = ask_one(includePVVisits=True, maxVisits=200)["moveInfos"][0]
    short = ask_one(includePVVisits=True, maxVisits=200, analysisPVLen=1)["moveInfos"][0]
    assert len(whole["pv"]) > 1 and whole["pvEdgeVisits"] == whole["pvVisits"]
    assert short["pv"] == whole["pv"][:1] and len(short["pvVisits"]) == 1
    assert ask_one(analysisPVLen=0)["field"] == "analysisPVLen"


@pytest.mark.usefixtures("knowing")
def test_the_model_is_named() -> None:
    (answer,) = ask({"id": "m", "action": "query_models", "more": 1})
    assert answer["id"] == "m" and answer["action"] == "query_models" and answer["more"] == 1
    assert answer["models"][0]["name"] == "a stand-in"


def test_without_a_score_one_is_made_up_and_that_is_said(knowing, monkeypatch) -> None:  # noqa: F811
    from tests.helpers.gtp_conversation import Knowing

    monkeypatch.setattr(Knowing, "predicts", ())
    monkeypatch.setattr(Knowing, "for_black", 0.5)
    answers = ask(QUESTION, QUESTION | {"id": "b"})
    warning, first, second = answers
    assert warning["field"] == "scoreLead" and warning["id"] == "a"
    for answer in (first, second):
        assert answer["rootInfo"]["winrate"] == 0.75 and answer["rootInfo"]["scoreLead"] == 10


# -- while it goes on ------------------------------------------------------------------------------


class Live:
    """A server that is asked while it searches."""

    def __init__(self) -> None:
        self.answers: list[dict] = []
        self.arrived = threading.Condition()
        options = EngineOptions("go:size=9", network="stand-in", simulations=20)
        self.server = AnalysisServer(options, self._take, lambda text: None)

    def _take(self, answer: dict) -> None:
        with self.arrived:
            self.answers.append(answer)
            self.arrived.notify()

    def wait_for(self, condition) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: condition(self.answers), 300)

    def ask(self, **fields) -> None:
        self.server.receive(json.dumps(fields).encode())

    def close(self) -> list[dict]:
        self.server.close()
        return self.answers


@pytest.mark.usefixtures("knowing")
def test_a_search_reports_and_can_be_terminated() -> None:
    live = Live()
    endless = QUESTION | {"maxVisits": 10**9, "reportDuringSearchEvery": 0.01}
    live.ask(**endless)
    live.ask(**endless | {"id": "b", "analyzeTurns": [0, 1, 2]})
    live.wait_for(lambda answers: len(answers) >= 3)
    assert all(answer["isDuringSearch"] and answer["id"] == "a" for answer in live.answers[:3])
    live.ask(id="t", action="terminate", terminateId="b", turnNumbers=[0, 2])
    live.ask(id="u", action="terminate", terminateId="a")
    live.wait_for(lambda answers: any(one["id"] == "b" and one["turnNumber"] == 1 for one in
                                      answers if "turnNumber" in one))  # fmt: skip
    live.ask(id="v", action="terminate_all")
    answers = live.close()
    assert {"id": "t", "action": "terminate", "terminateId": "b", "turnNumbers": [0, 2]} in answers
    final = [answer for answer in answers if answer.get("isDuringSearch") is False]
    assert sorted((answer["id"], answer["turnNumber"]) for answer in final) == [
        ("a", 2), ("b", 0), ("b", 1), ("b", 2),
    ]  # fmt: skip
    for answer in final:
        unsearched = (answer["id"], answer["turnNumber"]) in (("b", 0), ("b", 2))
        assert answer.get("noResults", False) == unsearched
        assert ("moveInfos" in answer) != unsearched


@pytest.mark.usefixtures("knowing")
def test_the_most_urgent_comes_first() -> None:
    live = Live()
    live.ask(**QUESTION | {"id": "now", "maxVisits": 10**9, "reportDuringSearchEvery": 0.01})
    live.wait_for(lambda answers: answers)
    for name, priority in (("low", -1), ("usual", 0), ("high", 5), ("usual too", 0)):
        live.ask(**QUESTION | {"id": name, "priority": priority})
    live.ask(id="t", action="terminate", terminateId="now")
    final = [answer["id"] for answer in live.close() if answer.get("isDuringSearch") is False]
    assert final == ["now", "high", "usual", "usual too", "low"]


def test_what_needs_no_search_is_answered_at_once() -> None:
    version, cleared, ended = ask(
        {"id": "v", "action": "query_version"},
        {"id": "c", "action": "clear_cache", "more": 1},
        {"id": "t", "action": "terminate", "terminateId": "nobody"},
    )
    assert version["action"] == "query_version" and version["id"] == "v" and version["version"]
    assert cleared == {"id": "c", "action": "clear_cache", "more": 1}
    assert ended["terminateId"] == "nobody"


@pytest.mark.slow
def test_the_command_line_speaks_it() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    questions = [{"id": "v", "action": "query_version"}, QUESTION | {"rules": "tromp-taylor"}]
    done = subprocess.run(
        [sys.executable, "-m", "alphazero", "analysis", "--game", "go:size=9", "--seed", "1"],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0]["action"] == "query_version"
    assert answers[-1]["moveInfos"] and answers[-1]["rootInfo"]["visits"] >= 29
