"""Northwestern-UCLA: the real file, its axes, its doubles, and files that do not fit together."""

import numpy as np
import pytest

from signlib.corpora.clips import load_manifest
from signlib.corpora.nw_ucla import read_clips
from signlib.corpora.splits import split_clips
from signlib.data.explore import leakage
from signlib.data.skeletons import KINECT_20
from signlib.errors import ManifestError, SettingsError
from signlib.settings.base import DataSettings


def save(folder, **changed):
    arrays = {
        "frames": np.arange(5 * 60, dtype=np.float32).reshape(5, 20, 3),
        "offsets": [0, 2, 5],
        "action": [1, 12],
        "subject": [3, 10],
        "episode": [0, 1],
        "view": [1, 2],
        **changed,
    }
    np.savez(folder / "clips.npz", **arrays)
    return folder


def test_clips_are_cut_out_and_named(tmp_path):
    file = read_clips(save(tmp_path))
    table = file.manifest
    assert table["clip"].tolist() == ["a01_s03_e00_v01", "a12_s10_e01_v02"]
    assert table["gloss"].tolist() == ["pick up with one hand", "carry"]
    assert table["signer"].tolist() == ["S03", "S10"]
    assert table["split"].tolist() == ["train", "test"]
    assert read_clips(tmp_path, "view-2").manifest["split"].tolist() == ["test", "train"]
    assert [len(file.points[clip]) for clip in table["clip"]] == [2, 3]
    assert file.points["a12_s10_e01_v02"][0, 0, 0] == 120


@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": [0, 2, 4]},
        {"offsets": [0, 5, 5]},
        {"view": [1]},
        {"action": [1, 7]},
        {"frames": np.zeros((5, 25, 3))},
        {"view": [1, 2], "episode": [0, 0], "action": [1, 1], "subject": [[1, 2]]},
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, changed):
    with pytest.raises(ManifestError, match=r"clips\.npz"):
        read_clips(save(tmp_path, **changed))


def test_other_settings_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="official and view-1 and view-2"):
        read_clips(save(tmp_path), "view-3")


def full_release(folder):
    """A clip of each of the three views, and a second one of view 3."""
    return save(
        folder,
        frames=np.zeros((8, 20, 3)),
        offsets=[0, 2, 4, 6, 8],
        view=[1, 2, 3, 3],
        action=[1, 1, 1, 1],
        subject=[1, 1, 1, 2],
        episode=[0, 0, 0, 0],
    )


@pytest.mark.parametrize(
    ("split_type", "splits", "note"),
    [
        ("", "train train test test", "view 1 and 2, tested on view 3: the official split"),
        ("official", "train train test test", "tested on view 3: the official split"),
        ("view-1", "train test - -", "trained on view 1, tested on view 2: not the official split"),
        ("view-2", "test train - -", "trained on view 2, tested on view 1: not the official split"),
    ],
)
def test_a_full_release_is_read_as_the_official_split(tmp_path, split_type, splits, note):
    full_release(tmp_path)
    settings = DataSettings(corpus="nw-ucla", root=str(tmp_path), split_type=split_type)
    table = load_manifest(settings)
    assert table["split"].tolist() == [split.strip("-") for split in splits.split()]
    notes = split_clips(table, settings).notes
    assert note in notes[0]
    assert ("2 clips have no split and are left out" in notes) == ("-" in splits)


def test_two_views_are_no_official_split_and_say_so(tmp_path):
    save(tmp_path, action=[1, 1])
    settings = DataSettings(corpus="nw-ucla", root=str(tmp_path))
    assert split_clips(load_manifest(settings), settings).notes[0] == (
        "trained on view 1, tested on view 2: not the official split, whose test is view 3"
    )
    with pytest.raises(
        ManifestError, match=r"holds views \[1, 2\]; .* set data\.split_type=view-1"
    ):
        read_clips(tmp_path, "official")


def test_the_real_clips(real_data):
    file = read_clips(real_data("nw-ucla"))
    table = file.manifest
    assert len(table) == 1020
    assert table["gloss"].nunique() == table["signer"].nunique() == 10
    assert table["split"].value_counts().to_dict() == {"train": 516, "test": 504}
    lengths = [len(file.points[clip]) for clip in table["clip"]]
    assert (min(lengths), max(lengths), sum(lengths)) == (1, 201, 44144)
    joints = np.concatenate([file.points[clip] for clip in table["clip"]])
    # In two frames of all the sensor lost six joints and wrote zeros.
    lost = np.isnan(joints).all(axis=-1)
    assert lost.sum(axis=1)[lost.any(axis=1)].tolist() == [6, 6]
    # y grows upwards; most people face the sensors, so their right is at larger x
    assert (
        joints[:, KINECT_20.index("head"), 1] > joints[:, KINECT_20.index("hip_centre"), 1]
    ).mean() > 0.99
    right, left = (joints[:, KINECT_20.index(f"{side}_shoulder"), 0] for side in ("right", "left"))
    assert (right > left).mean() > 0.7


def test_no_two_real_clips_are_the_same_bytes(real_data):
    file = read_clips(real_data("nw-ucla"))
    digests = {file.points[clip].tobytes() for clip in file.manifest["clip"]}
    assert len(digests) == 1020
    found = leakage(file.manifest, file.points.__getitem__).set_index("check")
    assert found.loc["same features as a training clip", "test clips"] == 0
