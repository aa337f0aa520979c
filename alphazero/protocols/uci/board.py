"""The position of a UCI conversation: a start and moves, as programs send them.

A game goes on for as long as there are moves. Draws by repetition or without progress need a claim,
and programs that make none ask for the next move; some also play on where nobody can win.
"""

import numpy as np

from alphazero.game import Game, Pieces, Position
from alphazero.protocols.uci.codec import NULL_MOVE, Setup

START = Setup(None, ())


class Board:
    """One position at a time, and the moves that led to it."""

    def __init__(self, game: Game) -> None:
        assert game.pieces is not None, "UCI is about games with pieces"
        self.game, self.pieces = game, game.pieces
        self.position = game.position()  # with as much history as lets the game go on
        self.states = self.position.state_array.copy()  # [1], with the clocks as they are counted
        self.setup = START  # what the position was made from
        self.is_rejected = False  # the FEN of `setup` is none, so that there is no position

    def set(self, setup: Setup) -> None:
        """Take over a position; if it continues the last one, only the new moves are made.

        Raises ValueError. After a bad FEN there is no position, and `is_rejected` is True; after an
        illegal move those before it have been made.
        """
        known = self.setup.moves
        is_next = setup.fen == self.setup.fen and setup.moves[: len(known)] == known
        if self.is_rejected or not is_next:
            self.setup, known, self.is_rejected = Setup(setup.fen, ()), (), True
            self.position = self._start(setup.fen)
            self.states = self.position.state_array.copy()
            self.is_rejected = False
        for text in setup.moves[len(known) :]:
            self._play(text)
            self.setup = self.setup._replace(moves=(*self.setup.moves, text))

    @property
    def fen(self) -> str:
        """The position as FEN."""
        return self.pieces.fen(self.states[0])

    def legal(self) -> list[int]:
        """All legal moves, whether or not a draw could be claimed."""
        return legal_actions(self.pieces, self.position)

    def count_lines(self, action: int, plies: int) -> int:
        """Count the lines of `plies` moves after a move, as perft does."""
        if plies < 1:
            return 1
        return sum(self.pieces.perft(self._after(action)[0], plies).values())

    def _after(self, action: int) -> np.ndarray:
        """The states [1] after a move, whether or not the game is over."""
        states = self.position.state_array.copy()
        self.game.play_batch(states, np.array([action], np.int32))
        return states

    def _start(self, fen: str | None) -> Position:
        if fen is None:
            return self.game.position()
        return set_up(self.game, fen)

    def _play(self, text: str) -> None:
        position = self.position
        if text == NULL_MOVE:
            self.position, clock = passed(position), self.states[0]["clock"]
            self.states = self.position.state_array.copy()
            self.states[0]["clock"] = clock
            return
        action = position.action(text)
        self._play_action(position, action)
        self.game.play_batch(self.states, np.array([action], np.int32))

    def _play_action(self, position: Position, action: int) -> None:
        if position.is_over and action in legal_actions(self.pieces, position):
            alive = searchable(position)
            if alive is None:  # nobody can win, so the history does not matter
                self.position = Position(self.game, self._after(action)[0])
                return
            self.position = position = alive
        position.play(action)


def legal_actions(pieces: Pieces, position: Position) -> list[int]:
    """Legal moves in ascending order, whether or not a draw could be claimed."""
    if not position.is_over:
        return position.legal_actions()
    return pieces.legal(position.state)


def set_up(game: Game, fen: str) -> Position:
    """The position of a FEN. Raises ValueError."""
    assert game.pieces is not None
    states = game.empty_states(1)
    game.start_batch(states)
    game.pieces.set_fen(states[0], fen)
    return Position(game, states[0])


def searchable(position: Position) -> Position | None:
    """The position as one that can be searched; None if nobody can win.

    Where a draw may be claimed, as much of the history or of the plies without progress is dropped
    as makes the game go on.
    """
    if not position.is_over:
        return position
    game = position.game
    states, moves, key = position.copy(), position.moves, position.key
    earlier = [n for n, one in enumerate(position.keys) if int(one) == key]
    for begin in earlier:  # keep as much as possible
        while len(states.moves) > begin + 1:
            states.undo()
        later = Position(game, states.state.copy())
        if all(try_to_play(later, move) for move in moves[begin + 1 :]) and not later.is_over:
            return later
        states = position.copy()
    assert game.pieces is not None, "UCI refuses games without pieces"
    fields = game.pieces.fen(position.state).split()
    later = set_up(game, " ".join([*fields[:4], "0", *fields[5:]]))
    return None if later.is_over else later


def try_to_play(position: Position, action: int) -> bool:
    """Make a move if it is legal, and return whether it was."""
    if not position.is_legal(action):
        return False
    position.play(action)
    return True


def passed(position: Position) -> Position:
    """The position with the other side to move. Raises ValueError if that is in check."""
    pieces = position.game.pieces
    assert pieces is not None, "UCI refuses games without pieces"
    fields = pieces.fen(position.state).split()
    number = int(fields[5]) + (fields[1] == "b")
    color = "b" if fields[1] == "w" else "w"
    fen = f"{fields[0]} {color} {fields[2]} - {fields[4]} {number}"
    try:
        return set_up(position.game, fen)
    except ValueError as error:
        raise ValueError(f"{NULL_MOVE} is illegal: {error}") from error
