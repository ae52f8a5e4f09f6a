"""N-grams over glosses: interpolated modified Kneser-Ney.

They are trained on the sentences of the training split only. A model is kept in the form of an ARPA
file (log probabilities and back-off weights), which other tools read.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signlib import reading
from signlib.errors import InputError, SettingsError
from signlib.files import write_text

START, END = "<s>", "</s>"
UNKNOWN = "<unk>"
# N-gram or context -> log10 of its probability or weight.
Table = dict[tuple[str, ...], float]
_LN10 = math.log(10)
# The smallest logarithm that is taken is minus this; -99 stands for "never".
_LARGEST = 1000
# What announces how many n-grams of an order follow.
_COUNT = re.compile(r"ngram (\d{1,2})=\s*(\d{1,12})", re.ASCII)


@dataclass(frozen=True)
class NGramModel:
    """Probabilities of the next gloss given those before it.

    Attributes:
        probabilities: for each order 1..n a table n-gram -> log10 probability of its last word.
        backoffs: for each order 1..n-1 a table context -> log10 back-off weight (0 where it is not
            listed).
    """

    probabilities: tuple[Table, ...]
    backoffs: tuple[Table, ...]

    @property
    def order(self) -> int:
        """Longest n-gram."""
        return len(self.probabilities)

    def word(self, word: str) -> str:
        """The word, or `<unk>` where the model has never seen it."""
        return word if (word,) in self.probabilities[0] else UNKNOWN

    def state(self, context: Sequence[str]) -> tuple[str, ...]:
        """The part of a context that the next word's probability depends on."""
        return tuple(map(self.word, context[max(0, len(context) - self.order + 1) :]))

    def log_probability(self, word: str, context: Sequence[str] = ()) -> float:
        """Natural logarithm of the probability of a word (or `END`) after a context.

        Args:
            context: the words before it, oldest first; `START` stands before a sentence.
        """
        gram = (*self.state(context), self.word(word))
        weight = 0.0
        # Contexts get shorter until the n-gram was seen; each step costs a back-off weight.
        while gram not in self.probabilities[len(gram) - 1]:
            weight += self.backoffs[len(gram) - 2].get(gram[:-1], 0.0)
            gram = gram[1:]
        return (weight + self.probabilities[len(gram) - 1][gram]) * _LN10

    def sentence(self, words: Sequence[str]) -> float:
        """Natural logarithm of the probability of a whole sentence, its end included."""
        padded = [START, *words, END]
        return sum(self.log_probability(padded[i], padded[:i]) for i in range(1, len(padded)))

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """How many words the model hesitates between on average, ends of sentences included.

        Raises:
            InputError: for no sentence at all.
        """
        logs = [(self.sentence(words), len(words) + 1) for words in sentences]
        if not logs:
            raise InputError("perplexity of no sentences: give at least one")
        return math.exp(-sum(log for log, _ in logs) / sum(size for _, size in logs))


def train_model(sentences: Iterable[Sequence[str]], order: int = 3) -> NGramModel:
    """Interpolated modified Kneser-Ney.

    Args:
        sentences: of the training split, each a sequence of glosses.
        order: 1 or more; kenlm wants at least 2.

    Raises:
        SettingsError: for an order below 1.
        InputError: for no sentence, or a gloss that is one of the model's own marks.

    Source: Chen and Goodman 1998, section 3; discounts from the counts of counts, lower orders from
        the number of different words before an n-gram, unigrams interpolated with the uniform
        distribution.
    Differs: where no n-gram occurs once, twice, three or four times (tiny corpora), the discounts
        cannot be told and 0.5, 1 and 1.5 are taken.
    """
    if order < 1:
        raise SettingsError(f"order={order}: an n-gram model needs an order of at least 1")
    texts = [tuple(sentence) for sentence in sentences]
    words = sorted(set[str]().union(*texts))
    if not texts or {START, END, UNKNOWN} & set(words):
        raise InputError(
            f"{len(texts)} sentences cannot train a model: give some, without {START}, {END} or"
            f" {UNKNOWN}"
        )
    names = [UNKNOWN, START, END, *words]
    grams = _counted(texts, {word: k for k, word in enumerate(names)}, order)
    # The start is never predicted, the unknown word never seen.
    lower = np.full(len(names), 1 / (len(names) - 1))
    probabilities: list[Table] = []
    backoffs: list[Table] = []
    for n, (rows, counts) in enumerate(grams, 1):
        discount = _discounts(counts)[np.minimum(counts, 3)]
        context, total, weight = _contexts(rows, counts, discount)
        share = np.maximum(counts - discount, 0) / total[context]
        if n == 1:
            lower = np.bincount(rows[:, 0], share, len(names)) + weight[0] * lower
            table = _table(np.arange(len(names))[:, None], names, lower)
            # how ARPA files write the start, which is never predicted
            table[(START,)] = -99.0
            values, above = lower, rows
        else:
            # The shorter n-gram without its first word is always one that was counted.
            shorter = _places(above, rows[:, 1:]) if n > 2 else rows[:, 1]
            values = share + weight[context] * values[shorter]
            above = rows
            table = _table(rows, names, values)
            starts = rows[np.unique(context, return_index=True)[1], :-1]
            backoffs.append(_table(starts, names, weight))
        probabilities.append(table)
    return NGramModel(tuple(probabilities), tuple(backoffs))


def _table(rows: np.ndarray, names: list[str], values: np.ndarray) -> Table:
    # N-gram, by the numbers (N, n) of its words -> log10 of its value.
    grams = map(tuple, np.array(names, dtype=object)[rows].tolist())
    return dict(zip(grams, np.log10(values).tolist(), strict=True))


def _counted(
    texts: list[tuple[str, ...]], numbers: dict[str, int], order: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    # For each order the different n-grams (N, n), sorted, and their counts (N,). The highest order
    # counts occurrences; the others count different words before the n-gram, except where it begins
    # a sentence: nothing can stand before that.
    start = numbers[START]
    lengths = np.array([len(text) + 2 for text in texts])
    flat = np.array([numbers[word] for text in texts for word in (START, *text, END)])
    # Words to the end of the sentence, this one included.
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(flat))
    windows = (np.flatnonzero(left >= n)[:, None] + np.arange(n) for n in range(1, order + 1))
    seen = [np.unique(flat[window], axis=0, return_counts=True) for window in windows]
    grams = []
    for n, (rows, counts) in enumerate(seen, 1):
        if n < order:
            unlike = np.bincount(_places(rows, seen[n][0][:, 1:]), minlength=len(rows))
            counts = np.where(rows[:, 0] == start, counts, unlike)
        if n == 1:
            rows, counts = rows[rows[:, 0] != start], counts[rows[:, 0] != start]
        grams.append((rows, counts))
    return grams


def _places(rows: np.ndarray, grams: np.ndarray) -> np.ndarray:
    # The row of each n-gram (M, n) among sorted rows (N, n), which hold them all.
    both = np.unique(np.concatenate([rows, grams]), axis=0, return_inverse=True)[1].ravel()
    return both[len(rows) :]


def _discounts(counts: np.ndarray) -> np.ndarray:
    # What is taken off counts of 0, 1, 2 and 3 or more.
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    usual = np.array([0, 0.5, 1, 1.5])
    if not (n1 and n2 and n3 and n4):
        return usual
    y = n1 / (n1 + 2 * n2)
    taken = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return taken if (taken[1:] > 0).all() and (taken <= np.arange(4)).all() else usual


def _contexts(
    rows: np.ndarray, counts: np.ndarray, discount: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Of sorted n-grams: which context (N,) each has, the contexts' totals, the share left over.
    # What the discounts take from a context is left to its shorter n-grams.
    # a context begins where it differs from that of the row before; unigrams have one, the empty
    context = np.cumsum(np.r_[False, (rows[1:, :-1] != rows[:-1, :-1]).any(1)][: len(rows)])
    total = np.bincount(context, counts)
    return context, total, np.bincount(context, np.minimum(discount, counts)) / total


def write_arpa(path: str | Path, model: NGramModel) -> None:
    """Write the model as an ARPA file, whole or not at all.

    Raises:
        DiskError: when it cannot be written.
    """
    lines = [
        "\\data\\",
        *(f"ngram {n}={len(table)}" for n, table in enumerate(model.probabilities, 1)),
    ]
    for n, table in enumerate(model.probabilities, 1):
        weights = model.backoffs[n - 1] if n < model.order else {}
        lines += ["", f"\\{n}-grams:"]
        for gram, value in table.items():
            goes_on = n < model.order and gram[-1] != END
            weight = f"\t{weights.get(gram, 0.0):.9g}" if goes_on else ""
            lines.append(f"{min(value, 0.0):.9g}\t{' '.join(gram)}{weight}")
    write_text(Path(path), "\n".join([*lines, "", "\\end\\", ""]))


def read_arpa(path: str | Path) -> NGramModel:
    """The model in an ARPA file.

    Raises:
        InputError: for a missing or broken file (the line is named): n-grams that are not as many
            as announced, appear twice or hold a word that is no unigram, a logarithm that
            is none of a probability, a model without its own marks.
    """
    try:
        lines = reading.text(path).splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as an ARPA file ({error}); write it again"
        ) from None
    announced: list[int] = []
    probabilities: list[Table] = []
    backoffs: list[Table] = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if line.endswith("-grams:"):
            probabilities.append({})
            backoffs.append({})
            problem = _section_problem(line, len(probabilities))
        elif probabilities and fields and not line.startswith("\\"):
            problem = _add_gram(fields, probabilities, backoffs[-1])
        elif count := _COUNT.fullmatch(line.strip()):
            announced.append(int(count[2]))
            problem = "" if int(count[1]) == len(announced) else f"is not order {len(announced)}"
        else:
            problem = ""
        if problem:
            raise InputError(f"{path}, line {number}: {line[:80]!r} {problem}; write it again")
    marks = {(START,), (END,), (UNKNOWN,)}
    lost = sorted(word for (word,) in marks.difference(*probabilities[:1]))
    if lost or lines[-1].strip() != "\\end\\":
        reason = f"with {', '.join(lost)} among its unigrams" if lost else "that ends with \\end\\"
        raise InputError(f"{path} is no whole ARPA file {reason}; write it again")
    counts = [len(table) for table in probabilities]
    if announced != counts:
        raise InputError(f"{path} announces {announced} n-grams and has {counts}; write it again")
    return NGramModel(tuple(probabilities), tuple(backoffs[:-1]))


def _section_problem(line: str, n: int) -> str:
    return "" if line.strip() == f"\\{n}-grams:" else f"is not \\{n}-grams:"


def _add_gram(fields: list[str], probabilities: list[Table], backoffs: Table) -> str:
    """Put an n-gram into the last of the tables; says what is wrong with its line, or nothing."""
    n = len(probabilities)
    gram, rest = tuple(fields[1 : n + 1]), fields[n + 1 :]
    try:
        value, *weight = map(float, (fields[0], *rest))
    except ValueError:
        value, weight = math.nan, []
    if len(gram) < n or len(rest) > 1 or not all(map(math.isfinite, (value, *weight))):
        return f"is not 'log10 {n} words [back-off]'"
    if not -_LARGEST <= value <= 0:
        return f"has a logarithm of {value:g}; that of a probability is -{_LARGEST} to 0"
    if gram in probabilities[-1]:
        return "has an n-gram that appears twice"
    unseen = [word for word in gram if n > 1 and (word,) not in probabilities[0]]
    if unseen:
        return f"has the word {unseen[0][:40]!r}, which is no unigram"
    probabilities[-1][gram] = value
    if any(weight):
        backoffs[gram] = weight[0]
    return ""
