"""Changes of a training batch of sentences that leave its sentences true; see `sentences`."""

from collections.abc import Callable

import torch
from torch import Tensor

from signlib.models.layers import real_frames
from signlib.settings.sentences import SentenceSettings
from signlib.training.batches import Batch
from signlib.training.losses import frames_needed

# Keys of a batch whose second axis is time.
TIMED = ("points", "mask", "features", "present")


class SentenceAugment:
    """A function from batch to batch.

    Signs are mixed, the speed changes, frames are lost or hidden, the signer looks otherwise.

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
        batch = mix_signs(batch, s.sign_mixup, self.stride)
        batch = change_time(batch, s.warp, s.frame_drop, self.stride)
        if self.geometry is not None and "points" in batch:
            batch = self.geometry(batch)
        return hide_frames(batch, s.time_mask, s.time_masks)


def can_be_said(targets: Tensor, sizes: Tensor, lengths: Tensor, stride: int) -> Tensor:
    """(B,) True for sentences that the network has enough frames for, after its stride.

    Args:
        targets, sizes: (B, U) and (B,), as in a batch.
        lengths: (B,) frames of the clips.
        stride: frames that the network makes one of; what is left at the end counts as one, too.
    """
    return -(-lengths // stride) >= frames_needed(targets, sizes)


def gather_time(batch: Batch, rows: Tensor, frames: Tensor, lengths: Tensor) -> Batch:
    """The batch whose frame t of clip b is frame `frames[b, t]` of clip `rows[b, t]`.

    Args:
        rows, frames: (B, T') whole numbers.
        lengths: (B,) how many of the T' are real; the others become zero.
    """
    real = real_frames(lengths, frames.shape[1])
    taken = {key: _where(real, batch[key][rows, frames]) for key in TIMED if key in batch}
    return {**batch, "lengths": lengths, **taken}


def _where(keep: Tensor, values: Tensor) -> Tensor:
    # Values (B, T, ...) with zeros, or False, where `keep` (B, T) is False.
    keep = keep.view(*keep.shape, *[1] * (values.ndim - 2))
    return values & keep if values.dtype == torch.bool else values * keep


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
    lengths, device = batch["lengths"], batch["lengths"].device
    size = len(lengths)
    need = stride * frames_needed(batch["targets"], batch["sizes"])
    speed = 1 + warp * (2 * torch.rand(size, device=device) - 1)
    # A clip that is too short already keeps its length.
    shortest = torch.minimum(need, lengths)
    left = torch.maximum((lengths / speed).round().long(), shortest).clamp(min=1)
    # From 0 to 1 over each clip, plus one half wave and one whole wave: both ends stay.
    time = torch.arange(int(left.max()), device=device) / (left[:, None] - 1).clamp(min=1)
    sway = warp * (2 * torch.rand(2, size, 1, device=device) - 1) * torch.pi**-1
    half_wave, wave = torch.sin(torch.pi * time), torch.sin(2 * torch.pi * time)
    time = time + 0.5 * (sway[0] * half_wave + 0.5 * sway[1] * wave)
    frames = (time.clamp(0, 1) * (lengths[:, None] - 1)).round().long()
    if drop:
        real = real_frames(left, frames.shape[1])
        # As many may go as leave enough; which ones is drawn.
        spare = (left - need).clamp(min=0)[:, None]
        lost = (torch.rand(frames.shape, device=device) < drop) & real
        lost &= lost.cumsum(1) <= spare
        # A stable sort moves what is lost, and padding, behind the frames that stay.
        order = torch.argsort(lost | ~real, dim=1, stable=True)
        frames, left = frames.gather(1, order), left - lost.sum(1)
        frames = frames[:, : int(left.max())]
    rows = torch.arange(size, device=device)[:, None].expand_as(frames)
    out = gather_time(batch, rows, frames, left)
    # Where a span's frame has gone to: the first one taken from there, or from later on.
    frames = frames.masked_fill(~real_frames(left, frames.shape[1]), 2**30)
    spans = torch.searchsorted(frames, batch["spans"].flatten(1))
    out["spans"] = torch.where(batch["spans"] < 0, -1, spans.view_as(batch["spans"]))
    return out


def mix_signs(batch: Batch, chance: float, stride: int = 1) -> Batch:
    """Some clips become the beginning of one sentence and the end of another, glosses too.

    Where the corpus tells when signs begin and end, both are cut between two signs and the lengths
    stay about the same. Where it does not, the other sentence is put behind, if both together are
    no longer than the longest. A mixture that its frames could not say stays undone: signs may be
    short, and two equal ones that meet need a frame between them.

    Args:
        chance: of each clip.
        stride: frames that the network makes one of.

    Source: source 001, "sign_mixup".
    Differs: two pictures cannot be blended under CTC, whose targets are sequences: the signs are
    strung together.
    """
    size, device = len(batch["lengths"]), batch["lengths"].device
    if not chance or size < 2:
        return batch
    other = torch.roll(torch.arange(size, device=device), int(torch.randint(1, size, ())))
    chosen = torch.rand(size, device=device) < chance
    lengths, sizes = batch["lengths"], batch["sizes"]
    longest = int(lengths.max())
    # With spans: the first `head` signs of one, and what comes after `skip` signs of the other.
    timed = _has_spans(batch)
    timed = timed & timed[other]
    some = torch.minimum((torch.rand(size, device=device) * sizes).long() + 1, sizes)
    head = torch.where(timed, some, sizes)
    skip = torch.where(timed, torch.minimum(head, sizes[other] - 1).clamp(min=0), 0)
    rows = torch.arange(size, device=device)
    # The first clip is cut at frame `cut`; of the other one, frames from `begin` on follow.
    cut = _boundary(batch, rows, head)
    begin = _boundary(batch, other, skip)
    frames, glosses = cut + lengths[other] - begin, head + sizes[other] - skip
    cap = torch.where(timed, 2 * longest, longest)
    # Clips that are not mixed are written as a mixture with nothing.
    chosen &= (frames <= cap) & (sizes > 0) & (sizes[other] > 0)
    source, which, _ = _strung(batch, other, head, skip, glosses)
    chosen &= can_be_said(batch["targets"][source, which], glosses, frames, stride)
    cut, begin = torch.where(chosen, cut, lengths), torch.where(chosen, begin, 0)
    head, skip = torch.where(chosen, head, sizes), torch.where(chosen, skip, 0)
    frames, glosses = torch.where(chosen, frames, lengths), torch.where(chosen, glosses, sizes)
    time = torch.arange(int(frames.max()), device=device).expand(size, -1)
    late = time >= cut[:, None]
    taken = torch.where(late, time - cut[:, None] + begin[:, None], time)
    source = torch.where(late, other[:, None], rows[:, None])
    out = gather_time(batch, source, taken.clamp(0, longest - 1), frames)
    source, which, behind = _strung(batch, other, head, skip, glosses)
    shift = torch.where(behind, (cut - begin)[:, None], 0)
    return out | _gather_glosses(batch, source, which, glosses, shift)


def _strung(
    batch: Batch, other: Tensor, head: Tensor, skip: Tensor, glosses: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    # (B, U) of each gloss of a mixture: its clip, its number there, and whether that is the other
    # one: `head` glosses of one sentence, then those of the other from `skip` on.
    rows = torch.arange(len(other), device=other.device)
    order = torch.arange(int(glosses.max()), device=other.device).expand(len(other), -1)
    behind = order >= head[:, None]
    which = torch.where(behind, order - head[:, None] + skip[:, None], order)
    source = torch.where(behind, other[:, None], rows[:, None])
    return source, which.clamp(0, batch["targets"].shape[1] - 1), behind


def _gather_glosses(
    batch: Batch, rows: Tensor, which: Tensor, sizes: Tensor, shift: Tensor
) -> Batch:
    # Gloss u of clip b is gloss `which[b, u]` of clip `rows[b, u]`, its span moved by `shift`.
    real, spans = real_frames(sizes, which.shape[1]), batch["spans"][rows, which]
    moved = torch.where((spans >= 0) & real[..., None], spans + shift[..., None], -1)
    return {"targets": batch["targets"][rows, which] * real, "sizes": sizes, "spans": moved}


def cut_signs(batch: Batch, most: int, stride: int = 1) -> Batch:
    """At most `most` signs in a row of each clip, any of them.

    Clips whose spans are unknown stay whole, and those of whose signs too few frames would stay. A
    network with recurrent layers says nothing but blanks for long while sentences are long; on
    single signs it learns at once what they look like.

    Args:
        most: signs that are kept, from 1 on.
        stride: frames that the network makes one of.
    """
    sizes, device = batch["sizes"], batch["lengths"].device
    size = len(batch["lengths"])
    keep = torch.where(_has_spans(batch), sizes.clamp(max=most), sizes)
    first = (torch.rand(size, device=device) * (sizes - keep + 1)).long().clamp(max=sizes - keep)
    rows = torch.arange(size, device=device)
    start, end = _boundary(batch, rows, first), _boundary(batch, rows, first + keep)
    which = torch.arange(int(keep.max()), device=device) + first[:, None]
    which = which.clamp(max=batch["targets"].shape[1] - 1)
    targets = batch["targets"][rows[:, None], which]
    enough = can_be_said(targets, keep, end - start, stride)
    keep, first = torch.where(enough, keep, sizes), torch.where(enough, first, 0)
    start = torch.where(enough, start, 0)
    lengths = torch.where(enough, end - start, batch["lengths"])
    frames = torch.arange(int(lengths.max()), device=device) + start[:, None]
    frames = frames.clamp(max=batch_frames(batch) - 1)
    out = gather_time(batch, rows[:, None].expand_as(frames), frames, lengths)
    which = torch.arange(int(keep.max()), device=device) + first[:, None]
    which = which.clamp(max=batch["targets"].shape[1] - 1)
    return out | _gather_glosses(batch, rows[:, None], which, keep, -start[:, None])


def batch_frames(batch: Batch) -> int:
    """T with padding."""
    return max(batch[key].shape[1] for key in TIMED if key in batch)


def _has_spans(batch: Batch) -> Tensor:
    # (B,) True for clips whose corpus tells when signs begin and end.
    return (batch["spans"] >= 0).flatten(1).any(1)


def _boundary(batch: Batch, rows: Tensor, signs: Tensor) -> Tensor:
    """(B,) the frame that parts the first `signs` signs of clips `rows` from the others.

    It is the middle of what lies between; 0 for no sign, the clip's length for all of them.
    """
    spans, sizes, lengths = batch["spans"][rows], batch["sizes"][rows], batch["lengths"][rows]
    clips = torch.arange(len(rows), device=rows.device)
    ended = spans[clips, (signs - 1).clamp(min=0), 1]
    begun = spans[clips, signs.clamp(max=spans.shape[1] - 1), 0]
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
    return {**batch, **{key: _where(~hidden, batch[key]) for key in TIMED if key in batch}}
