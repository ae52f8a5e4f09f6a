"""Lexicons: every sign another one, and minimal pairs that are what they say."""

from dataclasses import replace

import pytest

from signlib.errors import SettingsError
from signlib.synthesis.signs import (
    HANDSHAPES,
    LOCATIONS,
    MANUAL,
    Sign,
    make_lexicon,
    minimal_pairs,
    phonology,
)


@pytest.mark.parametrize(("size", "seed"), [(1, 0), (20, 0), (300, 5)])
def test_signs_differ_in_name_and_in_form(size, seed):
    lexicon = make_lexicon(size, seed)
    assert len({sign.gloss for sign in lexicon}) == len({sign.manual for sign in lexicon}) == size
    assert all(sign.possible and sign.gloss.isascii() and sign.gloss.strip() for sign in lexicon)


def test_a_small_lexicon_is_the_beginning_of_a_large_one():
    assert make_lexicon(12, 3) == make_lexicon(60, 3)[:12]
    assert make_lexicon(12, 3) != make_lexicon(12, 4)


def test_a_large_lexicon_uses_every_value():
    lexicon = make_lexicon(300)
    assert {sign.handshape for sign in lexicon} == set(HANDSHAPES)
    assert {sign.location for sign in lexicon} == set(LOCATIONS)


def test_every_fourth_sign_has_a_minimal_pair():
    pairs = list(minimal_pairs(make_lexicon(40)))
    assert len(pairs) >= 10
    for one, other, name in pairs:
        assert replace(one, **{name: getattr(other, name)}).manual == other.manual


def test_minimal_pairs_by_hand():
    sign = Sign("A", "FLAT", "CHIN", "HOLD", "OUT", 1, "IN", 1)
    one_off = replace(sign, gloss="B", handshape="FIST")
    two_off = replace(one_off, gloss="C", location="CHEST")
    assert list(minimal_pairs([sign, one_off, two_off])) == [
        (sign, one_off, "handshape"),
        (one_off, two_off, "location"),
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"repetitions": 2},
        {"direction": "UP"},
        {"orientation": "UP"},
        {"hands": 2, "location": "SHOULDER"},
    ],
)
def test_contradictions_are_impossible(values):
    sign = Sign("A", "FLAT", "CHIN", "HOLD", "OUT", 1, "IN", 1)
    assert sign.possible
    assert not replace(sign, **values).possible


def test_phonology_names_every_value():
    values = phonology(make_lexicon(1)[0])
    assert set(MANUAL) | {"gloss", "mouth", "brow"} == set(values)


@pytest.mark.parametrize("size", [0, -1, 2001])
def test_a_size_that_cannot_be_is_refused(size):
    with pytest.raises(SettingsError, match=f"{size} signs.*1 to 2000"):
        make_lexicon(size)
