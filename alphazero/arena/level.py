"""Levels of strength from 1 to 10: weak play by a strong evaluator.

A level does not see all legal moves, and plays the best of those it sees, by a search of a few
simulations. The first that it sees is drawn from the prior, flattened by a temperature; each other
move is overlooked with a fixed probability. It may overlook a winning move, or the only answer to a
threat, as people do. The same seed overlooks the same moves of a position.

Imports nothing heavy: levels are read before a network is loaded.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from alphazero.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from alphazero.game import Game, Position
    from alphazero.search.search import Search

PASS_SHARE = 0.1  # of the flattened prior, from which a pass is seen, always; below it never
LEAST_PRIOR = 1e-9


class Level(NamedTuple):
    """A strength. The first move seen is drawn from prior ** (1 / temperature)."""

    simulations: int
    temperature: float
    overlooked: float  # probability that a move other than the first is not seen


NUMBERS = range(1, 11)
# Levels 1 to 10 by the name of a game, with the network that comes with it. Measured: the score of
# level 1 against `beginner`, then of each level against the one below, in per cent.
#
#   tic-tac-toe   38 | 56 56 54 57 56 57 57 57 56   1000 games each, 400 the last: +-3
#   connect4      38 | 69 72 75 76 61 77 64 58 55   80 games each: +-10; the last 40 and 30: +-16
#   go (9x9)      45 | 64 75 75 80 78 78 -- -- --   40 games each: +-13; 80 the first two
NETWORK_LEVELS = {
    "tic-tac-toe": (
        Level(1, 230, 1.0),
        Level(1, 15.2, 1.0),
        Level(1, 7.9, 1.0),
        Level(1, 5.1, 1.0),
        Level(1, 3.75, 1.0),
        Level(1, 2.85, 1.0),
        Level(1, 2.2, 1.0),
        Level(1, 1.75, 1.0),
        Level(2, 1.5, 0.8),
        Level(800, 1.5, 0.0),
    ),
    "connect4": (
        Level(1, 19, 1.0),
        Level(1, 7.1, 1.0),
        Level(1, 3.9, 1.0),
        Level(1, 2.35, 1.0),
        Level(1, 1.5, 0.93),
        Level(3, 1.5, 0.8),
        Level(20, 1.5, 0.41),
        Level(80, 1.5, 0.21),
        Level(250, 1.5, 0.07),
        Level(800, 1.5, 0.0),
    ),
    "go": (
        Level(1, 250, 1.0),
        Level(1, 11, 1.0),
        Level(1, 2.2, 1.0),
        Level(1, 1.5, 0.91),
        Level(5, 1.5, 0.63),
        Level(16, 1.5, 0.39),
        Level(53, 1.5, 0.2),
        Level(144, 1.5, 0.07),
        Level(350, 1.5, 0.02),
        Level(800, 1.5, 0.0),
    ),
}
# Other games, and those without a network. Measured as above with RAVE at Connect Four:
#   35 | 58 64 56 72 81 66 74 61 68   80 games each: +-10
LEVELS = (
    Level(1, 8.0, 1.0),
    Level(4, 4.0, 0.9),
    Level(8, 3.0, 0.8),
    Level(16, 2.5, 0.7),
    Level(32, 2.0, 0.55),
    Level(64, 2.0, 0.4),
    Level(128, 1.5, 0.25),
    Level(256, 1.0, 0.1),
    Level(400, 1.0, 0.04),
    Level(800, 1.0, 0.0),
)


def level_of(number: int, game: str, has_network: bool = True) -> Level:
    """The level with this number, in the game of this name. Raises UserError."""
    if number not in NUMBERS:
        raise UserError(f"the level must be a whole number from 1 to {max(NUMBERS)}, not {number}")
    levels = NETWORK_LEVELS.get(game, LEVELS) if has_network else LEVELS
    return levels[number - 1]


def restrict(
    search: "Search", tree: int, position: "Position", level: Level, rng: "np.random.Generator"
) -> None:
    """Have the coming search of a tree consider only the moves that a level sees in the position,
    the tree's root, which has been evaluated and not searched yet."""
    if level.overlooked > 0:
        result = search.result(tree)
        actions, prior = result.actions.tolist(), result.prior.tolist()
        search.restrict(tree, moves_seen(level, actions, prior, pass_of(position.game), rng))


def pass_of(game: "Game") -> int | None:
    """The action that passes, in games of stones."""
    return None if game.stones is None else game.num_actions - 1


def moves_seen(
    level: Level,
    actions: Sequence[int],
    prior: Sequence[float],
    passing: int | None,
    rng: "np.random.Generator",
) -> list[int]:
    """The legal actions that a level sees, at least one, by their prior probabilities.

    A pass is not left to chance: an early one gives the game away, and a late one ends it.
    """
    logits = [math.log(max(share, LEAST_PRIOR)) / level.temperature for share in prior]
    keys = rng.gumbel(size=len(actions)) + logits  # the largest is a draw from the flattened prior
    luck = rng.random(len(actions))
    moves = [row for row, action in enumerate(actions) if action != passing]
    first = max(moves, key=lambda row: keys[row], default=None)
    seen = [actions[row] for row in moves if row == first or luck[row] >= level.overlooked]
    if passing is not None and passing in actions:
        weight = math.exp(logits[actions.index(passing)])
        if not seen or weight >= PASS_SHARE * sum(math.exp(logit) for logit in logits):
            seen.append(passing)
    return seen
