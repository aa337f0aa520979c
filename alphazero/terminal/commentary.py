"""Remarks on a game besides its moves, and the engine's decisions besides its moves."""

from alphazero.engine.analysis import Analysis
from alphazero.terminal.session import Session


class Commentary:
    """A game about which the terminal knows nothing special."""

    def __init__(self, session: Session) -> None:
        self.session = session
        # The letters of the players on the board; None if everybody knows them.
        self.pieces: tuple[str, str] | None = session.game.players

    def introduction(self) -> str:
        """The rules and sizes that were chosen for this game."""
        return ""

    def status(self) -> str:
        """A line to go below the board."""
        return ""

    def lead(self, analysis: Analysis) -> str:
        """The player who is ahead, and by how much, if the network estimates that."""
        return ""

    def tally(self) -> str:
        """The points of a finished game, where the result alone does not say it."""
        return ""

    def answer_to_pass(self) -> tuple[str, list[int] | None]:
        """The engine's reason to answer a pass with a pass, "" if it has none, and the moves to
        choose from otherwise, None for all."""
        return "", None

    def without_waste(self, analysis: Analysis) -> Analysis:
        """The analysis with another move where the search's own gives something away."""
        return analysis

    def resigns(self, winrate: float) -> bool:
        """Return True if the engine, to move with this winrate, resigns. Call once per turn."""
        return False

    def cancel_resignation(self) -> None:
        """Count the engine's lost turns from zero again, as after undo."""

    def claims_draw(self, winrate: float) -> bool:
        """Return True if the engine, to move with this winrate, claims a draw."""
        return False
