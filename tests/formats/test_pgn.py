"""PGN: what is written can be read, by ours and by python-chess; what is broken is told."""

import importlib.util
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.pgn.reader import games, read_annotation, read_pgn, start_from
from alphazero.formats.pgn.writer import clock_text, pawns_of, result_text, winrate_of, write_pgn
from alphazero.game import Position, load

CHESS = load("chess:draws=automatic")
CHESS960 = load("chess:chess960=true,position=1,draws=automatic")
needs_chess = pytest.mark.skipif(
    importlib.util.find_spec("chess") is None, reason="python-chess is missing"
)


def read(text: str, **options):
    """The games of a text."""
    return list(games(text.encode().splitlines(keepends=True), **options))


def after(moves: str, game=CHESS, fen: str = "") -> Position:
    position = start_from(game, fen) if fen else game.position()
    for move in moves.split():
        position.play(move)
    return position


def random_game(seed: int, game=CHESS, fen: str = "") -> Position:
    rng = random.Random(seed)
    position = after("", game, fen)
    while not position.is_over and len(position.moves) < 120:
        position.play(rng.choice(position.legal_actions()))
    return position


# -- writing ---------------------------------------------------------------------------------------


def test_a_game_as_it_is_written():
    annotations = {
        0: Annotation("before } the first"),
        1: Annotation("best", 0.6, 65.04),
        2: Annotation("", 0.5),
        4: Annotation("", None, 3600),
    }
    tags = {"White": 'A "B" \\ C', "Black": "me\nand you", "Round": "3", "TimeControl": "60+1"}
    assert write_pgn(after("e4 e5 Nf3 Nc6 Bb5"), tags, annotations) == (
        '[Event "?"]\n[Site "?"]\n[Date "????.??.??"]\n[Round "3"]\n'
        '[White "A \\"B\\" \\\\ C"]\n[Black "me and you"]\n[Result "*"]\n[TimeControl "60+1"]\n\n'
        "{before ) the first} 1. e4 {[%eval 0.29] [%clk 0:01:05] best} 1... e5 {[%eval\n"
        "0.00]} 2. Nf3 Nc6 {[%clk 1:00:00]} 3. Bb5 *\n"
    )


def test_lines_are_wrapped_and_the_result_is_the_position_s():
    text = write_pgn(after("f3 e5 g4 Qh4#"))
    assert '[Result "0-1"]' in text and text.endswith("1. f3 e5 2. g4 Qh4# 0-1\n")
    long = write_pgn(random_game(1), annotations={n: Annotation("word " * 40) for n in range(3)})
    assert max(map(len, long.splitlines())) <= 79
    stalemate = after("Qc7", fen="k7/8/1K6/8/8/8/2Q5/8 w - - 0 1")
    assert result_text(stalemate) == "1/2-1/2"


def test_another_start_is_written():
    fen = "4k3/8/8/8/8/8/3Q4/4K3 b - - 5 40"
    text = write_pgn(after("Ke7 Qd3", fen=fen))
    assert f'[SetUp "1"]\n[FEN "{fen}"]\n\n40... Ke7 41. Qd3 *\n' in text and "Variant" not in text
    text = write_pgn(after("", CHESS960))
    assert '[Variant "Chess960"]\n[SetUp "1"]\n[FEN "bqnb' in text


def test_values_and_clocks():
    for share in (0.0, 0.01, 0.3, 0.5, 0.77, 1.0):
        assert winrate_of(pawns_of(share)) == pytest.approx(share, abs=1e-3)
    assert pawns_of(0.5) == 0 and pawns_of(1.0) == pytest.approx(127.8, abs=0.5)
    assert [clock_text(s) for s in (0, 59.96, 3725.5)] == ["0:00:00", "0:01:00", "1:02:05.5"]


def test_only_chess_has_pgn():
    with pytest.raises(UserError, match="Connect Four has no PGN files"):
        write_pgn(load("connect4").position())


# -- reading ---------------------------------------------------------------------------------------

ODD = """\ufeff% a line that is left out
[Event "one"] \r
[Result "1-0"]

1.e4{[%eval #3] [%clk 0:03:00.5] two
lines}e5 $14 2.Nf3!? (2. f4 {a ) in a comment} exf4 (2... d5 3. exd5) 3. Nf3) 2...Nc6
3 Bb5 ; the rest } of a line
a6 4. O-O 0-0 $ 1-0

[Event "two"]
1. e2e4 e7e5 1/2

d4 d5 *
[Event "four"]
[Result "?"]
"""


def test_odd_but_legal_files_are_read():
    with pytest.raises(UserError, match=r"line 8: 4\.\.\. 0-0: .* the bishop on f8 is in the way"):
        raise UserError(read(ODD)[0].error)
    one, two, three, four = read(ODD.replace("0-0 $", "Nf6 $"))
    assert write_pgn(one.position).endswith("1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. O-O Nf6 *\n")
    assert one.annotations == {
        1: Annotation("two lines", 1.0, 180.5),
        5: Annotation("the rest } of a line"),
    }
    assert (one.result, one.line, one.error) == (1.0, 2, "")
    assert (two.result, len(two.position.moves), two.tags["Event"]) == (0.0, 2, "two")
    assert three.result is None and three.tags == {"Result": "*"} and len(three.position.moves) == 2
    assert four.tags["Event"] == "four" and not four.position.moves and not four.error


def test_games_need_no_empty_line_between_them():
    found = read('1. e4 e5 1-0 1. d4 0-1\n[Event "x"]\n1. c4\n[Event "y"]\n')
    assert [(len(game.position.moves), game.result) for game in found] == [
        (2, 1.0), (1, -1.0), (1, None), (0, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "moves", "error"),
    [
        ("1. e4 e5\n2. Ke3 Nc6", 2, "line 2: 2. Ke3: Ke3: no king can go to e3"),
        ("1. e4 e5 2. Nf6", 2, "line 1: 2. Nf6: Nf6: no knight can go to f6"),
        ("1. e4 xyz", 1, "line 1: 1... xyz: 'xyz' is no move"),
        ("1. e4 --", 1, "line 1: 1... --: null moves are not supported"),
        ("1. e4 {never", 1, "line 1: a comment is never closed"),
        ("1. e4 (1. d4", 1, "line 1: a variation is never closed"),
        ('[FEN "8/8"]\n\n1. e4', 0, "line 1: FEN '8/8': a FEN has 4 to 6 fields"),
        ('[Variant "Atomic"]\n1. e4', 0, "line 1: unknown variant 'Atomic'"),
        ("1. f3 e5 2. g4 Qh4 3. a3", 4, "line 1: 3. a3: the game is over: checkmate"),
    ],
)
def test_a_broken_game_goes_as_far_as_it_can(text, moves, error):
    (broken,) = read(text)
    assert broken.error.startswith(error) and len(broken.position.moves) == moves
    if "never" not in text:
        broken, whole = read(f'{text}\n\n[Event "next"]\n1. d4 *')
        assert broken.error and not whole.error and len(whole.position.moves) == 1


def test_games_of_a_game_that_ends_sooner():
    text = "1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8 5. e4 *"
    assert not read(text)[0].error and not read(text)[0].remark
    (sooner,) = read(text, game=load("chess"))
    assert sooner.remark.startswith("line 1: 5. e4: the game is over: threefold repetition")
    assert not sooner.error and len(sooner.position.moves) == 8
    assert "a game of Chess960, not of chess" in read('[Variant "960"]\n*', game=CHESS)[0].error


PLAYED = "1. d4 d5 2. c4 e6 *"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ('[Event "x"][Site "y"]  [White "W"] [Black "B"]', {"Site": "y", "White": "W"}),
        ('[Event "x"] [White "W"] [Black "B"] 1. a3 0-1', {"Event": "x", "Black": "B"}),
        ('[ White"W" ]\n\n[Black\t"B"]', {"White": "W", "Black": "B"}),
        ('[White "W. "Will" Wu"]\n[Black "B"]', {"White": 'W. "Will" Wu', "Black": "B"}),
        ('[White "W"]\n[Site "C:\\dir\\"]', {"White": "W", "Site": "C:\\dir\\"}),
        ('[White-Elo "2000"][Black "B"]', {"White-Elo": "2000", "Black": "B"}),
        ('[White W. Wu]\n[Black "B"]', {"White": "W. Wu", "Black": "B"}),
        ('[White \u201cW\u201d]\n[Black "B"]', {"White": "W", "Black": "B"}),
        ('[Event "a long\nname"]\n[Black "B"]', {"Event": "a long name", "Black": "B"}),
        ('[Event "never closed\n[Black "B"]', {"Black": "B"}),
        ('; a remark\n[]\n[?]\n[Black "B"]', {"Black": "B"}),
    ],
)
def test_tags_as_they_are_found(tags, expected):
    found = read(f'{tags}\n\n{PLAYED}\n[Event "next"]\n\n{PLAYED}')
    assert [len(game.position.moves) for game in found[-2:]] == [4, 4]
    assert not any(game.error for game in found)
    assert expected.items() <= found[0].tags.items()
    assert len(found) == 2 + ("0-1" in tags) and found[-1].tags["Event"] == "next"


def test_a_fen_without_quotes_is_one():
    (game,) = read("[FEN 4k3/8/8/8/8/8/4P3/4K3 w - - 0 1]\n\n1. e4 *")
    assert not game.error and game.position.start_state["pawns"]


@pytest.mark.parametrize(
    "text",
    [
        "1. d4 1. ... d5 2. c4 2. .. e6 *",
        "1 . d4 1 ... d5 2 c4 2... e6 *",
        "1. d4 … d5 2. c4 2… e6 *",
        "1.d4! d5?! 2.c4!! N 2...e6 +/= *",
        "1. d4 = d5 +- 2. c4 ± e6 ∞ *",
        "1. d4+- d5= 2. c4+/- e6± $10 -/+ D *",
        "1. d4 [%clk 0:00:01] d5 <diagram> 2. c4 (=) e6 *",
    ],
)
def test_numbers_and_opinions_as_people_write_them(text):
    (game,) = read(text)
    assert not game.error
    assert write_pgn(game.position).endswith("1. d4 d5 2. c4 e6 *\n")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1-0", 1), ("1 - 0", 1), ("1–0", 1), ("1—0", 1), ("1:0", 1), ("0−1", -1), ("0 : 1", -1),
        ("1/2", 0), ("1/2 - 1/2", 0), ("½", 0), ("½-½", 0), ("½–½", 0), ("0.5-0.5", 0), ("*", None),
        ("0-1 White resigns", -1), ("1-0 {on time}", 1),
    ],
)  # fmt: skip
def test_results_as_people_write_them(text, result):
    found = read(f"1. e4 e5 {text}\n\n1. d4 *\n")
    assert [(game.error, game.result) for game in found[:1]] == [("", result)]
    assert len(found[0].position.moves) == 2 and len(found[-1].position.moves) == 1
    tag = text.split(" {")[0].removesuffix(" White resigns")
    (tagged,) = read(f'[Result "{tag}"]\n\n1. e4 e5')
    assert tagged.result == result


def test_null_moves_are_named_and_end_the_line():
    for null in ("--", "Z0", "0000", "null", "@@@@", "<>"):
        (game,) = read(f"1. d4 d5 2. c4 {null} 3. Nc3 *")
        assert "null move" in game.error and len(game.position.moves) == 3
        assert not read(f"1. d4 d5 (1... {null}) 2. c4 *")[0].error


def test_a_record_may_go_on_after_a_draw_by_rule():
    fen = "8/8/3k4/8/8/3K4/8/8 w - - 0 1"
    (game,) = read(f'[FEN "{fen}"]\n[Result "1-0"]\n\n1. Ke4 Ke6 2. Kd4 1-0')
    assert not game.error and "3 more moves" in game.remark and game.result == 1
    shuffle = "Nf3 Nf6 Ng1 Ng8 " * 5
    (game,) = read(f"{shuffle} e4 e5 1/2-1/2")
    assert not game.error and "fivefold" in game.remark and len(game.position.moves) == 16
    (game,) = read(f"{shuffle} e4 Ke3 1/2-1/2")  # not a move at all
    assert "fivefold" in game.error
    assert read("1. f3 e5 2. g4 Qh4 3. a3 *")[0].error


CHESS960_FEN = "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w {} - 0 1"


@pytest.mark.parametrize("rights", ["HFhf", "KQkq"])
def test_chess960_is_known_by_its_castling(rights):
    (game,) = read(f'[SetUp "1"]\n[FEN "{CHESS960_FEN.format(rights)}"]\n\n1. e4 e5 *')
    assert not game.error and game.position.game.parameters["chess960"]
    usual = "r3k2r/8/8/8/8/8/8/R3K2R w HAha - 0 1"
    (game,) = read(f'[FEN "{usual}"]\n\n1. O-O O-O-O *')
    assert not game.error and not game.position.game.parameters["chess960"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_files_of_any_encoding_and_line_ends(tmp_path, encoding, end):
    path = tmp_path / "games.pgn"
    text = f'[White "Zoë"]\n[Site "x"]\n\n1. e4 ; a remark\ne5 *\n\n[White "Ω"]\n\n{PLAYED}\n'
    path.write_bytes((text * 1000).replace("\n", end).encode(encoding))
    found = list(games(path))
    assert [(len(game.position.moves), game.tags["White"]) for game in found] == [
        (2, "Zoë"), (4, "Ω"),
    ] * 1000  # fmt: skip
    assert found[2].line == 10 and not any(game.error for game in found)


def test_typographic_characters_of_windows():
    (game,) = games(["[White \u201cMüller\u201d]\r\n1. e4 e5 1\u20130".encode("cp1252")])
    assert (game.error, game.result, game.tags["White"]) == ("", 1.0, "Müller")


def test_one_game_of_a_file(tmp_path):
    path = tmp_path / "games.pgn"
    path.write_bytes('[White "Zürich"]\n1. e4 *\n\n'.encode("latin-1") + b"1. d4 *\n")
    assert read_pgn(path).tags["White"] == "Zürich"
    assert read_pgn(path, number=2).line == 4
    with pytest.raises(UserError, match="holds 2 games, so there is no game 3"):
        read_pgn(path, number=3)
    path.write_text("\n% nothing\n")
    with pytest.raises(UserError, match="is not a PGN file: it holds no game"):
        read_pgn(path)
    with pytest.raises(UserError, match=r"cannot read .*: No such file"):
        read_pgn(tmp_path / "none.pgn")
    with pytest.raises(UserError, match="Connect Four has no PGN"):
        read('[FEN "x"]\n*', game=load("connect4"))


def test_comments_with_strange_annotations():
    assert read_annotation("[%eval x] [%clk 1:2] a [%csl Ra1] b") == Annotation("a b")
    assert read_annotation("[%eval -0.5,20]").winrate == pytest.approx(winrate_of(-0.5))
    assert (
        read_annotation("[%eval #-2]").winrate == 0.0
        and read_annotation("[%eval 500]").winrate == 1.0
    )


def test_what_is_written_is_read_again():
    for seed, game in [(1, CHESS), (2, CHESS960), (3, CHESS)]:
        fen = "8/P6k/8/8/8/8/p6K/8 b - - 3 9" if seed == 3 else ""
        position = random_game(seed, game, fen)
        count = len(position.moves)
        annotations = {n: Annotation(f"comment {n}", None, float(n)) for n in range(1, count, 7)}
        text = write_pgn(position, {"Event": "a test"}, annotations)
        (found,) = read(text)
        assert not found.error and found.position.moves == position.moves
        assert (
            found.annotations == annotations
            and write_pgn(found.position, found.tags, annotations) == text
        )


@pytest.mark.slow
@given(st.data())
def test_files_with_bytes_changed_are_read_or_refused(data):
    content = bytearray(write_pgn(random_game(data.draw(st.integers(0, 5)))).encode()[:2000])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b'()[]{};$%."\\\n 0O19-+#*ex\xff\x81'))
    for game in games(bytes(content).splitlines(keepends=True)):
        assert len(str(game.error or "").splitlines()) <= 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content):
    for text in (content, b'[FEN "' + content, b"1. e4 " + content, b"1. e4 {" + content):
        list(games(text.splitlines(keepends=True)))


# -- python-chess as the judge ---------------------------------------------------------------------


@needs_chess
def test_python_chess_reads_what_we_write():
    import chess.pgn

    for seed, game in [(4, CHESS), (5, CHESS960)]:
        position = random_game(seed, game)
        annotations = {n: Annotation("words", 0.7, 61.5) for n in range(1, len(position.moves), 5)}
        found = chess.pgn.read_game(io.StringIO(write_pgn(position, {"White": "x y"}, annotations)))
        assert found is not None and not found.errors and found.headers["White"] == "x y"
        assert found.end().board().fen(en_passant="legal") == game.pieces.fen(position.state)
        first = found.variations[0]
        assert first.clock() == 61.5 and first.eval().white().score() == round(100 * pawns_of(0.7))
        assert found.headers["Result"] == result_text(position)


@needs_chess
@pytest.mark.parametrize(
    "text",
    [
        '[Event "a"][White "W"]\n\n1. e4 e5 2. Nf3 *',
        '[Event "a "quoted" name"]\n\n1. e4 e5 2. Nf3 *',
        '[SetUp "1"]\n[FEN "6k1/5ppp/8/8/8/8/r4PPP/4R1K1 b - - 3 31"]\n\n31. ... Ra8 32. Re7 *',
        f'[FEN "{CHESS960_FEN.format("KQkq")}"]\n\n1. e4 e5 2. f3 *',
        '[FEN "r3k2r/8/8/8/8/8/8/R4RK1 w KQkq - 0 1"]\n\n1. Rfe1+ Kd7 2. Rad1+ *',
        "1. e4! e5?! 2. Nf3 $14 Nc6 (2... d6 3. d4) 3. Bb5 *",
    ],
)
def test_we_read_what_python_chess_reads(text):
    import chess.pgn

    judge = chess.pgn.read_game(io.StringIO(text))
    assert judge is not None and not judge.errors
    (found,) = read(text)
    assert not found.error
    assert found.position.game.pieces.fen(found.position.state) == judge.end().board().fen(
        en_passant="legal"
    )


@needs_chess
def test_we_read_what_python_chess_writes():
    import chess.pgn

    rng = random.Random(6)
    for is_960 in (False, True):
        board = chess.Board.from_chess960_pos(rng.randrange(960)) if is_960 else chess.Board()
        game = chess.pgn.Game()
        game.setup(board)
        node: chess.pgn.GameNode = game
        while not board.is_game_over() and board.ply() < 150:
            legal = list(board.legal_moves)
            node.add_variation(rng.choice(legal), comment="side") if rng.random() < 0.1 else None
            move = rng.choice(legal)
            board.push(move)
            node = node.add_main_variation(move, comment="so" if rng.random() < 0.2 else "")
            if rng.random() < 0.1:
                node.nags.add(chess.pgn.NAG_GOOD_MOVE)
        (found,) = read(str(game))
        assert not found.error
        assert found.position.game.pieces.fen(found.position.state) == board.fen(en_passant="legal")
