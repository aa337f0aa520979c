"""The replay window: what it holds, what it draws, and that nothing but the records decides."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import ReplayConfig
from alphazero.data.record import GameRecord
from alphazero.data.replay import (
    ROW,
    Batch,
    Column,
    Replay,
    is_held_out,
    win_draw_loss,
    window_size,
)
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import Auxiliary, Position, load
from alphazero.game.jit import kernel
from tests.helpers.random_records import random_record, random_records

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")
EVERYTHING = ReplayConfig(window=100_000, min_positions=1, holdout=0.0)


@kernel
def board_target(state, final_state, out):
    """Whose the cells are at the end, for the player to move: 1 mine, -1 theirs."""
    for cell in range(9):
        owner = final_state.board[cell]
        if owner != 0:
            out[cell] = 1.0 if owner == state.to_play + 1 else -1.0


@kernel
def length_target(state, final_state, out):
    out[0] = final_state.ply - state.ply


def with_auxiliary():
    """Tic-tac-toe with two auxiliary targets: one on the board, one not."""
    return dataclasses.replace(
        TICTACTOE,
        auxiliary=(
            Auxiliary("cells", (3, 3), board_target),
            Auxiliary("length", (1,), length_target),
        ),
    )


def with_keys(game):
    """A game whose legal moves depend on earlier positions: where an odd number of earlier keys is
    odd, the first legal action is forbidden if there is another."""
    inner = game.legal

    @kernel
    def legal(state, keys, n, mask):
        inner(state, keys, n, mask)
        odd = 0
        for i in range(n):
            odd += keys[i] & np.uint64(1) == np.uint64(1)
        if odd % 2 == 1:
            mask[:] = mask[:]
            first, count = -1, 0
            for action in range(mask.shape[0]):
                if mask[action]:
                    count += 1
                    if first < 0:
                        first = action
            if count > 1:
                mask[first] = 0

    return dataclasses.replace(game, legal=legal, uses_keys=True, parameters={"superstitious": 1})


def filled(game, records, config=EVERYTHING) -> Replay:
    replay = Replay(game, config)
    for record in records:
        replay.add(record)
    return replay


def same(a: Batch, b: Batch) -> bool:
    flat = [[*batch[:5], batch.weight, *batch.auxiliary.values()] for batch in (a, b)]
    return all(np.array_equal(x, y) for x, y in zip(*flat, strict=True))


def targets_by_position(game, records, mix: float = 0.0) -> dict[bytes, list]:
    """What every searched position should be trained on, worked out with `Position` alone:
    planes -> [(legal, policy, policy mask, value, weight)]."""
    expected: dict[bytes, list] = {}
    for record in records:
        position = Position(game)
        for ply, move in enumerate(record.moves.tolist()):
            sign = 1 if position.to_play == 0 else -1
            actions, weights = record.policy(ply)
            policy = np.zeros(game.num_actions, np.float32)
            policy[actions] = weights
            searched = record.root_values[ply]
            if not np.isnan(searched) or len(actions):
                value = sign * record.result
                if not np.isnan(searched):
                    value += mix * (searched - value)
                row = (
                    position.legal_mask().tolist(),
                    policy.tolist(),
                    float(len(actions) > 0),
                    value,
                    record.sample_weights[ply],
                )
                expected.setdefault(position.planes().tobytes(), []).append(row)
            position.play(move)
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("mix", [0.0, 0.25])
@pytest.mark.parametrize("game", [TICTACTOE, CONNECT4, with_keys(CONNECT4)], ids=["t", "c", "k"])
def test_samples_are_the_positions_with_their_targets(game, mix):
    records = random_records(game, 20, unsearched=0.2, fast=0.3)
    replay = filled(game, records)
    expected = targets_by_position(game, records, mix)
    assert len(replay) == sum(map(len, expected.values())) == sum(r.positions for r in records)

    batch = replay.sample(3000, np.random.default_rng(0), symmetry=False, q_ratio=mix)
    drawn = set()
    for i in range(3000):
        choices = expected[batch.planes[i].tobytes()]
        value = batch.wdl[i, 0] - batch.wdl[i, 2]
        found = [
            number
            for number, (legal, policy, mask, wanted, weight) in enumerate(choices)
            if batch.legal[i].tolist() == legal
            and batch.policy[i].tolist() == policy
            and batch.policy_mask[i] == mask
            and abs(value - wanted) < 1e-5
            and batch.weight[i] == weight
        ]
        assert found, f"sample {i} is none of {choices}"
        drawn.add((batch.planes[i].tobytes(), found[0]))
    assert len(drawn) > 0.95 * len(replay)  # and all of them are drawn
    np.testing.assert_allclose(batch.wdl.sum(axis=1), 1, atol=1e-6)


def test_types_and_shapes():
    replay = filled(CONNECT4, random_records(CONNECT4, 5))
    batch = replay.sample(7, np.random.default_rng(0))
    arrays = batch._replace(auxiliary={})._asdict().items()
    found = {
        name: (array.dtype, array.shape)
        for name, array in arrays
        if name not in ("auxiliary", "globals")
    }
    assert found == {
        "planes": (np.uint8, (7, 2, 6, 7)),
        "policy": (np.float32, (7, 7)),
        "policy_mask": (np.float32, (7,)),
        "legal": (np.uint8, (7, 7)),
        "wdl": (np.float32, (7, 3)),
        "weight": (np.float32, (7,)),
    }
    assert batch.auxiliary == {}


def test_every_position_is_equally_likely():
    records = [random_record(TICTACTOE, i) for i in (1, 2)]
    replay = filled(TICTACTOE, records)
    draws = 200 * len(replay)
    batch = replay.sample(draws, np.random.default_rng(1), symmetry=False)
    _, counts = np.unique(
        np.concatenate([batch.planes.reshape(draws, -1), batch.policy], axis=1),
        axis=0,
        return_counts=True,
    )
    assert len(counts) == len(replay)
    assert counts.min() > 140 and counts.max() < 260  # 200 +- 4 standard deviations


# -- symmetries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", [TICTACTOE, CONNECT4], ids=["t", "c"])
def test_symmetry_turns_everything_the_same_way(game):
    """A transformed sample is one whose game had been played in that symmetry from the start."""
    record = random_record(game, 3)
    size = game.planes[1] * game.planes[2]
    symmetries = game.symmetries
    inverse = symmetries.inverse_actions
    turned = set()
    for s in range(len(symmetries.actions)):
        moves, actions = inverse[s][record.moves], inverse[s][record.policy_actions]
        mirrored = dataclasses.replace(record, moves=moves, policy_actions=actions)
        turned.update(
            rows(filled(game, [mirrored]).sample(500, np.random.default_rng(s), symmetry=False))
        )
    replay = filled(game, [record])
    drawn = set(rows(replay.sample(5000, np.random.default_rng(0))))
    assert drawn == turned
    plain = set(rows(replay.sample(500, np.random.default_rng(0), symmetry=False)))
    assert plain < drawn
    assert size == symmetries.points.shape[1]


def rows(batch: Batch) -> list[bytes]:
    """Every sample as one value."""
    parts = [batch.planes, batch.policy, batch.legal, batch.wdl, *batch.auxiliary.values()]
    return [b"|".join(part[i].tobytes() for part in parts) for i in range(len(batch.weight))]


def test_auxiliary_targets_follow_the_board_and_the_player_to_move():
    game = with_auxiliary()
    record = random_record(TICTACTOE, 5)
    final = Position(TICTACTOE)
    for move in record.moves.tolist():
        final.play(move)
    replay = filled(game, [random_record(TICTACTOE, 4), record])
    batch = replay.sample(400, np.random.default_rng(0), symmetry=False)
    assert batch.auxiliary["cells"].shape == (400, 3, 3)
    assert batch.auxiliary["length"].shape == (400, 1)
    seen = 0
    for i in range(400):
        plies = int(batch.planes[i].sum())
        cells = batch.auxiliary["cells"][i]
        board = final.state["board"].reshape(3, 3)
        mine = 1 + plies % 2
        expected = np.where(board == mine, 1, np.where(board == 0, 0, -1))
        if np.array_equal(cells, expected):
            seen += 1
            assert batch.auxiliary["length"][i, 0] == len(record.moves) - plies
    assert seen > 100

    # On the board they turn with the planes: what is mine now is mine at the end.
    batch = replay.sample(400, np.random.default_rng(0))
    cells = batch.auxiliary["cells"]
    assert (cells[batch.planes[:, 0] == 1] == 1).all()
    assert (cells[batch.planes[:, 1] == 1] == -1).all()


# -- value targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "draw_share", "expected"),
    [
        (1, 1, (1, 0, 0)),
        (-1, 1, (0, 0, 1)),
        (0, 1, (0, 1, 0)),
        (0.5, 1, (0.5, 0.5, 0)),
        (-0.25, 1, (0, 0.75, 0.25)),
        (0, 0, (0.5, 0, 0.5)),
        (0.5, 0, (0.75, 0, 0.25)),
        (0, 0.2, (0.4, 0.2, 0.4)),
        (-0.5, 0.5, (0.125, 0.25, 0.625)),
        (1, 0, (1, 0, 0)),
    ],
)
def test_win_draw_loss(value, draw_share, expected):
    found = win_draw_loss(np.array([value], np.float32), draw_share)
    np.testing.assert_allclose(found, [expected], atol=1e-6)
    assert found.dtype == np.float32


def test_the_draws_of_the_search_are_those_of_the_window():
    """Of two games one is drawn: an even search value means half as many draws as in that game."""
    by_result = {abs(r.result): r for r in random_records(TICTACTOE, 60)}
    even = np.zeros(9, np.float32)
    records = [
        dataclasses.replace(r, root_values=even[: len(r.moves)])
        for r in (by_result[0], by_result[1])
    ]
    batch = filled(TICTACTOE, records).sample(100, np.random.default_rng(0), q_ratio=1.0)
    np.testing.assert_allclose(batch.wdl, [[0.25, 0.5, 0.25]] * 100)
    one = filled(TICTACTOE, records[1:]).sample(100, np.random.default_rng(0), q_ratio=1.0)
    np.testing.assert_allclose(one.wdl, [[0.5, 0, 0.5]] * 100)
    mixed = filled(TICTACTOE, records[:1]).sample(9, np.random.default_rng(0), q_ratio=0.5)
    np.testing.assert_allclose(mixed.wdl, [[0, 1, 0]] * 9)


def test_a_policy_without_a_root_value_is_trained_on_the_result_alone():
    record = random_record(TICTACTOE, 3)
    blind = dataclasses.replace(record, root_values=np.full(len(record.moves), np.nan))
    replay = filled(TICTACTOE, [blind])
    assert len(replay) == len(record.moves)
    mixed = replay.sample(20, np.random.default_rng(0), q_ratio=0.7)
    assert same(mixed, replay.sample(20, np.random.default_rng(0)))


# -- the window ------------------------------------------------------------------------------------


def test_the_window_grows_by_katagos_law():
    """With KataGo's own settings: 1 M -> 0.47 M, 10 M -> 1.8 M, 100 M -> 7.7 M."""
    kata = ReplayConfig(
        window=250_000,
        window_taper_exponent=0.65,
        window_expand_per_position=0.4,
        max_positions=10_000_000,
    )
    found = [window_size(kata, n) for n in (0, 1, 250_000, 10**6, 10**7, 10**8, 10**10)]
    assert found[:3] == [250_000] * 3
    assert found[3:6] == pytest.approx([0.475e6, 1.79e6, 7.65e6], rel=0.002)
    assert found[6] == 10_000_000
    # At first it grows by window_expand_per_position per new position.
    assert window_size(kata, 251_000) - 250_000 == pytest.approx(400, abs=2)


@given(
    st.integers(1, 10**6),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.integers(0, 10**9),
    st.integers(1, 10**6),
)
def test_the_window_only_moves_forward(start, exponent, scale, positions, more):
    """Which `Replay.restore` relies on: no game that was dropped is wanted again."""
    config = ReplayConfig(
        min_positions=1, window=start, window_taper_exponent=exponent,
        window_expand_per_position=scale,
        max_positions=10**10,
    )  # fmt: skip
    before, after = window_size(config, positions), window_size(config, positions + more)
    assert before <= after
    assert positions + more - after >= positions - before - 1 or positions <= start


SMALL = ReplayConfig(
    min_positions=10,
    window=60,
    window_taper_exponent=0.5,
    window_expand_per_position=0.5,
    holdout=0.3,
)


def test_old_games_fall_out_and_no_more_than_needed():
    records = random_records(TICTACTOE, 80, unsearched=0.1)
    replay = Replay(TICTACTOE, SMALL)
    for count, record in enumerate(records, 1):
        replay.add(record)
        sizes = [r.positions for r in records[:count]]
        assert replay.games == count and replay.positions == sum(sizes)
        wanted = window_size(SMALL, sum(sizes))
        kept = list(sizes)
        while sum(kept) - kept[0] >= wanted:
            kept.pop(0)
        held = [is_held_out(r.game_id, 0.3) for r in records[count - len(kept) : count]]
        assert replay.holdout_positions == sum(np.array(kept)[held])
        assert len(replay) == sum(kept) - replay.holdout_positions
        assert replay.training_positions == sum(
            r.positions for r in records[:count] if not is_held_out(r.game_id, 0.3)
        )
    assert len(kept) < 40 and wanted > 90  # it grew, and games were dropped

    # What is left is exactly the newest games.
    newest = filled(TICTACTOE, records[-len(kept) :], dataclasses.replace(EVERYTHING, holdout=0.3))
    for holdout in (False, True):
        options = {"q_ratio": 0.0, "holdout": holdout}
        drawn = replay.sample(300, np.random.default_rng(5), **options)
        assert same(drawn, newest.sample(300, np.random.default_rng(5), **options))


@pytest.mark.slow
def test_keys_and_final_states_fall_out_with_their_games():
    game = dataclasses.replace(with_keys(with_auxiliary()), parameters={"both": 1})
    records = random_records(game, 60, fast=0.2)
    replay = filled(game, records, SMALL)
    newest = filled(game, records[-30:], dataclasses.replace(EVERYTHING, holdout=0.3))
    while len(newest) + newest.holdout_positions > len(replay) + replay.holdout_positions:
        newest._drop_oldest()
    assert len(newest) == len(replay)
    drawn = replay.sample(300, np.random.default_rng(5))
    assert same(drawn, newest.sample(300, np.random.default_rng(5)))


def test_learning_starts_when_there_is_enough():
    replay = Replay(TICTACTOE, SMALL)
    for record in random_records(TICTACTOE, 5):
        replay.add(record)
        assert replay.is_ready == (replay.positions >= 10)
    assert replay.is_ready


def test_one_position_is_enough_to_sample():
    config = ReplayConfig(min_positions=1, window=1, holdout=0.0)
    replay = filled(TICTACTOE, [record_of([4], 0.0)], config)
    assert replay.is_ready and len(replay) == 1
    assert replay.sample(3, np.random.default_rng(0)).planes.shape == (3, 2, 3, 3)
    held_out = filled(
        TICTACTOE, [record_of([4], 0.0)], dataclasses.replace(config, holdout=1 - 1e-9)
    )
    assert not held_out.is_ready and held_out.holdout_positions == 1


def test_an_empty_window_cannot_be_sampled():
    with pytest.raises(AssertionError, match="holds no positions"):
        Replay(TICTACTOE, SMALL).sample(1, np.random.default_rng(0))


# -- determinism and resuming ----------------------------------------------------------------------


def test_same_records_and_generator_give_the_same_batches():
    records = random_records(CONNECT4, 10)
    a, b = (filled(CONNECT4, records, SMALL) for _ in range(2))
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(5):
        assert same(a.sample(32, one), b.sample(32, two))
    assert not same(a.sample(32, one), a.sample(32, one))
    assert not same(a.sample(32, np.random.default_rng(3)), a.sample(32, np.random.default_rng(4)))


@pytest.mark.parametrize("games", [0, 1, 5, 37, 60])
def test_a_restored_window_is_the_same_and_goes_on_the_same(tmp_path, games):
    records = random_records(TICTACTOE, 60, unsearched=0.1, fast=0.2)
    store = Store(tmp_path)
    for i in range(0, 60, 7):
        store.append(records[i : i + 7])
    replay = filled(TICTACTOE, records[:games], SMALL)
    restored = Replay(TICTACTOE, SMALL)
    restored.restore(replay.state(), Store(tmp_path))
    assert restored.state() == replay.state()
    assert restored.state()["games"] == games
    if len(replay):
        drawn = replay.sample(64, np.random.default_rng(9), q_ratio=0.5)
        assert same(drawn, restored.sample(64, np.random.default_rng(9), q_ratio=0.5))
    for record in Store(tmp_path).records(games):
        replay.add(record)
        restored.add(record)
    whole = filled(TICTACTOE, records, SMALL)
    for window in (replay, restored):
        assert window.state() == whole.state()
        assert same(
            whole.sample(64, np.random.default_rng(9)), window.sample(64, np.random.default_rng(9))
        )


def test_restoring_reads_only_what_the_window_holds(tmp_path, monkeypatch):
    records = random_records(TICTACTOE, 100)
    store = Store(tmp_path)
    for i in range(0, 100, 5):
        store.append(records[i : i + 5])
    state = filled(TICTACTOE, records, SMALL).state()
    read = []
    append = Replay._append
    monkeypatch.setattr(
        Replay, "_append", lambda self, r: read.append(r.game_id) or append(self, r)
    )
    Replay(TICTACTOE, SMALL).restore(state, store)
    assert 10 < len(read) < 40 and read[-1] == 99


def test_a_store_that_lacks_games_is_named(tmp_path):
    store = Store(tmp_path)
    store.append(random_records(TICTACTOE, 3))
    state = filled(TICTACTOE, random_records(TICTACTOE, 4)).state()
    with pytest.raises(UserError, match=r"has seen 4 games, but .* holds only 3"):
        Replay(TICTACTOE, EVERYTHING).restore(state, store)


# -- validation ------------------------------------------------------------------------------------


def test_held_out_games_are_a_fixed_share():
    # Never to change: a resumed run would train on what it held out.
    assert [i for i in range(100) if is_held_out(i, 0.05)] == [10, 21, 48, 68, 83]
    held = [is_held_out(i, 0.05) for i in range(20_000)]
    assert 0.045 < np.mean(held) < 0.055
    assert not any(is_held_out(i, 0.0) for i in range(1000))
    for block in range(0, 20_000, 1000):  # evenly: no stretch of games is all training
        assert 20 < sum(held[block : block + 1000]) < 90
    assert all(is_held_out(i, 0.5) for i in range(20_000) if held[i])
    assert is_held_out(0, 1.0) and is_held_out(2**63 - 1, 1.0)


def test_training_never_sees_a_held_out_game():
    records = random_records(TICTACTOE, 60)
    # A game's number shows in its policies: every one has its own weights.
    replay = filled(TICTACTOE, records, dataclasses.replace(EVERYTHING, holdout=0.3))
    for holdout in (False, True):
        chosen = [r for r in records if is_held_out(r.game_id, 0.3) == holdout]
        expected = set(
            rows(filled(TICTACTOE, chosen).sample(9000, np.random.default_rng(0), symmetry=False))
        )
        drawn = set(
            rows(replay.sample(9000, np.random.default_rng(1), symmetry=False, holdout=holdout))
        )
        assert drawn == expected


# -- records that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"game": "connect4:rows=6,cols=7"}, "the record is of connect4:rows=6,cols=7"),
        ({"moves": [4, 9]}, "action 9 is not below 9"),
        ({"policy_actions": [4, 9]}, "action 9 is not below 9"),
        ({"moves": [4, 4]}, "the move of ply 2 is illegal"),
        ({"start": b"xyz"}, "starts from 3 bytes"),
    ],
)
def test_a_record_that_breaks_the_rules_is_refused(changes, problem):
    values = {
        "game": "tic-tac-toe", "game_id": 7, "seed": 1, "version": 2, "start": None,
        "moves": [4, 0], "root_values": [0.25, 0.5], "policy_offsets": [0, 2, 2],
        "policy_actions": [4, 1], "policy_weights": [0.75, 0.25], "result": 0.0,
    }  # fmt: skip
    replay = Replay(TICTACTOE, EVERYTHING)
    replay.add(GameRecord(**values))
    with pytest.raises(UserError) as caught:
        replay.add(GameRecord(**{**values, **changes}))
    assert problem in str(caught.value)
    assert replay.games == 1 and len(replay) == 2


def record_of(moves: list[int], result: float) -> GameRecord:
    n = len(moves)
    return GameRecord(
        "tic-tac-toe", 7, 1, 2, None, moves, np.zeros(n), np.zeros(n + 1), [], [], result
    )


def test_the_rules_judge_the_result():
    replay = Replay(TICTACTOE, EVERYTHING)
    first_wins, second_wins = [0, 3, 1, 4, 2], [8, 3, 1, 4, 2, 5]
    replay.add(record_of(first_wins, 1.0))
    replay.add(record_of(second_wins, -1.0))
    with pytest.raises(UserError, match="the result is 1, not -1"):
        replay.add(record_of(first_wins, -1.0))
    with pytest.raises(UserError, match="the result is -1, not 0"):
        replay.add(record_of(second_wins, 0.0))
    with pytest.raises(UserError, match="the move of ply 6 is illegal"):
        replay.add(record_of([*first_wins, 8], 1.0))
    replay.add(record_of([0, 3, 1], -1.0))  # resigned: nothing to compare with


def test_an_illegal_move_is_found_without_the_rules_own_check():
    game = with_keys(CONNECT4)  # forbids moves that its `play` does not mind
    legal = random_record(game, 1)
    free = [random_record(CONNECT4, i) for i in range(10)]
    Replay(game, EVERYTHING).add(legal)
    with pytest.raises(UserError, match=r"the move of ply \d+ is illegal"):
        for record in free:
            Replay(game, EVERYTHING).add(dataclasses.replace(record, game=game.spec))


def test_a_game_file_may_lie_elsewhere():
    record = random_record(TICTACTOE, 1)
    Replay(TICTACTOE, EVERYTHING).add(dataclasses.replace(record, game="/else/where/tic-tac-toe"))


# -- columns ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1))))
def test_a_column_is_a_queue(steps):
    column = Column(np.int64)
    expected: list[int] = []
    total = dropped = 0
    for count, share in steps:
        column.append(np.arange(total, total + count))
        expected += range(total, total + count)
        total += count
        gone = math.floor(share * len(expected))
        column.drop(gone)
        expected, dropped = expected[gone:], dropped + gone
        assert column.live.tolist() == expected
        assert (column.begin, column.end) == (dropped, total)
    assert len(column._array) <= 30 + 3 * (len(expected) + 90)


def test_a_long_lived_column_stays_small():
    column = Column(ROW)
    for _ in range(1000):
        column.append(np.zeros(10, ROW))
        if len(column.live) > 100:
            column.drop(10)
    assert len(column._array) < 200
    with pytest.raises(AssertionError, match="more rows dropped"):
        column.drop(101)
