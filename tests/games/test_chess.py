"""Chess: the rules by example, positions and moves as text, and python-chess as the judge."""

import importlib.util
import os
import re

import numpy as np
import pytest

from alphazero.game import Game, Position, load
from alphazero_games.chess_fen_rules import start_setup
from alphazero_games.chess_tables_rules import ACTIONS, MOVES, OFF_BOARD
from tests.judges.chess_oracle import Comparison, chess_game, hooks, position_of

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
CASTLING = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"


def after(moves: str, fen: str = START, **options) -> Position:
    position = position_of(fen, **options)
    for move in moves.split():
        position.play(move)
    return position


def fen(position: Position) -> str:
    return hooks(position.game).fen(position.state)


def legal(position: Position) -> set[str]:
    return {position.text(action) for action in position.legal_actions()}


def ending(position: Position) -> str:
    return hooks(position.game).ending(position.state, position.keys)


# -- python-chess as the judge ---------------------------------------------------------------------

GAMES = int(os.environ.get("CHESS_GAMES", "12"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("chess") is None, reason="python-chess is missing")
def test_random_games_agree_with_python_chess() -> None:
    endings = [Comparison(seed).play() for seed in range(GAMES)]
    assert len(set(endings)) > 2, endings


# -- how a game goes on ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen_before", "move", "fen_after"),
    [
        (START, "e4", "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"),
        (CASTLING, "O-O", "r3k2r/8/8/8/8/8/8/R4RK1 b kq - 1 1"),
        (CASTLING, "O-O-O", "r3k2r/8/8/8/8/8/8/2KR3R b kq - 1 1"),
        (CASTLING, "Ke2", "r3k2r/8/8/8/8/8/4K3/R6R b kq - 1 1"),
        (CASTLING, "Rxa8+", "R3k2r/8/8/8/8/8/8/4K2R b Kk - 0 1"),
        (CASTLING, "Rg1", "r3k2r/8/8/8/8/8/8/R3K1R1 b Qkq - 1 1"),
        (CASTLING.replace("w", "b"), "O-O", "r4rk1/8/8/8/8/8/8/R3K2R w KQ - 1 2"),
        ("k7/8/8/3pP3/8/8/8/K7 w - d6 0 1", "exd6", "k7/8/3P4/8/8/8/8/K7 b - - 0 1"),
        ("k7/4P3/8/8/8/8/8/K7 w - - 5 9", "e8=N", "k3N3/8/8/8/8/8/8/K7 b - - 0 9"),
        ("k2r4/4P3/8/8/8/8/8/K7 w - - 5 9", "exd8=Q+", "k2Q4/8/8/8/8/8/8/K7 b - - 0 9"),
    ],
)
def test_a_move_leads_to_the_position_it_should(fen_before: str, move: str, fen_after: str) -> None:
    assert fen(after(move, fen_before)) == fen_after


def test_en_passant_is_noted_only_where_such_a_capture_is_legal() -> None:
    assert " - 0" in fen(after("e4"))  # no pawn beside it
    assert " e3 0" in fen(after("e4", "k7/8/8/8/3p4/8/4P3/K7 w - - 0 1"))
    pinned = "8/8/8/8/k2p3R/8/4P3/K7 w - - 0 1"  # both pawns would leave the rank of king and rook
    assert " - 0" in fen(after("e4", pinned))
    along_the_file = "3k4/8/8/8/3p4/8/4P3/K2R4 w - - 0 1"
    assert " - 0" in fen(after("e4", along_the_file))


def test_repetition_counts_positions_not_boards() -> None:
    """Who is to move, castling and en passant make another position of the same pieces."""
    back = "Ng1f3 Ng8f6 Nf3g1 Nf6g8"
    assert after(back).key == position_of(START).key
    rooks = after("Rg1 Rg8 Rh1 Rh8", CASTLING)
    assert rooks.key != position_of(CASTLING).key
    assert rooks.key == position_of("r3k2r/8/8/8/8/8/8/R3K2R w Qq - 4 3").key
    takes, idle = "k7/8/8/3pP3/8/8/8/K7 w - d6 0 1", "k7/8/8/3pP3/8/8/8/K7 w - - 0 1"
    assert position_of(takes).key != position_of(idle).key
    assert position_of(START).key != position_of(START.replace(" w ", " b ")).key


# -- how it ends -----------------------------------------------------------------------------------

KNIGHTS = "Nf3 Nf6 Ng1 Ng8"


@pytest.mark.parametrize(
    ("fen_at", "reason", "value"),
    [
        ("R5k1/5ppp/8/8/8/8/8/6K1 b - - 0 1", "checkmate", -1),
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "checkmate", -1),
        ("6rk/5Npp/8/8/8/8/8/6K1 b - - 0 1", "checkmate", -1),  # smothered
        ("k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", "stalemate", 0),
        ("8/8/8/8/8/5k2/5p2/5K2 w - - 0 1", "stalemate", 0),
        ("8/8/8/8/8/5k2/8/5K2 w - - 0 1", "insufficient material", 0),
        ("8/8/8/8/8/5k2/6n1/5K2 w - - 0 1", "insufficient material", 0),
        ("8/8/8/8/8/5k2/6b1/5K2 w - - 0 1", "insufficient material", 0),
        ("8/8/b1b5/8/8/B4k2/8/5K2 w - - 0 1", "", 0),  # squares of both colours
        ("8/8/b1b5/8/8/1B3k2/8/5K2 w - - 0 1", "insufficient material", 0),
        ("8/8/8/8/8/3k4/6NN/5K2 w - - 0 1", "", 0),
        ("8/8/8/8/8/3k4/6Nn/6K1 w - - 0 1", "", 0),
        ("8/8/8/8/8/3k4/6nB/6K1 w - - 0 1", "", 0),
        ("8/8/8/8/8/3k4/6P1/6K1 w - - 0 1", "", 0),
        ("8/8/8/8/8/3k4/8/R5K1 w - - 99 90", "", 0),
        ("8/8/8/8/8/3k4/8/R5K1 w - - 100 90", "fifty moves without progress", 0),
        ("R5k1/5ppp/8/8/8/8/8/6K1 b - - 100 90", "checkmate", -1),  # before the fifty moves
    ],
)
def test_a_game_ends_with_the_reason(fen_at: str, reason: str, value: int) -> None:
    position = position_of(fen_at)
    assert ending(position) == reason
    assert position.is_over == bool(reason)
    assert position.value_to_move() == value
    assert not (reason and position.legal_actions())


def test_the_third_time_is_a_draw_where_draws_are_claimed() -> None:
    twice = after(KNIGHTS)
    assert not twice.is_over
    assert after(" ".join([KNIGHTS] * 2)).is_over
    assert ending(after(" ".join([KNIGHTS] * 2))) == "threefold repetition"


def test_only_the_fifth_time_is_a_draw_by_itself() -> None:
    for times in range(1, 4):
        assert not after(" ".join([KNIGHTS] * times), draws="automatic").is_over
    assert ending(after(" ".join([KNIGHTS] * 4), draws="automatic")) == "fivefold repetition"


def test_75_moves_are_a_draw_by_itself() -> None:
    late = "8/8/8/8/8/3k4/8/R5K1 w - - {} 90"
    assert not position_of(late.format(149), draws="automatic").is_over
    assert ending(position_of(late.format(150), draws="automatic")) == "75 moves without progress"
    assert position_of(late.format(100)).is_over


def test_a_pawn_move_makes_earlier_positions_impossible() -> None:
    position = after(f"{KNIGHTS} e4 e5 {KNIGHTS}")
    assert not position.is_over
    position = after(f"e4 e5 {KNIGHTS} {KNIGHTS}")
    assert position.is_over


@pytest.mark.slow
def test_a_game_may_have_a_longest_length() -> None:
    position = load("chess:max_plies=3").position()
    for move in ("e4", "e5", "Nf3"):
        assert not position.is_over
        position.play(move)
    assert position.is_over and ending(position) == "3 plies"
    assert load("chess:max_plies=3").max_plies == 3


# -- Chess960 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "row"), [(518, "rnbqkbnr"), (0, "bbqnnrkr"), (959, "rkrnnqbb"), (1, "bqnbnrkr")]
)
def test_start_positions_have_their_numbers(number: int, row: str) -> None:
    pieces = start_setup(number).pieces
    assert "".join(pieces[56 + file] for file in range(8)) == row
    assert "".join(pieces[file] for file in range(8)) == row.upper()


def test_there_are_960_start_positions() -> None:
    rows = set()
    for number in range(960):
        row = "".join(start_setup(number).pieces[file] for file in range(8))
        assert sorted(row) == sorted("RNBQKBNR")
        first, second = (i for i in range(8) if row[i] == "B")
        assert (first + second) % 2 == 1  # on squares of both colours
        assert re.fullmatch(".*R.*K.*R.*", row)
        rows.add(row)
    assert len(rows) == 960


@pytest.mark.parametrize(
    ("fen_before", "move", "fen_after"),
    [
        # The king takes its rook; in two of these one of both does not move.
        ("4k3/8/8/8/8/8/8/1R1K2R1 w GB - 0 1", "d1g1", "4k3/8/8/8/8/8/8/1R3RK1 b - - 1 1"),
        ("4k3/8/8/8/8/8/8/1R1K2R1 w GB - 0 1", "O-O-O", "4k3/8/8/8/8/8/8/2KR2R1 b - - 1 1"),
        ("4k3/8/8/8/8/8/8/6KR w H - 0 1", "g1h1", "4k3/8/8/8/8/8/8/5RK1 b - - 1 1"),
        ("4k3/8/8/8/8/8/8/4KR2 w F - 0 1", "O-O", "4k3/8/8/8/8/8/8/5RK1 b - - 1 1"),
        ("rk5r/8/8/8/8/8/8/4K3 b ah - 0 1", "b8h8", "r4rk1/8/8/8/8/8/8/4K3 w - - 1 2"),
        ("4k3/8/8/8/8/8/8/1K1R4 w D - 0 1", "b1g1", "4k3/8/8/8/8/8/8/5RK1 b - - 1 1"),
    ],
)
def test_castling_from_any_square(fen_before: str, move: str, fen_after: str) -> None:
    assert fen(after(move, fen_before, chess960=True)) == fen_after


def test_a_rook_that_shields_its_king_does_not_castle() -> None:
    position = position_of("4k3/8/8/8/8/8/8/rR1K4 w B - 0 1", chess960=True)
    assert position.explain("O-O-O") if hasattr(position, "explain") else True
    with pytest.raises(ValueError, match="the rook shields its king from the rook on a1"):
        position.play("O-O-O")


def test_x_fen_names_the_file_of_an_inner_rook() -> None:
    rooks = "4k3/8/8/8/8/8/8/R1RK3R w {} - 0 1"
    for rights in ("KC", "K", "C", "KQ", "-"):
        assert fen(position_of(rooks.format(rights), chess960=True)) == rooks.format(rights)
    assert fen(position_of(rooks.format("HA"), chess960=True)) == rooks.format("KQ")


@pytest.mark.slow
def test_other_starts_are_those_of_chess960() -> None:
    game = chess_game(chess960=True)
    assert game.vary is not None and chess_game().vary is None
    rows, rng = set(), np.random.default_rng(1)
    for _ in range(20):
        state = game.position().state
        game.vary(state, rng)
        rows.add(fen(Position(game, state)).split("/")[0])
    assert len(rows) > 10
    assert load("chess:chess960=true,position=0").position().render().splitlines()[1].split() == [
        "8", *"bbqnnrkr", "8",
    ]  # fmt: skip


# -- actions and planes ----------------------------------------------------------------------------


def test_actions_are_numbered_by_square_and_plane() -> None:
    """73 for every point, as the network's head orders them; the same for both players."""
    assert np.count_nonzero(MOVES != OFF_BOARD) == 1792 + 66 == np.count_nonzero(ACTIONS >= 0) + 66
    white, black = after(""), after("e4")
    e2, e7 = 6 * 8 + 4, 6 * 8 + 4  # the seventh row from the top, for both
    assert white.action("e2e3") == 73 * e2 and white.action("e2e4") == 73 * e2 + 1
    assert black.action("e7e5") == 73 * e7 + 1
    assert white.action("g1f3") == 73 * (7 * 8 + 6) + 63
    pawn = position_of("2n4k/1P6/8/8/8/8/8/K7 w - - 0 1")
    b7 = 1 * 8 + 1
    assert pawn.action("b7c8n") == 73 * b7 + 64 + 2 and pawn.action("b7b8r") == 73 * b7 + 64 + 7
    assert pawn.action("b7b8q") == 73 * b7


def test_every_action_on_the_board_is_one_piece_s_move() -> None:
    game, codes = chess_game(), set()
    for action in np.flatnonzero(MOVES != OFF_BOARD):
        codes.add(int(MOVES[action]))
        text = game.action_to_str(game.position().state, int(action))
        assert re.fullmatch("[a-h][1-8][a-h][1-8][qnbr]?", text)
    assert len(codes) == 1858


@pytest.mark.slow
def test_planes_are_seen_by_the_player_to_move() -> None:
    planes = after("e4").planes()
    assert planes.shape == (119, 8, 8)
    assert planes[0, 6].all()  # Black's own pawns, before him
    assert planes[6, 1].tolist() == [1, 1, 1, 1, 0, 1, 1, 1] and planes[6, 3, 4] == 1
    assert planes[14 + 6, 1].all()  # a move ago
    assert not planes[28:112].any()  # nothing before the start
    assert planes[112].all() and planes[113:117].all()
    assert load("chess:history=1").planes == (21, 8, 8)
    short = load("chess:history=1").position().planes()
    assert np.array_equal(short[:14], after("").planes()[:14])


def test_planes_tell_repetitions_clock_and_en_passant() -> None:
    planes = after(KNIGHTS).planes()
    assert planes[12].all() and not planes[13].any() and not planes[14 + 12].any()
    assert (planes[118] == 4).all()
    assert chess_game().plane_scale[118] == 0.01
    passing = position_of("k7/8/8/3pP3/8/8/8/K7 w - d6 0 1").planes()
    assert passing[117].sum() == 1 and passing[117, 2, 3] == 1


# -- moves as text ---------------------------------------------------------------------------------

AMBIGUOUS = "1k6/8/8/8/R6R/8/8/R3K3 w - - 0 1"
PROMOTION = "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1"


@pytest.mark.parametrize(
    ("fen_at", "text", "uci"),
    [
        (START, "e2e4", "e2e4"),
        (START, "e2-e4", "e2e4"),
        (START, "E2E4", "e2e4"),
        (START, " e4 ", "e2e4"),
        (START, "e4!?", "e2e4"),
        (START, "Nf3", "g1f3"),
        (START, "nf3", "g1f3"),
        (START, "NF3", "g1f3"),
        (START, "Ng1f3", "g1f3"),
        (START, "Ng1-f3", "g1f3"),
        (CASTLING, "O-O", "e1g1"),
        (CASTLING, "0-0", "e1g1"),
        (CASTLING, "o-o-o", "e1c1"),
        (CASTLING, "e1g1", "e1g1"),
        (CASTLING, "e1h1", "e1g1"),
        (CASTLING, "O-O+", "e1g1"),
        (PROMOTION, "a8=Q", "a7a8q"),
        (PROMOTION, "a8Q", "a7a8q"),
        (PROMOTION, "a8=n", "a7a8n"),
        (PROMOTION, "a8(R)", "a7a8r"),
        (PROMOTION, "axb8=B", "a7b8b"),
        (PROMOTION, "a7b8b", "a7b8b"),
        (PROMOTION, "a7a8=Q", "a7a8q"),
        (PROMOTION, "A7A8Q", "a7a8q"),
        (PROMOTION, "a7a8", "a7a8q"),
        (PROMOTION, "a8", "a7a8q"),
        (AMBIGUOUS, "Rad4", "a4d4"),
        (AMBIGUOUS, "R1a2", "a1a2"),
        (AMBIGUOUS, "Ra1a2", "a1a2"),
        ("k7/8/8/3pP3/8/8/8/K7 w - d6 0 1", "exd6 e.p.", "e5d6"),
        ("k7/8/8/3p4/8/1P6/8/B3K3 w - - 0 1", "Bd4", "a1d4"),
        ("k7/8/8/8/2p5/1P6/8/4KB2 w - - 0 1", "bxc4", "b3c4"),
        ("k7/8/8/8/2p5/1P6/8/4KB2 w - - 0 1", "Bxc4", "f1c4"),
    ],
)
def test_moves_are_read_as_people_and_programs_write_them(fen_at: str, text: str, uci: str) -> None:
    position = position_of(fen_at)
    action = position.action(text)
    assert position.text(action) == uci
    assert position.is_legal(action)


@pytest.mark.parametrize(
    ("fen_at", "text", "message"),
    [
        (START, "hello", "'hello' is no move: write it as e2e4"),
        (START, "0000", "is no move"),
        (START, "+" * 10_000, "... is no move"),
        (START, "e2e4q", "no pawn is promoted by this move"),
        (START, "e2b7", "e2b7: no piece moves so"),
        (START, "Qh6", "no queen can go to h6"),
        (START, "exd5", "no pawn can go to d5"),
        (PROMOTION, "a7a8k", "a pawn becomes a q, r, b or n, not 'k'"),
        (AMBIGUOUS, "Rd4", "Rd4 may be any of a4d4, h4d4: say which"),
        ("k7/8/8/8/2p5/1P6/8/4KB2 w - - 0 1", "BXC4", "BXC4 may be any of b3c4, f1c4"),
        ("k7/8/8/8/8/8/4K3/8 w - - 0 1", "O-O", "no rook to castle with"),
    ],
)
def test_what_is_no_move_is_refused(fen_at: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        position_of(fen_at).action(text)


@pytest.mark.parametrize(
    ("fen_at", "uci", "san"),
    [
        (START, "g1f3", "Nf3"),
        (CASTLING, "e1g1", "O-O"),
        (CASTLING, "e1c1", "O-O-O"),
        (CASTLING, "a1a8", "Rxa8+"),
        (PROMOTION, "a7b8q", "axb8=Q+"),
        (PROMOTION, "a7a8n", "a8=N"),
        (AMBIGUOUS, "a4d4", "Rad4"),
        (AMBIGUOUS, "a1a3", "R1a3"),
        ("2k5/8/8/8/4Q2Q/8/8/K6Q w - - 0 1", "h4e1", "Qh4e1"),
        ("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "a1a8", "Ra8#"),
        ("k7/8/8/3pP3/8/8/8/K7 w - d6 0 1", "e5d6", "exd6"),
    ],
)
def test_san_is_as_short_as_it_can_be(fen_at: str, uci: str, san: str) -> None:
    position = position_of(fen_at)
    assert hooks(position.game).san(position.state, position.action(uci)) == san
    assert position.text(position.action(san)) == uci


def test_an_illegal_move_has_no_san() -> None:
    position = position_of(START)
    with pytest.raises(ValueError, match="e2e5 is illegal"):
        hooks(position.game).san(position.state, position.action("e2e5"))


def test_castling_is_written_by_the_kind_of_chess() -> None:
    for chess960, text in ((False, "e1g1"), (True, "e1h1")):
        position = position_of(CASTLING, chess960)
        assert text in legal(position)
        assert position.text(position.action("O-O")) == text
        assert position.action("e1g1") == position.action("e1h1")


# -- why a move is illegal -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen_at", "move", "reason"),
    [
        (START, "e5e6", "there is no piece on e5"),
        (START, "e7e5", "the pawn on e7 is not White's"),
        (START, "a1a5", "the pawn on a2 is in the way"),
        (START, "a1a2", "White's own pawn is on a2"),
        (START, "g1g3", "a knight does not move from g1 to g3"),
        (START, "e2e5", "a pawn does not move from e2 to e5"),
        (START, "e2d3", "a pawn moves diagonally only to capture, and d3 is empty"),
        (START, "O-O", "O-O is illegal: the bishop on f1 is in the way"),
        ("k7/8/8/8/8/4n3/4P3/4K3 w - - 0 1", "e2e3", "the knight on e3 is in the way"),
        ("k7/8/8/8/8/4n3/4P3/4K3 w - - 0 1", "e2e4", "the knight on e3 is in the way"),
        ("k3r3/8/8/8/8/4N3/8/4K3 w - - 0 1", "Nd5", "the knight is pinned to its king by the rook"),
        ("k3r3/8/8/8/8/8/8/N3K3 w - - 0 1", "Nb3", "the king is in check from the rook on e8"),
        (
            "k3r3/8/8/8/8/3n4/8/N3K3 w - - 0 1", "Nb3",
            "the king is in check from the knight on d3 and the rook on e8",
        ),
        ("k3r3/8/8/8/8/8/8/N3K3 w - - 0 1", "Ke2", "e2 is attacked by the rook on e8"),
        ("8/p7/8/8/8/4k3/8/3K4 w - - 0 1", "Kd2", "d2 is attacked by the king on e3"),
        ("r3k2r/8/8/8/8/8/8/R3K2R w - - 0 1", "O-O", "the king or the rook on h1 has moved"),
        ("4k3/8/8/8/8/8/8/R3K3 w Q - 0 1", "O-O", "there is no rook on h1 to castle with"),
        ("4k2r/8/8/8/8/8/8/4K2R w Kk - 0 1", "e1c1", "there is no rook on a1 to castle with"),
        ("4k3/8/8/8/4r3/8/8/4K2R w K - 0 1", "O-O", "the king is in check from the rook on e4"),
        ("4k3/8/8/8/5r2/8/8/4K2R w K - 0 1", "O-O", "in check on f1 from the rook on f4"),
        ("4k3/8/8/8/6r1/8/8/4K2R w K - 0 1", "O-O", "in check on g1 from the rook on g4"),
        ("4k3/8/8/8/8/8/8/RN2K3 w Q - 0 1", "O-O-O", "O-O-O is illegal: the knight on b1 is in"),
        ("1k6/p7/8/8/8/8/8/N3K3 w - - 0 1", "a1h1", "a knight does not move from a1 to h1"),
    ],
)  # fmt: skip
def test_an_illegal_move_is_explained(fen_at: str, move: str, reason: str) -> None:
    position = position_of(fen_at)
    before = position.state_array.copy()
    with pytest.raises(ValueError, match=re.escape(reason)):
        position.play(move)
    assert np.array_equal(position.state_array, before)


def test_en_passant_that_would_uncover_a_check_is_explained() -> None:
    position = after("e4", "8/8/8/8/k2p3R/8/4P3/K7 w - - 0 1")
    with pytest.raises(ValueError, match="the pawn is pinned to its king by the rook on h4"):
        position.play("dxe3")
    late = after("e4 Ka5 Ka2", "8/8/8/8/k2p4/8/4P3/K7 w - - 0 1")
    with pytest.raises(ValueError, match="a pawn moves diagonally only to capture"):
        late.play("dxe3")


def test_every_illegal_action_has_a_reason() -> None:
    rng = np.random.default_rng(3)
    for text in (
        START,
        CASTLING,
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq -",
    ):
        position = position_of(text)
        for action in rng.permutation(position.game.num_actions)[:600].tolist():
            explain = position.game.explain
            assert explain is not None
            assert bool(explain(position.state, action)) != position.is_legal(action), action


# -- positions as text -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a FEN has 4 to 6 fields"),
        (START + " x", "not 7"),
        (START + " " * 200, "a FEN has at most 200 characters"),
        ("8/8/8/8/8/8/8 w - - 0 1", "the board has 8 ranks, not 7"),
        (START.replace("8/8", "8/7", 1), "rank 5 has 8 squares, not 7: '7'"),
        (START.replace("8/8", "8/9", 1), "'9' in rank 5 is no piece"),
        (START.replace("RNBQKBNR", "RNBQKBNRR"), "rank 1 has 8 squares, not 9"),
        (START.replace("q", "x", 1), "'x' in rank 8 is no piece: write PNBRQK for White's"),
        (START.replace(" w ", " W "), "the player to move is w or b, not 'W'"),
        (START.replace("KQkq", "KQkx"), "castling is some of KQkq or -, not 'KQkx'"),
        (START.replace(" - ", " e9 "), "en passant is a square such as e3, or -, not 'e9'"),
        (START.replace(" 0 1", " x 1"), "the clock of plies without capture or pawn's move"),
        (START.replace(" 0 1", " -1 1"), "is a whole number from 0 to 99999999, not '-1'"),
        (START.replace(" 0 1", " 0 -1"), "the number of the move is a whole number"),
        (START.replace("K", "Q", 1).replace("KQkq", "-"), "White has no king"),
        (START.replace("q", "k", 1).replace("KQkq", "-"), "Black has 2 kings, not one"),
        (START.replace("8/8", "8/P7", 1), "White has 17 pieces, at most 16 are possible"),
        ("4k3/8/8/8/8/PPPP4/PPPPP3/4K3 w - - 0 1", "White has 9 pawns"),
        ("4k3/8/8/8/8/QQ6/PPPPPPPP/4K3 w - - 0 1", "and 1 pieces that only pawns can have become"),
        ("P3k3/8/8/8/8/8/8/4K3 w - - 0 1", "a pawn cannot stand on a8"),
        ("4k3/8/8/8/8/8/8/p3K3 w - - 0 1", "a pawn cannot stand on a1"),
        ("4k3/4R3/8/8/8/8/8/4K3 w - - 0 1", "Black's king is in check though it is not Black's"),
        ("8/8/8/8/8/8/4k3/4K3 w - - 0 1", "the kings stand beside each other, on e2 and e1"),
    ],
)  # fmt: skip
def test_a_wrong_fen_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        position_of(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CASTLING.replace("KQkq", "x"), "or files A to H, a to h or -, not 'x'"),
    ],
)
def test_a_wrong_fen_of_chess960_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        position_of(text, chess960=True)


CARELESS = [  # fields as programs and people leave them behind
    START.replace("KQkq", "KK"),
    START.replace("KQkq", "HAha"),
    START.replace(" - ", " e3 "),
    START.replace(" - ", " e6 "),
    START.replace(" 0 1", " 151 12000"),
    "r3k2r/8/8/8/8/8/8/R3K3 w KQkq - 0 1",
    "r6r/4k3/8/8/8/8/8/R3K2R w KQkq - 0 1",
    "5k2/8/5K2/8/8/8/8/7R w KQkq - 0 1",
    "4k3/8/8/8/8/8/8/3K3R w K - 0 1",
    "4k3/8/8/8/8/8/8/4K1R1 w K - 0 1",
    "4k3/8/8/8/8/8/8/R2RK3 w DA - 0 1",
    "1r2k1r1/8/8/8/8/8/8/1R2K1R1 b KQkq - 3 7",
    "r1k1r3/8/8/8/8/8/8/1R1KR2R w EHae - 0 1",
    "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1",
    "4k3/8/8/3pP3/8/8/8/4K3 b - d6 0 1",
]


@pytest.mark.parametrize("text", CARELESS)
def test_a_careless_fen_is_read_as_python_chess_reads_it(text: str) -> None:
    chess = pytest.importorskip("chess")
    for is_960 in (False, True):
        board = chess.Board(text, chess960=is_960)
        read = position_of(text, is_960)
        assert fen(read) == board.fen(en_passant="legal"), is_960
        if not read.is_over:
            assert len(read.legal_actions()) == board.legal_moves.count()


def test_random_castling_fields_are_read_as_python_chess_reads_them() -> None:
    chess = pytest.importorskip("chess")
    rng = np.random.default_rng(7)
    for number in range(400):
        ranks = [
            "".join(rng.permutation(list(f"{king}{rook}{rook}{rook}    ")))
            for king, rook in ("kr", "KR")
        ]
        if number % 5 == 0:
            ranks[1] = " " * 8
        far = "8" if number % 5 else "4K3"  # a king that has left its first rank
        letters = "".join(rng.choice(list("KQABCDEFGH"), rng.integers(0, 3)))
        letters += "".join(rng.choice(list("kqabcdefgh"), rng.integers(0, 3)))
        ranks = [re.sub(" +", lambda gap: str(len(gap[0])), rank) for rank in ranks]
        text = f"{ranks[0]}/8/8/8/{far}/pppppp2/PPPPPP2/{ranks[1]} w {letters or '-'} - 0 1"
        for is_960 in (False, True):
            board = chess.Board(text, chess960=is_960)
            if not board.status() & ~chess.STATUS_BAD_CASTLING_RIGHTS:
                assert fen(position_of(text, is_960)) == board.fen(), (text, is_960)


def test_en_passant_without_a_pawn_to_capture_is_dropped() -> None:
    assert fen(position_of("4k3/8/8/4P3/8/8/8/4K3 w - d6 0 1")).split()[3] == "-"


def test_a_clock_beyond_a_byte_is_cut() -> None:
    state = position_of(START.replace(" 0 1", " 300 7"), draws="automatic").state
    assert state["clock"] == 255 and state["ply"] == 12


def test_a_fen_may_leave_the_clocks_out() -> None:
    assert fen(position_of(START.removesuffix(" 0 1"))) == START
    assert fen(position_of(START.removesuffix(" 1"))) == START
    assert fen(position_of(START.replace(" 0 1", " 0 0"))) == START


@pytest.mark.parametrize(
    "text",
    [
        START,
        CASTLING,
        "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 13 37",
        "k7/8/8/3pP3/8/8/8/K7 w - d6 0 40",
        "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1",
        "8/8/8/8/8/3k4/8/R5K1 w - - 149 300",
        "8/8/8/8/8/8/8/R3K1k1 w Q - 0 1",
    ],
)
def test_positions_are_written_as_they_were_read(text: str) -> None:
    assert fen(position_of(text)) == text
    assert hooks(chess_game()).board(position_of(text).state) != {}


def test_a_failed_fen_leaves_the_state_as_it_was() -> None:
    position = position_of(START)
    before = position.state_array.copy()
    with pytest.raises(ValueError):
        hooks(position.game).set_fen(position.state, "4k3/4R3/8/8/8/8/8/4K3 w - - 0 1")
    assert np.array_equal(position.state_array, before)


def test_the_board_is_drawn_from_white_s_side_with_the_last_move_marked() -> None:
    lines = after("e4 e5").render().splitlines()
    assert lines[0].split() == list("abcdefgh")
    assert lines[1] == "8  r  n  b  q  k  b  n  r  8"
    assert lines[4] == "5  .  .  .  . (p) .  .  .  5"
    assert lines[2] == "7  p  p  p  p (.) p  p  p  7"
    castled = after("O-O", CASTLING).render().splitlines()
    assert castled[8] == "1  R  .  .  . (.) R (K) .  1"


# -- parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("chess:draws=never", "draws must be claimed or automatic, not 'never'"),
        ("chess:position=0", "position=0 is one of Chess960: it needs chess960=true"),
        ("chess:chess960=true,position=960", "start positions have the numbers 0 to 959, not 960"),
        ("chess:chess960=1", "chess960 must be true or false, not 1"),
        ("chess:history=9", "history must be a whole number from 1 to 8, not 9"),
        ("chess:max_plies=-1", "max_plies must be a whole number of at least 0, not -1"),
        ("chess:size=8", 'has no parameter "size"'.replace('"', "'")),
    ],
)
def test_wrong_parameters_are_explained(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        load(spec)


def test_a_network_serves_all_that_the_planes_tell() -> None:
    game: Game = load("chess:draws=automatic")
    assert set(game.in_planes) == {"chess960", "position", "draws", "max_plies"}
    assert game.planes == chess_game().planes


def test_mutilated_positions_and_moves_raise_nothing_but_value_error() -> None:
    rng = np.random.default_rng(9)
    alphabet = list("KQRBNPkqrbnp12345678/ -wbacdefgh0x=+#O\u212a\u00b2\u00e9\t\0")
    fens = [
        START,
        CASTLING,
        "k7/8/8/3pP3/8/8/8/K7 w - d6 0 40",
        "8/1P6/8/8/8/3k4/8/R5K1 w - - 149 300",
    ]
    moves = ["e2e4", "Nf3", "exd6 e.p.", "b8=Q+", "O-O-O", "e1g1", "Rad1#"]
    read = 0
    for texts in (fens, moves):
        for _ in range(800):
            text = list(texts[rng.integers(len(texts))])
            for _ in range(rng.integers(1, 3)):
                place = int(rng.integers(len(text)))
                text[place : place + int(rng.integers(2))] = alphabet[rng.integers(len(alphabet))]
            try:
                if texts is fens:
                    position = position_of("".join(text))
                    assert fen(position_of(fen(position))) == fen(position)
                else:
                    position_of(CASTLING).action("".join(text))
                read += 1
            except ValueError as error:
                assert str(error)
    assert read > 30
