"""Lines of a live analysis, in the dialects that GUIs read.

Leela Zero's has winrates as whole numbers of ten-thousandths, KataGo's as fractions, with the score
where it is known. Sabaki's command `analyze` has Leela Zero's whole numbers, for fractions are
KataGo's alone there, and the score. All values are for the player to move; those of the position
are averages over all visits, as those of its moves are.

    info move D4 visits 836 winrate 4656 prior 839 lcb 4640 order 0 pv D4 Q16 info move …

Fields of KataGo's that would need outputs our networks do not have are left out:
`rawStWrError`, `rawStScoreError`, `rawVarTimeLeft`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alphazero.engine.analysis import Expectation, MoveInfo

LEELA_SCALE = 10000
OWNERSHIP_KEYS = ("ownership", "ownershipStdev", "movesOwnership", "movesOwnershipStdev")
OWNERSHIP_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"


@dataclass
class MoveReport:
    """A move with the names of the moves expected, itself the first."""

    info: "MoveInfo"
    pv: list[str]


@dataclass
class Report:
    """The content of one line."""

    moves: list[MoveReport]
    winrate: float = 0.5  # of the position
    visits: int = 0
    expected: "Expectation | None" = None  # of the position
    with_root: bool = False
    ownership_keys: tuple[str, ...] = ()  # of OWNERSHIP_KEYS those that are wanted
    pv_visits_keys: tuple[str, ...] = ()  # names under which the visits of each pv are written


def leela(report: Report) -> str:
    return " ".join(_scaled_move(move, order) for order, move in enumerate(report.moves))


def sabaki(report: Report) -> str:
    parts = []
    for order, move in enumerate(report.moves):
        known = move.info.expected
        score = "" if known is None else f" scoreLead {_number(known.score)}"
        parts.append(_scaled_move(move, order, score))
    return " ".join(parts)


def katago(report: Report) -> str:
    parts = []
    for order, move in enumerate(report.moves):
        parts.append(_move(move, order))
        visits = " ".join(map(str, move.info.pv_visits))
        parts += [f"{key} {visits}" for key in report.pv_visits_keys]
        parts += _ownership(move.info.expected, "movesOwnership", report.ownership_keys)
    if report.with_root:
        parts.append(
            f"rootInfo visits {report.visits} utility {2 * report.winrate - 1:.6f}"
            f" winrate {report.winrate:.6f}{_score(report.expected)}"
            f" weight {report.visits:.1f}"
        )
    parts += _ownership(report.expected, "ownership", report.ownership_keys)
    return " ".join(parts)


def cgos(report: Report) -> str:
    """Format the JSON that the server CGOS keeps with a move."""
    fields: dict[str, object] = {"winrate": round(report.winrate, 4), "visits": report.visits}
    if report.expected is not None:
        fields["score"] = round(report.expected.score, 2)
    moves = []
    for move in report.moves:
        one: dict[str, object] = {
            "move": move.pv[0],
            "winrate": round(move.info.winrate, 4),
            "prior": round(move.info.prior, 4),
            "pv": " ".join(move.pv[1:]),
            "visits": move.info.visits,
        }
        if move.info.expected is not None:
            one["score"] = round(move.info.expected.score, 2)
        moves.append(one)
    fields["moves"] = moves
    if report.expected is not None and report.expected.ownership is not None:
        top = len(OWNERSHIP_LETTERS) - 1
        fields["ownership"] = "".join(
            OWNERSHIP_LETTERS[round((min(max(float(value), -1.0), 1.0) + 1) / 2 * top)]
            for value in report.expected.ownership
        )
    return json.dumps(fields, separators=(",", ":"))


def _scaled_move(move: MoveReport, order: int, score: str = "") -> str:
    info = move.info
    return (
        f"info move {move.pv[0]} visits {info.visits} winrate {_scaled(info.winrate)}"
        f" prior {_scaled(info.prior)} lcb {_scaled(info.lcb)}{score} order {order}"
        f" pv {' '.join(move.pv)}"
    )


def _move(move: MoveReport, order: int) -> str:
    info = move.info
    return (
        f"info move {move.pv[0]} visits {info.visits} edgeVisits {info.visits}"
        f" utility {2 * info.winrate - 1:.6f} winrate {info.winrate:.6f}{_score(info.expected)}"
        f" prior {info.prior:.6f} lcb {info.lcb:.6f}"
        f" utilityLcb {2 * info.lcb - 1:.6f} weight {info.visits:.1f}"
        f" order {order} pv {' '.join(move.pv)}"
    )


def _score(expected: "Expectation | None") -> str:
    """Format KataGo's fields for the score; empty if it is not known."""
    if expected is None:
        return ""
    score, stdev = _number(expected.score), _number(expected.score_stdev)
    return f" scoreMean {score} scoreStdev {stdev} scoreLead {score} scoreSelfplay {score}"


def _ownership(expected: "Expectation | None", key: str, wanted: Iterable[str]) -> list[str]:
    """Format ownership under this key, and its standard deviation under the key for that, where
    they are wanted and known."""
    if expected is None or expected.ownership is None or expected.ownership_stdev is None:
        return []
    fields = {key: expected.ownership, f"{key}Stdev": expected.ownership_stdev}
    return [f"{name} {_numbers(values)}" for name, values in fields.items() if name in wanted]


def _scaled(winrate: float) -> int:
    return round(LEELA_SCALE * min(max(winrate, 0.0), 1.0))


def _number(value: float) -> str:
    return f"{round(value, 6) + 0.0:.6f}"  # never -0.0


def _numbers(values: Iterable[float]) -> str:
    return " ".join(map(_number, values))
