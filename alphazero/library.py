"""The functions of the package for programs and notebooks: analyze a position, play a match, train.

They are offered as `alphazero.analyze`, `alphazero.match` and so on. Players, evaluators and
configurations may be given as texts or as objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alphazero.engine.engine import Engine
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.errors import UserError
from alphazero.game import Game, Position, available
from alphazero.network import find
from alphazero.network.evaluator import Evaluator

if TYPE_CHECKING:
    from alphazero.arena.players import Player
    from alphazero.arena.rating import Sprt
    from alphazero.arena.result import MatchResult
    from alphazero.config import Config
    from alphazero.run.loop import Summary

SIMULATIONS = 800


class WDL(NamedTuple):
    """Probabilities of a win, a draw and a loss of the player to move."""

    win: float
    draw: float
    loss: float


@dataclass(frozen=True)
class Candidate:
    """One move that a search has considered. Its value is for the player who makes it."""

    move: str
    visits: int
    value: float  # in [-1, 1]
    prior: float  # the evaluator's probability
    line: tuple[str, ...]  # the moves expected, this one first


@dataclass(frozen=True)
class PositionAnalysis:
    """The result of a search for people and programs, moves as text. Values are for the player to
    move."""

    move: str  # the best
    value: float  # the expected result, in [-1, 1]
    wdl: WDL
    line: tuple[str, ...]  # the moves expected, the best one first
    moves: tuple[Candidate, ...]  # best first
    proven: bool  # whether the value is certain
    simulations: int
    seconds: float

    def __str__(self) -> str:
        certain = ", proven" if self.proven else ""
        return (
            f"{self.move} ({self.value:+.2f}{certain}) {' '.join(self.line)}, "
            f"{self.simulations} simulations"
        )


def games() -> list[str]:
    """The names of all games that `load` finds: those of the package and of installed plugins."""
    return list(available())


def analyze(
    position: Position,
    evaluator: "Evaluator | str | Path" = "pretrained",
    *,
    simulations: int | None = None,
    seconds: float | None = None,
    only: Sequence[int | str] | None = None,
    seed: int = 0,
) -> PositionAnalysis:
    """Search a position for so many simulations (800) or seconds, whichever end first.

    `evaluator` is an Evaluator or what `alphazero.evaluator` takes: "pretrained", a path, "uniform"
    or "rollout". With `only`, other moves are not considered. Without `seconds` the same seed gives
    the same analysis.

    Raises ValueError if the game is over, a move is illegal or a limit is not above 0.
    """
    if not isinstance(position, Position):
        raise TypeError(f"analyze takes a Position, not {type(position).__name__}")
    if position.is_over:
        raise ValueError("the game is over: there is no move to search for")
    for name, value in (("simulations", simulations), ("seconds", seconds)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be above 0, not {value}")
    game = position.game
    actions = None if only is None else [_action(position, move) for move in only]
    found = find.evaluator(game, evaluator) if isinstance(evaluator, str | Path) else evaluator
    if simulations is None and seconds is None:
        simulations = SIMULATIONS
    engine = Engine(game, found, "", simulations=SIMULATIONS, seed=seed)
    request = SearchRequest(
        position, SearchLimits(simulations, seconds), only=actions, continuations=0
    )
    analysis = engine.analyze(request)
    moves = tuple(
        Candidate(
            move=position.text(info.action),
            visits=info.visits,
            value=2 * info.winrate - 1,
            prior=info.prior,
            line=_line(position, info.pv),
        )
        for info in analysis.moves
    )
    return PositionAnalysis(
        move=moves[0].move,
        value=analysis.value,
        wdl=WDL(*analysis.wdl),
        line=moves[0].line,
        moves=moves,
        proven=analysis.proven is not None,
        simulations=analysis.simulations,
        seconds=analysis.seconds,
    )


def player(game: Game, text: str) -> "Player":
    """Make a player from a text such as `mcts:1000`, `pretrained:200` or `uci:stockfish`.

    Raises UserError, which lists the choices.
    """
    from alphazero.arena.players import make_player

    return make_player(text, game)


def match(
    game: Game,
    a: "Player | str",
    b: "Player | str",
    *,
    games: int = 100,
    openings: int = 2,
    seed: int = 0,
    sprt: "Sprt | None" = None,
) -> "MatchResult":
    """Play a match between two players, every opening twice with the seats changed.

    `openings` is the number of random plies a game begins with. The same seed gives the same match,
    as far as the players keep to theirs. With `sprt` it ends as soon as that test has decided.

    Raises UserError for impossible settings, PlayerFailure when a player breaks the rules.
    """
    from alphazero.arena.match import play_match

    one, other = (player(game, one) if isinstance(one, str) else one for one in (a, b))
    return play_match(game, one, other, games, seed=seed, opening_plies=openings, sprt=sprt)


def train(
    config: "Config | str | Path",
    *changes: str,
    directory: "str | Path | None" = None,
    fresh: bool = False,
    address: str | None = None,
) -> "Summary":
    """Train until the limits of the configuration; an interrupted run goes on where it was.

    `config` is a Config, a TOML file, or the name of a configuration of the package such as
    "connect4"; `changes` are settings such as "search.simulations=32". `directory` is the run's
    folder, `fresh` begins a new run, `address` is a Ray cluster to join.

    Raises UserError when the settings, the folder or Ray do not allow it.
    """
    from alphazero.config import Config, load_config
    from alphazero.run.loop import train as train_run
    from alphazero.shipped import find_configuration

    if isinstance(config, Config):
        if changes:
            raise UserError("changes go with a configuration's file or name, not with a Config")
        return train_run(config, directory=directory, fresh=fresh, address=address)
    settings = load_config(find_configuration(str(config)), changes)
    return train_run(settings, directory=directory, fresh=fresh, address=address)


# -- inside ----------------------------------------------------------------------------------------


def _action(position: Position, move: int | str) -> int:
    """The action of a move, as `Position.play` takes it. Raises ValueError for illegal ones."""
    return position.copy().play(move)


def _line(position: Position, actions: Sequence[int]) -> tuple[str, ...]:
    """Actions one after the other as text."""
    after, texts = position.copy(), []
    for action in actions:
        texts.append(after.text(action))
        after.play(action)
    return tuple(texts)
