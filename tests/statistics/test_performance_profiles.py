"""Interquartile means and performance profiles: by hand, and against what rliable 1.2.0 finds."""

import numpy as np
import pytest
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.distributions import (
    iqm,
    iqm_difference,
    iqm_interval,
    profile,
    profile_band,
)

A = np.array(
    [
        [71.2, 83.0, 55.1],
        [70.1, 84.2, 58.9],
        [73.5, 82.1, 51.3],
        [69.9, 85.5, 57.7],
        [72.2, 81.0, 60.2],
    ]
)
B = np.array(
    [
        [72.9, 84.1, 57.0],
        [73.8, 85.2, 54.4],
        [71.1, 86.0, 61.9],
        [74.4, 83.3, 59.5],
        [75.0, 84.8, 63.1],
    ]
)
HEIGHTS = np.array([50, 60, 70, 72.5, 80, 84.5])


def test_the_middle_half_by_hand():
    assert iqm(np.array([[0, 1, 2, 3.0], [4, 5, 6, 700]])) == 3.5  # 2, 3, 4, 5
    assert iqm(A) == pytest.approx(stats.trim_mean(A, 0.25, axis=None), abs=1e-12)
    assert iqm(A) == pytest.approx(71.01111111111112)  # rliable
    assert iqm(B) == pytest.approx(73.28888888888889)


def test_its_interval_is_rliables():
    """50,000 stratified resamples there and here: ends are good to about 0.02."""
    assert iqm_interval(A, 50_000) == pytest.approx((70.0889, 71.8333), abs=0.04)
    assert iqm_interval(B, 50_000) == pytest.approx((72.1778, 73.9889), abs=0.04)
    value, interval = iqm_difference(A, B, 50_000)
    assert value == pytest.approx(2.27777778)
    assert interval == pytest.approx((0.9, 3.4114), abs=0.04)


def test_seeds_are_drawn_inside_their_task():
    steady = np.array(
        [[1.0, 50.0], [1.0, 50.0], [1.0, 50.0]]
    )  # tasks differ, seeds do not: nothing varies
    assert iqm_interval(steady) == (iqm(steady), iqm(steady))


def test_profiles_are_rliables():
    assert profile(A, HEIGHTS) == pytest.approx([1, 11 / 15, 9 / 15, 6 / 15, 5 / 15, 1 / 15])
    low, high = profile_band(A, HEIGHTS)
    assert low == pytest.approx([1, 10 / 15, 7 / 15, 5 / 15, 5 / 15, 0])
    assert high == pytest.approx([1, 13 / 15, 10 / 15, 8 / 15, 5 / 15, 3 / 15])


def test_one_seed_is_refused():
    with pytest.raises(InputError, match="a row a seed"):
        iqm_interval(A[:1])
    with pytest.raises(InputError, match="a row a seed"):
        profile_band(A[:, 0], HEIGHTS)
