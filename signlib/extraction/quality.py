"""What landmarks look like before anybody trains on them: drop-outs and jitter of each part.

`report.json` depends on the points alone; how long they took stands in `timings.json`,
so that a store is the same bytes on a slow machine.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, StoreError
from signlib.features.kinematics import gaps
from signlib.features.normalise import seen, signer_frame, to_square_pixels
from signlib.files import write_json
from signlib.stores.store import FeatureStore

REPORT, TIMINGS = "report.json", "timings.json"


def jitter(points: np.ndarray, skeleton: Skeleton, aspect: float = 1.0) -> dict[str, float]:
    """Median length of the second difference of each part's points, in shoulder widths a frame
    squared.

    A point that rests or moves evenly has 0; what remains at rest is noise. NaN where a part is
    never seen in three successive frames, or where the clip has no scale.

    Args:
        points: (T, J, C) as stored.
        aspect: width / height of the picture.
    """
    square = to_square_pixels(points, aspect)
    try:
        size = signer_frame(square, skeleton)[1]
    except ClipError:
        size = np.nan
    bends = np.linalg.norm(np.diff(square[..., :2], n=2, axis=0), axis=-1) / size
    medians = {}
    for part, joints in skeleton.parts.items():
        values = bends[:, list(joints)]
        values = values[np.isfinite(values)]
        medians[part] = float(np.median(values)) if len(values) else float("nan")
    return medians


def quality_report(store: FeatureStore) -> dict[str, Any]:
    """Drop-outs and jitter of a store, overall and for each clip; depends on the points alone.

    For each part: `missing` (share of frames without it), `gaps` (how many runs of such frames),
    `longest_gap` (frames), `never` (clips without it), `jitter` (median over clips). `any_hand`:
    share of frames with a hand.
    """
    skeleton = store.skeleton
    clips = [_clip_report(store, row, skeleton) for row in store.index.itertuples()]
    frames = sum(clip["frames"] for clip in clips)
    parts = {}
    for part in skeleton.parts:
        rows = [(clip["frames"], clip["parts"][part]) for clip in clips]
        shaking = [row["jitter"] for _, row in rows if np.isfinite(row["jitter"])]
        parts[part] = {
            "missing": sum(n * row["missing"] for n, row in rows) / max(frames, 1),
            "gaps": sum(row["gaps"] for _, row in rows),
            "longest_gap": max((row["longest_gap"] for _, row in rows), default=0),
            "never": sum(row["missing"] == 1 for _, row in rows),
            "jitter": float(np.median(shaking)) if shaking else float("nan"),
        }
    hands = sum(clip["frames"] * clip["any_hand"] for clip in clips) / max(frames, 1)
    return {
        "clips": len(clips),
        "frames": frames,
        "failed": dict(store.failed.itertuples(index=False, name=None)),
        "any_hand": hands,
        "parts": parts,
        "units": {
            "missing": "share of frames",
            "longest_gap": "frames",
            "jitter": "shoulder widths / frame^2",
        },
        "by_clip": clips,
    }


def write_report(store: FeatureStore, session: dict[str, Any] | None = None) -> dict[str, Any]:
    """The quality report, after writing it beside the arrays, and one more line of timings.

    Args:
        session: what an extraction did (clips, frames, failed, workers, seconds); None adds no
            timing.

    Raises:
        DiskError: when it cannot be written.
    """
    report = quality_report(store)
    write_json(store.path / REPORT, report)
    if session is not None:
        note_session(store, session)
    return report


def note_session(store: FeatureStore, session: dict[str, Any]) -> None:
    """Write one more line of timings beside the arrays.

    Args:
        session: what an extraction did (clips, frames, failed, workers, seconds).

    Raises:
        DiskError: when it cannot be written.
    """
    rate = session["frames"] / session["seconds"] if session["seconds"] > 0 else 0.0
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    line = {**session, "frames_per_second": rate, "ended": ended}
    write_json(store.path / TIMINGS, {"sessions": [*timings(store), line]})


def join_sessions(store: FeatureStore, parts: Iterable[FeatureStore]) -> None:
    """Write the timings of the shards that a store was merged from before its own, each session
    once.

    Raises:
        StoreError: when a file of timings is damaged.
        DiskError: when it cannot be written.
    """
    lines = [line for part in parts for line in timings(part)]
    own = [line for line in timings(store) if line not in lines]
    if lines:
        write_json(store.path / TIMINGS, {"sessions": lines + own})


def timings(store: FeatureStore) -> list[dict[str, Any]]:
    """The sessions that made a store: clips, frames, failed, workers, seconds, frames a second.

    Raises:
        StoreError: when the file is damaged.
    """
    path = store.path / TIMINGS
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))["sessions"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); delete it, the features do not need it"
        ) from None


def _clip_report(store: FeatureStore, row: Any, skeleton: Skeleton) -> dict[str, Any]:
    points = np.asarray(store.read(row.clip), np.float32)
    aspect = row.width / row.height if row.width and row.height else 1.0
    shaking, found = jitter(points, skeleton, aspect), seen(points)
    parts = {}
    for part, joints in skeleton.parts.items():
        there = found[:, list(joints)].any(axis=1)
        lost = gaps(there)
        parts[part] = {
            "missing": float(1 - there.mean()),
            "gaps": len(lost),
            "longest_gap": int(lost.max(initial=0)),
            "jitter": shaking[part],
        }
    hands = [j for part, joints in skeleton.parts.items() if part.endswith("_hand") for j in joints]
    return {
        "clip": row.clip,
        "frames": len(points),
        "any_hand": float(found[:, hands].any(axis=1).mean()) if hands else float("nan"),
        "parts": parts,
    }
