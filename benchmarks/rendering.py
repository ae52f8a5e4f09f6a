"""Frames a second of the generated signer in colour and depth, on one core.

Two rivals in the same run: lines and circles by OpenCV, which is a lower bound without depth, shade
or face; and a z-buffer that asks every capsule of the body at every pixel, as a first version
would, without shading.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from signlib.data.picture_folders import depth_picture
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import write_video
from signlib.synthesis.appearance import make_look
from signlib.synthesis.camera import project
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.render import FINE, Studio, render

FLOOR = 60.0
"""Frames a second that are wanted at 256 pixels."""
SIGNERS, FRAMES, ROUNDS, NAIVE_FRAMES = 6, 25, 3, 2
CORPUS = GeneratedCorpus(24, SIGNERS, 1)
CLIPS = [f"signer{i:02d}_sign{4 * i:04d}_take00" for i in range(SIGNERS)]


def film(name: str, side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Colour and depth of the first second of one clip."""
    look = make_look(CLIPS.index(name))
    return islice(render(CORPUS.performance(name), CORPUS.seated(name), look, side, side), FRAMES)


def rendered(side: int) -> int:
    """Ours: how many frames were made."""
    return sum(1 for name in CLIPS for _ in film(name, side))


def encoded(side: int, folder: Path) -> int:
    """Ours, written as two mp4 files a clip."""
    count = 0
    for name in CLIPS:
        frames = list(film(name, side))
        hips = 1000 * CORPUS.seated(name).distance
        write_video(folder / "color.mp4", (rgb for rgb, _ in frames), CORPUS.fps)
        write_video(
            folder / "depth.mp4", (depth_picture(depth, hips) for _, depth in frames), CORPUS.fps
        )
        count += len(frames)
    return count


def lines(side: int) -> int:
    """The lower bound: bones and points of the skeleton on a grey picture."""
    count = 0
    for name in CLIPS:
        places = project(CORPUS.performance(name).points, CORPUS.seated(name))[:FRAMES, :, :2]
        for frame in np.round(16 * side * places).astype(int).tolist():
            picture = np.full((side, side, 3), 128, np.uint8)
            for a, b in MEDIAPIPE_543.bones[-75:]:
                cv2.line(picture, frame[a], frame[b], (200, 160, 140), 2, cv2.LINE_AA, shift=4)
            for x, y in frame:
                cv2.circle(picture, (x, y), 16, (40, 40, 200), -1, shift=4)
            count += 1
    return count


def everywhere(side: int) -> int:
    """The first version: each capsule's distance at every pixel of the picture."""
    fine = int(FINE * side)
    y, x = np.mgrid[:fine, :fine].astype(np.float32) + np.float32(0.5)
    for name in CLIPS[:1]:
        studio = Studio(
            CORPUS.performance(name), CORPUS.seated(name), make_look(0), width=side, height=side
        )
        for t in range(NAIVE_FRAMES):
            z, material = (
                np.full((fine, fine), np.inf, np.float32),
                np.zeros((fine, fine), np.uint8),
            )
            start, end = (
                studio.lens.project(ends[t]) for ends in (studio.limbs.start, studio.limbs.end)
            )
            scale = studio.lens.scale(start[:, 2] - studio.lens.distance)
            for a, b, radii, of, pixels in zip(
                start, end, studio.limbs.radii, studio.limbs.material, scale, strict=True
            ):
                dx, dy = b[:2] - a[:2]
                along = np.clip(
                    ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy + 1e-6), 0, 1
                )
                radius = pixels * (radii[0] + along * (radii[1] - radii[0]))
                rise = radius**2 - (x - a[0] - along * dx) ** 2 - (y - a[1] - along * dy) ** 2
                depth = a[2] + along * (b[2] - a[2]) - np.sqrt(np.maximum(rise, 0)) / pixels
                nearer = (rise > 0) & (depth < z)
                z[nearer], material[nearer] = depth[nearer], of
    return NAIVE_FRAMES


def best_of(calls: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Least CPU seconds a frame of each call, measured in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            frames = call()
            seconds[name].append((time.process_time() - start) / frames)
    return {name: min(times) for name, times in seconds.items()}


def main() -> None:
    """Measure and print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    next(film(CLIPS[0], 64))
    # one core: idle BLAS threads that spin would be counted as our CPU time
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        times = best_of(
            {
                "lines and circles, 256 px, colour only": lambda: lines(256),
                "every capsule at every pixel, 256 px": lambda: everywhere(256),
                "colour and depth, 256 px": lambda: rendered(256),
                "colour and depth as mp4, 256 px": lambda: encoded(256, Path(folder)),
                "colour and depth, 512 px": lambda: rendered(512),
            }
        )
    print("| one core | ms a frame | frames a second |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {1 / seconds:.0f} |")
    rate = 1 / times["colour and depth, 256 px"]
    print(f"\n{rate:.0f} frames a second at 256 px; at least {FLOOR:.0f} are wanted")
    if options.out:
        options.out.write_text(
            json.dumps({name: 1 / seconds for name, seconds in times.items()}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
