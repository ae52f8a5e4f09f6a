"""AUTSL's csv files, as they are released and as they can be broken."""

import pytest

from signlib.data.autsl import read_classes, read_manifest
from signlib.data.manifest import check_manifest
from signlib.errors import ManifestError, SettingsError

CLASSES = "ClassId,TR,EN\r\n0,abla,sister\r\n1,sen,you\r\n2,siz,you\r\n"


def corpus(root, classes=CLASSES, **labels):
    root.mkdir(exist_ok=True)
    (root / "SignList_ClassId_TR_EN.csv").write_text(classes, newline="")
    for name, text in labels.items():
        path = root / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, newline="")
    return root


def test_csv_files_alone_make_a_manifest(tmp_path):
    root = corpus(
        tmp_path,
        train_labels="signer0_sample1,1\r\nsigner0_sample2,0\r\n",
        val__ground_truth="signer1_sample1,2\r\n",
        test_labels="signer2_sample1,0",
    )
    table = read_manifest(root)
    assert table[["clip", "file", "gloss", "signer", "split", "label"]].to_numpy().tolist() == [
        ["signer0_sample1", "train/signer0_sample1_color.mp4", "you_sen", "signer0", "train", 1],
        ["signer0_sample2", "train/signer0_sample2_color.mp4", "sister", "signer0", "train", 0],
        ["signer1_sample1", "val/signer1_sample1_color.mp4", "you_siz", "signer1", "val", 2],
        ["signer2_sample1", "test/signer2_sample1_color.mp4", "sister", "signer2", "test", 0],
    ]
    assert table["depth_file"][2] == "val/signer1_sample1_depth.mp4"
    assert len(check_manifest(table, root).missing_files) == 4


def test_glosses_in_turkish(tmp_path):
    root = corpus(tmp_path, test__ground_truth="signer2_sample1,1\n")
    assert read_manifest(root, "TR")["gloss"].tolist() == ["sen"]
    with pytest.raises(SettingsError, match="'DE': AUTSL's glosses are in EN or TR"):
        read_manifest(root, "DE")


def test_videos_may_lie_flat(tmp_path):
    root = corpus(
        tmp_path, train_labels="signer0_sample1,1\n", test__ground_truth="signer2_sample1,0\n"
    )
    (root / "signer0_sample1_color.mp4").touch()
    assert read_manifest(root)["file"].tolist() == [
        "signer0_sample1_color.mp4",
        "test/signer2_sample1_color.mp4",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("signer0_sample2,3", r"train_labels\.csv, line 2: label '3' is not a ClassId of 0\.\.2"),
        ("signer0_sample2,-1", "label '-1' is not a ClassId"),
        ("signer0_sample2,sister", "label 'sister' is not a ClassId"),
        ("signer0_sample2," + "9" * 5000, "is not a ClassId"),
        ("signer0_sample2", "line 2: 'signer0_sample2' is not 'signerX_sampleY,label'"),
        ("../signer0_sample2,1", "is not 'signerX_sampleY,label'"),
        ("signer0_sample1,1", "'signer0_sample1' appears twice"),
    ],
)
def test_a_broken_row_is_named(tmp_path, row, message):
    root = corpus(tmp_path, train_labels=f"signer0_sample1,1\n{row}\n")
    with pytest.raises(ManifestError, match=message):
        read_manifest(root)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("", "must start with the line 'ClassId,TR,EN'"),
        ("ClassId,EN\n0,a\n", "must start with the line 'ClassId,TR,EN'"),
        (
            "ClassId,TR,EN\n0,abla,sister\n2,sen,you\n",
            r"line 3: \['2', 'sen', 'you'\] is not '1,TR,EN'",
        ),
        ("ClassId,TR,EN\n0,abla,\n", "line 2"),
    ],
)
def test_a_broken_class_list_is_named(tmp_path, classes, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(corpus(tmp_path, classes, train_labels="signer0_sample1,0\n"))


def test_missing_files_say_what_to_do(tmp_path):
    with pytest.raises(ManifestError, match=r"SignList_ClassId_TR_EN\.csv is no readable csv"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match=r"holds no label csv of AUTSL; put train_labels\.csv"):
        read_manifest(corpus(tmp_path))


def test_the_official_split(real_data):
    root = real_data("autsl")
    table = read_manifest(root)
    assert table["split"].value_counts().to_dict() == {"train": 28142, "val": 4418, "test": 3742}
    assert table.groupby("split")["signer"].nunique().to_dict() == {
        "train": 31,
        "val": 6,
        "test": 6,
    }
    assert table["gloss"].nunique() == 226
    assert len(set(read_classes(root / "SignList_ClassId_TR_EN.csv", "TR"))) == 226
    report = check_manifest(table, root)
    assert len(report.missing_files) == 36302 - 1, "one clip of it is there"
    assert list(report.faults) == ["missing_files"]
