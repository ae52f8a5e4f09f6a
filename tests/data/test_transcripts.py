"""stm and ctm files: written, read back, and broken in every way that people break them."""

import math

import pandas as pd
import pytest

from signlib.data.transcripts import hypotheses_of, read_ctm, read_stm, write_ctm, write_stm
from signlib.errors import ManifestError


def test_an_stm(tmp_path):
    (tmp_path / "a.stm").write_text(
        ";; comment\na 1 S1 0.0 1.79769e+308 ICH  OSTERN\n\nb 1 S2 1.5 2.25 WARM\nc 1 S2 0"
        " 1.79769e+308\n"
    )
    assert read_stm(tmp_path / "a.stm").to_numpy().tolist() == [
        ["a", "1", "S1", 0.0, math.inf, "ICH OSTERN"],
        ["b", "1", "S2", 1.5, 2.25, "WARM"],
        ["c", "1", "S2", 0.0, math.inf, ""],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a 1 S 0.0\n",
            r"a\.stm, line 1: 'a 1 S 0\.0' is not 'clip channel signer start end glosses'",
        ),
        ("a 1 S 0 x A\n", "line 1"),
        ("\na 1 S 2 1 A\n", "line 2: a sentence from 2.0 s to 1.0 s"),
        ("a 1 S nan 1 A\n", "from nan s"),
        (";; nothing\n", "holds no sentence"),
        ("a 1 S 0 1 A\na 1 S 0 1 B\n", "line 2: clip 'a' appears twice"),
    ],
)
def test_a_broken_stm_is_named(tmp_path, text, message):
    (tmp_path / "a.stm").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_stm(tmp_path / "a.stm")


def test_a_ctm_is_ordered_by_time_and_may_lack_a_clip(tmp_path):
    (tmp_path / "a.ctm").write_text(
        ";; comment\nb 1 0.5 0.1 ZWEI 0.9\na 1 0.0 0.1 ICH\nb 1 0.1 0.1 EINS\n\nb 1 0.5 0.1 DREI\n"
    )
    hypotheses = read_ctm(tmp_path / "a.ctm")
    assert hypotheses == {"b": ["EINS", "ZWEI", "DREI"], "a": ["ICH"]}
    assert hypotheses_of(["a", "c", "b"], hypotheses) == [["ICH"], [], ["EINS", "ZWEI", "DREI"]]
    with pytest.raises(
        ManifestError, match=r"the ctm has 1 clips that the references lack \(first 'b'\)"
    ):
        hypotheses_of(["a"], hypotheses)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a 1 0.0 0.1\n",
            r"a\.ctm, line 1: 'a 1 0\.0 0\.1' is not 'clip channel start length gloss'",
        ),
        ("\na 1 x 0.1 A\n", "line 2"),
        ("a 1 nan 0.1 A\n", "a gloss that starts at nan s"),
    ],
)
def test_a_broken_ctm_is_named(tmp_path, text, message):
    (tmp_path / "a.ctm").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_ctm(tmp_path / "a.ctm")


def test_what_is_written_is_read_back(tmp_path):
    said = {"a": ["ICH"] * 150, "b": [], "c": ["EINS", "ZWEI"]}
    write_ctm(tmp_path / "a.ctm", said)
    assert hypotheses_of(said, read_ctm(tmp_path / "a.ctm")) == list(said.values())
    table = pd.DataFrame(
        {"clip": ["a", "b"], "signer": ["S1", ""], "glosses": ["ICH  OSTERN", ""]},
    )
    write_stm(tmp_path / "a.stm", table)
    read = read_stm(tmp_path / "a.stm")
    assert read[["clip", "signer", "glosses"]].to_numpy().tolist() == [
        ["a", "S1", "ICH OSTERN"],
        ["b", "unknown", ""],
    ]
    assert (read["end"] == math.inf).all()


def test_spaces_would_not_be_read_back(tmp_path):
    with pytest.raises(ManifestError, match="'ICH BIN' cannot stand"):
        write_ctm(tmp_path / "a.ctm", {"a": ["ICH BIN"]})
    with pytest.raises(ManifestError, match="'my clip' cannot stand"):
        write_stm(
            tmp_path / "a.stm",
            pd.DataFrame({"clip": ["my clip"], "signer": ["S"], "glosses": ["A"]}),
        )
