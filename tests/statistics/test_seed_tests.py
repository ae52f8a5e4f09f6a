"""Tests over seeds: by hand, against scipy and statsmodels, and against textbook examples."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.nonparametric import rank_compare_2indep

from signlib.errors import InputError
from signlib.statistics.seed_tests import (
    cliffs_delta,
    cohens_d,
    compare_seeds,
    mann_whitney,
    signed_rank,
    welch,
)
from signlib.statistics.variation import difference

# permeability of the human chorioamnion at term, and earlier (Hollander and Wolfe 1999, example
# 4.1)
TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]
# depression scores before and after a tranquiliser (the same, example 3.1)
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
BASELINE, PRETRAINED = [56.52, 69.57, 58.70], [58.70, 54.35, 58.70]


def test_the_textbook_examples():
    found = mann_whitney(EARLY, TERM)
    assert (found.value, found.p) == (pytest.approx(0.305), pytest.approx(0.2544, abs=5e-5))
    assert (found.low, found.high) == pytest.approx((-0.15, 0.76))
    found = signed_rank(AFTER, BEFORE)
    assert (found.value, found.p) == (pytest.approx(0.46), pytest.approx(0.0390625))
    assert (found.low, found.high) == pytest.approx((0.01, 0.786))


@given(st.integers(2, 7), st.integers(2, 7), st.integers(0, 1000))
def test_the_interval_of_the_shift_is_what_the_exact_test_does_not_reject(n, m, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(1, 1, m)
    found = mann_whitney(a, b)

    def p(shift):
        return stats.mannwhitneyu(b - shift, a, method="exact").pvalue

    assert found.p == pytest.approx(p(0), abs=1e-12)
    if np.isinf(found.low):
        assert p(-1e6) > 0.05  # nothing is ever rejected
    else:
        for end, outwards in ((found.low, -1e-6), (found.high, 1e-6)):
            assert p(end + outwards) <= 0.05 < p(end - outwards)


@given(st.integers(2, 9), st.integers(0, 1000))
def test_the_interval_of_paired_shifts_is_what_the_exact_test_does_not_reject(n, seed):
    gains = np.random.default_rng(seed).normal(0.5, 1, n)
    found = signed_rank(np.zeros(n), gains)
    if np.isinf(found.low):
        assert found.smallest > 0.05
    else:
        for end, outwards in ((found.low, -1e-6), (found.high, 1e-6)):
            assert stats.wilcoxon(gains - end - outwards, method="exact").pvalue <= 0.05
            assert stats.wilcoxon(gains - end + outwards, method="exact").pvalue > 0.05


def test_ties_are_counted_over_every_exchange():
    # 46 clips know few accuracies: two seeds of 3 tie. 20 ways to deal six values; by hand with
    # ranks
    values = np.array(BASELINE + PRETRAINED)
    ranks = stats.rankdata(values)
    sums = [ranks[list(own)].sum() for own in combinations(range(6), 3)]
    far = abs(ranks[3:].sum() - 10.5)
    assert mann_whitney(BASELINE, PRETRAINED).p == pytest.approx(
        np.mean([abs(s - 10.5) >= far - 1e-9 for s in sums])
    )
    assert signed_rank([0, 0, 0, 0], [1, 1, 1, 1]).p == 2 / 16
    assert signed_rank([1, 2], [1, 2]).p == 1


@pytest.mark.parametrize(
    ("seeds", "ranks", "pairs"),
    [(2, 1 / 3, 0.5), (3, 0.1, 0.25), (4, 2 / 70, 0.125), (5, 2 / 252, 0.0625)],
)
def test_so_few_seeds_cannot_be_significant(seeds, ranks, pairs):
    a, b = np.arange(seeds), 100.0 + np.arange(seeds) ** 2
    assert (
        mann_whitney(a, b).p == pytest.approx(mann_whitney(a, b).smallest) == pytest.approx(ranks)
    )
    assert signed_rank(a, b).p == pytest.approx(signed_rank(a, b).smallest) == pytest.approx(pairs)


def of_pairs(first, second):
    """The t test of seeds that come in pairs."""
    return difference(None, np.subtract(second, first)[:, None] / 100, units=False)


def test_t_tests_are_scipys():
    a, b = np.array(TERM), np.array(EARLY)
    found, theirs = welch(a, b), stats.ttest_ind(b, a, equal_var=False)
    low, high = theirs.confidence_interval()
    assert (found.p, found.low, found.high, found.df) == pytest.approx(
        (theirs.pvalue, low, high, theirs.df), abs=1e-9
    )
    found, theirs = of_pairs(BEFORE, AFTER), stats.ttest_rel(AFTER, BEFORE)
    low, high = theirs.confidence_interval()
    assert (found.p, found.low, found.high, found.df) == pytest.approx(
        (theirs.pvalue, low, high, 8), abs=1e-9
    )
    assert welch([1, 1], [1, 1]).p == of_pairs([1, 2], [1, 2]).p == 1


def test_the_published_ablation_shows_nothing():
    """Three seeds with and without pre-training: lower with it, and no test can tell."""
    found = compare_seeds(BASELINE, PRETRAINED)
    assert found.welch.value == pytest.approx(-4.35, abs=0.005)
    assert found.welch.p == pytest.approx(
        stats.ttest_ind(PRETRAINED, BASELINE, equal_var=False).pvalue
    )
    assert found.welch.low < 0 < found.welch.high
    assert stats.ttest_ind(PRETRAINED, BASELINE).pvalue == pytest.approx(
        0.3681, abs=5e-5
    )  # as its authors tell
    assert found.ranks.smallest == 0.1
    assert (found.ranks.low, found.ranks.high) == (-np.inf, np.inf)


def test_effect_sizes_against_statsmodels():
    a, b = np.array(TERM), np.array(EARLY)
    theirs = effectsize_smd(b.mean(), b.std(ddof=1), len(b), a.mean(), a.std(ddof=1), len(a))
    # statsmodels takes Hedges' own approximation, 1 - 3 / (4 df - 1); the exact factor differs by
    # less than 1/df^3
    assert compare_seeds(a, b).cohen == pytest.approx(theirs[0], rel=2e-3)
    assert cohens_d(a, b) * (1 - 3 / (4 * 13 - 1)) == pytest.approx(theirs[0], rel=1e-9)
    assert cliffs_delta(a, b) == pytest.approx(2 * rank_compare_2indep(b, a).prob1 - 1, abs=1e-9)


def test_effect_sizes_by_hand():
    assert cohens_d([1, 3], [5, 7]) == pytest.approx(4 / 2**0.5)
    assert np.isnan(cohens_d([1, 1], [2, 2]))
    assert cliffs_delta([1, 2], [2, 3]) == 0.75  # three wins and a tie of four pairs
    assert [
        compare_seeds([1, 2, 3], other).size
        for other in ([1, 2, 3], [1.5, 2, 3], [2, 3, 4], [9, 9, 8])
    ] == ["negligible", "negligible", "large", "large"]


def test_too_little_is_refused():
    with pytest.raises(InputError, match="two seeds"):
        welch([1], [1, 2])
    with pytest.raises(InputError, match="2 and 3 values"):
        signed_rank([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="each with a number"):
        mann_whitney([1, np.nan], [1, 2])
