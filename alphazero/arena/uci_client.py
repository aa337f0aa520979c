"""Programs that play chess and speak the Universal Chess Interface, as opponents.

A `UciEngine` is one process. It is shown every position with the moves that led to it. What goes
wrong (no such program, silence, death, nonsense for an answer) is a UserError of one line.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

from alphazero.arena.subprocess_engine import (
    PATIENCE,
    TIMEOUT,
    IllegalAnswer,
    Pool,
    Program,
    shorten,
)
from alphazero.errors import UserError, closest
from alphazero.game import Game, Pieces, Position

SECONDS = 0.1  # for a move, where nothing is said of time, nodes or depth
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
NO_MOVES = ("(none)", "0000", "NULL")
ELO, LIMIT, CHESS960 = "UCI_Elo", "UCI_LimitStrength", "UCI_Chess960"


class Effort(NamedTuple):
    """What a program may spend on a move: it ends at whatever comes first."""

    seconds: float | None = None
    nodes: int | None = None
    depth: int | None = None

    def words(self) -> list[str]:
        """As `go` takes it."""
        words = []
        if self.seconds is not None:
            words.append(f"movetime {max(round(1000 * self.seconds), 1)}")
        if self.nodes is not None:
            words.append(f"nodes {self.nodes}")
        if self.depth is not None:
            words.append(f"depth {self.depth}")
        return words


FREE = Effort()


class UciEngine(Program):
    """A program under way. Not to be used from two threads at once."""

    def __init__(
        self,
        command: str,
        game: Game,
        effort: Effort = FREE,
        options: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Start a program by its command line, and set its options. Raises UserError."""
        self._pieces = pieces_of(game)
        super().__init__(command, "UCI")
        self.game, self.effort, self._timeout = game, effort, timeout
        self._known: Position | None = None  # the last that it was shown
        self._texts: list[str] = []  # the moves of it
        self.write("uci\n")
        lines = self._lines_until("uciok", "uci", min(timeout, PATIENCE))
        self._has_answered = True
        self._options = [
            line.removeprefix("option name ").partition(" type ")[0].strip()
            for line in lines
            if line.startswith("option name ")
        ]
        for name, value in self._wanted(dict(options or {})).items():
            self._set(name, value)
        self._synchronize()

    # -- the dialogue ------------------------------------------------------------------------------

    def _wanted(self, options: dict[str, str]) -> dict[str, str]:
        """Options to be set, those included that others need."""
        names = {name.lower() for name in options}
        if ELO.lower() in names and LIMIT.lower() not in names:
            options[LIMIT] = "true"
        if self.game.parameters.get("chess960"):
            options[CHESS960] = "true"
        return options

    def _set(self, name: str, value: str) -> None:
        known = {option.lower(): option for option in self._options}
        if name.lower() not in known:
            choices = ", ".join(self._options) or "none"
            hint = closest(name, self._options)
            raise self.failure(f"has no option {name!r}{hint}; its options: {choices}")
        self.write(f"setoption name {known[name.lower()]} value {value}\n")

    def _synchronize(self) -> None:
        self.write("isready\n")
        self._lines_until("readyok", "isready", self._timeout)

    def _lines_until(self, last: str, asked: str, timeout: float) -> list[str]:
        """The program's lines up to one that begins with this word, which comes last."""
        deadline = time.monotonic() + timeout
        lines = []
        while not lines or lines[-1].split()[:1] != [last]:
            lines.append(self.read(asked, timeout, deadline))
        return lines

    # -- playing -----------------------------------------------------------------------------------

    def choose(self, position: Position) -> int | None:
        """The program's move in a position, never None: nobody resigns in UCI.

        Raises IllegalAnswer for one that is no legal move, UserError if there is none.
        """
        self.show(position)
        words = self.effort.words() or Effort(SECONDS).words()
        return self.action(position, self.go(" ".join(words)))

    def go(self, words: str) -> str:
        """What the program calls the best move, when it may spend what `words` after `go` say."""
        self.write(f"go {words}\n")
        answer = self._lines_until("bestmove", f"go {words}", self._timeout)[-1]
        return (answer.split()[1:] or [""])[0]

    def action(self, position: Position, move: str) -> int:
        """The action of the program's move. Raises IllegalAnswer."""
        if move in NO_MOVES:
            raise IllegalAnswer(f"{self.command!r} answers {move}, but there are legal moves")
        try:
            return position.copy().play(move)
        except ValueError as error:
            raise IllegalAnswer(f"{self.command!r} answers {shorten(move)!r}: {error}") from error

    def familiarity(self, position: Position) -> int:
        """How many moves of a position it has been shown; -1 if it is another game's."""
        known = self._known
        if known is None or known.start_state.tobytes() != position.start_state.tobytes():
            return -1
        length = len(known.moves)
        return length if position.moves[:length] == known.moves else -1

    def show(self, position: Position) -> None:
        """Tell the program the position, as another game's if it does not go on with the last."""
        known = self._known
        if known is None or self.familiarity(position) < 0:
            if known is not None:
                self.write("ucinewgame\n")
                self._synchronize()
            known, self._texts = Position(self.game, position.start_state), []
        for move in position.moves[len(known.moves) :]:
            self._texts.append(known.text(move))
            known.play(move)
        self._known = known
        fen = self._pieces.fen(position.start_state)
        start = "startpos" if fen == START else f"fen {fen}"
        moves = f" moves {' '.join(self._texts)}" if self._texts else ""
        self.write(f"position {start}{moves}\n")


class UciPool(Pool[UciEngine]):
    """Up to so many processes of one program, started when there is work for them."""

    def __init__(
        self,
        command: str,
        game: Game,
        effort: Effort,
        options: Mapping[str, str],
        processes: int,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(lambda: UciEngine(command, game, effort, options, timeout), processes)


def pieces_of(game: Game) -> Pieces:
    """The functions of a game of pieces. Raises UserError for any other game."""
    if game.pieces is None:
        raise UserError(f"programs that speak UCI play chess, not {game.title}")
    return game.pieces
