"""Several corpora: against scipy, against what baycomp 1.0.3 finds, and at the ends."""

import numpy as np
import pytest
from scipy import stats

from signlib.errors import InputError
from signlib.statistics.seed_tests import across_corpora, signed_rank_posterior

FIRST = [61.2, 83.0, 95.3, 70.4, 38.1, 88.0, 54.0]
SECOND = [63.0, 83.2, 95.9, 72.9, 40.3, 87.1, 57.2]


def test_the_posterior_is_baycomps():
    """100,000 draws there, 50,000 here: a chance of 0.055 is good to 0.0025."""
    found = across_corpora(FIRST, SECOND)
    assert (found.worse, found.same, found.better) == pytest.approx(
        (0.00209, 0.05553, 0.94238), abs=0.004
    )
    assert found.answer == "undecided"
    gains = np.subtract(SECOND, FIRST)
    assert signed_rank_posterior(gains, 2.0) == pytest.approx((0, 0.91118, 0.08882), abs=0.006)
    worse, same, better = signed_rank_posterior(gains, 0.0)
    assert (worse, same, better) == pytest.approx((0.01002, 0, 0.98998), abs=0.003)


def test_the_test_of_ranks_is_scipys():
    found = across_corpora(FIRST, SECOND)
    assert found.ranks.p == pytest.approx(
        stats.wilcoxon(np.subtract(SECOND, FIRST), method="exact").pvalue, abs=1e-9
    )
    assert found.ranks.smallest == 2**-6


def test_turning_the_question_round():
    one, other = across_corpora(FIRST, SECOND), across_corpora(SECOND, FIRST)
    assert (one.worse, one.same, one.better) == pytest.approx(
        (other.better, other.same, other.worse), abs=0.006
    )


def test_what_is_clear_is_said():
    assert across_corpora(FIRST, np.add(FIRST, 5)).answer == "better"
    assert across_corpora(FIRST, np.subtract(FIRST, 5)).answer == "worse"
    assert across_corpora(FIRST, np.add(FIRST, 0.1)).answer == "practically the same"


def test_bad_questions_are_refused():
    with pytest.raises(InputError, match="rope=-1"):
        across_corpora(FIRST, SECOND, -1)
    with pytest.raises(InputError, match="no pairs"):
        across_corpora(FIRST, SECOND[:3])
