"""Any folder of videos is a corpus: by its manifest, or by the names of its sub-folders."""

from pathlib import Path

import pytest

from signlib.corpora.folder import is_one_clip, read_folder, stores_and_clips
from signlib.corpora.registry import manifest_of
from signlib.data.leftovers import LEFT_OUT
from signlib.errors import InputError, ManifestError, StoreError
from signlib.extraction.registry import Source


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def rows(table):
    return table[["clip", "file", "gloss", "split"]].to_numpy().tolist()


def test_sub_folders_name_the_glosses(tmp_path):
    touch(tmp_path, "HELLO/b.mp4", "HELLO/a.MP4", "007/a.webm", "HELLO/notes.txt", "readme.mp4")
    assert rows(read_folder(tmp_path)) == [
        ["007_a", "007/a.webm", "007", ""],
        ["HELLO_a", "HELLO/a.MP4", "HELLO", ""],
        ["HELLO_b", "HELLO/b.mp4", "HELLO", ""],
    ]


def test_splits_stand_above_the_glosses(tmp_path):
    touch(
        tmp_path,
        "train/HELLO/a.mp4",
        "val/HELLO/a.mp4",
        "test/HELLO/a.mp4",
        "more/BYE/a.mp4",
        "s1/train/BYE/a.mp4",
    )
    assert rows(read_folder(str(tmp_path))) == [
        ["more_BYE_a", "more/BYE/a.mp4", "BYE", ""],
        ["s1_train_BYE_a", "s1/train/BYE/a.mp4", "BYE", "train"],
        ["test_HELLO_a", "test/HELLO/a.mp4", "HELLO", "test"],
        ["train_HELLO_a", "train/HELLO/a.mp4", "HELLO", "train"],
        ["val_HELLO_a", "val/HELLO/a.mp4", "HELLO", "val"],
    ]


def test_hidden_files_and_folders_are_no_clips(tmp_path):
    touch(
        tmp_path,
        "HELLO/a.mp4",
        "HELLO/._a.mp4",
        ".trash/HELLO/b.mp4",
        "HELLO/.ipynb_checkpoints/c.mp4",
    )
    assert read_folder(tmp_path)["file"].tolist() == ["HELLO/a.mp4"]


def test_a_folder_called_like_a_video_is_none(tmp_path):
    touch(tmp_path, "HELLO/a.mp4/b.txt", "HELLO/b.mp4")
    assert read_folder(tmp_path)["clip"].tolist() == ["HELLO_b"]


def test_two_files_with_one_name_are_refused(tmp_path):
    touch(tmp_path, "HELLO/a.mp4", "HELLO/a.avi")
    with pytest.raises(ManifestError, match="'HELLO_a' appears twice"):
        read_folder(tmp_path)


def test_a_manifest_goes_before_the_folders(tmp_path):
    touch(tmp_path, "HELLO/a.mp4", "HELLO/b.mp4")
    (tmp_path / "manifest.csv").write_text("clip,file,gloss,view\nx,HELLO/a.mp4,BYE,front\n")
    table = read_folder(tmp_path)
    assert rows(table) == [["x", "HELLO/a.mp4", "BYE", ""]]
    assert table["view"].tolist() == ["front"]


@pytest.mark.parametrize(
    "file", ["../a.mp4", "/etc/passwd", "HELLO/../../a.mp4", "C:\\a.mp4", "out/a.mp4"]
)
def test_a_manifest_cannot_point_outside(tmp_path, file):
    root = tmp_path / "corpus"
    touch(tmp_path, "a.mp4", "corpus/HELLO/a.mp4")
    (root / "out").symlink_to(tmp_path)
    (root / "manifest.csv").write_text(f"clip,file\na,{file}\n")
    with pytest.raises(InputError, match="leaves its root"):
        read_folder(root)


def test_a_manifest_without_files_names_the_column(tmp_path):
    (tmp_path / "manifest.csv").write_text("clip,gloss\na,HELLO\n")
    with pytest.raises(ManifestError, match="clip 'a' has no file; fill the column 'file'"):
        read_folder(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    touch(tmp_path, "secret.mp4", "corpus/HELLO/a.mp4")
    (tmp_path / "corpus" / "HELLO" / "b.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(InputError, match="link that leaves its root"):
        read_folder(tmp_path / "corpus")


def test_no_folder_and_no_videos_say_what_is_wanted(tmp_path):
    with pytest.raises(ManifestError, match="does not exist"):
        read_folder(tmp_path / "no")
    touch(tmp_path, "a.mp4", "HELLO/a.txt")
    with pytest.raises(
        ManifestError, match=r"neither a manifest\.csv nor videos in sub-folders.*HELLO/clip1\.mp4"
    ):
        read_folder(tmp_path)


def test_the_slovak_corpus_is_read_by_its_manifest(real_data):
    table = read_folder(real_data("slovak"))
    assert len(table) == 60
    assert table["gloss"].nunique() == 30
    assert table["split"].value_counts().to_dict() == {"train": 30, "test": 30}
    assert "view" in table.columns


def test_folders_of_pictures_are_clips(tmp_path):
    touch(
        tmp_path,
        "HELLO/one.2/0001.png",
        "HELLO/one.2/0002.png",
        "HELLO/two.mp4",
        "test/BYE/a/1.jpg",
        # Previews: beside a video, beside folders, and of nobody's gloss.
        "HELLO/two.png",
        "train/BYE/b.mp4",
        "train/BYE/b.jpg",
        "cover.jpg",
        "HELLO/.thumbs/1.png",
    )
    assert rows(read_folder(tmp_path)) == [
        ["HELLO_one.2", "HELLO/one.2", "HELLO", ""],
        ["HELLO_two", "HELLO/two.mp4", "HELLO", ""],
        ["test_BYE_a", "test/BYE/a", "BYE", "test"],
        ["train_BYE_b", "train/BYE/b.mp4", "BYE", "train"],
    ]


def test_pictures_without_a_gloss_are_refused(tmp_path):
    touch(tmp_path, "train/HELLO/1.png", "train/BYE/a/1.png")
    with pytest.raises(
        ManifestError, match=r"names their gloss; .* \(train/HELLO/clip1/0001.png\)"
    ):
        read_folder(tmp_path)
    touch(tmp_path / "flat", "HELLO/1.png")
    with pytest.raises(ManifestError, match=r"nor folders of pictures .*/HELLO/clip1/0001\.png"):
        read_folder(tmp_path / "flat")


def test_a_manifest_may_name_folders_of_pictures(tmp_path):
    touch(tmp_path, "pictures/a/1.png")
    (tmp_path / "manifest.csv").write_text("clip,file,gloss,fps\na,pictures/a,HELLO,50\n")
    assert rows(read_folder(tmp_path)) == [["a", "pictures/a", "HELLO", ""]]


def test_one_folder_of_pictures_is_one_clip(tmp_path, monkeypatch):
    touch(tmp_path, "clip.1/1.png", "clip.1/2.png")
    monkeypatch.chdir(tmp_path / "clip.1")
    for source in (tmp_path / "clip.1", Path()):
        table, root = manifest_of(source)
        assert rows(table) == [["clip.1", "clip.1", "", ""]]
        assert root == tmp_path


def test_stores_are_told_from_clips(tmp_path):
    # A store may hold pictures of its quality, a folder of pictures is one clip.
    touch(tmp_path, "store/extraction.json", "store/0.png", "films/pictures.json", "parts/shards/1")
    touch(tmp_path, "clip/0.png", "clip/1.png", "a.mp4", "others/a_gemma.npy")
    given = [tmp_path / name for name in ("store", "clip", "a.mp4", "films", "parts", "nowhere")]
    stores, clips = stores_and_clips(map(str, given))
    assert [path.name for path in stores] == ["store", "films", "parts"]
    assert [path.name for path in clips] == ["clip", "a.mp4", "nowhere"]
    assert [is_one_clip(path) for path in given] == [False, True, True, False, False, True]
    other = [tmp_path / "others"]
    assert stores_and_clips(other, lambda folder: (folder / "a_gemma.npy").exists()) == (other, [])


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (["a.mp4", "b.mp4"], "but it holds clips: give each of them"),
        (["HELLO/1/0.png"], "but it holds clips: give each of them"),
        ([], "nor does it hold pictures (png, jpg): give a store that"),
        (["notes.txt"], "nor does it hold pictures (png, jpg): give a store that"),
    ],
)
def test_another_folder_is_refused_with_what_to_give(tmp_path, files, what):
    folder = tmp_path / "mine"
    folder.mkdir()
    touch(folder, *files)
    with pytest.raises(StoreError) as refused:
        stores_and_clips([folder])
    assert f"{folder} is no store, {what}" in str(refused.value)
    assert "--out STORE`" in str(refused.value)


def test_every_usual_kind_of_video_is_a_clip(tmp_path):
    kinds = ["3gp", "wmv", "gif", "ts", "flv", "mpeg"]
    touch(tmp_path, *(f"HELLO/{kind}.{kind}" for kind in kinds))
    table = read_folder(tmp_path)
    assert table["file"].tolist() == sorted(f"HELLO/{kind}.{kind}" for kind in kinds)
    assert table.attrs[LEFT_OUT] == ""


def test_what_a_folder_holds_besides_is_counted_by_kind(tmp_path, capsys):
    """2,037 files that nobody reads are one entry of one line."""
    touch(
        tmp_path,
        "HELLO/a.mp4",
        "top.mp4",
        "HELLO/._a.mp4",
        "HELLO/pics/1.png",
        "old/extraction.json",
    )
    touch(tmp_path, *(f"notes/{number}.txt" for number in range(2037)), "old/frames.npy")
    # In a folder of pictures, too.
    touch(tmp_path, *(f"HELLO/pics/{name}" for name in ("2.PNG", "._1.png", "Thumbs.db")))
    expected = (
        f"left out of {tmp_path}: 2,037 .txt (notes/0.txt, ...), 2 hidden (HELLO/._a.mp4, ...),"
        " 1 .db (HELLO/pics/Thumbs.db), 1 .mp4 (top.mp4)"
    )
    assert read_folder(tmp_path).attrs[LEFT_OUT] == expected
    Source(tmp_path, manifest_of).videos()
    assert capsys.readouterr().err == expected + "\n"


def test_videos_that_the_manifest_does_not_name_are_told(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "b_depth.mp4")
    (tmp_path / "manifest.csv").write_text("clip,file,depth_file\nb,b.mp4,b_depth.mp4\n")
    told = read_folder(tmp_path).attrs[LEFT_OUT]
    assert told == f"left out of {tmp_path}: 1 .mp4 (a.mp4)"
