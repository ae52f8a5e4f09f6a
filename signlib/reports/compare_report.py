"""What `python -m signlib compare` says of runs: on one corpus, or on several together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from signlib.errors import RunError
from signlib.files import write_text
from signlib.reports import cells, corpus_report, run_groups
from signlib.runs.run import Run, drawn
from signlib.statistics.seed_tests import ROPE, across_corpora, check_rope

REPORT, FIGURE = "comparison.md", "comparison.png"


@dataclass(frozen=True)
class Report:
    """The same systems on one or several corpora.

    Attributes:
        corpora: corpus -> its report, with the systems in the same order everywhere.
        rope: points that do not matter.
    """

    corpora: dict[str, corpus_report.CorpusReport]
    rope: float

    @property
    def first(self) -> corpus_report.CorpusReport:
        """The report of the first corpus."""
        return next(iter(self.corpora.values()))

    def verdicts(self) -> list[str]:
        """One system each against the first one, in words."""
        if len(self.corpora) == 1:
            return self.first.verdicts()
        reference, count = self.first.reference.name, len(self.corpora)
        texts = []
        for name in self.first.comparisons:
            # a low word error rate is good, but `across_corpora` takes high scores for good
            sign = 1 if self.first.lineup.words is None else -1
            first = [sign * one.rates[reference].value for one in self.corpora.values()]
            second = [sign * one.rates[name].value for one in self.corpora.values()]
            chances = across_corpora(first, second, self.rope)
            texts.append(
                f"{name} against {reference} over {count} corpora: {chances.answer}. On a further"
                f" corpus of their kind it is better with a chance of {chances.better:.0%},"
                f" practically the same (within {self.rope:g} points) with {chances.same:.0%},"
                f" worse with {chances.worse:.0%} (Bayesian signed rank). By ranks p ="
                f" {chances.ranks.p:.2g}, which {count} corpora cannot bring below"
                f" {chances.ranks.smallest:.2g}."
            )
        return texts


def report(
    runs: Sequence[Run], rope: float = ROPE, resamples: int = 10_000, seed: int = 0
) -> Report:
    """Compare runs by every test that their predictions allow.

    Args:
        runs: finished ones; seeds of one system are put together. Of several corpora, the same
            systems on each.
        rope: points that do not matter.
        resamples, seed: of bootstraps and drawn exchanges.

    Raises:
        RunError: for runs that cannot be compared, see `run_groups.gather`, seeds of one system
            only, or corpora on which other systems were tested.
    """
    check_rope(rope)
    lineups = {
        corpus: run_groups.gather(members) for corpus, members in run_groups.by_corpus(runs).items()
    }
    first = next(iter(lineups.values()))
    names = [system.name for system in first.systems]
    corpora: dict[str, corpus_report.CorpusReport] = {}
    for corpus, lineup in lineups.items():
        systems = {system.name: system for system in lineup.systems}
        if set(systems) != set(names) or lineup.unit != first.unit:
            raise RunError(
                f"on {corpus} there are runs of {', '.join(systems)} ({lineup.unit}), elsewhere of"
                f" {', '.join(names)} ({first.unit}): name runs of the same systems on every"
                " corpus, or compare runs of one corpus and split"
            )
        if len(systems) < 2:
            raise RunError(
                f"all {len(runs)} runs are seeds of one system, {names[0]}; name runs of another"
                " one, too"
            )
        corpora[corpus] = corpus_report.compare_systems(
            replace(lineup, systems=[systems[name] for name in names]), rope, resamples, seed
        )
    return Report(corpora, rope)


def markdown(report: Report) -> str:
    """The whole report as one page; of several corpora, what they say together comes first."""
    pages = [corpus_report.page(one) for one in report.corpora.values()]
    if len(pages) == 1:
        return pages[0]
    rows = []
    for corpus, one in report.corpora.items():
        row = {"corpus": corpus, "test clips": f"{len(one.lineup.clips):,}"}
        row |= {
            f"{name}, {one.lineup.unit}": cells.spread(rate.value, rate.low, rate.high)
            for name, rate in one.rates.items()
        }
        row |= {f"{name} is": pair.answer(one.p[name]) for name, pair in one.comparisons.items()}
        rows.append(row)
    return "\n".join(
        [
            f"# {', '.join(report.first.comparisons)} on {len(rows)} corpora",
            "",
            *(f"- {text}" for text in report.verdicts()),
            "",
            "The runs are of several corpora, so each corpus gives one score a system (the mean of"
            " its seeds):",
            "",
            cells.markdown_table(pd.DataFrame(rows)),
            "",
            *pages,
        ]
    )


def write(report: Report, folder: Path) -> list[Path]:
    """The page and its figure into a folder; returns their paths, of the figure if it was drawn."""
    page, picture = Path(folder) / REPORT, Path(folder) / FIGURE
    before = "\n## What was compared"
    write_text(page, markdown(report).replace(before, f"\n![]({FIGURE})\n{before}", 1))
    fault = drawn(picture, lambda: corpus_report.plot(report.corpora))
    return [page] if fault else [page, picture]
