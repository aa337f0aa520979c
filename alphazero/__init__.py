"""A self-play engine in the AlphaZero style for any two-player board game.

    import alphazero as az

    game = az.load("connect4")
    position = game.position("d d e e")
    best = az.analyze(position, "pretrained", simulations=800)
    print(best.move, best.value, best.wdl, best.line)
    az.match(game, "pretrained:200", "mcts:1000", games=20)
    az.train("configs/connect4.toml", "search.simulations=32")

The names below are imported when they are first used: `import alphazero` loads neither numpy nor
numba nor torch. Read `alphazero/README.md` for the map.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alphazero.config import Config, SearchConfig
    from alphazero.game import Game, Position, Symmetries, load
    from alphazero.game.jit import kernel
    from alphazero.library import analyze, games, match, player, train
    from alphazero.network.evaluator import Evaluator
    from alphazero.network.find import evaluator
    from alphazero.search.search import Search

__version__ = "0.20.0"
__all__ = [
    "Config",
    "Evaluator",
    "Game",
    "Position",
    "Search",
    "SearchConfig",
    "Symmetries",
    "analyze",
    "evaluator",
    "games",
    "kernel",
    "load",
    "match",
    "player",
    "train",
]

_MODULES = {
    "Config": "alphazero.config",
    "Evaluator": "alphazero.network.evaluator",
    "Game": "alphazero.game",
    "Position": "alphazero.game",
    "Search": "alphazero.search.search",
    "SearchConfig": "alphazero.config",
    "Symmetries": "alphazero.game",
    "analyze": "alphazero.library",
    "evaluator": "alphazero.network.find",
    "games": "alphazero.library",
    "kernel": "alphazero.game.jit",
    "load": "alphazero.game",
    "match": "alphazero.library",
    "player": "alphazero.library",
    "train": "alphazero.library",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
