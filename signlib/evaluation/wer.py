"""Word error rate of sentences: summed errors over summed words, and which words they are.

Every alignment is one dynamic programme over all sentences at once. The rate is the same under the
weights of Levenshtein and of sclite on most sentences; how it splits into substitutions, deletions
and insertions is not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from signlib.data.transcripts import Arc, bare, network
from signlib.errors import InputError, SettingsError

Sentences = Sequence[Sequence[str]]

# Name -> cost of a substitution, and of a deletion or an insertion.
WEIGHTS = {"levenshtein": (1, 1), "sclite": (4, 3)}
HIT, SUBSTITUTION, DELETION, INSERTION = "hit", "substitution", "deletion", "insertion"
# Sentences that are aligned together, and pairs of words: they bound the memory of the programme.
_CHUNK = 2048
CELLS = 2**23


@dataclass(frozen=True)
class Edits:
    """How N hypotheses differ from their references: four arrays (N,)."""

    words: np.ndarray
    substitutions: np.ndarray
    deletions: np.ndarray
    insertions: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """(N,) errors of each sentence."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors in per cent of the reference words of all sentences together; may exceed 100.

        Raises:
            InputError: when the references have no word at all.
        """
        return error_rate(self.errors, self.words)

    def __str__(self) -> str:
        s, d, i = (
            int(part.sum()) for part in (self.substitutions, self.deletions, self.insertions)
        )
        return (
            f"{self.rate:.2f} % ({s + d + i:,} errors of {self.words.sum():,} words: {s:,} sub,"
            f" {d:,} del, {i:,} ins)"
        )


def error_rate(errors: np.ndarray, words: np.ndarray) -> float:
    """Summed errors in per cent of summed words; never capped.

    Raises:
        InputError: when there is no word at all.
    """
    if not np.sum(words) > 0:
        raise InputError(
            "the references hold no words, so there is no word error rate; check the stm or the"
            " manifest"
        )
    return float(100 * np.sum(errors) / np.sum(words))


def word_errors(references: Sentences, hypotheses: Sentences) -> np.ndarray:
    """(N,) fewest edits that turn each hypothesis into its reference; each edit counts one.

    Words may be numbers.

    >>> word_errors(["A B C D".split()], ["A X C".split()]).tolist()
    [2]
    """
    pairs = zip(references, hypotheses, strict=True)
    return np.fromiter((Levenshtein.distance(a, b) for a, b in pairs), np.int64, len(references))


def edits(references: Sentences, hypotheses: Sentences, weights: str = "sclite") -> Edits:
    """Edit counts of each sentence, from the alignment of least cost.

    Of alignments that cost the same, the one is taken that, read from the end, pairs two words
    wherever it can.

    Args:
        references, hypotheses: N sentences of words each.
        weights: `sclite` (4 a substitution, 3 a deletion or insertion) or `levenshtein` (1 each).

    Raises:
        SettingsError: for other weights.

    Source: NIST sclite; the totals on PHOENIX-2014's published dev hypotheses are its own (963,
    685, 142).

    >>> print(edits(["A B C D".split()], ["A X C".split()]))
    50.00 % (2 errors of 4 words: 1 sub, 1 del, 0 ins)
    """
    sentence, kind, *_ = _align(references, hypotheses, weights)[1]
    counts = np.bincount(sentence * 4 + kind, minlength=4 * len(references)).reshape(-1, 4)
    return Edits(counts[:, :3].sum(1), counts[:, 1], counts[:, 2], counts[:, 3])


def alignment(
    references: Sentences, hypotheses: Sentences, weights: str = "sclite"
) -> pd.DataFrame:
    """Which word stands for which: one row a step, in the order of the sentences.

    Returns:
        Columns sentence (its number), reference, hypothesis ("" for none), kind (hit, substitution,
        deletion or insertion).
    """
    words, (sentence, kind, reference, hypothesis) = _align(references, hypotheses, weights)
    return pd.DataFrame(
        {
            "sentence": sentence,
            "reference": words[reference],
            "hypothesis": words[hypothesis],
            "kind": pd.Categorical.from_codes(kind, [HIT, SUBSTITUTION, DELETION, INSERTION]),
        }
    )


Step = tuple[Arc | None, int]
# Cost of leaving out an optional word. Source: NIST sclite with -D.
_OPTIONAL = 2


def resolve(reference: str, hypothesis: Sequence[str]) -> tuple[list[str], list[str]]:
    """The reading of a reference with alternatives that fits a hypothesis best, and the hypothesis.

    An optional word that only one of the two has counts as right: it is put into the other. Of
    readings that cost the same the first one counts, and one without words last.

    Args:
        reference: a sentence such as `A { B C / D / @ } (E)`; see `transcripts.network`.
        hypothesis: its words; one in brackets is optional.

    Raises:
        ManifestError: for braces that do not pair.

    Source: NIST sclite with -D.

    >>> resolve("A { B C / D } (E)", "A D".split())
    (['A', 'D', 'E'], ['A', 'D', 'E'])
    """
    arcs = network(reference, "reference")
    words = [bare(word) for word in hypothesis]
    # A cell is a Python object here.
    _refuse_long("a sentence with alternatives", len(arcs), len(words), CELLS // 8)
    swap, gap = WEIGHTS["sclite"]
    inserts = [
        gap if word == whole else _OPTIONAL for word, whole in zip(words, hypothesis, strict=True)
    ]
    # Of each state: least cost with the first j words heard, and the arc of the last step there
    # with the number of words before it: a pair or a deletion, or without an arc an insertion.
    cost: list[list[float]] = [[0.0, *accumulate(inserts)]]
    steps: list[list[Step]] = [[(None, j - 1) for j in range(len(words) + 1)]]
    for arc in arcs:
        if arc.end == len(cost):
            cost.append([np.inf] * (len(words) + 1))
            steps.append([(None, -1)] * (len(words) + 1))
        before, row, step = cost[arc.start], cost[arc.end], steps[arc.end]
        delete = _OPTIONAL if arc.optional else gap * bool(arc.word)
        for j in range(len(row)):
            ways: list[tuple[float, Step]] = [(before[j] + delete, (arc, j))]
            if j and arc.word:
                unequal = arc.word != words[j - 1]
                ways = [
                    (before[j - 1] + swap * unequal, (arc, j - 1)),
                    (row[j - 1] + inserts[j - 1], (None, j - 1)),
                    *ways,
                ]
            # Of those that cost the same the first.
            price, way = min(ways, key=lambda entry: entry[0])
            if price < row[j]:
                row[j], step[j] = price, way
    return _read_back(steps, words, hypothesis)


def _read_back(
    steps: list[list[Step]], words: list[str], hypothesis: Sequence[str]
) -> tuple[list[str], list[str]]:
    # The chosen reading and what stands against it, from the last step to the first.
    reading: list[str] = []
    heard: list[str] = []
    state, j = len(steps) - 1, len(words)
    while state or j:
        arc, earlier = steps[state][j]
        said, word = "" if earlier == j else words[earlier], arc.word if arc else ""
        if arc is None and said != hypothesis[earlier]:
            word = said
        elif arc is not None and arc.optional and not said:
            said = word
        reading += [word] if word else []
        heard += [said] if said else []
        state, j = (state if arc is None else arc.start), earlier
    return reading[::-1], heard[::-1]


def by_signer(counts: Edits, signers: Sequence[str]) -> pd.DataFrame:
    """One row a signer, and one for all.

    Columns: sentences, words, substitutions, deletions, insertions, WER (%).

    Args:
        signers: (N,) who signs each sentence.
    """
    table = pd.DataFrame({"sentences": np.ones_like(counts.words), **vars(counts)})
    table = table.groupby(np.asarray(signers)).sum()
    table.loc["all"] = table.sum()
    errors = table[["substitutions", "deletions", "insertions"]].sum(axis=1)
    return table.assign(WER=100 * errors / table["words"].where(table["words"] > 0))


def by_gloss(aligned: pd.DataFrame) -> pd.DataFrame:
    """One row a gloss: how often it was signed, found, taken for another, left out, and put in.

    `errors` counts substitutions and deletions, in per cent of its occurrences; an insertion
    belongs to no occurrence and stands beside. The commonest glosses come first.

    Args:
        aligned: from `alignment`.
    """
    signed = aligned[aligned["kind"] != INSERTION]
    table = pd.crosstab(signed["reference"], signed["kind"]).reindex(
        columns=[HIT, SUBSTITUTION, DELETION], fill_value=0
    )
    put_in = aligned.loc[aligned["kind"] == INSERTION, "hypothesis"].value_counts()
    table = table.reindex(table.index.union(put_in.index), fill_value=0)
    table.columns = ["found", "substituted", "deleted"]
    table.insert(0, "signed", table.sum(axis=1))
    table["inserted"] = put_in.reindex(table.index, fill_value=0)
    table["errors"] = (
        100 * (table["substituted"] + table["deleted"]) / table["signed"].where(table["signed"] > 0)
    )
    return table.rename_axis("gloss").sort_values(
        ["signed", "inserted"], ascending=False, kind="stable"
    )


def confusions(aligned: pd.DataFrame) -> pd.DataFrame:
    """Which gloss is taken for which, and how often; the commonest first.

    Columns: reference, hypothesis, count.

    Args:
        aligned: from `alignment`.
    """
    columns = ["reference", "hypothesis"]
    pairs = aligned.loc[aligned["kind"] == SUBSTITUTION, columns]
    counted = pairs.groupby(columns, sort=True).size().reset_index(name="count")
    return counted.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def _align(
    references: Sentences, hypotheses: Sentences, weights: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    # The words by number, the last one "" for none (-1); and of all steps (A,), in order: sentence,
    # kind, and the numbers of both words.
    if weights not in WEIGHTS:
        raise SettingsError(f"weights {weights!r} are unknown; choose from {', '.join(WEIGHTS)}")
    if len(references) != len(hypotheses):
        raise InputError(
            f"{len(references)} references but {len(hypotheses)} hypotheses; give one for each"
        )
    numbers: dict[str, int] = {}
    coded = [
        [numbers.setdefault(word, len(numbers)) for word in text]
        for text in (*references, *hypotheses)
    ]
    texts = list(zip(coded[: len(references)], coded[len(references) :], strict=True))
    parts = [
        _align_chunk(texts[start:end], *WEIGHTS[weights], start) for start, end in _chunks(texts)
    ]
    steps = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return np.array([*numbers, ""], dtype=object), steps


def _refuse_long(sentence: str, words: int, heard: int, cells: int) -> None:
    if (words + 1) * (heard + 1) > cells:
        raise InputError(
            f"{sentence} has {words:,} words and {heard:,} in its hypothesis; an alignment takes"
            f" {cells:,} pairs of them, such as {math.isqrt(cells) - 1:,} and as many: write each"
            " sentence on a line of its own"
        )


def _chunks(texts: list[tuple[list[int], list[int]]]) -> Iterator[tuple[int, int]]:
    # First and past-last sentence of those that are aligned together: the programme has a cell for
    # each pair of words, and all sentences of a chunk are as long as its longest.
    start, longest, widest = 0, 0, 0
    for number, (ours, theirs) in enumerate(texts):
        _refuse_long(f"sentence {number + 1}", len(ours), len(theirs), CELLS)
        longest, widest = max(longest, len(ours)), max(widest, len(theirs))
        count = number + 1 - start
        if count > _CHUNK or (count > 1 and count * (longest + 1) * (widest + 1) > CELLS):
            yield start, number
            start, longest, widest = number, len(ours), len(theirs)
    if texts:
        yield start, len(texts)


def _align_chunk(
    texts: list[tuple[list[int], list[int]]], swap: int, gap: int, first: int
) -> tuple[np.ndarray, ...]:
    # Sentence, kind, reference and hypothesis of every step. texts: (reference, hypothesis) of each
    # sentence; the first one has number `first`. swap, gap: cost of a substitution, and of a
    # deletion or an insertion.
    ours, u = _padded([reference for reference, _ in texts])
    theirs, v = _padded([hypothesis for _, hypothesis in texts])
    unequal = swap * (ours[:, :, None] != theirs[:, None, :])  # (N, U, V)
    cost = _costs(unequal, gap)
    rows, i, j = np.arange(len(u)), u, v
    steps = []
    while len(left := np.flatnonzero(i + j)):
        rows, i, j = rows[left], i[left], j[left]
        # the alignment ends here; which step of least cost leads to it?
        here = cost[i, rows, j]
        paired = (i > 0) & (j > 0)
        paired &= cost[i - 1, rows, j - 1] + unequal[rows, i - 1, j - 1] == here
        lost = ~paired & (i > 0)
        lost &= cost[i - 1, rows, j] + gap == here
        kind = np.where(paired, ours[rows, i - 1] != theirs[rows, j - 1], np.where(lost, 2, 3))
        reference = np.where(kind < 3, ours[rows, i - 1], -1)
        hypothesis = np.where(kind != 2, theirs[rows, j - 1], -1)
        steps.append((rows + first, kind, reference, hypothesis))
        i, j = i - (kind < 3), j - (kind != 2)
    if not steps:
        return tuple(np.empty(0, np.int64) for _ in range(4))
    # Steps were found from the end of each sentence: put them in reading order.
    columns = [np.concatenate(column)[::-1] for column in zip(*steps, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def _costs(unequal: np.ndarray, gap: int) -> np.ndarray:
    # (U + 1, N, V + 1) least cost of turning j words of a hypothesis into i of its reference.
    # unequal: (N, U, V) cost of pairing two words: 0 where they are the same.
    sentences, longest, width = unequal.shape
    gaps = gap * np.arange(width + 1)
    cost = np.empty((longest + 1, sentences, width + 1), np.int64)
    cost[0] = gaps
    for i in range(1, longest + 1):
        row = cost[i]
        row[:, 0] = gap * i
        row[:, 1:] = np.minimum(cost[i - 1, :, :-1] + unequal[:, i - 1], cost[i - 1, :, 1:] + gap)
        # Inserting from anywhere earlier in the row is a running minimum, once the price of the
        # way is taken off.
        row -= gaps
        np.minimum.accumulate(row, axis=1, out=row)
        row += gaps
    return cost


def _padded(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    # (N, longest, at least 1) word numbers, and the lengths (N,).
    lengths = np.array([len(text) for text in texts])
    out = np.full((len(texts), max(1, lengths.max(initial=1))), -1)
    out[np.arange(out.shape[1]) < lengths[:, None]] = [word for text in texts for word in text]
    return out, lengths
