"""Queries of KataGo's analysis protocol: their fields, checked.

{"id": "a", "moves": [["B", "D4"]], "rules": "chinese", "komi": 7.5,
 "boardXSize": 9, "boardYSize": 9, "analyzeTurns": [0, 1], "maxVisits": 100}
"""

from typing import Annotated, Any, Literal

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

from alphazero.protocols.kata_analysis.codec import QueryError

PLAYERS = {"b": 0, "black": 0, "w": 1, "white": 1}


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
    rows: Whole = Field(alias="boardYSize")
    rules: Any  # a name or KataGo's fields
    handicap_bonus: Any = Field(None, alias="whiteHandicapBonus")  # instead of the rules' own
    komi: Number | None = None  # None: the rules' usual one
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
    include_ownership_stdev: StrictBool = Field(False, alias="includeOwnershipStdev")
    include_moves_ownership: StrictBool = Field(False, alias="includeMovesOwnership")
    include_moves_ownership_stdev: StrictBool = Field(False, alias="includeMovesOwnershipStdev")
    include_pv_visits: StrictBool = Field(False, alias="includePVVisits")
    pv_length: Annotated[Whole, Field(ge=1)] | None = Field(None, alias="analysisPVLen")
    settings: OverrideSettings = Field(
        alias="overrideSettings", default_factory=lambda: OverrideSettings.model_validate({})
    )

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

    @property
    def wants_ownership(self) -> bool:
        """True if the answer is to tell whose the points are, of the position or after moves."""
        of_root = self.include_ownership or self.include_ownership_stdev
        return of_root or self.include_moves_ownership or self.include_moves_ownership_stdev

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


def read_query(fields: dict[str, Any]) -> Query:
    """Check a query's fields. Raises QueryError, which names the first that is wrong."""
    try:
        return Query.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        field = str(problem["loc"][0])
        message = problem["msg"].removeprefix("Value error, ")
        raise QueryError(f"{field}: {message}", field) from error
