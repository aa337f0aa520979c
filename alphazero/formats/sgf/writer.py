"""Games of Go as the text of SGF files."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import alphazero
from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.rulesets import name_rules, sgf_text
from alphazero.formats.sgf.tree import Node, format_sgf
from alphazero.game import Game, Position, Stones

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # columns and rows, from the top left
COLORS = "BW"


@dataclass(frozen=True)
class SgfInfo:
    """The root properties of a game; an empty text for a property that is not there."""

    black: str = ""
    white: str = ""
    black_rank: str = ""
    white_rank: str = ""
    result: str = ""  # B+3.5, W+R, 0 …; if empty, a finished position gets its score
    rules: str = ""  # the ruleset's name, where several have the terms of the position
    handicap: int = 0  # stones, 0 or at least 2
    date: str = ""
    event: str = ""
    main_time: float | None = None  # seconds
    overtime: str = ""


def write_sgf(
    position: Position,
    info: SgfInfo | None = None,
    annotations: Mapping[int, Annotation] | None = None,
) -> str:
    """Format a position with all its moves as the text of an SGF file, to be encoded as UTF-8.

    A key of `annotations` is a number of moves: its value belongs to the position after them.
    Raises UserError if the game is not Go.
    """
    info, annotations = info or SgfInfo(), annotations or {}
    rows, columns = position.game.planes[1:]
    root = Node(_root_properties(position, info))
    _write_annotation(root, annotations.get(0), "B")
    node = root
    moves = zip(position.movers, position.moves, strict=True)
    for number, (player, action) in enumerate(moves, start=1):
        text = "" if action == rows * columns else _point(action, columns)
        following = Node({COLORS[player]: [text]})
        _write_annotation(following, annotations.get(number), COLORS[player])
        node.children.append(following)
        node = following
    return format_sgf([root])


def result_text(score: float) -> str:
    """Format a score for Black as SGF and GTP do: `B+3.5`, `W+12`, or `0` for a draw."""
    if score == 0:
        return "0"
    return f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def stones_of(game: Game) -> Stones:
    """Return the game's functions for stones. Raises UserError for a game without them."""
    if game.stones is None:
        raise UserError(f"{game.title} has no SGF files here: they are for Go")
    return game.stones


def _root_properties(position: Position, info: SgfInfo) -> dict[str, list[str]]:
    game, stones = position.game, stones_of(position.game)
    start = position.start_state
    board = stones.board(start)
    rows, columns = board.shape
    rules = name_rules(stones.terms(start), stones.rules, info.rules or game.parameters["rules"])
    result = info.result
    if not result and position.is_over:
        result = result_text(stones.score(position.state, None))
    properties = {
        "FF": "4",
        "GM": "1",
        "CA": "UTF-8",
        "AP": f"alphazero:{alphazero.__version__}",
        "SZ": f"{columns}" if rows == columns else f"{columns}:{rows}",
        "KM": f"{stones.komi(start):g}",
        "RU": sgf_text(rules),
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
            lists[name] = [_point(point, columns) for point in points]
    if board.any() or start["to_play"] != 0:
        lists["PL"] = [COLORS[start["to_play"]]]
    return lists


def _write_annotation(node: Node, annotation: Annotation | None, color: str) -> None:
    if annotation is None:
        return
    if annotation.seconds_left is not None:
        node.properties[f"{color}L"] = [f"{annotation.seconds_left:g}"]
    if annotation.stones_left is not None:
        node.properties[f"O{color}"] = [str(annotation.stones_left)]
    if annotation.winrate is not None:
        node.properties["SBKV"] = [f"{100 * annotation.winrate:.2f}"]
    if annotation.comment:
        node.properties["C"] = [annotation.comment]


def _point(action: int, columns: int) -> str:
    row, column = divmod(action, columns)
    return LETTERS[column] + LETTERS[row]
