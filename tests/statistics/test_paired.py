"""Paired statistics, worked out by hand and against enumeration of every case."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.errors import InputError
from signlib.statistics.intervals import cluster_interval
from signlib.statistics.paired import (
    holm,
    mcnemar,
    mcnemar_given_totals,
    paired,
    per_signer,
)

# 8 clips of three signers: lost, gained, gained, both | gained, neither | both, gained
FIRST = np.array([1, 0, 0, 1, 0, 0, 1, 0], bool)
SECOND = np.array([0, 1, 1, 1, 1, 0, 1, 1], bool)
SIGNERS = list("aaaabbcc")


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (0, 0, 1),
        (0, 4, 2 / 16),
        (1, 3, 10 / 16),
        (2, 2, 1),
        (8, 12, 0.5034),
        (4, 8, 0.3877),
        (0, 1, 1),
    ],
)
def test_mcnemar_by_hand(lost, gained, p):
    assert mcnemar(lost, gained) == pytest.approx(p, abs=5e-5)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


@given(st.integers(0, 10), st.integers(0, 10))
def test_mcnemar_is_the_share_of_coin_throws_at_least_as_uneven(lost, gained):
    n = lost + gained
    uneven = sum(comb(n, k) for k in range(n + 1) if abs(k - n / 2) >= abs(lost - n / 2))
    assert mcnemar(lost, gained) == pytest.approx(uneven / 2**n)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12))
def test_totals_bound_every_p_that_fits_them(clips, first, second):
    first, second = min(first, clips), min(second, clips)
    more = second - first
    fits = [
        mcnemar(lost, lost + more)
        for lost in range(max(0, -more), first + 1)
        if lost + more <= clips - first
    ]
    found = mcnemar_given_totals(first, second, clips)
    assert (found.least, found.most) == pytest.approx((min(fits), max(fits)))


def test_what_totals_alone_can_and_cannot_show():
    assert mcnemar_given_totals(10, 12, 46).least == 0.5  # two gained, none lost: 2 / 2^2
    assert mcnemar_given_totals(10, 12, 46).answer == "cannot be shown"
    assert (
        mcnemar_given_totals(10, 30, 46).answer == "shown"
    )  # 10 lost and 30 gained at worst: p = 0.002
    assert (
        mcnemar_given_totals(20, 26, 46).answer == "the totals do not tell"
    )  # 0 and 6, or 20 and 26
    with pytest.raises(InputError, match="10 and 47 right of 46 clips"):
        mcnemar_given_totals(10, 47, 46)


def test_a_comparison_by_hand():
    found = paired(FIRST, SECOND, SIGNERS)
    assert (found.clips, found.signers, found.only_first, found.only_second) == (8, 3, 1, 4)
    assert found.difference == pytest.approx(100 * 3 / 8)
    assert found.p == pytest.approx(12 / 32)  # 0, 1, 4 or 5 heads of 5
    assert found.without_one == pytest.approx(
        (100 * 2 / 6, 50)
    )  # without b or c: 2 of 6; without a: 2 of 4
    # the signers' differences are 25, 50 and 50 points: mean 125/3, standard deviation 25/sqrt(3),
    # t(2) = 4.3027
    assert found.each_signer == (25, 50, 50)
    assert found.signer_mean == pytest.approx(125 / 3)
    half = 4.302653 * 25 / 3
    assert found.by_signer == pytest.approx((125 / 3 - half, 125 / 3 + half), abs=1e-4)
    assert found.bootstrap == cluster_interval(SECOND * 1.0 - FIRST, SIGNERS)
    assert found.answer == "better"
    assert str(found) == "+37.50 points [+5.81, +77.52], better"
    assert "only 3 signers" in found.warning
    assert "t interval" in found.warning


def test_the_bootstrap_draws_whole_signers():
    # every one of the 27 draws of three signers, as often as it comes
    gain = np.array(
        [sum(SECOND[i] * 1.0 - FIRST[i] for i in range(8) if SIGNERS[i] == s) for s in "abc"]
    )
    shares = [
        100 * gain[list(draw)].sum() / np.array([4, 2, 2])[list(draw)].sum()
        for draw in product(range(3), repeat=3)
    ]
    found = paired(FIRST, SECOND, SIGNERS)
    assert found.bootstrap == pytest.approx(
        (min(shares), max(shares))
    )  # each end has 1/27 or more: above 2.5 %


def test_two_systems_that_are_one_differ_by_nothing():
    found = paired(FIRST, FIRST, SIGNERS)
    assert (found.difference, found.p, found.bootstrap, found.by_signer) == (0, 1, (0, 0), (0, 0))
    assert found.answer == "no difference shown"


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=6, max_size=40
    )
)
def test_turning_the_question_round_turns_the_signs(clips):
    first, second, signers = (list(column) for column in zip(*clips, strict=True))
    signers[:3] = "abc"
    one, other = (
        paired(np.array(x), np.array(y), signers, 200)
        for x, y in ((first, second), (second, first))
    )
    assert (other.difference, other.p, other.only_first) == (
        -one.difference,
        one.p,
        one.only_second,
    )
    assert other.by_signer == pytest.approx((-one.by_signer[1], -one.by_signer[0]))
    assert other.without_one == pytest.approx((-one.without_one[1], -one.without_one[0]))


def test_many_signers_need_no_warning():
    names = [f"signer{i}" for i in range(20)] * 2
    assert paired(np.arange(40) % 3 == 0, np.arange(40) % 2 == 0, names).warning == ""


def test_other_clips_are_refused():
    with pytest.raises(ValueError, match="8, 7 and 8 clips"):
        paired(FIRST, SECOND[:7], SIGNERS)
    with pytest.raises(ValueError, match="at least two groups"):
        paired(FIRST, SECOND, ["a"] * 8)


def test_the_table_of_signers_by_hand():
    table = per_signer(FIRST, SECOND, SIGNERS)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["clips"].tolist() == [4, 2, 2]
    assert table[["first", "second", "difference"]].to_numpy().tolist() == [
        [50, 75, 25],
        [0, 50, 50],
        [50, 100, 50],
    ]
    assert table[["only first", "only second"]].to_numpy().tolist() == [[1, 2], [0, 1], [0, 1]]


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []
