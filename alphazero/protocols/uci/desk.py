"""What UCI's commands do in their turn, one after the other: options, positions, games, searches.

Here, and in a thread of its own, is all that takes time. What goes wrong becomes an `info string`,
and a `go` has its `bestmove` all the same.
"""

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError
from alphazero.protocols.uci.control import Control
from alphazero.protocols.uci.options import Settings
from alphazero.protocols.uci.words import Go, Setup, read_option, read_position

if TYPE_CHECKING:
    from alphazero.arena.reference import Reference
    from alphazero.engine.engine import Engine
    from alphazero.engine.host import EngineHost
    from alphazero.game import Game
    from alphazero.protocols.uci.board import Board

MEGABYTE = 1 << 20


class Desk:
    """The state of one conversation. Its methods are called by one thread."""

    def __init__(
        self, options: EngineOptions, settings: Settings, send: Callable[[str], None]
    ) -> None:
        self._options, self._settings, self._send = options, settings, send
        self._stock: EngineHost | None = None
        self._board: Board | None = None
        self._setup = Setup(None, ())  # the last position that was told
        self._wanted = ("", "")  # files of the book and of the tables
        self._reference: Reference | None = None

    def do(self, task: Callable[[], None]) -> None:
        """Do something that may go wrong."""
        try:
            task()
        except (UserError, ValueError) as error:
            self.say(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.say(f"internal error: {type(error).__name__}: {error}")

    def say(self, text: str) -> None:
        """Tell whoever reads what the engine says."""
        self._send(f"info string {' '.join(text.split())}")

    # -- what is there -----------------------------------------------------------------------------

    @property
    def stock(self) -> "EngineHost":
        from alphazero.engine.host import EngineHost

        settings = self._settings
        options = replace(
            self._options,
            network=settings.text("WeightsFile") or None,
            device=settings.text("Device"),
            threads=settings.integer("Threads"),
            cache=settings.integer("Hash") * MEGABYTE,
        )
        if self._stock is None:
            self._stock = EngineHost(options, self.say)
        self._stock.configure(options)
        return self._stock

    @property
    def game(self) -> "Game":
        """Chess, or Chess960. Raises UserError for a game without pieces."""
        game = self.stock.game(self._options.game)
        if game.pieces is None:
            raise UserError(f"programs that speak UCI play chess, not {game.title}")
        if "chess960" in game.parameters and self._settings.flag("UCI_Chess960"):
            return self.stock.variant(game, chess960=True)
        return game

    @property
    def engine(self) -> "Engine":
        """The engine, ready to think. Raises UserError."""
        engine = self.stock.engine(self.game)
        engine.use_reference(self.reference)
        return engine

    @property
    def board(self) -> "Board":
        """The board with the last position that was told. Raises UserError."""
        before, board = self._board, self._any_board
        if board is not before:
            self._place(board, self._setup)
        return board

    @property
    def _any_board(self) -> "Board":
        """A board of the game, whatever its position."""
        from alphazero.protocols.uci.board import Board

        game = self.game
        if self._board is None or self._board.game is not game:
            self._board = Board(game)
        return self._board

    def _place(self, board: "Board", setup: Setup) -> None:
        try:
            board.set(setup)
        except ValueError as error:
            self.say(f"position: {error}")
        self._setup = board.setup

    @property
    def reference(self) -> "Reference | None":
        """The opening book and the tables of endings that the options name; None without any. What
        cannot be opened is told, once, and left out."""
        wanted = self._settings.text("BookFile"), self._settings.text("SyzygyPath")
        if wanted != self._wanted:
            self._wanted, self._reference = wanted, None
            book, tables = wanted
            if book:
                self.do(lambda: self._open(book, None))
            if tables:
                self.do(lambda: self._open(None, tables))
        return self._reference

    def _open(self, book: str | None, tables: str | None) -> None:
        from alphazero.arena.reference import Reference

        found = Reference.open(self.game, book, tables)
        if self._reference is not None:  # the book was first
            found = Reference(self._reference.book, found.tables)
        self._reference = found

    # -- commands ----------------------------------------------------------------------------------

    def warm(self) -> None:
        """Load what every engine needs. What goes wrong shows once it is needed."""
        try:
            self.stock.game(self._options.game)
        except Exception:
            self._stock = None

    def ready(self) -> None:
        """Have everything there for a search, or say why it is not."""
        self.do(self._load)
        self._send("readyok")

    def _load(self) -> None:
        _ = self.reference
        self.stock.engine(self.game)

    def set_option(self, words: list[str]) -> None:
        option = read_option(words)
        if option is None:
            raise UserError("setoption takes name and value")
        if self._settings.set(*option) == "Clear Hash":
            self._forget()

    def new_game(self) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._stock is not None:
            self._stock.forget()

    def set_position(self, words: list[str]) -> None:
        setup = read_position(words)
        if setup is None:
            raise UserError("position takes startpos or fen")
        self._place(self._any_board, setup)

    def show(self) -> None:
        """What Stockfish's `d` shows."""
        board = self.board
        self._send(
            f"{board.position.render()}\n\nFen: {board.pieces.fen(board.position.state)}\n"
            f"Key: {board.position.key:016X}"
        )

    def perft(self, plies: int, control: Control) -> None:
        """Count lines of moves, by the first of them; less than one ply is one position."""
        board = self.board
        began, total = time.perf_counter(), 0
        for action in board.legal() if plies > 0 else []:
            if control.is_stopped:
                return
            count = 1
            if plies > 1:
                after = board.position.state_array.copy()
                board.make(after, action)
                count = sum(board.pieces.perft(after[0], plies - 1).values())
            total += count
            self._send(f"{board.position.text(action)}: {count}")
        self._send(f"\nNodes searched: {total if plies > 0 else 1}\n")
        elapsed = max(time.perf_counter() - began, 1e-3)
        self.say(f"{elapsed:.2f} s, {total / elapsed / 1e6:.1f} million nodes/s")

    def go(self, go: Go, control: Control) -> None:
        """Search, and answer once that may be done: exactly once."""
        answer = "bestmove (none)"

        def choose() -> None:
            nonlocal answer
            from alphazero.protocols.uci.thinking import Answer, from_book, search, without_search

            board = self.board
            legal = board.legal()
            if legal:  # if anything goes wrong: a move, and no loss on time
                answer = str(Answer(board.position.text(legal[0])))
            found = without_search(board, go, self._send)
            reference = self.reference
            if found is None and reference is not None:
                found = from_book(board, reference, self._settings, go, self._options.seed)
            if found is None:
                engine = self.engine
                found = search(board, engine, reference, self._settings, go, control, self._send)
            answer = str(found)

        self.do(choose)
        control.wait()
        self._send(answer)
