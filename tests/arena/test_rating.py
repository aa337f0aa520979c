"""Ratings against published and hand-computed values, closed forms, and simulated matches."""

import math
from collections import Counter

import numpy as np
import pytest

from alphazero.arena.rating import (
    Pairing,
    Sprt,
    elo_difference,
    elo_difference_of_counts,
    elo_of_score,
    expected_score,
    fit_elo,
    likeliest_distribution,
)
from alphazero.errors import UserError


def scores(difference):
    return [expected_score(elo) for elo in difference]


def simulate(rng, games, elo, draws=0.0):
    """Counts (losses, draws, wins) of independent games of a player who is `elo` stronger."""
    score = expected_score(elo)
    share = draws * 2 * min(score, 1 - score)  # draws: of what is possible with this score
    return rng.multinomial(games, [1 - score - share / 2, share, score - share / 2])


# -- Elo differences -------------------------------------------------------------------------------


def test_elo_is_the_logistic_of_400_points_a_tenfold_odds():
    assert elo_of_score(10 / 11) == pytest.approx(400)
    assert expected_score(-400) == pytest.approx(1 / 11)
    assert elo_of_score(0.75) == pytest.approx(190.85, abs=0.01)  # FIDE's table says 193 (normal)
    assert elo_of_score(0.5) == 0
    assert elo_of_score(1.0) == math.inf and elo_of_score(0.0) == -math.inf


def test_wins_alone_give_wilsons_interval():
    # Wilson (1927): (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    for wins, losses in [(7, 3), (50, 50), (1, 0), (40, 0), (3, 97)]:
        n, z = wins + losses, 1.959963984540054
        p = wins / n
        middle = p + z * z / (2 * n)
        reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        expected = [(middle + sign * reach) / (1 + z * z / n) for sign in (-1, 1)]
        _, low, high = elo_difference(wins, 0, losses)
        assert [expected_score(low), expected_score(high)] == pytest.approx(expected, abs=1e-9)


def test_forty_wins_of_forty_are_finite_below_and_open_above():
    elo, low, high = elo_difference(40, 0, 0)
    assert elo == high == math.inf
    assert low == pytest.approx(elo_of_score(40 / (40 + 1.96**2)), abs=0.1)  # Wilson's: 407
    assert str(elo_difference(40, 0, 0)) == "above +407"
    assert str(elo_difference(0, 0, 40)) == "below -407"


def test_published_interval_of_tango():
    # Airway hyper-responsiveness of 21 children: 7 against 1 changed, 13 did not. Tango's interval
    # for the difference of proportions as in Fagerland et al. (2014), table 7: 0.026 to 0.517.
    _, low, high = elo_difference(wins=7, draws=13, losses=1)
    assert 2 * expected_score(low) - 1 == pytest.approx(0.026, abs=5e-4)
    assert 2 * expected_score(high) - 1 == pytest.approx(0.517, abs=5e-4)


def test_draws_narrow_the_interval_and_nothing_is_unknown():
    decisive, drawn = elo_difference(20, 0, 20), elo_difference(0, 40, 0)
    assert decisive.elo == drawn.elo == 0
    assert drawn.high < decisive.high / 3
    assert drawn.low == pytest.approx(-drawn.high)
    # All draws: (1/2 - s)² = z² s (1/2 - s) / n, by hand, so s = 1 / (2 (1 + z² / n)).
    assert expected_score(drawn.low) == pytest.approx(0.5 / (1 + 1.96**2 / 40), abs=1e-5)
    nothing = elo_difference(0, 0, 0)
    assert (nothing.low, nothing.high) == (-math.inf, math.inf) and str(nothing) == "unknown"
    assert str(elo_difference(60, 30, 10)) == "+191 [+129, +251]"


def test_swapping_the_players_mirrors_the_interval():
    there, back = elo_difference(31, 8, 17), elo_difference(17, 8, 31)
    assert list(back) == pytest.approx([-there.elo, -there.high, -there.low])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("games", "elo", "draws"),
    [(40, 0, 0.0), (40, 200, 0.0), (40, 400, 0.3), (30, 100, 0.6), (20, 0, 0.9), (40, -300, 0.0)],
)
def test_the_interval_covers_the_truth_95_times_in_100(games, elo, draws):
    rng = np.random.default_rng(7)
    matches = Counter(tuple(simulate(rng, games, elo, draws)) for _ in range(1500))
    covered = 0
    for counts, times in matches.items():
        _, low, high = elo_difference_of_counts(counts)
        covered += times * (low <= elo <= high)
    assert 0.925 < covered / 1500 < 0.99


def test_pairs_judge_what_single_games_cannot():
    # An opening that its first player always wins: every pair is split, single games look random.
    pairs, singles = elo_difference_of_counts((0, 0, 50, 0, 0)), elo_difference(50, 0, 50)
    assert pairs.elo == singles.elo == 0
    assert pairs.high < singles.high / 2
    # Copied games: pairs are won or lost whole, and the 100 games weigh like 50.
    pairs = elo_difference_of_counts((20, 0, 0, 0, 30))
    assert scores(pairs) == pytest.approx(scores(elo_difference(30, 0, 20)))


# -- likeliest distributions and the sequential test -----------------------------------------------


@pytest.mark.parametrize(
    "counts", [(3, 4, 5), (0, 0, 9), (0, 9, 0), (1, 0, 7, 2, 4), (0, 2, 3, 0, 0)]
)
@pytest.mark.parametrize("mean", [0.05, 0.5, 0.63, 0.97])
def test_likeliest_distribution_has_its_mean_and_no_likelier_neighbour(counts, mean):
    points = np.linspace(0, 1, len(counts))
    found = likeliest_distribution(counts, mean)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert found @ points == pytest.approx(mean)
    seen = np.array(counts) > 0
    likelihood = np.array(counts)[seen] @ np.log(found[seen])
    rng = np.random.default_rng(0)
    for _ in range(200):  # a step that keeps the sum and the mean
        step = rng.normal(size=len(counts))
        basis = np.linalg.qr(np.stack([np.ones(len(counts)), points], axis=1))[0]
        step = 1e-3 * (step - basis @ (basis.T @ step))
        other = found + step
        if other.min() >= 0 and other[seen].min() > 0:
            assert np.array(counts)[seen] @ np.log(other[seen]) <= likelihood + 1e-9


def test_log_likelihood_ratio_by_hand():
    test = Sprt(elo0=0, elo1=10)
    ratio = math.log(expected_score(10) / 0.5)
    assert test.llr((0, 0, 7)) == pytest.approx(7 * ratio)  # only wins: p = the score itself
    assert test.llr((0, 0, 0, 0, 7)) == pytest.approx(7 * ratio)
    drawn = math.log(2 * (1 - expected_score(10)))  # only draws: p = twice the distance to a win
    assert test.llr((0, 5, 0)) == pytest.approx(5 * drawn)
    assert test.llr((0, 0, 0)) == 0
    assert Sprt(elo0=-10, elo1=10).llr((3, 5, 3)) == pytest.approx(0)


def test_log_likelihood_ratio_of_many_games_nears_its_normal_approximation():
    # Van den Bergh: n (s1 - s0) (2 mean - s0 - s1) / (2 variance)
    counts = np.array([4063, 8620, 4307])
    n, points = counts.sum(), np.array([0, 0.5, 1])
    mean = counts @ points / n
    variance = counts @ (points - mean) ** 2 / n
    s0, s1 = expected_score(0), expected_score(3)
    expected = n * (s1 - s0) * (2 * mean - s0 - s1) / (2 * variance)
    assert Sprt(elo0=0, elo1=3).llr(counts) == pytest.approx(expected, rel=2e-3)


def test_bounds_are_walds():
    low, high = Sprt(alpha=0.05, beta=0.1).bounds
    assert low == pytest.approx(math.log(0.1 / 0.95)) and high == pytest.approx(
        math.log(0.9 / 0.05)
    )
    assert Sprt(0, 10).bounds == pytest.approx((-2.9444, 2.9444), abs=1e-4)  # as Stockfish prints


def test_decisions():
    test = Sprt(elo0=0, elo1=50)
    assert test.decision((0, 0, 0)) is None
    assert test.decision((10, 10, 12)) is None
    assert test.decision((10, 20, 60)) == 50
    assert test.decision((60, 20, 10)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("elo", "wrong"), [(0, 60), (60, 0)])
def test_the_sequential_test_errs_as_seldom_as_promised(elo, wrong):
    rng = np.random.default_rng(3)
    test = Sprt(elo0=0, elo1=60, alpha=0.1, beta=0.1)
    errors = 0
    for _ in range(80):
        counts = np.zeros(3, int)
        decision = None
        while decision is None:
            counts += simulate(rng, 4, elo, draws=0.3)
            decision = test.decision(counts)
        errors += decision == wrong
    assert errors <= 16  # 8 expected; 17 or more happen once in 600 times


@pytest.mark.parametrize(
    "settings", [{"elo0": 5, "elo1": 5}, {"elo1": 9000}, {"alpha": 0}, {"beta": 0.5}]
)
def test_impossible_tests_are_refused(settings):
    with pytest.raises(UserError, match="SPRT"):
        Sprt(**settings)


# -- ratings of many players -----------------------------------------------------------------------


def test_two_players_are_as_far_apart_as_their_score_says():
    strong, weak = fit_elo([Pairing("new", "old", 60, 30, 10)])
    assert (strong.name, weak.name) == ("new", "old")
    difference = elo_difference(60, 30, 10)
    assert strong.elo - weak.elo == pytest.approx(
        difference.elo, abs=1.5
    )  # the prior pulls a little
    assert strong.elo == pytest.approx(-weak.elo)
    assert (strong.games, strong.score, weak.score) == (100, 75.0, 25.0)
    # With the other player as anchor the error is that of the difference.
    anchored = fit_elo([Pairing("new", "old", 60, 30, 10)], anchor="old")
    assert (anchored[1].elo, anchored[1].error) == (0, 0)
    assert anchored[0].elo == pytest.approx(strong.elo - weak.elo)
    assert anchored[0].error == pytest.approx((difference.high - difference.low) / 2, rel=0.1)


def test_order_and_side_of_pairings_do_not_matter():
    games = [Pairing("a", "b", 12, 3, 5), Pairing("b", "c", 9, 2, 9), Pairing("a", "c", 14, 0, 6)]
    turned = [Pairing(p.second, p.first, p.losses, p.draws, p.wins) for p in reversed(games)]
    for one, other in zip(fit_elo(games), fit_elo(turned), strict=True):
        assert one.name == other.name
        assert one[1:] == pytest.approx(other[1:], abs=1e-6)


def test_ratings_add_up_through_a_third_player():
    # 3 to 1 each: two steps of 190.85 Elo, in exact agreement with 9 to 1 between the ends.
    games = [
        Pairing("a", "b", 75, 0, 25),
        Pairing("b", "c", 75, 0, 25),
        Pairing("a", "c", 90, 0, 10),
    ]
    a, b, c = fit_elo(games)
    assert [r.name for r in (a, b, c)] == ["a", "b", "c"]
    assert a.elo - b.elo == pytest.approx(190.85, abs=4)
    assert b.elo - c.elo == pytest.approx(190.85, abs=4)
    assert a.elo + b.elo + c.elo == pytest.approx(0, abs=1e-6)


def test_a_player_who_lost_every_game_and_one_who_drew_every_game_stay_finite():
    table = fit_elo([Pairing("a", "b", 40, 0, 0), Pairing("a", "c", 0, 40, 0)], anchor="a")
    by_name = {rating.name: rating for rating in table}
    assert -1600 < by_name["b"].elo < -400 and by_name["b"].error > 200
    assert by_name["c"].elo == pytest.approx(0, abs=20) and 5 < by_name["c"].error < 80


def test_draws_make_ratings_more_certain():
    # Draws only: not certain, but as in the interval of a match.
    only_draws = fit_elo([Pairing("a", "b", 0, 40, 0)], anchor="b")
    assert only_draws[0].error == pytest.approx(elo_difference(0, 40, 0).high, rel=0.15)
    drawn = fit_elo([Pairing("a", "b", 10, 80, 10)], anchor="b")
    decisive = fit_elo([Pairing("a", "b", 50, 0, 50)], anchor="b")
    assert drawn[0].error < decisive[0].error * 0.6


@pytest.mark.parametrize("draws", [0.0, 0.6])
def test_errors_of_ratings_cover_the_truth(draws):
    rng = np.random.default_rng(11)
    truth = {"a": 250.0, "b": 60.0, "c": 0.0, "d": -310.0}
    names = list(truth)
    inside = total = 0
    for _ in range(250):
        games = []
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                counts = simulate(rng, 50, truth[first] - truth[second], draws)
                games.append(Pairing(first, second, *(int(n) for n in counts[::-1])))
        for rating in fit_elo(games):
            inside += abs(rating.elo - truth[rating.name]) <= rating.error
            total += 1
    assert 0.93 < inside / total < 0.975, inside / total


def test_an_unknown_anchor_is_refused_by_name():
    with pytest.raises(UserError, match=r"anchor 'mcst'.*did you mean \"mcts\"\?"):
        fit_elo([Pairing("mcts", "random", 3, 0, 1)], anchor="mcst")


def test_no_games_no_ratings():
    assert fit_elo([]) == []
    assert fit_elo([Pairing("a", "b", 0, 0, 0)]) == []
