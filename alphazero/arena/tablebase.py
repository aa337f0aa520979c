"""Endgame tablebases in Syzygy's format, read with the optional package `chess`."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alphazero.arena.book import board_of, chess_module
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.network.encoder import Inputs
from alphazero.network.evaluator import UNDECIDED, Evaluation, Evaluator, Leaves

# Plies without progress after which a mate still wins: after one more the draw may be claimed.
LAST_PLY = 99


class Ending(NamedTuple):
    """The result of a position, and the moves to play."""

    result: int  # -1, 0, 1 for the player to move
    actions: list[int]  # that keep the result: the quickest to win, the slowest to lose
    has_distance: bool = True  # False: without DTZ tables all actions that keep the result


def split_folders(text: str, separator: str = os.pathsep) -> list[str]:
    """Split a list of folders at the system's separator, or at `;`, which UCI programs use too.

    A Windows drive letter (`C:`) is part of a folder where the separator is `;`.
    """
    return list(filter(None, text.split(";" if ";" in text else separator)))


class Tablebase:
    """The result of every position with few pieces, and the distance to the next capture or pawn
    move on the way to it (DTZ)."""

    def __init__(self, folders: str, fifty_moves: bool = True) -> None:
        """Open folders, separated as in PATH. Without `fifty_moves` a game is not drawn after so
        many without progress. Raises UserError for a folder without tables."""
        self._fifty_moves = fifty_moves
        self._tables = chess_module("chess.syzygy").Tablebase()
        for folder in split_folders(folders):
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise UserError(f"there is no folder {path} of endgame tables")
            if not self._tables.add_directory(path):
                raise UserError(f"{path} holds no Syzygy tables (.rtbw, .rtbz)")

    @functools.cached_property
    def men(self) -> int:
        """The number of pieces, kings included, of the largest table."""
        names = [name for name in (*self._tables.wdl, *self._tables.dtz) if isinstance(name, str)]
        return max((len(name.replace("v", "")) for name in names), default=0)

    def result(self, position: Position) -> int | None:
        """The result for the player to move, -1, 0 or 1, by the rule of fifty moves; None if it is
        not known, as after moves without progress, which tables do not count."""
        if not self._covers(position):
            return None
        board = board_of(position)
        if (board.halfmove_clock and self._fifty_moves) or board.castling_rights:
            return None
        try:
            wdl = self._wdl(board)
        except KeyError:  # a table is missing
            return None
        return self._result(wdl)

    def ending(self, position: Position) -> Ending | None:
        """The result and the moves to play; None if a table is missing."""
        if not self._covers(position):
            return None
        board = board_of(position)
        if board.castling_rights:
            return None
        for has_distance in (True, False):
            try:
                ranks = self._ranks(position, board.copy(), has_distance)
                break
            except KeyError:
                continue
        else:
            return None
        if not ranks:
            return None
        result = max(result for result, _ in ranks.values())
        kept = {action: plies for action, (found, plies) in ranks.items() if found == result}
        best = {1: min, 0: None, -1: max}[result]
        if best is None or not has_distance:
            return Ending(result, list(kept), has_distance)
        wanted = best(kept.values())
        return Ending(result, [action for action, plies in kept.items() if plies == wanted])

    def _covers(self, position: Position) -> bool:
        pieces = position.game.pieces
        return pieces is not None and int(pieces.count(position.state_array)[0]) <= self.men

    def _ranks(
        self, position: Position, board: Any, has_distance: bool
    ) -> dict[int, tuple[int, int]]:
        """The legal moves with their results, and with the plies to progress or else 0.

        Raises KeyError if a table is missing.
        """
        ranks = {}
        for action in position.legal_actions():
            board.push(board.parse_uci(position.text(action)))
            ranks[action] = self._rank(board, has_distance)
            board.pop()
        return ranks

    def _result(self, wdl: int) -> int:
        """The result of a table's entry, 2 to -2; 1 and -1 are draws by fifty moves."""
        return (wdl > 0) - (wdl < 0) if abs(wdl) == 2 or not self._fifty_moves else 0

    def _wdl(self, board: Any) -> int:
        return int(self._tables.probe_wdl(board))

    def _rank(self, board: Any, has_distance: bool) -> tuple[int, int]:
        """Rank the move that led to this board, for its player: the result, and the plies to the
        next progress, this move included."""
        if board.is_checkmate():
            return 1, 0
        if board.is_stalemate() or board.is_insufficient_material():
            return 0, 0
        result = self._result(-self._wdl(board))
        if not has_distance:
            return result, 0
        clock = board.halfmove_clock
        plies = 1 if clock == 0 else 1 + abs(int(self._tables.probe_dtz(board)))
        in_time = clock == 0 or clock - 1 + plies <= LAST_PLY or not self._fifty_moves
        return (result, plies) if result and in_time else (0, 0)


class TablebaseEvaluator(Evaluator):
    """An evaluator that is overruled where a tablebase has the result.

    The search treats such a position like a finished game.
    """

    uses_states = True

    def __init__(self, inner: Evaluator, tablebase: Tablebase, game: Game) -> None:
        self.inner, self._tablebase, self._game = inner, tablebase, game
        self.name = f"{inner.name} with tables"
        self.encoder = inner.encoder
        self.uses_planes = inner.uses_planes
        self.traces, self.predicts = inner.traces, inner.predicts
        self.hits = 0  # positions found in the tablebase

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        wait = self.inner.submit(leaves)
        known = self._look_up(leaves.states)
        return lambda: wait()._replace(known=known)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        return self.inner.auxiliary(inputs)

    def _look_up(self, states: np.ndarray) -> np.ndarray | None:
        """The results of states [B] for the player to move, UNDECIDED where they are not known;
        None if no result is known."""
        pieces = self._game.pieces
        assert pieces is not None, "a game of pieces"
        few = np.flatnonzero(pieces.count(states) <= self._tablebase.men)
        if not len(few):
            return None
        known = np.full(len(states), UNDECIDED, np.int8)
        for row in few:
            result = self._tablebase.result(Position(self._game, states[row]))
            if result is not None:
                known[row] = result
                self.hits += 1
        return known
