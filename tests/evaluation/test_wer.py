"""Word error rate worked out by hand, against every alignment there is, and against sclite's own
report.
"""

import random
import shutil
import subprocess
import tracemalloc
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib.data.phoenix import simplify
from signlib.data.transcripts import hypotheses_of, read_ctm, read_stm
from signlib.errors import InputError, SettingsError
from signlib.evaluation import wer

SENTENCES = st.lists(
    st.tuples(st.text("ABC", max_size=6), st.text("ABC", max_size=6)), min_size=1, max_size=5
)


def counts(reference: str, hypothesis: str, weights: str) -> tuple[int, int, int]:
    found = wer.edits([reference.split()], [hypothesis.split()], weights)
    return tuple(int(part[0]) for part in (found.substitutions, found.deletions, found.insertions))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "levenshtein", "sclite"),
    [
        ("A B C D", "A B C D", (0, 0, 0), (0, 0, 0)),
        ("A B C D", "A X C", (1, 1, 0), (1, 1, 0)),
        ("A B C D", "", (0, 4, 0), (0, 4, 0)),
        ("", "A B", (0, 0, 2), (0, 0, 2)),
        ("", "", (0, 0, 0), (0, 0, 0)),
        ("A A", "A", (0, 1, 0), (0, 1, 0)),
        # two substitutions cost 2 or 8; keeping A costs 2 or 6
        ("A B", "C A", (2, 0, 0), (0, 1, 1)),
        # three substitutions cost 3 or 12; two deletions and two insertions around A cost 4 or 12
        ("A B C", "D E A", (3, 0, 0), (3, 0, 0)),
        ("A B C D", "A X Y Z W", (3, 0, 1), (3, 0, 1)),
    ],
)
def test_counts_by_hand(reference, hypothesis, levenshtein, sclite):
    assert counts(reference, hypothesis, "levenshtein") == levenshtein
    assert counts(reference, hypothesis, "sclite") == sclite


@cache
def least_cost(a: str, b: str, swap: int, gap: int) -> int:
    """By trying every alignment."""
    if not a or not b:
        return gap * (len(a) + len(b))
    paired = least_cost(a[1:], b[1:], swap, gap) + swap * (a[0] != b[0])
    return min(paired, least_cost(a[1:], b, swap, gap) + gap, least_cost(a, b[1:], swap, gap) + gap)


@given(SENTENCES, st.sampled_from(sorted(wer.WEIGHTS)))
def test_no_alignment_costs_less(pairs, weights):
    swap, gap = wer.WEIGHTS[weights]
    found = wer.edits(*zip(*pairs, strict=True), weights)
    cost = swap * found.substitutions + gap * (found.deletions + found.insertions)
    assert cost.tolist() == [least_cost(a, b, swap, gap) for a, b in pairs]
    assert (found.deletions - found.insertions).tolist() == [len(a) - len(b) for a, b in pairs]
    assert found.words.tolist() == [len(a) for a, _ in pairs]


@given(SENTENCES)
def test_plain_errors_are_the_edit_distance(pairs):
    references, hypotheses = zip(*pairs, strict=True)
    plain = wer.word_errors(references, hypotheses)
    assert plain.tolist() == wer.edits(references, hypotheses, "levenshtein").errors.tolist()
    # sclite's alignment may keep a word at the price of more edits, never of fewer
    assert (wer.edits(references, hypotheses, "sclite").errors >= plain).all()


@given(SENTENCES)
def test_an_alignment_reads_both_sentences(pairs):
    aligned = wer.alignment(*zip(*pairs, strict=True))
    for number, (reference, hypothesis) in enumerate(pairs):
        steps = aligned[aligned["sentence"] == number]
        assert "".join(steps["reference"]) == reference
        assert "".join(steps["hypothesis"]) == hypothesis
        for step in steps.itertuples():
            kind = (
                wer.HIT
                if step.reference == step.hypothesis
                else (
                    wer.DELETION
                    if not step.hypothesis
                    else wer.INSERTION
                    if not step.reference
                    else wer.SUBSTITUTION
                )
            )
            assert step.kind == kind


def test_sentences_do_not_see_one_another(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [
        ["".join(rng.choice(list("ABCD"), rng.integers(12))) for _ in range(50)] for _ in range(2)
    ]
    whole = wer.alignment(*texts)
    monkeypatch.setattr(wer, "_CHUNK", 7)
    assert wer.alignment(*texts).equals(whole)
    alone = [wer.alignment([a], [b])["kind"].tolist() for a, b in zip(*texts, strict=True)]
    assert [kind for kinds in alone for kind in kinds] == whole["kind"].tolist()


def test_the_rate_is_of_sums_and_is_not_capped():
    references, hypotheses = (
        [["A"], "A B C D E F G H I".split()],
        ["X Y Z".split(), "A B C D E F G H I".split()],
    )
    assert wer.edits(references, hypotheses).rate == pytest.approx(
        30
    )  # the mean of the sentences would be 150
    assert wer.edits(references[:1], hypotheses[:1]).rate == 300
    with pytest.raises(InputError, match="hold no words"):
        _ = wer.edits([[]], [["A"]]).rate


def test_what_is_refused():
    with pytest.raises(
        SettingsError, match="weights 'nist' are unknown; choose from levenshtein, sclite"
    ):
        wer.edits([["A"]], [["A"]], "nist")
    with pytest.raises(InputError, match="2 references but 1 hypotheses"):
        wer.edits([["A"], ["B"]], [["A"]])


def test_signers_glosses_and_confusions_by_hand():
    references = ["A B A".split(), "A C".split(), "B".split()]
    hypotheses = ["A C A".split(), "B C A".split(), [""][:0]]
    found = wer.edits(references, hypotheses)
    aligned = wer.alignment(references, hypotheses)
    table = wer.by_signer(found, ["s2", "s1", "s2"])
    assert table.index.tolist() == ["s1", "s2", "all"]
    assert table.loc["s1"].tolist() == [1, 2, 1, 0, 1, 100]  # A -> B, and an A too many
    assert table.loc["s2"].tolist() == [2, 4, 1, 1, 0, 50]  # B -> C, and a B left out
    assert table.loc["all"].tolist() == [3, 6, 2, 1, 1, pytest.approx(400 / 6)]
    glosses = wer.by_gloss(aligned)
    assert glosses.index.tolist() == ["A", "B", "C"]
    assert glosses.loc["A"].tolist() == [3, 2, 1, 0, 1, pytest.approx(100 / 3)]
    assert glosses.loc["B"].tolist() == [2, 0, 1, 1, 0, 100]
    assert glosses.loc["C"].tolist() == [1, 1, 0, 0, 0, 0]
    assert wer.confusions(aligned).to_numpy().tolist() == [["A", "B", 1], ["B", "C", 1]]


def test_a_gloss_that_was_only_put_in():
    glosses = wer.by_gloss(wer.alignment([["A"]], [["A", "X"]]))
    assert glosses.loc["X", ["signed", "inserted"]].tolist() == [0, 1]
    assert np.isnan(glosses.loc["X", "errors"])


def test_sclites_own_counts_on_real_hypotheses(real_data):
    root = real_data("phoenix-2014")
    table = read_stm(root / "phoenix2014-groundtruth-dev.stm")
    references = [text.split() for text in table["glosses"]]
    raw = hypotheses_of(table["clip"], read_ctm(root / "hypotheses-dev.ctm"))
    heard = [simplify(glosses) for glosses in raw]
    found = wer.edits(references, heard)
    assert str(found) == "32.31 % (1,790 errors of 5,540 words: 963 sub, 685 del, 142 ins)"
    assert (
        wer.word_errors(references, heard).sum()
        == wer.edits(references, heard, "levenshtein").errors.sum()
        == 1790
    )
    assert wer.edits(references, raw).errors.sum() > 1790
    # its report by signer, and its list of confusions
    report = {
        "Signer01": 461,
        "Signer02": 25,
        "Signer03": 115,
        "Signer04": 211,
        "Signer05": 332,
        "Signer06": 30,
        "Signer07": 376,
        "Signer08": 179,
        "Signer09": 61,
        "all": 1790,
    }
    by_signer = wer.by_signer(found, table["signer"])
    assert by_signer[["substitutions", "deletions", "insertions"]].sum(axis=1).to_dict() == report
    confused = wer.confusions(wer.alignment(references, heard))
    assert len(confused) == 781
    assert confused["count"].head(12).tolist() == [7, 7, 7, 6, 6, 6, 6, 5, 5, 4, 4, 4]
    assert confused.loc[0, ["reference", "hypothesis"]].tolist() == ["SCHAUER", "REGEN"]


# What sclite 2.10 -D -s made of each: right, substituted, deleted, inserted; copied by hand.
RESOLVED = {
    ("A (UH) B", "A UH B"): (3, 0, 0, 0),
    ("A (UH) B", "A B"): (3, 0, 0, 0),
    ("A (UH) B", "A X B"): (2, 1, 0, 0),
    ("A (UH)", "X"): (1, 1, 0, 0),
    ("A (UH) B", "A X Y B"): (2, 1, 0, 1),
    ("A B", "A (UH) B"): (3, 0, 0, 0),
    ("(A) (B) (C) D", "X D"): (3, 1, 0, 0),
    ("{ A / @ } B", "B"): (1, 0, 0, 0),
    ("{ A { B / C } / D } E", "A C E"): (3, 0, 0, 0),
    ("{ A B C / X } E", "X E"): (2, 0, 0, 0),
    ("{ A / B } { C / D }", "B D"): (2, 0, 0, 0),
    ("{ A B / @ }", ""): (0, 0, 0, 0),
    ("A { (U) / V W } B", "A B"): (3, 0, 0, 0),
    # both alternatives cost the same: the first one counts
    ("{ A B C / D }", "A X"): (1, 1, 1, 0),
    ("{ D / A B C }", "A X"): (0, 1, 0, 1),
    ("A @ B / C", "A B /"): (3, 0, 1, 0),
    ("C { @ / C (D) }", "A D A B"): (1, 1, 1, 2),
}


@pytest.mark.parametrize(("texts", "expected"), RESOLVED.items())
def test_alternatives_as_sclite_reads_them(texts, expected):
    reference, heard = wer.resolve(texts[0], texts[1].split())
    assert graded(reference, heard) == expected


def graded(reference, heard):
    found = wer.edits([reference], [heard])
    wrong = [int(part[0]) for part in (found.substitutions, found.deletions, found.insertions)]
    return (len(reference) - wrong[0] - wrong[1], *wrong)


def random_reference(rng, depth=0):
    words = []
    for _ in range(rng.randint(depth > 0, 4)):
        word = rng.choice("ABCD")
        if depth < 2 and rng.random() < 0.25:
            parts = [random_reference(rng, depth + 1) for _ in range(rng.randint(1, 3))]
            word = "{ " + " / ".join(rng.choice([part, part, "@"]) for part in parts) + " }"
        elif rng.random() < 0.2:
            word = f"({word})"
        words.append(word)
    return " ".join(words)


def test_sclite_itself_agrees_where_it_is_installed(tmp_path):
    sclite = shutil.which("sclite") or shutil.which("sclite", path="/usr/lib/sctk/bin")
    if sclite is None:
        pytest.skip("sclite (Debian's sctk) is not installed")
    rng = random.Random(0)
    texts = [random_reference(rng) for _ in range(300)]
    heard = [[rng.choice("ABCD") for _ in range(rng.randint(0, 5))] for _ in texts]
    (tmp_path / "r.stm").write_text("".join(f"c{k:03d} 1 s 0 9 {t}\n" for k, t in enumerate(texts)))
    lines = [
        f"c{k:03d} 1 {j} .1 {word}\n"
        for k, words in enumerate(heard)
        for j, word in enumerate(words)
    ]
    (tmp_path / "h.ctm").write_text("".join(lines))
    options = "-r r.stm stm -h h.ctm ctm -s -D -o pra stdout".split()
    text = subprocess.run(
        [sclite, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    ).stdout
    numbers = [tuple(map(int, line.split()[-4:])) for line in text.split("\n") if "Scores:" in line]
    ours = [graded(*wer.resolve(*pair)) for pair in zip(texts, heard, strict=True)]
    assert len(numbers) == len(ours)
    # where two alternatives cost the same, sclite's choice depends on how deep they are nested
    same = [a == b for a, b in zip(ours, numbers, strict=True)]
    assert np.mean(same) > 0.98


def test_one_long_sentence_among_short_ones_takes_little_memory():
    long = [str(number % 7) for number in range(1000)]
    said = [["a", "b"]] * 1000 + [long] + [["a"]] * 1000
    heard = [["a"]] * 1000 + [long[1:]] + [["a", "b"]] * 1000
    tracemalloc.start()
    counts = wer.edits(said, heard)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Two numbers of eight bytes for each of `CELLS`, where all together would have 33 GB.
    assert peak < 17 * wer.CELLS
    assert counts.words.tolist() == [2] * 1000 + [1000] + [1] * 1000
    assert counts.deletions.tolist() == [1] * 1001 + [0] * 1000
    assert counts.insertions.tolist() == [0] * 1001 + [1] * 1000


def test_how_sentences_are_put_together_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    said = [rng.integers(0, 4, rng.integers(0, 9)).astype(str).tolist() for _ in range(60)]
    heard = [rng.integers(0, 4, rng.integers(0, 9)).astype(str).tolist() for _ in range(60)]
    together = wer.alignment(said, heard)
    for cells in (90, 200, 1000):
        monkeypatch.setattr(wer, "CELLS", cells)
        pd.testing.assert_frame_equal(wer.alignment(said, heard), together)


def test_a_sentence_that_is_too_long_is_refused():
    with pytest.raises(InputError, match=r"sentence 2 has 3,000 words and 2,900 in its .* 2,895"):
        wer.edits([["a"], ["a"] * 3000], [["a"], ["a"] * 2900])
    with pytest.raises(InputError, match=r"with alternatives has 1,500 words and 1,000 in its"):
        wer.resolve("{ A / B } " + "C " * 1496, ["C"] * 1000)
