"""Thirty-six phonological features of 100,000 frames: whole clips at once against frame by frame.

The rival is the plain way, in either form: for each frame a function of its points, as the formulas
are written (of `corrected` also a walk before it, for what is one number a clip). Both are held
against the library. Beside them stands what merely copying the landmarks takes, which any reader of
them pays. Processor time, best of a few.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

from benchmarks._timing import processor_seconds
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.features.phonology import FORMS, phonology

FRAMES, SLOW_FRAMES, CLIP, ROUNDS = 100_000, 2_000, 100, 3
LEFT, RIGHT, POSE = 501, 522, 468


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Radians between two vectors."""
    return math.acos(np.clip(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))


def one_hand(points: np.ndarray) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Five angles, palm centre and palm normal of one hand of one frame."""
    wrist = points[0]
    angles = [angle(points[4] - wrist, points[5] - wrist)]
    angles += [
        angle(points[4 * k + 1] - wrist, points[4 * k + 4] - points[4 * k + 1]) for k in range(1, 5)
    ]
    normal = np.cross(points[5] - wrist, points[17] - wrist)
    return (
        angles,
        np.mean([points[k] for k in (0, 5, 9, 13, 17)], axis=0),
        normal / np.linalg.norm(normal),
    )


def frame_by_frame(clip: np.ndarray) -> np.ndarray:
    """The rival: (T, 36) of a clip (T, 543, C) without missing points, in the original form."""
    out, before = [], None
    for frame in clip:
        points = frame[:, :3].astype(float)
        across = points[POSE + 11] - points[POSE + 12]
        turn = -math.atan2(across[1], across[0])
        matrix = np.array(
            [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
        )
        placed = (points - points[POSE]) @ matrix.T / np.linalg.norm(across)
        (left, left_centre, left_normal), (right, right_centre, right_normal) = (
            one_hand(placed[start : start + 21]) for start in (LEFT, RIGHT)
        )
        now = (left_centre, right_centre, left_normal, right_normal)
        steps = [a - b for a, b in zip(now, before or now, strict=True)]
        gaze = (placed[33] + placed[133]) / 2 - (placed[362] + placed[263]) / 2
        out.append(
            np.concatenate(
                [
                    left,
                    right,
                    *now,
                    steps[0],
                    steps[1],
                    [np.linalg.norm(steps[2]), np.linalg.norm(steps[3]), 0],
                    gaze / np.linalg.norm(gaze),
                    [np.linalg.norm(placed[61] - placed[291]), 0],
                ]
            )
        )
        before = now
    return np.array(out)


def placing(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin of a clip, and the matrix that turns it to the camera, upright and of size 1."""
    pairs = [
        (frame[POSE + 11, :3].astype(float), frame[POSE + 12, :3].astype(float)) for frame in clip
    ]
    across = [left - right for left, right in pairs]
    mean_angle = math.atan2(sum(a[1] for a in across), sum(a[0] for a in across))
    off = [math.remainder(math.atan2(a[1], a[0]) - mean_angle, 2 * math.pi) for a in across]
    tilt = mean_angle + np.median(off)
    cos, sin = math.cos(tilt), math.sin(tilt)
    level = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    middle = np.median([level @ ((left + right) / 2) for left, right in pairs], axis=0)
    level_size = level / np.median([math.hypot(a[0], a[1]) for a in across])
    x, _, z = np.median([level_size @ a for a in across], axis=0)
    width = math.hypot(x, z)
    ahead = np.array([[x, 0, z], [0, width, 0], [-z, 0, x]]) / width**2
    return level.T @ middle, ahead @ level_size


def corrected_frame_by_frame(clip: np.ndarray) -> np.ndarray:
    """The rival of the corrected form: (T, 36) of a clip (T, 543, C) in square pixels.

    No point may be missing.
    """
    out, before, (origin, matrix) = [], None, placing(clip)
    for frame in clip:
        points = frame[:, :3].astype(float)
        points[LEFT:RIGHT, 2] += points[POSE + 15, 2]
        points[RIGHT:, 2] += points[POSE + 16, 2]
        placed = (points - origin) @ matrix.T
        (left, left_centre, left_normal), (right, right_centre, right_normal) = (
            one_hand(placed[start : start + 21]) for start in (LEFT, RIGHT)
        )
        now = (
            left_centre,
            right_centre,
            -left_normal,
            right_normal,
            np.array(left),
            np.array(right),
        )
        steps = [a - b for a, b in zip(now, before or now, strict=True)]
        down, across = placed[152] - placed[10], placed[263] - placed[33]
        height, gaze = np.linalg.norm(down), np.cross(down, across)
        eyes, brows = (
            (placed[263] + placed[362], placed[33] + placed[133]),
            (placed[334] + placed[296], placed[105] + placed[66]),
        )
        raised = sum(np.linalg.norm(brow - eye) for brow, eye in zip(brows, eyes, strict=True)) / 4
        rates = [np.linalg.norm(step) for step in steps[2:]]
        out.append(
            np.concatenate(
                [
                    left,
                    right,
                    *now[:4],
                    steps[0],
                    steps[1],
                    [*rates[:2], (rates[2] + rates[3]) / 2],
                    gaze / np.linalg.norm(gaze),
                    [np.linalg.norm(placed[14] - placed[13]) / height, raised / height],
                ]
            )
        )
        before = now
    return np.array(out)


RIVALS = {"original": frame_by_frame, "corrected": corrected_frame_by_frame}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    frames = np.random.default_rng(0).random((FRAMES, len(MEDIAPIPE_543), 4), np.float32)
    clips = frames.reshape(-1, CLIP, *frames.shape[1:])
    copying = processor_seconds(frames.copy, ROUNDS)
    seconds = {"copying the landmarks": copying}
    print(
        f"| {FRAMES:,} frames of 543 points | s | against frame by frame | of copying them"
        " |\n|---|---|---|---|"
    )
    for form in FORMS:
        rival = RIVALS[form]
        np.testing.assert_allclose(
            phonology(clips[0], MEDIAPIPE_543, form), rival(clips[0]), atol=2e-4
        )
        slow = (
            processor_seconds(
                lambda rival=rival: [rival(clip) for clip in clips[: SLOW_FRAMES // CLIP]], ROUNDS
            )
            * FRAMES
            / SLOW_FRAMES
        )
        seconds[f"{form}, frame by frame"] = slow
        print(f"| `{form}`, frame by frame (from {SLOW_FRAMES:,}) | {slow:.2f} | 1x | |")
        for name, parts in (("one recording", [frames]), (f"clips of {CLIP} frames", clips)):
            took = processor_seconds(
                lambda form=form, parts=parts: [
                    phonology(part, MEDIAPIPE_543, form) for part in parts
                ],
                ROUNDS,
            )
            seconds[f"{form}, {name}"] = took
            print(
                f"| `{form}`, {name} | {took:.2f} | {slow / took:.0f}x |"
                f" {100 * took / copying:.0f} % |"
            )
    print(f"| copying them | {copying:.2f} | | 100 % |")
    if options.out:
        options.out.write_text(json.dumps(seconds, indent=2) + "\n")


if __name__ == "__main__":
    main()
