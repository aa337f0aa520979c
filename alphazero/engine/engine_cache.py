"""Games and their engines, made once for every board: what the protocols' front ends share.

Protocols change the board's size, komi and rules as they go. A game is loaded when it is first
asked for, its engine when a move is first wanted or, meanwhile, in the background.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from alphazero.engine.engine import Engine, make_engine
from alphazero.engine.options import EngineOptions
from alphazero.game import Game, load


class Stock:
    """Games by their parameters, engines by their games."""

    def __init__(self, options: EngineOptions, report: Callable[[str], None]) -> None:
        """`report` hears what a person at the other end should know, a line at a time."""
        self.options, self._report = options, report
        self._games: dict[str, Game] = {}
        self._engines: dict[str, Engine] = {}
        self._prepared: set[str] = set()  # specs of games whose engine is made in the background
        self._loading, self._making = threading.Lock(), threading.Lock()

    def game(self, spec: str) -> Game:
        """The game of a text as `alphazero.game.load` takes. Raises UserError."""
        with self._loading:
            if spec not in self._games:
                self._games[spec] = load(spec)
            return self._games[spec]

    def variant(self, game: Game, **parameters: Any) -> Game:
        """The same game with other values of some of its parameters. Raises UserError."""
        source = game.spec.removesuffix(written(game.parameters))
        return self.game(source + written(game.parameters | parameters))

    def engine(self, game: Game) -> Engine:
        """The engine for a game, ready to think. Raises UserError."""
        with self._making:
            if game.spec not in self._engines:
                options = self.options
                engine = make_engine(
                    game,
                    options.network,
                    self._report,
                    simulations=options.simulations,
                    seconds=options.seconds,
                    level=options.level,
                    seed=options.seed,
                    keep_tree=True,
                    device=options.device,
                    threads=options.threads,
                    cache=options.cache,
                )
                game.compile(self._report)
                engine.warm_up(self._report)
                self._engines[game.spec] = engine
            return self._engines[game.spec]

    def prepare(self, game: Game) -> None:
        """Make the engine in the background. What goes wrong shows once the engine is needed."""
        if game.spec not in self._prepared:
            self._prepared.add(game.spec)
            threading.Thread(target=self._try, args=[game], daemon=True).start()

    def _try(self, game: Game) -> None:
        with contextlib.suppress(Exception):  # whoever needs the engine makes it again, and hears
            self.engine(game)

    def set_options(self, options: EngineOptions) -> None:
        """Make engines as these options say, those that there are anew. Not while one thinks."""
        if options != self.options:
            self.options = options
            self._engines.clear()
            self._prepared.clear()

    def forget(self) -> None:
        """Have all engines drop what they know from earlier searches."""
        for engine in self._engines.values():
            engine.forget()

    def set_limit(self, *, simulations: int | None = None, seconds: float | None = None) -> None:
        """Have all engines think for so long from now on, whatever was said before."""
        self.options = replace(self.options, simulations=simulations, seconds=seconds, level=None)
        for engine in self._engines.values():
            engine.set_limit(simulations=simulations, seconds=seconds)


def written(parameters: dict[str, Any]) -> str:
    """Parameters as they stand in a game's spec, with what separates them from the name."""
    text = ",".join(f"{name}={value}" for name, value in parameters.items())
    return f":{text}" if text else ""
