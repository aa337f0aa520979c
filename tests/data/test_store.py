"""The games on disk: in order, each once, and none is lost to a crash, a full disk or damage."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from alphazero import files
from alphazero.data.record import read_shard
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import load
from tests.helpers.random_records import random_record, random_records

TICTACTOE = load("tic-tac-toe")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def ids(records) -> list[int]:
    return [record.game_id for record in records]


def filled(directory: Path, shards: int = 3, games: int = 2) -> Store:
    store = Store(directory)
    for i in range(shards):
        store.append(random_records(TICTACTOE, games, first_id=i * games))
    return store


def test_store_keeps_games_in_the_order_they_came(tmp_path):
    store = Store(tmp_path / "new" / "games")
    store.append(random_records(TICTACTOE, 2, first_id=20))
    assert ids(store.append(random_records(TICTACTOE, 2, first_id=0))) == [0, 1]
    assert "shard-000000000000-main-000001.npz" in names(store.directory)
    for opened in (store, Store(store.directory)):
        assert ids(opened) == [20, 21, 0, 1]
        assert list(opened)[2] == random_record(TICTACTOE, 0)
        assert len(opened) == 4
        assert opened.positions == [record.positions for record in opened]
        assert 21 in opened and 22 not in opened


def test_store_goes_on_where_it_stopped(tmp_path):
    filled(tmp_path)
    store = Store(tmp_path)
    store.append(random_records(TICTACTOE, 1, first_id=6))
    assert ids(Store(tmp_path)) == list(range(7))
    assert len(names(tmp_path)) == 5


def test_a_game_is_kept_once(tmp_path):
    store = filled(tmp_path)
    before = names(tmp_path)
    assert store.append(random_records(TICTACTOE, 2, first_id=2)) == []
    assert names(tmp_path) == before
    store.append(
        random_records(TICTACTOE, 3, first_id=5) + random_records(TICTACTOE, 1, first_id=6)
    )
    assert ids(store) == ids(Store(tmp_path)) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_two_writers_share_a_folder(tmp_path):
    one, two = Store(tmp_path, writer="one"), Store(tmp_path, writer="two")
    two.append(random_records(TICTACTOE, 2, first_id=10))
    one.append(random_records(TICTACTOE, 2, first_id=9))
    one.append(random_records(TICTACTOE, 1, first_id=20))
    assert ids(Store(tmp_path)) == [9, 10, 11, 20]  # 10 was written by both


def test_records_from_a_number_on(tmp_path):
    store = filled(tmp_path, shards=3, games=3)
    for first in range(10):
        for last in range(10):
            assert ids(store.records(first, last)) == list(range(first, last))
    assert ids(store.records(4)) == [4, 5, 6, 7, 8]


def test_records_reads_only_the_shards_it_needs(tmp_path, monkeypatch):
    store = filled(tmp_path)
    opened = []
    monkeypatch.setattr(
        "alphazero.data.store.read_shard",
        lambda path: opened.append(path.name) or read_shard(path),
    )
    assert ids(store.records(2, 3)) == [2]
    assert opened == ["shard-000000000002-main-000001.npz"]
    assert len(Store(tmp_path)) == 6  # from the index alone
    assert len(opened) == 1


class Unscanned(list):
    """A list that may be indexed and appended to, but not scanned."""

    def __iter__(self):
        raise AssertionError("all shards were scanned")


def test_append_and_length_take_constant_time(tmp_path):
    store = filled(tmp_path, shards=5)
    store.shards = Unscanned(store.shards)
    store._starts = Unscanned(store._starts)
    store.append(random_records(TICTACTOE, 2, first_id=10))
    assert len(store) == 12 and 11 in store
    assert ids(store.records(11)) == [11]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda index: index.unlink(),
        lambda index: index.write_text(""),
        lambda index: index.write_bytes(index.read_bytes()[:-20]),
        lambda index: index.write_bytes(index.read_bytes()[:-1]),  # its last newline
        lambda index: index.write_text("nonsense\n[1]\n{}\n" + index.read_text()),
        lambda index: index.write_bytes(b"\xff\xfe\n"),
        lambda index: index.write_text(index.read_text() * 2),
    ],
)
def test_the_index_is_made_again_from_the_shards(tmp_path, spoil):
    original = filled(tmp_path)
    text = (tmp_path / "index.jsonl").read_text()
    spoil(tmp_path / "index.jsonl")
    store = Store(tmp_path)
    assert store.shards == original.shards
    store.append(random_records(TICTACTOE, 1, first_id=6))
    assert ids(Store(tmp_path)) == list(range(7))
    (tmp_path / "shard-000000000006-main-000003.npz").unlink()
    Store(tmp_path)
    assert (tmp_path / "index.jsonl").read_text().startswith(text)


def test_a_shard_the_index_does_not_know_is_found(tmp_path):
    """As when the writer was killed between the two."""
    filled(tmp_path)
    lines = (tmp_path / "index.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "index.jsonl").write_text("".join(lines[:-1]))
    assert ids(Store(tmp_path)) == list(range(6))
    assert (tmp_path / "index.jsonl").read_text() == "".join(lines)


@pytest.mark.parametrize("reopen", [True, False])
def test_a_damaged_shard_is_put_away_and_the_rest_keeps_its_numbers(tmp_path, caplog, reopen):
    store = filled(tmp_path)
    name = "shard-000000000002-main-000001.npz"
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    (tmp_path / name).write_bytes(content[:-5] if reopen else content)
    if reopen:
        store = Store(tmp_path)
    assert ids(store) == [0, 1, 4, 5]
    assert names(tmp_path / "quarantine") == [name]
    assert "are damaged" in caplog.text and "quarantine" in caplog.text
    assert 2 not in store and len(store) == 6

    assert ids(store.records(4)) == [4, 5]
    caplog.clear()
    again = Store(tmp_path)
    assert ids(again) == [0, 1, 4, 5] and len(again) == 6
    assert not caplog.text
    again.append(random_records(TICTACTOE, 1, first_id=2))  # it may come back
    assert ids(again) == ids(Store(tmp_path)) == [0, 1, 4, 5, 2]


def test_a_deleted_shard_leaves_its_numbers(tmp_path, caplog):
    filled(tmp_path)
    (tmp_path / "shard-000000000000-main-000000.npz").unlink()
    store = Store(tmp_path)
    assert "shard-000000000000-main-000000.npz are gone" in caplog.text
    assert ids(store.records(2)) == ids(store) == [2, 3, 4, 5]


def test_a_damaged_file_that_was_never_indexed_has_no_numbers(tmp_path):
    filled(tmp_path)
    (tmp_path / "shard-000000000099-main-000003.npz").write_bytes(b"PK")
    store = Store(tmp_path)
    assert len(store) == 6
    assert names(tmp_path / "quarantine") == ["shard-000000000099-main-000003.npz"]


def test_other_files_are_left_alone_and_leftovers_swept(tmp_path):
    filled(tmp_path)
    for name in ("notes.txt", "shard-x.npz", ".tmp-shard-000000000006-main-000003.npz-ab"):
        (tmp_path / name).write_text("x")
    assert ids(Store(tmp_path)) == list(range(6))
    found = names(tmp_path)
    assert "notes.txt" in found and "shard-x.npz" in found
    assert not any(name.startswith(".tmp-") for name in found)


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    store = filled(tmp_path)
    before = names(tmp_path)

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(UserError, match=r"cannot write .*shard-.*No space left on device"):
            store.append(random_records(TICTACTOE, 1, first_id=6))
    assert names(tmp_path) == before
    assert ids(store) == list(range(6)) and 6 not in store
    store.append(random_records(TICTACTOE, 1, first_id=6))
    assert ids(Store(tmp_path)) == list(range(7))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot make the folder"):
        Store(tmp_path / "file" / "games")


def run_python(code: str, *arguments: str, **options) -> subprocess.Popen:
    tests = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_that_may_not_grow_is_not_half_written(tmp_path):
    filled(tmp_path)
    before = names(tmp_path)
    code = """
        import resource, sys
        from alphazero.data.store import Store
        from alphazero.game import load
        from alphazero.errors import UserError
        from tests.helpers.random_records import random_records
        store = Store(sys.argv[1])
        records = random_records(load("tic-tac-toe"), 50, first_id=6)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            store.append(records)
        except UserError as error:
            print(error)
    """
    process = run_python(code, str(tmp_path))
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "cannot write" in out and "File too large" in out
    assert names(tmp_path) == before
    assert ids(Store(tmp_path)) == list(range(6))


APPEND_FOR_EVER = """
    import sys
    from alphazero.data.store import Store
    from alphazero.game import load
    from tests.helpers.random_records import random_record
    store = Store(sys.argv[1])
    ready = [random_record(load("tic-tac-toe"), i) for i in range(int(sys.argv[2]), 2000)]
    for i in range(0, len(ready), 2):
        store.append(ready[i : i + 3])  # the third comes again in the next call
        print(ready[min(i + 2, len(ready) - 1)].game_id, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_9_loses_no_acknowledged_game(tmp_path):
    acknowledged = -1
    for attempt in range(4):
        process = run_python(APPEND_FOR_EVER, str(tmp_path), str(max(0, acknowledged - 3)))
        assert process.stdout is not None
        for _ in range(3 + 5 * attempt):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            acknowledged = int(line)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged = max([acknowledged, *map(int, rest.split("\n")[:-1])])
        store = Store(tmp_path)
        found = ids(store)
        assert found == list(range(len(found)))  # each once, none missing
        assert len(found) > acknowledged
        for record in store:
            assert record == random_record(TICTACTOE, record.game_id)
        assert not any(name.startswith(".tmp-") for name in names(tmp_path))
        assert not (tmp_path / "quarantine").exists()


def test_a_damaged_shard_that_cannot_be_moved_is_named(tmp_path):
    (tmp_path / "quarantine").write_text("in the way")
    (tmp_path / "shard-000000000000-main-000000.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"are damaged: .*; cannot move it away: File exists"):
        Store(tmp_path)


def test_games_are_safe_without_an_index(tmp_path, caplog):
    store = filled(tmp_path)
    (tmp_path / "index.jsonl").unlink()
    (tmp_path / "index.jsonl").mkdir()
    store.append(random_records(TICTACTOE, 1, first_id=6))
    assert "cannot add to the index of" in caplog.text
    assert ids(store) == list(range(7))
    (tmp_path / "index.jsonl").rmdir()
    assert ids(Store(tmp_path)) == list(range(7))


@pytest.mark.parametrize(
    ("old", "new"), [('"ids": [0, 1]', '"ids": [0]'), ('"name": "shard-', '"name": "../shard-')]
)
def test_a_line_of_the_index_that_makes_no_sense_is_not_believed(tmp_path, caplog, old, new):
    original = filled(tmp_path)
    index = tmp_path / "index.jsonl"
    text = index.read_text()
    assert old in text
    index.write_text(text.replace(old, new, 1))
    store = Store(tmp_path)
    assert "unreadable line" in caplog.text
    assert store.shards == original.shards
    assert index.read_text() == text


def test_writers_that_tie_are_ordered_by_name(tmp_path):
    one, two = Store(tmp_path, writer="a"), Store(tmp_path, writer="b")
    two.append(random_records(TICTACTOE, 1, first_id=0))
    one.append(random_records(TICTACTOE, 1, first_id=1))
    assert ids(Store(tmp_path)) == [1, 0]
