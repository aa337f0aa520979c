"""What is said and shown of a game of stones besides its moves: captures, points, dead stones."""

import numpy as np

from alphazero.engine.engine import Engine
from alphazero.engine.territory import (
    DEAD,
    LIKELY,
    POINTS,
    STONES,
    Estimate,
    chain_at,
    estimate,
    mark_points,
)
from alphazero.errors import UserError
from alphazero.game import Stones
from alphazero.terminal.session import PASS, Session

# Letters of the two players on a board, for `style.paint`: stones, dead stones, points.
SIDES = (STONES[0] + DEAD[0] + POINTS[0], STONES[1] + DEAD[1] + POINTS[1])
LEGEND = f"{DEAD[0]}, {DEAD[1]}: dead stones; {POINTS[0]}, {POINTS[1]}: points"
LOST_SHARE = 0.05  # of the point, with less of which the engine is lost
LOST_TURNS = 10  # in a row that it must have been lost to give up


class StonesTalk:
    """A session's game of stones in words."""

    def __init__(self, session: Session, engine: Engine) -> None:
        self._session, self._engine = session, engine
        self._lost_turns = 0  # in which the engine has been lost, one after the other

    @property
    def _stones(self) -> Stones:
        stones = self._session.game.stones
        assert stones is not None, "a game of stones"
        return stones

    def introduction(self) -> str:
        """The board and the rules."""
        session, stones = self._session, self._stones
        state = session.position.state
        rows, columns = stones.board(state).shape
        parts = [f"{columns}x{rows}", f"komi {stones.komi(state):g}"]
        if session.info.rules:
            parts.append(f"{session.info.rules} rules")
        if session.info.handicap:
            parts.append(f"{session.info.handicap} stones of handicap")
        return ", ".join(parts)

    def captures(self) -> str:
        """How many stones each player has taken."""
        taken = self._stones.captures(self._session.position.state)
        pairs = zip(self._session.game.players, taken, strict=True)
        return "captured: " + ", ".join(f"{count} by {name}" for name, count in pairs)

    # -- who is ahead ------------------------------------------------------------------------------

    def lead(self) -> str:
        """By how many points a player is ahead, if the network has a head for that."""
        position = self._session.position
        heads = self._engine.auxiliary([position])
        if "score" not in heads:
            return ""
        points = float(heads["score"][0, 0]) * self._stones.board(position.state).size
        return self._ahead(points if position.to_play == 0 else -points, "leads")

    def estimate(self) -> tuple[str, str]:
        """The board with everybody's expected points, and the score in words."""
        expected = self._estimate()
        owners = np.where(expected.ownership > LIKELY, 1, 0)
        owners[expected.ownership < -LIKELY] = 2
        drawing = mark_points(self._session.position.render(), owners, expected.dead)
        ahead = self._ahead(expected.score, "is expected to win") or "an even game"
        return drawing, f"estimate: {ahead} ({LEGEND})"

    def _estimate(self) -> Estimate:
        position = self._session.position
        return estimate(position, self._engine.auxiliary, position.ply)

    def _ahead(self, score: float, verb: str) -> str:
        """Who leads by how much, in whole tenths of a point; nothing for nobody."""
        score = round(score, 1)
        name = self._session.game.players[int(score < 0)]
        return f"{name} {verb} by {abs(score):g} points" if score else ""

    # -- what the engine does with people ----------------------------------------------------------

    def passes_too(self) -> str:
        """Why the engine answers a pass with a pass, though it might go on capturing what is dead:
        it wins by the count that would follow, and whatever became of the points that are open.
        Nothing if it does not."""
        session = self._session
        position = session.position
        if not position.moves or position.text(position.moves[-1]) != PASS:
            return ""
        found = self._estimate()
        sign = 1 if position.to_play == 0 else -1
        counted = sign * self._stones.score(position.state, found.dead)
        margin = min(found.sure_score(position.to_play), counted)
        return f"it expects to win by {margin:g} points or more" if margin > 0 else ""

    def gives_up(self, share: float) -> bool:
        """Whether the engine resigns, with this share of the point in view: never in a game with
        handicap or early, and only if it has been lost for long."""
        session = self._session
        self._lost_turns = self._lost_turns + 1 if share < LOST_SHARE else 0
        late = 2 * session.position.ply >= self._stones.board(session.position.state).size
        return self._lost_turns >= LOST_TURNS and late and not session.info.handicap

    def take_heart(self) -> None:
        """Forget how long the engine has been lost: a person wants to go on."""
        self._lost_turns = 0

    # -- dead stones -------------------------------------------------------------------------------

    def propose_dead(self) -> np.ndarray:
        """The stones [H, W] that the engine holds for dead."""
        return self._estimate().dead

    def toggle(self, dead: np.ndarray, text: str) -> np.ndarray:
        """With the chain at a point dead if it was alive, or the other way round.

        Raises UserError if there is no stone, ValueError if the text is no point.
        """
        session = self._session
        board = self._stones.board(session.position.state)
        action = session.position.action(text)
        point = divmod(action, board.shape[1])
        if action >= board.size or board[point] == 0:
            raise UserError(f"there is no stone at {session.position.text(action)}")
        changed = dead.copy()
        for place in chain_at(board, point):
            changed[place] = not dead[point]
        return changed

    def count(self, dead: np.ndarray) -> tuple[str, str]:
        """The board with dead stones and points marked, and the score in words."""
        session, stones = self._session, self._stones
        state = session.position.state
        owners = stones.area(state, dead)
        points = [int((owners == player).sum()) for player in (1, 2)]
        score = stones.score(state, dead)
        compensation = points[0] - points[1] - score
        first, second = session.game.players
        who = self._ahead(score, "wins") or "a draw"
        removed = f"{int(dead.sum())} dead stones; " if dead.any() else "no dead stones; "
        more = f"{'-' if compensation < 0 else '+'} {abs(compensation):g}"
        text = f"{removed}{first} {points[0]}, {second} {points[1]} {more}: {who}"
        return mark_points(session.position.render(), owners, dead), text
