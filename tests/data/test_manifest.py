"""One table for every corpus: what is wrong with it is said before anything is computed."""

import numpy as np
import pandas as pd
import pytest

from signlib import reading
from signlib.data.manifest import COLUMNS, check_manifest, complete, load_manifest, whole_files
from signlib.errors import ManifestError


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table(**columns):
    return complete(pd.DataFrame(columns))


def test_a_column_clip_is_enough_and_defaults_say_unknown(tmp_path):
    loaded = load_manifest(write(tmp_path, "clip\na\nb\n"))
    assert (
        tuple(loaded.columns)
        == COLUMNS
        == ("clip", "file", "gloss", "signer", "split", "start", "end", "fps")
    )
    assert loaded.drop(columns="fps").to_dict("records") == [
        {"clip": clip, "file": "", "gloss": "", "signer": "", "split": "", "start": 0, "end": -1}
        for clip in "ab"
    ]
    assert loaded["fps"].isna().all()
    assert loaded["start"].dtype.kind == loaded["end"].dtype.kind == "i"
    assert loaded["fps"].dtype.kind == "f"


def test_values_columns_and_their_order_are_kept(tmp_path):
    header = "view,gloss,clip,start,end,fps,split\n"
    text = header + "front,HELLO,a,5,10,29.97002997002997,train\n007,,b,,,,\n"
    loaded = load_manifest(write(tmp_path, text))
    assert list(loaded.columns) == [*COLUMNS, "view"]
    assert loaded["view"].tolist() == ["front", "007"]
    assert loaded[["start", "end"]].to_numpy().tolist() == [[5, 10], [0, -1]]
    assert loaded["fps"].iloc[0] == 30000 / 1001
    assert np.isnan(loaded["fps"].iloc[1])
    assert loaded["split"].tolist() == ["train", ""]


@pytest.mark.parametrize(
    "gloss", ["NULL", "NA", "nan", "None", "007", "1e5", "True", "ÄPFEL", "-", '"a, b"']
)
def test_a_gloss_is_text_whatever_it_looks_like(tmp_path, gloss):
    loaded = load_manifest(write(tmp_path, f"clip,gloss,signer\n01,{gloss},02\n"))
    assert loaded.loc[0, ["clip", "gloss", "signer"]].tolist() == ["01", gloss.strip('"'), "02"]


def test_blanks_around_a_gloss_signer_or_split_do_not_count(tmp_path):
    loaded = load_manifest(write(tmp_path, "clip,gloss,signer,split\na, HELLO ,1\t, train\n"))
    assert loaded.loc[0, ["gloss", "signer", "split"]].tolist() == ["HELLO", "1", "train"]
    assert table(clip=["a"], gloss=[" x y "])["gloss"].tolist() == ["x y"]


def test_the_rate_at_which_segments_count_is_a_number_where_it_is_given(tmp_path):
    loaded = load_manifest(write(tmp_path, "clip,segment_fps,start\na,25,3\nb,,\n"))
    assert loaded["segment_fps"].iloc[0] == 25
    assert np.isnan(loaded["segment_fps"].iloc[1])
    whole = whole_files(loaded)
    assert list(whole.columns) == list(COLUMNS)
    assert whole[["start", "end"]].to_numpy().tolist() == [[0, -1]] * 2


def test_glosses_that_differ_only_in_case_are_asked_about():
    report = check_manifest(table(clip=list("abc"), gloss=["HELLO", "hello", "TREE"]))
    assert report.glosses_alike == [["HELLO", "hello"]]
    assert "glosses alike: ['HELLO', 'hello']" in str(report)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    loaded = load_manifest(write(tmp_path, "clip,gloss\na,HELLO\n", "utf-8-sig"))
    assert loaded.loc[0, ["clip", "gloss"]].tolist() == ["a", "HELLO"]


def test_blanks_around_column_names_do_not_count(tmp_path):
    loaded = load_manifest(write(tmp_path, "clip, file,gloss ,\tsigner\na,a.mp4,HELLO,1\n"))
    assert list(loaded.columns) == list(COLUMNS)
    assert loaded.loc[0, ["clip", "file", "gloss", "signer"]].tolist() == [
        "a",
        "a.mp4",
        "HELLO",
        "1",
    ]


def test_every_frame_rate_is_read_back_exactly(tmp_path):
    rates = np.random.default_rng(0).uniform(1, 60, 500)
    rows = table(clip=[f"c{i}" for i in range(500)], fps=rates)
    loaded = load_manifest(write(tmp_path, rows.to_csv(index=False)))
    pd.testing.assert_frame_equal(loaded, rows, check_exact=True)
    np.testing.assert_array_equal(loaded["fps"], rates)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "",
            (
                "is empty: write a csv with the columns clip, file, gloss, signer, split, start,"
                " end, fps"
            ),
        ),
        ("\n\n", "is empty: write a csv with the columns clip, file"),
        ("clip,gloss\n", "has no rows: list at least one clip"),
        ("name,gloss\na,b\n", "has no column 'clip' (it has name, gloss)"),
        ("clip;gloss\na;b\n", "has no column 'clip' (it has clip;gloss)"),
        ("clip;gloss\na;b,c\n", "its columns are separated by ';'; save it as a csv with commas"),
        ("clip\tgloss\na\tb\n", "are separated by a tab; save it as a csv with commas"),
        ("clip|gloss\na|b\n", "are separated by '|'; save it as a csv with commas"),
        ("clip\na\nb\na\n", "clip 'a' appears twice"),
        ("clip\n../a\n", "'../a' is not a plain name"),
        ("clip\n..\n", "'..' is not a plain name"),
        ("clip\n/etc/a\n", "'/etc/a' is not a plain name"),
        ("clip\na/b\n", "'a/b' is not a plain name"),
        ("clip\na\\b\n", "is not a plain name"),
        ("clip\nC:a\n", "'C:a' is not a plain name"),
        ('clip,gloss\n"",b\n', "'' is not a plain name"),
        ("clip,split\na,dev\n", "split 'dev' is unknown; use train, val, test or leave it empty"),
        ("clip,split\na,Train\n", "split 'Train' is unknown"),
        ("clip,start\na,-1\n", "clip 'a' starts at frame -1 and ends at -1"),
        ("clip,start,end\na,5,5\n", "clip 'a' starts at frame 5 and ends at 5"),
        ("clip,end\na,-2\n", "starts at frame 0 and ends at -2"),
        ("clip,start\na,1.5\n", "start=1.5 is not a whole frame number"),
        ("clip,end\na,inf\n", "end=inf is not a whole frame number"),
        ("clip,end\na,last\n", "end='last' is not a number"),
        ("clip,end\na,1e25\n", "end=1e25 is no frame number of a film; give at most 1000000000"),
        ("clip,start\na,-1e12\n", "start=-1e12 is no frame number of a film"),
        ("clip,end\na,1_0\n", "end='1_0' is not a number"),
        ("clip,end\na,\u0661\u0660\n", "end='\u0661\u0660' is not a number"),
        ("clip,segment_fps\na,0\n", "segment_fps=0 must lie within 0.01..1000"),
        ("clip,start\na,nan\n", "start='nan' is not a number"),
        ("clip,fps\na,0\n", "fps=0 must lie within 0.01..1000"),
        ("clip,fps\na,-25\n", "fps=-25 must lie within 0.01..1000"),
        ("clip,fps\na,1000.5\n", "fps=1000.5 must lie within 0.01..1000"),
        ("clip,fps\na,1e-12\n", "fps=1e-12 must lie within 0.01..1000"),
        ("clip,fps\na,inf\n", "fps=inf must lie within 0.01..1000"),
        ("clip,fps\na,fast\n", "fps='fast' is not a number"),
        ("clip,gloss\na,b,c\n", "its rows have more fields than its header"),
        (
            "clip,gloss\na,b\nc,d,e\n",
            (
                "is not a readable csv: Expected 2 fields in line 3, saw 3; quote values with"
                ' commas ("a, b")'
            ),
        ),
        (
            'clip,gloss\na,b\nc,"d\ne,f\n',
            "is not a readable csv: EOF inside string starting at row 2; close the quote",
        ),
        (
            "clip,gloss, gloss \na,b,c\n",
            "column 'gloss' appears twice in its header; rename or delete one",
        ),
        ("clip,fps,fps\na,25,30\n", "column 'fps' appears twice in its header; rename or delete"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_by_file_and_value(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(ManifestError) as refused:
        load_manifest(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_says_what_to_write(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(
            ManifestError, match="does not exist: write a csv with the columns clip, file, gloss"
        ):
            load_manifest(path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def closed(*_):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "clip\na\n")
    monkeypatch.setattr(reading, "regular", closed)
    with pytest.raises(ManifestError, match=r"cannot be read \(Permission denied\); copy it"):
        load_manifest(path)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    for encoding in ("latin-1", "utf-16"):
        with pytest.raises(
            ManifestError, match=r"manifest\.csv is not in UTF-8 .*: save it as UTF-8"
        ):
            load_manifest(write(tmp_path, "clip,gloss\na,GRÜßE\n", encoding))


def test_missing_values_of_a_data_frame_become_unknown():
    loaded = table(
        clip=["a", "b"],
        signer=[np.nan, np.nan],
        gloss=["x", None],
        start=[np.nan, 3.0],
        fps=[None, 25],
    )
    assert loaded["signer"].tolist() == ["", ""]
    assert loaded["gloss"].tolist() == ["x", ""]
    assert loaded["start"].tolist() == [0, 3]
    assert loaded["fps"].tolist()[1] == 25


def test_completing_twice_changes_nothing_and_the_table_given_is_left_alone():
    given = pd.DataFrame({"clip": ["a", "b"], "more": [1, 2]}, index=[7, 9])
    before = given.copy()
    once = complete(given)
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(complete(once), once)
    assert once.index.tolist() == [0, 1]


def test_a_sound_manifest_has_no_faults(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.mp4").touch()
    rows = table(
        clip=["a", "b"],
        file=["a.mp4", "b.mp4"],
        gloss=["X", "X"],
        signer=["1", "2"],
        split=["train", "test"],
    )
    report = check_manifest(rows, tmp_path, ["X"])
    assert (report.clips, report.signers, report.glosses, report.unknown_signers) == (2, 2, 1, 0)
    assert report.faults == {}
    assert str(report) == "2 clips, 1 glosses, 2 known signers"


def test_missing_and_shared_files_are_reported(tmp_path):
    (tmp_path / "a.mp4").touch()
    rows = table(
        clip=["one", "two", "other part", "lost", "nowhere"],
        file=["a.mp4", "a.mp4", "a.mp4", "b.mp4", ""],
        gloss=["X"] * 5,
        start=[0, 0, 10, 0, 0],
    )
    report = check_manifest(rows, tmp_path)
    assert report.missing_files == ["lost", "nowhere"]
    assert report.shared_files == [["one", "two"]]
    assert check_manifest(rows).missing_files == []  # without a root nobody looks
    assert "missing files: lost, nowhere" in str(report)


def test_glosses_that_training_lacks_are_reported():
    rows = table(
        clip=list("abcd"), gloss=["X", "Y", "Z", ""], split=["train", "test", "val", "train"]
    )
    report = check_manifest(rows)
    assert report.unknown_glosses == ["", "Y", "Z"]
    assert report.empty_classes == ["Y", "Z"]
    assert report.glosses == 3


def test_an_official_vocabulary_finds_empty_classes_and_foreign_glosses():
    rows = table(clip=list("abc"), gloss=["X", "Y", "FOREIGN"], split=["train", "", "train"])
    report = check_manifest(rows, vocabulary=["X", "Y", "Z"])
    assert report.empty_classes == ["Z"]
    assert report.unknown_glosses == ["FOREIGN"]
    assert report.faults == {"unknown_glosses": ["FOREIGN"], "empty_classes": ["Z"]}


def test_signers_in_two_splits_and_unknown_ones_are_reported():
    rows = table(
        clip=list("abcdef"),
        gloss=["X"] * 6,
        signer=["1", "1", "2", "2", "", ""],
        split=["train", "test", "train", "", "train", "test"],
    )
    report = check_manifest(rows)
    assert report.signers_in_two_splits == ["1"]
    assert (report.signers, report.unknown_signers) == (2, 2)
    assert "unknown signer: 2 clips (the split may leak signers)" in str(report)


def test_a_long_list_is_cut_in_the_text_and_whole_in_the_report(tmp_path):
    rows = table(
        clip=[f"c{i}" for i in range(9)], file=[f"{i}.mp4" for i in range(9)], gloss=["X"] * 9
    )
    report = check_manifest(rows, tmp_path)
    assert len(report.missing_files) == 9
    assert "c4 and 4 more" in str(report)
    assert "c5" not in str(report)
