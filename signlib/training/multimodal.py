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

    def encoded(self, clip: str, kind: str) -> list[np.ndarray]: ...

    def reasons(self, kind: str) -> dict[str, str]: ...


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
    for key in (COLOUR, DEPTH, "present"):
        if key in items[0]:
            batch[key] = torch.from_numpy(np.stack([item[key] for item in items]))
    batch["target"] = torch.tensor([item["target"] for item in items])
    return batch


class MultimodalDataset(ClipData[dict[str, Any]]):
    """Clips with the modalities asked for; the same item on every call.

    Attributes:
        clips, targets: those that have at least one of the modalities, in the order given.
        modalities: those asked for, in the order of `KEYS`.
        present: (N, M) bool.
        missing: modality -> clip -> why that clip lacks it, of the clips kept.
        left_out: clip -> why it has none of the modalities.
    """

    collate = staticmethod(collate)

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
        self._check(modalities, pictures, points)
        self.modalities = tuple(name for name in KEYS if name in modalities)
        self.repeats = repeats
        self._store = pictures
        points = points or Prepared([], [], {})
        self._points = dict(zip(points.clips, points.points, strict=True))
        reasons = {
            name: points.unusable if name == "skeleton" else self.pictures.reasons(KEYS[name])
            for name in self.modalities
        }
        has = np.array([self._has(clip) for clip in clips], bool)
        has = has.reshape(len(clips), len(self.modalities))
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
            else:
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

    @staticmethod
    def _check(
        modalities: Sequence[str], pictures: Pictures | None, points: Prepared | None
    ) -> None:
        unknown = set(modalities) - set(KEYS)
        if unknown or not modalities or len(set(modalities)) < len(modalities):
            raise SettingsError(
                f"modalities={list(modalities)} must be some of {', '.join(KEYS)}, each once"
            )
        for name in modalities:
            if name == "skeleton":
                if points is None:
                    raise SettingsError(
                        "modality 'skeleton' needs points, as batches.prepare_clips makes them"
                    )
                if not points.points:
                    raise ClipError("no clip has landmarks; leave 'skeleton' out of the modalities")
            elif pictures is None or KEYS[name] not in pictures.kinds:
                given = (
                    "none was given"
                    if pictures is None
                    else f"this one holds {', '.join(pictures.kinds)}"
                )
                raise SettingsError(
                    f"modality {name!r} needs a picture store with {KEYS[name]!r}; {given}"
                )

    def _has(self, clip: str) -> list[bool]:
        # Which of the modalities a clip has.
        return [
            clip in self._points if name == "skeleton" else (clip, KEYS[name]) in self.pictures
            for name in self.modalities
        ]

    def _decoded(self) -> dict[tuple[str, str], np.ndarray]:
        kinds = [KEYS[name] for name in self.modalities if name != "skeleton"]
        keys = [key for key in product(self.clips, kinds) if key in self.pictures]
        return {
            key: self.pictures.read(*key)
            for key in tqdm(
                keys, desc="decoding pictures", unit="clip", leave=False, disable=len(keys) < 500
            )
        }

    def clip_count(self) -> int:
        # Clips that have at least one of the modalities.
        return len(self.clips)

    def item(self, clip: int) -> dict[str, Any]:
        # Presence, target and all modalities of clip number `clip`.
        identity, present = self.clips[clip], self.present[clip]
        item: dict[str, Any] = {"present": present, "target": int(self.targets[clip])}
        for name, there in zip(self.modalities, present, strict=True):
            if name == "skeleton":
                nobody = np.full_like(next(iter(self._points.values()))[:1], np.nan)
                item["points"], item["mask"] = masked(self._points.get(identity, nobody))
            else:
                item[KEYS[name]] = self._pictures(identity, KEYS[name], there)
        return item

    def facts(self, clip: int) -> dict[str, np.ndarray]:
        """As of every dataset, with pictures as they are kept: to decode them takes an epoch."""
        identity, present = self.clips[clip], self.present[clip]
        facts = {"present": present, "target": np.array(self.targets[clip])}
        for name in self.modalities:
            if name == "skeleton":
                facts[name] = self._points.get(identity, np.zeros(1))
            elif (identity, KEYS[name]) in self.pictures:
                facts[name] = np.concatenate(self.pictures.encoded(identity, KEYS[name]))
            else:
                facts[name] = np.zeros(1)
        return facts

    def _pictures(self, clip: str, kind: str, there: bool) -> np.ndarray:
        if not there:
            return np.zeros(self.pictures.shape(kind), np.uint8)
        return self._kept[clip, kind] if self._kept else self.pictures.read(clip, kind)
