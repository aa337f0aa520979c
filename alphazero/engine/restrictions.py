"""Moves that a search does not consider for some plies below its root."""

from collections.abc import Callable, Sequence

import numpy as np

from alphazero.engine.limits import Restriction
from alphazero.game import Position
from alphazero.network.encoder import Inputs
from alphazero.network.evaluator import EXCLUDED, Evaluation, Evaluator, Leaves


class RestrictedEvaluator(Evaluator):
    """Another evaluator's answers without the moves that are restricted: their logits are EXCLUDED,
    which keeps them out of the tree. Where no other move is legal they stay.

    Its answers are for boards as they are, not under a symmetry.
    """

    uses_states = True

    def __init__(
        self, inner: Evaluator, position: Position, restrictions: Sequence[Restriction]
    ) -> None:
        """`position` is the root, in a game that `counts_plies`; one restriction or more."""
        self._inner = inner
        self.name = f"restricted {inner.name}"
        self.game, self.encoder = inner.game, inner.encoder
        self.uses_planes, self.pipelines = inner.uses_planes, inner.pipelines
        self.traces, self.predicts = inner.traces, inner.predicts
        self._root_ply = int(position.state["ply"])
        self._restrictions = []
        for restriction in restrictions:
            forbidden = np.zeros(position.game.num_actions, bool)
            forbidden[[action for action in restriction.actions if action is not None]] = True
            if restriction.is_allowed:
                forbidden = ~forbidden
            self._restrictions.append((restriction.player, restriction.plies, forbidden))

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        wait = self._inner.submit(leaves)
        players = leaves.states["to_play"].astype(np.int64)
        depths = leaves.states["ply"].astype(np.int64) - self._root_ply
        forbidden = np.zeros((len(players), self._actions), bool)
        for player, plies, actions in self._restrictions:
            forbidden[(players == player) & (depths < plies)] |= actions

        def answer() -> Evaluation:
            evaluation = wait()
            logits = np.where(forbidden, np.float32(EXCLUDED), evaluation.logits)
            return evaluation._replace(logits=logits)

        return answer

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        return self._inner.auxiliary(inputs)

    @property
    def _actions(self) -> int:
        return len(self._restrictions[0][2])


def counts_plies(position: Position) -> bool:
    """Return True if restrictions can reach below the root of a position of this game."""
    return {"ply", "to_play"} <= set(position.game.state.names or ())
