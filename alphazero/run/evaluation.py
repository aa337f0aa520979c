"""Evaluation of the network in training: matches against fixed opponents, and the proof.

Nothing that is learned depends on an evaluation, so one that fails is a warning and not the end of
the run: an opponent's program may be missing on this machine, or crash.
"""

import logging
import math
from collections.abc import Callable
from typing import TypeVar

from alphazero.arena.exhaustive import Proof, prove_unbeaten
from alphazero.arena.match import play_match
from alphazero.arena.players import Player, SearchPlayer, make_player, parse_spec
from alphazero.arena.rating import EloDifference
from alphazero.command_line import ProgressReport
from alphazero.config import Config, SearchConfig
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.selfplay.workers.executor import Weights

log = logging.getLogger(__name__)
T = TypeVar("T")


class Evaluation:
    """Plays with given weights against the opponents of `config.evaluation`."""

    def __init__(
        self, game: Game, config: Config, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """`say` receives the progress of what takes long."""
        self.game = game
        self.config = config
        self.say = say
        self.failures: dict[str, str] = {}  # of the last evaluation, by opponent
        self.evaluator = NetworkEvaluator(build(game, config.network), config.run.device)
        # Plays as `checkpoint:PATH,simulations=N` does.
        search = SearchConfig(policy="puct", simulations=config.evaluation.simulations)
        self.player = SearchPlayer(game, self.evaluator, search, "trained")
        self._opponents: dict[str, Player] = {}

    def evaluate(self, weights: Weights) -> dict[str, float]:
        """Return score and Elo difference to every opponent, always from the same openings.

        Opponents that fail are left out, with a warning, and tried again at the next evaluation.
        """
        self.evaluator.update(weights)
        self.failures = {}
        values: dict[str, float] = {}
        for text in self.config.evaluation.opponents:
            values |= self.attempt(f"against {text}", lambda text=text: self._play(text)) or {}
        if self.config.run.prove and (proof := self.proof()) is not None:
            values["strength/lost_lines"] = proof.losses
        return values

    def proof(self) -> Proof | None:
        """Play every line that an opponent can play; None, with a warning, if that fails."""
        return self.attempt(
            "by run.prove",
            lambda: prove_unbeaten(
                self.player, self.game, seed=self.config.run.seed, progress=ProgressReport(self.say)
            ),
        )

    def _play(self, text: str) -> dict[str, float]:
        if text not in self._opponents:
            self._opponents[text] = make_player(text, self.game)
        opponent = self._opponents.pop(text)  # put back only after a match without failure
        progress = ProgressReport(self.say)
        match = play_match(
            self.game,
            self.player,
            opponent,
            self.config.evaluation.games,
            seed=self.config.run.seed,
            opening_plies=self.config.evaluation.opening_plies,
            progress=lambda done, games: progress(
                f"evaluation against {text}: {done} of {games} games"
            ),
        )
        self._opponents[text] = opponent
        return {
            f"strength/score/{opponent.name}": match.score,
            f"strength/elo/{opponent.name}": finite_elo(match.elo),
        }

    def attempt(self, title: str, action: Callable[[], T]) -> T | None:
        """Run a part of an evaluation; a failure is a warning and returns None."""
        try:
            return action()
        except Exception as error:  # isolate the run from its opponents
            reason = str(error).strip() or type(error).__name__
            self.failures[title] = reason
            log.warning("the evaluation %s failed: %s", title, reason)
            return None


def check_evaluation(config: Config, game: Game) -> None:
    """Raise UserError for evaluation settings that cannot work in this game."""
    settings = config.evaluation
    for opponent in settings.opponents:
        parse_spec(opponent)
    if not 0 <= settings.opening_plies < game.max_plies:
        raise UserError(
            f"evaluation.opening_plies = {settings.opening_plies}:"
            f" must be between 0 and {game.max_plies - 1} for {game.spec}"
        )


def finite_elo(elo: EloDifference) -> float:
    """Return the Elo difference, or the finite end of its interval after a clean sweep."""
    difference, low, high = elo
    return difference if math.isfinite(difference) else low if difference > 0 else high
