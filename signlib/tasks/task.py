"""What the rest of the program asks of a family of models; nothing above asks which one it is.

A task answers for the clips that its settings name (an instance), and for its networks without
any clips (class methods). What a task cannot do it refuses by name, with the reason. For
prediction it gets a `Recogniser`: a finished run's model, and the clips that it can be given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.corpora.folder import stores_and_clips
from signlib.corpora.registry import corpus_of
from signlib.corpora.splits import Splits, split_clips
from signlib.data.manifest import RATE
from signlib.data.points import FileNumbers
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import (
    ClipError,
    ManifestError,
    RunError,
    SettingsError,
    StoreError,
    VideoError,
    joined,
)
from signlib.extraction import exchange, holistic
from signlib.features import oddities
from signlib.features.novelty import TrainingRanges
from signlib.models import counting, frozen
from signlib.runs.run import Run
from signlib.settings.base import Settings
from signlib.stores.store import Checked, ClipSource, Extraction, FeatureStore, LoadedClips
from signlib.training import fit
from signlib.training.batches import Batch, Clips, Prepared
from signlib.training.classification import ClassificationFitting, loss_of
from signlib.training.fitting import Fitting

S = TypeVar("S", bound=Settings)
M = TypeVar("M", bound=nn.Module)
# What `model.json` says beside a run's weights.
Facts = Mapping[str, Any]
# The parts of a model whose sizes are told apart.
PARTS = ("rgb", "depth", "encoder", "projection", "fusion", "classifier")
# What tells where a signer is, and how large.
ANCHORS = ("face", "nose", "left_shoulder", "right_shoulder", "left_wrist", "right_wrist")
# What a task may refuse; training, resuming, sizes, sweeps and publishing are for all.
CAPABILITIES = ("predict", "estimate", "warm start", "search")


@dataclass(frozen=True)
class Inputs:
    """What clips give a network, as far as its shape depends on it.

    Attributes:
        skeleton: of the landmarks, whether the network reads them or not.
        width: D, numbers a frame of frozen features.
        counts: how often each gloss is signed in training, where a network is built after it.
    """

    skeleton: Skeleton = MEDIAPIPE_543
    width: int = frozen.GEMMA_WIDTH
    counts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """What a run says of one clip.

    Attributes:
        clip: its id, or its file.
        gloss: what it is known to be; "" where nobody says.
        top: the likeliest glosses with their share of the confidence, best first.
        problem: why the clip could not be used; "" when it could.
        missing: modalities that it lacks, with commas.
        warning: in what it is unlike the training clips; "" where nothing is.
        note: what was assumed of it; "" where nothing was.
    """

    clip: str
    gloss: str = ""
    top: list[tuple[str, float]] = field(default_factory=list)
    problem: str = ""
    missing: str = ""
    warning: str = ""
    note: str = ""


@dataclass
class Recogniser(Generic[S, M]):
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton: of its run.
        run: which it is, for what else its folder keeps.
        extraction: how its landmarks were made; None where it reads no landmarks.
        frozen: how its frozen features were made, where it reads some.
        familiar: what its training clips were like, where the run tells.
        fps: frames a second of clips that do not say it themselves; 0 = nobody knows.
        numbers: what the numbers of landmark files mean.
        notes: clip -> what was taken from it when it was read, or looks wrong in it.
    """

    model: M
    settings: S
    vocabulary: Vocabulary
    skeleton: Skeleton
    run: Run
    extraction: Extraction | None
    frozen: Extraction | None = None
    familiar: TrainingRanges = field(default_factory=TrainingRanges)
    fps: float = 0.0
    numbers: FileNumbers = field(default_factory=FileNumbers)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> Extraction:
        """How its frozen features were made.

        Raises:
            RunError: where it reads none.
        """
        if self.frozen is None:
            raise RunError("the run reads no frozen features; give it landmarks")
        return self.frozen

    def keep_notes(self, store: FeatureStore) -> None:
        """Have what a store tells of its clips, now and when they are read, among the notes."""
        self.notes |= store.notes
        store.notes = self.notes

    def examined(self, clip: str, points: np.ndarray, layout: Skeleton, aspect: float) -> slice:
        """The frames of a clip that are read; what is odd about it comes among the notes.

        Args:
            clip: its id.
            points: (T, J, C).
            layout: skeleton of the points.
            aspect: width / height of the picture; 0 or NaN = unknown.

        Raises:
            ClipError: when its body jumps and such clips are left out.
        """
        frames, odd = oddities.examined(points, layout, aspect, self.numbers.on_jump)
        if odd not in self.notes.get(clip, ""):
            self.notes[clip] = joined(self.notes.get(clip), odd)
        return frames

    def best(
        self, clips: Sequence[str], shares: np.ndarray, top: int
    ) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Each clip with its likeliest glosses and their shares."""
        for clip, share in zip(clips, shares, strict=True):
            order = np.argsort(-share)[:top]
            likeliest = zip(self.vocabulary.decode(order), share[order].tolist(), strict=True)
            yield clip, list(likeliest)


class Task(ABC, Generic[S, M]):
    """A family of models on the clips that its settings name.

    Attributes:
        settings: of the experiment.
        table: the manifest of the clips that can train or test it.
        notes: what to say beside every number that is found on these clips; it names no clip,
            because numbers are published.
        examples: for the screen, a clip that each such note counts.
        source: of its landmarks or skeletons; None where it reads none.
        mirror: for each joint that the network reads, its mirror image; empty without landmarks.
    """

    # Capability -> why this task has none; see `CAPABILITIES`.
    refusals: ClassVar[Mapping[str, str]] = {}
    # Beginnings of the settings that decide what a network is fed with: a teacher shares them.
    same_inputs: ClassVar[tuple[str, ...]] = ("features.",)
    # Part -> beginning of its parameters; another run's part of that name starts this one's
    # (`--init-from`).
    parts: ClassVar[Mapping[str, str]] = {"encoder": "encoder."}
    # Beginnings of the parameters with one row a gloss -> rows before those of the glosses.
    outputs: ClassVar[Mapping[str, int]] = {}
    # Clips of two small batches from which the cost of any is known, where the shapes inside the
    # network depend on values; empty = it is counted on tensors without values.
    counted_with: ClassVar[tuple[int, int] | tuple[()]] = ()
    # Is less better of what chooses the weights on validation clips?
    lower_is_better: ClassVar[bool] = False
    # Are runs long enough that what they will cost is said before them?
    costly: ClassVar[bool] = False
    # Is the model fitted step by step? Else it has no learning curve.
    in_steps: ClassVar[bool] = True
    # Does `train` say which parameters decay, as the source of the task promises?
    lists_decay: ClassVar[bool] = False

    # Makes the splits of a table.
    split_table = staticmethod(split_clips)

    table: pd.DataFrame
    source: ClipSource | None = None
    mirror: Sequence[int] = ()

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self.notes: list[str] = []
        self.examples: list[str] = []

    # The clips.

    @cached_property
    def splits(self) -> Splits:
        """Who trains, validates and tests."""
        splits = self.split_table(self.table, self.settings.data)
        counted, named = blank_notes(splits, self.source, self.settings)
        splits.notes += self.notes + counted
        self.examples += named
        return splits

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The glosses of the training clips, which are the classes."""
        return Vocabulary.from_glosses(self.glosses(self.splits.train))

    @classmethod
    def glosses(cls, rows: pd.DataFrame) -> Sequence[str]:
        """All glosses that rows of the table say, one after the other."""
        return rows["gloss"].tolist()

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
        return {} if self.source is None else {"extraction": asdict(self.source.extraction)}

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
        return self.inputs_of(self.described)

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
        layout = facts.get("extraction", {}).get("skeleton")
        return Inputs(skeleton(layout)) if layout else Inputs()

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
    def count_macs(cls, settings: S, inputs: Inputs, classes: int) -> int:
        """Multiply-accumulates of one clip's forward pass; torch counts no recurrent layers."""
        return counting.counted_macs(
            cls.network(settings, inputs, classes).eval(),
            cls.example(settings, inputs, classes, clips=1),
        )

    @classmethod
    def memory_advice(cls, settings: S) -> str:
        """What to change where memory is short, beside the batch size; "" = nothing."""
        return ""

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

    def differs(self, part: str, run: Run, facts: Facts) -> bool:
        """Does a part of that run, in spite of the same shapes, mean something else?

        Args:
            part: one of `parts`.
            run: the other run.
            facts: of its `model.json`.
        """
        return False

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

    def begin(self, folder: Path) -> None:
        """Keep in a run's folder, before the first step, what prediction or resuming needs."""

    def learn(
        self,
        model: M,
        train: Clips,
        val: Clips | None,
        weights: Tensor | None,
        teacher: nn.Module | None,
        folder: Path,
        resume: bool,
        quiet: bool,
    ) -> fit.Fitted:
        """The model fitted, and what happened.

        Args:
            model, train, weights, teacher: as for `fitting`.
            val: clips that choose the weights, or None.
            folder: of the run, for its checkpoints.
            resume, quiet: as for `experiments.experiment.train`.
        """
        self.begin(folder)
        return fit.fit(
            self.fitting(model, train, weights, teacher),
            train.data,
            val.data if val is not None and val.clips else None,
            self.settings,
            folder,
            resume,
            quiet,
        )

    @classmethod
    def loss(cls, settings: S, model: M, batch: Batch) -> Tensor:
        """What a step of fitting minimises, of a batch as `example` gives it."""
        return loss_of(model, batch)

    @abstractmethod
    def evaluate(self, run: Run, model: M, resume: bool, quiet: bool) -> Run:
        """The run with its results: the test split is read once, and the run is closed.

        Asked only where something is to be tested.
        """

    def close_untested(self, run: Run, model: M, quiet: bool) -> Run:
        """The run, finished without results, because `splits` say that nothing is tested."""
        run.note(untested=self.splits.untested)
        return run.finish([])

    @classmethod
    def share_stores(cls, settings: S) -> None:
        """Make the stores that several runs read before they start: a store has one writer.

        Opening the clips makes what is missing.
        """
        cls(settings)

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

    @classmethod
    def check_source(cls, source: ClipSource, recogniser: Recogniser[S, M]) -> None:
        """Refuse clips of a store that the run cannot read.

        Raises:
            RunError: with what differs.
        """
        check_skeleton(source, recogniser)

    @classmethod
    def joints_read(cls, recogniser: Recogniser[S, M]) -> list[str]:
        """Joints without which a clip of another skeleton cannot be read."""
        return joints_read(recogniser)

    @classmethod
    def sources(
        cls, recogniser: Recogniser[S, M], clips: Sequence[str | Path], split: str = ""
    ) -> tuple[list[ClipSource], dict[str, str]]:
        """Clips of stores, landmark files, videos and pictures, and the reasons of those that fail.

        The column `fps` of their tables is 0 where nobody knows it.

        Raises:
            RunError: for a store that the run cannot read.
            StoreError: for a store without clips of that split.
        """
        folders, files = stores_and_clips(clips)
        stores = [FeatureStore(folder) for folder in folders]
        sources = [store_source(store, recogniser, split) for store in stores]
        for source in sources:
            cls.check_source(source, recogniser)
        problems: dict[str, str] = {}
        for store in stores:
            problems |= reasons_of(store, recogniser, split)
        if files:
            source, unread = file_source(files, recogniser, cls.joints_read(recogniser))
            sources.append(source)
            problems |= unread
        return sources, problems


def landmark_batch(settings: Settings, base: Skeleton, classes: int, clips: int) -> Batch:
    """A batch of random landmarks with their targets.

    Args:
        settings: which say T and which joints; clips of any length count as 64 frames.
        base: skeleton of the landmarks, of which the network reads some.
        classes: K.
        clips: B.
    """
    joints = len(base.select(settings.features.joints))
    frames = settings.features.frames or 64
    return {
        "target": torch.randint(classes, (clips,)),
        "points": torch.randn(clips, frames, joints, settings.features.coordinates),
        "mask": torch.ones(clips, frames, joints, dtype=torch.bool),
        "lengths": torch.full((clips,), frames),
    }


def notes_of(*sources: ClipSource | None) -> tuple[list[str], list[str]]:
    """How many clips of each source have no features, where there are some, and the first."""
    notes, examples = [], []
    for source in sources:
        reasons: Mapping[str, str] = getattr(source, "reasons", {})
        if source is not None and reasons:
            clips = len(source.labelled) + len(reasons)
            clip, why = next(iter(reasons.items()))
            notes.append(f"{len(reasons)} of {clips} clips have no features")
            examples.append(f"{notes[-1]}, the first {clip}: {why}")
    return notes, examples


def notes_on_points(source: ClipSource | None) -> dict[str, str]:
    """Clip -> what was taken from its points, or looks wrong in them, of the clips read so far."""
    return source.notes if isinstance(source, Checked) else {}


def blank_notes(
    splits: Splits, source: ClipSource | None, settings: Settings
) -> tuple[list[str], list[str]]:
    """How many clips have nothing that can be used, and a line with the first, before training.

    Neither labels nor results are looked at. Clips made on the spot are fine.

    Raises:
        ManifestError: when that is every clip of training, or of the test.
    """
    if not isinstance(source, Checked) or corpus_of(settings.data).generated:
        return [], []
    there, blanks = set(source.labelled["clip"]), dict[str, list[str]]()
    for name, rows in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        clips = [clip for clip in rows["clip"] if clip in there]
        blanks[name] = source.blank(clips)
        ManifestError.raise_if(
            name != "val" and blanks[name] and len(blanks[name]) == len(clips),
            f"no {name} clip has a point that can be used (of {len(clips)}, first {clips[:1]}):"
            " their numbers are missing, not finite or in another unit; look at them, or make"
            " them again",
        )
    every = [clip for clips in blanks.values() for clip in clips]
    counts = ", ".join(f"{len(clips)} {name}" for name, clips in blanks.items() if clips)
    first = f"{', '.join(every[:5])}{', ...' * (len(every) > 5)}"
    note = f"{counts} clips have no point that can be used"
    return ([note], [f"{note}: {first}"]) if every else ([], [])


def check_usable(prepared: Clips | Prepared, kind: str) -> None:
    """Refuse to go on with nothing.

    Args:
        prepared: clips, or what is said of those that cannot be used.
        kind: what each of them is, for the error.

    Raises:
        ManifestError: when no clip can be used.
    """
    if not prepared.clips:
        raise ManifestError(
            f"no {kind} can be used; the first reason: {next(iter(prepared.unusable.values()))}"
        )


def table_of(readings: Sequence[Any], form: type[Any] = Reading) -> pd.DataFrame:
    """One row a reading, with its attributes as columns.

    Args:
        readings: of one form.
        form: `Reading`, or another dataclass.
    """
    return pd.DataFrame(
        [astuple(reading) for reading in readings],
        columns=[entry.name for entry in fields(form)],
    )


def check_skeleton(source: ClipSource, recogniser: Recogniser[Any, Any]) -> None:
    """Refuse clips of other points than the run was trained on.

    Raises:
        RunError: naming both skeletons.
    """
    given, expected = source.extraction.skeleton, recogniser.skeleton.name
    if given != expected:
        raise RunError(
            f"the run was trained on skeleton {expected!r}, these clips have {given!r}; give clips "
            "made the same way"
        )


def joints_read(recogniser: Recogniser[Any, Any]) -> list[str]:
    """The joints that a run reads, with those that tell where a signer is and which hand leads."""
    skeleton, joints = recogniser.skeleton, recogniser.settings.features.joints
    hands = [name for name in skeleton.joints if "_hand_" in name]
    return sorted({*skeleton.select(joints).joints, *hands, *filter(skeleton.has, ANCHORS)})


def rows_of_split(
    table: pd.DataFrame, recogniser: Recogniser[Any, Any], split: str
) -> pd.DataFrame:
    """The rows of a store's manifest that are of a split.

    That is what the run took them for; the manifest's column where the run says nothing of any of
    these clips, such as one that was made before runs kept it.

    Args:
        table: with a row a clip.
        recogniser: of the run.
        split: "" = all.
    """
    if not split:
        return table
    splits = table["clip"].map(recogniser.run.splits)
    return table[(splits if splits.notna().any() else table["split"]) == split]


def reasons_of(store: FeatureStore, recogniser: Recogniser[Any, Any], split: str) -> dict[str, str]:
    """Clip of a split -> why the store has no features of it; split "" = of all.

    The run took none of them for anything, unless they got lost later.
    """
    table = store.manifest
    splits = table["clip"].map(recogniser.run.splits).fillna(table["split"])
    asked = set(table["clip"][splits == split] if split else table["clip"])
    return {clip: why for clip, why in store.reasons.items() if clip in asked}


def store_source(
    store: FeatureStore, recogniser: Recogniser[Any, Any], split: str = ""
) -> ClipSource:
    """The clips of a store, or those of one split.

    Args:
        store: with a row a clip.
        recogniser: of the run, which says who is of a split, and how many frames a second clips
            have whose source did not say it.
        split: "" = all.

    Raises:
        StoreError: when there is none.
    """
    table = rows_of_split(store.labelled, recogniser, split)
    if table.empty:
        raise StoreError(f"store {store.path} has no clip of split {split!r}")
    rates = table["fps"].where(table["fps"] > 0, recogniser.fps)
    recogniser.keep_notes(store)
    aspects = dict(zip(table["clip"], table["width"] / table["height"], strict=True))

    def read(clip: str) -> np.ndarray:
        points = store.read(clip)
        # Features have no joints, and bodies in action are looked at once it is known who acts.
        if not store.extraction.skeleton or points.ndim != 3:
            return points
        return points[recogniser.examined(clip, points, store.skeleton, aspects[clip])]

    source = LoadedClips(table.assign(fps=rates), read, store.extraction)
    source.notes = recogniser.notes
    return source


def rate_notes(source: ClipSource) -> dict[str, str]:
    """What was assumed of the clips whose frame rate nobody knows."""
    unknown = source.labelled["clip"][source.labelled["fps"] == 0]
    note = f"nothing tells its frame rate, taken as {RATE:g} a second (--fps N says another)"
    return dict.fromkeys(unknown, note)


def file_source(
    files: Sequence[Path],
    recogniser: Recogniser[Any, Any],
    needed: Sequence[str] | None = None,
) -> tuple[ClipSource, dict[str, str]]:
    """Clips read from files as the run's skeleton, and the reasons of those that could not be.

    Args:
        files: videos, folders of pictures, `.npy` or `.pose`.
        recogniser: of the run.
        needed: joints that a clip must have; None = `joints_read`.
    """
    extraction, options = recogniser.extraction, {}
    if extraction is not None and extraction.extractor == "holistic":
        options = extraction.settings | {"parts": tuple(extraction.settings["parts"])}
    settings, target = holistic.LandmarkSettings(**options), recogniser.skeleton
    joints = joints_read(recogniser) if needed is None else needed
    points, rows, problems = {}, [], {}
    with exchange.ClipReader(settings, target, joints, recogniser.numbers) as reader:
        for file in tqdm(files, desc="reading clips", unit="clip", disable=len(files) < 3):
            name = str(file)
            try:
                clip = reader.read(file)
                recogniser.notes[name] = clip.note
                aspect = clip.width / clip.height if clip.height else 1.0
                kept = recogniser.examined(name, clip.array, target, aspect)
            except (VideoError, ClipError) as error:
                problems[name] = str(error)
                continue
            points[name] = clip.array[kept]
            size = {"width": clip.width, "height": clip.height}
            rows.append({"clip": name, **size, "fps": clip.fps or recogniser.fps})
    table = pd.DataFrame(rows, columns=["clip", "width", "height", "fps"])
    table = table.assign(gloss="", glosses="", split="")
    # Landmark files need no MediaPipe, so its version is not asked for.
    shape = (len(target), *settings.shape[1:])
    made = Extraction("holistic", "", shape, holistic.CHANNELS, target.name)
    source = LoadedClips(table, points.__getitem__, made)
    source.notes = recogniser.notes
    return source, problems
