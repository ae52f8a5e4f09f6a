"""PHOENIX-2014's csv files, as released and as they can be broken, and its scoring rules."""

import math

import pytest

from signlib.data.manifest import check_manifest
from signlib.data.phoenix import missing_part, read_manifest, simplify
from signlib.data.transcripts import read_ctm, read_stm
from signlib.errors import InputError, ManifestError, SettingsError

HEADER = "id|folder|signer|annotation\n"


def write(root, split="dev", rows="a-1|a-1/1/*.png|Signer04|ICH OSTERN  SUED\n", below=""):
    (root / below).mkdir(parents=True, exist_ok=True)
    (root / below / f"{split}.corpus.csv").write_text(HEADER + rows)
    return root


@pytest.mark.parametrize(
    ("below", "base"),
    [
        ("", ""),
        ("annotations/manual", ""),
        ("phoenix-2014-multisigner/annotations/manual", "phoenix-2014-multisigner/"),
        (
            "phoenix2014-release/phoenix-2014-multisigner/annotations/manual",
            "phoenix2014-release/phoenix-2014-multisigner/",
        ),
    ],
)
def test_the_release_is_found_at_each_of_its_levels(tmp_path, below, base):
    (row,) = read_manifest(write(tmp_path, below=below)).to_dict("records")
    assert row["file"] == f"{base}features/fullFrame-210x260px/dev/a-1/1"
    assert [row[key] for key in ("clip", "gloss", "glosses", "signer", "split", "fps")] == [
        "a-1",
        "",
        "ICH OSTERN SUED",
        "Signer04",
        "val",
        25.0,
    ]


def test_a_folder_of_pictures_that_is_there_is_not_missing(tmp_path):
    table = read_manifest(write(tmp_path))
    assert check_manifest(table, tmp_path).missing_files == ["a-1"]
    (tmp_path / table["file"][0]).mkdir(parents=True)
    assert check_manifest(table, tmp_path).missing_files == []


def test_all_three_splits(tmp_path):
    for split in ("train", "dev", "test"):
        write(tmp_path, split, f"{split}|{split}/1/*.png|S|A\n")
    assert read_manifest(tmp_path)[["clip", "split"]].to_numpy().tolist() == [
        ["train", "train"],
        ["dev", "val"],
        ["test", "test"],
    ]


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (
            "a-1|a-1/1/*.png|S",
            ManifestError,
            r"dev\.corpus\.csv, line 2: 'a-1\|a-1/1/\*\.png\|S' has not the four",
        ),
        ("a-1|a-1/1/*.png|S| ", ManifestError, "line 2"),
        ("a-1|a-1/1/*.png|S|A|B", ManifestError, "line 2"),
        ("a/1|a-1/1/*.png|S|A", ManifestError, "'a/1' is not a plain name"),
        ("a-1|../../../a/*.png|S|A", InputError, "line 2: path '../../../a' leaves its root"),
        ("a-1|/etc/*.png|S|A", InputError, "line 2: path '/etc' leaves its root"),
    ],
)
def test_a_broken_row_is_named(tmp_path, row, error, message):
    with pytest.raises(error, match=message):
        read_manifest(write(tmp_path, rows=row + "\n"))


def test_files_that_are_none(tmp_path):
    with pytest.raises(ManifestError, match=r"holds no train\.corpus\.csv"):
        read_manifest(tmp_path)
    (tmp_path / "train.corpus.csv").write_text("id,folder\n")
    with pytest.raises(
        ManifestError, match=r"train\.corpus\.csv, line 1 must be 'id\|folder\|signer\|annotation'"
    ):
        read_manifest(tmp_path)
    (tmp_path / "train.corpus.csv").write_text(HEADER)
    with pytest.raises(ManifestError, match="has no rows"):
        read_manifest(tmp_path)
    (tmp_path / "train.corpus.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read as UTF-8"):
        read_manifest(tmp_path)


def test_si5_has_csv_files_of_its_own(tmp_path):
    below = "phoenix-2014-signerindependent-SI5/annotations/manual"
    (write(tmp_path, "dev", below=below) / below / "dev.corpus.csv").rename(
        tmp_path / below / "dev.SI5.corpus.csv"
    )
    (row,) = read_manifest(tmp_path, "si5").to_dict("records")
    assert (
        row["file"] == "phoenix-2014-signerindependent-SI5/features/fullFrame-210x260px/dev/a-1/1"
    )
    with pytest.raises(ManifestError, match="holds no train") as refused:
        read_manifest(tmp_path)
    assert "only the part si5 is here" in str(refused.value)
    assert "set data.corpus=phoenix-2014-si5" in str(refused.value)
    assert missing_part(tmp_path, "si5") == missing_part(tmp_path / "none", "si5") == ""


def test_si5_can_be_made_from_the_multisigner_csv(tmp_path):
    for split in ("train", "dev", "test"):
        rows = "".join(f"{split}{k}|{split}{k}/1/*.png|Signer0{k}|A\n" for k in (4, 5))
        write(tmp_path, split, rows)
    assert read_manifest(tmp_path, "si5")["clip"].tolist() == ["train4", "dev5", "test5"]
    with pytest.raises(
        SettingsError, match="edition 'si6' is unknown; choose from multisigner, si5"
    ):
        read_manifest(tmp_path, "si6")


@pytest.mark.parametrize(
    ("gloss", "simple"),
    [
        ("loc-NORD", "NORD"),
        ("cl-KOMMEN", "KOMMEN"),
        ("qu-DU", "DU"),
        ("poss-EUCH", "EUCH"),
        ("lh-HOCH", "HOCH"),
        ("NICHT-cl-KOMMEN", "NICHT-KOMMEN"),
        ("loc-SUEDRAUM", "SUED"),
        ("OSTRAUM", "OST"),
        ("TRAUM", "TRAUM"),
        ("RAUM", "RAUM"),
        ("loc-RAUM", "RAUM"),
        ("loc-HABEN2-PLUSPLUS", "HABEN"),
        ("S0NNE", "SONNE"),
        ("ZEIGEN-BILDSCHIRM", "ZEIGEN-BILDSCHIRM"),
        ("loc-ZEIGEN", "ZEIGEN-BILDSCHIRM"),
        ("__OFF__", "__OFF__"),
        ("PLUSPLUS", "PLUSPLUS"),
        ("BLOC-A", "BLOC-A"),
        ("WIE-AUSSEHEN", "WIE-AUSSEHEN"),
    ],
)
def test_one_gloss_simplified(gloss, simple):
    assert simplify([gloss]) == [simple]


def test_dropped_glosses_may_leave_nothing():
    assert simplify(["__PU__", "__EMOTION__", "__LEFTHAND__", "__EPENTHESIS__"]) == []


def test_rules_that_span_glosses_have_a_mode_of_their_own():
    heard = "WIE AUSSEHEN K R O REGEN REGEN __PU__ REGEN WIE REGEN SCH A+B C".split()
    spanning = "WIE-AUSSEHEN K+R+O REGEN WIE REGEN SCH A+B+C"
    assert " ".join(simplify(heard, "phoenix-2014-spanning")) == spanning
    assert " ".join(simplify(heard)) == "WIE AUSSEHEN K R O REGEN REGEN REGEN WIE REGEN SCH A+B C"
    with pytest.raises(
        SettingsError, match="'phoenix' is unknown; choose from phoenix-2014, phoenix-2014-spanning"
    ):
        simplify(heard, "phoenix")


def test_the_official_script_made_the_same_of_real_hypotheses(real_data):
    root = real_data("phoenix-2014")
    raw, simple = (read_ctm(root / f"hypotheses-dev{kind}.ctm") for kind in ("", ".simplified"))
    assert len(simple) == 540
    assert {clip: simplify(glosses) for clip, glosses in raw.items()} == simple
    assert sum(map(len, raw.values())) > sum(map(len, simple.values())) == 4997


def test_the_official_sentences(real_data):
    root = real_data("phoenix-2014")
    table = read_manifest(root)
    assert table["split"].value_counts().to_dict() == {"train": 5672, "val": 540, "test": 629}
    assert table["signer"].nunique() == 9
    held = read_manifest(root, "si5")
    assert held["split"].value_counts().to_dict() == {"train": 4376, "test": 180, "val": 111}
    assert held.groupby("split")["signer"].nunique().to_dict() == {"train": 8, "val": 1, "test": 1}
    words = {
        split: {g for text in part for g in text.split()}
        for split, part in table.groupby("split")["glosses"]
    }
    assert {split: len(glosses) for split, glosses in words.items()} == {
        "train": 1231,
        "val": 460,
        "test": 496,
    }
    assert len(set.union(*words.values())) == 1295


@pytest.mark.parametrize(
    ("name", "split", "lost"), [("dev", "val", set()), ("train", "train", {"13April_2011"})]
)
def test_stm_and_csv_hold_the_same_sentences(real_data, name, split, lost):
    root = real_data("phoenix-2014")
    table = read_manifest(root).query("split == @split").set_index("clip")
    stm = read_stm(root / f"phoenix2014-groundtruth-{name}.stm").set_index("clip")
    # the published stm of the training set lacks one sentence of its csv
    assert {clip[:12] for clip in set(table.index) - set(stm.index)} == lost
    assert (table.loc[stm.index, "glosses"] == stm["glosses"]).all()
    assert (table.loc[stm.index, "signer"] == stm["signer"]).all()
    assert (stm["end"] == math.inf).all()
