"""Settings and sources of `extract`, before any frame is looked at."""

import os
import shutil
from dataclasses import fields

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.corpora.registry import manifest_of
from signlib.data.manifest import check_manifest, load_manifest
from signlib.errors import ManifestError, SettingsError, StoreError
from signlib.experiments import extraction
from signlib.extraction.holistic import LandmarkSettings
from signlib.extraction.registry import extractor_settings
from signlib.paths import REPOSITORY
from signlib.settings.base import DataSettings
from signlib.stores.pictures import PictureSettings
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl


def test_every_setting_of_the_extractor_can_be_overridden():
    other = {
        "tracking": "false",
        "parts": "[pose,left_hand,right_hand]",
        "min_detection_confidence": "1",
        "min_tracking_confidence": "0.25",
        "max_side": "null",
        "hand_model": "lite",
        "model_complexity": "1",
        "on_jump": "split",
    }
    assert set(other) == {entry.name for entry in fields(LandmarkSettings)}
    overrides = [f"{key}={value}" for key, value in other.items()]
    assert extractor_settings(LandmarkSettings, overrides) == LandmarkSettings(
        False, ("pose", "left_hand", "right_hand"), 1, 0.25, None, "lite", on_jump="split"
    )


@pytest.mark.parametrize(
    "text", ["hand_model=3", "hand_model=big", "parts=pose", "tracking=1", "max_side=0.5", "x"]
)
def test_an_impossible_setting_is_refused_with_its_value(text):
    with pytest.raises(SettingsError, match=text.partition("=")[2] or text):
        extractor_settings(LandmarkSettings, [text])


def test_a_folder_of_landmarks_takes_its_glosses_from_a_manifest(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "ab":
        np.save(folder / f"{name}.npy", np.random.default_rng(0).random((4, 75, 3), np.float32))
    (folder / "manifest.csv").write_text("clip,file,gloss\nb,b.npy,TREE\n")
    store = extraction.extract(folder, tmp_path / "store")
    assert store.labelled[["clip", "gloss"]].to_numpy().tolist() == [["b", "TREE"]]
    assert store.skeleton.name == "mediapipe-75"


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(ManifestError, match=r"HELLO/clip1\.mp4"):
        extraction.extract(tmp_path, tmp_path / "store")


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """Three clips in AUTSL's layout, in colour and depth."""
    root = tmp_path_factory.mktemp("autsl")
    world = GeneratedCorpus(3, 3, 1)
    return write_autsl(world, root, world.manifest["clip"][:3].tolist(), 64, progress=False)


def test_pictures_of_an_official_layout_are_kept_in_colour_and_depth(layout, tmp_path, capsys):
    call = ["extract", str(layout), "--out", str(tmp_path / "store"), "--extractor", "pictures"]
    assert main([*call, "--set", "frames=4", "size=32"]) == 0
    told = capsys.readouterr().out
    assert "3 of 3 clips, 0 videos failed, 4 pictures of 32 pixels each" in told
    store = extraction.extract(layout, tmp_path / "store", "pictures", ["frames=4", "size=32"])
    assert store.kinds == ("colour", "depth")
    assert store.read(store.clips[0], "colour").shape == (4, 32, 32, 3)
    assert store.read(store.clips[0], "depth").any()
    before = (tmp_path / "store" / "pictures.bin").stat().st_mtime_ns
    assert main([*call, "--set", "frames=4", "size=32"]) == 0
    assert (tmp_path / "store" / "pictures.bin").stat().st_mtime_ns == before, (
        "a finished store stays as it is"
    )
    with pytest.raises(StoreError):
        extraction.extract(layout, tmp_path / "store", "pictures", ["frames=2", "size=32"])


def test_a_single_video_finds_its_depth_beside_it(layout, tmp_path):
    colour = next(layout.rglob("*_color.mp4"))
    both = extraction.extract(colour, tmp_path / "both", "pictures", ["frames=2", "size=32"])
    assert both.kinds == ("colour", "depth")
    one = extraction.extract(
        colour, tmp_path / "one", "pictures", ["frames=2", "size=32", "kinds=[colour]"]
    )
    np.testing.assert_array_equal(
        one.read(one.clips[0], "colour"), both.read(both.clips[0], "colour")
    )
    alone = tmp_path / "alone_color.mp4"
    alone.write_bytes(colour.read_bytes())
    assert extraction.extract(
        alone, tmp_path / "alone", "pictures", ["frames=2", "size=32"]
    ).kinds == ("colour",)


def test_a_video_that_cannot_be_read_is_named_and_the_others_stay(layout, tmp_path, capsys):
    folder = tmp_path / "signs" / "HELLO"
    folder.mkdir(parents=True)
    (folder / "good.mp4").write_bytes(next(layout.rglob("*_color.mp4")).read_bytes())
    (folder / "broken.mp4").write_bytes(b"")
    call = [
        "extract",
        str(tmp_path / "signs"),
        "--out",
        str(tmp_path / "store"),
        "--extractor",
        "pictures",
    ]
    assert main([*call, "--set", "frames=2", "size=32"]) == 3
    told = capsys.readouterr().out
    assert "1 of 2 clips, 1 videos failed" in told
    assert "failed: " in told
    assert "broken" in told


def test_pictures_are_not_made_in_shards(layout, tmp_path, capsys):
    call = ["extract", str(layout), "--out", str(tmp_path), "--extractor", "pictures"]
    assert main([*call, "--shard", "1/2"]) == 2
    assert "leave out --shard" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="did you mean 'quality'"):
        extractor_settings(PictureSettings, ["qualty=3"])


def test_an_official_list_of_wlasl_names_its_clips(tmp_path):
    from signlib.corpora import clips as corpora
    from signlib.synthesis.layouts import write_wlasl

    root = write_wlasl(GeneratedCorpus(3, 3, 1), tmp_path / "wlasl", size=64, progress=False)
    lists = sorted(root.glob("nslt_*.json"))
    table, folder = manifest_of(root)
    assert folder == root
    assert len(table) == 9
    assert set(table["split"]) == {"train", "val", "test"}, "the list's own subsets"
    again, _ = manifest_of(lists[0])
    assert again["clip"].tolist() == table["clip"].tolist()
    by_gloss = corpora.load_manifest(
        DataSettings(corpus="wlasl", root=str(root), annotations="WLASL_v0.3.json")
    )
    assert set(by_gloss["clip"]) == set(table["clip"])
    assert set(by_gloss["end"]) <= {-1, *range(1, 1000)}


def test_names_that_no_table_or_folder_can_hold_fail_a_clip_and_not_the_job(tmp_path, capsys):
    """300 letters, a link to itself, bytes that are no UTF-8: in videos and in landmark files."""
    film = next((REPOSITORY / "tests/data/kept/inputs/videos").glob("*_color.mp4"))
    films, points = tmp_path / "films", tmp_path / "points"
    (films / "A").mkdir(parents=True)
    points.mkdir()
    shutil.copy(film, films / "A" / "a.mp4")
    array = np.random.default_rng(0).random((5, 543, 4), np.float32)
    np.save(points / "a.npy", array)
    for file in (films / "A" / "loop.mp4", points / "loop.npy"):
        file.symlink_to(file)
    # A manifest may name what no folder can hold.
    listed = tmp_path / "listed"
    listed.mkdir()
    np.save(listed / "a.npy", array)
    rows = ["clip,file,gloss", "a,a.npy,A", f"long,{'n' * 300}.npy,A", f"{'n' * 300},a.npy,A"]
    (listed / "manifest.csv").write_text("\n".join(rows) + "\n")
    failed = {"A_loop/colour"}, {"loop"}
    try:
        os.rename(shutil.copy(film, tmp_path / "b"), os.fsencode(films / "A") + b"/b\xff.mp4")
        np.save(os.fsdecode(os.fsencode(points) + b"/b\xff.npy"), array)
        failed[0].add("A_b%FF/colour")
        failed[1].add("b%FF")
    except OSError:
        pass  # a file system that takes no such name, as that of macOS
    pictures = ["frames=2", "size=32"]
    store = extraction.extract(films, tmp_path / "of_films", "pictures", pictures)
    assert {f"{row.clip}/{row.kind}" for row in store.failed.itertuples()} == failed[0]
    store = extraction.extract(points, tmp_path / "of_points")
    assert set(store.failed["clip"]) == failed[1]
    store = extraction.extract(listed, tmp_path / "of_listed")
    assert list(store.failed["clip"]) == ["long"]
    assert len(store.failed["reason"].iloc[0]) <= 500
    assert len(store) == 2
    assert check_manifest(load_manifest(listed / "manifest.csv"), listed).missing_files == ["long"]
