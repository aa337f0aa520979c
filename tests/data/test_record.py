"""Records: every number checked, exact as text and as shards, damage never passes unnoticed."""

import dataclasses
import json
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import ReplayConfig
from alphazero.data import record as module
from alphazero.data.record import (
    DamagedShard,
    GameRecord,
    read_shard,
    sparse_policies,
    start_states,
    write_shard,
)
from alphazero.data.record_text import read_text, write_text
from alphazero.data.replay import Replay, play_moves
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import Position, load
from alphazero.game.jit import kernel
from tests.helpers.random_records import random_record, random_records

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")
GAMES = [TICTACTOE, CONNECT4, load("connect4:rows=4,cols=5")]
FIELDS = {item.name for item in dataclasses.fields(GameRecord)}


def small_record(**changes) -> GameRecord:
    """Two plies of tic-tac-toe: one with a policy target, one without."""
    values = {
        "game": "tic-tac-toe",
        "game_id": 7,
        "seed": 1,
        "version": 2,
        "start": None,
        "moves": [4, 0],
        "root_values": [0.25, np.nan],
        "policy_offsets": [0, 2, 2],
        "policy_actions": [4, 1],
        "policy_weights": [0.75, 0.25],
        "result": 0.0,
    }
    return GameRecord(**{**values, **changes})


# -- the record itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"game_id": -1}, "game_id = -1 is not between 0 and 9223372036854775807"),
        ({"game_id": 2**63}, "game_id = 9223372036854775808 is not"),
        ({"seed": -1}, "seed = -1 is not"),
        ({"seed": 2**64}, "seed = "),
        ({"version": -1}, "version = -1 is not"),
        ({"version": 2**63}, "version = "),
        ({"result": 1.5}, "result = 1.5 is not between -1 and 1"),
        ({"result": -1.5}, "result = -1.5 is not between -1 and 1"),
        ({"result": float("nan")}, "result = nan is not between -1 and 1"),
        ({"moves": [4]}, "2 root values for 1 moves"),
        ({"moves": [4, -1]}, "moves do not fit uint16"),
        ({"moves": [4, 65536]}, "moves do not fit uint16"),
        ({"moves": [[4, 0]]}, "moves must have one dimension"),
        ({"root_values": [0.5]}, "1 root values for 2 moves"),
        ({"root_values": [1.01, 0]}, "is not between -1 and 1"),
        ({"root_values": [-1.01, np.nan]}, "is not between -1 and 1"),
        ({"root_values": [-np.inf, np.nan]}, "is not between -1 and 1"),
        ({"policy_offsets": [0, 2]}, "2 policy offsets for 2 moves"),
        ({"policy_offsets": [1, 2, 2]}, "policy offsets 1..2, 2 actions, 2 weights"),
        ({"policy_offsets": [0, 1, 1]}, "policy offsets 0..1, 2 actions, 2 weights"),
        ({"policy_offsets": [0, 3, 2]}, "policy offsets decrease"),
        ({"policy_weights": [1.0]}, "2 actions, 1 weights"),
        ({"policy_weights": [1.5, -0.5]}, "a policy weight is negative or not a number"),
        ({"policy_weights": [np.nan, 0.5]}, "a policy weight is negative or not a number"),
        ({"policy_weights": [0.75, 0.5]}, "the policy of ply 1 sums to 1.25, not to 1"),
        ({"policy_offsets": [0, 0, 2], "policy_weights": [0, 0]}, "the policy of ply 2 sums to 0"),
        ({"policy_weights": [0.75, 0.252]}, "the policy of ply 1 sums to 1.002, not to 1"),
        (
            {"policy_offsets": [0, 1, 1], "policy_actions": [4], "policy_weights": [0.5]},
            "the policy of ply 1 sums to 0.5",
        ),
        ({"policy_actions": [4, 4]}, "a policy names an action twice"),
        ({"sample_weights": [1.0]}, "1 sample weights for 2 moves"),
        ({"sample_weights": [1.0, -0.5]}, "a sample weight is negative or not a number"),
        ({"sample_weights": [np.inf, 1.0]}, "a sample weight is negative or not a number"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(changes, problem):
    with pytest.raises(ValueError, match=r"^(record of game|moves do not)") as caught:
        small_record(**changes)
    assert problem in str(caught.value)


def test_the_extremes_are_allowed():
    record = small_record(
        game_id=2**63 - 1, seed=2**64 - 1, result=-1, root_values=[1, -1], moves=[65535, 0]
    )
    assert record.moves[0] == 65535
    empty = small_record(
        moves=[], root_values=[], policy_offsets=[0], policy_actions=[], policy_weights=[]
    )
    assert (len(empty.moves), empty.positions) == (0, 0)
    small_record(version=2**63 - 1, policy_weights=[0.75, 0.2505])  # as float32 sums may be
    # The same action in two rows is no repetition.
    small_record(policy_offsets=[0, 1, 2], policy_actions=[4, 4], policy_weights=[1, 1])


def test_types_are_those_of_the_agreement():
    record = small_record(game_id=np.int64(7))
    assert type(record.game_id) is int and type(record.result) is float
    assert record.moves.dtype == record.policy_actions.dtype == np.uint16
    assert record.root_values.dtype == record.policy_weights.dtype == np.float32
    assert record.policy_offsets.dtype == np.int32


def test_a_record_keeps_its_own_copy_that_cannot_change():
    moves = np.array([4, 0], np.uint16)
    record = small_record(moves=moves)
    moves[0] = 8
    assert record.moves[0] == 4
    with pytest.raises(ValueError, match="read-only"):
        record.moves[0] = 8


def test_equality_sees_every_field():
    assert small_record() == small_record()  # NaN equals itself here
    changed = {
        "game": "connect4",
        "game_id": 8,
        "seed": 2,
        "version": 3,
        "start": b"x",
        "moves": [4, 1],
        "root_values": [0.5, np.nan],
        "policy_offsets": [0, 0, 2],
        "policy_actions": [4, 2],
        "policy_weights": [0.5, 0.5],
        "result": 1.0,
        "info": {"a": 1},
        "sample_weights": [1, 2],
    }
    assert changed.keys() == FIELDS
    for name, value in changed.items():
        assert small_record(**{name: value}) != small_record(), name
    assert small_record() != "a record"


def test_searched_plies_are_those_to_learn_from():
    record = small_record(
        moves=[0, 1, 2, 3],
        root_values=[np.nan, 0.5, np.nan, -0.5],
        policy_offsets=[0, 0, 0, 1, 2],
        policy_actions=[5, 6],
        policy_weights=[1, 1],
    )
    assert record.searched.tolist() == [False, True, True, True]
    assert record.positions == 3
    assert [record.policy(ply)[0].tolist() for ply in range(4)] == [[], [], [5], [6]]


def test_sparse_policies_leave_out_what_weighs_nothing():
    offsets, actions, weights = sparse_policies(
        [([3, 5], [0.25, 0.75]), None, ([1, 2, 4], [0, 1, 0]), ([], [])]
    )
    assert offsets.tolist() == [0, 2, 2, 3, 3]
    assert actions.tolist() == [3, 5, 2]
    assert weights.tolist() == [0.25, 0.75, 1]
    assert [array.tolist() for array in sparse_policies([])] == [[0], [], []]


@kernel
def second_begins(state):
    state.board[:] = 0
    state.to_play = 1
    state.ply = 0
    state.winner = 0


def test_start_states():
    assert start_states(None, TICTACTOE)[0] == TICTACTOE.position().state
    other = dataclasses.replace(TICTACTOE, start=second_begins, parameters={"begins": 1})
    assert start_states(None, other)[0]["to_play"] == 1
    position = TICTACTOE.position()
    position.play("b2")
    assert start_states(position.state.tobytes(), TICTACTOE)[0] == position.state
    with pytest.raises(UserError, match="starts from 3 bytes, but its state has"):
        start_states(b"abc", TICTACTOE)


# -- text ------------------------------------------------------------------------------------------


@given(st.sampled_from(GAMES), st.integers(0, 10**6))
def test_text_round_trip_is_exact(game, game_id):
    record = random_record(game, game_id, unsearched=0.2, fast=0.2)
    text = write_text(record, game)
    again = read_text(text, game)
    assert again == record
    assert write_text(again, game) == text


def test_text_reads_like_a_score_sheet():
    text = write_text(small_record(info={"simulations": 64}), TICTACTOE)
    assert text == textwrap.dedent("""\
        game tic-tac-toe
        id 7
        seed 1
        version 2
        result 0.0
        info {"simulations": 64}

        # ply, move, value for the player to move, policy
        1 b2 0.25 b2:0.75 b3:0.25
        2 a3 -

        #    a  b  c
        # 3 (O) .  .  3
        # 2  .  X  .  2
        # 1  .  .  .  1
        #    a  b  c
        """)


def test_text_shows_what_counts_more_or_less_than_one():
    record = small_record(sample_weights=[2.5, 1])
    assert "\n1 b2 0.25*2.5 b2:0.75 b3:0.25\n2 a3 -\n" in write_text(record, TICTACTOE)
    assert read_text(write_text(record, TICTACTOE), TICTACTOE) == record
    assert "\n2 a3 -*0.5\n" in write_text(small_record(sample_weights=[1, 0.5]), TICTACTOE)


def test_abridged_text_shows_the_largest_entries_and_is_not_read_back():
    text = write_text(small_record(policy_weights=[0.25, 0.75]), TICTACTOE, top=1)
    assert "\n1 b2 0.25 b3:0.75 ...\n" in text
    with pytest.raises(UserError, match="line 8 of the record: the policy is abridged"):
        read_text(text, TICTACTOE)
    assert read_text(write_text(small_record(), TICTACTOE, top=2), TICTACTOE) == small_record()


def test_text_of_a_game_from_another_start():
    position = TICTACTOE.position()
    position.play("b2")
    record = small_record(start=position.state.tobytes(), moves=[0, 1])
    assert "\n2 b3 -\n" in write_text(record, TICTACTOE)
    assert read_text(write_text(record, TICTACTOE), TICTACTOE) == record


def test_text_of_an_illegal_move_says_so():
    with pytest.raises(UserError, match="game 7, ply 2: b2 is illegal: the cell is taken by X"):
        write_text(small_record(moves=[4, 4]), TICTACTOE)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id 7", "id seven", "line 2 of the record: invalid literal"),
        ("id 7\n", "", "the record lacks id"),
        ("seed", "sead", "line 3 of the record: unknown field 'sead'"),
        ("1 b2", "1 b9", "line 8 of the record: 'b9' is not a cell"),
        ("2 a3", "2 b2", "line 9 of the record: b2 is illegal: the cell is taken by X"),
        ("2 a3 -", "2 a3", "line 9 of the record: expected ply 2 with its move and value"),
        ("2 a3 -", "3 a3 -", "line 9 of the record: expected ply 2"),
        ("b2:0.75", "b2:0.5", "record of game 7: the policy of ply 1 sums to 0.75"),
        ("0.25 b2", "0.25*x b2", "line 8 of the record: could not convert"),
        ("b2:0.75", "b2", "line 8 of the record: could not convert"),
        ("result 0.0", "result 3.0", "result = 3.0 is not between -1 and 1"),
        ("game tic-tac-toe", "game tick", "a game of tick, not of tic-tac-toe"),
        ("result 0.0", "result 0.0\nstart zz", "line 6 of the record: non-hexadecimal"),
        ("result 0.0", "result 0.0\nstart 00", "starts from 1 bytes"),
        ("result 0.0", "result 0.0\ninfo {", "line 6 of the record: "),
    ],
)
def test_text_with_a_mistake_names_the_line(old, new, problem):
    text = write_text(small_record(), TICTACTOE)
    assert old in text
    with pytest.raises(UserError) as caught:
        read_text(text.replace(old, new, 1), TICTACTOE)
    assert problem in str(caught.value)


def test_a_record_never_executes_the_path_in_it(tmp_path):
    marker, evil = tmp_path / "executed", tmp_path / "evil.py"
    evil.write_text(f"open({str(marker)!r}, 'w')\n")
    record = small_record(game=str(evil))
    write_shard(tmp_path / "a.npz", [record])
    (read,) = read_shard(tmp_path / "a.npz")
    text = write_text(read, TICTACTOE)
    for use in (
        lambda: read_text(text, TICTACTOE),
        lambda: Replay(TICTACTOE, ReplayConfig()).add(read),
        lambda: play_moves(TICTACTOE, read),
    ):
        with pytest.raises(UserError, match=r"evil\.py"):
            use()
    assert list(Store(tmp_path)) == [] and not marker.exists()


# -- shards ----------------------------------------------------------------------------------------


def test_shard_round_trip_is_exact(tmp_path):
    records = [*random_records(CONNECT4, 5, fast=0.3), random_record(TICTACTOE, 99)]
    records.append(small_record(start=b"\x00\xff", seed=2**64 - 1, info={"é": [1, None, "x"]}))
    write_shard(tmp_path / "a.npz", records)
    assert read_shard(tmp_path / "a.npz") == records
    write_shard(tmp_path / "none.npz", [])
    assert read_shard(tmp_path / "none.npz") == []


def test_a_shard_of_the_first_version_is_read():
    """It says nothing of what plies count."""
    old = small_record(root_values=[0.5, np.nan])
    assert read_shard(Path(__file__).parents[1] / "golden" / "shard_version1.npz") == [old]


def test_shard_is_compressed_and_needs_no_pickle(tmp_path):
    path = tmp_path / "a.npz"
    write_shard(path, random_records(CONNECT4, 64))
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {"header", *module.ARRAYS}
        assert json.loads(arrays["header"].tobytes())["records"] == 64
    assert all(member.compress_type for member in zipfile.ZipFile(path).infolist())


def test_every_flipped_bit_is_noticed(tmp_path):
    """Or harms nothing: the archive's own dates and attributes are not ours."""
    path = tmp_path / "a.npz"
    records = random_records(TICTACTOE, 3)
    write_shard(path, records)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    noticed = 0
    for position in rng.choice(len(content), 400, replace=False).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert read_shard(path) == records
        except DamagedShard as error:
            assert str(path) in str(error)
            noticed += 1
    assert noticed > 200


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    write_shard(path, random_records(TICTACTOE, 3))
    content = path.read_bytes()
    for length in [0, 1, 30, *range(50, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(DamagedShard, match=r"the games .*a\.npz are damaged"):
            read_shard(path)


def rewrite(path: Path, change, without: str = "") -> None:
    """Change the header of a shard, and leave an array out, all checksums being right."""
    with np.load(path) as loaded:
        arrays = dict(loaded)
    header = json.loads(arrays.pop("header").tobytes())
    change(header)
    arrays.pop(without, None)
    packed = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(path, header=packed, **arrays)


def test_a_header_that_counts_wrong_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    for change in (
        lambda header: header["games"].pop(),
        lambda header: header.update(records=3),
        lambda header: header.update(format="other"),
        lambda header: header.pop("games"),
        lambda header: header["games"][-1].update(plies=0),
        lambda header: header["games"][-1].update(entries=header["games"][-1]["entries"] + 1),
    ):
        write_shard(path, random_records(TICTACTOE, 2))
        rewrite(path, change)
        with pytest.raises(DamagedShard):
            read_shard(path)


@pytest.mark.parametrize("without", ["", "root_values"])
def test_a_newer_format_is_not_damage(tmp_path, without):
    path = tmp_path / "a.npz"
    write_shard(path, random_records(TICTACTOE, 2))
    rewrite(path, lambda header: header.update(version=3), without)
    with pytest.raises(UserError, match="have format 3, this program reads 1 to 2") as caught:
        read_shard(path)
    assert not isinstance(caught.value, DamagedShard)


def test_a_missing_shard(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the games .*No such file") as caught:
        read_shard(tmp_path / "none.npz")
    assert not isinstance(caught.value, DamagedShard)


def test_another_npz_is_no_shard(tmp_path):
    np.savez_compressed(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DamagedShard):
        read_shard(tmp_path / "other.npz")


def test_positions_of_a_record_can_be_played(tmp_path):
    """The text's positions are those of the record's own start."""
    record = random_record(CONNECT4, 3)
    position = Position(CONNECT4, start_states(None, CONNECT4)[0])
    for move in record.moves.tolist():
        position.play(move)
    outcome = position.outcome()
    assert outcome is not None and outcome.values[0] == record.result
