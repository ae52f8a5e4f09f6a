"""Clips with some of three modalities: order, padding, what is missing, and changes that keep the
three together.
"""

import copy
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from signlib.data.manifest import complete
from signlib.data.skeletons import HANDS_42, MEDIAPIPE_543
from signlib.errors import ClipError, SettingsError
from signlib.extraction.filming import Filmed
from signlib.extraction.pictures import pictures_of, write_pictures
from signlib.models.fusion import MODALITIES
from signlib.settings.base import FeatureSettings
from signlib.settings.training import AugmentSettings
from signlib.stores.pictures import COLOUR, DEPTH, PictureSettings
from signlib.stores.store import Extraction, LoadedClips
from signlib.synthesis.camera import project
from signlib.synthesis.clips import GeneratedCorpus
from signlib.training.augment_video import (
    MultimodalAugment,
    VideoAugmentSettings,
    boxes,
    cut,
    mirror_batch,
)
from signlib.training.batches import Prepared, prepare_clips
from signlib.training.multimodal import KEYS, MultimodalDataset, collate

CLIPS = [f"c{i}" for i in range(6)]
TARGETS = [5, 4, 3, 2, 1, 0]
STILL = AugmentSettings(**dict.fromkeys(asdict(AugmentSettings()), 0.0))
OFF = VideoAugmentSettings(**dict.fromkeys(asdict(VideoAugmentSettings()), 0.0))
STRENGTHS = {"crop": 0.5, "aspect": 0.3, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5}
DEPTH_STRENGTHS = {"crop": 0.5, "depth_shift": 0.3, "depth_scale": 0.3, "holes": 0.5}


class Drawn:
    """Pictures of c0 .. c5 whose level says which clip and which frame; c1 has no depth, c4
    nothing.
    """

    origin = {"kind": "drawn"}  # noqa: RUF012
    manifest = complete(pd.DataFrame({"clip": CLIPS, "gloss": "G"}))

    def made_of(self, kinds):
        return None

    def film(self, row, kinds, settings):
        level = 10 * (int(row.clip[1:]) + 1) + np.arange(settings.frames)
        depth = (np.ones((1, settings.size, settings.size)) * level[:, None, None]).astype(np.uint8)
        made = {
            COLOUR: Filmed(depth[..., None].repeat(3, -1), 9, 32, 24),
            DEPTH: Filmed(depth, 9, 32, 24),
        }
        made |= {DEPTH: "lost"} if row.clip in ("c1", "c4") else {}
        return made | ({COLOUR: "cut off"} if row.clip == "c4" else {})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    settings = PictureSettings(frames=2, size=16)
    return write_pictures(
        Drawn(), tmp_path_factory.mktemp("pictures") / "store", settings, progress=False
    )


@pytest.fixture
def points():
    """c2 and c4 have no landmarks; clip k has 3 + k frames whose coordinates are k; one point is
    never seen.
    """
    kept = [k for k in range(6) if k not in (2, 4)]
    arrays = [np.full((3 + k, 4, 2), k, np.float32) for k in kept]
    for array in arrays:
        array[:, 3] = np.nan
    return Prepared([CLIPS[k] for k in kept], arrays, {"c2": "nobody was seen", "c4": "no scale"})


def dataset(pictures, points, modalities=("skeleton", "depth", "rgb"), **options):
    return MultimodalDataset(CLIPS, TARGETS, modalities, pictures, points, **options)


def same(first, second):
    assert first.keys() == second.keys()
    for key in first:
        # The landmarks' own changes go through a matrix, even one that turns nothing.
        atol = 1e-5 if key == "points" else 0
        np.testing.assert_allclose(
            np.asarray(first[key]), np.asarray(second[key]), atol=atol, rtol=0
        )


# --- the dataset ----------------------------------------------------------------------------------


def test_a_clip_is_told_from_another_by_its_pictures_its_points_and_its_gloss(pictures, points):
    before = dataset(pictures, points).marks()
    np.testing.assert_array_equal(dataset(pictures, points).marks(), before)
    kept = dataset(pictures, points, in_memory=True)
    np.testing.assert_array_equal(kept.marks(), before)

    def others(data):
        same = (data.marks() == before).all(axis=2)
        return [data.clips[clip] for clip in np.flatnonzero(~same.all(axis=1))]

    points.points[0][0, 0, 0] = 0.1
    assert others(dataset(pictures, points)) == ["c0"]
    points.points[0][0, 0, 0] = 0
    data = dataset(pictures, points)
    data.targets[1] += 1
    assert others(data) == ["c1"]
    # Colour of c3 in place of that of c2.
    swapped = copy.copy(pictures)
    swapped._rows = pictures._rows | {("c2", COLOUR): pictures._rows["c3", COLOUR]}
    assert others(dataset(swapped, points)) == ["c2"]


def test_modalities_stand_in_the_models_order():
    assert tuple(KEYS) == MODALITIES


def test_a_missing_modality_is_zero_counted_and_named(pictures, points):
    data = dataset(pictures, points)
    assert data.modalities == ("rgb", "depth", "skeleton")
    assert data.clips == ["c0", "c1", "c2", "c3", "c5"]
    assert data.targets.tolist() == [5, 4, 3, 2, 0]
    assert data.present.tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert data.missing == {
        "rgb": {},
        "depth": {"c1": "lost"},
        "skeleton": {"c2": "nobody was seen"},
    }
    assert data.left_out == {"c4": "rgb: cut off; depth: lost; skeleton: no scale"}
    no_depth, no_points = data[1], data[2]
    assert (no_depth["depth"].shape, no_depth["depth"].max()) == ((2, 16, 16), 0)
    assert (no_points["points"].shape, no_points["mask"].any()) == ((1, 4, 2), False)
    assert abs(int(no_depth["colour"][1, 3, 3, 0]) - 21) <= 1
    assert no_depth["present"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("modalities", "left"),
    [(("rgb",), 5), (("depth",), 4), (("skeleton",), 4), (("skeleton", "depth"), 5)],
)
def test_only_the_modalities_asked_for_are_there(pictures, points, modalities, left):
    data = dataset(pictures, points, modalities)
    assert len(data) == left
    keys = {KEYS[name] for name in modalities} | {"present", "target"}
    if "skeleton" in modalities:
        keys |= {"mask"}
    assert data[0].keys() == keys
    batch = collate([data[i] for i in range(len(data))])
    assert batch["present"].shape == (left, len(modalities))
    assert batch.keys() == keys | ({"lengths"} if "skeleton" in modalities else set())


def test_a_batch_keeps_order_and_pads_points_with_what_is_masked_out(pictures, points):
    data = dataset(pictures, points)
    batch = collate([data[i] for i in (4, 1, 2)])
    assert batch["target"].tolist() == [0, 4, 3]
    assert batch["lengths"].tolist() == [8, 4, 1]
    assert batch["points"].shape == (3, 8, 4, 2)
    assert batch["points"][:, :, 0, 0].tolist() == [[5] * 8, [1] * 4 + [0] * 4, [0] * 8]
    assert batch["mask"][:, :, 0].sum(1).tolist() == [8, 4, 0]
    assert not batch["mask"][:, :, 3].any()
    assert (batch["colour"].shape, batch["colour"].dtype) == ((3, 2, 16, 16, 3), torch.uint8)
    assert batch["depth"][:, :, 0, 0].tolist() == [[60, 61], [0, 0], [30, 31]]
    assert batch["present"].tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_pictures_in_memory_and_workers_change_nothing(pictures, points):
    data, kept = dataset(pictures, points), dataset(pictures, points, in_memory=True, repeats=2)
    assert len(kept) == 10
    for index in range(10):
        same(kept[index], data[index % 5])
    same(data[3], data[3])
    loaded = [
        list(DataLoader(data, 2, collate_fn=collate, num_workers=workers)) for workers in (0, 2)
    ]
    assert len(loaded[0]) == 3
    for one, other in zip(*loaded, strict=True):
        same(one, other)
    assert sum(1 for _ in kept) == 10


def test_what_cannot_work_is_refused(pictures, points):
    with pytest.raises(SettingsError, match="must be some of rgb, depth, skeleton, each once"):
        dataset(pictures, points, ("rgb", "sound"))
    with pytest.raises(SettingsError, match="needs a picture store with 'depth'; none was given"):
        dataset(None, points, ("depth",))
    with pytest.raises(SettingsError, match="needs points"):
        dataset(pictures, None)
    with pytest.raises(ClipError, match="no clip has landmarks"):
        dataset(pictures, Prepared([], [], {}))
    with pytest.raises(ClipError, match=r"no clip has any of rgb \(first c4: rgb: cut off\)"):
        MultimodalDataset(["c4"], [0], ["rgb"], pictures)


# --- changes of a batch ---------------------------------------------------------------------------


def random_batch(size=6, frames=3, side=32, **changes):
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": torch.uint8}
    batch = {
        "points": torch.randn(size, 5, 42, 3, generator=generator),
        "mask": torch.rand(size, 5, 42, generator=generator) < 0.9,
        "lengths": torch.full((size,), 5),
        "colour": torch.randint(0, 256, (size, frames, side, side, 3), **draw),
        "depth": torch.randint(0, 256, (size, frames, side, side), **draw),
        "present": torch.ones(size, 3, dtype=torch.bool),
        "target": torch.arange(size),
    }
    batch["points"] = batch["points"] * batch["mask"][..., None]
    return batch | changes


def seen(key, pictures):
    """A batch of pictures of one kind."""
    return {key: pictures, "present": torch.ones(len(pictures), 1, dtype=torch.bool)}


def changed(batch, seed=0, mirror=0.0, **strengths):
    hands = (HANDS_42.selection("left_hand"), HANDS_42.selection("right_hand"))
    torch.manual_seed(seed)
    settings = replace(STILL, mirror=mirror)
    return MultimodalAugment(settings, replace(OFF, **strengths), HANDS_42.mirror, hands)(batch)


def test_with_all_off_nothing_changes():
    same(changed(random_batch()), random_batch())


def test_mirroring_twice_is_the_identity_and_once_turns_every_modality():
    given, flip = random_batch(), torch.tensor([1, 0, 1, 0, 0, 1]).bool()
    once = mirror_batch(given, flip, HANDS_42.mirror)
    same(mirror_batch(once, flip, HANDS_42.mirror), given)
    same(given, random_batch())
    for key in ("colour", "depth"):
        assert torch.equal(once[key][flip][:, :, :, 0], given[key][flip][:, :, :, -1])
    for key in ("points", "colour", "depth"):
        assert torch.equal(once[key][~flip], given[key][~flip])
    torch.testing.assert_close(once["points"][0, :, :21, 0], -given["points"][0, :, 21:, 0])


def test_a_clip_is_mirrored_in_all_modalities_or_in_none():
    given = random_batch(200, side=4)
    out = changed(given, mirror=0.25)
    turned = [
        ((out[key].float() - given[key].float()).abs() > 1e-3).flatten(1).any(1)
        for key in ("points", "colour", "depth")
    ]
    assert torch.equal(turned[0], turned[1])
    assert torch.equal(turned[0], turned[2])
    assert 0.15 < turned[0].float().mean() < 0.35


def test_mirrored_pictures_show_at_the_mirrored_points_what_they_showed_at_the_points(tmp_path):
    """Landmarks and pictures of one generated clip: each joint keeps its colour, the left one as
    the right one.
    """
    world = GeneratedCorpus(2, 3, 1)
    clip = world.manifest["clip"][0]
    store = pictures_of(world, tmp_path, PictureSettings(frames=4, size=96), [clip], progress=False)
    true = project(world.performance(clip).points, world.seated(clip))[..., :2]
    true = true[np.floor(np.linspace(0, len(true) - 1, 4) + 0.5).astype(int)]
    extraction = Extraction("true", shape=(543, 2), skeleton=MEDIAPIPE_543.name)
    source = LoadedClips(complete(pd.DataFrame({"clip": [clip]})), lambda _: true, extraction)
    raw = FeatureSettings(joints="all", normalise=False, dominant=False, coordinates=2)
    data = MultimodalDataset([clip], [0], list(KEYS), store, prepare_clips(source, [clip], raw))
    given = collate([data[0]])
    turned = mirror_batch(given, torch.tensor([True]), MEDIAPIPE_543.mirror)

    def shown(batch, key):
        """(T, J, ...) the pictures at the points that lie inside."""
        places = (96 * (batch["points"][0, :, :, :2] + 0.5)).floor().long()
        inside = ((places >= 0) & (places < 96)).all(-1)
        x, y = places.clamp(0, 95).unbind(-1)
        return batch[key][0][torch.arange(4)[:, None], y, x], inside

    mirror = list(MEDIAPIPE_543.mirror)
    for key in ("colour", "depth"):
        (before, inside), (after, still) = shown(given, key), shown(turned, key)
        assert torch.equal(inside, still[:, mirror])
        assert inside[:, :468].all()
        assert torch.equal(before[inside], after[:, mirror][inside])
        unturned = shown({**turned, key: given[key]}, key)[0]
        assert not torch.equal(before[inside], unturned[:, mirror][inside])


def test_a_cut_out_fills_the_picture():
    ramp = torch.arange(8.0).view(1, 1, 1, 1, 8).expand(1, 2, 3, 8, 8)
    whole = torch.tensor([[0.0, 0, 1, 1]])
    torch.testing.assert_close(cut(ramp, whole, "bilinear"), ramp)
    half = cut(ramp, torch.tensor([[0.5, 0.0, 0.5, 1.0]]), "nearest")
    assert half[0, 1, 2, 3].tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    smooth = cut(ramp, torch.tensor([[0.25, 0.25, 0.5, 0.5]]), "bilinear")
    assert smooth[0, 0, 0, 0].tolist() == [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25]


def test_cut_outs_lie_inside_and_keep_the_area_asked_for():
    torch.manual_seed(0)
    left, top, width, height = boxes(2000, 0.4, 0.2, torch.device("cpu")).T
    assert min(left.min(), top.min()) >= 0
    assert max((left + width).max(), (top + height).max()) <= 1 + 1e-6
    inside = (width < 1) & (height < 1)
    assert 0.6 <= (width * height)[inside].min() < 0.62
    shape = (width / height).log().abs()
    assert 0.19 < shape[inside].max() <= 0.2 + 1e-6
    assert (left.std() > 0.03) & (top.std() > 0.03)


def test_colour_and_depth_are_cut_alike_and_all_frames_of_a_clip_the_same():
    column = torch.arange(32, dtype=torch.uint8).mul(8).expand(6, 3, 32, 32)
    out = changed(
        random_batch(colour=column[..., None].expand(-1, -1, -1, -1, 3), depth=column),
        crop=0.6,
        aspect=0.2,
    )
    assert torch.equal(out["colour"], out["colour"][:, :1].expand_as(out["colour"]))
    assert torch.equal(out["depth"], out["depth"][:, :1].expand_as(out["depth"]))
    assert (out["colour"][..., 0].int() - out["depth"].int()).abs().max() <= 8
    assert len({tuple(row.tolist()) for row in out["depth"][:, 0, 0]}) == 6


@pytest.mark.parametrize(
    ("key", "strength"),
    [("colour", s) for s in STRENGTHS] + [("depth", s) for s in DEPTH_STRENGTHS],
)
def test_every_strength_changes_its_pictures_and_repeats_under_a_seed(key, strength):
    value = {**STRENGTHS, **DEPTH_STRENGTHS}[strength]
    out = changed(random_batch(), 5, **{strength: value})
    assert (out[key] != random_batch()[key]).flatten(1).any(1).sum() >= 5, (
        "a cut-out may be nearly the whole"
    )
    assert (out[key].dtype, out[key].shape) == (torch.uint8, random_batch()[key].shape)
    same(out, changed(random_batch(), 5, **{strength: value}))
    assert not torch.equal(out[key], changed(random_batch(), 6, **{strength: value})[key])
    same(
        {k: out[k] for k in ("points", "mask", "target")},
        {k: random_batch()[k] for k in ("points", "mask", "target")},
    )


def test_brightness_contrast_and_saturation_by_hand():
    grey = torch.full((1, 1, 2, 2, 3), 100, dtype=torch.uint8)
    bright = changed(seen("colour", grey), brightness=0.5)["colour"]
    torch.manual_seed(0)
    torch.rand(1)  # the chance of mirroring
    factor = 1 + 0.5 * (2 * torch.rand(1, 3)[0, 0] - 1)
    assert (bright == (100 * factor).round()).all()
    steps = torch.tensor([50, 150], dtype=torch.uint8).view(1, 1, 1, 2, 1).expand(1, 1, 2, 2, 3)
    out = changed(seen("colour", steps), contrast=0.5)["colour"].float()
    torch.testing.assert_close(out.mean(), torch.tensor(100.0), atol=1, rtol=0)
    assert (out[..., 1, :] - out[..., 0, :] != 100).all()
    same({"x": changed(seen("colour", steps), saturation=0.9)["colour"]}, {"x": steps})
    red = torch.tensor([200, 100, 100], dtype=torch.uint8).expand(1, 1, 2, 2, 3)
    out = changed(seen("colour", red), saturation=0.5)["colour"][0, 0, 0, 0].float()
    torch.testing.assert_close(
        (out * torch.tensor([0.299, 0.587, 0.114])).sum(), torch.tensor(129.9), atol=1, rtol=0
    )
    assert out[0] - out[1] != 100


def test_all_three_changes_of_colour_are_those_of_one_after_the_other():
    frames = random_batch(3)["colour"] // 2 + 60
    out = changed(seen("colour", frames), brightness=0.2, contrast=0.2, saturation=0.2)["colour"]
    torch.manual_seed(0)
    torch.rand(3)  # the chance of mirroring
    draws = 1 + 0.2 * (2 * torch.rand(3, 3) - 1)
    weights = torch.tensor([0.299, 0.587, 0.114])
    for clip, (bright, contrast, saturation), found in zip(frames.float(), draws, out, strict=True):
        lit = bright * clip
        middle = (lit @ weights).mean()
        lit = middle + contrast * (lit - middle)
        grey = (lit @ weights)[..., None]
        expected = (grey + saturation * (lit - grey)).round().clamp(0, 255)
        assert (found.float() - expected).abs().max() <= 1
        assert (found.float() == expected).float().mean() > 0.99


def test_depth_that_was_not_measured_stays_so_and_the_rest_stays_measured():
    depth = random_batch()["depth"]
    depth[:, :, :8] = 0
    out = changed(random_batch(depth=depth), depth_shift=0.9, depth_scale=0.9)["depth"]
    assert torch.equal(out == 0, depth == 0)
    torch.manual_seed(0)
    torch.rand(6)  # the chance of mirroring
    shift, _ = (2 * torch.rand(2, 6) - 1).unbind()
    level = torch.full((6, 1, 8, 8), 100, dtype=torch.uint8)
    moved = changed(seen("depth", level), depth_shift=0.1)["depth"]
    torch.testing.assert_close(
        moved[:, 0, 0, 0].float(), (100 + 25.5 * shift).round(), atol=1, rtol=0
    )


def test_holes_are_squares_of_the_share_asked_for_and_differ_by_frame():
    depth = torch.full((40, 2, 112, 112), 9, dtype=torch.uint8)
    out = changed(random_batch(40, depth=depth), holes=0.4)["depth"]
    lost = out == 0
    assert (out[~lost] == 9).all()
    share = lost.float().mean((1, 2, 3))
    assert 0.3 < share.max() < 0.46
    assert share.min() < 0.05
    squares = lost.unflatten(3, (28, 4)).unflatten(2, (28, 4))
    assert torch.equal(squares, squares[:, :, :, :1, :, :1].expand_as(squares))
    assert not torch.equal(out[:, 0], out[:, 1])


def test_a_missing_modality_stays_missing_through_every_change():
    given = random_batch()
    for key in ("colour", "depth", "points", "mask"):
        given[key][2] = 0
    given["present"][2] = False
    strong = MultimodalAugment(
        AugmentSettings(),
        VideoAugmentSettings(0.5, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        HANDS_42.mirror,
        (),
        3,
    )
    out = strong(given)
    assert all((out[key][2] == 0).all() for key in ("colour", "depth", "points", "mask"))
    assert torch.equal(out["present"], given["present"])
    assert out["colour"][0].any()


def test_a_batch_without_landmarks_or_pictures_is_changed_too():
    whole = random_batch()
    for keys in (("colour",), ("depth",), ("points", "mask", "lengths")):
        part = {key: whole[key] for key in (*keys, "present", "target")}
        out = changed(part, mirror=1.0, **STRENGTHS)
        assert out.keys() == part.keys()
        assert not torch.equal(out[keys[0]], part[keys[0]])
