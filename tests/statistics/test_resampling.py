"""Intervals and tests of error rates: against plain numpy, against enumeration, and by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.errors import InputError
from signlib.statistics import resampling
from signlib.statistics.resampling import compare_rates, rate_interval, resampled_sums, swap_test

RNG = np.random.default_rng(0)
WORDS = RNG.integers(3, 22, 60)
FIRST, SECOND = RNG.integers(0, 8, 60), RNG.integers(0, 7, 60)
SIGNERS = [f"s{k % 4}" for k in range(60)]


def test_sums_are_those_of_the_rows_drawn(monkeypatch):
    rows = np.random.default_rng(5).integers(60, size=(100, 60))
    expected = [column[rows].sum(1).tolist() for column in (FIRST, SECOND, WORDS)]
    monkeypatch.setattr(resampling, "_CHUNK", 1000)
    assert resampled_sums([FIRST, SECOND, WORDS], None, 100, 5).tolist() == expected


@pytest.mark.parametrize(
    "columns", [[FIRST], [FIRST, WORDS], [FIRST - 5, WORDS], [FIRST * 10**6, WORDS], [WORDS] * 4]
)
def test_packed_or_not_the_sums_are_the_same(columns, monkeypatch):
    found = resampled_sums(columns, None, 300, 1)
    monkeypatch.setattr(resampling, "_pack", lambda table: (table, lambda sums: sums))
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


def test_the_interval_of_a_rate():
    low, high = rate_interval(FIRST, WORDS)
    rows = np.random.default_rng(9).integers(60, size=(20_000, 60))
    drawn = 100 * FIRST[rows].sum(1) / WORDS[rows].sum(1)
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.3)
    assert low < 100 * FIRST.sum() / WORDS.sum() < high
    assert rate_interval(2 * WORDS, WORDS) == (200, 200)
    with pytest.raises(InputError, match="hold no words"):
        rate_interval(FIRST, 0 * WORDS)


def test_sentences_without_words_do_not_divide_by_zero():
    assert rate_interval(np.array([1, 0]), np.array([0, 2]), resamples=500)[1] <= 100 * 2 / 2


@given(st.lists(st.integers(-3, 3), max_size=7))
def test_p_is_the_share_of_all_swaps_that_get_as_far(gains):
    reached = [
        abs(sum(np.multiply(signs, gains))) >= abs(sum(gains))
        for signs in product((1, -1), repeat=len(gains))
    ]
    assert swap_test(np.array(gains, int), 4000) == pytest.approx(np.mean(reached), abs=0.04)


def test_a_comparison():
    found = compare_rates(FIRST, SECOND, WORDS, SIGNERS)
    total = WORDS.sum()
    assert found.difference == pytest.approx(100 * (SECOND.sum() - FIRST.sum()) / total)
    assert (found.improved, found.worsened) == ((SECOND < FIRST).sum(), (SECOND > FIRST).sum())
    assert found.interval[0] < found.difference < found.interval[1]
    assert (found.sentences, found.signers) == (60, 4)
    assert "only 4 signers" in found.warning
    back = compare_rates(SECOND, FIRST, WORDS, SIGNERS)
    assert back.interval == pytest.approx((-found.interval[1], -found.interval[0]))
    assert back.p == found.p
    assert back.better == pytest.approx(1 - found.better)


def test_pairing_tells_what_two_intervals_cannot():
    # the second system makes one error less in a third of the sentences, never one more
    better = np.maximum(FIRST - (np.arange(60) % 3 == 0), 0)
    found = compare_rates(FIRST, better, WORDS)
    assert found.interval[1] < 0
    assert found.p < 0.001
    assert rate_interval(better, WORDS)[1] > rate_interval(FIRST, WORDS)[0]
    assert found.signer_interval is None
    assert found.warning == ""


def test_one_system_twice():
    found = compare_rates(FIRST, FIRST, WORDS, SIGNERS)
    assert (found.difference, found.interval, found.p, found.better) == (0, (0, 0), 1, 0.5)
    with pytest.raises(InputError, match="60, 59 and 60 sentences"):
        compare_rates(FIRST, FIRST[1:], WORDS)


def test_unknown_signers_are_not_drawn():
    assert compare_rates(FIRST, SECOND, WORDS, ["", *SIGNERS[1:]]).signer_interval is None
