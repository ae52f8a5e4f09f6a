"""From clips to batches: what the model gets to see, and what it must not."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.data.skeletons import HANDS_42, MEDIAPIPE_75, MEDIAPIPE_543, NTU_25
from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import mirror, normalise
from signlib.settings.base import FeatureSettings
from signlib.stores.store import Extraction, LoadedClips
from signlib.training.batches import (
    ClipDataset,
    collate,
    left_leads,
    prepare,
    prepare_clips,
    resample,
)

LEFT, RIGHT = MEDIAPIPE_75.selection("left_hand"), MEDIAPIPE_75.selection("right_hand")


def clip(moving: str = "right", frames: int = 10, skeleton=MEDIAPIPE_75) -> np.ndarray:
    """A signer in raw landmarks, one of whose hands moves up while the other rests."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0.3, 0.7, (1, len(skeleton), 4)).astype(np.float32).repeat(frames, axis=0)
    points[:, skeleton.index("left_shoulder"), :2] = [0.65, 0.5]
    points[:, skeleton.index("right_shoulder"), :2] = [0.35, 0.5]
    points[:, skeleton.selection(f"{moving}_hand"), 1] -= np.linspace(0, 0.3, frames)[:, None]
    return points


def test_a_clip_is_normalised_and_its_joints_and_coordinates_are_chosen():
    raw = clip()
    out = prepare(raw, MEDIAPIPE_75, FeatureSettings(joints="hands", coordinates=2), aspect=16 / 9)
    np.testing.assert_array_equal(out, normalise(raw, MEDIAPIPE_75, 16 / 9)[:, 33:, :2])
    assert out.dtype == np.float32
    three = prepare(raw, MEDIAPIPE_75, FeatureSettings(z_weight=0.5), aspect=16 / 9)
    whole = normalise(raw, MEDIAPIPE_75, 16 / 9)
    np.testing.assert_array_equal(three[..., :2], whole[..., :2])
    np.testing.assert_allclose(three[..., 2], whole[..., 2] / 2, rtol=1e-6)


@pytest.mark.parametrize("aspect", [0.0, float("nan"), -1.0, float("inf")])
def test_a_picture_of_unknown_shape_counts_as_square(aspect):
    np.testing.assert_array_equal(
        prepare(clip(), MEDIAPIPE_75, FeatureSettings(), aspect),
        prepare(clip(), MEDIAPIPE_75, FeatureSettings(), 1.0),
    )


def test_a_clip_led_by_the_left_hand_is_mirrored_and_one_led_by_the_right_is_not():
    left, right = clip("left"), clip("right")
    assert left_leads(left, MEDIAPIPE_75)
    assert not left_leads(right, MEDIAPIPE_75)
    out = prepare(left, MEDIAPIPE_75, FeatureSettings())
    np.testing.assert_allclose(
        out, mirror(normalise(left, MEDIAPIPE_75), MEDIAPIPE_75)[..., :3], atol=1e-6
    )
    kept = prepare(left, MEDIAPIPE_75, FeatureSettings(dominant=False))
    np.testing.assert_array_equal(kept, normalise(left, MEDIAPIPE_75)[..., :3])
    np.testing.assert_array_equal(
        prepare(right, MEDIAPIPE_75, FeatureSettings()), normalise(right, MEDIAPIPE_75)[..., :3]
    )


def test_a_clip_and_its_mirror_image_look_the_same_to_the_model():
    raw = clip("left")
    one = prepare(raw, MEDIAPIPE_75, FeatureSettings())
    two = prepare(mirror(raw, MEDIAPIPE_75, 0.5), MEDIAPIPE_75, FeatureSettings())
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_the_hand_that_is_seen_leads():
    one = clip("left")
    one[:, LEFT] = np.nan
    assert not left_leads(one, MEDIAPIPE_75)
    other = clip("right")
    other[:, RIGHT] = np.nan
    assert left_leads(other, MEDIAPIPE_75)
    assert not left_leads(np.zeros((3, 25, 3), np.float32), NTU_25)


def test_raw_coordinates_are_those_of_the_picture_from_its_middle():
    raw = clip()
    settings = FeatureSettings(normalise=False, dominant=False, joints="all", coordinates=2)
    np.testing.assert_allclose(
        prepare(raw, MEDIAPIPE_75, settings, 16 / 9), raw[..., :2] - 0.5, atol=1e-6
    )
    leading = FeatureSettings(normalise=False, joints="all", coordinates=2)
    left = clip("left")
    np.testing.assert_allclose(
        prepare(left, MEDIAPIPE_75, leading),
        mirror(left, MEDIAPIPE_75, 0.5)[..., :2] - 0.5,
        atol=1e-6,
    )


def test_preparing_does_not_write_into_the_store():
    raw = clip("left")
    raw.flags.writeable = False
    for normalised in (True, False):
        out = prepare(raw, MEDIAPIPE_75, FeatureSettings(normalise=normalised, longest_gap=0))
        out[:] = 7
    np.testing.assert_array_equal(raw, clip("left"))


@pytest.mark.parametrize("normalised", [True, False])
def test_a_clip_of_which_nothing_was_seen_is_refused(normalised):
    with pytest.raises(ClipError, match="no point of the clip was seen"):
        prepare(
            np.full((4, 75, 4), np.nan, np.float32),
            MEDIAPIPE_75,
            FeatureSettings(normalise=normalised),
        )
    handless = clip()
    handless[:, 33:] = np.nan
    with pytest.raises(ClipError, match=r"features\.joints=hands"):
        prepare(handless, MEDIAPIPE_75, FeatureSettings(joints="hands", normalise=normalised))


def test_three_coordinates_of_flat_landmarks_are_refused():
    with pytest.raises(SettingsError, match=r"features\.coordinates=3.*have 2"):
        prepare(clip()[..., :2], MEDIAPIPE_75, FeatureSettings())
    assert prepare(clip()[..., :2], MEDIAPIPE_75, FeatureSettings(coordinates=2)).shape == (
        10,
        75,
        2,
    )


def test_clips_that_cannot_be_used_are_named_and_the_others_kept():
    clips = {"a": clip(), "b": np.full((4, 75, 4), np.nan, np.float32), "c": clip("left", 7)}
    table = pd.DataFrame({"clip": list(clips), "width": [1600, 0, 800], "height": [900, 0, 800]})
    source = LoadedClips(
        table, clips.__getitem__, Extraction("imported", "", (75, 4), ("x", "y"), "mediapipe-75")
    )
    prepared = prepare_clips(source, ["c", "b", "a"], FeatureSettings())
    assert prepared.clips == ["c", "a"]
    assert list(prepared.unusable) == ["b"]
    assert "no point" in prepared.unusable["b"]
    np.testing.assert_array_equal(
        prepared.points[1], prepare(clips["a"], MEDIAPIPE_75, FeatureSettings(), 16 / 9)
    )
    np.testing.assert_array_equal(
        prepared.points[0], prepare(clips["c"], MEDIAPIPE_75, FeatureSettings(), 1.0)
    )


def test_a_batch_is_padded_with_zeros_that_are_masked_out():
    one, two = np.ones((3, 2, 2), np.float32), np.full((1, 2, 2), 5, np.float32)
    one[1, 0] = np.nan
    data = ClipDataset([one, two], [4, 1])
    assert len(data) == 2
    batch = collate([data[0], data[1]])
    assert batch["points"].tolist() == [
        [[[1, 1], [1, 1]], [[0, 0], [1, 1]], [[1, 1], [1, 1]]],
        [[[5, 5], [5, 5]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]],
    ]
    assert batch["mask"].int().tolist() == [[[1, 1], [0, 1], [1, 1]], [[1, 1], [0, 0], [0, 0]]]
    assert batch["lengths"].tolist() == [3, 1]
    assert batch["target"].tolist() == [4, 1]


def test_a_pass_can_show_each_clip_several_times():
    data = ClipDataset([np.full((1, 1, 2), x, np.float32) for x in (1, 2)], [4, 1], repeats=3)
    assert [
        (float(points[0, 0, 0]), target)
        for points, _, target in (data[i] for i in range(len(data)))
    ] == [
        (1, 4),
        (2, 1),
        (1, 4),
        (2, 1),
        (1, 4),
        (2, 1),
    ]


def batch_of(*clips: list[float]) -> dict[str, torch.Tensor]:
    """Clips of one point whose x and y are the numbers given; nan = missing."""
    arrays = [np.array(clip, np.float32)[:, None, None].repeat(2, axis=2) for clip in clips]
    return collate([ClipDataset(arrays, range(len(arrays)))[i] for i in range(len(arrays))])


def xs(batch: dict[str, torch.Tensor], row: int = 0) -> list[float]:
    points, mask = batch["points"][row, :, 0, 0], batch["mask"][row, :, 0]
    assert (points[~mask] == 0).all()
    return [
        round(x, 4) if seen else None
        for x, seen in zip(points.tolist(), mask.tolist(), strict=True)
    ]


def test_resampling_interpolates_over_the_clips_own_length():
    batch = batch_of([0, 10, 20], [4, 4, 4, 4, 8], [3])
    out = resample(batch, 5)
    assert xs(out) == [0, 5, 10, 15, 20]
    assert xs(out, 1) == [4, 4, 4, 4, 8]
    assert xs(out, 2) == [3] * 5
    assert out["lengths"].tolist() == [5, 5, 5]
    assert xs(resample(batch, 2), 1) == [4, 8]
    assert xs(resample(batch, 4)) == pytest.approx([0, 6.6667, 13.3333, 20])
    assert resample(batch, 0) is batch


def test_where_one_neighbour_is_missing_the_other_counts():
    nan = float("nan")
    assert xs(resample(batch_of([0, nan, 20, 30]), 7)) == [0, 0, None, 20, 20, 25, 30]
    assert xs(resample(batch_of([nan, nan, 20, 30]), 7)) == [None, None, None, 20, 20, 25, 30]
    assert xs(resample(batch_of([nan, nan]), 3)) == [None] * 3


@pytest.mark.parametrize("length", [2, 7, 12, 27, 32, 33, 100])
def test_resampling_to_the_same_length_is_the_identity(length):
    generator = torch.Generator().manual_seed(length)
    mask = torch.rand(3, length, 4, generator=generator) > 0.3
    points = torch.randn(3, length, 4, 2, generator=generator) * mask[..., None]
    batch = {"points": points, "mask": mask, "lengths": torch.full((3,), length)}
    out = resample(batch, length)
    assert (out["mask"] == mask).all()
    assert (out["points"] == points).all()


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 40), padding=st.integers(1, 20), frames=st.integers(1, 50))
def test_padding_changes_no_resampled_clip(length, padding, frames):
    generator = torch.Generator().manual_seed(length)
    mask = torch.rand(1, length, 3, generator=generator) > 0.2
    points = torch.randn(1, length, 3, 2, generator=generator) * mask[..., None]
    short = {"points": points, "mask": mask, "lengths": torch.tensor([length])}
    long = {
        "points": torch.cat([points, torch.full((1, padding, 3, 2), 99.0)], 1),
        "mask": torch.cat([mask, torch.ones(1, padding, 3, dtype=torch.bool)], 1),
        "lengths": torch.tensor([length]),
    }
    one, two = resample(short, frames), resample(long, frames)
    assert (one["mask"] == two["mask"]).all()
    assert (one["points"] == two["points"]).all()


def test_warp_and_crop_keep_the_order_of_time_and_stay_inside_the_clip():
    ramp = batch_of(*[list(range(40))] * 200)
    torch.manual_seed(0)
    warped = resample(ramp, 32, warp=0.3)["points"][..., 0, 0]
    assert (warped.diff(dim=1) > 0).all()
    torch.testing.assert_close(warped[:, 0], torch.zeros(200), atol=1e-3, rtol=0)
    torch.testing.assert_close(warped[:, -1], torch.full((200,), 39.0), atol=1e-3, rtol=0)
    assert warped[:, 16].std() > 0.5
    torch.manual_seed(0)
    cropped = resample(ramp, 32, crop=0.2)["points"][..., 0, 0]
    start, end = cropped[:, 0], cropped[:, -1]
    assert 0 <= start.min() < 0.5 < 7 < start.max() <= 0.2 * 39
    assert 39 * 0.8 <= end.min() < 32 < 38.5 < end.max() <= 39
    strongest = resample(ramp, 32, warp=1.0, crop=0.45)["points"][..., 0, 0]
    assert strongest.min() >= 0
    assert strongest.max() <= 39


@pytest.mark.real
def test_real_clips_are_prepared(real_data):
    from signlib.corpora.clips import load_corpus
    from signlib.settings.base import DataSettings

    source = load_corpus(DataSettings(corpus="dgs-30", root=str(real_data("dgs-30"))))
    names = source.labelled["clip"].tolist()[::40]
    prepared = prepare_clips(source, names, FeatureSettings(joints="hands"))
    assert len(prepared.clips) + len(prepared.unusable) == len(names)
    assert len(prepared.clips) >= 0.95 * len(names)
    for points in prepared.points:
        assert points.shape[1:] == (42, 3)
        assert not left_leads(points, HANDS_42)
    assert MEDIAPIPE_543.select("hands").mirror == HANDS_42.mirror
