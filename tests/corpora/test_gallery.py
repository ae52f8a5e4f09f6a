"""Pictures of a clip: the kinds that its corpus has, at the moments that were asked for."""

import cv2
import numpy as np
import pandas as pd
import pytest

from signlib.corpora.clips import load_manifest
from signlib.corpora.gallery import clip_frames, clip_strip
from signlib.data.video import write_video
from signlib.errors import VideoError
from signlib.reports import plots
from signlib.settings.base import DataSettings
from signlib.synthesis.actions import ActionCorpus


def first_row(settings):
    return next(load_manifest(settings).itertuples())


def grey(value):
    return np.full((40, 60, 3), value, np.uint8)


def test_a_generated_clip_has_colour_depth_and_landmarks_that_agree():
    settings = DataSettings(signers=3)
    strip = clip_strip(settings, first_row(settings), count=3, size=96)
    assert list(strip.rows) == ["colour", "depth", "landmarks"]
    assert [len(pictures) for pictures in strip.rows.values()] == [3, 3, 3]
    assert strip.rows["colour"][0].shape == (96, 96, 3)
    assert strip.frames[0] == 0
    points, depth = strip.rows["landmarks"][1], strip.rows["depth"][1]
    x, y = (points[strip.skeleton.index("nose"), :2] * 96).astype(int)
    assert depth[y, x].max() > 0, "the nose is on the body"


def test_a_film_is_cut_to_its_segment(tmp_path):
    write_video(tmp_path / "a.mp4", [grey(20 * k) for k in range(10)], fps=25)
    pd.DataFrame({"clip": ["a"], "file": ["a.mp4"], "start": [2], "end": [7]}).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    settings = DataSettings(corpus="folder", root=str(tmp_path))
    strip = clip_strip(settings, first_row(settings), count=3, size=60)
    assert strip.frames == [2, 4, 6]
    assert [round(picture.mean(), -1) for picture in strip.rows["colour"]] == [40, 80, 120]
    assert strip.aspect == 1.5
    assert plots.contact_sheet(strip.rows, strip.frames).axes[0].get_title() == "2"


def test_a_folder_of_pictures_is_a_film(tmp_path):
    (tmp_path / "a").mkdir()
    for k in range(4):
        cv2.imwrite(str(tmp_path / "a" / f"{k:04d}.png"), grey(50 * k))
    pd.DataFrame({"clip": ["a"], "file": ["a"]}).to_csv(tmp_path / "manifest.csv", index=False)
    settings = DataSettings(corpus="folder", root=str(tmp_path))
    strip = clip_strip(settings, first_row(settings), count=2, size=30)
    assert strip.frames == [0, 3]
    assert strip.rows["colour"][1].shape == (20, 30, 3)
    (tmp_path / "a" / "0003.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"0003\.png is not a picture"):
        clip_strip(settings, first_row(settings), count=2)


def test_without_files_there_are_no_pictures_and_the_page_says_so(tmp_path):
    pd.DataFrame({"clip": ["a"], "file": ["a.mp4"]}).to_csv(tmp_path / "manifest.csv", index=False)
    settings = DataSettings(corpus="folder", root=str(tmp_path))
    strip = clip_strip(settings, first_row(settings))
    assert strip.rows == {}
    assert "not here" in plots.contact_sheet(strip.rows, strip.frames).axes[0].texts[0].get_text()


def test_a_real_kinect_skeleton_is_drawn_whole(real_data):
    settings = DataSettings(corpus="ntu60", root=str(real_data("ntu60")))
    strip = clip_strip(settings, first_row(settings), count=4)
    assert len(strip.rows["landmarks"]) == 4
    points = np.stack(strip.rows["landmarks"])
    assert points.min() >= 0
    assert points.max() <= 1
    head, foot = strip.skeleton.index("head"), strip.skeleton.index("left_foot")
    assert (points[:, head, 1] < points[:, foot, 1]).all(), "heads are up"


def test_frames_are_counted_where_a_clip_is_there(tmp_path):
    write_video(tmp_path / "a.mp4", [grey(20 * k) for k in range(10)], fps=25)
    (tmp_path / "p").mkdir()
    for k in range(4):
        cv2.imwrite(str(tmp_path / "p" / f"{k}.png"), grey(k))
    rows = {"clip": ["whole", "part", "pictures", "lost"], "file": ["a.mp4", "a.mp4", "p", "b.mp4"]}
    pd.DataFrame({**rows, "start": [0, 2, 0, 0], "end": [-1, 7, -1, -1]}).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    settings = DataSettings(corpus="folder", root=str(tmp_path))
    assert clip_frames(settings, load_manifest(settings)).to_dict() == {
        "whole": 10,
        "part": 5,
        "pictures": 4,
    }
    made = DataSettings(signers=3)
    table = load_manifest(made).head(2)
    assert (clip_frames(made, table) > 20).all()


def people_are_drawn_whole(settings, count=3):
    strip = clip_strip(settings, first_row(settings), count)
    assert list(strip.rows) == ["landmarks"]
    points = np.stack(strip.rows["landmarks"])
    assert points.shape[:2] == (count, len(strip.skeleton))
    assert np.nanmin(points) >= 0
    assert np.nanmax(points) <= 1
    head, foot = strip.skeleton.index("head"), strip.skeleton.index("left_foot")
    assert (points[:, head, 1] < points[:, foot, 1]).all(), "heads are up"
    page = plots.contact_sheet(strip.rows, strip.frames, strip.skeleton, strip.aspect)
    assert len(page.axes) == count
    assert all(axis.collections or axis.lines for axis in page.axes), "bones are drawn"
    return strip


def test_generated_actions_are_drawn_and_counted():
    settings = DataSettings(corpus="generated-actions", glosses=2, signers=3, repetitions=1)
    strip = people_are_drawn_whole(settings)
    table = load_manifest(settings)
    lengths = clip_frames(settings, table.head(3))
    assert lengths.index.tolist() == table["clip"].head(3).tolist()
    assert strip.frames == [0, lengths.iloc[0] // 2, lengths.iloc[0] - 1]


def test_a_clip_of_nobody_has_no_pictures(tmp_path):
    frames = np.full((3, 20, 3), np.nan, np.float32)
    labels = {name: np.array([1]) for name in ("action", "subject", "episode", "view")}
    np.savez(tmp_path / "clips.npz", frames=frames, offsets=np.array([0, 3]), **labels)
    settings = DataSettings(corpus="nw-ucla", root=str(tmp_path))
    assert clip_strip(settings, first_row(settings)).rows == {}


def test_arrays_of_ntu60_are_drawn_and_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    world = ActionCorpus(2, 3, 1, 1)
    clips = [world.clip(clip)[:20, :1] for clip in world.manifest["clip"][:2]]
    x = np.zeros((2, 20, 150), np.float32)
    for number, clip in enumerate(clips):
        x[number, : len(clip), :75] = clip.reshape(len(clip), 75)
    labels = np.eye(60, dtype=np.float32)[:2]
    np.savez(tmp_path / "NTU60_CS.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)
    settings = DataSettings(corpus="ntu60", root=str(tmp_path))
    people_are_drawn_whole(settings)
    table = load_manifest(settings)
    assert clip_frames(settings, table).tolist() == [len(clip) for clip in (*clips, *clips)]


def test_real_kinect_clips_of_nw_ucla_are_drawn(real_data):
    settings = DataSettings(corpus="nw-ucla", root=str(real_data("nw-ucla")))
    people_are_drawn_whole(settings)
