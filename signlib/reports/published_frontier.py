"""Published results on NTU RGB+D 60 against size, to hold our own networks against.

All results are quoted. `measured` compute was counted by us on a model built from its paper or
code; `paper` is what its authors print, who do not all count the same things.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from signlib.reports.plots import BLUE, GREY, INK, ORANGE, figure

_COLUMNS = ["model", "top-1", "networks", "parameters", "compute", "counted", "source"]
_ROWS = [
    (
        "ST-GCN",
        87.8,
        1,
        3.10,
        None,
        "",
        "Yan et al. 2018, joint, as trained in later practice; the paper says 81.5",
    ),
    ("SGN", 89.0, 1, 0.69, None, "", "Zhang et al. 2020; users could not reach it"),
    ("EfficientGCN-B0", 90.2, 1, 0.29, 2.73, "paper", "Song et al. 2022"),
    ("EfficientGCN-B2", 91.4, 1, 0.51, 4.05, "paper", "Song et al. 2022"),
    ("EfficientGCN-B4", 92.1, 1, 1.10, 8.36, "paper", "Song et al. 2022"),
    ("ST-GCN++", 89.3, 1, 1.40, None, "", "Duan et al. 2022, joint"),
    ("ST-GCN++", 92.1, 4, 1.40, None, "", "Duan et al. 2022"),
    (
        "CTR-GCN",
        89.9,
        1,
        1.45,
        1.94,
        "measured",
        "Chen et al. 2021, joint; 89.5 when others trained it",
    ),
    ("CTR-GCN", 92.4, 4, 1.45, 1.94, "measured", "Chen et al. 2021; 92.1 when others trained it"),
    ("InfoGCN", 93.0, 6, 1.56, 1.78, "measured", "Chi et al. 2022; 92.7 when others trained it"),
    ("BlockGCN", 93.1, 4, 1.3, 1.63, "paper", "Zhou et al. 2024"),
    ("SkateFormer", 92.6, 1, 3.62, None, "", "Do and Kim 2024, joint"),
]


# results whose name is written left of the point, where its right neighbour would cover it
_LEFT = {("BlockGCN", 4), ("EfficientGCN-B4", 1), ("EfficientGCN-B2", 1), ("SkateFormer", 1)}


def published() -> pd.DataFrame:
    """One row a result on xsub.

    Columns: model, top-1 (%), networks added, parameters (millions) and compute (G) of each one.
    `parameters in all` and `compute in all` count every network of an ensemble; NaN compute = not
    known to us.
    """
    table = pd.DataFrame(_ROWS, columns=_COLUMNS)
    in_all = table[["parameters", "compute"]].mul(table["networks"], axis=0)
    return table.join(in_all.add_suffix(" in all"))


def frontier(table: pd.DataFrame, size: str, value: str) -> pd.DataFrame:
    """The rows that no other row beats: none is as small and better, or smaller and as good.

    Args:
        table: any rows.
        size, value: columns; less of the first and more of the second is better.
    """
    ordered = table.dropna(subset=[size, value]).sort_values([size, value], ascending=[True, False])
    values = ordered[value].astype(float)
    return ordered[values > values.cummax().shift(fill_value=float("-inf"))]


def frontier_plot(sizes: Mapping[str, float], ours: pd.DataFrame, corpus: str) -> Figure:
    """One page: published results with our sizes marked, and beside them what ours measured.

    Args:
        sizes: name -> parameters of our networks for NTU RGB+D 60.
        ours: one row a network: parameters, value, low, high (top-1 in per cent).
        corpus: what ours were tested on.
    """
    drawn, (left, right) = figure(9.5, 3.6, columns=2)
    table = published()
    best = frontier(table, "parameters in all", "top-1")
    left.plot(
        best["parameters in all"] * 1e6,
        best["top-1"],
        color=GREY,
        linewidth=1,
        drawstyle="steps-post",
        zorder=0,
    )
    for model, value, networks, total in table[
        ["model", "top-1", "networks", "parameters in all"]
    ].to_numpy():
        left.plot(total * 1e6, value, "o", color=INK if networks == 1 else ORANGE, markersize=4)
        label = model if networks == 1 else f"{model} x{networks}"
        shift, side = ((-4, 1), "right") if (model, networks) in _LEFT else ((4, -2.5), "left")
        left.annotate(
            label, (total * 1e6, value), shift, textcoords="offset points", fontsize=6.5, ha=side
        )
    for name, count in sizes.items():
        left.axvline(count, color=BLUE, linestyle=":", linewidth=1, zorder=0)
        left.text(
            count, 86.1, f" {name}", color=BLUE, fontsize=7, rotation=90, va="bottom", ha="right"
        )
    left.set(
        xscale="log",
        xlim=(5e4, 2e7),
        ylim=(86, 94),
        xlabel="parameters",
        ylabel="top-1, xsub (%), quoted",
    )
    left.set_title("published, NTU RGB+D 60; dotted: our sizes", fontsize=9)
    spread = [ours["value"] - ours["low"], ours["high"] - ours["value"]]
    right.errorbar(
        ours["parameters"], ours["value"], spread, fmt="o", color=BLUE, capsize=3, markersize=5
    )
    for row in ours.itertuples():
        right.annotate(
            row.Index, (row.parameters, row.value), (5, 4), textcoords="offset points", fontsize=8
        )
    right.set(
        xscale="log", ylim=(0, 102), xlabel="parameters", ylabel="top-1 (%) with 95 % interval"
    )
    right.set_title(f"measured here, {corpus}", fontsize=9)
    return drawn
