"""The judge of finished games: exact where a region can be searched, near to GNU Go elsewhere."""

import functools

import numpy as np
import pytest

from alphazero.engine.judge import judge
from alphazero.engine.local_search import best_score, bound_search
from alphazero.engine.territory import chains
from alphazero.game import Position, load
from alphazero.network.evaluator import TracedRolloutEvaluator
from alphazero.network.find import evaluator
from tests.judges.go_endings import compare, endings

# Black X, White O: White's three stones in the corner have one eye.
DEAD_CORNER = """
. . . . X O .
. . . . X O O
. . . . X O .
. . . . X O O
X X X . X O .
O O X . X O O
. O X . X O O
"""
# D1 D2 D3 and A1 A2 B1 B2 B3 C3 share two liberties, C1 and C2: whoever plays there is captured.
SEKI = (
    "C9 D9 C8 D8 C7 D7 C6 D6 C5 D5 A4 D4 B4 E4 C4 B3 A3 C3 D3 E3 D2 A2 D1 B2 pass E2 pass A1"
    " pass B1 pass E1"
)


def board_of(text: str) -> np.ndarray:
    rows = [line.split() for line in text.strip().splitlines()]
    return np.array([[".XO".index(cell) for cell in row] for row in rows], np.int8)


@functools.cache
def network(size: int, komi: float):
    return evaluator(load(f"go:size={size},komi={komi:g},rules=chinese"))


def position_of(text: str, to_play: int = 0, komi: float = 7) -> Position:
    board = board_of(text)
    game = load(f"go:size={len(board)},komi={komi:g},rules=chinese")
    position = game.position()
    assert game.stones is not None
    game.stones.set_up(position.state, board, to_play)
    return position


def dead_in(text: str, to_play: int = 0) -> set[tuple[int, int]]:
    position = position_of(text, to_play)
    found = judge(position, network(7, 7))
    return {(int(row), int(column)) for row, column in np.argwhere(found.dead)}


@pytest.mark.parametrize("to_play", [0, 1])
def test_a_corner_that_dies_whoever_moves_first(to_play):
    assert dead_in(DEAD_CORNER, to_play) == {(5, 0), (5, 1), (6, 1)}


@pytest.mark.parametrize("playouts", [False, True])
def test_certain_stones_need_no_opinion(playouts):
    position = position_of(DEAD_CORNER)
    judges = TracedRolloutEvaluator(position.game) if playouts else network(7, 7)
    found = judge(position, judges)
    assert not found.dead[0:5].any()


def test_a_game_under_way_and_its_end_are_judged_alike():
    position = position_of(DEAD_CORNER)
    before = judge(position, network(7, 7))
    position.play("pass")
    position.play("pass")
    after = judge(position, network(7, 7))
    assert (before.dead == after.dead).all() and before.score == after.score


@pytest.mark.parametrize("to_play", [0, 1])
def test_a_seki_is_neither_dead_nor_territory(to_play):
    game = load("go:size=9,komi=7.5,rules=chinese")
    position = game.position()
    for move in [*SEKI.split(), *["pass"] * to_play]:
        position.play(move)
    found = judge(position, network(9, 7.5))
    assert not found.dead.any() and found.score == -42.5
    assert found.seki.sum() == 9


def test_the_search_of_a_region_is_exact():
    # White's corner lives if White moves first, and dies if Black does: C7 is the vital point.
    board = board_of(
        """
        . . . O X . .
        O O O O X . .
        X X X X X . .
        . . . . . . .
        . . . . . . .
        . . . . . . .
        . . . . . . .
        """
    )
    game = load("go:size=7,komi=7,rules=chinese")
    region = np.zeros((7, 7), bool)
    region[0:2, 0:4] = True
    search = bound_search(game)
    scores = [best_score(search, game, board, player, region, -60, 60) for player in (0, 1)]
    assert scores == [49, 33]


def test_chains_of_one_region_have_one_owner():
    for ending in endings(9, 4):
        game = ending.position.game
        assert game.stones is not None
        found = judge(ending.position, network(9, 7))
        owners = game.stones.area(ending.position.state, found.dead)
        board = game.stones.board(ending.position.state)
        for chain in chains(board):
            if found.dead[chain[0]]:
                assert owners[chain[0]] in (0, 3 - board[chain[0]])


def test_the_judge_sides_with_gnu_go():
    results = [compare(ending, judge(ending.position, network(9, 7))) for ending in endings(9, 12)]
    assert sum(result.same_winner for result in results) >= 11
    stones = sum(result.stones for result in results)
    assert sum(result.same_life for result in results) >= 0.97 * stones
