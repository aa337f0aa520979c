"""The terminal game: the conversation, what it shows, what it saves."""

import io
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from alphazero.engine.analysis import Analysis, MoveInfo
from alphazero.errors import UserError
from alphazero.formats import game_file as gamefile
from alphazero.formats.game_file import GameFile, free_path, save_folder, save_path
from alphazero.game import BoardView, Position, load
from alphazero.terminal.app import COMMANDS, Interrupt, TerminalGame, line_reader
from alphazero.terminal.commentary import Commentary
from alphazero.terminal.display import Display, Style, choose_style, paint, win_bar
from alphazero.terminal.session import Session

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")


class ScriptedEngine:
    """Plays the moves it is given, then the first legal one; thinks it wins with 80 %."""

    def __init__(self, moves: str = "", proven: int | None = None) -> None:
        self.moves = moves.split()
        self.proven = proven
        self.name = "scripted"
        self.levels: list[int] = []
        self.earnest: list[bool] = []

    def set_level(self, level: int) -> None:
        if level not in range(1, 11):
            raise UserError("the level must be a whole number from 1 to 10")
        self.levels.append(level)

    def evaluate(self, position):
        return position.legal_mask().astype(float), 0.0

    def analyze(self, request, stop, on_info=None):
        position, in_earnest = request.position, request.full_strength
        self.earnest.append(in_earnest)
        legal = position.legal_actions()
        wanted = position.action(self.moves[0]) if self.moves and not in_earnest else legal[0]
        if self.moves and not in_earnest:
            self.moves.pop(0)
        lines = [MoveInfo(wanted, 0.8, 60, (wanted,))]
        for action in [action for action in legal if action != wanted]:
            lines.append(MoveInfo(action, 0.3, 10, (action, wanted)))
        thought = Analysis(position.to_play, 0.6, self.proven, wanted, lines, 100, 0.5)
        if on_info is not None:
            on_info(thought)
        return thought


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def play(
    lines: str | list[str],
    tmp_path: Path,
    *,
    engine: ScriptedEngine | None = None,
    game=TICTACTOE,
    err: io.StringIO | None = None,
    path: Path | None = None,
    human: int = 0,
    **options,
) -> tuple[str, Session]:
    """The output of a game with the given input, and the game; saved to tmp_path/game.txt."""
    script = lines.split() if isinstance(lines, str) else lines
    out = io.StringIO()
    session = Session(game, human=human, path=path or tmp_path / "game.txt")
    terminal = TerminalGame(
        session,
        engine or ScriptedEngine(),  # type: ignore[arg-type]
        line_reader(script, io.StringIO(), out),
        out,
        err if err is not None else io.StringIO(),
        **options,
    )
    assert terminal.run() == 0
    return out.getvalue(), session


def texts(position: Position) -> list[str]:
    game = position.game.position()
    return [(game.text(action), game.play(action))[0] for action in position.moves]


# -- a game from the first line to the last --------------------------------------------------------


def test_a_won_game_reads_as_a_conversation(tmp_path):
    out, session = play("a1 b1 c1", tmp_path, engine=ScriptedEngine("a3 b3"))
    assert out.startswith(
        "Tic-tac-toe: you are X, O is scripted.\n"
        "Write a move, as in b2, or help for the other commands.\n"
        "\n"
        "   a  b  c\n"
        "3  .  .  .  3\n"
        "2  .  .  .  2\n"
        "1  .  .  .  1\n"
        "   a  b  c\n"
        "X(1): a1\n"
    )
    assert (
        "O plays a3 | you 20% [####................] | 100 simulations, 200/s, 0.50 s"
        " | expected: a3\nX(3): b1\n" in out
    )
    assert "3  O  O  .  3\n2  .  .  .  2\n1  X  X (X) 1\n   a  b  c\nX wins (you).\n" in out
    assert out.endswith(f"game over (new, undo or quit): \ngame saved: {tmp_path / 'game.txt'}\n")
    assert session.position.outcome().winner == 0


def test_the_last_move_of_either_side_is_marked(tmp_path):
    out, _ = play("b2", tmp_path, engine=ScriptedEngine("c1"))
    assert "2  . (X) .  2" in out
    assert "1  .  . (O) 1" in out


def test_the_engine_begins_when_the_person_is_second(tmp_path):
    out, session = play("b2", tmp_path, human=1, engine=ScriptedEngine("a1 a2"))
    assert "you are O, X is scripted" in out
    assert "X plays a1 | you 20% [####................] | 100" in out
    assert texts(session.position) == ["a1", "b2", "a2"]


def test_a_draw_and_a_loss_are_named(tmp_path):
    out, _ = play("b2 a3 b3 c2 a1", tmp_path, engine=ScriptedEngine("a2 c1 b1 c3"))
    assert "The game is a draw." in out
    out, _ = play("a1 a2 b3", tmp_path, engine=ScriptedEngine("c1 c2 c3"))
    assert "O wins.\n" in out and "(you)." not in out


def test_a_proven_result_is_said(tmp_path):
    out, _ = play("a1", tmp_path, engine=ScriptedEngine(proven=1))
    assert "| O wins by force |" in out
    out, _ = play("a1", tmp_path, engine=ScriptedEngine(proven=-1))
    assert "| X wins by force |" in out
    out, _ = play("a1", tmp_path, engine=ScriptedEngine(proven=0))
    assert "| a draw by force |" in out


def test_quiet_prints_moves_and_result_only(tmp_path):
    out, _ = play("a1 b1 c1", tmp_path, quiet=True, engine=ScriptedEngine("a3 b3"))
    assert out.splitlines()[:-2] == [
        "X(1): a1",
        "O plays a3",
        "X(3): b1",
        "O plays b3",
        "X(5): c1",
        "X wins (you).",
    ]


def test_two_players_can_be_watched(tmp_path):
    from alphazero.arena.players import make_player

    random = make_player("random", TICTACTOE)
    games = []
    for seed in (1, 1, 2):
        out, session = play([], tmp_path, opponent=random, human=1, seed=seed)
        assert out.startswith("Tic-tac-toe: random is O, X is scripted.\n")
        assert session.position.is_over and "(you)" not in out and "O plays" in out
        games.append(texts(session.position))
    assert games[0] == games[1] != games[2]
    text = (tmp_path / "game.txt").read_text()
    assert "X: scripted\nO: random\n" in text


# -- lines that make no sense ----------------------------------------------------------------------


def test_unknown_input_is_one_line_and_keeps_the_turn(tmp_path):
    out, session = play(["xyzzy", "", "  ", "a1"], tmp_path)
    after = out.split("X(1): xyzzy\n")[1].splitlines()
    assert after[0].startswith("'xyzzy' is not a cell") and after[0].endswith(
        " (help lists the commands)"
    )
    assert after[1:3] == ["X(1): ", "X(1):   "]
    assert after[3] == "X(1): a1"
    assert texts(session.position)[0] == "a1"


def test_an_illegal_move_says_why_and_keeps_the_turn(tmp_path):
    out, _ = play("a1 a1 a2", tmp_path, engine=ScriptedEngine("c3"))
    assert "X(3): a1\na1 is illegal: the cell is taken by X\nX(3): a2\n" in out
    out, _ = play("a a a a", tmp_path, game=CONNECT4, engine=ScriptedEngine("a a a"))
    assert "a is illegal: column a is full\n" in out


def test_first_letters_are_enough_unless_they_are_a_move_or_mean_two_things(tmp_path):
    out, _ = play(["l", "le", "leg", "s", "UNDO"], tmp_path)
    assert "'l' could be legal or level or load\n" in out
    assert "'le' could be legal or level\n" in out
    assert "X(1): leg\na3 b3 c3 a2 b2 c2 a1 b1 c1\n" in out
    assert "'s' could be swap or save\n" in out
    assert "X(1): UNDO\nyou have no move to take back\n" in out
    # In Connect Four b and e are columns before they are board and eval.
    _, session = play("b e", tmp_path, game=CONNECT4, engine=ScriptedEngine("a a"))
    assert texts(session.position) == ["b", "a", "e", "a"]


def test_after_the_end_only_commands_that_make_sense_work(tmp_path):
    lines = ["a1", "b1", "c1", "b2", "yes", "hint", "eval", "resign", "legal", "redo"]
    out, _ = play(lines, tmp_path, engine=ScriptedEngine("a3 b3"))
    end = out.split("X wins (you).\n")[1]
    assert end.count("the game is over: write new, undo or quit\n") == 5
    assert "none: the game is over\n" in end and "nothing was taken back\n" in end


# -- commands --------------------------------------------------------------------------------------


def test_every_command_is_in_the_help_and_works(tmp_path):
    out, _ = play("help", tmp_path)
    for name, command in COMMANDS.items():
        assert hasattr(TerminalGame, f"_{name}") or name == "quit"
        assert f"  {command.usage}" in out if command.usage else name == "why"
    assert out.count("as in b2, or") == 2  # the introduction has the same example


def test_quit_stops_reading(tmp_path):
    out, session = play("a1 q a2", tmp_path)
    assert len(session.position.moves) == 2
    assert out.endswith(f"X(3): q\ngame saved: {tmp_path / 'game.txt'}\n")


def test_undo_takes_back_your_move_and_the_reply(tmp_path):
    out, session = play("a1 b1 undo", tmp_path, engine=ScriptedEngine("c3 c2"))
    assert texts(session.position) == ["a1", "c3"]
    assert out.rstrip().splitlines()[-2].startswith("X(3): ")
    assert GameFile.read(tmp_path / "game.txt").moves == ("a1", "c3")
    _, session = play("a1 b1 undo undo undo", tmp_path, engine=ScriptedEngine("c3 c2"))
    assert texts(session.position) == []


def test_undo_of_a_move_that_ended_the_game_takes_back_that_move_alone(tmp_path):
    _, session = play("a1 b1 c1 undo", tmp_path, engine=ScriptedEngine("a3 b3"))
    assert texts(session.position) == ["a1", "a3", "b1", "b3"]


def test_undo_leaves_the_engines_opening_move(tmp_path):
    out, session = play("undo", tmp_path, human=1, engine=ScriptedEngine("b2"))
    assert texts(session.position) == ["b2"]
    assert "you have no move to take back" in out


def test_redo_makes_pairs_again_until_a_new_move_is_made(tmp_path):
    engine = ScriptedEngine("c3 c2")
    _, session = play("a1 b1 undo undo redo", tmp_path, engine=engine)
    assert texts(session.position) == ["a1", "c3"]
    _, session = play("a1 b1 undo undo redo redo", tmp_path, engine=ScriptedEngine("c3 c2"))
    assert texts(session.position) == ["a1", "c3", "b1", "c2"]
    assert GameFile.read(tmp_path / "game.txt").moves == ("a1", "c3", "b1", "c2")
    out, session = play("a1 undo b2 redo", tmp_path, engine=ScriptedEngine("c3 c2"))
    assert "nothing was taken back" in out and texts(session.position) == ["b2", "c2"]


def test_redo_of_a_winning_move_ends_the_game_again(tmp_path):
    out, session = play("a1 b1 c1 undo redo", tmp_path, engine=ScriptedEngine("a3 b3"))
    assert session.position.is_over and out.count("X wins (you).") == 2


def test_hint_shows_three_moves_in_earnest_and_plays_none(tmp_path):
    engine = ScriptedEngine()
    out, session = play("hint", tmp_path, engine=engine)
    board, _, hints = out.split("X(1): hint\n")[1].partition("   a  b  c\n1.")
    assert "3  1  2  3  3\n2  .  .  .  2\n" in board
    lines = f"1.{hints}".splitlines()
    assert lines[0] == "1. a3     80%      60 visits   a3"
    assert lines[1] == "2. b3     30%      10 visits   b3 a3"
    assert lines[2].startswith("3. c3") and lines[3] == "X(1): "
    assert engine.earnest == [True] and not session.position.moves


def test_long_lines_are_cut(tmp_path):
    engine = ScriptedEngine()
    analyze = engine.analyze

    def analyze_far(request, stop, on_info=None):
        found = analyze(request, stop, on_info)
        return replace(found, moves=[replace(found.moves[0], pv=(0, 1, 2, 3, 4, 5, 6, 0, 1, 2))])

    engine.analyze = analyze_far  # type: ignore[method-assign]
    out, _ = play("hint eval", tmp_path, engine=engine, game=CONNECT4)
    assert "visits   a b c d e f g a\n" in out and "expected: a b c d e f g a\n" in out


def test_eval_gives_the_chances_of_the_person_alone(tmp_path):
    out, _ = play("eval why", tmp_path)
    judgement = "you 80% [################....] | 100 simulations, 200/s, 0.50 s | expected: a3\n"
    assert f"X(1): eval\n{judgement}X(1): why\n{judgement}X(1): " in out


def test_resign_ends_the_game_and_undo_takes_it_back(tmp_path):
    out, session = play("a1 resign b2 undo", tmp_path)
    assert "O wins by resignation.\n" in out
    assert "the game is over" in out and "the resignation is taken back" in out
    assert out.rstrip().splitlines()[-2] == "X(3): "
    assert len(session.position.moves) == 2
    play("a1 resign", tmp_path)
    assert GameFile.read(tmp_path / "game.txt").result == "O wins by resignation"


def test_swap_hands_the_move_over(tmp_path):
    out, session = play("a1 swap b1", tmp_path, engine=ScriptedEngine("b2 a3 c3"))
    assert "you are O now\n" in out and "X plays a3 | you 20%" in out
    assert texts(session.position) == ["a1", "b2", "a3", "b1", "c3"]


def test_new_begins_again_in_another_file(tmp_path):
    out, session = play("a1 new b1 new c1", tmp_path, engine=ScriptedEngine("c3 c2 a3"))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["game-2.txt", "game-3.txt", "game.txt"]
    assert GameFile.read(tmp_path / "game.txt").moves == ("a1", "c3")
    assert GameFile.read(tmp_path / "game-2.txt").moves == ("b1", "c2")
    assert GameFile.read(tmp_path / "game-3.txt").moves == ("c1", "a3")
    assert texts(session.position) == ["c1", "a3"]
    assert out.endswith(f"game saved: {tmp_path / 'game-3.txt'}\n")


def test_level_is_checked(tmp_path):
    engine = ScriptedEngine()
    out, _ = play(["level", "level 3", "level 11", "level x"], tmp_path, engine=engine)
    assert engine.levels == [3]
    assert out.count("the engine: scripted\n") == 2
    assert out.count("the level must be a whole number from 1 to 10") == 2


def test_board_and_flip(tmp_path):
    out, _ = play("a1 flip board flip", tmp_path, engine=ScriptedEngine("b2"))
    turned = "   c  b  a\n1  .  .  X  1\n2  . (O) .  2\n3  .  .  .  3\n   c  b  a\n"
    upright = "   a  b  c\n3  .  .  .  3\n2  . (O) .  2\n1  X  .  .  1\n   a  b  c\n"
    assert f"X(3): flip\n{turned}X(3): board\n{turned}X(3): flip\n{upright}" in out


# -- saving and loading ----------------------------------------------------------------------------


def test_every_move_is_saved_as_readable_text(tmp_path):
    play("a1 b1", tmp_path, engine=ScriptedEngine("c3 c2"), seed=7)
    text = (tmp_path / "game.txt").read_text()
    text = re.sub(r"(?m)^date: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", "date: DATE", text)
    assert text == (
        f"alphazero game 1\ngame: {TICTACTOE.spec}\nX: human\nO: scripted\ndate: DATE\nseed: 7\n"
        "result: *\n\n1. a1 c3\n2. b1 c2\n"
    )


def test_a_game_without_a_move_leaves_no_file(tmp_path):
    out, _ = play("quit", tmp_path)
    assert list(tmp_path.iterdir()) == [] and "saved" not in out


def test_save_and_load_in_the_game(tmp_path):
    other = tmp_path / "my game.txt"
    lines = ["a1", f"save {other}", "b1", f"load {other}", "b2"]
    out, session = play(lines, tmp_path, engine=ScriptedEngine("c3 c2 c1"))
    assert f"game saved: {other}\n" in out
    assert texts(session.position) == ["a1", "c3", "b2", "c1"]
    # The game before keeps its own file, and the loaded file is not written to.
    assert GameFile.read(tmp_path / "game.txt").moves == ("a1", "c3", "b1", "c2")
    assert GameFile.read(other).moves == ("a1", "c3")
    assert GameFile.read(tmp_path / "game-2.txt").moves == ("a1", "c3", "b2", "c1")


def test_load_takes_the_persons_side_from_the_file_and_lets_the_engine_answer(tmp_path):
    saved = tmp_path / "saved.txt"
    saved.write_text("alphazero game 1\ngame: tic-tac-toe\nO: human\n\n1. a1 c3\n")
    out, session = play([f"load {saved}"], tmp_path, engine=ScriptedEngine("b2"))
    assert "you are O\n" in out and texts(session.position) == ["a1", "c3", "b2"]


def test_load_of_the_first_moves_keeps_the_rest_for_redo(tmp_path):
    saved = tmp_path / "saved.txt"
    saved.write_text("alphazero game 1\ngame: tic-tac-toe\nX: human\n\n1. a1 c3\n2. b1 c2\n")
    _, session = play([f"load {saved} 2"], tmp_path)
    assert texts(session.position) == ["a1", "c3"]
    _, session = play([f"load {saved} 2", "redo"], tmp_path)
    assert texts(session.position) == ["a1", "c3", "b1", "c2"]
    out, _ = play([f"load {saved} 5"], tmp_path)
    assert f"{saved} has 4 moves, not 5" in out


def test_a_resigned_game_is_over_when_loaded(tmp_path):
    saved = tmp_path / "saved.txt"
    text = "alphazero game 1\ngame: tic-tac-toe\nresult: {} wins by resignation\n\n1. a1 c3\n"
    for winner, loser in (("O", 0), ("X", 1)):
        saved.write_text(text.format(winner))
        out, session = play([f"load {saved}"], tmp_path)
        assert session.resigned == loser and f"{winner} wins by resignation" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'not a saved game: its first line is not "alphazero game 1"'),
        ("alphazero game 2\n", 'its first line is not "alphazero game 1"'),
        ("alphazero game 1\nX: human\n", "does not say which game it is"),
        ("alphazero game 1\ngame: connect4\n", f"is a game of connect4, not of {TICTACTOE.spec}"),
        ("alphazero game 1\ngame: chesss\n", "unknown game 'chesss'"),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1 a1\n", "move 2 (a1): a1 is illegal"),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1 z9\n", "move 2 (z9): 'z9' is not a cell"),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1 b1\n3. c1\n", 'line 4: expected "2."'),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1\n2. c1\n", 'line 4: expected "1."'),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1\n1. c1\n", "line 4: expected"),
        ("alphazero game 1\ngame: tic-tac-toe\n1. a1 b1 c1\n", "expected one or two moves"),
        ("alphazero game 1\ngame: tic-tac-toe\n1.\n", "expected one or two moves"),
        ("alphazero game 1\ngame: tic-tac-toe\na1 b1\n", 'line 3: expected "1."'),
    ],
)
def test_a_bad_file_is_one_line_and_changes_nothing(tmp_path, text, message):
    saved = tmp_path / "saved.txt"
    saved.write_text(text)
    out, session = play(["a1", f"load {saved}"], tmp_path, engine=ScriptedEngine("c3"))
    (line,) = out.split(f"load {saved}\n")[1].split("\nX(3): ")[:1]
    assert message in line and str(saved) in line
    assert "\n" not in line
    assert texts(session.position) == ["a1", "c3"]


def test_files_that_cannot_be_read_or_written_are_one_line(tmp_path):
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00")
    lines = ["load", f"load {tmp_path / 'none'}", f"load {binary}", f"load {tmp_path}"]
    lines += [f"save {binary}/x", f"save {tmp_path / 'nowhere' / 'x.txt'}", "a1"]
    out, session = play(lines, tmp_path)
    assert "load which file? write load FILE, or load FILE N\n" in out
    assert f"cannot read {tmp_path / 'none'}: No such file or directory\n" in out
    assert f"{binary} is not a saved game: it is not a text file\n" in out
    assert f"cannot read {tmp_path}: Is a directory\n" in out
    assert f"cannot write {binary}/x: there is no folder {binary}\n" in out
    assert f"there is no folder {tmp_path / 'nowhere'}\n" in out
    assert not (tmp_path / "nowhere").exists()
    assert len(session.position.moves) == 2


def test_a_disk_that_takes_no_saves_is_named_once_and_the_game_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    err = io.StringIO()
    path = tmp_path / "file" / "game.txt"
    out, session = play("a1 b1 c1", tmp_path, engine=ScriptedEngine("a3 b3"), err=err, path=path)
    assert session.position.is_over and "game saved" not in out
    assert err.getvalue().count("\n") == 1
    assert err.getvalue().startswith(f"the game is not saved: cannot write {path}")


def test_the_text_of_a_file_reads_back_to_the_same_game():
    headers = {"X": "human", "O": "network runs/a b/#1", "date": "2026-01-31 20:15:00"}
    file = GameFile("connect4:rows=6,cols=7", ("d", "d", "e"), "X wins", headers)
    assert GameFile.from_text(file.to_text(), "a file") == file
    assert texts(file.position(CONNECT4, "a file")) == ["d", "d", "e"]
    with_comment = file.to_text().replace("1. d d", "# a comment\n1. d d")
    assert GameFile.from_text(with_comment, "a file") == file
    broken = GameFile("go", (), headers={"X": "a\ngame: chess"})
    assert GameFile.from_text(broken.to_text(), "a file").game == "go"


def test_where_games_are_saved(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".local" / "share" / "alphazero" / "games"
    assert save_folder({}) == default
    assert save_folder({"XDG_DATA_HOME": "relative"}) == default  # invalid, by the specification
    assert save_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/alphazero/games")
    now = datetime(2026, 1, 31, 20, 15)
    path = save_path(TICTACTOE, now, {})
    assert path == default / "tic-tac-toe-20260131-201500.txt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert save_path(TICTACTOE, now, {}).name == "tic-tac-toe-20260131-201500-2.txt"
    (default / "tic-tac-toe-20260131-201500-2.txt").touch()
    assert free_path(path).name == "tic-tac-toe-20260131-201500-3.txt"


def test_without_a_path_every_game_gets_its_own_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    out = io.StringIO()
    ask = line_reader(["a1", "new", "b1"], io.StringIO(), out)
    engine = ScriptedEngine("c3 c3")
    TerminalGame(Session(TICTACTOE), engine, ask, out, io.StringIO()).run()  # type: ignore
    folder = tmp_path / "alphazero" / "games"
    games = sorted((GameFile.read(path).moves for path in folder.iterdir()), key=str)
    assert games == [("a1", "c3"), ("b1", "c3")]
    assert gamefile.FIRST_LINE in next(folder.iterdir()).read_text()


@pytest.mark.parametrize(
    "players",
    [("Player 1", "Player 2"), ("Évariste G.", "Time: 5"), ("#1", '1. "White"'), ("a\\b", " x")],
)
def test_names_of_players_may_be_anything(tmp_path, players):
    game = replace(TICTACTOE, players=players)
    out, session = play("a1 b1 resign", tmp_path, game=game, engine=ScriptedEngine("c3 c2"))
    file = GameFile.read(tmp_path / "game.txt")
    assert file.moves == ("a1", "c3", "b1", "c2")
    assert [file.headers[name] for name in players] == ["human", "scripted"]
    other = tmp_path / "other.txt"
    lines = [f"load {tmp_path / 'game.txt'}"]
    out, session = play(lines, tmp_path, game=game, human=1, path=other)
    assert session.human == 0 and session.resigned == 0, out


# -- input, output, interruption -------------------------------------------------------------------


def test_scripted_lines_come_before_those_of_stdin():
    out = io.StringIO()
    ask = line_reader(["one"], io.StringIO("two\nthree"), out)
    assert [ask("> "), ask("> "), ask("> ")] == ["one", "two", "three"]
    with pytest.raises(EOFError):
        ask("> ")
    assert out.getvalue() == "> one\n> two\n> three\n> "


def test_progress_is_shown_only_on_a_terminal(tmp_path, monkeypatch):
    err = io.StringIO()
    play("a1", tmp_path, err=err)
    assert err.getvalue() == ""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    out, _ = play("a1", tmp_path, err=terminal)
    assert "thinking: 0 s, 100 simulations, a3, you 20% (Ctrl-C: move now)" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K"), "the line is not removed"
    assert "thinking" not in out
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    play("a1", tmp_path, err=dumb)
    assert "\x1b" not in dumb.getvalue()


def test_the_first_interrupt_asks_for_the_move_and_the_second_leaves():
    import os
    import signal

    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_does_nothing_outside_the_main_thread():
    import threading

    seen = []

    def enter() -> None:
        with Interrupt() as stop:
            seen.append(stop())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


def test_an_interrupt_at_the_prompt_leaves_with_the_game_saved(tmp_path):
    lines = iter(["a1"])

    def ask(prompt: str) -> str:
        for line in lines:
            return line
        raise KeyboardInterrupt

    out, path = io.StringIO(), tmp_path / "game.txt"
    engine = ScriptedEngine("c3")
    session = Session(TICTACTOE, path=path)
    terminal = TerminalGame(session, engine, ask, out, io.StringIO())  # type: ignore
    assert terminal.run() == 130
    assert out.getvalue().endswith(f"game saved: {path}\n")
    assert GameFile.read(path).moves == ("a1", "c3")


# -- boards ----------------------------------------------------------------------------------------


def connect4_board() -> BoardView:
    position = CONNECT4.position()
    for move in "ddcea":
        position.play(move)
    return position.board_view()


def painted(view: BoardView, style: Style) -> str:
    """The painted board as it is written to a terminal."""
    out = io.StringIO()
    session = Session(CONNECT4)
    display = Display(
        session, Commentary(session), out, io.StringIO(), style, person=None, quiet=False
    )
    display.write(paint(view, style))
    return out.getvalue()


def test_boards_in_colours_keep_their_letters():
    view = connect4_board()
    plain = view.text().splitlines()
    lines = painted(view, Style(unicode=True, colours=256)).splitlines()
    assert lines[0] == plain[0] and lines[-1] == lines[0]
    for coloured, text in zip(lines[1:-1], plain[1:-1], strict=True):
        assert "48;5;236" in coloured and coloured.endswith(f"\x1b[0m {text[0]}")
        assert re.sub("\x1b\\[[0-9;]*m", "", coloured).replace("·", ".") == text
    # Each player has a colour besides.
    assert [line.count("38;5;117;48;5;236mO") for line in lines[5:7]] == [1, 1]
    assert [line.count("38;5;215;48;5;236mX") for line in lines[5:7]] == [0, 3]
    few = painted(view, Style(unicode=True, colours=16))
    assert ";40m" in few and "38;5" not in few


def test_unicode_without_colours_has_letters_too():
    text = painted(connect4_board(), Style(unicode=True))
    assert "\x1b" not in text and "1 (X) ·  X  X  O  ·  ·  1" in text


def test_a_board_of_connect_four_is_turned_with_its_bottom_below(tmp_path):
    out, _ = play("a flip", tmp_path, game=CONNECT4, engine=ScriptedEngine("b"))
    turned = out.split("flip\n")[1].splitlines()
    assert turned[0].split() == list("gfedcba") and turned[6] == "1  .  .  .  .  . (O) X  1"
    view = connect4_board()
    assert view.turned().turned() == view and view.turned().last != view.last


@pytest.mark.parametrize(("height", "boards"), [(15, 2), (24, 3)])
def test_a_small_window_shows_a_board_an_exchange(tmp_path, monkeypatch, height, boards):
    monkeypatch.setenv("LINES", str(height))
    out = Terminal()
    session = Session(TICTACTOE, path=tmp_path / "game.txt")
    ask = line_reader(["a1"], io.StringIO(), out)
    TerminalGame(session, ScriptedEngine("c3"), ask, out, io.StringIO()).run()  # type: ignore
    assert out.getvalue().count("   a  b  c\n3") == boards


def test_long_lines_are_broken_between_words_in_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    session = Session(TICTACTOE, path=tmp_path / "game.txt")
    ask = line_reader(["a1", "eval", "help", "nonsense"], io.StringIO(), out)
    TerminalGame(session, ScriptedEngine("c3"), ask, out, io.StringIO()).run()  # type: ignore
    lines = [line for line in out.getvalue().splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 40 and "expected:" in out.getvalue()


def test_a_window_that_is_too_narrow_for_the_board_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    session = Session(CONNECT4, path=tmp_path / "game.txt")
    ask = line_reader(["a", "b"], io.StringIO(), out)
    TerminalGame(session, ScriptedEngine("c d"), ask, out, io.StringIO()).run()  # type: ignore
    assert " ".join(out.getvalue().split()).count("25 columns wide, the window 20") == 1


def test_a_mistyped_command_is_recognised(tmp_path):
    out, _ = play(["hnit", "udno", "levle 3", "xy"], tmp_path)
    assert '(did you mean "hint"?)' in out and '(did you mean "undo"?)' in out
    assert '(did you mean "level"?)' in out
    assert out.count("(help lists the commands)") == 1


def test_the_example_is_the_move_that_the_engine_likes(tmp_path):
    class Taste(ScriptedEngine):
        def evaluate(self, position):
            policy, value = super().evaluate(position)
            policy[position.action("c1")] += 0.5
            return policy, value

    out, _ = play("help quit", tmp_path, engine=Taste())
    assert out.count("as in c1") == 2
    # Without a favourite it is one from the middle.
    out, _ = play("quit", tmp_path)
    assert "as in b2" in out


def test_lists_are_tables_in_unicode(tmp_path):
    out, _ = play("hint help quit", tmp_path, style=Style(unicode=True))
    board, _, hints = out.split("hint\n")[1].partition("   a  b  c\n   ")
    assert "3  1  2  3  3" in board
    hints = hints.splitlines()
    assert hints[0].split() == ["move", "win", "rate", "visits", "expected"]
    assert hints[1].split() == ["1.", "a3", "80%", "60", "a3"]
    assert hints[2].split() == ["2.", "b3", "30%", "10", "b3", "a3"]
    assert re.search(r"(?m)^level \[1-10\] +make the engine weaker or stronger *$", out)


def test_a_game_that_only_draws_itself_is_shown_as_it_is(tmp_path):
    game = replace(TICTACTOE, view=None, render=lambda state, last: f"ply {state['ply']}")
    out, _ = play("a1 flip quit", tmp_path, game=game, style=Style(unicode=True, colours=256))
    assert "ply 0\n" in out and out.count("ply 2\n") == 2


def test_colours_only_where_they_are_welcome():
    class Ascii(Terminal):
        encoding = "ascii"

    class Pipe(Terminal):
        def isatty(self) -> bool:
            return False

    plain = Style()
    environment = {"TERM": "xterm-256color", "LANG": "en_GB.UTF-8"}
    assert choose_style("auto", Terminal(), environment) == Style(True, 256)
    assert choose_style("auto", Terminal(), {"TERM": "xterm"}) == Style(True, 16)
    assert choose_style("auto", Terminal(), {"TERM": "xterm", "COLORTERM": "x"}).colours == 256
    assert choose_style("ascii", Terminal(), environment) == plain
    assert choose_style("auto", Pipe(), environment) == plain
    assert choose_style("auto", Terminal(), {"TERM": "dumb"}) == plain
    assert choose_style("auto", Terminal(), {}) == plain
    assert choose_style("auto", Terminal(), environment | {"NO_COLOR": "1"}) == plain
    assert choose_style("auto", Terminal(), environment | {"LANG": "ja_JP.UTF-8"}) == plain
    assert choose_style("unicode", Ascii(), environment) == plain
    assert choose_style("unicode", Pipe(), environment) == Style(True, 256)
    assert choose_style("unicode", Terminal(), environment | {"NO_COLOR": "1"}) == Style(True, 0)


def test_letters_on_the_board_need_no_legend(tmp_path):
    out, _ = play("quit", tmp_path, style=Style(unicode=True))
    assert "X is" not in out.replace("X is scripted", "")


def test_win_bar_is_filled_by_the_win_rate():
    assert win_bar(0.46) == "[#########...........]"
    assert win_bar(0.0) == "[....................]"
    assert win_bar(1.0) == "[####################]"
