"""Lexicons: every sign another one, and minimal pairs that are what they say."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations, product

import numpy as np
import pytest

from signlib.errors import SettingsError
from signlib.synthesis import motion
from signlib.synthesis.phonology import CHANGES, UNMARKED
from signlib.synthesis.signers import make_signer
from signlib.synthesis.signs import (
    DIRECTIONS,
    GAZES,
    HANDSHAPES,
    INTERNALS,
    LOCATIONS,
    LOCI,
    MANUAL,
    MOVEMENTS,
    ORIENTATIONS,
    POINTING,
    Sign,
    Use,
    capacity,
    make_lexicon,
    minimal_pairs,
    variant,
)

PLAIN = Sign("A", "FLAT", "CHIN", "HOLD", "NONE", 1, "IN", "ONE")
BASED = replace(PLAIN, location="PALM", hands="BASE", base="FLAT")


@pytest.mark.parametrize(("size", "seed"), [(1, 0), (20, 0), (300, 5), (2000, 1)])
def test_signs_differ_in_name_and_in_form(size, seed):
    lexicon = make_lexicon(size, seed)
    assert len({sign.gloss for sign in lexicon}) == len({sign.manual for sign in lexicon}) == size
    assert all(sign.possible and sign.gloss.isascii() and sign.gloss.strip() for sign in lexicon)


def test_a_small_lexicon_is_the_beginning_of_a_large_one():
    assert make_lexicon(12, 3) == make_lexicon(60, 3)[:12]
    assert make_lexicon(12, 3) != make_lexicon(12, 4)


def test_the_inventory_is_as_large_as_a_sign_language_needs():
    assert len(HANDSHAPES) >= 24
    assert len(LOCATIONS) >= 16
    assert len(ORIENTATIONS) == 6
    assert set(CHANGES) | set(CHANGES.values()) | set(UNMARKED) <= set(HANDSHAPES)


def test_a_large_lexicon_uses_every_value_and_the_hands_as_languages_do():
    lexicon = make_lexicon(600)
    tables = {
        "handshape": HANDSHAPES,
        "location": LOCATIONS,
        "orientation": ORIENTATIONS,
        "internal": INTERNALS,
        "contact": (True, False),
        "movement": MOVEMENTS,
        "direction": DIRECTIONS,
        "repetitions": (1, 2),
        "base": ("", *UNMARKED),
        "gaze": GAZES,
    }
    for name, table in tables.items():
        assert {getattr(sign, name) for sign in lexicon} == set(table), name
    share = {hands: n / 600 for hands, n in Counter(sign.hands for sign in lexicon).items()}
    assert 0.3 < share["ONE"] < 0.6
    assert share["SYMMETRIC"] > 0.12
    assert share["BASE"] > 0.12
    assert share["ALTERNATING"] > 0.02


@pytest.mark.parametrize(("one", "other"), list(combinations(HANDSHAPES, 2)))
def test_handshapes_are_clearly_different(one, other):
    shapes = motion.hand_shape(np.stack([HANDSHAPES[one].angles, HANDSHAPES[other].angles]))
    apart = np.sqrt((np.diff(shapes, axis=0)[0] ** 2).sum(1))
    assert apart.max() > 0.25, "palm lengths, at the point that differs most"


def test_every_fourth_sign_has_a_minimal_pair():
    pairs = list(minimal_pairs(make_lexicon(40)))
    assert len(pairs) >= 10
    for one, other, name in pairs:
        assert replace(one, **{name: getattr(other, name)}).manual == other.manual


def test_minimal_pairs_by_hand():
    one_off = replace(PLAIN, gloss="B", handshape="FIST")
    two_off = replace(one_off, gloss="C", location="CHEST")
    assert list(minimal_pairs([PLAIN, one_off, two_off])) == [
        (PLAIN, one_off, "handshape"),
        (one_off, two_off, "location"),
    ]


@pytest.mark.parametrize(
    ("sign", "values"),
    [
        (PLAIN, {"repetitions": 2}),
        (PLAIN, {"direction": "UP"}),
        (PLAIN, {"orientation": "ASIDE"}),
        (PLAIN, {"hands": "SYMMETRIC", "location": "SHOULDER"}),
        (PLAIN, {"hands": "BASE", "base": "FLAT"}),
        (PLAIN, {"base": "FLAT"}),
        (PLAIN, {"location": "SPACE", "contact": True}),
        (PLAIN, {"movement": "LINE", "direction": "IN"}),
        (PLAIN, {"movement": "TAP", "direction": "IN"}),
        (PLAIN, {"internal": "WIGGLE"}),
        (BASED, {"base": "HORNS"}),
        (BASED, {"base": ""}),
        (BASED, {"location": "CHEST"}),
    ],
)
def test_contradictions_are_impossible(sign, values):
    assert sign.possible
    assert not replace(sign, **values).possible


def test_phonology_names_every_value():
    values = asdict(make_lexicon(1)[0])
    assert set(MANUAL) | {"gloss", "mouth", "brow", "gaze"} == set(values)


@pytest.mark.parametrize("size", [0, -1, 2001])
def test_a_size_that_cannot_be_is_refused(size):
    with pytest.raises(SettingsError, match=f"{size} signs.*1 to 2000"):
        make_lexicon(size)


SMALL = {
    "handshape": ["FLAT", "FIST"],
    "location": ["CHIN", "SPACE"],
    "hands": ["ONE"],
    "internal": ["NONE"],
    "movement": ["HOLD", "LINE"],
    "orientation": ["IN"],
}


def test_the_capacity_of_a_small_inventory_by_hand():
    """Every combination that a body can make, counted.

    CHIN: hold, and lines up, down, aside, across and out once or twice, with and without contact;
    no IN.
    1 + 5 x 2 = 11, twice for contact = 22; SPACE: 1 + 6 x 2 = 13; two handshapes: 2 x 35.
    """
    assert capacity(SMALL) == 70
    every = [
        Sign("", shape, at, kind, way, times, "IN", "ONE", contact=touch)
        for shape, at, kind, way, times, touch in product(
            ("FLAT", "FIST"),
            ("CHIN", "SPACE"),
            ("HOLD", "LINE"),
            ("NONE", "UP", "DOWN", "OUT", "IN", "ASIDE", "ACROSS"),
            (1, 2),
            (False, True),
        )
    ]
    assert sum(sign.possible for sign in every) == 70


def test_a_lexicon_may_use_an_inventory_to_the_last_form_and_no_further():
    lexicon = make_lexicon(70, inventory=SMALL)
    assert len({sign.manual for sign in lexicon}) == 70
    assert {sign.location for sign in lexicon} == {"CHIN", "SPACE"}
    with pytest.raises(SettingsError, match=r"71 signs.*tell 70 apart.*at most 70"):
        make_lexicon(71, inventory=SMALL)


@pytest.mark.parametrize(
    "inventory", [{"shape": ["FLAT"]}, {"handshape": ["PAW"]}, {"location": []}]
)
def test_an_unknown_inventory_is_refused(inventory):
    with pytest.raises(SettingsError, match="inventory"):
        make_lexicon(3, inventory=inventory)


def test_variants_are_rare_possible_and_never_another_sign():
    lexicon = make_lexicon(60, 2)
    calm, hard = make_signer(1, hardness=0), make_signer(1, hardness=3)
    assert all(variant(sign, calm, 2, lexicon) == (sign, "") for sign in lexicon)
    forms = [variant(sign, hard, 2, lexicon) for sign in lexicon]
    assert forms == [variant(sign, hard, 2, lexicon) for sign in lexicon]
    changed = [(sign, form) for sign, (form, what) in zip(lexicon, forms, strict=True) if what]
    assert 2 <= len(changed) <= 25
    taken = {sign.manual for sign in lexicon}
    for sign, form in changed:
        assert form.possible
        assert form.gloss == sign.gloss
        assert form.manual not in taken


@pytest.mark.parametrize(
    "values", [{"goal": "MOON"}, {"source": "LEFT"}, {"goal": "LEFT", "handshape": "PAW"}]
)
def test_a_use_that_cannot_be_is_refused(values):
    with pytest.raises(SettingsError):
        Use(POINTING, **values)


def test_loci_are_symmetric():
    for name, at in LOCI.items():
        other = name.replace("LEFT", "*").replace("RIGHT", "LEFT").replace("*", "RIGHT")
        assert LOCI[other] == (-at[0], *at[1:])
