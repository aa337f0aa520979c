"""The contract of a game, and what is derived from it: positions, batches, playouts, checks."""

from alphazero.game.board_view import BoardView, Cell
from alphazero.game.game import (
    Auxiliary,
    Count,
    Game,
    Pieces,
    Position,
    Ruleset,
    State,
    Stones,
    Symmetries,
    Tactics,
)
from alphazero.game.registry import available, load, load_recorded

__all__ = [
    "Auxiliary",
    "BoardView",
    "Cell",
    "Count",
    "Game",
    "Pieces",
    "Position",
    "Ruleset",
    "State",
    "Stones",
    "Symmetries",
    "Tactics",
    "available",
    "load",
    "load_recorded",
]
