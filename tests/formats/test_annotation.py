"""Evaluations as they are written beside a position."""

import pytest

from alphazero.formats.annotation import centipawns, value_of_pawns


def test_centipawns_follow_lc0() -> None:
    assert [centipawns(value) for value in (-1.0, 0.0, 0.5, 1.0)] == [-12780, 0, 89, 12780]
    values = [centipawns(n / 100) for n in range(-100, 101)]
    assert values == sorted(values) and values[10] == -values[190]


def test_pawns_are_converted_back() -> None:
    for value in (-0.9, -0.2, 0.0, 0.31, 0.8):
        assert value_of_pawns(centipawns(value) / 100) == pytest.approx(value, abs=0.01)
