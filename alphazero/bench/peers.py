"""Other implementations to compare with, for `bench search`, `bench go` and `bench chess`.

"OpenSpiel, Python" is that project's own MCTS, where the package is installed. The
"alpha-zero-general manner" is plain numpy, written here after a description of that project's
search: a board is an array, copied and turned round with every move; the tree is a handful of
dictionaries by board and action; the search recurses. Both search one position at a time.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np


class MissingPeer(Exception):
    """The package that a comparison needs is not installed."""


def open_spiel_search(name: str) -> Callable[[int], None]:
    """OpenSpiel's Python MCTS from the initial position, with uniform priors and value 0."""
    try:
        pyspiel: Any = importlib.import_module("pyspiel")
        mcts: Any = importlib.import_module("open_spiel.python.algorithms.mcts")
    except ImportError as error:
        raise MissingPeer("pip install open_spiel to compare") from error

    class Free(mcts.Evaluator):
        """Free of charge, as ours is; the planes and the mask of every leaf are made as well."""

        def evaluate(self, state):
            np.array(state.observation_tensor(), np.float32)
            np.array(state.legal_actions_mask(), np.uint8)
            return np.zeros(2)

        def prior(self, state):
            legal = state.legal_actions()
            return [(action, 1.0 / len(legal)) for action in legal]

    game = pyspiel.load_game({"tic-tac-toe": "tic_tac_toe", "connect4": "connect_four"}[name])
    state = game.new_initial_state()

    def search(simulations: int) -> None:
        bot = mcts.MCTSBot(
            game,
            uct_c=1.25,
            max_simulations=simulations,
            evaluator=Free(),
            solve=False,
            random_state=np.random.RandomState(0),
            child_selection_fn=mcts.SearchNode.puct_value,
        )
        bot.mcts_search(state)

    return search


class ArrayBoard:
    """Rules on numpy boards [rows, columns] of 1 (the player to move), -1 and 0."""

    def __init__(self, rows: int, columns: int, in_a_row: int, falls: bool) -> None:
        self.shape = rows, columns
        self.in_a_row = in_a_row
        self.falls = falls
        self.actions = columns if falls else rows * columns

    def name(self, board: np.ndarray) -> str | bytes:
        """The key of a board in the dictionaries; that project prints Connect Four's board."""
        return str(board) if self.falls else board.tobytes()

    def legal(self, board: np.ndarray) -> np.ndarray:
        """Mask of legal actions [A]."""
        return (board[0] == 0) if self.falls else (board.reshape(-1) == 0)

    def play(self, board: np.ndarray, action: int) -> np.ndarray:
        """The board after a move, turned round for the other player."""
        after = board.copy()
        if self.falls:
            after[np.flatnonzero(after[:, action] == 0)[-1], action] = 1
        else:
            after.reshape(-1)[action] = 1
        return -after

    def result(self, board: np.ndarray) -> float | None:
        """1 or -1 for the player to move, 0 for a draw, None while the game goes on."""
        for player in (1, -1):
            if self.has_line(board == player):
                return float(player)
        return None if self.legal(board).any() else 0.0

    def has_line(self, stones: np.ndarray) -> bool:
        """Return whether a mask holds a line: straight by sums, diagonal cell by cell."""
        rows, columns = self.shape
        length = self.in_a_row
        for mask in (stones, stones.T):
            for first in range(mask.shape[1] - length + 1):
                if mask[:, first : first + length].sum(axis=1).max() == length:
                    return True
        for row in range(rows - length + 1):
            for column in range(columns - length + 1):
                corner = stones[row : row + length, column : column + length]
                if all(corner[i, i] for i in range(length)):
                    return True
                if all(corner[i, -1 - i] for i in range(length)):
                    return True
        return False


class DictionarySearch:
    """PUCT over dictionaries of boards, one simulation at a time by recursion."""

    def __init__(self, rules: ArrayBoard, exploration: float) -> None:
        self.rules = rules
        self.exploration = exploration
        self.edge_value: dict[tuple[str | bytes, int], float] = {}
        self.edge_visits: dict[tuple[str | bytes, int], int] = {}
        self.node_visits: dict[str | bytes, int] = {}
        self.prior: dict[str | bytes, np.ndarray] = {}
        self.legal: dict[str | bytes, np.ndarray] = {}
        self.results: dict[str | bytes, float | None] = {}

    def simulate(self, board: np.ndarray) -> float:
        """One simulation from a board; its value for the player who moved there."""
        name = self.rules.name(board)
        if name not in self.results:
            self.results[name] = self.rules.result(board)
        result = self.results[name]
        if result is not None:
            return -result
        if name not in self.prior:
            return -self.expand(name, board)
        action = self.select(name)
        value = self.simulate(self.rules.play(board, action))
        edge = name, action
        visits = self.edge_visits.get(edge, 0)
        mean = self.edge_value.get(edge, 0.0)
        self.edge_value[edge] = (visits * mean + value) / (visits + 1)
        self.edge_visits[edge] = visits + 1
        self.node_visits[name] += 1
        return -value

    def expand(self, name: str | bytes, board: np.ndarray) -> float:
        """A new leaf, evaluated for free: equal priors over legal moves, value 0."""
        legal = self.rules.legal(board)
        prior = np.ones(self.rules.actions) * legal
        self.prior[name] = prior / prior.sum()
        self.legal[name] = legal
        self.node_visits[name] = 0
        return 0.0

    def select(self, name: str | bytes) -> int:
        """The legal action with the highest upper bound."""
        prior, legal = self.prior[name], self.legal[name]
        root_of_visits = math.sqrt(self.node_visits[name] + 1e-8)
        scores = np.full(self.rules.actions, -np.inf)
        for action in np.flatnonzero(legal):
            edge = name, int(action)
            bonus = self.exploration * prior[action] * root_of_visits
            scores[action] = self.edge_value.get(edge, 0.0)
            scores[action] += bonus / (1 + self.edge_visits.get(edge, 0))
        return int(scores.argmax())


def dictionary_search(name: str) -> Callable[[int], None]:
    """A fresh dictionary search from the initial position."""
    rules = {
        "tic-tac-toe": ArrayBoard(3, 3, in_a_row=3, falls=False),
        "connect4": ArrayBoard(6, 7, in_a_row=4, falls=True),
    }[name]
    board = np.zeros(rules.shape, np.int8)

    def search(simulations: int) -> None:
        tree = DictionarySearch(rules, exploration=1.25)
        for _ in range(simulations):
            tree.simulate(board)

    return search


PEERS: dict[str, Callable[[str], Callable[[int], None]]] = {
    "OpenSpiel, Python": open_spiel_search,
    "alpha-zero-general manner": dictionary_search,
}


def open_spiel_games(name: str, counted: int, **parameters: int) -> Callable[[], int]:
    """OpenSpiel's own random games in C++, from the start; returns the moves made.

    Its evaluator does not tell how many moves it made. Their mean is that of `counted` games played
    in the same way before: any legal move, in Go a pass as well, until the game is over.
    """
    try:
        pyspiel: Any = importlib.import_module("pyspiel")
    except ImportError as error:
        raise MissingPeer("pip install open_spiel to compare") from error
    game = pyspiel.load_game(name, parameters)
    rng = np.random.default_rng(1)
    moves = 0
    for _ in range(counted):
        state = game.new_initial_state()
        while not state.is_terminal():
            state.apply_action(int(rng.choice(state.legal_actions())))
            moves += 1
    rollouts = 20
    evaluator = pyspiel.RandomRolloutEvaluator(rollouts, 1)
    # A search of one simulation is the evaluation of its root.
    bot = pyspiel.MCTSBot(game, evaluator, 1.0, 1, 1, False, 1, False)
    state = game.new_initial_state()

    def work() -> int:
        bot.mcts_search(state)
        return round(rollouts * moves / counted)

    return work
