"""Corpora that come as landmarks in one `.npz` file instead of videos.

Each reader gives the same three things as a store of videos would: a manifest, the points of a clip
with NaN for what was not seen, and the skeleton they belong to.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import manifest
from signlib.data.skeletons import FACE_HANDS_43, HANDS_42, MEDIAPIPE_75, UPPER_53, Skeleton
from signlib.errors import ClipError, ManifestError


@dataclass(frozen=True)
class LandmarkFile:
    """Clips that were read into memory.

    Attributes:
        manifest: complete, with `width` and `height` where the picture's shape is known.
        points: clip -> (T, J, C) float32, NaN = not seen.
        skeleton: what the J axis holds.
    """

    manifest: pd.DataFrame
    points: dict[str, np.ndarray]
    skeleton: Skeleton


def open_arrays(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """The named arrays of an `.npz` file, never unpickled.

    Raises:
        ManifestError: for a missing file, a missing array, or a file that is no `.npz`.
        ClipError: for an array of pickled objects.
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(
            f"{path} does not exist; set data.root or SIGNLIB_DATA to the folder that holds it"
        )
    try:
        with _archive(path) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ManifestError(
                    f"{path} has no array {missing[0]!r}; it has {', '.join(archive.files)}"
                )
            return {name: archive[name] for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ManifestError(f"{path} is no readable .npz file ({error}); copy it again") from None
    except ValueError as error:
        raise ClipError(
            f"{path} holds pickled objects, which are never loaded ({error}); save plain arrays"
            " with np.savez"
        ) from None


def _archive(path: Path) -> np.lib.npyio.NpzFile:
    archive = np.load(path, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ManifestError(
            f"{path} holds a single array, not an .npz archive; save the arrays with np.savez"
        )
    return archive


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
        shown = np.isfinite(frame[:, 0, 0])
        last[shown] = frame[shown, 0, :2]
    x = [
        np.median(side[np.isfinite(side)]) if np.isfinite(side).any() else middle
        for side in out[:, :, 0, 0].T
    ]
    return out[:, ::-1] if x[0] < x[1] else out


def read_dgs_30(root: str | Path) -> LandmarkFile:
    """30 German signs, 1,241 crowd-recorded clips: one face point and two hands; signers unknown,
    no split.
    """
    data = open_arrays(Path(root) / "clips.npz", "frames_i16", "scale", "offsets", "gloss", "clip")
    frames = (data["frames_i16"] * float(data["scale"])).astype(np.float32)
    face = np.concatenate([frames[:, :2], np.zeros((len(frames), 1), np.float32)], axis=1)
    hands = frames[:, 2:].reshape(-1, 2, 21, 3)
    hands = np.where((hands == 0).all(axis=(2, 3), keepdims=True), np.nan, hands)
    points = {}
    for clip, start, end in zip(data["clip"], data["offsets"], data["offsets"][1:], strict=False):
        middle = float(np.median(face[start:end, 0]))
        tracked = track_hands(hands[start:end], middle).reshape(-1, 42, 3)
        points[str(clip)] = np.concatenate([face[start:end, None], tracked], axis=1)
    # Nobody says the pictures' shape; the palms' bones keep their lengths best at 4:3.
    table = pd.DataFrame({"clip": data["clip"].astype(str), "gloss": data["gloss"].astype(str)})
    return LandmarkFile(
        manifest.complete(table.assign(width=640, height=480)), points, FACE_HANDS_43
    )


def read_asl_letters(root: str | Path) -> LandmarkFile:
    """Fingerspelled letters of two signers, 2,430 clips of 20 frames: two hands; signer2 is the
    test split.
    """
    data = open_arrays(Path(root) / "letters.npz", "x_i16", "scale", "length", "gloss", "signer")
    frames = (data["x_i16"] * float(data["scale"])).astype(np.float32).reshape(-1, 20, 2, 21, 3)
    frames = np.where((frames == 0).all(axis=(3, 4), keepdims=True), np.nan, frames)
    table = _two_signers(data)
    # Nobody says the pictures' shape; the palms' bones keep their lengths best at 16:9.
    table = table.assign(width=1280, height=720)
    points = {
        clip: frames[i, :length].reshape(-1, 42, 3)
        for i, (clip, length) in enumerate(zip(table["clip"], data["length"], strict=True))
    }
    return LandmarkFile(manifest.complete(table), points, HANDS_42)


def read_asl_words(root: str | Path) -> LandmarkFile:
    """Words of two signers, 2,188 clips of 20 frames: pose and two hands; class `-` is "no sign"."""
    data = open_arrays(Path(root) / "words.npz", "x_i16", "scale", "length", "gloss", "signer")
    frames = (data["x_i16"] * float(data["scale"])).astype(np.float32)
    pose = frames[..., :132].reshape(-1, 20, 33, 4)
    hands = frames[..., 132:].reshape(-1, 20, 2, 21, 3)
    hands = np.where((hands == 0).all(axis=(3, 4), keepdims=True), np.nan, hands)
    hands = np.concatenate([hands, np.where(np.isnan(hands[..., :1]), np.nan, 1)], axis=-1).reshape(
        -1, 20, 42, 4
    )
    pose = np.where((pose == 0).all(axis=(2, 3), keepdims=True), np.nan, pose)
    whole = np.concatenate([pose, hands], axis=2).astype(np.float32)
    table = _two_signers(data).assign(width=1280, height=720)
    points = {
        clip: whole[i, :length]
        for i, (clip, length) in enumerate(zip(table["clip"], data["length"], strict=True))
    }
    return LandmarkFile(manifest.complete(table), points, MEDIAPIPE_75)


def read_wlasl_50(root: str | Path) -> LandmarkFile:
    """423 clips of 50 ASL glosses, at most 30 frames each: eleven pose points and two hands;
    signers unknown.
    """
    data = open_arrays(Path(root) / "clips50.npz", "X", "length", "label", "order_in_gloss")
    frames = data["X"].astype(np.float32)
    pose = frames[..., :44].reshape(-1, 30, 11, 4)
    hands = frames[..., 44:].reshape(-1, 30, 2, 21, 3)
    hands = np.where((hands == 0).all(axis=(3, 4), keepdims=True), np.nan, hands)
    hands = np.concatenate([hands, np.where(np.isnan(hands[..., :1]), np.nan, 1)], axis=-1).reshape(
        -1, 30, 42, 4
    )
    pose = np.where((pose == 0).all(axis=(2, 3), keepdims=True), np.nan, pose)
    whole = np.concatenate([pose, hands], axis=2).astype(np.float32)
    table = pd.DataFrame({"gloss": data["label"].astype(str), "number": data["order_in_gloss"]})
    table["clip"] = (
        table["gloss"].str.replace(" ", "-") + "_" + table.pop("number").map("{:02d}".format)
    )
    # Films of many shapes; the palms' bones keep their lengths best at 16:9.
    table = table.assign(width=1280, height=720)
    points = {
        clip: whole[i, :length]
        for i, (clip, length) in enumerate(zip(table["clip"], data["length"], strict=True))
    }
    return LandmarkFile(manifest.complete(table), points, UPPER_53)


def _two_signers(data: dict[str, np.ndarray]) -> pd.DataFrame:
    table = pd.DataFrame({"gloss": data["gloss"].astype(str), "signer": data["signer"].astype(str)})
    number = table.groupby(["gloss", "signer"]).cumcount()
    table["clip"] = table["gloss"] + "_" + table["signer"] + "_" + number.map("{:03d}".format)
    table["split"] = np.where(table["signer"] == "signer1", "train", "test")
    return table


READERS: dict[str, tuple[str, Callable[[str | Path], LandmarkFile]]] = {
    "dgs-30": ("dgs-30", read_dgs_30),
    "asl-letters": ("asl-words-letters", read_asl_letters),
    "asl-words": ("asl-words-letters", read_asl_words),
    "wlasl-50": ("wlasl", read_wlasl_50),
}
"""Corpus name -> its folder below `SIGNLIB_DATA`, and its reader."""
