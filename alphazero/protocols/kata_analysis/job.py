"""One turn of a game to analyze: its position, the search, and the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.limits import Restriction, SearchLimits, SearchRequest
from alphazero.engine.territory import estimate
from alphazero.errors import RequestError
from alphazero.formats.rulesets import (
    Rules,
    Rulesets,
    name_rules,
    read_field,
    read_katago,
    search_remark,
)
from alphazero.game import Position
from alphazero.protocols.game_state import GameState
from alphazero.protocols.kata_analysis import query as queries
from alphazero.protocols.kata_analysis.codec import (
    QueryError,
    write_move,
    write_numbers,
    write_ownership,
    write_values,
)
from alphazero.protocols.kata_analysis.query import Query

COLORS = "BW"
SUBSTITUTE = "chinese"  # for rules that are unknown
LEAST_INTERVAL = 0.01  # seconds between two reports


@dataclass
class Job:
    """A position of a query's game."""

    query: Query
    turn: int
    position: Position
    state: GameState  # to read and to name moves
    is_ended: bool = False  # by two passes

    @property
    def key(self) -> dict[str, Any]:
        """The fields that every answer has."""
        return {"id": self.query.id, "turnNumber": self.turn}

    @property
    def no_results(self) -> dict[str, Any]:
        """The answer where there is nothing to search, or no search is wanted any more."""
        return {**self.key, "isDuringSearch": False, "noResults": True}

    def run(
        self, host: EngineHost, handle: SearchHandle[None], send: Callable[[dict[str, Any]], None]
    ) -> None:
        """Search within a task of the host and send the answer, after reports if the query wants
        them. Raises QueryError for a restriction to something that is not a move."""
        query, engine = self.query, host.engine(self.position.game)
        limits = engine.limits(full_strength=True)
        if query.visits is not None or query.settings.seconds is not None:
            limits = SearchLimits(query.visits, query.settings.seconds)
        request = SearchRequest(
            self.position,
            limits._replace(fresh=True),
            only=self._only(),
            restrictions=self._restrictions_below(),
            seed=0,
            report_every=max(query.report_every or 0.0, LEAST_INTERVAL),
            ownership=query.wants_ownership,
            is_ended=self.is_ended,
        )

        def report(analysis: Analysis) -> None:
            send(self._answer(analysis, engine, is_during=True))

        reports = None if query.report_every is None else report
        analysis = host.search(request, handle, reports)
        send(self._answer(analysis, engine, is_during=False))

    def _only(self) -> list[int] | None:
        """The legal moves that the restrictions leave; None for all."""
        legal = all_legal = self.position.legal_actions()
        for field, allowed, restrictions in (
            ("avoidMoves", False, self.query.avoid),
            ("allowMoves", True, self.query.allow),
        ):
            for restriction in restrictions:
                if restriction.player != self.position.to_play:
                    continue
                named = self._named(restriction, field)
                legal = [action for action in legal if (action in named) == allowed]
                if not legal:
                    raise QueryError("no legal move is left to consider", field)
        return legal if legal != all_legal else None

    def _restrictions_below(self) -> list[Restriction]:
        """The restrictions of what follows the first move."""
        kinds = (("avoidMoves", False, self.query.avoid), ("allowMoves", True, self.query.allow))
        return [
            Restriction(
                one.player,
                [action for action in self._named(one, field) if action is not None],
                one.depth,
                is_allowed,
            )
            for field, is_allowed, restrictions in kinds
            for one in restrictions
            if one.depth > 1
        ]

    def _named(self, restriction: queries.Restriction, field: str) -> set[int | None]:
        try:
            return {self.state.read(text) for text in restriction.moves}
        except RequestError as error:
            raise QueryError("not a move", field) from error

    def _answer(self, analysis: Analysis, engine: Engine, is_during: bool) -> dict[str, Any]:
        query, position = self.query, self.position
        sign = query.sign(position.to_play)
        shown = [move for move in analysis.moves if move.visits] or analysis.moves[:1]
        infos = []
        for order, move in enumerate(shown):
            pv = self.state.vertices.texts(position, move.pv[: query.pv_length])
            info = write_move(move, pv, order, sign)
            if query.include_pv_visits:
                # Equal, for no position is reached by two moves of the tree.
                info["pvVisits"] = info["pvEdgeVisits"] = list(move.pv_visits[: query.pv_length])
            wanted = query.include_moves_ownership, query.include_moves_ownership_stdev
            info |= write_ownership(move.expected, sign, *wanted)
            infos.append(info)
        winrate = analysis.mean_winrate
        answer: dict[str, Any] = {
            **self.key,
            "isDuringSearch": is_during,
            "moveInfos": infos,
            "rootInfo": {
                **write_values(winrate, winrate, analysis.expected, sign),
                "visits": analysis.visits,
                "weight": float(analysis.visits),
                "currentPlayer": COLORS[position.to_play],
                "thisHash": f"{position.key:016X}",
            },
        }
        if query.include_policy:
            policy, _ = engine.evaluate(position)
            policy[position.legal_mask() == 0] = -1
            answer["policy"] = write_numbers(policy.tolist())
        wanted = query.include_ownership, query.include_ownership_stdev
        answer |= write_ownership(analysis.expected, sign, *wanted)
        if query.include_ownership and analysis.expected is None:  # by playouts
            black = estimate(position, engine.auxiliary).ownership  # 1: the first player's
            for_mover = 1 if position.to_play == 0 else -1
            answer["ownership"] = write_numbers(black.ravel().tolist(), sign * for_mover)
        return answer


def make_jobs(host: EngineHost, spec: str, query: Query) -> tuple[list[Job], list[tuple[str, str]]]:
    """Replay a query's game; returns its turns, and warnings as (field, text).

    Raises QueryError for an illegal game, UserError if `spec` does not name one.
    """
    state = GameState(host.game(spec), host.variant)
    warnings = []
    try:
        state.resize(query.columns, query.rows)
    except RequestError as error:
        problem = f"no board of {query.columns}x{query.rows}: {error.__cause__ or error}"
        raise QueryError(problem, "boardXSize") from error
    rulesets = state.stones.rules
    try:
        rules = _read_rules(query, rulesets)
    except ValueError as error:
        rules = Rules(SUBSTITUTE, rulesets[SUBSTITUTE])
        warnings.append(("rules", f"{error}; analysed by {SUBSTITUTE} rules"))
    state.set_rules(rules)
    if remark := search_remark(rules):
        warnings.append(("rules", remark))
    try:
        state.set_komi(rules.terms.usual_komi if query.komi is None else query.komi)
        board = state.read_stones(query.stones)
        handicap = int((board == 1).sum()) if not (board == 2).any() else 0
        if board.any():
            state.set_up(board, _to_play(query, 0), handicap if handicap >= 2 else 0)
    except RequestError as error:
        raise QueryError(str(error), "initialStones" if query.stones else "komi") from error
    positions = {}
    for turn in range(len(query.moves) + 1):
        if turn in query.turns:
            positions[turn] = state.to_move(_to_play(query, turn)), state.is_passed_out
        if turn < len(query.moves):
            player, text = query.moves[turn]
            try:
                irregular = state.play_recorded(player, state.read(text))
            except RequestError as error:
                raise QueryError(f"move {turn} ({text}): {error}", "moves") from error
            if irregular:
                warnings.append(("moves", f"move {turn} ({text}) breaks the rules: {irregular}"))
    jobs = [Job(query, turn, positions[turn][0], state, positions[turn][1]) for turn in query.turns]
    return jobs, warnings


def _read_rules(query: Query, rulesets: Rulesets) -> Rules:
    """Raises ValueError."""
    rules = read_katago(query.rules, rulesets)
    if query.handicap_bonus is None:
        return rules
    term, bonus = read_field("whiteHandicapBonus", str(query.handicap_bonus))
    return name_rules(rules.terms._replace(**{term: bonus}), rulesets, rules.name)


def _to_play(query: Query, turn: int) -> int:
    """The player to move at a turn."""
    if turn < len(query.moves):
        return query.moves[turn][0]
    if query.moves:
        return 1 - query.moves[-1][0]
    if query.first is not None:
        return query.first
    return 1 if query.stones and all(player == 0 for player, _ in query.stones) else 0
