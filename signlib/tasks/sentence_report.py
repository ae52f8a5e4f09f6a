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

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from signlib import reading
from signlib.data.vocabulary import Vocabulary
from signlib.decoding.beam import BeamSearch
from signlib.decoding.ctc import greedy
from signlib.decoding.language_model import train_model, write_arpa
from signlib.errors import RunError
from signlib.evaluation import wer
from signlib.evaluation.metrics import check_scores
from signlib.models.ctc_front import SentenceModel
from signlib.reading import Form
from signlib.reports import plots
from signlib.runs import checks
from signlib.runs import run as runs
from signlib.settings.base import Settings
from signlib.settings.sentences import SentenceExperiment, SentenceSettings
from signlib.statistics.error_rates import rate_interval
from signlib.tasks.task import Task, check_usable
from signlib.training.batches import ClipData
from signlib.training.devices import choose_device
from signlib.training.sentences import Sentence, collate_sentences

EMISSIONS = "emissions-{}.npz"
LANGUAGE_MODEL = "language_model.arpa"
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
        return _best_readings(self.search(reading), emissions)

    def search(self, reading: str) -> BeamSearch:
        """The beam search that a reading is made with; of the best path, that without n-grams."""
        with_model = self.model_beam if reading == READINGS[2] else None
        return with_model or self.beam


def _best_readings(search: BeamSearch, emissions: Sequence[np.ndarray]) -> list[list[int]]:
    return [list(search(scores)[0].classes) for scores in emissions]


class ReportedSentences(Task[SentenceExperiment, SentenceModel]):
    """A family that reads sentences."""

    # Word errors.
    lower_is_better = True

    def evaluate(self, run: runs.Run, model: SentenceModel, resume: bool, quiet: bool) -> runs.Run:
        """The run with its readings of the test split.

        That split is opened once, after the decoder is chosen.

        Raises:
            ManifestError: when no test sentence can be used.
        """
        splits, vocabulary = self.splits, self.vocabulary
        decoders = self.decoders(run, model, quiet)
        run.open_test(after_crash=resume)
        test = self.prepare(splits.test, vocabulary, 1, quiet)
        check_usable(test, "test sentence")
        run.note(missing=len(test.unusable))
        heard = emissions_of(model, test.data, run.settings)
        check_scores(heard, test.clips)
        write_emissions(run.path / EMISSIONS.format("test"), heard, test.clips, vocabulary)
        rows = splits.test.set_index("clip").loc[test.clips]
        said = _sentences(splits.test, test.clips)
        readings = {
            name: [vocabulary_words(vocabulary, path) for path in decoders.read(heard, name)]
            for name in READINGS[: 2 if decoders.model_beam is None else 3]
        }
        metrics = sentence_metrics(
            run, said, readings, rows["signer"].tolist(), decoders, splits.notes
        )
        speed = runs.Metric(
            "frames read a second",
            frames_a_second(model, test.data, run.settings),
            min(_TIMED_CLIPS, len(heard)),
            "test",
            "frames/s",
            note=f"one clip at a time on {run.facts['device']}, median",
        )
        chosen = readings[decoders.chosen]
        confused = wer.confusions(wer.alignment(said, chosen))
        return run.finish(
            [*metrics, speed],
            prediction_table(rows, said, chosen),
            figures={
                "learning_curve": lambda: plots.curves(
                    run.history.to_dict("records"), "validation_wer", "validation WER, greedy (%)"
                ),
                "confusions": lambda: plots.frequent_confusions(confused),
            },
        )

    def close_untested(self, run: runs.Run, model: SentenceModel, quiet: bool) -> runs.Run:
        """The run, finished without results, but with the decoder that prediction needs."""
        self.decoders(run, model, quiet)
        return super().close_untested(run, model, quiet)

    def decoders(self, run: runs.Run, model: SentenceModel, quiet: bool) -> Decoders:
        """The decoders, chosen on validation sentences and kept for prediction."""
        splits, vocabulary = self.splits, self.vocabulary
        val = self.prepare(splits.val, vocabulary, 1, quiet)
        heard = emissions_of(model, val.data, run.settings)
        check_scores(heard, val.clips)
        trained = [text.split() for text in splits.train["glosses"]]
        said = _sentences(splits.val, val.clips)
        decoders = choose_decoder(self.settings.ctc, vocabulary, trained, heard, said)
        if heard:
            write_emissions(run.path / EMISSIONS.format("val"), heard, val.clips, vocabulary)
        if decoders.model_beam is not None and decoders.model_beam.model is not None:
            write_arpa(run.path / LANGUAGE_MODEL, decoders.model_beam.model)
        run.note(
            alpha=decoders.alpha,
            beta=decoders.beta,
            reading=decoders.chosen,
            validation={name: round(rate, 2) for name, rate in decoders.rates.items()},
        )
        return decoders


def _device(settings: Settings) -> torch.device:
    return torch.device("cuda" if choose_device(settings.training)[0] == "gpu" else "cpu")


@torch.no_grad()
def emissions_of(model: SentenceModel, data: Dataset, settings: Settings) -> list[np.ndarray]:
    """Log probabilities (T', V) of each clip of a dataset, without padding."""
    device = _device(settings)
    model = model.to(device).eval()
    out: list[np.ndarray] = []
    for batch in DataLoader(
        data, batch_size=settings.training.batch_size, collate_fn=collate_sentences
    ):
        scores = model({key: value.to(device) for key, value in batch.items()})
        rows, lengths = scores.float().cpu().numpy(), model.frames(batch["lengths"]).tolist()
        out += [row[:frames] for row, frames in zip(rows, lengths, strict=True)]
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
    glosses, pairs = vocabulary.glosses, product(ctc.alphas, ctc.betas)
    tried = {
        pair: rate(_best_readings(BeamSearch(glosses, ctc.beam, model, *pair), emissions))
        for pair in pairs
    }
    alpha, beta = min(tried, key=lambda pair: (tried[pair], *pair))
    return Decoders(
        beam,
        BeamSearch(glosses, ctc.beam, model, alpha, beta),
        alpha,
        beta,
        rates | {READINGS[2]: tried[alpha, beta]},
    )


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
    words = np.array([len(text) for text in references])
    selection = f"{run.facts['chosen']}; {'; '.join(notes)}"
    n, missing, signs = len(references), run.facts.get("missing", 0), int(words.sum())
    of_all = f"on {n} of {n + missing} sentences; " if missing else ""
    # Name, value, how many it is of, interval and note.
    results: list[tuple[str, float, int, tuple[float, float] | None, str]] = []
    for name in sorted(readings, key=lambda name: name != decoders.chosen):
        counts = wer.edits(references, readings[name])
        kinds = [
            int(part.sum()) for part in (counts.substitutions, counts.deletions, counts.insertions)
        ]
        note = "{} sub, {} del, {} ins of {} signs; ".format(*kinds, signs)
        if name == READINGS[2]:
            note += f"alpha {decoders.alpha:g}, beta {decoders.beta:g} by validation; "
        if name == decoders.chosen:
            note += f"this reading by {'validation' if decoders.rates else 'default'}; "
        note = f"{of_all}{note}bootstrap over sentences; {selection}"
        interval = rate_interval(counts.errors, words)
        results.append((f"WER ({name})", counts.rate, n, interval, note))
        if name != decoders.chosen:
            continue
        if len(set(signers) - {""}) > 1:
            interval = rate_interval(counts.errors, words, signers)
            note = f"bootstrap over {len(set(signers))} signers; {selection}"
            results.append((f"WER by signer ({name})", counts.rate, n, interval, note))
        right = 100 * (signs - kinds[0] - kinds[1]) / words.sum()
        results.append(
            ("signs found", right, signs, None, f"of the signs signed, {name}; {selection}")
        )
    return [
        runs.Metric(name, value, number, "test", "%", interval, note)
        for name, value, number, interval, note in results
    ]


def prediction_table(
    rows: pd.DataFrame, references: list[list[str]], heard: list[list[str]]
) -> pd.DataFrame:
    """What a run keeps of each test sentence: clip, signer, target, hypothesis, and its edit
    counts.

    Args:
        rows: of the manifest, with the clip as index.
    """
    counts = wer.edits(references, heard)
    return (
        rows[["signer"]]
        .reset_index()
        .assign(
            target=[" ".join(text) for text in references],
            hypothesis=[" ".join(text) for text in heard],
            words=counts.words,
            substitutions=counts.substitutions,
            deletions=counts.deletions,
            insertions=counts.insertions,
        )
    )


@torch.no_grad()
def frames_a_second(model: SentenceModel, data: ClipData[Sentence], settings: Settings) -> float:
    """Median frames a second from prepared clip to reading, one clip at a time.

    Making the features counts.
    """
    device, speeds = _device(settings), []
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
    runs.write_arrays(
        path,
        {"clips": clips, "glosses": vocabulary.glosses},
        scores=np.concatenate(emissions).astype(np.float16),
        lengths=np.array([len(scores) for scores in emissions]),
    )


# What half precision adds to the logarithm of 1.
_ROUNDING = 0.01


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
    names = dict.fromkeys(("clips", "glosses"), Form("U", (None,)))
    forms = {"scores": Form("f", (None, None)), "lengths": Form("iu", (None,))}
    try:
        kept = reading.arrays(path, forms | names)
        clips, glosses = kept["clips"].tolist(), kept["glosses"].tolist()
        checks.check_names(clips, "clip")
        checks.check_different(glosses, "gloss")
        scores, lengths = kept["scores"].astype(np.float32), kept["lengths"]
        # A sentence's frames, and the blank beside the glosses.
        if len(lengths) != len(clips) or lengths.min() < 1 or lengths.sum() != len(scores):
            raise ValueError(f"lengths of {len(clips)} clips do not fit {len(scores)} frames")
        if scores.shape[1] != len(glosses) + 1:
            raise ValueError(f"{scores.shape[1]} scores a frame for {len(glosses)} glosses")
        if np.isnan(scores).any() or scores.max() > _ROUNDING:
            raise ValueError("it holds numbers that are no logarithms of probabilities")
    except (OSError, ValueError) as error:
        raise RunError(
            f"run {run.path}: {path.name} cannot be read ({error}); train it again"
        ) from None
    return np.split(scores, np.cumsum(lengths)[:-1]), clips, Vocabulary(tuple(glosses))
