"""Reading games of chess from PGN files, however many are in one: they are read as they are wanted.

    for game in games("games.pgn"):
        game.position, game.result, game.tags        the main line; 1, 0, -1 or None; a dict
        game.error                                   why the line ends early; "" if it is whole

Side lines, glyphs ($1, !?) and lines that begin with % are left out; of comments, values and clocks
are understood. Files are read as UTF-8, and lines that are none as Latin-1, which PGN once was.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from alphazero.errors import UserError
from alphazero.formats.annotation import Note
from alphazero.formats.pgn.writer import CHESS960, RESULTS, UNFINISHED, pieces_of, share_of
from alphazero.game import Game, Position, load

TAG = re.compile(r'\s*\[\s*(\w+)\s+"((?:[^"\\]|\\.)*)"\s*\]\s*')
TOKEN = re.compile(
    r"(?P<result>1-0|0-1|1/2-1/2|1/2|\*)(?![\w/-])|(?P<number>\d+\s*\.+|\d+(?=\s|$))"
    r"|(?P<glyph>\$\d*|[!?]+|e\.p\.)|(?P<open>\()|(?P<close>\))|(?P<comment>\{)|(?P<rest>;)"
    r"|(?P<move>[^\s{}();$]+)|(?P<stray>\})"
)
ANNOTATION = re.compile(r"\[%(\w+)\s+([^\]]*)\]")
CLOCK = re.compile(r"(\d+):(\d\d?):(\d\d?(?:\.\d+)?)")
STANDARD_NAMES = {"", "standard", "chess", "normal", "fromposition"}
CHESS960_NAMES = {"chess960", "960", "fischerandom", "fischerrandom", "freestyle"}
DECIDED = [text for text, value in RESULTS.items() if value is not None]


@dataclass
class PgnGame:
    """A file's game: its main line, as far as it can be played."""

    position: Position
    tags: dict[str, str]
    notes: dict[int, Note]  # by the number of moves before them
    line: int  # of the file, on which the game begins
    error: str  # what is wrong with the game, and where; the position is then that before it

    @property
    def result(self) -> float | None:
        """For White: 1, 0 or -1; None if the file does not say."""
        return RESULTS.get(self.tags.get("Result", UNFINISHED))


def games(source: Path | str | Iterable[bytes], game: Game | None = None) -> Iterator[PgnGame]:
    """The games of a file, or of its lines, one after the other; also those that are broken, as far
    as they go, with what is wrong as their `error`.

    They become positions of `game`, or else of chess in which nobody claims a draw, or Chess960.
    Raises UserError if the file cannot be read, and for a game that is not chess.
    """
    for written in read_written(_lines(source)):
        yield replay(written, game)


def read_pgn(path: Path | str, *, game: Game | None = None, number: int = 1) -> PgnGame:
    """One game of a file. Raises UserError if there is no such game."""
    found = 0
    for written in read_written(_lines(path)):
        found += 1
        if found == number:
            return replay(written, game)
    if found:
        raise UserError(f"{path} holds {found} games, so there is no game {number}")
    raise UserError(f"{path} is no PGN file: it holds no game")


# -- games as they are written ---------------------------------------------------------------------


class Move(NamedTuple):
    """A move as it is written."""

    text: str
    line: int


@dataclass
class Written:
    """A game as it is written, nothing of it understood yet."""

    line: int
    tags: dict[str, str] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)  # by the number of moves before them
    error: str = ""


def read_written(lines: Iterable[bytes]) -> Iterator[Written]:
    """Take the lines of a file apart into its games."""
    game: Written | None = None
    state = _State()
    number = 0
    for number, content in enumerate(lines, start=1):
        text = _decode(content)
        if text.startswith("%") and not state.comment:
            continue
        tag = None if state.comment else TAG.fullmatch(text)
        if tag is not None:
            if game is not None and (game.moves or game.comments or state.begun):
                yield _finished(game, state, number)
                game = None
            if game is None:
                game, state = Written(number), _State()
            game.tags[tag[1]] = re.sub(r"\\(.)", r"\1", tag[2])
            continue
        while text.strip():
            if game is None:
                game, state = Written(number), _State()
            text, over = state.read(text, game, number)
            if over:
                yield _finished(game, state, number)
                game = None
    if game is not None:
        yield _finished(game, state, number)


class _State:
    """Where in the text of the moves the reader is."""

    def __init__(self) -> None:
        self.comment = False  # inside one
        self.depth = 0  # of side lines
        self.begun = False  # the text of the moves, if only by a number

    def read(self, text: str, game: Written, number: int) -> tuple[str, bool]:
        """Read on to the end of the line or of the game; returns the rest, and whether the game is
        over."""
        place = 0
        while place < len(text):
            if self.comment:
                end = text.find("}", place)
                self._note(game, text[place : end if end >= 0 else None])
                self.comment = end < 0
                place = len(text) if end < 0 else end + 1
                continue
            token = TOKEN.search(text, place)
            if token is None:
                break
            place, kind = token.end(), token.lastgroup
            self.begun = True
            if kind == "rest":
                self._note(game, text[place:])
                break
            if kind == "comment":
                self.comment = True
            elif kind == "open":
                self.depth += 1
            elif kind == "close":
                self.depth = max(self.depth - 1, 0)
            elif kind == "move" and not self.depth:
                game.moves.append(Move(token[0], number))
            elif kind == "result" and not self.depth:
                if game.tags.get("Result", UNFINISHED) not in DECIDED:
                    game.tags["Result"] = "1/2-1/2" if token[0] == "1/2" else token[0]
                return text[place:], True
        return "", False

    def _note(self, game: Written, text: str) -> None:
        if self.depth == 0:
            made = len(game.moves)
            game.comments[made] = f"{game.comments.get(made, '')} {text}".strip()


def _finished(game: Written, state: _State, line: int) -> Written:
    if state.comment or state.depth:
        what = "comment" if state.comment else "side line"
        game.error = f"line {line}: a {what} is never closed"
    return game


def _lines(source: Path | str | Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file. Raises UserError if it cannot be read."""
    if not isinstance(source, Path | str):
        yield from source
        return
    try:
        with open(Path(source).expanduser(), "rb") as file:
            yield from file
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror or error}") from error


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


# -- games as they are played ----------------------------------------------------------------------


def replay(written: Written, game: Game | None = None) -> PgnGame:
    """Play a game's main line. Raises UserError if `game` is not chess."""
    variant = "".join(filter(str.isalnum, written.tags.get("Variant", ""))).lower()
    is_960 = variant in CHESS960_NAMES
    game = game or _game(is_960)
    pieces = pieces_of(game)
    position, error = game.position(), ""
    try:
        if variant not in STANDARD_NAMES | CHESS960_NAMES:
            raise ValueError(f"its variant {written.tags['Variant']!r} is not known here")
        if is_960 != bool(game.parameters.get("chess960")):
            raise ValueError(f"it is a game of {CHESS960 if is_960 else 'chess'}, not {game.spec}")
        if fen := written.tags.get("FEN"):
            position = start_from(game, fen)
    except ValueError as wrong:
        error = f"line {written.line}: {wrong}"
    notes = {0: read_note(written.comments[0])} if 0 in written.comments else {}
    for made, move in enumerate([] if error else written.moves, start=1):
        try:
            if position.is_over:
                raise ValueError(
                    f"the game is over: {pieces.ending(position.state, position.keys)}"
                )
            position.play(move.text)
        except ValueError as wrong:
            dots = "." if position.to_play == 0 else "..."
            place = f"line {move.line}: {position.ply // 2 + 1}{dots} {move.text}"
            error = f"{place}: {wrong}"
            break
        if made in written.comments:
            notes[made] = read_note(written.comments[made])
    return PgnGame(position, written.tags, notes, written.line, error or written.error)


@functools.cache
def _game(is_960: bool) -> Game:
    """Chess as it is played by people, who may go on where a draw could be claimed."""
    return load("chess:chess960=true,draws=automatic" if is_960 else "chess:draws=automatic")


def start_from(game: Game, fen: str) -> Position:
    """The position of a FEN as the start of a game. Raises UserError with what is wrong."""
    if game.pieces is None:
        raise UserError(f"{game.title} has no FEN: it is for chess")
    state = game.position().state
    try:
        game.pieces.set_fen(state, fen)
    except ValueError as error:
        raise UserError(f"FEN {fen!r}: {error}") from error
    return Position(game, state)


def read_note(comment: str) -> Note:
    """What a comment says, its annotations understood."""
    found = {name: value.strip() for name, value in ANNOTATION.findall(comment)}
    clock = CLOCK.fullmatch(found.get("clk", ""))
    seconds = None
    if clock is not None:
        seconds = 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
    text = " ".join(ANNOTATION.sub("", comment).split())
    return Note(text, _share(found.get("eval", "")), seconds)


def _share(value: str) -> float | None:
    """The share that White expects by an `[%eval]`: pawns, or #3 and #-3 for mates."""
    value = value.partition(",")[0]  # a depth may follow
    try:
        if value.startswith("#"):
            return float(int(value[1:]) > 0)
        return min(max(share_of(float(value)), 0.0), 1.0)
    except ValueError:
        return None
