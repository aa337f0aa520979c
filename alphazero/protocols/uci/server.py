"""UCI's server: commands that are answered at once, and those that wait their turn in the host.

The thread that reads never does anything that takes time, so that it hears `stop` and answers
`isready` during a search. All else is done in order by the host's worker. An error becomes an
`info string`, and a `go` has its `bestmove` all the same.
"""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import alphazero
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.options import EngineOptions, require_game
from alphazero.errors import UserError
from alphazero.protocols import stdio
from alphazero.protocols.uci.codec import (
    Go,
    Setup,
    bestmove,
    read_go,
    read_option,
    read_position,
    read_words,
)
from alphazero.protocols.uci.options import Settings

if TYPE_CHECKING:
    from alphazero.arena.reference import Reference
    from alphazero.game import Game
    from alphazero.protocols.uci.board import Board

NAME = "AlphaZero"
AUTHOR = "the AlphaZero authors"
MEGABYTE = 1 << 20
CLOSING_SECONDS = 3.0  # for tasks under way when the conversation ends


def serve(options: EngineOptions) -> NoReturn:
    """Speak UCI on stdin and stdout until told to quit, or until the input ends.

    Raises UserError for a game that is known not to be chess.
    """
    require_game(options.game, "chess", "UCI")
    stdio.serve(lambda write: UciServer(options, write))


class UciServer:
    """One conversation."""

    def __init__(self, options: EngineOptions, write: Callable[[bytes], None]) -> None:
        """`write` sends bytes, all at once; it is called by two threads."""
        self._options, self._write = options, write
        self._settings = Settings(options)
        # While nothing is asked, the game is loaded.
        self.host = EngineHost(
            self._engine_options(), self.say, on_idle=lambda: self.host.game(options.game)
        )
        self._search: SearchHandle[None] | None = None  # the last `go`
        self._board: Board | None = None
        self._setup = Setup(None, ())  # of the last position that was set
        self._reference: Reference | None = None
        self._reference_files = ("", "")  # of the book and of the tables

    def receive(self, line: bytes) -> bool:
        """Take one line of input; False after `quit`."""
        words = read_words(line)
        self._log(">", " ".join(words))
        for place, word in enumerate(words):
            if word == "quit":
                return False
            if word in COMMANDS:
                COMMANDS[word](self, words[place + 1 :])
                break
        return True

    def close(self, is_abandoned: Callable[[], bool] = lambda: False) -> None:
        """End the conversation: stop all searches, and give them a moment to answer."""
        self.host.stop()
        self.host.close(CLOSING_SECONDS, is_abandoned)

    def send(self, text: str) -> None:
        """Write one or more lines."""
        self._log("<", text)
        self._write(f"{text}\n".encode(errors="replace"))

    def say(self, text: str) -> None:
        """Write a message for people."""
        self.send(f"info string {' '.join(text.split())}")

    def _log(self, sign: str, text: str) -> None:
        path = self._settings.text("LogFile")
        if path and text:
            try:
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{sign} {text}\n")
            except OSError:
                pass  # the game goes on without a log

    # -- tasks -------------------------------------------------------------------------------------

    def _later(self, task: Callable[[], object]) -> None:
        """Do something in its turn."""
        self.host.run(lambda handle: self._try(task))

    def _try(self, task: Callable[[], object]) -> None:
        """Do something that may fail."""
        try:
            task()
        except (UserError, ValueError) as error:
            self.say(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.say(f"internal error: {type(error).__name__}: {error}")

    # -- commands: in the thread that reads --------------------------------------------------------

    def uci(self, words: Sequence[str]) -> None:
        lines = [f"id name {NAME} {alphazero.__version__}", f"id author {AUTHOR}", ""]
        lines += [option.declaration() for option in self._settings.options]
        self.send("\n".join([*lines, "uciok"]))

    def is_ready(self, words: Sequence[str]) -> None:
        if self._search is not None and not self._search.is_done:
            self.send("readyok")
        else:
            self.host.run(lambda handle: self._get_ready())

    def set_option(self, words: Sequence[str]) -> None:
        self._later(lambda: self._set_option(words))

    def new_game(self, words: Sequence[str]) -> None:
        self._later(self.host.forget)

    def position(self, words: Sequence[str]) -> None:
        self._later(lambda: self._set_position(words))

    def go(self, words: Sequence[str]) -> None:
        """Search once the searches under way have ended, which are stopped."""
        self.host.stop()
        go = read_go(words)
        if go.perft is not None:
            plies = go.perft
            self._search = self.host.run(
                lambda handle: self._try(lambda: self._perft(plies, handle))
            )
        else:
            self._search = self.host.run(
                lambda handle: self._go(go, handle), ponder=go.ponder, infinite=go.infinite
            )

    def stop(self, words: Sequence[str]) -> None:
        self.host.stop()

    def ponder_hit(self, words: Sequence[str]) -> None:
        if self._search is not None:
            self._search.ponderhit()

    def show(self, words: Sequence[str]) -> None:
        self._later(self._show)

    def nothing(self, words: Sequence[str]) -> None:
        """`debug` and `register`: everything is told anyway, and nothing is to be registered."""

    # -- in their turn -----------------------------------------------------------------------------

    def _get_ready(self) -> None:
        self._try(self._load_reference)
        self._try(lambda: self.host.engine(self._game))
        self.send("readyok")

    def _set_option(self, words: Sequence[str]) -> None:
        option = read_option(words)
        if option is None:
            raise UserError("setoption takes name and value")
        if self._settings.set(*option) == "Clear Hash":
            self.host.forget()
        self.host.configure(self._engine_options())

    def _engine_options(self) -> EngineOptions:
        settings = self._settings
        return replace(
            self._options,
            network=settings.text("WeightsFile") or None,
            device=settings.text("Device"),
            threads=settings.integer("Threads"),
            cache=settings.integer("Hash") * MEGABYTE,
        )

    @property
    def _game(self) -> "Game":
        """Chess, or Chess960. Raises UserError for a game without pieces."""
        game = self.host.game(self._options.game)
        if game.pieces is None:
            raise UserError(f"programs that speak UCI play chess, not {game.title}")
        if "chess960" in game.parameters and self._settings.flag("UCI_Chess960"):
            return self.host.variant(game, chess960=True)
        return game

    def _set_position(self, words: Sequence[str]) -> None:
        setup = read_position(words)
        if setup is None:
            raise UserError("position takes startpos or fen")
        self._board_with(setup)

    def _board_with(self, setup: Setup | None = None) -> "Board":
        """The board with a position, or with the last one that was set. Raises UserError."""
        from alphazero.protocols.uci.board import Board

        game = self._game
        if self._board is None or self._board.game is not game:  # Chess960 has been switched
            self._board = Board(game)
        try:
            self._board.set(setup or self._setup)
        except ValueError as error:
            self.say(f"position: {error}")
        self._setup = self._board.setup
        return self._board

    def _load_reference(self) -> "Reference | None":
        """The book and the endgame tables that the options name; None without any.

        A file that cannot be opened is reported once and left out.
        """
        files = self._settings.text("BookFile"), self._settings.text("SyzygyPath")
        if files != self._reference_files:
            self._reference_files, self._reference = files, None
            book, tables = files
            if book:
                self._try(lambda: self._open_reference(book, None))
            if tables:
                self._try(lambda: self._open_reference(None, tables))
        return self._reference

    def _open_reference(self, book: str | None, tables: str | None) -> None:
        from alphazero.arena.reference import Reference

        found = Reference.open(self._game, book, tables)
        if self._reference is not None:  # the book was first
            found = Reference(self._reference.book, found.tablebase)
        self._reference = found

    def _show(self) -> None:
        """Print the board as Stockfish's `d` does."""
        board = self._board_with()
        self.send(
            f"{board.position.render()}\n\nFen: {board.pieces.fen(board.position.state)}\n"
            f"Key: {board.position.key:016X}"
        )

    def _perft(self, plies: int, handle: SearchHandle[None]) -> None:
        """Count lines of moves by their first move; less than one ply is one position."""
        board = self._board_with()
        began, total = time.perf_counter(), 0
        for action in board.legal() if plies > 0 else []:
            if handle.is_stopped:
                return
            count = board.count_lines(action, plies - 1)
            total += count
            self.send(f"{board.position.text(action)}: {count}")
        self.send(f"\nNodes searched: {total if plies > 0 else 1}\n")
        elapsed = max(time.perf_counter() - began, 1e-3)
        self.say(f"{elapsed:.2f} s, {total / elapsed / 1e6:.1f} million nodes/s")

    def _go(self, go: Go, handle: SearchHandle[None]) -> None:
        """Search, and answer exactly once, when that may be done."""
        answer = bestmove()

        def choose() -> None:
            nonlocal answer
            from alphazero.protocols.uci.go_command import from_book, search, without_search

            settings, send = self._settings, self.send
            board = self._board_with()
            legal = board.legal()
            if legal:  # the answer if anything fails: better than a loss on time
                answer = bestmove(board.position.text(legal[0]))
            found = without_search(board, go, send)
            reference = self._load_reference()
            if found is None and reference is not None:
                found = from_book(board, reference, settings, go, self._options.seed)
            if found is None:
                found = search(self.host, board, reference, settings, go, handle, send)
            answer = found

        self._try(choose)
        handle.wait_for_stop()
        self.send(answer)


COMMANDS: dict[str, Callable[[UciServer, Sequence[str]], None]] = {
    "uci": UciServer.uci,
    "isready": UciServer.is_ready,
    "setoption": UciServer.set_option,
    "ucinewgame": UciServer.new_game,
    "position": UciServer.position,
    "go": UciServer.go,
    "stop": UciServer.stop,
    "ponderhit": UciServer.ponder_hit,
    "d": UciServer.show,
    "debug": UciServer.nothing,
    "register": UciServer.nothing,
}
