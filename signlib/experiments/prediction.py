"""A trained run put to work on clips of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib.corpora.folder import is_one_clip
from signlib.data.points import FileNumbers
from signlib.errors import failure_lines, grouped, joined, one_line, same_kind
from signlib.evaluation import wer
from signlib.evaluation.metrics import NO_NUMBERS
from signlib.experiments.early import check_prediction
from signlib.paths import readable
from signlib.runs.run import Run

# A note that more clips have is told once.
_FEW = 3


def predict(
    run: Run,
    clips: Sequence[str | Path],
    split: str = "",
    top: int = 5,
    tower: str = "",
    fps: float = 0.0,
    numbers: FileNumbers | None = None,
) -> pd.DataFrame:
    """The likeliest glosses of clips, or the sentences that are signed in them.

    Args:
        run: a run with weights.
        clips: videos, folders of numbered pictures, `.npy` or `.pose` files, or stores made with
            the run's extractor. A run on several modalities finds depth in `X_depth.mp4` beside
            `X_color.mp4`, takes a store of pictures and one of landmarks, and makes do with the
            modalities that a clip has. A graph network takes `.skeleton` files, `.npy` files (T, M,
            J, 3) and stores of skeletons. A run on phonological features takes stores of them, too.
        split: of stores, only the clips of this split: what the run took them for, or what the
            store's manifest says where the run took none of them.
        top: how many glosses a clip; of sentences, how many readings.
        tower: for a run on frozen features, where its encoder lies now; "" = where it lay when
            they were made.
        fps: frames a second of clips that do not say it themselves, such as `.npy` files or
            folders of pictures; 0 = nobody knows it: 25 is assumed and said in `note` where the
            run reads it.
        numbers: what the numbers of landmark files mean; None = points at (0, 0) lie there, and x
            and y are fractions of the picture.

    Returns:
        One row a clip: clip, gloss ("" where nobody says), top = [(gloss, share of confidence),
        ...], problem ("" unless the clip could not be used), missing (modalities that it lacks,
        with commas), warning (in what it is unlike the training clips, "" where nothing is or
        the run does not tell), and note (what was assumed of it, was taken from it, or looks
        wrong in it). A clip whose scores are no finite numbers has a problem, never a gloss.
        Of a run that reads sentences: clip, glosses, signs = [(gloss, start, end, confidence),
        ...], confidence, best = [(glosses, log probability), ...], problem and note; see
        `tasks.sentence_reading.SentenceReading`.
        Its `attrs["trained"]` says in words how many of the clips trained the run, where it knows
        and no split was asked for.

    Raises:
        RunError: when the run was trained on other points or pictures than these clips give, or
            its task names no glosses.
        SettingsError: for an fps that no clip has, or a split without a store.
    """
    check_prediction(run, clips, split, fps)
    from signlib.tasks.registry import load_recogniser, task_of

    recogniser = replace(load_recogniser(run), fps=fps, numbers=numbers or FileNumbers())
    table = task_of(run.settings).predict(recogniser, clips, split, top, tower)
    table = _told(table, recogniser.notes)
    if not split and run.splits:
        table.attrs["trained"] = trained_words(run.splits, clips, table["clip"])
    return table


def _told(table: pd.DataFrame, notes: Mapping[str, str]) -> pd.DataFrame:
    # The table with what was noted of each clip; what has no finite scores has no gloss.
    broken = [not np.isfinite([share for _, share in top]).all() for top in table.get("top", ())]
    if any(broken):
        rows = table.index[broken]
        table.loc[rows, "problem"] = NO_NUMBERS
        table.loc[rows, "top"] = pd.Series([[] for _ in rows], rows, dtype=object)
    said = [
        # A problem tells it already.
        row.note if row.problem else joined(row.note, notes.get(row.clip))
        for row in table.itertuples()
    ]
    return table.assign(note=said)


def trained_words(
    splits: Mapping[str, str], given: Sequence[str | Path], clips: Sequence[str]
) -> str:
    """How many clips trained a run, in words; "" for files none of which has a clip's name.

    A file is taken for a clip whose id is its name, or its name after those of its folders, as a
    folder of videos names them.

    Args:
        splits: of the run: clip -> train, val or test.
        given: files and stores that were predicted.
        clips: what they hold: ids of clips in stores, and the files themselves.
    """
    files = {str(Path(clip)) for clip in given if is_one_clip(clip)}
    stored = [clip for clip in clips if clip not in files]
    known = sum(splits.get(clip) == "train" for clip in stored)
    named = sum("train" in map(splits.get, _ids(Path(file))) for file in files)
    words = []
    if stored:
        words.append(f"{known} of {len(stored)} clips of the store trained this run")
    if named:
        words.append(f"{named} of {len(files)} files are named like a clip that trained this run")
    if known + named:
        words.append("what it says of those tells nothing about new ones")
    return "; ".join(words)


def _ids(file: Path) -> list[str]:
    # Those that its clip may have: with no folder, with one, with two.
    whole = file.resolve()
    parts = (whole if whole.is_dir() else whole.with_suffix("")).parts
    return ["_".join(parts[-count:]) for count in (1, 2, 3)]


def long_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """A table of predictions for a csv.

    Of single signs one row a clip and rank: clip, rank, gloss, confidence. Of sentences one row a
    clip: clip, sentence, start, end and confidence_of_signs (a number a gloss), confidence, best
    (readings with their log probabilities, a semicolon between).
    """
    if "signs" in predictions:
        return pd.DataFrame(
            [_sentence_row(row) for row in predictions.itertuples() if not row.problem],
            columns=[
                "clip",
                "sentence",
                "start",
                "end",
                "confidence_of_signs",
                "confidence",
                "best",
            ],
        )
    return pd.DataFrame(
        [
            {
                "clip": readable(row.clip),
                "rank": rank,
                "gloss": gloss,
                "confidence": round(share, 4),
            }
            for row in predictions.itertuples()
            for rank, (gloss, share) in enumerate(row.top, start=1)
        ],
        columns=["clip", "rank", "gloss", "confidence"],
    )


def _sentence_row(row: Any) -> dict[str, Any]:
    texts = [f"{text} ({score:.4f})" for text, score in row.best]
    return {
        "clip": readable(row.clip),
        "sentence": " ".join(sign.gloss for sign in row.signs),
        "start": " ".join(f"{sign.start:.3f}" for sign in row.signs),
        "end": " ".join(f"{sign.end:.3f}" for sign in row.signs),
        "confidence_of_signs": " ".join(f"{sign.confidence:.4f}" for sign in row.signs),
        "confidence": round(row.confidence, 4),
        "best": "; ".join(texts),
    }


def report(predictions: pd.DataFrame) -> str:
    """A table of predictions as lines to read; below them how many are right, where it is known.

    Clips that cannot be used stand at the end, one line a reason; so do notes that many clips have.
    """
    spoken = "signs" in predictions
    problems = predictions[predictions["problem"] != ""]
    notes = {row.clip: row.note for row in predictions.itertuples() if row.note}
    shared = [each for each in grouped(notes) if each[0] > _FEW]
    common = {same_kind(note) for _, _, note in shared}
    lines: list[str] = []
    for row in predictions[predictions["problem"] == ""].itertuples():
        lines.append(f"{row.clip}: {_said(row) if spoken else _likeliest(row)}")
        if spoken:
            sentence = " ".join(sign.gloss for sign in row.signs)
            others = [reading for reading in row.best if reading[0] != sentence]
            lines += [f"  or {text or '(nothing)'} ({score:.2f})" for text, score in others]
        elif row.warning:
            lines.append(f"  unlike the training clips, so do not trust this: {row.warning}")
        if row.note and same_kind(row.note) not in common:
            lines.append(f"  note: {row.note}")
    reasons = {row.clip: f"not usable: {row.problem}" for row in problems.itertuples()}
    lines += failure_lines(reasons)
    lines += [f"note: {count:,} clips, the first {clip}: {note}" for count, clip, note in shared]
    lines += _sentences_right(predictions) if spoken else _right(predictions)
    lines += filter(None, [predictions.attrs.get("trained", "")])
    return "\n".join(map(one_line, lines))


def _likeliest(row: Any) -> str:
    best = ", ".join(f"{gloss} {share:.0%}" for gloss, share in row.top)
    return best + (f" (without {row.missing})" if row.missing else "")


def _said(row: Any) -> str:
    signs = [
        f"{sign.gloss} {sign.start:.2f}-{sign.end:.2f} s {sign.confidence:.0%}"
        for sign in row.signs
    ]
    return f"{', '.join(signs) or '(nothing signed)'}; the whole {row.confidence:.0%}"


def _right(predictions: pd.DataFrame) -> list[str]:
    labelled = predictions[(predictions["gloss"] != "") & (predictions["problem"] == "")]
    right = sum(row.top[0][0] == row.gloss for row in labelled.itertuples())
    text = f"{right} of {len(labelled)} clips whose gloss is known are right"
    return [text] if len(labelled) else []


def _sentences_right(predictions: pd.DataFrame) -> list[str]:
    labelled = predictions[(predictions["glosses"] != "") & (predictions["problem"] == "")]
    if labelled.empty:
        return []
    said = [text.split() for text in labelled["glosses"]]
    heard = [[sign.gloss for sign in signs] for signs in labelled["signs"]]
    errors, words = wer.word_errors(said, heard), np.array([len(text) for text in said])
    return [
        f"{int((errors == 0).sum())} of {len(said)} sentences whose glosses are known are right;"
        f" word error rate {wer.error_rate(errors, words):.1f} %"
    ]
