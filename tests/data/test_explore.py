"""Counting a corpus: worked by hand, and what leaks is found."""

import numpy as np
import pandas as pd
import pytest

from signlib.data.explore import gloss_counts, imbalance, leakage, overview, signs_of
from signlib.data.manifest import complete


def words(**changes):
    table = {
        "clip": ["a", "b", "c", "d", "e"],
        "gloss": ["YES", "YES", "NO", "NO", "MAYBE"],
        "signer": ["s1", "s1", "s2", "s3", "s1"],
        "split": ["train", "train", "train", "test", "test"],
        "file": ["1.mp4", "2.mp4", "3.mp4", "4.mp4", "3.mp4"],
        **changes,
    }
    return complete(pd.DataFrame(table))


def sentences():
    return complete(
        pd.DataFrame(
            {
                "clip": ["a", "b", "c"],
                "glosses": ["YES NO YES", "NO", "NO"],
                "split": ["train", "train", "test"],
                "signer": ["", "", "s1"],
            }
        )
    )


def test_signs_are_counted_in_words_and_in_sentences():
    assert gloss_counts(words()).to_dict() == {"NO": 2, "YES": 2, "MAYBE": 1}
    assert list(gloss_counts(words()).index) == ["NO", "YES", "MAYBE"]
    assert gloss_counts(sentences()).to_dict() == {"NO": 3, "YES": 2}
    assert signs_of(sentences()).tolist() == [["YES", "NO", "YES"], ["NO"], ["NO"]]


def test_even_counts_have_no_imbalance():
    assert imbalance([4, 4, 4]) == pytest.approx({"ratio": 1, "gini": 0, "effective": 3})
    assert imbalance([1, 1, 1, 97])["gini"] == pytest.approx(0.72)
    assert imbalance([])["effective"] == 0


def test_the_overview_by_hand():
    table = overview(words())
    assert table.loc[
        "train", ["clips", "signers", "signs", "glosses", "fewest", "most"]
    ].tolist() == [3, 2, 3, 2, 1, 2]
    assert table.loc["test", "clips"] == 2
    assert "val" not in table.index
    assert overview(sentences()).loc["train", ["clips", "signs", "unknown signer"]].tolist() == [
        2,
        4,
        2,
    ]


def test_every_leak_is_found():
    features = {clip: np.full((2, 1), number, float) for number, clip in enumerate("abcde")}
    features["d"] = features["a"].copy()
    leaks = leakage(words(), features.__getitem__).set_index("check")["test clips"]
    assert leaks.to_dict() == {
        "signer also trains": 1,
        "cut from a training file": 1,
        "has a sign that never trains": 1,
        "same features as a training clip": 1,
    }


def test_a_sentence_that_was_trained_is_found_and_unknown_signers_are_not_one_signer():
    leaks = leakage(sentences()).set_index("check")
    assert leaks.loc["sentence also trains", "test clips"] == 1
    assert leaks.loc["signer also trains", ["test clips", "of"]].tolist() == [
        0,
        0,
    ], "no training signer is known"
    leaks = leakage(words(signer=["s1", "", "s2", "", "s1"])).set_index("check")
    assert leaks.loc["signer also trains"].tolist() == [1, 1, 1.0]
    assert leaks.loc["cut from a training file", "of"] == 2


def test_same_bytes_in_another_shape_are_not_the_same_clip():
    features = dict(
        zip("abcde", (np.zeros(s) for s in ((4, 1), (5, 1), (6, 1), (2, 2), (7, 1))), strict=True)
    )
    leaks = leakage(words(), features.__getitem__).set_index("check")["test clips"]
    assert leaks["same features as a training clip"] == 0


def test_a_corpus_without_a_test_split_leaks_nothing():
    leaks = leakage(words(split=["train"] * 5))
    assert leaks["of"].tolist() == [0] * len(leaks)
    assert leaks["share"].tolist() == [0.0] * len(leaks)


def test_real_official_labels_leak_no_signer(real_data):
    from signlib.data import autsl

    table = autsl.read_manifest(real_data("autsl"))
    leaks = leakage(table).set_index("check")
    assert leaks.loc["signer also trains", "test clips"] == 0
    assert leaks.loc["has a sign that never trains", "test clips"] == 0
    assert overview(table)["clips"].to_dict() == {"train": 28_142, "val": 4_418, "test": 3_742}
