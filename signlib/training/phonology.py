"""Phonological features: batches, random views, codebooks, nearest glosses, and their fitting."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import ClipError
from signlib.models.layers import real_frames
from signlib.models.phonology import GlossReader, blank_share, one_gloss
from signlib.models.pretext import (
    PretextNetwork,
    ProductQuantiser,
    chance_of,
    hide,
    nt_xent,
    original_quantiser_loss,
)
from signlib.settings.phonology import PhonologyExperiment, PhonologySettings
from signlib.training.batches import Batch, ClipData, Targets, at_moments, padded
from signlib.training.classification import ClassificationFitting
from signlib.training.fitting import Fitting, counts
from signlib.training.losses import uniform_cross_entropy

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
# Features (T, 36), class number.
PhonologyItem = tuple[np.ndarray, int]


def collate(items: Sequence[PhonologyItem]) -> Batch:
    """Items to one batch, padded.

    Returns:
        features (B, T, 36) with zeros for what is missing or padding, present (B, T, 36) bool of
        each number, lengths (B,), target (B,).
    """
    tables, targets = zip(*items, strict=True)
    # Padding is NaN at first, so it counts as missing.
    features = padded(tables, math.nan).float()
    return {
        "features": features.nan_to_num(0.0),
        "present": features.isfinite(),
        "lengths": torch.tensor([len(table) for table in tables]),
        "target": torch.tensor(targets),
    }


class PhonologyDataset(ClipData[PhonologyItem]):
    """Clips of features with their targets.

    Args:
        tables: N arrays (T, 36), NaN = not seen.
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    collate = staticmethod(collate)

    def __init__(self, tables: Sequence[np.ndarray], targets: Targets, repeats: int = 1) -> None:
        super().__init__(zip(tables, map(int, targets), strict=True), targets, repeats)


def view(batch: Batch, crop: float, speed: float, noise: float) -> Batch:
    """Each clip cut, played at another speed and disturbed, at random.

    Args:
        batch: as `collate` makes it.
        crop: share U(crop, 1) of the frames is kept, but no fewer than ten.
        speed: the cut is played U(1 - speed, 1 + speed) times as fast, interpolated linearly.
        noise: spread added to each number that is there.

    Each number is there or missing by itself, so a sign of one hand keeps that hand. Where one of
    two neighbours is missing, the other one counts.

    Source: source 002, stage 1 (0.7, 0.2, 0.05).
    """
    x, lengths, device = batch["features"], batch["lengths"], batch["features"].device
    share, position, rate = torch.rand(3, len(x), device=device)
    shortest = lengths.clamp(max=SHORTEST_VIEW).float()
    kept = torch.maximum((lengths * (crop + (1 - crop) * share)).round(), shortest)
    start = position * (lengths - kept)
    frames = (kept / (1 - speed + 2 * speed * rate)).round().clamp(min=1).long()
    share = torch.arange(int(frames.max()), device=device) / (frames[:, None] - 1).clamp(min=1)
    moments = start[:, None] + share.clamp(max=1) * (kept - 1)[:, None]
    mixed, seen = at_moments(x, batch["present"], moments, lambda share: share)
    present = seen & real_frames(frames, mixed.shape[1])[..., None]
    mixed = (mixed + noise * torch.randn_like(mixed)) * present
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

    A frame counts for a part of which it shows any number; what it lacks is 0, as the network reads
    it. So signs of one hand have codes of their own.

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
    for part, book in zip(quantiser.columns, quantiser.books, strict=True):
        rows = frames[:, part]
        rows = np.nan_to_num(rows[np.isfinite(rows).any(axis=1)])
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
        items = collate(data.items[start : start + batch_size])
        batch = {key: value.to(device) for key, value in items.items()}
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
    return torch.from_numpy(np.stack(best, axis=1) / temperature).log_softmax(1).numpy()


class ReaderFitting(ClassificationFitting):
    """Fits a `GlossReader`: `reader_loss`, smoothed by `training.label_smoothing`.

    Differs: source 002 adds 0.1 times the share of frames whose best class is the blank, which has
        no gradient; `phonology.blank_weight` weighs the mean probability of the blank, which has
        one.
    """

    model: GlossReader
    settings: PhonologyExperiment

    def training_step(self, batch: Batch, index: int) -> Tensor:
        # The loss of one batch.
        loss = reader_loss(
            self.model,
            self.augment(batch),
            self.settings.phonology.blank_weight,
            self.settings.training.label_smoothing,
            self.class_weights,
        )
        return self.counted(loss, index)


def reader_loss(
    model: GlossReader,
    batch: Batch,
    blank_weight: float = 0.0,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """CTC's loss of each clip's one gloss, smoothed, and what the blank costs.

    It is (1 - e) CTC + e KL(u || p) + w p(blank), with CTC as a mean over clips, weighted by
    `class_weights`, and KL and p(blank) as means over real frames: padding has no say.

    Args:
        blank_weight: w.
        smoothing: e; u gives all K + 1 classes, the blank too, the same probability.

    Source: source 002 asks for label smoothing where a vocabulary is large and says no formula; the
        penalty of Pereyra et al. 2017 (confident output distributions) with the uniform one.
    """
    frames = model.frames(batch).float()
    each = -one_gloss(frames, batch["lengths"]).gather(1, batch["target"][:, None])[:, 0]
    weights = torch.ones_like(each) if class_weights is None else class_weights[batch["target"]]
    loss = (each * weights).sum() / weights.sum()
    if smoothing:
        # The cross-entropy of u is its KL divergence and its entropy, log (K + 1).
        divergence = uniform_cross_entropy(frames, batch["lengths"]) - math.log(frames.shape[-1])
        loss = (1 - smoothing) * loss + smoothing * divergence
    return loss + blank_weight * blank_share(frames, batch["lengths"])


class PretextFitting(Fitting):
    """Fits a `PretextNetwork`; no gloss is looked at.

    The history says beside each loss what it would be without any knowledge.

    Args:
        model, settings, augment: as of `Fitting`.
        code_chance: nats that the codes' frequencies alone leave open; None in the form of source
            002, whose quantiser predicts nothing.
    """

    model: PretextNetwork
    settings: PhonologyExperiment
    augment: Views

    def __init__(
        self,
        model: nn.Module,
        settings: PhonologyExperiment,
        augment: Views,
        code_chance: float | None = None,
    ) -> None:
        super().__init__(model, settings, augment)
        self.code_chance = code_chance
        self._parts = {"contrast": [], "contrast_chance": [], "codes": []}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The two losses of one batch, weighed."""
        p = self.settings.phonology
        first, second = self.augment.one(batch), self.augment.one(batch)
        contrast, codes = pretext_losses(self.model, first, second, p)
        loss = p.contrast_weight * contrast + p.code_weight * codes
        chance = loss.new_tensor(chance_of(len(batch["lengths"])))
        parts = {"contrast": contrast, "contrast_chance": chance, "codes": codes}
        return self.counted(loss, index, **parts)

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self.code_chance is not None:
            self.history[-1]["codes_chance"] = self.code_chance

    def validation_step(self, batch: Batch, index: int) -> None:
        """Which views are nearest to the other view of their clip, among all of the batch."""
        first, second = self.augment.one(batch), self.augment.one(batch)
        ours, theirs = (
            functional.normalize(self.model.embed(v["features"], v["lengths"]), dim=1)
            for v in (first, second)
        )
        if counts(self.trainer.val_dataloaders, index):
            clips = torch.arange(len(ours), device=ours.device)
            self._seen.append((ours @ theirs.T).argmax(1) == clips)


def pretext_losses(
    model: PretextNetwork, first: Batch, second: Batch, settings: PhonologySettings
) -> tuple[Tensor, Tensor]:
    """The contrast of two views, and the second loss, which depends on the form.

    `original` has the quantiser's loss, `codes` that of hidden codes.
    """
    ours, theirs = (model.embed(v["features"], v["lengths"]) for v in (first, second))
    contrast = nt_xent(ours, theirs, settings.temperature)
    x, lengths = first["features"], first["lengths"]
    if model.form == "original":
        frames = x[real_frames(lengths, x.shape[1])]
        return contrast, original_quantiser_loss(model.quantiser, frames)
    with torch.no_grad():
        codes = model.quantiser.codes(x).masked_fill(~model.quantiser.seen(first["present"]), -1)
        hidden = hide(lengths, x.shape[1], settings.hidden, settings.span)
    return contrast, model.code_loss(x, codes, lengths, hidden)
