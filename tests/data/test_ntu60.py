"""NTU RGB+D 60: names that say all, and skeleton files that are checked line by line."""

import numpy as np
import pytest

from signlib.data.ntu60 import ACTIONS, read_manifest, read_skeleton
from signlib.errors import ClipError, ManifestError, SettingsError


def test_names_make_the_manifest(tmp_path):
    (tmp_path / "nturgb+d_skeletons").mkdir()
    for name in ("S001C002P003R002A013", "S001C001P001R001A060", ".S001C001P001R001A059"):
        (tmp_path / "nturgb+d_skeletons" / f"{name}.skeleton").touch()
    first, second = read_manifest(tmp_path).to_dict("records")
    assert first["file"] == "nturgb+d_skeletons/S001C001P001R001A060.skeleton"
    assert [first[key] for key in ("gloss", "signer", "split", "fps")] == [
        "walking apart",
        "P001",
        "train",
        30.0,
    ]
    assert [second[key] for key in ("setup", "camera", "performer", "replication", "action")] == [
        1,
        2,
        3,
        2,
        13,
    ]
    assert [second[key] for key in ("gloss", "signer", "split")] == [
        "tear up paper",
        "P003",
        "test",
    ]
    assert read_manifest(tmp_path, "xview")["split"].tolist() == ["test", "train"]


def test_sixty_actions_with_names_of_their_own():
    assert len(set(ACTIONS)) == 60
    assert [ACTIONS[a - 1] for a in (1, 8, 23, 43, 50, 58)] == [
        "drink water",
        "sit down",
        "hand waving",
        "falling down",
        "punch or slap",
        "shaking hands",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "S001C001P001R001A061",
        "S001C001P000R001A001",
        "s001C001P001R001A001",
        "../S001C001P001R001A001",
    ],
)
def test_other_names_are_refused(tmp_path, name):
    (tmp_path / "names.txt").write_text(f"S001C001P001R001A001\n{name}\n")
    with pytest.raises(
        ManifestError, match=r"names\.txt, line 2: .* is not a clip of NTU RGB\+D 60"
    ):
        read_manifest(tmp_path, names=tmp_path / "names.txt")


def test_nothing_to_read_and_other_settings_are_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"holds no \.skeleton files"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match="cannot be read as UTF-8"):
        read_manifest(tmp_path, names=tmp_path / "no.txt")
    with pytest.raises(SettingsError, match="setting='xset': the official ones are xsub"):
        read_manifest(tmp_path, "xset")


def skeleton(*frames):
    """The text of a file; each frame is a list of (body id, x of every joint)."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body, x in bodies:
            lines += [f"{body} 0 1 1 1 1 0 0.1 0.2 2", "25"]
            lines += [f"{x} {joint} 3.5 1 2 3 4 0 0 0 1 {1 + joint % 2}" for joint in range(25)]
    return "\n".join(lines) + "\n"


def test_a_body_keeps_its_place(tmp_path):
    (tmp_path / "a.skeleton").write_text(skeleton([("9", 1)], [("4", 2), ("9", 3)], [], [("4", 5)]))
    clip = read_skeleton(tmp_path / "a.skeleton")
    assert clip.bodies == ("9", "4")
    assert clip.joints.shape == (4, 2, 25, 3)
    np.testing.assert_array_equal(
        clip.joints[:, :, 7, 0], [[1, np.nan], [3, 2], [np.nan, np.nan], [np.nan, 5]]
    )
    np.testing.assert_array_equal(clip.joints[0, 0, 7], [1, 7, 3.5])
    np.testing.assert_array_equal(clip.tracking[:, 0, 7], [2, 2, 0, 0])
    np.testing.assert_array_equal(clip.tracking[:, 1, 8], [0, 1, 0, 1])


def test_a_joint_that_cannot_be_is_missing_and_told(tmp_path):
    """Untracked zeros and 1e39 m are no places; an inferred joint at zero is one, and so is a
    place without a state.
    """
    lines = skeleton([("9", 1)], [("9", 1)]).splitlines()
    # Joints 0 to 3 of the first frame begin at line 5.
    rest = "1 2 3 4 0 0 0 1"
    lines[4:8] = [
        f"{place} {rest} {state}"
        for place, state in (("0 0 0", 0), ("0 0 0", 1), ("1 1e39 3", 2), ("1 2 3", 0))
    ]
    (tmp_path / "a.skeleton").write_text("\n".join(lines))
    clip = read_skeleton(tmp_path / "a.skeleton")
    assert np.isnan(clip.joints[0, 0, :, 0]).tolist() == [1, 0, 1, 0] + [0] * 21
    assert np.isnan(clip.joints[0, 0, :4]).all(axis=1).tolist() == [1, 0, 1, 0]
    assert clip.note == (
        "1 of 50 points are taken as missing: 1 lie beyond 30 metres (in depth 30); 1 of 50 joints"
        " are zeros that were not tracked: missing"
    )
    (tmp_path / "a.skeleton").write_text(skeleton([("9", "1e39")]))
    with pytest.raises(ClipError, match=r"a\.skeleton has no joint that can be used: 25 of 25"):
        read_skeleton(tmp_path / "a.skeleton")


def test_a_body_of_zeros_that_nobody_tracked_is_missing(tmp_path):
    """In the frames where it is so; a body that is nothing else is nobody in the whole clip."""
    zeros = " ".join(["0"] * 12)

    def blanked(text, *firsts):
        lines = text.splitlines()
        for first in firsts:
            lines[first : first + 25] = [zeros] * 25
        return "\n".join(lines)

    # A frame is 1 + 2 x 27 lines; a body's joints begin 3 and 30 lines after its start.
    two = skeleton([("9", 1), ("4", 2)], [("9", 3), ("4", 5)])
    (tmp_path / "a.skeleton").write_text(blanked(two, 4 + 27))
    clip = read_skeleton(tmp_path / "a.skeleton")
    np.testing.assert_array_equal(clip.joints[:, :, 7, 0], [[1, np.nan], [3, 5]])
    assert np.isnan(clip.joints[0, 1]).all()
    assert clip.note == "25 of 100 joints are zeros that were not tracked: missing"
    (tmp_path / "a.skeleton").write_text(blanked(two, 4 + 27, 4 + 27 + 55))
    clip = read_skeleton(tmp_path / "a.skeleton")
    assert np.isnan(clip.joints[:, 1]).all()
    assert np.isfinite(clip.joints[:, 0]).all()
    (tmp_path / "a.skeleton").write_text(blanked(skeleton([("9", 1)]), 4))
    with pytest.raises(ClipError, match="has no joint that can be used: 25 of 25 joints are zeros"):
        read_skeleton(tmp_path / "a.skeleton")


def test_a_turn_that_is_no_number_does_not_matter(tmp_path):
    text = (
        skeleton([("9", 1)])
        .replace("0 1 3.5 1 2 3 4 0", "0 1 3.5 1 2 3 4 -1.#IND")
        .replace("1 1 3.5 1 2 3 4 0", "1 1 3.5 1 2 3 4 -1.#IND")
    )
    (tmp_path / "a.skeleton").write_text(text)
    assert "IND" in text
    np.testing.assert_array_equal(
        read_skeleton(tmp_path / "a.skeleton").joints[0, 0, 1], [1, 1, 3.5]
    )


GOOD = skeleton([("9", 1)], [("9", 2)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: 'the end of the file' is not the number of frames"),
        ("0\n", "announces 0 frames"),
        ("1\n0\n", "no body in any of its 1 frames"),
        (
            GOOD.replace("2\n", "3\n", 1),
            "line 58: 'the end of the file' is not the number of bodies",
        ),
        (GOOD.replace("2\n", "1\n", 1), "announces 1 frames, but its data do not end with them"),
        (GOOD[:-300], "line 32: a body needs 25 joints"),
        (GOOD.replace("25\n", "24\n"), "line 4: a body needs 25 joints"),
        (GOOD.replace("9 0 1 1 1 1 0", "9 0 1 1 1 1"), "line 3: the ten values of a body"),
        (
            skeleton([("9", 1)], [("4", 2), ("9", 3), ("4", 5)]),
            r"line 85: body '4' appears twice in frame 1",
        ),
        (GOOD.replace("2 3 3.5", "2 x 3.5"), r"a\.skeleton, line 36: '2 x 3\.5 "),
        (GOOD.replace("2 3 3.5", "2 nan 3.5"), "line 36"),
        (GOOD.replace("2 3 3.5 1 2", "2 3 3.5 1"), "line 36"),
        (GOOD.replace("0 0 0 1 2", "0 0 0 1 7"), "line 6"),
        ("9" * 6000 + "\n", "is not the number of frames"),
        ("é", "cannot be read as a skeleton file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    (tmp_path / "a.skeleton").write_text(text, encoding="utf-8")
    with pytest.raises(ClipError, match=message):
        read_skeleton(tmp_path / "a.skeleton")


def test_the_official_clips(real_data):
    root = real_data("ntu60")
    names = root / "ntu60_skes_available_name.txt"
    table = read_manifest(root, names=names)
    assert len(table) == 56578
    assert table["gloss"].nunique() == 60
    assert table["signer"].nunique() == 40
    assert table["split"].value_counts().to_dict() == {"train": 40091, "test": 16487}
    assert read_manifest(root, "xview", names)["split"].value_counts().to_dict() == {
        "train": 37646,
        "test": 18932,
    }


def test_a_real_skeleton(real_data):
    root = real_data("ntu60")
    (row,) = read_manifest(root).to_dict("records")
    clip = read_skeleton(root / row["file"])
    assert row["gloss"] == "drink water"
    assert clip.joints.shape == (103, 1, 25, 3)
    np.testing.assert_array_equal(
        clip.joints[0, 0, 0], np.float32([0.2181153, 0.1725972, 3.785547])
    )
    assert set(np.unique(clip.tracking)) == {1, 2}
    # x grows to the right of a person who faces the camera, y grows upwards
    assert (clip.joints[:, 0, 8, 0] > clip.joints[:, 0, 4, 0]).all()
    assert (clip.joints[:, 0, 3, 1] > clip.joints[:, 0, 0, 1]).all()
