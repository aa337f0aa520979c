"""Opening books and endgame tables: books that the tests write, and tables that a stand-in plays,
for real ones are large."""

import importlib.util
import struct

import numpy as np
import pytest

from alphazero.arena import book as module
from alphazero.arena.book import Book
from alphazero.arena.players import InformedPlayer, Player, make_player
from alphazero.arena.reference import Reference
from alphazero.arena.tablebase import Tablebase, split_folders
from alphazero.config import SearchConfig
from alphazero.errors import UserError
from alphazero.formats.pgn.reader import start_from
from alphazero.game import load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.search import Search

CHESS = load("chess")
RNG = np.random.default_rng(0)
needs_chess = pytest.mark.skipif(
    importlib.util.find_spec("chess") is None, reason="python-chess is missing"
)


def position(fen: str = "", moves: str = ""):
    made = start_from(CHESS, fen) if fen else CHESS.position()
    for move in moves.split():
        made.play(move)
    return made


def write_book(path, entries):
    """Entries of (position, move as e2e4, weight); castling is the king taking its rook."""
    import chess.polyglot

    rows = []
    for one, move, weight in entries:
        board = module.board_of(one)
        origin, target = (
            "abcdefgh".index(s[0]) + 8 * (int(s[1]) - 1) for s in (move[:2], move[2:4])
        )
        promotion = "nbrq".index(move[4]) + 1 if len(move) > 4 else 0
        code = target | origin << 6 | promotion << 12
        rows.append((chess.polyglot.zobrist_hash(board), code, weight, 0))
    path.write_bytes(b"".join(struct.pack(">QHHI", *row) for row in sorted(rows)))
    return path


# -- books -----------------------------------------------------------------------------------------


@needs_chess
def test_moves_of_a_book_are_drawn_by_their_weights(tmp_path):
    start = position()
    castles = position("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    promotes = position("8/P6k/8/8/8/8/8/K7 w - - 0 1")
    entries = [(start, "e2e4", 30), (start, "d2d4", 10), (start, "e2e5", 99), (start, "c2c4", 0)]
    entries += [(castles, "e1h1", 1), (promotes, "a7a8n", 1)]
    book = Book(write_book(tmp_path / "book.bin", entries))
    assert {start.text(a): w for a, w in book.moves(start).items()} == {
        "e2e4": 30, "d2d4": 10 }  # fmt: skip
    drawn = [start.text(book.choose(start, RNG)) for _ in range(200)]
    assert 120 < drawn.count("e2e4") < 180 and set(drawn) == {"e2e4", "d2d4"}
    assert castles.text(book.choose(castles, RNG)) == "e1g1"
    assert promotes.text(book.choose(promotes, RNG)) == "a7a8n"
    assert book.choose(position("", "e4 e5"), RNG) is None
    chosen = [book.choose(start, np.random.default_rng(3)) for _ in range(5)]
    assert len(set(chosen)) == 1


@needs_chess
def test_what_is_no_book_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none\.bin: No such file"):
        Book(tmp_path / "none.bin")
    (tmp_path / "half.bin").write_bytes(b"1234567")
    with pytest.raises(UserError, match="is not a Polyglot book"):
        Book(tmp_path / "half.bin")
    with pytest.raises(UserError, match="is a folder, not a Polyglot book"):
        Book(tmp_path)
    (tmp_path / "empty.bin").touch()
    assert Book(tmp_path / "empty.bin").choose(position(), RNG) is None
    with pytest.raises(UserError, match="Connect Four has no opening books"):
        make_player(f"mcts:5,book={tmp_path / 'half.bin'}", load("connect4"))


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    for opens in (lambda: Book("x.bin"), lambda: Tablebase("x")):
        with pytest.raises(UserError, match=r'need chess: pip install "chess>=1\.11"'):
            opens()


@needs_chess
def test_a_player_asks_its_book_first(tmp_path):
    class First(Player):
        name = "first"

        def choose(self, positions, rng):
            return [one.legal_actions()[0] for one in positions]

    start, other = position(), position("", "d4 d5")
    book = Book(write_book(tmp_path / "b.bin", [(start, "e2e4", 1)]))
    player = InformedPlayer(First(), Reference(book))
    moves = player.choose([other, start, other], RNG)
    assert moves == [other.legal_actions()[0], start.action("e4"), other.legal_actions()[0]]
    named = make_player(f"mcts:1,book={tmp_path / 'b.bin'}", CHESS)
    assert named.choose([start], RNG) == [start.action("e4")]


# -- tables ----------------------------------------------------------------------------------------


class StandIn:
    """Answers as tables do, from a dictionary: (WDL, DTZ) by board and player to move."""

    def __init__(self, known):
        self.known = known

    def probe_wdl(self, board):
        return self.known[board.board_fen() + (" w" if board.turn else " b")][0]

    def probe_dtz(self, board):
        distance = self.known[board.board_fen() + (" w" if board.turn else " b")][1]
        if distance is None:
            raise KeyError("no .rtbz")
        return distance


@pytest.fixture
def tables(monkeypatch):
    """A tablebase whose content a test sets."""

    def make(known, fifty_moves=True):
        made = Tablebase.__new__(Tablebase)
        made._fifty_moves = fifty_moves
        made._tables = StandIn(known)
        made.__dict__["men"] = 3
        return made

    return make


ROOK = "8/8/8/8/8/1k6/8/K6R w - - {} 80"


def after_moves(values):
    """The table of all positions after White's moves: `values(san)` -> (wdl, dtz) for Black."""
    one = position(ROOK.format(0))
    known = {}
    for action in one.legal_actions():
        san = CHESS.pieces.san(one.state, action)
        one.play(action)
        board, color = CHESS.pieces.fen(one.state).split()[:2]
        known[f"{board} {color}"] = values(san)
        one.undo()
    return known


@needs_chess
def test_the_quickest_way_to_win_is_taken(tables):
    one = position(ROOK.format(0))
    found = tables(after_moves(lambda san: (-2, -9 if san in ("Rh4", "Rg1") else -13))).ending(one)
    assert found.result == 1
    assert {CHESS.pieces.san(one.state, a) for a in found.actions} == {"Rh4", "Rg1"}
    slow = after_moves(lambda san: (2, 4 if san == "Rh8" else 2))
    found = tables(slow).ending(one)
    assert found.result == -1
    assert [CHESS.pieces.san(one.state, a) for a in found.actions] == ["Rh8"]


@needs_chess
def test_a_draw_is_kept_and_fifty_moves_count(tables):
    one = position(ROOK.format(0))
    found = tables(after_moves(lambda san: (0, 0) if san in ("Rh4", "Kb1") else (2, 3))).ending(one)
    assert found.result == 0 and len(found.actions) == 2
    late = position(ROOK.format(95))
    for plies, result in ((-3, 1), (-4, 0)):
        known = after_moves(lambda san, plies=plies: (-2, plies))
        assert tables(known).ending(late).result == result


@needs_chess
def test_without_distances_all_moves_that_keep_the_result_are_left(tables):
    one = position(ROOK.format(0))
    found = tables(after_moves(lambda san: (0 if san == "Rh3+" else -2, None))).ending(one)
    assert found.result == 1 and not found.has_distance
    kept = {CHESS.pieces.san(one.state, a) for a in found.actions}
    assert {"Rh4", "Rg1", "Kb1"} <= kept and "Rh3+" not in kept
    found = tables(after_moves(lambda san: (-2, -9))).ending(one)
    assert found.has_distance
    assert tables({}).ending(one) is None


@needs_chess
def test_the_rule_of_fifty_moves_may_be_left_out(tables):
    late = position(ROOK.format(95))
    known = after_moves(lambda san: (-2 if san == "Rh4" else -1, -40))
    assert tables(known).ending(late).result == 0
    assert tables(known, fifty_moves=False).ending(late).result == 1
    here = {"8/8/8/8/8/1k6/8/K6R w": (1, 9)}
    assert tables(here).result(position(ROOK.format(0))) == 0
    for clock in (0, 7):
        assert tables(here, fifty_moves=False).result(position(ROOK.format(clock))) == 1


@needs_chess
def test_tables_say_nothing_of_what_they_do_not_know(tables):
    knows = tables({"8/8/8/8/8/1k6/8/K6R w": (2, 9)})
    assert knows.result(position(ROOK.format(0))) == 1
    assert knows.result(position(ROOK.format(1))) is None  # moves without progress
    assert knows.result(position()) is None  # too many pieces
    assert knows.result(position("8/8/8/8/8/1k6/8/K6Q w - - 0 1")) is None  # a missing table
    assert knows.ending(position(ROOK.format(0))) is None
    castling = position("8/8/8/8/8/1k6/8/4K2R w K - 0 1")
    assert knows.result(castling) is None and knows.ending(castling) is None
    for wdl, result in ((1, 0), (-1, 0), (-2, -1), (0, 0)):
        assert (
            tables({"8/8/8/8/8/1k6/8/K6R w": (wdl, 9)}).result(position(ROOK.format(0))) == result
        )


@needs_chess
def test_folders_without_tables_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        Tablebase(str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds no Syzygy tables"):
        Tablebase(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "separator", "folders"),
    [
        ("/a:/b", ":", ["/a", "/b"]),
        ("/a;/b", ":", ["/a", "/b"]),
        ("C:\\tb", ";", ["C:\\tb"]),
        ("C:\\tb;D:/more tables;", ";", ["C:\\tb", "D:/more tables"]),
    ],
)
def test_folders_are_split_as_the_system_does(text, separator, folders):
    assert split_folders(text, separator) == folders


@needs_chess
def test_a_player_keeps_to_the_tables(tables):
    class Asked(Player):
        name = "asked"

        def choose(self, positions, rng):
            return [one.action("Rh5") for one in positions]

    one = position(ROOK.format(0))
    draws = tables(after_moves(lambda san: (0, 0) if san in ("Rh4", "Kb1", "Rh5") else (2, 3)))
    assert InformedPlayer(Asked(), Reference(None, draws)).choose([one], RNG) == [one.action("Rh5")]
    wins = tables(after_moves(lambda san: (-2, -9 if san == "Rh4" else -13)))
    assert InformedPlayer(Asked(), Reference(None, wins)).choose([one], RNG) == [one.action("Rh4")]


def searched(made, fen, **settings):
    """A search of a position with tables, or without any."""
    evaluator = Reference(None, made).evaluator(UniformEvaluator(CHESS), CHESS)
    config = SearchConfig(policy="puct", simulations=200, leaves_per_tree=4, **settings)
    search = Search(CHESS, evaluator, config)
    search.begin(0, position(fen), seed=1)
    search.run()
    return search, evaluator


CAPTURE = "7k/8/8/8/8/n7/8/R3K3 w - - 0 1"


@needs_chess
def test_what_tables_know_is_proven_in_the_search(tables):
    wins = tables({"7k/8/8/8/8/R7/8/4K3 b": (-2, -20)})
    search, evaluator = searched(wins, CAPTURE)
    found = search.result(0)
    assert position(CAPTURE).text(found.best) == "a1a3" and found.proven == 1
    assert evaluator.hits >= 1 and search.simulations(0) < 200
    assert searched(None, CAPTURE)[0].result(0).proven is None


@needs_chess
def test_without_the_solver_it_counts_as_the_end_of_the_game(tables):
    wins = tables({"7k/8/8/8/8/R7/8/4K3 b": (-2, -20)})
    search, _ = searched(wins, CAPTURE, solver=False, nn_cache_size=64)
    found = search.result(0)
    assert found.proven is None and search.simulations(0) == 200
    row = found.index(position(CAPTURE).action("Rxa3"))
    assert found.q[row] == 1 and found.visits[row] == found.visits.max()


@needs_chess
def test_a_root_that_tables_know_is_searched_all_the_same(tables):
    search, evaluator = searched(tables({"8/8/8/8/8/1k6/8/K6R w": (2, 9)}), ROOK.format(0))
    found = search.result(0)
    assert evaluator.hits == 1 and found.proven is None and found.visits.sum() == 200


@needs_chess
def test_players_search_with_their_tables(tables, monkeypatch):
    wins = tables({"7k/8/8/8/8/R7/8/4K3 b": (-2, -20)})
    opened = Reference(None, wins)
    monkeypatch.setattr(Reference, "open", staticmethod(lambda *files: opened))
    player = make_player("mcts:100,syzygy=x", CHESS)
    one = position(CAPTURE)
    assert player.choose([one], RNG) == [one.action("Rxa3")]
    assert player.inner.analyse(one).proven == 1
