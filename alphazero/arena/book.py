"""Opening books in Polyglot's format, read with the optional package `chess`.

The keys in a book are built from 781 random numbers that exist only as tables in GPL programs, so a
reader of our own is not possible.
"""

import contextlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from alphazero.errors import UserError
from alphazero.game import Position

INSTALL = 'pip install "chess>=1.11"'


def chess_module(name: str) -> Any:
    """Import a module of the package `chess`. Raises UserError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"opening books and endgame tables need chess: {INSTALL}") from error


def board_of(position: Position) -> Any:
    """Convert a position, without its history, to a `chess.Board`. Raises UserError if the game is
    not chess."""
    game = position.game
    if game.pieces is None:
        raise UserError(f"{game.title} has no opening books and endgame tables: only chess has")
    fen = game.pieces.fen(position.state)
    return chess_module("chess").Board(fen, chess960=bool(game.parameters.get("chess960")))


class Book:
    """An opening book: for each position the moves played in it, with weights."""

    def __init__(self, path: Path | str) -> None:
        """Open a file. Raises UserError if it does not exist or is not a book."""
        polyglot = chess_module("chess.polyglot")
        path, entry = Path(path).expanduser(), polyglot.ENTRY_STRUCT.size
        try:
            if path.is_dir():
                raise UserError(f"{path} is a folder, not a Polyglot book")
            if path.stat().st_size % entry:
                raise UserError(
                    f"{path} is not a Polyglot book: its size is not a multiple of {entry} bytes"
                )
            self._reader = polyglot.open_reader(path)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error

    def moves(self, position: Position) -> dict[int, int]:
        """The book's legal moves in a position: action -> weight."""
        found: dict[int, int] = {}
        for entry in self._reader.find_all(board_of(position)):
            with contextlib.suppress(ValueError):
                action = position.action(entry.move.uci())
                if position.is_legal(action):
                    found[action] = found.get(action, 0) + entry.weight
        return found

    def choose(self, position: Position, rng: np.random.Generator) -> int | None:
        """Draw a move by weight; None if the book has no move of a weight above 0."""
        moves = self.moves(position)
        total = sum(moves.values())
        if total == 0:
            return None
        weights = np.array(list(moves.values()), float) / total
        return int(rng.choice(list(moves), p=weights))
