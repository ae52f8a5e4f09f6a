"""What corpora share that come as landmarks in one `.npz` file instead of videos.

Each reader gives the same three things as a store of videos would: a manifest, the points of a clip
with NaN for what was not seen, and the skeleton they belong to.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.corpora.corpus import Corpus, Kind
from signlib.data import manifest
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, ManifestError
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
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ManifestError(
                f"{path} holds a single array, not an .npz archive; save the arrays with np.savez"
            )
        with archive:
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


def cut(frames: np.ndarray, lengths: Iterable[int], clips: Iterable[str]) -> dict[str, np.ndarray]:
    """Clip -> its first frames, of (N, T, J, C) padded to one length."""
    rows = zip(clips, frames, lengths, strict=True)
    return {clip: padded[:length] for clip, padded, length in rows}
