"""Clips of a store to padded batches: points, mask, lengths, target.

A clip is prepared once (normalised, joints chosen) and kept; resampling to a fixed number of
frames is done on whole batches, because augmentation warps time there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from signlib.data.origins import mark_of
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import (
    face_camera,
    hands_at_wrists,
    masked,
    mirror,
    normalise,
    seen,
    to_square_pixels,
)
from signlib.settings.base import FeatureSettings
from signlib.stores.store import ClipSource, why

Batch = dict[str, Tensor]
Item = TypeVar("Item")
# (N,) class numbers.
Targets = Sequence[int] | np.ndarray
# Points (T, J, C) without NaN, which of them were seen (T, J), class number.
LandmarkItem = tuple[np.ndarray, np.ndarray, int]


def prepare(
    points: np.ndarray, skeleton: Skeleton, settings: FeatureSettings, aspect: float = 1.0
) -> np.ndarray:
    """One clip as the model's input: normalised, led by one hand, joints and coordinates chosen.

    Args:
        points: (T, J, C) raw landmarks, NaN = missing.
        aspect: width / height of the picture; 0 or NaN counts as 1.

    Returns:
        (T, J', coordinates) float32, NaN = missing. Without `features.normalise` the coordinates
        are raw, with their origin in the middle of the picture.

    Raises:
        SettingsError: when the landmarks have fewer coordinates than asked for.
        ClipError: when nothing of the chosen joints was seen, or the clip has no scale.
    """
    if points.shape[-1] < settings.coordinates:
        raise SettingsError(
            f"features.coordinates={settings.coordinates}: these landmarks have {points.shape[-1]};"
            " set it to 2"
        )
    if not seen(points).any():
        raise ClipError("no point of the clip was seen in any frame; leave the clip out")
    aspect = aspect if np.isfinite(aspect) and aspect > 0 else 1.0
    if settings.normalise:
        out = normalise(
            hands_at_wrists(points, skeleton) if settings.hand_depth else points,
            skeleton,
            aspect,
            rotate=settings.rotate,
            longest_gap=settings.longest_gap,
        )
        if settings.face_camera:
            out = face_camera(out, skeleton)
        if settings.dominant and left_leads(out, skeleton):
            out = mirror(out, skeleton)
    else:
        out = np.array(points, np.float32)
        # With its origin in the middle of the picture a raw clip is mirrored and turned like any
        # other.
        out[..., :2] -= 0.5
        if settings.dominant and left_leads(to_square_pixels(out, aspect), skeleton):
            out = mirror(out, skeleton)
    out = out[:, skeleton.selection(settings.joints), : settings.coordinates].copy()
    if settings.coordinates == 3:
        out[..., 2] *= settings.z_weight
    if not seen(out).any():
        raise ClipError(
            f"no point of features.joints={settings.joints} was seen in any frame; leave the"
            " clip out"
        )
    return out


def left_leads(points: np.ndarray, skeleton: Skeleton) -> bool:
    """True when the left hand is seen and moves more than the right one.

    Args:
        points: (T, J, C) in units that are the same along x and y.
    """
    if not skeleton.has("left_hand_wrist", "right_hand_wrist"):
        return False
    return _activity(points, skeleton, "left") > _activity(points, skeleton, "right")


def _activity(points: np.ndarray, skeleton: Skeleton, side: str) -> float:
    wrist = points[:, skeleton.index(f"{side}_hand_wrist"), :2]
    frames_seen = np.isfinite(wrist).all(axis=1).sum()
    steps = np.linalg.norm(np.diff(wrist, axis=0), axis=1)
    # A hand at rest is seen as long as the other: so the path counts, and a little the presence.
    return float(frames_seen * (0.1 + np.nansum(steps)))


@dataclass
class Prepared:
    """Clips ready for batches.

    Attributes:
        clips: N ids.
        points: N arrays (T, J, C), NaN = missing.
        unusable: clip -> reason, for clips that were left out.
    """

    clips: list[str]
    points: list[np.ndarray]
    unusable: dict[str, str]


def prepare_clips(
    source: ClipSource, clips: Sequence[str], settings: FeatureSettings, quiet: bool = False
) -> Prepared:
    """The given clips of a source, prepared; a clip that cannot be used is named, not raised."""
    rows = source.labelled.set_index("clip")
    aspects = (rows["width"] / rows["height"].where(rows["height"] > 0)).to_dict()
    prepared = Prepared([], [], {})
    for clip in tqdm(
        clips, desc="preparing clips", unit="clip", leave=False, disable=quiet or len(clips) < 500
    ):
        try:
            points = prepare(source.read(clip), source.skeleton, settings, aspects[clip])
        except ClipError as error:
            prepared.unusable[clip] = why(source, clip, error)
        else:
            prepared.clips.append(clip)
            prepared.points.append(points)
    return prepared


class ClipData(Dataset[Item], Generic[Item]):
    """Clips in memory, with what makes a batch of them; a pass may go through them several times.

    Args:
        items: one a clip.
        targets: (N,) class numbers, where a clip has one.
        repeats: how often a pass goes through all of them.

    Attributes:
        collate: makes one batch of items.
        names: (N,) clip ids, once `Clips` has told them; for messages.
    """

    collate: Callable[[Sequence[Any]], Batch]
    names: Sequence[str] = ()

    def __init__(self, items: Iterable[Item], targets: Targets = (), repeats: int = 1) -> None:
        self.items = list(items)
        self.targets = np.asarray(targets)
        self.repeats = repeats

    def clip_count(self) -> int:
        """N, each clip counted once."""
        return len(self.items)

    def item(self, clip: int) -> Item:
        """The item of clip number `clip`, from 0 to N - 1."""
        return self.items[clip]

    def facts(self, clip: int) -> Mapping[str, np.ndarray]:
        """What clip number `clip` is, before anything that takes long is done to it."""
        return {key: value.numpy() for key, value in self.collate([self.items[clip]]).items()}

    def told(self) -> list[str]:
        """(N,) how messages call the clips."""
        return list(self.names) or [f"number {clip}" for clip in range(self.clip_count())]

    def marks(self) -> np.ndarray:
        """(N, K, 2) what tells each clip from another one of its name; see `origins.mark_of`."""
        clips = (self.facts(clip).values() for clip in range(self.clip_count()))
        return np.array([[mark_of(each.reshape(1, -1)) for each in facts] for facts in clips])

    def broken(self, most: int = 3) -> list[str]:
        """The first clips whose batch would hold numbers that are not finite."""
        names = enumerate(self.told())
        faulty = (name for clip, name in names if not_finite(self.collate([self.item(clip)])))
        return list(islice(faulty, most))

    def __len__(self) -> int:
        return self.clip_count() * self.repeats

    def __getitem__(self, index: int) -> Item:
        if not 0 <= index < len(self):
            raise IndexError(index)  # ends `for item in dataset`
        return self.item(index % self.clip_count())


@dataclass
class Clips:
    """Clips ready for batches.

    Attributes:
        data: the dataset.
        clips: their ids, in its order.
        unusable: clip -> why it was left out.
    """

    data: ClipData
    clips: list[str]
    unusable: dict[str, str]

    def __post_init__(self) -> None:
        self.data.names = self.clips


def not_finite(batch: Batch) -> list[str]:
    """What of a batch holds numbers that are not finite."""
    return [
        key
        for key, value in batch.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]


def padded(arrays: Sequence[np.ndarray], fill: float = 0.0) -> Tensor:
    """(B, T, ...): B arrays of unequally many frames, the shorter ones with `fill` behind them."""
    shape = (len(arrays), max(map(len, arrays)), *arrays[0].shape[1:])
    # Filled as an array: torch warns of those that a store maps into memory, which are read-only.
    batch = np.full(shape, fill, arrays[0].dtype)
    for row, array in enumerate(arrays):
        batch[row, : len(array)] = array
    return torch.from_numpy(batch)


def collate(items: Sequence[LandmarkItem]) -> Batch:
    """Items to one batch, padded with zeros that are masked out.

    Returns:
        points (B, T, J, C), mask (B, T, J), lengths (B,), target (B,).
    """
    clips, masks, targets = zip(*items, strict=True)
    return {
        "points": padded(clips).float(),
        "mask": padded(masks),
        "lengths": torch.tensor([len(clip) for clip in clips]),
        "target": torch.tensor(targets),
    }


class ClipDataset(ClipData[LandmarkItem]):
    """Prepared clips with their targets.

    Args:
        points: N arrays (T, J, C).
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    collate = staticmethod(collate)

    def __init__(self, points: Sequence[np.ndarray], targets: Targets, repeats: int = 1) -> None:
        items = [(*masked(clip), int(target)) for clip, target in zip(points, targets, strict=True)]
        super().__init__(items, targets, repeats)


def resample(batch: Batch, frames: int, warp: float = 0.0, crop: float = 0.0) -> Batch:
    """The batch with `frames` frames a clip, interpolated linearly over the clip's own length.

    Args:
        batch: as `collate` makes it.
        frames: T of the result; 0 leaves the batch as it is.
        warp: strength of a random smooth time warp (training only).
        crop: largest share cut from each end at random (training only).

    Where one of two neighbours is missing, the other one counts. A batch without landmarks does
    not change.
    """
    if frames == 0 or "points" not in batch:
        return batch
    points, mask, lengths = batch["points"], batch["mask"], batch["lengths"]
    size = len(points)
    # From 0 at a clip's first frame to 1 at its last one.
    time = torch.linspace(0, 1, frames, device=points.device).expand(size, frames)
    if warp:
        # A sine that keeps both ends; its slope is at least -`warp`, so that time never runs back.
        strength = (torch.rand(size, 1, device=points.device) * 2 - 1) * warp
        phase = torch.rand(size, 1, device=points.device) * 2 * torch.pi
        time = (
            time
            + strength * torch.sin(torch.pi * time) * torch.cos(torch.pi * time + phase) / torch.pi
        )
    if crop:
        start, end = torch.rand(2, size, 1, device=points.device) * crop
        time = start + (1 - end - start) * time
    moments = time.clamp(0, 1) * (lengths[:, None] - 1)
    mixed, present = at_moments(points, mask, moments, lambda share: share[..., None])
    return {
        **batch,
        "points": mixed * present[..., None],
        "mask": present,
        "lengths": torch.full_like(lengths, frames),
    }


def at_moments(
    values: Tensor, seen: Tensor, moments: Tensor, spread: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Values between frames, interpolated linearly, and which of their P parts are there.

    Where one of two neighbours is missing, the other one counts.

    Args:
        values: (B, T, ...).
        seen: (B, T, P) bool.
        moments: (B, T') frame numbers from 0, within the clips.
        spread: brings shares (B, T', P) to the shape of the values.
    """
    # A frame that is hit is taken as it is: rounding must not let a neighbour fill its gaps.
    moments = torch.where((moments - moments.round()).abs() < 1e-4, moments.round(), moments)
    before, after = moments.floor().long(), moments.ceil().long()
    rows = torch.arange(len(values), device=values.device)[:, None]
    first, second = seen[rows, before], seen[rows, after]
    # (B, T', P): the share of the later neighbour, 0 or 1 where only one of them was seen.
    share = (moments - before)[..., None].expand(first.shape)
    share = torch.where(first & second, share, (~first).to(share.dtype))
    return torch.lerp(values[rows, before], values[rows, after], spread(share)), first | second
