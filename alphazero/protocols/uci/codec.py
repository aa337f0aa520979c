"""UCI's lines: commands taken apart, and what a search has found written as `info` lines.

    info depth 6 seldepth 14 multipv 1 score cp 31 nodes 800 nps 2000 … time 400 pv e2e4 e7e5

Unknown words and malformed numbers are skipped, as the protocol wants it. Scores are for the
engine's side.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from alphazero.formats.annotation import centipawns

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis, MoveInfo
    from alphazero.game import Position

NUMBERS = {  # keys of `go` that a number follows
    "wtime", "btime", "winc", "binc", "movestogo", "depth", "nodes", "mate", "movetime", "perft",
}  # fmt: skip
SWITCHES = {"ponder", "infinite"}
LARGEST = 2**53  # of all numbers: floats hold larger ones only roughly
NULL_MOVE = "0000"
MAY_BE_NEGATIVE = {"wtime", "btime"}
LEAST = {
    "movetime": 0,
    "winc": 0,
    "binc": 0,
    "depth": 1,
    "nodes": 1,
    "perft": 0,
}  # of negative ones
PERMILLE = 1000
LONGEST_PV = 40  # moves written


class Go(NamedTuple):
    """The command `go`. Times are milliseconds, those of both players White's first."""

    search_moves: tuple[str, ...] | None = None  # only these
    ponder: bool = False
    infinite: bool = False
    time: tuple[int | None, int | None] = (None, None)
    increment: tuple[int, int] | None = None
    moves_to_go: int | None = None  # until more time is added
    depth: int | None = None
    nodes: int | None = None
    mate: int | None = None  # own moves
    move_time: int | None = None
    perft: int | None = None  # plies: no search, but their lines counted
    problem: str = ""  # with a number, in words


class Setup(NamedTuple):
    """The command `position`."""

    fen: str | None  # None: the start position
    moves: tuple[str, ...]


# -- commands --------------------------------------------------------------------------------------


def read_words(line: bytes) -> list[str]:
    """Split a line into words."""
    return line.decode("utf-8", errors="replace").replace("\0", " ").split()


def read_go(words: Sequence[str]) -> Go:
    """Parse the words after `go`."""
    numbers: dict[str, int] = {}
    switches: set[str] = set()
    moves: list[str] | None = None
    takes_moves = False
    waiting = ""  # a key for its number
    for word in words:
        key = word.lower()
        if key in NUMBERS or key in SWITCHES or key == "searchmoves":
            takes_moves = key == "searchmoves"
            waiting = key if key in NUMBERS else ""
            if takes_moves:
                moves = moves or []
            elif key in SWITCHES:
                switches.add(key)
        elif takes_moves:
            assert moves is not None
            moves.append(word)
        elif waiting:
            negative = waiting in MAY_BE_NEGATIVE | LEAST.keys() | {"mate"}
            number = read_number(word, negative)
            if number is not None and waiting in LEAST:
                number = max(number, LEAST[waiting]) if number < 0 else number
            if number is not None:
                numbers[waiting] = number
            waiting = ""
    problem = ""
    if numbers.get("mate", 1) < 1:
        problem = f"go mate {numbers.pop('mate')}: the number of moves must be at least 1"
        if not numbers and not switches:  # no limit is left: a move at once, as for `nodes -1`
            numbers["nodes"] = 1
    return Go(
        search_moves=None if moves is None else tuple(moves),
        ponder="ponder" in switches,
        infinite="infinite" in switches,
        time=(numbers.get("wtime"), numbers.get("btime")),
        increment=(numbers.get("winc", 0), numbers.get("binc", 0))
        if numbers.keys() & {"winc", "binc"}
        else None,
        moves_to_go=numbers.get("movestogo") or None,
        depth=numbers.get("depth"),
        nodes=numbers.get("nodes"),
        mate=numbers.get("mate"),
        move_time=numbers.get("movetime"),
        perft=numbers.get("perft"),
        problem=problem,
    )


def read_number(word: str, negative: bool = False) -> int | None:
    """Parse a whole number; None if it is not a number, or negative where that is not allowed."""
    try:
        value = float(word)
    except ValueError:
        return None
    if not math.isfinite(value) or (value < 0 and not negative):
        return None
    return int(max(min(value, LARGEST), -LARGEST))


def read_position(words: Sequence[str]) -> Setup | None:
    """Parse the words after `position`; None without a position."""
    words = list(words)
    end = words.index("moves") if "moves" in words else len(words)
    head, moves = words[:end], tuple(words[end + 1 :])
    if "fen" in head:
        fen = " ".join(head[head.index("fen") + 1 :])
        return Setup(fen, moves)
    return Setup(None, moves) if "startpos" in head else None


def read_option(words: Sequence[str]) -> tuple[str, str | None] | None:
    """Parse the words after `setoption` into a name and, if given, a value; None without a name.

    Both may contain spaces.
    """
    words = list(words)
    if "name" not in words:
        return None
    words = words[words.index("name") + 1 :]
    end = words.index("value") if "value" in words else len(words)
    name = " ".join(words[:end])
    if not name:
        return None
    return name, " ".join(words[end + 1 :]) if end < len(words) else None


# -- answers ---------------------------------------------------------------------------------------


class InfoStyle(NamedTuple):
    """The options that decide how `info` lines look."""

    multipv: int = 1
    wdl: bool = False
    score_type: str = "centipawn"


def info_lines(
    analysis: "Analysis", position: "Position", style: InfoStyle, table_hits: int = 0
) -> list[str]:
    """Write one line for each of the best moves with visits, and at least for the best."""
    shown = [move for move in analysis.moves if move.visits][: style.multipv]
    lines = []
    for rank, move in enumerate(shown or analysis.moves[:1], 1):
        pv = " ".join(move_texts(position, move.pv[:LONGEST_PV]))
        lines.append(
            f"info depth {max(int(analysis.depth), 1)}"
            f" seldepth {max(analysis.max_depth, 1)}"
            f" multipv {rank}"
            f" score {score(move, style.score_type)}"
            f"{wdl(move) if style.wdl else ''}"
            f" nodes {analysis.simulations} nps {round(analysis.speed)}"
            f" hashfull {min(round(PERMILLE * analysis.memory_used), PERMILLE)}"
            f" tbhits {table_hits} time {round(1000 * analysis.seconds)} pv {pv}"
        )
    return lines


def score(move: "MoveInfo", score_type: str = "centipawn") -> str:
    """Write a move's value: `cp 31`, or `mate 3` where that is proven."""
    if move.plies_to_end is not None:
        wins = move.winrate > 0.5
        return f"mate {(move.plies_to_end + 1) // 2 if wins else -(move.plies_to_end // 2)}"
    value = 2 * move.winrate - 1
    if score_type == "win_percentage":
        return f"cp {round(10000 * move.winrate)}"
    if score_type == "Q":
        return f"cp {round(10000 * value)}"
    return f"cp {centipawns(value)}"


def wdl(move: "MoveInfo") -> str:
    """Write win, draw and loss in permille, which sum to 1000."""
    win = round(PERMILLE * move.wdl[0])
    draw = min(round(PERMILLE * move.wdl[1]), PERMILLE - win)
    return f" wdl {win} {draw} {PERMILLE - win - draw}"


def move_stats(analysis: "Analysis", position: "Position") -> list[str]:
    """Write every move with its visits, prior and value, the worst first, as lc0 lists them."""
    return [
        f"info string {position.text(move.action):<5} N: {move.visits:>7}"
        f" (P: {100 * move.prior:5.2f}%) (Q: {2 * move.winrate - 1:8.5f})"
        for move in reversed(analysis.moves)
    ]


def bestmove(move: str = "(none)", ponder: str = "") -> str:
    """Write the answer to `go`; `ponder` is the move expected in return."""
    return f"bestmove {move}" + (f" ponder {ponder}" if ponder else "")


def move_texts(position: "Position", actions: Sequence[int]) -> list[str]:
    """Moves that follow each other, as text."""
    walk, texts = position.copy(), []
    for action in actions:
        texts.append(walk.text(action))
        walk.play(action)
    return texts
