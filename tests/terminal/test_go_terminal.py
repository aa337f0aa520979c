"""Go in the terminal: territory, dead stones, handicap, SGF; and `play.py --game go`."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena.players import RESIGN, Player
from alphazero.cli.play import main
from alphazero.engine.analysis import Analysis, Expectation, MoveInfo
from alphazero.engine.judge import Judgement
from alphazero.engine.resignation import LOST_TURNS
from alphazero.engine.territory import chains, estimate
from alphazero.errors import UserError
from alphazero.formats.game_file import save_path, saved_game, saved_text
from alphazero.formats.handicap import handicap_position
from alphazero.formats.sgf import read_sgf
from alphazero.game import Position, load
from alphazero.terminal.app import TerminalGame, line_reader
from alphazero.terminal.display import Style, paint
from alphazero.terminal.go import GoCommentary, mark_points
from alphazero.terminal.session import Session

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
PLAY = [sys.executable, str(ROOT / "play.py")]
FAKE = ROOT / "tests" / "helpers" / "fake_gtp.py"
PATIENCE = 600  # seconds, for a first compilation on a busy machine
GO9 = load("go:size=9,rules=chinese")
TROMP_TAYLOR = load("go:size=9")
CONNECT4 = load("connect4")


class ScriptedEngine:
    """Plays the moves it is given, then passes; thinks it has a share of the point."""

    name = "scripted"
    doubtful = None

    def __init__(self, moves: str = "", share: float = 0.5, heads=None) -> None:
        self.moves = moves.split()
        self.share = share
        self.heads = heads or (lambda position: {})
        self.thoughts = 0

    def set_level(self, level: int) -> None:
        pass

    def auxiliary(self, positions):
        return self.heads(positions[0])

    def judge(self, position):
        stones, dead = position.game.stones, estimate(position, self.auxiliary).dead
        area, nothing = stones.area(position.state, dead), np.zeros(dead.shape, bool)
        owners = np.where(area == 2, -1, area)
        doubtful = nothing if self.doubtful is None else self.doubtful
        return Judgement(owners, dead, nothing, doubtful, stones.score(position.state, dead))

    def evaluate(self, position):
        return position.legal_mask().astype(float), 0.0

    def analyze(self, request, stop, on_info=None):
        position, in_earnest = request.position, request.full_strength
        self.thoughts += 1
        wanted = "pass" if in_earnest or not self.moves else self.moves.pop(0)
        action = position.action(wanted)
        line = MoveInfo(action, self.share, 60, (action,))
        score = self.auxiliary([position]).get("score")
        return Analysis(
            position.to_play, 2 * self.share - 1, None, action, [line], 100, 0.5,
            expected=None if score is None else Expectation(81 * float(score[0, 0])),
        )  # fmt: skip


def halves(position: Position):
    """A network that gives the left of a board to Black, the right to White, the middle to nobody;
    it knows of a lead of 4.5 points for Black."""
    owner = np.zeros((1, 9, 9), np.float32)
    owner[:, :, :4], owner[:, :, 5:] = 0.9, -0.9
    score = np.full((1, 1), 4.5 / 81, np.float32)
    sign = 1 if position.to_play == 0 else -1
    return {"ownership": sign * owner, "score": sign * score}


def play(
    lines: str | list[str],
    tmp_path: Path,
    *,
    engine: ScriptedEngine | None = None,
    start: Position | None = None,
    handicap: int = 0,
    human: int = 0,
    name: str = "game.sgf",
    game=GO9,
    opponent: Player | None = None,
    err: io.StringIO | None = None,
    **options,
) -> tuple[str, Session]:
    """The output of a game with the given input, and the game; saved to tmp_path/game.sgf."""
    script = lines.split() if isinstance(lines, str) else lines
    out = io.StringIO()
    session = Session(
        game,
        human=human,
        path=tmp_path / name,
        start=start,
        handicap=handicap,
    )
    terminal = TerminalGame(
        session,
        engine or ScriptedEngine(heads=halves),  # type: ignore[arg-type]
        line_reader(script, io.StringIO(), out),
        out,
        err if err is not None else io.StringIO(),
        opponent=opponent,
        **options,
    )
    assert terminal.run() == 0
    return out.getvalue(), session


def texts(session: Session) -> list[str]:
    return [session.position.text(action) for action in session.position.moves]


def set_up(picture: str, to_play: int = 0) -> Position:
    """A position with the stones of a picture."""
    board = np.array([[".XO".index(letter) for letter in line] for line in picture.split()])
    game = load(f"go:size={len(board)}")
    state = game.position().start_state.copy()
    game.stones.set_up(state, board, to_play)
    return Position(game, state)


# -- conversations ---------------------------------------------------------------------------------

CONVERSATIONS = {
    "handicap": (
        # White begins; a capture; undo and redo of pairs; a hint, an estimate; dead stones.
        "e4 xyzzy e4 f5 d5 undo undo redo redo flip flip hint score e6 pass D9 hint c3 C3 g7 agree"
        " undo pass on quit",
        {"handicap": 2},
        "E5 F8 A1 J9 H8",
    ),
    "even": (
        "help E5 e5 I5 k5 legal p resign undo resign new c3",
        {"human": 1},
        "C3 G7 E3 D4",
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(name, tmp_path, regen_golden):
    lines, options, moves = CONVERSATIONS[name]
    options = dict(options)
    if "handicap" in options:
        options["start"] = handicap_position(GO9, options["handicap"])
    engine = ScriptedEngine(moves, heads=halves)
    out, _ = play(lines, tmp_path, engine=engine, **options)
    sgf = (tmp_path / "game.sgf").read_text()
    found = out.replace(str(tmp_path), "FOLDER") + "\n" + re.sub(r"DT\[.*?\]", "DT[DATE]", sgf)
    golden = GOLDEN / f"terminal_go_{name}.txt"
    if regen_golden:
        golden.write_text(found)
    assert found == golden.read_text()


# -- the end of a game -----------------------------------------------------------------------------


def test_two_passes_lead_to_an_agreement_on_dead_stones(tmp_path):
    out, session = play("c7 g3 pass agree", tmp_path, engine=ScriptedEngine("g7 b2", heads=halves))
    # The head gives G3 to White and B2 to Black: both are proposed.
    assert "2 dead stones; black 40, white 41 + 7.5: white wins by 8.5 points" not in out
    assert re.search(r"2 dead stones; black \d+, white \d+ \+ 7\.5: \w+ wins by", out)
    assert "x, o: dead stones; b, w: points" in out
    assert session.dead is not None and session.dead.sum() == 2
    assert session.is_over and not session.is_counting
    assert out.count("dead stones (agree, on, or the point of a chain): ") == 1


def test_chains_are_toggled_as_a_whole_and_back(tmp_path):
    engine = ScriptedEngine("h8", heads=halves)
    out, session = play(["c7", "c6", "pass", "C6", "c7", "h8"], tmp_path, engine=engine)
    counts = re.findall(r"(\d+|no) dead stones?;", out)
    assert counts == ["no", "2", "no", "1"]
    assert session.is_counting and not session.is_over and session.winner is not None
    assert " 7 w w x w" in out and " 6 w w x w" in out and " 8 w w w w w w w O w 8" in out


def test_stones_in_doubt_are_named(tmp_path):
    engine = ScriptedEngine("g7", heads=halves)
    engine.doubtful = np.zeros((9, 9), bool)
    engine.doubtful[2, 6] = True
    out, _ = play("c7 pass agree", tmp_path, engine=engine)
    assert "\nin doubt, so look yourself: G7\nWrite agree" in out


def test_dead_stones_decide_the_game(tmp_path):
    for lines, winner in ((["e5", "pass", "agree"], 0), (["e5", "pass", "e5", "agree"], 1)):
        out, session = play(lines, tmp_path, engine=ScriptedEngine("", heads=halves))
        assert session.winner == winner
        assert f"{GO9.players[winner]} wins by " in out.splitlines()[-3]
        text = (tmp_path / "game.sgf").read_text()
        assert ("RE[B+73.5]" if winner == 0 else "RE[W+7.5]") in text


@pytest.mark.slow
def test_territory_and_prisoners_are_named(tmp_path):
    japanese = load("go:size=9,rules=japanese")
    ours, theirs = "black 80 of territory + 0 prisoners", "white 0 of territory + 0 prisoners + 6.5"
    for lines, count, result in (
        (["e5", "pass", "agree"], f"no dead stones; {ours}, {theirs}", "B+73.5"),
        (
            ["e5", "pass", "e5", "agree"],
            "+ 0 prisoners, white 0 of territory + 1 prisoner +",
            "W+7.5",
        ),
    ):
        engine = ScriptedEngine("", heads=halves)
        out, _ = play(lines, tmp_path, engine=engine, game=japanese)
        assert "9x9, komi 6.5, japanese rules.\nJapanese rules: the search counts area" in out
        ending = out[out.rindex("agree, on") :]
        assert count in out and count.split("; ")[-1] in ending
        assert f"wins by {result[2:]} points: black " in ending
        text = (tmp_path / "game.sgf").read_text()
        assert f"RE[{result}]" in text and "RU[Japanese]" in text and "KM[6.5]" in text


def test_playing_on_takes_both_passes_back(tmp_path):
    engine = ScriptedEngine("pass g7", heads=halves)
    out, session = play(["e5", "pass", "on", "c3"], tmp_path, engine=engine)
    # White passed first; it is its move again.
    assert texts(session) == ["E5", "G7", "C3", "pass"] and "nothing was taken back" not in out
    engine = ScriptedEngine("", heads=halves)
    _, session = play(["pass", "on", "redo"], tmp_path, engine=engine)
    assert texts(session) == []


def test_while_dead_stones_are_talked_about_all_commands_work(tmp_path):
    lines = ["e5", "pass", "hint", "pass", "legal", "score", "k9", "a1", "he", "board", "swap"]
    engine = ScriptedEngine("pass", heads=halves)
    out, session = play([*lines, "save " + str(tmp_path / "b.sgf"), "q"], tmp_path, engine=engine)
    asked = out.split("dead stones (agree, on, or the point of a chain): ")
    assert len(asked) == 12
    over = "the game is over but for its dead stones: write agree, on or undo\n"
    assert asked[1] == "hint\n" + over and asked[2] == "pass\n" + over
    assert asked[3] == "legal\nnone: the game is over\n"
    assert "estimate: " in asked[4] and "'K9' is not a point" in asked[5]
    assert asked[6] == "a1\nthere is no stone at A1\n"
    assert "  agree          these stones are dead" in asked[7]
    assert asked[9] == "swap\nyou are white now\n" and session.is_counting
    assert "RE[?]" in (tmp_path / "b.sgf").read_text()  # nothing is agreed upon yet


def test_undo_and_resign_end_the_talk_about_dead_stones(tmp_path):
    _, session = play(["e5", "pass", "undo"], tmp_path, engine=ScriptedEngine("c3", heads=halves))
    assert texts(session) == ["E5", "C3"] and not session.is_counting
    out, session = play(["pass", "resign"], tmp_path, engine=ScriptedEngine("", heads=halves))
    assert "white wins by resignation." in out and session.resigned == 0
    assert "RE[W+R]" in (tmp_path / "game.sgf").read_text()
    out, session = play(["pass", "agree", "undo"], tmp_path, engine=ScriptedEngine("pass"))
    assert texts(session) == [] and session.dead is None


class Passing(Player):
    name = "passing"

    def choose(self, positions, rng):
        return [81 for _ in positions]


@pytest.mark.parametrize(("game", "winner"), [(GO9, "white"), (TROMP_TAYLOR, "black")])
def test_watching_two_players_counts_by_the_rules(tmp_path, game, winner):
    engine = ScriptedEngine("h5 pass", heads=halves)  # the stone is in White's half
    out, session = play([], tmp_path, engine=engine, opponent=Passing(), human=1, game=game)
    assert session.is_over and "black passes" in out and "plays pass" not in out
    assert ("1 dead stone; " in out) == (game is GO9)
    assert out.splitlines()[-2].startswith(f"{winner} wins by ")
    (result,) = re.findall(r"RE\[(.)", (tmp_path / "game.sgf").read_text())
    assert result == winner[0].upper()


def test_by_tromp_taylor_two_passes_end_the_game_with_all_stones_alive(tmp_path):
    engine = ScriptedEngine("h5", heads=halves)
    out, session = play("c3 pass", tmp_path, engine=engine, game=TROMP_TAYLOR)
    assert session.is_over and "dead stones" not in out
    assert "white wins by 7.5 points.\n" in out


def test_a_program_that_resigns_has_lost(tmp_path):
    class Resigning(Player):
        name = "resigning"

        def choose(self, positions, rng):
            return [RESIGN for _ in positions]

    out, session = play([], tmp_path, engine=ScriptedEngine("e5"), opponent=Resigning(), human=1)
    assert session.resigned == 1 and out.splitlines()[-2] == "black wins by resignation."
    text = (tmp_path / "game.sgf").read_text()
    assert "PB[scripted]PW[resigning]" in text and "RE[B+R]" in text


# -- what the engine does with people --------------------------------------------------------------


def test_a_pass_is_answered_with_a_pass_when_the_rest_does_not_matter(tmp_path):
    engine = ScriptedEngine("g7", heads=halves)  # nobody has sure points enough for the komi
    out, _ = play("e5 pass", tmp_path, engine=engine)
    assert engine.thoughts == 2 and "passes, too" not in out

    def all_white(position):
        owner = np.full((1, 9, 9), -1.0 if position.to_play == 0 else 1.0, np.float32)
        return {"ownership": owner}

    engine = ScriptedEngine("g7", heads=all_white)
    out, session = play("e5 pass", tmp_path, engine=engine)
    assert engine.thoughts == 1 and texts(session)[-2:] == ["pass", "pass"]
    assert "white passes, too: it expects to win by 88.5 points or more" in out


@pytest.mark.parametrize("komi", [7.5, -5.0])
def test_a_pass_that_may_lose_the_count_is_not_answered(komi):
    """The network gives White the whole board but Black's one stone, which no count does yet."""

    def hopeful(position):
        owner = np.full((1, 9, 9), -1.0 if position.to_play == 0 else 1.0, np.float32)
        owner[0, 4, 4] = 0.0
        return {"ownership": owner}

    session = Session(load(f"go:size=9,komi={komi},rules=chinese"))
    commentary = GoCommentary(session, ScriptedEngine("", heads=hopeful))  # type: ignore[arg-type]
    for move in ("e5", "c3", "pass"):
        session.position.play(move)
    reason, moves = commentary.answer_to_pass()
    assert not reason and moves is not None and len(moves) == 79


def test_the_engine_gives_up_only_when_it_has_been_lost_for_long(tmp_path):
    moves = [f"{column}{row}" for row in range(1, 9, 2) for column in "abcdefghj"]
    replies = [f"{column}{row}" for row in range(2, 9, 2) for column in "abcdefghj"]
    engine = ScriptedEngine(" ".join(replies), share=0.02)
    out, session = play(moves[:30], tmp_path, engine=engine, quiet=True, game=TROMP_TAYLOR)
    # Not before half of the board's points have been played.
    assert session.resigned == 1 and len(session.position.moves) == 41
    assert "white resigns.\nblack wins by resignation (you).\n" in out
    engine = ScriptedEngine(" ".join(replies), share=0.06)
    _, session = play(moves[:30], tmp_path, engine=engine, quiet=True, game=TROMP_TAYLOR)
    assert session.resigned is None
    engine = ScriptedEngine(" ".join(replies), share=0.01)
    session = Session(TROMP_TAYLOR, handicap=2)
    commentary = GoCommentary(session, engine)  # type: ignore[arg-type]
    for move in (*moves[:18], *replies[:18], *moves[18:36]):
        session.position.play(move)
    assert not any(commentary.resigns(0.01) for _ in range(LOST_TURNS + 5))
    session.info = replace(session.info, handicap=0)
    assert commentary.resigns(0.01)
    commentary.cancel_resignation()
    assert [commentary.resigns(0.01) for _ in range(LOST_TURNS)] == [False] * (LOST_TURNS - 1) + [
        True
    ]


def test_after_a_resignation_is_taken_back_the_game_goes_on(tmp_path):
    moves = [f"{column}{row}" for row in range(1, 9, 2) for column in "abcdefghj"]
    replies = [f"{column}{row}" for row in range(2, 9, 2) for column in "abcdefghj"]
    engine = ScriptedEngine(" ".join(replies), share=0.02)
    out, session = play([*moves[:21], "undo", *moves[21:25]], tmp_path, engine=engine, quiet=True)
    assert "the resignation is taken back" in out and session.resigned is None
    assert len(session.position.moves) == 50


def test_the_lead_is_said_where_the_network_knows_it(tmp_path):
    out, _ = play("e5", tmp_path, engine=ScriptedEngine("c3", heads=halves))
    assert "| you 50% [##########..........] | black leads by 4.5 points | 100 sim" in out
    out, _ = play("e5", tmp_path, engine=ScriptedEngine("c3"))
    assert "leads" not in out
    comment = read_sgf(tmp_path / "game.sgf").annotations[2].comment
    assert comment.startswith("black 50% | 100 simulations")


# -- files -----------------------------------------------------------------------------------------


def test_every_move_is_saved_with_the_win_rate(tmp_path):
    play("e5 c7", tmp_path, engine=ScriptedEngine("c3 g7", share=0.6), name="game.SGF")
    sgf = read_sgf(tmp_path / "game.SGF")
    assert [sgf.position.text(move) for move in sgf.position.moves] == ["E5", "C3", "C7", "G7"]
    assert {n: note.winrate for n, note in sgf.annotations.items()} == {2: 0.4, 4: 0.4}
    assert (sgf.info.black, sgf.info.white, sgf.info.result) == ("human", "scripted", "?")
    assert sgf.info.rules == "chinese" and sgf.info.date and not sgf.remarks


def test_notes_belong_to_the_moves_on_the_board(tmp_path):
    for lines, noted in (("e5 c7 undo", {2}), ("e5 c7 undo redo", {2, 4}), ("e5 undo pass", {2})):
        engine = ScriptedEngine("c3 g7")
        play(lines, tmp_path, engine=engine)
        assert set(read_sgf(tmp_path / "game.sgf").annotations) == noted
    _, session = play("e5 c7 undo undo b2", tmp_path, engine=ScriptedEngine("c3 g7 b7"))
    assert set(session.annotations) == {2}


def test_load_and_go_on(tmp_path):
    saved = tmp_path / "saved.sgf"
    saved.write_text(
        "(;GM[1]SZ[9]KM[6,5]RU[Japanese]PW[human]HA[2]AB[cc][gg];W[ee]C[one];B[cd];W[ff];B[gc])"
    )
    engine = ScriptedEngine("", heads=halves)
    out, session = play([f"load {saved} 2", "e4"], tmp_path, engine=engine)
    assert "japanese rules: the search counts area" in out
    assert "you are white\n" in out
    assert texts(session) == ["E5", "C6", "E4", "pass"]
    assert session.info.handicap == 2 and session.annotations[1].comment == "one"
    assert GO9.stones.komi(session.position.state) == 6.5
    text = (tmp_path / "game.sgf").read_text()
    assert "HA[2]" in text and "KM[6.5]" in text and "C[one]" in text and "AB[cc][gg]PL[W]" in text
    assert saved.read_text().startswith("(;GM[1]SZ[9]KM[6,5]")  # it is not written to
    _, session = play([f"load {saved} 2", "redo"], tmp_path, engine=engine)
    assert texts(session) == ["E5", "C6", "F4", "G7"]
    _, session = play([f"load {saved}", "new", "quit"], tmp_path, engine=engine, human=1)
    assert session.info.handicap == 0 and not session.position.moves[1:]


def test_a_resigned_game_is_over_when_loaded(tmp_path):
    saved = tmp_path / "saved.sgf"
    for result, loser in (("B+R", 1), ("W+Resign", 0), ("B+3.5", None)):
        saved.write_text(f"(;GM[1]SZ[9]KM[7]RE[{result}];B[ee])")
        _, session = play([f"load {saved}"], tmp_path, engine=ScriptedEngine("c3"))
        assert session.resigned == loser


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [
        ("(;GM[1]SZ[5]KM[7];B[aa])", "", "is a game of go:size=5,"),
        ("(;GM[1]SZ[9]KM[7];B[aa])", " 2", "has 1 moves, not 2"),
        ("(;GM[2]SZ[9]KM[7];B[aa])", "", "not a game of Go"),
        ("no game", "", "is not an SGF file"),
    ],
)
def test_a_bad_file_is_one_line_and_changes_nothing(tmp_path, text, number, message):
    saved = tmp_path / "saved.sgf"
    saved.write_text(text)
    out, session = play(["e5", f"load {saved}{number}"], tmp_path, engine=ScriptedEngine("c3"))
    line = out.split(f"load {saved}{number}\n")[1].splitlines()[0]
    assert message in line and str(saved) in line
    assert texts(session) == ["E5", "C3"]


def test_text_files_hold_plain_games_only(tmp_path):
    err = io.StringIO()
    play("e5", tmp_path, engine=ScriptedEngine("c3"), name="game.txt", err=err)
    assert "1. E5 C3\n" in (tmp_path / "game.txt").read_text() and not err.getvalue()
    _, session = play([f"load {tmp_path / 'game.txt'}"], tmp_path)
    assert texts(session) == ["E5", "C3"]
    start = handicap_position(GO9, 2)
    lines = ["e5", f"save {tmp_path / 'other.txt'}"]
    out, _ = play(lines, tmp_path, engine=ScriptedEngine("c4 d4"), start=start, handicap=2)
    assert "this game can only be saved as SGF, to a file such as game.sgf\n" in out
    lines, engine = ["d", "save x.sgf"], ScriptedEngine("a")
    out, _ = play(lines, tmp_path, engine=engine, game=CONNECT4, name="c.txt")
    assert "Connect Four has no SGF files here: they are for Go\n" in out


def test_saved_games_have_names_and_are_known_by_them(tmp_path, monkeypatch):
    from datetime import datetime

    path = save_path(GO9, datetime(2026, 1, 31, 20, 15), {"XDG_DATA_HOME": str(tmp_path)})
    assert path == tmp_path / "alphazero" / "games" / "go-20260131-201500.sgf"
    play("e5", tmp_path, engine=ScriptedEngine("c3"))
    assert saved_game(tmp_path / "game.sgf").spec == TROMP_TAYLOR.spec
    text = saved_text(tmp_path / "game.sgf")
    assert "black: human\nwhite: scripted\n" in text and " 3 . .(O)" in text
    (tmp_path / "none.txt").write_text("nothing")
    with pytest.raises(UserError):
        saved_game(tmp_path / "none.txt")


# -- territory -------------------------------------------------------------------------------------

SETTLED = """
.XO......
.XO......
.XO......
.XO......
XXO......
.XO......
.XO..X...
.XOOOO...
.X.......
"""


def test_random_playouts_find_the_stones_that_cannot_live():
    position = set_up(SETTLED)
    found = estimate(position, lambda positions: {})
    assert [position.text(int(point)) for point in np.flatnonzero(found.dead)] == ["F3"]
    assert found.ownership[:, 0].min() > 0.9 and found.ownership[:7, 3:].max() < -0.1
    assert -60 < found.score < -10
    other = estimate(set_up(SETTLED, to_play=1), lambda positions: {})
    np.testing.assert_allclose(found.ownership, other.ownership, atol=0.3)
    assert (found.ownership == estimate(position, lambda positions: {}).ownership).all()


def test_a_finished_game_is_judged_without_its_passes():
    position = set_up(SETTLED)
    asked = []

    def head(positions):
        asked.extend(positions)
        return {}

    position.play("pass")
    position.play("pass")
    assert position.is_over
    assert estimate(position, head).dead.sum() == 1
    assert not asked[0].is_over and not asked[0].moves and len(position.moves) == 2


def test_a_networks_ownership_is_turned_to_the_first_player():
    for to_play in (0, 1):
        found = estimate(set_up(SETTLED, to_play), lambda positions: halves(positions[0]))
        assert found.ownership[0, 3] == pytest.approx(0.9)
        assert found.ownership[0, 8] == pytest.approx(-0.9)
        assert found.score == pytest.approx(4.5)
    # Stones that no attack can take are alive, whatever a network says.
    alive = set_up(".X.X..... XX.X..... XXXXX.... " + "......... " * 6)
    wrong = np.full((1, 9, 9), -1, np.float32)
    found = estimate(alive, lambda positions: {"ownership": wrong})
    assert found.score == pytest.approx(found.ownership.sum() - 7.5)
    assert not found.dead[:2, 1].any() and found.ownership[0, 0] == 1


def test_chains_are_found():
    board = np.array([[1, 1, 0], [2, 1, 2], [2, 2, 0]])
    assert chains(board) == [[(0, 0), (0, 1), (1, 1)], [(1, 0), (2, 0), (2, 1)], [(1, 2)]]
    assert chains(np.zeros((3, 3), int)) == []


def test_dead_stones_and_points_are_marked_on_the_board():
    position = set_up(SETTLED)
    position.play("J9")
    dead = np.zeros((9, 9), bool)
    dead[6, 5] = True
    view = mark_points(position.board_view(), GO9.stones.area(position.state, dead), dead)
    lines = view.text().splitlines()
    assert lines[0] == position.render().splitlines()[0]
    assert lines[1] == " 9 b X O . . . . .(X)9"
    assert lines[7] == " 3 b X O . . x + . . 3"
    painted = paint(view, Style(unicode=True)).plain
    assert " 3 b ●\ufe0e ○\ufe0e · · x + · · 3" in painted and "A B C" in painted
    coloured = paint(view, Style(unicode=True, colours=256))
    bare = coloured.plain.replace("\ufe0e", "")
    assert bare.translate(str.maketrans("●○·", "XO.")) == view.text()
    styles = {coloured.plain[span.start : span.end]: str(span.style) for span in coloured.spans}
    assert styles["b"] == "bold color(16) on color(137)"


def test_points_are_marked_on_a_board_that_is_smaller_than_its_array():
    game = load("go:size=9,min_size=5")
    view = game.position().board_view()
    small = replace(view, rows=view.rows[4:], columns=view.columns[:5], cells=view.cells[:25])
    owners = np.zeros((9, 9), int)
    owners[0, 4] = 2
    marked = mark_points(small, owners, np.zeros((9, 9), bool))
    assert [cell.piece for cell in marked.cells[:6]] == ["", "", "", "", "w", ""]


def test_the_board_turns_around_with_its_pass_below(tmp_path):
    out, _ = play("a1 pass flip", tmp_path, engine=ScriptedEngine("j9 b2", heads=halves))
    turned = out.split("flip\n")[1].splitlines()
    assert turned[0] == "  J H G F E D C B A" == turned[10]
    assert turned[1] == "1 . . . . . . . . X 1" and turned[9] == "9 O . . . . . . . . 9"
    assert turned[2] == "2 . . . . . . .(O). 2"


# -- play.py ---------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Where nothing is saved outside of tmp_path."""
    return os.environ | {"XDG_DATA_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "NO_COLOR": ""}


def run(environment: dict[str, str], *options: str, stdin: str = "", code: int = 0):
    done = subprocess.run(
        [*PLAY, "--simulations", "8", "--seed", "1", *options],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_game_from_a_pipe(environment, tmp_path):
    options = ["--game", "go", "--size", "9", "--rules", "chinese", "--handicap", "3", "--vs-human"]
    out, _ = run(environment, *options, stdin="c3\ne5\nscore\nnonsense\n")
    assert "9x9, komi 0.5, chinese rules, 3 stones of handicap.\nWrite a move" in out
    assert "black(2): c3\nc3 is illegal: occupied\n" in out
    assert "estimate: " in out and "captured: 0 by black, 0 by white" in out
    (path,) = (tmp_path / "alphazero" / "games").glob("go-*.sgf")
    assert out.endswith(f"game saved: {path}\n")
    sgf = read_sgf(path)
    assert sgf.info.handicap == 3 and sgf.info.rules == "chinese" and sgf.plies == 3
    assert GO9.stones.komi(sgf.position.state) == 0.5
    out, _ = run(environment, "--load", str(path), "--quiet", stdin="pass\n")
    assert "black(4): pass\n" in out
    out, _ = run(environment, "--load", str(path), "--color", "white", stdin="quit\n")
    assert "you are white" in out and "black plays" in out


@pytest.mark.slow
def test_the_full_board_is_the_default(environment):
    out, _ = run(environment, "--game", "go", "--quiet", stdin="q16\nboard\n")
    assert "A B C D E F G H J K L M N O P Q R S T\n" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--game", "go", "--size", "26"], "size must be a whole number from 2 to 25, not 26"),
        (["--game", "go", "--rules", "swedish"], "unknown rules 'swedish'"),
        (["--game", "go", "--handicap", "10"], "2 to 9 handicap stones on a board of 19x19"),
        (["--game", "go", "--handicap", "1"], "2 to 9 handicap stones on a board of 19x19, not 1"),
        (["--game", "go", "--komi", "nan"], "'nan' is not a number"),
        (["--game", "go", "--komi", "2000"], "komi must be a number from -1000 to 1000"),
        (["--game", "connect4", "--size", "9"], "has no parameter 'size'"),
        (["--size", "9"], "tic-tac-toe has no size: for another game add --game (--game go?)"),
        (["--handicap", "2"], "tic-tac-toe has no handicap"),
        (["--game", "go:size=5", "--fen", "x"], "Go has no FEN"),
        (["--game", "connect4", "--handicap", "2"], "there is no handicap in Connect Four"),
        (["--load", "x.sgf", "--komi", "5"], "with --load, size, komi, rules and handicap are the"),
        (["--load", "none.sgf"], "cannot read none.sgf: No such file or directory"),
        (["--game", "connect4", "--vs", "gtp:gnugo"], "programs that speak GTP play Go, not"),
        (["--game", "go", "--handicap", "2", "--gtp"], "--handicap is for playing here"),
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


@pytest.mark.slow
def test_parameters_may_be_written_either_way(environment):
    out, _ = run(environment, "--game", "go:size=5,komi=3", "--komi", "-2.5", stdin="quit\n")
    assert "black is X, white is O.\n" in out
    assert "5x5, komi -2.5, chinese rules.\n" in out


@pytest.mark.slow
def test_a_program_as_an_opponent_and_its_death(environment, tmp_path):
    command = f"gtp:{sys.executable} {FAKE}"
    options = ["--game", "go:size=5", "--vs"]
    out, _ = run(environment, *options, f"{command} resign")
    assert out.startswith(f"Go: {command} resign is black, white is ")
    assert "white wins by resignation.\ngame saved: " in out
    out, err = run(environment, *options, f"{command} dies", "--color", "white", code=2)
    assert "game saved: " in out  # what was played is not lost
    assert err.splitlines()[-1].endswith("asked for 'genmove w': assertion failed: moves > 0")
    out, err = run(environment, *options, "gtp:no-such-program", code=2)
    assert "cannot start 'no-such-program': No such file or directory" in err.splitlines()[-1]
