"""What `python -m signlib compare` says of runs: who is better, by how much, how sure, and what
varies.

All systems are held against the first one; these comparisons are one family (Holm). No stars: a
verdict in words, with its interval, and with what the interval does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from signlib.errors import InputError, RunError
from signlib.evaluation.metrics import LEVEL
from signlib.files import write_text
from signlib.reports.plots import BLUE, GREY, INK, ORANGE, figure
from signlib.reports.run_groups import Bench, System, gather
from signlib.runs.run import Run
from signlib.statistics.across_corpora import ROPE
from signlib.statistics.comparing import Comparison, check_rope, compare, verdict
from signlib.statistics.mapsswe import mapsswe, segment_summary
from signlib.statistics.paired import holm
from signlib.statistics.power import clips_needed, seeds_needed
from signlib.statistics.variation import Estimate, difference

REPORT, FIGURE = "comparison.md", "comparison.png"
ASKED = (1.0, 2.0, 5.0)
"""Points for which the report says what it would take to find them."""
READING = {
    "clips": "other clips of the same signers by the same trainings",
    "signers": "other signers; the same trainings",
    "seeds": "other trainings; the same clips",
    "seeds and signers": "other signers and other trainings",
    "seeds and clips": "other clips and other trainings",
}


@dataclass(frozen=True)
class Report:
    """A bench and what was found on it: the first system's name is left out of `found` and `p`.

    Attributes:
        rates: each system's own rate with its interval.
        found: name -> comparison with the first system.
        p: name -> p of the deciding estimate with all comparisons minded (Holm).
    """

    bench: Bench
    rates: dict[str, Estimate]
    found: dict[str, Comparison]
    p: dict[str, float]

    @property
    def reference(self) -> System:
        """The system that the others are held against."""
        return self.bench.systems[0]

    def verdicts(self) -> list[str]:
        """One comparison each, in words."""
        pairs = ((name, (self.reference.name, name)) for name in self.found)
        return [
            verdict(self.found[name], names, self.p[name], len(self.found)) for name, names in pairs
        ]


def report(
    runs: Sequence[Run], rope: float = ROPE, resamples: int = 10_000, seed: int = 0
) -> Report:
    """Compare runs by every test that their predictions allow.

    Args:
        runs: finished ones, of the same clips; seeds of one system are put together.
        rope: points that do not matter.
        resamples, seed: of bootstraps and drawn exchanges.

    Raises:
        RunError: for runs that cannot be compared, see `run_groups.gather`, or seeds of one system
            only.
    """
    check_rope(rope)
    bench = gather(runs)
    if len(bench.systems) < 2:
        raise RunError(
            f"all {len(runs)} runs are seeds of one system, {bench.systems[0].name}; name runs of"
            " another one, too"
        )
    known = all(bench.signers) and len(set(bench.signers)) > 1
    groups, words = bench.signers if known else None, bench.words
    rates = {own.name: difference(None, own.values, groups, sizes=words) for own in bench.systems}
    first, *others = bench.systems
    found = {
        own.name: compare(first.values, own.values, bench.signers, words, rope, resamples, seed)
        for own in others
    }
    p = holm([own.deciding.p for own in found.values()])
    return Report(bench, rates, found, dict(zip(found, p.tolist(), strict=True)))


def markdown(made: Report) -> str:
    """The whole report as one page."""
    bench, names = made.bench, ", ".join(made.found)
    lines = [
        f"# {names} against {made.reference.name}",
        "",
        *(f"- {text}" for text in made.verdicts()),
        "",
    ]
    lines += ["## What was compared", "", _bench_text(bench), "", _table(_systems(made)), ""]
    for name, found in made.found.items():
        lines += [
            f"## {name} against {made.reference.name}",
            "",
            _table(_rows(found)),
            "",
            *_more(made, name),
            "",
        ]
    minded = dict.fromkeys(text for found in made.found.values() for text in found.warnings)
    smoke = [
        own.name for own in bench.systems if any(run.settings.mode == "smoke" for run in own.runs)
    ]
    if smoke:
        minded[
            f"smoke runs ({', '.join(smoke)}): small sizes, they say nothing about real signing"
        ] = None
    lines += ["## What to mind", "", *(f"- {text}" for text in minded), ""]
    lines += [
        "## What it would take",
        "",
        _table(pd.concat({n: _plan(f, made) for n, f in made.found.items()})),
        "",
        (
            f"Numbers for a chance of 80 % to find a difference of that size at the {1 - LEVEL:.0%}"
            " level, if clips, signers and seeds vary as they do here. Clips are counted as"
            " independent; of a few signers more are needed. A plan is made before the runs: that"
            " a difference *was* found here says nothing of its power."
        ),
        "",
    ]
    return "\n".join(lines)


def write(made: Report, folder: Path) -> list[Path]:
    """The page and its figure into a folder; returns both paths."""
    page, picture = Path(folder) / REPORT, Path(folder) / FIGURE
    text = markdown(made).replace(
        "\n## What was compared", f"\n![]({FIGURE})\n\n## What was compared", 1
    )
    write_text(page, text)
    plot(made).savefig(picture, dpi=120, bbox_inches="tight")
    return [page, picture]


def _bench_text(bench: Bench) -> str:
    data = bench.systems[0].runs[0].settings.data
    who = len(set(bench.signers)) if all(bench.signers) else 0
    kind = "clips" if bench.references is None else f"sentences ({int(bench.words.sum()):,} words)"
    signers = f"{who} signer{'s' * (who != 1)}" if who else "signers unknown"
    text = f"Corpus {data.corpus}, split {data.split}: {len(bench.clips):,} test {kind}, {signers}."
    if bench.left_out:
        text += f" {bench.left_out:,} that not every run tested were left out."
    return text


def _systems(made: Report) -> pd.DataFrame:
    """One row a system: rate and interval, each seed, how large it is."""
    rows = {}
    words = made.bench.words
    for own in made.bench.systems:
        found = made.rates[own.name]
        each = made.bench.rates(own)
        rows[own.name] = {
            (
                "top-1 %" if words is None else "WER %"
            ): f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]",
            "interval over": found.over,
            "each seed": ", ".join(f"{value:.1f}" for value in each),
            "parameters": f"{own.runs[0].facts.get('parameters', 0):,}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("system")


def _rows(found: Comparison) -> pd.DataFrame:
    """One row a question."""
    rows = {}
    for name, row in found.rows.items():
        one = row.estimate
        rows[name] = {
            "what else might have come": READING[name],
            "points [95 %, t]": f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]",
            "degrees of freedom": f"{one.df:,.1f}",
            "p (t)": f"{one.p:.2g}",
            "bootstrap": (
                "-"
                if row.bootstrap is None
                else f"[{row.bootstrap[0]:+.2f}, {row.bootstrap[1]:+.2f}]"
            ),
            "exchange test": f"{row.test}: p = {row.p:.2g}" if row.test else "-",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("over")


def _more(made: Report, name: str) -> list[str]:
    """Sentences beside the table: what only one got, effect sizes over seeds, segments of
    sentences.
    """
    found, lines = made.found[name], []
    if made.bench.references is None:
        lines.append(
            f"Only {name} gets {100 * found.gained:.2f} % of the clips, only {made.reference.name} "
            f"{100 * found.lost:.2f} %."
        )
    else:
        other = next(own for own in made.bench.systems if own.name == name)
        if len(other.hypotheses) == len(made.reference.hypotheses) == 1:
            tested = mapsswe(
                made.bench.references, made.reference.hypotheses[0], other.hypotheses[0]
            )
            lines.append(f"{segment_summary(tested, (made.reference.name, name))}.")
    if found.seeds is not None:
        ranks = found.seeds.ranks
        span = (
            f"[{ranks.low:+.2f}, {ranks.high:+.2f}]"
            if np.isfinite(ranks.low)
            else "no 95 % interval with so few"
        )
        lines.append(
            f"Over seeds the shift is {ranks.value:+.2f} points (Hodges-Lehmann; {span}), Hedges' g"
            f" {found.seeds.cohen:+.2f}, Cliff's delta {found.seeds.cliff:+.2f}"
            f" ({found.seeds.size})."
        )
    return lines


def _plan(found: Comparison, made: Report) -> pd.DataFrame:
    """What it would take to find the difference that was seen, and others."""
    seen = abs(found.deciding.value)
    sizes = {f"{points:.2g} points": points for points in ASKED}
    if seen > 0:
        sizes = {f"{seen:.2f} points (as seen)": seen} | sizes
    spreads = _spreads(found, made)
    rows = {}
    for name, points in sizes.items():
        row = {}
        if found.higher:
            differing = max(found.gained + found.lost, points / 100)
            row["independent clips"] = _count(
                clips_needed, (differing + points / 100) / 2, (differing - points / 100) / 2
            )
        row |= {
            unit: _count(seeds_needed, points, spread, pairs=unit == "signers")
            for unit, spread in spreads.items()
        }
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("to find")


def _spreads(found: Comparison, made: Report) -> dict[str, float]:
    """Standard deviations in points: of signers' differences, and of seeds."""
    out = {}
    if "signers" in found.rows:
        one = found.rows["signers"].estimate
        out["signers"] = one.error * np.sqrt(found.signers)
    if found.seeds is not None:
        spreads = [np.var(own, ddof=1) for own in (found.first, found.second)]
        out["seeds of each"] = float(np.sqrt(np.mean(spreads)))
    return {unit: spread for unit, spread in out.items() if spread > 0}


def _count(needed, *arguments: float, **options: bool) -> str:
    try:
        return f"{needed(*arguments, **options):,}"
    except InputError:
        return "too many"


def _table(table: pd.DataFrame) -> str:
    """A table as markdown; its index is the first column."""
    flat = table.reset_index()
    if isinstance(table.index, pd.MultiIndex):
        flat = flat.rename(columns={"level_0": "system"})
        if flat.iloc[:, 0].nunique() == 1:
            flat = flat.iloc[:, 1:]
    lines = ["| " + " | ".join(map(str, flat.columns)) + " |", "|---" * flat.shape[1] + "|"]
    cells = flat.astype(str).apply(lambda column: column.str.replace("|", "/", regex=False))
    return "\n".join(
        lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
    )


def plot(made: Report) -> Figure:
    """Each system's seeds with the interval of its mean, and each difference under every question
    asked of it.
    """
    rows = [
        (name, over, row.estimate)
        for name, found in made.found.items()
        for over, row in found.rows.items()
    ]
    drawn, (left, right) = figure(
        10, 1.2 + 0.34 * max(len(rows), len(made.bench.systems)), columns=2
    )
    words = made.bench.words
    for y, own in enumerate(made.bench.systems):
        rate = made.rates[own.name]
        left.plot(
            [rate.low, rate.high], [y, y], color=BLUE, linewidth=5, alpha=0.3, solid_capstyle="butt"
        )
        each = made.bench.rates(own)
        left.plot(each, np.full(len(each), y), "|", color=INK, markersize=9)
        left.plot(rate.value, y, "o", color=BLUE)
    left.set(xlabel=f"{'top-1' if words is None else 'word error rate'} (%); strokes: seeds")
    left.set_yticks(range(len(made.bench.systems)), [own.name for own in made.bench.systems])
    left.set_ylim(len(made.bench.systems) - 0.5, -0.5)
    rope = next(iter(made.found.values())).rope
    right.axvspan(-rope, rope, color=GREY, alpha=0.25, linewidth=0, zorder=0)
    right.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
    for y, (name, _, one) in enumerate(rows):
        colour = ORANGE if one is made.found[name].deciding else GREY
        right.plot(
            [one.low, one.high], [y, y], color=colour, linewidth=5, alpha=0.5, solid_capstyle="butt"
        )
        right.plot(one.value, y, "o", color=INK, markersize=5)
    several = len(made.found) > 1
    labels = [f"{name}: over {over}" if several else f"over {over}" for name, over, _ in rows]
    right.set_yticks(range(len(rows)), labels)
    right.set(
        xlabel=f"points against {made.reference.name}; orange decides", ylim=(len(rows) - 0.5, -0.5)
    )
    return drawn
