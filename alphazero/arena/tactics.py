"""An evaluator without a network, for games with tactics (`game.Tactics`).

It makes every move of a position and follows captures and the like until the position after it is
quiet. The move with the best outcome gives the value, all of them the priors. Mostly it sees what a
network has to learn first: what is left hanging.
Letters in shapes: B leaves, A actions, D plies of the line looked at, M legal moves.
"""

from typing import Any

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import bind
from alphazero.network.evaluator import (
    Evaluation,
    Evaluator,
    Leaves,
    RolloutEvaluator,
    TracedRolloutEvaluator,
)

DEEPEST = 12  # plies of captures that are followed
SHARPNESS = 6.0  # logit of a move that is worth one more
LINE = np.dtype(
    [
        ("alpha", np.float64),  # what the player to move is sure of
        ("beta", np.float64),  # what the other allows
        ("best", np.float64),
        ("count", np.int32),  # moves to look at
        ("next", np.int32),
    ],
    align=True,
)


class TacticsEvaluator(Evaluator):
    """Values and priors by a look at every move and the captures that follow."""

    name = player = "tactics"
    uses_planes = False
    uses_states = True

    def __init__(self, game: Game) -> None:
        """Raises ValueError for a game without tactics."""
        tactics = game.tactics
        if tactics is None:
            raise ValueError(f"{game.name} does not say what is noisy in it")
        self._num_actions = game.num_actions
        self._states = game.empty_states(DEEPEST + 2)
        self._moves = np.zeros((DEEPEST + 2, 2 * game.max_legal), np.int32)
        self._lines = np.zeros(DEEPEST + 2, np.dtype((np.record, LINE)))
        names = {"play": game.play, "noisy": tactics.noisy, "gain": tactics.gain}
        quiet = bind(quiet_value, game.name, value=tactics.value, **names)
        self._look = bind(look_ahead, game.name, play=game.play, moves=tactics.moves, quiet=quiet)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.states)
        logits = np.zeros((rows, self._num_actions), np.float32)
        values = np.empty(rows, np.float32)
        self._look(leaves.states, self._states, self._moves, self._lines, logits, values)
        return Evaluation.of_value(logits, values)


def without_network(game: Game) -> tuple[Evaluator, str]:
    """The best evaluator for a game without a network, and its name for people."""
    if game.tactics is not None:
        return TacticsEvaluator(game), "material and captures"
    if game.weigh is not None:
        return TracedRolloutEvaluator(game), "RAVE and weighted rollouts"
    return RolloutEvaluator(game), "random rollouts"


# -- templates -------------------------------------------------------------------------------------


def play(state: Any, action: Any) -> None: ...
def moves(state: Any, actions: Any) -> Any: ...
def noisy(state: Any, actions: Any) -> Any: ...
def gain(state: Any, action: Any) -> Any: ...
def value(state: Any) -> Any: ...
def quiet(states: Any, actions: Any, lines: Any) -> Any: ...


def look_ahead(leaves, states, actions, lines, logits, values):
    """Fill logits float32 [B, A] at legal actions and values float32 [B] for states [B], none of
    them over. The rest is scratch: states [D + 2], int32 actions [D + 2, M], LINE lines [D + 2]."""
    for b in range(leaves.shape[0]):
        best = -1.0
        for i in range(moves(leaves[b], actions[0])):
            action = actions[0, i]
            states[1] = leaves[b]
            play(states[1], action)
            worth = -quiet(states, actions, lines)
            logits[b, action] = SHARPNESS * worth
            best = max(best, worth)
        values[b] = best


def quiet_value(states, actions, lines):
    """The value of states[1] for the player to move, by alpha-beta over noisy moves."""
    ply, deepest, is_new = 1, states.shape[0] - 1, True
    lines[1].alpha, lines[1].beta = -1.0, 1.0
    while True:
        line = lines[ply]
        if is_new:
            is_new = False
            line.count, forced = noisy(states[ply], actions[ply])
            line.next = 0
            if ply == deepest:
                line.count, forced = 0, False
            line.best = -1.0 if forced else value(states[ply])
            line.alpha = max(line.alpha, line.best)
        if line.next < line.count and line.alpha < line.beta:
            place, most = line.next, -1
            for i in range(line.next, line.count):
                if gain(states[ply], actions[ply, i]) > most:
                    place, most = i, gain(states[ply], actions[ply, i])
            action = actions[ply, place]
            actions[ply, place] = actions[ply, line.next]
            line.next += 1
            states[ply + 1] = states[ply]
            play(states[ply + 1], action)
            lines[ply + 1].alpha, lines[ply + 1].beta = -line.beta, -line.alpha
            ply += 1
            is_new = True
            continue
        if ply == 1:
            return line.best
        ply -= 1
        before = lines[ply]
        before.best = max(before.best, -line.best)
        before.alpha = max(before.alpha, before.best)
