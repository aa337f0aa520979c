"""Clocks: what is left after a move, and thinking that never takes more."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.engine.clock import (
    KINDS,
    LAG,
    Clock,
    TimeControl,
    canadian,
    moves_to_go,
    named_control,
)

ABSOLUTE = TimeControl(600)
FISCHER = TimeControl(60, increment=5)
CANADIAN = TimeControl(60, overtime=300, stones=25)
BYOYOMI = TimeControl(60, overtime=30, periods=3)


def after(control: TimeControl, *moves: float) -> Clock:
    clock = Clock(control)
    for seconds in moves:
        clock.spend(seconds)
    return clock


# -- what is left ----------------------------------------------------------------------------------


def test_absolute_time_runs_out() -> None:
    assert after(ABSOLUTE, 10, 20).left == (570, 0)
    assert after(ABSOLUTE, 700).left == (-100, 0)


def test_fischer_time_comes_back() -> None:
    assert after(FISCHER, 10, 2).left == (58, 0)
    capped = TimeControl(60, increment=5, most=62, longest_move=20)
    assert after(capped, 1, 1).left == (62, 0)
    assert after(capped).seconds(1) <= 20


def test_canadian_overtime_has_stones() -> None:
    assert after(CANADIAN, 59).left == (1, 0)
    assert after(CANADIAN, 70).left == (290, 24)
    assert after(CANADIAN, 60, *[10] * 24).left == (300, 25)  # a new period
    assert after(CANADIAN, 70, 5).in_overtime


def test_byoyomi_loses_periods() -> None:
    assert after(BYOYOMI, 50).left == (10, 0)
    assert after(BYOYOMI, 50, 20).left == (30, 3)  # 10 seconds into the first period
    assert after(BYOYOMI, 50, 20, 29).left == (30, 3)
    assert after(BYOYOMI, 50, 20, 31).left == (30, 2)
    assert after(BYOYOMI, 50, 20, 61).left == (30, 1)
    assert after(BYOYOMI, 50, 20, 100).left[0] < 0


@given(st.floats(0, 1e9), st.floats(0, 30), st.integers(1, 2**31 - 1), st.floats(0, 1e9))
def test_periods_of_any_number_and_length_are_counted_at_once(main, overtime, periods, seconds):
    clock = Clock(TimeControl(main, overtime=overtime, periods=periods))
    clock.spend(seconds)
    assert clock.left[1] <= periods and clock.seconds(10) >= 0
    clock.correct(0, periods)  # nothing left of this period
    clock.spend(seconds)
    assert clock.left[1] <= periods and clock.seconds(10) >= 0


@given(st.integers(0, 40), st.integers(1, 12))
def test_periods_are_lost_one_by_one(late: int, periods: int) -> None:
    """As if every period was counted by itself."""
    beyond, period, left = late, 3, periods
    while beyond > period and left > 1:
        beyond, left = beyond - period, left - 1
    clock = after(TimeControl(0, overtime=3, periods=periods), late)
    assert clock.left[1] == left and (clock.left[0] < 0) == (beyond > period)


def test_the_controller_knows_better() -> None:
    clock = after(CANADIAN, 10)
    clock.correct(33.5)
    assert clock.left == (33.5, 0) and not clock.in_overtime
    clock.correct(120, 7)
    assert clock.left == (120, 7) and clock.in_overtime
    clock.correct(20)  # a server that gives time back
    assert clock.left == (20, 0)
    absolute = Clock(ABSOLUTE)
    absolute.correct(100, 5)  # there is no such overtime
    assert absolute.left == (100, 0)
    absolute.correct(-5)
    assert absolute.seconds(10) == 0.0
    absolute.reset()
    assert absolute.left == (600, 0)


# -- how long to think -----------------------------------------------------------------------------


def test_a_period_is_used_but_not_to_its_end() -> None:
    per_move = canadian(0, 5, 1)
    assert per_move is not None and Clock(per_move).seconds(100) == 5 - LAG
    assert after(BYOYOMI, 90).seconds(100) == 30 - LAG
    assert after(CANADIAN, 60).seconds(100) == pytest.approx(300 / 24 - LAG)


def test_main_time_is_shared_out_among_the_moves_to_come() -> None:
    assert Clock(ABSOLUTE).seconds(100) == pytest.approx(6 - LAG)
    assert Clock(FISCHER).seconds(60) == pytest.approx(1 + 4.5 - LAG)
    # What overtime would allow anyway is not saved.
    assert Clock(BYOYOMI).seconds(100) == pytest.approx(30 - LAG)
    assert Clock(TimeControl(6000, overtime=30, periods=3)).seconds(100) == pytest.approx(60 - LAG)
    assert Clock(ABSOLUTE).seconds(1) <= 600


def test_games_are_reckoned_with_a_usual_length() -> None:
    assert moves_to_go(361, 0) == pytest.approx(135, abs=1)
    assert moves_to_go(361, 100) == pytest.approx(85, abs=1)
    assert moves_to_go(361, 1000) == moves_to_go(361, 270) > 20
    assert moves_to_go(9, 9) == 1


times = st.floats(120, 3600)
controls = st.one_of(
    st.builds(TimeControl, times),
    st.builds(TimeControl, times, increment=st.floats(0.5, 60)),
    st.builds(TimeControl, st.floats(0, 3600), overtime=times, stones=st.integers(1, 30)),
    st.builds(TimeControl, st.floats(0, 3600), overtime=st.floats(1, 60), periods=st.just(1)),
    st.builds(lambda time, inc: TimeControl(time, inc, most=2 * time, longest_move=time / 2),
              times, st.floats(0.5, 60)),
)  # fmt: skip


@given(controls, st.sampled_from([81, 169, 361]), st.floats(0, 0.15))
def test_no_game_is_lost_on_time(control: TimeControl, points: int, delay: float) -> None:
    """For so many moves as a long game has, each a little late."""
    clock = Clock(control)
    for move in range(points // 2):
        clock.spend(clock.seconds(moves_to_go(points, 2 * move)) + delay)
        assert clock.left[0] > 0, f"after move {move}"


# -- as protocols write them -----------------------------------------------------------------------


def test_gtp_knows_canadian_time() -> None:
    assert canadian(0, 1, 0) is None and canadian(1, 1, 0) is None  # no limit, by convention
    assert canadian(0, 0, 0) is None
    assert canadian(300, 0, 0) == TimeControl(300)
    assert canadian(300, 0, 5) == TimeControl(300)
    assert canadian(60, 300, 25) == CANADIAN


def test_controls_have_names() -> None:
    assert named_control("none", []) is None
    assert named_control("absolute", [600]) == ABSOLUTE
    assert named_control("byoyomi", [60, 30, 3]) == BYOYOMI
    assert named_control("canadian", [60, 300, 25]) == CANADIAN
    assert named_control("fischer", [60, 5]) == FISCHER
    capped = named_control("fischer-capped", [60, 5, 120, 20])
    assert capped == TimeControl(60, increment=5, most=120, longest_move=20)
    for numbers, most, longest in (
        ([60, 5, -1, 20], math.inf, 20),
        ([60, 5, 120, -1], 120, math.inf),
        ([60, 5, -1, -1], math.inf, math.inf),
    ):
        unlimited = named_control("fischer-capped", numbers)
        assert unlimited == TimeControl(60, increment=5, most=most, longest_move=longest)
        assert unlimited is not None and Clock(unlimited).seconds(10) > 0
    assert sorted(KINDS.values()) == [0, 1, 2, 3, 3, 4]
    for kind, values in (
        ("sudden", [1]),
        ("absolute", []),
        ("byoyomi", [60, 30]),
        ("byoyomi", [60, 30, 1.5]),
        ("absolute", [-1]),
        ("absolute", [math.nan]),
        ("fischer-capped", [60, 5, 120]),
        ("fischer-capped", [60, 5, 120, math.nan]),
        ("fischer-capped", [60, -1, 120, 20]),
        ("fischer", [math.inf, 1]),
    ):
        with pytest.raises(ValueError):
            named_control(kind, values)
