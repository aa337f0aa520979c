"""Writing games of Go as SGF files, and what such files say besides the moves.

`sgf.py` reads them and is where to import all this from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import alphazero
from alphazero.errors import UserError
from alphazero.formats.annotation import Note
from alphazero.formats.sgf.tree import Node, format_sgf
from alphazero.game import Game, Position, Stones

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # of columns and rows
COLORS = "BW"
RULES_WRITTEN = {
    "chinese": "Chinese",
    "aga": "AGA",
    "new-zealand": "NZ",
    "tromp-taylor": "Tromp-Taylor",
}
KATAGO_RULES = {  # as KataGo writes them: ko rule, score by area, no tax, suicide
    "tromp-taylor": "koPOSITIONALscoreAREAtaxNONEsui1",
    "chinese": "koPOSITIONALscoreAREAtaxNONEsui0",
    "aga": "koSITUATIONALscoreAREAtaxNONEsui0",
    "new-zealand": "koSITUATIONALscoreAREAtaxNONEsui1",
}


@dataclass(frozen=True)
class SgfInfo:
    """What a file says about its game besides the moves; an empty text where it says nothing."""

    black: str = ""
    white: str = ""
    black_rank: str = ""
    white_rank: str = ""
    result: str = ""  # as in B+3.5, W+R, 0; if empty it is written from a finished position
    rules: str = ""  # one of `game.stones.rules`; if empty the game's parameter is written
    handicap: int = 0  # stones, 0 or at least 2
    date: str = ""
    event: str = ""
    main_time: float | None = None  # seconds
    overtime: str = ""


def write_sgf(
    position: Position, info: SgfInfo | None = None, notes: Mapping[int, Note] | None = None
) -> str:
    """A position with all its moves as the text of an SGF file, to be encoded as UTF-8.

    `notes` belong to the positions after so many moves. Raises UserError if the game is not Go.
    """
    info, notes = info or SgfInfo(), notes or {}
    size = position.game.planes[1]
    root = Node(_root_properties(position, info))
    _write_note(root, notes.get(0), "B")
    node = root
    moves = zip(position.movers, position.moves, strict=True)
    for number, (player, action) in enumerate(moves, start=1):
        following = Node({COLORS[player]: ["" if action == size * size else _spell(action, size)]})
        _write_note(following, notes.get(number), COLORS[player])
        node.children.append(following)
        node = following
    return format_sgf([root])


def result_text(score: float) -> str:
    """A result as SGF and GTP write it: `B+3.5`, `W+12`, or `0` for a draw."""
    if score == 0:
        return "0"
    return f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def written_rules(game: Game, rules: str = "") -> str:
    """The rules of a game, or others by our name, as files name them (RU)."""
    parameters = game.parameters
    rules = rules or str(parameters.get("rules", ""))
    if rules != parameters.get("rules") or not {"ko", "suicide"} & parameters.keys():
        return RULES_WRITTEN.get(rules, rules)
    usual = KATAGO_RULES[rules]
    ko = str(parameters.get("ko", "")).upper() or usual[len("ko") : usual.index("score")]
    suicide = int(parameters.get("suicide", usual.endswith("1")))
    return f"ko{ko}scoreAREAtaxNONEsui{suicide}"


def _root_properties(position: Position, info: SgfInfo) -> dict[str, list[str]]:
    game, stones = position.game, stones_of(position.game)
    start = position.start_state
    board = stones.board(start)
    result = info.result
    if not result and position.is_over:
        result = result_text(stones.score(position.state, None))
    properties = {
        "FF": "4",
        "GM": "1",
        "CA": "UTF-8",
        "AP": f"alphazero:{alphazero.__version__}",
        "SZ": str(len(board)),
        "KM": f"{stones.komi(start):g}",
        "RU": written_rules(game, info.rules),
        "HA": str(info.handicap or ""),
        "PB": info.black,
        "BR": info.black_rank,
        "PW": info.white,
        "WR": info.white_rank,
        "DT": info.date,
        "EV": info.event,
        "TM": "" if info.main_time is None else f"{info.main_time:g}",
        "OT": info.overtime,
        "RE": result,
    }
    lists = {name: [" ".join(value.split())] for name, value in properties.items() if value}
    for name, color in (("AB", 1), ("AW", 2)):
        if points := np.flatnonzero(board == color).tolist():
            lists[name] = [_spell(point, len(board)) for point in points]
    if board.any() or start["to_play"] != 0:
        lists["PL"] = [COLORS[start["to_play"]]]
    return lists


def _write_note(node: Node, note: Note | None, color: str) -> None:
    if note is None:
        return
    if note.seconds_left is not None:
        node.properties[f"{color}L"] = [f"{note.seconds_left:g}"]
    if note.stones_left is not None:
        node.properties[f"O{color}"] = [str(note.stones_left)]
    if note.share is not None:
        node.properties["SBKV"] = [f"{100 * note.share:.2f}"]
    if note.comment:
        node.properties["C"] = [note.comment]


def _spell(action: int, size: int) -> str:
    row, column = divmod(action, size)
    return LETTERS[column] + LETTERS[row]


def stones_of(game: Game) -> Stones:
    """The functions of a game of stones. Raises UserError for any other game."""
    if game.stones is None:
        raise UserError(f"{game.title} has no SGF files here: they are for Go")
    return game.stones
