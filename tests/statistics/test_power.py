"""Plans: counted by hand, against statsmodels, and against tests on drawn data."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from signlib.errors import InputError
from signlib.statistics.paired import mcnemar
from signlib.statistics.power import (
    Plan,
    clips_needed,
    fewest,
    power_over_clips,
    power_over_seeds,
    seeds_needed,
    smallest_difference,
    smallest_p,
)


def test_what_three_seeds_can_reach():
    found = smallest_p(Plan(seeds=3, clips=46, signers=6))
    assert found["signed rank over seeds (pairs)"] == 0.25
    assert found["Mann-Whitney over seeds"] == 0.1
    assert found["sign flips over signers"] == 2 / 64
    assert found["McNemar over clips"] == pytest.approx(mcnemar(0, 46))
    assert smallest_p(Plan()) == {}
    # the tests themselves give these, for the clearest difference there can be
    low, high = [1, 2, 3], [101, 102, 104]
    assert stats.wilcoxon(np.subtract(high, low), method="exact").pvalue == 0.25
    assert stats.mannwhitneyu(high, low, method="exact").pvalue == pytest.approx(0.1)


def test_fewest_units_before_anything_can_be_found():
    assert fewest("pairs") == 6  # 1/32; five give 1/16
    assert fewest("seeds") == 4  # 2/70; three give 1/10
    assert fewest("pairs", 0.01) == 8
    with pytest.raises(InputError, match="'clips' is unknown"):
        fewest("clips")


def test_power_over_seeds_is_statsmodels():
    assert power_over_seeds(2, 3, 10) == pytest.approx(
        TTestIndPower().power(2 / 3, 10, 0.05), rel=1e-9
    )
    assert power_over_seeds(-2, 3, 10, pairs=True) == pytest.approx(
        TTestPower().power(2 / 3, 10, 0.05), rel=1e-9
    )
    exact = TTestIndPower().solve_power(2 / 3, alpha=0.05, power=0.8)
    assert seeds_needed(2, 3) == int(np.ceil(exact))
    assert (
        power_over_seeds(2, 3, seeds_needed(2, 3))
        >= 0.8
        > power_over_seeds(2, 3, seeds_needed(2, 3) - 1)
    )
    assert power_over_seeds(smallest_difference(3, 6), 3, 6, pairs=True) == pytest.approx(
        0.8, abs=1e-6
    )


def test_the_published_ablation_could_not_have_found_it():
    """4.35 points, seeds that vary by 5.25: three seeds find that one time in eight."""
    assert power_over_seeds(4.35, 5.25, 3) == pytest.approx(0.124, abs=0.001)
    assert seeds_needed(4.35, 5.25) == 24


@pytest.mark.parametrize(
    ("gained", "lost", "clips"), [(0.10, 0.04, 200), (0.05, 0.0, 80), (0.06, 0.06, 150)]
)
def test_power_over_clips_is_how_often_mcnemar_finds_it(gained, lost, clips):
    draws = np.random.default_rng(0).multinomial(clips, [gained, lost, 1 - gained - lost], 4000)
    kinds, times = np.unique(draws[:, :2], axis=0, return_counts=True)
    found = (
        sum(n for (a, b), n in zip(kinds.tolist(), times, strict=True) if mcnemar(b, a) < 0.05)
        / 4000
    )
    assert power_over_clips(gained, lost, clips) == pytest.approx(
        found, abs=4 * (0.25 / 4000) ** 0.5
    )


def test_power_over_clips_by_hand():
    # six clips, all differ, the second wins each with chance 3/4: found when all six go one way
    assert power_over_clips(0.75, 0.25, 6) == pytest.approx((3**6 + 1) / 4**6)
    assert power_over_clips(0.75, 0.25, 5) == 0  # 2/32 is not below 0.05


def test_the_normal_course_joins_the_exact_one():
    exact, normal = power_over_clips(0.105, 0.095, 9_990), power_over_clips(0.105, 0.095, 10_010)
    assert normal == pytest.approx(exact, abs=0.02)


def test_clips_needed():
    needed = clips_needed(0.0935, 0.05)  # 21.74 against 26.09 % with a few clips lost on the way
    assert power_over_clips(0.0935, 0.05, needed) >= 0.8
    assert power_over_clips(0.0935, 0.05, needed - 25) < 0.8
    assert power_over_clips(0.0935, 0.05, 46) < 0.06


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: power_over_seeds(1, 1, 1), "two seeds"),
        (lambda: seeds_needed(0, 1), "0 points"),
        (lambda: seeds_needed(1e-9, 1), "too small"),
        (lambda: clips_needed(0.1, 0.1), "0 points"),
        (lambda: power_over_clips(0.7, 0.7, 9), "two shares"),
        (lambda: smallest_difference(1, 1), "units=1"),
    ],
)
def test_bad_plans_are_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
