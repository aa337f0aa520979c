"""Random game records for tests: legal moves, made-up search results."""

import numpy as np

from alphazero.data.record import GameRecord, sparse_policies
from alphazero.game import Game


def random_record(
    game: Game, game_id: int, seed: int = 0, *, unsearched: float = 0.0, fast: float = 0.0
) -> GameRecord:
    """A game of random moves; shares of plies that were not searched, or searched too briefly to
    have a policy target."""
    rng = np.random.default_rng([seed, game_id])
    position = game.position()
    values, rows = [], []
    while not position.is_over:
        legal = position.legal_actions()
        named = rng.permutation(legal)[: rng.integers(1, len(legal) + 1)]
        weights = rng.random(len(named)).astype(np.float32) + 0.01
        kind = rng.random()
        values.append(np.nan if kind < unsearched else rng.uniform(-1, 1))
        rows.append(None if kind < unsearched + fast else (named, weights / weights.sum()))
        position.play(int(rng.choice(legal)))
    outcome = position.outcome()
    assert outcome is not None
    offsets, actions, weights = sparse_policies(rows)
    return GameRecord(
        game=game.spec,
        game_id=game_id,
        seed=seed,
        version=game_id // 10,
        start=None,
        moves=np.array(position.moves),
        root_values=np.array(values),
        policy_offsets=offsets,
        policy_actions=actions,
        policy_weights=weights,
        result=outcome.values[0],
        info={"simulations": 64},
        sample_weights=rng.exponential(size=len(position.moves)) if game_id % 2 else np.empty(0),
    )


def random_records(game: Game, count: int, first_id: int = 0, **options) -> list[GameRecord]:
    return [random_record(game, first_id + i, **options) for i in range(count)]
