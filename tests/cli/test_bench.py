"""The benchmarks: that they measure what they say, not how fast anything is."""

import functools
import importlib.util
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from alphazero.bench import SUITES, bench, cluster, main
from alphazero.bench.measure import Effort, Measurement, rate, rates, table
from alphazero.bench.peers import ArrayBoard, DictionarySearch, open_spiel_games
from alphazero.bench.search import searching
from alphazero.bench.selfplay import Workload, selfplay_suite
from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.network.flops import matrix_rate, numpy_rate, operations
from alphazero.network.registry import build


@pytest.mark.slow
def test_every_suite_fills_the_table_and_the_json_file(tmp_path: Path) -> None:
    lines: list[str] = []
    file = tmp_path / "bench.json"
    found = bench("all", quick=True, json_file=file, say=lines.append)
    content = json.loads(file.read_text())
    assert content["quick"] is True
    assert {"processor", "cores", "numba"} <= set(content["machine"])
    assert [m["name"] for m in content["measurements"]] == [m.name for m in found]
    assert len({m.name for m in found}) == len(found)
    for measurement in found:
        assert measurement.value is None or math.isfinite(measurement.value)
        assert any(measurement.name in line for line in lines)
    for suite in SUITES:
        assert any(line.strip() == suite for line in lines)
    shares = [m.value for m in found if "time in:" in m.name]
    assert len(shares) == 4
    assert sum(filter(None, shares)) == pytest.approx(1.0)
    fills = [m.value for m in found if "batch fill" in m.name]
    assert all(fill is not None and 0 < fill <= 1 for fill in fills)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_self_play_is_measured_for_the_game_and_network_asked_for(threads: int) -> None:
    workload = Workload("tic-tac-toe", "b1c8", "cpu", games=8, simulations=12, threads=threads)
    title = "tic-tac-toe, b1c8, 8 games x 12, " + ("2 threads, " if threads == 2 else "")
    found = {m.name.removeprefix(title): m for m in selfplay_suite(Effort.quick(), workload)}
    value = {name: m.value or 0.0 for name, m in found.items()}
    assert value["simulations"] / value["positions"] == pytest.approx(12, rel=0.2 * threads)
    assert 0 < value["self-play"] <= value["simulations"] * 1.2
    assert 0 < value["batch fill"] <= 1
    assert 0 < value["device busy"] < 1
    assert value["CPU time"] == pytest.approx(1e6 / value["simulations"], rel=1e-3)
    assert value["wall time"] > 0
    spent = [m.value for name, m in found.items() if name.startswith("time in: ")]
    assert len(spent) == 4 and sum(filter(None, spent)) == pytest.approx(1)
    assert all(share is not None and share > 0 for share in spent)
    work = operations(build(load("tic-tac-toe"), NetworkConfig(size="b1c8")))
    share = value["self-play"] * work / (value["matrix rate"] * 1e9)
    assert value["share of the matrix rate"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["selfplay", "--device", "tpu"], 'device "tpu" is not available here: choose auto or cpu'),
        (["selfplay", "--network", "big"], 'network.size = "big"'),
        (["selfplay", "--precision", "int8"], 'precision "int8": choose auto, float32'),
        (["selfplay", "--game", "tic-tac-two"], "tic-tac-two"),
        (["search", "--game", "chess"], "--game goes with: alphazero bench selfplay"),
    ],
)
def test_what_cannot_be_measured_is_one_error(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main([*arguments, "--quick"])


def test_operations_of_a_network_are_counted() -> None:
    """By hand, for a trunk of one block on 3x3: stem, two convolutions, heads."""
    game = load("tic-tac-toe")
    network = build(game, NetworkConfig(size="b1c16"))
    planes, points, width = game.planes[0], 9, 8
    trunk = 9 * points * (planes * 16 + 2 * 16 * 16)
    policy = points * 16 * width + points * width
    features = network.value.features
    value = points * 16 * width + 3 * width * features + 3 * features  # pooled
    assert operations(network) == 2 * (trunk + policy + value)


def test_a_rate_of_matrix_products_is_one() -> None:
    rates_found = [matrix_rate(torch.device("cpu"), torch.float32, 0.0), numpy_rate(0.0)]
    assert all(1e8 < found < 1e13 for found in rates_found)


@pytest.mark.slow
def test_the_cluster_suite_is_run_on_request_alone() -> None:
    if importlib.util.find_spec("ray") is None:  # imported only once its environment is set
        pytest.skip("Ray is not installed")
    assert "cluster" not in SUITES
    found = bench("cluster", quick=True, say=lambda line: None)
    values = {measurement.name: measurement.value for measurement in found}
    assert all(
        value is not None and math.isfinite(value) and value > 0 for value in values.values()
    )
    assert len(values) == len(found)
    for part in ("1 actor, 50 ms a batch, simulations", "by Ray: CPU", "10 MB to 4 actors"):
        assert any(part in name for name in values), part


@pytest.mark.slow
def test_a_drivers_work_for_games_is_told_by_what_it_is_spent_on() -> None:
    game = load("tic-tac-toe")
    templates = [cluster.random_game(game, seed, entries=4) for seed in range(4)]
    total, *parts = cluster.driving_contributors("games", game, templates, 128)
    assert [part.name for part in (total, *parts)] == [
        "games, by a folder: CPU",
        "games, by a folder: to receive them",
        "games, by a folder: to write them",
        "games, by a folder: for the window",
    ]
    assert total.value is not None
    assert 0 < sum(part.value or 0.0 for part in parts) <= total.value
    (memory,) = cluster.remembering("games", game, templates, 64)
    assert memory.unit == "GiB" and memory.value is not None and 0.01 < memory.value < 1


def test_an_unknown_suite_is_an_error_that_names_the_choices() -> None:
    with pytest.raises(ValueError, match='did you mean "search"'):
        bench("serch")


def test_a_rate_is_the_median_of_work_over_time() -> None:
    times = itertools.count()  # every look at the clock, one second has gone by
    counts = iter([100, 1, 1, 7, 7, 3, 3])
    speed = rate(lambda: next(counts), Effort(repeats=3, seconds=1.5), clock=lambda: next(times))
    assert speed == 3.0  # of 1, 7 and 3 a second; the first call does not count


def test_works_that_are_compared_take_turns() -> None:
    times = itertools.count()
    order: list[str] = []

    def work(name: str, done: int) -> int:
        order.append(name)
        return done

    works = [functools.partial(work, "a", 6), functools.partial(work, "b", 2)]
    found = rates(works, Effort(repeats=2, seconds=0.5), clock=lambda: next(times))
    assert found == [6.0, 2.0]
    assert "".join(order) == "ab" + "abab", "after a call of each that does not count"


@pytest.mark.parametrize(
    ("measurement", "expected"),
    [
        (Measurement("a", 1234567.0, "x/s", goal=1e6), r"a +1,234,567 x/s +ok, goal 1,000,000"),
        (Measurement("a", 0.5, "x", goal=0.7), r"a +0.5 x +BELOW, goal 0.7"),
        (Measurement("a", 4000.0, "x", limit=4096), r"a +4,000 x +ok, limit 4,096"),
        (Measurement("a", 4097.0, "x", limit=4096), r"a +4,097 x +ABOVE, limit 4,096"),
        (Measurement("a", None, "", note="skipped: b"), r"a +- +skipped: b"),
    ],
)
def test_a_line_of_the_table(measurement: Measurement, expected: str) -> None:
    assert re.fullmatch(expected, table(measurement).strip())


@pytest.mark.parametrize("policy", ["puct", "gumbel"])
def test_simulations_are_counted_not_assumed(policy: str) -> None:
    work = searching(load("tic-tac-toe"), policy, trees=3, leaves=2)
    assert work() == 3 * 200


def test_moves_of_open_spiels_random_games_are_those_of_whole_games() -> None:
    pytest.importorskip("pyspiel", reason="OpenSpiel is not installed")
    moves = open_spiel_games("go", 50, board_size=5)()
    assert 20 * 10 < moves < 20 * 50, "games on 5x5 end after 50 moves at the latest"


# -- the search that ours is compared with must be a search ----------------------------------------


def test_the_dictionary_search_conserves_visits() -> None:
    board = np.zeros((3, 3), np.int8)
    search = DictionarySearch(ArrayBoard(3, 3, in_a_row=3, falls=False), exploration=1.25)
    for _ in range(300):
        search.simulate(board)
    name = board.tobytes()
    visits = [search.edge_visits.get((name, action), 0) for action in range(9)]
    assert sum(visits) == search.node_visits[name] == 299
    assert min(visits) > 0


def test_the_dictionary_search_takes_a_win_and_stops_one() -> None:
    rules = ArrayBoard(6, 7, in_a_row=4, falls=True)
    board = np.zeros((6, 7), np.int8)
    board[5, :3] = 1
    assert most_visited(rules, board) == 3  # wins
    assert most_visited(rules, -board) == 3  # or else loses


def most_visited(rules: ArrayBoard, board: np.ndarray) -> int:
    search = DictionarySearch(rules, exploration=1.25)
    for _ in range(400):
        search.simulate(board)
    visits = [search.edge_visits.get((str(board), action), 0) for action in range(7)]
    return int(np.argmax(visits))


@pytest.mark.parametrize("spec", ["tic-tac-toe", "connect4"])
def test_the_array_board_has_the_same_rules(spec: str) -> None:
    game, rng = load(spec), np.random.default_rng(1)
    rules = ArrayBoard(6, 7, 4, True) if spec == "connect4" else ArrayBoard(3, 3, 3, False)
    for _ in range(60):
        position, board = game.position(), np.zeros(rules.shape, np.int8)
        while not position.is_over:
            assert rules.result(board) is None
            assert np.flatnonzero(rules.legal(board)).tolist() == position.legal_actions()
            action = int(rng.choice(position.legal_actions()))
            position.play(action)
            board = rules.play(board, action)
            mine, theirs = position.planes()
            assert np.array_equal(board, mine.astype(np.int8) - theirs.astype(np.int8))
        assert rules.result(board) == position.value_to_move()
