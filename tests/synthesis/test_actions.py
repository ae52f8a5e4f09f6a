"""Everyday actions: whole bodies, what the camera sees of them, how hard they are to tell apart."""

import numpy as np
import pytest

from signlib.data.ntu60 import TRAIN_PERFORMERS
from signlib.data.skeletons import NTU_25, NTU_BONES
from signlib.errors import SettingsError
from signlib.synthesis.actions import PROGRAMS, ActionCorpus
from signlib.synthesis.bodies import Script, make_performer, pose
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.kinect import Sensor, joints_of, observe, to_sensor

SMALL = ActionCorpus(performers=3, setups=2)
NAMES = SMALL.manifest["clip"]
J = {name: k for k, name in enumerate(NTU_25.joints)}


def test_all_sixty_actions_are_there_and_eleven_take_two_persons():
    assert sorted(PROGRAMS) == list(range(1, 61))
    takes = SMALL.manifest.query("performer == 1 and camera == 1 and replication == 1")
    persons = {row.action: SMALL.performance(row.clip).shape[1] for row in takes.itertuples()}
    assert {action for action, count in persons.items() if count == 2} == set(range(50, 61))


def test_the_manifest_says_the_same_as_the_names():
    table = SMALL.manifest
    assert len(table) == len(SMALL) == 60 * 3 * 3 * 2
    row = table.set_index("clip").loc["S002C003P002R001A043"]
    assert [
        row[key]
        for key in ("gloss", "signer", "setup", "camera", "performer", "replication", "action")
    ] == [
        "falling down",
        "P002",
        2,
        3,
        2,
        1,
        43,
    ]


def test_performers_keep_to_one_split_which_is_the_official_one_across_subjects():
    table = ActionCorpus(2, performers=25).manifest
    splits = table.groupby("performer")["split"].unique()
    assert all(len(names) == 1 for names in splits)
    assert {number for number, (split,) in splits.items() if split == "test"} == {3, 6, 7, 10, 11}
    assert {number for number, (split,) in splits.items() if split != "test"} == TRAIN_PERFORMERS
    for number in SMALL.splits:
        assert SMALL.truth(f"S{SMALL._setup(number):03d}C001P{number:03d}R001A058")[
            "partner"
        ] not in {f"P{other:03d}" for other in SMALL.splits if other != number}, (
            "alone in a split: the partner must be nobody of another one"
        )


def test_a_clip_depends_on_its_name_only():
    name = NAMES[400]
    np.testing.assert_array_equal(SMALL.clip(name), ActionCorpus(performers=3, setups=2).clip(name))
    other = ActionCorpus(
        [1, SMALL.truth(name)["action"]], performers=3, cameras=3, repetitions=9, setups=2
    )
    np.testing.assert_array_equal(SMALL.clip(name), other.clip(name))
    assert not np.array_equal(
        SMALL.clip(name)[:40], ActionCorpus(performers=3, setups=2, seed=1).clip(name)[:40]
    )


@pytest.mark.parametrize("name", NAMES[::37])
def test_bones_keep_their_length_and_feet_stay_above_the_floor(name):
    joints = SMALL.performance(name)
    a, b = np.array(NTU_BONES).T
    lengths = np.linalg.norm(joints[:, :, a] - joints[:, :, b], axis=-1)
    np.testing.assert_allclose(lengths, lengths[:1].repeat(len(lengths), 0), atol=1e-6)
    assert joints[..., 1].max() < 0.03, "y grows downwards from the floor"
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() < 0.75, "metres a frame"


def test_cameras_see_the_same_take():
    # undo the camera: all three must come back to the same movement
    exact = ActionCorpus([23], performers=3, hardness=0)
    takes = {}
    for camera in (1, 2, 3):
        name = f"S001C{camera:03d}P001R001A023"
        joints, truth = exact.clip(name)[:, 0].astype(float), exact.truth(name)
        back = joints * (-1, -1, 1) - (0, truth["height"], truth["distance"])
        sin, cos = np.sin(truth["angle"]), np.cos(truth["angle"])
        takes[camera] = np.stack(
            [
                cos * back[..., 0] - sin * back[..., 2],
                back[..., 1],
                sin * back[..., 0] + cos * back[..., 2],
            ],
            -1,
        )
        np.testing.assert_allclose(takes[camera], exact.performance(name)[:, 0], atol=1e-5)


def test_axes_are_those_of_a_real_recording():
    # before the second camera in the first take: as in the real S001C001P001R001A001, x grows to
    # the person's right
    clip = ActionCorpus([1], performers=3, hardness=0).clip("S001C002P001R001A001")[0, 0]
    assert clip[J["right_shoulder"], 0] > clip[J["left_shoulder"], 0] + 0.2
    assert clip[J["head"], 1] > clip[J["spine_base"], 1] + 0.5
    assert clip[J["left_foot"], 2] < clip[J["left_ankle"], 2], "toes point to the camera"
    assert 2.5 < clip[0, 2] < 4.5


def test_a_point_before_the_sensor_stands_where_it_must():
    # one metre to the left of a person who faces the camera, two above the floor, half a metre
    # nearer
    np.testing.assert_allclose(
        to_sensor(np.array([1.0, -2.0, -0.5]), Sensor(0, 3, 0.9)), [-1.0, 1.1, 2.5]
    )
    # from their left side, that point is a metre nearer
    np.testing.assert_allclose(
        to_sensor(np.array([1.0, -2.0, -0.5]), Sensor(np.pi / 2, 3, 0.9)), [0.5, 1.1, 2.0]
    )


def test_an_arm_behind_the_trunk_is_inferred():
    script = Script(np.random.default_rng(0), hardness=0)
    script.start(hand=("p", 0.0, 0.1, -0.2))
    script.to(1.0)
    joints = pose(script, [make_performer(1, hardness=0)], [(0, 0, 0)], 30.0)
    _, front = observe(joints, Sensor(), np.random.default_rng(0), 0)
    _, behind = observe(joints, Sensor(angle=np.pi), np.random.default_rng(0), 0)
    assert (front[:, 0, J["right_hand"]] == 1).all()
    assert (behind[:, 0, J["right_hand"]] == 2).all()
    assert (front[:, 0, J["left_hand"]] == 2).all()


def test_the_main_hand_reaches_its_target_and_a_left_handed_person_mirrors():
    right = make_performer(1, hardness=0)
    poses = []
    for left_handed in (False, True):
        script = Script(np.random.default_rng(0), hardness=0)
        script.to(1.0, hand=("c", 0.1, 0.0, 0.3), side=0.3, foot=("f", 0.3, 0.0, 0.0))
        who = make_performer(1, hardness=0)
        who = type(who)(**{**vars(right), "left_handed": left_handed})
        poses.append(pose(script, [who], [(0, 0, 0)], 30.0)[:, 0])
    np.testing.assert_allclose(poses[0], poses[1][:, NTU_25.mirror] * (-1, 1, 1), atol=1e-9)
    hand, chest = poses[0][-1, J["right_hand"]], poses[0][-1, J["spine_shoulder"]]
    np.testing.assert_allclose(np.linalg.norm(hand - chest), np.hypot(0.1, 0.3), atol=0.02)


def test_signing_gives_a_kinect_skeleton_too():
    corpus = GeneratedCorpus(glosses=2, signers=3, repetitions=1, hardness=0)
    points = corpus.performance(corpus.manifest["clip"][0]).points
    joints = joints_of(points)
    assert joints.shape == (len(points), 25, 3)
    np.testing.assert_array_equal(joints[:, J["left_elbow"]], points[:, 481])
    np.testing.assert_array_equal(joints[:, J["right_hand_tip"]], points[:, 534])
    order = ["spine_base", "spine_middle", "spine_shoulder", "neck", "head"]
    heights = joints[0, [J[name] for name in order], 1]
    assert (np.diff(heights) < 0).all(), "y grows downwards"


def test_truth_holds_what_was_done():
    name = "S001C002P001R002A058"
    truth = SMALL.truth(name)
    assert [truth[key] for key in ("gloss", "persons", "performer", "camera", "replication")] == [
        "shaking hands",
        2,
        1,
        2,
        2,
    ]
    assert truth["frames"] == len(SMALL.clip(name))
    assert truth["keys"] == sorted(truth["keys"])
    assert 0 < truth["keys"][0] < truth["keys"][-1] < truth["frames"]


@pytest.mark.parametrize(("hardness", "near"), [(0, 0.05), (1, 0.2)])
def test_hands_meet_in_a_handshake(hardness, near):
    corpus = ActionCorpus([58], performers=5, hardness=hardness)
    for name in corpus.manifest.query("camera == 1")["clip"]:
        hand = J["left_hand" if corpus.truth(name)["left_handed"] else "right_hand"]
        joints = corpus.performance(name)
        distance = np.linalg.norm(joints[:, 0, hand] - joints[:, 1, hand], axis=-1)
        assert distance.min() < near
        assert distance[0] > 0.3


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"actions": 0}, "actions=0"),
        ({"actions": [1, 61]}, r"actions=\[1, 61\]"),
        ({"actions": [1, 1]}, r"actions=\[1, 1\]"),
        ({"actions": []}, r"actions=\[\]"),
        ({"performers": 2}, "performers=2: give 3 to 25"),
        ({"performers": 26}, "performers=26"),
        ({"cameras": 4}, "cameras=4: give 1 to 3"),
        ({"repetitions": 0}, "repetitions=0"),
        ({"setups": 0}, "setups=0"),
        ({"hardness": float("nan")}, "nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, value):
    with pytest.raises(SettingsError, match=value):
        ActionCorpus(**settings)


@pytest.mark.parametrize(
    "name", ["", "S001C001P003R001A001x", "S001C004P001R001A001", "S001C001P009R001A001"]
)
def test_an_unknown_clip_is_refused(name):
    with pytest.raises(SettingsError, match="not in this generated corpus"):
        SMALL.clip(name)


def flat_features(clip):
    """(2, D) raw, and as seen from a person's own front in units of their trunk, at 16 moments."""
    moments = clip[np.linspace(0, len(clip) - 1, 16).round().astype(int)]
    origin = clip[0, 0, J["spine_middle"]]
    across = clip[0, 0, J["right_shoulder"]] - clip[0, 0, J["left_shoulder"]]
    angle = np.arctan2(across[2], across[0])
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    trunk = np.linalg.norm(
        clip[:, 0, J["spine_shoulder"]] - clip[:, 0, J["spine_base"]], axis=-1
    ).mean()
    body = (moments - origin) @ turn.T / trunk
    return np.nan_to_num(np.stack([moments.ravel(), body.ravel()]))


def test_normalising_helps_a_nearest_neighbour_on_unseen_performers_and_leaves_work_to_do():
    corpus = ActionCorpus(30, performers=7)
    rows = corpus.manifest[corpus.manifest["split"] != "val"]
    features = np.stack([flat_features(corpus.clip(name)) for name in rows["clip"]])
    test, gloss = (rows["split"] == "test").to_numpy(), rows["gloss"].to_numpy()
    right = []
    for kind in (0, 1):
        learned, asked = features[~test, kind], features[test, kind]
        distance = (learned**2).sum(1) - 2 * asked @ learned.T
        right.append((gloss[~test][distance.argmin(1)] == gloss[test]).mean())
    raw, normalised = right
    assert raw < normalised - 0.1
    assert 0.6 < normalised < 0.95
