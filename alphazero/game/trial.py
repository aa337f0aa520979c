"""A trial of a game's rules before long work: a few random games that keep the contract or do not.

It finds what would spoil a run, or end it after hours; `alphazero check` looks at much more.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from alphazero.game.position import Position

if TYPE_CHECKING:
    from alphazero.game.game import Game

GAMES = 6  # at most, every other one prolonged
PLIES = 1000  # after which no other game begins
TRIES = 8  # moves looked at for one that does not end the game


class Violation(Exception):
    """A way in which a game breaks the contract, and the position where it shows."""

    def __init__(self, problem: str, position: Position | None = None) -> None:
        super().__init__(problem)
        self.problem, self.position = problem, position


def trial(game: "Game") -> list[str]:
    """Play a few random games, each twice; returns warnings. Raises Violation."""
    rng = np.random.default_rng(0)
    movers: set[int] = set()
    plies = 0
    for number in range(GAMES):
        for position in random_game(game, rng, prolong=number % 2 == 1):
            movers.add(position.to_play)
        require_same_again(position)
        position.planes()
        plies += len(position.moves)
        if plies >= PLIES:
            break
    return [one_mover(game, movers)] if plies > 1 and len(movers) == 1 else []


def one_mover(game: "Game", movers: set[int]) -> str:
    """Describe a game in which only one player ever moves."""
    name = game.players[movers.pop()]
    return f"only the {name} player ever moves (to_play never changes): a game has two players"


def random_game(
    game: "Game", rng: np.random.Generator, *, prolong: bool = False
) -> Iterator[Position]:
    """Play one random game and yield its position, the same object, before every move and at the
    end; prolonged, by players who do not end the game if they can help it.

    Raises Violation.
    """
    position = game.position()
    if position.is_over:
        raise Violation("the game is over before the first move", position)
    while True:
        check_position(position)
        yield position
        if position.is_over:
            return
        if len(position.moves) >= game.max_plies:
            raise Violation(f"the game goes on after max_plies = {game.max_plies}", position)
        before = position.ply
        if prolong:
            play_on(position, rng)
        else:
            position.play(int(rng.choice(position.legal_actions())))
        if position.ply != before + 1:
            raise Violation(f"ply went from {before} to {position.ply} in one move", position)


def play_on(position: Position, rng: np.random.Generator) -> None:
    """Make a random move, if possible one that does not end the game."""
    actions = rng.permutation(position.legal_actions())[:TRIES].tolist()
    for action in actions[:-1]:
        position.play(action)
        if not position.is_over:
            return
        position.undo()
    position.play(actions[-1])


def check_position(position: Position) -> None:
    """Raise Violation for a mover, a value or legal actions that cannot be."""
    game, value, mask = position.game, position.value_to_move(), position.legal_mask()
    if position.to_play not in (0, 1):
        raise Violation(f"to_play is {position.to_play}, not 0 or 1", position)
    if not -1 <= value <= 1:
        raise Violation(f"the value is {value}, not in [-1, 1]", position)
    if not position.is_over:
        if value != 0:
            raise Violation(f"the value is {value} though the game goes on", position)
        if mask.max() > 1:
            raise Violation("the mask of legal actions holds other numbers than 0 and 1", position)
        if not mask.any():
            raise Violation("there is no legal action though the game goes on", position)
        if mask.sum() > game.max_legal:
            raise Violation(f"{mask.sum()} legal actions, max_legal is {game.max_legal}", position)


def require_same_again(position: Position) -> None:
    """Play a game's moves once more. Raises Violation if its rules are not deterministic."""
    again = Position(position.game, position.start_state)
    for ply, action in enumerate(position.moves):
        if again.key != int(position.keys[ply]) or not again.is_legal(action):
            break
        again.play(action)
    if again.moves != position.moves or again.outcome() != position.outcome():
        raise Violation("the same moves do not lead to the same positions", again)
    names = position.game.state.names or ()
    for name in names:
        if not np.array_equal(again.state[name], position.state[name]):
            raise Violation(f"the same moves do not lead to the same state ({name})", again)
