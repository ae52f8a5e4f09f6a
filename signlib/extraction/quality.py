"""What landmarks look like before anybody trains on them: drop-outs and jitter of each part.

`report.json` depends on the points alone; `timings.json` says how long they took, so that a store
is the same bytes on a slow machine.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from signlib import reading
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, StoreError
from signlib.features.kinematics import gaps
from signlib.features.normalise import seen, signer_frame, to_square_pixels
from signlib.files import write_json
from signlib.stores.store import FeatureStore

REPORT, TIMINGS = "report.json", "timings.json"


# What one run of an extraction did (`clips`, `frames`, `failed`, `workers`, `seconds`, ...), or
# what `quality_report` says.
Facts = dict[str, Any]


def jitter(points: np.ndarray, skeleton: Skeleton, aspect: float = 1.0) -> dict[str, float]:
    """How much each part's points shake: median length of their second difference.

    In shoulder widths per frame squared. A point that rests or moves evenly has 0; what remains at
    rest is noise. NaN where a part is never seen in three successive frames, or where the clip has
    no scale.

    Args:
        points: (T, J, C) as stored.
        skeleton: of the points.
        aspect: width / height of the picture.
    """
    square = to_square_pixels(points, aspect)
    try:
        size = signer_frame(square, skeleton)[1]
    except ClipError:
        size = np.nan
    # (T - 2, J)
    bends = np.linalg.norm(np.diff(square[..., :2], n=2, axis=0), axis=-1) / size
    return {part: _median(bends[:, list(joints)]) for part, joints in skeleton.parts.items()}


def _median(values: np.ndarray) -> float:
    # Of those that are finite; NaN where none is.
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")


def quality_report(store: FeatureStore) -> Facts:
    """Drop-outs and jitter of a store's landmarks; depends on the points alone.

    `parts` has an entry for each part of the body: over all clips, and in `by_clip` for each one.
    `missing` is the share of frames without the part, `gaps` how many runs of such frames there
    are, `longest_gap` is in frames, `jitter` in shoulder widths per frame squared (median over
    clips). `never` counts clips without the part. `any_hand` is the share of frames with a hand.
    """
    clips = _clip_reports(store)
    frames = sum(clip["frames"] for clip in clips)
    parts: dict[str, Facts] = {}
    for part in store.skeleton.parts:
        rows = [(clip["frames"], clip["parts"][part]) for clip in clips]
        parts[part] = {
            "missing": sum(n * row["missing"] for n, row in rows) / max(frames, 1),
            "gaps": sum(row["gaps"] for _, row in rows),
            "longest_gap": max((row["longest_gap"] for _, row in rows), default=0),
            "never": sum(row["missing"] == 1 for _, row in rows),
            "jitter": _median(np.array([row["jitter"] for _, row in rows])),
        }
    return {
        "clips": len(clips),
        "frames": frames,
        "failed": store.reasons,
        "any_hand": sum(clip["frames"] * clip["any_hand"] for clip in clips) / max(frames, 1),
        "parts": parts,
        "units": {
            "missing": "share of frames",
            "longest_gap": "frames",
            "jitter": "shoulder widths / frame^2",
        },
        "by_clip": clips,
    }


def write_report(store: FeatureStore) -> None:
    """Write the quality report of a store of landmarks beside its arrays.

    Raises:
        DiskError: when it cannot be written.
    """
    write_json(store.path / REPORT, quality_report(store))


def note_session(store: FeatureStore, session: Facts) -> None:
    """Write one more line of timings beside the arrays.

    Args:
        store: that was made or completed.
        session: what the extraction did.

    Raises:
        DiskError: when it cannot be written.
    """
    rate = session["frames"] / session["seconds"] if session["seconds"] > 0 else 0.0
    ended = {"frames_per_second": rate, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(store.path / TIMINGS, {"sessions": [*timings(store), {**session, **ended}]})


def join_sessions(store: FeatureStore, parts: Iterable[FeatureStore]) -> None:
    """Write the timings of a merged store's shards before those it has, each session once.

    Raises:
        StoreError: when a file of timings is damaged.
        DiskError: when it cannot be written.
    """
    lines = [line for part in parts for line in timings(part)]
    later = [line for line in timings(store) if line not in lines]
    if lines:
        write_json(store.path / TIMINGS, {"sessions": lines + later})


def timings(store: FeatureStore) -> list[Facts]:
    """The sessions that made a store.

    Raises:
        StoreError: when the file is damaged.
    """
    path = store.path / TIMINGS
    if not path.exists():
        return []
    try:
        content = reading.read_json(path)
        sessions = content.get("sessions") if isinstance(content, dict) else None
        if not isinstance(sessions, list) or not all(map(_is_session, sessions)):
            raise ValueError("it has no list of sessions with frames and seconds")
        return sessions
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); delete it, the features do not need it"
        ) from None


def _is_session(session: Any) -> bool:
    # Numbers that are none were written as null.
    if not isinstance(session, dict):
        return False
    numbers = [session.get(key) for key in ("frames", "seconds")]
    return all(
        value is None or (isinstance(value, int | float) and value >= 0) for value in numbers
    )


def _clip_reports(store: FeatureStore) -> list[Facts]:
    body = store.skeleton.parts
    hands = [joint for part in body if part.endswith("_hand") for joint in body[part]]
    reports: list[Facts] = []
    for row in store.index.itertuples():
        points = np.asarray(store.read(row.clip), np.float32)
        shaking = jitter(
            points,
            store.skeleton,
            aspect=row.width / row.height if row.width and row.height else 1.0,
        )
        visible = seen(points)
        parts: dict[str, Facts] = {}
        for part, joints in body.items():
            present = visible[:, list(joints)].any(axis=1)
            lost = gaps(present)
            parts[part] = {
                "missing": float(1 - present.mean()),
                "gaps": len(lost),
                "longest_gap": int(lost.max(initial=0)),
                "jitter": shaking[part],
            }
        reports.append(
            {
                "clip": row.clip,
                "frames": len(points),
                "any_hand": float(visible[:, hands].any(axis=1).mean()) if hands else float("nan"),
                "parts": parts,
            }
        )
    return reports
