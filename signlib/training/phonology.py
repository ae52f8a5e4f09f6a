"""Clips of phonological features as batches, random views of them, codebooks, nearest glosses."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import nn
from torch.nn import functional

from signlib.errors import ClipError
from signlib.features.phonology import GROUPS
from signlib.models.layers import real_frames
from signlib.models.phonology import FEATURES
from signlib.models.pretext import ProductQuantiser
from signlib.settings.phonology import PhonologySettings
from signlib.training.batches import Batch, ClipData, Targets

# What brings the 36 features to about one size; constants, so that nothing has to be fitted.
SCALES = np.concatenate(
    [
        np.full(10, 1.0),
        np.full(6, 1.0),
        np.full(6, 1.0),
        np.full(6, 10.0),
        np.full(3, 3.0),
        np.full(3, 1.0),
        np.full(2, 5.0),
    ]
).astype(np.float32)
# Frames that a view of a clip keeps at least, before it is played faster or slower.
SHORTEST_VIEW = 10
FITTED_FRAMES, STARTS = 10_000, 4
_PARTS = tuple(GROUPS.values())
# Features (T, 36), class number.
PhonologyItem = tuple[np.ndarray, int]


class PhonologyDataset(ClipData[PhonologyItem]):
    """Clips of features with their targets.

    Args:
        tables: N arrays (T, 36), NaN = not seen.
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    def __init__(self, tables: Sequence[np.ndarray], targets: Targets, repeats: int = 1) -> None:
        items = zip(tables, map(int, targets), strict=True)
        super().__init__(list(items), targets, repeats)

    @staticmethod
    def collate(items: Sequence[PhonologyItem]) -> Batch:
        # Items to one batch.
        return collate(items)


def collate(items: Sequence[PhonologyItem]) -> Batch:
    """Items to one batch, padded.

    Returns:
        features (B, T, 36) with zeros for what is missing or padding, present (B, T, 5) bool of
        each part, lengths (B,), target (B,).
    """
    lengths = torch.tensor([len(table) for table, _ in items])
    features = torch.full((len(items), int(lengths.max()), FEATURES), math.nan)
    for row, (table, _) in zip(features, items, strict=True):
        row[: len(table)] = torch.from_numpy(table)
    # Padding is NaN until here, so it counts as missing.
    present = torch.stack([features[..., part].isfinite().all(-1) for part in _PARTS], -1)
    target = torch.tensor([target for _, target in items])
    return {
        "features": features.nan_to_num(0.0),
        "present": present,
        "lengths": lengths,
        "target": target,
    }


def view(batch: Batch, crop: float, speed: float, noise: float) -> Batch:
    """Each clip cut, played at another speed and disturbed, at random.

    Args:
        batch: as `collate` makes it.
        crop: share U(crop, 1) of the frames is kept, but no fewer than ten.
        speed: the cut is played U(1 - speed, 1 + speed) times as fast, interpolated linearly.
        noise: spread added to each number that is there.

    Source: source 002, stage 1 (0.7, 0.2, 0.05). Where one of two neighbours is missing, the other
    one counts.
    """
    x, lengths, device = batch["features"], batch["lengths"], batch["features"].device
    share, position, rate = torch.rand(3, len(x), device=device)
    shortest = lengths.clamp(max=SHORTEST_VIEW).float()
    kept = torch.maximum((lengths * (crop + (1 - crop) * share)).round(), shortest)
    start = position * (lengths - kept)
    frames = (kept / (1 - speed + 2 * speed * rate)).round().clamp(min=1).long()
    share = torch.arange(int(frames.max()), device=device) / (frames[:, None] - 1).clamp(min=1)
    moments = start[:, None] + share.clamp(max=1) * (kept - 1)[:, None]
    # A frame that is hit is taken as it is: rounding must not let a neighbour fill its gaps.
    moments = torch.where((moments - moments.round()).abs() < 1e-4, moments.round(), moments)
    before = moments.floor().long()
    after = moments.ceil().long()
    rows = torch.arange(len(x), device=device)[:, None]
    first, second = batch["present"][rows, before], batch["present"][rows, after]
    # (B, T', 5): the share of the later neighbour, 0 or 1 where only one of them was seen.
    weight = (moments - before)[..., None].expand(first.shape)
    weight = torch.where(first & second, weight, (~first).to(x.dtype))
    # Parts have unequally many of the 36 features.
    wide = torch.tensor([part.stop - part.start for part in _PARTS], device=device)
    mixed = torch.lerp(x[rows, before], x[rows, after], weight.repeat_interleave(wide, -1))
    present = (first | second) & real_frames(frames, mixed.shape[1])[..., None]
    mixed = (mixed + noise * torch.randn_like(mixed)) * present.repeat_interleave(wide, -1)
    return {**batch, "features": mixed, "present": present, "lengths": frames}


class Views:
    """A function from batch to batch: a random view of each clip, or the clips as they are."""

    def __init__(self, settings: PhonologySettings) -> None:
        self.settings = settings

    def __call__(self, batch: Batch) -> Batch:
        """The batch that a classifier trains on."""
        return self.one(batch) if self.settings.views else batch

    def one(self, batch: Batch) -> Batch:
        """A random view."""
        return view(batch, self.settings.crop, self.settings.speed, self.settings.noise)


def fit_codebooks(quantiser: ProductQuantiser, tables: Sequence[np.ndarray], seed: int) -> float:
    """Set the codes to the k means of each part's frames.

    Args:
        tables: arrays (T, 36), NaN = not seen; at most 10,000 frames of them are used.
        seed: random seed of the draw and of k-means.

    Returns:
        The nats that the frequencies of the codes leave open, a mean over the parts.

    A part that was never seen, or has fewer different frames than codes, keeps its first codes and
    tells nothing.

    Source: source 002 fits by k-means with ten starts; four find the same within a per cent here.
    """
    frames = np.concatenate(tables)
    if len(frames) > FITTED_FRAMES:
        rng = np.random.default_rng(seed)
        frames = frames[rng.choice(len(frames), FITTED_FRAMES, replace=False)]
    open_nats = []
    for part, book in zip(_PARTS, quantiser.books, strict=True):
        rows = frames[:, part]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(np.unique(rows, axis=0)) < len(book):
            continue
        means = KMeans(len(book), n_init=STARTS, max_iter=100, random_state=seed).fit(rows)
        book.data.copy_(torch.from_numpy(means.cluster_centers_.astype(np.float32)))
        shares = np.bincount(means.labels_, minlength=len(book)) / len(rows)
        # The entropy of the codes; 0 log 0 = 0.
        shares = shares[shares > 0]
        open_nats.append(-(shares * np.log(shares)).sum())
    if not open_nats:
        raise ClipError(
            "no part of the clips has as many different frames as its codebook; set smaller"
            " codebooks"
        )
    return float(np.mean(open_nats))


@torch.no_grad()
def embeddings(
    model: nn.Module,
    data: ClipData[PhonologyItem],
    batch_size: int,
    change: Callable[[Batch], Batch] | None = None,
) -> np.ndarray:
    """(N, D) unit vectors of the clips of a dataset, each once.

    Args:
        model: batch -> (B, D).
        change: what is done to each batch before, or None.
    """
    model.eval()
    device = next(model.parameters()).device
    vectors = []
    for start in range(0, len(data.items), batch_size):
        batch = collate(data.items[start : start + batch_size])
        batch = {key: value.to(device) for key, value in batch.items()}
        vectors.append(model(batch if change is None else change(batch)).cpu())
    return functional.normalize(torch.cat(vectors), dim=1).numpy()


def nearest_glosses(
    queries: np.ndarray,
    vectors: np.ndarray,
    targets: np.ndarray,
    classes: int,
    temperature: float,
) -> np.ndarray:
    """(N, K) log-probabilities from the nearest labelled clip of each gloss.

    They are the softmax of cosines / temperature.

    Args:
        queries: (N, D) unit vectors of the clips that are asked about.
        vectors, targets: (M, D) unit vectors and (M,) class numbers of the labelled clips.
    """
    cosines = queries @ vectors.T
    # A gloss without a labelled clip is as far away as can be.
    best = [cosines[:, targets == k].max(axis=1, initial=-1.0) for k in range(classes)]
    scores = torch.from_numpy(np.stack(best, axis=1) / temperature).log_softmax(1)
    return scores.numpy()
