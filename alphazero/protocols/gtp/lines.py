"""Lines of analysis in the dialects that people's boards read.

Leela Zero's has shares as whole numbers of ten-thousandths, and KataGo's as fractions, along with
the score where it is known. Sabaki's own is KataGo's with the expected moves last and a decimal
point in every number. All values are for the player to move.

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
class Candidate:
    """A move with all that is known of it; score and ownership after it where a network tells."""

    line: "MoveInfo"
    pv: list[str]
    score: float | None = None  # in points
    ownership: Sequence[float] = ()  # point by point from the top left


@dataclass
class Report:
    """What a line says."""

    candidates: list[Candidate]
    share: float = 0.5  # of the point, of the position as a whole
    visits: int = 0
    score: float | None = None
    ownership: Sequence[float] = ()
    has_root: bool = False  # whether the position as a whole is told of
    visits_keys: tuple[str, ...] = ()  # by which names the visits of the expected moves are told
    moves_ownership: bool = False


def leela(report: Report) -> str:
    """Leela Zero's line."""
    return " ".join(
        f"info move {one.pv[0]} visits {one.line.visits} winrate {scaled(one.line.winrate)}"
        f" prior {scaled(one.line.prior)} lcb {scaled(one.line.lcb)} order {order}"
        f" pv {' '.join(one.pv)}"
        for order, one in enumerate(report.candidates)
    )


def sabaki(report: Report) -> str:
    """Sabaki's line."""
    return " ".join(segment(one, order) for order, one in enumerate(report.candidates))


def katago(report: Report) -> str:
    """KataGo's line."""
    parts = []
    for order, one in enumerate(report.candidates):
        parts.append(segment(one, order))
        visits = " ".join(map(str, one.line.pv_visits))
        parts += [f"{key} {visits}" for key in report.visits_keys]
        if report.moves_ownership and len(one.ownership):
            parts.append(f"movesOwnership {numbers(one.ownership)}")
    if report.has_root:
        parts.append(
            f"rootInfo visits {report.visits} utility {2 * report.share - 1:.6f}"
            f" winrate {report.share:.6f}{written_score(report.score)}"
            f" weight {report.visits:.1f}"
        )
    if len(report.ownership):
        parts.append(f"ownership {numbers(report.ownership)}")
    return " ".join(parts)


def segment(one: Candidate, order: int) -> str:
    line = one.line
    return (
        f"info move {one.pv[0]} visits {line.visits} edgeVisits {line.visits}"
        f" utility {2 * line.winrate - 1:.6f} winrate {line.winrate:.6f}{written_score(one.score)}"
        f" prior {line.prior:.6f} lcb {line.lcb:.6f}"
        f" utilityLcb {2 * line.lcb - 1:.6f} weight {line.visits:.1f}"
        f" order {order} pv {' '.join(one.pv)}"
    )


def cgos(report: Report) -> str:
    """The line of JSON that is kept with a move on the server CGOS."""
    fields: dict[str, object] = {"winrate": round(report.share, 4), "visits": report.visits}
    if report.score is not None:
        fields["score"] = round(report.score, 2)
    moves = []
    for one in report.candidates:
        move: dict[str, object] = {
            "move": one.pv[0],
            "winrate": round(one.line.winrate, 4),
            "prior": round(one.line.prior, 4),
            "pv": " ".join(one.pv[1:]),
            "visits": one.line.visits,
        }
        if one.score is not None:
            move["score"] = round(one.score, 2)
        moves.append(move)
    fields["moves"] = moves
    if len(report.ownership):
        top = len(OWNERSHIP_LETTERS) - 1
        fields["ownership"] = "".join(
            OWNERSHIP_LETTERS[round((min(max(value, -1.0), 1.0) + 1) / 2 * top)]
            for value in report.ownership
        )
    return json.dumps(fields, separators=(",", ":"))


def written_score(score: float | None) -> str:
    """The names that KataGo has for the score; nothing where it is not known."""
    if score is None:
        return ""
    return f" scoreMean {score:.6f} scoreLead {score:.6f} scoreSelfplay {score:.6f}"


def scaled(share: float) -> int:
    return round(LEELA_SCALE * min(max(share, 0.0), 1.0))


def numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.6f}" for value in values)
