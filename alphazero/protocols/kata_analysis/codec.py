"""Lines of KataGo's analysis protocol: queries parsed, analyses written, a JSON object each.

{"id": "a", "moves": [["B", "D4"]], "rules": "chinese", "komi": 7.5,
 "boardXSize": 9, "boardYSize": 9, "analyzeTurns": [0, 1], "maxVisits": 100}
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alphazero.engine.analysis import MoveInfo

PLAYERS = {"b": 0, "black": 0, "w": 1, "white": 1}
VIEWS = ("BLACK", "WHITE", "SIDETOMOVE")
DEFAULT_KOMI = 7.5
LARGEST = 2**31 - 1
DIGITS = 6
# Points that stand for a sure win where the score is not known: programs want a score that grows
# with the winrate.
PROXY_POINTS = 20.0


class QueryError(Exception):
    """A query that cannot be answered, with the field that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Restriction:
    """Moves that one player may not make, or the only ones that it may make (`allowed`)."""

    player: int
    moves: tuple[str, ...]
    allowed: bool


@dataclass(frozen=True)
class Query:
    """A game and the turns of it to analyze; points are as they were written."""

    id: str
    size: int
    rules: Any  # a name or KataGo's fields
    handicap_bonus: Any  # instead of the rules' own, as one of these fields
    komi: float
    stones: tuple[tuple[int, str], ...]  # on the board before the moves
    first: int | None  # the player to move first, if given
    moves: tuple[tuple[int, str], ...]
    turns: tuple[int, ...]
    priorities: tuple[int, ...]  # of the turns
    visits: int | None
    seconds: float | None
    report_every: float | None  # seconds between two reports during a search
    view: str  # the player for whom values are written: one of VIEWS
    restrictions: tuple[Restriction, ...]
    include_policy: bool
    include_ownership: bool
    include_moves_ownership: bool
    include_pv_visits: bool

    def sign(self, to_play: int) -> int:
        """1 if values are written for the player to move, -1 if for the opponent."""
        views = {"BLACK": 0, "WHITE": 1, "SIDETOMOVE": to_play}
        return 1 if views[self.view] == to_play else -1


# -- queries ---------------------------------------------------------------------------------------


def read_object(line: bytes) -> dict[str, Any]:
    """Parse a line of input. Raises QueryError unless it is an object with a text as its "id"."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"the line is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise QueryError("a query must be a JSON object")
    if not isinstance(fields.get("id"), str):
        raise QueryError('a query must have a string as its "id"')
    return fields


def read_query(fields: dict[str, Any]) -> Query:
    """Parse a query. Raises QueryError."""
    reader = _Reader(fields)
    moves = reader.moves("moves", required=True)
    columns, rows = reader.integer("boardXSize"), reader.integer("boardYSize")
    if columns is None or rows is None:
        raise QueryError("the size of the board is missing", "boardXSize")
    if columns != rows:
        raise QueryError(f"the board must be square, not {columns}x{rows}", "boardYSize")
    if "rules" not in fields:
        raise QueryError("the rules are missing", "rules")
    settings = reader.typed("overrideSettings", dict, {})
    turns = reader.turns(len(moves))
    view = str(settings.get("reportAnalysisWinratesAs", "BLACK")).upper()
    if view not in VIEWS:
        raise QueryError(f"{view} is not one of {', '.join(VIEWS)}", "overrideSettings")
    return Query(
        id=fields["id"],
        size=columns,
        rules=fields["rules"],
        handicap_bonus=fields.get("whiteHandicapBonus"),
        komi=reader.number("komi", DEFAULT_KOMI, low=-math.inf) or 0.0,
        stones=reader.moves("initialStones"),
        first=reader.player("initialPlayer"),
        moves=moves,
        turns=turns,
        priorities=reader.priorities(len(turns)),
        visits=reader.integer("maxVisits", low=1),
        seconds=_Reader(settings).number("maxTime"),
        report_every=reader.number("reportDuringSearchEvery"),
        view=view,
        restrictions=(
            *reader.restrictions("avoidMoves", allowed=False),
            *reader.restrictions("allowMoves", allowed=True),
        ),
        include_policy=reader.typed("includePolicy", bool, False),
        include_ownership=reader.typed("includeOwnership", bool, False),
        include_moves_ownership=reader.typed("includeMovesOwnership", bool, False),
        include_pv_visits=reader.typed("includePVVisits", bool, False),
    )


class _Reader:
    """Checks the types and ranges of a query's fields. All methods raise QueryError."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def typed(self, name: str, kind: type, default: Any) -> Any:
        value = self._fields.get(name, default)
        if not isinstance(value, kind):
            raise QueryError(f"{name} must be of type {kind.__name__}", name)
        return value

    def integer(self, name: str, low: int = 0) -> int | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= LARGEST:
            raise QueryError(f"{name} must be a whole number of at least {low}", name)
        return value

    def number(self, name: str, default: float | None = None, low: float = 0.0) -> float | None:
        value = self._fields.get(name, default)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < low:
            raise QueryError(f"{name} must be a number", name)
        return float(value)

    def player(self, name: str) -> int | None:
        value = self._fields.get(name)
        return None if value is None else _player(value, name)

    def moves(self, name: str, required: bool = False) -> tuple[tuple[int, str], ...]:
        if required and name not in self._fields:
            raise QueryError(f"{name} is missing", name)
        moves = []
        for pair in self.typed(name, list, []):
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str):
                raise QueryError(f'{name} must be pairs such as ["B", "Q4"]', name)
            moves.append((_player(pair[0], name), pair[1]))
        return tuple(moves)

    def turns(self, last: int) -> tuple[int, ...]:
        turns = self.typed("analyzeTurns", list, [last])
        for turn in turns:
            if isinstance(turn, bool) or not isinstance(turn, int) or not 0 <= turn <= last:
                raise QueryError(f"a turn must be from 0 to {last}", "analyzeTurns")
        return tuple(turns)

    def priorities(self, count: int) -> tuple[int, ...]:
        one = self._fields.get("priority", 0)
        priorities = self.typed("priorities", list, [one] * count)
        whole = all(isinstance(value, int | float) for value in priorities)
        if not whole or len(priorities) != count:
            raise QueryError("priorities must be numbers, one for every turn", "priorities")
        return tuple(int(min(max(value, -LARGEST), LARGEST)) for value in priorities)

    def restrictions(self, name: str, allowed: bool) -> list[Restriction]:
        found = []
        for entry in self.typed(name, list, []):
            moves = entry.get("moves") if isinstance(entry, dict) else None
            if not isinstance(moves, list) or not all(isinstance(move, str) for move in moves):
                raise QueryError(f'{name} needs "player", "moves" and "untilDepth"', name)
            found.append(Restriction(_player(entry.get("player"), name), tuple(moves), allowed))
        return found


def _player(value: Any, name: str) -> int:
    if not isinstance(value, str) or value.lower() not in PLAYERS:
        raise QueryError(f"a player must be B or W, not {value!r}", name)
    return PLAYERS[value.lower()]


# -- answers ---------------------------------------------------------------------------------------


def write_error(error: Exception, query_id: str | None = None) -> dict[str, Any]:
    """The answer to a query that cannot be answered."""
    answer: dict[str, Any] = {"error": " ".join(str(error).split())}
    if query_id is not None:
        answer["id"] = query_id
    if isinstance(error, QueryError) and error.field:
        answer["field"] = error.field
    return answer


def write_move(move: "MoveInfo", pv: list[str], order: int, score: float, sign: int) -> dict:
    """One entry of `moveInfos`; `sign` is as in `Query.sign`."""
    return {
        "move": pv[0],
        "order": order,
        "visits": move.visits,
        "edgeVisits": move.visits,
        "weight": float(move.visits),
        "prior": rounded(move.prior),
        **write_values(move.winrate, move.lcb, score, sign),
        "pv": pv,
    }


def write_values(winrate: float, lcb: float, score: float, sign: int) -> dict[str, float]:
    """Winrate, utility and score from values for the player to move."""
    if sign < 0:
        winrate, lcb, score = 1 - winrate, 1 - lcb, -score
    numbers = {
        "winrate": winrate,
        "lcb": lcb,
        "utility": 2 * winrate - 1,
        "utilityLcb": 2 * lcb - 1,
        "scoreLead": score,
        "scoreMean": score,
        "scoreSelfplay": score,
    }
    return {name: rounded(number) for name, number in numbers.items()}


def write_numbers(numbers: Sequence[float], sign: int = 1) -> list[float]:
    """Numbers rounded, with their sign changed if `sign` is -1."""
    return [rounded(sign * number) for number in numbers]


def rounded(number: float) -> float:
    """Round to the digits that mean something."""
    return round(number, DIGITS) + 0.0  # never -0.0


def proxy_score(winrate: float) -> float:
    """Points that stand for a winrate where no score is known."""
    return PROXY_POINTS * (2 * winrate - 1)
