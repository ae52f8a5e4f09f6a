"""Clips in colour, depth and landmarks to batches.

A clip that lacks a modality stays, with zeros and `present` False: it is counted and named, so that
every number can say on how many of how many clips it stands.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from signlib.errors import ClipError, SettingsError
from signlib.extraction.filming import COLOUR, DEPTH
from signlib.extraction.pictures import PictureStore
from signlib.features.normalise import masked
from signlib.training import batches
from signlib.training.batches import Batch, Prepared

KEYS = {"rgb": COLOUR, "depth": DEPTH, "skeleton": "points"}
"""Modality -> its key in a batch; in the order of `present`."""


class MultimodalDataset(Dataset):
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
        targets: Sequence[int],
        modalities: Sequence[str],
        pictures: PictureStore | None = None,
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
        self._check(pictures, points)
        self.pictures, self.repeats = pictures, repeats
        self._points = {} if points is None else dict(zip(points.clips, points.points, strict=True))
        reasons = {name: self._reasons(name, points) for name in self.modalities}
        has = np.array(
            [[self._has(name, clip) for name in self.modalities] for clip in clips], bool
        )
        has = has.reshape(len(clips), len(self.modalities))
        kept = has.any(axis=1)
        self.clips = [clip for clip, keep in zip(clips, kept, strict=True) if keep]
        self.targets, self.present = np.asarray(targets)[kept], has[kept]
        why = {
            name: {clip: reasons[name].get(clip, "it is not there") for clip in clips}
            for name in self.modalities
        }
        self.left_out = {
            clip: "; ".join(f"{name}: {why[name][clip]}" for name in self.modalities)
            for clip, keep in zip(clips, kept, strict=True)
            if not keep
        }
        self.missing = {
            name: {
                clip: why[name][clip]
                for clip, row in zip(self.clips, self.present, strict=True)
                if not row[m]
            }
            for m, name in enumerate(self.modalities)
        }
        if not self.clips:
            first = next(iter(self.left_out.items()), ("none", "no clip was given"))
            raise ClipError(
                f"no clip has any of {', '.join(self.modalities)} (first {first[0]}: {first[1]})"
            )
        self._kept = self._decoded() if in_memory else {}

    def _check(self, pictures: PictureStore | None, points: Prepared | None) -> None:
        for name in self.modalities:
            if name == "skeleton":
                if points is None:
                    raise SettingsError(
                        "modality 'skeleton' needs points, as batches.prepare_clips makes them"
                    )
                if not points.points:
                    raise ClipError("no clip has landmarks; leave 'skeleton' out of the modalities")
            elif pictures is None or KEYS[name] not in pictures.kinds:
                held = (
                    "none was given"
                    if pictures is None
                    else f"this one holds {', '.join(pictures.kinds)}"
                )
                raise SettingsError(
                    f"modality {name!r} needs a picture store with {KEYS[name]!r}; {held}"
                )

    def _has(self, modality: str, clip: str) -> bool:
        return (
            clip in self._points
            if modality == "skeleton"
            else (clip, KEYS[modality]) in self.pictures
        )

    def _reasons(self, modality: str, points: Prepared | None) -> dict[str, str]:
        return points.unusable if modality == "skeleton" else self.pictures.reasons(KEYS[modality])

    def _decoded(self) -> dict[tuple[str, str], np.ndarray]:
        kinds = [KEYS[name] for name in self.modalities if name != "skeleton"]
        wanted = [
            (clip, kind) for clip in self.clips for kind in kinds if (clip, kind) in self.pictures
        ]
        bar = tqdm(
            wanted, desc="decoding pictures", unit="clip", leave=False, disable=len(wanted) < 500
        )
        return {key: self.pictures.read(*key) for key in bar}

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Modality -> on how many of all clips given it stands; `all` = clips that have every
        modality.
        """
        total = len(self.clips) + len(self.left_out)
        found = {
            name: (int(n), total)
            for name, n in zip(self.modalities, self.present.sum(0), strict=True)
        }
        return found | {
            "any": (len(self.clips), total),
            "all": (int(self.present.all(1).sum()), total),
        }

    def coverage(self) -> str:
        """One line a modality: on how many of how many clips, and which lack it."""
        lines = []
        for name in self.modalities:
            lost = [*self.missing[name], *self.left_out]
            named = (
                f" (missing: {', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''})"
                if lost
                else ""
            )
            lines.append("{} on {} of {} clips{}".format(name, *self.counts[name], named))
        return "\n".join(lines)

    @staticmethod
    def collate(items: Sequence[dict[str, Any]]) -> Batch:
        """Items to one batch."""
        return collate(items)

    def __len__(self) -> int:
        return len(self.clips) * self.repeats

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)  # ends `for item in dataset`
        n = index % len(self.clips)
        item: dict[str, Any] = {"present": self.present[n], "target": int(self.targets[n])}
        for name, there in zip(self.modalities, self.present[n], strict=True):
            if name == "skeleton":
                item["points"], item["mask"] = self._landmarks(self.clips[n])
            else:
                item[KEYS[name]] = self._pictures(self.clips[n], KEYS[name], there)
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
        present (B, M) bool, target (B,); colour (B, T, H, W, 3) uint8 and depth (B, T, H, W) uint8
            where asked for;
        points (B, T, J, C), mask (B, T, J) and lengths (B,) as in `batches.collate`, padded with
            zeros. A clip
        without landmarks has one frame, masked out.
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
