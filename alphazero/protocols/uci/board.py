"""The position that UCI's commands are about: a start and moves, as programs send them.

A game goes on here for as long as there are moves. Draws by repetition or without progress need a
claim over the board, and where nobody makes one programs ask for the next move; positions that
cannot be won any more are played on by some as well.
"""

import numpy as np

from alphazero.game import Game, Pieces, Position
from alphazero.protocols.uci.words import NO_MOVE, Setup

START = Setup(None, ())


class Board:
    """One position at a time, with the game that led to it."""

    def __init__(self, game: Game) -> None:
        assert game.pieces is not None, "UCI is about games with pieces"
        self.game, self.pieces = game, game.pieces
        self.position = game.position()
        self.setup = START  # that has led to it

    def set(self, setup: Setup) -> None:
        """Take over a position; one that goes on with the last is not made anew.

        Raises ValueError with what is wrong: nothing has changed if it is the FEN, and the moves
        before the one that cannot be made have been.
        """
        known = self.setup.moves
        if setup.fen != self.setup.fen or setup.moves[: len(known)] != known:
            self.position = self._start(setup.fen)
            self.setup, known = Setup(setup.fen, ()), ()
        for text in setup.moves[len(known) :]:
            self._play(text)
            self.setup = self.setup._replace(moves=(*self.setup.moves, text))

    def legal(self) -> list[int]:
        """All moves by the rules, whether or not a draw could be claimed."""
        return legal_actions(self.pieces, self.position)

    def make(self, states: np.ndarray, action: int) -> None:
        """Make a move in states [1], in place, whether or not the game is over."""
        self.game.play_batch(states, np.array([action], np.int32))

    def _start(self, fen: str | None) -> Position:
        if fen is None:
            return self.game.position()
        return set_up(self.game, fen)

    def _play(self, text: str) -> None:
        position = self.position
        if text == NO_MOVE:
            self.position = passed(position)
            return
        action = position.action(text)
        if position.is_over and action in legal_actions(self.pieces, position):
            alive = searchable(position)
            if alive is None:  # nothing can come of it, so its history does not matter
                after = position.state_array.copy()
                self.make(after, action)
                self.position = Position(self.game, after[0])
                return
            self.position = position = alive
        position.play(action)


def legal_actions(pieces: Pieces, position: Position) -> list[int]:
    """Legal moves by the rules, draws that may be claimed aside, in ascending order."""
    if not position.is_over:
        return position.legal_actions()
    return sorted(pieces.perft(position.state, 1))


def set_up(game: Game, fen: str) -> Position:
    """The position of a FEN. Raises ValueError."""
    assert game.pieces is not None
    states = game.empty_states(1)
    game.start_batch(states)
    game.pieces.set_fen(states[0], fen)
    return Position(game, states[0])


def searchable(position: Position) -> Position | None:
    """The position as one that can be searched: if a draw may be claimed in it, with so much less
    of its history, or of its plies without progress, that the game goes on. None if it cannot."""
    if not position.is_over:
        return position
    game = position.game
    states, moves, key = position.copy(), position.moves, position.key
    earlier = [n for n, one in enumerate(position.keys) if int(one) == key]
    for begin in earlier:  # as much as can be of it is kept
        while len(states.moves) > begin + 1:
            states.undo()
        later = Position(game, states.state.copy())
        if all(try_to_play(later, move) for move in moves[begin + 1 :]) and not later.is_over:
            return later
        states = position.copy()
    fields = game.pieces.fen(position.state).split()
    later = set_up(game, " ".join([*fields[:4], "0", *fields[5:]]))
    return None if later.is_over else later


def try_to_play(position: Position, action: int) -> bool:
    """Make a move, if it is legal."""
    if not position.is_legal(action):
        return False
    position.play(action)
    return True


def passed(position: Position) -> Position:
    """The position with the other side to move. Raises ValueError if that is in check."""
    fields = position.game.pieces.fen(position.state).split()
    number = int(fields[5]) + (fields[1] == "b")
    color = "b" if fields[1] == "w" else "w"
    fen = f"{fields[0]} {color} {fields[2]} - {fields[4]} {number}"
    try:
        return set_up(position.game, fen)
    except ValueError as error:
        raise ValueError(f"{NO_MOVE} is illegal: {error}") from error
