"""Lines of UCI as words, and those commands taken apart that have arguments.

Whatever makes no sense is skipped, as the protocol wants it: a word that is unknown, and a number
that is none.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

NUMBERS = {  # keys of `go` that a number follows
    "wtime", "btime", "winc", "binc", "movestogo", "depth", "nodes", "mate", "movetime", "perft",
}  # fmt: skip
SWITCHES = {"ponder", "infinite"}
LARGEST = 2**53  # of all numbers: beyond it they could not be told apart
NO_MOVE = "0000"
MAY_BE_NEGATIVE = {"wtime", "btime"}


class Go(NamedTuple):
    """A search that is wanted. Times are milliseconds, those of both players White's first."""

    search_moves: tuple[str, ...] | None = None  # only these
    ponder: bool = False
    infinite: bool = False
    time: tuple[int | None, int | None] = (None, None)
    increment: tuple[int, int] = (0, 0)
    moves_to_go: int | None = None  # until more time is added
    depth: int | None = None
    nodes: int | None = None
    mate: int | None = None  # moves of one's own
    move_time: int | None = None
    perft: int | None = None  # plies: no search, but their lines counted


class Setup(NamedTuple):
    """A position that is told."""

    fen: str | None  # None: the start position
    moves: tuple[str, ...]


def read_words(line: bytes) -> list[str]:
    """The words of a line."""
    return line.decode("utf-8", errors="replace").replace("\0", " ").split()


def read_go(words: Sequence[str]) -> Go:
    """What follows `go`."""
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
            number = read_number(word, negative=waiting in MAY_BE_NEGATIVE)
            if number is not None:
                numbers[waiting] = number
            waiting = ""
    return Go(
        search_moves=None if moves is None else tuple(moves),
        ponder="ponder" in switches,
        infinite="infinite" in switches,
        time=(numbers.get("wtime"), numbers.get("btime")),
        increment=(numbers.get("winc", 0), numbers.get("binc", 0)),
        moves_to_go=numbers.get("movestogo") or None,
        depth=numbers.get("depth"),
        nodes=numbers.get("nodes"),
        mate=numbers.get("mate"),
        move_time=numbers.get("movetime"),
        perft=numbers.get("perft"),
    )


def read_number(word: str, negative: bool = False) -> int | None:
    """A whole number; None for what is none."""
    try:
        value = float(word)
    except ValueError:
        return None
    if not math.isfinite(value) or (value < 0 and not negative):
        return None
    return int(max(min(value, LARGEST), -LARGEST))


def read_position(words: Sequence[str]) -> Setup | None:
    """What follows `position`; None where there is no position in it."""
    words = list(words)
    end = words.index("moves") if "moves" in words else len(words)
    head, moves = words[:end], tuple(words[end + 1 :])
    if "fen" in head:
        fen = " ".join(head[head.index("fen") + 1 :])
        return Setup(fen, moves)
    return Setup(None, moves) if "startpos" in head else None


def read_option(words: Sequence[str]) -> tuple[str, str | None] | None:
    """What follows `setoption`: the name, and the value if there is one; None without a name. Both
    may have spaces in them."""
    words = list(words)
    if "name" not in words:
        return None
    words = words[words.index("name") + 1 :]
    end = words.index("value") if "value" in words else len(words)
    name = " ".join(words[:end])
    if not name:
        return None
    return name, " ".join(words[end + 1 :]) if end < len(words) else None
