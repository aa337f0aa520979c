"""How strong the player in training is: against fixed opponents, and against every line of play.

It is only looked at: nothing that is learned depends on it.
"""

import math
from dataclasses import replace

from alphazero.arena.match import MatchResult, play_match
from alphazero.arena.player import SearchPlayer, make_player
from alphazero.arena.proof import Proof, prove_unbeaten
from alphazero.config import Config
from alphazero.game import Game
from alphazero.network.evaluator import NetworkEvaluator
from alphazero.network.model import build
from alphazero.training.executor import Weights


class Examiner:
    """Plays with the newest weights against the opponents of `config.evaluation`."""

    def __init__(self, game: Game, config: Config) -> None:
        self.game = game
        self.config = config
        self.opponents = [make_player(text, game) for text in config.evaluation.opponents]
        self.evaluator = NetworkEvaluator(build(game, config.network), config.run.device)
        search = replace(config.search, simulations=config.evaluation.simulations)
        self.player = SearchPlayer(game, self.evaluator, search, "trained")

    def take(self, weights: Weights) -> None:
        self.evaluator.update(weights)

    def matches(self) -> list[MatchResult]:
        """A match against every opponent, always from the same openings."""
        evaluation = self.config.evaluation
        return [
            play_match(
                self.game,
                self.player,
                opponent,
                evaluation.games,
                seed=self.config.run.seed,
                opening_plies=evaluation.opening_plies,
            )
            for opponent in self.opponents
        ]

    def proof(self) -> Proof:
        """Every line that an opponent can play. Raises UserError when the game is too large."""
        return prove_unbeaten(self.player, self.game, seed=self.config.run.seed)


def elo_for_curve(match: MatchResult) -> float:
    """The Elo difference, or the end of its interval that is sure where all games went one way."""
    difference, low, high = match.elo
    return difference if math.isfinite(difference) else low if difference > 0 else high
