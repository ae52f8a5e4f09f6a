"""Clips in colour, depth and landmarks to batches.

A clip that lacks a modality stays, with zeros and `present` False: it is counted and named, so that
every number can say on how many of how many clips it stands.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
import torch
from tqdm.auto import tqdm

from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import masked
from signlib.stores.pictures import COLOUR, DEPTH
from signlib.training import batches
from signlib.training.batches import Batch, ClipData, Prepared, Targets

# Modality -> its key in a batch; in the order of `present`.
KEYS = {"rgb": COLOUR, "depth": DEPTH, "skeleton": "points"}


class Pictures(Protocol):
    """Where colour and depth come from, such as a `PictureStore`."""

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def __contains__(self, key: tuple[str, str]) -> bool: ...

    def shape(self, kind: str) -> tuple[int, ...]: ...

    def read(self, clip: str, kind: str) -> np.ndarray: ...

    def reasons(self, kind: str) -> dict[str, str]: ...


class MultimodalDataset(ClipData[dict[str, Any]]):
    """Clips with the modalities asked for; the same item on every call.

    Attributes:
        clips, targets: those that have at least one of the modalities, in the order given.
        modalities: those asked for, in the order of `KEYS`.
        present: (N, M) bool.
        missing: modality -> clip -> why that clip lacks it, of the clips kept.
        left_out: clip -> why it has none of the modalities.
    """

    def __init__(
        self,
        clips: Sequence[str],
        targets: Targets,
        modalities: Sequence[str],
        pictures: Pictures | None = None,
        points: Prepared | None = None,
        in_memory: bool = False,
        repeats: int = 1,
    ) -> None:
        """The clips as a dataset.

        Args:
            clips, targets: N ids and class numbers.
            modalities: some of `rgb`, `depth` and `skeleton`.
            pictures: for `rgb` and `depth`.
            points: for `skeleton`, as `batches.prepare_clips` makes them.
            in_memory: decode all pictures once and keep them, N x T x side x side x 3 (depth: x 1)
                bytes.
            repeats: how often a pass goes through all clips.

        Raises:
            SettingsError: for an unknown modality, or one without its source.
            ClipError: when no clip has any of the modalities, or landmarks are asked for and no
                clip has any.
        """
        self.modalities = _ordered(modalities)
        self.repeats = repeats
        self._check(pictures, points)
        self._store = pictures
        self._points = {} if points is None else dict(zip(points.clips, points.points, strict=True))
        reasons = {name: self._reasons(name, pictures, points) for name in self.modalities}
        has = np.zeros((len(clips), len(self.modalities)), bool)
        for row, clip in zip(has, clips, strict=True):
            row[:] = [self._has(name, clip) for name in self.modalities]
        kept = has.any(axis=1)
        self.targets, self.present = np.asarray(targets)[kept], has[kept]
        self.clips: list[str] = []
        self.left_out: dict[str, str] = {}
        self.missing: dict[str, dict[str, str]] = {name: {} for name in self.modalities}
        for clip, row in zip(clips, has, strict=True):
            lost = [name for name, there in zip(self.modalities, row, strict=True) if not there]
            why = {name: reasons[name].get(clip, "it is not there") for name in lost}
            if len(lost) == len(self.modalities):
                self.left_out[clip] = "; ".join(f"{name}: {text}" for name, text in why.items())
                continue
            self.clips.append(clip)
            for name, text in why.items():
                self.missing[name][clip] = text
        if not self.clips:
            first = next(iter(self.left_out.items()), ("none", "no clip was given"))
            raise ClipError(
                f"no clip has any of {', '.join(self.modalities)} (first {first[0]}: {first[1]})"
            )
        self._kept = self._decoded() if in_memory else {}

    @property
    def pictures(self) -> Pictures:
        """The store of colour and depth.

        Raises:
            SettingsError: where only landmarks were asked for.
        """
        if self._store is None:
            raise SettingsError("these clips have no pictures; ask for rgb or depth")
        return self._store

    def _check(self, pictures: Pictures | None, points: Prepared | None) -> None:
        for name in self.modalities:
            if name == "skeleton":
                if points is None:
                    raise SettingsError(
                        "modality 'skeleton' needs points, as batches.prepare_clips makes them"
                    )
                if not points.points:
                    raise ClipError("no clip has landmarks; leave 'skeleton' out of the modalities")
            elif pictures is None:
                raise SettingsError(
                    f"modality {name!r} needs a picture store with {KEYS[name]!r}; none was given"
                )
            elif KEYS[name] not in pictures.kinds:
                raise SettingsError(
                    f"modality {name!r} needs a picture store with {KEYS[name]!r}; this one holds"
                    f" {', '.join(pictures.kinds)}"
                )

    def _has(self, modality: str, clip: str) -> bool:
        if modality == "skeleton":
            return clip in self._points
        return (clip, KEYS[modality]) in self.pictures

    @staticmethod
    def _reasons(
        modality: str, pictures: Pictures | None, points: Prepared | None
    ) -> dict[str, str]:
        # Clip -> why it lacks the modality, as far as its source says.
        if modality == "skeleton":
            return {} if points is None else points.unusable
        return {} if pictures is None else pictures.reasons(KEYS[modality])

    def _decoded(self) -> dict[tuple[str, str], np.ndarray]:
        kinds = [KEYS[name] for name in self.modalities if name != "skeleton"]
        keys = [key for key in product(self.clips, kinds) if key in self.pictures]
        bar = tqdm(
            keys, desc="decoding pictures", unit="clip", leave=False, disable=len(keys) < 500
        )
        return {key: self.pictures.read(*key) for key in bar}

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Modality -> on how many of all clips given it stands.

        `any` counts the clips that have some modality, `all` those that have every one.
        """
        total = len(self.clips) + len(self.left_out)
        numbers = dict(zip(self.modalities, self.present.sum(0).tolist(), strict=True))
        numbers |= {"any": len(self.clips), "all": int(self.present.all(1).sum())}
        return {name: (number, total) for name, number in numbers.items()}

    def coverage(self) -> str:
        """One line a modality: on how many of how many clips, and which lack it."""
        lines = []
        for name in self.modalities:
            lost = [*self.missing[name], *self.left_out]
            line = "{} on {} of {} clips".format(name, *self.counts[name])
            if lost:
                more = ", ..." if len(lost) > 5 else ""
                line += f" (missing: {', '.join(lost[:5])}{more})"
            lines.append(line)
        return "\n".join(lines)

    @staticmethod
    def collate(items: Sequence[dict[str, Any]]) -> Batch:
        # Items to one batch.
        return collate(items)

    def clip_count(self) -> int:
        # Clips that have at least one of the modalities.
        return len(self.clips)

    def item(self, clip: int) -> dict[str, Any]:
        # Presence, target and all modalities of clip number `clip`.
        identity, present = self.clips[clip], self.present[clip]
        item: dict[str, Any] = {"present": present, "target": int(self.targets[clip])}
        for name, there in zip(self.modalities, present, strict=True):
            if name == "skeleton":
                item["points"], item["mask"] = self._landmarks(identity)
            else:
                item[KEYS[name]] = self._pictures(identity, KEYS[name], there)
        return item

    def _landmarks(self, clip: str) -> tuple[np.ndarray, np.ndarray]:
        if clip in self._points:
            return masked(self._points[clip])
        joints, channels = next(iter(self._points.values())).shape[1:]
        return np.zeros((1, joints, channels), np.float32), np.zeros((1, joints), bool)

    def _pictures(self, clip: str, kind: str, there: bool) -> np.ndarray:
        if not there:
            return np.zeros(self.pictures.shape(kind), np.uint8)
        return self._kept[clip, kind] if self._kept else self.pictures.read(clip, kind)


def _ordered(modalities: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in modalities if name not in KEYS]
    if unknown or not modalities or len(set(modalities)) < len(modalities):
        raise SettingsError(
            f"modalities={list(modalities)} must be some of {', '.join(KEYS)}, each once"
        )
    return tuple(name for name in KEYS if name in modalities)


def collate(items: Sequence[dict[str, Any]]) -> Batch:
    """Items to one batch.

    Returns:
        present (B, M) bool and target (B,). Where asked for: colour (B, T, H, W, 3) uint8, depth
        (B, T, H, W) uint8, and points (B, T, J, C), mask (B, T, J) and lengths (B,) as in
        `batches.collate`, padded with zeros. A clip without landmarks has one frame, masked out.
    """
    batch: Batch = {}
    if "points" in items[0]:
        batch = batches.collate([(item["points"], item["mask"], item["target"]) for item in items])
    for key in (COLOUR, DEPTH):
        if key in items[0]:
            batch[key] = torch.from_numpy(np.stack([item[key] for item in items]))
    batch["present"] = torch.from_numpy(np.stack([item["present"] for item in items]))
    batch["target"] = torch.tensor([item["target"] for item in items])
    return batch
