"""Almost stochastic order: by hand, against a fine grid, and against what deepsig 1.2.8 finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.errors import InputError
from signlib.statistics.distributions import almost_stochastic_order, violation

X, Y = [71.2, 70.1, 73.5, 69.9, 72.2], [72.0, 75.8, 70.6, 74.4, 69.0, 71.9]


def test_by_hand():
    # quantiles 0, 3 against 1, 2: the second is 1 above in the lower half and 1 below in the upper
    assert violation([0, 3], [1, 2])[0] == pytest.approx(0.5)
    # 0, 0, 3 against 1, 1, 2, 2, ...: thirds 0, 0, 3 and halves 1, 2: gaps 1 (1/3), 1 (1/6), 2
    # (1/6), -1 (1/3)
    assert violation([0, 0, 3], [1, 2])[0] == pytest.approx(
        (1 / 3) / (1 / 3 + 1 / 6 + 4 / 6 + 1 / 3)
    )
    assert violation([1, 2], [1, 2])[0] == 0.5
    assert violation([1, 2], [2, 3])[0] == 0


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=7),
    st.lists(st.integers(0, 9), min_size=2, max_size=7),
)
def test_steps_are_integrated_exactly(first, second):
    places = (np.arange(840) + 0.5) / 840  # a multiple of every length: no step falls inside a cell
    gaps = [np.sort(own)[np.ceil(places * len(own)).astype(int) - 1] for own in (first, second)]
    gaps = (gaps[1] - gaps[0]).astype(float)
    expected = (np.minimum(gaps, 0) ** 2).sum() / (gaps**2).sum() if gaps.any() else 0.5
    assert violation(first, second)[0] == pytest.approx(expected)
    if gaps.any():
        assert violation(second, first)[0] == pytest.approx(1 - expected)


def test_it_is_deepsigs():
    """There a sum over a grid: 0.066428 with a step of 1e-4, 0.066488 with 1e-5; the bound from
    2,000 resamples.
    """
    assert violation(X, Y)[0] == pytest.approx(0.066488, abs=1e-5)
    assert almost_stochastic_order(X, Y) == pytest.approx(0.546, abs=0.02)
    assert almost_stochastic_order(Y, X) == 1


def test_more_comparisons_ask_for_more():
    alone, among = (almost_stochastic_order(X, Y, comparisons) for comparisons in (1, 10))
    assert alone < among
    far = almost_stochastic_order([1, 2, 3, 4, 5], [11, 12, 13, 14, 15])
    assert far == 0


def test_too_few_scores_are_refused():
    with pytest.raises(InputError, match="1 and 2 scores"):
        almost_stochastic_order([1], [1, 2])
