"""Self-play: which searches train the policy; games from other starts than the game's own, chosen,
recorded, read back and replayed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from alphazero.config import ReplayConfig, SearchConfig, SelfPlayConfig
from alphazero.data.record import GameRecord, read_shard, start_states, write_shard
from alphazero.data.record_text import read_text, write_text
from alphazero.data.replay import Replay
from alphazero.errors import UserError
from alphazero.game import Game, Position, State, load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.search import Search
from alphazero.selfplay.play import (
    SelfPlay,
    random_opening,
    sample_weights,
    sparse_policy,
    surprise,
)


def set_a_stone(state: State, rng: np.random.Generator) -> None:
    """The second player begins with a stone on the board."""
    state["board"][rng.integers(9)] = 2
    state["ply"] = 1


GAME = replace(load("tic-tac-toe"), vary=set_a_stone)


def play(games: int, game: Game = GAME, **settings: object) -> list[GameRecord]:
    search = SearchConfig(simulations=4)
    self_play = SelfPlayConfig(parallel_games=5, **settings)  # type: ignore[arg-type]
    worker = SelfPlay(game, UniformEvaluator(game), search, self_play)
    return worker.play(games, first_id=0, seed=3)


def test_a_share_of_the_games_begins_elsewhere() -> None:
    records = play(200, random_start_probability=0.3, opening_plies=2)
    varied = [record for record in records if record.start is not None]
    assert 40 < len(varied) < 80
    first = [start_states(record.start, GAME)[0]["board"].tobytes() for record in varied]
    assert len(set(first)) == 9
    # Random openings begin there as well.
    assert {int(np.isnan(record.root_values).sum()) for record in varied} == {0, 1, 2}
    for record in varied:
        board = start_states(record.start, GAME)[0]["board"]
        assert board.sum() == 2 and board[record.moves].sum() == 0


def test_all_or_none_can_begin_elsewhere_and_none_is_as_it_always_was() -> None:
    assert all(record.start is not None for record in play(10, random_start_probability=1))
    plain = play(10)
    assert all(record.start is None for record in plain)
    assert plain == play(10, replace(GAME, vary=None))


def test_games_from_elsewhere_are_the_same_for_the_same_seed() -> None:
    assert play(20, random_start_probability=0.5) == play(20, random_start_probability=0.5)


def test_a_fast_search_trains_the_policy_only_where_it_has_proven_a_win() -> None:
    records = play(
        100, playout_cap_full_probability=1e-9, playout_cap_fast_simulations=4, opening_plies=4
    )
    won = 0
    for record in records:
        position = Position(GAME)
        for ply, move in enumerate(record.moves):
            actions, _ = record.policy(ply)
            assert (len(actions) > 0) == (record.root_values[ply] == 1)
            for action in actions:
                position.play(int(action))
                assert best_result(position) == -1, "for the opponent, who is to move"
                position.undo()
            won += len(actions) > 0
            position.play(int(move))
    assert won > 20


def test_what_surprised_the_policy_counts_more() -> None:
    weights = sample_weights([np.nan, 0.5, 1.5, np.nan, 0.0, 2.0], 0.5)
    assert weights.tolist() == [1, 0.75, 1.25, 1, 0.5, 1.5], "half of it in proportion to 1.0"
    assert sample_weights([0.5, np.nan, 2.0], 0.0).tolist() == [1, 1, 1]
    assert sample_weights([-1e-9, 0.0, np.nan], 0.5).tolist() == [1, 1, 1], "nothing surprised"
    assert sample_weights([], 0.5).tolist() == []
    assert sample_weights([np.nan, np.nan], 1.0).tolist() == [1, 1]


def test_a_surprise_is_the_divergence_of_the_prior_from_the_policy() -> None:
    position = Position(GAME)
    for move in ("a1", "b1", "a2", "b2"):  # the first player wins with a3
        position.play(move)
    search = Search(GAME, UniformEvaluator(GAME), SearchConfig(simulations=20))
    search.begin(0, position, seed=1)
    search.run()
    assert search.result(0).proven == 1
    assert surprise(search.result(0)) == pytest.approx(np.log(5), abs=1e-3), "one move of five"


def test_self_play_records_surprises_as_weights() -> None:
    plain = play(50, playout_cap_full_probability=0.5)
    weighted = play(50, playout_cap_full_probability=0.5, policy_surprise_weight=0.8)
    assert all((record.sample_weights == 1).all() for record in plain)
    for record, other in zip(weighted, plain, strict=True):
        assert record.moves.tolist() == other.moves.tolist(), "it changes no game"
        trains = np.diff(record.policy_offsets) > 0
        assert (record.sample_weights[~trains] == 1).all()
        if trains.any():
            assert record.sample_weights[trains].mean() == pytest.approx(1)
            assert record.sample_weights[trains].min() > 0.2 - 1e-6
    assert len({weight for record in weighted for weight in record.sample_weights.tolist()}) > 20


def best_result(position: Position) -> float:
    """What the player to move gets from the best play of both."""
    outcome = position.outcome()
    if outcome is not None:
        return outcome.values[position.to_play]
    results = []
    for action in position.legal_actions():
        position.play(int(action))
        results.append(-best_result(position))
        position.undo()
    return max(results)


def test_a_start_survives_text_shard_and_window(tmp_path) -> None:
    records = play(20, random_start_probability=0.5)
    assert [read_text(write_text(record, GAME), GAME) for record in records] == records
    write_shard(tmp_path / "games.npz", records)
    assert read_shard(tmp_path / "games.npz") == records
    replay = Replay(GAME, ReplayConfig(min_positions=1, window=1000, holdout=0))
    for record in records:
        replay.add(record)
    batch = replay.sample(64, np.random.default_rng(0), symmetry=False)
    stones = batch.planes[:, :2].sum((1, 2, 3))
    assert np.array_equal(batch.legal.sum(1), 9 - stones)


def test_a_game_without_other_starts_says_so() -> None:
    with pytest.raises(UserError, match=r"random_start_probability = 0\.5: tic-tac-toe always"):
        play(1, load("tic-tac-toe"), random_start_probability=0.5)


@pytest.mark.parametrize("actions", [2, 9, 1000, 30_000])
def test_a_policy_over_any_number_of_moves_is_a_target(actions: int) -> None:
    """Each of 30,000 moves that are equally good has a share that is tiny in another policy."""
    policy = np.full(actions, 1 / actions, np.float32)
    result = SimpleNamespace(policy=policy, actions=np.arange(actions, dtype=np.int32))
    kept, weights = sparse_policy(result)  # type: ignore[arg-type]
    assert len(kept) == actions and weights.sum() == pytest.approx(1, abs=1e-3)
    policy[0] = 0.9
    assert len(sparse_policy(result)[0]) == (1 if actions > 10_000 else actions)  # type: ignore[arg-type]


def test_openings_that_always_end_the_game_are_refused() -> None:
    game = load("connect4:rows=1,cols=4")
    with pytest.raises(UserError, match="opening_plies is too large for connect4"):
        random_opening(game, 4, np.random.default_rng(0))
