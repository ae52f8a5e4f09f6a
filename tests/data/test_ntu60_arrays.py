"""NTU RGB+D 60 in other people's arrays: clips come back unchanged, without padding or pickles."""

import pickle

import numpy as np
import pytest

from signlib.data import ntu60
from signlib.data.ntu60_arrays import bodies, is_arrays, read_arrays
from signlib.errors import InputError, ManifestError

RNG = np.random.default_rng(0)


def person(frames, persons=1):
    """(T, 2, 25, 3); zeros for a second body that is not there."""
    clip = np.zeros((frames, 2, 25, 3), np.float32)
    clip[:, :persons] = RNG.normal(size=(frames, persons, 25, 3))
    return clip


def padded(clip, frames=40):
    return np.concatenate([clip, np.zeros((frames - len(clip), *clip.shape[1:]), np.float32)])


def npz(path, clips, labels, part="train", save=np.savez):
    arrays = {
        f"x_{part}": np.stack([padded(c).reshape(40, 150) for c in clips]),
        f"y_{part}": np.eye(60)[labels],
    }
    save(path, **arrays)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_npz_form_gives_the_clips_back(tmp_path, save):
    one, two = person(30), person(12, 2)
    path = npz(tmp_path / "NTU60_CS.npz", [one, two], [0, 49], save=save)
    assert is_arrays(tmp_path, "xsub")
    assert not is_arrays(tmp_path, "xview")
    for root in (path, tmp_path):
        arrays = read_arrays(root)
        assert arrays.manifest["gloss"].tolist() == ["drink water", "punch or slap"]
        assert arrays.manifest["split"].tolist() == ["train", "train"]
        assert set(arrays.manifest["signer"]) == {""}
        clips = dict(arrays.read)
        np.testing.assert_array_equal(clips["train-00000"][:, 0], one[:, 0])
        assert np.isnan(clips["train-00000"][:, 1]).all()
        np.testing.assert_array_equal(clips["train-00001"], two)


def test_the_file_says_who_tests_and_labels_may_be_numbers(tmp_path):
    clips = np.stack([padded(person(5)).reshape(40, 150)])
    np.savez(tmp_path / "a.npz", x_train=clips, y_train=[3], x_test=clips, y_test=[4])
    table = read_arrays(tmp_path / "a.npz").manifest
    assert table[["clip", "split", "action"]].values.tolist() == [
        ["train-00000", "train", 4],
        ["test-00000", "test", 5],
    ]


def agcn(folder, clips, part="train"):
    np.save(
        folder / f"{part}_data_joint.npy",
        np.stack([padded(c).transpose(3, 0, 2, 1) for c in clips]),
    )


def test_the_npy_form_with_named_labels_knows_performers_and_leaves_the_missing_out(tmp_path):
    good, missing = "S001C001P003R001A002", "S001C002P005R002A008"
    clip = person(20, 2)
    agcn(tmp_path, [clip, person(3)], "val")
    np.savez(tmp_path / "val_label.npz", name=[good + ".skeleton", missing], label=[1, 7])
    arrays = read_arrays(tmp_path)
    (row,) = arrays.manifest.to_dict("records")
    assert [row[key] for key in ("clip", "gloss", "signer", "split", "camera")] == [
        good,
        "eat meal",
        "P003",
        "test",
        1,
    ]
    ((name, joints),) = arrays.read
    assert name == good
    np.testing.assert_array_equal(joints, clip)


def test_a_pickle_is_never_opened_and_the_way_around_it_works(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    agcn(tmp_path, [person(4)])
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="reading one runs whatever code is in it") as refused:
        read_arrays(tmp_path)
    with pytest.raises(InputError, match=r"pickle\.load"):
        read_arrays(tmp_path / "train_label.pkl")
    assert not (tmp_path / "sprung").exists()
    (tmp_path / "train_label.pkl").write_bytes(
        pickle.dumps((["S001C001P001R001A003.skeleton"], [2]))
    )
    code = str(refused.value).partition('python -c "')[2].partition('"')[0]
    exec(code)
    assert read_arrays(tmp_path).manifest["gloss"].tolist() == ["brush teeth"]


def test_padding_is_cut_off_however_it_was_made():
    clip = person(7)
    for filled in (
        padded(clip),
        np.concatenate([clip] * 3)[:17],
        np.concatenate([clip, clip[-1:].repeat(9, 0)]),
        np.concatenate([np.zeros_like(clip), clip]),
    ):
        np.testing.assert_array_equal(bodies(filled)[:, 0], clip[:, 0])
    gap = clip.copy()
    gap[3] = 0
    assert np.isnan(bodies(gap)[3]).all()
    two = person(4, 2)
    two[2, 1] = 0
    missing = np.isnan(bodies(two)).all(axis=(2, 3))
    assert missing.tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]
    assert bodies(np.ones((5, 2, 25, 3))).shape == (1, 2, 25, 3)
    assert np.isnan(bodies(np.zeros((5, 2, 25, 3)))).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y_train": np.eye(60)[:1]}, "has no array 'x_train'"),
        ({"x_train": np.ones((1, 4, 150))}, "has no array 'y_train'"),
        (
            {"x_train": np.ones((1, 4, 150)), "y_train": [60]},
            "labels of train must be numbers from 0 to 59; row 0 is 60",
        ),
        (
            {"x_train": np.ones((2, 4, 150)), "y_train": [3, np.nan]},
            "labels of train must be numbers from 0 to 59; row 1 is nan",
        ),
        (
            {"x_train": np.ones((2, 4, 150)), "y_train": np.eye(2, 60) * [[1], [0]]},
            "y_train, row 1: 0 of its 60 values are 1 and 0 are NaN; a label is a single 1",
        ),
        (
            {"x_train": np.ones((2, 4, 150)), "y_train": np.full((2, 60), np.nan)},
            "y_train, row 0: 0 of its 60 values are 1 and 60 are NaN",
        ),
        ({"x_train": np.ones((1, 4, 150)), "y_train": np.ones((1, 60))}, "row 0: 60 of its 60"),
        ({"x_train": np.ones((1, 4, 150)), "y_train": [3, 4]}, "y_train has 2 labels for 1 clips"),
        ({"x_train": np.ones((2, 4, 150)), "y_train": [3]}, "y_train has 1 labels for 2 clips"),
        ({"x_train": np.ones((1, 4, 149)), "y_train": [3]}, r"has shape \(4, 149\)"),
        ({"x_train": np.array([{}]), "y_train": [3]}, "must hold plain numbers"),
        (
            {"x_train": np.ones((1, 4, 150)), "y_train": np.ones((10**9, 0))},
            r"'y_train': it is empty, of shape \(1000000000, 0\)",
        ),
        ({"x_train": 1.0, "y_train": [3]}, r"'x_train': it is a single float64 of shape \(\)"),
        ({"x_train": np.ones((1, 4, 150)), "y_train": 3}, "'y_train': it is a single int64"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ManifestError, match=message):
        list(read_arrays(tmp_path / "a.npz").read)


def test_damaged_files_are_named(tmp_path):
    path = npz(tmp_path / "a.npz", [person(30)], [0])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ManifestError, match=r"a\.npz is no readable"):
        read_arrays(path)
    np.save(tmp_path / "train_data_joint.npy", np.ones((2, 3, 4, 25)))
    with pytest.raises(ManifestError, match=r"not \(N, 3, T, 25, 2\)"):
        read_arrays(tmp_path)
    agcn(tmp_path, [person(3)])
    with pytest.raises(InputError, match=r"train_label\.npz does not exist"):
        read_arrays(tmp_path)
    np.save(tmp_path / "train_label.npy", [1, 2])
    with pytest.raises(ManifestError, match="has 2 labels for 1 clips"):
        read_arrays(tmp_path)
    (tmp_path / "train_label.npy").unlink()
    np.savez(tmp_path / "train_label.npz", name=["S001C001P001R001A003"], label=[3])
    with pytest.raises(ManifestError, match="is not its action minus one"):
        read_arrays(tmp_path)
    np.savez(tmp_path / "train_label.npz", name=[["S001C001P001R001A003"]], label=[2])
    with pytest.raises(ManifestError, match=r"'name': it is <U20 of shape \(1, 1\), not text"):
        read_arrays(tmp_path)


def test_the_302_missing_clips_are_the_ones_that_the_official_list_lacks(real_data):
    names = real_data("ntu60") / "ntu60_skes_available_name.txt"
    table = ntu60.read_manifest(names.parent, names=names)
    planned = {
        f"S{setup:03d}C{camera:03d}P{performer:03d}R{take:03d}A{action:03d}"
        for setup, performer in set(zip(table["setup"], table["performer"], strict=True))
        for camera in (1, 2, 3)
        for take in (1, 2)
        for action in range(1, 61)
    }
    assert planned - set(table["clip"]) == ntu60.missing_clips()
    assert len(ntu60.missing_clips()) == 302


def test_missing_clips_are_left_out_of_a_folder_and_of_a_list(tmp_path):
    for name in ("S001C002P005R002A008", "S001C001P001R001A001"):
        (tmp_path / f"{name}.skeleton").touch()
    (tmp_path / "names.txt").write_text("S001C002P005R002A008\nS001C001P001R001A001\n")
    assert ntu60.read_manifest(tmp_path)["clip"].tolist() == ["S001C001P001R001A001"]
    assert ntu60.read_manifest(tmp_path, names=tmp_path / "names.txt")["clip"].tolist() == [
        "S001C001P001R001A001"
    ]
