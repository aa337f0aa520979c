"""A position of a game with the moves that led to it."""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alphazero.game.board_view import BoardView

if TYPE_CHECKING:
    from alphazero.game.game import Game

State = Any


class Outcome(NamedTuple):
    """How a game ended: the winner (0, 1, or None for a draw), each player's value in [-1, 1]."""

    winner: int | None
    values: tuple[float, float]


class Position:
    """A position with the game that led to it; moves are made and taken back in place."""

    def __init__(self, game: "Game", state: State | None = None) -> None:
        """The initial position, or `state` as the start of a game without history."""
        self.game = game
        self._states = game.empty_states(16)  # after 0, 1, ... moves; grown as needed
        self._keys = np.empty(16, np.uint64)  # of these states
        self.moves: list[int] = []
        if state is None:
            game.start_batch(self._states[:1])
        else:
            self._states[0] = state
        self._mask = np.empty(game.num_actions, np.uint8)
        self._verdict = np.empty(2, np.float32)  # whether the game is over, and the value
        self._examine()

    def _examine(self) -> None:
        self.game.examine(self._states, self._keys, len(self.moves), self._mask, self._verdict)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The current state record (do not change it)."""
        return self._states[len(self.moves)]

    @property
    def state_array(self) -> np.ndarray:
        """The current state as an array [1], a view."""
        return self._states[len(self.moves) : len(self.moves) + 1]

    @property
    def start_state(self) -> State:
        """The state before the first move."""
        return self._states[0]

    @property
    def keys(self) -> np.ndarray:
        """Keys of all earlier positions, uint64 [N]."""
        return self._keys[: len(self.moves)]

    @property
    def key(self) -> int:
        """Key of this position."""
        return int(self._keys[len(self.moves)])

    @property
    def to_play(self) -> int:
        """The player to move: 0 for the first, 1 for the second."""
        return int(self.state["to_play"])

    @property
    def ply(self) -> int:
        """Moves made since the game began, as the state counts them."""
        return int(self.state["ply"])

    @property
    def movers(self) -> list[int]:
        """The player of each move: 0 for the first, 1 for the second."""
        return self._states["to_play"][: len(self.moves)].tolist()

    @property
    def last_action(self) -> int | None:
        return self.moves[-1] if self.moves else None

    def legal_mask(self) -> np.ndarray:
        """uint8 mask of legal actions [A]; all zero once the game is over."""
        return self._mask.copy()

    def legal_actions(self) -> list[int]:
        """Legal actions in ascending order; empty once the game is over."""
        return self._mask.nonzero()[0].tolist()

    def is_legal(self, action: int) -> bool:
        return 0 <= action < self.game.num_actions and bool(self._mask[action])

    @property
    def is_over(self) -> bool:
        return bool(self._verdict[0])

    def value_to_move(self) -> float:
        """The result for the player to move, in [-1, 1]; 0 while the game goes on."""
        return float(self._verdict[1])

    def outcome(self) -> Outcome | None:
        """The result, or None while the game goes on."""
        if not self.is_over:
            return None
        value = self.value_to_move()
        first = value if self.to_play == 0 else 0.0 - value
        winner = None if first == 0 else int(first < 0)
        return Outcome(winner, (first, 0.0 - first))

    def planes(self) -> np.ndarray:
        """The game's observation planes: uint8 [C, H, W], from the view of the player to move."""
        return self.inputs()[0]

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        """The game's observation, from the view of the player to move: planes uint8 [C, H, W] and
        float inputs float32 [G]."""
        planes = np.zeros((1, *self.game.planes), np.uint8)
        values = np.zeros((1, self.game.globals), np.float32)
        lengths = np.array([len(self.moves)], np.int32)
        self.game.observe_batch(self.state_array, self._keys[None], lengths, planes, values)
        return planes[0], values[0]

    # -- moving ------------------------------------------------------------------------------------

    def play(self, move: int | str) -> int:
        """Make a move, given as an action or as text; returns the action.

        Raises ValueError with the reason when the move cannot be read or is illegal, UserError in a
        game that should have ended by its `max_plies`; the position is then unchanged.
        """
        action = self.action(move) if isinstance(move, str) else operator.index(move)
        if not self.is_legal(action):
            raise ValueError(self._why_illegal(action, move if isinstance(move, str) else None))
        n = len(self.moves)
        if n >= self.game.max_plies:
            raise self.game.broken(f"the game goes on after max_plies = {n}")
        if n + 1 == len(self._states):
            self._states = self._copy_states(2 * (n + 1))
            self._keys = np.concatenate([self._keys, np.empty(n + 1, np.uint64)])
        self._states[n + 1] = self._states[n]
        self.game.play_batch(self._states[n + 1 : n + 2], np.array([action], np.int32))
        self.moves.append(action)
        self._examine()
        return action

    def undo(self) -> int:
        """Take the last move back and return it. Raises ValueError at the start."""
        if not self.moves:
            raise ValueError("there is no move to take back")
        action = self.moves.pop()
        self._examine()
        return action

    def set_to_play(self, player: int) -> None:
        """Let this player make the next move, for programs that may move twice (GTP, handicap)."""
        self.state["to_play"] = player
        self._examine()

    def amend(self, change: Callable[[State], None]) -> None:
        """Apply `change` to the state before and after every move, for properties of the whole game
        that may be set late, such as komi."""
        moves, self.moves = self.moves, []
        for n in range(len(moves) + 1):
            self.moves = moves[:n]
            change(self.state)
            self._examine()

    def copy(self) -> "Position":
        """An independent position with the same history."""
        other = object.__new__(Position)
        other.__dict__.update(self.__dict__)
        other._states = self._copy_states(len(self._states))
        for name in ("_keys", "_mask", "_verdict", "moves"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def _copy_states(self, rows: int) -> np.ndarray:
        """The states in an array of so many rows, zeros after them. By the byte: numpy copies field
        by field and leaves in the gaps between them whatever was there, and then equal states
        compared as bytes are not equal."""
        states = self.game.empty_states(rows)
        states.view(np.uint8)[: self._states.nbytes] = self._states.view(np.uint8)
        return states

    def is_same(self, other: "Position") -> bool:
        """Compare with another position of the same game, history included."""
        if self.moves != other.moves or not np.array_equal(self.keys, other.keys):
            return False
        names = self.game.state.names or ()
        return self.game is other.game and all(
            np.array_equal(self.state[name], other.state[name]) for name in names
        )

    # -- text --------------------------------------------------------------------------------------

    def action(self, text: str) -> int:
        """Parse a move as text. Raises ValueError if it cannot be read; does not check legality."""
        return self.game.str_to_action(self.state, text)

    def text(self, action: int) -> str:
        """An action as people write it here."""
        return self.game.action_to_str(self.state, action)

    def render(self) -> str:
        """The board as ASCII lines, last move marked."""
        return self.game.board_text(self.state, self.last_action)

    def board_view(self) -> BoardView:
        """The board as data, last move marked."""
        return self.game.board_view(self.state, self.last_action)

    def __str__(self) -> str:
        return self.render()

    # -- inside ------------------------------------------------------------------------------------

    def _why_illegal(self, action: int, written: str | None) -> str:
        """The reason why an action is illegal; `written` is its text if it came as one."""
        game = self.game
        if not 0 <= action < game.num_actions:
            return f"action {action} is not in 0..{game.num_actions - 1}"
        text = self.text(action) if written is None else written.strip()
        if self.is_over:
            return f"{text} is illegal: the game is over"
        reason = game.explain(self.state, action) if game.explain else ""
        return f"{text} is illegal: {reason}" if reason else f"{text} is illegal here"
