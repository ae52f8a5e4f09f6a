"""Clips of phonological features as batches, random views of them, and what one step of learning
from them computes.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from signlib.errors import ClipError
from signlib.features.phonology import GROUPS
from signlib.models.ctc_blocks import real_frames
from signlib.models.phonology import FEATURES, blank_share, one_gloss
from signlib.models.pretext import (
    PretextNetwork,
    ProductQuantiser,
    chance_of,
    hide,
    nt_xent,
    seed_quantiser_loss,
)
from signlib.settings.config import Settings
from signlib.training.batches import Batch
from signlib.training.classification import ClassificationFitting

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
"""What brings the 36 features to about one size; constants, so that nothing has to be fitted or
carried along.
"""
SHORTEST_VIEW = 10
"""Frames that a view of a clip keeps at least, before it is played faster or slower."""
FITTED_FRAMES, STARTS = 10_000, 4
_PARTS = tuple(GROUPS.values())


class PhonologyDataset(Dataset):
    """Clips of features with their targets.

    Args:
        tables: N arrays (T, 36), NaN = not seen.
        targets: (N,) class numbers.
        repeats: how often a pass goes through all of them.
    """

    def __init__(
        self, tables: Sequence[np.ndarray], targets: Sequence[int], repeats: int = 1
    ) -> None:
        self.items, self.targets, self.repeats = list(tables), np.asarray(targets), repeats

    @staticmethod
    def collate(items: Sequence[tuple[np.ndarray, int]]) -> Batch:
        """Items to one batch."""
        return collate(items)

    def __len__(self) -> int:
        return len(self.items) * self.repeats

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)  # ends `for item in dataset`
        clip = index % len(self.items)
        return self.items[clip], int(self.targets[clip])


def collate(items: Sequence[tuple[np.ndarray, int]]) -> Batch:
    """Items to one batch: features (B, T, 36) with zeros for what is missing or padding, present
    (B, T, 5) bool of each part, lengths (B,), target (B,)."""
    lengths = torch.tensor([len(table) for table, _ in items])
    features = torch.full((len(items), int(lengths.max()), FEATURES), math.nan)
    for row, (table, _) in zip(features, items, strict=True):
        row[: len(table)] = torch.from_numpy(table)
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

    Source: seed 002, stage 1 (0.7, 0.2, 0.05). Where one of two neighbours is missing, the other
    one counts.
    """
    x, lengths, device = batch["features"], batch["lengths"], batch["features"].device
    share, place, rate = torch.rand(3, len(x), device=device)
    kept = torch.maximum(
        (lengths * (crop + (1 - crop) * share)).round(), lengths.clamp(max=SHORTEST_VIEW).float()
    )
    start = place * (lengths - kept)
    frames = (kept / (1 - speed + 2 * speed * rate)).round().clamp(min=1).long()
    share = torch.arange(int(frames.max()), device=device) / (frames[:, None] - 1).clamp(min=1)
    moments = start[:, None] + share.clamp(max=1) * (kept - 1)[:, None]
    # A frame that is hit is taken as it is: rounding must not let a neighbour fill its gaps.
    moments = torch.where((moments - moments.round()).abs() < 1e-4, moments.round(), moments)
    before = moments.floor().long()
    after = moments.ceil().long()
    rows = torch.arange(len(x), device=device)[:, None]
    first, second = batch["present"][rows, before], batch["present"][rows, after]
    weight = (moments - before)[..., None].expand(first.shape)
    weight = torch.where(first & second, weight, (~first).to(x.dtype))
    wide = torch.tensor([part.stop - part.start for part in _PARTS], device=device)
    mixed = torch.lerp(x[rows, before], x[rows, after], weight.repeat_interleave(wide, -1))
    present = (first | second) & real_frames(frames, mixed.shape[1])[..., None]
    mixed = (mixed + noise * torch.randn_like(mixed)) * present.repeat_interleave(wide, -1)
    return {**batch, "features": mixed, "present": present, "lengths": frames}


class Views:
    """A function from batch to batch: a random view of each clip, or the clips as they are."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.phonology

    def __call__(self, batch: Batch) -> Batch:
        """The batch that a classifier trains on."""
        return self.one(batch) if self.settings.views else batch

    def one(self, batch: Batch) -> Batch:
        """A random view."""
        return view(batch, self.settings.crop, self.settings.speed, self.settings.noise)


class ReaderFitting(ClassificationFitting):
    """Fits a `GlossReader`: the loss is CTC's of the one gloss, with what the blank costs beside
    it.

    Differs: seed 002 adds 0.1 times the share of frames whose best class is the blank, which has no
    gradient;
        `phonology.blank_weight` weighs the mean probability of the blank, which has one.
    """

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch."""
        batch = self.augment(batch)
        frames = self.model.frames(batch).float()
        each = -one_gloss(frames, batch["lengths"]).gather(1, batch["target"][:, None])[:, 0]
        weights = (
            torch.ones_like(each)
            if self.class_weights is None
            else self.class_weights[batch["target"]]
        )
        loss = (each * weights).sum() / weights.sum()
        loss = loss + self.settings.phonology.blank_weight * blank_share(frames, batch["lengths"])
        if not self.trainer.train_dataloader.batch_sampler.counts(index):
            return 0 * loss
        self._losses.append(loss.detach())
        return loss


class PretextFitting(ClassificationFitting):
    """Fits a `PretextNetwork`; no gloss is looked at. Beside each loss stands what knowing nothing
    would cost.

    Args:
        model, settings, augment: as of `ClassificationFitting`.
        code_chance: nats that the codes' frequencies alone leave open; None in seed 002's form,
            whose quantiser predicts nothing.
    """

    def __init__(
        self,
        model: PretextNetwork,
        settings: Settings,
        augment: Views,
        code_chance: float | None = None,
    ) -> None:
        super().__init__(model, settings, augment)
        self.code_chance = code_chance
        self._parts: dict[str, list[Tensor]] = {"contrast": [], "contrast_chance": [], "codes": []}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The two losses of one batch, weighed."""
        p, first, second = self.settings.phonology, self.augment.one(batch), self.augment.one(batch)
        contrast, codes = pretext_losses(self.model, first, second, self.settings)
        loss = p.contrast_weight * contrast + p.code_weight * codes
        if not self.trainer.train_dataloader.batch_sampler.counts(index):
            return 0 * loss
        chance = loss.new_tensor(chance_of(len(batch["lengths"])))
        for name, value in (("contrast", contrast), ("contrast_chance", chance), ("codes", codes)):
            self._parts[name].append(value.detach())
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.history[-1] |= {name: self._mean(values) for name, values in self._parts.items()}
        if self.code_chance is not None:
            self.history[-1]["codes_chance"] = self.code_chance

    def validation_step(self, batch: Batch, index: int) -> None:
        """Which views are nearest to the other view of their clip, among all of the batch."""
        first, second = self.augment.one(batch), self.augment.one(batch)
        ours, theirs = (
            functional.normalize(self.model.embed(v["features"], v["lengths"]), dim=1)
            for v in (first, second)
        )
        if self.trainer.val_dataloaders.batch_sampler.counts(index):
            self._seen.append(
                (ours @ theirs.T).argmax(1) == torch.arange(len(ours), device=ours.device)
            )


def pretext_losses(
    model: PretextNetwork, first: Batch, second: Batch, settings: Settings
) -> tuple[Tensor, Tensor]:
    """The contrast of two views, and the quantiser's loss (`seed`) or that of hidden codes
    (`codes`).
    """
    p = settings.phonology
    ours, theirs = (model.embed(v["features"], v["lengths"]) for v in (first, second))
    contrast = nt_xent(ours, theirs, p.temperature)
    x, lengths = first["features"], first["lengths"]
    if model.form == "seed":
        return contrast, seed_quantiser_loss(model.quantiser, x[real_frames(lengths, x.shape[1])])
    with torch.no_grad():
        codes = model.quantiser.codes(x).masked_fill(~first["present"], -1)
        hidden = hide(lengths, x.shape[1], p.hidden, p.span)
    return contrast, model.code_loss(x, codes, lengths, hidden)


def fit_codebooks(quantiser: ProductQuantiser, tables: Sequence[np.ndarray], seed: int) -> float:
    """Set the codes to the k means of each part's frames; returns the nats that their frequencies
    leave open.

    Args:
        tables: arrays (T, 36), NaN = not seen; at most 10,000 frames of them are used.
        seed: of the draw and of k-means.

    A part that was never seen, or has fewer different frames than codes, keeps its first codes and
    tells nothing.

    Source: seed 002 fits by k-means with ten starts; four find the same within a per cent here.
    """
    frames = np.concatenate(tables)
    if len(frames) > FITTED_FRAMES:
        frames = frames[
            np.random.default_rng(seed).choice(len(frames), FITTED_FRAMES, replace=False)
        ]
    open_nats, fitted = [], 0
    for part, book in zip(_PARTS, quantiser.books, strict=True):
        own = frames[:, part]
        own = own[np.isfinite(own).all(axis=1)]
        if len(np.unique(own, axis=0)) < len(book):
            continue
        found = KMeans(len(book), n_init=STARTS, max_iter=100, random_state=seed).fit(own)
        book.data.copy_(torch.from_numpy(found.cluster_centers_.astype(np.float32)))
        shares = np.bincount(found.labels_, minlength=len(book)) / len(own)
        open_nats.append(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
        fitted += 1
    if not fitted:
        raise ClipError(
            "no part of the clips has as many different frames as its codebook; set smaller"
            " codebooks"
        )
    return float(np.mean(open_nats))


@torch.no_grad()
def embeddings(
    model: nn.Module, data: Dataset, batch_size: int, change: Callable[[Batch], Batch] | None = None
) -> np.ndarray:
    """(N, D) unit vectors of the clips of a dataset, each once, as they are or after a change of
    their batches.
    """
    model.eval()
    items = [data[i] for i in range(len(data.items))]
    parts = [collate(items[i : i + batch_size]) for i in range(0, len(items), batch_size)]
    device = next(model.parameters()).device
    found = []
    for part in parts:
        part = {key: value.to(device) for key, value in part.items()}
        found.append(model(part if change is None else change(part)).cpu())
    return functional.normalize(torch.cat(found), dim=1).numpy()


def nearest_glosses(
    queries: np.ndarray, known: np.ndarray, targets: np.ndarray, classes: int, temperature: float
) -> np.ndarray:
    """(N, K) log-probabilities from the nearest known clip of each gloss: softmax of cosines /
    temperature.

    Args:
        queries: (N, D) unit vectors; known: (M, D) with targets (M,).
    """
    alike = queries @ known.T
    best = np.stack(
        [alike[:, targets == k].max(axis=1, initial=-1.0) for k in range(classes)], axis=1
    )
    scores = torch.from_numpy(best / temperature).log_softmax(1)
    return scores.numpy()
