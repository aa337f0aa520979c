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
from alphazero.command_line import report
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
    from alphazero.engine.engine import Engine
    from alphazero.game import Game
    from alphazero.protocols.uci.board import Board

NAME = "AlphaZero"
AUTHOR = "the AlphaZero authors"
MEGABYTE = 1 << 20
CLOSING_SECONDS = 3.0  # for tasks under way when the conversation ends
EVAL_MOVES = 5  # whose probabilities `eval` shows
BENCH_NODES = 400  # of each position
BENCH = (
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
    "r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w KQkq - 4 4",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
    "8/8/1p3k2/p1p2p2/P1P2P2/1P3K2/8/8 w - - 0 1",
)
HELP = """\
A chess engine that speaks UCI: programs send uci, isready, setoption, ucinewgame, position, go,
stop, ponderhit and quit. For people there are also
  d              the board, its FEN and its key
  eval           the evaluation of the position without a search
  go perft N     the lines of N moves, counted by their first
  bench [NODES]  the speed of the search
The options are listed by uci."""


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
            self._engine_options(), self._tell, on_idle=lambda: self.host.game(options.game)
        )
        self._search: SearchHandle[None] | None = None  # the last `go`
        self._answered: SearchHandle[None] | None = None  # the last `go` that has its answer
        self._option: SearchHandle[None] | None = None  # the last option that was set
        self._board: Board | None = None
        self._setup = Setup(None, ())  # of the last position that was set
        self._reference: Reference | None = None
        self._reference_files = ("", "", True)  # the book, the tables, with the rule of 50 moves

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

    def close(self) -> None:
        """End the conversation: stop all searches, and give them a moment to answer."""
        self.host.stop()
        self.host.close(CLOSING_SECONDS)

    def send(self, text: str) -> None:
        """Write one or more lines."""
        self._log("<", text)
        self._write(f"{text}\n".encode(errors="replace"))

    def say(self, text: str) -> None:
        """Write a message for people."""
        self.send(f"info string {' '.join(text.split())}")

    def _tell(self, text: str) -> None:
        """Write a message for people where programs show it, and on stderr."""
        report(text)
        self.say(text)

    def _log(self, sign: str, text: str) -> None:
        path = self._settings.text("LogFile")
        if path and text:
            try:
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{sign} {text}\n")
            except OSError:
                pass  # the game goes on without a log

    # -- tasks -------------------------------------------------------------------------------------

    def _later(self, task: Callable[[], object]) -> SearchHandle[None]:
        """Do something in its turn."""
        return self.host.run(lambda handle: self._try(task))

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
        if self._is_searching():
            self.send("readyok")
        else:
            self.host.run(lambda handle: self._get_ready())

    def _is_searching(self) -> bool:
        """Return True during a `go` without its answer. Once it is stopped, options that were set
        since are waited for."""
        search, option = self._search, self._option
        if search is None or search.is_done or search is self._answered:
            return False
        return not search.is_stopped or option is None or option.is_done

    def set_option(self, words: Sequence[str]) -> None:
        self._option = self._later(lambda: self._set_option(words))

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
            self._search = self._searching(lambda handle: self._perft(plies, handle))
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

    def evaluate(self, words: Sequence[str]) -> None:
        self._later(self._evaluate)

    def bench(self, words: Sequence[str]) -> None:
        self.host.stop()
        nodes = int(words[0]) if words and words[0].isdecimal() else BENCH_NODES
        self._search = self._searching(lambda handle: self._bench(max(nodes, 1), handle))

    def help(self, words: Sequence[str]) -> None:
        self.send(HELP)

    def _searching(self, task: Callable[[SearchHandle[None]], str]) -> SearchHandle[None]:
        """Do in its turn what is stopped like a search, and send what it returns."""

        def answer(handle: SearchHandle[None]) -> None:
            found: list[str] = []
            self._try(lambda: found.append(task(handle)))
            self._answered = handle
            for text in filter(None, found):
                self.send(text)

        return self.host.run(answer)

    def nothing(self, words: Sequence[str]) -> None:
        """`debug` and `register`: everything is told anyway, and nothing is to be registered."""

    # -- in their turn -----------------------------------------------------------------------------

    def _get_ready(self) -> None:
        self._try(self._load_reference)
        self._try(lambda: self._engine(self._game))
        self.send("readyok")

    def _engine(self, game: "Game") -> "Engine":
        """The engine, ready to search. With a network that cannot be used another plays instead
        (`EngineHost.fall_back`). Raises UserError if none can."""
        try:
            return self.host.engine(game)
        except Exception as error:
            if not self.host.fall_back(game, str(error)):
                raise
        return self.host.engine(game)

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
            if self._board.is_rejected:
                raise UserError(f"position: {error}") from error
            self.say(f"position: {error}")
        finally:
            self._setup = self._board.setup
        return self._board

    def _load_reference(self) -> "Reference | None":
        """The book and the endgame tables that the options name; None without any.

        A file that cannot be opened is reported once and left out.
        """
        settings = self._settings
        files = (
            settings.text("BookFile"),
            settings.text("SyzygyPath"),
            settings.flag("Syzygy50MoveRule"),
        )
        if files != self._reference_files:
            self._reference_files, self._reference = files, None
            book, tables, _ = files
            if book:
                self._try(lambda: self._open_reference(book, None))
            if tables:
                self._try(lambda: self._open_reference(None, tables))
        return self._reference

    def _open_reference(self, book: str | None, tables: str | None) -> None:
        from alphazero.arena.reference import Reference

        found = Reference.open(self._game, book, tables, self._reference_files[2])
        if self._reference is not None:  # the book was first
            found = Reference(self._reference.book, found.tablebase)
        self._reference = found

    def _show(self) -> None:
        """Print the board as Stockfish's `d` does."""
        board = self._board_with()
        self.send(f"{board.position.render()}\n\nFen: {board.fen}\nKey: {board.position.key:016X}")

    def _evaluate(self) -> None:
        """Print what the engine thinks of the position and its moves without a search."""
        from alphazero.formats.annotation import centipawns
        from alphazero.protocols.uci.board import searchable

        board = self._board_with()
        position = searchable(board.position)
        if position is None or not board.legal():
            raise UserError("the game is over: there is nothing to evaluate")
        engine = self._engine(board.game)
        policy, value = engine.evaluate(position)
        best = sorted(position.legal_actions(), key=lambda action: -policy[action])[:EVAL_MOVES]
        pawns = centipawns(value if position.to_play == 0 else -value) / 100
        moves = ", ".join(f"{position.text(one)} {100 * policy[one]:.1f} %" for one in best)
        self.send(
            f"Evaluation: {pawns + 0.0:+.2f} (White's side, without a search, by {engine.source})\n"
            f"Moves: {moves}"
        )

    def _bench(self, nodes: int, handle: SearchHandle[None]) -> str:
        """Search some positions with so many nodes each. Returns the speed; "" if stopped."""
        from alphazero.engine.limits import SearchLimits, SearchRequest
        from alphazero.protocols.uci.board import set_up

        game = self._game
        self._engine(game)
        began, total = time.perf_counter(), 0
        for number, fen in enumerate(BENCH, start=1):
            if handle.is_stopped:
                return ""
            self.send(f"Position: {number}/{len(BENCH)} ({fen})")
            limits = SearchLimits(nodes, fresh=True)
            request = SearchRequest(set_up(game, fen), limits, continuations=0)
            total += self.host.search(request, handle).simulations
        elapsed = max(time.perf_counter() - began, 1e-3)
        return (
            f"\nTotal time (ms) : {round(1000 * elapsed)}\nNodes searched  : {total}\n"
            f"Nodes/second    : {round(total / elapsed)}"
        )

    def _perft(self, plies: int, handle: SearchHandle[None]) -> str:
        """Count lines of moves by their first move; less than one ply is one position. Returns the
        sum; "" if stopped."""
        board = self._board_with()
        began, total = time.perf_counter(), 0
        for action in board.legal() if plies > 0 else []:
            if handle.is_stopped:
                return ""
            count = board.count_lines(action, plies - 1)
            total += count
            self.send(f"{board.position.text(action)}: {count}")
        elapsed = max(time.perf_counter() - began, 1e-3)
        return (
            f"\nNodes searched: {total if plies > 0 else 1}\n\n"
            f"info string {elapsed:.2f} s, {total / elapsed / 1e6:.1f} million nodes/s"
        )

    def _hurried(self, go: Go, board: "Board", handle: SearchHandle[None]) -> str | None:
        """The answer if the clock would run out before there is an engine, else None."""
        from alphazero.engine.first_look import NAMED, first_look, patience
        from alphazero.protocols.uci.board import searchable
        from alphazero.protocols.uci.go_command import clock_of

        position = searchable(board.position)
        clock = None if position is None else clock_of(go, position.to_play)
        if position is None or clock is None or handle.is_pondering:
            return None
        clock -= time.perf_counter() - handle.started
        if self.host.is_ready_within(board.game, patience(clock)):
            return None
        self._tell(NAMED)
        return bestmove(position.text(first_look(position)))

    def _go(self, go: Go, handle: SearchHandle[None]) -> None:
        """Search, and answer exactly once, when that may be done."""
        answers: list[str] = []

        def choose() -> None:
            from alphazero.protocols.uci.go_command import from_book, search, without_search

            settings, send = self._settings, self.send
            if go.problem:
                self.say(go.problem)
            board = self._board_with()
            found = without_search(board, go, send)
            reference = self._load_reference()
            if found is None and reference is not None:
                found = from_book(board, reference, settings, go, self._options.seed)
            if found is None:
                found = self._hurried(go, board, handle)
            if found is None:
                self._engine(board.game)
                found = search(self.host, board, reference, settings, go, handle, send)
            answers.append(found)

        self._try(choose)
        if not answers:
            self._try(lambda: answers.append(self._without_engine()))
        handle.wait_for_stop()
        self._answered = handle  # from now on `isready` waits for what comes after
        self.send(answers[0] if answers else bestmove())

    def _without_engine(self) -> str:
        """The answer where the engine has failed, and all that could take its place: a move of one
        look ahead is better than a loss on time."""
        from alphazero.engine.first_look import first_look
        from alphazero.protocols.uci.board import searchable

        board = self._board
        if board is None or board.is_rejected or not board.legal():
            return bestmove()
        position = searchable(board.position)
        action = board.legal()[0] if position is None else first_look(position)
        return bestmove(board.position.text(action))


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
    "eval": UciServer.evaluate,
    "bench": UciServer.bench,
    "help": UciServer.help,
    "debug": UciServer.nothing,
    "register": UciServer.nothing,
}
