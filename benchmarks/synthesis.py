"""Landmarks of generated clips: how many a second on one core, and whether memory grows with the
corpus.

The rival makes the same arms and hands as a first version would: the arm solved for one frame at a
time, fingers joint by joint in plain Python. Both must give the same points. The rendering of video
has a benchmark of its own (`benchmarks.rendering`).
"""

import argparse
import json
import math
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._timing import processor_seconds
from signlib.synthesis import motion
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.posture import arm
from signlib.synthesis.signers import make_signer

LIMIT = 5.0
"""Seconds for the landmarks of 1,000 clips that are wanted on one core."""
CLIPS, ROUNDS, FRAMES = 1000, 3, 120
STREAMED = (100, 10_000)


def make_clips(corpus: GeneratedCorpus, names: list[str]) -> int:
    """How many frames the clips have."""
    return sum(len(corpus.clip(name)) for name in names)


def stream_memory(clips: int) -> float:
    """Peak MiB that Python and numpy hold while clips are made and forgotten."""
    few = GeneratedCorpus(glosses=100, signers=10, repetitions=1)
    few.clip(few.manifest["clip"].iloc[0])  # tables that are made once
    tracemalloc.start()
    corpus = GeneratedCorpus(glosses=100, signers=10, repetitions=max(1, clips // 1000))
    for name in corpus.manifest["clip"].iloc[:clips]:
        corpus.clip(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def arms(frames: int) -> tuple[np.ndarray, ...]:
    """Wrists, wrist joints, swivels and finger angles of a right arm that moves about."""
    sway = motion.sway(np.random.default_rng(0), frames, 22, 25.0)
    wrist = np.array([-0.15, -0.35, -0.30]) + 0.08 * sway[:, :3]
    return wrist, 0.3 * sway[:, 3:6], 0.3 + 0.2 * sway[:, 6], 0.5 + 0.3 * sway[:, 7:]


def whole(wrist, joints, swivel, angles) -> np.ndarray:
    """Ours: elbow and hand (T, 22, 3), all frames at once."""
    signer = make_signer(0, hardness=0)
    elbow, wrist, hands = arm(wrist, joints, swivel, signer)
    return np.concatenate(
        [elbow[:, None], motion.hand_points(wrist, hands, angles, signer.hand)], 1
    )


def plain(wrist, joints, swivel, angles) -> np.ndarray:
    """The rival: the same, frame by frame."""
    signer = make_signer(0, hardness=0)
    frames = []
    for t in range(len(wrist)):
        frame = slice(t, t + 1)
        elbow, at, hands = arm(wrist[frame], joints[frame], swivel[frame], signer)
        rows = [tuple(elbow[0])] + [
            tuple(
                at[0, axis] + signer.hand * sum(point[k] * hands[0, axis, k] for k in range(3))
                for axis in range(3)
            )
            for point in plain_hand(angles[t])
        ]
        frames.append(rows)
    return np.array(frames)


def plain_hand(angles: np.ndarray) -> list[tuple[float, float, float]]:
    """21 points of a hand of size 1, joint by joint."""
    held = [
        min(max(a, low), high)
        for a, (low, high) in zip(angles.tolist(), motion.LIMITS.tolist(), strict=True)
    ]
    out, forward, flex = held[12:]
    points = [(0.0, 0.0, 0.0), (0.28, 0.26, 0.05)]
    for bone, bend, rise in zip((0.44, 0.36, 0.28), (0.0, 0.8, 1.6), (1.0, 0.8, 0.6), strict=True):
        across, up = out - bend * flex, rise * forward
        step = (math.sin(across) * math.cos(up), math.cos(across) * math.cos(up), math.sin(up))
        points.append(tuple(p + bone * s for p, s in zip(points[-1], step, strict=True)))
    knuckles = ((0.27, 0.96), (0.06, 1.0), (-0.14, 0.94), (-0.33, 0.84))
    bones = ((0.46, 0.28, 0.22), (0.51, 0.32, 0.23), (0.47, 0.30, 0.23), (0.36, 0.22, 0.20))
    for finger in range(4):
        points.append((*knuckles[finger], 0.0))
        for bone, share in zip(bones[finger], (0.0, 1.0, 5 / 3), strict=True):
            curl, fan = held[finger] + share * held[4 + finger], held[8 + finger]
            step = (math.sin(fan) * math.cos(curl), math.cos(fan) * math.cos(curl), math.sin(curl))
            points.append(tuple(p + bone * s for p, s in zip(points[-1], step, strict=True)))
    return points


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    states = arms(FRAMES)
    np.testing.assert_allclose(whole(*states), plain(*states), atol=1e-9)
    rival, ours = (processor_seconds(partial(way, *states), ROUNDS) for way in (plain, whole))
    corpus = GeneratedCorpus(glosses=50, signers=10, repetitions=2)
    names = corpus.manifest["clip"].tolist()[:CLIPS]
    frames = make_clips(corpus, names)
    seconds = processor_seconds(partial(make_clips, corpus, names), ROUNDS)
    memory = {clips: stream_memory(clips) for clips in STREAMED}
    figures = {
        "arms and hands, per-frame loop / ours": rival / ours,
        "seconds of 1,000 clips": seconds * 1000 / len(names),
        "frames of a clip": frames / len(names),
        **{f"peak MiB, {clips} clips": peak for clips, peak in memory.items()},
    }
    print("| landmarks of generated clips, one core | |\n|---|---|")
    print(
        f"| one arm and hand, {FRAMES} frames: a plain loop over frames and joints |"
        f" {1e3 * rival:.1f} ms |"
    )
    print(f"| ... ours, the same points | {1e3 * ours:.1f} ms, {rival / ours:.0f}x |")
    print(
        f"| 1,000 whole clips of {frames / len(names):.0f} frames (wanted: {LIMIT:g} s) |"
        f" {seconds:.1f} s |"
    )
    print(f"| ... a clip | {1e3 * seconds / len(names):.1f} ms |")
    for clips, peak in memory.items():
        print(f"| peak memory while {clips:,} clips are made and forgotten | {peak:.1f} MiB |")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
