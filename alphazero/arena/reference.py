"""What is known of chess before any search, as Deep Blue had it: a book of openings (Polyglot's
`.bin`) and tables of endings (Syzygy), both read by the optional package `chess`.

Its own reader of books is used because the keys in them are 781 random numbers that exist only as
tables in programs under the GPL; they cannot be worked out anew.
"""

import contextlib
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.network.evaluator import UNDECIDED, Evaluation, Evaluator, Leaves

INSTALL = 'pip install "chess>=1.11"'
LAST_PLY = (
    99  # without progress, on which a win still counts: with the next the draw may be claimed
)


def library(name: str) -> Any:
    """A module of the package `chess`. Raises UserError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"opening books and endgame tables need chess: {INSTALL}") from error


def board_of(position: Position) -> Any:
    """The position, without what came before it, as the package's Board. Raises UserError if the
    game is not chess."""
    game = position.game
    if game.pieces is None:
        raise UserError(f"{game.title} has no opening books and endgame tables: they are for chess")
    fen = game.pieces.fen(position.state)
    return library("chess").Board(fen, chess960=bool(game.parameters.get("chess960")))


class Book:
    """An opening book: moves that were played in its positions, and how often."""

    def __init__(self, path: Path | str) -> None:
        """Raises UserError if there is no such file or it is no book."""
        polyglot = library("chess.polyglot")
        path = Path(path).expanduser()
        try:
            if path.is_dir():
                raise UserError(f"{path} is a folder, not a Polyglot book")
            if path.stat().st_size % polyglot.ENTRY_STRUCT.size:
                raise UserError(f"{path} is no Polyglot book: its entries are not complete")
            self._reader = polyglot.open_reader(path)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error

    def moves(self, position: Position) -> dict[int, int]:
        """Legal moves of the book in a position, with their weights."""
        found: dict[int, int] = {}
        for entry in self._reader.find_all(board_of(position)):
            with contextlib.suppress(ValueError):
                action = position.action(entry.move.uci())
                if position.is_legal(action):
                    found[action] = found.get(action, 0) + entry.weight
        return found

    def choose(self, position: Position, rng: np.random.Generator) -> int | None:
        """A move drawn by its weight; None where the book has none of a weight above 0."""
        moves = self.moves(position)
        total = sum(moves.values())
        if total == 0:
            return None
        weights = np.array(list(moves.values()), float) / total
        return int(rng.choice(list(moves), p=weights))


class Ending(NamedTuple):
    """What the tables say of a position."""

    result: int  # -1, 0, 1 for the player to move
    actions: list[int]  # moves that keep it: the quickest ones to win, the slowest ones to lose


class Tables:
    """Tables of endings: the result of every position with few pieces, and how far the next capture
    or pawn's move is on the way there (DTZ)."""

    def __init__(self, folders: str) -> None:
        """Folders are separated as in PATH. Raises UserError for a folder without tables."""
        self._syzygy = library("chess.syzygy")
        self._tables = self._syzygy.Tablebase()
        separator = ";" if ";" in folders else ":"
        for folder in filter(None, folders.split(separator)):
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise UserError(f"there is no folder {path} of endgame tables")
            if not self._tables.add_directory(path):
                raise UserError(f"{path} holds no Syzygy tables (.rtbw, .rtbz)")

    @functools.cached_property
    def men(self) -> int:
        """Pieces, kings included, of the largest table."""
        names = [name for name in (*self._tables.wdl, *self._tables.dtz) if isinstance(name, str)]
        return max((len(name.replace("v", "")) for name in names), default=0)

    def result(self, position: Position) -> int | None:
        """-1, 0 or 1 for the player to move, the draw by fifty moves included; None where the
        tables do not say, as after moves without progress, which they know nothing of."""
        if not self._may_know(position):
            return None
        board = board_of(position)
        if board.halfmove_clock or board.castling_rights:
            return None
        try:
            wdl = self._wdl(board)
        except KeyError:  # a table is missing
            return None
        return {2: 1, -2: -1}.get(wdl, 0)  # 1 and -1 are draws by fifty moves

    def ending(self, position: Position) -> Ending | None:
        """What to play in a position; None where a table is missing."""
        if not self._may_know(position):
            return None
        board = board_of(position)
        if board.castling_rights:
            return None
        ranks: dict[int, tuple[int, int]] = {}  # (result, plies to progress), by move
        try:
            for action in position.legal_actions():
                move = board.parse_uci(position.text(action))
                board.push(move)
                ranks[action] = self._rank(board)
                board.pop()
        except KeyError:
            return None
        if not ranks:
            return None
        result = max(result for result, _ in ranks.values())
        kept = {action: plies for action, (found, plies) in ranks.items() if found == result}
        best = {1: min, 0: None, -1: max}[result]
        if best is None:
            return Ending(result, list(kept))
        wanted = best(kept.values())
        return Ending(result, [action for action, plies in kept.items() if plies == wanted])

    def _may_know(self, position: Position) -> bool:
        pieces = position.game.pieces
        return pieces is not None and int(pieces.count(position.state_array)[0]) <= self.men

    def _wdl(self, board: Any) -> int:
        return int(self._tables.probe_wdl(board))

    def _rank(self, board: Any) -> tuple[int, int]:
        """How good a move was that led to this board, for who made it: the result, and the plies to
        the next progress, itself included."""
        if board.is_checkmate():
            return 1, 0
        if board.is_stalemate() or board.is_insufficient_material():
            return 0, 0
        wdl = -self._wdl(board)
        clock = board.halfmove_clock
        plies = 1 if clock == 0 else 1 + abs(int(self._tables.probe_dtz(board)))
        in_time = clock == 0 or clock - 1 + plies <= LAST_PLY
        if abs(wdl) < 2 or not in_time:
            return 0, 0
        return (1 if wdl > 0 else -1), plies


class TablesEvaluator(Evaluator):
    """Another evaluator, which is overruled where tables know the result: the search proves with it
    what it can, as with finished games."""

    uses_states = True

    def __init__(self, inner: Evaluator, tables: Tables, game: Game) -> None:
        self.inner, self._tables, self._game = inner, tables, game
        self.name = f"{inner.name} with tables"
        self.encoder = inner.encoder
        self.uses_planes = inner.uses_planes
        self.traces = inner.traces
        self.hits = 0  # positions that tables knew

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        wait = self.inner.submit(leaves)
        known = self._look_up(leaves.states)
        return lambda: wait()._replace(known=known)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, planes: np.ndarray) -> dict[str, np.ndarray]:
        return self.inner.auxiliary(planes)

    def _look_up(self, states: np.ndarray) -> np.ndarray | None:
        """What the tables know of states [B]; None if they know none of them."""
        pieces = self._game.pieces
        assert pieces is not None, "a game of pieces"
        few = np.flatnonzero(pieces.count(states) <= self._tables.men)
        if not len(few):
            return None
        known = np.full(len(states), UNDECIDED, np.int8)
        for row in few:
            result = self._tables.result(Position(self._game, states[row]))
            if result is not None:
                known[row] = result
                self.hits += 1
        return known


class Reference:
    """Both together; either may be missing."""

    def __init__(self, book: Book | None = None, tables: Tables | None = None) -> None:
        self.book, self.tables = book, tables

    @staticmethod
    def open(game: Game, book: str | None, tables: str | None) -> "Reference":
        """A book's file and folders of tables; nothing for None or an empty text. Raises UserError,
        also for games that are not chess."""
        if book or tables:
            board_of(game.position())
        return Reference(Book(book) if book else None, Tables(tables) if tables else None)

    def move(self, position: Position, rng: np.random.Generator) -> int | None:
        """The book's move, if it has one."""
        return None if self.book is None else self.book.choose(position, rng)

    def evaluator(self, inner: Evaluator, game: Game) -> Evaluator:
        """An evaluator that knows what the tables know."""
        return inner if self.tables is None else TablesEvaluator(inner, self.tables, game)

    def only(self, position: Position) -> list[int] | None:
        """The moves to choose among by the tables, if they know."""
        ending = None if self.tables is None else self.tables.ending(position)
        return None if ending is None else ending.actions
