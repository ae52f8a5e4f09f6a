"""Intervals and tests of word error rates: against plain numpy, and by hand."""

import numpy as np
import pytest

from signlib.errors import InputError
from signlib.statistics.error_rates import compare_rates, rate_interval

RNG = np.random.default_rng(0)
WORDS = RNG.integers(3, 22, 60)
FIRST, SECOND = RNG.integers(0, 8, 60), RNG.integers(0, 7, 60)
SIGNERS = [f"s{k % 4}" for k in range(60)]


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
