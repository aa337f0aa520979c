"""A move without a search: what it sees one move ahead."""

import pytest

from alphazero.engine.clock import Clock, TimeControl, canadian
from alphazero.engine.first_look import RESERVE_SECONDS, first_look, patience
from alphazero.game import load
from alphazero.protocols.uci.board import set_up

CHESS, CONNECT4, GO = load("chess"), load("connect4"), load("go:size=5")


@pytest.mark.parametrize(
    ("fen", "move"),
    [
        ("6k1/5ppp/8/8/8/8/q7/R5K1 w - - 0 1", "a1a2"),  # the queen, as there is no mate
        ("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "a1a8"),  # mate
        ("4k3/8/8/3p1b2/4P3/8/8/3QK3 w - - 0 1", "e4f5"),  # the bishop rather than the pawn
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "e5d6"),  # in passing
    ],
)
def test_chess(fen: str, move: str) -> None:
    position = set_up(CHESS, fen)
    assert position.text(first_look(position)) == move


def test_it_does_not_take_a_pawn_with_the_queen() -> None:
    position = set_up(CHESS, "4k3/2p5/3p4/8/8/8/8/3QK3 w - - 0 1")
    assert position.text(first_look(position)) != "d1d6"


def test_other_games() -> None:
    position = CONNECT4.position("d a d a d a")
    assert position.text(first_look(position)) == "d"
    position = GO.position()
    for move in ("b1", "a1", "e5", "c5"):  # the stone in the corner has one liberty
        position.play(move)
    assert position.text(first_look(position)).lower() == "a2"
    opening = GO.position()
    assert first_look(opening) == first_look(opening) != GO.num_actions - 1


def test_the_clock_is_waited_for_but_not_to_its_end() -> None:
    assert patience(60.0) == 45.0 and patience(3.0) == 3.0 - RESERVE_SECONDS
    assert patience(1.0) == patience(-1.0) == 0.0
    assert Clock(TimeControl(10.0, increment=1.0)).until_flag == 10.0
    assert Clock(TimeControl(10.0, overtime=5.0, periods=3)).until_flag == 25.0
    stones = canadian(10.0, 60.0, 15)
    assert stones is not None and Clock(stones).until_flag == 70.0
