"""Of a store whose files changed, what changed is made again, with a line, and the rest kept."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from killing import killed_at_line

from signlib import processes
from signlib.data import origins
from signlib.data.origins import Files
from signlib.errors import ClipError, DiskError, StoreError
from signlib.extraction.shards import merge_shards, shard_of, shard_path
from signlib.stores import journal, renewal, writer
from signlib.stores.pictures import PictureSettings, PictureStore, PictureWriter
from signlib.stores.renewal import Stored, discard, made_alone
from signlib.stores.store import Extraction, FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter

NUMBERS = Extraction("test", shape=(2,))
CLIPS = [f"c{k}" for k in range(5)]


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "stores" / "a"
    path.mkdir(parents=True)
    (path / "index.csv").write_text("clip\n")
    return path


def test_it_goes_whole_and_one_line_says_why(store, capsys):
    with made_alone(store):
        discard(store, {"b", "a", "c"})
    assert list(store.parent.iterdir()) == [], "neither store nor lock"
    words = f"the file of clip 'a' and of 2 more changed: store {store} is made again\n"
    assert capsys.readouterr().err == words
    with made_alone(store), pytest.raises(DiskError, match="cannot write"):
        discard(store, {"a"})


@pytest.mark.skipif(processes.fcntl is None, reason="no locks on files")
def test_a_second_process_is_refused_by_name(store):
    def second():
        with made_alone(store):
            pass

    with made_alone(store), pytest.raises(StoreError, match="another process; wait for it"):
        second()
    second()


# --- clip by clip ---------------------------------------------------------------------------------


@pytest.fixture
def texts(tmp_path):
    """A folder of files with numbers, one a line; `c3` cannot be read."""
    folder = tmp_path / "files"
    folder.mkdir()
    for k, clip in enumerate(CLIPS):
        lines = [f"{10 * k + line} 0\n" for line in range(1 + k % 3)]
        (folder / clip).write_text("?" if clip == "c3" else "".join(lines))
        os.utime(folder / clip, ns=(10**18 + k, 10**18 + k))
    return folder


def read(path):
    try:
        return StoredClip(np.loadtxt(path, np.float32, ndmin=2), 8, 6, 25.0, f"of {path.name}")
    except ValueError as error:
        raise ClipError("no numbers") from error


def table_of():
    return pd.DataFrame({"clip": CLIPS, "file": CLIPS, "gloss": ["G"] * len(CLIPS)})


def make(out, folder, most=1000, table=None, known=True):
    """The store of a folder's files, or a part of it, and the clips that were made now."""
    table = table_of() if table is None else table
    origin = Files.of(table, folder) if known else None
    with StoreWriter(out, NUMBERS, table, origin=origin) as filled:
        done = filled.pending[:most]
        for clip in done:
            filled.keep(clip, read, folder / clip)
        if not filled.pending:
            filled.finish()
    return done


def content(path):
    """The bytes of a finished store, which holds nothing else."""
    assert not {"frames.npy.part", "journal.jsonl"} & set(os.listdir(path))
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def numbers(path):
    store = FeatureStore(path)
    return {clip: store.read(clip)[:, 0].tolist() for clip in store.clips}


def test_a_file_that_changed_is_made_again_and_nothing_else(texts, tmp_path, capsys):
    out = tmp_path / "out"
    assert make(out, texts) == CLIPS
    before = FeatureStore(out)
    assert make(out, texts) == []
    assert capsys.readouterr().err == ""
    # As long as before: only the time and the bytes tell.
    (texts / "c1").write_text("70 0\n71 0\n")
    (texts / "c3").write_text("5 0\n")
    assert make(out, texts) == ["c1", "c3"]
    words = f"the file of clip 'c1' and of 1 more changed: store {out} makes 2 of its clips again"
    assert capsys.readouterr().err == f"{words} and keeps 3\n"
    assert numbers(out) == {
        "c0": [0],
        "c1": [70, 71],
        "c2": [20, 21, 22],
        "c3": [5],
        "c4": [40, 41],
    }
    assert before.read("c1")[:, 0].tolist() == [10, 11], "who reads it keeps what is open"
    make(tmp_path / "anew", texts)
    assert content(out) == content(tmp_path / "anew")
    assert make(out, texts) == []


def test_a_copy_of_the_files_is_looked_at_once_and_nothing_is_made(
    texts, tmp_path, monkeypatch, capsys
):
    out, copy = tmp_path / "out", tmp_path / "copy"
    make(out, texts)
    before = (out / "frames.npy").stat()
    shutil.copytree(texts, copy, copy_function=shutil.copyfile)
    # What failed is tried again; it has no digest.
    assert make(out, copy) == ["c3"]
    after = FeatureStore(out)
    assert after.frames.tobytes() == np.load(out / "frames.npy").tobytes()
    assert (out / "frames.npy").stat().st_size == before.st_size
    monkeypatch.setattr(origins, "digest_of", lambda *_: pytest.fail("the time has not changed"))
    assert make(out, copy) == []
    # Another size needs no digest.
    (copy / "c0").write_text("123 0\n")
    monkeypatch.setattr(Files, "digest", lambda *_: "")
    capsys.readouterr()
    assert make(out, copy) == ["c0"]
    assert "the file of clip 'c0' changed: store " in capsys.readouterr().err


def test_a_file_that_is_gone_has_not_changed(texts, tmp_path, capsys):
    out, away = tmp_path / "out", tmp_path / "away"
    make(out, texts)
    before = content(out)
    texts.rename(away)
    assert make(out, texts) == []
    away.rename(texts)
    assert make(out, texts) == []
    assert content(out) == before
    assert capsys.readouterr().err == ""


def test_what_an_earlier_version_made_is_kept_and_what_is_added_says_of_which_file(texts, tmp_path):
    out = tmp_path / "out"
    make(out, texts, most=3, known=False)
    (texts / "c0").write_text("99 0\n")
    assert make(out, texts) == ["c3", "c4"]
    table = FeatureStore(out).manifest
    assert table["file_state"].astype(bool).tolist() == [False, False, False, True, True]
    assert table["file_digest"].astype(bool).tolist() == [False, False, False, False, True]
    (texts / "c0").write_text("98 0\n")
    (texts / "c4").write_text("97 0\n")
    assert make(out, texts) == ["c4"], "nobody knows of which file c0 was made"
    whole = tmp_path / "whole"
    make(whole, texts, known=False)
    before = content(whole)
    assert make(whole, texts) == []
    assert content(whole) == before
    assert "file_state" not in FeatureStore(whole).manifest


def test_files_that_change_before_a_store_is_finished(texts, tmp_path, capsys):
    out = tmp_path / "out"
    make(out, texts, most=4)
    (texts / "c1").write_text("70 0\n")
    assert make(out, texts, most=1) == ["c1"]
    (texts / "c1").write_text("71 0\n72 0\n")
    (texts / "c0").write_text("73 0\n")
    assert make(out, texts) == ["c0", "c1", "c4"]
    assert capsys.readouterr().err.count("and keeps 2\n") == 1
    make(tmp_path / "anew", texts)
    assert content(out) == content(tmp_path / "anew")


@pytest.mark.parametrize("changing", [["c1", "c3"], CLIPS])
def test_killed_at_any_line_it_ends_as_one_that_is_made_anew(texts, tmp_path, changing):
    out, before = tmp_path / "out", tmp_path / "before"
    make(before, texts)
    for clip in changing:
        (texts / clip).write_text("7 0\n8 0\n")
    make(tmp_path / "anew", texts)
    expected = content(tmp_path / "anew")
    number, kills, modules = 1, 0, (journal, renewal, writer, origins)
    while True:
        shutil.copytree(before, out)
        if not killed_at_line(number, lambda: make(out, texts), *modules):
            break
        make(out, texts)
        assert content(out) == expected, f"killed before line {number}"
        number, kills = number + 293, kills + 1
        shutil.rmtree(out)
    assert kills > 1
    assert content(out) == expected


def test_parts_that_are_merged_tell_of_which_files_they_are(texts, tmp_path, capsys):
    out, whole = tmp_path / "out", table_of()

    def merged():
        for part in ((1, 2), (2, 2)):
            make(shard_path(out, part), texts, table=shard_of(whole, part))
        merge_shards(out)
        return content(out)

    first = merged()
    make(tmp_path / "one", texts)
    assert first == content(tmp_path / "one")
    assert merged() == first
    (texts / "c4").write_text("7 0\n")
    capsys.readouterr()
    second = merged()
    assert f"store {out} makes 1 of its clips again and keeps 4" in capsys.readouterr().err
    make(tmp_path / "anew", texts)
    assert second == content(tmp_path / "anew")


def derived(out, source):
    """The store of twice another store's numbers, and the clips that were made now."""
    with StoreWriter(out, NUMBERS, source.manifest, origin=Stored(source)) as filled:
        done = filled.pending
        for clip in done:
            filled.keep(clip, lambda clip: StoredClip(2 * source.stored(clip).array), clip)
        filled.finish()
    return done


def test_a_store_that_is_made_of_another_store_follows_it(texts, tmp_path, capsys):
    first, out = tmp_path / "first", tmp_path / "out"
    make(first, texts)
    assert derived(out, FeatureStore(first)) == CLIPS
    assert derived(out, FeatureStore(first)) == []
    (texts / "c2").write_text("7 0\n")
    make(first, texts)
    capsys.readouterr()
    # The one that failed is tried again.
    assert derived(out, FeatureStore(first)) == ["c2", "c3"]
    said = capsys.readouterr().err
    assert said.startswith(f"what store {first} holds of clip 'c2' and of 1 more changed: store ")
    assert numbers(out) == {"c0": [0], "c1": [20, 22], "c2": [14], "c4": [80, 82]}
    # Made again of the same files it holds the same, at another time.
    shutil.rmtree(first)
    make(first, texts)
    assert derived(out, FeatureStore(first)) == ["c3"]
    table = pd.read_csv(first / "index.csv")
    table.assign(fps=table["fps"].where(table["clip"] != "c0", 30.0)).to_csv(
        first / "index.csv", index=False
    )
    os.utime(first / "frames.npy")
    assert derived(out, FeatureStore(first)) == ["c0", "c3"]


def test_both_kinds_of_pictures_of_a_changed_film_are_made_again(texts, tmp_path):
    out, settings = tmp_path / "out", PictureSettings(frames=2)
    form = Extraction(
        "pictures",
        settings={
            "frames": 2,
            "size": 16,
            "fit": "crop",
            "quality": 92,
            "kinds": ["colour", "depth"],
        },
        dtype="uint8",
    )
    table = table_of()

    def pictures():
        origin = Files.of(table, texts)
        with PictureWriter(out, form, table, origin=origin) as filled:
            done = filled.pending
            for key in done:
                clip, kind = key.split("/")
                data = (texts / clip).read_bytes()
                filled.add(clip, kind, [data, kind.encode()], settings.frames, 8, 6)
            filled.finish()
        return done

    assert len(pictures()) == 10
    (texts / "c1").write_text("other")
    assert pictures() == ["c1/colour", "c1/depth"]
    store = PictureStore(out)
    assert [piece.tobytes() for piece in store.encoded("c1", "depth")] == [b"other", b"depth"]
    assert store.pieces("c4")[0].tobytes() == (texts / "c4").read_bytes()
    assert pictures() == []
