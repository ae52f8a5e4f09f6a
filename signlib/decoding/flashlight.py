"""flashlight-text, a beam search in C++ of others, behind the interface of `BeamSearch`.

Its decoder without a lexicon sums over alignments exactly, but has no bonus a word. The one with a
lexicon has, and forgets that a gloss of one unit may last: here every gloss has two spellings, `A`
and `A A`, and the blank passes as silence, so that each alignment has exactly one path.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from signlib.decoding import ctc, language_model
from signlib.errors import SettingsError
from signlib.processes import scratch, silenced

# A threshold that no hypothesis falls below.
_EVERYTHING = 1e9


class FlashlightSearch:
    """Log probabilities (T, V) to readings; arguments as for `BeamSearch`.

    Args:
        tokens: classes that are tried in a frame, the likeliest ones; 0 = all.

    Raises:
        SettingsError: for a model of order 1, which KenLM does not read.
    """

    def __init__(
        self,
        glosses: Sequence[str],
        beam: int,
        model: language_model.NGramModel | None = None,
        alpha: float = 0.0,
        beta: float = 0.0,
        tokens: int = 0,
    ) -> None:
        # Loads a C++ library that the other engine does not need.
        from flashlight.lib.text import decoder

        self.classes, self.spelled = len(glosses) + 1, bool(beta)
        lm = _kenlm(model, glosses) if model else decoder.ZeroLM()
        sizes = (
            beam,
            min(tokens or self.classes + 1, self.classes + 1),
            _EVERYTHING,
            alpha * math.log(10),
        )
        if not self.spelled:
            options = decoder.LexiconFreeDecoderOptions(
                *sizes, 0.0, True, decoder.CriterionType.CTC
            )
            self.decoder = decoder.LexiconFreeDecoder(options, lm, ctc.BLANK, ctc.BLANK, [])
            return
        trie, start = decoder.Trie(self.classes + 1, -1), lm.start(False)
        for k in range(1, self.classes):
            likely = lm.score(start, k)[1]
            trie.insert([k], k, likely)
            trie.insert([k, k], k, likely)
        trie.smear(decoder.SmearingMode.MAX)
        options = decoder.LexiconDecoderOptions(
            *sizes, beta, -math.inf, 0.0, True, decoder.CriterionType.CTC
        )
        # The blank is silence here, and the decoder's own blank a class that never occurs.
        self.decoder = decoder.LexiconDecoder(
            options, trie, lm, ctc.BLANK, self.classes, -1, [], False
        )

    def __call__(self, log_probabilities: np.ndarray) -> list[ctc.Hypothesis]:
        """Readings, the best first.

        Args:
            log_probabilities: (T, V).
        """
        # one class more, which never occurs, where glosses are spelled
        more = ((0, 0), (0, int(self.spelled)))
        frames = np.pad(np.float32(log_probabilities), more, constant_values=-_EVERYTHING)
        results = self.decoder.decode(frames.ctypes.data, *frames.shape)
        readings: dict[tuple[int, ...], float] = {}
        for result in results:
            words = [word for word in result.words if word >= 0]
            said = words if self.spelled else ctc.collapse(result.tokens)
            readings.setdefault(tuple(said), float(result.score))
        return [ctc.Hypothesis(classes, score) for classes, score in readings.items()]


def _kenlm(model: language_model.NGramModel, glosses: Sequence[str]) -> Any:
    # The model in KenLM, which reads it from a file and writes a progress bar meanwhile.
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    if model.order < 2:
        raise SettingsError(
            "engine=flashlight reads language models of order 2 or more; take engine=own, or"
            " train one"
        )
    names = Dictionary()
    for name in ("<blank>", *glosses):
        names.add_entry(name)
    with scratch() as folder, silenced():
        language_model.write_arpa(folder / "model.arpa", model)
        return KenLM(str(folder / "model.arpa"), names)
