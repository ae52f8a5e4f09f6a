"""Random batches: one memory-mapped store against one `.npy` a clip.

The rival is what most projects do: `np.load` of each clip's file, then the frames and joints the
batch needs. Both read the same clips from the page cache, in turns, in one run. A store looks at
all numbers of a clip when it is read first, which is measured on a store that was just opened.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import write_store

CLIPS, FRAMES, BATCH, ROUNDS = 400, 60, 32, 15


def make(folder: Path) -> tuple[FeatureStore, Path]:
    """The same random clips as a store and as one file a clip."""
    rng = np.random.default_rng(0)
    names = [f"clip{i:04d}" for i in range(CLIPS)]
    clips = {name: rng.random((FRAMES, 543, 4), np.float32) for name in names}
    extraction = Extraction("random", shape=(543, 4), skeleton=MEDIAPIPE_543.name)
    store = write_store(folder / "store", extraction, pd.DataFrame({"clip": names}), clips.items())
    files = folder / "npy"
    files.mkdir()
    for name, clip in clips.items():
        np.save(files / f"{name}.npy", clip)
    return store, files


def from_files(
    files: Path, clips: list[str], frames: int | None, joints: np.ndarray | None
) -> np.ndarray:
    """The rival: load each clip's file whole, then take what the batch needs."""
    out = []
    for clip in clips:
        points = np.load(files / f"{clip}.npy")
        if frames is not None:
            points = points[np.floor(np.linspace(0, len(points) - 1, frames) + 1e-9).astype(int)]
        out.append(points if joints is None else points[:, joints])
    return np.stack(out)


def best_of(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of processor time of each call, measured in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def main() -> None:
    """Measure and print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    body = MEDIAPIPE_543.selection("body")
    cases = {
        "16 frames, 75 joints": (16, body),
        "32 frames, 75 joints": (32, body),
        "32 frames, 543 joints": (32, None),
        "all 60 frames, 75 joints": (None, body),
        "all 60 frames, 543 joints": (None, None),
    }
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        store, files = make(Path(folder))
        rng = np.random.default_rng(1)
        print(
            f"| random batch of {BATCH} clips | one .npy a clip | store | ratio | first time |"
            "\n|---|---|---|---|---|"
        )
        for name, (frames, joints) in cases.items():
            clips = rng.choice(store.clips, BATCH, replace=False).tolist()
            ours, theirs = (
                store.batch(clips, frames, joints)[0],
                from_files(files, clips, frames, joints),
            )
            np.testing.assert_array_equal(ours, theirs)
            opened = iter([FeatureStore(store.path) for _ in range(ROUNDS)])
            times = best_of(
                {
                    "files": lambda c=clips, f=frames, j=joints: from_files(files, c, f, j),
                    "store": lambda c=clips, f=frames, j=joints: store.batch(c, f, j),
                    "first": lambda c=clips, f=frames, j=joints, o=opened: next(o).batch(c, f, j),
                }
            )
            ratios[name] = times["files"] / times["store"]
            print(
                f"| {name} | {1e3 * times['files']:.1f} ms | {1e3 * times['store']:.1f} ms |"
                f" {ratios[name]:.1f}x | {1e3 * times['first']:.1f} ms |"
            )
    if options.out:
        options.out.write_text(json.dumps(ratios, indent=2) + "\n")


if __name__ == "__main__":
    main()
