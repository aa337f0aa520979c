"""Lines of KataGo's analysis protocol: queries parsed, analyses written, a JSON object each.

{"id": "a", "moves": [["B", "D4"]], "rules": "chinese", "komi": 7.5,
 "boardXSize": 9, "boardYSize": 9, "analyzeTurns": [0, 1], "maxVisits": 100}
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from alphazero.protocols.finite_json import read_json

if TYPE_CHECKING:
    from alphazero.engine.analysis import MoveInfo

PLAYERS = {"b": 0, "black": 0, "w": 1, "white": 1}
DIGITS = 6
# Points that stand for a sure win where the score is not known: programs want a score that grows
# with the winrate.
PROXY_POINTS = 20.0


class QueryError(Exception):
    """A query that cannot be answered, with the field that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


# -- queries ---------------------------------------------------------------------------------------


def _player(value: Any) -> int:
    if not isinstance(value, str) or value.lower() not in PLAYERS:
        raise ValueError(f"a player must be B or W, not {value!r}")
    return PLAYERS[value.lower()]


def _whole(value: Any) -> Any:
    """5.0 is as good as 5; anything else is checked by the type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Player = Annotated[int, BeforeValidator(_player)]
Moves = tuple[tuple[Player, str], ...]
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=0, lt=2**31)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Seconds = Annotated[Number, Field(ge=0)]
Priority = Annotated[Number, Field(ge=-(2**31), lt=2**31)]
View = Literal["BLACK", "WHITE", "SIDETOMOVE"]


class Restriction(BaseModel):
    """Moves that a player may not make, or the only ones that it may make."""

    model_config = ConfigDict(frozen=True)
    player: Player
    moves: tuple[str, ...]
    depth: Annotated[Whole, Field(ge=1)] = Field(1, alias="untilDepth")  # plies for which it holds


class OverrideSettings(BaseModel):
    """The settings of KataGo that a query may override and that mean something here."""

    model_config = ConfigDict(frozen=True)
    view: Annotated[View, BeforeValidator(lambda value: str(value).upper())] = Field(
        "BLACK", alias="reportAnalysisWinratesAs"
    )
    seconds: Seconds | None = Field(None, alias="maxTime")


class Query(BaseModel):
    """A game and the turns of it to analyze. Points are as they were written."""

    model_config = ConfigDict(frozen=True)
    id: str
    columns: Whole = Field(alias="boardXSize")
    size: Whole = Field(alias="boardYSize")
    rules: Any  # a name or KataGo's fields
    handicap_bonus: Any = Field(None, alias="whiteHandicapBonus")  # instead of the rules' own
    komi: Number = 7.5
    stones: Moves = Field((), alias="initialStones")  # on the board before the moves
    first: Player | None = Field(None, alias="initialPlayer")  # to move first
    moves: Moves
    turns: tuple[Whole, ...] = Field(
        alias="analyzeTurns", default_factory=lambda fields: (len(fields["moves"]),)
    )
    priority: Priority = 0
    priorities: tuple[Priority, ...] = Field(
        default_factory=lambda fields: (fields["priority"],) * len(fields["turns"])
    )
    visits: Annotated[Whole, Field(ge=1)] | None = Field(None, alias="maxVisits")
    report_every: Seconds | None = Field(None, alias="reportDuringSearchEvery")  # during a search
    avoid: tuple[Restriction, ...] = Field((), alias="avoidMoves")
    allow: tuple[Restriction, ...] = Field((), alias="allowMoves")
    include_policy: StrictBool = Field(False, alias="includePolicy")
    include_ownership: StrictBool = Field(False, alias="includeOwnership")
    include_moves_ownership: StrictBool = Field(False, alias="includeMovesOwnership")
    include_pv_visits: StrictBool = Field(False, alias="includePVVisits")
    pv_length: Annotated[Whole, Field(ge=1)] | None = Field(None, alias="analysisPVLen")
    settings: OverrideSettings = Field(
        alias="overrideSettings", default_factory=lambda: OverrideSettings.model_validate({})
    )

    @field_validator("size")
    @classmethod
    def _is_square(cls, rows: int, info: ValidationInfo) -> int:
        columns = info.data.get("columns", rows)
        if rows != columns:
            raise ValueError(f"the board must be square, not {columns}x{rows}")
        return rows

    @field_validator("turns")
    @classmethod
    def _turns_exist(cls, turns: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        last = len(info.data.get("moves", ()))
        if any(turn > last for turn in turns):
            raise ValueError(f"a turn must be from 0 to {last}")
        return turns

    @field_validator("priorities")
    @classmethod
    def _one_for_every_turn(cls, priorities: tuple, info: ValidationInfo) -> tuple:
        if len(priorities) != len(info.data.get("turns", priorities)):
            raise ValueError("one priority is needed for every turn")
        return priorities

    def sign(self, to_play: int) -> int:
        """1 if values are written for the player to move, -1 if for the opponent."""
        views = {"BLACK": 0, "WHITE": 1, "SIDETOMOVE": to_play}
        return 1 if views[self.settings.view] == to_play else -1


def unused_fields(fields: dict[str, Any]) -> list[str]:
    """Name the fields of a query that have no effect, those in its settings included.

    A switch that is off asks for nothing.
    """
    unused = _unused(Query, fields)
    settings = fields.get("overrideSettings")
    return unused + (_unused(OverrideSettings, settings) if isinstance(settings, dict) else [])


def _unused(model: type[BaseModel], fields: dict[str, Any]) -> list[str]:
    known = {field.alias or name for name, field in model.model_fields.items()}
    return [name for name, value in fields.items() if name not in known and value is not False]


def read_object(line: bytes) -> dict[str, Any]:
    """Parse a line of input. Raises QueryError unless it is an object with a string as its "id"."""
    try:
        fields = read_json(line)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"the line is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise QueryError("a query must be a JSON object")
    if not isinstance(fields.get("id"), str):
        raise QueryError('a query must have a string as its "id"')
    return fields


def read_query(fields: dict[str, Any]) -> Query:
    """Check a query's fields. Raises QueryError, which names the first that is wrong."""
    try:
        return Query.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        field = str(problem["loc"][0])
        message = problem["msg"].removeprefix("Value error, ")
        raise QueryError(f"{field}: {message}", field) from error


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
