"""Lines of KataGo's analysis protocol: objects read, answers written, a JSON object each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alphazero.protocols.finite_json import read_json

if TYPE_CHECKING:
    from alphazero.engine.analysis import Expectation, MoveInfo

DIGITS = 6
# Points that stand for a sure win where the score is not known: programs want a score that grows
# with the winrate.
PROXY_POINTS = 20.0


class QueryError(Exception):
    """A query that cannot be answered, with the field that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


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


# -- answers ---------------------------------------------------------------------------------------


def write_error(error: Exception, query_id: str | None = None) -> dict[str, Any]:
    """The answer to a query that cannot be answered."""
    answer: dict[str, Any] = {"error": " ".join(str(error).split())}
    if query_id is not None:
        answer["id"] = query_id
    if isinstance(error, QueryError) and error.field:
        answer["field"] = error.field
    return answer


def write_move(move: "MoveInfo", pv: list[str], order: int, sign: int) -> dict[str, Any]:
    """One entry of `moveInfos`; `sign` is as in `Query.sign`."""
    return {
        "move": pv[0],
        "order": order,
        "visits": move.visits,
        "edgeVisits": move.visits,
        "weight": float(move.visits),
        "prior": rounded(move.prior),
        **write_values(move.winrate, move.lcb, move.expected, sign),
        "pv": pv,
    }


def write_values(
    winrate: float, lcb: float, expected: "Expectation | None", sign: int
) -> dict[str, float]:
    """Winrate, utility and score from values for the player to move. Where no score is known, one
    stands for the winrate."""
    score = proxy_score(winrate) if expected is None else expected.score
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
    if expected is not None:
        numbers["scoreStdev"] = expected.score_stdev
    return {name: rounded(number) for name, number in numbers.items()}


def write_ownership(
    expected: "Expectation | None", sign: int, mean: bool, stdev: bool
) -> dict[str, list[float]]:
    """The fields `ownership` and `ownershipStdev`, those that are wanted and known."""
    found = {}
    if expected is not None and expected.ownership is not None and mean:
        found["ownership"] = write_numbers(expected.ownership.tolist(), sign)
    if expected is not None and expected.ownership_stdev is not None and stdev:
        found["ownershipStdev"] = write_numbers(expected.ownership_stdev.tolist())
    return found


def write_numbers(numbers: Sequence[float], sign: int = 1) -> list[float]:
    """Numbers rounded, with their sign changed if `sign` is -1."""
    return [rounded(sign * number) for number in numbers]


def rounded(number: float) -> float:
    """Round to the digits that mean something."""
    return round(number, DIGITS) + 0.0  # never -0.0


def proxy_score(winrate: float) -> float:
    """Points that stand for a winrate where no score is known."""
    return PROXY_POINTS * (2 * winrate - 1)
