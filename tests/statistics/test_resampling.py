"""What is drawn again: against plain numpy, and against enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.errors import InputError
from signlib.statistics import intervals
from signlib.statistics.error_rates import rate_interval
from signlib.statistics.intervals import group_sums, resampled_sums, swap_test

RNG = np.random.default_rng(0)
WORDS = RNG.integers(3, 22, 60)
FIRST, SECOND = RNG.integers(0, 8, 60), RNG.integers(0, 7, 60)
SIGNERS = [f"s{k % 4}" for k in range(60)]


def test_sums_are_those_of_the_rows_drawn(monkeypatch):
    rows = np.random.default_rng(5).integers(60, size=(100, 60))
    expected = [column[rows].sum(1).tolist() for column in (FIRST, SECOND, WORDS)]
    monkeypatch.setattr(intervals, "_CHUNK", 1000)
    assert resampled_sums([FIRST, SECOND, WORDS], None, 100, 5).tolist() == expected


@pytest.mark.parametrize(
    "columns", [[FIRST], [FIRST, WORDS], [FIRST - 5, WORDS], [FIRST * 10**6, WORDS], [WORDS] * 4]
)
def test_packed_or_not_the_sums_are_the_same(columns, monkeypatch):
    found = resampled_sums(columns, None, 300, 1)
    monkeypatch.setattr(intervals, "_pack", lambda table: (table, lambda sums: sums))
    assert (found == resampled_sums(columns, None, 300, 1)).all()


def test_whole_groups_are_drawn():
    sums = resampled_sums([FIRST, WORDS], SIGNERS, 2000, 0)
    parts = [[int(column[k::4].sum()) for k in range(4)] for column in (FIRST, WORDS)]
    every = {
        tuple(sum(part[k] for k in draw) for part in parts) for draw in product(range(4), repeat=4)
    }
    assert set(map(tuple, sums.T.tolist())) == every
    with pytest.raises(InputError, match="at least two of them, not 1"):
        rate_interval(FIRST, WORDS, ["s"] * 60)


@given(st.lists(st.integers(-3, 3), max_size=7))
def test_p_is_the_share_of_all_swaps_that_get_as_far(gains):
    reached = [
        abs(sum(np.multiply(signs, gains))) >= abs(sum(gains))
        for signs in product((1, -1), repeat=len(gains))
    ]
    assert swap_test(np.array(gains, int), 4000) == pytest.approx(np.mean(reached), abs=0.04)


def test_groups_are_summed_in_the_order_of_their_names():
    sums = group_sums([np.array([1, 2, 3]), np.array([True, False, True])], ["b", "a", "b"])
    assert sums.tolist() == [[2, 4], [0, 2]]
    assert group_sums([FIRST]).tolist() == [FIRST.tolist()]
    with pytest.raises(InputError, match="3 values of 2 clips"):
        group_sums([np.arange(3)], ["a", "b"])
