"""Many features to fewer: principal components, fitted on frames of training clips alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from signlib import reading
from signlib.data.origins import alike, mark_of
from signlib.errors import InputError, SettingsError
from signlib.files import write_bytes
from signlib.reading import Form, Unreadable

# A feature that varies by less than this is constant.
NEVER = 1e-6
# What rounding may change in a length or a sum of 1.
_SLACK = 1e-3
_ROW = Form("f", (None,))


@dataclass(frozen=True)
class Reduction:
    """A standardised projection: (T, F) to (T, K).

    Attributes:
        mean, scale: (F,) of the training frames; missing values take the mean.
        components: (K, F) orthonormal rows.
        spread: (K,) standard deviation of each component on the training frames.
        share: (K,) of the variance that each component holds.
        whiten: divide each component by its spread, so that one that holds next to nothing is as
            large as the others. Source 001 whitens 1,024 components, 500 of which hold 99.99 % of
            the variance; on generated landmarks, whose variance is spread over more of them,
            whitening did no harm (notebook 31).
        clips: on whose frames it was fitted.
        marks: (N, 2) what tells each of these clips from another one of its name; (0, 2) = unknown.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    whiten: bool
    clips: tuple[str, ...] = ()
    marks: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(T, K) float32 for (T, F) with NaN for what is missing."""
        standard = np.nan_to_num((features - self.mean) / self.scale, nan=0.0)
        reduced = standard @ self.components.T
        return (reduced / self.spread if self.whiten else reduced).astype(np.float32)

    def save(self, path: str | Path) -> None:
        """Write it as one .npz file.

        Raises:
            DiskError: when it cannot be written.
        """
        arrays = {
            key: getattr(self, key)
            for key in ("mean", "scale", "components", "spread", "share", "whiten", "marks")
        }
        archive = BytesIO()
        np.savez(archive, clips=np.array(self.clips, dtype=str), **arrays)
        write_bytes(Path(path), archive.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "Reduction":
        """What `save` wrote.

        Raises:
            InputError: for a missing or broken file, arrays that do not fit together, a scale or
                spread that is not above 0, shares that are none.
        """
        forms = dict.fromkeys(("mean", "scale", "spread", "share"), _ROW)
        forms |= {"components": Form("f", (None, None)), "whiten": Form("b", ())}
        forms["clips"] = Form("U", (None,), empty=True)
        try:
            with reading.archive(path) as file:
                if "marks" in file.names:
                    forms["marks"] = Form("f", (None, 2), empty=True)
                kept: dict[str, Any] = file.read(forms)
            reduction = cls(
                **kept | {"whiten": bool(kept["whiten"]), "clips": tuple(kept["clips"].tolist())}
            )
            reduction.check()
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no stored reduction ({error}); fit it again") from None
        return reduction

    def check_clips(self, now: "Reduction", path: str | Path) -> None:
        """Refuse to go on with other clips than those that it was fitted on.

        Args:
            now: fitted on the clips as they are now.
            path: where this one is kept.

        Raises:
            InputError: with the first clip that has changed, or is there only once.
        """
        if not (len(self.marks) and len(now.marks)):
            return
        before, after = (dict(zip(each.clips, each.marks, strict=True)) for each in (self, now))
        other = sorted(
            clip
            for clip in before.keys() | after.keys()
            if clip not in before or clip not in after or not alike(before[clip], after[clip])
        )
        if other:
            raise InputError(
                f"{path}: {len(other)} of {len(before)} training clips are no longer those that it"
                f" was fitted on (first {other[0][:80]!r}): their store or files have changed;"
                " start another run (--run-name), or put them back"
            )

    def check(self) -> None:
        """Refuse arrays that no fit gives.

        Raises:
            Unreadable: with the first one.
        """
        size, width = self.components.shape
        for name, expected in (
            ("mean", width),
            ("scale", width),
            ("components", size),
            ("spread", size),
            ("share", size),
        ):
            array = getattr(self, name)
            if len(array) != expected or not np.isfinite(array).all():
                raise Unreadable(
                    f"{name} has shape {array.shape} and {np.isfinite(array).sum()} finite numbers;"
                    f" components are {size} of {width} features"
                )
        for name in ("scale", "spread"):
            if not (getattr(self, name) > 0).all():
                raise Unreadable(f"{name}={getattr(self, name).min():g} is not above 0")
        if self.share.min() < 0 or self.share.sum() > 1 + _SLACK:
            raise Unreadable(f"shares of the variance sum to {self.share.sum():g}, not 0 to 1")
        if not np.isfinite(self.marks).all() or len(self.marks) not in (0, len(self.clips)):
            raise Unreadable(f"{len(self.marks)} marks of {len(self.clips)} clips, or no numbers")
        lengths = np.linalg.norm(self.components, axis=1)
        if np.abs(lengths - 1).max() > _SLACK:
            raise Unreadable(f"a component has length {lengths.max():g}, not 1")


def fit_reduction(
    clips: Iterable[tuple[str, np.ndarray]],
    size: int,
    whiten: bool = False,
    frames: int = 10_000,
    seed: int = 0,
) -> Reduction:
    """Principal components of the frames of training clips.

    Args:
        clips: name and features (T, F) of each training clip, NaN = missing; read once.
        size: K.
        whiten: see `Reduction`.
        frames: at most so many frames are looked at, drawn evenly from all that come.
        seed: random seed of the draw.

    Raises:
        SettingsError: for a size that the frames cannot give.
        InputError: for no clips.
    """
    marks: list[tuple[float, float]] = []

    def marked() -> Iterator[tuple[str, np.ndarray]]:
        for name, features in clips:
            marks.append(mark_of(features))
            yield name, features

    sample, names = _sampled(marked(), frames, seed)
    if not 1 <= size <= min(sample.shape):
        raise SettingsError(
            f"size={size}: {sample.shape[0]} frames of {sample.shape[1]} features have at most"
            f" {min(sample.shape)} components; ask for fewer, or give more training clips"
        )
    with np.errstate(invalid="ignore"):
        there = np.isfinite(sample)
        count = np.maximum(there.sum(0), 1)
        mean = np.where(there, sample, 0).sum(0) / count
        standard = np.where(there, sample - mean, 0)
    scale = np.sqrt((standard**2).sum(0) / count)
    scale = np.where(scale < NEVER, 1.0, scale)
    standard /= scale
    solver = "full" if min(standard.shape) <= 500 else "randomized"
    pca = PCA(size, svd_solver=solver, random_state=seed).fit(standard)
    return Reduction(
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        components=pca.components_.astype(np.float32),
        spread=np.sqrt(pca.explained_variance_).clip(NEVER).astype(np.float32),
        share=pca.explained_variance_ratio_,
        whiten=whiten,
        clips=names,
        marks=np.array(marks),
    )


def _sampled(
    clips: Iterable[tuple[str, np.ndarray]], frames: int, seed: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    # At most `frames` rows, each frame as likely as any other, whatever its clip's length.
    # Reservoir sampling: frame number n is kept with chance frames / n, in place of a random one.
    rng = np.random.default_rng(seed)
    names: list[str] = []
    seen = 0
    kept: np.ndarray | None = None
    for name, features in clips:
        names.append(name)
        if kept is None:
            kept = np.empty((frames, features.shape[1]), np.float32)
        for start in range(len(features)):
            row = seen if seen < frames else int(rng.integers(seen + 1))
            if row < frames:
                kept[row] = features[start]
            seen += 1
    if kept is None or not seen:
        raise InputError("a reduction needs the frames of at least one training clip")
    return kept[: min(seen, frames)], tuple(names)
