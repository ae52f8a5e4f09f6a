"""Several comparisons asked at once, as table and figure: one family of tests (Holm).

One rule decides which comparisons are a family: all that one table shows, whatever each of them
asks, and with the p of the widest question that each can answer (other signers before other clips).
The words `better` and `worse` are said after Holm only; intervals stand for themselves.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from signlib.reports import cells, plots
from signlib.statistics import paired, two_systems
from signlib.statistics.intervals import LEVEL

# What varies -> the colour of its interval.
COLOURS = {"clips": plots.ORANGE, "signers": plots.BLUE}


def answers(comparisons: Mapping[str, two_systems.Comparison]) -> dict[str, str]:
    """Comparison -> what it says of the second system, with all of them minded (Holm)."""
    return {
        name: comparisons[name].answer(p) for name, p in two_systems.family_p(comparisons).items()
    }


def family_table(comparisons: Mapping[str, two_systems.Comparison]) -> pd.DataFrame:
    """One row a comparison: points, intervals and p over clips and over signers, and the answer."""
    rows = {}
    for name, p in two_systems.family_p(comparisons).items():
        comparison = comparisons[name]
        row = {"points": f"{comparison.deciding.value:+.2f}"}
        for over in COLOURS:
            one = comparison.rows[over].estimate if over in comparison.rows else None
            row[f"over {over}"] = f"[{one.low:+.2f}, {one.high:+.2f}]" if one else "-"
            row[f"p, {over}"] = f"{one.p:.2g}" if one else "-"
        rows[name] = row | {
            "p (Holm)": f"{p:.2g}",
            "clips are worth": f"{comparison.worth:,.0f}",
            "second is": comparison.answer(p),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def family_plot(comparisons: Mapping[str, two_systems.Comparison]) -> Figure:
    """One line a comparison: its 95 % interval over clips above that over signers."""
    drawn, (axis,) = plots.figure(7, 1.0 + 0.42 * len(comparisons))
    for row, comparison in enumerate(comparisons.values()):
        for shift, (over, colour) in zip((-0.14, 0.14), COLOURS.items(), strict=True):
            if over in comparison.rows:
                estimate = comparison.rows[over].estimate
                plots.draw_interval(
                    axis,
                    row + shift,
                    estimate.value,
                    (estimate.low, estimate.high),
                    colour=colour,
                    label="" if row else f"over {over}",
                )
    axis.axvline(0, color=plots.GREY, linestyle="--", linewidth=1, zorder=0)
    plots.name_rows(axis, comparisons, "points gained, 95 % intervals")
    drawn.legend(loc="outside upper right", ncols=len(COLOURS), frameon=False, fontsize=8)
    return drawn


def paired_answers(comparisons: Mapping[str, paired.Paired]) -> dict[str, str]:
    """As `answers`, of comparisons over clips and signers."""
    p = _over_signers(comparisons)
    return {
        name: pair.answer if p[name] < 1 - LEVEL else "no difference shown"
        for name, pair in comparisons.items()
    }


def _over_signers(comparisons: Mapping[str, paired.Paired]) -> dict[str, float]:
    # Comparison -> its p over signers, all of them minded (Holm).
    p = paired.holm([pair.p_signers for pair in comparisons.values()])
    return dict(zip(comparisons, p.tolist(), strict=True))


def paired_table(comparisons: Mapping[str, paired.Paired]) -> pd.DataFrame:
    """One row a comparison as text for a page; p over signers (Holm) takes all rows as a family."""
    p, said = _over_signers(comparisons), paired_answers(comparisons)
    rows = {
        name: {
            "points [t interval over signers]": cells.spread(
                pair.difference, *pair.by_signer, "+.2f"
            ),
            "bootstrap of signers": f"[{pair.bootstrap[0]:+.2f}, {pair.bootstrap[1]:+.2f}]",
            "without one signer": f"{pair.without_one[0]:+.2f} to {pair.without_one[1]:+.2f}",
            "gained / lost": f"{pair.only_second} / {pair.only_first}",
            "McNemar p": f"{pair.p:.2g}",
            "p, signers": f"{pair.p_signers:.2g}",
            "p (Holm)": f"{p[name]:.2g}",
            "second is": said[name],
        }
        for name, pair in comparisons.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def paired_plot(comparisons: Mapping[str, paired.Paired]) -> Figure:
    """One line a comparison: t interval as a band, mean of signers as a dot, signers as strokes."""
    drawn, (axis,) = plots.figure(7, 0.9 + 0.38 * len(comparisons))
    for row, pair in enumerate(comparisons.values()):
        plots.draw_interval(axis, row, pair.signer_mean, pair.by_signer, strokes=pair.each_signer)
    axis.axvline(0, color=plots.GREY, linestyle="--", linewidth=1, zorder=0)
    plots.name_rows(axis, comparisons, "points gained; strokes: one signer each")
    return drawn
