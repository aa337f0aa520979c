"""The training loop and its parts: counting, replay ratio, evaluation, folders, resuming."""

import dataclasses
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.arena.match import play_match
from alphazero.config import Config, load_config
from alphazero.data.replay_ratio import ReplayRatio
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.learning import checkpoint
from alphazero.run.evaluation import Evaluation, finite_elo
from alphazero.run.interrupt import Interrupt
from alphazero.run.loop import check_run, train
from alphazero.run.metrics.events import METRICS, require_known
from alphazero.run.metrics.training import LEARNER, TrainingMetrics, search_quality
from alphazero.run.run_directory import RunDirectory, choose_directory, locked
from alphazero.run.source import GameSource
from alphazero.run.state import TrainingState, pack, unpack
from alphazero.run.status import Watcher, to_text
from alphazero.selfplay.workers.executor import GameBatch, WorkItem, work_items
from alphazero.selfplay.workers.inline import InlineExecutor, SelfPlayWorker

SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 6
self_play = {parallel_games = 8, games_per_work_item = 8}
replay = {min_positions = 100, window = 500, holdout = 0.1}
learner = {batch_size = 32, replay_ratio = 2}
run = {games = 48, publish_every_steps = 4, checkpoint_steps = 5, report_seconds = 0.01}
evaluation = {every_games = 24, games = 2, opponents = ["random"], simulations = 4}
"""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return load_config(tmp_path / "settings.toml")


def changed(config: Config, section: str, **values) -> Config:
    part = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: part})


def quietly(config: Config, **options):
    return train(config, stream=io.StringIO(), **options)


# -- replay ratio ----------------------------------------------------------------------------------


@given(
    st.lists(st.one_of(st.integers(0, 500), st.just("step")), max_size=60),
    st.floats(1, 16),
    st.integers(1, 300),
)
def test_never_more_samples_than_earned_and_never_more_waiting_than_the_bucket_holds(
    events, per_position, batch_size
):
    ratio = ReplayRatio(per_position, most=1000.0)
    earned = spent = 0.0
    for event in events:
        if event == "step":
            if ratio.allows(batch_size):
                ratio.spend(batch_size)
                spent += batch_size
        else:
            ratio.earn(event)
            earned += per_position * event
        assert 0 <= ratio.samples <= 1000
        assert earned == pytest.approx(spent + ratio.samples + ratio.skipped)


def test_a_step_needs_a_whole_batch_of_samples():
    ratio = ReplayRatio(4.0, most=1000)
    ratio.earn(7)
    assert ratio.allows(28) and not ratio.allows(29)
    ratio.spend(28)
    assert not ratio.allows(1)


# -- executors -------------------------------------------------------------------------------------


class StandIn:
    def __init__(self):
        self.loaded = []

    def load(self, version, weights):
        self.loaded.append(version)

    def play(self, item):
        return GameBatch(item, self.loaded[-1], [], {})


def test_inline_executor_plays_only_when_the_learner_waits_and_with_the_newest_weights():
    executor = InlineExecutor(StandIn, work_items(16, 8))
    executor.start(3, {})
    assert executor.collect(wait=False) is None
    assert executor.collect(wait=True) == GameBatch(WorkItem(16, 8), 3, [], {})
    executor.publish(4, {})
    assert executor.collect(wait=True) == GameBatch(WorkItem(24, 8), 4, [], {})


def test_a_batch_is_played_again_the_same_by_another_worker(config):
    weights = _weights(config)
    batches = []
    for earlier in ([], [WorkItem(0, 8), WorkItem(40, 8)]):
        worker = SelfPlayWorker(config, "cpu")
        worker.load(1, weights)
        for item in earlier:
            worker.play(item)
        batches.append(worker.play(WorkItem(16, 8)))
    assert batches[0].records == batches[1].records
    assert [record.game_id for record in batches[0].records] == list(range(16, 24))
    assert {record.version for record in batches[0].records} == {1}
    assert batches[0].stats["games"] == batches[1].stats["games"] == 8, "stats are of this item"


def _weights(config):
    from alphazero.learning.learner import Learner

    return Learner(load(config.game), config.network, config.learner, "cpu", 0).weights()


# -- the run as a whole ----------------------------------------------------------------------------


def test_a_run_plays_learns_measures_and_leaves_everything_behind(config, tmp_path):
    summary = quietly(config, directory="here")
    run = RunDirectory(tmp_path / "here")
    assert summary.directory == run.path and summary.finished
    assert summary.progress.games == len(Store(run.records)) == 48
    # All that may be learned is, and no more: 2 samples per training position, 32 at a time.
    final = checkpoint.load(checkpoint.latest(run.checkpoints))
    training_positions = final.state["replay"]["training_positions"]
    assert 0 <= 2 * training_positions - 32 * summary.progress.steps < 32
    assert final.state["version"] == summary.progress.steps // 4
    assert load_config(run.config) == dataclasses.replace(config, game="tic-tac-toe")
    assert json.loads(run.result.read_text())["games"] == 48
    assert "train --resume ." in (run.path / "README.txt").read_text()
    assert len(list(run.games.glob("game-*.txt"))) == 2, "one sample game per evaluation"
    assert list((run.path / "tensorboard").iterdir())

    reports = [json.loads(line) for line in (run.path / "metrics.jsonl").open()]
    values = [report["values"] for report in reports]
    assert [report["step"] for report in reports] == sorted(report["step"] for report in reports)
    names = {name for report in values for name in report}
    for name in names:
        require_known(name, METRICS)
    missing = {
        name.partition("<")[0]
        for name in METRICS
        if not any(found.startswith(name.partition("<")[0]) for found in names)
    }
    # What this run cannot have: a limit of time, enough held-out games, auxiliary targets, a proof.
    assert all(
        re.match(
            "validation/|learner/auxiliary_loss/|strength/lost_lines|system/device_memory", name
        )
        for name in missing
    ), missing
    examined = [report["step"] for report in reports if "strength/elo/random" in report["values"]]
    assert examined == [24, 48], "every 24 games, the last time when all has been learned"


def test_learning_begins_when_enough_was_played(config):
    config = changed(config, "replay", min_positions=10_000, window=10_000)
    summary = quietly(config)
    assert summary.progress.games == 48 and summary.progress.steps == 0


@pytest.mark.slow
def test_the_seed_decides_everything(config, tmp_path):
    runs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        quietly(changed(config, "run", seed=seed), directory=name)
        newest = checkpoint.latest(tmp_path / name / "checkpoints")
        moves = b"".join(r.moves.tobytes() for r in Store(tmp_path / name / "records"))
        runs[name] = (newest / "weights.safetensors").read_bytes(), moves
    assert runs["a"] == runs["b"]
    assert runs["a"][0] != runs["c"][0] and runs["a"][1] != runs["c"][1]


@pytest.mark.slow
def test_reports_and_checkpoints_change_nothing_that_is_learned(config, tmp_path):
    quietly(config, directory="often")
    rarely = changed(
        config, "run", report_seconds=1e6, checkpoint_steps=10**6, checkpoint_seconds=1e6
    )
    rarely = changed(rarely, "evaluation", every_games=0)
    quietly(rarely, directory="rarely")
    weights = [
        (checkpoint.latest(tmp_path / name / "checkpoints") / "weights.safetensors").read_bytes()
        for name in ("often", "rarely")
    ]
    assert weights[0] == weights[1]


def test_games_that_cannot_be_stored_do_not_count(config, tmp_path, monkeypatch):
    append = Store.append

    def full_disk(store, records):
        if len(store) == 16:
            raise UserError("cannot write records: No space left on device")
        return append(store, records)

    monkeypatch.setattr(Store, "append", full_disk)
    counted = []
    add = TrainingState.add
    monkeypatch.setattr(
        TrainingState, "add", lambda self, records: (add(self, records), counted.extend(records))
    )
    with pytest.raises(UserError, match="No space left"):
        quietly(config, directory="here")
    assert len(counted) == 16
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert quietly(config, directory="here").progress.games == 48
    ids = [record.game_id for record in Store(tmp_path / "here" / "records")]
    assert ids == list(range(48))


def test_games_that_come_twice_count_once(config, tmp_path):
    run = RunDirectory(tmp_path / "here")
    run.create(config)
    state = TrainingState(load(config.game), config, run)
    executor = InlineExecutor(lambda: SelfPlayWorker(config, "cpu"), iter([WorkItem(8, 8)] * 3))
    executor.start(0, state.published)
    seen = []
    source = iter(GameSource(state, executor, Interrupt(), on_batch=seen.append))
    next(source)  # there is nothing on the disk
    for _ in range(3):
        state.add(next(source))
    assert state.replay.games == len(state.store) == 8 and len(seen) == 1
    assert state.next_game == 16


@pytest.mark.slow
def test_a_finished_run_goes_on_with_a_higher_limit(config, tmp_path):
    quietly(config, directory="here")
    more = changed(config, "run", games=64)
    summary = quietly(more, directory="here")
    assert summary.progress.games == 64
    ids = [record.game_id for record in Store(tmp_path / "here" / "records")]
    assert ids == list(range(64))


def test_a_limit_of_minutes_counts_all_starts(config, tmp_path):
    quietly(changed(config, "run", games=16), directory="here")
    minutes = changed(config, "run", games=0, minutes=1e-4)
    summary = quietly(minutes, directory="here")
    assert summary.finished and summary.progress.games == 16, "the time was over already"
    assert summary.progress.seconds > 1e-4 * 60


@pytest.mark.slow
def test_evaluations_are_not_training(config, monkeypatch):
    slow = Evaluation.evaluate
    monkeypatch.setattr(
        Evaluation, "evaluate", lambda self, weights: (time.sleep(1.5), slow(self, weights))[1]
    )
    began = time.monotonic()
    summary = quietly(config)
    assert summary.progress.seconds < time.monotonic() - began - 3.0, "two evaluations"


def test_a_start_that_fails_leaves_no_folder(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed"):
        quietly(changed(config, "run", workers=2), directory="here")
    assert not (tmp_path / "here").exists()
    quietly(changed(config, "run", games=16), directory="here")
    with pytest.raises(UserError, match="Ray is not installed"):
        quietly(changed(config, "run", workers=2), directory="here")
    assert len(Store(tmp_path / "here" / "records")) == 16, "a run that has begun stays"


def test_openings_longer_than_the_game_are_refused_at_once(config, tmp_path):
    with pytest.raises(UserError, match=r"self_play.opening_plies = 9: must be below 9"):
        quietly(changed(config, "self_play", opening_plies=9), directory="here")
    assert not (tmp_path / "here").exists()


def test_files_that_a_run_can_do_without_do_not_end_it(config, tmp_path, caplog):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "games").write_text("in the way")
    summary = quietly(changed(config, "run", games=24), directory="here")
    assert summary.finished and "cannot write" in caplog.text


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_and_the_run_ends_the_same(config, tmp_path, caplog):
    quietly(config, directory="whole")
    quietly(changed(config, "run", games=32), directory="damaged")
    newest = checkpoint.latest(tmp_path / "damaged" / "checkpoints")
    state = newest / "state.pt"
    state.write_bytes(state.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        quietly(config, directory="damaged")
    assert "is damaged" in caplog.text and newest.name in caplog.text
    weights = [
        (checkpoint.latest(tmp_path / name / "checkpoints") / "weights.safetensors").read_bytes()
        for name in ("whole", "damaged")
    ]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_damaged_shard_costs_its_own_games_only(config, tmp_path, caplog):
    """Twice, for the games after it must be found again under their old numbers."""
    quietly(changed(config, "run", games=24), directory="here")
    for path in (tmp_path / "here" / "checkpoints").iterdir():
        checkpoint.delete(path)
    shard = sorted((tmp_path / "here" / "records").glob("shard-*"))[1]
    shard.write_bytes(shard.read_bytes()[:-100] + bytes(100))
    for games in (40, 56):
        quietly(changed(config, "run", games=games), directory="here")
    ids = [record.game_id for record in Store(tmp_path / "here" / "records")]
    assert ids == [*range(8), *range(16, 56)]
    final = checkpoint.load(checkpoint.latest(tmp_path / "here" / "checkpoints"))
    assert final.state["replay"]["games"] == len(Store(tmp_path / "here" / "records"))


# -- the folder ------------------------------------------------------------------------------------


def test_folders_are_numbered_and_an_unfinished_run_is_resumed(config, tmp_path):
    base = config.directory

    def choose(settings, **options):
        return choose_directory(settings, base, **options)

    first = choose(config)
    assert re.fullmatch(r"tic-tac-toe-\d{4}-\d\d-\d\d-01", first.path.name)
    assert first.path.parent == tmp_path / "runs"
    first.create(config)
    assert choose(config).path == first.path
    assert choose(changed(config, "run", games=99, workers=2)).path == first.path
    second = choose(config, fresh=True)
    assert second.path.name.endswith("-02")
    other = changed(config, "search", simulations=7)
    assert choose(other).path.name.endswith("-02"), "another run, not this one"
    first.finish({})
    assert choose(config).path.name.endswith("-02"), "what is finished stays as it is"
    assert choose(config, directory=first.path).path == first.path
    first.create(config)
    assert not first.is_finished


def test_a_folder_of_another_run_is_refused_by_naming_the_difference(config, tmp_path):
    run = RunDirectory(tmp_path / "here")
    run.create(config)
    base = config.directory
    for other, message in [
        (changed(config, "search", simulations=7), "search.simulations = 6, not 7"),
        (dataclasses.replace(config, game="connect4"), "game = tic-tac-toe, not connect4"),
        (changed(config, "run", seed=5), "run.seed = 0, not 5"),
        (
            changed(changed(config, "run", seed=5), "search", simulations=7),
            r"search.simulations = 6, not 7 \(and 1 more",
        ),
    ]:
        with pytest.raises(UserError, match=message):
            choose_directory(other, base, run.path)
    assert choose_directory(changed(config, "run", minutes=1.0), base, run.path).path == run.path
    with pytest.raises(UserError, match="holds a run already"):
        choose_directory(config, base, run.path, fresh=True)
    run.config.unlink()
    run.records.mkdir()
    with pytest.raises(UserError, match=r"games but no config\.toml"):
        choose_directory(config, base, run.path)


def test_only_one_process_trains_in_a_folder_and_a_dead_one_holds_nothing(tmp_path):
    run = RunDirectory(tmp_path / "here")
    holder = (
        "import sys, pathlib; from alphazero.run.run_directory import RunDirectory, locked\n"
        "with locked(RunDirectory(pathlib.Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(run.path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"here is in use by process {process.pid}"), locked(run):
        pass
    process.kill()
    process.communicate()
    assert run.lock.exists(), "a killed process leaves its file"
    with locked(run):
        assert str(os.getpid()) in run.lock.read_text()


def test_a_folder_that_cannot_be_made_is_one_clear_line(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write in .*file/run"):
        quietly(config, directory=tmp_path / "file" / "run")


def test_an_unreadable_old_run_is_skipped_with_one_warning(config, tmp_path, caplog):
    base = config.directory
    for number in (1, 2):
        old = RunDirectory(tmp_path / "runs" / f"tic-tac-toe-2020-01-01-0{number}")
        old.create(config)
        old.config.write_text("[search]\nold_setting = 1\n")
    chosen = choose_directory(config, base)
    assert not chosen.config.exists()
    (line,) = caplog.messages
    assert "skipped" in line and "and 1 more" in line and "old_setting" in line
    with pytest.raises(UserError, match="old_setting"):
        choose_directory(config, base, old.path)


MACHINE = [
    ("self_play", {"threads": 2}),
    ("self_play", {"parallel_games": 3}),
    ("self_play", {"games_per_work_item": 3}),
    ("search", {"nn_cache_size": 64}),
    ("learner", {"devices": 2}),
    ("run", {"device": "cpu"}),
    ("run", {"workers": 2}),
]


@pytest.mark.parametrize(("section", "values"), MACHINE)
def test_settings_of_the_machine_may_change_with_a_warning(config, tmp_path, section, values):
    run = RunDirectory(tmp_path / "here")
    run.create(config)
    other = changed(config, section, **values)
    chosen, warnings = check_run(other, load(config.game), run.path)
    assert chosen.path == run.path
    ((name, _),) = values.items()
    assert len(warnings) == 1 and f"{section}.{name} = " in warnings[0]


def test_settings_without_effect_on_learning_may_change_silently(config, tmp_path):
    run = RunDirectory(tmp_path / "here")
    run.create(config)
    other = changed(config, "run", prove=True, report_seconds=9.0, keep_checkpoints=7)
    assert check_run(other, load(config.game), run.path)[1] == []


@pytest.mark.slow
def test_a_run_resumes_on_another_machine_and_says_so(config, tmp_path):
    quietly(changed(config, "run", games=16), directory="here")
    stream = io.StringIO()
    other = changed(
        changed(config, "self_play", parallel_games=4, threads=2), "search", nn_cache_size=32
    )
    summary = train(other, directory="here", stream=stream)
    assert summary.finished and summary.progress.games == 48
    (line,) = [line for line in stream.getvalue().splitlines() if line.startswith("warning")]
    assert "self_play.parallel_games = 8 -> 4" in line and "search.nn_cache_size = 0 -> 32" in line


def test_the_lock_is_released_and_its_text_removed_after_an_error(tmp_path):
    run = RunDirectory(tmp_path / "here")
    with pytest.raises(ZeroDivisionError), locked(run):
        assert run.lock.read_text() == f"process {os.getpid()}\n"
        raise ZeroDivisionError
    assert run.lock.read_text() == ""
    with locked(run):
        pass


# -- divergence ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 100])  # it is found before a step is used, or by the next
def test_a_run_that_diverges_saves_nothing_of_it_and_goes_on_at_a_lower_rate(
    config, tmp_path, every
):
    config = changed(config, "learner", gradient_clip=0.0)
    config = changed(config, "run", publish_every_steps=every, checkpoint_steps=every)
    quietly(changed(config, "run", games=32), directory="here")
    good = checkpoint.latest(tmp_path / "here" / "checkpoints")
    wild = changed(changed(config, "learner", learning_rate=1e4), "run", games=48)
    for _ in range(2):  # as often as it is tried
        with pytest.raises(
            UserError, match=r"diverged .*resume .*here learner.learning_rate=0.001"
        ):
            quietly(wild, directory="here")
        assert checkpoint.latest(tmp_path / "here" / "checkpoints") == good
    stream = io.StringIO()
    summary = train(changed(config, "run", games=48), directory="here", stream=stream)
    assert summary.finished and summary.progress.games == 48
    assert "learner.learning_rate = 10000.0 -> 0.001" in stream.getvalue()
    final = checkpoint.load(checkpoint.latest(tmp_path / "here" / "checkpoints"))
    assert all(t.isfinite().all() for t in final.state["learner"]["network"].values())


def test_the_learning_rate_is_another_runs_where_no_folder_is_named(config, tmp_path):
    first = choose_directory(config, config.directory)
    first.create(config)
    other = changed(config, "learner", learning_rate=0.5)
    assert choose_directory(other, config.directory).path != first.path
    chosen, (warning,) = check_run(other, load(config.game), first.path)
    assert chosen.path == first.path and "learner.learning_rate = 0.001 -> 0.5" in warning


# -- evaluation ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_opponent_that_fails_is_a_warning_and_not_the_end_of_the_run(config, tmp_path):
    bad = "gtp:nosuchprogram"
    config = changed(config, "evaluation", opponents=(bad, "random"))
    stream = io.StringIO()
    summary = train(config, directory="here", stream=stream)
    assert summary.finished and summary.progress.games == 48
    assert bad in stream.getvalue() and "failed" in stream.getvalue()
    assert bad in (tmp_path / "here" / "log.txt").read_text()
    status = Watcher(tmp_path / "here").look()
    assert status.state == "finished" and "strength/elo/random" in status.metrics
    assert list(status.evaluation_failures) == [f"against {bad}"]
    assert "warning" in to_text(status) and "nosuchprogram" in to_text(status)
    assert train(changed(config, "run", games=56), directory="here", stream=stream).finished


def test_an_opponent_that_fails_once_is_tried_again(config, monkeypatch, caplog):
    evaluation = Evaluation(load(config.game), config)
    weights = _weights(config)
    attempts = []

    def flaky(game, a, b, *arguments, **options):
        attempts.append(b)
        if len(attempts) == 1:
            raise RuntimeError("the program crashed")
        return play_match(game, a, b, *arguments, **options)

    monkeypatch.setattr("alphazero.run.evaluation.play_match", flaky)
    assert evaluation.evaluate(weights) == {}
    assert "the program crashed" in caplog.text and evaluation.failures
    assert "strength/score/random" in evaluation.evaluate(weights)
    assert not evaluation.failures and attempts[0] is not attempts[1]


@pytest.mark.slow
def test_a_proof_that_fails_is_a_warning_too(config, tmp_path, monkeypatch):
    def too_large(player, game, seed, progress):
        raise UserError("the game is too large to prove")

    monkeypatch.setattr("alphazero.run.evaluation.prove_unbeaten", too_large)
    monkeypatch.setattr("alphazero.run.hooks.prove_unbeaten", too_large)
    summary = quietly(changed(config, "run", prove=True), directory="here")
    assert summary.finished and summary.proof is None
    assert "too large to prove" in to_text(Watcher(tmp_path / "here").look())


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"games": 3}, "evaluation.games"),
        ({"opening_plies": 9}, "evaluation.opening_plies"),
        ({"opponents": ("nobody",)}, "nobody"),
    ],
)
def test_evaluation_settings_that_cannot_work_are_refused_at_once(config, tmp_path, values, name):
    with pytest.raises(UserError, match=name):
        quietly(changed(config, "evaluation", **values), directory="here")
    assert not (tmp_path / "here").exists()


# -- small parts -----------------------------------------------------------------------------------


def test_the_first_signal_asks_and_the_second_kills():
    script = (
        "import os, signal; from alphazero.run.interrupt import Interrupt\n"
        "with Interrupt() as interrupt:\n"
        "    assert not interrupt.requested\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert interrupt.requested; print('asked', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here')"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "asked\n" and done.returncode == -2


def test_a_signal_ends_the_playing_of_games_but_nothing_else():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        batch = GameBatch(WorkItem(0, 8), 0, [], {})
        assert interrupt.run_abortable(lambda: batch) is batch

        def play_for_ever():
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0.01)

        assert interrupt.run_abortable(play_for_ever) is None
        assert interrupt.requested
    with Interrupt() as interrupt:
        interrupt.run_abortable(lambda: None)
        os.kill(os.getpid(), signal.SIGTERM)  # what is not the playing of games goes on
        assert interrupt.requested
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_terminal_that_closes_asks_as_often_as_it_likes():
    with Interrupt() as interrupt:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupt.requested
        os.kill(os.getpid(), signal.SIGTERM)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupt.requested, "under nohup"
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_of_signals_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_training_metrics_report_rates_of_the_time_since_the_last_report(config):
    now = [100.0]
    game = load(config.game)
    metrics = TrainingMetrics(game, config, clock=lambda: now[0])
    worker = SelfPlayWorker(config, "cpu")
    worker.load(2, _weights(config))
    batch = worker.play(WorkItem(0, 8))
    metrics.add_batch(batch, 5)
    for loss in (1.0, 3.0):
        metrics.add_step(dict.fromkeys(LEARNER, loss))
    now[0] = 104.0
    report = metrics.report()
    assert report["selfplay/games_per_second"] == 2.0
    assert report["selfplay/positions_per_second"] == batch.stats["plies"] / 4
    assert report["selfplay/simulations_per_second"] == batch.stats["simulations"] / 4
    results = [record.result for record in batch.records]
    assert report["selfplay/first_wins"] == results.count(1.0) / 8
    assert report["selfplay/second_wins"] == results.count(-1.0) / 8
    assert report["selfplay/draws"] == results.count(0.0) / 8
    assert report["selfplay/version_lag"] == 3
    assert 0 < report["selfplay/batch_fill"] <= 1
    assert report["selfplay/plies"] == np.mean([len(record.moves) for record in batch.records])
    assert report["learner/loss"] == 2.0
    assert report["learner/samples_per_second"] == 2 * 32 / 4
    now[0] = 106.0
    assert metrics.report() == {}, "the next report begins anew"
    metrics.add_batch(batch, 5)
    now[0] = 108.0
    assert metrics.report()["selfplay/games_per_second"] == 2.0, (
        "games took all of the four seconds"
    )


def test_search_quality_against_sums_by_hand(config):
    game = load(config.game)
    worker = SelfPlayWorker(config, "cpu")
    worker.load(0, _weights(config))
    records = worker.play(WorkItem(0, 8)).records
    entropies, errors = [], []
    for record in records:
        for ply, value in enumerate(record.root_values):
            weights = record.policy(ply)[1]
            entropies.append(-sum(w * np.log(w) for w in weights.tolist()))
            result = record.result if ply % 2 == 0 else -record.result
            errors.append((value - result) ** 2)
    entropy, error = search_quality(game, records)
    assert entropy == pytest.approx(np.mean(entropies), rel=1e-4)
    assert error == pytest.approx(np.mean(errors), rel=1e-4)


def test_elo_of_a_clean_sweep_is_its_sure_end():
    from alphazero.arena.rating import elo_difference

    assert finite_elo(elo_difference(10, 0, 10)) == 0
    assert 0 < finite_elo(elo_difference(40, 0, 0)) < 1000
    assert -1000 < finite_elo(elo_difference(0, 0, 40)) < 0


def test_packed_weights_come_back_equal():
    for array in (np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(2.5).reshape(())):
        back = unpack(pack(array))
        assert back.shape == array.shape and np.array_equal(back, array)
