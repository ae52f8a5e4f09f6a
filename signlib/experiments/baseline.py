"""What recognition costs nothing: the gloss of the most similar training clip, as a run."""

from dataclasses import replace

import numpy as np
import pandas as pd

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import class_numbers, settled, settled_before, split_clips
from signlib.data.vocabulary import Vocabulary
from signlib.evaluation.neighbours import class_distances, flatten
from signlib.runs import run as runs
from signlib.settings.base import Settings
from signlib.stores.store import ClipSource
from signlib.tasks.isolated import prediction_table, test_metrics
from signlib.tasks.task import check_usable
from signlib.training.batches import Prepared, prepare_clips


def nearest_neighbour(
    settings: Settings, run_name: str, resume: bool = False, quiet: bool = False
) -> runs.Run:
    """A finished run of the 1-nearest neighbour on the settings' features.

    Nothing is fitted or selected. Validation clips are not used. Scores are negative distances to
    the nearest training clip of each gloss.

    Args:
        settings: fully resolved; data, features and seed count, model and training do not.
        run_name: name of the run's folder.
        resume: a finished run of that name and these settings is returned as it is.
        quiet: no progress bar.
    """
    experiment = settings.preset.replace("/", "-")
    path = paths.runs_root() / experiment / paths.check_name(run_name, "run name")
    if (path / runs.SETTINGS).is_file():
        data = settled_before(settings.data, runs.Run(path).settings.data.split)
    else:
        data = settled(settings.data)
    settings = replace(settings, data=data)
    run = runs.start(experiment, run_name, settings, resume)
    if run.finished:
        return run
    source = load_corpus(settings.data)
    splits = split_clips(source.labelled, settings.data)
    vocabulary = Vocabulary.from_glosses(splits.train["gloss"])
    train, learnt = _flat(source, splits.train, settings, quiet)
    if run.stage == "started":
        run.note(
            chosen="nothing was selected",
            split=splits.notes,
            parameters=0,
            model="1-nearest neighbour",
            clips={"train": len(train), "val": 0},
        )
        run.trained()
    if splits.untested:
        run.note(untested=splits.untested)
        return run.finish([])
    run.open_test(after_crash=resume)
    test, prepared = _flat(source, splits.test, settings, quiet)
    run.note(missing=len(prepared.unusable))
    glosses = class_numbers(splits.train, learnt.clips, vocabulary)
    scores = -class_distances(train, glosses, test, len(vocabulary)).astype(np.float32)
    targets = class_numbers(splits.test, prepared.clips, vocabulary)
    rows = splits.test.set_index("clip").loc[prepared.clips]
    table = prediction_table(rows, vocabulary.decode(scores.argmax(axis=1)), scores.max(axis=1))
    return run.finish(
        test_metrics(scores, targets, rows, splits.notes, run),
        table,
        scores=(scores, prepared.clips, vocabulary.glosses),
    )


def _flat(
    source: ClipSource, rows: pd.DataFrame, settings: Settings, quiet: bool
) -> tuple[np.ndarray, Prepared]:
    prepared = prepare_clips(source, rows["clip"], settings.features, quiet)
    check_usable(prepared, "clip")
    return np.stack([flatten(points) for points in prepared.points]), prepared
