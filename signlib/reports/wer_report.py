"""What `python -m signlib wer` prints: rates with intervals, and where the errors are.

It reads two files, or the folder of a run.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import phoenix, transcripts
from signlib.errors import ManifestError, RunError, SettingsError
from signlib.evaluation import wer
from signlib.reports.cells import spreads
from signlib.runs.run import Run
from signlib.statistics.error_rates import PairedRates, compare_rates, rate_interval

# Glosses and confusions that are printed.
ROWS = 10
# Name of a corpus's rule -> what its official script gives a sentence that has no hypothesis.
EMPTY = {"phoenix-2014": "[EMPTY]"}
# What sclite reads as alternatives, no word, or a word that may be left out.
_CHOICE = re.compile(r"[{}]|(?<!\S)(?:@|\(\S+\))(?!\S)")


@dataclass(frozen=True)
class Scored:
    """Hypotheses against their references.

    Attributes:
        texts: N references as they stand in the file.
        references, hypotheses: N sentences of glosses; of alternatives those that fit best.
        signers: (N,).
        silent: sentences without any hypothesis.
        chosen: references with alternatives or words that may be left out.
        empty: what a sentence without a hypothesis was given in place of it; "" = nothing.
        edits: weights -> counts.
    """

    texts: list[str]
    references: list[list[str]]
    hypotheses: list[list[str]]
    signers: list[str]
    silent: int
    chosen: int
    empty: str
    edits: dict[str, wer.Edits]


def score(
    reference: str | Path, hypothesis: str | Path | None, simplify: str = "", empty: str = ""
) -> Scored:
    """Score hypotheses against references, or the folder of a run, which has both inside.

    Raises:
        SettingsError: for references without hypotheses, or a run with some.
    """
    if Path(reference).is_dir() and not hypothesis:
        return score_run(Run(reference), simplify, empty)
    if not hypothesis or Path(reference).is_dir():
        raise SettingsError(f"{reference}: give an stm and a ctm, or the folder of one run")
    return score_files(reference, hypothesis, simplify, empty)


def score_files(
    reference: str | Path, hypothesis: str | Path, simplify: str = "", empty: str = ""
) -> Scored:
    """Score a ctm against an stm, or a text file against another, one sentence a line.

    An stm is read as sclite reads it with -D: with several segments of a recording, alternatives
    and words that may be left out.

    Args:
        reference, hypothesis: text files where neither ends in `.stm` or `.ctm`.
        simplify: "", or a mode of `phoenix.simplify`; it changes hypotheses only, as the official
            script does.
        empty: "", or a name of `EMPTY`: what a sentence without a hypothesis gets.

    Raises:
        ManifestError: for files that cannot be read, hypotheses of other clips, or two text files
            of different lengths.
        InputError: for references without words.
    """
    if Path(reference).suffix != ".stm" and Path(hypothesis).suffix != ".ctm":
        return _score_text(reference, hypothesis, simplify, empty)
    segments = transcripts.read_segments(reference)
    heard = transcripts.heard_in(segments, transcripts.read_words(hypothesis), str(hypothesis))
    scored = [segment for segment in segments if segment.scored]
    return _scored(
        [segment.glosses for segment in scored],
        heard,
        [segment.signer for segment in scored],
        simplify,
        empty,
        choices=True,
    )


def _score_text(reference: str | Path, hypothesis: str | Path, simplify: str, empty: str) -> Scored:
    texts, heard = map(transcripts.read_sentences, (reference, hypothesis))
    if len(texts) != len(heard):
        raise ManifestError(
            f"{reference} has {len(texts)} lines and {hypothesis} has {len(heard)}; write one"
            " sentence a line in both, in the same order (an empty line for an empty one)"
        )
    unknown = ["unknown"] * len(texts)
    return _scored([" ".join(text) for text in texts], heard, unknown, simplify, empty)


def score_run(run: Run, simplify: str = "", empty: str = "") -> Scored:
    """Score what a run read in its test sentences, in the order of their names.

    Args:
        simplify, empty: as for `score_files`.

    Raises:
        RunError: for a run of single signs, or one that is not finished.
    """
    table = run.predictions
    if "hypothesis" not in table:
        raise RunError(
            f"run {run.path} names single signs, which have no word error rate; `compare` takes"
            " such runs"
        )
    table = table.sort_values("clip", kind="stable")
    return _scored(
        table["target"].tolist(),
        [text.split() for text in table["hypothesis"]],
        table["signer"].tolist(),
        simplify,
        empty,
    )


def _scored(
    texts: Sequence[str],
    heard: list[list[str]],
    signers: list[str],
    simplify: str,
    empty: str,
    choices: bool = False,
) -> Scored:
    if empty and empty not in EMPTY:
        raise SettingsError(f"--empty {empty!r} is unknown; choose from {', '.join(EMPTY)}")
    silent = sum(not glosses for glosses in heard)
    if simplify:
        heard = [phoenix.simplify(glosses, simplify) for glosses in heard]
    filler = EMPTY.get(empty, "")
    if filler:
        heard = [glosses or [filler] for glosses in heard]
    pairs = [(text.split(), glosses) for text, glosses in zip(texts, heard, strict=True)]
    choosing = [
        k
        for k, (text, glosses) in enumerate(zip(texts, heard, strict=True))
        if choices and _CHOICE.search(f"{text} {' '.join(glosses)}")
    ]
    for k in choosing:
        pairs[k] = wer.resolve(texts[k], heard[k])
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Scored(
        texts=list(texts),
        references=references,
        hypotheses=hypotheses,
        signers=signers,
        silent=silent,
        chosen=len(choosing),
        empty=filler,
        edits={weights: wer.edits(references, hypotheses, weights) for weights in wer.WEIGHTS},
    )


def report(scored: Scored) -> str:
    """The whole text: rate, intervals, counts, signers, glosses most often missed, confusions."""
    counts = scored.edits["sclite"]
    aligned = wer.alignment(scored.references, scored.hypotheses)
    glosses = wer.by_gloss(aligned)
    glosses["wrong"] = glosses["substituted"] + glosses["deleted"]
    worst = glosses.sort_values("wrong", ascending=False, kind="stable").head(ROWS)
    low, high = rate_interval(counts.errors, counts.words)
    filled = f" (each given {scored.empty})" if scored.empty and scored.silent else ""
    lines = [
        (
            f"{len(counts.words):,} sentences, {counts.words.sum():,} words; {scored.silent}"
            f" sentences without a hypothesis{filled}"
        ),
        f"WER {counts.rate:.2f} %, 95 % interval [{low:.2f}, {high:.2f}] (sentences drawn again)",
    ]
    if scored.chosen:
        lines.append(
            f"  {scored.chosen} sentences have alternatives or words in brackets that may be left"
            " out (as sclite -D reads them)"
        )
    signers = len(set(scored.signers))
    if signers > 1:
        low, high = rate_interval(counts.errors, counts.words, scored.signers)
        lines.append(
            f"  [{low:.2f}, {high:.2f}] when whole signers are drawn again ({signers} signers)"
        )
    lines += [f"  {weights:11s} {edits}" for weights, edits in scored.edits.items()]
    tables = {
        "by signer": wer.by_signer(counts, scored.signers).round({"WER": 1}),
        "glosses most often missed": worst.drop(columns="wrong").round({"errors": 1}),
        "most frequent confusions": wer.confusions(aligned).head(ROWS).set_index("reference"),
    }
    return "\n".join(lines + [f"\n{name}\n{_text(table)}" for name, table in tables.items()])


def _text(table: pd.DataFrame) -> str:
    return table.rename_axis(None).to_string() if len(table) else "none"


def reading_table(
    references: Sequence[Sequence[str]], readings: Mapping[str, Sequence[Sequence[str]]]
) -> pd.DataFrame:
    """One row for each way of reading the same N sentences, held against the first.

    Args:
        references: N sentences.
        readings: name -> N hypotheses.

    Returns:
        Columns value (WER, per cent), low, high (95 %, sentences drawn again), sub, del, ins
        (sclite's weights), points (value less the first's, sentence by sentence), points_low,
        points_high, p; the last four are nan in the first row.
    """
    rows: dict[str, dict[str, float]] = {}
    first = None
    for name, heard in readings.items():
        edits = wer.edits(references, heard)
        low, high = rate_interval(edits.errors, edits.words)
        rows[name] = {
            "value": edits.rate,
            "low": low,
            "high": high,
            "sub": int(edits.substitutions.sum()),
            "del": int(edits.deletions.sum()),
            "ins": int(edits.insertions.sum()),
            **against(first, edits.errors, edits.words),
        }
        first = edits.errors if first is None else first
    return pd.DataFrame.from_dict(rows, orient="index")


def against(
    first: np.ndarray | None,
    second: np.ndarray,
    words: np.ndarray,
    groups: Sequence[str] | None = None,
) -> dict[str, float]:
    """Columns points, points_low, points_high, p: errors (N,) of a system against the first one's.

    Args:
        first: None: the system is the first one, and all columns are nan.
        words, groups: (N,) as for `compare_rates`; whole groups are drawn where there are several.
    """
    if first is None:
        return dict.fromkeys(("points", "points_low", "points_high", "p"), np.nan)
    rates = compare_rates(first, second, words, groups)
    low, high = rates.signer_interval or rates.interval
    return {"points": rates.difference, "points_low": low, "points_high": high, "p": rates.p}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Rates, kinds of errors and points of a table such as `reading_table` as text for a page."""
    kinds = table[["sub", "del", "ins"]].round(0).astype(int).to_numpy()
    return pd.DataFrame(
        {
            "WER %": spreads(table, ("value", "low", "high")),
            "sub/del/ins": ["/".join(map(str, row)) for row in kinds],
            "against the first": spreads(table, ("points", "points_low", "points_high"), "+.1f"),
        },
        index=table.index,
    )


def compare(first: Scored, second: Scored) -> PairedRates:
    """The second hypotheses held against the first, sentence by sentence.

    Raises:
        RunError: when they are of other sentences, or took alternatives of other lengths.
    """
    if first.texts != second.texts:
        raise RunError("the two read other sentences; compare runs of one corpus and split")
    ours, theirs = first.edits["sclite"], second.edits["sclite"]
    longer = int(np.sum(ours.words != theirs.words))
    if longer:
        raise RunError(
            f"of {longer} references the two took alternatives of other lengths, so their rates"
            " have no words in common; compare them on references without { A / B }"
        )
    return compare_rates(ours.errors, theirs.errors, np.asarray(ours.words), first.signers)


def describe(rates: PairedRates, names: tuple[str, str]) -> str:
    """A comparison in words."""
    low, high = rates.interval
    lines = [
        f"{names[1]} against {names[0]}: {rates.second:.2f} % against {rates.first:.2f} %,"
        f" {rates.difference:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}] (paired,"
        " sentences drawn again)"
    ]
    if rates.signer_interval is not None:
        low, high = rates.signer_interval
        lines.append(f"  [{low:+.2f}, {high:+.2f}] when whole signers are drawn again")
    lines.append(
        f"  fewer errors in {rates.improved} sentences, more in {rates.worsened}; p = {rates.p:.2g}"
        f" (hypotheses swapped at random); fewer errors in {rates.better:.1%} of the resamples"
    )
    return "\n".join([*lines, f"  {rates.warning}"] if rates.warning else lines)
