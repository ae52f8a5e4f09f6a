"""Who acts: motion, noise, one person under two ids; axes in which a turn of the body is gone."""

import numpy as np
import pytest

from signlib.corpora.nw_ucla import read_clips
from signlib.data.ntu60 import read_skeleton
from signlib.data.skeletons import HANDS_42, KINECT_20, NTU_25
from signlib.errors import ClipError, SettingsError
from signlib.features.actors import (
    axes_of,
    filled,
    held,
    in_own_axes,
    main_actors,
    motion,
    turn_back,
)
from signlib.synthesis.actions import ActionCorpus

AXES = axes_of(NTU_25)
WORLD = ActionCorpus([1, 23, 58], performers=3, cameras=2, repetitions=1, setups=1)
NAMES = WORLD.manifest["clip"].tolist()
ALONE, TOGETHER = (WORLD.clip(name) for name in (NAMES[0], NAMES[-1]))


def turned(joints, degrees):
    """The same people after the whole room turned about the vertical through the origin."""
    angle = np.deg2rad(degrees)
    turn = np.array(
        [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
    )
    return (joints.astype(float) @ turn).astype(np.float32)


def facing(joints):
    """Degrees by which the first person is turned away at the start: 0 = faces the sensor."""
    across = (joints[:5, 0, AXES.right] - joints[:5, 0, AXES.left]).mean(axis=(0, 1))
    return np.rad2deg(np.arctan2(across[2], across[0]))


def test_those_who_move_come_first():
    still, lively = np.nan_to_num(ALONE[:, :1]) * 0.01 + 1, ALONE[:, :1]
    found = main_actors(np.concatenate([still, lively], 1))
    np.testing.assert_array_equal(found, np.concatenate([lively, still], 1))
    np.testing.assert_array_equal(main_actors(np.concatenate([still, lively], 1), most=1), lively)
    assert motion(lively[:, 0]) == pytest.approx(lively[:, 0].var(axis=0).sum())


def test_furniture_and_blinks_are_dropped_unless_nobody_else_is_there():
    table = ALONE[:, :1].copy()
    table[..., 0] *= 30
    blink = np.full_like(table, np.nan)
    blink[3:14] = ALONE[3:14, :1] * 9
    whole = np.concatenate([table, blink, ALONE[:, :1]], 1)
    np.testing.assert_array_equal(main_actors(whole), ALONE[:, :1])
    np.testing.assert_array_equal(main_actors(table), table)
    np.testing.assert_array_equal(main_actors(blink), blink[3:14])


def test_one_person_under_two_ids_is_one_actor_and_empty_frames_are_gone():
    clip = np.full((len(ALONE) + 5, 3, 25, 3), np.nan, np.float32)
    half = len(ALONE) // 2
    clip[:half, 1], clip[half + 5 :, 0] = ALONE[:half, 0], ALONE[half:, 0]
    np.testing.assert_array_equal(main_actors(clip), ALONE[:, :1])


def test_two_who_act_together_stay_two():
    assert main_actors(TOGETHER).shape == TOGETHER.shape
    with pytest.raises(ClipError, match="nobody is seen"):
        main_actors(np.full_like(ALONE, np.nan))


@pytest.mark.parametrize("degrees", [-150, -30, 30, 90])
@pytest.mark.parametrize("joints", [ALONE, TOGETHER], ids=["one", "two"])
def test_a_turn_of_the_room_cancels(joints, degrees):
    expected = in_own_axes(joints, AXES)
    assert facing(expected) == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(in_own_axes(turned(joints, degrees), AXES), expected, atol=1e-4)
    plain = in_own_axes(turned(joints, degrees), AXES, align=False)
    assert np.nanmax(np.abs(plain - expected)) > 0.1, "without alignment it does not"


def test_the_sign_matters():
    # The opposite sign, as in the source's own code, doubles the turn instead of taking it away.
    facing_us = in_own_axes(ALONE, AXES)
    away = turned(facing_us, 30)
    assert abs(facing(away)) == pytest.approx(30, abs=1e-2)
    right, wrong = (
        away[:, :1] @ turn for turn in (turn_back(away[:, 0], AXES), turn_back(away[:, 0], AXES).T)
    )
    assert facing(right) == pytest.approx(0, abs=1e-3)
    assert abs(facing(wrong)) == pytest.approx(60, abs=1e-2)


def test_two_cameras_agree_on_who_stands_where_only_when_aligned():
    exact = ActionCorpus([58], performers=3, cameras=2, repetitions=1, hardness=0)
    one, two = (exact.clip(f"S001C{camera:03d}P001R001A058") for camera in (1, 2))
    np.testing.assert_allclose(in_own_axes(one, AXES), in_own_axes(two, AXES), atol=1e-4)
    apart = np.nanmax(
        np.abs(in_own_axes(one, AXES, align=False) - in_own_axes(two, AXES, align=False))
    )
    assert apart > 0.5


def test_origin_and_size():
    found = in_own_axes(TOGETHER, AXES)
    np.testing.assert_allclose(found[0, 0, AXES.middle], 0, atol=1e-6)
    trunk = np.linalg.norm(found[:, 0, AXES.top] - found[:, 0, AXES.base], axis=-1)
    assert trunk.mean() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(in_own_axes(TOGETHER * 1.7, AXES), found, atol=1e-4)
    metres = in_own_axes(TOGETHER, AXES, scale=False)
    gap = [np.linalg.norm(np.nanmean(c[:, 1, 1] - c[:, 0, 1], axis=0)) for c in (metres, TOGETHER)]
    assert gap[0] == pytest.approx(gap[1], abs=1e-4), "two persons keep their distance"
    with pytest.raises(ClipError, match="trunk"):
        in_own_axes(ALONE * 0, AXES)


def test_gaps_are_held():
    clip = TOGETHER.copy()
    clip[:4, 1] = clip[9:12, 1] = np.nan
    filled = held(clip)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:4, 1], clip[4:5, 1].repeat(4, 0))
    np.testing.assert_array_equal(filled[9:12, 1], clip[8:9, 1].repeat(3, 0))
    np.testing.assert_array_equal(filled[:, 0], clip[:, 0])


def test_a_skeleton_without_a_trunk_is_refused():
    with pytest.raises(SettingsError, match="'hands-42' has no spine"):
        axes_of(HANDS_42)


def test_the_real_ntu_clip_faces_us_afterwards(real_data):
    joints = main_actors(read_skeleton(real_data("ntu60") / "S001C001P001R001A001.skeleton").joints)
    assert joints.shape == (103, 1, 25, 3)
    assert facing(in_own_axes(joints, AXES)) == pytest.approx(0, abs=1e-3)
    for degrees in (-40, 25):
        np.testing.assert_allclose(
            in_own_axes(turned(joints, degrees), AXES), in_own_axes(joints, AXES), atol=1e-4
        )


def test_alignment_brings_two_real_views_of_one_performance_together(real_data):
    """The same take from two sensors: after turning, first poses lie nearer than before, in most
    takes.
    """
    file = read_clips(real_data("nw-ucla"))
    table, axes = file.manifest, axes_of(KINECT_20)
    takes = table.groupby(["action", "subject", "episode"])["clip"].agg(list)
    gains = []
    for one, two in (clips for clips in takes if len(clips) == 2):
        apart = []
        for align in (True, False):
            first, second = (
                in_own_axes(file.points[clip][:, None], axes, align)[:5].mean(0)
                for clip in (one, two)
            )
            apart.append(np.linalg.norm(first - second, axis=-1).mean())
        gains.append(apart[1] - apart[0])
    # A sensor guesses shoulders that it does not see, so the angle is rough: 64 % of the takes
    # gain.
    assert len(gains) > 450
    assert np.mean(np.array(gains) > 0) > 0.6
    assert np.mean(gains) > 0


def test_a_joint_that_is_missing_for_a_while_is_on_its_way():
    """By hand: x of joint 2 is unseen, 1, unseen, unseen, 4, unseen; joint 3 is never seen."""
    clip = np.zeros((7, 1, 4, 3))
    clip[:6, 0, 2, 0] = [np.nan, 1, np.nan, np.nan, 4, np.nan]
    clip[:, 0, 3] = np.nan
    clip[6] = np.nan
    whole = filled(clip)
    assert whole[:6, 0, 2, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert np.isnan(whole[:, 0, 3]).all()
    assert np.isnan(whole[6]).all()
    assert filled(ALONE) is ALONE


def test_a_body_stays_there_when_one_of_its_joints_is_lost():
    clip = ALONE[:, :1].copy()
    clip[3:6, 0, 7] = np.nan
    np.testing.assert_array_equal(main_actors(clip), clip)
    clip[:, 0, 7] = np.nan
    with pytest.raises(ClipError, match="some joints are seen in no frame of the clip"):
        main_actors(clip)
