"""The points are those of MediaPipe, depend on the clip alone; one bad file stops nothing."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import read_frames, write_video
from signlib.errors import SettingsError, StoreError
from signlib.extraction.quality import timings
from signlib.extraction.shards import merge_shards
from signlib.extraction.workers import rows_of
from signlib.stores.store import FeatureStore

holistic = pytest.importorskip("signlib.extraction.holistic")
landmarks = pytest.importorskip("signlib.extraction.landmarks")
Settings = holistic.LandmarkSettings


def by_mediapipe(frames: np.ndarray, **options) -> np.ndarray:
    """What `mp.solutions` finds, read attribute by attribute."""
    from mediapipe.python.solutions.holistic import Holistic

    out = np.full((len(frames), 543, 4), np.nan, np.float32)
    with holistic.silenced(), Holistic(model_complexity=1, **options) as engine:
        for row, frame in zip(out, frames, strict=True):
            result = engine.process(frame)
            for part, joints in MEDIAPIPE_543.parts.items():
                found = getattr(result, f"{part}_landmarks")
                if found:
                    row[list(joints)] = [
                        (p.x, p.y, p.z, p.visibility if part == "pose" else 1)
                        for p in found.landmark
                    ]
    return out


@pytest.fixture(scope="module")
def frames(portrait_film):
    return read_frames(portrait_film)


@pytest.fixture(scope="module")
def points(portrait_film):
    return landmarks.extract_video(portrait_film)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {}),
        ({"tracking": False}, {"static_image_mode": True}),
        (
            {"min_detection_confidence": 0.8, "min_tracking_confidence": 0.999},
            {"min_detection_confidence": 0.8, "min_tracking_confidence": 0.999},
        ),
    ],
)
def test_points_are_those_of_mediapipe_bit_for_bit(portrait_film, frames, settings, options):
    ours = landmarks.extract_video(portrait_film, Settings(**settings), end=14)
    theirs = by_mediapipe(frames[:14], **options)
    assert ours.shape == (14, 543, 4)
    assert np.isfinite(ours[0]).all() == (settings.get("min_tracking_confidence", 0) < 0.99)
    assert np.array_equal(ours, theirs, equal_nan=True)


def test_a_part_that_is_gone_is_nan_in_all_channels(points):
    lost = np.isnan(points[:, 501:522]).reshape(len(points), -1)
    assert (lost.all(axis=1) == lost.any(axis=1)).all()
    assert lost[13].all()
    assert not lost[0].any()
    assert (points[0, [0, 501, 522], 3] == 1).all()


@pytest.mark.parametrize(
    "parts", [("pose",), ("pose", "left_hand", "right_hand"), ("pose", "face")]
)
def test_a_part_nobody_asked_for_changes_nothing_in_the_others(portrait_film, points, parts):
    settings = Settings(parts=parts)
    got = landmarks.extract_video(portrait_film, settings, end=6)
    assert settings.shape == got.shape[1:]
    assert np.array_equal(got, points[:6, MEDIAPIPE_543.selection("+".join(parts))], equal_nan=True)


def test_lite_hands_change_the_hands_only_and_little(portrait_film, points):
    lite = landmarks.extract_video(portrait_film, Settings(hand_model="lite"), end=6)
    hands = MEDIAPIPE_543.selection("hands")
    others = np.setdiff1d(np.arange(543), hands)
    assert np.array_equal(lite[:, others], points[:6, others])
    apart = np.linalg.norm((lite - points[:6])[:, hands, :2] * 512, axis=-1)
    assert 0 < np.nanmedian(apart) < 8, "pixels"


def test_a_clip_does_not_depend_on_the_one_before_nor_on_threads(frames, points):
    with holistic.Holistic(threads=1) as engine:
        first = engine.points(frames[12:])
        assert np.array_equal(engine.points(frames), points, equal_nan=True)
        assert np.array_equal(engine.points(frames[12:]), first, equal_nan=True)
    assert not np.array_equal(first, points[12:], equal_nan=True), (
        "tracking must matter, or this shows nothing"
    )


@pytest.mark.parametrize(("threads", "started"), [(1, 0), (3, 3)])
def test_the_graph_runs_on_as_many_threads_as_asked_for(frames, threads, started):
    process, seen = psutil.Process(), []

    def counted():
        for frame in frames[:2]:
            seen.append(process.num_threads())
            yield frame

    before = process.num_threads()
    with holistic.Holistic(threads=threads) as engine:
        engine.points(counted())
    assert seen == [before + started] * 2


@pytest.mark.parametrize("threads", [0, 1])
def test_an_interrupted_clip_leaves_no_trace(frames, points, threads):
    def broken():
        yield from frames[12:15]
        raise ZeroDivisionError

    with holistic.Holistic(threads=threads) as engine:
        with pytest.raises(ZeroDivisionError):
            engine.points(broken())
        assert np.array_equal(engine.points(frames[:3]), points[:3], equal_nan=True)
        assert engine.points([]).shape == (0, 543, 4)


def test_segments_rates_and_sizes_reach_the_frames(portrait_film, frames):
    with holistic.Holistic() as engine:
        assert np.array_equal(
            engine.points(frames[4:10:2]),
            landmarks.extract_video(portrait_film, start=4, end=10, fps=12.5),
            equal_nan=True,
        )
        small = engine.points(read_frames(portrait_film, end=2, size=256))
    assert np.array_equal(
        small, landmarks.extract_video(portrait_film, Settings(max_side=256), end=2), equal_nan=True
    )


def test_native_messages_are_hidden_and_python_errors_are_not(portrait_film):
    code = (
        "import sys; from signlib.extraction.landmarks import"
        f" extract_video\nextract_video({str(portrait_film)!r}, end=2); print('after',"
        " file=sys.stderr); raise KeyError('seen')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.startswith("after\nTraceback"), done.stderr[:500]
    assert "KeyError: 'seen'" in done.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model_complexity": 2}, "model_complexity=2: only 1"),
        ({"model_complexity": 0}, "download"),
        ({"parts": ("face",)}, "lacks 'pose'"),
        ({"parts": ("pose", "feet")}, "'feet' is unknown"),
        ({"parts": ("pose", "left_hand")}, "needs both"),
        ({"min_tracking_confidence": 1.5}, r"min_tracking_confidence=1.5 must lie within 0\.\.1"),
        ({"max_side": 10}, "max_side=10"),
        ({"hand_model": "heavy"}, "choose from full, lite"),
    ],
)
def test_impossible_settings_are_refused(settings, says):
    with pytest.raises(SettingsError, match=says):
        Settings(**settings)


def test_the_store_says_how_it_was_made():
    made = Settings(parts=["right_hand", "pose", "left_hand"]).extraction
    assert made.skeleton == "mediapipe-75"
    assert made.shape == (75, 4)
    assert made.settings["parts"] == ["pose", "left_hand", "right_hand"]
    assert made.version == "0.10.21"
    assert len(made.model_hash) == 64
    assert made.model_hash != Settings().extraction.model_hash, "the face has models of its own"
    assert (
        made.model_hash
        != Settings(parts=made.settings["parts"], hand_model="lite").extraction.model_hash
    )
    assert Settings(**made.settings).extraction == made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, frames):
    """Five clips: two good ones, one of nobody, a broken file and a missing one."""
    root = tmp_path_factory.mktemp("corpus")
    write_video(root / "film.mp4", frames[:8], fps=25)
    write_video(root / "nobody.mp4", np.zeros((3, 64, 64, 3), np.uint8), fps=25)
    (root / "broken.mp4").write_bytes(b"no video")
    table = pd.DataFrame(
        [
            {"clip": "whole", "file": "film.mp4"},
            {"clip": "broken", "file": "broken.mp4"},
            {"clip": "part", "file": "film.mp4", "start": 2, "end": 6, "fps": 12.5},
            {"clip": "nobody", "file": "nobody.mp4"},
            {"clip": "gone", "file": "gone.mp4"},
            {"clip": "late", "file": "film.mp4", "start": 8},
        ]
    )
    return table, root


@pytest.fixture(scope="module")
def store(corpus, tmp_path_factory):
    return landmarks.extract_manifest(
        *corpus, tmp_path_factory.mktemp("one") / "store", progress=False
    )


def same_files(one, other) -> bool:
    """All that a store holds but how long it took."""
    names = sorted(
        {p.name for p in [*one.iterdir(), *other.iterdir()]} - {"timings.json", "shards"}
    )
    assert {"frames.npy", "index.csv", "failed.csv", "report.json", "extraction.json"} <= set(names)
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_bad_clips_are_rows_and_the_job_goes_on(store, frames):
    assert store.clips == ["whole", "part"]
    reasons = dict(store.failed.itertuples(index=False))
    assert "no readable video" in reasons["broken"]
    assert (
        "nobody was found in any of its 3 frames; check that a person is in the picture"
        in reasons["nobody"]
    )
    assert "gone.mp4 does not exist" in reasons["gone"]
    assert "start=8" in reasons["late"]
    whole, part = store.index.itertuples()
    assert (whole.length, whole.width, whole.height, whole.fps) == (8, 512, 512, 25)
    assert (part.length, part.fps) == (2, 12.5)
    report = json.loads((store.path / "report.json").read_text())
    assert set(report["failed"]) == {"broken", "nobody", "gone", "late"}
    (session,) = json.loads((store.path / "timings.json").read_text())["sessions"]
    assert session["frames"] == 10
    assert session["frames_per_second"] == pytest.approx(10 / session["seconds"])


def test_two_workers_make_the_same_bytes(corpus, store, tmp_path):
    other = landmarks.extract_manifest(*corpus, tmp_path / "store", workers=2, progress=False)
    assert same_files(store.path, other.path)


def test_shards_merge_into_the_same_arrays(corpus, store, tmp_path):
    for shard in ((2, 2), (1, 2)):
        landmarks.extract_manifest(*corpus, tmp_path / "store", shard=shard, progress=False)
    merged = merge_shards(tmp_path / "store")
    for name in ("frames.npy", "index.csv", "failed.csv", "report.json"):
        assert (merged.path / name).read_bytes() == (store.path / name).read_bytes()
    assert [session["clips"] for session in timings(merged)] == [3, 3]
    assert sum(session["frames"] for session in timings(merged)) == 10
    assert timings(merge_shards(merged.path)) == timings(merged), "merging again adds nothing"


@pytest.mark.parametrize(
    ("workers", "cores", "threads"), [(1, 6, 6), (2, 6, 3), (4, 6, 1), (5, 2, 1), (2, 3, 1)]
)
def test_workers_share_the_cores(monkeypatch, tmp_path, workers, cores, threads):
    given = []

    class Engine:
        def __init__(self, settings, threads):
            given.append(threads)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(landmarks.joblib, "cpu_count", lambda: cores)
    monkeypatch.setattr(landmarks, "Holistic", Engine)
    monkeypatch.setattr(landmarks, "_extract", lambda *_: None)
    monkeypatch.setattr(
        landmarks.joblib,
        "Parallel",
        lambda *_, **__: lambda calls: [given.append(args[3]) for _, args, _ in calls],
    )
    rows = rows_of(pd.DataFrame({"clip": [f"c{i}" for i in range(5)]}))
    assert len(list(landmarks._extracted(rows, tmp_path, Settings(), workers))) == 5
    assert set(given) == {threads}
    assert landmarks.threads_of(workers) == threads
    assert landmarks.threads_of(0) == cores


def test_a_killed_worker_says_what_to_do(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(
        landmarks, "_extract_in_worker", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    )
    with pytest.raises(
        SettingsError, match=r"workers=2: a worker was killed, .* are kept: .*\(--workers 1\)"
    ):
        landmarks.extract_manifest(*corpus, tmp_path / "store", workers=2, progress=False)
    with pytest.raises(StoreError, match="is unfinished"):
        FeatureStore(tmp_path / "store")


def test_a_finished_store_is_left_alone_and_another_setting_refused(corpus, store):
    before = {
        p.name: (p.read_bytes(), p.stat().st_mtime_ns)
        for p in store.path.iterdir()
        if p.name == "frames.npy"
    }
    landmarks.extract_manifest(*corpus, store.path, progress=False)
    assert before["frames.npy"][1] == (store.path / "frames.npy").stat().st_mtime_ns
    with pytest.raises(StoreError, match="tracking"):
        landmarks.extract_manifest(*corpus, store.path, Settings(tracking=False), progress=False)


def test_no_worker_is_refused(corpus, tmp_path):
    with pytest.raises(SettingsError, match="workers=0"):
        landmarks.extract_manifest(*corpus, tmp_path / "store", workers=0)


def test_killed_with_two_workers_and_resumed_is_the_same_store(portrait_film, tmp_path):
    table = pd.DataFrame(
        {"clip": [f"c{i}" for i in range(6)], "file": portrait_film.name, "end": range(4, 10)}
    )
    whole = landmarks.extract_manifest(
        table, portrait_film.parent, tmp_path / "whole", progress=False
    )
    kill_and_resume(table, portrait_film.parent, tmp_path / "killed", workers=2, after=2)
    assert same_files(whole.path, tmp_path / "killed")


def kill_and_resume(table: pd.DataFrame, root, out, workers: int, after: int) -> None:
    """Extract, `kill -9` once `after` clips are written, and run the same again."""
    table.to_csv(out.with_suffix(".csv"), index=False)
    code = (
        "from signlib.data.manifest import load_manifest; from signlib.extraction.landmarks import"
        f" extract_manifest\nextract_manifest(load_manifest({str(out.with_suffix('.csv'))!r}),"
        f" {str(root)!r}, {str(out)!r}, workers={workers}, progress=False)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    journal, deadline = out / "journal.jsonl", time.monotonic() + 300
    while not (journal.exists() and len(journal.read_text().splitlines()) >= after):
        assert time.monotonic() < deadline, "the extraction does not get on"
        assert job.poll() is None, "the extraction ended before it could be killed"
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    assert not (out / "frames.npy").exists()
    assert (
        landmarks.extract_manifest(table, root, out, workers=workers, progress=False).counts[
            "missing"
        ]
        == 0
    )
