"""Lines of a live analysis, in the dialects that GUIs read.

Leela Zero's has winrates as whole numbers of ten-thousandths, KataGo's as fractions, with the score
where it is known. Sabaki's command `analyze` has Leela Zero's whole numbers, for fractions are
KataGo's alone there, and the score. All values are for the player to move.

    info move D4 visits 836 winrate 4656 prior 839 lcb 4640 order 0 pv D4 Q16 info move …
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alphazero.engine.analysis import MoveInfo

LEELA_SCALE = 10000
OWNERSHIP_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"


@dataclass
class MoveReport:
    """A move, with score and ownership after it where a network knows them."""

    info: "MoveInfo"
    pv: list[str]
    score: float | None = None  # points
    ownership: Sequence[float] = ()  # [points] in [-1, 1], from the top left


@dataclass
class Report:
    """The content of one line."""

    moves: list[MoveReport]
    winrate: float = 0.5  # of the position
    visits: int = 0
    score: float | None = None  # points
    ownership: Sequence[float] = ()  # [points] in [-1, 1], from the top left
    with_root: bool = False
    with_moves_ownership: bool = False
    pv_visits_keys: tuple[str, ...] = ()  # names under which the visits of each pv are written


def leela(report: Report) -> str:
    return " ".join(_scaled_move(move, order) for order, move in enumerate(report.moves))


def sabaki(report: Report) -> str:
    return " ".join(
        _scaled_move(move, order, "" if move.score is None else f" scoreLead {move.score:.6f}")
        for order, move in enumerate(report.moves)
    )


def katago(report: Report) -> str:
    parts = []
    for order, move in enumerate(report.moves):
        parts.append(_move(move, order))
        visits = " ".join(map(str, move.info.pv_visits))
        parts += [f"{key} {visits}" for key in report.pv_visits_keys]
        if report.with_moves_ownership and len(move.ownership):
            parts.append(f"movesOwnership {_numbers(move.ownership)}")
    if report.with_root:
        parts.append(
            f"rootInfo visits {report.visits} utility {2 * report.winrate - 1:.6f}"
            f" winrate {report.winrate:.6f}{_score(report.score)}"
            f" weight {report.visits:.1f}"
        )
    if len(report.ownership):
        parts.append(f"ownership {_numbers(report.ownership)}")
    return " ".join(parts)


def cgos(report: Report) -> str:
    """Format the JSON that the server CGOS keeps with a move."""
    fields: dict[str, object] = {"winrate": round(report.winrate, 4), "visits": report.visits}
    if report.score is not None:
        fields["score"] = round(report.score, 2)
    moves = []
    for move in report.moves:
        one: dict[str, object] = {
            "move": move.pv[0],
            "winrate": round(move.info.winrate, 4),
            "prior": round(move.info.prior, 4),
            "pv": " ".join(move.pv[1:]),
            "visits": move.info.visits,
        }
        if move.score is not None:
            one["score"] = round(move.score, 2)
        moves.append(one)
    fields["moves"] = moves
    if len(report.ownership):
        top = len(OWNERSHIP_LETTERS) - 1
        fields["ownership"] = "".join(
            OWNERSHIP_LETTERS[round((min(max(value, -1.0), 1.0) + 1) / 2 * top)]
            for value in report.ownership
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
        f" utility {2 * info.winrate - 1:.6f} winrate {info.winrate:.6f}{_score(move.score)}"
        f" prior {info.prior:.6f} lcb {info.lcb:.6f}"
        f" utilityLcb {2 * info.lcb - 1:.6f} weight {info.visits:.1f}"
        f" order {order} pv {' '.join(move.pv)}"
    )


def _score(score: float | None) -> str:
    """Format KataGo's fields for the score; empty if it is not known."""
    if score is None:
        return ""
    return f" scoreMean {score:.6f} scoreLead {score:.6f} scoreSelfplay {score:.6f}"


def _scaled(winrate: float) -> int:
    return round(LEELA_SCALE * min(max(winrate, 0.0), 1.0))


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.6f}" for value in values)
