"""A family of comparisons: what it says after Holm, and what a row of it shows."""

import json

import numpy as np
import pytest

from signlib import paths
from signlib.data import score_files
from signlib.data.score_files import load_scores
from signlib.evaluation.metrics import top_k
from signlib.reports import late_fusion
from signlib.reports.comparison_family import (
    answers,
    family_plot,
    family_table,
    paired_answers,
    paired_plot,
    paired_table,
)
from signlib.statistics import paired as paired_tests
from signlib.statistics.intervals import answer_of
from signlib.statistics.paired import paired
from signlib.statistics.two_systems import compare

SIGNERS = [f"s{k % 8}" for k in range(160)]


@pytest.fixture(scope="module")
def held():
    """The same system twice, and one that gains six of twenty clips of each of eight signers."""
    first = np.arange(160) // 8 % 2 == 0
    gained = first | (np.arange(160) // 8 < 12)
    return {"the same": compare(first, first, SIGNERS), "more": compare(first, gained, SIGNERS)}


def test_a_family_minds_all_of_its_questions(held):
    assert answers(held) == {"the same": "practically the same", "more": "better"}
    # p = 0.04 stands alone; twice as large it is no longer below 0.05
    half = np.random.default_rng(4).random((2, 160)) < [[0.5], [0.66]]
    one = compare(*half, SIGNERS)
    assert 0.025 < one.deciding.p < 0.05
    assert one.answer() == "better"
    assert answers({"a": one, "b": one})["a"] == "no difference shown"


def test_a_row_shows_both_intervals(held):
    table = family_table(held)
    more = held["more"].rows
    assert (
        table.loc["more", "over clips"]
        == f"[{more['clips'].estimate.low:+.2f}, {more['clips'].estimate.high:+.2f}]"
    )
    assert table.loc["more", "p, signers"] == f"{more['signers'].estimate.p:.2g}"
    assert table.loc["the same", "second is"] == "practically the same"


def test_where_signers_are_unknown_only_clips_are_shown(held):
    alone = {"x": compare(np.arange(40) % 2 == 0, np.arange(40) % 3 == 0)}
    assert family_table(alone).loc["x", "over signers"] == "-"
    dots = [len(family_plot(own).axes[0].lines) for own in (held, alone)]
    assert dots == [9, 3]  # two lines an interval, and the zero


# 8 clips of three signers: lost, gained, gained, both | gained, neither | both, gained
FIRST = np.array([1, 0, 0, 1, 0, 0, 1, 0], bool)
SECOND = np.array([0, 1, 1, 1, 1, 0, 1, 1], bool)


def test_a_page_shows_interval_counts_and_both_p():
    table = paired_table(
        {
            "depth": paired(FIRST, SECOND, list("aaaabbcc")),
            "nothing": paired(FIRST, FIRST, list("aaaabbcc")),
        }
    )
    assert table.loc["depth"].tolist() == [
        "+37.50 [+5.81, +77.52]",
        "[+25.00, +50.00]",
        "+33.33 to +50.00",
        "4 / 1",
        "0.38",
        # Signers gain 25, 50 and 50 points: t = 5 with two degrees of freedom.
        "0.038",
        "0.075",
        "no difference shown",
    ]
    assert table.loc["nothing", "p (Holm)"] == "1"


def test_a_comparison_is_a_band_its_signers_and_a_dot():
    first, second = (
        np.array([1, 0, 0, 1, 0, 0, 1, 0], bool),
        np.array([0, 1, 1, 1, 1, 0, 1, 1], bool),
    )
    answer = paired(first, second, list("aaaabbcc"))
    (axis,) = paired_plot({"theirs v ours": answer, "again": answer}).axes
    drawn = [list(np.ravel(line.get_xdata())) for line in axis.lines]
    assert drawn[:3] == [list(answer.by_signer), [25, 50, 50], [answer.signer_mean]]
    assert len(drawn) == 2 * 3 + 1
    assert [label.get_text() for label in axis.get_yticklabels()] == ["theirs v ours", "again"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1], "the first row is on top"


def test_notebooks_21_and_50_give_one_answer_to_one_question():
    """Their tables, cell for cell: a question that both ask has the same p and the same answer."""
    table = load_scores("generated", "", 0)
    namespace = {"table": table, "late_fusion": late_fusion, "np": np, "SEED": 0, "top_k": top_k}
    namespace |= {"paired": paired_tests, "score_files": score_files, "compare": compare}
    namespace["fused"] = late_fusion.fuse_groups(table)
    for notebook, start in (("21_fusion_strategies", "bare = "), ("50_statistics", "def right(")):
        cells = json.loads((paths.notebooks_root() / f"{notebook}.ipynb").read_text())["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        first = next(k for k, text in enumerate(texts) if text.startswith(start))
        exec(
            "\n".join(texts[first : first + 2]).partition("print(")[0].partition("\nfor text")[0],
            namespace,
        )
    fusions, streams = namespace["answers"], namespace["held"]
    shared = {
        "depth: as published": "depth, as published",
        "depth: published, same weights": "depth, same weights",
        "saw validation*: sum v sum": "saw validation v not",
    }
    for ours, theirs in shared.items():
        assert fusions[ours].p_signers == pytest.approx(streams[theirs].deciding.p, rel=1e-6)
    said = paired_answers(fusions), answers(streams)
    assert {said[0][name] for name in shared} == {said[1][name] for name in shared.values()}
    # Each alone was called better, over these clips and these signers.
    assert answer_of(fusions["depth: as published"].by_signer) == "better"
    assert said[0]["depth: as published"] == "no difference shown"
