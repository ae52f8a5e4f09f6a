"""Random batches of 16 pictures of 224 x 224: the compressed store against its rivals.

One rival decodes each clip's mp4 when it is asked for; the other keeps what a model sees as `.npy`,
which is fast and takes many times the room. All three give the same clips from the page cache, in
turns, in one run.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from signlib.data import autsl
from signlib.data.video import read_frames
from signlib.extraction.filming import FILES, FilmedClips, fit
from signlib.extraction.pictures import write_pictures
from signlib.stores.pictures import COLOUR, DEPTH, PictureSettings, PictureStore
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl

CLIPS, BATCH, ROUNDS, SIDE = 8, 8, 7, 512
SETTINGS = PictureSettings()


def make(folder: Path) -> tuple[PictureStore, Path]:
    """Generated clips as AUTSL's videos, as a store, and as one raw array a clip and kind."""
    corpus = GeneratedCorpus(4, 3, 1)
    root = write_autsl(
        corpus, folder / "videos", corpus.manifest["clip"][:CLIPS].tolist(), SIDE, progress=False
    )
    store = write_pictures(
        FilmedClips(autsl.read_manifest(root), root), folder / "store", SETTINGS, progress=False
    )
    (folder / "raw").mkdir()
    for clip in store.clips:
        for kind in store.kinds:
            np.save(folder / "raw" / f"{clip}_{kind}.npy", store.read(clip, kind))
    return store, root


def from_videos(store: PictureStore, root: Path, clips: list[str], kind: str) -> np.ndarray:
    """The first rival: decode the frames wanted of each clip's mp4 and resize them."""
    files = store.manifest.set_index("clip")[FILES[kind]]
    out = []
    for clip in clips:
        frames = [
            fit(frame, SETTINGS)
            for frame in read_frames(root / files[clip], "linspace", SETTINGS.frames)
        ]
        out.append(np.stack(frames)[..., 0] if kind == DEPTH else np.stack(frames))
    return np.stack(out)


def from_arrays(folder: Path, clips: list[str], kind: str) -> np.ndarray:
    """The second rival: load each clip's array."""
    return np.stack([np.load(folder / f"{clip}_{kind}.npy") for clip in clips])


def best_of(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least CPU seconds of each call, measured in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: min(times) for name, times in seconds.items()}


def size(paths: list[Path]) -> float:
    """Mean kB of files."""
    return sum(path.stat().st_size for path in paths) / len(paths) / 1e3


def main() -> None:
    """Measure and print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        store, root = make(Path(folder))
        clips = np.random.default_rng(1).choice(store.clips, BATCH, replace=False).tolist()
        print(
            f"| {BATCH} clips of {SETTINGS.frames} pictures | mp4 | .npy | store | mp4 / store |"
            " .npy / store |"
        )
        print("|---|---|---|---|---|---|")
        for kind, name in ((COLOUR, "color"), (DEPTH, "depth")):
            ours, theirs = store.read_batch(clips, kind), from_videos(store, root, clips, kind)
            assert np.abs(ours.astype(int) - theirs).mean() < 3
            np.testing.assert_array_equal(from_arrays(raw, clips, kind), ours)
            times = best_of(
                {
                    "mp4": lambda k=kind: from_videos(store, root, clips, k),
                    "npy": lambda k=kind: from_arrays(raw, clips, k),
                    "store": lambda k=kind: store.read_batch(clips, k),
                }
            )
            rooms = {
                "mp4": size(list(root.rglob(f"*_{name}.mp4"))),
                "npy": size(list(raw.glob(f"*_{kind}.npy"))),
                "store": store.bytes_a_clip[kind] / 1e3,
            }
            for what, values, unit in (
                ("CPU time", {k: 1e3 * v for k, v in times.items()}, "ms"),
                ("a clip", rooms, "kB"),
            ):
                ratios = {rival: values[rival] / values["store"] for rival in ("mp4", "npy")}
                results |= {
                    f"{kind}, {what}: {rival} / store": ratio for rival, ratio in ratios.items()
                }
                figures = " | ".join(f"{values[way]:.0f} {unit}" for way in ("mp4", "npy", "store"))
                print(
                    f"| {kind}, {what} | {figures} | {ratios['mp4']:.1f}x | {ratios['npy']:.2f}x |"
                )
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
