"""What one step of learning from phonological features computes, with glosses and without."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.models.layers import real_frames
from signlib.models.phonology import GlossReader, blank_share, one_gloss
from signlib.models.pretext import (
    PretextNetwork,
    chance_of,
    hide,
    nt_xent,
    original_quantiser_loss,
)
from signlib.settings.phonology import PhonologyExperiment, PhonologySettings
from signlib.training.batches import Batch
from signlib.training.classification import ClassificationFitting
from signlib.training.fitting import Fitting, counts
from signlib.training.phonology import Views


class ReaderFitting(ClassificationFitting):
    """Fits a `GlossReader`: the loss is CTC's of the one gloss, plus what the blank costs.

    Differs: source 002 adds 0.1 times the share of frames whose best class is the blank, which has
        no gradient; `phonology.blank_weight` weighs the mean probability of the blank, which has
        one.
    """

    model: GlossReader
    settings: PhonologyExperiment

    def training_step(self, batch: Batch, index: int) -> Tensor:
        # The loss of one batch.
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
        return self.counted(loss, index)


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
        self._parts: dict[str, list[Tensor]] = {"contrast": [], "contrast_chance": [], "codes": []}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The two losses of one batch, weighed."""
        p = self.settings.phonology
        first, second = self.augment.one(batch), self.augment.one(batch)
        contrast, codes = pretext_losses(self.model, first, second, p)
        loss = p.contrast_weight * contrast + p.code_weight * codes
        if not counts(self.trainer.train_dataloader, index):
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
        codes = model.quantiser.codes(x).masked_fill(~first["present"], -1)
        hidden = hide(lengths, x.shape[1], settings.hidden, settings.span)
    return contrast, model.code_loss(x, codes, lengths, hidden)
