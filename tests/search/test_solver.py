"""How soon a proven result comes, and how deep a tree is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphazero.arena.alphabeta import AlphaBeta
from alphazero.config import SearchConfig
from alphazero.engine.engine import Engine
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.game import Position, load
from alphazero.network.evaluator import RolloutEvaluator, UniformEvaluator
from alphazero.search.search import Search

GAME = load("tic-tac-toe")
CONNECT4 = load("connect4")
BRUTE_FORCE = AlphaBeta(GAME)


def searched(position: Position, simulations: int, evaluator=None) -> Search:
    game = position.game
    config = SearchConfig(policy="puct", simulations=simulations)
    search = Search(game, evaluator or UniformEvaluator(game), config)
    search.begin(0, position, seed=1)
    search.run()
    return search


def after(moves: str, game=GAME) -> Position:
    position = game.position()
    for move in moves.split():
        position.play(move)
    return position


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_proven_lines_end_as_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    position = GAME.position()
    for _ in range(int(rng.integers(2, 6))):
        position.play(int(rng.choice(position.legal_actions())))
        if position.is_over:
            return
    search = searched(position, 3000)
    result, endings = search.result(0), search.proven_lines(0)
    for action, ending in endings.items():
        value = result.q[result.index(action)]
        assert ending.moves[0] == action and len(ending.moves) == ending.plies
        assert len(ending.visits) == ending.plies and all(np.diff(ending.visits) <= 0)
        assert ending.plies % 2 == (value == 1)  # who wins makes the last move
        end = position.copy()
        for move in ending.moves:
            end.play(move)
        outcome = end.outcome()
        assert outcome is not None and outcome.values[position.to_play] == value
    if result.proven in (-1, 1):
        truth = BRUTE_FORCE.search(position)
        best = result.quickest(endings)
        assert truth.value == result.proven and truth.plies is not None
        if result.proven == 1:
            assert endings[best].plies >= truth.plies
        else:  # every move was looked at
            assert endings[best].plies == max(ending.plies for ending in endings.values())


def test_a_win_at_once_is_played() -> None:
    engine = Engine(CONNECT4, RolloutEvaluator(CONNECT4), "rollouts", simulations=500)
    winning = after("d c d c d c", CONNECT4)
    thought = engine.analyze(SearchRequest(winning))
    assert thought.proven == 1 and thought.moves[0].plies_to_end == 1
    assert winning.text(thought.action) == "d"


def test_depth() -> None:
    search = searched(after(""), 1)
    assert search.depth(0) == (1.0, 1)
    search = searched(after(""), 9)
    assert search.depth(0) == (1.0, 1)  # every move once
    search = searched(after(""), 60, RolloutEvaluator(GAME))
    mean, deepest = search.depth(0)
    assert 1 < mean < deepest <= 9


@pytest.mark.parametrize(("depth", "most"), [(1, 30), (2, 300)])
def test_depth_is_a_limit(depth: int, most: int) -> None:
    engine = Engine(CONNECT4, UniformEvaluator(CONNECT4), "uniform", simulations=10**5)
    thought = engine.analyze(SearchRequest(CONNECT4.position(), SearchLimits(depth=depth)))
    assert depth <= thought.depth < depth + 1 and thought.simulations <= most
    assert thought.max_depth >= thought.depth and 0 < thought.memory_used < 0.01


def test_a_search_that_is_to_solve_ends_when_it_has() -> None:
    engine = Engine(GAME, UniformEvaluator(GAME), "uniform", simulations=1)
    thought = engine.analyze(SearchRequest(after("a1 b2 a2"), SearchLimits(solve=True)))
    assert thought.proven is not None and thought.simulations > 1
