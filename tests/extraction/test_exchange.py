"""Landmarks of other tools: what goes out comes back, and nothing is ever unpickled."""

import pickle

import numpy as np
import pandas as pd
import pytest

from signlib import reading
from signlib.data.manifest import complete
from signlib.data.points import FileNumbers
from signlib.data.skeletons import FACE_HANDS_43, HANDS_42, MEDIAPIPE_75, MEDIAPIPE_543
from signlib.errors import (
    ClipError,
    DiskError,
    InputError,
    ManifestError,
    SettingsError,
    StoreError,
)
from signlib.stores.store import Extraction
from signlib.stores.writer import write_store

exchange = pytest.importorskip("signlib.extraction.exchange")

CHANNELS = ("x", "y", "z", "visibility")


def points(frames: int = 6, joints: int = 543, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    array = rng.uniform(0.05, 0.95, (frames, joints, 4)).astype(np.float32)
    if joints == 543:
        array[..., :468, 3] = array[..., 501:, 3] = 1
        array[2:4, 501:522] = np.nan
    return array


def store_of(folder, clips: dict[str, np.ndarray], skeleton=MEDIAPIPE_543, **about):
    extraction = Extraction(
        "test", shape=(len(skeleton), 4), channels=CHANNELS, skeleton=skeleton.name
    )
    about = {"width": 640, "height": 360, "fps": 29.97} | about
    return write_store(
        folder, extraction, pd.DataFrame({"clip": list(clips)}), clips.items(), **about
    )


@pytest.mark.parametrize("skeleton", [MEDIAPIPE_543, MEDIAPIPE_75, HANDS_42])
def test_npy_files_come_back_as_they_were(tmp_path, skeleton):
    clips = {"a": points(6, len(skeleton)), "b": points(3, len(skeleton), seed=1)}
    store = store_of(tmp_path / "store", clips, skeleton)
    files = exchange.export_folder(store, tmp_path / "npy")
    assert [file.name for file in files] == ["a.npy", "b.npy"]
    back = exchange.import_folder(tmp_path / "npy", tmp_path / "back")
    assert back.skeleton.name == skeleton.name
    for clip, array in clips.items():
        assert np.array_equal(back.read(clip), array, equal_nan=True)


def test_pose_files_come_back_within_a_float(tmp_path):
    array = points()
    array[1, 468, 3] = 0  # found, but hidden: must not become missing
    store = store_of(tmp_path / "store", {"a": array})
    exchange.export_folder(store, tmp_path / "pose", ".pose")
    back = exchange.import_folder(tmp_path / "pose", tmp_path / "back")
    np.testing.assert_allclose(back.read("a"), array, atol=1e-6)
    row = back.index.iloc[0]
    assert (row.width, row.height) == (640, 360)
    assert row.fps == pytest.approx(29.97)


def test_pose_files_hold_pixels_in_the_layout_of_the_library(tmp_path):
    from pose_format import Pose
    from pose_format.utils.holistic import BODY_POINTS

    array = points()
    exchange.write_pose(tmp_path / "a.pose", array, MEDIAPIPE_543, 640, 360, 25)
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    names = [component.name for component in pose.header.components]
    assert names == [
        "POSE_LANDMARKS",
        "FACE_LANDMARKS",
        "LEFT_HAND_LANDMARKS",
        "RIGHT_HAND_LANDMARKS",
    ]
    assert pose.header.components[0].points == BODY_POINTS
    assert pose.body.data.shape == (6, 1, 543, 3)
    np.testing.assert_allclose(
        pose.body.data[0, 0, 0], array[0, 468, :3] * [640, 360, 1], rtol=1e-6
    )
    assert pose.body.confidence[0, 0, 5] == array[0, 473, 3]
    assert (pose.body.confidence[2:4, 0, 501:522] == 0).all()
    assert pose.body.data.mask[2, 0, 501:522].all()


def test_parts_that_a_skeleton_lacks_are_missing_in_the_pose_file(tmp_path):
    array = points(4, 75)
    exchange.write_pose(tmp_path / "a.pose", array, MEDIAPIPE_75, 100, 100, 25)
    back, width, height, fps, _ = exchange.read_pose(tmp_path / "a.pose")
    assert (width, height, fps) == (100, 100, 25)
    assert np.isnan(back[:, :468]).all()
    np.testing.assert_allclose(back[:, 468:], array, atol=1e-6)


def test_three_channels_get_a_visibility(tmp_path):
    array = points()[..., :3]
    np.save(tmp_path / "a.npy", array)
    back = exchange.read_npy(tmp_path / "a.npy")
    assert np.array_equal(back[..., :3], array, equal_nan=True)
    assert (back[0, :, 3] == 1).all()
    assert np.isnan(back[2, 501:522, 3]).all()


def test_a_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    np.save(tmp_path / "a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "exploded").unlink(missing_ok=True)
    with pytest.raises(ClipError, match=r"a\.npy holds pickled objects"):
        exchange.read_npy(tmp_path / "a.npy")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.zeros((5, 543)), r"float64 \(5, 543\)"),
        (np.zeros((5, 543, 2)), r"\(5, 543, 2\)"),
        (np.zeros((5, 543, 4), int), "int64"),
        (np.zeros((0, 543, 4)), "no frame"),
        (np.full((5, 543, 4), np.nan), "every value is NaN in all of its 5 frames"),
    ],
)
def test_an_array_that_is_no_clip_is_named(tmp_path, content, says):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(ClipError, match=rf"a\.npy.*{says}"):
        exchange.read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content", [b"0.5 0.5 0.1\n", b"PK", b"PK\x03\x04rest of an archive", b"{"]
)
def test_another_format_is_not_taken_for_a_pickle(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ClipError, match=r"a\.npy is no \.npy file \(it begins with b'") as refused:
        exchange.read_npy(tmp_path / "a.npy")
    assert "pickle" not in str(refused.value)


def test_a_bare_pickle_is_never_loaded(tmp_path):
    (tmp_path / "a.npy").write_bytes(pickle.dumps([1.0, 2.0]))
    with pytest.raises(ClipError, match=r"a\.npy holds pickled objects"):
        exchange.read_npy(tmp_path / "a.npy")


def test_a_folder_without_a_usable_file_says_why(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "a.npy", np.full((3, 543, 4), np.nan))
    np.save(folder / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(
        ClipError, match=r"in: none of 2 \.npy files .* the first: .*a\.npy: every value is NaN"
    ):
        exchange.import_folder(folder, tmp_path / "out")
    (folder / "a.npy").unlink()
    with pytest.raises(ClipError, match=r"none of 1 \.npy files .*b\.npy holds pickled objects"):
        exchange.import_folder(folder, tmp_path / "out")
    np.save(folder / "c.npy", points(3, 17))
    with pytest.raises(
        ClipError, match=r"c\.npy has 17 points a frame; J must be one of 543, 75, 42"
    ):
        exchange.import_folder(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        (("face", "pose", "left_hand", "right_hand"), "543"),
        (("pose", "left_hand", "right_hand"), "75 or 543"),
    ],
)
def test_the_needed_numbers_of_points_are_named_once(tmp_path, parts, needed):
    from signlib.extraction.holistic import LandmarkSettings

    np.save(tmp_path / "a.npy", points(3, 99))
    reader = exchange.ClipReader(LandmarkSettings(parts=parts))
    with pytest.raises(ClipError, match=rf"a\.npy has 99 points a frame; {needed} are needed$"):
        reader.read(tmp_path / "a.npy")


def test_damaged_files_are_named(tmp_path):
    np.save(tmp_path / "whole.npy", points())
    exchange.write_pose(tmp_path / "whole.pose", points(), MEDIAPIPE_543, 64, 64, 25)
    for suffix, read in ((".npy", exchange.read_npy), (".pose", exchange.read_pose)):
        data = (tmp_path / f"whole{suffix}").read_bytes()
        # One frame of a .pose file is 543 * 4 floats: a cut at a frame's border must be seen too.
        for name, part in {
            "empty": b"",
            "short": data[:100],
            "cut": data[:-777],
            "frame": data[: -543 * 16],
        }.items():
            (tmp_path / f"{name}{suffix}").write_bytes(part)
            with pytest.raises(ClipError, match=rf"{name}\{suffix}"):
                read(tmp_path / f"{name}{suffix}")
        with pytest.raises(ClipError, match="does not exist"):
            read(tmp_path / f"none{suffix}")


def test_a_recording_beyond_the_limit_is_too_long_and_not_damaged(tmp_path):
    frames = reading.PLAIN_BYTES // (543 * 16) + 1
    path = tmp_path / "long.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (frames, 543, 4))
    with pytest.raises(ClipError, match=r"long\.npy is too long: its arrays have 8,589,9"):
        exchange.read_npy(path)


def test_a_reader_reads_a_file_once(tmp_path, monkeypatch):
    exchange.write_npy(tmp_path / "a.npy", points(3))
    read, files = reading.array, []

    def counted(path, *form):
        files.append(path.name)
        return read(path, *form)

    monkeypatch.setattr(reading, "array", counted)
    with exchange.ClipReader() as reader:
        assert reader.read(tmp_path / "a.npy").array.shape == (3, 543, 4)
    assert files == ["a.npy"]


def test_bad_files_become_rows_and_good_ones_clips(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "good.npy", points())
    np.save(folder / "nan.npy", np.full((3, 543, 4), np.nan))
    np.save(folder / "other.npy", points(3, 75))
    manifest = pd.DataFrame(
        {"clip": ["gone", "good", "nan", "other"], "gloss": ["A", "B", "C", "D"]}
    )
    store = exchange.import_folder(folder, tmp_path / "out", manifest)
    assert store.clips == ["good"]
    assert store.labelled["gloss"].tolist() == ["B"]
    reasons = dict(store.failed.itertuples(index=False))
    assert "does not exist" in reasons["gone"]
    assert "NaN" in reasons["nan"]
    assert "(543, 4)" in reasons["other"] or "543, 4" in reasons["other"]


def test_a_folder_must_hold_one_kind_of_known_files(tmp_path):
    with pytest.raises(ManifestError, match="neither"):
        exchange.import_folder(tmp_path, tmp_path / "out")
    np.save(tmp_path / "a.npy", points(3, 17))
    with pytest.raises(ClipError, match="17"):
        exchange.import_folder(tmp_path, tmp_path / "out")
    (tmp_path / "b.pose").write_bytes(b"x")
    with pytest.raises(ManifestError, match=r"\.npy and \.pose"):
        exchange.import_folder(tmp_path, tmp_path / "out")


def test_what_a_pose_file_cannot_hold_is_refused(tmp_path):
    unknown = store_of(tmp_path / "store", {"a": points()}, width=0, height=0)
    with pytest.raises(SettingsError, match=r"width=0.*\.npy instead"):
        exchange.export_folder(unknown, tmp_path / "out", ".pose")
    with pytest.raises(SettingsError, match=r"\.csv"):
        exchange.export_folder(unknown, tmp_path / "out", ".csv")
    lips = MEDIAPIPE_543.select("118")
    with pytest.raises(SettingsError, match="FACE_LANDMARKS"):
        exchange.write_pose(tmp_path / "a.pose", points(3, len(lips)), lips, 64, 64, 25)
    assert not list(tmp_path.glob("*.pose"))


def test_an_import_does_not_mix_with_another_store(tmp_path):
    np.save(tmp_path / "a.npy", points())
    store_of(tmp_path / "out", {"a": points()})
    with pytest.raises(StoreError, match="extractor"):
        exchange.import_folder(tmp_path, tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"a\.npy"):
        exchange.write_npy(tmp_path / "file" / "a.npy", points())


def test_a_reader_takes_videos_and_files_alike(tmp_path):
    from signlib.data.video import write_video
    from signlib.extraction.holistic import LandmarkSettings
    from signlib.synthesis.portrait import portrait_clip

    write_video(tmp_path / "film.mp4", portrait_clip(2), fps=25)
    write_video(tmp_path / "empty.mp4", np.zeros((2, 64, 64, 3), np.uint8), fps=25)
    np.save(tmp_path / "a.npy", points())
    np.save(tmp_path / "hands.npy", points(3, 42))
    exchange.write_pose(tmp_path / "a.pose", points(), MEDIAPIPE_543, 64, 48, 25)
    settings = LandmarkSettings(parts=("pose", "left_hand", "right_hand"))
    with exchange.ClipReader(settings) as reader:
        film, width, height, fps, _ = reader.read(tmp_path / "film.mp4")
        assert film.shape == (2, 75, 4)
        assert (width, height, fps) == (512, 512, 25)
        array, width, height, fps, _ = reader.read(tmp_path / "a.npy")
        assert np.array_equal(array, points()[:, 468:], equal_nan=True)
        assert (width, height, fps) == (0, 0, 0)
        array, width, height, fps, _ = reader.read(tmp_path / "a.pose")
        np.testing.assert_allclose(array, points()[:, 468:], atol=1e-6)
        assert (width, height, fps) == (64, 48, 25)
        with pytest.raises(ClipError, match="42 points"):
            reader.read(tmp_path / "hands.npy")
        with pytest.raises(ClipError, match="nobody was found"):
            reader.read(tmp_path / "empty.mp4")


def test_a_number_of_points_names_a_skeleton_that_is_converted(tmp_path):
    whole = points()
    np.save(tmp_path / "whole.npy", whole)
    np.save(tmp_path / "body.npy", whole[:, 468:])
    np.save(tmp_path / "hands.npy", whole[:, 501:])
    hands = [joint for joint in MEDIAPIPE_543.joints if "_hand_" in joint]
    with exchange.ClipReader(target=MEDIAPIPE_543, needed=[*hands, "nose"]) as reader:
        body = reader.read(tmp_path / "body.npy").array
        assert np.array_equal(body[:, 468:], whole[:, 468:], equal_nan=True)
        assert np.isnan(body[:, :468]).all(), "the face is not needed, and nobody has it"
        with pytest.raises(ClipError, match=r"'hands-42', which lacks 1 of the 43 .*: nose$"):
            reader.read(tmp_path / "hands.npy")
    with exchange.ClipReader(target=MEDIAPIPE_543) as reader:
        message = r"'mediapipe-75', which lacks 468 of the 543 joints .*: face_0, face_1, face_2"
        with pytest.raises(ClipError, match=message):
            reader.read(tmp_path / "body.npy")
    with exchange.ClipReader(target=FACE_HANDS_43) as reader:
        for name in ("whole", "body"):
            given = reader.read(tmp_path / f"{name}.npy").array
            assert np.array_equal(given[:, 0], whole[:, 468], equal_nan=True), "the nose"
            assert np.array_equal(given[:, 1:], whole[:, 501:], equal_nan=True)
    with exchange.ClipReader(target=HANDS_42) as reader:
        given = reader.read(tmp_path / "hands.npy").array
        assert np.array_equal(given, whole[:, 501:], equal_nan=True)


def test_real_pose_files_are_read(real_data):
    points, width, height, fps, _ = exchange.read_pose(
        real_data("autsl") / "signer0_sample1000.pose"
    )
    assert points.shape == (43, 543, 4)
    assert (width, height, fps) == (512, 512, 30)
    assert np.isfinite(points[:, 468:501]).all()
    with_irises, *_ = exchange.read_pose(next(real_data("poses").glob("*.pose")))
    assert with_irises.shape == (24, 543, 4)
    assert np.nanmedian(with_irises[:, :468, :2]) < 1


def hands(frames=2):
    """Two hands at places of their own in every frame."""
    rng = np.random.default_rng(3)
    return rng.uniform(0.1, 0.9, (frames, 42, 3)).astype(np.float32)


def test_zeros_for_hands_that_were_not_found_are_told_and_missing_where_that_is_said(tmp_path):
    """What most scripts around MediaPipe write: half of these points are zeros for a lost hand."""
    (tmp_path / "in").mkdir()
    clip = hands()
    clip[:, :21] = 0
    np.save(tmp_path / "in" / "a.npy", clip)
    as_given = exchange.import_folder(tmp_path / "in", tmp_path / "as-given")
    assert as_given.notes["a"].startswith("50.0% of the points lie exactly at zero;")
    assert "--set zeros=missing" in as_given.notes["a"]
    numbers = FileNumbers(zeros="missing")
    store = exchange.import_folder(tmp_path / "in", tmp_path / "store", None, numbers)
    assert store.notes == {}
    assert np.isnan(store["a"][:, :21]).all()
    assert np.array_equal(store["a"][:, 21:, :3], clip[:, 21:])
    # Another setting is another store.
    with pytest.raises(StoreError, match=r"settings\.zeros"):
        exchange.import_folder(tmp_path / "in", tmp_path / "store")


def test_pixels_are_refused_by_name_and_divided_where_that_is_said(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    clip = hands()
    np.save(folder / "a.npy", clip * np.float32([640, 480, 640]))
    np.save(folder / "b.npy", clip)
    store = exchange.import_folder(folder, tmp_path / "as-given")
    assert store.clips == ["b"]
    assert "a.npy: no point can be used: 84 of 84 points lie beyond 20" in store.reasons["a"]
    assert "--set scale=pixels" in store.reasons["a"]
    (folder / "b.npy").unlink()
    pixels, table = FileNumbers(scale="pixels"), pd.DataFrame({"clip": ["a"]})
    unsaid = exchange.import_folder(folder, tmp_path / "unsaid", table, pixels)
    assert "add the columns width and height to manifest.csv" in unsaid.reasons["a"]
    sized = table.assign(width=640, height=480)
    divided = exchange.import_folder(folder, tmp_path / "store", sized, pixels)
    np.testing.assert_allclose(divided["a"][..., :3], clip, rtol=1e-6)
    assert divided.index[["width", "height"]].to_numpy().tolist() == [[640, 480]]
    exchange.write_pose(folder / "a.pose", divided["a"], HANDS_42, 640, 480, 25)
    (folder / "a.npy").unlink()
    with pytest.raises(SettingsError, match=r"a\.pose says its scale itself"):
        exchange.import_folder(folder, tmp_path / "pose", None, pixels)


def test_numbers_that_cannot_be_are_missing_in_every_file(tmp_path):
    """By hand: one point of each file is infinite in z, one lies 10**30 pictures away."""
    (tmp_path / "npy").mkdir()
    clip = hands()
    clip[0, 3, 2], clip[1, 5, 0] = np.inf, 1e30
    np.save(tmp_path / "npy" / "a.npy", clip)
    store = exchange.import_folder(tmp_path / "npy", tmp_path / "store")
    assert np.argwhere(np.isnan(store["a"]).all(axis=-1)).tolist() == [[0, 3], [1, 5]]
    assert store.notes["a"].startswith("2 of 84 points are taken as missing: 1 are not finite and")
    with exchange.ClipReader(target=HANDS_42) as reader:
        read = reader.read(tmp_path / "npy" / "a.npy")
        assert np.array_equal(read.array, store["a"], equal_nan=True)
        assert read.note == store.notes["a"]
        np.save(tmp_path / "nothing.npy", np.full_like(clip, np.inf))
        with pytest.raises(ClipError, match=r"nothing\.npy: no point can be used: 84 of 84"):
            reader.read(tmp_path / "nothing.npy")


def listed(folder, columns, **files):
    """A folder of `.npy` files (name -> array) and its manifest."""
    folder.mkdir()
    for name, array in files.items():
        np.save(folder / f"{name}.npy", array)
    return complete(pd.DataFrame(columns))


def test_the_columns_of_a_manifest_are_used(tmp_path):
    array = points(60, 42)
    columns = {
        "clip": ["a", "b", "c", "d"],
        "file": ["long.npy", "long.npy", "", "long.npy"],
        "start": [0, 40, 50, 30],
        "end": [10, 80, -1, 90],
        "fps": [30.0, 30.0, np.nan, 30.0],
        "segment_fps": [np.nan, 25.0, np.nan, np.nan],
        "width": ["640", "", "", ""],
        "height": ["480", "", "", ""],
    }
    table = listed(tmp_path / "in", columns, long=array, c=array)
    store = exchange.import_folder(tmp_path / "in", tmp_path / "out", table)
    # 40 to 80 of 25 frames a second is 48 to 96 of 30: cut at the end of the file
    for clip, part in {"a": array[:10], "b": array[48:], "c": array[50:], "d": array[30:]}.items():
        np.testing.assert_array_equal(store.read(clip), part)
    assert store.index[["width", "height", "fps"]].to_numpy().tolist() == [
        [640, 480, 30],
        [0, 0, 30],
        [0, 0, 0],
        [0, 0, 30],
    ]
    assert "ends at frame 90, after the file's 60: cut there" in store.notes["d"]
    assert store.extraction.settings["columns"] == ["start", "end", "fps", "segment_fps"]
    # a store that was made without the columns is another one
    with pytest.raises(StoreError, match="columns"):
        exchange.import_folder(tmp_path / "in", tmp_path / "out", table.assign(start=0, end=-1))


def test_segments_that_cannot_be_are_failures_with_their_reason(tmp_path):
    columns = {"clip": ["a", "b", "c"], "start": [60, 3, 0], "segment_fps": [np.nan, 25.0, np.nan]}
    columns |= {"file": ["c.npy"] * 3}
    table = listed(tmp_path / "in", columns, c=points(60, 42))
    store = exchange.import_folder(tmp_path / "in", tmp_path / "out", table)
    reasons = dict(store.failed.itertuples(index=False))
    assert "start=60 lies outside the video's 60 frames" in reasons["a"]
    assert "from a source of 0.0 frames a second" in reasons["b"]
    assert store.clips == ["c"]


def test_in_a_manifest_of_films_the_segment_is_the_films(tmp_path):
    array = points(10, 42)
    columns = {"clip": ["a"], "file": ["videos/a.mp4"], "start": [40], "end": [50], "fps": [25.0]}
    table = listed(tmp_path / "in", columns, a=array)
    store = exchange.import_folder(tmp_path / "in", tmp_path / "out", table)
    np.testing.assert_array_equal(store.read("a"), array)
    assert store.notes == {"a": "start and end count in videos/a.mp4: taken whole"}
    assert store.extraction.settings == {"files": ".npy"}
    assert store.index["fps"].tolist() == [25]


def test_a_pose_file_is_resampled_to_the_rate_of_its_row(tmp_path):
    array = points(12)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    exchange.write_pose(tmp_path / "in" / "deep" / "x.pose", array, MEDIAPIPE_543, 64, 48, 30)
    columns = {"clip": ["a", "b"], "file": ["deep/x.pose"] * 2, "fps": [15.0, np.nan]}
    table = complete(pd.DataFrame(columns | {"start": [2, 0]}))
    store = exchange.import_folder(tmp_path / "in", tmp_path / "out", table)
    np.testing.assert_allclose(store.read("a"), array[2::2], atol=1e-6)
    assert store.index["fps"].tolist() == [15, 30]
    assert store.index["length"].tolist() == [5, 12]


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"width": ["wide"]}, ManifestError, "width='wide' is no number of pixels"),
        ({"height": ["-3"]}, ManifestError, "height='-3' is no number of pixels"),
        ({"file": ["../a.npy"]}, InputError, "leaves its root"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(tmp_path, columns, error, says):
    table = listed(tmp_path / "in", {"clip": ["a"], **columns}, a=points(3, 42))
    with pytest.raises(error, match=says):
        exchange.import_folder(tmp_path / "in", tmp_path / "out", table)


def test_landmark_files_beside_videos_are_taken_when_named_else_left_out_with_a_word(
    tmp_path, capsys
):
    from signlib.data.video import write_video
    from signlib.experiments.extraction import extract

    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "HELLO").mkdir()
    write_video(folder / "HELLO" / "a.mp4", np.zeros((2, 64, 64, 3), np.uint8), fps=25)
    exchange.write_pose(folder / "HELLO" / "a.pose", points(3), MEDIAPIPE_543, 64, 48, 25)
    # Our own stores, and what is hidden, hold no landmark files.
    store_of(folder / "HELLO" / "store", {"a": points(3)})
    (folder / ".cache").mkdir()
    np.save(folder / ".cache" / "b.npy", points(3))
    films = extract(folder, tmp_path / "films")
    assert films.failed["clip"].tolist() == ["HELLO_a"]
    told = capsys.readouterr().err
    assert "1 .npy or .pose files beside the videos are left out" in told
    assert "a.pose" in told
    (folder / "manifest.csv").write_text("clip,file,gloss,start\na,HELLO/a.pose,HELLO,1\n")
    assert extract(folder, tmp_path / "poses").index["length"].tolist() == [2]
    assert extract(folder, tmp_path / "cut", cut=True).index["length"].tolist() == [3]
    (folder / "manifest.csv").write_text("clip,file\na,HELLO/a.pose\nb,HELLO/a.mp4\n")
    with pytest.raises(ManifestError, match=r"landmark files \(HELLO/a\.pose\) and others"):
        extract(folder, tmp_path / "both")


def test_what_a_folder_of_landmark_files_holds_besides_is_one_line(tmp_path, capsys):
    from signlib.extraction.landmarks import LandmarkExtractor
    from signlib.extraction.registry import Source

    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    for name in ("a.npy", "more/b.npy"):
        np.save(folder / name, points())
    for name in ("notes.txt", "1.log", "2.log"):
        (folder / name).write_text("x")
    source = Source(folder, lambda _: pytest.fail("no videos"))
    store = LandmarkExtractor().extract(
        source,
        tmp_path / "out",
        exchange.SourceSettings(),
        workers=1,
        shard=(1, 1),
        retry_failed=False,
    )
    assert store.clips == ["a"]
    assert capsys.readouterr().err == (
        f"left out of {folder}: 2 .log (1.log, ...), 1 .npy (more/b.npy), 1 .txt (notes.txt)\n"
    )
