"""What families of single signs share: the test, its metrics, predictions of one gloss a clip."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError
from signlib.evaluation import metrics
from signlib.reports import plots
from signlib.runs.run import Metric, Run
from signlib.statistics.intervals import cluster_interval, mean_interval, wilson_interval
from signlib.stores.store import ClipSource, FeatureStore
from signlib.tasks.recogniser import (
    M,
    Reading,
    Recogniser,
    S,
    check_skeleton,
    file_source,
    store_source,
    table_of,
)
from signlib.tasks.task import Task
from signlib.training.batches import Clips
from signlib.training.classification import score


class IsolatedTask(Task[S, M]):
    """A family that names one gloss a clip."""

    def evaluate(self, run: Run, model: M, resume: bool, quiet: bool) -> Run:
        """The run with what it found on the test split.

        Raises:
            ManifestError: when no test clip can be used.
        """
        run.open_test(after_crash=resume)
        test = self.prepare(self.splits.test, self.vocabulary, 1, quiet)
        if not test.clips:
            reason = next(iter(test.unusable.values()))
            raise ManifestError(f"no test clip can be used; the first reason: {reason}")
        run.note(missing=len(test.unusable))
        scores, vocabulary = self.test_scores(model, test, quiet)
        targets = test.data.targets
        rows = self.splits.test.set_index("clip").loc[test.clips]
        results = test_metrics(scores, targets, rows, self.splits.notes, run)
        predicted = scores.argmax(axis=1)
        table = prediction_table(rows, vocabulary.decode(predicted), np.exp(scores.max(axis=1)))
        history = pd.read_csv(run.path / "history.csv").to_dict("records")
        confusion = metrics.confusion(predicted, targets, len(vocabulary))
        figures = {
            "learning_curve": plots.learning_curve(history),
            "confusion": plots.confusion_matrix(confusion, vocabulary.glosses),
        }
        return run.finish(results, table, (scores, test.clips, vocabulary.glosses), figures)

    def test_scores(self, model: M, test: Clips, quiet: bool) -> tuple[np.ndarray, Vocabulary]:
        """Log-probabilities (N, K) of the test clips, and the K classes."""
        return score(model, test.data, self.settings, self.mirror), self.vocabulary


class LandmarkReader(IsolatedTask[S, M]):
    """A family that reads landmarks and nothing else: clips come from stores and landmark files."""

    @classmethod
    @abstractmethod
    def recognise(
        cls, recogniser: Recogniser[S, M], source: ClipSource, clips: Sequence[str]
    ) -> tuple[np.ndarray, Clips]:
        """Probabilities (N, K) of the clips that can be used; `unusable` says which cannot."""

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[S, M],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        stores = [FeatureStore(clip) for clip in clips if Path(clip).is_dir()]
        sources = [store_source(store, split) for store in stores]
        problems = {row.clip: row.reason for store in stores for row in store.failed.itertuples()}
        files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
        if files:
            source, unread = file_source(files, recogniser)
            sources.append(source)
            problems |= unread
        readings: list[Reading] = []
        for source in sources:
            check_skeleton(source, recogniser)
            names = source.labelled["clip"].tolist()
            shares, prepared = cls.recognise(recogniser, source, names)
            problems |= prepared.unusable
            glosses = source.labelled.set_index("clip")["gloss"]
            for clip, best in recogniser.best(prepared.clips, shares, top):
                readings.append(Reading(clip, glosses[clip], best))
        readings += [Reading(clip, problem=reason) for clip, reason in problems.items()]
        return table_of(readings)


def prediction_table(rows: pd.DataFrame, predicted: list[str], score: np.ndarray) -> pd.DataFrame:
    """What a run keeps of each test clip: clip, signer, target, prediction, score.

    Args:
        rows: of the manifest, with the clip as index.
        predicted: N glosses.
        score: (N,) of the predicted gloss.
    """
    table = rows[["signer", "gloss"]].rename(columns={"gloss": "target"}).reset_index()
    return table.assign(prediction=predicted, score=np.round(score, 4))


def test_metrics(
    scores: np.ndarray, targets: np.ndarray, rows: pd.DataFrame, notes: list[str], run: Run
) -> list[Metric]:
    """Top-1 by clip, by signer and by gloss, top-5 and per-class accuracy, each with its interval.

    Args:
        scores: (N, K).
        targets: (N,) class numbers.
        rows: of the manifest, with the clip as index.
        notes: of the split.
        run: which says how its weights were chosen.
    """
    right = metrics.top_k(scores, targets, 1)
    chosen = f"{run.facts['chosen']}; {'; '.join(notes)}"
    n, missing = len(targets), run.facts.get("missing", 0)
    # Without glosses each clip is a class of its own.
    named = bool((rows["gloss"] != rows.index).any())
    of_all = f"on {n} of {n + missing} clips; " if missing else ""
    interval = wilson_interval(right)
    note = f"{of_all}Wilson interval over clips; {chosen}"
    results = [Metric("top-1", 100 * right.mean(), n, "test", "%", interval, note)]
    for column, plural in [("signer", "signers"), ("gloss", "glosses")][: 1 + named]:
        groups = rows[column]
        if groups.nunique() > 1 and (groups != "").all():
            interval = cluster_interval(right, groups.tolist())
            note = f"bootstrap over {groups.nunique()} {plural}; {chosen}"
            name = f"top-1 by {column}"
            results.append(Metric(name, 100 * right.mean(), n, "test", "%", interval, note))
    if scores.shape[1] > 5:
        five = metrics.top_k(scores, targets, 5)
        interval = wilson_interval(five)
        results.append(Metric("top-5", 100 * five.mean(), n, "test", "%", interval, chosen))
    if named:
        by_class = metrics.per_class_accuracy(right, targets)
        spread = mean_interval(by_class) if len(by_class) > 1 else None
        note = f"mean over {len(by_class)} glosses, bootstrap over them; {chosen}"
        results.append(Metric("per-class top-1", by_class.mean(), n, "test", "%", spread, note))
    return results
