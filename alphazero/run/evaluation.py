"""How strong the player in training is: against fixed opponents, and against every line of play.

It is only looked at: nothing that is learned depends on it.
"""

import math

from alphazero.arena.exhaustive import Proof, prove_unbeaten
from alphazero.arena.match import play_match
from alphazero.arena.player import SearchPlayer
from alphazero.arena.players import make_player
from alphazero.arena.rating import EloDifference
from alphazero.config import Config, SearchConfig
from alphazero.game import Game
from alphazero.network.architectures.resnet import build
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.selfplay.workers.inline import Weights


class Examiner:
    """Plays with the newest weights against the opponents of `config.evaluation`."""

    def __init__(self, game: Game, config: Config) -> None:
        self.game = game
        self.config = config
        self.opponents = [make_player(text, game) for text in config.evaluation.opponents]
        self.evaluator = NetworkEvaluator(build(game, config.network), config.run.device)
        # As `checkpoint:PATH,simulations=N` plays.
        search = SearchConfig(policy="puct", simulations=config.evaluation.simulations)
        self.player = SearchPlayer(game, self.evaluator, search, "trained")

    def take(self, weights: Weights) -> None:
        self.evaluator.update(weights)

    def strength(self) -> dict[str, float]:
        """Score and Elo difference to every opponent, always from the same openings."""
        values = {}
        for opponent in self.opponents:
            match = play_match(
                self.game,
                self.player,
                opponent,
                self.config.evaluation.games,
                seed=self.config.run.seed,
                opening_plies=self.config.evaluation.opening_plies,
            )
            values[f"strength/score/{opponent.name}"] = match.score
            values[f"strength/elo/{opponent.name}"] = elo_for_curve(match.elo)
        return values

    def proof(self) -> Proof:
        """Every line that an opponent can play. Raises UserError when the game is too large."""
        return prove_unbeaten(self.player, self.game, seed=self.config.run.seed)


def elo_for_curve(elo: EloDifference) -> float:
    """The difference, or the end of its interval that is sure where all games went one way."""
    difference, low, high = elo
    return difference if math.isfinite(difference) else low if difference > 0 else high
