"""Go in the terminal: captures, estimated territory, dead stones, resignation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.passing import answer_to_pass, without_waste
from alphazero.engine.resignation import Resignation
from alphazero.engine.territory import LIKELY, Estimate, chain_at, chains, estimate
from alphazero.errors import UserError
from alphazero.formats.rulesets import name_rules, search_remark
from alphazero.game import BoardView, Cell, Count, Stones
from alphazero.terminal.commentary import Commentary
from alphazero.terminal.session import PASS, Session, counted

STONES, DEAD, POINTS = "XO", "xo", "bw"  # of the two players on a board
LEGEND = f"{DEAD[0]}, {DEAD[1]}: dead stones; {POINTS[0]}, {POINTS[1]}: points"
NAMES = dict.fromkeys(DEAD, "dead stone") | dict.fromkeys(POINTS, "point")


class GoCommentary(Commentary):
    """Remarks on a game of Go, and the engine's decisions to pass and to resign."""

    def __init__(self, session: Session, engine: Engine) -> None:
        super().__init__(session)
        self.pieces = (STONES[0], STONES[1])
        self._engine = engine
        self._resignation = Resignation()

    @property
    def _stones(self) -> Stones:
        stones = self.session.game.stones
        assert stones is not None, "a game of stones"
        return stones

    def introduction(self) -> str:
        """The board, komi, rules and handicap."""
        session, stones = self.session, self._stones
        state = session.position.state
        rows, columns = stones.board(state).shape
        parts = [f"{columns}x{rows}", f"komi {stones.komi(state):g}"]
        if session.info.rules:
            parts.append(f"{session.info.rules} rules")
        if session.info.handicap:
            parts.append(f"{session.info.handicap} stones of handicap")
        rules = name_rules(stones.terms(state), stones.rules, session.info.rules)
        remark = search_remark(rules)
        return ", ".join(parts) + (f".\n{remark[0].upper()}{remark[1:]}" if remark else "")

    def status(self) -> str:
        """The stones that each player has captured."""
        taken = self._stones.captures(self.session.position.state)
        pairs = zip(self.session.game.players, taken, strict=True)
        return "captured: " + ", ".join(f"{count} by {name}" for name, count in pairs)

    # -- who is ahead ------------------------------------------------------------------------------

    def lead(self, analysis: Analysis) -> str:
        """The points by which a player is ahead, if the network predicts them."""
        if analysis.expected is None:
            return ""
        score = analysis.expected.score
        return self._ahead(score if analysis.to_play == 0 else -score, "leads")

    def estimate(self) -> tuple[BoardView, str]:
        """The board with the points that each player can expect, and the score in words."""
        expected = self._estimate()
        owners = np.where(expected.ownership > LIKELY, 1, 0)
        owners[expected.ownership < -LIKELY] = 2
        view = mark_points(self.session.position.board_view(), owners, expected.dead)
        ahead = self._ahead(expected.score, "is expected to win") or "an even game"
        return view, f"estimate: {ahead} ({LEGEND})"

    def _estimate(self) -> Estimate:
        position = self.session.position
        return estimate(position, self._engine.auxiliary, position.ply)

    def _ahead(self, score: float, verb: str) -> str:
        """The leader and the score in tenths of a point; "" if it is even."""
        score = round(score, 1)
        name = self.session.game.players[int(score < 0)]
        return f"{name} {verb} by {counted(abs(score), 'point')}" if score else ""

    # -- the engine's decisions --------------------------------------------------------------------

    def answer_to_pass(self) -> tuple[str, list[int] | None]:
        position = self.session.position
        if not position.moves or position.text(position.moves[-1]) != PASS:
            return "", None
        return answer_to_pass(self._engine, position)

    def without_waste(self, analysis: Analysis) -> Analysis:
        return without_waste(self._engine, self.session.position, analysis)

    def resigns(self, winrate: float) -> bool:
        """Return True if the engine, to move with this winrate, resigns. Call once per turn."""
        position = self.session.position
        points = self._stones.board(position.state).size
        handicap = self.session.info.handicap
        return self._resignation.should_resign(
            position.to_play, winrate, position.ply, points, handicap
        )

    def cancel_resignation(self) -> None:
        """Count the engine's lost turns from zero again."""
        self._resignation.reset()

    # -- dead stones -------------------------------------------------------------------------------

    def dead_stones(self) -> np.ndarray:
        """The stones that the engine judges dead, bool [H, W]."""
        return self._engine.judge(self.session.position).dead

    def doubts(self) -> str:
        """The chains about which the engine is not sure, in words; "" if there are none."""
        position = self.session.position
        board = self._stones.board(position.state)
        doubtful = self._engine.judge(position).doubtful
        points = [chain[0] for chain in chains(np.where(doubtful, board, 0))]
        names = [position.text(row * board.shape[1] + column) for row, column in points]
        return f"in doubt, so look yourself: {', '.join(names)}" if names else ""

    def toggle(self, dead: np.ndarray, text: str) -> np.ndarray:
        """Change the chain at a point from alive to dead or back, in a copy of `dead` [H, W].

        Raises UserError if there is no stone, ValueError if the text is not a point.
        """
        position = self.session.position
        board = self._stones.board(position.state)
        action = position.action(text)
        point = divmod(action, board.shape[1])
        if action >= board.size or board[point] == 0:
            raise UserError(f"there is no stone at {position.text(action)}")
        changed = dead.copy()
        for place in chain_at(board, point):
            changed[place] = not dead[point]
        return changed

    def count(self, dead: np.ndarray) -> tuple[BoardView, str]:
        """The board with dead stones [H, W] and points marked, and the score in words."""
        position = self.session.position
        count = self._stones.count(position.state, dead)
        removed = counted(int(dead.sum()), "dead stone") if dead.any() else "no dead stones"
        ahead = self._ahead(count.score, "wins") or "a draw"
        text = f"{removed}; {self._points(count)}: {ahead}"
        return mark_points(position.board_view(), count.owners, dead), text

    def tally(self) -> str:
        """The points of both players in a finished game under territory scoring."""
        session, stones = self.session, self._stones
        state = session.position.state
        if session.score is None or stones.terms(state).scoring == "area":
            return ""
        return self._points(stones.count(state, session.dead))

    def _points(self, count: Count) -> str:
        """Name the parts of both players' points."""
        by_territory = self._stones.terms(self.session.position.state).scoring == "territory"
        names, texts = self.session.game.players, []
        for player in (0, 1):
            points, prisoners = count.territory[player], count.prisoners[player]
            text = f"{names[player]} {points} of territory + {counted(prisoners, 'prisoner')}"
            if not by_territory:
                text = f"{names[player]} {points + count.stones[player]}"
            texts.append(text + (f" - {count.tax[player]} for groups" if count.tax[player] else ""))
        more = count.compensation
        return f"{', '.join(texts)} {'-' if more < 0 else '+'} {abs(more):g}"


def mark_points(view: BoardView, owners: np.ndarray, dead: np.ndarray) -> BoardView:
    """Mark dead stones, and empty points that belong to a player.

    `owners` [H, W] holds 0 for nobody, 1 and 2 for the players; `dead` is bool [H, W].
    """

    def marked(cell: Cell, owner: int, is_dead: bool) -> Cell:
        if cell.owner is not None:
            return Cell(DEAD[cell.owner], cell.owner) if is_dead else cell
        return Cell(POINTS[owner - 1], owner - 1) if owner else cell

    size = slice(len(view.rows)), slice(len(view.columns))  # the board may be smaller than [H, W]
    owned: Sequence[int] = owners[size].ravel().tolist()
    removed: Sequence[bool] = dead[size].ravel().tolist()
    cells = [marked(*one) for one in zip(view.cells, owned, removed, strict=True)]
    return replace(view, cells=cells, names={**view.names, **NAMES})
