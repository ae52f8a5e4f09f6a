"""Intervals of shares and means: published values, scipy, and answers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from signlib.errors import InputError
from signlib.statistics import (
    distributions,
    error_rates,
    intervals,
    paired,
    power,
    seed_tests,
    two_systems,
    variation,
)
from signlib.statistics.intervals import (
    cluster_interval,
    fold_interval,
    mean_interval,
    seeds_interval,
    t_interval,
    wilson_interval,
)


def test_wilson_has_the_known_values():
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (hits, n), (low, high) in published.items():
        found = wilson_interval(np.arange(n) < hits)
        assert found == pytest.approx((100 * low, 100 * high), abs=0.006)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 300), share=st.floats(0, 1))
def test_wilson_is_its_formula(n, share):
    hits = round(n * share)
    z = stats.norm.ppf(0.975)
    p = hits / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = 100 * (middle - half) / (1 + z**2 / n), 100 * (middle + half) / (1 + z**2 / n)
    assert wilson_interval(np.arange(n) < hits) == pytest.approx(expected, abs=1e-6)


def test_two_groups_are_resampled_as_worked_out_by_hand():
    # All of a is right, all of b wrong: the four draws aa, ab, ba, bb give 100, 50, 50 and 0 %.
    correct, groups = np.array([1, 1, 1, 0, 0, 0], bool), list("aaabbb")
    assert cluster_interval(correct, groups) == (0, 100)
    # Groups of differing size: ab gives 3 of 4, not the mean of the groups' shares.
    rng_free = {
        cluster_interval(np.array([1, 1, 1, 0], bool), list("aaab"), resamples=1, seed=s)[0]
        for s in range(40)
    }
    assert rng_free == {0.0, 75.0, 100.0}


def test_groups_that_agree_have_no_spread():
    correct = np.array([1, 0, 0, 1, 0, 1], bool)
    assert cluster_interval(correct, list("aabbcc")) == (50, 50)


def test_correlated_groups_widen_the_interval():
    rng = np.random.default_rng(1)
    share = rng.uniform(0.2, 1.0, 12)
    groups = np.repeat(np.arange(12), 50)
    correct = rng.random(600) < share[groups]
    low, high = wilson_interval(correct)
    lowest, highest = cluster_interval(correct, groups.astype(str).tolist())
    assert lowest < low < 100 * correct.mean() < high < highest
    assert highest - lowest > 2 * (high - low)
    # Clips that are groups of their own are independent.
    alone = cluster_interval(correct, [str(i) for i in range(600)])
    assert alone[1] - alone[0] == pytest.approx(high - low, rel=0.06)


def test_the_bootstrap_repeats_under_its_seed_and_ignores_the_order():
    rng = np.random.default_rng(2)
    correct, groups = rng.random(60) < 0.7, np.repeat([f"s{i}" for i in range(10)], 6)
    once = cluster_interval(correct, groups.tolist())
    assert once == cluster_interval(correct, groups.tolist())
    order = rng.permutation(60)
    assert once == cluster_interval(correct[order], groups[order].tolist())
    few = [cluster_interval(correct, groups.tolist(), resamples=30, seed=seed) for seed in (0, 1)]
    assert few[0] != few[1]


def test_one_group_has_no_interval():
    with pytest.raises(ValueError, match="at least two groups, not 1"):
        cluster_interval(np.array([True, False]), ["a", "a"])


def test_mean_interval_of_equal_values_is_a_point_and_of_two_covers_both():
    assert mean_interval(np.full(5, 40.0)) == (40.0, 40.0)
    assert mean_interval(np.array([0.0, 100.0])) == (0.0, 100.0)


def test_t_interval_is_that_of_scipy():
    values = np.array([1.0, 2, 4, 8, 7, 3])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx((expected.low, expected.high))


def test_t_interval_of_six_signers_holds_where_the_bootstrap_is_too_narrow():
    rng = np.random.default_rng(0)
    inside = {"t": 0, "bootstrap": 0}
    for _ in range(400):
        means = rng.normal(0, 1, 6)
        low, high = t_interval(means)
        inside["t"] += low < 0 < high
        low, high = cluster_interval(means, list("abcdef"), resamples=500)
        inside["bootstrap"] += low < 0 < high
    assert 0.92 < inside["t"] / 400 < 0.98
    assert inside["bootstrap"] / 400 < 0.91


@pytest.mark.parametrize(
    "call",
    [
        lambda x: intervals.wilson_interval(x),
        lambda x: intervals.t_interval(x),
        lambda x: intervals.mean_interval(x),
        lambda x: intervals.percentile_interval(x),
        lambda x: intervals.cluster_interval(x, ["a", "b", "b", "c"]),
        lambda x: intervals.resampled_sums([x]),
        lambda x: intervals.swap_test(x),
        lambda x: distributions.iqm(x),
        lambda x: distributions.profile(x[:, None], [0]),
        lambda x: distributions.iqm_interval(x[:, None]),
        lambda x: distributions.violation(x, np.ones(4)),
        lambda x: distributions.almost_stochastic_order(np.ones(4), x),
        lambda x: error_rates.rate_interval(x, np.ones(4)),
        lambda x: error_rates.compare_rates(np.ones(4), x, np.ones(4)),
        lambda x: error_rates.compare_rates(np.ones(4), np.ones(4), x),
        lambda x: paired.paired(x, np.ones(4), ["a", "a", "b", "b"]),
        lambda x: paired.per_signer(np.ones(4), x, ["a", "a", "b", "b"]),
        lambda x: paired.holm(x),
        lambda x: power.power_over_seeds(x[1], 1, 3),
        lambda x: power.seeds_needed(x[1], 1),
        lambda x: power.seeds_needed(1, x[1]),
        lambda x: power.clips_needed(x[1], 0.1),
        lambda x: power.smallest_difference(x[1], 4),
        lambda x: seed_tests.compare_seeds(x, np.ones(4)),
        lambda x: seed_tests.signed_rank_posterior(x),
        lambda x: variation.difference(None, x),
        lambda x: variation.difference(None, np.ones(4), sizes=x),
        lambda x: variation.bootstrap(np.ones(4), x),
        lambda x: variation.sign_flip(x),
        lambda x: variation.alikeness(x, ["a", "a", "b", "b"]),
        lambda x: two_systems.compare(np.ones((2, 4)), np.stack([x, x])),
    ],
)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused_everywhere(call, poison):
    """Cast to whole numbers NaN is -9223372036854775808, cast to bool it is right."""
    with pytest.raises(InputError, match=r"is (nan|inf), not a finite number|a number$"):
        call(np.array([1.0, poison, 0.0, 1.0]))


def test_an_interval_of_no_numbers_answers_nothing():
    assert intervals.answer_of((-np.inf, np.inf)) == "no difference shown"
    with pytest.raises(InputError, match="nan to 1 is none"):
        intervals.answer_of((np.nan, 1))
    with pytest.raises(InputError, match="one value says nothing about spread"):
        intervals.t_interval([1.0])


def test_folds_are_no_independent_values():
    # Five folds: mean 94, variance 10; 1/5 + 1/4 of it is 4.5, and t with 4 degrees is 2.7764.
    low, high = fold_interval(np.array([90, 92, 94, 96, 98]))
    assert (low, high) == pytest.approx((94 - 2.7764 * 4.5**0.5, 94 + 2.7764 * 4.5**0.5), abs=1e-3)
    # As if they were independent it would be two thirds as wide.
    alone = t_interval(np.array([90, 92, 94, 96, 98]))
    assert (alone[1] - alone[0]) / (high - low) == pytest.approx((0.2 / 0.45) ** 0.5)
    with pytest.raises(InputError, match="one fold"):
        fold_interval(np.array([90]))


def test_seeds_on_the_same_clips_share_their_clips_and_differ_by_their_luck():
    # Mean 80, standard deviation 1; t with 2 degrees is 4.3027: 4.3027 / sqrt(3) = 2.4842.
    low, high = seeds_interval(np.array([79, 80, 81]), [(76, 83), (77, 84), (78, 85)])
    # All have arms of 3 below and 4 above.
    assert (low, high) == pytest.approx((80 - 15.171**0.5, 80 + 22.171**0.5), abs=1e-3)
    # Seeds that agree add nothing.
    assert seeds_interval(np.array([80, 80]), [(77, 84)] * 2) == (77, 84)
