"""Segments and their test: by hand, word by word, and against statsmodels' z test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import ztest

from signlib.errors import InputError
from signlib.evaluation.wer import edits
from signlib.statistics.error_rates import mapsswe, segment_errors, segment_summary


def split(*texts):
    return [text.split() for text in texts]


def counts(reference, first, second, good=2):
    table = segment_errors(split(reference), split(first), split(second), good)
    return table[["first", "second"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("A B C D E F G H", "A B C D E F G H", []),
        ("A X C D E F G H", "A B C D E Y G H", [[1, 0], [0, 1]]),  # C D E right in both: cut
        ("A X C D E F G H", "A B C D Y F G H", [[1, 0], [0, 1]]),  # C D: two are enough
        ("A X C D E F G H", "A B C Y E F G H", [[1, 1]]),  # C alone is not
        ("A X C D E F G H", "A Y C D E F G H", [[1, 1]]),
        ("B C D E F G H", "A B C D E F G", [[1, 0], [0, 1]]),  # left out at either end
        ("A B Z C D E F G H", "A B C D E F G H", [[1, 0]]),  # put in
        (
            "A X C Z D E F G H",
            "A B C D E F G H",
            [[2, 0]],
        ),  # put in between two right words: they are no run
        ("A B C D E F G H", "A B C D E F G H Z", [[0, 1]]),  # put in after the last word
        ("", "A B C D E F G H", [[8, 0]]),
    ],
)
def test_segments_by_hand(first, second, expected):
    assert counts("A B C D E F G H", first, second) == expected


def test_the_run_that_ends_a_segment_can_be_longer():
    texts = ("A B C D E F G H", "A X C D E F G H", "A B C D Y F G H")
    assert counts(*texts, good=2) == [[1, 0], [0, 1]]
    assert counts(*texts, good=3) == [[1, 1]]


def test_sentences_end_segments():
    table = segment_errors(split("A B", "C D"), split("A X", "C D"), split("A B", "X D"))
    assert table["sentence"].tolist() == [0, 1]


words = st.lists(st.sampled_from("AB"), max_size=6)


def slow(reference, first, second):
    """The state machine over words, from each system's own alignment of one sentence."""
    from signlib.evaluation.wer import alignment

    wrong = np.zeros((2, 2 * len(reference) + 1), int)  # gap, word, gap, word, ..., gap
    for k, hypothesis in enumerate((first, second)):
        at = 0
        for kind in alignment([reference], [hypothesis])["kind"]:
            at += kind != "insertion"
            wrong[k, 2 * at - (kind != "insertion")] += kind != "hit"
    found, own, run = [], np.zeros(2, int), 0
    for place, errors in enumerate(wrong.T):
        run = 0 if errors.any() else run + place % 2
        if own.any() and run >= 2:
            found.append(own.tolist())
            own, run = np.zeros(2, int), 2
        own = own + errors
    return found + ([own.tolist()] if own.any() else [])


@given(words, words, words)
def test_segments_are_those_of_a_walk_over_the_words(reference, first, second):
    table = segment_errors([reference], [first], [second])
    assert table[["first", "second"]].to_numpy().tolist() == slow(reference, first, second)


def made_up(seed, share):
    rng = np.random.default_rng(seed)
    texts = [[str(w) for w in np.random.default_rng(9 + k).integers(0, 50, 12)] for k in range(60)]
    return texts, [
        [w if rng.random() > share else "?" for w in text if rng.random() > share / 3]
        for text in texts
    ]


def test_z_and_p_are_statsmodels():
    references, first = made_up(1, 0.25)
    _, second = made_up(2, 0.2)
    found = mapsswe(references, first, second)
    table = segment_errors(references, first, second)
    z, p = ztest(table["second"] - table["first"])
    assert (found.z, found.p) == pytest.approx((z, p), rel=1e-9)
    for texts, total in ((first, found.first), (second, found.second)):
        assert (
            edits(references, texts).errors.sum() == total
        )  # no error is lost, none counted twice
    assert "fewer" in segment_summary(found, ("a", "b"))


def test_nothing_to_tell_apart():
    assert mapsswe(split("A"), split("A"), split("A")).p == 1
    same = mapsswe(split("A B", "C D"), split("X B", "C"), split("Y B", "D"))
    assert (same.segments, same.z, same.p) == (2, 0, 1)
    with pytest.raises(InputError, match="2 references, 1 and 2 hypotheses"):
        mapsswe(split("A", "B"), split("A"), split("A", "B"))
