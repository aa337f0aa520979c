"""What Prometheus sees of a run."""

import importlib.util
import time
import urllib.request

import pytest

from alphazero.run.metrics.events import METRICS, Reporter
from alphazero.run.metrics.prometheus import Gauges, find_known
from alphazero.selfplay.workers import ray as cluster


class Fake:
    made: dict[str, "Fake"]

    def __init__(self, name, description, tags):
        self.name, self.description, self.tags = name, description, tags
        self.values = []

    def set(self, value, tags):
        assert tags.keys() == set(self.tags)
        self.values.append((value, tags))


@pytest.fixture
def made():
    return {}


@pytest.fixture
def gauges(made):
    def make(name, description, tags):
        assert name not in made, "made twice"
        made[name] = Fake(name, description, tags)
        return made[name]

    return Gauges(make, {"game": "go", "run": "run-1"})


def test_every_report_sets_the_gauges_of_its_names(gauges, made):
    reporter = Reporter([gauges])
    reporter.report(1, {"selfplay/games": 10, "strength/elo/random": 50.0})
    reporter.report(2, {"selfplay/games": 30, "strength/elo/mcts:200": -7.0})
    reporter.text(2, "games/sample", "…")
    reporter.message("…")
    assert set(made) == {"alphazero_selfplay_games", "alphazero_strength_elo"}
    games, elo = made["alphazero_selfplay_games"], made["alphazero_strength_elo"]
    assert [value for value, _ in games.values] == [10, 30]
    assert games.description == METRICS["selfplay/games"]
    assert games.tags == ("game", "run") and elo.tags == ("game", "run", "opponent")
    assert elo.values == [
        (50.0, {"game": "go", "run": "run-1", "opponent": "random"}),
        (-7.0, {"game": "go", "run": "run-1", "opponent": "mcts:200"}),
    ]


def test_what_is_no_number_and_what_comes_after_ray_is_left_out(gauges, made):
    gauges.numbers(0.0, 1, {"learner/loss": float("nan")})
    gauges.close()
    gauges.numbers(0.0, 2, {"learner/loss": 1.0})
    assert not made


def test_every_metric_has_a_name_that_prometheus_takes(gauges, made):
    gauges.numbers(0.0, 1, {name.replace("<", "").replace(">", ""): 1.0 for name in METRICS})
    assert len(made) == len(METRICS)
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in made)
    with pytest.raises(ValueError, match="not a metric"):
        find_known("nothing")


@pytest.mark.slow
def test_ray_serves_the_gauges_on_its_metrics_port():
    if importlib.util.find_spec("ray") is None:  # imported only once its environment is set
        pytest.skip("Ray is not installed")
    ray = cluster.import_ray("local")
    ray.init(
        "local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False
    )
    try:
        (node,) = ray.nodes()
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        gauges = Gauges(cluster.make_gauge, {"game": "tic-tac-toe", "run": "run-1"})
        gauges.numbers(0.0, 1, {"selfplay/games": 128.0, "strength/elo/random": 321.5})
        text, deadline = "", time.monotonic() + 120
        while "alphazero_strength_elo" not in text and time.monotonic() < deadline:
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    text = answer.read().decode()
            except OSError:  # not up yet
                continue
        lines = [line for line in text.splitlines() if line.startswith("ray_alphazero_")]
        (games,) = [line for line in lines if "selfplay_games" in line]
        (elo,) = [line for line in lines if "strength_elo" in line]
        assert games.endswith(" 128.0") and 'game="tic-tac-toe"' in games and 'run="run-1"' in games
        assert elo.endswith(" 321.5") and 'opponent="random"' in elo
    finally:
        ray.shutdown()
