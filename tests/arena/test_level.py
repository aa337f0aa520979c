"""Levels: what they see, what they overlook, and that a higher one is stronger."""

import itertools

import numpy as np
import pytest

from alphazero.arena.level import (
    LEVELS,
    NETWORK_LEVELS,
    NUMBERS,
    PASS_SHARE,
    Level,
    level_of,
    moves_seen,
    pass_of,
)
from alphazero.arena.match import play_match
from alphazero.arena.players import make_player
from alphazero.errors import UserError
from alphazero.game import load

TICTACTOE, CONNECT4, GO9 = load("tic-tac-toe"), load("connect4"), load("go:size=9")
TABLES = [*NETWORK_LEVELS.values(), LEVELS]


def seen(level: Level, prior, passing=None, draws=400) -> np.ndarray:
    """How often each move is seen."""
    rng = np.random.default_rng(0)
    counts = np.zeros(len(prior))
    for _ in range(draws):
        counts[moves_seen(level, range(len(prior)), prior, passing, rng)] += 1
    return counts / draws


def test_every_table_has_ten_levels_that_search_more_and_overlook_less():
    for table in TABLES:
        assert len(table) == len(NUMBERS) == 10
        for one, next_one in itertools.pairwise(table):
            assert one.simulations <= next_one.simulations
            assert one.overlooked >= next_one.overlooked
            assert one != next_one
        assert table[-1].overlooked == 0


def test_levels_are_found_by_game_and_number():
    assert level_of(3, "no such game") == LEVELS[2] == level_of(3, "connect4", has_network=False)
    assert level_of(3, "connect4") == NETWORK_LEVELS["connect4"][2]
    for wrong in (0, 11, -1):
        with pytest.raises(UserError, match="from 1 to 10"):
            level_of(wrong, "go")


def test_the_first_move_is_drawn_from_the_flattened_prior():
    prior = [0.9, 0.09, 0.01]
    assert seen(Level(1, 1.0, 1.0), prior) == pytest.approx(prior, abs=0.05)
    assert seen(Level(1, 2.0, 1.0), prior) == pytest.approx([0.7, 0.225, 0.075], abs=0.06)
    assert seen(Level(1, 1e9, 1.0), prior) == pytest.approx([1 / 3] * 3, abs=0.07)


def test_the_others_are_overlooked_with_the_levels_probability():
    often = seen(Level(1, 1.0, 0.75), [1.0, 0.0, 0.0, 0.0])
    assert often[0] == 1 and often[1:] == pytest.approx([0.25] * 3, abs=0.07)
    assert (seen(Level(1, 1.0, 0.0), [0.5, 0.5, 0.0]) == 1).all()


def test_a_pass_is_seen_where_the_network_likes_it_and_never_by_chance():
    wild = Level(1, 1e9, 1.0)
    sharp = Level(1, 1.0, 1.0)
    assert seen(sharp, [0.5, 0.49, 0.01], passing=2)[2] == 0
    assert seen(sharp, [0.4, 0.4, 2 * PASS_SHARE], passing=2)[2] == 1
    assert seen(wild, [0.01] * 20 + [0.8], passing=20)[20] == 0  # among equals it is one of 21
    assert moves_seen(wild, [7], [1.0], 7, np.random.default_rng(0)) == [7]
    assert pass_of(GO9) == 81 and pass_of(CONNECT4) is None


def test_the_same_seed_gives_the_same_moves():
    level = LEVELS[0]
    rows = [
        moves_seen(level, range(7), [1 / 7] * 7, None, np.random.default_rng(s)) for s in (1, 1)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pretrained:level=11", "from 1 to 10, not 11"),
        ("pretrained:level=0", "level must be a whole number above 0"),
        ("pretrained:200,level=3", "a level sets the simulations"),
        ("pretrained:level=3,temperature=1", "a level sets the simulations"),
        ("checkpoint:level=3", "lacks a path"),
        ("mcts:9,level=3", "no option 'level'"),
    ],
)
def test_wrong_levels_of_players_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        make_player(text, TICTACTOE)


@pytest.mark.parametrize("kind", ["pretrained", "rave"])
def test_players_have_levels(kind):
    weak, strong = (make_player(f"{kind}:level={number}", TICTACTOE) for number in (1, 9))
    assert weak.name == f"{kind}:level=1"
    result = play_match(TICTACTOE, strong, weak, 40, seed=1)
    assert result.score > 0.7
    assert play_match(TICTACTOE, strong, weak, 10, seed=1).records[0].moves.tolist() == (
        result.records[0].moves.tolist()
    )


@pytest.mark.slow
@pytest.mark.parametrize("game", [TICTACTOE, CONNECT4, GO9], ids=lambda game: game.name)
def test_a_beginner_can_beat_the_first_level(game):
    """The tables were measured with more games: these only see that none is far off."""
    level, beginner = (make_player(text, game) for text in ("pretrained:level=1", "beginner"))
    assert 0.15 < play_match(game, level, beginner, 40, seed=3).score < 0.8


def test_a_beginner_takes_a_win_two_times_in_three_or_more():
    position = TICTACTOE.position()
    for move in ("a1", "b3", "a2", "b2"):
        position.play(move)
    beginner = make_player("beginner", TICTACTOE)
    chosen = beginner.choose([position] * 300, np.random.default_rng(0))
    assert 0.6 < chosen.count(position.action("a3")) / 300 < 0.85
