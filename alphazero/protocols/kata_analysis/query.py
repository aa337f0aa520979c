"""Questions of KataGo's analysis protocol: a game, and turns of it that are to be analysed.

{"id": "a", "moves": [["B", "D4"]], "rules": "chinese", "komi": 7.5,
 "boardXSize": 9, "boardYSize": 9, "analyzeTurns": [0, 1], "maxVisits": 100}
"""

import math
from dataclasses import dataclass
from typing import Any

PLAYERS = {"b": 0, "black": 0, "w": 1, "white": 1}
VIEWS = ("BLACK", "WHITE", "SIDETOMOVE")
DEFAULT_KOMI = 7.5
LARGEST = 2**31 - 1


class QueryError(Exception):
    """A question that makes no sense, with the field that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Restriction:
    """Moves that one player may not make, or the only ones that may be made (`allowed`)."""

    player: int
    moves: tuple[str, ...]
    allowed: bool


@dataclass(frozen=True)
class Query:
    """A question; points are as they were written."""

    id: str
    size: int
    rules: Any  # a name or KataGo's fields
    handicap_bonus: Any  # instead of the rules' own, as one of these fields
    komi: float
    stones: tuple[tuple[int, str], ...]  # on the board before the moves
    first: int | None  # who moves first, if it was said
    moves: tuple[tuple[int, str], ...]
    turns: tuple[int, ...]
    priorities: tuple[int, ...]  # of the turns
    visits: int | None
    seconds: float | None
    every: float | None  # seconds between two reports during a search
    view: str  # whose chances are told: one of VIEWS
    restrictions: tuple[Restriction, ...]
    include_policy: bool
    include_ownership: bool
    include_moves_ownership: bool
    include_pv_visits: bool


def read_query(fields: dict[str, Any]) -> Query:
    """Raises QueryError."""
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
        raise QueryError(f"{view} is none of {', '.join(VIEWS)}", "overrideSettings")
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
        every=reader.number("reportDuringSearchEvery"),
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
    """Fields of a question, each of the kind that it must be. All raise QueryError."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def typed(self, name: str, kind: type, default: Any) -> Any:
        value = self._fields.get(name, default)
        if not isinstance(value, kind):
            raise QueryError(f"{name} must be of the kind {kind.__name__}", name)
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

    def turns(self, most: int) -> tuple[int, ...]:
        turns = self.typed("analyzeTurns", list, [most])
        for turn in turns:
            if isinstance(turn, bool) or not isinstance(turn, int) or not 0 <= turn <= most:
                raise QueryError(f"a turn must be from 0 to {most}", "analyzeTurns")
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
                raise QueryError(f'{name} must have "player", "moves" and "untilDepth"', name)
            found.append(Restriction(_player(entry.get("player"), name), tuple(moves), allowed))
        return found


def _player(value: Any, name: str) -> int:
    if not isinstance(value, str) or value.lower() not in PLAYERS:
        raise QueryError(f"a player must be B or W, not {value!r}", name)
    return PLAYERS[value.lower()]
