"""A finished run, ready to predict: its model with its weights, and the clips it can be given."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, StoreError, VideoError
from signlib.extraction import exchange
from signlib.extraction.holistic import LandmarkSettings
from signlib.features.novelty import TrainingRanges
from signlib.settings.base import Settings
from signlib.stores.store import ClipSource, Extraction, FeatureStore, LoadedClips


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
    """

    clip: str
    gloss: str = ""
    top: list[tuple[str, float]] = field(default_factory=list)
    problem: str = ""
    missing: str = ""
    warning: str = ""


COLUMNS = [entry.name for entry in fields(Reading)]


def table_of(readings: Sequence[Reading]) -> pd.DataFrame:
    """One row a reading, with the columns `COLUMNS`."""
    return pd.DataFrame([astuple(reading) for reading in readings], columns=COLUMNS)


S = TypeVar("S", bound=Settings)
M = TypeVar("M", bound=nn.Module)


@dataclass
class Recogniser(Generic[S, M]):
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton: of its run.
        extraction: how its landmarks were made; None where it reads no landmarks.
        frozen: how its frozen features were made, where it reads some.
        familiar: what its training clips were like, where the run tells.
    """

    model: M
    settings: S
    vocabulary: Vocabulary
    skeleton: Skeleton
    extraction: Extraction | None
    frozen: Extraction | None = None
    familiar: TrainingRanges = field(default_factory=TrainingRanges)

    @property
    def features(self) -> Extraction:
        """How its frozen features were made.

        Raises:
            RunError: where it reads none.
        """
        if self.frozen is None:
            raise RunError("the run reads no frozen features; give it landmarks")
        return self.frozen

    def best(
        self, clips: Sequence[str], shares: np.ndarray, top: int
    ) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Each clip with its likeliest glosses and their shares."""
        for clip, share in zip(clips, shares, strict=True):
            order = np.argsort(-share)[:top]
            glosses = self.vocabulary.decode(order)
            yield clip, list(zip(glosses, share[order].tolist(), strict=True))


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


def store_source(store: FeatureStore, split: str) -> ClipSource:
    """The clips of a store, or those of one split.

    Raises:
        StoreError: when there is none.
    """
    table = store.labelled if not split else store.labelled[store.labelled["split"] == split]
    if table.empty:
        raise StoreError(f"store {store.path} has no clip of split {split!r}")
    return LoadedClips(table, store.read, store.extraction)


def file_source(
    files: Sequence[Path], recogniser: Recogniser[Any, Any]
) -> tuple[ClipSource, dict[str, str]]:
    """Clips read from files, and the reasons of those that could not be."""
    made = recogniser.extraction
    settings = LandmarkSettings()
    if made is not None and made.extractor == "holistic":
        settings = LandmarkSettings(**{**made.settings, "parts": tuple(made.settings["parts"])})
    points, rows, problems = {}, [], {}
    with exchange.ClipReader(settings) as reader:
        for file in tqdm(files, desc="reading clips", unit="clip", disable=len(files) < 3):
            name = str(file)
            try:
                points[name], width, height = reader.read(file)
            except (VideoError, ClipError) as error:
                problems[name] = str(error)
                continue
            rows.append({"clip": name, "gloss": "", "split": "", "width": width, "height": height})
    table = pd.DataFrame(rows, columns=["clip", "gloss", "split", "width", "height"])
    return LoadedClips(table, points.__getitem__, settings.extraction), problems
