"""Intervals over clips, signers and seeds: against scipy, statsmodels and matrices, by hand, and by
drawing worlds.
"""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.paired import mcnemar
from signlib.statistics.variation import (
    alikeness,
    bootstrap,
    difference,
    independent_worth,
    sign_flip,
)

RNG = np.random.default_rng(7)
FIRST, SECOND = (RNG.random((1, 120)) < share for share in (0.6, 0.75))
SIGNERS = np.repeat(list("abcdef"), 20)
UNEQUAL = np.repeat(list("abcdef"), [2, 5, 8, 15, 30, 60])
GAIN = 100 * (SECOND[0] * 1.0 - FIRST[0])


def close(found, low, high, p, **within):
    assert (found.low, found.high, found.p) == pytest.approx(
        (low, high, p), **(within or {"rel": 1e-9, "abs": 1e-9})
    )


def test_over_clips_it_is_the_paired_t_test_of_scipy():
    found = difference(FIRST, SECOND)
    theirs = stats.ttest_1samp(GAIN, 0)
    close(found, *theirs.confidence_interval(), theirs.pvalue)
    assert (found.value, found.df, found.over) == (
        pytest.approx(GAIN.mean()),
        pytest.approx(119),
        "clips",
    )


def test_over_signers_of_one_size_it_is_the_cluster_robust_test_of_statsmodels():
    model = sm.OLS(GAIN, np.ones(120)).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.unique(SIGNERS, return_inverse=True)[1]},
        use_t=True,
    )
    found = difference(FIRST, SECOND, SIGNERS)
    close(found, *model.conf_int()[0], model.pvalues[0])
    assert found.error == pytest.approx(model.bse[0], rel=1e-9)
    assert found.df == pytest.approx(5)


def test_words_weigh_as_in_weighted_least_squares():
    words = np.random.default_rng(1).integers(1, 9, 120)
    errors = [np.random.default_rng(k).binomial(words, 0.3) for k in (2, 3)]
    rates = 100 * (errors[1] - errors[0]) / words
    everyone = np.tile(
        words[:20], 6
    )  # signers with as many words each: then CR2 is the plain sandwich
    model = sm.WLS(rates, np.ones(120), weights=everyone).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.unique(SIGNERS, return_inverse=True)[1]},
        use_t=True,
    )
    found = difference(
        errors[0] * everyone / words, errors[1] * everyone / words, SIGNERS, sizes=everyone
    )
    close(found, *model.conf_int()[0], model.pvalues[0])


def test_signers_of_unlike_size_against_the_matrices_of_bell_and_mccaffrey():
    member = np.unique(UNEQUAL, return_inverse=True)[1]
    x, n = np.ones((120, 1)), 120
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    left = (np.eye(n) - hat) @ GAIN
    variance, vectors = 0.0, []
    for k in range(6):
        own = member == k
        values, axes = np.linalg.eigh((np.eye(n) - hat)[np.ix_(own, own)])
        adjust = axes @ np.diag(values**-0.5) @ axes.T
        variance += (x[own].T @ adjust @ left[own])[0] ** 2 / n**2
        vectors.append((np.eye(n) - hat)[:, own] @ adjust @ x[own][:, 0] / n)
    products = np.array(vectors) @ np.array(vectors).T
    df = np.trace(products) ** 2 / (products**2).sum()
    found = difference(FIRST, SECOND, UNEQUAL)
    assert found.error == pytest.approx(variance**0.5, rel=1e-9)
    assert found.df == pytest.approx(df, rel=1e-9)
    assert found.df < 3  # six signers, but half of the clips are of one of them


def test_over_seeds_alone_it_is_welchs_test_of_scipy():
    rng = np.random.default_rng(3)
    a, b = (rng.random((seeds, 50)) < share for seeds, share in ((4, 0.6), (6, 0.7)))
    found = difference(a, b, units=False)
    theirs = stats.ttest_ind(100 * b.mean(1), 100 * a.mean(1), equal_var=False)
    close(found, *theirs.confidence_interval(), theirs.pvalue)
    assert found.df == pytest.approx(theirs.df)


def test_seeds_and_signers_by_hand():
    # one system, two seeds, two signers of two clips: rates 1/2, 1/2 | 1, 1/2
    values = np.array([[1, 0, 1, 0], [1, 1, 1, 0.0]])
    found = difference(None, values, list("aabb"))
    assert found.value == pytest.approx(100 * 5 / 8)
    # signers' means 3/4 and 1/2: variance of their mean (1/4)^2 / 4; seeds' means 1/2, 3/4: the
    # same; left over: +-1/8 in every cell: 4 (1/8)^2 / ((2 - 1) (2 - 1)) / 4 = 1/64
    assert found.error == pytest.approx(
        100 * (1 / 64) ** 0.5
    )  # seeds hold nothing that signers do not
    values = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1.0]])
    # signers 2/3, 1/3: (1/3)^2 / 4; seeds 0, 1/2, 1: variance 1/4, of the mean 1/12;
    # left over -1/6, 1/6 | 1/3, -1/3 | -1/6, 1/6: 1/3 over (3 - 1) (2 - 1) and 6 cells
    units, seeds, both = 1 / 36, 1 / 12, 1 / 36
    found = difference(None, values, list("aabb"))
    assert found.error == pytest.approx(100 * (units + seeds - both) ** 0.5)
    assert found.df == pytest.approx((1 / 12) ** 2 / (units**2 / 1 + seeds**2 / 2 + both**2 / 2))
    assert found.over == "seeds and signers"


def test_one_seed_knows_nothing_of_seeds():
    assert difference(FIRST, SECOND, SIGNERS, seeds=True) == difference(
        FIRST, SECOND, SIGNERS, seeds=False
    )
    with pytest.raises(InputError, match="another seed"):
        difference(FIRST, SECOND, units=False)


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=6, max_size=30
    )
)
def test_turning_the_question_round_turns_the_interval(clips):
    first, second, signers = (list(column) for column in zip(*clips, strict=True))
    signers[:3] = "abc"
    one, other = (difference(x, y, signers) for x, y in ((first, second), (second, first)))
    assert (other.low, other.high, other.p) == pytest.approx((-one.high, -one.low, one.p))


def test_order_of_clips_and_seeds_does_not_matter():
    rng = np.random.default_rng(5)
    a, b = rng.random((3, 40)) < 0.5, rng.random((2, 40)) < 0.6
    order = rng.permutation(40)
    one = difference(a, b, SIGNERS[:40])
    other = difference(a[::-1][:, order], b[:, order], SIGNERS[:40][order])
    assert (other.low, other.high, other.df) == pytest.approx((one.low, one.high, one.df))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="119, 120, 119 clips"):
        difference(FIRST[:, :119], SECOND)
    with pytest.raises(InputError, match="two of them"):
        difference(FIRST, SECOND, ["a"] * 120)
    with pytest.raises(InputError, match="no word"):
        difference(FIRST, SECOND, sizes=np.zeros(120))
    with pytest.raises(InputError, match="at least two"):
        bootstrap(FIRST, SECOND, ["a"] * 120)
    with pytest.raises(InputError, match="120 values of 3"):
        sign_flip(np.zeros(120, int), list("abc"))


def test_no_difference_at_all():
    found = difference(FIRST, FIRST, SIGNERS)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert bootstrap(FIRST, FIRST, SIGNERS) == (0, 0)
    assert sign_flip(np.zeros(5, int)) == 1


def test_the_bootstrap_of_clips_is_scipys():
    theirs = stats.bootstrap(
        (FIRST[0] * 1.0, SECOND[0] * 1.0),
        lambda a, b, axis: 100 * (b - a).mean(axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    ours = bootstrap(FIRST, SECOND, resamples=20_000)
    # an end is good to sqrt(p (1 - p) / n) / density: 0.18 points here, twice
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.7)


def test_the_bootstrap_of_seeds_and_signers_draws_both():
    # two seeds, two signers: each of 4 x 4 draws with chance 1/16; rates by hand
    values = np.array([[0, 0, 0, 0], [1, 1, 1, 0.0]])
    low, high = bootstrap(None, values, list("aabb"), resamples=20_000)
    assert (low, high) == (
        0,
        100,
    )  # both seeds the first: 1/4; both the second and both signers a: 1/16
    assert bootstrap(None, values, list("aabb"), seeds=False) == (25, 50)


def test_drawing_kinds_of_clips_is_drawing_clips():
    many = np.tile(FIRST, 10), np.tile(SECOND, 10)
    ours = bootstrap(*many, resamples=20_000)
    slow = bootstrap(
        *(own + 1e-9 * np.arange(1200) for own in many), resamples=20_000
    )  # no two clips the same
    assert ours == pytest.approx(slow, abs=0.25)


def test_flipping_clips_is_the_exact_mcnemar_test():
    for lost, gained in ((0, 4), (3, 9), (5, 5), (1, 7)):
        gains = np.array([1] * gained + [-1] * lost + [0] * 20)
        assert sign_flip(gains) == pytest.approx(mcnemar(lost, gained), abs=1e-12)
    drawn = sign_flip(np.array([1] * 24 + [-1] * 10), resamples=40_000)
    assert drawn == pytest.approx(mcnemar(10, 24), abs=4 * (0.024 * 0.976 / 40_000) ** 0.5)


def test_flipping_signers_is_scipys_permutation_test():
    gains = (SECOND[0] * 1 - FIRST[0]).astype(int)
    sums = np.array([gains[name == UNEQUAL].sum() for name in "abcdef"])
    theirs = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(gains, UNEQUAL) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert (
        sign_flip(np.ones(120, int), SIGNERS) == 2 / 2**6
    )  # six signers who all agree: as low as it goes


def test_alikeness_is_what_the_f_test_of_scipy_says():
    values = GAIN + np.repeat(np.arange(6.0), 20)
    f = stats.f_oneway(*(values[name == SIGNERS] for name in "abcdef")).statistic
    assert alikeness(values, SIGNERS) == pytest.approx((f - 1) / (f + 19), rel=1e-9)
    assert alikeness(np.repeat(np.arange(6.0), 20), SIGNERS) == 1
    assert independent_worth(np.repeat(np.arange(6.0), 20), SIGNERS) == pytest.approx(6)
    assert independent_worth(np.tile([0.0, 1], 60), SIGNERS) == 120  # alike in nothing
    with pytest.raises(InputError, match="3 clips of 3 signers"):
        alikeness(np.arange(3.0), list("abc"))


def test_few_signers_the_t_interval_holds_where_the_bootstrap_and_the_clips_do_not():
    rng, held = np.random.default_rng(0), dict.fromkeys(("clips", "bootstrap", "t"), 0)
    signers = np.repeat(np.arange(6), 30)
    for _ in range(400):
        gain = np.repeat(0.4 * rng.standard_normal(6), 30) + rng.standard_normal(180)
        found = difference(None, gain), difference(None, gain, signers)
        low, high = bootstrap(None, gain, signers, resamples=300)
        held["clips"] += found[0].low < 0 < found[0].high
        held["t"] += found[1].low < 0 < found[1].high
        held["bootstrap"] += low < 0 < high
    assert 0.917 < held["t"] / 400 < 0.983  # 95 %, three standard errors either way
    assert held["bootstrap"] / 400 < 0.91
    assert held["clips"] / 400 < 0.75


def test_few_seeds_and_signers_only_the_interval_over_both_holds():
    rng, held = np.random.default_rng(1), dict.fromkeys(("signers", "seeds", "both"), 0)
    signers = np.repeat(np.arange(10), 6)
    for _ in range(300):
        own = np.repeat(0.5 * rng.standard_normal(10), 6)
        value = own + 0.25 * rng.standard_normal((3, 1)) + 0.5 * rng.standard_normal((3, 60))
        for name, seeds, units in (
            ("signers", False, True),
            ("seeds", True, False),
            ("both", True, True),
        ):
            found = difference(None, value, signers, seeds, units)
            held[name] += found.low < 0 < found.high
    assert held["both"] / 300 > 0.925
    assert held["signers"] / 300 < 0.9
    assert held["seeds"] / 300 < 0.93
