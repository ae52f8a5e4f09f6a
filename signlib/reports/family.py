"""Several comparisons asked at once: one family of tests, each over clips beside over signers, as
table and figure.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from signlib.reports.plots import BLUE, GREY, ORANGE, figure
from signlib.statistics.comparing import Comparison
from signlib.statistics.paired import holm

SHOWN = {"clips": ORANGE, "signers": BLUE}


def answers(held: Mapping[str, Comparison]) -> dict[str, str]:
    """Comparison -> what its deciding estimate says of the second system, with all of them minded
    (Holm).
    """
    return {name: own.answer(p) for name, own, p in _minded(held)}


def _minded(held: Mapping[str, Comparison]) -> list[tuple[str, Comparison, float]]:
    """Name, comparison and its p after Holm."""
    p = holm([own.deciding.p for own in held.values()])
    return [(name, own, float(value)) for (name, own), value in zip(held.items(), p, strict=True)]


def family_table(held: Mapping[str, Comparison]) -> pd.DataFrame:
    """One row a comparison: its points, the interval and p over clips and over signers, and the
    answer after Holm.
    """
    rows = {}
    for name, own, p in _minded(held):
        row = {"points": f"{own.deciding.value:+.2f}"}
        for over in SHOWN:
            found = own.rows[over].estimate if over in own.rows else None
            row[f"over {over}"] = "-" if found is None else f"[{found.low:+.2f}, {found.high:+.2f}]"
            row[f"p, {over}"] = "-" if found is None else f"{found.p:.2g}"
        rows[name] = row | {
            "p (Holm)": f"{p:.2g}",
            "clips are worth": f"{own.worth:,.0f}",
            "second is": own.answer(p),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def family_plot(held: Mapping[str, Comparison]) -> Figure:
    """One line a comparison: its 95 % interval over clips above that over signers."""
    drawn, (axis,) = figure(7, 1.0 + 0.42 * len(held))
    for row, own in enumerate(held.values()):
        for shift, (over, colour) in zip((-0.14, 0.14), SHOWN.items(), strict=True):
            if over in own.rows:
                found = own.rows[over].estimate
                ends, place = [found.low, found.high], row + shift
                axis.plot(
                    ends, [place] * 2, color=colour, linewidth=4, alpha=0.6, solid_capstyle="butt"
                )
                axis.plot(
                    found.value,
                    place,
                    "o",
                    color=colour,
                    markersize=4,
                    label="" if row else f"over {over}",
                )
    axis.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
    axis.set(xlabel="points gained, 95 % intervals", ylim=(len(held) - 0.5, -0.5))
    axis.set_yticks(range(len(held)), list(held))
    drawn.legend(loc="outside upper right", ncols=len(SHOWN), frameon=False, fontsize=8)
    return drawn
