"""Chess programs as opponents, by the Universal Chess Interface.

A `UciEngine` is one process. It is sent every position with the moves that led to it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from alphazero.arena.subprocess_engine import TIMEOUT, IllegalAnswer, SubprocessEngine
from alphazero.errors import UserError, closest
from alphazero.game import Game, Pieces, Position

SECONDS = 0.1  # per move, where no limit is given
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
NO_MOVES = ("(none)", "0000", "NULL")
ELO, LIMIT, CHESS960 = "UCI_Elo", "UCI_LimitStrength", "UCI_Chess960"


class UciLimits(NamedTuple):
    """Limits of a search by a program; it ends at whichever comes first."""

    seconds: float | None = None
    nodes: int | None = None
    depth: int | None = None

    def words(self) -> list[str]:
        """The arguments of `go`."""
        words = []
        if self.seconds is not None:
            words.append(f"movetime {max(round(1000 * self.seconds), 1)}")
        if self.nodes is not None:
            words.append(f"nodes {self.nodes}")
        if self.depth is not None:
            words.append(f"depth {self.depth}")
        return words


NO_LIMITS = UciLimits()


class UciEngine(SubprocessEngine):
    """One process of a program that speaks UCI."""

    protocol = "UCI"

    def __init__(
        self,
        command: str,
        game: Game,
        limits: UciLimits = NO_LIMITS,
        options: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Start a program by its command line, and set its options. Raises UserError."""
        self._pieces = pieces_of(game)
        super().__init__(command, timeout)
        self.game, self.limits = game, limits
        self._sent: Position | None = None  # the last position sent
        self._moves: list[str] = []  # its moves as text
        self._options = [
            line.removeprefix("option name ").partition(" type ")[0].strip()
            for line in self._ask("uci", "uciok")
            if line.startswith("option name ")
        ]
        for name, value in self._with_implied(dict(options or {})).items():
            self._set(name, value)
        self._ask("isready", "readyok")

    def _ask(self, command: str, last: str) -> list[str]:
        """Send a command and read its answer, whose last line begins with the word `last`."""
        self.write(f"{command}\n")
        return self.read_until(lambda line: line.split()[:1] == [last], command)

    def _with_implied(self, options: dict[str, str]) -> dict[str, str]:
        """The options, with those that others or the game need."""
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

    # -- playing -----------------------------------------------------------------------------------

    def choose(self, position: Position) -> int | None:
        """The program's move, never None: nobody resigns in UCI."""
        self.show(position)
        words = self.limits.words() or UciLimits(SECONDS).words()
        return self.action(position, self.go(" ".join(words)))

    def go(self, words: str) -> str:
        """The program's best move as it writes it, by the limits in the arguments of `go`."""
        answer = self._ask(f"go {words}", "bestmove")[-1]
        return (answer.split()[1:] or [""])[0]

    def action(self, position: Position, move: str) -> int:
        """The action of a move as the program writes it. Raises IllegalAnswer."""
        if move in NO_MOVES:
            raise IllegalAnswer(f"{self.command!r} answers {move}, but there are legal moves")
        return super().action(position, move)

    def familiarity(self, position: Position) -> int:
        sent = self._sent
        if sent is None or sent.start_state.tobytes() != position.start_state.tobytes():
            return -1
        length = len(sent.moves)
        return length if position.moves[:length] == sent.moves else -1

    def show(self, position: Position) -> None:
        """Send the position; if it does not continue the last one, as another game's."""
        sent = self._sent
        if sent is None or self.familiarity(position) < 0:
            if sent is not None:
                self.write("ucinewgame\n")
                self._ask("isready", "readyok")
            sent, self._moves = Position(self.game, position.start_state), []
        for move in position.moves[len(sent.moves) :]:
            self._moves.append(sent.text(move))
            sent.play(move)
        self._sent = sent
        fen = self._pieces.fen(position.start_state)
        start = "startpos" if fen == START else f"fen {fen}"
        moves = f" moves {' '.join(self._moves)}" if self._moves else ""
        self.write(f"position {start}{moves}\n")


def pieces_of(game: Game) -> Pieces:
    """The functions of a game of pieces. Raises UserError for any other game."""
    if game.pieces is None:
        raise UserError(f"programs that speak UCI play chess, not {game.title}")
    return game.pieces
