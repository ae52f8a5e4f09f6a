"""30 German signs of a crowd, as landmarks of one face point and two hands."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.landmark_files import (
    LandmarkFile,
    LandmarkFileCorpus,
    open_arrays,
    scaled,
    spans,
    unseen,
)
from signlib.data import manifest
from signlib.data.skeletons import FACE_HANDS_43
from signlib.reading import Form


def read_dgs_30(root: str | Path) -> LandmarkFile:
    """1,241 clips: one face point and two hands; signers unknown, no split."""
    path = Path(root) / "clips.npz"
    forms = {"frames_i16": Form("iu", (None, 128)), "scale": Form("f", ())}
    forms |= {"offsets": Form("iu", (None,))}
    forms |= dict.fromkeys(("gloss", "clip"), Form("U", ("clips",)))
    data = open_arrays(path, **forms)
    frames = scaled(data, "frames_i16")
    face = np.concatenate([frames[:, :2], np.zeros((len(frames), 1), np.float32)], axis=1)
    hands = unseen(frames[:, 2:].reshape(-1, 2, 21, 3))
    points = {}
    parts = spans(data["offsets"], len(frames), len(data["clip"]), path)
    for clip, (start, end) in zip(data["clip"], parts, strict=True):
        middle = float(np.median(face[start:end, 0]))
        tracked = track_hands(hands[start:end], middle).reshape(-1, 42, 3)
        points[str(clip)] = np.concatenate([face[start:end, None], tracked], axis=1)
    # Nobody says the pictures' shape; the palms' bones keep their lengths best at 4:3.
    table = pd.DataFrame({"clip": data["clip"].astype(str), "gloss": data["gloss"].astype(str)})
    return LandmarkFile(
        manifest.complete(table.assign(width=640, height=480)), points, FACE_HANDS_43
    )


def track_hands(hands: np.ndarray, middle: float = 0.5) -> np.ndarray:
    """Two detections a frame as two hands that stay themselves over time.

    A detector lists hands in the order it found them. Each is given to the hand whose wrist was
    last seen nearer; in the end the hand further left in the picture is the right hand (index 1),
    since signers face the camera. A hand that is alone all the time is judged by the side of the
    body.

    Args:
        hands: (T, 2, 21, 3), NaN = none.
        middle: x of the signer's middle.

    Returns:
        (T, 2, 21, 3): left hand, right hand.
    """
    out = hands.copy()
    last = np.full((2, 2), np.nan)
    for frame in out:
        wrists = frame[:, 0, :2]
        # cost[d, h]: how far detection d lies from where hand h was last; an unseen hand costs
        # little.
        cost = np.linalg.norm(wrists[:, None] - last[None], axis=-1)
        cost = np.where(np.isnan(cost), np.where(np.isnan(wrists[:, :1]), 0.0, 0.25), cost)
        if cost[0, 1] + cost[1, 0] < cost[0, 0] + cost[1, 1]:
            frame[:] = frame[::-1].copy()
        visible = np.isfinite(frame[:, 0, 0])
        last[visible] = frame[visible, 0, :2]
    x = [
        np.median(side[np.isfinite(side)]) if np.isfinite(side).any() else middle
        for side in out[:, :, 0, 0].T
    ]
    return out[:, ::-1] if x[0] < x[1] else out


DGS_30 = LandmarkFileCorpus(
    name="dgs-30",
    read=read_dgs_30,
    licence="Apache-2.0",
    folder="dgs-30",
    skeleton=FACE_HANDS_43.name,
    glosses=30,
)
