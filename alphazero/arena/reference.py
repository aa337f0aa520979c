"""Reference works that a player of chess may consult: an opening book and an endgame tablebase."""

import numpy as np

from alphazero.arena.book import Book, board_of
from alphazero.arena.tablebase import Ending, Tablebase, TablebaseEvaluator
from alphazero.game import Game, Position
from alphazero.network.evaluator import Evaluator


class Reference:
    """A book and a tablebase; either may be missing."""

    def __init__(self, book: Book | None = None, tablebase: Tablebase | None = None) -> None:
        self.book, self.tablebase = book, tablebase

    @staticmethod
    def open(
        game: Game, book: str | None, folders: str | None, fifty_moves: bool = True
    ) -> "Reference":
        """Open a book's file and the folders of a tablebase; None or "" for neither. Without
        `fifty_moves` the tablebase draws no game by that rule.

        Raises UserError, also if the game is not chess.
        """
        if book or folders:
            board_of(game.position())
        tablebase = Tablebase(folders, fifty_moves) if folders else None
        return Reference(Book(book) if book else None, tablebase)

    def move(self, position: Position, rng: np.random.Generator) -> int | None:
        """Draw a move from the book; None if it has none."""
        return None if self.book is None else self.book.choose(position, rng)

    def ending(self, position: Position) -> Ending | None:
        """The result and the best moves by the tablebase; None if it lacks the position."""
        return None if self.tablebase is None else self.tablebase.ending(position)

    def only(self, position: Position) -> list[int] | None:
        """The best moves by the tablebase; None if it does not have the position."""
        ending = self.ending(position)
        return None if ending is None else ending.actions

    def evaluator(self, inner: Evaluator, game: Game) -> Evaluator:
        """The evaluator, overruled by the tablebase if there is one."""
        return inner if self.tablebase is None else TablebaseEvaluator(inner, self.tablebase, game)
