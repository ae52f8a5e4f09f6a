"""Folders of pictures, whose order and grey levels are known, read as videos are."""

import cv2
import numpy as np
import pytest

from signlib.data.picture_folders import pictures_in, read_picture
from signlib.data.video import VideoInfo, iter_frames, probe, read_frames
from signlib.errors import SettingsError, VideoError


def fill(folder, names, height=20, width=30):
    """Pictures one after the other, each ten grey levels brighter than the one before."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((height, width, 3), 10 * number, np.uint8))
    return folder


def levels(frames):
    return [round(float(frame.mean()) / 10) for frame in frames]


@pytest.fixture
def clip(tmp_path):
    return fill(tmp_path / "clip", [f"{number}.png" for number in range(12)])


def test_a_folder_says_what_it_holds(clip):
    assert probe(clip) == VideoInfo(width=30, height=20, fps=25.0, frames=12)
    assert probe(clip, 50).fps == 50
    assert probe(clip, float("nan")).fps == 25


def test_numbers_are_counted_as_numbers(clip):
    # By name 10.png and 11.png would come before 2.png.
    assert levels(read_frames(clip)) == list(range(12))


def test_segments_and_samples_are_those_of_videos(clip):
    assert levels(iter_frames(clip, start=4, end=7)) == [4, 5, 6]
    assert levels(read_frames(clip, "linspace", 3)) == [0, 6, 11]
    assert levels(read_frames(clip, "linspace", 4, start=10)) == [10, 10, 11, 11]
    assert levels(read_frames(clip, "contiguous", 2)) == [5, 6]
    with pytest.raises(VideoError, match=r"clip: start=12 .* 12 frames"):
        read_frames(clip, start=12)


def test_the_manifests_rate_leaves_no_picture_out(clip):
    assert levels(iter_frames(clip, fps=50)) == list(range(12))
    assert levels(iter_frames(clip, fps=12.5, start=10)) == [10, 11]


@pytest.mark.parametrize(("size", "shape"), [(15, (10, 15)), (99, (20, 30)), ((60, 40), (40, 60))])
def test_pictures_are_scaled_as_frames_are(clip, size, shape):
    frames = read_frames(clip, end=2, size=size)
    assert frames.shape == (2, *shape, 3)
    assert levels(frames) == [0, 1]
    with pytest.raises(SettingsError, match="size=0"):
        read_frames(clip, size=0)


@pytest.mark.parametrize(
    "names",
    [
        ["s1_fn000054-0.png", "s1_fn000055-0.png", "s1_fn000056-0.png"],
        ["0.png", "2.png", "4.png"],
        ["9.JPG", "10.jpeg", "11.png"],
        ["first.png", "second.png", "third.png"],
        ["1_t100.png", "2_t150.png", "4_t190.png"],
    ],
    ids=["PHOENIX-2014", "every other one", "suffixes", "words", "two numbers"],
)
def test_names_that_run_on(tmp_path, names):
    folder = fill(tmp_path / "clip", names)
    (folder / "._1.png").write_bytes(b"of a Mac")
    (folder / "notes.txt").write_text("no picture")
    assert [file.name for file in pictures_in(folder)] == names


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], r"clip holds no picture \(\.jpeg, \.jpg, \.png\); fetch or copy the folder again"),
        (["1.png", "2.png", "4.png"], "is missing between 2.png and 4.png; fetch or copy"),
        (["a1.png", "a3.png", "a4.png"], "is missing between a1.png and a3.png"),
        (["1.png", "2.jpg", "2.png", "3.png"], "2.jpg and 2.png have the same number; delete one"),
        (["01.png", "1.jpg"], "01.png and 1.jpg have the same number"),
    ],
)
def test_what_is_missing_or_there_twice_is_named(tmp_path, names, says):
    folder = fill(tmp_path / "clip", names)
    for read in (probe, read_frames, lambda path: list(iter_frames(path))):
        with pytest.raises(VideoError, match=says):
            read(folder)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_picture_that_is_cut_off_is_named(tmp_path, suffix, share):
    folder = fill(tmp_path / "clip", [f"{number}{suffix}" for number in range(3)], 64, 64)
    torn = folder / f"1{suffix}"
    data = torn.read_bytes()
    torn.write_bytes(data[: int(share * len(data))])
    with pytest.raises(VideoError, match=rf"1\{suffix} is damaged or cut off; fetch it again"):
        read_frames(folder)
    assert len(read_frames(folder, end=1)) == 1, "pictures before the damage are sound"


def test_a_file_that_is_no_picture_or_of_another_size_is_named(clip):
    (clip / "3.png").write_bytes(b"text")
    with pytest.raises(VideoError, match=r"3\.png is not a picture that can be read"):
        read_frames(clip)
    cv2.imwrite(str(clip / "3.png"), np.zeros((20, 31, 3), np.uint8))
    with pytest.raises(VideoError, match=r"3\.png has another size .*: 31 x 20, not 30 x 20"):
        read_frames(clip)
    (clip / "3.png").unlink()
    (clip / "3.png").mkdir()
    with pytest.raises(VideoError, match=r"3\.png cannot be read \(Is a directory\)"):
        read_picture(clip / "3.png")


def test_colours_stay_where_they_are(tmp_path):
    folder = fill(tmp_path / "clip", [])
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, :4, 2] = 250
    cv2.imwrite(str(folder / "0.png"), red)
    frame = read_frames(folder)[0]
    assert frame[0, 0].tolist() == [250, 0, 0]
    assert frame[0, 7].tolist() == [0, 0, 0]
