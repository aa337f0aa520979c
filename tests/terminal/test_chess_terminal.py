"""Chess in the terminal: SAN, check, claims, PGN and FEN files; and `play.py --game chess`."""

import io
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alphazero.engine.analysis import Analysis, MoveInfo
from alphazero.errors import UserError
from alphazero.formats.game_file import saved_game, saved_text
from alphazero.formats.pgn.reader import read_pgn, start_from
from alphazero.game import BoardView, Position, load
from alphazero.terminal.app import TerminalGame, line_reader
from alphazero.terminal.chess import ChessCommentary
from alphazero.terminal.display import Display, Style, paint
from alphazero.terminal.session import Session

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
PLAY = [sys.executable, str(ROOT / "play.py")]
PATIENCE = 600  # seconds, for a first compilation on a busy machine
CHESS = load("chess:draws=automatic")
MATE = "f3 e5 g4 Qh4#"


class ScriptedEngine:
    """Plays the moves it is given, then the first legal one; thinks it has a share of the point."""

    name = "scripted"

    def __init__(self, moves: str = "", share: float = 0.4) -> None:
        self.moves = moves.split()
        self.share = share

    def set_level(self, level: int) -> None:
        pass

    def evaluate(self, position):
        return position.legal_mask().astype(float), 0.0

    def analyze(self, request, stop, on_info=None):
        position, in_earnest = request.position, request.full_strength
        legal = position.legal_actions()
        action = legal[0]
        if self.moves and not in_earnest:
            action = position.action(self.moves.pop(0))
        found = [MoveInfo(action, self.share, 60, (action,))]
        return Analysis(position.to_play, 2 * self.share - 1, None, action, found, 100, 0.5)


def play(
    lines: str | list[str],
    tmp_path: Path,
    *,
    engine: ScriptedEngine | None = None,
    human: int = 0,
    start: Position | None = None,
    game=CHESS,
    name: str = "game.pgn",
    style: Style | None = None,
) -> tuple[str, Session]:
    script = lines.split() if isinstance(lines, str) else lines
    out = io.StringIO()
    session = Session(game, human=human, path=tmp_path / name, start=start)
    terminal = TerminalGame(
        session,
        engine or ScriptedEngine(),  # type: ignore[arg-type]
        line_reader(script, io.StringIO(), out),
        out,
        io.StringIO(),
        style=style,
    )
    assert terminal.run() == 0
    return out.getvalue(), session


def moves(session: Session) -> list[str]:
    position = Position(session.game, session.position.start_state)
    return [(position.text(a), position.play(a))[0] for a in session.position.moves]


CONVERSATIONS = {
    "white": (
        # UCI and SAN, what is illegal and why, hints, undo; a person is mated.
        "e4 e2e5 Ke2 f3 hint undo redo legal eval g2g4 resign undo quit",
        {},
        "e5 Qh4",
    ),
    "black": ("help c5 Qb6 fen flip undo board draw resign", {"human": 1}, "e4 d4 Bb5 Nf3"),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(name, tmp_path, regen_golden):
    lines, options, replies = CONVERSATIONS[name]
    out, _ = play(lines, tmp_path, engine=ScriptedEngine(replies), **options)
    pgn = re.sub(r'"20\d\d[^"]*"|"\d\d:\d\d:\d\d"', '"WHEN"', (tmp_path / "game.pgn").read_text())
    found = out.replace(str(tmp_path), "FOLDER") + "\n" + pgn
    golden = GOLDEN / f"terminal_chess_{name}.txt"
    if regen_golden:
        golden.write_text(found)
    assert found == golden.read_text()


def test_a_mate_is_told_and_saved(tmp_path):
    out, session = play("f3 g4", tmp_path, engine=ScriptedEngine("e5 Qh4"))
    assert "black plays Qh4#\nblack wins by checkmate.\n" in out
    assert "black wins by checkmate.\n" in out and session.is_over
    text = (tmp_path / "game.pgn").read_text()
    assert '[Result "0-1"]' in text and '[Termination "normal"]' in text
    assert "2. g4 Qh4# {[%eval -0.29]" not in text  # White expects more than half
    assert read_pgn(tmp_path / "game.pgn").annotations[4].winrate == pytest.approx(0.6, abs=0.01)


def test_castling_that_is_barred_is_named_as_it_was_typed(tmp_path):
    out, _ = play(["O-O", "e1g1"], tmp_path)
    assert "\nO-O is illegal: the bishop on f1 is in the way\n" in out
    assert "\ne1g1 is illegal: the bishop on f1 is in the way\n" in out


def test_check_is_marked_and_a_reason_given(tmp_path):
    start = start_from(CHESS, "4k3/8/8/8/4r3/8/3N4/4K3 w - - 0 1")
    out, _ = play(["Nb3", "Kf1"], tmp_path, start=start)
    assert "[K]" in out and "white is in check\n" in out
    assert "Nb3 is illegal: the king is in check from the rook on e4\n" in out


BACK = "Nf3 Ng1 Nf3 Ng1"


def test_a_draw_is_claimed_by_the_person_who_may(tmp_path):
    engine = ScriptedEngine("Nf6 Ng8 Nf6 Ng8", share=0.6)
    out, session = play(f"draw {BACK} draw", tmp_path, engine=engine)
    assert out.count("there is no draw to claim") == 1
    assert "white may claim a draw (threefold repetition)\n" in out
    assert "white claims a draw.\nThe game is a draw by threefold repetition.\n" in out
    assert session.drawn and '[Result "1/2-1/2"]' in (tmp_path / "game.pgn").read_text()


def test_a_claim_is_taken_back_like_a_resignation(tmp_path):
    engine = ScriptedEngine("Nf6 Ng8 Nf6 Ng8 e5", share=0.6)
    out, session = play(f"{BACK} draw undo e4", tmp_path, engine=engine)
    assert "the draw is taken back\n" in out and not session.drawn
    assert len(session.position.moves) == 10


def test_the_engine_claims_a_draw_when_it_is_worse(tmp_path):
    start = start_from(CHESS, "4k3/8/8/8/8/8/3Q4/4K3 w - - 99 90")
    out, session = play("Qd3", tmp_path, start=start)
    assert "black claims a draw.\nThe game is a draw by fifty moves without progress.\n" in out
    _, session = play("Qd3", tmp_path, start=start, engine=ScriptedEngine(share=0.5))
    assert not session.drawn and len(session.position.moves) == 2


def test_where_draws_end_the_game_nothing_is_claimed(tmp_path):
    engine = ScriptedEngine("Nf6 Ng8 Nf6 Ng8")
    out, _ = play(f"{BACK} draw", tmp_path, engine=engine, game=load("chess"))
    assert "The game is a draw by threefold repetition.\n" in out
    assert "the game is over: write new, undo or quit" in out


def test_load_goes_on_after_a_move(tmp_path):
    saved = tmp_path / "saved.pgn"
    saved.write_text('[White "x"]\n[Black "human"]\n[Event "Cup"]\n\n1. e4 e5 2. Nf3 Nc6 1-0\n')
    _, session = play([f"load {saved} 3", "redo"], tmp_path)
    assert session.human == 1 and moves(session)[:4] == ["e2e4", "e7e5", "g1f3", "b8c6"]
    _, session = play([f"load {saved}"], tmp_path)
    assert session.resigned == 1
    _, session = play([f"load {saved} 3", "Nf6"], tmp_path)
    assert moves(session)[:4] == ["e2e4", "e7e5", "g1f3", "g8f6"]
    assert '[Event "Cup"]' in (tmp_path / "game.pgn").read_text()
    out, _ = play([f"load {saved} 9", "load none.pgn", "load none.fen"], tmp_path)
    assert f"{saved} has 4 moves, not 9\n" in out
    assert out.count("cannot read none.") == 2
    saved.write_text("1. e4 e5 2. Ke3 *\n")
    out, session = play([f"load {saved}", f"load {saved} 2"], tmp_path)
    assert f"{saved}, line 1: 2. Ke3: " in out and len(session.position.moves) == 2


def test_positions_are_saved_and_loaded_as_fen(tmp_path):
    fen = tmp_path / "position.fen"
    play(["e4", f"save {fen}"], tmp_path, engine=ScriptedEngine("e5"))
    text = "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2\n"
    assert fen.read_text() == text
    _, session = play([f"load {fen}", "Nf3"], tmp_path)
    assert moves(session)[0] == "g1f3"
    assert '[FEN "rnbqkbnr/pppp1ppp' in (tmp_path / "game.pgn").read_text()
    assert saved_game(fen).spec.startswith("chess:") and "8  r  n  b" in saved_text(fen)
    fen.write_text("nonsense")
    out, _ = play([f"load {fen}"], tmp_path)
    assert f"{fen}: FEN 'nonsense': a FEN has 4 to 6 fields" in out


def test_a_game_from_a_position_is_no_game_of_our_own_format(tmp_path):
    start = start_from(CHESS, "4k3/8/8/8/8/8/3Q4/4K3 w - - 0 1")
    out, _ = play([f"save {tmp_path / 'x.txt'}"], tmp_path, start=start)
    assert "this game can only be saved as PGN, to a file such as game.pgn\n" in out


def painted(view: BoardView, colours: int) -> str:
    """The painted board as it is written to a terminal."""
    out, session = io.StringIO(), Session(CHESS)
    style = Style(unicode=True, colours=colours)
    commentary = ChessCommentary(session)
    display = Display(session, commentary, out, io.StringIO(), style, person=None, quiet=False)
    display.write(paint(view, style))
    return out.getvalue()


def test_a_painted_board_is_the_same_from_both_sides():
    position = start_from(CHESS, "4k3/8/8/8/4r3/8/8/R3K3 w Q - 0 1")
    view = position.board_view()
    plain = painted(view, 0)
    assert "♜\ufe0e" in plain and "♖\ufe0e" in plain and "[♔\ufe0e]" in plain
    for colours in (16, 256):
        board = painted(view, colours)
        assert re.sub(r"\x1b\[[\d;]*m|\ufe0e", "", board).count("♜") == 2  # told by their colour
        grounds = []
        for text in (board, painted(view.turned(), colours)):
            codes = re.findall(r"\x1b\[[\d;]*?;(4\d(?:;5;\d+)?)m[^\x1b]", text)
            grounds.append([ground for ground, _ in itertools.groupby(codes)])
        assert grounds[0] == grounds[1][::-1] and len(set(grounds[0])) == 3


def test_the_person_s_side_is_below(tmp_path):
    out, _ = play("quit", tmp_path, human=1, engine=ScriptedEngine("e4"))
    assert out.index("1  R  N  B  K") < out.index("8  r  n  b  k")


def run(*arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PLAY, *arguments, "--simulations", "2", "--seed", "1", "--save", str(tmp_path / "g.pgn")],
        input="", capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.slow
def test_play_from_a_fen_and_from_a_file(tmp_path):
    done = run("--fen", "7k/8/8/8/8/8/3Q4/4K3 w - - 0 1", "--moves", "Qd7", tmp_path=tmp_path)
    assert done.returncode == 0 and "black plays K" in done.stdout, done.stderr
    done = run(
        "--load", "g.pgn", "--at", "1", "--color", "black", "--moves", "fen", tmp_path=tmp_path
    )
    assert "7k/3Q4/8/8/8/8/8/4K3 b - - 1 1\n" in done.stdout, done.stderr
    done = run("--load", "g.pgn", "--at", "99", tmp_path=tmp_path)
    assert "g.pgn has 2 moves, not 99\n" in done.stderr
    done = run("--fen", "8/8", tmp_path=tmp_path)
    assert done.returncode == 2 and "a FEN has 4 to 6 fields" in done.stderr
    done = run("--at", "3", tmp_path=tmp_path)
    assert done.returncode == 2 and "--at is a move of the file that --load names" in done.stderr


def test_other_games_have_no_pgn(tmp_path):
    with pytest.raises(UserError, match="Connect Four has no PGN files: they are for chess"):
        session = Session(load("connect4"), path=tmp_path / "x.pgn")
        session.save({})
