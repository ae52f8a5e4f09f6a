"""Looks: the same for the same signer, different between signers, plain without hardness."""

import numpy as np
import pytest

from signlib.errors import SettingsError
from signlib.synthesis import appearance
from signlib.synthesis.appearance import make_look

LOOKS = [make_look(index) for index in range(60)]


def test_a_look_depends_on_number_and_seed_only():
    assert make_look(3) == LOOKS[3]
    assert make_look(3, seed=1) != LOOKS[3]
    assert len({look.skin for look in LOOKS}) == len(LOOKS)


def test_every_haircut_sleeve_pattern_and_background_is_worn():
    assert {look.haircut for look in LOOKS} == set(appearance.HAIRCUTS)
    assert {look.sleeves for look in LOOKS} == set(appearance.SLEEVES)
    assert {look.pattern for look in LOOKS} == set(appearance.PATTERNS)
    assert {look.background for look in LOOKS} == set(appearance.BACKGROUNDS)


def test_skins_are_light_and_dark_and_colours_are_colours():
    brightness = [np.mean(look.skin) for look in LOOKS]
    assert min(brightness) < 90 < 190 < max(brightness)
    for look in LOOKS:
        for name in ("skin", "hair", "eyes", "shirt", "accent", "trousers", "wall"):
            colour = getattr(look, name)
            assert len(colour) == 3
            assert 0 <= min(colour) <= max(colour) <= 255


def test_the_lamp_hangs_above_and_before_the_signer():
    light = np.array([look.light for look in LOOKS])
    np.testing.assert_allclose(np.linalg.norm(light, axis=1), 1)
    assert (light[:, 1] < 0).all()
    assert (light[:, 2] < 0).all()


def test_without_hardness_the_room_is_plain_and_depth_is_exact():
    looks = [make_look(index, hardness=0) for index in range(10)]
    assert {look.background for look in looks} == {"plain"}
    assert {look.noise for look in looks} == {0.0}
    assert {look.tint for look in looks} == {(1.0, 1.0, 1.0)}


@pytest.mark.parametrize(("index", "hardness"), [(-1, 1.0), (0, -0.1), (0, 3.1), (0, float("nan"))])
def test_impossible_looks_are_refused(index, hardness):
    with pytest.raises(SettingsError, match=f"look {index} with hardness {hardness}"):
        make_look(index, hardness=hardness)
