"""Saved games of any kind, and the text format for games that have no format of their own.

    alphazero game 1
    game: connect4:rows=6,cols=7
    X: human
    O: pretrained network, 800 simulations
    date: 2026-01-31 20:15:00
    seed: 7
    result: *

    1. d d
    2. e

Each line of moves has two plies in the game's own notation; a line that starts with `#` is a
comment. The result is `*` for an unfinished game, else `draw`, `X wins` or `X wins by resignation`.
A header's name is quoted as in JSON unless it begins with a letter and has no quotation mark or
colon. Go is saved as SGF instead, chess as PGN.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.formats.pgn.reader import read_pgn, start_from
from alphazero.formats.pgn.writer import write_pgn
from alphazero.formats.sgf import read_sgf
from alphazero.game import Game, Position, load, load_recorded

FIRST_LINE = "alphazero game 1"
UNFINISHED = "*"
SGF, PGN, FEN = ".sgf", ".pgn", ".fen"
PLAIN_NAME = re.compile(r'[^\W\d_][^":]*')
HEADER = re.compile(r'([^\W\d_][^":]*|"(?:[^"\\]|\\.)*"): *(.*)')


@dataclass(frozen=True)
class GameFile:
    """A game as in a file; its moves are texts, which only `position` checks."""

    game: str  # what alphazero.game.load takes
    moves: tuple[str, ...]
    result: str = UNFINISHED
    headers: dict[str, str] = field(default_factory=dict)  # other lines: players, date, seed

    def to_text(self) -> str:
        """The content of the file."""
        lines = [FIRST_LINE, f"game: {self.game}"]
        # A name with a line break in it, as a path may have, must stay on its line.
        for name, value in self.headers.items():
            lines.append(f"{write_name(name)}: {' '.join(value.split())}")
        lines += [f"result: {self.result}", ""]
        for first in range(0, len(self.moves), 2):
            lines.append(f"{first // 2 + 1}. {' '.join(self.moves[first : first + 2])}")
        return "\n".join(lines) + "\n"

    @staticmethod
    def from_text(text: str, source: str) -> "GameFile":
        """Read the content of a file; `source` names it in messages. Raises UserError."""
        lines = [line.strip() for line in text.splitlines()]
        if not lines or lines[0] != FIRST_LINE:
            raise UserError(f'{source} is not a saved game: its first line is not "{FIRST_LINE}"')
        headers: dict[str, str] = {}
        moves: list[str] = []
        for number, line in enumerate(lines[1:], start=2):
            if header := HEADER.fullmatch(line):
                headers[read_name(header[1])] = header[2]
            elif line and not line.startswith("#"):
                moves += read_moves(line, len(moves), f"{source}, line {number}")
        if "game" not in headers:
            raise UserError(f'{source} does not say which game it is (a line such as "game: go")')
        result = headers.pop("result", UNFINISHED)
        return GameFile(headers.pop("game"), tuple(moves), result, headers)

    @staticmethod
    def read(path: Path | str) -> "GameFile":
        """Read a file. Raises UserError."""
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not a saved game: it is not a text file") from error
        return GameFile.from_text(text, str(path))

    def write(self, path: Path | str) -> None:
        """Write a file. Raises UserError."""
        atomic_write(Path(path).expanduser(), self.to_text().encode())

    def load_game(self, source: str, named: str | None = None) -> Game:
        """Load the game that the file names, or `named` by the user. Raises UserError."""
        try:
            return load_recorded(self.game, named)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def position(self, game: Game, source: str) -> Position:
        """Play all moves. Raises UserError with the number and text of an illegal one."""
        position = game.position()
        for text in self.moves:
            try:
                position.play(text)
            except ValueError as error:
                raise UserError(f"{source}: move {position.ply + 1} ({text}): {error}") from error
        return position


def write_name(name: str) -> str:
    """A header's name in a file."""
    is_plain = PLAIN_NAME.fullmatch(name) and name == " ".join(name.split())
    return name if is_plain else json.dumps(name)


def read_name(text: str) -> str:
    """The inverse of `write_name`; an invalid quotation is taken as it stands."""
    try:
        return json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text


def read_moves(line: str, plies: int, place: str) -> list[str]:
    """The moves of a line such as `3. d e`, after so many plies. Raises UserError."""
    number, *moves = line.split()
    expected = f"{plies // 2 + 1}."
    if plies % 2 or number != expected:
        raise UserError(f'{place}: expected "{expected}" and two moves, not "{line}"')
    if not 1 <= len(moves) <= 2:
        raise UserError(f'{place}: expected one or two moves after "{expected}", not {len(moves)}')
    return moves


def save_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for games without a path, by the XDG base directory specification."""
    # The specification says that a relative path is invalid and must be ignored.
    configured = Path(environment.get("XDG_DATA_HOME", ""))
    data = configured if configured.is_absolute() else Path.home() / ".local" / "share"
    return data / "alphazero" / "games"


def free_path(path: Path) -> Path:
    """The path, or with -2, -3 … added to its name, whichever first does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate


def save_path(game: Game, now: datetime, environment: Mapping[str, str] = os.environ) -> Path:
    """A path for a new game that begins now: tic-tac-toe-20260131-201500.txt."""
    suffix = SGF if game.stones is not None else PGN if game.pieces is not None else ".txt"
    return free_path(save_folder(environment) / f"{game.name}-{now:%Y%m%d-%H%M%S}{suffix}")


def kind_of(path: Path | str) -> str:
    """The format by the suffix of a file: SGF, PGN or FEN, or "" for the text format."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in (SGF, PGN, FEN) else ""


def saved_game(path: Path | str) -> Game:
    """Load the game that was played in a file of any format. Raises UserError."""
    kind = kind_of(path)
    if kind == SGF:
        return read_sgf(path, move=1).position.game
    if kind == PGN:
        return read_pgn(path).position.game
    if kind == FEN:
        return load("chess:draws=automatic")
    return GameFile.read(path).load_game(str(path))


def saved_text(path: Path | str, named: str | None = None) -> str:
    """A file of any format as text for people, with the last board.

    `named` is the spec of the game if the user named it, see `load_recorded`. Raises UserError.
    """
    kind = kind_of(path)
    if kind == FEN:
        return read_fen_file(path, saved_game(path)).render()
    if kind == PGN:
        pgn = read_pgn(path)
        remarks = [remark for remark in (pgn.error, pgn.remark) if remark]
        written = write_pgn(pgn.position, pgn.tags, pgn.annotations)
        return "\n".join([written, *remarks, pgn.position.render()])
    if kind != SGF:
        file = GameFile.read(path)
        board = file.position(file.load_game(str(path), named), str(path)).render()
        return f"{file.to_text()}\n{board}"
    sgf = read_sgf(path)
    facts = {name.replace("_", " "): value for name, value in vars(sgf.info).items() if value}
    lines = [f"{name}: {value}" for name, value in facts.items()]
    return "\n".join([*lines, *sgf.remarks, f"moves: {sgf.plies}", "", sgf.position.render()])


def read_fen_file(path: Path | str, game: Game) -> Position:
    """The start position of a file that holds a FEN. Raises UserError."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8").strip()
        return start_from(game, text)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
