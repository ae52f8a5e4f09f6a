"""Landmarks of other tools, in and out: one `.npy` or `.pose` file a clip.

In a `.pose` file (library pose-format) coordinates are pixels and a confidence of 0 means missing;
here they are fractions of the picture and missing is NaN. Pickled arrays are never loaded.
"""

import io
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from signlib import paths, reading
from signlib.data import manifest as manifests
from signlib.data import points as landmarks
from signlib.data.frame_choice import Segment, sample_indices, segment_frames, segment_of
from signlib.data.leftovers import leftovers
from signlib.data.origins import Files
from signlib.data.skeletons import (
    HANDS_42,
    MEDIAPIPE_75,
    MEDIAPIPE_543,
    SKELETONS,
    Skeleton,
    shared_points,
    skeleton,
)
from signlib.data.video import iter_frames
from signlib.errors import ClipError, ManifestError, SettingsError, VideoError, joined
from signlib.extraction.holistic import CHANNELS, Holistic, LandmarkSettings
from signlib.extraction.pose_files import read_pose
from signlib.extraction.quality import write_report
from signlib.extraction.workers import ClipRow, rows_of
from signlib.features.oddities import examined
from signlib.files import write_bytes
from signlib.reading import Form
from signlib.stores.store import Extraction, FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter, files_manifest, write_npy

LAYOUTS = {len(skeleton): skeleton for skeleton in (MEDIAPIPE_543, MEDIAPIPE_75, HANDS_42)}
# What pose-format calls a part of a skeleton -> the part.
COMPONENTS = {
    "FACE_LANDMARKS": "face",
    "POSE_LANDMARKS": "pose",
    "LEFT_HAND_LANDMARKS": "left_hand",
    "RIGHT_HAND_LANDMARKS": "right_hand",
}
NPY_START = b"\x93NUMPY"
WHOLE_FILE: Segment = {"start": 0, "end": -1, "segment_fps": None}
# How files of landmarks end.
SUFFIXES = (".npy", ".pose")


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
        sizes = self.width or 0, self.height or 0
        return landmarks.FileNumbers(self.zeros, self.scale, *sizes, on_jump=self.on_jump)

    @property
    def filming(self) -> LandmarkSettings:
        """How videos are looked at.

        Raises:
            SettingsError: when it says what landmark files mean, too.
        """
        SettingsError.raise_if(
            self.numbers != landmarks.FileNumbers(on_jump=self.on_jump),
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
    array = _opened(path, reading.array).astype(np.float32)
    if array.shape[2] == 4:
        return array
    seen = landmarks.seen(array)[..., None]
    return np.concatenate([array, np.where(seen, np.float32(1), np.float32(np.nan))], axis=-1)


def _opened(path: Path, read: Callable[[Path, Form], np.ndarray]) -> np.ndarray:
    # What a `.npy` file holds, once it is (T, J, 3) or (T, J, 4) floats with a number among them.
    try:
        with open(path, "rb") as file:
            start = file.read(len(NPY_START))
        # A pickle has a message of its own.
        if not NPY_START.startswith(start) and not start.startswith(b"\x80"):
            raise ClipError(
                f"{path} is no .npy file (it begins with {start!r}); save a plain float array with"
                " np.save"
            )
        if start.startswith(b"\x80"):
            raise ValueError("it is a pickle")
        array = read(path, Form("fiuUb", empty=True))
    except FileNotFoundError:
        raise ClipError(f"{path} does not exist; every clip needs a file <clip>.npy") from None
    except reading.TooLarge as error:
        raise ClipError(f"{path} is too long: {error}; cut it into several clips") from None
    except (ValueError, OSError) as error:
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
    # Frame by frame: of a mapped file no more is read than up to the first number.
    if all(np.isnan(frame).all() for frame in array):
        raise ClipError(
            f"{path}: every value is NaN in all of its {len(array)} frames; leave the clip out"
        )
    return array


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
    if suffix not in SUFFIXES:
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
        manifest: which clips, with their glosses; None takes every file, with no gloss. `file`
            names the landmark file where that is not `<clip>.npy`. Of that file `start`, `end` and
            `segment_fps` are the segment; `fps` is the rate of a `.npy` file, and a `.pose` file is
            resampled to it; `width` and `height` are the picture's in pixels. Where `file` is a
            film, start and end are the film's, and the landmark file is the clip.
        numbers: what the files' numbers mean; None = points at (0, 0) lie there, and x and y are
            fractions of the picture.

    Raises:
        ManifestError: when there is no such file, or both kinds; for a size that is no number.
        InputError: for a file in the manifest that lies outside the folder.
        StoreError: when `out` holds another store.
    """
    folder = Path(folder)
    named = manifest is not None and "file" in manifest and _named_files(manifest)
    kinds = sorted({Path(file).suffix for file in named}) if named else _kinds_in(folder)
    if len(kinds) != 1:
        present = " and ".join(kinds) or "neither .npy nor .pose files"
        raise ManifestError(f"{folder} holds {present}; give a folder with one kind, a file a clip")
    suffix = kinds[0]
    table = files_manifest(folder, suffix) if manifest is None else manifest
    table = _with_sizes(manifests.complete(table), str(folder))
    files = {row.clip: _file_of(row, folder, suffix) for row in rows_of(table)}
    skeleton = _layout_of(folder, files.values()) if suffix == ".npy" else MEDIAPIPE_543
    numbers, usual = numbers or landmarks.FileNumbers(), asdict(landmarks.FileNumbers())
    asked = {key: value for key, value in asdict(numbers).items() if value != usual[key]}
    extraction = Extraction(
        "imported",
        shape=(len(skeleton), len(CHANNELS)),
        channels=CHANNELS,
        skeleton=skeleton.name,
        settings={"files": suffix, **asked, **_columns_used(table)},
    )
    origin = Files({clip: [file] for clip, file in files.items()})
    with StoreWriter(out, extraction, table, origin=origin) as writer:
        rows = {row.clip: row for row in rows_of(table)}
        for clip in writer.pending:
            writer.keep(clip, _read_row, rows[clip], files[clip], skeleton, numbers)
        store = writer.finish()
    write_report(store)
    return store


def left_out(folder: Path, store: FeatureStore) -> str:
    """What else lies in a folder of landmark files that a store was made of; "" = nothing."""
    suffix = store.extraction.settings["files"]
    files = [_file_of(row, folder, suffix) for row in rows_of(store.manifest)]
    return leftovers(folder, {file.relative_to(folder).as_posix() for file in files})


def landmark_files(table: pd.DataFrame, source: str) -> bool:
    """True for a manifest that names landmark files, False for one that names none.

    Raises:
        ManifestError: when it names both landmark files and others.
    """
    named = _named_files(table)
    expected = {"", *named}
    others = [file for file in table["file"] if file not in expected]
    if named and others:
        raise ManifestError(
            f"{source} names landmark files ({named[0]}) and others ({others[0]}); extract each"
            " kind with a manifest of its own"
        )
    return bool(named)


def _named_files(table: pd.DataFrame) -> list[str]:
    return [file for file in table["file"].fillna("").astype(str) if Path(file).suffix in SUFFIXES]


def _kinds_in(folder: Path) -> list[str]:
    return [kind for kind in SUFFIXES if any(folder.glob(f"*{kind}"))]


def _file_of(row: ClipRow, folder: Path, suffix: str) -> Path:
    # The landmark file of a row: the one it names, else the one that has the clip's name.
    if Path(row.file).suffix in SUFFIXES:
        return paths.inside(folder, row.file)
    return folder / f"{paths.check_name(row.clip)}{suffix}"


# Columns of a manifest that say how large the pictures are; it need not have them.
_SIZES = ("width", "height")


def _with_sizes(table: pd.DataFrame, source: str) -> pd.DataFrame:
    # The manifest with both sizes as numbers, 0 = unknown.
    table = table.copy()
    for name in _SIZES:
        given = table[name].fillna("").astype(str).str.strip() if name in table else ""
        texts = pd.Series(given, table.index).replace("", "0")
        values = pd.to_numeric(texts, errors="coerce")
        wrong = ~((values >= 0) & (values < 2**16) & (values % 1 == 0))
        if wrong.any():
            raise ManifestError(
                f"manifest of {source}: {name}={texts[wrong].iloc[0][:40]!r} is no number of"
                f" pixels; give 1 to {2**16 - 1}, or leave it empty"
            )
        if name in table:
            table[name] = values.astype(int)
    return table


def _columns_used(table: pd.DataFrame) -> dict[str, list[str]]:
    # What a store says of columns that change its clips; stores made before read none of them.
    ours = table[[_is_cut(row) for row in rows_of(table)]]
    used = [name for name in ("start", "end") if (ours[name] != manifests.DEFAULTS[name]).any()]
    used += [name for name in ("fps", manifests.SEGMENT_FPS) if name in ours and ours[name].any()]
    return {"columns": used} if used else {}


def _is_cut(row: ClipRow) -> bool:
    # Do start and end count in the landmark file? In a film's manifest they count in the film.
    return not row.file or Path(row.file).suffix in SUFFIXES


def _read_row(
    row: ClipRow, path: Path, layout: Skeleton, numbers: landmarks.FileNumbers
) -> StoredClip:
    # The clip of a row of the manifest: its segment, at its rate.
    size = getattr(row, "width", 0), getattr(row, "height", 0)
    clip = _read_file(path, layout, numbers, *size)
    asked = None if np.isnan(row.fps) else float(row.fps)
    rate = clip.fps or asked or 0.0
    cut = _is_cut(row)
    segment = segment_of(row) if cut else WHOLE_FILE
    notes = [clip.note]
    if not cut and (row.start, row.end) != (0, -1):
        notes.append(f"start and end count in {row.file}: taken whole")
    try:
        first, stop, note = segment_frames(len(clip.array), rate, **segment)
        # A rate that the file does not say is the array's own.
        fps = asked if clip.fps and asked != clip.fps else None
        chosen = sample_indices(len(clip.array), rate, start=first, end=stop, fps=fps)
    except (VideoError, SettingsError) as error:
        raise ClipError(f"{path}: {error}") from None
    array = clip.array[chosen]
    # A clip of another layout is refused by whoever keeps it.
    if array.shape[1] == len(layout):
        aspect = clip.width / clip.height if clip.height else 1.0
        frames, odd = examined(array, layout, aspect, numbers.on_jump)
        array = array[frames]
        notes.append(odd)
    told = joined(*notes, note)
    return clip._replace(array=array, fps=fps or rate, note=told)


def _read_file(
    path: Path,
    layout: Skeleton,
    numbers: landmarks.FileNumbers,
    width: float = 0,
    height: float = 0,
) -> StoredClip:
    # The clip of a file; its note says what was taken from it, or looks wrong in it.
    pose = path.suffix == ".pose"
    size = numbers.width or width, numbers.height or height
    SettingsError.raise_if(
        pose and numbers.scale == "pixels",
        f"scale=pixels: {path.name} says its scale itself, as every .pose file; leave scale out",
    )
    clip = read_pose(path, *size) if pose else StoredClip(read_npy(path), width, height)
    if clip.array.shape[1] != len(layout):
        # A folder has one layout: whoever keeps the clip refuses this one.
        return clip
    given = numbers.read(clip.array, layout, clip.width, clip.height)
    # Of pixels that are divided nothing is doubted any more.
    doubted = landmarks.doubts(given, layout)
    points, taken = landmarks.usable(given, layout)
    note = joined(clip.note, taken, doubted)
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
        self.filmed = skeleton(self.settings.skeleton_name)
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
        if path.suffix in SUFFIXES:
            joints = len(MEDIAPIPE_543)
            if path.suffix == ".npy":
                joints = _opened(path, reading.mapped).shape[1]
            source = self._layout_of(joints, path)
            clip = _read_file(path, source, self.numbers)
            return clip._replace(array=self._as_target(clip.array, source, path))
        frames = iter_frames(path, size=self.settings.max_side)
        self._engine = self._engine or Holistic(self.settings)
        points = self._engine.points(frames)
        if np.isnan(points).all():
            raise ClipError(
                f"{path}: nobody was found in any of its {len(points)} frames; show one person's"
                " upper body"
            )
        points = self._as_target(points, self.filmed, path)
        info = frames.info
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


def _layout_of(folder: Path, files: Collection[Path]) -> Skeleton:
    # The skeleton of the first file that can be read.
    # The first reason of each sort.
    unusable, other = "", ""
    for file in files:
        try:
            joints = _opened(file, reading.mapped).shape[1]
        except ClipError as error:
            # The clip becomes a row of the store's failures.
            unusable = unusable or str(error)
        else:
            if joints in LAYOUTS:
                return LAYOUTS[joints]
            sizes = ", ".join(map(str, LAYOUTS))
            other = other or f"{file} has {joints} points a frame; J must be one of {sizes}"
    raise ClipError(
        f"{folder}: none of {len(files)} .npy files can be used; the first: {other or unusable}"
    )
