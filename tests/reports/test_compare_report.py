"""The report of `signlib compare`: what stands in it, and that its words follow its numbers."""

import numpy as np
import pandas as pd
import pytest

from signlib.__main__ import main
from signlib.errors import InputError, RunError
from signlib.reports.compare_report import FIGURE, REPORT, markdown, report, write
from signlib.reports.corpus_report import plot
from signlib.runs.run import PREDICTIONS, Metric, start
from signlib.settings import presets
from signlib.statistics.error_rates import mapsswe
from signlib.statistics.paired import holm

CLIPS = 240
SIGNERS = [f"signer{i % 8}" for i in range(CLIPS)]


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A function that makes a finished run with a share of its test clips right."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))

    def make(experiment, share, seed=0, sentences=False, signers=SIGNERS, mode="full", store=""):
        where = ["data.corpus=store", f"data.root=stores/{store}"] if store else []
        settings = presets.build("landmarks/small", mode, seed, where)
        run = start(experiment, f"{mode}-seed{seed}{store}", settings)
        run.note(parameters=384_447)
        run.trained()
        run.open_test()
        right = np.random.default_rng(seed).permutation(CLIPS) < share * CLIPS
        table = pd.DataFrame({"clip": [f"{store}c{i}" for i in range(CLIPS)], "signer": signers})
        if sentences:
            table = table.assign(target="A B C D", hypothesis=np.where(right, "A B C D", "A B X D"))
        else:
            table = table.assign(target="A", prediction=np.where(right, "A", "B"), score=1.0)
        return run.finish([Metric("top-1", 100 * right.mean(), CLIPS, "test")], table)

    return make


def test_a_page_says_who_is_better_by_how_much_and_how_sure(finished):
    old = [finished("small", share, seed) for seed, share in enumerate((0.60, 0.58, 0.61))]
    new = [finished("large", share, seed) for seed, share in enumerate((0.80, 0.79, 0.82))]
    made = report([*old, *new])
    page = markdown(made)
    assert page.startswith(
        "# large against small\n\n- large against small: better. It differs by +20."
    )
    parts = [
        "| large | 80.",
        "each seed",
        "240 test clips, 8 signers",
        "| seeds and signers | other signers and",
        "Hedges' g",
        "Only large gets",
        "only 8 signers",
        "points (as seen)",
        "## What it would take",
    ]
    for text in parts:
        assert text in page, text
    assert "*" not in page.replace("difference *was* found", "")
    assert made.first.comparisons["large"].first == pytest.approx([60, 58 + 1 / 3, 61.25], abs=0.5)


def test_several_seeds_are_compared_beyond_their_mean(finished):
    everyone = ["s"] * CLIPS
    systems = {
        name: [finished(name, share, seed, signers=everyone) for seed, share in enumerate(shares)]
        for name, shares in (("small", (0.5, 0.6)), ("large", (0.8, 0.9)))
    }
    page = markdown(report([*systems["small"], systems["large"][0]]))
    assert "interquartile" not in page, "one training of the second"
    page = markdown(report([*systems["small"], *systems["large"]]))
    # two scores each: 50 and 60, 80 and 90; drawn again, their means go from 50 to 60 and 80 to 90
    parts = [
        "| scores of each seed on 1 signer(s) | small | large |",
        "| interquartile mean, % | 55.0 [50.0, 60.0] | 85.0 [80.0, 90.0] |",
        "| % of them above 70.0 % | 0 [0, 0] | 100 [100, 100] |",
        "differ by +30.0 [+20.0, +40.0] points",
        "large is better at every level of its seeds (bound 0.00",
        "in 30 of 100 cases with 2 seeds of each",
    ]
    for text in parts:
        assert text in page, text


def test_fewer_errors_are_better_at_every_level(finished):
    old = [finished("ctc", share, seed, sentences=True) for seed, share in enumerate((0.5, 0.6))]
    new = [finished("best", share, seed, sentences=True) for seed, share in enumerate((0.8, 0.9))]
    page = markdown(report([*old, *new]))
    assert "best is better at every level" in page
    assert "points, seeds drawn again" in page.split("interquartile means differ by -")[1]
    # the other way round the same one is better
    assert "best is better at every level" in markdown(report([*new, *old]))


def test_several_corpora_are_one_question(finished, tmp_path):
    shares = {"a": (0.5, 0.7), "b": (0.6, 0.65), "c": (0.4, 0.5), "d": (0.7, 0.8), "e": (0.5, 0.6)}
    runs_ = []
    for store, (old, new) in shares.items():
        pair = [finished("small", old, store=store), finished("large", new, store=store)]
        runs_ += pair if store == "a" else pair[::-1]  # the first corpus says who is the first
    made = report(runs_)
    (verdict,) = made.verdicts()
    assert verdict.startswith("large against small over 5 corpora: better. On a further corpus")
    # all of five point one way: 2 / 2^5
    assert "p = 0.062, which 5 corpora cannot bring below 0.062" in verdict
    page = markdown(made)
    assert page.startswith(f"# large on 5 corpora\n\n- {verdict}\n")
    assert "| corpus | test clips | small, top-1 % | large, top-1 % | large is |" in page
    assert "| b | 240 | 60.0 [" in page
    assert page.count("## What it would take") == 5
    page, _ = write(made, tmp_path / "out")
    assert page.read_text().count(FIGURE) == 1
    labels = [tick.get_text() for tick in plot(made.corpora).axes[0].get_yticklabels()]
    assert labels[:3] == ["a: small", "a: large", "b: small"]


def test_other_systems_on_another_corpus_are_refused(finished):
    pair = [finished(name, 0.5, store="a") for name in ("small", "large")]
    with pytest.raises(
        RunError, match=r"on b there are runs of other .* elsewhere of small, large"
    ):
        report([*pair, finished("other", 0.5, store="b")])
    words = [finished(name, 0.5, 1, sentences=True, store="b") for name in ("small", "large")]
    with pytest.raises(RunError, match=r"\(WER %\), elsewhere of small, large \(top-1 %\)"):
        report([*pair, *words])


def test_all_comparisons_are_one_family(finished):
    found = [
        finished(name, share) for name, share in (("small", 0.5), ("large", 0.56), ("other", 0.55))
    ]
    made = report(found)
    assert list(made.first.comparisons) == ["large", "other"]
    assert list(made.first.p.values()) == pytest.approx(
        holm([one.deciding.p for one in made.first.comparisons.values()])
    )
    assert "with all 2 comparisons minded (Holm)" in made.verdicts()[0]
    assert "| system | to find |" in markdown(made)


def test_sentences_come_with_segments(finished):
    runs_ = finished("ctc", 0.5, sentences=True), finished("attention", 0.7, 1, sentences=True)
    page = markdown(report(runs_))
    assert "WER %" in page
    assert "240 test sentences (960 words)" in page
    tested = mapsswe(
        *(
            [text.split() for text in table]
            for table in (
                runs_[0].predictions["target"],
                *(run.predictions["hypothesis"] for run in runs_),
            )
        )
    )
    assert f"MAPSSWE: {tested.segments} segments, {tested.first} and {tested.second} errors" in page
    assert "independent clips" not in page.split("## What it would take")[1].split("\n\n")[1]


def test_unknown_signers_and_smoke_runs_are_said(finished):
    blank = [""] * CLIPS
    page = markdown(
        report([finished("small", 0.5, signers=blank), finished("large", 0.6, signers=blank)])
    )
    assert "signers unknown" in page
    assert "nobody knows who signs" in page
    page = markdown(report([finished("toy", 0.5, mode="smoke"), finished("other", 0.6)]))
    assert "smoke runs (toy)" in page


def test_one_system_is_nothing_to_compare(finished):
    with pytest.raises(RunError, match="seeds of one system, small"):
        report([finished("small", 0.5, seed) for seed in (0, 1)])
    with pytest.raises(InputError, match="points that do not matter"):
        report([finished("small", 0.5, 3), finished("large", 0.5, 3)], rope=-1)


def test_page_and_figure_are_written(finished, tmp_path):
    made = report([finished("small", 0.5), finished("large", 0.7)])
    page, picture = write(made, tmp_path / "out")
    assert (page.name, picture.name) == (REPORT, FIGURE)
    assert f"![]({FIGURE})" in page.read_text()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    left, right = plot(made.corpora).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["small", "large"]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["over clips", "over signers"]


def test_the_verb(finished, tmp_path, capsys):
    paths = [str(finished(name, share).path) for name, share in (("small", 0.5), ("large", 0.7))]
    assert main(["compare", *paths]) == 0
    assert capsys.readouterr().out.startswith("# large against small")
    assert main(["compare", *paths, "--rope", "2", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "better" in out.splitlines()[0]
    assert str(tmp_path / "out" / REPORT) in out
    (tmp_path / "runs" / "large" / "full-seed0" / PREDICTIONS).unlink()
    assert main(["compare", *paths]) == 2
    assert "published without per-clip predictions" in capsys.readouterr().err
