"""Corpora of landmarks: read as they are, hands that stay themselves, nothing unpickled."""

from dataclasses import replace

import numpy as np
import pytest

from signlib.corpora.asl_words_letters import read_asl_letters, read_asl_words
from signlib.corpora.clips import load_corpus, load_manifest
from signlib.corpora.dgs_30 import read_dgs_30, track_hands
from signlib.corpora.landmark_files import LandmarkFileCorpus, open_arrays
from signlib.corpora.registry import CORPORA
from signlib.corpora.splits import split_clips
from signlib.corpora.wlasl_50 import read_wlasl_50
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.settings.base import DataSettings

SCALE = 0.001


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def hand(x, y=0.5):
    """21 points to the right of a wrist at (x, y)."""
    points = np.zeros((21, 3))
    points[:, 0] = x + 0.001 * np.arange(21)
    points[:, 1] = y
    return points


NONE = np.full((21, 3), np.nan)


def wrists(tracked):
    """The x of both wrists in each frame."""
    return tracked[:, :, 0, 0]


def test_hands_that_change_places_in_the_list_stay_themselves():
    clip = np.array([[hand(0.2), hand(0.7)], [hand(0.72), hand(0.22)], [hand(0.24), hand(0.74)]])
    before = clip.copy()
    tracked = track_hands(clip)
    # Seen from the camera the hand on the left of the picture is the right hand: index 1.
    np.testing.assert_allclose(wrists(tracked), [[0.7, 0.2], [0.72, 0.22], [0.74, 0.24]])
    np.testing.assert_array_equal(clip, before)
    assert tracked.shape == clip.shape


def test_a_hand_that_is_alone_for_a_while_goes_to_the_nearer_one():
    clip = np.array(
        [[hand(0.2), hand(0.7)], [hand(0.69), NONE], [NONE, hand(0.68)], [hand(0.66), hand(0.25)]]
    )
    tracked = wrists(track_hands(clip))
    np.testing.assert_allclose(tracked, [[0.7, 0.2], [0.69, np.nan], [0.68, np.nan], [0.66, 0.25]])


def test_crossing_hands_keep_their_names():
    xs = np.linspace(0, 1, 11)
    clip = np.array([[hand(0.2 + 0.6 * x, 0.3), hand(0.8 - 0.6 * x, 0.7)] for x in xs[:8]])
    shuffled = clip.copy()
    shuffled[1::2] = shuffled[1::2, ::-1]
    tracked = track_hands(shuffled)
    assert len(np.unique(tracked[:, 0, 0, 1])) == 1
    np.testing.assert_allclose(np.sort(tracked, axis=1), np.sort(clip, axis=1))


def test_a_hand_that_is_always_alone_is_judged_by_the_side_of_the_body():
    alone = np.array([[hand(0.3), NONE], [NONE, hand(0.32)]])
    np.testing.assert_allclose(wrists(track_hands(alone)), [[np.nan, 0.3], [np.nan, 0.32]])
    np.testing.assert_allclose(
        wrists(track_hands(alone, middle=0.2)), [[0.3, np.nan], [0.32, np.nan]]
    )


def test_nothing_seen_stays_nothing():
    clip = np.full((3, 2, 21, 3), np.nan)
    assert np.isnan(track_hands(clip)).all()


def test_tracking_loses_no_hand_and_invents_none():
    rng = np.random.default_rng(0)
    clip = rng.uniform(size=(50, 2, 21, 3))
    clip[rng.uniform(size=(50, 2)) < 0.4] = np.nan
    tracked = track_hands(clip)
    for one, two in zip(clip, tracked, strict=True):
        same = np.array_equal(one, two, equal_nan=True)
        assert same or np.array_equal(one[::-1], two, equal_nan=True)
    assert np.nanmedian(tracked[:, 0, 0, 0]) >= np.nanmedian(tracked[:, 1, 0, 0])


def store_i16(values):
    return np.round(np.asarray(values) / SCALE).astype(np.int16)


def test_dgs_30_by_hand(tmp_path):
    first = [
        np.r_[0.5, 0.1, hand(0.2).ravel(), hand(0.7).ravel()],
        np.r_[0.5, 0.1, hand(0.7).ravel(), hand(0.2).ravel()],
    ]
    second = [np.r_[0.4, 0.2, hand(0.3).ravel(), np.zeros(63)]]
    np.savez(
        tmp_path / "clips.npz",
        frames_i16=store_i16(first + second),
        scale=SCALE,
        offsets=[0, 2, 3],
        gloss=["HALLO", "007"],
        clip=["a", "b"],
    )
    file = read_dgs_30(tmp_path)
    assert file.manifest[["clip", "gloss", "signer", "split"]].to_numpy().tolist() == [
        ["a", "HALLO", "", ""],
        ["b", "007", "", ""],
    ]
    assert file.manifest[["width", "height"]].to_numpy().tolist() == [[640, 480]] * 2
    assert file.skeleton.name == "face-hands-43"
    assert {clip: points.shape for clip, points in file.points.items()} == {
        "a": (2, 43, 3),
        "b": (1, 43, 3),
    }
    assert file.points["a"].dtype == np.float32
    left, right = file.skeleton.index("left_hand_wrist"), file.skeleton.index("right_hand_wrist")
    np.testing.assert_allclose(file.points["a"][:, [left, right], 0], [[0.7, 0.2]] * 2, atol=1e-6)
    np.testing.assert_allclose(file.points["a"][:, 0], [[0.5, 0.1, 0]] * 2, atol=1e-6)
    seen = np.isfinite(file.points["b"]).all(axis=(0, 2))
    assert seen.sum() == 1 + 21  # the face and one hand


def two_signers(**arrays):
    return {
        "scale": SCALE,
        "length": [20, 3, 20],
        "gloss": ["A", "A", "-"],
        "signer": ["signer1", "signer2", "signer1"],
        **arrays,
    }


def test_asl_letters_by_hand(tmp_path):
    frames = np.zeros((3, 20, 2, 21, 3))
    frames[:, :, 0] = hand(0.3)
    frames[1, :3, 1] = hand(0.6)
    np.savez(tmp_path / "letters.npz", x_i16=store_i16(frames.reshape(3, 20, 126)), **two_signers())
    file = read_asl_letters(tmp_path)
    assert file.manifest[["clip", "gloss", "signer", "split"]].to_numpy().tolist() == [
        ["A_signer1_000", "A", "signer1", "train"],
        ["A_signer2_000", "A", "signer2", "test"],
        ["-_signer1_000", "-", "signer1", "train"],
    ]
    assert file.skeleton.name == "hands-42"
    assert [file.points[clip].shape for clip in file.manifest["clip"]] == [
        (20, 42, 3),
        (3, 42, 3),
        (20, 42, 3),
    ]
    one, two = file.points["A_signer1_000"], file.points["A_signer2_000"]
    np.testing.assert_allclose(one[:, :21], np.broadcast_to(hand(0.3), (20, 21, 3)), atol=1e-6)
    assert np.isnan(one[:, 21:]).all()
    np.testing.assert_allclose(two[:, 21:], np.broadcast_to(hand(0.6), (3, 21, 3)), atol=1e-6)


def test_asl_words_by_hand(tmp_path):
    pose, hands = np.zeros((3, 20, 33, 4)), np.zeros((3, 20, 2, 21, 3))
    pose[:2] = [0.5, 0.25, -0.1, 0.9]
    hands[:, :, 1] = hand(0.3)
    x = np.concatenate([pose.reshape(3, 20, 132), hands.reshape(3, 20, 126)], axis=-1)
    np.savez(tmp_path / "words.npz", x_i16=store_i16(x), **two_signers())
    file = read_asl_words(tmp_path)
    assert file.skeleton.name == "mediapipe-75"
    one, last = file.points["A_signer1_000"], file.points["-_signer1_000"]
    assert one.shape == (20, 75, 4)
    np.testing.assert_allclose(
        one[:, :33], np.broadcast_to([0.5, 0.25, -0.1, 0.9], (20, 33, 4)), atol=1e-6
    )
    assert np.isnan(one[:, 33:54]).all()
    np.testing.assert_allclose(one[:, 54:, :3], np.broadcast_to(hand(0.3), (20, 21, 3)), atol=1e-6)
    assert (one[:, 54:, 3] == 1).all()
    assert np.isnan(last[:, :33]).all()  # a pose of zeros was not seen
    assert one.dtype == np.float32


def test_wlasl_50_by_hand(tmp_path):
    x = np.zeros((2, 30, 170), np.float32)
    x[0, :3, :4] = [0.5, 0.25, -0.1, 0.9]
    x[0, 1, 44 + 63 :] = np.tile([0.3, 0.4, 0.1], 21)
    x[1, :, 4] = 0.7
    labels = {"label": ["all right", "all right"], "order_in_gloss": [0, 1], "length": [3, 30]}
    np.savez(tmp_path / "clips50.npz", X=x, **labels)
    file = read_wlasl_50(tmp_path)
    assert file.manifest["clip"].tolist() == ["all-right_00", "all-right_01"]
    assert file.manifest["gloss"].tolist() == ["all right"] * 2
    one = file.points["all-right_00"]
    assert one.shape == (3, 53, 4)
    np.testing.assert_allclose(
        one[:, 0], np.broadcast_to(np.float32([0.5, 0.25, -0.1, 0.9]), (3, 4))
    )
    assert np.isnan(one[:, 11:32]).all()
    assert np.isfinite(one[:, 32:, 0]).all(axis=1).tolist() == [False, True, False]
    np.testing.assert_allclose(one[1, 32], np.float32([0.3, 0.4, 0.1, 1]))
    assert file.points["all-right_01"][0, file.skeleton.index("left_shoulder"), 0] == np.float32(
        0.7
    )


def test_repeated_glosses_of_a_signer_are_numbered(tmp_path):
    arrays = two_signers(
        gloss=["A"] * 3, signer=["signer1"] * 3, x_i16=np.ones((3, 20, 126), np.int16)
    )
    np.savez(tmp_path / "letters.npz", **arrays)
    assert read_asl_letters(tmp_path).manifest["clip"].tolist() == [
        "A_signer1_000",
        "A_signer1_001",
        "A_signer1_002",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": np.nan}, "scale=nan of x_i16 is not above 0"),
        ({"scale": np.ones(3)}, r"'scale': it is float64 of shape \(3,\), not floats of shape"),
        ({"length": np.array([20, 21, 5])}, "a clip of 21 frames among clips of at most 20"),
        ({"length": np.array([20, 0, 5])}, "a clip of 0 frames"),
        ({"length": np.array([20.0, 20, 5])}, "'length': it is float64 .*, not whole numbers"),
        ({"length": np.array([20, 20])}, r"shape \(2,\), not whole numbers of shape \(3\)"),
        ({"x_i16": np.ones((3, 20, 125), np.int16)}, r"not whole numbers of shape \(3, 20, 126\)"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path, change, words):
    arrays = two_signers(gloss=np.array(["A"] * 3), x_i16=np.ones((3, 20, 126), np.int16))
    np.savez(tmp_path / "letters.npz", **arrays | change)
    with pytest.raises(ManifestError, match=words):
        read_asl_letters(tmp_path)


def test_a_missing_file_names_the_variable(tmp_path):
    for reader in (read_dgs_30, read_asl_letters, read_asl_words):
        with pytest.raises(
            ManifestError, match=r"\.npz does not exist; set data\.root or SIGNLIB_DATA"
        ):
            reader(tmp_path)


def test_a_missing_array_is_named_with_those_that_are_there(tmp_path):
    np.savez(tmp_path / "a.npz", one=1, two=2)
    assert set(open_arrays(tmp_path / "a.npz", "two")) == {"two"}
    with pytest.raises(ManifestError, match="has no array 'three'; it has one, two"):
        open_arrays(tmp_path / "a.npz", "one", "three")


def test_pickled_objects_are_never_loaded(tmp_path):
    target = tmp_path / "exploded"
    np.savez(tmp_path / "a.npz", one=np.array([Bomb(target)], dtype=object))
    with pytest.raises(ClipError, match="pickled objects, which are never loaded"):
        open_arrays(tmp_path / "a.npz", "one")
    arrays = two_signers(
        gloss=np.array([Bomb(target)] * 3, dtype=object), x_i16=np.ones((3, 20, 126), np.int16)
    )
    np.savez(tmp_path / "letters.npz", **arrays)
    with pytest.raises(ClipError):
        read_asl_letters(tmp_path)
    with open(tmp_path / "b.npz", "wb") as file:
        np.save(file, np.array([Bomb(target)], dtype=object))
    with pytest.raises(ClipError):
        open_arrays(tmp_path / "b.npz", "one")
    assert not target.exists()
    np.load(tmp_path / "b.npz", allow_pickle=True)[0].close()
    assert target.exists()  # the bomb is a real one


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "array"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, one=np.random.default_rng(0).normal(size=1000))
    whole = path.read_bytes()
    if damage == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(
            {"empty": b"", "cut": whole[:2000], "changed": whole[:200] + bytes(100) + whole[300:]}[
                damage
            ]
        )
    with pytest.raises(ManifestError, match=r"a\.npz"):
        open_arrays(path, "one")


def check_real(file, clips, glosses):
    assert len(file.manifest) == len(file.points) == clips
    assert file.manifest["gloss"].nunique() == glosses
    assert set(file.points) == set(file.manifest["clip"])
    for points in file.points.values():
        assert points.shape[1] == len(file.skeleton)
        assert len(points) >= 1
    some = np.concatenate([file.points[clip] for clip in file.manifest["clip"][::100]])
    seen = some[np.isfinite(some[..., 0])][:, :2]
    assert len(seen) > 0.3 * some[..., 0].size
    # Hips and a hand may lie outside the picture.
    assert ((seen > 0) & (seen < 1)).all(axis=1).mean() > 0.75


def test_dgs_30_is_whole(real_data):
    file = read_dgs_30(real_data("dgs-30"))
    check_real(file, 1241, 30)
    assert set(file.manifest["signer"]) == {""}
    assert sum(map(len, file.points.values())) == 57_971


def test_asl_letters_are_whole(real_data):
    file = read_asl_letters(real_data("asl-words-letters"))
    check_real(file, 2430, 27)
    assert file.manifest["split"].value_counts().to_dict() == {"train": 1950, "test": 480}
    assert file.manifest.groupby("split")["signer"].unique().map(list).to_dict() == {
        "train": ["signer1"],
        "test": ["signer2"],
    }


def test_asl_words_are_whole(real_data):
    file = read_asl_words(real_data("asl-words-letters"))
    check_real(file, 2188, 32)
    assert "-" in set(file.manifest["gloss"])
    assert file.points[file.manifest["clip"][0]].shape == (20, 75, 4)


def test_wlasl_50_is_whole(real_data):
    file = read_wlasl_50(real_data("wlasl"))
    check_real(file, 423, 50)
    points = np.concatenate(list(file.points.values()))
    middle = dict(zip(file.skeleton.joints, np.nanmedian(points, axis=0), strict=True))
    assert (
        middle["nose"][1]
        < middle["left_shoulder"][1]
        < middle["left_hip"][1]
        < middle["left_knee"][1]
    )
    assert middle["right_shoulder"][0] < middle["left_shoulder"][0]


def test_every_reader_has_a_name_and_a_folder(real_data):
    rows = [row for row in CORPORA.values() if isinstance(row, LandmarkFileCorpus)]
    assert {row.name for row in rows} == {"dgs-30", "asl-letters", "asl-words", "wlasl-50"}
    for row in rows:
        assert real_data(row.folder).is_dir()
        assert callable(row.read)


def crowd(folder, clips="abcdef"):
    """A corpus like dgs-30: clips of two glosses, nobody named and no split."""
    hands = np.tile(np.concatenate([hand(0.2), hand(0.7)]).reshape(-1), (len(clips), 1))
    frames = np.concatenate([np.full((len(clips), 2), 0.5), hands], axis=1)
    np.savez(
        folder / "clips.npz",
        frames_i16=np.round(frames / SCALE).astype(np.int16),
        scale=SCALE,
        offsets=np.arange(len(clips) + 1),
        gloss=["Bier", "Wein"] * (len(clips) // 2),
        clip=list(clips),
    )
    return DataSettings(corpus="dgs-30", root=str(folder))


def test_a_fixed_split_is_honoured(tmp_path):
    settings = crowd(tmp_path)
    rows = ["clip,split", "a,train", "b,train", "c,val", "d,test", "e,test"]
    (tmp_path / "splits.csv").write_text("\n".join(rows))
    splits = split_clips(load_manifest(settings), settings)
    parts = [part["clip"].tolist() for part in (splits.train, splits.val, splits.test)]
    assert parts == [["a", "b"], ["c"], ["d", "e"]]
    assert "1 clips have no split and are left out" in splits.notes
    assert load_corpus(settings).labelled["split"].tolist() == [
        *["train", "train", "val", "test", "test", ""]
    ]


def test_a_split_that_a_corpus_does_not_have_is_refused(tmp_path):
    settings = crowd(tmp_path)
    with pytest.raises(ManifestError, match=r"list its clips in splits\.csv beside .*split=folds"):
        split_clips(load_manifest(settings), settings)
    with pytest.raises(SettingsError, match="signers are unknown: take data"):
        split_clips(load_manifest(settings), replace(settings, split="signer", test_signers=["x"]))
    with pytest.raises(SettingsError, match="dgs-30 has one split at most; leave it empty"):
        split_clips(load_manifest(settings), replace(settings, split_type="xsub"))
    for row, says in (("g,train", "clip 'g' is not in the corpus"), ("a,dev", "split 'dev'")):
        (tmp_path / "splits.csv").write_text(f"clip,split\n{row}\n")
        with pytest.raises(ManifestError, match=says):
            load_manifest(settings)
