"""Games of Go from SGF files.

Komi, rules and handicap of the file are set in the position's states, whatever the parameters of
its game. Stones set up in the middle of the main line begin a new start position: earlier moves are
not in its history. So does a move that is illegal here and may be legal by other rules, because of
a repetition or after two passes.
"""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alphazero.errors import UserError
from alphazero.formats.annotation import Annotation
from alphazero.formats.handicap import HANDICAP_KOMI, handicap_points
from alphazero.formats.rulesets import Rules, find_rules, sgf_text
from alphazero.formats.sgf.tree import Node, decode_sgf, parse_sgf
from alphazero.formats.sgf.writer import COLORS, LETTERS, SgfInfo, stones_of
from alphazero.game import Game, Position, load

DEFAULT_SIZE = 19  # where property SZ is missing
SETUP = {"AE": 0, "AB": 1, "AW": 2}
LARGEST_KOMI = 150  # beyond it, the number is hundredths: some servers write 375 for 3.75


@dataclass
class SgfGame:
    """The main line of a file up to some move."""

    position: Position
    info: SgfInfo
    annotations: dict[int, Annotation]  # by the number of moves in `position.moves` before each
    following: list[int]  # the next moves, up to stones set up or an illegal move
    plies: int  # moves of the whole main line
    remarks: list[str]  # assumptions made, one line each


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
    rules, such as Japanese ones, are replaced by the game's with a remark or, if `strict`, are an
    error. Raises UserError, whose message names the source and the move.
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
        reader.position, reader.info, reader.annotations, reader.following, plies, reader.remarks
    )


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _game_for(root: Node, game: Game | None) -> Game:
    """`game` if its board has the root's size, else Go on a board of that size."""
    kind, size = root.value("GM", "1"), root.value("SZ", str(DEFAULT_SIZE))
    if kind != "1":
        raise ValueError(f"not a game of Go (GM[1]) but GM[{kind}]")
    sides = re.fullmatch(r"(\d+)(?:\s*[:xX*,]\s*(\d+))?", size)
    if sides is None:
        raise ValueError(f"invalid board size SZ[{size}]")
    width, height = int(sides[1]), int(sides[2] or sides[1])
    if width != height:
        raise ValueError(f"the board is {width}x{height}; only square boards are supported")
    if game is not None and game.stones is not None and game.planes[1] == width:
        return game
    return _go(width, root.value("RU"))


def _go(size: int, written: str) -> Game:
    """Go on a board of this size, with a ko or suicide rule of KataGo's that no ruleset has."""
    game = _load(f"go:size={size}")
    rules = find_rules(written, stones_of(game).rules)
    if rules is None or not rules.ko:
        return game
    return _load(f"go:size={size},ko={rules.ko},suicide={str(rules.suicide).lower()}")


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
        self._size = game.planes[1]
        self._plies = 0
        self.info = self._read_info(root, strict)
        self._stones.set_komi(self._state, self._read_komi(root))
        self.position = Position(game, self._state)

    def read(self, nodes: list[Node], move: float) -> None:
        """Play the nodes to before this move, and look ahead at the moves that follow."""
        for index, node in enumerate(nodes):
            self._set_up(nodes[index:], is_root=index == 0)
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
            handicap=_handicap(root),
            date=root.value("DT"),
            event=root.value("EV"),
            main_time=_number(root.value("TM")),
            overtime=root.value("OT"),
        )

    def _read_rules(self, written: str, strict: bool) -> str:
        """Set the file's rules in the start state; returns the name of the ruleset."""
        own, rulesets = Rules.of(self._game), self._stones.rules
        found = find_rules(written, rulesets)
        if written == sgf_text(own, rulesets):
            pass
        elif found is not None and not found.ko:
            self._stones.set_rules(self._state, found.name)
            return found.name
        elif written and strict:
            known = ", ".join(rulesets)
            raise ValueError(f"its rules, {written}, are not known; known rules: {known}")
        elif written:
            self.remarks.append(f"the file's rules, {written}, are not known: {own.name} instead")
        return own.name

    def _read_komi(self, root: Node) -> float:
        written = root.value("KM")
        komi = _number(written)
        if komi is None:
            is_handicap = self.info.handicap > 0
            komi = HANDICAP_KOMI if is_handicap else self._stones.komi(self._state)
            what = f"the komi {written!r} is not a number" if written else "the file names no komi"
            self.remarks.append(f"{what}: {komi:g} assumed")
            return komi
        points = komi / 100 if abs(komi) > LARGEST_KOMI else komi
        if points % 1 in (0.25, 0.75):
            points *= 2  # counted in stones, as in China: 3.75 stones for 7.5 points
        if points != komi:
            self.remarks.append(f"komi {written} read as {points:g} points")
        return points

    # -- nodes -------------------------------------------------------------------------------------

    def _set_up(self, nodes: list[Node], is_root: bool) -> None:
        """Apply the setup stones of the first node; the others tell who moves next."""
        node = nodes[0]
        board = self._stones.board(self.position.state)
        before = board.copy()
        for name, color in SETUP.items():
            for value in node.properties.get(name, []):
                for point in self._points(value):
                    board[point] = color
        coming = next((player for node in nodes for player, _ in _moves(node)), None)
        if is_root and self.info.handicap and not board.any() and coming != 0:
            for point in handicap_points(self._size, self.info.handicap):
                board[point] = 1
            self.remarks.append(f"{self.info.handicap} handicap stones set on the usual points")
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

    def _begin(self, board: np.ndarray, to_play: int) -> None:
        """Begin a new start position from a board."""
        state = self._state.copy()
        try:
            self._stones.set_up(state, board, to_play)
        except ValueError as error:
            raise ValueError(f"the board set up after move {self._plies}: {error}") from error
        self._stones.set_handicap(state, self.info.handicap)
        self.position = Position(self._game, state)
        self.annotations.clear()

    def _play(self, player: int, text: str) -> None:
        place = f"move {self._plies} ({COLORS[player]}[{text}])"
        try:
            action = self._action(text)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        if self.position.to_play != player:
            self.position.set_to_play(player)
        try:
            self.position.play(action)
        except ValueError as error:
            self._begin(self._stones.board(self.position.state), player)
            if not self.position.is_legal(action):
                raise ValueError(f"{place}: {error}") from error
            self.position.play(action)
            reason = str(error).partition("illegal: ")[2] or error
            self.remarks.append(f"history begins before {place}, impossible otherwise: {reason}")

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
        """Parse a move: a point, or a pass, which older versions write as the point tt."""
        text = text.strip().lower()
        if text in ("", "tt"):
            return self._size * self._size
        row, column = self._point(text)
        return row * self._size + column

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
        if not (0 <= row < self._size and 0 <= column < self._size):
            raise ValueError(f"{text!r} is not a point of a {self._size}x{self._size} board")
        return row, column


def _moves(node: Node) -> Iterator[tuple[int, str]]:
    """Iterate over the moves of a node, at most one in a valid file, as player and text."""
    for name, values in node.properties.items():
        if name in ("B", "W"):
            yield COLORS.index(name), values[0]


def _handicap(root: Node) -> int:
    """Read the number of handicap stones; a single one does not count."""
    handicap = int(_number(root.value("HA")) or 0)
    return handicap if handicap >= 2 else 0


def _color(text: str) -> int | None:
    return {"b": 0, "1": 0, "w": 1, "2": 1}.get(text[:1].lower())


def _number(text: str) -> float | None:
    """Find the first number in a text, in which a comma may be the decimal point."""
    found = re.search(r"[-+]?\d+(?:[.,]\d+)?|[-+]?[.,]\d+", text)
    return float(found[0].replace(",", ".")) if found else None
