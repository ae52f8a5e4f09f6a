"""What a trained network for sentences reads: scores of frames, decoder chosen on validation,
errors on the test.

Greedy, beam and beam with n-grams stand beside each other; which of them is the run's own reading,
and the language model's weight and bonus, is decided on validation sentences alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from signlib.data.vocabulary import Vocabulary
from signlib.decoding.beam import BeamSearch
from signlib.decoding.ctc import greedy
from signlib.decoding.language_model import NGramModel, train_model
from signlib.errors import ManifestError, RunError
from signlib.evaluation import wer
from signlib.files import disk_error
from signlib.models.ctc_front import SentenceModel
from signlib.reports import plots
from signlib.runs import run as runs
from signlib.settings.base import Settings
from signlib.settings.sentences import SentenceSettings
from signlib.statistics.error_rates import rate_interval
from signlib.training.batches import ClipData
from signlib.training.devices import choose_device
from signlib.training.sentences import Sentence, collate_sentences

if TYPE_CHECKING:
    from signlib.tasks.sentences import SentenceTask

EMISSIONS = "emissions-{}.npz"
READINGS = ("greedy", "beam", "beam + n-grams")
_TIMED_CLIPS = 10


@dataclass(frozen=True)
class Decoders:
    """The three ways of reading, and what validation said of them.

    Attributes:
        beam, model_beam: searches; the second is None without a language model.
        alpha, beta: weight and bonus of the second.
        rates: reading -> word error rate on validation sentences, empty without validation.
    """

    beam: BeamSearch
    model_beam: BeamSearch | None
    alpha: float
    beta: float
    rates: dict[str, float]

    @property
    def chosen(self) -> str:
        """The reading with fewest errors on validation sentences; greedy where there are none."""
        return min(self.rates, key=self.rates.__getitem__) if self.rates else READINGS[0]

    def read(self, emissions: Sequence[np.ndarray], reading: str) -> list[list[int]]:
        """Class numbers of each clip, blanks left out."""
        if reading == READINGS[0]:
            return [greedy(scores[None], [len(scores)])[0] for scores in emissions]
        search = self.beam
        if reading == READINGS[2] and self.model_beam is not None:
            search = self.model_beam
        return [list(search(scores)[0].classes) for scores in emissions]


def evaluate_sentences(
    task: "SentenceTask", run: runs.Run, model: SentenceModel, resume: bool, quiet: bool
) -> runs.Run:
    """The run with its readings of the test split.

    That split is opened once, after the decoder is chosen.

    Raises:
        ManifestError: when no test sentence can be used.
    """
    splits, vocabulary = task.splits, task.vocabulary
    heard: list[np.ndarray] = []
    said: list[list[str]] = []
    val_clips: list[str] = []
    if len(splits.val):
        validation = task.prepare(splits.val, vocabulary, 1, quiet)
        val_clips = validation.clips
        if val_clips:
            heard = emissions_of(model, validation.data, run.settings)
            said = _sentences(splits.val, val_clips)
    trained = [text.split() for text in splits.train["glosses"]]
    decoders = choose_decoder(task.settings.ctc, vocabulary, trained, heard, said)
    if heard:
        write_emissions(run.path / EMISSIONS.format("val"), heard, val_clips, vocabulary)
    run.open_test(after_crash=resume)
    test = task.prepare(splits.test, vocabulary, 1, quiet)
    if not test.clips:
        raise ManifestError(
            f"no test sentence can be used; the first reason: {next(iter(test.unusable.values()))}"
        )
    run.note(
        missing=len(test.unusable),
        alpha=decoders.alpha,
        beta=decoders.beta,
        reading=decoders.chosen,
        validation={name: round(rate, 2) for name, rate in decoders.rates.items()},
    )
    found = emissions_of(model, test.data, run.settings)
    write_emissions(run.path / EMISSIONS.format("test"), found, test.clips, vocabulary)
    rows, references = (
        splits.test.set_index("clip").loc[test.clips],
        _sentences(splits.test, test.clips),
    )
    used = [name for name in READINGS if name != READINGS[2] or decoders.model_beam is not None]
    readings = {
        name: [vocabulary_words(vocabulary, r) for r in decoders.read(found, name)] for name in used
    }
    metrics = sentence_metrics(
        run, references, readings, rows["signer"].tolist(), decoders, splits.notes
    )
    speed = frames_a_second(model, test.data, run.settings)
    metrics.append(
        runs.Metric(
            "frames read a second",
            speed,
            min(_TIMED_CLIPS, len(found)),
            "test",
            "frames/s",
            note=f"one clip at a time on {run.facts['device']}, median",
        )
    )
    table = prediction_table(rows, references, readings[decoders.chosen])
    history = pd.read_csv(run.path / "history.csv").to_dict("records")
    confused = wer.confusions(wer.alignment(references, readings[decoders.chosen]))
    figures = {
        "learning_curve": plots.sentence_curve(history),
        "confusions": plots.frequent_confusions(confused),
    }
    return run.finish(metrics, table, None, figures)


@torch.no_grad()
def emissions_of(model: SentenceModel, data: Dataset, settings: Settings) -> list[np.ndarray]:
    """Log probabilities (T', V) of each clip of a dataset, without padding."""
    accelerator, _ = choose_device(settings.training)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    model = model.to(device).eval()
    out = []
    for batch in DataLoader(
        data, batch_size=settings.training.batch_size, collate_fn=collate_sentences
    ):
        scores = (
            model({key: value.to(device) for key, value in batch.items()}).float().cpu().numpy()
        )
        out += [
            row[:frames]
            for row, frames in zip(scores, model.frames(batch["lengths"]).tolist(), strict=True)
        ]
    return out


def choose_decoder(
    ctc: SentenceSettings,
    vocabulary: Vocabulary,
    trained: Sequence[Sequence[str]],
    emissions: Sequence[np.ndarray],
    references: Sequence[Sequence[str]],
) -> Decoders:
    """The searches, with the n-gram model's weight and bonus that make fewest errors on validation
    sentences.

    Args:
        trained: sentences that the n-grams are counted in: those of training.
        emissions, references: of validation; without them there is no language model.
    """
    beam = BeamSearch(vocabulary.glosses, ctc.beam)
    plain = Decoders(beam, None, 0.0, 0.0, {})
    if not len(emissions):
        return plain
    words = np.array([len(text) for text in references])

    def rate(readings: list[list[int]]) -> float:
        heard = [vocabulary_words(vocabulary, reading) for reading in readings]
        return wer.error_rate(wer.word_errors(references, heard), words)

    rates = {name: rate(plain.read(emissions, name)) for name in READINGS[:2]}
    if not ctc.order:
        return Decoders(beam, None, 0.0, 0.0, rates)
    model = train_model(trained, ctc.order)
    tried = {
        (alpha, beta): rate([list(search(scores)[0].classes) for scores in emissions])
        for alpha, beta in product(ctc.alphas, ctc.betas)
        for search in [_search(vocabulary, ctc.beam, model, alpha, beta)]
    }
    alpha, beta = min(tried, key=lambda pair: (tried[pair], *pair))
    best = _search(vocabulary, ctc.beam, model, alpha, beta)
    return Decoders(beam, best, alpha, beta, rates | {READINGS[2]: tried[alpha, beta]})


def _search(
    vocabulary: Vocabulary, beam: int, model: NGramModel, alpha: float, beta: float
) -> BeamSearch:
    return BeamSearch(vocabulary.glosses, beam, model if alpha else None, alpha, beta)


def vocabulary_words(vocabulary: Vocabulary, classes: Sequence[int]) -> list[str]:
    """Glosses of class numbers, class 0 being the blank."""
    return vocabulary.decode(k - 1 for k in classes)


def _sentences(rows: pd.DataFrame, clips: Sequence[str]) -> list[list[str]]:
    return [text.split() for text in rows.set_index("clip")["glosses"].loc[list(clips)]]


def sentence_metrics(
    run: runs.Run,
    references: list[list[str]],
    readings: dict[str, list[list[str]]],
    signers: list[str],
    decoders: Decoders,
    notes: Sequence[str],
) -> list[runs.Metric]:
    """Word error rate of each reading (the chosen one first, also over signers), and how many signs
    are right.
    """
    words, found = np.array([len(text) for text in references]), []
    about = f"{run.facts['chosen']}; {'; '.join(notes)}"
    n, missing = len(references), run.facts.get("missing", 0)
    of_all = f"on {n} of {n + missing} sentences; " if missing else ""
    for name in sorted(readings, key=lambda name: name != decoders.chosen):
        counts = wer.edits(references, readings[name])
        kinds = [
            int(part.sum()) for part in (counts.substitutions, counts.deletions, counts.insertions)
        ]
        note = "{} sub, {} del, {} ins of {} signs; ".format(*kinds, int(words.sum()))
        if name == READINGS[2]:
            note += f"alpha {decoders.alpha:g}, beta {decoders.beta:g} by validation; "
        if name == decoders.chosen:
            by = "validation" if decoders.rates else "default"
            note += f"this reading by {by}; "
        interval = rate_interval(counts.errors, words)
        found.append(
            runs.Metric(
                f"WER ({name})",
                counts.rate,
                n,
                "test",
                "%",
                interval,
                f"{of_all}{note}bootstrap over sentences; {about}",
            )
        )
        if name == decoders.chosen:
            if len(set(signers) - {""}) > 1:
                spread = rate_interval(counts.errors, words, signers)
                note = f"bootstrap over {len(set(signers))} signers; {about}"
                found.append(
                    runs.Metric(
                        f"WER by signer ({name})", counts.rate, n, "test", "%", spread, note
                    )
                )
            right = int(words.sum()) - kinds[0] - kinds[1]
            found.append(
                runs.Metric(
                    "signs found",
                    100 * right / words.sum(),
                    int(words.sum()),
                    "test",
                    "%",
                    note=f"of the signs signed, {name}; {about}",
                )
            )
    return found


def prediction_table(
    rows: pd.DataFrame, references: list[list[str]], heard: list[list[str]]
) -> pd.DataFrame:
    """What a run keeps of each test sentence: clip, signer, target, hypothesis, and its edit
    counts.

    Args:
        rows: of the manifest, with the clip as index.
    """
    counts = wer.edits(references, heard)
    table = rows[["signer"]].reset_index()
    return table.assign(
        target=[" ".join(text) for text in references],
        hypothesis=[" ".join(text) for text in heard],
        words=counts.words,
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
    )


@torch.no_grad()
def frames_a_second(model: SentenceModel, data: ClipData[Sentence], settings: Settings) -> float:
    """Median frames a second from prepared clip to reading, one clip at a time.

    Making the features counts.
    """
    accelerator, _ = choose_device(settings.training)
    device, speeds = torch.device("cuda" if accelerator == "gpu" else "cpu"), []
    model = model.to(device).eval()
    for item in [data[k] for k in range(min(_TIMED_CLIPS, len(data)))] * 2:
        started = time.perf_counter()
        batch = {key: value.to(device) for key, value in collate_sentences([item]).items()}
        greedy(model(batch).float().cpu().numpy(), model.frames(batch["lengths"]).tolist())
        speeds.append(len(item) / (time.perf_counter() - started))
    return float(np.median(speeds))


def write_emissions(
    path: Path, emissions: Sequence[np.ndarray], clips: Sequence[str], vocabulary: Vocabulary
) -> None:
    """Keep log probabilities of frames, so that other decoders can be tried without the model.

    Raises:
        DiskError: when they cannot be written.
    """
    temporary = path.with_name("." + path.name)
    lengths = np.array([len(scores) for scores in emissions])
    try:
        np.savez_compressed(
            temporary,
            scores=np.concatenate(emissions).astype(np.float16),
            lengths=lengths,
            clips=np.array(list(clips), dtype=np.str_),
            glosses=np.array(vocabulary.glosses, dtype=np.str_),
        )
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def read_emissions(run: runs.Run, split: str) -> tuple[list[np.ndarray], list[str], Vocabulary]:
    """Log probabilities (T', V) of each clip of a split (`val` or `test`), the clips, and the
    glosses.

    Raises:
        RunError: when the run kept none.
    """
    path = run.path / EMISSIONS.format(split)
    if not path.is_file():
        raise RunError(
            f"run {run.path} has no {path.name}; it reads no sentences, or is a published run"
        )
    with np.load(path, allow_pickle=False) as found:
        scores = np.split(found["scores"].astype(np.float32), np.cumsum(found["lengths"])[:-1])
        return scores, found["clips"].tolist(), Vocabulary(tuple(found["glosses"].tolist()))
