"""What one step of continuous recognition computes: augmented batch, scores of frames, loss,
validation errors.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from signlib.decoding.ctc import greedy
from signlib.errors import RunError
from signlib.evaluation.wer import word_errors
from signlib.settings.config import SentenceSettings, Settings
from signlib.training.batches import Batch
from signlib.training.classification import ClassificationFitting
from signlib.training.ctc_losses import SentenceLoss, blank_bonus, frame_distillation
from signlib.training.optim import make_optimizer, parameter_groups
from signlib.training.sentences import cut_signs


class SentenceFitting(ClassificationFitting):
    """Fits a `SentenceModel` to sentences of glosses.

    Args:
        model: batch -> (B, T', V) log probabilities.
        settings: of the experiment.
        augment: the change of training batches.
        teacher: a trained model of the same classes, inputs and stride, or None. In the last of
            `ctc.phases` a model without one learns from what it was when that phase began.

    What is selected is the epoch with fewest word errors on validation sentences, read greedily.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        augment: Callable[[Batch], Batch],
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__(model, settings, augment, None, teacher)
        self.loss = SentenceLoss(
            settings.ctc.focal_share, settings.ctc.focal_power, settings.training.label_smoothing
        )
        self.broken = 0
        self._words: list[Tensor] = []

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if not self._teacher and distils(self.settings, self.current_epoch):
            own = deepcopy(self.model)
            if self.average is not None:
                own.load_state_dict(self.average.state)
            self._teacher = (own.eval().requires_grad_(False),)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one augmented batch; one that is no number is counted and changes nothing."""
        ctc, training = self.settings.ctc, self.settings.training
        done = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        if ctc.short_signs and done < ctc.short_until:
            batch = cut_signs(batch, ctc.short_signs)
        with torch.autocast(self.device.type, enabled=False):
            batch = self.augment(batch)
        self.model.network.blank_bonus = blank_bonus(done, ctc.blank_start, ctc.blank_until)
        scores = self.model(batch)
        frames = self.model.frames(batch["lengths"])
        loss = self.loss(scores, frames, batch["targets"], batch["sizes"])
        for teacher in self._teacher if self._learns_from_teacher() else ():
            with torch.no_grad():
                wanted = teacher(batch)
            soft = frame_distillation(scores, wanted, frames, training.teacher_temperature)
            loss = (1 - training.teacher_weight) * loss + training.teacher_weight * soft
        if not self.trainer.train_dataloader.batch_sampler.counts(index):
            return 0 * loss
        if not torch.isfinite(loss):
            self._count_broken("loss")
            # All processes must take part in the step, with nothing to say.
            return sum(
                (p.sum() * 0 for p in self.model.parameters()),
                start=torch.zeros((), device=self.device),
            )
        self._losses.append(loss.detach())
        return loss

    def _learns_from_teacher(self) -> bool:
        return not self.settings.ctc.phases or distils(self.settings, self.current_epoch)

    def on_before_optimizer_step(self, _: Any) -> None:
        """A gradient that is no number is counted and not followed."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and scaler.get_scale() > 1:
            return  # half precision looks for its scale: the scaler leaves such a step out and lowers it
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        if gradients and not torch.isfinite(torch.stack(torch._foreach_norm(gradients)).sum()):
            self._count_broken("gradient")
            for gradient in gradients:
                gradient.zero_()

    def _count_broken(self, what: str) -> None:
        self.broken += 1
        if self.broken >= self.settings.ctc.nan_steps:
            raise RunError(
                f"{self.broken} steps had no finite loss or gradient (the last: {what}, step"
                f" {self.global_step}); lower"
                f" training.learning_rate={self.settings.training.learning_rate} or use"
                " training.precision=32"
            )

    def on_train_epoch_end(self) -> None:
        validated = self.best.pop("validated", None)
        super().on_train_epoch_end()
        row = self.history[-1]
        row["broken_steps"] = self.broken
        if validated is not None:
            row["validation_wer"] = validated

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._bonus, self.model.network.blank_bonus = self.model.network.blank_bonus, 0.0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Errors and words of each sentence of the batch."""
        scores = self.model(batch)
        if self.trainer.val_dataloaders.batch_sampler.counts(index):
            heard = greedy(
                scores.float().cpu().numpy(), self.model.frames(batch["lengths"]).tolist()
            )
            said = [
                t[:n]
                for t, n in zip(batch["targets"].tolist(), batch["sizes"].tolist(), strict=True)
            ]
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
                state = {
                    name: value.detach().clone() for name, value in self.model.state_dict().items()
                }
                self.best |= {"rate": rate, "step": self.global_step, "state": state}
        if self._live:
            self.model.load_state_dict(self._live)
            self._live = {}

    def configure_optimizers(self) -> dict[str, Any]:
        if not self.settings.ctc.phases:
            return super().configure_optimizers()
        training = self.settings.training
        groups = parameter_groups(
            self.model, training.learning_rate, training.weight_decay, training.rates
        )
        optimizer, steps = (
            make_optimizer(groups, training),
            int(self.trainer.estimated_stepping_batches),
        )
        factor = phase_factor(self.settings.ctc, steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["broken"] = self.broken
        if self._teacher and self.settings.ctc.phases:
            checkpoint["teacher"] = self._teacher[0].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.broken = checkpoint["broken"]
        if "teacher" in checkpoint and not self._teacher:
            own = deepcopy(self.model)
            own.load_state_dict(checkpoint["teacher"])
            self._teacher = (own.eval().requires_grad_(False),)

    def load_result(self) -> str:
        """Put the chosen weights into the model, and say which."""
        self.model.network.blank_bonus = 0.0
        if "rate" not in self.best:
            return super().load_result()
        self.model.load_state_dict(self.best["state"])
        return f"lowest validation WER ({self.best['rate']:.1f} % at step {self.best['step']})"


def distils(settings: Settings, epoch: int) -> bool:
    """Does this epoch (from 0) begin in the last phase?"""
    phases = settings.ctc.phases
    return (
        bool(phases)
        and bool(phases[3])
        and epoch * sum(phases) >= sum(phases[:3]) * settings.training.epochs
    )


def phase_factor(settings: SentenceSettings, steps: int) -> Callable[[int], float]:
    """Step -> factor on the learning rate: a linear rise, a half cosine down to `finetune_rate`,
    then steady.

    Source: seed 001, section 5.3: warm-up 5, main 50, fine-tuning 20, distillation 10 epochs.
    """
    rising, main, _, _ = (steps * length / sum(settings.phases) for length in settings.phases)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / max(1.0, rising)
        done = min(1.0, (step - rising) / max(1.0, main))
        return settings.finetune_rate + (1 - settings.finetune_rate) * 0.5 * (
            1 + math.cos(math.pi * done)
        )

    return factor
