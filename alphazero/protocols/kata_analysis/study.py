"""One turn of a game as the analysis protocol asks about it: its position, and what is said of it.

Values are told as the question wants them: for Black, for White, or for whoever is to move.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphazero.engine.analysis import Analysis, MoveInfo
from alphazero.engine.engine import Engine
from alphazero.engine.host import EngineHost
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.ownership import Predictor, predictor
from alphazero.engine.territory import estimate
from alphazero.errors import RequestError
from alphazero.formats.rulesets import Rules, Rulesets, read_katago
from alphazero.game import Position
from alphazero.protocols.game_state import GameState
from alphazero.protocols.kata_analysis.query import Query, QueryError

COLORS = "BW"
SUBSTITUTE = Rules("tromp-taylor", ko="simple", suicide=False)  # nearest to territory scoring
# Points that stand for a sure win where the score is not known; programs want a score that is the
# higher the better a move is.
PROXY_POINTS = 20.0
DIGITS = 6


@dataclass
class Study:
    """A position with the engine that looks at it."""

    query: Query
    turn: int
    position: Position
    state: GameState
    host: EngineHost

    @property
    def engine(self) -> Engine:
        return self.host.engine(self.state.game)

    def run(self, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> None:
        """Search, and report what was found, in between too if the question wants it."""
        query, position = self.query, self.position
        known = predictor(self.engine, position)
        limit = self.engine.limits(full_strength=True)
        if query.visits is not None:
            limit = SearchLimits(simulations=query.visits, seconds=query.seconds)
        elif query.seconds is not None:
            limit = SearchLimits(seconds=query.seconds)

        def tell(thought: Analysis) -> None:
            report(self.answer(thought, known, True))

        request = SearchRequest(
            position,
            limit._replace(fresh=True),
            only=self._only(),
            seed=0,
            report_every=max(query.every or 1.0, 0.01),
        )
        thought = self.engine.analyze(request, stop, None if query.every is None else tell)
        report(self.answer(thought, known, False))

    def _only(self) -> list[int] | None:
        """The moves that may be considered; None for all."""
        restrictions = [one for one in self.query.restrictions
                        if one.player == self.position.to_play]  # fmt: skip
        legal = self.position.legal_actions()
        for one in restrictions:
            try:
                named = {self.state.read(text) for text in one.moves}
            except RequestError as error:
                field = "allowMoves" if one.allowed else "avoidMoves"
                raise QueryError("a move that is none", field) from error
            legal = [action for action in legal if (action in named) == one.allowed]
        return legal if restrictions and legal else None

    # -- as JSON -----------------------------------------------------------------------------------

    def answer(self, thought: Analysis, known: Predictor | None, is_during: bool) -> dict[str, Any]:
        lines = [line for line in thought.moves if line.visits] or thought.moves[:1]
        after = known.after([line.action for line in lines]) if known else None
        sign = self._sign()
        infos = []
        for order, line in enumerate(lines):
            score = after[order].score if after else proxy(line.winrate)
            info = self._info(line, order, sign, score)
            if self.query.include_pv_visits:
                info["pvVisits"] = list(line.pv_visits)
            if after and self.query.include_moves_ownership:
                info["ownership"] = signed(after[order].ownership, sign)
            infos.append(info)
        share = thought.winrate(self.position.to_play)
        score = after[0].score if after else proxy(share)
        answer: dict[str, Any] = {
            "id": self.query.id,
            "turnNumber": self.turn,
            "isDuringSearch": is_during,
            "moveInfos": infos,
            "rootInfo": {
                **values(share, share, score, sign),
                "visits": thought.visits,
                "weight": float(thought.visits),
                "currentPlayer": COLORS[self.position.to_play],
                "thisHash": f"{self.position.key:016X}",
            },
        }
        if self.query.include_policy:
            answer["policy"] = self._policy()
        if self.query.include_ownership:
            owners = estimate(self.position, self.engine.auxiliary).ownership
            to_move = 1 if self.position.to_play == 0 else -1
            answer["ownership"] = signed(owners.ravel().tolist(), sign * to_move)
        return answer

    def _sign(self) -> int:
        """1 if values are told for whoever is to move, -1 if for the other player."""
        views = {"BLACK": 0, "WHITE": 1, "SIDETOMOVE": self.position.to_play}
        return 1 if views[self.query.view] == self.position.to_play else -1

    def _info(self, line: MoveInfo, order: int, sign: int, score: float) -> dict[str, Any]:
        pv = self.state.vertices.texts(self.position, line.pv)
        return {
            "move": pv[0],
            "order": order,
            "visits": line.visits,
            "edgeVisits": line.visits,
            "weight": float(line.visits),
            "prior": shortened(line.prior),
            **values(line.winrate, line.lcb, score, sign),
            "pv": pv,
        }

    def _policy(self) -> list[float]:
        """Probabilities point by point and of the pass, -1 where a move is illegal."""
        logits, _ = self.engine.evaluate(self.position)
        legal = self.position.legal_mask() > 0
        weights = np.where(legal, np.exp(logits - logits[legal].max()), 0.0)
        return signed(np.where(legal, weights / weights.sum(), -1.0).tolist(), 1)


def values(share: float, bound: float, score: float, sign: int) -> dict[str, float]:
    """Chances and score from values for the player to move; the sign is -1 for the other."""
    chance, least = (share, bound) if sign > 0 else (1 - share, 1 - bound)
    numbers = {
        "winrate": chance,
        "lcb": least,
        "utility": 2 * chance - 1,
        "utilityLcb": 2 * least - 1,
        "scoreLead": sign * score,
        "scoreMean": sign * score,
        "scoreSelfplay": sign * score,
    }
    return {name: shortened(number) for name, number in numbers.items()}


def signed(numbers: Sequence[float], sign: int) -> list[float]:
    return [shortened(sign * number) for number in numbers]


def shortened(number: float) -> float:
    """As many digits as mean something."""
    return round(number, DIGITS) + 0.0  # never -0.0


def proxy(share: float) -> float:
    """Points that stand for a share where no score is known."""
    return PROXY_POINTS * (2 * share - 1)


# -- positions -------------------------------------------------------------------------------------


def studies(host: EngineHost, spec: str, query: Query) -> tuple[list[Study], list[tuple[str, str]]]:
    """The turns to analyse, and warnings as (field, text). Raises QueryError."""
    state = GameState(host.game(spec), host.variant)
    warnings = []
    try:
        state.resize(query.size)
    except RequestError as error:
        raise QueryError(f"no board of size {query.size}", "boardXSize") from error
    try:
        state.set_rules(_read_rules(query, state.stones.rules))
    except (RequestError, ValueError) as error:
        state.set_rules(SUBSTITUTE)
        warnings.append(("rules", f"{error}: analysed by area scoring"))
    try:
        state.set_komi(query.komi)
        board = state.read_stones(query.stones)
        handicap = int((board == 1).sum()) if not (board == 2).any() else 0
        if board.any():
            state.set_up(board, _to_play(query, 0), handicap if handicap >= 2 else 0)
    except RequestError as error:
        raise QueryError(str(error), "initialStones" if query.stones else "komi") from error
    positions = {}
    for turn in range(len(query.moves) + 1):
        if turn in query.turns:
            positions[turn] = state.to_move(_to_play(query, turn))
        if turn < len(query.moves):
            player, text = query.moves[turn]
            try:
                state.play(player, state.read(text))
            except RequestError as error:
                raise QueryError(f"move {turn} ({text}): {error}", "moves") from error
    return [Study(query, turn, positions[turn], state, host) for turn in query.turns], warnings


def _read_rules(query: Query, rulesets: Rulesets) -> Rules:
    """Raises ValueError."""
    rules = read_katago(query.rules, rulesets)
    if query.handicap_bonus is None:
        return rules
    bonus = {"whiteHandicapBonus": str(query.handicap_bonus)}
    return read_katago(rules.katago_fields(rulesets) | bonus, rulesets)


def _to_play(query: Query, turn: int) -> int:
    """The player to move after so many moves."""
    if turn < len(query.moves):
        return query.moves[turn][0]
    if query.moves:
        return 1 - query.moves[-1][0]
    if query.first is not None:
        return query.first
    return 1 if query.stones and all(player == 0 for player, _ in query.stones) else 0
