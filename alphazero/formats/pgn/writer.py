"""Writing games of chess as PGN files (Portable Game Notation, Edwards 1994, and its usual later
tags and comments). `pgn_reader.py` reads them.

    text = write_pgn(position, {"White": "human"}, notes)     to be encoded as UTF-8

A value is written as GUIs and lichess do, `{[%eval 0.31]}`: in pawns, for White.
"""

import textwrap
from collections.abc import Iterator, Mapping

from alphazero.errors import UserError
from alphazero.formats.annotation import Note, centipawns, value_of_pawns
from alphazero.game import Game, Pieces, Position

RESULTS = {"1-0": 1.0, "0-1": -1.0, "1/2-1/2": 0.0, "*": None}  # for White
UNFINISHED = "*"
UNKNOWN = "?"
ROSTER = {  # the seven tags that every game has, in this order, and what says that one is unknown
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
    notes: Mapping[int, Note] | None = None,
) -> str:
    """A position with all its moves as one game.

    Of the tags, Variant, SetUp and FEN are the position's own; without a Result the game's own is
    written. `notes` belong to the positions after so many moves. Raises UserError if the game is
    not chess.
    """
    given = {"Result": result_text(position)} | dict(tags or {})
    written = {name: given.pop(name, "") or unknown for name, unknown in ROSTER.items()}
    written |= _tags_of_start(position)
    written |= {name: text for name, text in given.items() if name not in WRITTEN_FROM_THE_GAME}
    lines = [f'[{name} "{_escape(text)}"]' for name, text in written.items()]
    movetext = " ".join([*_movetext(position, notes or {}), written["Result"]])
    wrapped = textwrap.wrap(movetext, LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "", *wrapped]) + "\n"


def result_text(position: Position) -> str:
    """The result as PGN writes it: `1-0`, `0-1`, `1/2-1/2`, or `*` while the game goes on."""
    outcome = position.outcome()
    if outcome is None:
        return UNFINISHED
    return "1/2-1/2" if outcome.winner is None else ("1-0", "0-1")[outcome.winner]


def pieces_of(game: Game) -> Pieces:
    """The functions of a game of pieces. Raises UserError for any other game."""
    if game.pieces is None:
        raise UserError(f"{game.title} has no PGN files: they are for chess")
    return game.pieces


def pawns(share: float) -> float:
    """The share of the point, 0 to 1, that White expects as an advantage in pawns."""
    return centipawns(2 * share - 1) / 100


def share_of(advantage: float) -> float:
    """The inverse of `pawns`."""
    return (1 + value_of_pawns(advantage)) / 2


def clock_text(seconds: float) -> str:
    """A time as `[%clk]` has it: 0:01:05, with tenths where there are any."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    text = f"{minutes // 60}:{minutes % 60:02}:{rest // 10:02}"
    return f"{text}.{rest % 10}" if rest % 10 else text


def _tags_of_start(position: Position) -> dict[str, str]:
    """The tags that say which kind of chess it is, and where it begins if not as usual."""
    game = position.game
    fen = pieces_of(game).fen(position.start_state)
    is_960 = bool(game.parameters.get("chess960"))
    tags = {"Variant": CHESS960} if is_960 else {}
    if is_960 or fen != START:
        tags |= {"SetUp": "1", "FEN": fen}
    return tags


def _movetext(position: Position, notes: Mapping[int, Note]) -> Iterator[str]:
    """The moves with their numbers and comments."""
    pieces, walk = pieces_of(position.game), Position(position.game, position.start_state)
    if comment := _comment(notes.get(0)):
        yield comment
    numbered = True  # a move of Black's has a number only at the start and after a comment
    for made, action in enumerate(position.moves, start=1):
        if walk.to_play == 0 or numbered:
            yield f"{walk.ply // 2 + 1}{'.' if walk.to_play == 0 else '...'}"
        yield pieces.san(walk.state, action)
        walk.play(action)
        comment = _comment(notes.get(made))
        numbered = bool(comment)
        if comment:
            yield comment


def _comment(note: Note | None) -> str:
    if note is None:
        return ""
    parts = []
    if note.share is not None:
        parts.append(f"[%eval {pawns(note.share) + 0.0:.2f}]")
    if note.seconds_left is not None:
        parts.append(f"[%clk {clock_text(note.seconds_left)}]")
    parts += note.comment.replace("{", "(").replace("}", ")").split()
    return f"{{{' '.join(parts)}}}" if parts else ""


def _escape(text: str) -> str:
    """A tag's value on one line, its quotation marks escaped."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
