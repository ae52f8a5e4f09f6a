"""What a finished run reads in clips of one's own: sentences with times, and other readings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from signlib.data.vocabulary import Vocabulary
from signlib.decoding.alignment import align, log_probability
from signlib.decoding.beam import BeamSearch
from signlib.decoding.language_model import read_arpa, train_model
from signlib.errors import RunError
from signlib.runs.run import Run
from signlib.settings.sentences import SentenceSettings
from signlib.tasks.sentence_report import (
    LANGUAGE_MODEL,
    READINGS,
    Decoders,
    vocabulary_words,
)


class Sign(NamedTuple):
    """A gloss of a sentence.

    Attributes:
        gloss: what is signed.
        start, end: seconds, from the likeliest alignment of the sentence. A network with CTC often
            names a gloss only in the frames where it is surest, which are fewer than those it is
            signed in.
        confidence: mean probability of the gloss over these frames.
    """

    gloss: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class SentenceReading:
    """What a run reads in one clip.

    Attributes:
        clip: its id, or its file.
        glosses: what it is known to say, blanks between; "" where nobody says.
        signs: what is read, in order, by the decoder that the run was tested with.
        confidence: probability of these glosses over all their alignments, by the network alone.
        best: the readings of the beam search with their log probabilities, the language model's
            part included; the first one may be another than `signs` where the run was tested with
            the best path.
        problem: why the clip could not be used; "" when it could.
        note: what was assumed of it; "" where nothing was.
    """

    clip: str
    glosses: str = ""
    signs: list[Sign] = field(default_factory=list)
    confidence: float = 0.0
    best: list[tuple[str, float]] = field(default_factory=list)
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class SentenceReader:
    """Scores of frames to readings.

    Attributes:
        decoders: of the run.
        vocabulary: names of its classes.
        stride: frames of a clip for each frame of scores.
        top: how many readings of the beam search are told.
    """

    decoders: Decoders
    vocabulary: Vocabulary
    stride: int
    top: int

    def signs(
        self, scores: np.ndarray, classes: Sequence[int], frames: int, fps: float
    ) -> Iterator[Sign]:
        """The glosses of a reading with their times.

        Args:
            scores: (T', V) log probabilities.
            classes: of the reading, without blanks.
            frames: T of the clip; no sign lasts longer.
            fps: frames a second of the clip.
        """
        glosses, spans = vocabulary_words(self.vocabulary, classes), align(scores, classes)
        for gloss, k, (first, end) in zip(glosses, classes, spans.tolist(), strict=True):
            shares = np.exp(scores[first:end, k])
            last = min(end * self.stride, frames)
            yield Sign(gloss, first * self.stride / fps, last / fps, float(shares.mean()))

    def read(
        self, clip: str, scores: np.ndarray, frames: int, fps: float, glosses: str, note: str
    ) -> SentenceReading:
        """One clip; see `signs` and `SentenceReading`."""
        (classes,) = self.decoders.read([scores], self.decoders.chosen)
        heard = self.decoders.search(self.decoders.chosen)(scores)[: self.top]
        best = [
            (" ".join(vocabulary_words(self.vocabulary, reading.classes)), reading.score)
            for reading in heard
        ]
        confidence = float(np.exp(log_probability(scores, classes)))
        signs = list(self.signs(scores, classes, frames, fps))
        return SentenceReading(clip, glosses, signs, confidence, best, note=note)


def decoders_of(
    run: Run,
    ctc: SentenceSettings,
    vocabulary: Vocabulary,
    trained: Callable[[], Sequence[Sequence[str]]],
) -> Decoders:
    """The decoders of a finished run, with the one chosen that it was tested with.

    Args:
        run: which keeps its n-grams, and says how it was tested.
        ctc: its settings.
        vocabulary: names of its classes.
        trained: gives the sentences of training, for runs that were made before n-grams were kept.

    Raises:
        RunError: for a run that has not been tested.
    """
    facts = run.facts
    if "reading" not in facts:
        raise RunError(
            f"run {run.path} has not been tested, which chooses its decoder; resume it with"
            " `train --resume`"
        )
    chosen, alpha, beta = facts["reading"], facts["alpha"], facts["beta"]
    beam, searched = BeamSearch(vocabulary.glosses, ctc.beam), None
    if chosen == READINGS[2]:
        kept = run.path / LANGUAGE_MODEL
        model = None
        if alpha:
            model = read_arpa(kept) if kept.is_file() else train_model(trained(), ctc.order)
        searched = BeamSearch(vocabulary.glosses, ctc.beam, model, alpha, beta)
    # Without validation there are no rates, and the best path is taken.
    rates = {name: rate for name, rate in facts["validation"].items() if name == chosen}
    return Decoders(beam, searched, alpha, beta, rates)
