"""A body that jumps, one frame, no hands: said of each clip, and nothing of ordinary signing."""

import numpy as np
import pytest

from signlib.corpora import clips as corpora
from signlib.data.points import FileNumbers
from signlib.data.skeletons import MEDIAPIPE_75, NTU_25
from signlib.errors import ClipError, SettingsError
from signlib.extraction.exchange import SourceSettings, import_folder
from signlib.features.oddities import examined, jumps
from signlib.settings import config


def person(middle):
    """A clip of 75 points whose shoulders are 0.2 apart around `middle` (T,), hands seen."""
    points = np.full((len(middle), 75, 4), 0.5, np.float32)
    for side, sign in (("left", 1), ("right", -1)):
        points[:, MEDIAPIPE_75.index(f"{side}_shoulder"), 0] = np.asarray(middle) + 0.1 * sign
    return points


def test_a_jump_is_told_with_its_frame_and_in_shoulder_widths():
    points = person([0.3, 0.3, 0.3, 0.7, 0.7, 0.7, 0.7])
    assert jumps(points, MEDIAPIPE_75) == [(3, pytest.approx(2.0))]
    # Half a shoulder width is allowed: 0.09 of 0.2 in each frame.
    assert jumps(person(0.3 + 0.09 * np.arange(5)), MEDIAPIPE_75) == []
    # Over two frames without it, the body may move three times as far.
    points = person([0.3, 0.3, 0.3, 0.58])
    points[1:3] = np.nan
    assert jumps(points, MEDIAPIPE_75) == []
    # Twice as wide a picture: x counts twice, and so do the shoulders.
    assert jumps(person([0.3, 0.42]), MEDIAPIPE_75, 2.0) == [(1, pytest.approx(0.6))]
    assert jumps(np.random.default_rng(0).random((9, 25, 3)) * 9, NTU_25) == []


def test_what_happens_to_a_clip_that_jumps():
    points = person([0.3, 0.3, 0.3, 0.7, 0.7, 0.7, 0.7, 0.2])
    kept, told = examined(points, MEDIAPIPE_75)
    assert kept == slice(0, 8)
    assert "jumps by 2.5 shoulder widths in frame 7 and in 1 more" in told
    kept, told = examined(points, MEDIAPIPE_75, 0.0, "split")
    assert kept == slice(3, 7)
    assert "frames 3 to 6 of 8 are read" in told
    with pytest.raises(ClipError, match=r"in frame 7 and in 1 more.*on_jump=drop"):
        examined(points, MEDIAPIPE_75, on_jump="drop")


def test_one_frame_and_no_hands_are_told():
    points = person([0.5, 0.5])
    assert examined(points, MEDIAPIPE_75)[1] == ""
    assert "one frame" in examined(points[:1], MEDIAPIPE_75)[1]
    hands = [*MEDIAPIPE_75.parts["left_hand"], *MEDIAPIPE_75.parts["right_hand"]]
    points[:, hands] = np.nan
    assert examined(points, MEDIAPIPE_75)[1] == "no hand is seen in any of its 2 frames"


def test_stores_say_what_was_chosen(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    np.save(folder / "two.npy", person([0.3, 0.3, 0.3, 0.7, 0.7]))
    np.save(folder / "one.npy", person([0.3] * 5))
    stores = {
        how: import_folder(folder, tmp_path / how, numbers=FileNumbers(on_jump=how))
        for how in ("keep", "split", "drop")
    }
    lengths = {how: store.index["length"].tolist() for how, store in stores.items()}
    assert lengths == {"keep": [5, 5], "split": [5, 3], "drop": [5]}
    assert "on_jump" not in stores["keep"].extraction.settings
    assert stores["split"].extraction.settings["on_jump"] == "split"
    assert "in frame 3" in stores["keep"].notes["two"]
    assert "in frame 3" in stores["drop"].reasons["two"]
    assert "one" not in stores["keep"].notes
    # The same is said of videos.
    told = [SourceSettings(on_jump=how).filming.extraction.settings for how in ("keep", "drop")]
    assert [settings.get("on_jump") for settings in told] == [None, "drop"]
    with pytest.raises(SettingsError, match="on_jump='cut' is unknown"):
        SourceSettings(on_jump="cut")


def test_real_signing_hardly_jumps(real_data):
    """Of 2,188 clips of asl-words 11 jump, all from their first frame to the second."""
    real_data("asl-words-letters")
    source = corpora.load_corpus(config.build({"data.corpus": "asl-words"}).data)
    found = [jumps(source.read(clip), source.skeleton) for clip in source.labelled["clip"][::10]]
    assert sum(map(bool, found)) <= 3
    assert {frame for clip in found for frame, _ in clip} <= {1}
