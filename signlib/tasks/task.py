"""What the rest of the program asks of a family of models; nothing above asks which one it is.

A task answers for the clips that its settings name (an instance), and for its networks without
any clips (class methods). What a task cannot do it refuses by name, with the reason.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic

import pandas as pd
import torch
from torch import Tensor, nn

from signlib.corpora.clips import failed_note
from signlib.corpora.splits import Splits, split_clips
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import SettingsError
from signlib.models.frozen import GEMMA_WIDTH
from signlib.runs.run import Run
from signlib.settings.base import Settings
from signlib.stores.store import ClipSource
from signlib.tasks.recogniser import M, Recogniser, S
from signlib.training.batches import Batch, Clips
from signlib.training.classification import ClassificationFitting
from signlib.training.fitting import Fitting

# What `model.json` says beside a run's weights.
Facts = Mapping[str, Any]
# The parts of a model whose sizes are told apart.
PARTS = ("rgb", "depth", "encoder", "projection", "fusion", "classifier")


@dataclass(frozen=True)
class Inputs:
    """What clips give a network, as far as its shape depends on it.

    Attributes:
        skeleton: of the landmarks, whether the network reads them or not.
        width: D, numbers a frame of frozen features.
        counts: how often each gloss is signed in training, where a network is built after it.
    """

    skeleton: Skeleton = MEDIAPIPE_543
    width: int = GEMMA_WIDTH
    counts: tuple[int, ...] | None = None


class Task(ABC, Generic[S, M]):
    """A family of models on the clips that its settings name.

    Attributes:
        settings: of the experiment.
        table: the manifest of the clips that can train or test it.
        notes: what to say beside every number that is found on these clips.
        mirror: for each joint that the network reads, its mirror image; empty without landmarks.
    """

    # Capability -> why this task has none; see `CAPABILITIES`.
    refusals: ClassVar[Mapping[str, str]] = {}
    # Beginnings of the settings that decide what a network is fed with: a teacher shares them.
    same_inputs: ClassVar[tuple[str, ...]] = ("features.",)

    # Are runs long enough that what they will cost is said before them?
    costly: ClassVar[bool] = False
    # Does `train` say which parameters decay, as the source of the task promises?
    lists_decay: ClassVar[bool] = False

    settings: S
    table: pd.DataFrame
    notes: list[str]
    mirror: Sequence[int] = ()

    def __init__(self, settings: S) -> None:
        self.settings, self.notes = settings, []

    # The clips.

    @cached_property
    def splits(self) -> Splits:
        """Who trains, validates and tests."""
        splits = split_clips(self.table, self.settings.data)
        splits.notes += self.notes
        return splits

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The glosses of the training clips, which are the classes."""
        return Vocabulary.from_glosses(self.splits.train["gloss"])

    @abstractmethod
    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""

    @property
    @abstractmethod
    def augment(self) -> Callable[[Batch], Batch]:
        """The change of training batches."""

    @property
    def described(self) -> dict[str, Any]:
        """What prediction must know besides settings and classes; it stands in `model.json`."""
        return {}

    # The network.

    @classmethod
    @abstractmethod
    def network(cls, settings: S, inputs: Inputs, classes: int) -> M:
        """The untrained network."""

    @classmethod
    @abstractmethod
    def example(cls, settings: S, inputs: Inputs, classes: int, clips: int) -> Batch:
        """A batch of random clips of the right shapes, for sizes, memory and trying it out."""

    @property
    def inputs(self) -> Inputs:
        """What these clips give the network."""
        return Inputs()

    def model(self, classes: int) -> M:
        """The untrained network for these clips."""
        return self.network(self.settings, self.inputs, classes)

    @classmethod
    def widths(cls, settings: S) -> tuple[int, ...]:
        """Numbers a frame of frozen features that its size is counted for."""
        return (Inputs().width,)

    @classmethod
    def inputs_of(cls, facts: Facts) -> Inputs:
        """What the clips of a run gave its network, from what the run wrote of them."""
        made = facts.get("extraction")
        return Inputs() if made is None else Inputs(skeleton(made["skeleton"]))

    @classmethod
    def offline(cls, settings: S) -> S:
        """The same settings where nothing is downloaded: weights come from elsewhere."""
        return settings

    @classmethod
    def count_parts(cls, model: M) -> dict[str, int]:
        """Parameters of the network's parts, by their names in `PARTS`."""
        return {}

    @classmethod
    def compact(cls, settings: S) -> S:
        """Settings of a network with as many parameters that is cheaper to build."""
        return cls.offline(settings)

    @classmethod
    @abstractmethod
    def count_macs(cls, settings: S, inputs: Inputs, classes: int) -> int:
        """Multiply-accumulates of one clip's forward pass."""

    @classmethod
    def memory_advice(cls, settings: S) -> str:
        """What to change where memory is short, beside the batch size; "" = nothing."""
        return ""

    @classmethod
    def carries(cls, name: str) -> bool:
        """Does another run's parameter of that name start this one (`--init-from`)?"""
        return name.startswith("encoder.")

    @classmethod
    def refusal(cls, settings: S, capability: str) -> str:
        """Why these settings have no such capability, "" when they have; see `CAPABILITIES`."""
        return cls.refusals.get(capability, "")

    @classmethod
    def check_start(cls, settings: S, run: Run) -> None:
        """Refuse a run that this one cannot start from.

        Raises:
            RunError: with what differs.
        """

    # Fitting and testing.

    def fitting(
        self, model: M, train: Clips, weights: Tensor | None, teacher: nn.Module | None
    ) -> Fitting:
        """What one step of fitting computes.

        Args:
            model: to be fitted.
            train: its clips.
            weights: (K,) of the classes in the loss, or None.
            teacher: a trained model whose scores are learned as well, or None.
        """
        return ClassificationFitting(model, self.settings, self.augment, weights, teacher)

    @abstractmethod
    def evaluate(self, run: Run, model: M, resume: bool, quiet: bool) -> Run:
        """The run with its results: the test split is read once, and the run is closed."""

    @classmethod
    def share_stores(cls, settings: S) -> None:
        """Make the stores that several runs read before they start: a store has one writer."""

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[S, M],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """The likeliest glosses of clips; see `experiments.prediction.predict`."""
        raise SettingsError(f"task={recogniser.settings.task} predicts no single glosses")


# What a task may refuse; training, resuming, sizes, sweeps and publishing are for all.
CAPABILITIES = ("predict", "estimate", "warm start")


def landmark_batch(settings: Settings, joints: int, classes: int, clips: int) -> Batch:
    """A batch of random landmarks with their targets.

    Args:
        settings: which say T; clips of any length count as 64 frames.
        joints: J that the network reads.
        classes: K.
        clips: B.
    """
    frames = settings.features.frames or 64
    return {
        "target": torch.randint(classes, (clips,)),
        "points": torch.randn(clips, frames, joints, settings.features.coordinates),
        "mask": torch.ones(clips, frames, joints, dtype=torch.bool),
        "lengths": torch.full((clips,), frames),
    }


def notes_of(*sources: ClipSource | None) -> list[str]:
    """One line on the clips of each source that could not be made, where there are some."""
    return [note for source in sources if source is not None for note in failed_note(source)]
