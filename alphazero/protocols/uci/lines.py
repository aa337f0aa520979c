"""What a search has found, as UCI's `info` lines.

    info depth 6 seldepth 14 multipv 1 score cp 31 nodes 800 nps 2000 … time 400 pv e2e4 e7e5

Scores are for the engine's side. A network knows what a position is worth, not how often it is
drawn: for win, draw and loss the two halves of the point are taken to be decided independently.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from alphazero.formats.annotation import centipawns

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis, MoveInfo
    from alphazero.game import Position

PERMILLE = 1000
LONGEST_PV = 40  # moves that are told


class Telling(NamedTuple):
    """How findings are told."""

    lines: int = 1  # MultiPV
    wdl: bool = False
    score: str = "centipawn"


class Earlier(NamedTuple):
    """What a search has spent before it went on as another one."""

    simulations: int = 0
    seconds: float = 0.0


NOTHING = Earlier()


def info_lines(
    thought: "Analysis",
    position: "Position",
    telling: Telling,
    earlier: Earlier = NOTHING,
    table_hits: int = 0,
) -> list[str]:
    """One line for each of the best moves that have been searched, and at least the best."""
    nodes = thought.simulations + earlier.simulations
    seconds = thought.seconds + earlier.seconds
    shown = [line for line in thought.moves if line.visits][: telling.lines]
    lines = []
    for rank, line in enumerate(shown or thought.moves[:1], 1):
        pv = " ".join(texts(position, line.pv[:LONGEST_PV]))
        lines.append(
            f"info depth {max(int(thought.depth), 1)}"
            f" seldepth {max(thought.max_depth, 1)}"
            f" multipv {rank}"
            f" score {score(line, telling.score)}"
            f"{wdl(line) if telling.wdl else ''}"
            f" nodes {nodes} nps {round(nodes / max(seconds, 1e-3))}"
            f" hashfull {min(round(PERMILLE * thought.memory_used), PERMILLE)}"
            f" tbhits {table_hits} time {round(1000 * seconds)} pv {pv}"
        )
    return lines


def score(line: "MoveInfo", kind: str = "centipawn") -> str:
    """What a move is worth: `cp 31`, or `mate 3` where that is proven."""
    if line.plies_to_end is not None:
        wins = line.winrate > 0.5
        return f"mate {(line.plies_to_end + 1) // 2 if wins else -(line.plies_to_end // 2)}"
    value = 2 * line.winrate - 1
    if kind == "win_percentage":
        return f"cp {round(10000 * line.winrate)}"
    if kind == "Q":
        return f"cp {round(10000 * value)}"
    return f"cp {centipawns(value)}"


def wdl(line: "MoveInfo") -> str:
    """Win, draw and loss in permille, which sum to 1000."""
    win = round(PERMILLE * line.winrate**2)
    loss = round(PERMILLE * (1 - line.winrate) ** 2)
    return f" wdl {win} {PERMILLE - win - loss} {loss}"


def statistics(thought: "Analysis", position: "Position") -> list[str]:
    """Every move with its visits, prior and value, the worst first, as lc0 lists them."""
    return [
        f"info string {position.text(line.action):<5} N: {line.visits:>7}"
        f" (P: {100 * line.prior:5.2f}%) (Q: {2 * line.winrate - 1:8.5f})"
        for line in reversed(thought.moves)
    ]


def texts(position: "Position", actions: Sequence[int]) -> list[str]:
    """Moves that follow each other, as text."""
    walk, found = position.copy(), []
    for action in actions:
        found.append(walk.text(action))
        walk.play(action)
    return found
