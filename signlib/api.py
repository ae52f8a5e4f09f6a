"""The public functions: one import, and no path through the rooms of the package.

`import signlib` costs nothing; these load when they are touched, and torch when a network is
needed, so that opening a run or refusing a request takes no time. Wherever a run, a store or a clip
is meant, its folder or file is taken as text or as a path.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from signlib import paths
from signlib.corpora.folder import is_one_clip
from signlib.corpora.registry import CORPORA, corpus_in
from signlib.data.points import FileNumbers
from signlib.errors import ClipError, RunError, listed
from signlib.experiments import prediction, sizes
from signlib.experiments.early import check_asked, check_training
from signlib.extraction.registry import extractor_settings
from signlib.runs.run import SETTINGS, Run
from signlib.runs.weights import MODEL, load_model_facts
from signlib.settings import presets as named
from signlib.settings import registry
from signlib.stores.pictures import PictureStore
from signlib.stores.store import PICTURES_META, FeatureStore

if TYPE_CHECKING:
    from torch import nn

    from signlib.training.batches import Batch

# In the order of the generated page.
__all__ = [  # noqa: RUF022 - the order of the page that `make docs` writes
    "open_run",
    "open_store",
    "train",
    "predict",
    "example",
    "presets",
    "corpora",
    "OpenRun",
]

PathLike: TypeAlias = str | Path
# Settings that a run's description names; of more it says how many.
MANY = 3


class OpenRun(Run):
    """A run that says what it is, and predicts."""

    def __repr__(self) -> str:
        lines = [f"Run {self.path} ({self.stage}): {self._kind()}"]
        if self.finished:
            lines += [f"  {metric}" for metric in self.metrics[:1]]
        if self.untested:
            lines.append(f"  not tested: {self.untested}")
        if self.ignored:
            said = [f"{key}={value}" for key, value in sorted(self.ignored.items())]
            lines.append(f"  its settings say what was never read: {listed(said, MANY)}")
        return "\n".join(lines)

    def _kind(self) -> str:
        # Task, preset, and what its weights know.
        words = [f"task {self.settings.task}", f"preset {self.settings.preset}"]
        words += [f"{self.settings.mode} size"] if self.settings.mode == "smoke" else []
        if (self.path / MODEL).is_file():
            facts = load_model_facts(self)
            words.append(f"{len(facts['classes'])} classes")
            words += [facts["extraction"]["skeleton"]] if "extraction" in facts else []
        return ", ".join(words)

    def predict(self, clip: PathLike, top: int = 5, overrides: Sequence[str] = ()) -> pd.DataFrame:
        """What is signed in one clip.

        Args:
            clip: a video, a folder of pictures, or another file that `signlib.predict` takes.
            top: how many glosses.
            overrides: what its numbers mean, as of `signlib.predict`.

        Returns:
            One row a gloss, likeliest first: gloss, confidence and warning (in what the clip is
            unlike the training clips). Of a run that reads sentences one row a sign, in the order
            of signing: gloss, start and end in seconds, confidence.
            `attrs["trained"]` says whether a clip of that name trained the run.

        Raises:
            ClipError: for a clip that cannot be used, with the reason.
            RunError: for a store, which has several clips.
        """
        if not is_one_clip(clip):
            raise RunError(f"{clip} is a folder; signlib.predict(run, {str(clip)!r}) takes stores")
        readings = predict(self, clip, top=top, overrides=overrides)
        (reading,) = readings.itertuples()
        if reading.problem:
            raise ClipError(f"{clip}: {reading.problem}")
        if hasattr(reading, "signs"):
            columns = ["gloss", "start", "end", "confidence"]
            table = pd.DataFrame(reading.signs, columns=columns)
        else:
            table = pd.DataFrame(reading.top, columns=["gloss", "confidence"])
            table = table.assign(warning=reading.warning)
        table.attrs |= readings.attrs
        return table


def open_run(path: PathLike | Run) -> OpenRun:
    """The run in a folder.

    Args:
        path: the folder; or `EXPERIMENT/NAME` below the folder of runs, as `Run.name` says it.

    Raises:
        RunError: when there is no run.
    """
    folder = path.path if isinstance(path, Run) else Path(path)
    if not (folder / SETTINGS).is_file() and (paths.runs_root() / folder / SETTINGS).is_file():
        folder = paths.runs_root() / folder
    return OpenRun(folder)


def open_store(path: PathLike) -> FeatureStore | PictureStore:
    """The finished store in a folder.

    `store[clip]` is a clip's array: of landmarks (T, J, C), NaN where a point was not seen; of
    features (T, D). `for clip in store` goes through the names of its clips.

    Raises:
        StoreError: when there is no store, or it is unfinished or damaged.
    """
    return PictureStore(path) if (Path(path) / PICTURES_META).is_file() else FeatureStore(path)


def train(
    preset: str,
    data_root: PathLike = "",
    overrides: Sequence[str] = (),
    mode: str = "full",
    name: str = "",
    *,
    seed: int | None = None,
    init_from: PathLike | Run | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> OpenRun:
    """Fit a model, test it once, and keep the run.

    Args:
        preset: `family/variant`; see `presets`.
        data_root: a store, or the folder of the preset's corpus; "" = where the preset looks.
        overrides: settings as `key=value`, such as `training.epochs=20`.
        mode: `full`, or `smoke`: small sizes and generated clips, in seconds.
        name: of the run's folder; "" makes one from mode and random seed.
        seed: random seed; None = the preset's own.
        init_from: a run whose encoder this one starts from.
        resume: resume an unfinished run of that name.
        quiet: no progress bars.

    Returns:
        The run. One of that name and these settings that is finished is returned as it is.

    Raises:
        SettingsError: for settings that do not exist, do not go together, or are not read.
        RunError: when the name is taken by other settings.
    """
    where: list[str] = []
    if data_root:
        corpus = corpus_in(data_root, named.build(preset).data.corpus)
        where = [f"data.root={data_root}", f"data.corpus={corpus}"]
    settings = named.build(preset, mode, seed, [*where, *overrides])
    if not resume:
        check_asked(settings, overrides)
    source = None if init_from is None else open_run(init_from)
    check_training(settings, name)
    from signlib.experiments import experiment

    return open_run(experiment.train(settings, name, resume, quiet, source))


def predict(
    run: PathLike | Run,
    clips: PathLike | Sequence[PathLike],
    split: str = "",
    top: int = 5,
    tower: str = "",
    fps: float = 0.0,
    overrides: Sequence[str] = (),
) -> pd.DataFrame:
    """What is signed in clips: one row a clip.

    Args:
        run: with weights.
        clips: one or several: videos, folders of pictures, landmark files, stores; see
            `experiments.prediction`.
        split: of stores, only the clips of this split, as the run took them.
        top: how many glosses a clip; of sentences, how many readings.
        tower: for a run on frozen features, where its encoder lies now.
        fps: frames a second of clips that do not say it.
        overrides: what the numbers of landmark files mean, as `key=value`: `zeros=missing`,
            `scale=pixels`, `width=W`, `height=H`, `on_jump=split`; see `data.points.FileNumbers`.

    Returns:
        clip, gloss ("" where nobody says), top = [(gloss, confidence), ...], problem, warning and
        more; of sentences clip, glosses, signs = [(gloss, start, end, confidence), ...] and more.

    Raises:
        RunError: for clips of other points than the run was trained on.
        SettingsError: for an override that does not exist.
    """
    several = [clips] if isinstance(clips, str | Path) else list(clips)
    numbers = extractor_settings(FileNumbers, overrides)
    return prediction.predict(open_run(run), several, split, top, tower, fps, numbers)


def example(
    preset: str, clips: int = 2, mode: str = "full", overrides: Sequence[str] = ()
) -> "tuple[Batch, nn.Module]":
    """A batch of random clips and the untrained network of a preset, to play with.

    Args:
        preset: `family/variant`; see `presets`.
        clips: B.
        mode: `full`, or `smoke` for small sizes.
        overrides: settings as `key=value`.

    Returns:
        The batch (name -> tensor, B first), and the network in evaluation mode: `model(batch)` are
        its scores. Nothing is downloaded: weights that somebody trained are drawn at random.

    Raises:
        SettingsError: for settings that do not exist, do not go together, or are not read.
    """
    settings = named.build(preset, mode, overrides=overrides)
    from signlib.tasks.registry import task_of

    task, inputs, classes = task_of(settings), sizes.inputs_of(settings), sizes.classes_of(settings)
    model = task.network(task.offline(settings), inputs, classes)
    return task.example(settings, inputs, classes, clips), model.eval()


def presets() -> pd.DataFrame:
    """One row a preset: its name as index, its task, its corpus, and what it is for."""
    rows = {
        name: (task, named.build(name).data.corpus, preset.question)
        for name, (task, preset) in registry.all_presets().items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["task", "corpus", "question"])


def corpora() -> pd.DataFrame:
    """One row a corpus: its name as index, kind, skeleton, glosses, and what may be done with it.

    `folder` is its place below `SIGNLIB_DATA`, "" where the settings say it or it is generated.
    """
    columns = ["kind", "sentences", "skeleton", "glosses", "folder", "open", "licence"]
    rows = {
        name: [getattr(corpus, column) for column in columns] for name, corpus in CORPORA.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"glosses": "Int64"})
