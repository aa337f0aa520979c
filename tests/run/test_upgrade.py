"""Runs of earlier versions: loaded, shown, played against and resumed.

`tests/golden/runs/0.1` is a small finished run of version 0.1: settings under their old names,
records, a checkpoint of format 1 with its network.
"""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alphazero.arena.match import play_match
from alphazero.arena.players import make_player
from alphazero.config import LearnerConfig, NetworkConfig, load_config
from alphazero.data.replay import replay_record
from alphazero.data.store import Store
from alphazero.game import load
from alphazero.learning import checkpoint
from alphazero.learning.learner import Learner
from alphazero.network.weights import load_weights, weights_of
from alphazero.run.loop import check_run, train
from alphazero.run.run_directory import RunDirectory
from alphazero.run.state import TrainingState
from alphazero.run.status import Watcher, to_text

OLD = Path(__file__).parents[1] / "golden" / "runs" / "0.1"
GAME = load("tic-tac-toe")


@pytest.fixture
def old(tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(OLD, tmp_path / "run"))


def test_settings_under_their_old_names_are_understood():
    config = load_config(OLD / "config.toml")
    assert config.search.nn_cache_size == 64
    assert config.search.gumbel.max_num_considered_actions == 4
    assert config.self_play.playout_cap_full_probability == 0.5
    assert config.learner.replay_ratio == 2.0


def test_records_are_read_and_follow_the_rules(old):
    records = list(Store(old / "records"))
    assert [record.game_id for record in records] == list(range(48))
    assert sum(replay_record(GAME, record).positions for record in records) == 192


def test_a_checkpoint_of_format_1_has_the_same_weights(old):
    path = checkpoint.latest(old / "checkpoints")
    assert path is not None and '"version": 1' in (path / "meta.json").read_text()
    state = TrainingState(GAME, load_config(old / "config.toml"), RunDirectory(old))
    saved, _ = load_weights(path, GAME)
    for name, array in weights_of(saved).items():
        assert np.array_equal(state.learner.weights()[name], array), name
    assert (state.resumed_at, state.learner.steps, state.version) == (48, 11, 2)
    assert state.published.keys() == state.learner.weights().keys()


@pytest.mark.parametrize("averaging", ["ema", "swa", "none"])
def test_every_average_of_format_1_is_migrated(averaging):
    config = LearnerConfig(averaging=averaging, swa_steps=2)
    learner = Learner(GAME, NetworkConfig(size="b1c8"), config, "cpu")
    floats = {k: v for k, v in learner.network.state_dict().items() if v.is_floating_point()}
    snapshots = [{k: v + i for k, v in floats.items()} for i in (1, 3)]
    old = {
        "ema": ({"average": snapshots[0]}, 1),
        "swa": ({"snapshots": snapshots}, 2),
        "none": ({}, 0),
    }
    average, shift = old[averaging]
    state = {
        "learner": learner.state_dict() | {"steps": 7, "average": average},
        "players": {},
        "pace": {"samples": 1.0, "skipped": 0.0},
        "examined_at": 5,
    }
    migrated = checkpoint.migrate(state, 1)
    assert migrated["replay_ratio"]["samples"] == 1.0 and migrated["evaluated_at"] == 5
    learner.load_state_dict(migrated["learner"])
    for name, tensor in floats.items():
        torch.testing.assert_close(torch.from_numpy(learner.weights()[name]), tensor + shift)
    again = learner.state_dict()["average"]
    assert again.keys() == migrated["learner"]["average"].keys()
    if averaging != "none":
        assert int(again["n_averaged"]) == 7 + (averaging == "ema")


def test_it_is_resumed(old):
    config = load_config(old / "config.toml", ["run.games=64"])
    assert check_run(config, GAME, old)[1] == []
    summary = train(config, directory=old, stream=io.StringIO())
    assert summary.finished and summary.progress.games == 64 and summary.progress.steps > 11
    assert [record.game_id for record in Store(old / "records")] == list(range(64))
    newest = checkpoint.latest(old / "checkpoints")
    assert (
        newest is not None
        and f'"version": {checkpoint.VERSION}' in (newest / "meta.json").read_text()
    )


def test_an_unfinished_one_is_found_again(old, monkeypatch):
    monkeypatch.chdir(old.parent)
    runs = old.parent / "runs"
    runs.mkdir()
    moved = old.rename(runs / "tic-tac-toe-2026-01-01-01")
    (moved / "result.json").unlink()
    config = load_config(moved / "config.toml")
    run, warnings = check_run(replace(config, run=replace(config.run, games=99)), GAME)
    assert run.path == moved and warnings == []


def test_status_reads_it():
    status = Watcher(OLD).look()
    assert status.state == "finished" and status.metrics["selfplay/games"] == 48
    assert "48" in to_text(status) and "step-00000011" in to_text(status)


def test_its_network_plays():
    player = make_player(f"checkpoint:{OLD},simulations=4", GAME)
    match = play_match(GAME, player, make_player("random", GAME), 4)
    assert 0 <= match.score <= 1
