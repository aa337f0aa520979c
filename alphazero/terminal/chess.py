"""Chess in the terminal: check, claims of draws, FEN."""

from alphazero.game import Pieces
from alphazero.terminal.commentary import Commentary
from alphazero.terminal.session import Session


class ChessCommentary(Commentary):
    """Remarks on a game of chess."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.pieces = None

    @property
    def _rules(self) -> Pieces:
        pieces = self.session.game.pieces
        assert pieces is not None, "a game of pieces"
        return pieces

    @property
    def _claim(self) -> str:
        position = self.session.position
        return self._rules.claim(position.state, position.keys)

    def status(self) -> str:
        """Check, and a draw that could be claimed."""
        session = self.session
        if session.is_over:
            return ""
        name = session.game.players[session.position.to_play]
        in_check = self._rules.in_check(session.position.state)
        parts = [f"{name} is in check"] if in_check else []
        if claim := self._claim:
            parts.append(f"{name} may claim a draw ({claim})")
        return "; ".join(parts)

    def claims_draw(self, winrate: float) -> bool:
        """Return True if a draw may be claimed and the engine expects less."""
        return winrate < 0.5 and bool(self._claim)

    def fen(self) -> str:
        """The position as FEN."""
        return self._rules.fen(self.session.position.state)
