"""WLASL's two annotation files: the same clips, and frames that count from 1."""

import json

import pytest

from signlib.data.manifest import check_manifest
from signlib.data.wlasl import read_manifest
from signlib.errors import InputError, ManifestError


def instance(clip, split="train", signer=7, start=1, end=-1):
    return {
        "video_id": clip,
        "split": split,
        "signer_id": signer,
        "frame_start": start,
        "frame_end": end,
        "fps": 25,
    }


def corpus(root, nslt=None, instances=None):
    (root / "wlasl_class_list.txt").write_text("0\tbook\n1\tthank you\n")
    if nslt is not None:
        (root / "nslt_100.json").write_text(json.dumps(nslt))
    if instances is not None:
        (root / "WLASL_v0.3.json").write_text(json.dumps(instances))
    return root


def test_the_first_frame_is_number_one_and_the_last_is_part_of_the_clip(tmp_path):
    clips = [
        instance("00001", start=1, end=1),
        instance("00002", start=11, end=20),
        instance("00003", start=5),
    ]
    table = read_manifest(
        corpus(tmp_path, instances=[{"gloss": "book", "instances": clips}]), "WLASL_v0.3.json"
    )
    # frame 1 alone is frame 0; frames 11..20 are the ten frames 10..19
    assert table[["start", "end"]].to_numpy().tolist() == [[0, 1], [10, 20], [4, -1]]
    assert table["file"].tolist() == ["videos/00001.mp4", "videos/00002.mp4", "videos/00003.mp4"]
    assert table["segment_fps"].tolist() == [25.0] * 3
    whole = read_manifest(tmp_path, "WLASL_v0.3.json", cut=True)
    assert whole[["start", "end"]].to_numpy().tolist() == [[0, -1]] * 3
    assert "segment_fps" not in whole


def test_classes_and_signers_of_the_table_by_video(tmp_path):
    nslt = {
        "00009": {"subset": "val", "action": [1, 3, 40]},
        "00001": {"subset": "train", "action": [0, 1, 40]},
    }
    root = corpus(tmp_path, nslt)
    assert read_manifest(root)["segment_fps"].tolist() == [25.0] * 2
    assert read_manifest(root)[
        ["clip", "gloss", "signer", "split", "start", "end"]
    ].to_numpy().tolist() == [
        ["00009", "thank you", "", "val", 2, 40],
        ["00001", "book", "", "train", 0, 40],
    ]
    corpus(
        tmp_path,
        instances=[
            {"gloss": "book", "instances": [instance("00001"), instance("00004", signer=-1)]}
        ],
    )
    assert read_manifest(root)["signer"].tolist() == ["", "7"]
    assert read_manifest(root, "WLASL_v0.3.json")["signer"].tolist() == ["7", ""]


def test_without_a_name_the_usual_file_is_read(tmp_path):
    clips = [{"gloss": "book", "instances": [instance("00001")]}]
    assert read_manifest(corpus(tmp_path, instances=clips))["clip"].tolist() == ["00001"]
    for clip, name in (
        ("00002", "nslt_20.json"),
        ("00003", "nslt_30.json"),
        ("00004", "nslt_100.json"),
    ):
        if name == "nslt_100.json":
            with pytest.raises(
                ManifestError, match=r"holds nslt_20\.json, nslt_30\.json; say which one to read"
            ):
                read_manifest(tmp_path)
        (tmp_path / name).write_text(json.dumps({clip: {"subset": "train", "action": [0, 1, 40]}}))
        if name != "nslt_30.json":
            assert read_manifest(tmp_path)["clip"].tolist() == [clip]


def test_videos_that_are_known_to_be_missing_are_left_out(tmp_path):
    nslt = {clip: {"subset": "train", "action": [0, 1, 40]} for clip in ("00001", "00002", "00003")}
    root = corpus(tmp_path, nslt)
    (root / "videos").mkdir()
    (root / "videos" / "00003.mp4").touch()
    (root / "missing.txt").write_text("00002\n99999\n")
    table = read_manifest(root)
    assert table["clip"].tolist() == ["00001", "00003"]
    assert check_manifest(table, root).missing_files == ["00001"]
    (root / "missing.txt").write_text("00001 00002 00003")
    with pytest.raises(ManifestError, match="has no rows"):
        read_manifest(root)


@pytest.mark.parametrize(
    ("clip", "entry", "message"),
    [
        (
            "1",
            {"subset": "train", "action": [2, 1, 40]},
            r"'1' has class 2; wlasl_class_list\.txt lists 0\.\.1",
        ),
        (
            "1",
            {"subset": "train", "action": [0, 0, 40]},
            "'1' runs from frame 0 to 40; frames count from 1",
        ),
        ("1", {"subset": "train", "action": [0, 9, 8]}, "runs from frame 9 to 8"),
        ("1", {"subset": "train", "action": [0, 1.5, 8]}, r"'1' has no subset and action"),
        ("1", {"subset": "train", "action": [0, 1]}, "no subset and action"),
        ("1", {"subset": ["train"], "action": [0, 1, 2]}, "no subset and action"),
        ("1", [], "no subset and action"),
        ("1", {"subset": "dev", "action": [0, 1, 40]}, "split 'dev' is unknown"),
        ("../1", {"subset": "train", "action": [0, 1, 40]}, "'../1' is not a plain name"),
    ],
)
def test_a_broken_entry_by_video_is_named(tmp_path, clip, entry, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(corpus(tmp_path, {clip: entry}))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"gloss": "book"},
            r"entry 0 is not a gloss with complete instances \(KeyError\('instances'\)\)",
        ),
        ({"gloss": 3, "instances": []}, "3 is not a text"),
        ({"gloss": "book", "instances": [{"video_id": "1"}]}, r"KeyError\('split'\)"),
        ({"gloss": "book", "instances": [instance(17)]}, "17 is not a text"),
        ({"gloss": "book", "instances": [instance("1", end=0)]}, "runs from frame 1 to 0"),
        ({"gloss": "book", "instances": [instance("a/b")]}, "'a/b' is not a plain name"),
        (
            {"gloss": "book", "instances": [{**instance("1"), "fps": "fast"}]},
            "segment_fps='fast' is not a number",
        ),
        ("book", "entry 0"),
    ],
)
def test_a_broken_entry_by_gloss_is_named(tmp_path, entry, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(corpus(tmp_path, instances=[entry]), "WLASL_v0.3.json")


def test_files_that_are_none(tmp_path):
    with pytest.raises(ManifestError, match=r"nslt_100\.json is no readable json file"):
        read_manifest(corpus(tmp_path))
    with pytest.raises(
        InputError, match=r"annotation file '\.\./nslt_100\.json' is not a plain name"
    ):
        read_manifest(tmp_path, "../nslt_100.json")
    for text in ("3", "{", "[" * 100_000):
        (tmp_path / "nslt_100.json").write_text(text)
        with pytest.raises(ManifestError, match=r"nslt_100\.json is"):
            read_manifest(tmp_path)
    corpus(tmp_path, {"1": {"subset": "train", "action": [0, 1, 2]}})
    (tmp_path / "wlasl_class_list.txt").write_text("0\tbook\n2\tchair\n")
    with pytest.raises(
        ManifestError, match=r"wlasl_class_list\.txt, line 2: '2\\tchair' is not '1<TAB>gloss'"
    ):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("name", "counts"),
    [("nslt_100.json", (1442, 338, 258)), ("nslt_2000.json", (14296, 3920, 2879))],
)
def test_the_official_subsets(real_data, name, counts):
    table = read_manifest(real_data("wlasl"), name)
    assert tuple(table["split"].value_counts()[["train", "val", "test"]]) == counts
    assert table["gloss"].nunique() == int(name[5:-5])


def test_both_annotation_files_agree_on_the_clips_they_share(real_data):
    root = real_data("wlasl")
    both = read_manifest(root).merge(
        read_manifest(root, "asl100.json"), on="clip", suffixes=("", "_too")
    )
    assert len(both) == 2038
    assert (both["gloss"] == both["gloss_too"]).all()
    assert (both["split"] == both["split_too"]).all()
    assert (both["signer_too"] != "").all()
    same = (both["start"] == both["start_too"]) & both["end_too"].isin([-1, *both["end"]])
    same &= (both["end_too"] == -1) | (both["end"] == both["end_too"])
    # The 82 others were cut out of long films: there the table by video counts frames of the cut
    # file.
    assert (~same).sum() == 82
    assert set(both.loc[~same, "signer_too"]) == {"9"}
    assert (both.loc[~same, "start"] == 0).all()
