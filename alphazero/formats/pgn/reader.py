"""PGN reader: iterates over the chess games of a file of any size.

    for game in games("games.pgn"):
        game.position, game.result, game.tags        the main line; 1, 0, -1 or None; a dict
        game.error                                   why the line ends early; "" if it is complete

Variations, glyphs ($1, !?) and lines that begin with % are skipped; values and clocks in comments
are read. Lines are decoded as UTF-8 or, if they are not valid UTF-8, as Latin-1.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.pgn.writer import CHESS960, RESULTS, UNFINISHED, pieces_of, winrate_of
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
    """A game of a file: its main line, as far as it can be played."""

    position: Position
    tags: dict[str, str]
    annotations: dict[int, Annotation]  # by the number of moves before them
    line: int  # number of the file's line on which the game begins
    error: str  # an error and its place, "" for none; `position` is the one before it

    @property
    def result(self) -> float | None:
        """The result for White: 1, 0 or -1; None if it is not given."""
        return RESULTS.get(self.tags.get("Result", UNFINISHED))


def games(source: Path | str | Iterable[bytes], game: Game | None = None) -> Iterator[PgnGame]:
    """Iterate over the games of a file, or of its lines.

    A broken game comes as far as it can be played, with its `error`. Positions are of `game`; by
    default of chess or Chess960 in which draws are not claimed. Raises UserError if the file cannot
    be read or `game` is not chess.
    """
    for text in split_games(_lines(source)):
        yield replay(text, game)


def read_pgn(path: Path | str, *, game: Game | None = None, number: int = 1) -> PgnGame:
    """Read one game of a file, counted from 1. Raises UserError if there is no such game."""
    found = 0
    for text in split_games(_lines(path)):
        found += 1
        if found == number:
            return replay(text, game)
    if found:
        raise UserError(f"{path} holds {found} games, so there is no game {number}")
    raise UserError(f"{path} is not a PGN file: it holds no game")


# -- the syntax ------------------------------------------------------------------------------------


class MoveText(NamedTuple):
    """The text of a move, and its line."""

    text: str
    line: int


@dataclass
class GameText:
    """The parts of a game's text, before any move is played."""

    line: int
    tags: dict[str, str] = field(default_factory=dict)
    moves: list[MoveText] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)  # by the number of moves before them
    error: str = ""


def split_games(lines: Iterable[bytes]) -> Iterator[GameText]:
    """Split the lines of a file into games."""
    game: GameText | None = None
    state = _MoveReader()
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
                game, state = GameText(number), _MoveReader()
            game.tags[tag[1]] = re.sub(r"\\(.)", r"\1", tag[2])
            continue
        while text.strip():
            if game is None:
                game, state = GameText(number), _MoveReader()
            text, over = state.read(text, game, number)
            if over:
                yield _finished(game, state, number)
                game = None
    if game is not None:
        yield _finished(game, state, number)


class _MoveReader:
    """The state of reading the moves of one game."""

    def __init__(self) -> None:
        self.comment = False  # inside a comment
        self.depth = 0  # of nested variations
        self.begun = False  # a token of the moves was read

    def read(self, text: str, game: GameText, number: int) -> tuple[str, bool]:
        """Read to the end of a line or of the game. Returns the rest of the line, and True at the
        end of the game."""
        place = 0
        while place < len(text):
            if self.comment:
                end = text.find("}", place)
                self._comment(game, text[place : end if end >= 0 else None])
                self.comment = end < 0
                place = len(text) if end < 0 else end + 1
                continue
            token = TOKEN.search(text, place)
            if token is None:
                break
            place, kind = token.end(), token.lastgroup
            self.begun = True
            if kind == "rest":
                self._comment(game, text[place:])
                break
            if kind == "comment":
                self.comment = True
            elif kind == "open":
                self.depth += 1
            elif kind == "close":
                self.depth = max(self.depth - 1, 0)
            elif kind == "move" and not self.depth:
                game.moves.append(MoveText(token[0], number))
            elif kind == "result" and not self.depth:
                if game.tags.get("Result", UNFINISHED) not in DECIDED:
                    game.tags["Result"] = "1/2-1/2" if token[0] == "1/2" else token[0]
                return text[place:], True
        return "", False

    def _comment(self, game: GameText, text: str) -> None:
        if self.depth == 0:
            made = len(game.moves)
            game.comments[made] = f"{game.comments.get(made, '')} {text}".strip()


def _finished(game: GameText, state: _MoveReader, line: int) -> GameText:
    if state.comment or state.depth:
        part = "comment" if state.comment else "variation"
        game.error = f"line {line}: a {part} is never closed"
    return game


def _lines(source: Path | str | Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over the lines of a file. Raises UserError if it cannot be read."""
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


# -- the moves -------------------------------------------------------------------------------------


def replay(text: GameText, game: Game | None = None) -> PgnGame:
    """Play the main line of a game. Raises UserError if `game` is not chess."""
    variant = "".join(filter(str.isalnum, text.tags.get("Variant", ""))).lower()
    is_960 = variant in CHESS960_NAMES
    game = game or _game(is_960)
    pieces = pieces_of(game)
    position, error = game.position(), ""
    try:
        if variant not in STANDARD_NAMES | CHESS960_NAMES:
            raise ValueError(f"unknown variant {text.tags['Variant']!r}")
        if is_960 != bool(game.parameters.get("chess960")):
            raise ValueError(f"a game of {CHESS960 if is_960 else 'chess'}, not of {game.spec}")
        if fen := text.tags.get("FEN"):
            position = start_from(game, fen)
    except ValueError as wrong:
        error = f"line {text.line}: {wrong}"
    annotations = {0: read_annotation(text.comments[0])} if 0 in text.comments else {}
    for made, move in enumerate([] if error else text.moves, start=1):
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
        if made in text.comments:
            annotations[made] = read_annotation(text.comments[made])
    return PgnGame(position, text.tags, annotations, text.line, error or text.error)


@functools.cache
def _game(is_960: bool) -> Game:
    """Chess in which play may go on where a draw could be claimed, as between people."""
    return load("chess:chess960=true,draws=automatic" if is_960 else "chess:draws=automatic")


def start_from(game: Game, fen: str) -> Position:
    """The position of a FEN as the start of a game. Raises UserError for an invalid FEN."""
    if game.pieces is None:
        raise UserError(f"{game.title} has no FEN: only chess has")
    state = game.position().state
    try:
        game.pieces.set_fen(state, fen)
    except ValueError as error:
        raise UserError(f"FEN {fen!r}: {error}") from error
    return Position(game, state)


def read_annotation(comment: str) -> Annotation:
    """Read a comment and its `[%eval]` and `[%clk]`."""
    found = {name: value.strip() for name, value in ANNOTATION.findall(comment)}
    clock = CLOCK.fullmatch(found.get("clk", ""))
    seconds = None
    if clock is not None:
        seconds = 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
    text = " ".join(ANNOTATION.sub("", comment).split())
    return Annotation(text, _winrate(found.get("eval", "")), seconds)


def _winrate(value: str) -> float | None:
    """White's winrate for the text of an `[%eval]`: pawns, or #3 and #-3 for mates."""
    value = value.partition(",")[0]  # a depth may follow
    try:
        if value.startswith("#"):
            return float(int(value[1:]) > 0)
        return min(max(winrate_of(float(value)), 0.0), 1.0)
    except ValueError:
        return None
