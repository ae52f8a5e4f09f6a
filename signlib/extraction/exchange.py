"""Landmarks of other tools, in and out: one `.npy` or `.pose` file a clip.

In a `.pose` file (library pose-format) coordinates are pixels and a confidence of 0 means missing;
here they are fractions of the picture and missing is NaN. Pickled arrays are never loaded.
"""

import io
import struct
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions
from pose_format.utils.reader import BufferReader

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data import points as landmarks
from signlib.data.skeletons import (
    HANDS_42,
    MEDIAPIPE_75,
    MEDIAPIPE_543,
    SKELETONS,
    Skeleton,
    shared_points,
    skeleton,
)
from signlib.data.video import iter_frames, probe
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.extraction.holistic import CHANNELS, Holistic, LandmarkSettings
from signlib.extraction.quality import write_report
from signlib.files import write_bytes
from signlib.stores.store import Extraction, FeatureStore, StoredClip
from signlib.stores.writer import files_manifest, import_files, write_npy

LAYOUTS = {len(skeleton): skeleton for skeleton in (MEDIAPIPE_543, MEDIAPIPE_75, HANDS_42)}
# What pose-format calls a part of a skeleton -> the part; further components are left out.
COMPONENTS = {
    "FACE_LANDMARKS": "face",
    "POSE_LANDMARKS": "pose",
    "LEFT_HAND_LANDMARKS": "left_hand",
    "RIGHT_HAND_LANDMARKS": "right_hand",
}
NPY_START = b"\x93NUMPY"
# What a `.pose` file's body starts with, up to version 0.1 and since: rate, frames, people.
OLD_BODY, BODY = struct.Struct("<HHH"), struct.Struct("<fIH")


@dataclass(frozen=True)
class SourceSettings(LandmarkSettings):
    """How videos are looked at, or what the numbers of landmark files mean.

    Attributes:
        zeros, scale, width, height: of landmark files; see `data.points.FileNumbers`.
    """

    zeros: str = "points"
    scale: str = "fractions"
    width: int = 0
    height: int = 0

    @property
    def numbers(self) -> landmarks.FileNumbers:
        """What the numbers of landmark files mean."""
        return landmarks.FileNumbers(self.zeros, self.scale, self.width or 0, self.height or 0)

    @property
    def filming(self) -> LandmarkSettings:
        """How videos are looked at.

        Raises:
            SettingsError: when it says what landmark files mean, too.
        """
        SettingsError.raise_if(
            self.numbers != landmarks.FileNumbers(),
            "zeros, scale, width and height are said of a folder of .npy or .pose files of"
            " landmarks; this source is another one: leave them out",
        )
        kept = {entry.name: getattr(self, entry.name) for entry in fields(LandmarkSettings)}
        return LandmarkSettings(**kept)


def read_npy(path: str | Path) -> np.ndarray:
    """The points of one `.npy` file: (T, J, 4) float32.

    A file of three channels gets visibility 1 where a point is seen.

    Args:
        path: an array (T, J, 3) or (T, J, 4): x, y as fractions of width and height, z, visibility;
            NaN = missing.

    Raises:
        ClipError: for a missing file, another format, pickled objects, another shape or type, no
            frame, or only NaN.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(len(NPY_START))
        # A pickle has a message of its own.
        if not NPY_START.startswith(start) and not start.startswith(b"\x80"):
            raise ClipError(
                f"{path} is no .npy file (it begins with {start!r}); save a plain float array with"
                " np.save"
            )
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ClipError(f"{path} does not exist; every clip needs a file <clip>.npy") from None
    except (ValueError, EOFError, OSError) as error:
        if "pickle" in str(error):
            raise ClipError(
                f"{path} holds pickled objects, which are never loaded because they can run code;"
                " save a plain float array with np.save"
            ) from None
        raise ClipError(
            f"{path} is no whole .npy file ({error}); save it again with np.save"
        ) from None
    if array.dtype.kind != "f" or array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ClipError(
            f"{path} holds {array.dtype} {array.shape}; a clip is floats of shape (T, J, 3) or (T,"
            " J, 4)"
        )
    if len(array) == 0:
        raise ClipError(f"{path} has no frame; leave the clip out")
    if np.isnan(array).all():
        raise ClipError(
            f"{path}: every value is NaN in all of its {len(array)} frames; leave the clip out"
        )
    array = array.astype(np.float32)
    if array.shape[2] == 4:
        return array
    seen = landmarks.seen(array)[..., None]
    return np.concatenate([array, np.where(seen, np.float32(1), np.float32(np.nan))], axis=-1)


def read_pose(path: str | Path) -> StoredClip:
    """The points of one `.pose` file: (T, 543, 4) with the picture's size and frame rate.

    Parts it lacks are NaN. Of a face with irises (478 points) the first 468 are kept, of several
    people the first.

    Raises:
        ClipError: for a missing, cut off or unreadable file, another layout, or no point in any
            frame.
    """
    path = Path(path)
    pose = _parsed_pose(path)
    data, confidence = np.asarray(pose.body.data.data), np.asarray(pose.body.confidence)
    names = [component.name for component in pose.header.components]
    if not set(names) & set(COMPONENTS):
        raise ClipError(
            f"{path} has the components {', '.join(names)}; MediaPipe Holistic's are needed"
        )
    size = pose.header.dimensions
    if not size.width or not size.height:
        raise ClipError(
            f"{path} does not say the picture's width and height, so its pixels mean nothing"
        )
    points = np.full((len(data), len(MEDIAPIPE_543), len(CHANNELS)), np.nan, np.float32)
    counts = [len(component.points) for component in pose.header.components]
    # Where each component starts among the columns of all points.
    for name, count, start in zip(names, counts, accumulate(counts, initial=0), strict=False):
        if name in COMPONENTS:
            joints = list(MEDIAPIPE_543.parts[COMPONENTS[name]])
            if count < len(joints):
                raise ClipError(f"{path}: {name} has {count} points, {len(joints)} are needed")
            columns = slice(start, start + len(joints))
            points[:, joints, :3] = data[:, 0, columns, :3] / (size.width, size.height, 1)
            points[:, joints, 3] = confidence[:, 0, columns]
    # Also where the confidence is NaN.
    points[~(points[..., 3] > 0)] = np.nan
    if np.isnan(points).all():
        raise ClipError(
            f"{path}: no point is seen in any of its {len(points)} frames; leave the clip out"
        )
    return StoredClip(points, int(size.width), int(size.height), float(pose.body.fps))


def write_pose(
    path: str | Path, points: np.ndarray, skeleton: Skeleton, width: int, height: int, fps: float
) -> None:
    """Write one clip as a `.pose` file in pose-format's own layout of MediaPipe Holistic.

    Args:
        path: of the file.
        points: (T, J, 4) as in a store.
        skeleton: what the J axis holds; parts it lacks are written as missing.
        width, height: of the picture in pixels.
        fps: frames a second.

    Raises:
        SettingsError: when width, height or fps are unknown (0), or the skeleton has no part of
            MediaPipe's.
        DiskError: when the disk is full or the folder cannot be written.
    """
    if not (width > 0 and height > 0 and fps > 0):
        raise SettingsError(
            f"{path}: a .pose file holds pixels, and width={width}, height={height}, fps={fps} are"
            " not all known; export .npy instead"
        )
    # Only here: it imports mediapipe's drawing code too.
    from pose_format.utils.holistic import holistic_components

    components = [c for c in holistic_components() if c.name in COMPONENTS]
    parts = {
        name: list(skeleton.parts[part])
        for name, part in COMPONENTS.items()
        if part in skeleton.parts
    }
    if not parts:
        raise SettingsError(
            f"{path}: skeleton {skeleton.name!r} has no part of MediaPipe Holistic; export .npy"
            " instead"
        )
    blocks = []
    for component in components:
        block = np.full((len(points), len(component.points), len(CHANNELS)), np.nan, np.float32)
        if component.name in parts:
            if len(parts[component.name]) != len(component.points):
                raise SettingsError(
                    f"{path}: skeleton {skeleton.name!r} keeps {len(parts[component.name])} of the"
                    f" {len(component.points)} points of {component.name}; export .npy instead"
                )
            block[:] = points[:, parts[component.name]]
        blocks.append(block)
    whole = np.concatenate(blocks, axis=1)
    seen = landmarks.seen(whole)
    scaled = whole[..., :3] * np.array([width, height, 1], np.float32)
    pixels = np.where(seen[..., None], scaled, 0)
    # Also of visibility 0: a confidence of 0 would say that the point was not found.
    confidence = np.where(seen, np.maximum(whole[..., 3], np.finfo(np.float32).tiny), 0)
    pose = Pose(
        PoseHeader(0.2, PoseHeaderDimensions(width, height, 0), components),
        NumPyPoseBody(
            fps, pixels[:, None].astype(np.float32), confidence[:, None].astype(np.float32)
        ),
    )
    buffer = io.BytesIO()
    pose.write(buffer)
    write_bytes(Path(path), buffer.getvalue())


def export_folder(store: FeatureStore, folder: str | Path, suffix: str = ".npy") -> list[Path]:
    """Write every clip of a store to `<clip>.npy` or `<clip>.pose`.

    The files are given back in the store's order.

    Raises:
        SettingsError: for another suffix, or a store that a `.pose` file cannot hold.
        DiskError: when the disk is full or the folder cannot be written.
    """
    if suffix not in (".npy", ".pose"):
        raise SettingsError(f"suffix={suffix!r} is unknown; choose .npy or .pose")
    files = []
    for row in store.index.itertuples():
        files.append(Path(folder) / f"{row.clip}{suffix}")
        if suffix == ".npy":
            write_npy(files[-1], store.read(row.clip))
        else:
            write_pose(
                files[-1],
                store.read(row.clip),
                store.skeleton,
                width=row.width,
                height=row.height,
                fps=row.fps,
            )
    return files


def import_folder(
    folder: str | Path,
    out: str | Path,
    manifest: pd.DataFrame | None = None,
    numbers: landmarks.FileNumbers | None = None,
) -> FeatureStore:
    """A store of a folder's `.npy` or `.pose` files.

    A file that cannot be used becomes a row in `failed`; `notes` of the store say what was taken
    from a clip, or looks wrong in it.

    Args:
        folder: `<clip>.npy` (T, J, 3 or 4; J = 543, 75 or 42) or `<clip>.pose`, one kind and one J.
        out: the store's folder.
        manifest: which clips, with their glosses; None takes every file, with no gloss. With
            columns width and height where the files hold pixels.
        numbers: what the files' numbers mean; None = points at (0, 0) lie there, and x and y are
            fractions of the picture.

    Raises:
        ManifestError: when there is no such file, or both kinds.
        StoreError: when `out` holds another store.
    """
    folder = Path(folder)
    kinds = [kind for kind in (".npy", ".pose") if any(folder.glob(f"*{kind}"))]
    if len(kinds) != 1:
        present = " and ".join(kinds) or "neither .npy nor .pose files"
        raise ManifestError(f"{folder} holds {present}; give a folder with one kind, a file a clip")
    suffix = kinds[0]
    table = files_manifest(folder, suffix) if manifest is None else manifest
    table = manifests.complete(table)
    skeleton = _layout_of(folder, table["clip"]) if suffix == ".npy" else MEDIAPIPE_543
    numbers, usual = numbers or landmarks.FileNumbers(), asdict(landmarks.FileNumbers())
    asked = {key: value for key, value in asdict(numbers).items() if value != usual[key]}
    # A manifest need not say how large the pictures are.
    sizes = table.reindex(columns=["width", "height"]).set_axis(table["clip"]).fillna(0)

    def read(path: Path) -> StoredClip:
        """The clip of a file, with the size of its picture where the manifest says it."""
        return _read_file(path, skeleton, numbers, *sizes.loc[path.name.removesuffix(suffix)])

    store = import_files(
        folder=folder,
        ending=suffix,
        out=out,
        extraction=Extraction(
            "imported",
            shape=(len(skeleton), len(CHANNELS)),
            channels=CHANNELS,
            skeleton=skeleton.name,
            settings={"files": suffix, **asked},
        ),
        manifest=table,
        read=read,
    )
    write_report(store)
    return store


def _read_file(
    path: Path,
    layout: Skeleton,
    numbers: landmarks.FileNumbers,
    width: float = 0,
    height: float = 0,
) -> StoredClip:
    # The clip of a file; its note says what was taken from it, or looks wrong in it.
    pose = path.suffix == ".pose"
    SettingsError.raise_if(
        pose and numbers.scale == "pixels",
        f"scale=pixels: {path.name} says its scale itself, as every .pose file; leave scale out",
    )
    clip = read_pose(path) if pose else StoredClip(read_npy(path), width, height)
    if clip.array.shape[1] != len(layout):
        # A folder has one layout: whoever keeps the clip refuses this one.
        return clip
    given = numbers.read(clip.array, layout, clip.width, clip.height)
    # Of pixels that are divided nothing is doubted any more.
    doubted = landmarks.doubts(given, layout)
    points, taken = landmarks.usable(given, layout)
    note = "; ".join(filter(None, (taken, doubted)))
    if np.isnan(points).all():
        raise ClipError(f"{path}: no point can be used: {note or 'all are missing'}")
    return clip._replace(array=points, note=note)


class ClipReader:
    """Reads single clips (videos, `.npy`, `.pose`) as the points of a skeleton.

    A context manager.

    Args:
        settings: how videos are read.
        target: what the J axis becomes; None = what a store with these settings has.
        needed: joints of the target that a clip must have; the others may be NaN in all frames.
            None = all.
        numbers: what the numbers of `.npy` and `.pose` files mean.
    """

    def __init__(
        self,
        settings: LandmarkSettings | None = None,
        target: Skeleton | None = None,
        needed: Collection[str] | None = None,
        numbers: landmarks.FileNumbers | None = None,
    ) -> None:
        self.numbers = numbers or landmarks.FileNumbers()
        self.settings = settings or LandmarkSettings()
        self.filmed = skeleton(self.settings.extraction.skeleton)
        self.target = target or self.filmed
        self.needed = self.target.joints if needed is None else needed
        self._engine: Holistic | None = None

    def __enter__(self) -> "ClipReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._engine is not None:
            self._engine.close()

    def read(self, path: str | Path) -> StoredClip:
        """Points (T, J, 4) of a clip, its picture's size in pixels and its rate (0 = unknown).

        A folder of pictures does not say its rate. The number of points in a `.npy` file says which
        skeleton it has.

        Raises:
            VideoError, ClipError: when the file cannot be read, shows nobody, or has other points.
        """
        path = Path(path)
        if path.suffix in (".npy", ".pose"):
            joints = read_npy(path).shape[1] if path.suffix == ".npy" else len(MEDIAPIPE_543)
            source = self._layout_of(joints, path)
            clip = _read_file(path, source, self.numbers)
            return clip._replace(array=self._as_target(clip.array, source, path))
        info = probe(path)
        self._engine = self._engine or Holistic(self.settings)
        points = self._engine.points(iter_frames(path, size=self.settings.max_side))
        if np.isnan(points).all():
            raise ClipError(
                f"{path}: nobody was found in any of its {len(points)} frames; show one person's"
                " upper body"
            )
        points = self._as_target(points, self.filmed, path)
        rate = 0.0 if path.is_dir() else info.fps
        return StoredClip(points, info.width, info.height, rate)

    def _layout_of(self, count: int, path: Path) -> Skeleton:
        # The skeleton of so many points; the target itself goes before others of its size.
        layouts = {len(layout): layout for layout in (*SKELETONS.values(), self.target)}
        if count not in layouts:
            needed = " or ".join(map(str, sorted({len(self.target), len(MEDIAPIPE_543)})))
            raise ClipError(f"{path} has {count} points a frame; {needed} are needed")
        return layouts[count]

    def _as_target(self, points: np.ndarray, source: Skeleton, path: Path) -> np.ndarray:
        # The points (T, J, 4) of any skeleton as those of the target.
        if source.joints == self.target.joints:
            return points
        shared = [joint for joint in self.target.joints if _has(source, joint)]
        lost = [joint for joint in self.needed if joint not in shared]
        if lost:
            names = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
            raise ClipError(
                f"{path} has {len(source)} points a frame, those of skeleton {source.name!r}, which"
                f" lacks {len(lost)} of the {len(self.needed)} joints that are needed of"
                f" {self.target.name!r}: {names}"
            )
        out = np.full((len(points), len(self.target), len(CHANNELS)), np.nan, np.float32)
        common = Skeleton("shared", tuple(shared), (), (), {})
        out[:, [self.target.index(joint) for joint in shared]] = shared_points(
            points, source, common
        )
        return out


def _has(source: Skeleton, joint: str) -> bool:
    # A single point called `face` is taken from the nose; see `shared_points`.
    return source.has(joint) or (joint == "face" and source.has("nose"))


def _layout_of(folder: Path, clips: pd.Series) -> Skeleton:
    # The skeleton of the first file that can be read.
    # The first reason of each sort.
    unusable, other = "", ""
    for clip in clips:
        file = folder / f"{paths.check_name(clip)}.npy"
        try:
            joints = read_npy(file).shape[1]
        except ClipError as error:
            # The clip becomes a row of the store's failures.
            unusable = unusable or str(error)
        else:
            if joints in LAYOUTS:
                return LAYOUTS[joints]
            sizes = ", ".join(map(str, LAYOUTS))
            other = other or f"{file} has {joints} points a frame; J must be one of {sizes}"
    raise ClipError(
        f"{folder}: none of {len(clips)} .npy files can be used; the first: {other or unusable}"
    )


def _parsed_pose(path: Path) -> Pose:
    """The file, once its length is what its header promises.

    The library would guess a number of frames instead.
    """
    try:
        data = path.read_bytes()
        reader = BufferReader(data)
        header = PoseHeader.read(reader)
        # Version 0.1 keeps 16 bits of the number of frames.
        form, limit = (OLD_BODY, 1 << 16) if header.version < 0.15 else (BODY, 1 << 32)
        _, frames, people = form.unpack_from(data, reader.read_offset)
        joints = sum(len(component.points) for component in header.components)
        per_frame = people * joints * (header.num_dims() + 1) * 4
        body = len(data) - reader.read_offset - form.size
        whole = per_frame > 0 and body % per_frame == 0
        if not whole or (body // per_frame) % limit != frames or not body:
            raise ClipError(
                f"{path} is cut off or has no frame: its header promises {frames} frames; copy it"
                " again"
            )
        return Pose.read(data)
    except FileNotFoundError:
        raise ClipError(f"{path} does not exist; every clip needs a file <clip>.pose") from None
    except (struct.error, UnicodeDecodeError, OSError, OverflowError) as error:
        raise ClipError(f"{path} is no readable .pose file ({error}); copy it again") from None
