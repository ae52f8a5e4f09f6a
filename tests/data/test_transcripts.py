"""stm and ctm files: written, read back, and broken in every way that people break them."""

import math

import pandas as pd
import pytest

from signlib.data.transcripts import (
    heard_in,
    hypotheses_of,
    network,
    read_ctm,
    read_segments,
    read_sentences,
    read_stm,
    read_words,
    write_ctm,
    write_stm,
)
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
        ("\na 1 S 0 1 { A / B\n", r"line 2: '\{ A / B' lacks a '\}'"),
        ("a 1 S 0 1 A }\n", "line 1: 'A }' has a '}' too many"),
        (
            "a 1 S 0 1 { A / }\n",
            "an alternative without a word; write { A / B }, and @ for no word",
        ),
        ("a 1 S 0 1 IGNORE_TIME_SEGMENT_IN_SCORING\n", "holds no sentence"),
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
        ("a 1 0.0 -1 A\n", "starts at 0.0 s and lasts -1 s"),
        ("a 1 * * <ALT_BEGIN>\n", "line 1: <ALT_BEGIN> gives several hypotheses; keep one"),
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


# What sclite 2.10 makes of these two files was printed by it and copied by hand.
SEGMENTS = """;; LABEL "o" "Overall" "all"
a 1 S1 10 12 <o,f0,female> A B
a 1 S1 12 14 C D
a 1 S1 20 22 E F
a 1 S2 22 24 ignore_time_segment_in_scoring
a 1 S2 24 26 G
a 2 S2 10 12 H
b 1 S2 0 8 <o,f0,female>
"""
HEARD = """a 1 1 .1 BEFORE
a 1 10.5 .1 A
a 1 11 2 B
a 1 13 .1 D
a 1 16 .1 GAP
a 1 21 .1 E
a 1 23 .1 IGNORED
a 1 24 .5 G
a 1 24.8 .1 @
a 1 40 .1 AFTER
a 2 1 .1 H
"""


def test_several_segments_of_a_recording_share_its_words_by_their_middle(tmp_path):
    (tmp_path / "a.stm").write_text(SEGMENTS)
    (tmp_path / "a.ctm").write_text(HEARD)
    segments = read_segments(tmp_path / "a.stm")
    assert segments[0][2:] == ("S1", 10, 12, "A B", "<o,f0,female>")
    table = read_stm(tmp_path / "a.stm")
    assert table["glosses"].tolist() == ["A B", "C D", "E F", "G", "H", ""]
    assert table["signer"].tolist() == ["S1"] * 3 + ["S2"] * 3
    # the middle of B is 12 s, where the first segment ends: it belongs to the second
    assert heard_in(segments, read_words(tmp_path / "a.ctm")) == [
        ["BEFORE", "A"],
        ["B", "D"],
        ["GAP", "E"],
        ["G", "AFTER"],
        ["H"],
        [],
    ]


def test_another_channel_or_clip_is_refused_as_sclite_does(tmp_path):
    (tmp_path / "a.stm").write_text("a A S 0 1 X\nb A S 0 1 X\n")
    segments = read_segments(tmp_path / "a.stm")
    for line, message in (
        ("a 1 0 .1 X\n", "channel '1' of clip 'a', the references have 'A'"),
        ("z A 0 .1 X\n", r"1 clips that the references lack \(first 'z'\)"),
    ):
        (tmp_path / "a.ctm").write_text(line)
        with pytest.raises(ManifestError, match=message):
            heard_in(segments, read_words(tmp_path / "a.ctm"))


def test_alternatives_are_arcs_between_states():
    assert network("A", "") == [(0, 1, "A", False)]
    # an alternative without a word comes last; a slash outside of braces is a word
    assert network("{ @ / A } / (B)", "") == [
        (0, 1, "", False),
        (0, 2, "A", False),
        (2, 3, "", False),
        (1, 3, "", False),
        (3, 4, "/", False),
        (4, 5, "B", True),
    ]
    assert network("{A/B}", "") == network("{ A / B }", "")


def test_plain_text_has_a_sentence_a_line(tmp_path):
    (tmp_path / "a.txt").write_text("ICH  OSTERN\r\n\r\nWARM\n\n", encoding="utf-8")
    assert read_sentences(tmp_path / "a.txt") == [["ICH", "OSTERN"], [], ["WARM"], []]
    (tmp_path / "a.txt").write_text("\n")
    assert read_sentences(tmp_path / "a.txt") == [[]]
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ManifestError, match="holds no sentence"):
        read_sentences(tmp_path / "a.txt")
