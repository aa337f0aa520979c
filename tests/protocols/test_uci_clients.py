"""UCI as real programs speak it: python-chess's engine module, and games against Stockfish."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena.match import play_match
from alphazero.arena.players import make_player
from alphazero.arena.timed import timed
from alphazero.arena.uci_client import UciEngine, UciLimits
from alphazero.errors import UserError
from alphazero.game import Position, load

chess = pytest.importorskip("chess", reason="python-chess is not installed")
pytest.importorskip("chess.engine")

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300.0
COMMAND = [sys.executable, str(ROOT / "play.py"), "--game", "chess", "--uci", "--seed", "1"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
OURS = " ".join(f"'{word}'" for word in COMMAND)
MATE_IN_ONE = "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"
SCHOLAR = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator:
    """The engine as python-chess runs it."""
    made = chess.engine.SimpleEngine.popen_uci(
        COMMAND, timeout=TIMEOUT, env=ENVIRONMENT, cwd=str(ROOT)
    )
    yield made
    made.quit()


@pytest.fixture(scope="module")
def stockfish() -> str:
    path = shutil.which(
        "stockfish", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/games"))
    )
    if path is None:
        pytest.skip("stockfish is not installed")
    return path


# -- python-chess ----------------------------------------------------------------------------------


def test_it_says_who_it_is_and_takes_what_servers_set(engine) -> None:
    assert engine.id["name"].startswith("AlphaZero")
    # Those of lichess-bot's configuration; an option that is lacking is an error there.
    engine.configure(
        {
            "Move Overhead": 100, "Threads": 4, "Hash": 512, "SyzygyPath": "./syzygy/",
            "UCI_ShowWDL": True,
        }
    )  # fmt: skip
    with pytest.raises(chess.engine.EngineError):
        engine.configure({"No Such Option": 1})
    engine.configure({"Threads": 1, "SyzygyPath": "", "UCI_ShowWDL": False})
    engine.ping()


@pytest.mark.parametrize(
    "limit",
    [
        {"nodes": 50}, {"time": 0.2}, {"depth": 2}, {"white_clock": 5, "black_clock": 5},
        {"white_clock": 2, "white_inc": 0.1, "remaining_moves": 3}, {"nodes": 10**6, "time": 0.1},
    ],
)  # fmt: skip
def test_it_plays(engine, limit: dict) -> None:
    board = chess.Board()
    result = engine.play(board, chess.engine.Limit(**limit), info=chess.engine.INFO_ALL)
    assert result.move in board.legal_moves
    assert result.info["nodes"] > 0 and result.info["pv"][0] == result.move
    if result.ponder is not None:
        board.push(result.move)
        assert result.ponder in board.legal_moves


def test_it_finds_mates(engine) -> None:
    for fen, plies in ((MATE_IN_ONE, "a1a8"), (SCHOLAR, "h5f7")):
        result = engine.play(chess.Board(fen), chess.engine.Limit(nodes=3000))
        assert result.move.uci() == plies
    found = engine.analyse(chess.Board(MATE_IN_ONE), chess.engine.Limit(mate=1))
    assert found["score"].white() == chess.engine.Mate(1)


def test_it_analyses_several_moves(engine) -> None:
    board = chess.Board()
    found = engine.analyse(board, chess.engine.Limit(nodes=300), multipv=3)
    assert len({line["pv"][0] for line in found}) == len(found) == 3
    engine.configure({"UCI_ShowWDL": True})
    found = engine.analyse(board, chess.engine.Limit(nodes=100))
    assert sum(found["wdl"].pov(chess.WHITE)) == 1000
    engine.configure({"UCI_ShowWDL": False})
    moves = [chess.Move.from_uci("a2a3"), chess.Move.from_uci("h2h4")]
    found = engine.analyse(board, chess.engine.Limit(nodes=50), root_moves=moves)
    assert found["pv"][0] in moves


def test_it_analyses_until_it_is_stopped(engine) -> None:
    board = chess.Board()
    with engine.analysis(board) as analysis:
        seen = 0
        for info in analysis:
            seen += "pv" in info
            if seen > 2:
                break
        analysis.stop()
        assert analysis.wait().move in board.legal_moves
    with engine.analysis(chess.Board(SCHOLAR)) as analysis:  # proven, and said only once
        while "pv" not in analysis.get():
            pass
        analysis.stop()
        assert analysis.wait().move == chess.Move.from_uci("h5f7")
    engine.ping()


def test_it_ponders(engine) -> None:
    board = chess.Board()
    for _ in range(3):
        limit = chess.engine.Limit(white_clock=3, black_clock=3, white_inc=0.1, black_inc=0.1)
        result = engine.play(board, limit, ponder=True)
        assert result.move in board.legal_moves
        board.push(result.move)
        reply = result.ponder or next(iter(board.legal_moves))
        if len(board.move_stack) == 3:  # something else than what it expects
            reply = next(move for move in board.legal_moves if move != result.ponder)
        board.push(reply)
    engine.ping()


def test_it_has_no_move_where_the_game_is_over(engine) -> None:
    for fen in (
        "R5k1/5ppp/8/8/8/8/8/6K1 b - - 0 1",
        "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    ):
        assert engine.play(chess.Board(fen), chess.engine.Limit(nodes=20)).move is None


def test_it_plays_on_where_nobody_claims_a_draw(engine) -> None:
    board = chess.Board()
    for move in ["g1f3", "g8f6", "f3g1", "f6g8"] * 2 + ["g1f3"]:
        board.push_uci(move)
    assert board.can_claim_draw()
    assert engine.play(board, chess.engine.Limit(nodes=30)).move in board.legal_moves


def test_it_plays_chess960(engine) -> None:
    board = chess.Board("1k6/8/8/8/8/8/8/RK2R3 w EA - 0 1", chess960=True)
    castling = chess.Move.from_uci("b1e1")
    moves = [castling]
    result = engine.play(board, chess.engine.Limit(nodes=20), root_moves=moves)
    assert result.move == castling
    board.push(castling)
    assert engine.play(board, chess.engine.Limit(nodes=20)).move in board.legal_moves
    for number in (0, 518, 959):
        board = chess.Board.from_chess960_pos(number)
        for _ in range(6):
            result = engine.play(board, chess.engine.Limit(nodes=8))
            board.push(result.move)
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    moves = [chess.Move.from_uci("e1g1")]
    result = engine.play(board, chess.engine.Limit(nodes=8), root_moves=moves)
    assert result.move == moves[0]


# -- Stockfish -------------------------------------------------------------------------------------


def test_games_against_stockfish(stockfish: str) -> None:
    game = load("chess")
    ours = make_player(f"uci:{OURS},nodes=8,processes=1", game)
    theirs = make_player(f"uci:{stockfish},depth=1,UCI_Elo=1350,processes=1", game)
    result = play_match(game, ours, theirs, 2, seed=3)
    assert result.total.games == 2
    assert not any(record.info.get("resigned") for record in result.records)  # all moves legal


def test_games_of_chess960_against_stockfish(stockfish: str) -> None:
    game = load("chess:chess960=true,position=1,max_plies=60")
    ours = make_player(f"uci:{OURS},nodes=4,processes=1", game)
    theirs = make_player(f"uci:{stockfish},nodes=50,processes=1", game)
    result = play_match(game, ours, theirs, 2, seed=3)
    assert not any(record.info.get("resigned") for record in result.records)


def test_a_game_on_clocks(stockfish: str) -> None:
    game = load("chess:max_plies=30")
    names = (f"uci:{OURS},nodes=8", f"uci:{stockfish},depth=1")
    players = timed([make_player(name, game) for name in names], "60+1")
    one, other = players
    result = play_match(game, one, other, 2, parallel=1)
    assert result.total.games == 2
    assert all(0 < player.longest < 60 for player in players)
    assert all("0 lost on time" in str(player) for player in players)


def test_stockfish_counts_the_same_lines(stockfish: str) -> None:
    """`go perft` of both, by first moves, on positions with everything special in them."""
    game = load("chess")
    programs = [UciEngine(name, game, UciLimits(nodes=1)) for name in (OURS, stockfish)]
    for fen in (
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
    ):
        counts = []
        for program in programs:
            program.write(f"position fen {fen}\ngo perft 3\n")
            lines = program._lines_until("Nodes", "go perft", TIMEOUT)
            counts.append({line for line in lines if ": " in line and not line.startswith("info")})
        assert counts[0] == counts[1] and len(counts[0]) > 20
    for program in programs:
        program.close()


def test_options_of_stockfish(stockfish: str) -> None:
    game = load("chess")
    position = Position(game)
    player = make_player(f"uci:{stockfish},nodes=200,Skill Level=3,Hash=8", game)
    (action,) = player.choose([position], np.random.default_rng(0))
    assert position.is_legal(action)
    with pytest.raises(UserError, match=r"has no option 'Skil Level' \(did you mean \"Skill Level"):
        make_player(f"uci:{stockfish},Skil Level=3", game).choose(
            [position], np.random.default_rng(0)
        )
