"""What `python -m signlib wer` prints: two files or a run in, rates with intervals and where the
errors are out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import phoenix, transcripts
from signlib.errors import RunError, SettingsError
from signlib.evaluation import wer
from signlib.runs.run import Run
from signlib.statistics.resampling import PairedRates, compare_rates, rate_interval

SHOWN = 10
"""Glosses and confusions that are printed."""


@dataclass(frozen=True)
class Scored:
    """Hypotheses against their references.

    Attributes:
        references, hypotheses: N sentences of glosses; signers: (N,).
        silent: sentences without any hypothesis.
        edits: weights -> counts.
    """

    references: list[list[str]]
    hypotheses: list[list[str]]
    signers: list[str]
    silent: int
    edits: dict[str, wer.Edits]


def score(reference: str | Path, hypothesis: str | Path | None, simplify: str = "") -> Scored:
    """Score a ctm against an stm, or the folder of a run, which has both inside.

    Raises:
        SettingsError: for an stm without a ctm, or a run with one.
    """
    of_run = Path(reference).is_dir()
    if of_run == bool(hypothesis):
        raise SettingsError(f"{reference}: give an stm and a ctm, or the folder of one run")
    return (
        score_run(Run(reference), simplify)
        if of_run
        else score_files(reference, hypothesis, simplify)
    )


def score_files(reference: str | Path, hypothesis: str | Path, simplify: str = "") -> Scored:
    """Score a ctm against an stm.

    Args:
        simplify: "", or a mode of `phoenix.simplify`; it changes hypotheses only, as the official
            script does.

    Raises:
        ManifestError: for files that cannot be read, or hypotheses of other clips.
        InputError: for references without words.
    """
    table = transcripts.read_stm(reference)
    heard = transcripts.hypotheses_of(
        table["clip"], transcripts.read_ctm(hypothesis), str(hypothesis)
    )
    return _scored(table["glosses"].tolist(), heard, table["signer"].tolist(), simplify)


def score_run(run: Run, simplify: str = "") -> Scored:
    """Score what a run read in its test sentences, in the order of their names.

    Args:
        simplify: as for `score_files`.

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
    heard = [text.split() for text in table["hypothesis"]]
    return _scored(table["target"].tolist(), heard, table["signer"].tolist(), simplify)


def _scored(
    texts: Sequence[str], heard: list[list[str]], signers: list[str], simplify: str
) -> Scored:
    silent = sum(not glosses for glosses in heard)
    if simplify:
        heard = [phoenix.simplify(glosses, simplify) for glosses in heard]
    references = [text.split() for text in texts]
    counted = {weights: wer.edits(references, heard, weights) for weights in wer.WEIGHTS}
    return Scored(references, heard, signers, silent, counted)


def report(scored: Scored) -> str:
    """Rate and intervals, counts under both weights, signers, the glosses most often missed, the
    confusions.
    """
    found = scored.edits["sclite"]
    aligned = wer.alignment(scored.references, scored.hypotheses)
    glosses = wer.by_gloss(aligned)
    glosses["wrong"] = glosses["substituted"] + glosses["deleted"]
    worst = glosses.sort_values("wrong", ascending=False, kind="stable").head(SHOWN)
    lines = [
        (
            f"{len(found.words):,} sentences, {found.words.sum():,} words; {scored.silent}"
            " sentences without a hypothesis"
        ),
        f"WER {found.rate:.2f} %, 95 % interval {_interval(scored, None)} (sentences drawn again)",
    ]
    known = len(set(scored.signers))
    if known > 1:
        lines.append(
            f"  {_interval(scored, scored.signers)} when whole signers are drawn again ({known}"
            " signers)"
        )
    lines += [f"  {name:11s} {counts}" for name, counts in scored.edits.items()]
    tables = {
        "by signer": wer.by_signer(found, scored.signers).round({"WER": 1}),
        "glosses most often missed": worst.drop(columns="wrong").round({"errors": 1}),
        "most frequent confusions": wer.confusions(aligned).head(SHOWN).set_index("reference"),
    }
    return "\n".join(lines + [f"\n{name}\n{_text(table)}" for name, table in tables.items()])


def _interval(scored: Scored, groups: Sequence[str] | None) -> str:
    counts = scored.edits["sclite"]
    low, high = rate_interval(counts.errors, counts.words, groups)
    return f"[{low:.2f}, {high:.2f}]"


def _text(table: pd.DataFrame) -> str:
    return table.rename_axis(None).to_string() if len(table) else "none"


def reading_table(
    references: Sequence[Sequence[str]], readings: Mapping[str, Sequence[Sequence[str]]]
) -> pd.DataFrame:
    """One row for each way of reading the same N sentences, held against the first, sentence by
    sentence.

    Args:
        references: N sentences.
        readings: name -> N hypotheses.

    Returns:
        Columns value (WER, per cent), low, high (95 %, sentences drawn again), sub, del, ins
            (sclite's weights), points
        (value less the first's), points_low, points_high, p; the last four are nan in the first
            row.
    """
    rows, first = {}, None
    for name, heard in readings.items():
        own = wer.edits(references, heard)
        low, high = rate_interval(own.errors, own.words)
        kinds = (int(part.sum()) for part in (own.substitutions, own.deletions, own.insertions))
        rows[name] = dict(
            zip(
                ("value", "low", "high", "sub", "del", "ins"),
                (own.rate, low, high, *kinds),
                strict=True,
            )
        )
        if first is None:
            first = own
        else:
            held = compare_rates(first.errors, own.errors, own.words)
            rows[name] |= {"points": held.difference, "p": held.p}
            rows[name] |= dict(zip(("points_low", "points_high"), held.interval, strict=True))
    columns = [
        "value",
        "low",
        "high",
        "sub",
        "del",
        "ins",
        "points",
        "points_low",
        "points_high",
        "p",
    ]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """What `reading_table` found as text for a page."""
    gains = [
        "" if np.isnan(r.points) else f"{r.points:+.1f} [{r.points_low:+.1f}, {r.points_high:+.1f}]"
        for r in table.itertuples()
    ]
    kinds = ["/".join(map(str, row)) for row in table[["sub", "del", "ins"]].to_numpy()]
    rates = [f"{r.value:.1f} [{r.low:.1f}, {r.high:.1f}]" for r in table.itertuples()]
    found = {"WER %": rates, "sub/del/ins": kinds, "against the first": gains}
    return pd.DataFrame(found, index=table.index)


def compare(first: Scored, second: Scored) -> PairedRates:
    """The second hypotheses held against the first, sentence by sentence.

    Raises:
        RunError: when they are of other sentences.
    """
    if first.references != second.references:
        raise RunError("the two read other sentences; compare runs of one corpus and split")
    ours, theirs = first.edits["sclite"], second.edits["sclite"]
    return compare_rates(ours.errors, theirs.errors, np.asarray(ours.words), first.signers)


def describe(found: PairedRates, names: tuple[str, str]) -> str:
    """A comparison in words."""
    low, high = found.interval
    lines = [
        f"{names[1]} against {names[0]}: {found.second:.2f} % against {found.first:.2f} %,"
        f" {found.difference:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}] (paired,"
        " sentences drawn again)"
    ]
    if found.signer_interval is not None:
        low, high = found.signer_interval
        lines.append(f"  [{low:+.2f}, {high:+.2f}] when whole signers are drawn again")
    lines.append(
        f"  fewer errors in {found.improved} sentences, more in {found.worsened}; p = {found.p:.2g}"
        f" (hypotheses swapped at random); fewer errors in {found.better:.1%} of the resamples"
    )
    return "\n".join([*lines, f"  {found.warning}"] if found.warning else lines)
