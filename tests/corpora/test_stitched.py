"""Sentences stitched from single signs: who trains on what, where signs begin, and that nothing
jumps.
"""

import numpy as np
import pandas as pd
import pytest

from signlib.corpora.stitched import StitchedSentences, acting, paced, transition
from signlib.data.skeletons import MEDIAPIPE_75
from signlib.errors import ManifestError, SettingsError
from signlib.stores.store import Extraction, LoadedClips
from signlib.synthesis.seeding import generator

RIGHT = MEDIAPIPE_75.index("right_wrist")
HEIGHT = {"A": 0.3, "B": 0.5, "C": 0.7, "-": 0.9}


def clip(name: str) -> np.ndarray:
    """20 frames: a right wrist that rests, then swings about a height that tells the gloss, then
    rests.
    """
    gloss, signer, k = name.split("_")
    rng = generator(signer, k)
    points = np.full((20, 75, 4), 0.5, np.float32)
    points[:, MEDIAPIPE_75.index("left_shoulder"), :2] = 0.6, 0.3
    points[:, MEDIAPIPE_75.index("right_shoulder"), :2] = 0.4, 0.3
    points[:, RIGHT, 1] = HEIGHT[gloss]
    points[5:15, RIGHT, 0] += 0.1 * np.sin(np.linspace(0, 6, 10)) + 0.01 * rng.normal()
    points[:, MEDIAPIPE_75.parts["left_hand"]] = np.nan
    return points


def source(signers: str = "xy", glosses: str = "ABC-", clips: int = 10) -> LoadedClips:
    names = [f"{g}_{s}_{k:02d}" for s in signers for g in glosses for k in range(clips)]
    table = pd.DataFrame(
        {"clip": names, "gloss": [n[0] for n in names], "signer": [n[2] for n in names]}
    )
    table = table.assign(split="train", width=100, height=100)
    return LoadedClips(table, clip, Extraction("made", shape=(75, 4), skeleton="mediapipe-75"))


@pytest.fixture(scope="module")
def corpus() -> StitchedSentences:
    return StitchedSentences(source(), sentences=60, lengths=(2, 5), seed=1)


def test_the_manifest(corpus):
    table = corpus.labelled
    assert table["split"].value_counts().to_dict() == {"train": 60, "val": 12, "test": 12}
    lengths = table["glosses"].str.split().str.len()
    assert (lengths.min(), lengths.max()) == (2, 5)
    assert {g for text in table["glosses"] for g in text.split()} == {"A", "B", "C"}
    assert set(table["signer"]) == {"x", "y"}
    assert corpus.extraction.extractor == "stitched made"
    assert corpus.skeleton.name == "mediapipe-75"


def test_no_clip_of_training_is_used_elsewhere(corpus):
    table = corpus.labelled.set_index("clip")
    used = {
        split: {n for clip in part.index for n in corpus.used(clip)}
        for split, part in table.groupby("split")
    }
    assert not used["train"] & used["test"]
    assert not used["train"] & used["val"]
    assert not used["val"] & used["test"]
    # ten clips a gloss: the last two test, the two before validate
    assert {name[-2:] for name in used["test"]} <= {"08", "09"}
    assert {name[-2:] for name in used["val"]} <= {"06", "07"}
    for clip in table.index:
        names = corpus.used(clip)
        assert [name[0] for name in names] == table.loc[clip, "glosses"].split()
        assert {name[2] for name in names} == {table.loc[clip, "signer"]}


def test_a_sentence_is_a_function_of_its_name(corpus):
    other = StitchedSentences(source(), sentences=500, lengths=(2, 5), seed=1)
    for clip in ("train_sentence00003", "test_sentence00000"):
        np.testing.assert_array_equal(other.read(clip), corpus.read(clip))
        assert other.used(clip) == corpus.used(clip)
    seeds = [
        StitchedSentences(source(), 5, (2, 5), seed).labelled["glosses"].tolist() for seed in (1, 2)
    ]
    assert seeds[0] != seeds[1]


def test_signs_stand_where_their_spans_say(corpus):
    for clip in corpus.labelled["clip"][:20]:
        points, spans = corpus.read(clip), corpus.spans(clip)
        glosses = corpus.labelled.set_index("clip").loc[clip, "glosses"].split()
        assert len(spans) == len(glosses)
        assert spans[0, 0] == 0
        assert spans[-1, 1] == len(points)
        assert (spans[1:, 0] > spans[:-1, 1]).all()  # between two signs there is a way
        for gloss, (start, end) in zip(glosses, spans, strict=True):
            # in shoulder widths (0.2) below the shoulders (0.3)
            height = (HEIGHT[gloss] - 0.3) / 0.2
            assert points[start:end, RIGHT, 1] == pytest.approx(
                np.full(end - start, height), abs=1e-4
            )


def test_hands_do_not_jump_from_sign_to_sign(corpus):
    for clip in corpus.labelled["clip"][:20]:
        points, inside = corpus.read(clip)[:, RIGHT, 1], np.zeros(len(corpus.read(clip)), bool)
        for start, end in corpus.spans(clip):
            inside[start:end] = True
        steps = np.abs(np.diff(points))
        assert steps.max() <= 0.5  # two shoulder widths take eight frames
        assert (steps[inside[1:] & inside[:-1]] < 1e-4).all()


def test_rest_is_cut_off_and_a_still_sign_is_not():
    points = clip("A_x_00")
    cut = acting(points, MEDIAPIPE_75)
    assert 10 <= len(cut) <= 16
    still = np.repeat(points[:1], 20, axis=0)
    assert len(acting(still, MEDIAPIPE_75)) == 20
    twitch = still.copy()
    twitch[10, RIGHT, 0] += 0.2
    assert len(acting(twitch, MEDIAPIPE_75)) >= 5


def test_pace_by_hand():
    points = np.arange(5.0).reshape(5, 1, 1).repeat(2, axis=2)
    assert paced(points, 1.0).tolist() == points.tolist()
    assert paced(points, 1.8)[:, 0, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    points[2] = np.nan
    assert np.isnan(paced(points, 1.8)[3:6, 0, 0]).all()
    assert len(paced(points, 0.01)) == 2


def test_a_way_is_slow_at_both_ends_and_does_not_make_up_hands():
    last, first = clip("A_x_00")[0], clip("C_x_00")[0]
    hand = list(MEDIAPIPE_75.parts["left_hand"])
    first = first.copy()
    first[hand] = 0.7
    way = transition(last, first, MEDIAPIPE_75)
    steps = np.diff(np.concatenate([last[None], way, first[None]])[:, RIGHT, 1])
    assert (steps > 0).all()
    assert steps[0] < steps[len(steps) // 2] > steps[-1]
    seen = np.isfinite(way[:, hand[0], 0])
    assert not seen[0]
    assert seen[-1]
    assert (way[seen][:, hand] == np.float32(0.7)).all()


def test_what_is_refused():
    with pytest.raises(ManifestError, match="no signer has two glosses with 8 clips each"):
        StitchedSentences(source(clips=7))
    with pytest.raises(ManifestError, match="no signer"):
        StitchedSentences(source(glosses="A-"))
    with pytest.raises(SettingsError, match="fewest and most signs"):
        StitchedSentences(source(), lengths=(5, 2))


def test_real_clips(real_data):
    from signlib.corpora.clips import load_corpus
    from signlib.settings.config import build

    real_data("asl-words-letters")
    found = load_corpus(
        build(
            {
                "task": "sentences",
                "data.corpus": "stitched-asl-words",
                "data.shortest": 6,
                "data.longest": 12,
            }
        ).data
    )
    table = found.labelled
    used = {
        split: {n for clip in part["clip"] for n in found.used(clip)}
        for split, part in table.groupby("split")
    }
    assert not used["train"] & (used["test"] | used["val"])
    lengths = [len(found.read(clip)) for clip in table["clip"][:20]]
    assert 120 < np.mean(lengths) < 260
    assert "-" not in {g for text in table["glosses"] for g in text.split()}
