"""Northwestern-UCLA: the real file, its axes, its doubles, and files that do not fit together."""

import numpy as np
import pytest

from signlib.corpora.nw_ucla import read_clips
from signlib.data.explore import leakage
from signlib.data.skeletons import KINECT_20
from signlib.errors import ManifestError, SettingsError


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
    with pytest.raises(SettingsError, match="view-1 and view-2"):
        read_clips(save(tmp_path), "view-3")


def test_the_real_clips(real_data):
    file = read_clips(real_data("nw-ucla"))
    table = file.manifest
    assert len(table) == 1020
    assert table["gloss"].nunique() == table["signer"].nunique() == 10
    assert table["split"].value_counts().to_dict() == {"train": 516, "test": 504}
    lengths = [len(file.points[clip]) for clip in table["clip"]]
    assert (min(lengths), max(lengths), sum(lengths)) == (1, 201, 44144)
    joints = np.concatenate([file.points[clip] for clip in table["clip"]])
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
