"""PGN reader: iterates over the chess games of a file of any size.

    for game in games("games.pgn"):
        game.position, game.result, game.tags        the main line; 1, 0, -1 or None; a dict
        game.error                                   why the line ends early; "" if it is complete

Files are read as programs and people write them: tags anyhow in their lines, results with any
dashes, opinions in symbols, lines that end in CR, LF or both, UTF-16, UTF-8 or Windows-1252.
Variations, glyphs ($1, !?, +-) and lines that begin with % are skipped; values and clocks in
comments are read.
"""

import codecs
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.pgn.writer import CHESS960, RESULTS, UNFINISHED, pieces_of, winrate_of
from alphazero.game import Game, Position, load

TAG = re.compile(r'\s*\[\s*(\w[\w+#=:-]*)\s*"((?:[^"\\]|\\.)*)"\s*\]\s*')
CARELESS_TAG = re.compile(  # with quotes in the value, a backslash before the last, or no quotes
    r"\s*\[\s*(\w[\w+#=:-]*)\s*(?:[\"“”„](?P<quoted>.*?)[\"“”]|\s(?P<bare>[^\]]*?))\s*\]\s*(?=$|\[)"
)
LONGEST_TAG = 1000  # characters, of one that takes several lines
DASH = r"\s*[-‐‑‒–—−:]\s*"
HALF = r"(?:1/2|½|0[.,]5)"
RESULT = re.compile(rf"(?P<draw>{HALF}(?:{DASH}{HALF})?)|(?P<white>1{DASH}0)|(?P<black>0{DASH}1)")
TOKEN = re.compile(
    rf"(?P<result>(?:{RESULT.pattern}|\*)(?![\w/½-]))"
    r"|(?P<null>(?:--|—|<>|@@@@|0000|Z0|null|pass)(?=$|[\s!?(){};$]))"
    r"|(?P<number>\d+(?=[\s.…]|$)|[.…]+)"
    r"|(?P<glyph>\$\d*|(?:e\.?p\.?|N|TN|D|ch|dis|dbl|mate)(?=$|[\s(){};$])"
    r"|[^\w\s(){};$\[<@*…]+(?=$|[\s\w(){};$]))"
    r"|(?P<open>\()|(?P<close>\))|(?P<comment>\{)|(?P<rest>;)"
    r"|(?P<bracket>\[[^\]]*\]?|<[^>]*>?)|(?P<move>[^\s{}();$…]+)|(?P<stray>\})"
)
GAME_TEXT = re.compile(  # after a result: another game, and not the words of a remark
    r"\s*(?:\d+\s*[.…]|[\[{;%*(]|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8]|O-O|0-0)"
)
ANNOTATION = re.compile(r"\[%(\w+)\s+([^\]]*)\]")
CLOCK = re.compile(r"(\d+):(\d\d?):(\d\d?(?:\.\d+)?)")
STANDARD_NAMES = {"", "standard", "chess", "normal", "fromposition"}
CHESS960_NAMES = {"chess960", "960", "fischerandom", "fischerrandom", "freestyle"}
DECIDED = [text for text, value in RESULTS.items() if value is not None]
CHUNK_BYTES = 1 << 16
UTF_16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"[\0": "utf-16-le", b"\0[": "utf-16-be"}


@dataclass
class PgnGame:
    """A game of a file: its main line, as far as it can be played."""

    position: Position
    tags: dict[str, str]
    annotations: dict[int, Annotation]  # by the number of moves before them
    line: int  # number of the file's line on which the game begins
    error: str  # an error and its place, "" for none; `position` is the one before it
    remark: str = ""  # on moves that were left out though nothing is wrong with them

    @property
    def result(self) -> float | None:
        """The result for White: 1, 0 or -1; None if it is not given."""
        return RESULTS.get(read_result(self.tags.get("Result", UNFINISHED)))


def games(source: Path | str | Iterable[bytes], game: Game | None = None) -> Iterator[PgnGame]:
    """Iterate over the games of a file, or of its bytes in parts of any length.

    A broken game comes as far as it can be played, with its `error`. Positions are of `game`; by
    default of chess or Chess960 in which draws are not claimed. Raises UserError if the file cannot
    be read or `game` is not chess.
    """
    for text in split_games(_chunks(source)):
        yield replay(text, game)


def read_pgn(path: Path | str, *, game: Game | None = None, number: int = 1) -> PgnGame:
    """Read one game of a file, counted from 1. Raises UserError if there is no such game."""
    found = 0
    for text in split_games(_chunks(path)):
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
    is_null: bool = False  # a player passes, as in analyses


@dataclass
class GameText:
    """The parts of a game's text, before any move is played."""

    line: int
    tags: dict[str, str] = field(default_factory=dict)
    moves: list[MoveText] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)  # by the number of moves before them
    error: str = ""


def split_games(chunks: Iterable[bytes]) -> Iterator[GameText]:
    """Split the bytes of a file, which may come in parts of any length, into games."""
    game: GameText | None = None
    state = _MoveReader()
    number, held = 0, ""  # the first lines of a tag
    for number, content in enumerate(_lines(chunks), start=1):
        text = _decode(content)
        if not state.comment and (text.startswith("%") or (game is None and text[:1] == ";")):
            continue
        if held and text.strip() and not text.lstrip().startswith("["):
            text = f"{held.rstrip()} {text.lstrip()}"
        held = ""
        while text.strip():
            if game is None:
                game, state = GameText(number), _MoveReader()
            if not state.comment and text.lstrip().startswith("["):
                is_new = game.moves or game.comments or state.begun
                tag = TAG.match(text) or CARELESS_TAG.match(text)
                if tag and is_new:
                    yield _finished(game, state, number)
                    game, state = GameText(number), _MoveReader()
                if tag:
                    name, value = _read_tag(tag)
                    game.tags[name] = value
                    text = text[tag.end() :]
                    continue
                if not is_new:  # no move begins so: the tag goes on in the next line, or is skipped
                    held = text if "]" not in text and len(text) < LONGEST_TAG else ""
                    break
            text, over = state.read(text, game, number)
            if over:
                yield _finished(game, state, number)
                game = None
                text = text if GAME_TEXT.match(text) else ""
    if game is not None:
        yield _finished(game, state, number)


def _read_tag(tag: re.Match[str]) -> tuple[str, str]:
    """A tag's name and value."""
    if tag.re is TAG:
        return tag[1], re.sub(r'\\([\\"])', r"\1", tag[2])
    return tag[1], " ".join((tag["quoted"] or tag["bare"] or "").split())


class _MoveReader:
    """The state of reading the moves of one game."""

    def __init__(self) -> None:
        self.comment = False  # inside a comment
        self.depth = 0  # of nested variations
        self.begun = False  # a token of the moves was read

    def read(self, text: str, game: GameText, number: int) -> tuple[str, bool]:
        """Read to the end of a line or of the game, or to a tag. Returns the rest of the line, and
        True at the end of the game."""
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
            kind = str(token.lastgroup)
            if kind in ("draw", "white", "black"):  # the groups within a result
                kind = "result"
            if kind == "bracket" and place and TAG.match(text, token.start()):
                return text[token.start() :], False  # a tag of the next game
            place = token.end()
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
            elif kind in ("move", "null") and not self.depth:
                game.moves.append(MoveText(token[0], number, kind == "null"))
            elif kind == "result" and not self.depth:
                if read_result(game.tags.get("Result", UNFINISHED)) not in DECIDED:
                    game.tags["Result"] = read_result(token[0])
                return text[place:], True
        return "", False

    def _comment(self, game: GameText, text: str) -> None:
        if self.depth == 0:
            made = len(game.moves)
            game.comments[made] = f"{game.comments.get(made, '')} {text}".strip()


def read_result(text: str) -> str:
    """A result as PGN has it: `1-0`, `0-1`, `1/2-1/2`; the text itself if it is another."""
    found = RESULT.fullmatch(text.strip())
    if found is None:
        return text
    return {"draw": "1/2-1/2", "white": "1-0", "black": "0-1"}[str(found.lastgroup)]


def _finished(game: GameText, state: _MoveReader, line: int) -> GameText:
    if state.comment or state.depth:
        part = "comment" if state.comment else "variation"
        game.error = f"line {line}: a {part} is never closed"
    return game


def _chunks(source: Path | str | Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over the bytes of a file in parts. Raises UserError if it cannot be read."""
    if not isinstance(source, Path | str):
        yield from source
        return
    try:
        with open(Path(source).expanduser(), "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror or error}") from error


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over lines, which end in CR, LF or both; those of UTF-16 become UTF-8."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    chunks = itertools.chain([first], chunks)
    if encoding := UTF_16.get(first[:2]):
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        chunks = (decoder.decode(chunk).encode("utf-8", "replace") for chunk in chunks)
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        yield from lines
    if rest:
        yield rest


def _decode(line: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")


# -- the moves -------------------------------------------------------------------------------------


def replay(text: GameText, game: Game | None = None) -> PgnGame:
    """Play the main line of a game. Raises UserError if `game` is not chess."""
    variant = "".join(filter(str.isalnum, text.tags.get("Variant", ""))).lower()
    fen = text.tags.get("FEN", "")
    is_960 = variant in CHESS960_NAMES or (variant in STANDARD_NAMES and needs_chess960(fen))
    game = game or _game(is_960)
    pieces = pieces_of(game)
    position, error, remark = game.position(), "", ""
    try:
        if variant not in STANDARD_NAMES | CHESS960_NAMES:
            raise ValueError(f"unknown variant {text.tags['Variant']!r}")
        if is_960 != bool(game.parameters.get("chess960")):
            raise ValueError(f"a game of {CHESS960 if is_960 else 'chess'}, not of {game.spec}")
        if fen:
            position = start_from(game, fen)
    except ValueError as wrong:
        error = f"line {text.line}: {wrong}"
    annotations = {0: read_annotation(text.comments[0])} if 0 in text.comments else {}
    for made, move in enumerate([] if error else text.moves, start=1):
        dots = "." if position.to_play == 0 else "..."
        place = f"line {move.line}: {position.ply // 2 + 1}{dots} {move.text}"
        try:
            if move.is_null:
                raise ValueError("null moves are not supported: a player must move")
            if position.is_over:
                ending = f"the game is over: {pieces.ending(position.state, position.keys)}"
                rest = text.moves[made - 1 :]
                if not can_go_on(position, rest):
                    raise ValueError(ending)
                remark = f"{place}: {ending}; {len(rest)} more moves are left out"
                break
            position.play(move.text)
        except ValueError as wrong:
            error = f"{place}: {wrong}"
            break
        if made in text.comments:
            annotations[made] = read_annotation(text.comments[made])
    return PgnGame(position, text.tags, annotations, text.line, error or text.error, remark)


def needs_chess960(fen: str) -> bool:
    """Return True if a FEN has a right to castle that exists in Chess960 alone, as a king on f1."""
    states = [_game(is_960).empty_states(1) for is_960 in (False, True)] if fen else []
    try:
        for is_960, state in enumerate(states):
            pieces_of(_game(bool(is_960))).set_fen(state[0], fen)
    except ValueError:
        return False  # it is reported where it is read
    return bool(fen) and int(states[0][0]["castling"]) != int(states[1][0]["castling"])


def can_go_on(position: Position, moves: Iterable[MoveText]) -> bool:
    """Return True if moves are legal after the end of a game, as after a draw by rule that nobody
    noticed."""
    game, states = position.game, position.state_array.copy()
    pieces = pieces_of(game)
    for move in moves:
        try:
            action = game.str_to_action(states[0], move.text)
        except ValueError:
            return False
        if action not in pieces.legal(states[0]):
            return False
        game.play_batch(states, np.array([action], np.int32))
    return True


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
