"""A game between a person and the engine: moves, undo, saving and loading, no conversation."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from alphazero.errors import UserError
from alphazero.files import atomic_write, writable
from alphazero.formats.annotation import Annotation
from alphazero.formats.game_file import (
    FEN,
    PGN,
    SGF,
    UNFINISHED,
    GameFile,
    free_path,
    kind_of,
    read_fen_file,
    save_path,
)
from alphazero.formats.pgn.reader import read_pgn
from alphazero.formats.pgn.writer import write_pgn
from alphazero.formats.rulesets import name_rules, search_remark
from alphazero.formats.sgf import SgfInfo, read_sgf, result_text, write_sgf
from alphazero.game import Game, Position

RESIGNATION = " by resignation"
OVER = "the game is over: write new, undo or quit"
COUNTING = "the game is over but for its dead stones: write agree, on or undo"
NO_CLAIM = (
    "there is no draw to claim: the position has not come three times, and a pawn has been moved or"
    " a piece captured in the last fifty moves"
)
PASS = "pass"
PLAYERS_TAGS = ("White", "Black", "Result", "Termination")  # of a PGN file
PERSON = "human"  # the name of a person in files


class Session:
    """The current game, and the file that it is saved to."""

    def __init__(
        self,
        game: Game,
        *,
        human: int = 0,
        path: Path | None = None,
        start: Position | None = None,
        handicap: int = 0,
    ) -> None:
        """`human` is the person's player, 0 or 1. Without a path every game gets a file of its own
        in the folder of saved games. Games begin from `start`, which has `handicap` stones."""
        self.game, self.human, self.path = game, human, path
        self._start = game.position() if start is None else start
        self._info = SgfInfo(rules=str(game.parameters.get("rules", "")), handicap=handicap)
        self._wanted_path = path
        self.saved = False  # whether `path` holds this game
        self.begin()

    def begin(self) -> None:
        """Begin a new game; the game so far keeps its file."""
        self.position = self._start.copy()
        self.info = self._info  # of an SGF file, without players and result
        self.tags: dict[str, str] = {}  # of a PGN file
        self.annotations: dict[int, Annotation] = {}  # by the number of moves before them
        self.undone: list[int] = []  # moves taken back, the next one to redo last
        self.resigned: int | None = None  # the player who resigned
        self.drawn = ""  # the reason of a draw that was claimed
        self.dead: np.ndarray | None = None  # stones [H, W], once they are agreed on
        if self.saved:
            self.path = free_path(self._wanted_path) if self._wanted_path else None
        self.saved = False

    # -- status ------------------------------------------------------------------------------------

    @property
    def removes_dead(self) -> bool:
        """True under rules by which stones that are left dead are taken off at the end."""
        stones = self.game.stones
        return stones is not None and stones.terms(self.position.state).removes_dead

    @property
    def is_counting(self) -> bool:
        """True while two passes have ended the game and its dead stones are not agreed on."""
        undecided = self.removes_dead and self.resigned is None and self.dead is None
        return undecided and self.position.is_over and self.passes >= 2

    @property
    def passes(self) -> int:
        """The number of passes at the end of the game."""
        passes = 0
        for action in reversed(self.position.moves):
            if self.position.text(action) != PASS:
                break
            passes += 1
        return passes

    @property
    def is_over(self) -> bool:
        ended = self.position.is_over and not self.is_counting
        return self.resigned is not None or bool(self.drawn) or ended

    @property
    def score(self) -> float | None:
        """Points of the first player less those of the second, in a game of stones played out."""
        if self.game.stones is None or self.resigned is not None or not self.position.is_over:
            return None
        return self.game.stones.score(self.position.state, self.dead)

    @property
    def winner(self) -> int | None:
        """The winner; None for a draw or an unfinished game."""
        if self.resigned is not None:
            return 1 - self.resigned
        if self.drawn:
            return None
        score = self.score
        if score is not None:
            return None if score == 0 else int(score < 0)
        outcome = self.position.outcome()
        return None if outcome is None else outcome.winner

    @property
    def result(self) -> str:
        """The result as in the text format."""
        if not self.is_over:
            return UNFINISHED
        if self.winner is None:
            return "draw"
        score = self.score
        how = RESIGNATION if self.resigned is not None else ""
        how = how if score is None else f" by {counted(abs(score), 'point')}"
        return f"{self.game.players[self.winner]} wins{how}"

    @property
    def ending(self) -> str:
        """The reason for the end of a game of pieces, such as checkmate; "" for other games."""
        pieces = self.game.pieces
        if pieces is None or self.resigned is not None:
            return ""
        return self.drawn or pieces.ending(self.position.state, self.position.keys)

    def text(self, action: int) -> str:
        """A legal move of this position as people write it."""
        return spelled(self.position, action)

    def texts(self, actions: Sequence[int]) -> list[str]:
        """A line of moves from this position, as people write them."""
        position = self.position.copy()
        return [(spelled(position, action), position.play(action))[0] for action in actions]

    # -- changes, each of which may raise UserError ------------------------------------------------

    def require_unfinished(self) -> None:
        """Raise UserError when the game is over."""
        if self.is_counting:
            raise UserError(COUNTING)
        if self.is_over:
            raise UserError(OVER)

    def play(self, move: int | str, annotation: Annotation | None = None) -> None:
        """Make a move for the player to move; the annotation is for the game's file."""
        self.require_unfinished()
        try:
            self.position.play(move)
        except ValueError as error:
            raise UserError(str(error)) from error
        self.undone.clear()
        made = len(self.position.moves)
        self.annotations = {n: kept for n, kept in self.annotations.items() if n < made}
        if annotation is not None:
            self.annotations[made] = annotation

    def undo(self) -> None:
        """Take back a resignation or a claim, or the person's last move and what came after it."""
        if self.resigned is not None or self.drawn:
            self.resigned, self.drawn = None, ""
            return
        earlier = self.position.copy()
        while earlier.moves:
            earlier.undo()
            if earlier.to_play == self.human:
                break
        else:
            raise UserError("you have no move to take back")
        while len(self.position.moves) > len(earlier.moves):
            self.undone.append(self._take_back())

    def redo(self) -> None:
        """Make the moves again that the last `undo` took back."""
        if not self.undone:
            raise UserError("nothing was taken back")
        while self.undone:
            self.position.play(self.undone.pop())
            if self.position.to_play == self.human:
                break

    def resign(self, player: int | None = None) -> None:
        """Resign for a player, by default the person."""
        if not self.is_counting:
            self.require_unfinished()
        self.resigned = self.human if player is None else player

    def claim_draw(self) -> None:
        """Claim a draw for the player to move. Raises UserError if there is none to claim."""
        self.require_unfinished()
        pieces = self.game.pieces
        claim = pieces.claim(self.position.state, self.position.keys) if pieces is not None else ""
        if not claim:
            raise UserError(NO_CLAIM)
        self.drawn = claim

    def agree(self, dead: np.ndarray) -> None:
        """End a game after two passes, with these stones [H, W] taken off."""
        self.dead = dead

    def play_on(self) -> None:
        """Resume a game after two passes, which are taken back."""
        while self.passes:
            self._take_back()
        self.undone.clear()

    def _take_back(self) -> int:
        self.dead = None
        return self.position.undo()

    # -- files -------------------------------------------------------------------------------------

    def headers(self, person: str, engine: str, seed: int) -> dict[str, str]:
        """Headers for the game's file: both players, the date, the seed."""
        sides = [person, engine] if self.human == 0 else [engine, person]
        named = dict(zip(self.game.players, sides, strict=True))
        return named | {"date": f"{datetime.now():%Y-%m-%d %H:%M:%S}", "seed": str(seed)}

    def write(self, path: Path | str, headers: dict[str, str]) -> None:
        """Write the game to a file in the format of its suffix, in a folder that exists. Raises
        UserError."""
        self._write(writable(path, make_folder=False), headers)

    def _write(self, path: Path, headers: dict[str, str]) -> None:
        kind = kind_of(path)
        if kind == SGF:
            atomic_write(path, self._sgf_text(headers).encode())
        elif kind == PGN:
            atomic_write(path, self._pgn_text(headers).encode())
        elif kind == FEN and self.game.pieces is not None:
            atomic_write(path, f"{self.game.pieces.fen(self.position.state)}\n".encode())
        else:
            self._file(headers).write(path)

    def save(self, headers: dict[str, str]) -> None:
        """Write the game to its own file. Raises UserError."""
        if self.path is None:
            self.path = save_path(self.game, datetime.now())
        self._write(self.path, headers)
        self.saved = True

    def _sgf_text(self, headers: dict[str, str]) -> str:
        score = self.score
        result = "" if score is None or self.is_counting else result_text(score)
        if self.resigned is not None:
            result = f"{'WB'[self.resigned]}+R"
        black, white = (headers.get(player, "") for player in self.game.players)
        date = headers.get("date", "").partition(" ")[0]
        info = replace(self.info, black=black, white=white, date=date, result=result or "?")
        return write_sgf(self.position, info, self.annotations)

    def _pgn_text(self, headers: dict[str, str]) -> str:
        date, _, time = headers.get("date", "").partition(" ")
        white, black = (headers.get(player, "") for player in self.game.players)
        tags = {"Event": "Casual game", "White": white, "Black": black} | self.tags
        tags["Date"] = date.replace("-", ".") or tags.get("Date", "")
        tags["Result"] = "*"
        if self.is_over:
            tags["Result"] = "1/2-1/2" if self.winner is None else ("1-0", "0-1")[self.winner]
        tags["Termination"] = "normal" if self.is_over else "unterminated"
        if time:
            tags["Time"] = time
        return write_pgn(self.position, tags, self.annotations)

    def _file(self, headers: dict[str, str]) -> GameFile:
        position = self.game.position()
        moves = [(position.text(move), position.play(move))[0] for move in self.position.moves]
        same_start = position.start_state.tobytes() == self.position.start_state.tobytes()
        if not same_start or position.movers != self.position.movers:
            name, suffix = ("SGF", SGF) if self.game.pieces is None else ("PGN", PGN)
            raise UserError(
                f"this game can only be saved as {name}, to a file such as game{suffix}"
            )
        return GameFile(self.game.spec, tuple(moves), self.result, headers)

    def load(self, name: str, moves: int | None = None) -> list[str]:
        """Resume a saved game after its first `moves` moves; `redo` makes the others.

        The person takes the side that was a person's in the file, which is not written to. Returns
        a line for everything that was assumed. Raises UserError.
        """
        kind = kind_of(name)
        if kind == SGF:
            return self._load_sgf(name, moves)
        if kind == PGN:
            return self._load_pgn(name, moves)
        if kind == FEN:
            position = read_fen_file(name, self.game)
            self.begin()
            self.position = position
            return []
        file = GameFile.read(name)
        if file.load_game(name).spec != self.game.spec:
            raise UserError(f"{name} is a game of {file.game}, not of {self.game.spec}")
        position = file.position(self.game, name)
        self._require_moves(name, len(position.moves), moves)
        self.begin()
        self.position = position
        while moves is not None and len(position.moves) > moves:
            self.undone.append(position.undo())
        if moves is None and file.result.endswith(RESIGNATION):
            winner = file.result.removesuffix(f" wins{RESIGNATION}")
            self.resigned = int(winner == self.game.players[0])
        self._take_side([file.headers.get(player) for player in self.game.players])
        return []

    def _load_sgf(self, name: str, moves: int | None) -> list[str]:
        sgf = read_sgf(name, None if moves is None else moves + 1, game=self.game)
        if sgf.position.game is not self.game:
            raise UserError(
                f"{name} is a game of {sgf.position.game.spec}, not of {self.game.spec}"
            )
        self._require_moves(name, sgf.plies, moves)
        self.begin()
        self.position, self.info, self.annotations = sgf.position, sgf.info, sgf.annotations
        self.undone = sgf.following[::-1]
        if moves is None and sgf.info.result.upper() in ("B+R", "W+R", "B+RESIGN", "W+RESIGN"):
            self.resigned = int(sgf.info.result[0].upper() == "B")
        self._take_side([sgf.info.black, sgf.info.white])
        stones = self.game.stones
        assert stones is not None, "a game of stones"
        rules = name_rules(stones.terms(self.position.state), stones.rules, sgf.info.rules)
        return [*sgf.remarks, *filter(None, [search_remark(rules)])]

    def _load_pgn(self, name: str, moves: int | None) -> list[str]:
        pgn = read_pgn(name, game=self.game)
        position, made = pgn.position, len(pgn.position.moves)
        if pgn.error and (moves is None or moves > made):
            raise UserError(f"{name}, {pgn.error}")
        self._require_moves(name, made, moves)
        self.begin()
        self.position, self.annotations = position, pgn.annotations
        self.tags = {tag: text for tag, text in pgn.tags.items() if tag not in PLAYERS_TAGS}
        while moves is not None and len(position.moves) > moves:
            self.undone.append(position.undo())
        if moves is None and not position.is_over and pgn.result is not None:
            if pgn.result:
                self.resigned = int(pgn.result > 0)
            else:
                self.drawn = "agreement"
        self._take_side([pgn.tags.get("White"), pgn.tags.get("Black")])
        return [pgn.remark] if pgn.remark else []

    def _require_moves(self, name: str, found: int, wanted: int | None) -> None:
        if wanted is not None and wanted > found:
            raise UserError(f"{name} has {found} moves, not {wanted}")

    def _take_side(self, names: Sequence[str | None]) -> None:
        persons = [name == PERSON for name in names]
        if sum(persons) == 1:
            self.human = persons.index(True)


def counted(number: float, noun: str) -> str:
    """A number with a noun in the singular or plural: `1 point`, `0.5 points`."""
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def spelled(position: Position, action: int) -> str:
    """A legal move as people write it, in chess Nf3 and not g1f3."""
    pieces = position.game.pieces
    return position.text(action) if pieces is None else pieces.san(position.state, action)
