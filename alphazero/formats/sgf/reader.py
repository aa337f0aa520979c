"""Games of Go from SGF files.

Komi, rules and handicap of the file are set in the position's states, whatever the parameters of
its game. Stones set up in the middle of the main line begin a new start position: earlier moves are
not in its history. So does a move that is illegal here: it may be legal by other rules, because of
a repetition or after two passes, and otherwise it is executed as FF[4] says, on an occupied point
and as suicide too.

Faulty values are corrected or left out with a remark. Only a file without a game of Go, or with a
board of a size that cannot be played, is refused.
"""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.handicap import HANDICAP_KOMI, handicap_points
from alphazero.formats.rulesets import find_rules, name_rules
from alphazero.formats.sgf.tree import Node, decode_sgf, parse_sgf
from alphazero.formats.sgf.writer import COLORS, LETTERS, SgfInfo, stones_of
from alphazero.formats.stones import capture, put_stone
from alphazero.game import Game, Position, load

DEFAULT_SIZE = 19  # where property SZ is missing
SETUP = {"AE": 0, "AB": 1, "AW": 2}
LARGEST_KOMI = 150  # beyond it, the number is hundredths: some servers write 375 for 3.75
KOMI_IN_STONES = (2.5, 4)  # hundredths of this many are of stones: 350 for 7 points
LARGEST_WITH_OLD_PASS = 19  # lines of a board on which the point tt may be a pass
MOST_DIGITS = 15  # of a number that is not taken for nonsense
SHOWN = 20  # characters of a faulty value that a remark quotes


@dataclass
class SgfGame:
    """The main line of a file up to some move."""

    position: Position
    info: SgfInfo
    annotations: dict[int, Annotation]  # by the number of moves in `position.moves` before each
    following: list[int]  # the next moves, up to stones set up or an illegal move
    plies: int  # moves of the whole main line
    remarks: list[str]  # assumptions made, one line each
    left_out: int | None = None  # the number of the first move that names no point


def read_sgf(
    source: Path | str | bytes,
    move: int | None = None,
    *,
    game: Game | None = None,
    number: int = 1,
    strict: bool = False,
) -> SgfGame:
    """Read the main line of an SGF file, to its end or to before move number `move`, from 1.

    `source` is a path, or the file's content; `number`, from 1, selects a game of a collection. A
    board of the size of `game` becomes a position of `game`, any other board one of `go`. Unknown
    rules are replaced by the game's with a remark or, if `strict`, are an error. Raises UserError,
    whose message names the source and the move.
    """
    name = "the SGF text" if isinstance(source, bytes) else str(source)
    roots = parse_sgf(decode_sgf(source if isinstance(source, bytes) else _read(source)))
    if not roots:
        raise UserError(f"{name} is not an SGF file: it holds no game, which begins with (;")
    if not 1 <= number <= len(roots):
        raise UserError(f"{name} holds {len(roots)} games, so there is no game {number}")
    root = roots[number - 1]
    try:
        reader = _Reader(root, _game_for(root, game), strict)
        nodes = list(root.main_line())
        reader.read(nodes, math.inf if move is None else max(move, 1))
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    plies = sum(len(list(_moves(node))) for node in nodes)
    return SgfGame(
        reader.position,
        reader.info,
        reader.annotations,
        reader.following,
        plies,
        reader.remarks,
        reader.left_out,
    )


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _game_for(root: Node, game: Game | None) -> Game:
    """`game` if its board has the root's size, else Go on a board of that size."""
    kind, size = root.value("GM") or "1", root.value("SZ") or str(DEFAULT_SIZE)
    if kind != "1":
        raise ValueError(f"not a game of Go (GM[1]) but GM[{_quoted(kind)}]")
    sides = re.fullmatch(r"(\d{1,4})(?:\s*[:xX*,]\s*(\d{1,4}))?", size, re.ASCII)
    if sides is None:
        raise ValueError(f"invalid board size SZ[{_quoted(size)}]")
    width, height = int(sides[1]), int(sides[2] or sides[1])
    if game is not None and game.stones is not None and game.planes[1:] == (height, width):
        return game
    return _load(f"go:size={width}" if width == height else f"go:width={width},height={height}")


_load = functools.cache(load)  # its kernels take a while to load


class _Reader:
    """Plays a main line move by move."""

    def __init__(self, root: Node, game: Game, strict: bool) -> None:
        self.remarks: list[str] = []
        self.annotations: dict[int, Annotation] = {}
        self.following: list[int] = []
        self._game = game
        self._stones = stones_of(game)
        self._state = (
            game.position().start_state.copy()
        )  # an empty board with the file's komi and rules
        self._rows, self._columns = game.planes[1:]
        self._plies = 0
        self.left_out: int | None = None
        self.info = self._read_info(root, strict)
        self._set_komi(root)
        self.position = Position(game, self._state)

    def read(self, nodes: list[Node], move: float) -> None:
        """Play the nodes to before this move, and look ahead at the moves that follow."""
        coming = _players_to_come(nodes)
        for index, node in enumerate(nodes):
            if index == 0 or not node.properties.keys().isdisjoint({*SETUP, "PL"}):
                self._set_up(node, coming[index], is_root=index == 0)
            for player, text in _moves(node):
                if self._plies + 1 >= move:
                    self._look_ahead(nodes[index:])
                    return
                self._plies += 1
                self._play(player, text)
            self._take_annotation(node)

    # -- the root ----------------------------------------------------------------------------------

    def _read_info(self, root: Node, strict: bool) -> SgfInfo:
        return SgfInfo(
            black=root.value("PB"),
            white=root.value("PW"),
            black_rank=root.value("BR"),
            white_rank=root.value("WR"),
            result=root.value("RE"),
            rules=self._read_rules(root.value("RU"), strict),
            handicap=self._read_handicap(root),
            date=root.value("DT"),
            event=root.value("EV"),
            main_time=_number(root.value("TM")),
            overtime=root.value("OT"),
        )

    def _read_rules(self, written: str, strict: bool) -> str:
        """Set the file's rules in the start state; returns the name of the ruleset, or KataGo's
        shorthand where none has these terms."""
        rulesets = self._stones.rules
        own = name_rules(self._stones.terms(self._state), rulesets, self._game.parameters["rules"])
        found = find_rules(written, rulesets)
        if found is not None:
            self._stones.set_rules(self._state, found.terms)
            if found.terms.usual_komi != own.terms.usual_komi:
                self._stones.set_komi(self._state, found.terms.usual_komi)
            return str(found)
        if written and strict:
            known = ", ".join(rulesets)
            raise ValueError(f"its rules, {written}, are not known; known rules: {known}")
        if written:
            self.remarks.append(f"the file's rules, {written}, are not known: {own} instead")
        return str(own)

    def _read_handicap(self, root: Node) -> int:
        """Read the number of handicap stones; a single one does not count."""
        written = root.value("HA")
        handicap = _number(written)
        if handicap is None:
            if any(letter.isdigit() for letter in written):
                self.remarks.append(f"the handicap {_quoted(written)} left out")
            return 0
        if not 0 <= handicap <= self._rows * self._columns:
            self.remarks.append(f"the handicap {_quoted(written)} left out")
            return 0
        return int(handicap) if handicap >= 2 else 0

    def _set_komi(self, root: Node) -> None:
        """Set the file's komi in the start state, or the usual one."""
        written = root.value("KM")
        komi = _number(written)
        problem = f"the komi {_quoted(written)!r} is not a number" if written else ""
        if komi is not None:
            points = _points_of_komi(komi)
            try:
                self._stones.set_komi(self._state, points)
            except ValueError as error:
                problem = str(error)
            else:
                if points != komi:
                    self.remarks.append(f"komi {written} read as {points:g} points")
                return
        komi = HANDICAP_KOMI if self.info.handicap > 0 else self._stones.komi(self._state)
        self._stones.set_komi(self._state, komi)
        self.remarks.append(f"{problem or 'the file names no komi'}: {komi:g} assumed")

    # -- nodes -------------------------------------------------------------------------------------

    def _set_up(self, node: Node, coming: int | None, is_root: bool) -> None:
        """Apply the setup stones of a node; `coming` makes the next move."""
        board = self._stones.board(self.position.state)
        before = board.copy()
        for name, color in SETUP.items():
            for value in node.properties.get(name, []):
                try:
                    points = list(self._points(value))
                except ValueError as error:
                    self.remarks.append(f"{name}[{_quoted(value)}] left out: {error}")
                    continue
                for point in points:
                    board[point] = color
        if is_root and self.info.handicap and not board.any() and coming != 0:
            self._place_handicap(board)
        to_play = _color(node.value("PL"))
        if not np.array_equal(board, before):
            if to_play is None:
                usual = int(self.info.handicap > 0) if is_root else self.position.to_play
                to_play = usual if coming is None else coming
            self._begin(board, to_play)
        elif is_root and self.info.handicap:
            self._begin(board, 0)  # Black makes the handicap moves
        if to_play is not None and to_play != self.position.to_play:
            self.position.set_to_play(to_play)

    def _place_handicap(self, board: np.ndarray) -> None:
        """Set the handicap stones that the file only counts."""
        count = self.info.handicap
        try:
            points = handicap_points(self._rows, self._columns, count)
        except ValueError as error:
            self.info = replace(self.info, handicap=0)
            self.remarks.append(f"the handicap {count} left out: {error}")
            return
        for point in points:
            board[point] = 1
        self.remarks.append(f"{count} handicap stones set on the usual points")

    def _begin(self, board: np.ndarray, to_play: int, prisoners: tuple[int, int] = (0, 0)) -> None:
        """Begin a new start position from a board; chains without a liberty are taken off.

        The players keep the stones that they have taken, and get these.
        """
        state = self._state.copy()
        # Whoever is to move has just lost what the opponent's last stone has captured.
        taken = [capture(board, color) for color in (to_play + 1, 2 - to_play)]
        if points := [point for captured in taken for point in captured]:
            named = " ".join(self._stones_names(points))
            place = f"after move {self._plies}" if self._plies else "at the start"
            self.remarks.append(f"stones without a liberty {place} taken off: {named}")
        self._stones.set_up(state, board, to_play)
        before = self._stones.captures(self.position.state)
        self._stones.set_captures(state, (before[0] + prisoners[0], before[1] + prisoners[1]))
        self._stones.set_handicap(state, self.info.handicap)
        self.position = Position(self._game, state)
        self.annotations.clear()

    def _stones_names(self, points: list[tuple[int, int]]) -> list[str]:
        position = self._game.position()
        return [position.text(row * self._columns + column) for row, column in points]

    def _play(self, player: int, text: str) -> None:
        place = f"move {self._plies} ({COLORS[player]}[{_quoted(text)}])"
        try:
            action = self._action(text)
        except ValueError as error:
            self.remarks.append(f"{place} left out: {error}")
            self.left_out = self.left_out or self._plies
            return
        if self.position.to_play != player:
            self.position.set_to_play(player)
        try:
            self.position.play(action)
        except ValueError as error:
            reason = str(error).partition("illegal: ")[2] or str(error)
            board = self._stones.board(self.position.state)
            self._begin(board, player)
            if self.position.is_legal(action):
                self.position.play(action)
                self.remarks.append(
                    f"history begins before {place}, impossible otherwise: {reason}"
                )
            else:
                prisoners = put_stone(board, player, action)
                self._begin(board, 1 - player, prisoners)
                self.remarks.append(f"history begins after {place}, an illegal move: {reason}")

    def _look_ahead(self, nodes: list[Node]) -> None:
        """Collect the moves that follow, while they alternate and are legal."""
        ahead = self.position.copy()
        for index, node in enumerate(nodes):
            if index and not node.properties.keys().isdisjoint({*SETUP, "PL"}):
                return
            for player, text in _moves(node):
                try:
                    if player != ahead.to_play:
                        return
                    self.following.append(ahead.play(self._action(text)))
                except ValueError:
                    return

    def _take_annotation(self, node: Node) -> None:
        percentage = _number(node.value("SBKV"))
        mover = "W" if "W" in node.properties else "B"
        stones_left = _number(node.value(f"O{mover}"))
        comment = "\n".join(node.properties.get("C", []))
        annotation = Annotation(
            comment=comment,
            winrate=None if percentage is None else round(min(max(percentage / 100, 0.0), 1.0), 6),
            seconds_left=_number(node.value(f"{mover}L")),
            stones_left=None if stones_left is None else int(stones_left),
        )
        if annotation != Annotation():
            self.annotations[len(self.position.moves)] = annotation

    # -- values ------------------------------------------------------------------------------------

    def _action(self, text: str) -> int:
        """Parse a move: a point, or a pass, which older versions write as the point tt
        and some programs as a word."""
        text = text.strip().lower()
        is_old_pass = text == "tt" and max(self._rows, self._columns) <= LARGEST_WITH_OLD_PASS
        if text in ("", "pass") or is_old_pass:
            return self._rows * self._columns
        row, column = self._point(text)
        return row * self._columns + column

    def _points(self, value: str) -> Iterator[tuple[int, int]]:
        """Parse `dd`, or a rectangle such as `aa:cc`, to points (row, column)."""
        first, colon, last = value.strip().lower().partition(":")
        if not first and not colon:
            return
        top, left = self._point(first)
        bottom, right = self._point(last) if colon else (top, left)
        for row in range(min(top, bottom), max(top, bottom) + 1):
            for column in range(min(left, right), max(left, right) + 1):
                yield row, column

    def _point(self, text: str) -> tuple[int, int]:
        column, row = (LETTERS.find(letter) for letter in text) if len(text) == 2 else (-1, -1)
        if not (0 <= row < self._rows and 0 <= column < self._columns):
            size = f"{self._columns}x{self._rows}"
            raise ValueError(f"{_quoted(text)!r} is not a point of a {size} board")
        return row, column


def _moves(node: Node) -> Iterator[tuple[int, str]]:
    """Iterate over the moves of a node, at most one in a valid file, as player and text."""
    for name, values in node.properties.items():
        if name in ("B", "W"):
            yield COLORS.index(name), values[0]


def _points_of_komi(komi: float) -> float:
    """Convert a komi that may be in hundredths, or in stones as in China: 3.75 for 7.5 points."""
    points = komi / 100 if abs(komi) > LARGEST_KOMI else komi
    least, most = KOMI_IN_STONES
    is_in_stones = points % 1 in (0.25, 0.75) or (points != komi and least <= points <= most)
    return 2 * points if is_in_stones else points


def _players_to_come(nodes: list[Node]) -> list[int | None]:
    """For each node, the player who makes the first move in it or after it; None for nobody."""
    coming: list[int | None] = []
    player = None
    for node in reversed(nodes):
        player = next((mover for mover, _ in _moves(node)), player)
        coming.append(player)
    return coming[::-1]


def _color(text: str) -> int | None:
    return {"b": 0, "1": 0, "w": 1, "2": 1}.get(text[:1].lower())


def _number(text: str) -> float | None:
    """Find the first number in a text, in which a comma may be the decimal point; None without one
    or for one with more digits than mean anything."""
    found = re.search(r"[-+]?\d+(?:[.,]\d+)?|[-+]?[.,]\d+", text, re.ASCII)
    if found is None or len(found[0]) > MOST_DIGITS:
        return None
    return float(found[0].replace(",", "."))


def _quoted(text: str) -> str:
    """Shorten a faulty value for a message of one line."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
