"""Contributors by a shared folder: every acknowledged game counts once."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alphazero import __main__ as cli
from alphazero import storage as remote
from alphazero.config import Config, load_config
from alphazero.data.record import pack_shard
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.learning.learner import Learner
from alphazero.run import contribute
from alphazero.run.contribute import Contribution, Contributor, Outbox, contributed_items
from alphazero.selfplay.workers import shared_folder
from alphazero.selfplay.workers.executor import CombinedExecutor, GameBatch, WorkItem
from alphazero.selfplay.workers.shared_folder import (
    FIRST_CONTRIBUTED,
    Invitation,
    SharedFolder,
    SharedFolderExecutor,
    version_of,
)
from alphazero.storage import Unreachable, open_folder
from tests.helpers.random_records import random_record

TICTACTOE = load("tic-tac-toe")
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 8
self_play = {parallel_games = 8, games_per_work_item = 16}
replay = {min_positions = 100, window = 2000}
learner = {batch_size = 64, replay_ratio = 2}
evaluation = {every_games = 0}
run = {workers = "none", shared_folder = "SHARE", publish_every_steps = 5}
"""
FACTS = {"run": "this-run", "worker": "host:1", "stats": {"games": 2, "plies": 14}}


@pytest.fixture(params=["path", "file", "memory"])
def location(request, tmp_path) -> str:
    """A folder of each kind."""
    if request.param == "memory":
        return f"memory://{tmp_path.name}/share"
    return f"file://{tmp_path}/share" if request.param == "file" else str(tmp_path / "share")


@pytest.fixture
def quick(monkeypatch):
    """No waiting."""
    monkeypatch.setattr(shared_folder, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(shared_folder, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(contribute, "CONTACT_SECONDS", 0.05)


def settings(tmp_path, *changes: str) -> Config:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS.replace("SHARE", str(tmp_path / "share")))
    return load_config(path, changes)


def records(count: int, first: int = 0, version: int = 4):
    """Games as a contributor plays them."""
    made = (random_record(TICTACTOE, FIRST_CONTRIBUTED + first + i) for i in range(count))
    return [made_with(record, version=version) for record in made]


def made_with(record, **changes):
    return type(record)(**{**vars(record), **changes})


def weights(config: Config) -> dict[str, np.ndarray]:
    return Learner(TICTACTOE, config.network, config.learner, "cpu").weights()


def ids(batch: GameBatch | None) -> list[int]:
    assert batch is not None
    return [record.game_id - FIRST_CONTRIBUTED for record in batch.records]


# -- the folder ------------------------------------------------------------------------------------


def test_a_folder_holds_whole_files(location):
    folder = open_folder(location)
    assert folder.names("a") == []
    folder.write("a/two", b"old")
    folder.write("a/two", b"new")
    folder.write("a/one", b"1")
    folder.write("top", b"")
    assert open_folder(location).names("a") == ["one", "two"]
    assert folder.names("") == ["a", "top"]
    assert folder.read("a/two") == b"new"
    folder.delete("a/two")
    folder.delete("a/two")
    assert folder.names("a") == ["one"]
    with pytest.raises(Unreachable, match=r"cannot read .*a/two: "):
        folder.read("a/two")


def test_what_a_killed_writer_left_is_no_file_and_is_swept_away(tmp_path):
    for location in (str(tmp_path), f"file://{tmp_path}"):
        (tmp_path / "games").mkdir(exist_ok=True)
        (tmp_path / "games" / ".tmp-a-1").write_bytes(b"half")
        folder = open_folder(location)
        assert folder.names("games") == []
        folder.sweep("games")
        folder.sweep("nowhere")
        assert list((tmp_path / "games").iterdir()) == []


def test_locations_that_cannot_be_used_are_one_clear_line():
    with pytest.raises(UserError, match=r"nope://x cannot be used: Protocol not known: nope"):
        open_folder("nope://x")
    assert isinstance(open_folder("relative/path"), remote.LocalFolder)


# -- what lies in it -------------------------------------------------------------------------------


def test_an_invitation_comes_back_and_a_newer_ones_format_is_refused(location):
    share = SharedFolder(location)
    assert share.invitation() is None
    invitation = Invitation("abc", "tic-tac-toe", 'game = "tic-tac-toe"\n')
    share.invite(invitation)
    assert SharedFolder(location).invitation() == invitation
    share.files.write("run.json", share.files.read("run.json").replace(b"1", b"9", 1))
    with pytest.raises(UserError, match="has format 9, this program reads 1"):
        share.invitation()
    share.files.write("run.json", b"{}")
    with pytest.raises(UserError, match=r"run.json is not"):
        share.invitation()


def test_the_newest_weights_are_those_written_last_even_after_a_crash_went_back(location):
    share = SharedFolder(location)
    assert share.newest_weights() is None
    for version in (1, 2, 3):
        share.publish(version, b"weights %d" % version)
    kept = share.files.names("weights")
    assert [version_of(name) for name in kept] == [2, 3], "somebody may be reading the one before"
    share.publish(2, b"other weights")  # the learner went on from a checkpoint of version 1
    newest = share.newest_weights()
    assert newest is not None and version_of(newest) == 2 and newest not in kept
    assert share.read_weights(newest) == b"other weights"
    assert share.files.names("weights") == [newest]


# -- the learner's side ----------------------------------------------------------------------------


@pytest.fixture
def players(tmp_path, quick) -> SharedFolderExecutor:
    config = settings(tmp_path, "run.max_version_lag=3")
    made = SharedFolderExecutor(
        TICTACTOE, config, SharedFolder(config.run.shared_folder), "this-run"
    )
    made.start(5, weights(config))
    return made


def test_a_file_is_handed_out_once_and_gone_when_its_games_are_stored(players):
    share = players.folder
    share.upload("aa-000000.npz", records(2), FACTS)
    share.upload("bb-000000.npz", records(3, first=2, version=5), FACTS)
    assert players.workers == 0
    one, two = players.collect(False), players.collect(False)
    assert ids(one) == [0, 1] and ids(two) == [2, 3, 4]
    assert one.worker == "host:1 (share)" and one.stats == {"games": 2, "plies": 14}
    assert (one.version, two.version, players.workers) == (4, 5, 1)
    assert players.collect(False) is None, "they are in hand"
    assert len(share.games()) == 2, "not acknowledged before they are on the disk"
    two.acknowledge()
    assert share.games() == ["aa-000000.npz"]
    one.acknowledge()
    assert share.games() == [] and players.collect(False) is None


def test_a_learner_killed_before_it_acknowledged_finds_the_file_again(tmp_path, players):
    players.folder.upload("aa-000000.npz", records(2), FACTS)
    players.collect(False)
    after = SharedFolderExecutor(TICTACTOE, players.config, players.folder, "this-run")
    after.start(5, weights(players.config))
    assert ids(after.collect(False)) == [0, 1]


BAD = {
    "damaged": lambda: pack_shard(records(1), FACTS)[:-50],
    "to another run": lambda: pack_shard(records(1), {**FACTS, "run": "other"}),
    "holds no games": lambda: pack_shard([], FACTS),
    "an id or a seed": lambda: pack_shard([random_record(TICTACTOE, 5)], FACTS),
    "seed of another run": lambda: pack_shard([made_with(records(1)[0], seed=1)], FACTS),
    "is of connect4": lambda: pack_shard([made_with(records(1)[0], game="connect4")], FACTS),
    "illegal": lambda: (
        pack_shard([made_with(records(1)[0], moves=[0] * 9)], FACTS)
        if len(records(1)[0].moves) == 9
        else pack_shard([made_with(records(1)[0], moves=[0] * len(records(1)[0].moves))], FACTS)
    ),
    r"version 1 of the weights, 4 behind \(run.max_version_lag = 3\)": lambda: pack_shard(
        records(1, version=1), FACTS
    ),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_file_is_reported_once_and_set_aside_with_the_reason(players, caplog, reason):
    content = BAD[reason]()
    players.folder.files.write("games/aa-000000.npz", content)
    players.folder.upload("bb-000000.npz", records(1, first=9, version=5), FACTS)
    assert ids(players.collect(False)) == [9], "the one after it is not held up"
    (line,) = caplog.messages
    assert re.search(reason, line) and "refused" in line
    assert players.folder.games() == ["bb-000000.npz"]
    assert players.folder.files.read("refused/aa-000000.npz") == content
    (found,) = players.folder.refusals(["aa-000000.npz", "cc-000000.npz"]).values()
    assert re.search(reason, found)
    assert players.collect(False) is None and len(caplog.messages) == 1


def test_games_of_weights_that_a_crash_has_undone_are_taken(players):
    players.folder.upload("aa-000000.npz", records(1, version=8), FACTS)
    assert ids(players.collect(False)) == [0]


def test_a_share_that_cannot_be_reached_is_tried_again(players, monkeypatch, caplog):
    players.folder.upload("aa-000000.npz", records(2, version=5), FACTS)
    with monkeypatch.context() as patch:
        patch.setattr(players.folder, "games", unreachable)
        assert players.collect(True) is None
    batch = players.collect(False)
    with monkeypatch.context() as patch:
        patch.setattr(players.folder, "acknowledge", unreachable)
        batch.acknowledge()
        assert players.collect(False) is None, "it is not read again"
    assert players.folder.games() == ["aa-000000.npz"]
    assert players.collect(False) is None
    assert players.folder.games() == [], "acknowledged at the next look"
    assert "the network is down" in caplog.text


def unreachable(*_):
    raise Unreachable("the network is down")


def test_a_folder_serves_one_run(tmp_path, players):
    other = SharedFolderExecutor(TICTACTOE, players.config, players.folder, "another-run")
    with pytest.raises(UserError, match=r"belongs to another run, of tic-tac-toe"):
        other.start(0, weights(players.config))


def test_weights_are_written_now_and_then_and_at_the_end(players, monkeypatch):
    first = players.folder.newest_weights()
    assert first is not None and version_of(first) == 5
    players.publish(6, weights(players.config))
    players.publish(7, weights(players.config))
    players.collect(False)
    assert players.folder.newest_weights() == first
    monkeypatch.setattr(shared_folder, "PUBLISH_SECONDS", 0.0)
    players.collect(False)
    assert version_of(players.folder.newest_weights()) == 7
    players.publish(8, weights(players.config))
    players.close(finished=True)
    assert version_of(players.folder.newest_weights()) == 8
    invitation = players.folder.invitation()
    assert invitation is not None and invitation.finished
    players.folder.upload("aa-000000.npz", records(1), FACTS)
    assert players.collect(False) is None, "closed"


def test_workers_and_contributors_take_turns(players):
    class Own:
        workers, replaced, interruptible = 2, 1, False

        def __init__(self):
            self.asked = []

        def collect(self, wait):
            self.asked.append(wait)
            return GameBatch(WorkItem(0, 1), 5, [random_record(TICTACTOE, 0)])

        def close(self, finished=False):
            self.asked.append(True)

    own = Own()
    both = CombinedExecutor(own, players)
    assert (both.workers, both.replaced, both.interruptible) == (2, 1, False)
    for number in range(3):
        players.folder.upload(f"aa-00000{number}.npz", records(1, number, version=5), FACTS)
    workers = [both.collect(True).worker for _ in range(8)]
    assert workers.count("host:1 (share)") == 3 and both.workers == 3
    assert workers[:6:2] == ["this process"] * 3, "neither holds up the other"
    own.collect = lambda wait: own.asked.append(wait)
    assert both.collect(True) is None and own.asked[-1], "waiting is the workers'"


# -- the contributor's side ------------------------------------------------------------------------


def test_games_of_contributors_have_numbers_that_no_worker_and_no_other_has():
    items = list(itertools.islice(contributed_items(16), 1000))
    numbers = {number for item in items for number in item.ids}
    assert len(numbers) == 16_000
    assert min(numbers) >= FIRST_CONTRIBUTED and max(numbers) < 2**63


def test_an_outbox_hands_in_what_is_due_and_counts_what_was_taken(tmp_path, monkeypatch, caplog):
    now = itertools.count()
    share, result = SharedFolder(str(tmp_path)), Contribution()
    outbox = Outbox(share, "this-run", result, clock=lambda: next(now))
    monkeypatch.setattr(contribute, "UPLOAD_SECONDS", 3)
    monkeypatch.setattr(contribute, "MOST_WAITING", 2)
    outbox.add(GameBatch(WorkItem(0, 2), 0, records(2), {"plies": 9.0}))
    assert not outbox.is_due and not outbox.is_due and outbox.is_due, "by the third second"
    with monkeypatch.context() as patch:
        patch.setattr(share, "upload", unreachable)
        with pytest.raises(Unreachable):
            outbox.upload()
    outbox.add(GameBatch(WorkItem(0, 1), 0, records(1, first=2), {"plies": 4.0}))
    outbox.upload()
    outbox.upload()
    outbox.add(GameBatch(WorkItem(0, 1), 0, records(1, first=3)))
    outbox.upload()
    assert outbox.is_full
    one, two = share.games()
    share.refuse(two, b"", "it is stale")
    share.acknowledge(one)
    outbox.settle()
    assert not outbox.is_full
    assert result == Contribution(games=4, uploaded=4, accepted=3, refused=1)
    assert f"{two} was refused: it is stale" in caplog.text


def test_a_contributor_waits_for_a_run_and_refuses_another_game(tmp_path, quick, players):
    said: list[str] = []
    contributor = Contributor(str(tmp_path / "share"), game="connect4", say=said.append)
    with pytest.raises(UserError, match=r"the run plays tic-tac-toe, not connect4"):
        contributor.play()
    players.folder.invite(Invitation("this-run", "x.py", 'game = "/nowhere/x.py"'))
    with pytest.raises(UserError, match=r"--game says where it is"):
        Contributor(str(tmp_path / "share"), say=said.append).play()


def test_join_executes_no_path_that_the_user_did_not_give(tmp_path, quick, players):
    """Whoever can write in the folder names the run's game there."""
    trap, proof = tmp_path / "trap.py", tmp_path / "executed"
    trap.write_text(f"open({str(proof)!r}, 'w').close()\n")
    players.folder.invite(Invitation("this-run", str(trap), f'game = "{trap}"'))
    said: list[str] = []
    with pytest.raises(UserError, match=r"not executed unless you name it yourself: --game"):
        Contributor(str(tmp_path / "share"), say=said.append).play()
    assert not proof.exists()
    with pytest.raises(UserError, match="does not define GAME"):
        Contributor(str(tmp_path / "share"), game=str(trap), say=said.append).play()
    assert proof.exists()


def test_join_plays_with_the_newest_weights_until_the_run_is_over(tmp_path, quick, players, capsys):
    share = players.folder
    monitor = Contributor(str(tmp_path / "share"), device="cpu", say=lambda text: None)
    seen = []
    upload = monitor.folder.upload

    def told(name, games, extra):
        seen.append((players.version, {record.version for record in games}))
        upload(name, games, extra)
        if len(seen) == 1:
            players.publish(9, weights(players.config))
            players._publish()
        elif len(seen) > 3 and 9 in seen[-1][1]:
            players.close(finished=True)

    monitor.folder.upload = told
    result = monitor.play()
    assert result.ended == "the run is finished" and result.version == 9
    assert seen[0] == (5, {5}) and 9 in seen[-1][1]
    files = [share.read_games(name) for name in share.games()]
    assert len(files) == len(seen) and result.uploaded <= result.games
    share.invite(Invitation("this-run", "tic-tac-toe", share.invitation().settings))
    assert cli.main(["join", str(tmp_path / "share"), "--games", "20", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"stopped: 32 games, 32 uploaded, 0 accepted so far\n", out)
    assert "playing tic-tac-toe for the run this-run" in err
    assert len(share.games()) > len(files)


# -- both sides ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_killed_on_either_side_every_acknowledged_game_is_counted_once(tmp_path):
    """More kills with ALPHAZERO_FAULTS=10."""
    kills = 12 * int(os.environ.get("ALPHAZERO_FAULTS", "1"))
    script = Path(__file__).parents[1] / "helpers" / "share_killer.py"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path), str(kills), "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    for name in ("lost", "twice", "corrupt"):
        assert counts[name] == 0, counts
    assert counts["kills of learners"] + counts["kills of contributors"] == kills
    assert counts["kills of learners"] > 0 and counts["kills of contributors"] > 0
    assert counts["refused"] == counts["bad files"] > 0 and counts["copies"] > 0
    assert counts["games"] > 100 and counts["versions"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_contributor_well(tmp_path, players, number):
    command = [
        sys.executable,
        "-m",
        "alphazero",
        "join",
        players.folder.location,
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 900
    while not players.folder.games():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    out, _ = process.communicate(timeout=900)
    assert process.returncode == 0 and out.startswith("stopped: ")
