"""Proof of play: lines are counted as a plain walk through the tree counts them."""

import pytest

from alphazero.arena import exhaustive as proof
from alphazero.arena.exhaustive import prove_unbeaten
from alphazero.arena.match import PlayerFailure
from alphazero.arena.players import Player, RandomPlayer, make_player
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.game.jit import PURE_PYTHON
from tests.helpers.toy_games import RANDOM, RING, position_of

TICTACTOE = load("tic-tac-toe")


class Listed(Player):
    """Plays the legal move at a place in the list that depends on the position only."""

    name = "listed"

    def __init__(self, salt=0):
        self.salt = salt
        self.asked = []

    def choose(self, positions, rng):
        self.asked += [tuple(position.moves) for position in positions]
        return [self.move(position) for position in positions]

    def move(self, position):
        legal = position.legal_actions()
        return legal[(position.key + self.salt) % len(legal)]


def walk(position, seat, move):
    """Wins, draws and losses of every line, one by one, without merging anything."""
    if position.is_over:
        value = position.outcome().values[seat]
        return (value > 0, value == 0, value < 0)
    moves = [move(position)] if position.to_play == seat else position.legal_actions()
    total = (0, 0, 0)
    for action in moves:
        position.play(action)
        total = tuple(a + b for a, b in zip(total, walk(position, seat, move), strict=True))
        position.undo()
    return total


@pytest.mark.parametrize("salt", [0, 1] if PURE_PYTHON else range(6))
def test_lines_are_counted_as_by_walking_the_tree(salt):
    player = Listed(salt)
    found = prove_unbeaten(player, TICTACTOE)
    for seat, lines in enumerate(found):
        counted = walk(TICTACTOE.position(), seat, player.move)
        assert (lines.wins, lines.draws, lines.losses) == counted
        assert lines.lines == sum(counted)
    assert found.lines == found.as_first.lines + found.as_second.lines
    assert found.losses == found.as_first.losses + found.as_second.losses
    # Every position is asked about once, although lines transpose.
    assert len(player.asked) == found.as_first.positions + found.as_second.positions
    assert found.as_second.positions < found.as_second.lines


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_a_game_where_a_side_may_move_twice(seed):
    player = Listed(3)
    game = started_elsewhere(RANDOM, seed=seed)
    for seat, lines in enumerate(prove_unbeaten(player, game)):
        counted = walk(position_of(RANDOM, seed=seed), seat, player.move)
        assert (lines.wins, lines.draws, lines.losses) == counted


def test_lines_that_differ_only_in_their_past_are_kept_apart():
    for size in (7, 9):
        player = Listed(size)
        game = started_elsewhere(RING, length=size)
        for seat, lines in enumerate(prove_unbeaten(player, game)):
            counted = walk(position_of(RING, length=size), seat, player.move)
            assert (lines.wins, lines.draws, lines.losses) == counted


def started_elsewhere(game, **fields):
    """The same game, beginning with other values in its state."""
    import dataclasses

    class Elsewhere(type(game)):
        def position(self):
            return position_of(game, **fields)

    made = {field.name: getattr(game, field.name) for field in dataclasses.fields(game)}
    return Elsewhere(**made)


def test_a_perfect_player_is_unbeaten():
    found = prove_unbeaten(make_player("alphabeta:9", TICTACTOE), TICTACTOE)
    assert found.unbeaten and found.losses == 0
    assert found.as_first.wins > 0 and found.as_second.draws > 0
    assert found.as_first.lost_line is None and found.as_first.lost_text == ""
    first, second = found.as_first, found.as_second
    assert str(found).splitlines() == [
        f"moving first   {first.lines} lines: {first.wins} won, {first.draws} drawn, 0 lost",
        f"moving second  {second.lines} lines: {second.wins} won, {second.draws} drawn, 0 lost",
    ]


def test_a_random_player_is_beaten_and_the_line_shows_it():
    found = prove_unbeaten(RandomPlayer(), TICTACTOE, seed=2)
    assert not found.unbeaten
    for seat, lines in enumerate(found):
        assert lines.losses > 0 and lines.lost_line is not None
        position = TICTACTOE.position()
        words = []
        for action in lines.lost_line:
            words.append(position.text(action))
            position.play(action)
        outcome = position.outcome()
        assert outcome is not None and outcome.winner == 1 - seat
        assert f"after {' '.join(words)}:" in lines.lost_text
        assert position.render() in lines.lost_text
        assert lines.lost_text in str(found)


def test_the_loss_shown_is_one_of_the_shortest():
    # The second player loses after five plies at the soonest, and the listed one lets that happen.
    losses = [prove_unbeaten(Listed(salt), TICTACTOE).as_second.lost_line for salt in range(4)]
    assert min(len(line) for line in losses if line) == 5


def test_a_proof_is_repeatable():
    one, other = (prove_unbeaten(RandomPlayer(), TICTACTOE, seed=7) for _ in range(2))
    assert one == other
    assert one != prove_unbeaten(RandomPlayer(), TICTACTOE, seed=8)


def test_a_game_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(proof, "MOST_POSITIONS", 40)
    with pytest.raises(
        UserError, match=r"too large to try every line: more than 40 .* after \d+ plies"
    ):
        prove_unbeaten(Listed(), load("connect4"))


def test_an_illegal_move_ends_the_proof():
    class Stubborn(Player):
        name = "stubborn"

        def choose(self, positions, rng):
            return [4] * len(positions)

    with pytest.raises(PlayerFailure, match="player stubborn chose the illegal action 4 after"):
        prove_unbeaten(Stubborn(), TICTACTOE)
