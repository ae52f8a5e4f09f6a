"""A store survives kill -9, torn lines, power cuts and full disks with the bytes of an
uninterrupted one.
"""

import dataclasses
import errno
import io
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killing import in_child, killed_at_line

from signlib import files
from signlib.data import points as landmarks
from signlib.data.manifest import complete
from signlib.errors import ClipError, DiskError, ManifestError, StoreError
from signlib.extraction.shards import merge_shards, shard_of, shard_path
from signlib.stores import journal as journal_module
from signlib.stores import store as store_module
from signlib.stores import writer as store_writer
from signlib.stores.store import (
    Extraction,
    FeatureStore,
    LoadedClips,
    SharedClips,
    is_finished,
)
from signlib.stores.writer import StoreWriter, write_store

WRITERS = (journal_module, store_writer, files, store_module)
"""The modules in which a job is killed."""
EXTRACTION = Extraction(
    "test", "1", (3, 2), ("x", "y"), settings={"step": 1, "sizes": [1, 2]}, model_hash="abc"
)
FAILING = {"c02", "c05"}
FILES = ("frames.npy", "index.csv", "failed.csv", "extraction.json", "manifest.csv")
NTSC = 30000 / 1001


def manifest(*numbers, **columns):
    numbers = numbers or range(8)
    table = pd.DataFrame(
        {"clip": [f"c{i:02d}" for i in numbers], "gloss": [f"G{i % 3}" for i in numbers]}
    )
    return complete(
        table.assign(file=table["clip"] + ".mp4", start=[*numbers], fps=NTSC, **columns)
    )


def points(clip):
    """1 to 4 frames with a few NaN, the same on every call."""
    rng = np.random.default_rng(int(clip[1:]))
    array = rng.normal(size=(1 + int(clip[1:]) % 4, 3, 2)).astype(np.float32)
    array[0, 1] = np.nan
    return array


def fill(writer, most=1000, failing=FAILING):
    for clip in writer.pending[:most]:
        if clip in failing:
            writer.fail(clip, f'{clip}: NULL,\n"broken" file')
        else:
            writer.add(clip, points(clip), width=640, height=480, fps=NTSC)


def make(path, table=None, **options):
    with StoreWriter(path, EXTRACTION, manifest() if table is None else table, **options) as writer:
        fill(writer)
        return writer.finish()


def interrupted(path, clips=5, table=None):
    with StoreWriter(path, EXTRACTION, manifest() if table is None else table) as writer:
        fill(writer, clips)
    return path


def content(path):
    """The bytes of a finished store, which must hold nothing else."""
    assert sorted(p.name for p in path.iterdir() if p.name != "shards") == sorted(FILES)
    return {name: (path / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of the store made in one piece."""
    path = tmp_path_factory.mktemp("whole") / "store"
    make(path)
    return content(path)


# --- interrupted ----------------------------------------------------------------------------------


def test_killed_before_any_line_it_resumes_to_the_same_bytes(tmp_path, whole):
    number, kills = 1, 0
    while killed_at_line(number, lambda: make(tmp_path / str(kills)), *WRITERS):  # noqa: B023
        make(tmp_path / str(kills))
        assert content(tmp_path / str(kills)) == whole, f"killed before line {number}"
        number, kills = number + 23, kills + 1
    assert kills > 18  # it really was killed all over the job


def test_killed_while_growing_it_resumes_to_the_same_bytes(tmp_path, whole):
    number, kills = 1, 0
    while True:
        path = tmp_path / str(kills)
        make(path, manifest(*range(4)))
        if not killed_at_line(number, lambda: make(path), *WRITERS):  # noqa: B023
            break
        make(path)
        assert content(path) == whole, f"killed before line {number}"
        number, kills = number + 101, kills + 1
    assert kills > 5


def test_killed_between_frames_and_journal_the_clip_is_made_again(tmp_path, whole, monkeypatch):
    def work():
        writer = StoreWriter(tmp_path, EXTRACTION, manifest())
        fill(writer, 3)
        journal = writer._journal

        class Deadly:
            def __getattr__(self, name):
                return getattr(journal, name)

            def write(self, _):
                os.kill(os.getpid(), signal.SIGKILL)

        writer._journal = Deadly()
        fill(writer)

    assert in_child(work) == -signal.SIGKILL
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    frames = sum(json.loads(line).get("length", 0) for line in lines)
    assert len(lines) == 3
    assert (
        tmp_path / "frames.npy.part"
    ).stat().st_size > 128 + frames * 24  # frames that nobody knows of
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending[0] == "c03"
    make(tmp_path)
    assert content(tmp_path) == whole


CHILD = """
import os, sys, time
sys.path[:0] = sys.argv[2].split(os.pathsep)
import test_store as t
with t.StoreWriter(sys.argv[1], t.EXTRACTION, t.manifest()) as writer:
    for clip in writer.pending:
        t.fill(writer, 1)
        print(clip, flush=True)
        if clip == "c04":
            time.sleep(60)
"""


def test_another_process_is_killed_from_outside_and_holds_the_store_until_then(tmp_path, whole):
    here = os.path.dirname(__file__)
    folders = os.pathsep.join([here, os.path.dirname(here)])
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path, folders], stdout=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout:
            if line == "c04\n":
                break
        with pytest.raises(StoreError, match="is being written by another process"):
            StoreWriter(tmp_path, EXTRACTION, manifest())
        assert not is_finished(tmp_path)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending == ["c05", "c06", "c07"]
    make(tmp_path)
    assert content(tmp_path) == whole


def test_a_torn_last_journal_line_is_made_again(tmp_path, whole):
    interrupted(tmp_path / "one")
    journal = (tmp_path / "one" / "journal.jsonl").read_bytes()
    start = journal[:-1].rindex(b"\n") + 1
    for cut in [*range(start, len(journal), 9), len(journal) - 1]:
        path = tmp_path / str(cut)
        interrupted(path)
        (path / "journal.jsonl").write_bytes(journal[:cut])
        with StoreWriter(path, EXTRACTION, manifest()) as writer:
            assert writer.pending[0] == "c04"
            fill(writer)
            writer.finish()
        assert content(path) == whole


@pytest.mark.parametrize(
    "torn",
    [b"\0" * 40, b"\0" * 40 + b"\n", b'{"clip": "c0\n', b'{"clip": "c0', b'{"clip": "c\xff"}\n'],
)
def test_rubbish_at_the_end_of_the_journal_is_made_again(tmp_path, whole, torn):
    interrupted(tmp_path)
    with open(tmp_path / "journal.jsonl", "ab") as journal:
        journal.write(torn)
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending[0] == "c05"
    make(tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.parametrize(
    ("change", "digest"),
    [
        # One digit, as a damaged disk changes it: every later clip would be shifted.
        (('"length": 3', '"length": 2'), True),
        (('"c02"', '"c03"'), True),
        (('"length": 3', '"length": -3'), False),
        (('"length": 3', '"length": 3.0'), False),
        (('"length": 3', '"length": NaN'), False),
        (('{"clip": "c02"', '{"clip": "c01"'), False),
        (('"clip": "c02"', '"clip": ["c02"]'), False),
        (('"width": 640', '"wide": 640'), False),
    ],
)
def test_a_line_of_the_journal_that_cannot_be_is_made_again(tmp_path, whole, change, digest):
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        fill(writer, 5, failing={"c05"})
    path = tmp_path / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    if not digest:
        # As earlier versions wrote them.
        lines = [re.sub(', "crc": ".*"', "", line) for line in lines]
    path.write_text("".join([*lines[:2], lines[2].replace(*change), *lines[3:]]))
    assert path.read_text() != "".join(lines)
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending[0] == "c02"
    make(tmp_path)
    assert content(tmp_path) == whole


def test_a_journal_of_an_earlier_version_is_resumed(tmp_path, whole):
    interrupted(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_text(re.sub(', "crc": "........"', "", path.read_text()))
    assert "crc" not in path.read_text()
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending[0] == "c05"
    make(tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.parametrize("lost", [1, 23, 24, 25, 100, 240, 300, 10**6])
def test_a_journal_ahead_of_the_frames_is_cut_to_them(tmp_path, whole, lost):
    """After a power cut the journal may have reached the disk and the frames not."""
    interrupted(tmp_path)
    part = tmp_path / "frames.npy.part"
    os.truncate(part, max(part.stat().st_size - lost, 0))
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert 3 <= len(writer.pending) <= 8
        assert "c04" in writer.pending
    make(tmp_path)
    assert content(tmp_path) == whole


def test_interrupted_after_every_clip_it_ends_the_same(tmp_path, whole):
    for _ in range(8):
        interrupted(tmp_path, 1)
    make(tmp_path)
    assert content(tmp_path) == whole


def test_an_unfinished_store_cannot_be_read_or_finished(tmp_path):
    interrupted(tmp_path)
    assert not is_finished(tmp_path)
    with pytest.raises(StoreError, match="is unfinished; run its extraction again"):
        FeatureStore(tmp_path)
    with (
        StoreWriter(tmp_path, EXTRACTION, manifest()) as writer,
        pytest.raises(StoreError, match="still lacks 3 clips, first 'c05'"),
    ):
        writer.finish()


# --- full disks -----------------------------------------------------------------------------------


class Disk:
    """A disk with so many bytes left; after its first failure it has room again when `recovers`."""

    def __init__(self, free, recovers=False, error=None):
        self.free, self.recovers, self.failed = free, recovers, 0
        self.error = error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open(self, path, mode="r", encoding=None, newline=None, errors=None):
        disk = self

        class Raw(io.FileIO):
            def write(self, data):
                taken = min(len(data), disk.free)
                if taken == 0 and len(data):
                    disk.failed += 1
                    if disk.recovers:
                        disk.free = 10**6
                    raise disk.error
                disk.free -= taken
                return super().write(bytes(data)[:taken])

        raw = Raw(path, mode.replace("b", "").replace("t", ""))
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


def check_whole(path):
    """Nothing half-written: whole journal lines, their frames and no more, no temporary file."""
    assert not list(path.glob("*.tmp"))
    assert not list(path.glob(".*"))
    journal, part = path / "journal.jsonl", path / "frames.npy.part"
    if (path / "frames.npy").exists():
        part = (
            path / "frames.npy"
        )  # full when all that was missing was the word that it is complete
    if not part.exists() or part.stat().st_size < 128:
        assert not journal.exists() or journal.read_bytes() == b""
        return 0
    text = journal.read_text()
    assert text == "" or text.endswith("\n")
    entries = [json.loads(line) for line in text.splitlines()]
    assert part.stat().st_size == 128 + 24 * sum(entry.get("length", 0) for entry in entries)
    return len(entries)


@pytest.mark.parametrize("recovers", [False, True], ids=["stays full", "has room at once"])
def test_a_full_disk_leaves_nothing_half_written_and_the_job_goes_on(
    tmp_path, whole, monkeypatch, recovers
):
    kept, free = [], 0
    while True:
        path, disk = tmp_path / str(free), Disk(free, recovers)
        with monkeypatch.context() as patch:
            patch.setattr(journal_module, "open", disk.open, raising=False)
            patch.setattr(files, "open", disk.open, raising=False)
            said = ""
            try:
                make(path)
            except DiskError as error:
                said = str(error)
        if not disk.failed:
            break
        assert f"cannot write {path}" in said
        assert (
            "the disk is full; what was written before stays whole: make room and run the same"
            " command" in said
        )
        kept.append(check_whole(path))
        make(path)
        assert content(path) == whole, f"full after {free} bytes"
        free += 113
    assert set(kept) >= {0, 3, 8}  # it was full at the start, in the middle and at the end
    assert len(kept) > 20


def test_a_writer_whose_disk_was_full_says_to_open_again(tmp_path, whole, monkeypatch):
    disk = Disk(10**6)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "open", disk.open, raising=False)
        with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
            fill(writer, 4)
            disk.free = 30
            with pytest.raises(DiskError, match="the disk is full"):
                fill(writer, 1)
            disk.free = 10**6
            with pytest.raises(StoreError, match="open it again to resume"):
                writer.add("c04", points("c04"))
            assert writer.pending[0] == "c04"
    assert check_whole(tmp_path) == 4
    make(tmp_path)
    assert content(tmp_path) == whole


def test_an_interrupt_in_the_middle_of_a_clip_cannot_shift_the_others(tmp_path, whole, monkeypatch):
    disk = Disk(10**6, recovers=True, error=KeyboardInterrupt())
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "open", disk.open, raising=False)
        writer = StoreWriter(tmp_path, EXTRACTION, manifest())
        fill(writer, 4)
        disk.free = len(points("c04").tobytes())  # frames yes, journal no
        with pytest.raises(KeyboardInterrupt):
            fill(writer, 1)
        writer.close()
    assert disk.failed == 1
    assert check_whole(tmp_path) == 4
    make(tmp_path)
    assert content(tmp_path) == whole


def test_a_limit_on_file_sizes_is_met_as_a_full_disk(tmp_path, whole):
    """The kernel's own error, in a process of its own."""
    refused = 0
    for limit in (0, 60, 130, 200, 300, 400, 450):
        path = tmp_path / str(limit)

        def work(path=path, limit=limit):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with pytest.raises(DiskError, match="the file-size limit is reached"):
                make(path)

        assert in_child(work) == 0
        refused += 1
        check_whole(path)
        make(path)
        assert content(path) == whole
    assert refused == 7


def test_a_folder_that_cannot_be_made_is_an_error_one_can_act_on(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(DiskError, match="cannot write"):
            StoreWriter(path, EXTRACTION, manifest())
    assert (tmp_path / "file").read_text() == ""


# --- the same store or another one ----------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_shards_merge_to_the_bytes_of_one_piece(tmp_path, whole, count):
    parts = [shard_of(manifest(), (i, count)) for i in range(1, count + 1)]
    assert [clip for part in parts for clip in part["clip"]] == manifest()["clip"].tolist()
    for i, part in enumerate(parts, 1):
        make(shard_path(tmp_path, (i, count)), part)
    store = merge_shards(tmp_path)
    assert content(tmp_path) == whole
    assert store.clips == [clip for clip in manifest()["clip"] if clip not in FAILING]
    before = (tmp_path / "frames.npy").stat()
    merge_shards(tmp_path)
    assert (tmp_path / "frames.npy").stat().st_mtime_ns == before.st_mtime_ns


def test_merging_that_was_killed_goes_on(tmp_path, whole):
    for i in (1, 2):
        make(shard_path(tmp_path, (i, 2)), shard_of(manifest(), (i, 2)))
    number, kills = 40, 0
    while killed_at_line(number, lambda: merge_shards(tmp_path), *WRITERS):
        number, kills = number + 150, kills + 1
    assert kills >= 2
    merge_shards(tmp_path)
    assert content(tmp_path) == whole


def test_what_failed_in_a_shard_and_was_tried_again_is_merged_again(tmp_path):
    first, second = (shard_of(manifest(), (i, 2)) for i in (1, 2))
    make(shard_path(tmp_path, (1, 2)), first)
    make(shard_path(tmp_path, (2, 2)), second)
    merge_shards(tmp_path)
    with StoreWriter(shard_path(tmp_path, (1, 2)), EXTRACTION, first, retry_failed=True) as writer:
        fill(writer, failing=set())
        writer.finish()
    merged = merge_shards(tmp_path)
    assert merged.failed["clip"].tolist() == ["c05"]
    np.testing.assert_array_equal(merged.read("c02"), points("c02"))


def test_shards_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(StoreError, match="found none"):
        merge_shards(tmp_path)
    make(shard_path(tmp_path, (1, 2)), shard_of(manifest(), (1, 2)))
    with pytest.raises(StoreError, match="found 1-of-2; every shard i/n"):
        merge_shards(tmp_path)
    interrupted(shard_path(tmp_path, (2, 2)), 1, shard_of(manifest(), (2, 2)))
    with pytest.raises(StoreError, match="2-of-2 is unfinished"):
        merge_shards(tmp_path)
    make(shard_path(tmp_path, (2, 2)), shard_of(manifest(), (2, 2)))
    make(shard_path(tmp_path, (1, 3)), shard_of(manifest(), (1, 3)))
    with pytest.raises(
        StoreError, match=r"found 1-of-2, 1-of-3, 2-of-2|found 1-of-3, 1-of-2, 2-of-2"
    ):
        merge_shards(tmp_path)
    for shard in ((0, 2), (3, 2), (1, 0)):
        with pytest.raises(StoreError, match=f"shard {shard[0]}/{shard[1]}"):
            shard_of(manifest(), shard)


def test_shards_of_other_settings_or_the_same_clips_are_refused(tmp_path):
    make(shard_path(tmp_path / "a", (1, 2)), shard_of(manifest(), (1, 2)))
    other = dataclasses.replace(EXTRACTION, version="2")
    with StoreWriter(
        shard_path(tmp_path / "a", (2, 2)), other, shard_of(manifest(), (2, 2))
    ) as writer:
        fill(writer)
        writer.finish()
    with pytest.raises(StoreError, match="version='2' instead of '1'"):
        merge_shards(tmp_path / "a")
    for i in (1, 2):
        make(shard_path(tmp_path / "b", (i, 2)))
    with pytest.raises(ManifestError, match="'c00' appears twice"):
        merge_shards(tmp_path / "b")


@pytest.fixture(params=["finished", "interrupted"])
def existing(request, tmp_path):
    """A store that is there already, and must stay as it is when a change is refused."""
    make(tmp_path) if request.param == "finished" else interrupted(tmp_path)
    kept = {
        "frames.npy",
        "frames.npy.part",
        "index.csv",
        "failed.csv",
        "extraction.json",
        "manifest.csv",
    }

    def state():
        return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in kept}

    before = state()
    yield tmp_path
    assert state() == before
    assert is_finished(tmp_path) == (request.param == "finished")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extractor": "other"}, "extractor='test' instead of 'other'"),
        ({"version": "2"}, "version='1' instead of '2'"),
        ({"shape": (2, 2)}, "shape=[3, 2] instead of [2, 2]"),
        ({"channels": ("y", "x")}, "channels=['x', 'y'] instead of ['y', 'x']"),
        ({"skeleton": "ntu-25"}, "skeleton='' instead of 'ntu-25'"),
        ({"dtype": "float16"}, "dtype='float32' instead of 'float16'"),
        ({"model_hash": "def"}, "model_hash='abc' instead of 'def'"),
        ({"settings": {"step": 2, "sizes": [1, 2]}}, "step=1 instead of 2"),
        ({"settings": {"step": 1, "sizes": [1, 3]}}, "sizes=[1, 2] instead of [1, 3]"),
        ({"settings": {"step": 1, "sizes": [1, 2], "more": True}}, "more=None instead of True"),
        ({"settings": {"sizes": [1, 2]}}, "step=1 instead of None"),
        ({"settings": {"step": 1, "sizes": [1, 2], "version": "1"}}, "version=None instead of '1'"),
    ],
)
def test_a_changed_setting_is_refused_with_both_values(existing, change, words):
    with pytest.raises(StoreError, match="a changed setting is another store") as refused:
        StoreWriter(existing, dataclasses.replace(EXTRACTION, **change), manifest())
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "old"),
    [
        ("file", "x.mp4", "'c01.mp4'"),
        ("start", 7, "1"),
        ("end", 9, "-1"),
        ("fps", 25.0, "29.97"),
        ("fps", np.nan, "29.97"),
    ],
)
def test_a_changed_source_of_a_clip_is_refused_with_both_values(existing, column, value, old):
    table = manifest()
    table.loc[1, column] = value
    with pytest.raises(StoreError, match=f"clip 'c01' was made with {column}=") as refused:
        StoreWriter(existing, EXTRACTION, table)
    assert old in str(refused.value)
    assert (value if isinstance(value, str) else str(value)) in str(refused.value)


def test_a_removed_clip_is_refused_by_name(existing):
    with pytest.raises(StoreError, match="holds clip 'c03', which the manifest no longer has"):
        StoreWriter(existing, EXTRACTION, manifest(0, 1, 2, 4, 5, 6, 7))
    with pytest.raises(StoreError, match="holds clip 'c03'"):
        StoreWriter(existing, EXTRACTION, manifest(0, 1, 2, 4, 5, 6, 7, 8, 9))


def test_what_was_not_extracted_yet_may_change(tmp_path):
    interrupted(tmp_path)
    table = manifest(0, 1, 2, 3, 4, 6, 8)
    table.loc[5, "file"] = "moved.mp4"
    store = make(tmp_path, table)
    assert store.clips == ["c00", "c01", "c03", "c04", "c06", "c08"]
    assert store.manifest.set_index("clip").loc["c06", "file"] == "moved.mp4"


@pytest.mark.parametrize("start", [make, interrupted])
def test_a_changed_gloss_or_split_changes_no_feature(tmp_path, whole, start):
    start(tmp_path)
    store = make(tmp_path, manifest(split=["train"] * 7 + ["test"]).assign(gloss="NEW"))
    assert set(store.manifest["gloss"]) == {"NEW"}
    assert store.labelled["split"].tolist() == ["train"] * 5 + ["test"]
    assert {k: v for k, v in content(tmp_path).items() if k != "manifest.csv"} == {
        k: v for k, v in whole.items() if k != "manifest.csv"
    }


def test_a_finished_store_is_left_as_it_is(tmp_path, whole):
    make(tmp_path)
    before = (tmp_path / "frames.npy").stat()
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending == []
        with pytest.raises(StoreError, match="is not pending"):
            writer.add("c00", points("c00"))
        writer.finish()
    after = (tmp_path / "frames.npy").stat()
    assert (after.st_mtime_ns, after.st_ino, after.st_size) == (
        before.st_mtime_ns,
        before.st_ino,
        before.st_size,
    )
    assert content(tmp_path) == whole


def test_new_clips_at_the_end_give_the_bytes_of_one_piece(tmp_path, whole):
    make(tmp_path, manifest(*range(3)))
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert writer.pending == [f"c{i:02d}" for i in range(3, 8)]
        assert not is_finished(tmp_path)
        fill(writer)
        writer.finish()
    assert content(tmp_path) == whole


def test_new_clips_in_between_keep_old_frames_and_manifest_order(tmp_path):
    make(tmp_path, manifest(1, 4, 7))
    store = make(tmp_path, manifest(7, 0, 4, 5, 1))
    assert store.clips == ["c07", "c00", "c04", "c01"]
    assert store.labelled["clip"].tolist() == store.clips
    for clip in store.clips:
        np.testing.assert_array_equal(store.read(clip), points(clip))
    assert store.counts == {"done": 4, "failed": 1, "missing": 0}
    reordered = make(tmp_path, manifest(0, 1, 4, 5, 7))
    assert reordered.clips == ["c00", "c01", "c04", "c07"]
    for clip in reordered.clips:
        np.testing.assert_array_equal(reordered.read(clip), points(clip))


@pytest.mark.parametrize("start", [make, interrupted])
def test_failed_clips_are_tried_again_only_when_asked(tmp_path, start):
    start(tmp_path)
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        assert "c02" not in writer.pending
    with StoreWriter(tmp_path, EXTRACTION, manifest(), retry_failed=True) as writer:
        assert "c02" in writer.pending
        assert "c00" not in writer.pending
        fill(writer, failing={"c05"})
        store = writer.finish()
    assert store.failed["clip"].tolist() == ["c05"]
    assert store.counts == {"done": 7, "failed": 1, "missing": 0}
    for clip in store.clips:
        np.testing.assert_array_equal(store.read(clip), points(clip))


def test_a_mended_file_may_be_another_one(tmp_path):
    make(tmp_path)
    table = manifest()
    table.loc[2, "file"] = "mended.mp4"
    with pytest.raises(StoreError, match=r"'c02' was made with file='c02\.mp4'"):
        StoreWriter(tmp_path, EXTRACTION, table)
    with StoreWriter(tmp_path, EXTRACTION, table, retry_failed=True) as writer:
        assert writer.pending == ["c02", "c05"]
        fill(writer, failing=set())
        assert len(writer.finish()) == 8


def test_two_writers_are_refused(tmp_path):
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        with pytest.raises(StoreError, match="is being written by another process; wait for it"):
            StoreWriter(tmp_path, EXTRACTION, manifest())
        fill(writer)
        writer.finish()
    make(tmp_path)


def test_a_folder_with_other_things_is_not_written_to(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="is not empty and holds no store"):
        StoreWriter(tmp_path, EXTRACTION, manifest())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


# --- what is added --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 3, 2), np.float32), "T >= 1"),
        (
            np.zeros((4, 2, 3), np.float32),
            r"shape \(4, 2, 3\); this store takes floats of shape \(T, 3, 2\)",
        ),
        (np.zeros((4, 6), np.float32), r"shape \(4, 6\)"),
        (np.zeros((4, 3, 2, 1), np.float32), r"shape \(4, 3, 2, 1\)"),
        (np.float32(1), r"shape \(\)"),
        (np.zeros((4, 3, 2), int), "int64"),
        (np.zeros((4, 3, 2), complex), "complex128"),
        (np.full((4, 3, 2), None), "object"),
        (np.full((4, 3, 2), "1.0"), "<U3"),
        (
            np.full((4, 3, 2), np.nan, np.float32),
            "every value is NaN, nothing was found in any of its 4 frames",
        ),
    ],
)
def test_a_clip_that_cannot_be_used_is_refused_and_the_job_goes_on(tmp_path, whole, array, words):
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        with pytest.raises(ClipError, match=f"clip 'c00': .*{words}"):
            writer.add("c00", array)
        fill(writer)
        writer.finish()
    assert content(tmp_path) == whole


def test_a_clip_that_is_not_pending_is_refused(tmp_path):
    with StoreWriter(tmp_path, EXTRACTION, manifest()) as writer:
        fill(writer, 3)
        for clip in ("c00", "c02", "c99", "../c03"):
            with pytest.raises(StoreError, match="is not pending"):
                writer.add(clip, points("c00"))
            with pytest.raises(StoreError, match="is not pending"):
                writer.fail(clip, "again")
        fill(writer)
        assert len(writer.finish()) == 6


def test_a_store_from_arrays_names_what_could_not_be_used(tmp_path):
    arrays = [("c00", points("c00")), ("c99", points("c00")), ("c01", np.full((2, 3, 2), np.nan))]
    store = write_store(
        tmp_path, EXTRACTION, manifest(0, 1), arrays, width=10, height=20, fps=float("nan")
    )
    assert store.clips == ["c00"]
    assert store.failed["clip"].tolist() == ["c01"]
    assert "every value is NaN" in store.failed["reason"][0]
    assert store.index.to_dict("records") == [
        {"clip": "c00", "offset": 0, "length": 1, "width": 10, "height": 20, "fps": 0.0}
    ]
    with pytest.raises(StoreError, match="lacks 1 clips, first 'c02'"):
        write_store(tmp_path / "b", EXTRACTION, manifest(0, 2), arrays)


def test_a_store_of_only_failures_can_be_read(tmp_path):
    with StoreWriter(tmp_path, EXTRACTION, manifest(2, 5)) as writer:
        fill(writer)
        store = writer.finish()
    assert store.clips == []
    assert len(store.labelled) == 0
    assert store.frames.shape == (0, 3, 2)


shapes = st.sampled_from([(2, 3), (5,), (1, 1)])
values = st.floats(-60000, 60000, width=16) | st.just(float("nan"))


@settings(max_examples=15, deadline=None)
@given(data=st.data(), shape=shapes, dtype=st.sampled_from(["float32", "float16"]))
def test_what_is_read_back_is_what_was_added(tmp_path_factory, data, shape, dtype):
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    arrays = {}
    for i, length in enumerate(lengths):
        size = length * int(np.prod(shape))
        drawn = np.array(data.draw(st.lists(values, min_size=size, max_size=size)), dtype).reshape(
            length, *shape
        )
        drawn.flat[0] = 1.5
        arrays[f'clip {i}, "é"'] = drawn
    table = complete(pd.DataFrame({"clip": list(arrays)}))
    path = tmp_path_factory.mktemp("property")
    made = Extraction("test", shape=shape, dtype=dtype)
    stops = data.draw(st.sets(st.sampled_from(list(arrays))))
    writer = StoreWriter(path, made, table)
    for clip, array in arrays.items():
        writer.add(clip, array, fps=data.draw(st.floats(0, 1000)))
        if clip in stops:
            writer.close()
            writer = StoreWriter(path, made, table)
    store = writer.finish()
    assert store.clips == list(arrays)
    assert store.extraction == made
    for clip, array in arrays.items():
        read = store.read(clip)
        assert read.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(read, array)


# --- what is read ---------------------------------------------------------------------------------


def test_a_clip_is_a_read_only_view(tmp_path):
    store = make(tmp_path)
    view = store.read("c03")
    assert isinstance(store.frames, np.memmap)
    assert np.shares_memory(view, store.frames)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0


def test_clips_failures_and_counts(tmp_path):
    store = make(tmp_path)
    assert len(store) == 6
    assert "c00" in store
    assert "c02" not in store
    assert store.counts == {"done": 6, "failed": 2, "missing": 0}
    assert store.failed.to_dict("records")[0] == {
        "clip": "c02",
        "reason": 'c02: NULL, "broken" file',
    }
    assert store.index["fps"].tolist() == [NTSC] * 6
    with pytest.raises(StoreError, match=r'its extraction failed .c02: NULL, "broken" file'):
        store.read("c02")
    with pytest.raises(
        StoreError, match=r"clip 'x' is not in store .*`store\.clips` lists what is"
    ):
        store.read("x")
    assert FeatureStore(str(tmp_path)).clips == store.clips
    pd.testing.assert_frame_equal(store.manifest, manifest())


def test_labelled_clips_carry_the_sources_size_even_when_the_manifest_has_one(tmp_path):
    store = make(tmp_path, manifest(width=1, height=1, length=99, offset=5, more="x"))
    about = store.labelled.set_index("clip")
    assert (about["width"].unique().tolist(), about["height"].unique().tolist()) == ([640], [480])
    assert about.loc["c03", ["offset", "length"]].tolist() == [3, 4]
    assert about["more"].unique().tolist() == ["x"]
    assert not [column for column in about.columns if column.endswith(("_x", "_y"))]


def small_store(tmp_path):
    """Two clips: frame t of clip a holds t, of clip b 10 + t; joint j adds 100 j."""
    made = Extraction("test", shape=(3, 1))
    table = complete(pd.DataFrame({"clip": ["a", "b"]}))
    joints = 100.0 * np.arange(3)[:, None]
    clips = [
        (clip, first + np.arange(length)[:, None, None] + joints)
        for clip, first, length in [("a", 0, 5), ("b", 10, 2)]
    ]
    return write_store(tmp_path, made, table, clips)


def test_a_batch_by_hand(tmp_path):
    store = small_store(tmp_path)
    nan = np.nan
    batch, lengths = store.batch(["b", "a"])
    assert batch.shape == (2, 5, 3, 1)
    assert batch.dtype == np.float32
    assert lengths.tolist() == [2, 5]
    np.testing.assert_array_equal(batch[:, :, 0, 0], [[10, 11, nan, nan, nan], [0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(
        batch[:, :, 2, 0], [[210, 211, nan, nan, nan], [200, 201, 202, 203, 204]]
    )


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [[10], [0]]),
        (2, [[10, 11], [0, 4]]),
        (3, [[10, 10, 11], [0, 2, 4]]),
        (5, [[10, 10, 10, 10, 11], [0, 1, 2, 3, 4]]),
    ],
)
def test_a_batch_of_evenly_spaced_frames_by_hand(tmp_path, frames, expected):
    batch, lengths = small_store(tmp_path).batch(["b", "a"], frames=frames)
    np.testing.assert_array_equal(batch[:, :, 0, 0], expected)
    assert lengths.tolist() == [frames, frames]


@pytest.mark.parametrize("frames", [None, 4])
def test_a_batch_of_some_joints_is_the_batch_with_the_others_left_out(tmp_path, frames):
    store = small_store(tmp_path)
    joints = np.array([2, 0])
    whole, lengths = store.batch(["a", "b", "a"], frames)
    some, same = store.batch(["a", "b", "a"], frames, joints)
    np.testing.assert_array_equal(some, whole[:, :, joints])
    np.testing.assert_array_equal(lengths, same)
    assert some.shape[2] == 2


def test_a_batch_takes_the_frames_that_linspace_says(tmp_path):
    store = make(tmp_path)
    for frames in (1, 2, 3, 7, 16):
        batch, _ = store.batch(store.clips, frames)
        for row, clip in zip(batch, store.clips, strict=True):
            times = [
                int(i * (len(points(clip)) - 1) / max(frames - 1, 1) + 1e-9) for i in range(frames)
            ]
            np.testing.assert_array_equal(row, points(clip)[times])


@pytest.mark.parametrize("frames", [None, 4])
@pytest.mark.parametrize("joints", [None, np.array([40, 0]), np.array([-1]), np.arange(42) < 3])
def test_a_batch_of_damaged_clips_is_what_is_read_clip_by_clip(tmp_path, frames, joints):
    """Also where the damage lies in frames and joints that the batch leaves out."""
    good = np.full((5, 42, 3), 0.5, np.float32)
    clips = {name: good.copy() for name in ("good", "hand", "part", "far", "unit")}
    clips["hand"][:3, 21:] = np.nan
    clips["part"][4, 40, 1] = np.nan
    clips["far"][1, :3] = [0.5, 21, 0], [0.5, 0.5, -6000], [np.inf, 0, 0]
    # The points that are asked for are good, and yet nothing of this clip is used.
    clips["unit"][:, 3:40] = 640
    clips["short"] = clips["far"][1:3]
    made = Extraction("test", shape=(42, 3), skeleton="hands-42")
    table = pd.DataFrame({"clip": list(clips)})
    harmless = [(clip, np.full_like(array, 0.5)) for clip, array in clips.items()]
    write_store(tmp_path, made, table, harmless)
    # As a store that was written before anybody looked.
    np.save(tmp_path / "frames.npy", np.concatenate(list(clips.values())))
    store, single = FeatureStore(tmp_path), FeatureStore(tmp_path)
    batch, lengths = store.batch(list(clips), frames, joints)
    for clip, row, length in zip(clips, batch, lengths, strict=True):
        expected = single.read(clip)
        if frames is not None:
            expected = expected[[0, 0, 0, 1] if clip == "short" else [0, 1, 2, 4]]
        if joints is not None:
            expected = expected[:, joints]
        np.testing.assert_array_equal(row[:length], expected)
        assert np.isnan(row[length:]).all()
    assert np.isnan(batch[4]).all()
    assert store.notes == single.notes
    assert sorted(store.notes) == ["far", "part", "short", "unit"]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("plain", [True, False], ids=["a pickle", "an array of objects"])
def test_a_pickle_in_place_of_the_frames_is_never_loaded(tmp_path, plain):
    store, target = tmp_path / "store", tmp_path / "exploded"
    make(store)
    frames = store / "frames.npy"
    if plain:
        frames.write_bytes(pickle.dumps(Bomb(target)))
    else:
        np.save(frames, np.array([Bomb(target)], dtype=object))
    with pytest.raises(StoreError, match=r"frames\.npy cannot be read"):
        FeatureStore(store)
    with pytest.raises(StoreError, match=r"frames\.npy cannot be read"):
        StoreWriter(store, EXTRACTION, manifest())
    assert not target.exists()
    np.load(frames, allow_pickle=True)
    assert target.exists()  # the bomb is a real one


def test_damaged_frames_are_refused(tmp_path, whole):
    make(tmp_path)
    frames = tmp_path / "frames.npy"
    for cut in (len(whole["frames.npy"]) - 1, 128, 100, 0):
        os.truncate(frames, cut)
        with pytest.raises(StoreError, match=r"frames\.npy cannot be read"):
            FeatureStore(tmp_path)
    frames.unlink()
    with pytest.raises(StoreError, match=r"frames\.npy cannot be read"):
        FeatureStore(tmp_path)
    rows = 15
    for wrong in (
        np.zeros((rows - 1, 3, 2), "f4"),
        np.zeros((rows, 2, 3), "f4"),
        np.zeros((rows, 3, 2), "f8"),
    ):
        np.save(frames, wrong)
        with pytest.raises(StoreError, match=r"float32 of shape \(15, 3, 2\)"):
            FeatureStore(tmp_path)
    np.save(frames, np.zeros((rows, 3, 2), "f4"))
    assert len(FeatureStore(tmp_path)) == 6


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"complete": true}', "null"])
def test_a_damaged_description_is_refused(tmp_path, text):
    make(tmp_path)
    (tmp_path / "extraction.json").write_text(text)
    with pytest.raises(StoreError, match=r"extraction\.json is damaged"):
        FeatureStore(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("shape", 5, "shape=5 is no list"),
        ("settings", [], r"settings=\[\] is no dict"),
        ("complete", "no", "no bool"),
    ],
)
def test_a_description_of_the_wrong_types_is_refused(tmp_path, key, value, words):
    make(tmp_path)
    path = tmp_path / "extraction.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(
        StoreError,
        match=rf"extraction\.json is damaged \(.*{words}\); delete the folder and extract",
    ):
        FeatureStore(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index: index.drop(columns="length"), "no column 'length'"),
        (lambda index: index.assign(length="x"), "'x'"),
        (lambda index: index.drop(columns="clip"), "no column 'clip'"),
    ],
)
def test_an_index_without_its_columns_is_refused(tmp_path, change, words):
    make(tmp_path)
    path = tmp_path / "index.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(
        StoreError,
        match=rf"index\.csv cannot be read \(.*{words}.*\); delete the folder and extract",
    ):
        FeatureStore(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("index", ("c01,1,2", "c01,0,2"), "clip 'c01' at 0, where the clip before it does not end"),
        ("index", ("c01,1,2", "c01,-1,2"), r"offset=\[-1\], not 0 to"),
        ("index", ("c01,1,2", "c01,2,2"), "clip 'c01' at 2, where"),
        ("index", ("c01,1,2", "c01,1,3"), "where the clip before it does not end"),
        ("index", ("c01,1,2", "c01,1,0"), r"length=\[0\], not 1 to"),
        ("index", ("c01,", "../escaped,"), r"clip \['../escaped'\] that manifest.csv lacks"),
        ("index", ("c01,", "c00,"), r"'c00' twice"),
        ("index", ("c01,", "c02,"), r"'c02' twice"),
        ("index", ("640", "-640"), r"width=\[-640\], not 0 to 65536"),
        ("index", ("29.97002997002997", "inf"), r"fps=\[inf\], not 0 to 1000"),
        ("index", ("29.97002997002997", ""), "cannot be read"),
        ("failed", ("c02,", "../../c02,"), r"clip \['../../c02'\] that manifest.csv lacks"),
        ("failed", ("c05,", "c02,"), "'c02' twice"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(tmp_path, file, change, words):
    make(tmp_path)
    path = tmp_path / f"{file}.csv"
    text = path.read_text()
    path.write_text(text.replace(*change, 1))
    assert path.read_text() != text
    with pytest.raises(StoreError, match=rf"(index|failed)\.csv .*{words}"):
        FeatureStore(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [3, -2]}, r"shape=\[3, -2\] is none of 1 to"),
        ({"shape": [10**5, 10**5]}, r"is none of 1 to 16,777,216 numbers"),
        ({"channels": ["x"]}, r"channels=\['x'\] are no names of \[2\] numbers"),
        ({"dtype": "object"}, "dtype='object' is none of float16"),
        ({"counts": {"done": 6, "failed": -2}}, "counts=.* are not all whole numbers"),
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path, change, words):
    make(tmp_path)
    path = tmp_path / "extraction.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match=rf"extraction\.json is damaged \(.*{words}"):
        FeatureStore(tmp_path)


def test_counts_of_another_store_are_refused(tmp_path):
    make(tmp_path)
    path = tmp_path / "extraction.json"
    counts = {"counts": {"done": 7, "failed": 2, "missing": 0}}
    path.write_text(json.dumps(json.loads(path.read_text()) | counts))
    with pytest.raises(StoreError, match=r"hold \(6, 2\) rows .*extraction.json says \(7, 2\)"):
        FeatureStore(tmp_path)


@pytest.mark.parametrize("name", ["index.csv", "failed.csv", "manifest.csv"])
def test_a_missing_table_is_named(tmp_path, name):
    make(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises((StoreError, ManifestError), match=name.replace(".", r"\.")):
        FeatureStore(tmp_path)


def test_no_store_says_how_to_make_one(tmp_path):
    missing = tmp_path / "none"
    with pytest.raises(
        StoreError,
        match=rf"holds no feature store .*`python -m signlib extract VIDEOS --out {missing}`",
    ):
        FeatureStore(missing)
    assert not is_finished(missing)


@pytest.mark.parametrize("file", ["HELLO/a.mp4", "a.mp4"])
def test_videos_in_place_of_a_store_say_how_to_make_one_of_them(tmp_path, file):
    videos = tmp_path / "my_videos"
    (videos / file).parent.mkdir(parents=True)
    (videos / file).touch()
    for path in (videos, videos / file):
        with pytest.raises(
            StoreError, match=rf"`python -m signlib extract {path} --out STORE` and give STORE"
        ):
            FeatureStore(path)


def test_another_kind_of_store_or_shards_alone_are_called_what_they_are(tmp_path):
    (tmp_path / "pictures.json").touch()
    with pytest.raises(
        StoreError, match=r"is a store of pictures, not of features \(no extraction\.json\)"
    ):
        FeatureStore(tmp_path)
    make(tmp_path / "a")
    with pytest.raises(
        StoreError, match=r"is a store of features, not of pictures \(no pictures\.json\)"
    ):
        store_module.read_extraction(tmp_path / "a", "pictures.json")
    make(shard_path(tmp_path / "b", (1, 2)))
    with pytest.raises(
        StoreError,
        match=rf"merge its shards with `python -m signlib extract --out {tmp_path}/b --merge`",
    ):
        FeatureStore(tmp_path / "b")


def test_points_that_cannot_be_used_are_kept_as_missing_and_told(tmp_path):
    """Written by this store, and found in one that was written before anybody looked."""
    clip = np.full((3, 42, 3), 0.5, np.float32)
    bad = clip.copy()
    bad[0, 0, 2], bad[2, 1, 0] = np.inf, 1e30
    hands = Extraction("test", shape=(42, 3), skeleton="hands-42")
    table = pd.DataFrame({"clip": ["good", "bad", "nobody"]})
    clips = [("good", clip), ("bad", bad), ("nobody", clip * np.inf)]
    store = write_store(tmp_path / "store", hands, table, clips)
    told = (
        "2 of 126 points are taken as missing: 1 are not finite and 1 lie beyond 20 fractions of"
        " the picture (in depth 5000)"
    )
    assert store.notes == {"bad": told}
    assert "126 of 126 points are taken as missing" in store.reasons["nobody"]
    expected = clip.copy()
    expected[0, 0] = expected[2, 1] = np.nan
    np.testing.assert_array_equal(store.read("bad"), expected)
    assert store.stored("bad").note == told
    # More clips in the same store: what was told is kept.
    more = pd.concat([table, pd.DataFrame({"clip": ["late"]})], ignore_index=True)
    again = write_store(tmp_path / "store", hands, more, [("late", clip)])
    assert again.notes == {"bad": told}
    # An older store: the same numbers on the disk, nobody has looked.
    (tmp_path / "store" / "notes.csv").unlink()
    frames = np.load(tmp_path / "store" / "frames.npy")
    frames[3:6] = bad
    np.save(tmp_path / "store" / "frames.npy", frames)
    old = FeatureStore(tmp_path / "store")
    batch, _ = old.batch(["good", "bad"], frames=3)
    np.testing.assert_array_equal(batch, [clip, expected])
    np.testing.assert_array_equal(old.batch(["bad"], 3, np.array([0]))[0][0], expected[:, [0]])
    np.testing.assert_array_equal(old.batch(["bad", "good"])[0], [expected, clip])
    assert old.notes == {"bad": told}
    assert np.shares_memory(old.read("good"), old.frames)


def test_shared_clips_are_looked_at_where_they_lie(tmp_path, monkeypatch):
    clips = {name: np.full((9, 42, 3), 0.5, np.float32) for name in ("both", "left")}
    # Joints 21 and on are the right hand's.
    clips["left"][:, 21:] = np.nan
    table = complete(pd.DataFrame({"clip": list(clips)}))
    hands = Extraction("test", shape=(42, 3), skeleton="hands-42")
    store = write_store(tmp_path / "store", hands, table, clips.items())
    looked: list[int] = []
    within = landmarks.within

    def watched(part, skeleton):
        looked.append(len(part))
        return within(part, skeleton)

    monkeypatch.setattr(landmarks, "within", watched)
    whole = SharedClips(table, store, hands)
    right = SharedClips(table, store, hands, list(range(21, 42)))
    assert whole.blank(["both", "left"]) == []
    assert looked == [1, 1], "the middle frames, and no other"
    assert right.blank(["both", "left"]) == ["left"]
    looked.clear()
    for name in ("both", "both"):
        np.testing.assert_array_equal(whole.read(name), clips[name])
        np.testing.assert_array_equal(right.read(name), clips[name][:, 21:])
    assert looked == [9], "once, by the store"


def test_clips_in_memory_are_checked_as_they_are_read():
    clip = np.full((2, 42, 3), 0.5, np.float32)
    clip[1, 0, 1] = np.nan
    pixels = clip * 1000
    table = complete(pd.DataFrame({"clip": ["a", "b"]}))
    hands = Extraction("test", shape=(42, 3), skeleton="hands-42")
    source = LoadedClips(table, {"a": clip, "b": pixels}.__getitem__, hands)
    assert source.blank(["a", "b"]) == ["b"]
    assert np.argwhere(np.isnan(source.read("a")).all(axis=-1)).tolist() == [[1, 0]]
    assert np.isnan(source.read("b")).all()
    assert "1 of 84 points are taken as missing: 1 are not finite" in source.notes["a"]
    assert "so nothing is used" in source.notes["b"]
    assert np.isfinite(clip[1, 0, 0]), "what was given stays as it is"


def test_a_number_that_the_stores_type_does_not_have_is_missing(tmp_path):
    half = dataclasses.replace(EXTRACTION, dtype="float16")
    with StoreWriter(tmp_path, half, manifest(0)) as writer:
        writer.add("c00", np.array([[[1, 70000], [2, 3], [4, 5]]], np.float32))
        store = writer.finish()
    np.testing.assert_array_equal(store.frames[0, :2], [[1, np.nan], [2, 3]])
    assert "1 of 6 numbers are taken as missing: they are infinite" in store.notes["c00"]


@pytest.mark.parametrize("fps", [90000, -1, 1e-9, np.inf, np.nan])
def test_sizes_and_rates_that_cannot_be_are_unknown(tmp_path, fps):
    """A film of one frame says 90,000 frames a second; one clip makes no store unreadable."""
    with StoreWriter(tmp_path, EXTRACTION, manifest(0, 1)) as writer:
        writer.add("c00", points("c00"), width=70000, height=480, fps=fps)
        writer.add("c01", points("c01"), width=640, height=480, fps=NTSC)
        store = writer.finish()
    clip = store.stored("c00")
    assert (clip.width, clip.height, clip.fps) == (0, 480, 0)
    assert "width=70000 is taken as unknown: it is not 1 to 65536" in clip.note
    assert ("fps=" in clip.note) == (not np.isnan(fps))
    assert store.stored("c01")[1:] == (640, 480, NTSC, "")


def test_rates_and_sizes_of_older_stores_that_cannot_be_are_unknown(tmp_path):
    index = make(tmp_path).path / "index.csv"
    text = index.read_text()
    first = f",640,480,{NTSC}"
    index.write_text(text.replace(first, ",70000,480,90000.0", 1))
    assert FeatureStore(tmp_path).index.iloc[0, 3:].tolist() == [0, 480, 0]
    for wrong in (",640,480,-1", ",640,480,inf", ",640,480,", ",-640,480,25", ",640,480,1e7"):
        index.write_text(text.replace(first, wrong, 1))
        with pytest.raises(StoreError, match=r"not 0 to|cannot be read"):
            FeatureStore(tmp_path)
