"""Evenly spaced pictures of a clip in colour and in depth: decoded from its files, or rendered.

Both sources answer the same question for one row of a manifest, so that a picture store does not
know whether anybody ever stood before a camera.
"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.video import probe, read_frames, sample_indices
from signlib.errors import ClipError, InputError, SettingsError
from signlib.synthesis.appearance import look_of
from signlib.synthesis.layout_writer import describe
from signlib.synthesis.render import SMALLEST, depth_picture, render

COLOUR, DEPTH = "colour", "depth"
KINDS = (COLOUR, DEPTH)
FILES = {COLOUR: "file", DEPTH: "depth_file"}
"""Kind -> the manifest's column that names its video or its folder of pictures."""
FITS = ("crop", "letterbox", "stretch")
_ENDINGS = {".png": b"IEND", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
"""Pictures in a folder, and what stands at their end unless they were cut off."""
_TINTED = 8.0
"""Mean levels between the channels of a picture from which on it is no depth picture."""


@dataclass(frozen=True)
class PictureSettings:
    """Which pictures of a clip are kept, and how.

    Attributes:
        frames: how many a clip, evenly spaced, both ends included; a shorter clip repeats some.
        size: side of the square pictures in pixels.
        fit: `crop` (short side resized, middle of the long side kept), `letterbox` (long side
            resized, black bars) or `stretch` (both sides resized).
        quality: of JPEG, for colour; depth is kept without loss.
        kinds: `colour`, `depth` or both.
    """

    frames: int = 16
    size: int = 224
    fit: str = "crop"
    quality: int = 92
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        ranges = {"frames": (1, 1024), "size": (16, 2048), "quality": (1, 100)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"pictures: {name}={value} is outside {low}..{high}")
        if self.fit not in FITS:
            raise SettingsError(
                f"pictures: fit={self.fit!r} is unknown; choose from {', '.join(FITS)}"
            )
        if not self.kinds or list(self.kinds) != [kind for kind in KINDS if kind in self.kinds]:
            raise SettingsError(
                f"pictures: kinds={self.kinds} must be some of {KINDS}, each once and in this order"
            )


@dataclass(frozen=True)
class Filmed:
    """Pictures of one kind of one clip.

    Attributes:
        pictures: (T, H, W, 3) uint8 RGB, or (T, H, W) uint8 depth (0 = nothing measured).
        length: frames of the clip's segment, of which these are T.
        width, height: of the source's frames in pixels.
    """

    pictures: np.ndarray
    length: int
    width: int
    height: int


class PictureSource(Protocol):
    """Where pictures come from."""

    manifest: pd.DataFrame
    about: dict[str, Any]

    def film(
        self, row: Any, kinds: Sequence[str], settings: PictureSettings
    ) -> dict[str, Filmed | str]:
        """Pictures of each kind of the clip in a row of the manifest, or the reason why there are
        none.
        """
        ...


class FilmedClips:
    """Clips in video files or folders of pictures.

    Args:
        manifest: with `file` for colour and `depth_file` for depth, relative to `root`; start and
            end count in frames of each file, so the two may differ in length.
        root: the corpus's folder.
    """

    def __init__(self, manifest: pd.DataFrame, root: str | Path) -> None:
        self.manifest, self.root = manifests.complete(manifest), Path(root)
        self.about = {"kind": "files"}

    def film(
        self, row: Any, kinds: Sequence[str], settings: PictureSettings
    ) -> dict[str, Filmed | str]:
        """Pictures of each kind, or the reason why there are none."""
        found: dict[str, Filmed | str] = {}
        for kind in kinds:
            try:
                found[kind] = self._film(row, kind, settings)
            except (InputError, OSError, cv2.error) as error:
                found[kind] = str(error)
        return found

    def _film(self, row: Any, kind: str, settings: PictureSettings) -> Filmed:
        file = getattr(row, FILES[kind], "")
        if not isinstance(file, str) or not file:
            raise ClipError(f"the manifest names no {FILES[kind]}")
        path = paths.inside(self.root, file)
        read = _from_folder if path.is_dir() else _from_video
        frames, length = read(path, row.start, row.end, settings.frames)
        if kind == DEPTH:
            frames = [_one_channel(frame, path) for frame in frames]
        height, width = frames[0].shape[:2]
        return Filmed(np.stack([fit(frame, settings) for frame in frames]), length, width, height)


class RenderedClips:
    """Clips of a generated corpus; only the frames that are kept are rendered.

    Args:
        corpus: with `manifest`, `performance(name)`, `seated(name)`, `signers`, `seed` and
            `hardness`.
        clips: names of those wanted; None = all.

    Raises:
        SettingsError: for a name that the corpus does not have, or none at all.
    """

    def __init__(self, corpus: Any, clips: Sequence[str] | None = None) -> None:
        table = corpus.manifest
        unknown = [] if clips is None else sorted(set(clips) - set(table["clip"]))
        if unknown or (clips is not None and not len(clips)):
            what = (
                f"clip {unknown[0]!r} is not in the generated corpus"
                if unknown
                else "no clip was named"
            )
            raise SettingsError(f"pictures: {what}; take names from its manifest")
        self.manifest = manifests.complete(
            table if clips is None else table[table["clip"].isin(clips)]
        )
        self.corpus = copy.copy(corpus)
        self.corpus.__dict__.pop("manifest", None)  # every task carries the corpus along
        self.about = {**describe(corpus), "sample": self._sample()}

    def _sample(self) -> str:
        """A digest of signs and three pictures: other signs or another way of rendering make
        another store.
        """
        made = self.film(
            next(self.manifest.itertuples()), KINDS, PictureSettings(frames=3, size=32)
        )
        digest = hashlib.sha256(repr(getattr(self.corpus, "lexicon", "")).encode())
        for kind in KINDS:
            digest.update(made[kind].pictures.tobytes())
        return digest.hexdigest()[:16]

    def film(
        self, row: Any, kinds: Sequence[str], settings: PictureSettings
    ) -> dict[str, Filmed | str]:
        """Pictures of each kind; a generated clip always has both."""
        corpus = self.corpus
        seated, whole = corpus.seated(row.clip), corpus.performance(row.clip)
        length = len(whole.points)
        moments = sample_indices(length, sampling="linspace", count=settings.frames)
        look = look_of(corpus, row.signer)
        # The renderer wants even sides of at least 32 pixels; `fit` makes them what they should be.
        sides = _resized(
            corpus.width, corpus.height, replace(settings, size=max(settings.size, SMALLEST))
        )
        width, height = (max(SMALLEST, 2 * round(side / 2)) for side in sides)
        pictures: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
        for colour, depth in render(whole.at(moments), seated, look, width, height):
            if COLOUR in pictures:
                pictures[COLOUR].append(fit(colour, settings))
            if DEPTH in pictures:
                pictures[DEPTH].append(
                    fit(depth_picture(depth, 1000 * seated.distance)[..., 0], settings)
                )
        sizes = length, corpus.width, corpus.height
        return {kind: Filmed(np.stack(found), *sizes) for kind, found in pictures.items()}


def depth_beside(colour: Path) -> Path | None:
    """The depth video `X_depth.mp4` beside `X_color.mp4`, as AUTSL names the two; None where there
    is none.
    """
    depth = colour.with_name(colour.name.replace("_color.", "_depth."))
    return depth if depth != colour and depth.is_file() else None


def fit(picture: np.ndarray, settings: PictureSettings) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) as a square one: its middle, or all of it between black bars or
    stretched.
    """
    size = settings.size
    height, width = picture.shape[:2]
    target = _resized(width, height, settings)
    if target != (width, height):
        shrinks = target[0] * target[1] <= width * height
        picture = cv2.resize(
            picture, target, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    x, y = (target[0] - size) // 2, (target[1] - size) // 2
    if settings.fit != "letterbox":
        return np.ascontiguousarray(picture[y : y + size, x : x + size])
    out = np.zeros((size, size, *picture.shape[2:]), picture.dtype)
    out[-y : target[1] - y, -x : target[0] - x] = picture
    return out


def _resized(width: int, height: int, settings: PictureSettings) -> tuple[int, int]:
    """Width and height once the side that counts has `settings.size` pixels."""
    if settings.fit == "stretch":
        return settings.size, settings.size
    side = (min if settings.fit == "crop" else max)(width, height)
    return max(1, round(width * settings.size / side)), max(1, round(height * settings.size / side))


def _from_video(path: Path, start: int, end: int, count: int) -> tuple[list[np.ndarray], int]:
    frames = read_frames(path, "linspace", count, start=start, end=end)
    return list(frames), len(sample_indices(probe(path).frames, start=start, end=end))


def _from_folder(path: Path, start: int, end: int, count: int) -> tuple[list[np.ndarray], int]:
    files = pictures_in(path)
    if not files:
        raise ClipError(f"{path} holds no picture ({', '.join(_ENDINGS)}); fetch it again")
    indices = sample_indices(len(files), start=start, end=end, sampling="linspace", count=count)
    frames = [_whole_picture(files[i]) for i in indices]
    odd = next(
        (i for i, frame in zip(indices, frames, strict=True) if frame.shape != frames[0].shape),
        None,
    )
    if odd is not None:
        raise ClipError(
            f"{files[odd]} has another size than the clip's first picture; fetch the clip again"
        )
    return frames, len(sample_indices(len(files), start=start, end=end))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, in the order of their names."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _ENDINGS)


def _whole_picture(path: Path) -> np.ndarray:
    picture = read_picture(path)
    if picture is None:
        raise ClipError(f"{path} is damaged or cut off; fetch it again")
    return picture


def read_picture(path: Path) -> np.ndarray | None:
    """A picture file as (H, W, 3) uint8 RGB, millimetres as a depth picture; None when it is
    damaged or cut off.
    """
    # OpenCV fills what a picture that was cut off lacks, and says nothing.
    data = path.read_bytes()
    whole = _ENDINGS[path.suffix.lower()] in data[-64:]
    picture = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
        if whole
        else None
    )
    if picture is None:
        return None
    if picture.dtype == np.uint16:
        # Depth cameras write millimetres.
        return depth_picture(picture[..., 0])
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _one_channel(frame: np.ndarray, path: Path) -> np.ndarray:
    spread = float(np.mean(frame.max(axis=-1) - frame.min(axis=-1)))
    if spread > _TINTED:
        raise ClipError(
            f"{path} is in colour (its channels are {spread:.0f} levels apart): depth videos are"
            " grey; check depth_file"
        )
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
