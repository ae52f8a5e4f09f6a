"""Two systems by every test: which are asked, which one decides, and what is said of it."""

import numpy as np
import pytest

from signlib.errors import InputError
from signlib.statistics.intervals import swap_test
from signlib.statistics.paired import mcnemar
from signlib.statistics.seed_tests import check_rope, compare_seeds
from signlib.statistics.two_systems import compare, verdict
from signlib.statistics.variation import difference

RNG = np.random.default_rng(0)
A, B = RNG.random((3, 300)) < 0.6, RNG.random((3, 300)) < 0.75
SIGNERS = [f"signer{i % 25}" for i in range(300)]


def test_one_training_each_and_nobody_known():
    found = compare(A[0], B[0])
    assert list(found.rows) == ["clips"]
    row = found.rows["clips"]
    lost, gained = int((A[0] & ~B[0]).sum()), int((B[0] & ~A[0]).sum())
    assert (row.test, row.p) == ("exact McNemar", mcnemar(lost, gained))
    assert row.estimate == difference(A[0], B[0])
    assert (found.gained, found.lost) == pytest.approx((gained / 300, lost / 300))
    assert (found.signers, found.seeds) == (0, None)
    assert [text.split(":")[0] for text in found.warnings] == [
        "nobody knows who signs",
        "one training of each",
    ]
    assert compare(A[0], B[0], [""] * 300).signers == 0


def test_signers_decide_where_they_are_known():
    found = compare(A[0], B[0], SIGNERS)
    assert list(found.rows) == ["clips", "signers"]
    assert found.deciding == difference(A[0], B[0], SIGNERS)
    assert (
        len(found.warnings) == 1
    )  # one training each; 25 signers are enough, and clips no more alike than chance
    few = compare(A[0], B[0], [f"s{i % 6}" for i in range(300)])
    assert "only 6 signers" in few.warnings[0]
    assert "5.0 degrees of freedom" in few.warnings[0]
    one = compare(A[0], B[0], ["s"] * 300)
    assert list(one.rows) == ["clips"]
    assert "how another signer would do" in one.warnings[0]


def test_seeds_and_signers_together_decide_where_there_are_several():
    found = compare(A, B, SIGNERS)
    assert list(found.rows) == ["clips", "signers", "seeds", "seeds and signers"]
    assert found.deciding == difference(A, B, SIGNERS)
    assert found.seeds == compare_seeds(100 * A.sum(1) / 300, 100 * B.sum(1) / 300)
    assert found.rows["seeds"].estimate.p == pytest.approx(found.seeds.welch.p)
    gains = B.sum(0) * 3 - A.sum(0) * 3
    assert found.rows["clips"].p == swap_test(gains[gains != 0])
    assert found.first == pytest.approx(tuple(100 * A.mean(1)))
    assert "cannot give a p below 0.1" in found.warnings[-1]
    assert list(compare(A, B).rows) == ["clips", "seeds", "seeds and clips"]


def test_unlike_numbers_of_seeds():
    found = compare(A[:1], B, SIGNERS)
    assert list(found.rows) == ["clips", "signers", "seeds and signers"]
    assert any(text.startswith("one training of one of the two") for text in found.warnings)


def test_sentences_count_errors_over_words():
    words = np.random.default_rng(1).integers(1, 9, 300)
    errors = [np.random.default_rng(k).binomial(words, share) for k, share in ((2, 0.4), (3, 0.3))]
    found = compare(*errors, SIGNERS, words)
    assert found.first == pytest.approx((100 * errors[0].sum() / words.sum(),))
    assert found.deciding.value == pytest.approx(100 * (errors[1] - errors[0]).sum() / words.sum())
    assert found.answer() == "better"  # fewer errors
    assert compare(*errors[::-1], SIGNERS, words).answer() == "worse"
    assert "points of word error rate" in verdict(found, ("a", "b"))


def test_alike_clips_are_said_to_be_worth_less():
    signers = np.repeat([f"s{i}" for i in range(30)], 10)
    gain = np.repeat(np.random.default_rng(0).random(30) < 0.5, 10)
    found = compare(np.zeros(300), gain, signers)
    assert found.worth == pytest.approx(30)
    assert any("these 300 tell as much as about 30 independent" in text for text in found.warnings)


def test_answers():
    better = compare(A, B, SIGNERS)
    assert better.answer() == "better"
    assert better.answer(0.06) == "no difference shown"  # one of many comparisons
    assert compare(B, A, SIGNERS).answer() == "worse"
    assert compare(A[0], A[0], SIGNERS).answer() == "practically the same"
    nearly = A[0].copy()
    nearly[:2] ^= True
    assert compare(A[0], nearly, SIGNERS, rope=5.0).answer() == "practically the same"
    assert compare(A[0], A[1], SIGNERS, rope=0.1).answer() == "no difference shown"


def test_verdicts_are_sentences_without_stars():
    text = verdict(compare(A, B, SIGNERS), ("old", "new"), 0.02, 3)
    assert text.startswith("new against old: better. It differs by +")
    assert "over seeds and signers" in text
    assert "0.02 with all 3 comparisons minded (Holm)" in text
    open_ = verdict(compare(A[0], A[1], SIGNERS), ("old", "new"))
    assert "not the same as equal" in open_
    same = verdict(compare(A[0], A[0], SIGNERS), ("old", "new"))
    assert "All of the interval lies within 0.5 points" in same
    assert "*" not in text + open_ + same


def test_a_verdict_tells_when_a_narrower_question_would_have_been_answered():
    rng = np.random.default_rng(4)
    luck = np.array([[0.0], [0.12], [-0.12]])
    a, b = rng.random((3, 900)) < 0.6 + luck, rng.random((3, 900)) < 0.66 + luck
    found = compare(a, b, [f"s{i % 30}" for i in range(900)])
    assert found.answer() == "no difference shown"
    assert "Over clips and over signers alone the interval would leave out 0" in verdict(
        found, ("a", "b")
    )


def test_other_clips_and_bad_ropes_are_refused():
    with pytest.raises(InputError, match="299 and 300 clips"):
        compare(A[:, 1:], B, SIGNERS)
    assert check_rope(0) == 0
    for rope in (-1, float("nan")):
        with pytest.raises(InputError, match="points that do not matter"):
            check_rope(rope)
