"""Sentences to padded batches, and their fitting: scores of frames, loss, word errors.

A batch holds `points` with `mask`, or `features` with `present`; `lengths`; `targets` (B, U) padded
with 0 and `sizes` (B,); and `spans` (B, U, 2): first and past-last frame of each sign where the
corpus tells them, else -1.
"""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from signlib.decoding.ctc import greedy
from signlib.errors import Diverged
from signlib.evaluation.wer import word_errors
from signlib.features.normalise import masked
from signlib.models.ctc_front import SentenceModel
from signlib.settings.sentences import SentenceExperiment, SentenceSettings
from signlib.training.augment_sentences import cut_signs
from signlib.training.batches import Batch, ClipData, Targets, padded
from signlib.training.fitting import Fitting, counts
from signlib.training.losses import (
    SentenceLoss,
    fading,
    frame_cross_entropy,
    frame_distillation,
    frame_labels,
)


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
    points: np.ndarray, target: Targets, spans: np.ndarray | None = None
) -> Sentence:
    """A sentence of landmarks (T, J, C), NaN = missing."""
    seen, mask = masked(points)
    return Sentence({"points": seen, "mask": mask}, np.asarray(target, np.int64), spans)


def collate_sentences(items: Sequence[Sentence]) -> Batch:
    """Sentences to one batch, padded with zeros that count as not seen."""
    lengths = torch.tensor([len(item) for item in items])
    sizes = torch.tensor([len(item.target) for item in items])
    batch = {"lengths": lengths, "sizes": sizes}
    for key in items[0].frames:
        batch[key] = padded([item.frames[key] for item in items])
    batch["targets"] = torch.zeros(len(items), max(1, int(sizes.max())), dtype=torch.long)
    batch["spans"] = torch.full((*batch["targets"].shape, 2), -1)
    for row, item in enumerate(items):
        batch["targets"][row, : len(item.target)] = torch.from_numpy(item.target)
        if item.spans is not None:
            batch["spans"][row, : len(item.target)] = torch.from_numpy(
                np.asarray(item.spans, np.int64)
            )
    return batch


class SentenceDataset(ClipData[Sentence]):
    """Sentences in a row.

    Args:
        sentences: N of them.
        repeats: how often a pass goes through all of them.
        late: what is done to one when it is asked for, or None.
    """

    collate = staticmethod(collate_sentences)

    def __init__(
        self,
        sentences: Sequence[Sentence],
        repeats: int = 1,
        late: Callable[[Sentence], Sentence] | None = None,
    ) -> None:
        super().__init__(sentences, repeats=repeats)
        self.late = late

    def item(self, clip: int) -> Sentence:
        # Sentence number `clip`.
        sentence = self.items[clip]
        return sentence if self.late is None else self.late(sentence)


class SentenceFitting(Fitting):
    """Fits a `SentenceModel` to sentences of glosses.

    Args:
        model: batch -> (B, T', V) log probabilities.
        settings: of the experiment.
        augment: the change of training batches.
        teacher: a trained model of the same classes, inputs and stride, or None. In the last of
            `ctc.phases` a model without one learns from what it was when that phase began.

    What is selected is the epoch with fewest word errors on validation sentences, read greedily.
    """

    model: SentenceModel
    settings: SentenceExperiment

    def __init__(
        self,
        model: nn.Module,
        settings: SentenceExperiment,
        augment: Callable[[Batch], Batch],
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__(model, settings, augment, teacher=teacher)
        self.loss = loss_settings(settings)
        self.broken = 0
        self._words: list[Tensor] = []
        self._bonus = 0.0

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if not self._teacher and self._last_phase():
            average = self.average
            self._teacher_from(self.model.state_dict() if average is None else average.state)

    def _teacher_from(self, state: dict[str, Tensor]) -> None:
        # From now on the model learns from a copy of it with these weights.
        teacher = deepcopy(self.model)
        teacher.load_state_dict(state)
        self._teacher = (teacher.eval().requires_grad_(False),)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one augmented batch; one that is no number is counted and changes nothing."""
        ctc, training = self.settings.ctc, self.settings.training
        done = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        if ctc.short_signs and done < ctc.short_until:
            batch = cut_signs(batch, ctc.short_signs, ctc.stride)
        with torch.autocast(self.device.type, enabled=False):
            batch = self.augment(batch)
        self.model.network.blank_bonus = fading(done, ctc.blank_start, ctc.blank_until)
        timed = fading(done, ctc.frame_share, ctc.frame_until)
        frames = self.model.frames(batch["lengths"])
        cost = partial(self._cost, frames=frames, batch=batch, timed=timed)
        scores, loss = early_and_late(self.model, batch, ctc.early_share, cost)
        for teacher in self._teacher if not ctc.phases or self._last_phase() else ():
            with torch.no_grad():
                taught = teacher(batch)
            soft = frame_distillation(scores, taught, frames, training.teacher_temperature)
            loss = (1 - training.teacher_weight) * loss + training.teacher_weight * soft
        if torch.isfinite(loss) or not counts(self.trainer.train_dataloader, index):
            return self.counted(loss, index)
        self._count_broken("loss")
        return self.nothing()

    def _cost(self, scores: Tensor, frames: Tensor, batch: Batch, timed: float) -> Tensor:
        # `timed`: the share of the loss that knows when signs begin and end.
        loss = self.loss(scores, frames, batch["targets"], batch["sizes"])
        if not timed:
            return loss
        stride, longest = self.settings.ctc.stride, scores.shape[1]
        labels = frame_labels(batch["spans"], batch["targets"], frames, longest, stride)
        # Where no clip of the batch has times, the rest is the whole loss.
        share = timed * (labels >= 0).any()
        return (1 - share) * loss + share * frame_cross_entropy(scores, labels)

    def _last_phase(self) -> bool:
        epochs = self.settings.training.epochs
        return distils(self.settings.ctc.phases, self.current_epoch, epochs)

    def on_before_optimizer_step(self, _: Any) -> None:
        """A gradient that is no number is counted and not followed."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and scaler.get_scale() > 1:
            # Half precision looks for its scale: the scaler leaves out such a step and lowers it.
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        if gradients and not torch.isfinite(torch.stack(torch._foreach_norm(gradients)).sum()):
            self._count_broken("gradient")
            for gradient in gradients:
                gradient.zero_()

    def _count_broken(self, what: str) -> None:
        self.broken += 1
        if self.broken >= self.settings.ctc.nan_steps:
            raise Diverged(
                f"{self.broken} steps had no finite loss or gradient (the last: {what}, step"
                f" {self.global_step}); lower"
                f" training.learning_rate={self.settings.training.learning_rate} or use"
                f" training.precision=32; of the last one {self.first_broken()}"
            )

    def on_train_epoch_end(self) -> None:
        validated = self.best.pop("validated", None)
        super().on_train_epoch_end()
        self.history[-1]["broken_steps"] = self.broken
        if validated is not None:
            self.history[-1]["validation_wer"] = validated

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._bonus, self.model.network.blank_bonus = self.model.network.blank_bonus, 0.0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Errors and words of each sentence of the batch."""
        scores = self.model(batch).float().cpu().numpy()
        if counts(self.trainer.val_dataloaders, index):
            frames = self.model.frames(batch["lengths"]).tolist()
            # A broken network reads nothing here; after the epoch its loss says what to do.
            reads = [[]] * len(frames) if np.isnan(scores).any() else greedy(scores, frames)
            # Class numbers serve as words.
            heard = [list(map(str, read)) for read in reads]
            pairs = zip(batch["targets"].tolist(), batch["sizes"].tolist(), strict=True)
            said = [list(map(str, target[:size])) for target, size in pairs]
            errors = word_errors(said, heard)
            self._seen.append(torch.as_tensor(errors, dtype=torch.double, device=self.device))
            self._words.append(batch["sizes"].double())

    def on_validation_epoch_end(self) -> None:
        # Both are means over the same sentences, so their ratio is that of the sums.
        rate = 100 * self._mean(self._seen) / self._mean(self._words)
        self.model.network.blank_bonus = self._bonus
        if not self.trainer.sanity_checking:
            # Early stopping looks for the largest value.
            self.log("validation_accuracy", 100 - rate, sync_dist=True)
            self.best["validated"] = rate
            if rate < self.best.get("rate", math.inf):
                self._select(rate=rate)
        self._restore_live()

    def rate_schedule(self, steps: int) -> Callable[[int], float]:
        # Step -> factor on the learning rate: by phases where the settings have some.
        if self.settings.ctc.phases:
            return phase_factor(self.settings.ctc, steps)
        return super().rate_schedule(steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["broken"] = self.broken
        if self._teacher and self.settings.ctc.phases:
            checkpoint["teacher"] = self._teacher[0].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.broken = checkpoint["broken"]
        if "teacher" in checkpoint and not self._teacher:
            self._teacher_from(checkpoint["teacher"])

    @property
    def selected(self) -> dict[str, float]:
        return {"validation_wer": self.best["rate"]} if "rate" in self.best else {}

    def load_result(self) -> str:
        # Put the chosen weights into the model, and say which.
        self.model.network.blank_bonus = 0.0
        if "rate" not in self.best:
            return super().load_result()
        self.model.load_state_dict(self.best["state"])
        return f"lowest validation WER ({self.best['rate']:.1f} % at step {self.best['step']})"


def early_and_late(
    model: SentenceModel, batch: Batch, share: float, cost: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Scores (B, T', V) of a batch, and the loss: `share` of it is that of early frames' scores.

    Args:
        cost: scores (B, T', V) to a loss.
    """
    if not share:
        scores = model(batch)
        return scores, cost(scores)
    scores, early = model.twice(batch)
    return scores, (1 - share) * cost(scores) + share * cost(early)


def loss_settings(settings: SentenceExperiment) -> SentenceLoss:
    """The loss that the settings describe."""
    ctc, smoothing = settings.ctc, settings.training.label_smoothing
    return SentenceLoss(ctc.focal_share, ctc.focal_power, smoothing)


def distils(phases: Sequence[float], epoch: int, epochs: int) -> bool:
    """True when an epoch (from 0) of so many begins in the last of four phases.

    Args:
        phases: lengths in proportion; none, or a last one of length 0, never distils.
    """
    if not phases or not phases[3]:
        return False
    return epoch * sum(phases) >= sum(phases[:3]) * epochs


def phase_factor(settings: SentenceSettings, steps: int) -> Callable[[int], float]:
    """Step -> factor on the learning rate: a linear rise, a half cosine, then steady.

    The cosine falls to `finetune_rate`.

    Source: source 001, section 5.3: warm-up 5, main 50, fine-tuning 20, distillation 10 epochs.
    """
    rising, main, _, _ = (steps * length / sum(settings.phases) for length in settings.phases)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / max(1.0, rising)
        done = min(1.0, (step - rising) / max(1.0, main))
        half_cosine = 0.5 * (1 + math.cos(math.pi * done))
        return settings.finetune_rate + (1 - settings.finetune_rate) * half_cosine

    return factor
