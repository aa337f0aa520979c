"""python-chess as the judge of our chess: one game played in both, compared at every ply.

For `tests/games/test_chess.py`; thousands of games at once: `python tests/judges/chess_oracle.py
2000` (and the seed of the first).
"""

import functools
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from alphazero.game import Game, Pieces, Position, load
from alphazero_games.chess_key_rules import full_key

HISTORY = 8
STARTS = [
    *["rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"] * 3,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
    "8/4k3/8/8/8/3QK3/8/8 w - - 20 80",
    "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1",
    "4k3/pppppppp/8/8/8/8/PPPPPPPP/4K3 w - - 0 1",
]
SAN_SHARE, PLANES_SHARE = 0.05, 0.05  # of positions whose SAN, whose planes are compared


@functools.cache
def chess_game(chess960: bool = False, draws: str = "claimed") -> Game:
    return load(f"chess:chess960={str(chess960).lower()},draws={draws}")


def hooks(game: Game) -> Pieces:
    assert game.pieces is not None
    return game.pieces


def position_of(fen: str, chess960: bool = False, draws: str = "claimed") -> Position:
    game = chess_game(chess960, draws)
    state = game.position().state
    hooks(game).set_fen(state, fen)
    return Position(game, state)


class Comparison:
    """A game in ours and in python-chess. `go_back` is how often a player undoes the own last move,
    so that positions come again and games without progress come about."""

    def __init__(self, seed: int) -> None:
        import chess

        self.rng = np.random.default_rng(seed)
        self.go_back = float(self.rng.choice([0.0, 0.0, 0.3, 0.6]))
        is_960 = bool(self.rng.random() < 0.4)
        self.game = chess_game(is_960, "automatic")
        self.board: Any = chess.Board(STARTS[self.rng.integers(len(STARTS))], chess960=is_960)
        if is_960 and self.rng.random() < 0.8:
            self.board = chess.Board.from_chess960_pos(int(self.rng.integers(960)))
        self.position = position_of(self.board.fen(), is_960, "automatic")
        self.keys: dict[int, Any] = {}
        self.earlier: list[tuple[Any, int]] = []  # boards before, and how often each had come

    def play(self) -> str:
        """Play to the end; returns how the game ended."""
        while True:
            ending = self.board.outcome()
            self.compare(ending)
            if ending is not None:
                return ending.termination.name.lower()
            move = self.choose()
            self.earlier.insert(0, (self.board.copy(stack=False), self.times_before()))
            self.position.play(self.board.uci(move))
            self.board.push(move)

    def choose(self) -> Any:
        import chess

        stack = self.board.move_stack
        if len(stack) > 1 and self.rng.random() < self.go_back:
            back = chess.Move(stack[-2].to_square, stack[-2].from_square)
            if self.board.is_legal(back):
                return back
        moves = list(self.board.legal_moves)
        return moves[self.rng.integers(len(moves))]

    def times_before(self) -> int:
        return 2 if self.board.is_repetition(3) else int(self.board.is_repetition(2))

    def compare(self, ending: Any) -> None:
        position, board, pieces = self.position, self.board, hooks(self.game)
        fen = board.fen(en_passant="legal")
        assert pieces.fen(position.state) == fen
        assert pieces.in_check(position.state) == board.is_check(), fen
        assert position.key == int(full_key(position.state)), fen
        repeated = self.keys.setdefault(position.key, board._transposition_key())
        assert repeated == board._transposition_key(), fen
        assert position.is_over == (ending is not None), fen
        assert self.would_be_over() == (
            ending is not None or board.is_repetition(3) or board.halfmove_clock >= 100
        ), fen
        if ending is not None:
            outcome = position.outcome()
            assert outcome is not None and pieces.ending(position.state, position.keys)
            winner = None if ending.winner is None else 0 if ending.winner else 1
            assert outcome.winner == winner, fen
        else:
            ours = {position.text(action) for action in position.legal_actions()}
            assert ours == {board.uci(move) for move in board.legal_moves}, fen
        if self.rng.random() < SAN_SHARE:
            for move in board.legal_moves:
                action = position.action(board.uci(move))
                assert pieces.san(position.state, action) == board.san(move), fen
                assert position.action(board.san(move)) == action, (fen, board.san(move))
        if self.rng.random() < PLANES_SHARE:
            assert np.array_equal(position.planes(), self.planes()), fen

    def would_be_over(self) -> bool:
        """Whether the game would be over if draws were claimed."""
        position = self.position
        over, value = np.zeros(1, np.uint8), np.zeros(1, np.float32)
        length = np.array([len(position.moves)], np.int32)
        keys = np.zeros((1, len(position.moves) + 1), np.uint64)
        keys[0, :-1] = position.keys
        chess_game().outcome_batch(position.state_array, keys, length, over, value)
        return bool(over[0])

    def planes(self) -> np.ndarray:
        """What a network sees, from python-chess's boards."""
        import chess

        board, mover = self.board, self.board.turn
        planes = np.zeros((14 * HISTORY + 7, 64), np.uint8)
        turn = 56 if mover == chess.WHITE else 0  # python-chess counts ranks from below
        steps = [(board, self.times_before()), *self.earlier][:HISTORY]
        for back, (one, repetitions) in enumerate(steps):
            for square, piece in one.piece_map().items():
                theirs = 6 * (piece.color != mover)
                planes[14 * back + theirs + piece.piece_type - 1, square ^ turn] = 1
            planes[14 * back + 12 : 14 * back + 12 + repetitions] = 1
        first = 14 * HISTORY
        planes[first] = mover == chess.BLACK
        for side in range(2):
            color = mover if side == 0 else not mover
            planes[first + 1 + 2 * side] = board.has_kingside_castling_rights(color)
            planes[first + 2 + 2 * side] = board.has_queenside_castling_rights(color)
        if board.has_legal_en_passant():
            planes[first + 5, board.ep_square ^ turn] = 1
        planes[first + 6] = min(board.halfmove_clock, 150)
        return planes.reshape(-1, 8, 8)


if __name__ == "__main__":
    endings: Counter[str] = Counter()
    plies = 0
    count, first = (*map(int, sys.argv[1:]), 0)[:2]
    for seed in range(first, first + count):
        comparison = Comparison(seed)
        endings[comparison.play()] += 1
        plies += len(comparison.position.moves)
        if endings.total() in (count, *range(0, count, 100)):
            print(f"{endings.total()} games, {plies} plies agree: {dict(endings)}", flush=True)
