"""Chess: the number of lines of legal moves against published counts."""

import functools
import os

import numpy as np
import pytest

from alphazero.game import Game, Position, load
from alphazero.game.perft import count, divide, lines_by_move

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

# The six positions of the chess programming wiki, from depth 1 on.
STANDARD = {
    START: [20, 400, 8902, 197281, 4865609, 119060324],
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1":
        [48, 2039, 97862, 4085603, 193690690, 8031647685],
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1":
        [14, 191, 2812, 43238, 674624, 11030083, 178633661, 3009794393],
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1":
        [6, 264, 9467, 422333, 15833292, 706045033],
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8":
        [44, 1486, 62379, 2103487, 89941194],
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10":
        [46, 2079, 89890, 3894594, 164075551, 6923051137],
}  # fmt: skip

# What move generators get wrong: M. Sedlak's positions and others of the same collections.
TRICKY = [
    ("en passant uncovers a check on the rank", "3k4/3p4/8/K1P4r/8/8/8/8 b - - 0 1", 6, 1134888),
    ("en passant uncovers a check on a diagonal", "8/8/4k3/8/2p5/8/B2P2K1/8 w - - 0 1", 6, 1015133),
    ("en passant takes a checking pawn", "8/8/1k6/2b5/2pP4/8/5K2/8 b - d3 0 1", 6, 1440467),
    ("a bishop checks through en passant", "8/8/8/2k5/2pP4/8/B7/4K3 b - d3 0 3", 1, 8),
    ("castling gives check", "5k2/8/8/8/8/8/8/4K2R w K - 0 1", 6, 661072),
    ("castling to the queen's side gives check", "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1", 6, 803711),
    ("taking a rook ends its castling", "r3k2r/1b4bq/8/8/8/8/7B/R3K2R w KQkq - 0 1", 4, 1274206),
    ("castling through an attack", "r3k2r/8/3Q4/8/8/5q2/8/R3K2R b KQkq - 0 1", 4, 1720476),
    ("no castling out of check",
     "r3k2r/p1pp1pb1/bn2Qnp1/2qPN3/1p2P3/2N5/PPPBBPPP/R3K2R b KQkq - 3 2", 1, 5),
    ("promotion out of a check", "2K2r2/4P3/8/8/8/8/8/3k4 w - - 0 1", 6, 3821001),
    ("a piece uncovers a check", "8/8/1P2K3/8/2n5/1q6/8/5k2 b - - 0 1", 5, 1004658),
    ("promotion gives check", "4k3/1P6/8/8/8/8/K7/8 w - - 0 1", 6, 217342),
    ("promotion to a rook gives check", "8/P1k5/K7/8/8/8/8/8 w - - 0 1", 6, 92683),
    ("promotion that stalemates", "K1k5/8/P7/8/8/8/8/8 w - - 0 1", 6, 2217),
    ("stalemate and checkmate", "8/k1P5/8/1K6/8/8/8/8 w - - 0 1", 7, 567584),
    ("double check", "8/8/2k5/5q2/5n2/8/5K2/8 b - - 0 1", 4, 23527),
    ("a pinned bishop", "r6r/1b2k1bq/8/8/7B/8/8/R3K2R b KQ - 3 2", 1, 8),
    ("promotions by both players", "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1", 5, 3605103),
    ("218 moves", "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1", 1, 218),
]  # fmt: skip

# The first of the positions of Chess960 that come with Ethereal (A. Grant), from depth 1 on.
CHESS960 = {
    "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9":
        [21, 528, 12189, 326672, 8146062],
    "2nnrbkr/p1qppppp/8/1ppb4/6PP/3PP3/PPP2P2/BQNNRBKR w HEhe - 1 9":
        [21, 807, 18002, 667366, 16253601],
    "b1q1rrkb/pppppppp/3nn3/8/P7/1PPP4/4PPPP/BQNNRKRB w GE - 1 9":
        [20, 479, 10471, 273318, 6417013],
    "qbbnnrkr/2pp2pp/p7/1p2pp2/8/P3PP2/1PPP1KPP/QBBNNR1R w hf - 0 9":
        [22, 593, 13440, 382958, 9183776],
    "1nbbnrkr/p1p1ppp1/3p4/1p3P1p/3Pq2P/8/PPP1P1P1/QNBBNRKR w HFhf - 0 9":
        [28, 1120, 31058, 1171749, 34030312],
}  # fmt: skip

QUICK, SLOW = 5_000_000, 200_000_000  # nodes of one count; every last depth with PERFT=full
LIMIT = 10**10 if os.environ.get("PERFT") == "full" else SLOW


@functools.cache
def chess(chess960: bool) -> Game:
    return load("chess:chess960=true" if chess960 else "chess")


def position_of(fen: str, chess960: bool = False) -> Position:
    game = chess(chess960)
    assert game.pieces is not None
    state = game.position().state
    game.pieces.set_fen(state, fen)
    return Position(game, state)


def nodes(fen: str, depth: int, chess960: bool = False) -> int:
    return sum(lines_by_move(position_of(fen, chess960), depth).values())


@pytest.mark.parametrize("fen", STANDARD)
def test_the_standard_positions_have_the_published_counts(fen: str) -> None:
    for depth, published in enumerate(STANDARD[fen], 1):
        if published <= QUICK:
            assert nodes(fen, depth) == published


@pytest.mark.slow
@pytest.mark.parametrize("fen", STANDARD)
def test_the_standard_positions_have_the_published_counts_deep_down(fen: str) -> None:
    for depth, published in enumerate(STANDARD[fen], 1):
        if QUICK < published <= LIMIT:
            assert nodes(fen, depth) == published


@pytest.mark.parametrize(("what", "fen", "depth", "published"), TRICKY)
def test_tricky_positions_have_the_published_counts(
    what: str, fen: str, depth: int, published: int
) -> None:
    assert nodes(fen, depth) == published


@pytest.mark.parametrize("fen", CHESS960)
def test_chess960_has_the_published_counts(fen: str) -> None:
    for depth, published in enumerate(CHESS960[fen], 1):
        assert nodes(fen, depth, chess960=True) == published


# -- the same by the contract ----------------------------------------------------------------------


def test_the_contract_counts_as_the_kernels_of_perft_do() -> None:
    """`play` and `legal` of the game, with key, clock and history, against `make_move` alone."""
    for fen in STANDARD:
        assert count(position_of(fen), 3) == STANDARD[fen][2]


def test_lines_of_other_games_are_counted_by_their_contract() -> None:
    assert sum(lines_by_move(load("connect4").position(), 7).values()) == 823536
    board = load("tic-tac-toe").position()
    assert sum(lines_by_move(board, 9).values()) == 127872  # of the games that fill the board
    board.play("b2")
    assert count(board, 2) == 8 * 7


def test_what_the_command_prints() -> None:
    *lines, total, speed = divide(chess(False), None, 3)
    assert "e2e4: 600" in lines and len(lines) == 20
    assert total == "\nNodes searched: 8902"
    assert "million nodes/s" in speed


def test_a_mated_player_has_no_lines() -> None:
    mated = position_of("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3")
    assert mated.is_over and mated.value_to_move() == -1
    assert lines_by_move(mated, 3) == {}


def test_counting_does_not_change_the_position() -> None:
    position = position_of(START)
    before = position.state_array.copy()
    lines_by_move(position, 3)
    assert np.array_equal(position.state_array, before)
