"""Checkpoints: whole or not there, whatever happens while they are written."""

import errno
import hashlib
import json
import logging
import os
import pickle
import random
import shutil
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphazero.config import LearnerConfig, NetworkConfig
from alphazero.errors import UserError
from alphazero.learning import checkpoint
from alphazero.learning.checkpoint import checkpoints, latest, load, save
from alphazero.learning.learner import Learner
from alphazero.network.registry import build
from alphazero.network.weights import load_weights, weights_of
from tests.helpers.network_games import point_game, random_batch

GAME = point_game(3)
NETWORK = NetworkConfig(size="b1c16")
PLAYER = build(GAME, NETWORK)


def save_step(directory: Path, step: int, **more: Any) -> Path:
    arguments = {"state": {"step": step}, "config": f"# {step}\n", "keep": 100} | more
    return save(directory, step, network=PLAYER, game=GAME, **arguments)


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_everything_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    state = {
        "tensors": {"half": torch.ones(2, dtype=torch.bfloat16), "none": torch.empty(0)},
        "generator": rng.bit_generator.state,  # integers of 128 bits
        "list": [1, 2.5, "text", None, True, (1, 2), b"bytes"],
    }
    path = save_step(tmp_path, 1234, state=state, config="[run]\nseed = 3\n", counters={"games": 7})
    assert path == tmp_path / "step-00001234"
    assert names(path) == ["config.toml", "meta.json", "state.pt", "weights.safetensors"]
    found = load(path)
    assert (found.path, found.step) == (path, 1234)
    assert (found.config, found.counters) == ("[run]\nseed = 3\n", {"games": 7})
    assert torch.equal(found.state["tensors"]["half"], state["tensors"]["half"])
    assert found.state["generator"] == rng.bit_generator.state
    assert found.state["list"] == state["list"]
    network, header = load_weights(path, GAME)
    assert header["extra"] == {"step": 1234}
    assert np.array_equal(
        weights_of(network)["stem.norm.bias"], weights_of(PLAYER)["stem.norm.bias"]
    )


def test_a_learner_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    def learner() -> Learner:
        return Learner(GAME, NETWORK, LearnerConfig(averaging="swa", swa_steps=1), "cpu")

    first, second = learner(), learner()
    first.step(random_batch(GAME, 8))
    path = save_step(tmp_path, 1, state={"learner": first.state_dict()})
    second.load_state_dict(load(path).state["learner"])
    measured = [each.step(random_batch(GAME, 8, 1)) for each in (first, second)]
    assert measured[0] == measured[1]


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    assert latest(tmp_path / "nowhere") is None
    with pytest.raises(UserError, match="there is no checkpoint"):
        load(tmp_path / "step-00000001")


def test_the_latest_is_that_of_the_highest_step(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 90):  # of different lengths as a name
        save_step(tmp_path, step)
    found = latest(tmp_path)
    assert found is not None and load(found).step == 100_000_000


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["meta.json", "state.pt", "weights.safetensors", "config.toml"])
@pytest.mark.parametrize("damage", [Path.unlink, truncate])
def test_a_damaged_one_is_passed_over_with_a_warning(
    tmp_path: Path, name: str, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = save_step(tmp_path, 1), save_step(tmp_path, 2)
    damage(bad / name)
    with caplog.at_level(logging.WARNING):
        assert latest(tmp_path) == good
    assert str(bad) in caplog.text and str(good) not in caplog.text
    with pytest.raises(UserError, match=rf"{bad} is damaged: .+") as error:
        load(bad)
    assert "\n" not in str(error.value)
    assert names(tmp_path) == ["step-00000001", "step-00000002"], "nothing is deleted"


@pytest.mark.parametrize("name", ["state.pt", "weights.safetensors", "config.toml"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    flip(save_step(tmp_path, 1) / name)
    assert latest(tmp_path) is None


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"version": 1}', '{"version": "x"}', "\0"])
def test_a_spoilt_meta_file_is_damage(tmp_path: Path, meta: str) -> None:
    (save_step(tmp_path, 1) / "meta.json").write_text(meta)
    assert latest(tmp_path) is None


def test_an_empty_directory_is_damage(tmp_path: Path) -> None:
    good = save_step(tmp_path, 1)
    (tmp_path / "step-00000002").mkdir()
    assert latest(tmp_path) == good


def change_meta(path: Path, **change: Any) -> None:
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(meta | change))


def test_one_of_a_newer_program_is_not_passed_over(tmp_path: Path) -> None:
    save_step(tmp_path, 1)
    change_meta(save_step(tmp_path, 2), version=9)
    for read in (latest, lambda directory: load(directory / "step-00000002")):
        with pytest.raises(UserError, match=r"step-00000002 has format 9.*newer"):
            read(tmp_path)


class Attack:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["ATTACKED"],)


@pytest.mark.parametrize("as_archive", [True, False])
def test_code_in_a_state_is_never_run(
    tmp_path: Path, as_archive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked = tmp_path / "attacked"
    monkeypatch.setenv("ATTACKED", str(attacked))
    path = save_step(tmp_path, 1)
    if as_archive:
        with zipfile.ZipFile(path / "state.pt", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"step": Attack()}, 2))
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
    else:
        (path / "state.pt").write_bytes(pickle.dumps(Attack(), 2))
    digest = hashlib.sha256((path / "state.pt").read_bytes()).hexdigest()
    checksums = json.loads((path / "meta.json").read_text())["sha256"] | {"state.pt": digest}
    change_meta(path, sha256=checksums)
    with pytest.raises(UserError, match="damaged"):
        load(path)
    assert not attacked.exists()


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"a": {"b": [1, np.float64(2)]}}, r"state\['a'\]\['b'\]\[1\] is a float64"),
        ({"a": np.zeros(3)}, r"state\['a'\] is a ndarray"),
        ({"a": Path()}, r"state\['a'\] is a PosixPath"),
        ({(1, Path()): 1}, r"a key of state\[1\] is a PosixPath"),
    ],
)
def test_a_state_that_needs_code_is_refused_before_anything_is_written(
    tmp_path: Path, state: dict[Any, Any], where: str
) -> None:
    with pytest.raises(TypeError, match=where):
        save_step(tmp_path, 1, state=state)
    assert names(tmp_path) == []


def test_the_last_few_are_kept(tmp_path: Path) -> None:
    for step in range(0, 100, 7):
        save_step(tmp_path, step, keep=2)
    kept = [int(name.removeprefix("step-")) for name in names(tmp_path)]
    assert kept == [91, 98]
    for step in (105, 112):
        save_step(tmp_path, step, keep=1)
    assert names(tmp_path) == ["step-00000112"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    save_step(tmp_path, 5, counters={"games": 1})
    path = save_step(tmp_path, 5, counters={"games": 2}, keep=1)
    assert load(path).counters == {"games": 2}
    assert names(tmp_path) == ["step-00000005"]


def test_killed_between_two_of_the_same_step_the_old_one_counts(tmp_path: Path) -> None:
    save_step(tmp_path, 4)
    old = save_step(tmp_path, 5, counters={"games": 1}).rename(tmp_path / "step-00000005.old")
    assert latest(tmp_path) == old and load(old).counters == {"games": 1}
    new = Path(shutil.copytree(old, old.with_suffix("")))
    assert latest(tmp_path) == new, "and once the new one is there, that one does"
    shutil.rmtree(new)
    save_step(tmp_path, 6, keep=2)
    assert old.exists(), "it has not been replaced yet"
    path = save_step(tmp_path, 5, counters={"games": 2})
    assert latest(tmp_path) == tmp_path / "step-00000006"
    assert names(tmp_path) == ["step-00000005", "step-00000006"]
    assert load(path).counters == {"games": 2}


def test_leftovers_are_swept_by_the_next_save_and_by_nobody_else(tmp_path: Path) -> None:
    save_step(tmp_path, 1)
    leftover = tmp_path / ".tmp-step-00000002-abc"
    leftover.mkdir()
    (leftover / "state.pt").write_bytes(b"half")
    assert latest(tmp_path) == tmp_path / "step-00000001"
    assert leftover.exists(), "a reader must not delete what a writer may be writing"
    save_step(tmp_path, 3)
    assert names(tmp_path) == ["step-00000001", "step-00000003"]


def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    good = save_step(tmp_path, 1)
    for place, name in ((os, "fsync"), (checkpoint, "write_durably"), (Path, "rename")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(UserError, match=r"cannot write .*step-00000002: No space left"):
                save_step(tmp_path, 2, keep=1)
        assert names(tmp_path) == ["step-00000001"]
        assert latest(tmp_path) == good


def save_for_ever(directory: Path, ready: int) -> None:
    """Saves one checkpoint after another, telling the steps to a pipe, until it is killed."""
    newest = latest(directory)
    step = load(newest).step if newest else 1
    state = {"numbers": torch.full((50_000,), float(step))}
    while True:
        # Sometimes the same step again, which replaces a checkpoint.
        step += random.random() < 0.7
        state["numbers"].fill_(step)
        save_step(directory, step, state=state, counters={"step": step}, keep=2)
        os.write(ready, step.to_bytes(8, "little"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_moment_it_leaves_the_last_checkpoint_that_was_done(tmp_path: Path) -> None:
    rng = random.Random(1)
    leftovers = 0
    for _ in range(25):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            random.seed()
            try:
                save_for_ever(tmp_path, writer)
            finally:
                os._exit(1)
        os.close(writer)
        first = os.read(reader, 8)  # it is under way
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as pipe:
            told = first + pipe.read()
        done = int.from_bytes(told[-8:], "little")
        found = latest(tmp_path)
        assert found is not None
        saved = load(found)
        assert saved.step >= done > 0
        assert saved.counters == {"step": saved.step}
        assert (saved.state["numbers"] == saved.step).all()
        load_weights(found, GAME)
        leftovers += any(name.startswith(".tmp-") for name in names(tmp_path))
    assert leftovers, "none was killed while it was writing: the test is too slow to tell"
    save_step(tmp_path, done + 10, keep=2)
    assert len(checkpoints(tmp_path)) == 2 and len(names(tmp_path)) == 2


def test_checkpoints_can_be_moved(tmp_path: Path) -> None:
    path = save_step(tmp_path / "here", 1)
    shutil.move(path, tmp_path / "there")
    assert load(tmp_path / "there").step == 1
