"""What corpora share that come as landmarks in one `.npz` file instead of videos.

Each reader gives the same three things as a store of videos would: a manifest, the points of a clip
with NaN for what was not seen, and the skeleton they belong to.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from signlib import reading
from signlib.corpora.corpus import Corpus, Kind
from signlib.data import manifest
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, ManifestError
from signlib.reading import Form
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, Extraction, LoadedClips

# Who trains, validates and tests in `data.split=official`, for corpora that do not say it.
FIXED = "splits.csv"


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


@dataclass(frozen=True, kw_only=True, eq=False)
class LandmarkFileCorpus(Corpus):
    """A corpus of people who sign whose landmarks lie in one `.npz` file.

    Attributes:
        read: from its folder to all clips.
    """

    kind: Kind = "landmarks"
    read: Callable[[Path], LandmarkFile]

    def clips(self, settings: DataSettings) -> ClipSource:
        file = self.read(self.root(settings))
        shape = next(iter(file.points.values())).shape[1:]
        channels = ("x", "y", "z", "visibility")[: shape[1]]
        extraction = Extraction("imported", "", shape, channels, file.skeleton.name)
        table = with_fixed_split(file.manifest, self.root(settings))
        return LoadedClips(table, file.points.__getitem__, extraction)

    def split_remedy(self, split: str) -> str:
        return f"list its clips in {FIXED} beside the landmarks (columns clip, split)"


def with_fixed_split(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The manifest with the splits that `splits.csv` in the corpus's folder gives, if it is there.

    Clips that it does not list are in no split.

    Raises:
        ManifestError: for a clip that the corpus does not have, or an unknown split.
    """
    path = folder / FIXED
    if not path.is_file():
        return table
    split = manifest.load_manifest(path).set_index("clip")["split"]
    unknown = sorted(set(split.index) - set(table["clip"]))
    if unknown:
        raise ManifestError(
            f"{path}: clip {unknown[0]!r} is not in the corpus; its names are like"
            f" {table['clip'].iloc[0]!r}"
        )
    return table.assign(split=table["clip"].map(split).fillna(""))


def open_arrays(path: str | Path, *names: str, **forms: Form) -> dict[str, np.ndarray]:
    """The named arrays of an `.npz` file, never unpickled.

    Args:
        path: of the file.
        names: of arrays of any form.
        forms: name -> what it must be.

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
        any_form = Form("fiuUb", empty=True, single=True)
        return reading.arrays(path, dict.fromkeys(names, any_form) | forms)
    except (OSError, ValueError) as error:
        kind = ClipError if "pickled" in str(error) else ManifestError
        raise kind(f"{path} cannot be read: {error}; copy it again") from None


def scaled(data: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Whole numbers of a file times its `scale`, as float32.

    Raises:
        ManifestError: for a scale that is not above 0.
    """
    scale = float(data["scale"].item())
    if not 0 < scale < np.inf:
        raise ManifestError(f"scale={scale} of {name} is not above 0; copy the file again")
    return (data[name] * scale).astype(np.float32)


def spans(offsets: np.ndarray, rows: int, clips: int, path: Path) -> list[tuple[int, int]]:
    """First and past-last row of each clip, of offsets (clips + 1) that cover all rows.

    Raises:
        ManifestError: for offsets that do not.
    """
    ascending = len(offsets) == clips + 1 and (np.diff(offsets) > 0).all()
    if not ascending or offsets[0] != 0 or offsets[-1] != rows:
        raise ManifestError(
            f"{path}: offsets, labels and {rows} frames do not fit together; copy it again"
        )
    return list(pairwise(offsets.tolist()))


def unseen(points: np.ndarray) -> np.ndarray:
    """The points with NaN where all joints of a part are zeros, as detectors write "not seen".

    Args:
        points: (..., J, C) of one part, such as a hand.
    """
    return np.where((points == 0).all(axis=(-2, -1), keepdims=True), np.nan, points)


def pose_and_hands(pose: np.ndarray, hands: np.ndarray) -> np.ndarray:
    """(N, T, P + 42, 4) float32 of a pose with visibility and hands without: seen = 1.

    Args:
        pose: (N, T, P, 4), zeros = not seen.
        hands: (N, T, 2, 21, 3) left and right, zeros = not seen.
    """
    hands = unseen(hands)
    visibility = np.where(np.isnan(hands[..., :1]), np.nan, 1)
    flat = np.concatenate([hands, visibility], axis=-1).reshape(*hands.shape[:2], 42, 4)
    return np.concatenate([unseen(pose), flat], axis=2).astype(np.float32)


def cut(frames: np.ndarray, lengths: np.ndarray, clips: Iterable[str]) -> dict[str, np.ndarray]:
    """Clip -> its first frames, of (N, T, J, C) padded to one length.

    Raises:
        ManifestError: for a length outside 1..T.
    """
    outside = lengths[(lengths < 1) | (lengths > frames.shape[1])]
    if len(outside):
        raise ManifestError(
            f"a clip of {outside[0]} frames among clips of at most {frames.shape[1]}; copy the file"
            " again"
        )
    rows = zip(clips, frames, lengths, strict=True)
    return {clip: padded[:length] for clip, padded, length in rows}
