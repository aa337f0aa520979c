"""What a terminal game prints: the board, the result, the engine's opinion."""

from collections.abc import Sequence
from typing import TextIO

import numpy as np

from alphazero.engine.analysis import Analysis
from alphazero.terminal.chess import PiecesTalk, paint_pieces
from alphazero.terminal.go import LEGEND, SIDES, StonesTalk
from alphazero.terminal.session import PASS, Session
from alphazero.terminal.style import Style, paint, paint_cells, percent, rotate, win_bar

LINE_MOVES = 8  # shown of what is expected to follow
LINE_WIDTH = 79


class Display:
    """A session in lines of text. `person` is who plays in the person's place, None for a person;
    `stones` and `pieces` know what to say of such a game."""

    def __init__(
        self,
        session: Session,
        out: TextIO,
        err: TextIO,
        style: Style,
        *,
        person: str | None,
        stones: StonesTalk | None,
        pieces: PiecesTalk | None,
        quiet: bool,
    ) -> None:
        self._session, self._out, self._err, self._style = session, out, err, style
        self._person, self._stones, self._pieces, self.quiet = person, stones, pieces, quiet
        self._players = session.game.players
        self._sides = self._players if stones is None else SIDES  # their letters on a board
        self.flipped = pieces is not None and person is None and session.human == 1

    def say(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()

    def warn(self, text: str) -> None:
        self._err.write(text + "\n")

    def introduce(self, engine: str) -> None:
        """Who plays whom, and how to play."""
        if self.quiet:
            return
        title, human = self._session.game.title, self._session.human
        mine, other = self._players[human], self._players[1 - human]
        who = "you are" if self._person is None else f"{self._person} is"
        self.say(f"{title}: {who} {mine}, {other} is {engine}.")
        if self._stones is not None:
            self.say(f"{self._stones.introduction()}.")
        if self._person is None and (example := self.example()):
            self.say(f"Write a move{example}, or help for the other commands.")
        if self._pieces is not None:
            return self._show_start()
        letters = [side[0] for side in self._sides]
        if self._style.unicode:
            letters = [
                paint_cells(f" {letter} ", self._sides, self._style.colours) for letter in letters
            ]
        if self._style.unicode or self._stones is not None:
            self.say(f"{self._players[0]} is {letters[0]}, {self._players[1]} is {letters[1]}.")
        self._show_start()

    def example(self) -> str:
        """`, as in b2` for a move that can be made, "" if there is none. It is from the middle of
        the list, where moves are ordinary ones."""
        legal = self._session.position.legal_actions()
        return f", as in {self._session.text(legal[len(legal) // 2])}" if legal else ""

    def _show_start(self) -> None:
        self.show_board()
        self.show_result()

    # -- boards ------------------------------------------------------------------------------------

    def drawing(self) -> str:
        """The board as it stands."""
        below = "" if self._stones is None else self._stones.captures()
        below = below if self._pieces is None else self._pieces.status()
        board = self.styled(self._session.position.render())
        return f"{board}\n{below}" if below else board

    def styled(self, drawing: str) -> str:
        """A game's drawing as the person wants to see it."""
        board, passed, _ = drawing.partition(f"\n{PASS}")  # below the board, if that was the move
        board = rotate(board) if self.flipped else board
        if self._pieces is not None:
            return paint_pieces(board, self._style)
        return paint(board, self._sides, self._style) + passed

    def show_board(self) -> None:
        if not self.quiet:
            self.say("\n" + self.drawing())

    def show_count(self, dead: np.ndarray) -> None:
        """The board and the score with these dead stones."""
        assert self._stones is not None, "a game of stones"
        drawing, text = self._stones.count(dead)
        self.say(text if self.quiet else f"\n{self.styled(drawing)}\n{text}\n({LEGEND})")

    # -- opinions and results ----------------------------------------------------------------------

    def show_result(self) -> None:
        """How the game has ended, if it has."""
        session = self._session
        if not session.is_over:
            return
        you = " (you)" if session.winner == session.human and self._person is None else ""
        how = "" if not session.ending else f" by {session.ending}"
        result = "The game is a draw" if session.winner is None else session.result
        self.say(f"{result}{how}{you}.")

    def judgement(self, thought: Analysis, facts: Sequence[str]) -> str:
        """The facts with the chances of the person before them, and a picture of these below."""
        human = self._session.human
        you = self._person or "you"
        chances = f"{you} ({self._players[human]}) {percent(thought.winrate(human))}"
        bar = win_bar(thought.winrate(0), self._players[0])
        return " | ".join([chances, *facts]) + "\n" + bar

    def facts(self, thought: Analysis) -> list[str]:
        """A thought about the position in words."""
        lead = "" if self._stones is None else self._stones.lead()
        line = self._session.texts(thought.moves[0].pv[:LINE_MOVES])
        return in_words(thought, self._players, lead, line)

    def hint(self, number: int, thought: Analysis) -> None:
        """One of the best moves, and what would follow."""
        line = thought.moves[number]
        moves = self._session.texts(line.pv[:LINE_MOVES])
        self.say(
            f"{number + 1}. {moves[0]:6}{percent(line.winrate):>4}  {line.visits:>6} visits   "
            + " ".join(moves)
        )

    @property
    def can_progress(self) -> bool:
        """Whether somebody may look at a line that is written again and again."""
        return self._err.isatty()

    def show_progress(self, thought: Analysis) -> None:
        """How far a long search is, on one line that is written again and again."""
        best = thought.moves[0]
        line = (
            f"thinking: {thought.seconds:.0f} s, {thought.simulations} simulations, "
            f"{self._session.text(best.action)} {percent(best.winrate)} (Ctrl-C: move now)"
        )
        self._err.write(f"\r{line[:LINE_WIDTH]:{LINE_WIDTH}}")
        self._err.flush()

    def wipe_progress(self) -> None:
        self._err.write("\r" + " " * LINE_WIDTH + "\r")
        self._err.flush()


def in_words(
    thought: Analysis, players: tuple[str, str], lead: str, line: Sequence[str]
) -> list[str]:
    """A thought in words: the chances of both sides by name, who leads if that is known, effort,
    and what would follow."""
    first, second = players
    words = [f"{first} {percent(thought.winrate(0))}, {second} {percent(thought.winrate(1))}"]
    if lead:
        words.append(lead)
    if thought.proven is not None:
        winner = thought.to_play if thought.proven > 0 else 1 - thought.to_play
        words.append(f"{players[winner]} wins by force" if thought.proven else "a draw by force")
    words.append(
        f"{thought.simulations} simulations, {thought.speed:.0f}/s, {thought.seconds:.2f} s"
    )
    return [*words, "line: " + " ".join(line)]
