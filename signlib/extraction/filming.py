"""Evenly spaced pictures of a clip in colour and in depth: decoded from its files, or rendered.

Both sources answer the same question for one row of a manifest, so that a picture store does not
know whether anybody ever stood before a camera.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.frame_choice import chosen_by_time, sample_indices, segment_of
from signlib.data.origins import Files, Origin
from signlib.data.picture_folders import depth_picture
from signlib.data.video import iter_frames
from signlib.errors import ClipError, InputError, SettingsError
from signlib.extraction.workers import ClipRow
from signlib.stores.pictures import COLOUR, DEPTH, KINDS, PictureSettings
from signlib.synthesis.appearance import SigningCorpus, look_of
from signlib.synthesis.layout_writer import Corpus, describe
from signlib.synthesis.performance import Performance
from signlib.synthesis.render import SMALLEST, render
from signlib.synthesis.signers import Signer

# Kind -> the manifest's column that names its video or its folder of pictures.
FILES = {COLOUR: "file", DEPTH: "depth_file"}


@dataclass(frozen=True)
class Filmed:
    """Pictures of one kind of one clip.

    Attributes:
        pictures: (T, H, W, 3) uint8 RGB, or (T, H, W) uint8 depth (0 = nothing measured).
        length: frames of the clip's segment, of which these are T.
        width, height: of the source's frames in pixels.
        note: what was done to the segment, "" = nothing.
    """

    pictures: np.ndarray
    length: int
    width: int
    height: int
    note: str = ""


class PictureSource(Protocol):
    """Where pictures come from.

    Attributes:
        manifest: of its clips.
        origin: what a store says of the source.
    """

    manifest: pd.DataFrame
    origin: dict[str, Any]

    def film(
        self, row: ClipRow, kinds: Sequence[str], settings: PictureSettings
    ) -> Mapping[str, Filmed | str]:
        """Pictures of each kind of one clip, or the reason why there are none.

        Args:
            row: of the manifest.
            kinds: `colour`, `depth` or both.
            settings: how many, how large.
        """

    def made_of(self, kinds: Sequence[str]) -> Origin | None:
        """What tells whether clips have changed; None of those that are made by this program."""


class RenderedWorld(Corpus, SigningCorpus, Protocol):
    """A generated corpus whose people can be shown: `synthesis.clips`, `synthesis.sentences`."""

    # Of every clip's frames in pixels.
    width: int
    height: int

    def seated(self, name: str) -> Signer:
        """The signer of a clip with the camera of that take."""

    def performance(self, name: str) -> Performance:
        """The movement of a clip."""


class FilmedClips:
    """Clips in video files or folders of pictures.

    Args:
        manifest: with `file` for colour and `depth_file` for depth, relative to `root`; start and
            end count in frames of each file, so the two may differ in length.
        root: the corpus's folder.
    """

    def __init__(self, manifest: pd.DataFrame, root: str | Path) -> None:
        self.manifest, self.root = manifests.complete(manifest), Path(root)
        self.origin = {"kind": "files", **chosen_by_time(self.manifest, resampled=False)}

    def film(
        self, row: ClipRow, kinds: Sequence[str], settings: PictureSettings
    ) -> dict[str, Filmed | str]:
        """Pictures of each kind, or the reason why there are none."""
        return {kind: self._film(row, kind, settings) for kind in kinds}

    def made_of(self, kinds: Sequence[str]) -> Files:
        """The files of each clip of these kinds."""
        return Files.of(self.manifest, self.root, [FILES[kind] for kind in kinds])

    def _film(self, row: ClipRow, kind: str, settings: PictureSettings) -> Filmed | str:
        file = getattr(row, FILES[kind], "")
        if not isinstance(file, str) or not file:
            return f"the manifest names no {FILES[kind]}"
        try:
            path = paths.inside(self.root, file)
            film = iter_frames(path, **segment_of(row), sampling="linspace", count=settings.frames)
            frames = list(film)
            if kind == DEPTH:
                frames = [_one_channel(frame, path) for frame in frames]
            pictures = np.stack([fit(frame, settings) for frame in frames])
        except (InputError, OSError, cv2.error) as error:
            return str(error)
        return Filmed(pictures, film.length, film.info.width, film.info.height, film.note)


class RenderedClips:
    """Clips of a generated corpus; only the frames that are kept are rendered.

    Args:
        corpus: the generated corpus.
        clips: names of those to show; None = all.

    Raises:
        SettingsError: for a name that the corpus does not have, or none at all.
    """

    def __init__(self, corpus: RenderedWorld, clips: Sequence[str] | None = None) -> None:
        table = corpus.manifest
        if clips is not None:
            unknown = set(clips) - set(table["clip"])
            if unknown or not len(clips):
                fault = (
                    f"clip {min(unknown)!r} is not in the generated corpus"
                    if unknown
                    else "no clip was named"
                )
                raise SettingsError(f"pictures: {fault}; take names from its manifest")
            table = table[table["clip"].isin(clips)]
        self.manifest = manifests.complete(table)
        self.corpus = copy.copy(corpus)
        # Every call of a worker carries the corpus along, so it goes without its table.
        self.corpus.__dict__.pop("manifest", None)
        self.origin = {**describe(corpus), "sample": self._sample()}

    def _sample(self) -> str:
        """A digest of signs and three pictures.

        Other signs or another way of rendering make another store.
        """
        films = self.film(
            next(self.manifest.itertuples()), KINDS, PictureSettings(frames=3, size=32)
        )
        digest = hashlib.sha256(repr(getattr(self.corpus, "lexicon", "")).encode())
        for kind in KINDS:
            digest.update(films[kind].pictures.tobytes())
        return digest.hexdigest()[:16]

    def made_of(self, kinds: Sequence[str]) -> None:
        """A generated clip is a function of its name."""

    def film(
        self, row: ClipRow, kinds: Sequence[str], settings: PictureSettings
    ) -> dict[str, Filmed]:
        """Pictures of each kind; a generated clip always has both."""
        corpus = self.corpus
        seated, whole = corpus.seated(row.clip), corpus.performance(row.clip)
        length = len(whole.points)
        moments = sample_indices(length, sampling="linspace", count=settings.frames)
        # The renderer takes even sides of at least 32 pixels; `fit` changes them to what is asked.
        rendered = replace(settings, size=max(settings.size, SMALLEST))
        width, height = (
            max(SMALLEST, 2 * round(side / 2))
            for side in _resized(corpus.width, corpus.height, rendered)
        )
        pictures: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
        for colour, depth in render(
            whole.at(moments.tolist()),
            seated,
            look_of(corpus, row.signer),
            width=width,
            height=height,
        ):
            for kind, frames in pictures.items():
                # Grey levels are counted from the signer's distance, in millimetres.
                picture = (
                    colour
                    if kind == COLOUR
                    else depth_picture(depth, 1000 * seated.distance)[..., 0]
                )
                frames.append(fit(picture, settings))
        return {
            kind: Filmed(np.stack(frames), length, corpus.width, corpus.height)
            for kind, frames in pictures.items()
        }


def depth_beside(colour: Path) -> Path | None:
    """The depth video `X_depth.mp4` beside `X_color.mp4`, as AUTSL names the two.

    Of a folder of pictures, `X_depth` beside `X_color`. None where there is none.
    """
    folder = colour.is_dir()
    stem, suffix = (colour.name, "") if folder else (colour.stem, colour.suffix)
    depth = colour.with_name(f"{stem.removesuffix('_color')}_depth{suffix}")
    there = depth.is_dir() if folder else depth.is_file()
    return depth if stem.endswith("_color") and there else None


def fit(picture: np.ndarray, settings: PictureSettings) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) as a square one of `settings.size` pixels.

    By `settings.fit` it is the middle, or all of it between black bars, or all of it stretched.
    """
    size = settings.size
    height, width = picture.shape[:2]
    target = _resized(width, height, settings)
    if target != (width, height):
        # Averaging areas keeps what shrinks free of patterns; what grows needs interpolation.
        shrinks = target[0] * target[1] <= width * height
        picture = cv2.resize(
            picture, target, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    x, y = (target[0] - size) // 2, (target[1] - size) // 2
    if settings.fit != "letterbox":
        return np.ascontiguousarray(picture[y : y + size, x : x + size])
    # Between black bars x and y are negative: the picture is smaller than the square.
    out = np.zeros((size, size, *picture.shape[2:]), picture.dtype)
    out[-y : target[1] - y, -x : target[0] - x] = picture
    return out


def _resized(width: int, height: int, settings: PictureSettings) -> tuple[int, int]:
    # Width and height once the side that counts has `settings.size` pixels.
    if settings.fit == "stretch":
        return settings.size, settings.size
    side = min(width, height) if settings.fit == "crop" else max(width, height)
    return max(1, round(width * settings.size / side)), max(1, round(height * settings.size / side))


def _one_channel(frame: np.ndarray, path: Path) -> np.ndarray:
    spread = float(np.mean(frame.max(axis=-1) - frame.min(axis=-1)))
    # Of 255; compression alone tints a grey picture less.
    if spread > 8.0:
        raise ClipError(
            f"{path} is in colour (its channels are {spread:.0f} levels apart): depth videos are"
            " grey; check depth_file"
        )
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
