"""Segments that count at another rate than their film, from a manifest to a store."""

import json

import numpy as np
import pandas as pd
import pytest

from signlib.corpora.clips import load_manifest
from signlib.corpora.registry import manifest_of
from signlib.data.video import write_video
from signlib.data.wlasl import read_manifest
from signlib.errors import StoreError
from signlib.extraction.filming import FilmedClips
from signlib.extraction.pictures import write_pictures
from signlib.extraction.registry import Source
from signlib.settings.base import DataSettings
from signlib.stores.pictures import COLOUR, PictureSettings

SETTINGS = PictureSettings(frames=3, size=32, kinds=(COLOUR,))
STEP = 4


def grey(frames):
    levels = (STEP * np.arange(frames, dtype=np.uint8))[:, None, None, None]
    return np.broadcast_to(levels, (frames, 32, 32, 3)).copy()


@pytest.fixture
def wlasl(tmp_path):
    """A film of 60 frames at 30 a second, of which four clips are segments."""
    (tmp_path / "videos").mkdir()
    films = {"whole": (1, 50), "part": (11, 20), "long": (11, 60), "late": (60, 70)}
    for clip in films:
        write_video(tmp_path / "videos" / f"{clip}.mp4", grey(60), fps=30)
    entries = {clip: {"subset": "train", "action": [0, *frames]} for clip, frames in films.items()}
    (tmp_path / "nslt_100.json").write_text(json.dumps(entries))
    (tmp_path / "wlasl_class_list.txt").write_text("0\tbook\n")
    return tmp_path


def levels(store, clip):
    return [round(float(picture.mean()) / STEP) for picture in store.read(clip, COLOUR)]


def test_wlasls_segments_are_converted_by_time(wlasl, tmp_path):
    source = FilmedClips(read_manifest(wlasl), wlasl)
    store = write_pictures(source, tmp_path / "store", SETTINGS, progress=False)
    # first, middle and last of 0 .. 2 s, of 0.4 .. 0.8 s and of 0.4 s .. the end
    assert levels(store, "whole") == [0, 30, 59]
    assert levels(store, "part") == [12, 18, 23]
    assert levels(store, "long") == [12, 36, 59]
    assert store.index.set_index("clip")["length"].to_dict() == {
        "whole": 60,
        "part": 12,
        "long": 48,
    }
    cut_there = "its segment ends at frame 60 at 25 frames a second, after the file's 60: cut there"
    assert store.told() == {"long/colour": cut_there}
    reason = store.reasons(COLOUR)["late"]
    assert "start=59 at 25 frames a second lies outside the video's 60 frames" in reason
    assert "--cut (data.cut=true) where the films were cut to their clips already" in reason
    cut, root = Source(wlasl, manifest_of, cut=True).videos()
    whole = write_pictures(FilmedClips(cut, root), tmp_path / "cut", SETTINGS, progress=False)
    assert [levels(whole, clip) for clip in whole.clips] == [[0, 30, 59]] * 4
    # what `train` reads with data.cut=true
    trained = load_manifest(DataSettings(corpus="wlasl", root=str(wlasl), cut=True))
    pd.testing.assert_frame_equal(trained, cut)


def test_a_store_that_counted_frames_is_another_one(wlasl, tmp_path):
    table = read_manifest(wlasl)
    counted = table.drop(columns="segment_fps").query("clip != 'late'")
    old = write_pictures(FilmedClips(counted, wlasl), tmp_path / "old", SETTINGS, progress=False)
    assert levels(old, "part") == [10, 15, 19]
    # as stores were made before: not a word about segments
    assert old.extraction.settings["source"] == {"kind": "files"}
    with pytest.raises(StoreError, match="segments"):
        write_pictures(FilmedClips(table, wlasl), tmp_path / "old", SETTINGS, progress=False)
    # of whole films nothing has changed: the old store is the new one
    whole = pd.DataFrame(counted).assign(start=0, end=-1)
    first = write_pictures(FilmedClips(whole, wlasl), tmp_path / "a", SETTINGS, progress=False)
    timed = FilmedClips(whole.assign(segment_fps=25.0), wlasl)
    again = write_pictures(timed, tmp_path / "a", SETTINGS, progress=False)
    assert again.extraction == first.extraction
