"""A corpus, an extractor and a task that the package does not know: what somebody brings along.

`docs/architecture.md` lists what adding each takes: its file, and one row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from signlib.corpora import registry as corpora
from signlib.corpora.clips import load_corpus
from signlib.corpora.corpus import VideoCorpus
from signlib.corpora.splits import class_numbers
from signlib.data import manifest
from signlib.data.video import read_frames, write_video
from signlib.data.vocabulary import Vocabulary
from signlib.extraction import registry as extractors
from signlib.settings import registry as tasks
from signlib.settings.base import DataSettings, Preset, Settings
from signlib.settings.fields import name, number, section
from signlib.stores.store import ClipSource, Extraction, FeatureStore
from signlib.stores.writer import StoreWriter
from signlib.tasks.isolated import IsolatedTask
from signlib.tasks.task import Facts, Inputs, Reading, Recogniser, store_source, table_of
from signlib.training.batches import Batch, ClipDataset, Clips
from signlib.training.classification import score

SIDE = 16
SPLITS = {"ann": "train", "bea": "train", "cem": "val", "dan": "test", "eva": "test"}
"""Signer -> split."""


# The corpus: films named GLOSS_SIGNER_TAKE.mp4 beside a file `lights.txt`.


class LightCorpus(VideoCorpus):
    """Two glosses: the upper or the lower half of the picture is bright."""

    def manifest(self, settings: DataSettings) -> pd.DataFrame:
        """One row a film."""
        rows = []
        for file in sorted(self.root(settings).glob("*.mp4")):
            gloss, signer, _ = file.stem.split("_")
            row = {"clip": file.stem, "file": file.name, "gloss": gloss, "signer": signer}
            rows.append({**row, "split": SPLITS[signer]})
        return manifest.complete(pd.DataFrame(rows))

    def clips(self, settings: DataSettings) -> ClipSource:
        """The store that the extractor `halves` made in the corpus's folder."""
        return FeatureStore(self.root(settings) / "halves")

    def recognises(self, source: Path) -> bool:
        """True where `lights.txt` lies."""
        return (source / "lights.txt").is_file()


def film_lights(folder: Path) -> None:
    """Write the corpus: twenty films of eight frames."""
    folder.mkdir()
    (folder / "lights.txt").write_text("films of lights\n")
    rng = np.random.default_rng(0)
    for gloss, row in (("UP", 0), ("DOWN", SIDE // 2)):
        for signer in SPLITS:
            for take in range(2):
                frames = rng.integers(0, 60, (8, SIDE, SIDE, 3), dtype=np.uint8)
                frames[:, row : row + SIDE // 2] += 150
                write_video(folder / f"{gloss}_{signer}_{take}.mp4", frames, fps=25)


# The extractor: the mean brightness of both halves of every frame.


@dataclass(frozen=True)
class HalvesSettings:
    """Settings of the extractor.

    Attributes:
        factor: on brightness.
    """

    factor: float = 1.0


class HalvesExtractor:
    """Two numbers a frame: (T, 2, 1)."""

    settings = HalvesSettings

    def extract(
        self,
        source: extractors.Source,
        out: Path,
        settings: HalvesSettings,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> FeatureStore:
        """The store, made or completed."""
        table, root = source.videos()
        extraction = Extraction("halves", "1", (2, 1), ("brightness",), settings=asdict(settings))
        with StoreWriter(out, extraction, table, retry_failed) as writer:
            files = dict(zip(table["clip"], table["file"], strict=True))
            for clip in list(writer.pending):
                frames = np.stack(list(read_frames(root / files[clip]))).astype(np.float32)
                halves = frames.reshape(len(frames), 2, -1).mean(axis=2, keepdims=True)
                writer.add(clip, settings.factor * halves / 255, width=SIDE, height=SIDE, fps=25)
            return writer.finish()

    def summary(self, store: FeatureStore) -> str:
        """One line."""
        return f"{len(store)} clips of two halves"


# The task: a linear network on the mean of both halves.


@dataclass
class LightSettings:
    """The network."""

    width: int = number(4, "of its hidden layer", 1, 64)


@dataclass
class LightExperiment(Settings):
    """Which half is bright."""

    task: str = name("lights", "the family of models")
    lights: LightSettings = section(LightSettings, "the network")


PRESETS = {
    "lights/linear": Preset(
        "which half of the picture is bright",
        {
            "data.corpus": "lights",
            "features.frames": 4,
            "training.epochs": 3,
            "training.batch_size": 4,
            "training.threads": 1,
            "training.mirror_at_test": False,
        },
        {"lights.width": 2},
    ),
    "lights/wide": Preset("the same, wider", {"lights.width": 16}, {}, "lights/linear"),
}


class LightNetwork(nn.Module):
    """Batch -> scores (B, K)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, width)
        self.head = nn.Linear(width, classes)
        self.classes = classes

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K) of the mean over time."""
        return self.head(torch.relu(self.encoder(batch["points"][..., 0].mean(1))))


class LightTask(IsolatedTask[LightExperiment, LightNetwork]):
    """Which half is bright."""

    def __init__(self, settings: LightExperiment) -> None:
        super().__init__(settings)
        self.source = load_corpus(settings.data)
        self.table = self.source.labelled

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        clips = rows["clip"].tolist()
        points = [self.source.read(clip) for clip in clips]
        targets = class_numbers(rows, clips, vocabulary)
        return Clips(ClipDataset(points, targets, repeats), clips, {})

    @property
    def augment(self) -> Callable[[Batch], Batch]:
        """Nothing is varied."""
        return dict

    @property
    def described(self) -> dict[str, Any]:
        """How the numbers were made."""
        return {"made": asdict(self.source.extraction)}

    @classmethod
    def network(cls, settings: LightExperiment, inputs: Inputs, classes: int) -> LightNetwork:
        """The untrained network."""
        return LightNetwork(settings.lights.width, classes)

    @classmethod
    def example(cls, settings: LightExperiment, inputs: Inputs, classes: int, clips: int) -> Batch:
        """Random brightness."""
        frames = settings.features.frames
        return {
            "points": torch.rand(clips, frames, 2, 1),
            "mask": torch.ones(clips, frames, 2, dtype=torch.bool),
            "lengths": torch.full((clips,), frames),
            "target": torch.randint(classes, (clips,)),
        }

    @classmethod
    def count_macs(cls, settings: LightExperiment, inputs: Inputs, classes: int) -> int:
        """By hand."""
        return settings.lights.width * (2 + classes)

    @classmethod
    def inputs_of(cls, facts: Facts) -> Inputs:
        """The network's shape depends on nothing."""
        return Inputs()

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[LightExperiment, LightNetwork],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """Glosses of the clips of stores."""
        readings = []
        for folder in clips:
            source = store_source(FeatureStore(folder), recogniser, split)
            names = source.labelled["clip"].tolist()
            data = ClipDataset([source.read(clip) for clip in names], [0] * len(names))
            shares = np.exp(score(recogniser.model, data, recogniser.settings, ()))
            glosses = source.labelled.set_index("clip")["gloss"]
            for clip, best in recogniser.best(names, shares, top):
                readings.append(Reading(clip, glosses[clip], best))
        return table_of(readings)


@contextmanager
def registered() -> Iterator[None]:
    """The three rows, for as long as the context lasts."""
    corpus = LightCorpus(name="lights", licence="that of this project", glosses=2)
    extractor = extractors.ExtractorRow(
        "halves",
        "mean brightness of both halves",
        (extractors.Reads.VIDEOS,),
        HalvesExtractor,
        parallel=False,
        sharded=False,
    )
    corpora.register(corpus)
    extractors.register(extractor)
    tasks.register(tasks.TaskRow("lights", LightExperiment, PRESETS, LightTask))
    try:
        yield
    finally:
        del corpora.CORPORA["lights"]
        extractors.unregister("halves")
        tasks.TASKS.pop("lights", None)
