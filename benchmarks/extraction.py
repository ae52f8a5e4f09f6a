"""Landmarks of the same frames: `extract` against the loop that every MediaPipe tutorial shows.

The rival is one process: PyAV decodes full frames, `Holistic.process` finds the points (tracking,
one graph for all clips), attributes are read into an array. All take turns in one run, and each
turn is compared with the rival's of that turn. Loading models and starting workers is left out on
both sides; restarting the graph for each clip, writing the store and its report are counted as
ours.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import av
import joblib
import numpy as np
import pandas as pd
import psutil

from signlib import paths
from signlib.data.manifest import load_manifest
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import probe, write_video
from signlib.extraction.holistic import LandmarkSettings, silenced
from signlib.extraction.landmarks import extract_manifest
from signlib.synthesis.portrait import portrait_clip

CLIPS, ROUNDS = 16, 3
BODY = ("pose", "left_hand", "right_hand")
Way = tuple[Callable[[], object], Callable[[], object]]
"""What is not measured (start workers, load models), and what is."""

QUIET = 0.1
"""Cores that other programs may keep busy before the figures are called unreliable."""


def bare_loop(engine, files: list[Path]) -> list[np.ndarray]:
    """The rival."""
    clips = []
    for file in files:
        with av.open(str(file)) as container:
            rows = []
            for frame in container.decode(video=0):
                result = engine.process(frame.to_ndarray(format="rgb24"))
                row = np.full((543, 4), np.nan, np.float32)
                for part, joints in MEDIAPIPE_543.parts.items():
                    landmarks = getattr(result, f"{part}_landmarks")
                    if landmarks:
                        row[list(joints)] = [
                            (p.x, p.y, p.z, p.visibility) for p in landmarks.landmark
                        ]
                rows.append(row)
            clips.append(np.stack(rows))
    return clips


_engines: list = []


def bare_clip(file: Path) -> None:
    """One clip of the rival, in a process that keeps its graph."""
    from mediapipe.python.solutions.holistic import Holistic

    if not _engines:
        _engines.append(Holistic(model_complexity=1))
    bare_loop(_engines[0], [file])


def sources(count: int, folder: Path) -> tuple[pd.DataFrame, Path, str]:
    """The manifest of the films, their root and what to call them.

    They are real sign videos where these lie, else filmed portraits.
    """
    root = paths.data_root() / "slovak"
    if root.is_dir():
        table = load_manifest(root / "manifest.csv")
        return table.iloc[:: max(len(table) // count, 1)][:count], root, "real sign videos (slovak)"
    for number in range(count):
        write_video(folder / f"portrait{number}.mp4", portrait_clip(60, seed=number), fps=25)
    names = [f"portrait{number}" for number in range(count)]
    return (
        pd.DataFrame({"clip": names, "file": [f"{n}.mp4" for n in names]}),
        folder,
        "filmed portraits",
    )


def busy_seconds() -> tuple[float, float]:
    """CPU seconds so far: of the whole machine, and of this process with its workers."""
    machine = psutil.cpu_times()
    ours = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        times = process.cpu_times()
        ours += times.user + times.system
    return (
        sum(machine)
        - machine.idle
        - getattr(machine, "iowait", 0.0)
        - getattr(machine, "guest", 0.0),
        ours,
    )


def in_turns(ways: dict[str, Way], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds, our CPU seconds and others' cores of each way in each round.

    The order turns round by round.
    """
    turns = {name: {"seconds": [], "cpu": [], "others": []} for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            prepare, call = ways[name]
            prepare()
            (machine, ours), start = busy_seconds(), time.perf_counter()
            call()
            seconds = time.perf_counter() - start
            machine, ours = (
                after - before
                for after, before in zip(busy_seconds(), (machine, ours), strict=True)
            )
            turns[name]["seconds"].append(seconds)
            turns[name]["cpu"].append(ours)
            turns[name]["others"].append(max(machine - ours, 0.0) / seconds)
    return turns


def main() -> None:
    """Measure, print a table, and write the figures where `--out` says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=int, default=CLIPS, help="how many clips (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="turns of each way (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    from mediapipe.python.solutions.holistic import Holistic

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table, root, called = sources(options.clips, folder)
        files = [root / file for file in table["file"]]
        frames = sum(probe(file).frames for file in files)

        def ours(workers: int, **settings) -> Way:
            chosen = LandmarkSettings(**settings)

            def prepare() -> None:
                # Workers are replaced, because joblib restarts one whose memory has grown.
                joblib.externals.loky.get_reusable_executor(max_workers=workers).shutdown(wait=True)
                if workers > 1:
                    call(table.assign(start=0, end=2))

            def call(clips: pd.DataFrame = table) -> None:
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    extract_manifest(
                        clips, root, Path(out) / "store", chosen, workers, progress=False
                    )

            return prepare, call

        with silenced():
            engine = Holistic(model_complexity=1)
            first = bare_loop(engine, files[:1])
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            ways: dict[str, Way] = {
                "bare loop": (lambda: None, lambda: bare_loop(engine, files)),
                "2 bare loops": (
                    lambda: list(pool.map(bare_clip, files[:2])),
                    lambda: list(pool.map(bare_clip, files)),
                ),
                "1 worker": ours(1),
                "2 workers": ours(2),
                "2 workers, lite hands": ours(2, hand_model="lite"),
                "2 workers, no face": ours(2, parts=BODY),
                "2 workers, no face, lite hands": ours(2, parts=BODY, hand_model="lite"),
            }
            measured = in_turns(ways, options.rounds)
        store = extract_manifest(
            table.iloc[:1], root, folder / "same", LandmarkSettings(), progress=False
        )
        same = np.array_equal(store.frames[..., :3], first[0][..., :3], equal_nan=True)
        engine.close()

    print(
        f"{len(files)} {called}, {frames} frames, {options.rounds} rounds, {psutil.cpu_count()}"
        " cores\n"
    )
    print(
        "| way | frames/s | times the bare loop (quartiles) | CPU ms/frame | goal"
        " |\n|---|---|---|---|---|"
    )
    goals = {"1 worker": ">= 0.97 (overhead <= 3 %)"}
    goals |= {name: "floor 1.6, aim 1.9" for name in measured if name.startswith("2 workers")}
    figures = {}
    for name, turns in measured.items():
        ratios = np.divide(measured["bare loop"]["seconds"], turns["seconds"])
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        figures[name] = {
            "frames_per_second": frames / float(np.median(turns["seconds"])),
            "times_bare_loop": float(middle),
            "quartiles": [float(low), float(high)],
            "cpu_ms_per_frame": 1e3 * float(np.median(turns["cpu"])) / frames,
            "others_cores": float(np.median(turns["others"])),
            "rounds": turns,
        }
        row = figures[name]
        print(
            f"| {name} | {row['frames_per_second']:.1f} | {middle:.2f} ({low:.2f}..{high:.2f}) | "
            f"{row['cpu_ms_per_frame']:.1f} | {goals.get(name, '')} |"
        )
    print(
        f"\nthe first clip's points are {'those' if same else 'NOT those'} of the bare loop, bit"
        " for bit"
    )
    others = max(figure["others_cores"] for figure in figures.values())
    if others > QUIET:
        print(
            f"other programs kept {others:.1f} cores busy meanwhile: these figures are not reliable"
        )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"clips": called, "frames": frames, "same_points": same, "ways": figures}
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
