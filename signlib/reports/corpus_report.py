"""Systems on one corpus: who is better, by how much, how sure, and what varies.

All systems are held against the first one; these comparisons are one family (Holm). No stars: a
verdict in words, with its interval, and with what the interval does not know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from signlib.errors import InputError
from signlib.reports import cells, plots, run_groups
from signlib.statistics import (
    distributions,
    error_rates,
    intervals,
    power,
    two_systems,
    variation,
)

READING = {
    "clips": "other clips of the same signers by the same trainings",
    "signers": "other signers; the same trainings",
    "seeds": "other trainings; the same clips",
    "seeds and signers": "other signers and other trainings",
    "seeds and clips": "other clips and other trainings",
}
# Of the seeds inside each signer; all signers of all seeds are held at once.
_RESAMPLES = 2_000
_Line = tuple[str, variation.Estimate, str, list[float]]
_POWER = (
    "Numbers for a chance of 80 % to find a difference of that size at the"
    f" {1 - intervals.LEVEL:.0%} level, if clips, signers and seeds vary as they do here. Clips are"
    " counted as independent; of a few signers more are needed. A plan is made before the runs:"
    " that a difference *was* found here says nothing of its power."
)


@dataclass(frozen=True)
class CorpusReport:
    """Systems on one corpus, and each of them against the first.

    Attributes:
        lineup: the systems on the clips that all of them tested.
        rates: each system's own rate with its interval.
        comparisons: name -> comparison with the first system.
        p: name -> p of the deciding estimate with all comparisons minded (Holm).
    """

    lineup: run_groups.Lineup
    rates: dict[str, variation.Estimate]
    comparisons: dict[str, two_systems.Comparison]
    p: dict[str, float]

    @property
    def reference(self) -> run_groups.System:
        """The system that the others are held against."""
        return self.lineup.systems[0]

    def verdicts(self) -> list[str]:
        """One comparison each, in words."""
        return [
            two_systems.verdict(
                comparison, (self.reference.name, name), self.p[name], len(self.comparisons)
            )
            for name, comparison in self.comparisons.items()
        ]


def compare_systems(
    lineup: run_groups.Lineup, rope: float, resamples: int, seed: int
) -> CorpusReport:
    """Hold all systems against the first one.

    Args:
        rope: points that do not matter.
        resamples, seed: of bootstraps and drawn exchanges.
    """
    first, *others = lineup.systems
    rates = {
        system.name: variation.difference(None, system.values, lineup.groups, sizes=lineup.words)
        for system in lineup.systems
    }
    comparisons = {
        system.name: two_systems.compare(
            first=first.values,
            second=system.values,
            signers=lineup.signers,
            words=lineup.words,
            rope=rope,
            resamples=resamples,
            seed=seed,
        )
        for system in others
    }
    return CorpusReport(lineup, rates, comparisons, two_systems.family_p(comparisons))


def page(report: CorpusReport) -> str:
    """The whole report in markdown."""
    lineup, reference = report.lineup, report.reference.name
    lines = [f"# {', '.join(report.comparisons)} against {reference}", ""]
    lines += [*(f"- {text}" for text in report.verdicts()), ""]
    lines += ["## What was compared", "", _clips_text(lineup), "", _systems(report), ""]
    for system in lineup.systems[1:]:
        lines += [f"## {system.name} against {reference}", ""]
        lines += [_rows(report.comparisons[system.name]), ""]
        lines += [*_notes(report, system), "", *_over_seeds(report, system)]
    warnings = [text for comparison in report.comparisons.values() for text in comparison.warnings]
    smoke = [s.name for s in lineup.systems if any(r.settings.mode == "smoke" for r in s.runs)]
    if smoke:
        warnings.append(
            f"smoke runs ({', '.join(smoke)}): small sizes, they say nothing about real signing"
        )
    lines += ["## What to mind", "", *(f"- {text}" for text in dict.fromkeys(warnings)), ""]
    # of each comparison what it would take to find the difference that was seen, and others
    plans = {name: _plan(comparison) for name, comparison in report.comparisons.items()}
    table = pd.concat(plans, names=["system"]).reset_index()
    needed = cells.markdown_table(table if len(plans) > 1 else table.drop(columns="system"))
    return "\n".join([*lines, "## What it would take", "", needed, "", _POWER, ""])


def _clips_text(lineup: run_groups.Lineup) -> str:
    data, count = lineup.systems[0].runs[0].settings.data, len(set(lineup.signers))
    kind = "clips" if lineup.words is None else f"sentences ({int(lineup.words.sum()):,} words)"
    signers = f"{count} signer{'s' * (count != 1)}" if all(lineup.signers) else "signers unknown"
    left_out = f" {lineup.left_out:,} that not every run tested were left out."
    return (
        f"Corpus {data.corpus}, split {data.split}: {len(lineup.clips):,} test {kind}, {signers}."
        f"{left_out if lineup.left_out else ''}"
    )


def _systems(report: CorpusReport) -> str:
    # One row a system: rate and interval, each seed, how large it is.
    return cells.markdown_table(
        pd.DataFrame(
            [
                {
                    "system": system.name,
                    report.lineup.unit: cells.spread(rate.value, rate.low, rate.high, ".2f"),
                    "interval over": rate.over,
                    "each seed": cells.each(report.lineup.rates(system)),
                    "parameters": f"{system.runs[0].facts.get('parameters', 0):,}",
                }
                for system, rate in zip(report.lineup.systems, report.rates.values(), strict=True)
            ]
        )
    )


def _rows(comparison: two_systems.Comparison) -> str:
    # One row a question.
    return cells.markdown_table(
        pd.DataFrame(
            [
                {
                    "over": name,
                    "what else might have come": READING[name],
                    "points [95 %, t]": cells.spread(one.value, one.low, one.high, "+.2f"),
                    "degrees of freedom": f"{one.df:,.1f}",
                    "p (t)": f"{one.p:.2g}",
                    "bootstrap": f"[{drawn[0]:+.2f}, {drawn[1]:+.2f}]" if drawn else "-",
                    "exchange test": f"{row.test}: p = {row.p:.2g}" if row.test else "-",
                }
                for name, row in comparison.rows.items()
                for one, drawn in [(row.estimate, row.bootstrap)]
            ]
        )
    )


def _notes(report: CorpusReport, system: run_groups.System) -> list[str]:
    # Beside the table: what only one got, segments of sentences, effect sizes over seeds.
    comparison, reference = report.comparisons[system.name], report.reference
    lines = []
    if comparison.higher:
        lines.append(
            f"Only {system.name} gets {100 * comparison.gained:.2f} % of the clips, only"
            f" {reference.name} {100 * comparison.lost:.2f} %."
        )
    elif len(system.hypotheses) == len(reference.hypotheses) == 1:
        test = error_rates.mapsswe(
            report.lineup.references, reference.hypotheses[0], system.hypotheses[0]
        )
        lines.append(f"{error_rates.segment_summary(test, (reference.name, system.name))}.")
    if comparison.seeds is not None:
        ranks = comparison.seeds.ranks
        interval = (
            f"[{ranks.low:+.2f}, {ranks.high:+.2f}]"
            if np.isfinite(ranks.low)
            else "no 95 % interval with so few"
        )
        lines.append(
            f"Over seeds the shift is {ranks.value:+.2f} points (Hodges-Lehmann; {interval}),"
            f" Hedges' g {comparison.seeds.cohen:+.2f}, Cliff's delta {comparison.seeds.cliff:+.2f}"
            f" ({comparison.seeds.size})."
        )
    return lines


def _over_seeds(report: CorpusReport, system: run_groups.System) -> list[str]:
    # Interquartile means, profiles and stochastic order, where both systems have several seeds.
    comparison, lineup = report.comparisons[system.name], report.lineup
    if comparison.seeds is None:
        return []
    pair = report.reference, system
    first, second = (lineup.by_signer(one) for one in pair)
    heights = np.quantile(np.concatenate([first, second], axis=None), (0.25, 0.5, 0.75))
    rows = ["interquartile mean, %", *(f"% of them above {height:.1f} %" for height in heights)]
    table = pd.DataFrame({f"scores of each seed on {first.shape[1]} signer(s)": rows})
    for one, scores in zip(pair, (first, second), strict=True):
        shares = 100 * np.array(
            [distributions.profile(scores, heights), *distributions.profile_band(scores, heights)]
        )
        middle = cells.spread(
            distributions.iqm(scores), *distributions.iqm_interval(scores, _RESAMPLES)
        )
        table[one.name] = [
            middle,
            *(cells.spread(share, low, high, ".0f") for share, low, high in shares.T),
        ]
    gain, interval = distributions.iqm_difference(first, second, _RESAMPLES)
    # the one with the better mean, and whether it is better at every level, too
    sign = 1 if comparison.higher else -1
    worse, better = sorted(pair, key=lambda one: float(sign * lineup.rates(one).mean()))
    low, high = ((sign * lineup.rates(one)).tolist() for one in (worse, better))
    # either of the two might have been the better one, so each comparison asks two questions
    bound = distributions.almost_stochastic_order(low, high, 2 * len(report.comparisons))
    answer = "is not shown to be" if bound >= 0.5 else "leans towards being"
    # measured on normal scores, in 300 pairs each; ten seeds: 5 of 100
    luck = (
        " That is easily luck: of two systems that are alike, one comes out as clear in 30 of 100"
        " cases with 2 seeds of each, in 16 with 3, in 10 with 5."
    )
    return [
        "Both systems have several seeds, so their scores are compared beyond the mean, too:",
        "",
        cells.markdown_table(table),
        "",
        f"The interquartile means differ by {cells.spread(gain, *interval, '+.1f')} points, seeds"
        f" drawn again inside each signer. Almost stochastic order: {better.name}"
        f" {'is' if bound < distributions.CLEAR else answer} better at every level of its seeds"
        f" (bound {bound:.2f}; clear below {distributions.CLEAR:g}, open from 0.5 on)."
        f"{luck if min(len(low), len(high)) < 10 else ''}",
        "",
    ]


def _plan(comparison: two_systems.Comparison) -> pd.DataFrame:
    # One row a difference: so many clips, signers and seeds would find it.
    seen = abs(comparison.deciding.value)
    sizes = {f"{points:.2g} points": points for points in (1.0, 2.0, 5.0)}
    if seen > 0:
        sizes = {f"{seen:.2f} points (as seen)": seen} | sizes
    # standard deviations in points: of signers' differences, and of seeds
    deviations = {}
    if "signers" in comparison.rows:
        deviations["signers"] = comparison.rows["signers"].estimate.error * np.sqrt(
            comparison.signers
        )
    if comparison.seeds is not None:
        variances = [np.var(rates, ddof=1) for rates in (comparison.first, comparison.second)]
        deviations["seeds of each"] = float(np.sqrt(np.mean(variances)))
    rows: dict[str, dict[str, str]] = {}
    for name, points in sizes.items():
        row = rows.setdefault(name, {})
        if comparison.higher:
            share = points / 100
            differing = max(comparison.gained + comparison.lost, share)
            gained, lost = (differing + share) / 2, (differing - share) / 2
            row["independent clips"] = _count(power.clips_needed, gained, lost)
        row |= {
            unit: _count(power.seeds_needed, points, deviation, pairs=unit == "signers")
            for unit, deviation in deviations.items()
            if deviation > 0
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("to find")


def _count(needed: Callable[..., int], *arguments: float, **options: bool) -> str:
    try:
        return f"{needed(*arguments, **options):,}"
    except InputError:
        return "too many"


def plot(reports: Mapping[str, CorpusReport]) -> Figure:
    """Each system's seeds with the interval of its mean, and each difference by what varies.

    Args:
        reports: corpus -> its report; names of rows tell the corpus where there are several.
    """
    first = next(iter(reports.values()))
    family = len(first.comparisons) > 1
    rates: list[_Line] = []
    gains: list[_Line] = []
    for corpus, report in reports.items():
        at = f"{corpus}: " if len(reports) > 1 else ""
        for system in report.lineup.systems:
            seeds = report.lineup.rates(system).tolist()
            rates.append((f"{at}{system.name}", report.rates[system.name], plots.BLUE, seeds))
        for name, comparison in report.comparisons.items():
            for over, row in comparison.rows.items():
                label = f"{at}{name}: over {over}" if family else f"{at}over {over}"
                colour = plots.ORANGE if row.estimate is comparison.deciding else plots.GREY
                gains.append((label, row.estimate, colour, []))
    drawn, (left, right) = plots.figure(10, 1.2 + 0.34 * max(len(rates), len(gains)), columns=2)
    rope = next(iter(first.comparisons.values())).rope
    right.axvspan(-rope, rope, color=plots.GREY, alpha=0.25, linewidth=0, zorder=0)
    right.axvline(0, color=plots.GREY, linestyle="--", linewidth=1, zorder=0)
    for axis, rows in ((left, rates), (right, gains)):
        for y, (_, one, colour, seeds) in enumerate(rows):
            plots.draw_interval(
                axis, y, one.value, (one.low, one.high), colour=colour, strokes=seeds
            )
        plots.name_rows(axis, [name for name, *_ in rows], f"{first.lineup.unit}; strokes: seeds")
    right.set_xlabel(f"points against {first.reference.name}; orange decides")
    return drawn
