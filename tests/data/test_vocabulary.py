"""Class numbers of glosses, fixed once."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.data import vocabulary
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError


def test_classes_are_the_sorted_glosses_whatever_their_order():
    words = Vocabulary.from_glosses(["TREE", "CAT", "TREE", "007", "ÄPFEL"])
    assert words.glosses == ("007", "CAT", "TREE", "ÄPFEL")
    assert Vocabulary.from_glosses(["ÄPFEL", "007", "CAT", "TREE"]) == words
    assert len(words) == 4
    assert "CAT" in words
    assert "DOG" not in words


def test_encoding_by_hand():
    words = Vocabulary(("b", "a", "c"))
    codes = words.encode(["a", "c", "a"])
    assert codes.tolist() == [1, 2, 1]
    assert codes.dtype == np.int64
    assert words.encode([]).shape == (0,)
    assert words.decode([2, 0]) == ["c", "b"]
    assert words.counts(["a", "c", "a"]).tolist() == [0, 2, 1]
    assert words.counts([]).tolist() == [0, 0, 0]


def test_an_unknown_gloss_is_named_with_how_many_there_are():
    with pytest.raises(ManifestError, match=r"gloss 'x' \(2 such\) is not among the 1 glosses"):
        Vocabulary(("a",)).encode(["y", "a", "x", "x"])
    with pytest.raises(ManifestError, match="'' "):
        Vocabulary(("a",)).encode([""])


def test_a_gloss_listed_twice_is_refused():
    with pytest.raises(ManifestError, match="gloss 'b' appears twice"):
        Vocabulary(("a", "b", "b"))


@given(st.lists(st.text(max_size=4), min_size=1, max_size=20))
def test_decoding_undoes_encoding(glosses):
    words = Vocabulary.from_glosses(glosses)
    assert words.decode(words.encode(glosses)) == glosses
    assert words.counts(glosses).sum() == len(glosses)
    assert sorted(words.encode(words.glosses).tolist()) == list(range(len(words)))


def test_the_example_in_its_docstring_runs():
    results = doctest.testmod(vocabulary)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_glosses_that_read_the_same_are_named_with_what_to_do():
    glosses = ["HELLO", "TREE", "hello", "THANK  YOU", "thank you", "A\u0308PFEL", "\u00c4PFEL"]
    assert vocabulary.alike(glosses) == [
        ["A\u0308PFEL", "\u00c4PFEL"],
        ["HELLO", "hello"],
        ["THANK  YOU", "thank you"],
    ]
    (note,) = vocabulary.alike_notes(glosses)
    assert "'HELLO' and 'hello'" in note
    assert "write them alike in the manifest" in note
    assert vocabulary.alike_notes(["HELLO", "TREE"]) == []
