"""Sentences to padded batches, and changes of a training batch that leave its sentences true.

A batch holds `points` with `mask`, or `features` with `present`; `lengths`; `targets` (B, U) padded
with 0 and `sizes` (B,); and where the corpus tells when each sign begins and ends, `spans` (B, U,
2) in frames, else -1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from signlib.features.normalise import masked
from signlib.models.ctc_blocks import real_frames
from signlib.settings.config import SentenceSettings
from signlib.training.batches import Batch
from signlib.training.ctc_losses import frames_needed

TIMED = ("points", "mask", "features", "present")
"""Keys of a batch whose second axis is time."""


@dataclass
class Sentence:
    """One clip ready for batches.

    Attributes:
        frames: `points` and `mask`, or `features` and `present`: arrays with time first.
        target: (U,) class numbers, none of them 0.
        spans: (U, 2) first and past-last frame of each sign, or None.
    """

    frames: dict[str, np.ndarray]
    target: np.ndarray
    spans: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.frames.values())))


def landmark_sentence(
    points: np.ndarray, target: Sequence[int], spans: np.ndarray | None = None
) -> Sentence:
    """A sentence of landmarks (T, J, C), NaN = missing."""
    seen, mask = masked(points)
    return Sentence({"points": seen, "mask": mask}, np.asarray(target, np.int64), spans)


class SentenceDataset(Dataset):
    """Sentences in a row.

    Args:
        sentences: N of them.
        repeats: how often a pass goes through all of them.
        late: what is done to one when it is asked for, or None.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        repeats: int = 1,
        late: Callable[[Sentence], Sentence] | None = None,
    ) -> None:
        self.sentences, self.repeats, self.late = list(sentences), repeats, late

    def __len__(self) -> int:
        return len(self.sentences) * self.repeats

    def __getitem__(self, index: int) -> Sentence:
        if index >= len(self):
            raise IndexError(index)  # ends `for item in dataset`
        item = self.sentences[index % len(self.sentences)]
        return item if self.late is None else self.late(item)

    @staticmethod
    def collate(items: Sequence[Sentence]) -> Batch:
        """Sentences to one batch."""
        return collate_sentences(items)


def collate_sentences(items: Sequence[Sentence]) -> Batch:
    """Sentences to one batch, padded with zeros that count as not seen."""
    lengths = torch.tensor([len(item) for item in items])
    sizes = torch.tensor([len(item.target) for item in items])
    batch = {"lengths": lengths, "sizes": sizes}
    for key, first in items[0].frames.items():
        kind = torch.from_numpy(first[:0]).dtype
        batch[key] = torch.zeros(len(items), int(lengths.max()), *first.shape[1:], dtype=kind)
        for row, item in enumerate(items):
            batch[key][row, : len(item)] = torch.from_numpy(item.frames[key])
    batch["targets"] = torch.zeros(len(items), max(1, int(sizes.max())), dtype=torch.long)
    batch["spans"] = torch.full((*batch["targets"].shape, 2), -1)
    for row, item in enumerate(items):
        batch["targets"][row, : len(item.target)] = torch.from_numpy(item.target)
        if item.spans is not None:
            batch["spans"][row, : len(item.target)] = torch.from_numpy(
                np.asarray(item.spans, np.int64)
            )
    return batch


class SentenceAugment:
    """A function from batch to batch: mixed signs, another speed, lost frames, another signer,
    hidden frames.

    Args:
        settings: strengths; 0 switches one off.
        stride: frames that the network makes one of: a sentence is never left too short for its
            signs.
        geometry: a change of `points` and `mask`, such as `Augment`, or None.
    """

    def __init__(
        self,
        settings: SentenceSettings,
        stride: int,
        geometry: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.settings, self.stride, self.geometry = settings, stride, geometry

    def __call__(self, batch: Batch) -> Batch:
        """The batch changed; `targets`, `sizes`, `lengths` and `spans` follow."""
        s = self.settings
        batch = mix_signs(batch, s.sign_mixup)
        batch = change_time(batch, s.warp, s.frame_drop, self.stride)
        if self.geometry is not None and "points" in batch:
            batch = self.geometry(batch)
        return hide_frames(batch, s.time_mask, s.time_masks)


def gather_time(batch: Batch, rows: Tensor, place: Tensor, lengths: Tensor) -> Batch:
    """The batch whose frame t of clip b is frame `place[b, t]` of clip `rows[b, t]`; padding
    becomes zero.

    Args:
        rows, place: (B, T') whole numbers; lengths: (B,) how many of the T' are real.
    """
    real = real_frames(lengths, place.shape[1])
    out = {**batch, "lengths": lengths}
    for key in TIMED:
        if key in batch:
            found = batch[key][rows, place]
            keep = real.view(*real.shape, *[1] * (found.ndim - 2))
            out[key] = found & keep if found.dtype == torch.bool else found * keep
    return out


def change_time(batch: Batch, warp: float, drop: float, stride: int = 1) -> Batch:
    """Each clip at another speed, which also sways within the clip, and without some of its frames.

    Args:
        warp: largest change of speed, as a share; frames are repeated or left out.
        drop: chance of each frame to be left out.
        stride: a clip keeps `stride` frames for each frame that its target needs.

    The first and the last frame stay where they are.
    """
    if not warp and not drop:
        return batch
    lengths, size, device = batch["lengths"], len(batch["lengths"]), batch["lengths"].device
    need = stride * frames_needed(batch["targets"], batch["sizes"])
    speed = 1 + warp * (2 * torch.rand(size, device=device) - 1)
    wanted = torch.maximum((lengths / speed).round().long(), torch.minimum(need, lengths)).clamp(
        min=1
    )
    time = torch.arange(int(wanted.max()), device=device) / (wanted[:, None] - 1).clamp(min=1)
    sway = warp * (2 * torch.rand(2, size, 1, device=device) - 1) * torch.pi**-1
    time = time + 0.5 * (
        sway[0] * torch.sin(torch.pi * time) + 0.5 * sway[1] * torch.sin(2 * torch.pi * time)
    )
    place = (time.clamp(0, 1) * (lengths[:, None] - 1)).round().long()
    if drop:
        real = real_frames(wanted, place.shape[1])
        # As many may go as leave enough; which ones is drawn.
        spare = (wanted - need).clamp(min=0)[:, None]
        lost = (torch.rand(place.shape, device=device) < drop) & real
        lost &= lost.cumsum(1) <= spare
        order = torch.argsort(lost | ~real, dim=1, stable=True)
        place, wanted = place.gather(1, order), wanted - lost.sum(1)
        place = place[:, : int(wanted.max())]
    rows = torch.arange(size, device=device)[:, None].expand_as(place)
    out = gather_time(batch, rows, place, wanted)
    # Where a span's frame has gone to: the first place at or after it.
    place = place.masked_fill(~real_frames(wanted, place.shape[1]), 2**30)
    spans = torch.searchsorted(place, batch["spans"].flatten(1))
    out["spans"] = torch.where(batch["spans"] < 0, -1, spans.view_as(batch["spans"]))
    return out


def mix_signs(batch: Batch, chance: float) -> Batch:
    """Some clips become the beginning of one sentence and the end of another, with the glosses to
    match.

    Where the corpus tells when signs begin and end, both are cut between two signs and the lengths
    stay about the same. Where it does not, the other sentence is put behind, if both together are
    no longer than the longest.

    Args:
        chance: of each clip.

    Source: seed 001, "sign_mixup".
    Differs: two pictures cannot be blended under CTC, whose targets are sequences: the signs are
    strung together.
    """
    size, device = len(batch["lengths"]), batch["lengths"].device
    if not chance or size < 2:
        return batch
    other = torch.roll(torch.arange(size, device=device), int(torch.randint(1, size, ())))
    chosen = torch.rand(size, device=device) < chance
    lengths, sizes, known = (
        batch["lengths"],
        batch["sizes"],
        (batch["spans"] >= 0).flatten(1).any(1),
    )
    longest, most = int(lengths.max()), int(sizes.max())
    # With spans: the first `head` signs of one, and what comes after `skip` signs of the other.
    known = known & known[other]
    some = torch.minimum((torch.rand(size, device=device) * sizes).long() + 1, sizes)
    head = torch.where(known, some, sizes)
    skip = torch.where(known, torch.minimum(head, sizes[other] - 1).clamp(min=0), 0)
    rows = torch.arange(size, device=device)
    cut = _boundary(batch, rows, head)
    begin = _boundary(batch, other, skip)
    frames, glosses = cut + lengths[other] - begin, head + sizes[other] - skip
    cap = torch.where(known, 2 * longest, longest)
    chosen &= (frames <= cap) & (sizes > 0) & (sizes[other] > 0)
    cut, begin = torch.where(chosen, cut, lengths), torch.where(chosen, begin, 0)
    head, skip = torch.where(chosen, head, sizes), torch.where(chosen, skip, 0)
    frames, glosses = torch.where(chosen, frames, lengths), torch.where(chosen, glosses, sizes)
    time = torch.arange(int(frames.max()), device=device).expand(size, -1)
    late = time >= cut[:, None]
    place = torch.where(late, time - cut[:, None] + begin[:, None], time)
    source = torch.where(late, other[:, None], rows[:, None])
    out = gather_time(batch, source, place.clamp(0, longest - 1), frames)
    order = torch.arange(int(glosses.max()), device=device).expand(size, -1)
    behind = order >= head[:, None]
    which = torch.where(behind, order - head[:, None] + skip[:, None], order).clamp(0, most - 1)
    source = torch.where(behind, other[:, None], rows[:, None])
    real = real_frames(glosses, order.shape[1])
    out["targets"], out["sizes"] = batch["targets"][source, which] * real, glosses
    shift = torch.where(behind, (cut - begin)[:, None], 0)[..., None]
    spans = batch["spans"][source, which]
    out["spans"] = torch.where((spans >= 0) & real[..., None], spans + shift, -1)
    return out


def cut_signs(batch: Batch, most: int) -> Batch:
    """At most `most` signs in a row of each clip, any of them; clips whose spans are unknown stay
    whole.

    A network with recurrent layers says nothing but blanks for long while sentences are long; on
    single signs it learns at once what they look like.

    Args:
        most: signs that are kept, from 1 on.
    """
    size, sizes, device = len(batch["lengths"]), batch["sizes"], batch["lengths"].device
    known = (batch["spans"] >= 0).flatten(1).any(1)
    keep = torch.where(known, sizes.clamp(max=most), sizes)
    first = (torch.rand(size, device=device) * (sizes - keep + 1)).long().clamp(max=sizes - keep)
    rows = torch.arange(size, device=device)
    start, end = _boundary(batch, rows, first), _boundary(batch, rows, first + keep)
    lengths = end - start
    place = torch.arange(int(lengths.max()), device=device) + start[:, None]
    place = place.clamp(max=batch_frames(batch) - 1)
    out = gather_time(batch, rows[:, None].expand_as(place), place, lengths)
    which = torch.arange(int(keep.max()), device=device) + first[:, None]
    real = real_frames(keep, which.shape[1])
    which = which.clamp(max=batch["targets"].shape[1] - 1)
    out["targets"], out["sizes"] = batch["targets"].gather(1, which) * real, keep
    spans = batch["spans"][rows[:, None], which]
    out["spans"] = torch.where((spans >= 0) & real[..., None], spans - start[:, None, None], -1)
    return out


def batch_frames(batch: Batch) -> int:
    """T with padding."""
    return max(batch[key].shape[1] for key in TIMED if key in batch)


def _boundary(batch: Batch, rows: Tensor, signs: Tensor) -> Tensor:
    """(B,) the frame between sign number `signs` - 1 and the next one of clips `rows`: the middle
    of what lies between.

    0 for no sign, the clip's length for all of them.
    """
    spans, sizes, lengths = batch["spans"][rows], batch["sizes"][rows], batch["lengths"][rows]
    place = torch.arange(len(rows), device=rows.device)
    ended = spans[place, (signs - 1).clamp(min=0), 1]
    begun = spans[place, signs.clamp(max=spans.shape[1] - 1), 0]
    middle = ((ended + begun) / 2).round().long()
    return torch.where(signs <= 0, 0, torch.where(signs >= sizes, lengths, middle))


def hide_frames(batch: Batch, longest: float, spans: int) -> Batch:
    """Some stretches of each clip go unseen; the clip stays as long as it was.

    Args:
        longest: of one stretch, as a share of the clip.
        spans: how many stretches.
    """
    if not longest or not spans:
        return batch
    lengths = batch["lengths"][:, None]
    time = torch.arange(batch_frames(batch), device=lengths.device)
    hidden = torch.zeros(len(lengths), len(time), dtype=torch.bool, device=lengths.device)
    for _ in range(spans):
        width = torch.rand(lengths.shape, device=lengths.device) * longest * lengths
        start = torch.rand(lengths.shape, device=lengths.device) * (lengths - width)
        hidden |= (time >= start) & (time < start + width)
    out = dict(batch)
    for key in TIMED:
        if key in batch:
            unseen = hidden.view(*hidden.shape, *[1] * (batch[key].ndim - 2))
            out[key] = (
                batch[key] & ~unseen if batch[key].dtype == torch.bool else batch[key] * ~unseen
            )
    return out
