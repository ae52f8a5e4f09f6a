"""The verb `wer`: from two files to what is printed."""

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.errors import RunError
from signlib.reports.wer_report import (
    compare,
    describe,
    readable,
    reading_table,
    report,
    score_files,
)

STM = "a 1 S1 0.0 1.79769e+308 A B\nb 1 S2 0.0 1.79769e+308 C SUED\nc 1 S2 0.0 1.79769e+308 D\n"
CTM = "b 1 0.0 0.1 C\nb 1 0.1 0.1 loc-SUEDRAUM\na 1 0.0 0.1 B\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "r.stm").write_text(STM)
    (tmp_path / "h.ctm").write_text(CTM)
    (tmp_path / "o.ctm").write_text("a 1 0.0 0.1 A\na 1 0.1 0.1 B\n")
    return [str(tmp_path / name) for name in ("r.stm", "h.ctm", "o.ctm")]


def test_files_are_scored_by_hand(files):
    raw, simple = score_files(*files[:2]), score_files(*files[:2], "phoenix-2014")
    # a lacks A, b has a wrong gloss until it is simplified, c was not heard
    assert [found.edits["sclite"].errors.tolist() for found in (raw, simple)] == [
        [1, 1, 1],
        [1, 0, 1],
    ]
    assert simple.silent == 1
    text = report(simple)
    assert "3 sentences, 5 words; 1 sentences without a hypothesis" in text
    assert "WER 40.00 %" in text
    assert "when whole signers are drawn again (2 signers)" in text
    assert "(2 errors of 5 words: 0 sub, 2 del, 0 ins)" in text
    assert text.endswith("most frequent confusions\nnone")


def test_two_hypotheses_are_compared(files):
    ours, other = score_files(*files[:2], "phoenix-2014"), score_files(files[0], files[2])
    found = compare(other, ours)
    assert (found.first, found.second, found.improved, found.worsened) == (60, 40, 1, 1)
    text = describe(found, ("o.ctm", "h.ctm"))
    assert text.startswith("h.ctm against o.ctm: 40.00 % against 60.00 %, -20.00 points")
    assert "only 2 signers" in text


def test_readings_of_the_same_sentences_stand_beside_each_other():
    references = [["A", "B"], ["C"], ["D", "D"]]
    table = reading_table(references, {"greedy": [["A"], ["X"], ["D", "D"]], "beam": references})
    assert table["value"].tolist() == [40, 0]
    assert table.loc["greedy", ["sub", "del", "ins"]].tolist() == [1, 1, 0]
    assert np.isnan(table.loc["greedy", ["points", "p"]].astype(float)).all()
    beam = table.loc["beam"]
    assert beam.points == -40
    assert beam.points_low < beam.points <= beam.points_high <= 0
    assert 0 < beam.p <= 1
    shown = readable(table)
    assert shown.loc["greedy", "against the first"] == ""
    assert shown.loc["beam"].tolist() == [
        "0.0 [0.0, 0.0]",
        "0/0/0",
        f"-40.0 [{beam.points_low:+.1f}, +0.0]",
    ]


def test_the_verb(files, capsys):
    assert main(["wer", *files[:2], "--simplify", "phoenix-2014", "--against", files[2]]) == 0
    shown = capsys.readouterr().out
    assert "WER 40.00 %" in shown
    assert f"{files[1]} against {files[2]}: 40.00 % against 60.00 %" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: [files[1], files[1]], "is not 'clip channel signer start end glosses'"),
        (lambda files: [files[0], "nowhere.ctm"], "nowhere.ctm cannot be read"),
        (
            lambda files: [*files[:2], "--simplify", "phoenix"],
            "choose from phoenix-2014, phoenix-2014-spanning",
        ),
    ],
)
def test_what_it_refuses_is_one_line(files, change, message, capsys):
    assert main(["wer", *change(files)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_real_system(real_data, capsys):
    root = real_data("phoenix-2014")
    files = [str(root / name) for name in ("phoenix2014-groundtruth-dev.stm", "hypotheses-dev.ctm")]
    assert main(["wer", *files, "--simplify", "phoenix-2014"]) == 0
    shown = capsys.readouterr().out
    assert "540 sentences, 5,540 words" in shown
    assert "(1,790 errors of 5,540 words: 963 sub, 685 del, 142 ins)" in shown


FIVE = "".join(
    f"{clip} 1 S1 0.0 1.79769e+308 {text}\n"
    for clip, text in (("a", "A B"), ("b", "C"), ("c", "D E F"), ("d", "A"), ("e", "B C"))
)
# c has no hypothesis; simplified, neither has d.
HEARD = "a 1 0 .1 A\nb 1 0 .1 X\nd 1 0 .1 __PU__\ne 1 0 .1 B\ne 1 1 .1 C\ne 1 2 .1 D\n"


def test_a_sentence_without_a_hypothesis(tmp_path, capsys):
    (tmp_path / "r.stm").write_text(FIVE)
    (tmp_path / "h.ctm").write_text(HEARD)
    files = [str(tmp_path / name) for name in ("r.stm", "h.ctm")]
    kinds = ("substitutions", "deletions", "insertions")
    # X for C, D too many, B left out; D E F by default left out, else [EMPTY] for one of them
    for empty, numbers in (("", (2, 4, 1)), ("phoenix-2014", (3, 3, 1))):
        edits = score_files(*files, empty=empty).edits["sclite"]
        assert tuple(int(getattr(edits, kind).sum()) for kind in kinds) == numbers
        assert edits.errors.tolist() == [1, 1, 3, 1, 1]
    # nothing is left of d: the official script fills it, too
    rules = ["--simplify", "phoenix-2014", "--empty", "phoenix-2014"]
    assert score_files(*files, *rules[1::2]).hypotheses == [
        ["A"],
        ["X"],
        ["[EMPTY]"],
        ["[EMPTY]"],
        ["B", "C", "D"],
    ]
    assert main(["wer", *files, *rules]) == 0
    shown = capsys.readouterr().out
    assert "1 sentences without a hypothesis (each given [EMPTY])" in shown
    assert "(7 errors of 9 words: 3 sub, 3 del, 1 ins)" in shown
    assert main(["wer", *files, "--empty", "phoenix"]) == 2
    assert "--empty 'phoenix' is unknown; choose from phoenix-2014" in capsys.readouterr().err


def test_plain_text_is_scored_line_by_line(tmp_path, capsys):
    (tmp_path / "r.txt").write_text("A B\nC\n\n")
    (tmp_path / "h.gloss").write_text("A\nC D\n\n")
    files = [str(tmp_path / name) for name in ("r.txt", "h.gloss")]
    assert main(["wer", *files]) == 0
    assert "(2 errors of 3 words: 0 sub, 1 del, 1 ins)" in capsys.readouterr().out
    (tmp_path / "h.gloss").write_text("A\nC D\n")
    assert main(["wer", *files]) == 2
    assert "has 3 lines and" in capsys.readouterr().err


def test_segments_alternatives_and_what_is_not_scored(tmp_path):
    (tmp_path / "r.stm").write_text(
        "a 1 S1 0 2 <o,f0,female> { A / B } C (UH)\n"
        "a 1 S1 2 4 IGNORE_TIME_SEGMENT_IN_SCORING\na 1 S2 4 6 D { E / @ }\n"
    )
    ctm = "a 1 0 .1 B\na 1 1 .1 C\na 1 3 .1 X\na 1 5 .1 D\n"
    (tmp_path / "h.ctm").write_text(ctm)
    (tmp_path / "o.ctm").write_text(ctm + "a 1 5.5 .1 E\n")
    scored, other = (score_files(tmp_path / "r.stm", tmp_path / f"{name}.ctm") for name in "ho")
    assert scored.references == scored.hypotheses == [["B", "C", "UH"], ["D"]]
    assert scored.signers == ["S1", "S2"]
    assert "2 sentences have alternatives or words in brackets" in report(scored)
    with pytest.raises(
        RunError, match="of 1 references the two took alternatives of other lengths"
    ):
        compare(scored, other)
