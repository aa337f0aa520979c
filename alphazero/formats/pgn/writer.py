"""PGN writer: chess games in Portable Game Notation (Edwards 1994), with the usual later tags.

    text = write_pgn(position, {"White": "human"}, annotations)     to be encoded as UTF-8

Values are written as lichess does, `{[%eval 0.31]}`: in pawns, for White.
"""

import textwrap
from collections.abc import Iterator, Mapping

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation, centipawns, value_of_pawns
from alphazero.game import Game, Pieces, Position

RESULTS = {"1-0": 1.0, "0-1": -1.0, "1/2-1/2": 0.0, "*": None}  # for White
UNFINISHED = "*"
UNKNOWN = "?"
ROSTER = {  # the seven tags that every game has, in this order, and their values if unknown
    "Event": UNKNOWN,
    "Site": UNKNOWN,
    "Date": "????.??.??",
    "Round": UNKNOWN,
    "White": UNKNOWN,
    "Black": UNKNOWN,
    "Result": UNFINISHED,
}
WRITTEN_FROM_THE_GAME = ("Variant", "SetUp", "FEN")
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
CHESS960 = "Chess960"
LINE_WIDTH = 79


def write_pgn(
    position: Position,
    tags: Mapping[str, str] | None = None,
    annotations: Mapping[int, Annotation] | None = None,
) -> str:
    """Write the game that led to a position.

    The tags Variant, SetUp and FEN are taken from the position, and Result too if it is not given.
    A key of `annotations` is a number of moves: its value belongs to the position after them.
    Raises UserError if the game is not chess.
    """
    given = {"Result": result_text(position)} | dict(tags or {})
    written = {name: given.pop(name, "") or unknown for name, unknown in ROSTER.items()}
    written |= _tags_of_start(position)
    written |= {name: text for name, text in given.items() if name not in WRITTEN_FROM_THE_GAME}
    lines = [f'[{name} "{_escape(text)}"]' for name, text in written.items()]
    movetext = " ".join([*_movetext(position, annotations or {}), written["Result"]])
    wrapped = textwrap.wrap(movetext, LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "", *wrapped]) + "\n"


def result_text(position: Position) -> str:
    """The result in PGN: `1-0`, `0-1`, `1/2-1/2`, or `*` for an unfinished game."""
    outcome = position.outcome()
    if outcome is None:
        return UNFINISHED
    return "1/2-1/2" if outcome.winner is None else ("1-0", "0-1")[outcome.winner]


def pieces_of(game: Game) -> Pieces:
    """The functions of a game of pieces. Raises UserError for any other game."""
    if game.pieces is None:
        raise UserError(f"{game.title} has no PGN files: they are for chess")
    return game.pieces


def pawns_of(winrate: float) -> float:
    """Convert White's winrate, 0 to 1, to an advantage in pawns."""
    return centipawns(2 * winrate - 1) / 100


def winrate_of(pawns: float) -> float:
    """Convert White's advantage in pawns to a winrate, the inverse of `pawns_of`."""
    return (1 + value_of_pawns(pawns)) / 2


def clock_text(seconds: float) -> str:
    """A time as in `[%clk]`: 0:01:05, with tenths if there are any."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    text = f"{minutes // 60}:{minutes % 60:02}:{rest // 10:02}"
    return f"{text}.{rest % 10}" if rest % 10 else text


def _tags_of_start(position: Position) -> dict[str, str]:
    """The tags of the variant, and of the start if it is not the usual one."""
    game = position.game
    fen = pieces_of(game).fen(position.start_state)
    is_960 = bool(game.parameters.get("chess960"))
    tags = {"Variant": CHESS960} if is_960 else {}
    if is_960 or fen != START:
        tags |= {"SetUp": "1", "FEN": fen}
    return tags


def _movetext(position: Position, annotations: Mapping[int, Annotation]) -> Iterator[str]:
    """The moves with their numbers and comments."""
    pieces, walk = pieces_of(position.game), Position(position.game, position.start_state)
    if comment := _comment(annotations.get(0)):
        yield comment
    numbered = True  # Black's moves are numbered only at the start and after a comment
    for made, action in enumerate(position.moves, start=1):
        if walk.to_play == 0 or numbered:
            yield f"{walk.ply // 2 + 1}{'.' if walk.to_play == 0 else '...'}"
        yield pieces.san(walk.state, action)
        walk.play(action)
        comment = _comment(annotations.get(made))
        numbered = bool(comment)
        if comment:
            yield comment


def _comment(annotation: Annotation | None) -> str:
    if annotation is None:
        return ""
    parts = []
    if annotation.winrate is not None:
        parts.append(f"[%eval {pawns_of(annotation.winrate) + 0.0:.2f}]")
    if annotation.seconds_left is not None:
        parts.append(f"[%clk {clock_text(annotation.seconds_left)}]")
    parts += annotation.comment.replace("{", "(").replace("}", ")").split()
    return f"{{{' '.join(parts)}}}" if parts else ""


def _escape(text: str) -> str:
    """Put a tag's value on one line and escape its quotation marks."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
