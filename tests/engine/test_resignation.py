"""When the engine resigns, whatever front end it plays through."""

import pytest

from alphazero.engine.resignation import EARLIEST, LOST_TURNS, LOST_WINRATE, Resignation

LOST = LOST_WINRATE / 2
LATE = int(81 * EARLIEST) + 1


def resigns(rule: Resignation, turns: int, **changes) -> list[bool]:
    how = {"winrate": LOST, "moves": LATE, "points": 81, "handicap": 0} | changes
    return [rule.should_resign(0, **how) for _ in range(turns)]


def test_it_resigns_after_being_lost_for_long() -> None:
    assert resigns(Resignation(), LOST_TURNS + 1) == [False] * (LOST_TURNS - 1) + [True] * 2


@pytest.mark.parametrize("change", [{"winrate": LOST_WINRATE}, {"moves": 10}, {"handicap": 2}])
def test_it_plays_on(change: dict) -> None:
    assert not any(resigns(Resignation(), 3 * LOST_TURNS, **change))


def test_hope_and_a_new_game_begin_the_count_anew() -> None:
    rule = Resignation()
    resigns(rule, LOST_TURNS - 1)
    resigns(rule, 1, winrate=0.5)
    assert not any(resigns(rule, LOST_TURNS - 1))
    rule.reset()
    assert not any(resigns(rule, LOST_TURNS - 1))


def test_turns_are_counted_for_each_player() -> None:
    rule = Resignation()
    resigns(rule, LOST_TURNS)
    assert not rule.should_resign(1, LOST, LATE, 81, 0)
