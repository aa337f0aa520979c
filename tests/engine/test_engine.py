"""The engine behind the front ends: limits, levels, reports, and where its network comes from."""

import itertools
import types

import numpy as np
import pytest

from alphazero.arena.level import LEVELS
from alphazero.config import NetworkConfig
from alphazero.engine import engine as engines
from alphazero.engine.analysis import Analysis, MoveInfo, with_sum
from alphazero.engine.engine import Engine, find_evaluator, make_engine, never, search_config
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.network import find
from alphazero.network.evaluator import Evaluation, Leaves, RolloutEvaluator, UniformEvaluator

CONNECT4 = load("connect4")
TICTACTOE = load("tic-tac-toe")


def rollouts(game=CONNECT4, **limits) -> Engine:
    return Engine(game, RolloutEvaluator(game), "rollouts", **{"simulations": 200} | limits)


def analyze(engine: Engine, at, stop=never, on_info=None, **how) -> Analysis:
    return engine.analyze(SearchRequest(at, **how), stop, on_info)


def position(moves: str, game=CONNECT4):
    made = game.position()
    for move in moves.split():
        made.play(move)
    return made


def tick(monkeypatch, seconds: float) -> None:
    """Make every look at the clock take so long, and nothing else."""
    clock = itertools.count()
    stub = types.SimpleNamespace(perf_counter=lambda: next(clock) * seconds)
    monkeypatch.setattr(engines, "time", stub)


# -- limits ----------------------------------------------------------------------------------------


def test_a_search_has_its_simulations_and_repeats_with_its_seed():
    start = position("d d")
    one, same = (analyze(rollouts(seed=4), start) for _ in range(2))
    assert one.simulations == 200 and start.moves == [3, 3]
    assert one.moves == same.moves and one.action == same.action
    assert sum(move.visits for move in one.moves) in (199, 200)
    assert any(analyze(rollouts(seed=seed), start).moves != one.moves for seed in (5, 6))


def test_it_moves_when_told_to_but_not_without_a_simulation():
    found = analyze(rollouts(simulations=10**6), position(""), stop=lambda: True)
    assert 1 <= found.simulations < 100
    assert found.action == found.moves[0].action


class Failing(UniformEvaluator):
    """Fails after so many batches."""

    def __init__(self, batches: int) -> None:
        super().__init__(CONNECT4)
        self.left = batches

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the device is lost")
        return super().evaluate(leaves)


@pytest.mark.parametrize("batches", [2, 10])
def test_an_evaluator_that_fails_leaves_what_has_been_searched(batches: int) -> None:
    engine = Engine(CONNECT4, Failing(batches), "failing", simulations=2000, keep_tree=True)
    found = analyze(engine, position("d d"))
    assert "the device is lost" in found.problem
    assert 0 < found.simulations < 100
    assert found.action == max(found.moves, key=lambda move: move.visits).action
    with pytest.raises(RuntimeError, match="lost"):  # nothing is left of the tree
        analyze(engine, position("d d"))


def test_an_evaluator_that_fails_at_once_is_an_error() -> None:
    engine = Engine(CONNECT4, Failing(0), "failing", simulations=2000)
    with pytest.raises(RuntimeError, match="lost"):
        analyze(engine, position("d d"))


def test_a_clock_ends_a_search_that_has_no_other_limit(monkeypatch):
    tick(monkeypatch, 0.01)
    found = analyze(rollouts(seconds=10.0), position(""))
    # 1000 looks at the clock, each after a step of eight leaves: several times CHUNK_SIMULATIONS.
    assert 7000 <= found.simulations <= 8100
    assert 10.0 <= found.seconds < 10.1
    assert sum(move.visits for move in found.moves) == pytest.approx(found.simulations, abs=8)


def test_progress_is_reported_every_second(monkeypatch):
    tick(monkeypatch, 0.1)
    heard = []
    analyze(rollouts(seconds=5.2), position(""), on_info=heard.append)
    assert [round(found.seconds) for found in heard] == [1, 2, 3, 4, 5]
    assert sorted(found.simulations for found in heard)[0] > 0
    assert all(len(found.moves) == 7 and found.moves[0].pv for found in heard)


def test_a_clock_does_not_wait_once_the_result_is_proven(monkeypatch):
    tick(monkeypatch, 1e-6)
    found = analyze(rollouts(seconds=1e9), position("a g a g a b"))
    assert found.proven == 1 and found.value == 1.0 and found.seconds < 1e9


def test_small_searches_take_their_leaves_one_by_one():
    assert [search_config(n).leaves_per_tree for n in (1, 63, 127, 128, 400, 800, 10**6)] == [
        1, 1, 1, 2, 6, 8, 8,
    ]  # fmt: skip
    assert search_config(5).simulations == 5 and search_config(5).policy == "puct"


def test_a_search_without_limits_goes_on_until_it_is_stopped(monkeypatch):
    tick(monkeypatch, 0.1)
    heard = []
    found = analyze(
        rollouts(),
        position(""),
        limits=SearchLimits(),
        stop=lambda: len(heard) == 5,
        on_info=heard.append,
        report_every=50.0,
    )
    # 500 looks at the clock in each fifth of the time, each after a step of eight leaves.
    assert found.simulations > 4 * engines.CHUNK_SIMULATIONS
    assert [round(one.seconds) for one in heard] == [50, 100, 150, 200, 250]


def test_a_solved_position_is_told_of_once_and_then_waited_in():
    heard = []
    stops = iter([False] * 5 + [True] * 9)
    found = analyze(
        rollouts(),
        position("a g a g a b"),
        limits=SearchLimits(),
        stop=lambda: next(stops),
        on_info=heard.append,
    )
    assert found.proven == 1 and len(heard) <= 1


@pytest.mark.slow
def test_a_search_settles_once_the_best_move_cannot_change(monkeypatch):
    tick(monkeypatch, 0.01)
    nearly_won = position("d d d c e a")  # f and b both make an open three
    early = analyze(rollouts(), nearly_won, limits=SearchLimits(seconds=100.0, settle=1.0))
    tick(monkeypatch, 0.01)
    late = analyze(rollouts(), nearly_won, limits=SearchLimits(seconds=100.0))
    assert early.action == late.action
    assert early.proven is not None or early.seconds < late.seconds


def test_both_limits_hold(monkeypatch):
    assert analyze(rollouts(), position(""), limits=SearchLimits(30, 1e9)).simulations == 30
    tick(monkeypatch, 1.0)
    assert analyze(rollouts(), position(""), limits=SearchLimits(10**6, 5.0)).simulations < 100


def test_only_some_moves_may_be_considered():
    start = position("d d")
    found = analyze(rollouts(), start, only=[0, 6])
    assert sorted(move.action for move in found.moves) == [0, 6]
    assert sum(move.prior for move in found.moves) == pytest.approx(1)
    assert found.simulations == 200 and found.action in (0, 6)
    winning = position("a g a g a b")
    assert analyze(rollouts(), winning, only=[1]).action == 1
    with pytest.raises(ValueError, match="none of the moves"):
        analyze(rollouts(), position("d d d d d d"), only=[3])


# -- going on --------------------------------------------------------------------------------------


def keeping(**limits) -> Engine:
    return rollouts(simulations=600, keep_tree=True, **limits)


def test_a_kept_tree_goes_on_with_the_game():
    engine, game = keeping(), position("d d")
    assert analyze(engine, game).visits == 600
    assert analyze(engine, game).visits == 1200  # the same position again
    reply = analyze(engine, game).moves[0].pv
    for move in reply[:2]:
        game.play(move)
    known = analyze(engine, game)
    assert known.visits > 600 and known.simulations == 600
    fresh = analyze(rollouts(simulations=600), game)
    assert fresh.visits in (599, 600)


@pytest.mark.parametrize("change", ["undo", "another game", "another player", "three moves"])
def test_a_tree_is_not_kept_for_what_it_does_not_know(change):
    engine, game = keeping(), position("a d g")
    analyze(engine, game)
    if change == "undo":
        game.undo()
    elif change == "another game":
        game = position("a d b g")
    elif change == "another player":
        game.set_to_play(1 - game.to_play)
    else:
        for move in "bfb":
            game.play(move)
    assert analyze(engine, game).visits in (599, 600)


def test_levels_and_restricted_searches_leave_the_kept_tree_aside():
    engine, game = keeping(), position("d d")
    analyze(engine, game)
    assert analyze(engine, game, only=[0, 1]).visits in (599, 600)
    assert analyze(engine, game, limits=SearchLimits(600, fresh=True)).visits in (599, 600)
    assert analyze(engine, game).visits == 1200
    engine.set_level(5)
    assert analyze(engine, game).visits <= LEVELS[4].simulations
    engine.forget()
    assert analyze(engine, game, full_strength=True).visits in (599, 600)


def test_limits_may_be_set_anew():
    engine = rollouts(level=3)
    engine.set_limits(simulations=70)
    assert engine.limits() == SearchLimits(70) and analyze(engine, position("")).simulations == 70
    engine.set_limits(seconds=2.0)
    assert engine.name == "rollouts, 2 s a move"


# -- what it thinks --------------------------------------------------------------------------------


def test_it_takes_a_win_and_stops_a_loss():
    win = analyze(rollouts(), position("a g a g a b"))
    assert win.action == 0 and win.proven == 1 and win.moves[0].winrate == 1.0
    assert (win.winrate(0), win.winrate(1)) == (1.0, 0.0)
    stop = analyze(rollouts(simulations=2000), position("b g b g b"))
    assert stop.action == 1 and stop.to_play == 1


def test_a_lost_position_is_said_to_be_lost():
    # X threatens a1 and e1 at once, and O can stop one of them.
    found = analyze(rollouts(simulations=5000), position("c c d d b"))
    assert found.proven == -1
    assert (found.value, found.winrate(1), found.winrate(0)) == (-1.0, 0.0, 1.0)


def test_lines_are_legal_and_the_best_comes_first():
    start = position("d d c")
    found = analyze(rollouts(seed=1), start, continuations=3)
    assert sorted(move.action for move in found.moves) == start.legal_actions()
    assert found.moves[0].visits == max(move.visits for move in found.moves)
    assert [move.visits for move in found.moves] == sorted(
        (move.visits for move in found.moves), reverse=True
    )
    for move in found.moves:
        after = start.copy()
        assert move.pv[0] == move.action
        for action in move.pv:
            after.play(action)
    assert all(len(move.pv) > 1 for move in found.moves[:3])
    assert all(0 <= move.lcb <= move.winrate <= 1 for move in found.moves)
    assert sum(move.prior for move in found.moves) == pytest.approx(1)
    assert found.winrate(0) + found.winrate(1) == pytest.approx(1)
    assert found.winrate(1) == pytest.approx(found.moves[0].winrate)


def test_a_line_that_ends_the_game_ends_there():
    found = analyze(rollouts(TICTACTOE), position("a1 b2 a2 c3", TICTACTOE), continuations=9)
    winning = [move for move in found.moves if move.action == TICTACTOE.position().action("a3")]
    assert winning[0].pv == (0,)


def test_the_lower_bound_is_wilsons():
    assert MoveInfo(0, 0.5, 10, (0,)).lcb == pytest.approx(0.2366, abs=1e-4)
    assert MoveInfo(0, 1.0, 10, (0,)).lcb == pytest.approx(0.7225, abs=1e-4)
    assert MoveInfo(0, 0.5, 10**6, (0,)).lcb == pytest.approx(0.499, abs=1e-4)
    assert MoveInfo(0, 0.0, 3, (0,)).lcb == MoveInfo(0, 0.9, 0, (0,)).lcb == 0.0


def test_the_evaluator_can_be_asked_under_every_symmetry():
    class Lopsided(RolloutEvaluator):
        """Prefers the column in which the first disc of the player to move lies."""

        uses_planes, uses_states = True, False

        def evaluate(self, leaves):
            logits = leaves.planes[:, 0].any(axis=1).astype(np.float32)
            return Evaluation.of_value(logits, np.full(len(logits), 0.25, np.float32))

    engine = Engine(CONNECT4, Lopsided(CONNECT4), "lopsided", simulations=10)
    start = position("b g")
    for symmetry in (0, 1):
        policy, value = engine.evaluate(start, symmetry)
        assert policy.argmax() == 1 and policy.sum() == pytest.approx(1) and value == 0.25
        assert policy[1] / policy[0] == pytest.approx(np.e)
    assert engine.auxiliary([start, start]) == {}


# -- levels ----------------------------------------------------------------------------------------


def test_levels_go_from_1_to_10():
    for wrong in (0, 11, -1):
        with pytest.raises(UserError, match="from 1 to 10"):
            rollouts(level=wrong)


def test_low_levels_vary_and_blunder_where_high_ones_do_not():
    winning = position("a g a g a b")
    low = {analyze(rollouts(level=1, seed=seed), winning).action for seed in range(30)}
    high = {analyze(rollouts(level=9, seed=seed), winning).action for seed in range(5)}
    assert len(low) > 3 and high == {0}
    considered = [len(analyze(rollouts(level=1, seed=seed), winning).moves) for seed in range(9)]
    assert max(considered) < 7 and min(considered) >= 1
    assert analyze(rollouts(level=1, seed=3), winning).action == (
        analyze(rollouts(level=1, seed=3), winning).action
    )


def test_a_level_limits_the_search_unless_at_full_strength():
    engine = rollouts(level=3, simulations=150)
    assert analyze(engine, position("")).simulations == LEVELS[2].simulations
    assert analyze(engine, position(""), full_strength=True).simulations == 150
    engine.set_level(4)
    assert analyze(engine, position("")).simulations == LEVELS[3].simulations


def test_a_higher_level_wins():
    won = 0
    for number in range(20):
        game = position("")
        engines = [rollouts(level=level, seed=number) for level in (7, 2)]
        while not game.is_over:
            game.play(analyze(engines[(game.to_play + number) % 2], game).action)
        outcome = game.outcome()
        won += outcome.winner is not None and (outcome.winner + number) % 2 == 0
    assert won >= 17


def test_the_name_says_how_it_is_limited():
    assert rollouts().name == "rollouts, 200 simulations"
    assert rollouts(seconds=2.5).name == "rollouts, 2.5 s a move"
    assert rollouts(level=3).name == "rollouts, level 3"


# -- where the network comes from ------------------------------------------------------------------


def test_without_a_network_it_plays_rollouts_and_says_so(monkeypatch):
    game = load("connect4:rows=4,cols=4")
    heard: list[str] = []
    engine = make_engine(game, EngineOptions(), heard.append)
    assert engine.name == f"random rollouts, {engines.ROLLOUT_SIMULATIONS} simulations"
    make_engine(game, EngineOptions(level=2), heard.append)
    make_engine(game, EngineOptions(seconds=1.0), heard.append)
    line = "no trained network for Connect Four: playing with random rollouts"
    assert heard == [f"{line} (mcts:{engines.ROLLOUT_SIMULATIONS})", line, line]


def test_without_a_network_go_is_played_with_rave(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    heard: list[str] = []
    game = load("go:size=5")
    engine = make_engine(game, EngineOptions(simulations=40), heard.append)
    assert heard == ["no trained network for Go: playing with RAVE and weighted rollouts (rave:40)"]
    found = analyze(engine, game.position())
    assert found.simulations == 40 and found.action in game.position().legal_actions()


@pytest.fixture
def weights(tmp_path):
    from alphazero.network.registry import build
    from alphazero.network.weights import save_weights

    path = tmp_path / "tiny.safetensors"
    save_weights(path, build(TICTACTOE, NetworkConfig(size="b1c8")), TICTACTOE)
    return path


def test_a_network_is_named_and_used(weights):
    heard: list[str] = []
    engine = make_engine(
        TICTACTOE, EngineOptions(network=str(weights), simulations=20), heard.append
    )
    assert heard == [] and engine.name == f"the network {weights}, 20 simulations"
    found = analyze(engine, position("b2", TICTACTOE), continuations=2)
    assert found.simulations == 20 and len(found.moves) == 8
    default = make_engine(TICTACTOE, EngineOptions(network=str(weights)), heard.append)
    assert default.name.endswith(f"{engines.NETWORK_SIMULATIONS} simulations")


def test_the_packages_own_network_is_taken_where_there_is_one(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    assert isinstance(find_evaluator(TICTACTOE, None)[0], RolloutEvaluator)
    weights.rename(tmp_path / "tic-tac-toe.safetensors")
    evaluator, source = find_evaluator(TICTACTOE, None)
    assert evaluator.name == "network" and source == "the package's network"
    (tmp_path / "tic-tac-toe.safetensors").rename(tmp_path / "connect4.safetensors")
    assert isinstance(find_evaluator(CONNECT4, None)[0], RolloutEvaluator)  # not for this game


def test_a_network_of_another_game_is_refused(weights):
    with pytest.raises(UserError, match='not for "connect4"'):
        make_engine(CONNECT4, EngineOptions(network=str(weights)), print)


def test_the_run_without_a_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="has no checkpoint yet"):
        make_engine(TICTACTOE, EngineOptions(network=str(tmp_path)), print)


# -- score and ownership ---------------------------------------------------------------------------


def self_play(engine: Engine, moves: int, visits: int) -> list[Analysis]:
    """Searches of a game in which the engine makes its best moves."""
    at, found = engine.game.position(), []
    limits = SearchLimits(visits, fresh=True)
    for _ in range(moves):
        found.append(analyze(engine, at, limits=limits, ownership=True, continuations=0))
        at.play(found[-1].moves[0].action)
    return found


@pytest.mark.slow
def test_the_lead_is_steady_and_agrees_with_win_rate_and_ownership():
    """With the package's network; before, the lead changed by nine points from move to move."""
    engine = make_engine(load("go:size=9"), EngineOptions("go:size=9"), print)
    leads, lost = [], []
    for found in self_play(engine, moves=10, visits=100):
        sign = 1 if found.to_play == 0 else -1
        expected, best = found.expected, found.moves[0].expected
        assert expected is not None and best is not None and expected.ownership is not None
        leads.append(sign * expected.score)
        lost.append(expected.score - best.score)
        assert sign * expected.ownership.sum() == pytest.approx(leads[-1] + 7.5, abs=0.01)
        if abs(expected.score) > 3:
            assert (found.mean_winrate > 0.5) == (expected.score > 0)
    assert np.abs(np.diff(leads)).mean() < 2
    assert np.abs(lost).mean() < 2


def test_ownership_with_another_sum_stays_as_near_as_it_can():
    ownership = np.array([0.999, 0.5, 0.0, -0.2, -0.999])
    for points in (-4.0, 0.0, 0.3, 2.5):
        shifted = with_sum(ownership, points)
        assert shifted.sum() == pytest.approx(points, abs=1e-3)
        assert (np.argsort(shifted) == np.argsort(ownership)).all()
    assert with_sum(ownership, 0.3) == pytest.approx(ownership, abs=1e-3)
    assert with_sum(ownership, 99.0).sum() < 5


def test_the_judge_has_the_last_word_on_a_game_that_has_ended():
    engine = make_engine(load("go:size=9"), EngineOptions("go:size=9"), print)
    at = engine.game.position()
    stones = engine.game.stones
    assert stones is not None
    board = np.zeros((9, 9), np.int8)
    board[:, 3], board[:, 4] = 1, 2
    stones.set_up(at.state, board, 0)
    at = type(at)(engine.game, at.state)
    found = analyze(engine, at, limits=SearchLimits(30, fresh=True), ownership=True, is_ended=True)
    judgement = engine.judge(at)
    assert found.expected is not None and found.expected.score == judgement.score == 36 - 45 - 7.5
    assert found.mean_winrate == 0
