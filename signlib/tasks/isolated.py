"""What families of single signs share: the test, its metrics, predictions of one gloss a clip."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from signlib.corpora import clips as corpora
from signlib.corpora import registry
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.evaluation import metrics
from signlib.models import classifier, landmarks
from signlib.reports import plots
from signlib.runs.run import Metric, Run
from signlib.settings import base, frozen, modalities
from signlib.statistics.intervals import cluster_interval, mean_interval, wilson_interval
from signlib.stores.store import ClipSource
from signlib.tasks.task import M, S, Task, check_usable
from signlib.training.augment import hands_of
from signlib.training.batches import Clips, Prepared, prepare_clips
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
        check_usable(test, "test clip")
        run.note(missing=len(test.unusable))
        scores, vocabulary = self.test_scores(model, test, quiet)
        metrics.check_scores(scores, test.clips)
        targets = test.data.targets
        rows = self.splits.test.set_index("clip").loc[test.clips]
        predicted = scores.argmax(axis=1)
        confusion = metrics.confusion(predicted, targets, len(vocabulary))
        figures = {"confusion": lambda: plots.confusion_matrix(confusion, vocabulary.glosses)}
        if self.in_steps:
            curve = {"learning_curve": lambda: plots.learning_curve(run.history.to_dict("records"))}
            figures = curve | figures
        return run.finish(
            test_metrics(scores, targets, rows, self.splits.notes, run),
            prediction_table(rows, vocabulary.decode(predicted), np.exp(scores.max(axis=1))),
            scores=(scores, test.clips, vocabulary.glosses),
            figures=figures,
        )

    def test_scores(self, model: M, test: Clips, quiet: bool) -> tuple[np.ndarray, Vocabulary]:
        """Log-probabilities (N, K) of the test clips, and the K classes."""
        return score(model, test.data, self.settings, self.mirror), self.vocabulary


def prediction_table(rows: pd.DataFrame, predicted: list[str], score: np.ndarray) -> pd.DataFrame:
    """What a run keeps of each test clip: clip, signer, target, prediction, score.

    Args:
        rows: of the manifest, with the clip as index.
        predicted: N glosses.
        score: (N,) of the predicted gloss.
    """
    return (
        rows[["signer", "gloss"]]
        .rename(columns={"gloss": "target"})
        .reset_index()
        .assign(prediction=predicted, score=np.round(score, 4))
    )


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
    # Name, value, interval and note.
    results: list[tuple[str, float, tuple[float, float] | None, str]] = [
        (
            "top-1",
            100 * right.mean(),
            wilson_interval(right),
            f"{of_all}Wilson interval over clips; {chosen}",
        )
    ]
    for column, plural in [("signer", "signers"), ("gloss", "glosses")][: 1 + named]:
        groups = rows[column]
        if groups.nunique() > 1 and (groups != "").all():
            interval = cluster_interval(right, groups.tolist())
            note = f"bootstrap over {groups.nunique()} {plural}; {chosen}"
            results.append((f"top-1 by {column}", 100 * right.mean(), interval, note))
    if scores.shape[1] > 5:
        five = metrics.top_k(scores, targets, 5)
        results.append(("top-5", 100 * five.mean(), wilson_interval(five), chosen))
    if named:
        by_class = metrics.per_class_accuracy(right, targets)
        spread = mean_interval(by_class) if len(by_class) > 1 else None
        note = f"mean over {len(by_class)} glosses, bootstrap over them; {chosen}"
        results.append(("per-class top-1", by_class.mean(), spread, note))
    return [
        Metric(name, value, n, "test", "%", interval, note)
        for name, value, interval, note in results
    ]


def landmarks_beside(data: base.DataSettings, asked: str) -> tuple[ClipSource | None, pd.DataFrame]:
    """Landmarks that are read beside something else, and the manifest of the clips.

    Args:
        data: which clips.
        asked: which setting wants landmarks, for the error; "" = none does.

    Raises:
        SettingsError: for a corpus of videos without a store of landmarks.
    """
    source = corpora.load_landmarks(data, data.landmarks, asked) if asked else None
    return source, (
        corpora.load_manifest(data)
        if source is None or registry.corpus_of(data).has_files
        else source.labelled
    )


def prepare_those_with_landmarks(
    source: ClipSource, clips: Sequence[str], settings: base.FeatureSettings, quiet: bool
) -> Prepared:
    """Those of the clips that a source has, prepared."""
    available = set(source.labelled["clip"])
    return prepare_clips(source, [clip for clip in clips if clip in available], settings, quiet)


def encoder_beside(
    settings: frozen.FrozenExperiment | modalities.ModalitiesExperiment, skeleton: Skeleton
) -> landmarks.LandmarkEncoder | landmarks.OriginalLandmarkEncoder:
    """The untrained encoder of landmarks that stands beside other encoders."""
    chosen, features = skeleton.select(settings.features.joints), settings.features
    return classifier.landmark_encoder(
        settings.model, len(chosen), features.coordinates, hands_of(chosen), features.frames
    )
