"""From settings to clips and manifests, and what is refused on the way."""

import numpy as np
import pytest

from signlib.corpora.clips import generated_world, load_corpus, load_landmarks, load_manifest
from signlib.errors import InputError, SettingsError
from signlib.settings.base import DataSettings


def test_an_unknown_corpus_and_a_missing_root_are_refused(tmp_path):
    with pytest.raises(
        SettingsError,
        match=r"data\.corpus='autls' is unknown; choose from generated, .*store, dgs-30",
    ):
        load_corpus(DataSettings(corpus="autls"))
    with pytest.raises(SettingsError, match=r"data\.corpus=store needs data\.root"):
        load_corpus(DataSettings(corpus="store"))
    for name in ("store", "dgs-30"):
        with pytest.raises(InputError, match=str(tmp_path)):
            load_corpus(DataSettings(corpus=name, root=str(tmp_path)))


def test_a_corpus_can_be_given_as_another_skeleton():
    source = load_corpus(DataSettings(skeleton="upper-53"))
    clip = source.labelled["clip"][0]
    whole = load_corpus(DataSettings())
    assert source.skeleton.name == "upper-53"
    assert source.extraction.shape == (53, 4)
    np.testing.assert_array_equal(
        source.read(clip)[:, 0], whole.read(clip)[:, whole.skeleton.index("nose")]
    )
    with pytest.raises(SettingsError, match=r"mediapipe-543.*ntu-25"):
        load_corpus(DataSettings(skeleton="ntu-25"))
    with pytest.raises(SettingsError, match="'nose-1' is unknown"):
        load_corpus(DataSettings(skeleton="nose-1"))


def test_manifests_of_corpora_without_landmarks_can_be_read(real_data):
    real_data("autsl")
    assert len(load_manifest(DataSettings(corpus="autsl"))) == 36_302
    with pytest.raises(SettingsError, match=r"autsl has no landmarks yet.*extract"):
        load_corpus(DataSettings(corpus="autsl"))


def test_a_manifest_is_that_of_the_clips_and_a_folder_needs_a_root():
    settings = DataSettings(signers=4)
    assert load_manifest(settings).equals(load_corpus(settings).labelled)
    with pytest.raises(SettingsError, match=r"data\.root"):
        load_manifest(DataSettings(corpus="folder"))
    with pytest.raises(SettingsError, match=r"'nowhere' is unknown.*generated-sentences"):
        load_manifest(DataSettings(corpus="nowhere"))


def test_generated_sentences_are_a_corpus():
    source = load_corpus(
        DataSettings(corpus="generated-sentences", signers=3, repetitions=2, glosses=30)
    )
    assert len(source.labelled) == 6
    row = source.labelled.iloc[0]
    assert row["glosses"]
    assert source.read(row["clip"]).shape[1:] == (543, 4)


def test_a_world_is_asked_of_generated_signers_only():
    world = generated_world(DataSettings(glosses=5, signers=3, repetitions=1))
    assert len(world.manifest) == 15
    for name in ("generated-actions", "dgs-30", "stitched-asl-words"):
        with pytest.raises(SettingsError, match=f"{name} has no generated signers; take generated"):
            generated_world(DataSettings(corpus=name))


def test_landmarks_of_videos_come_from_a_store():
    settings = DataSettings(signers=3)
    assert load_landmarks(settings, "", "x").labelled.equals(load_corpus(settings).labelled)
    with pytest.raises(SettingsError, match=r"x, and autsl comes as videos: make its landmarks"):
        load_landmarks(DataSettings(corpus="autsl"), "", "x")
