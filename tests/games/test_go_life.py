"""Benson's pass-alive chains: shapes by name, a slow Benson, and what the words promise."""

import functools
from collections import Counter

import numpy as np
import pytest

from alphazero.game import Game, Position
from alphazero.game import load as load_anew
from tests.games.test_go_oracles import set_up, start_anywhere
from tests.judges.go_oracle import GoOracle, read_board

load = functools.cache(load_anew)
NOTHING = "....." * 5

SHAPES = {  # a board, and what of it is pass-alive: X to Black, O to White
    "an empty board": (NOTHING, NOTHING),
    "two eyes in the corner": (
        """
        . X . X O
        X X X X O
        O O O O O
        . . . . .
        . . . . .
        """,
        """
        X X X X .
        X X X X .
        . . . . .
        . . . . .
        . . . . .
        """,
    ),
    "a false eye: the stone that closes it can be taken": (
        """
        . X . X O
        X X X O O
        O O O . .
        . . . . .
        . . . . .
        """,
        NOTHING,
    ),
    "one big eye": (
        """
        . . . X .
        . . . X .
        X X X X .
        . . . . .
        . . . . .
        """,
        NOTHING,
    ),
    "a straight eye of three and one of one": (
        """
        . . . X .
        X X X X X
        . . . . .
        . . . . .
        . . . . .
        """,
        """
        X X X X X
        X X X X X
        . . . . .
        . . . . .
        . . . . .
        """,
    ),
    "a bent eye: its corner is not beside the chain": (
        """
        . . X . X
        . X X X X
        X X . . .
        . . . . .
        . . . . .
        """,
        NOTHING,
    ),
    "a bent eye, and two more": (
        """
        . . X . X
        . X X X X
        X X . X .
        . X X X .
        . . . . .
        """,
        """
        . . X X X
        . X X X X
        X X X X .
        . X X X .
        . . . . .
        """,
    ),
    "two chains that share both their vital regions": (
        """
        X . X X O
        X X . X O
        O O X X O
        . O O O O
        . . . . .
        """,
        """
        X X X X .
        X X X X .
        . . X X .
        . . . . .
        . . . . .
        """,
    ),
    "both colours, with a point that is nobody's": (
        """
        . X . X O
        X X X X O
        . O O O O
        O O . O .
        . O O O O
        """,
        """
        X X X X O
        X X X X O
        . O O O O
        O O O O O
        O O O O O
        """,
    ),
    "the whole board but two eyes": (
        """
        X X X X X
        X . X X X
        X X X X X
        X X X . X
        X X X X X
        """,
        "XXXXX" * 5,
    ),
    "an opponent's stone in an eye, all of whose points are beside the chain": (
        """
        . O . X .
        X X X X X
        . . . . .
        . . . . .
        . . . . .
        """,
        """
        X X X X X
        X X X X X
        . . . . .
        . . . . .
        . . . . .
        """,
    ),
}
STONE_INSIDE = """
    X X X X X . X . .
    X . . . X X X . .
    X . O . X . . . .
    X . . . X . . . .
    X X X X X . . . .
    . . . . . . . . .
    . . . . . . . . .
    . . . . . . . . .
    . . . . . . . . .
"""


def game_of(size: int, suicide: bool) -> Game:
    return load(f"go:size={size},suicide={suicide}")


def pass_alive(position: Position) -> list[int]:
    assert position.game.stones is not None
    return position.game.stones.pass_alive(position.state).ravel().tolist()


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str, suicide: bool) -> None:
    board, alive = map(read_board, SHAPES[name])
    position = set_up(game_of(5, suicide), board)
    assert pass_alive(position) == list(alive)
    assert GoOracle(5, "simple", suicide, board).pass_alive() == alive
    # Turned about, and with the colours changed.
    other = tuple((0, 2, 1)[color] for color in reversed(board))
    assert pass_alive(set_up(position.game, other)) == [(0, 2, 1)[color] for color in alive[::-1]]


def test_without_suicide_a_stone_inside_an_eye_is_no_harm() -> None:
    board = read_board(STONE_INSIDE)
    position = set_up(game_of(9, suicide=False), board, to_play=1)
    alive = np.array(pass_alive(position)).reshape(9, 9)
    assert (alive[:5, :5] == 1).all() and (alive[:2, 5:7] == 1).all()
    assert alive.sum() == 25 + 4


def test_with_suicide_a_stone_inside_an_eye_is_the_end_of_it() -> None:
    """White fills the eye, has all of it taken off, and fills it again around its middle."""
    position = set_up(game_of(9, suicide=True), read_board(STONE_INSIDE), to_play=1)
    assert not any(pass_alive(position))
    outside = "H9 H8 G7 F7 F6 F5 E4 D4 C4 B4 A4"
    inside = "B8 C8 D8 B7 D7 B6 C6 D6"
    for move in f"{outside} {inside} {inside} F9".split():
        position.play(move)
        position.play("pass")
    assert position.game.stones is not None
    board = position.game.stones.board(position.state)
    assert not (board == 1).any(), str(position)
    assert position.game.stones.captures(position.state) == (9, read_board(STONE_INSIDE).count(1))


# -- random positions ------------------------------------------------------------------------------


def late_boards(game: Game, count: int, seed: int) -> list[Position]:
    """Ends of random games with some stones taken away, and random boards."""
    rng, size = np.random.default_rng(seed), game.planes[1]
    states, values = game.empty_states(count), np.zeros(count, np.float32)
    game.start_batch(states)
    game.playout_batch(states, np.arange(count, dtype=np.uint64) + np.uint64(seed), values)
    assert game.stones is not None
    found = [start_anywhere(game, rng, 0.9) for _ in range(count // 4)]
    for state in states:
        board = game.stones.board(state).ravel()
        board[rng.random(size * size) < rng.choice([0, 0.03, 0.1])] = 0
        found.append(set_up(game, tuple(board.tolist()), int(rng.integers(2))))
    return found


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize(
    ("size", "count"), [(5, 200), (9, 100), pytest.param(19, 200, marks=pytest.mark.slow)]
)
def test_random_positions_against_a_slow_benson(size: int, count: int, suicide: bool) -> None:
    game, seen = game_of(size, suicide), Counter[str]()
    assert game.stones is not None
    for position in late_boards(game, count, seed=size):
        board = game.stones.board(position.state).ravel().tolist()
        expected = GoOracle(size, "simple", suicide, board).pass_alive()
        assert pass_alive(position) == list(expected), str(position)
        pairs = set(zip(board, expected, strict=True))
        seen["both colours"] += {(1, 1), (2, 2)} <= pairs
        seen["one chain is, another is not"] += {(1, 1), (1, 0)} <= pairs
        seen["stones inside"] += (2, 1) in pairs
        seen["nothing"] += not any(expected)
    assert len(seen) == 4 and min(seen.values()) > 0, seen


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("size", [5, pytest.param(9, marks=pytest.mark.slow)])
def test_no_attack_takes_what_is_pass_alive(size: int, suicide: bool) -> None:
    """The owner passes at every turn, the opponent moves at random."""
    game, attacks = game_of(size, suicide), 0
    assert game.stones is not None
    rng = np.random.default_rng(size)
    for position in late_boards(game, 120, seed=size + 1):
        board = game.stones.board(position.state).ravel()
        alive = np.array(pass_alive(position))
        for owner in (0, 1):
            stones = (board == owner + 1) & (alive == owner + 1)
            if not stones.any():
                continue
            attack = position.copy()
            attack.set_to_play(1 - owner)
            while not attack.is_over:
                moves = attack.legal_actions()
                attack.play(int(rng.choice(moves[:-1])) if len(moves) > 1 else moves[-1])
                if not attack.is_over:
                    attack.play("pass")
            left = game.stones.board(attack.state).ravel()
            assert (left[stones] == owner + 1).all(), f"{position}\n{attack}"
            attacks += 1
    assert attacks > 60
