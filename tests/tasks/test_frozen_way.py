"""The whole way from a video over a frozen encoder to a gloss.

The encoder is a tiny one that was saved and loaded again.
"""

import numpy as np
import pandas as pd
import pytest

from signlib.__main__ import main
from signlib.corpora import clips as corpora
from signlib.data.video import write_video
from signlib.errors import RunError, SettingsError
from signlib.experiments import extraction
from signlib.experiments.experiment import train
from signlib.experiments.prediction import predict
from signlib.extraction.filming import RenderedClips
from signlib.extraction.towers import random_tower
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import write_store
from signlib.synthesis.clips import GeneratedCorpus
from signlib.tasks.frozen import features_of, tower_of
from signlib.tasks.registry import load_recogniser, open_task

SMALL = [
    "data.glosses=3",
    "data.signers=3",
    "data.repetitions=1",
    "frozen.frames=4",
    "frozen.width=16",
    "frozen.intermediate=16",
    "features.frames=8",
    "training.epochs=2",
    "training.batch_size=4",
    "training.accelerator=cpu",
]


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder for runs, with an encoder and nine generated clips as videos in it."""
    root = tmp_path_factory.mktemp("way")
    random_tower(root / "tower")
    source, rows = RenderedClips(GeneratedCorpus(3, 3, 1)), []
    for row in source.manifest.itertuples():
        filmed = source.film(row, [COLOUR], PictureSettings(10, 48, "crop"))[COLOUR]
        write_video(root / "films" / f"{row.clip}.mp4", list(filmed.pictures), 10)
        rows.append(
            {
                "clip": row.clip,
                "file": f"{row.clip}.mp4",
                "gloss": row.gloss,
                "signer": row.signer,
                "split": row.split,
            }
        )
    pd.DataFrame(rows).to_csv(root / "films" / "manifest.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(root / "runs"))
        yield root


@pytest.fixture(scope="module")
def both(there):
    """A run on features and landmarks of generated clips."""
    return train(presets.build("wlasl/attention-over-time", "smoke", 0, SMALL), quiet=True)


def test_from_videos_to_a_prediction_with_three_commands(there, capsys, monkeypatch):
    store, tower = str(there / "features"), str(there / "tower")
    assert (
        main(
            [
                "extract",
                str(there / "films"),
                "--out",
                store,
                "--extractor",
                "frozen",
                "--set",
                f"model={tower}",
                "frames=4",
            ]
        )
        == 0
    )
    of_the_store = [
        f"data.root={store}",
        "data.corpus=store",
        f"frozen.store={store}",
        "frozen.inputs=[visual]",
        "frozen.tower=''",
    ]
    # It has no landmarks, and glosses of its own.
    unread = ("features.", "frozen.intermediate", "data.")
    small = [text for text in SMALL if not text.startswith(unread)]
    assert (
        main(
            [
                "train",
                "wlasl/concat",
                "--mode",
                "smoke",
                "--run-name",
                "films",
                "--set",
                *small,
                *of_the_store,
            ]
        )
        == 0
    )
    capsys.readouterr()
    run = there / "runs" / "wlasl-concat" / "films"
    films = sorted((there / "films").glob("*.mp4"))
    assert main(["predict", str(run), str(films[0]), str(films[1])]) == 0
    told = capsys.readouterr().out
    assert told.count("%") >= 6, "three glosses with their shares for each of two films"
    found = predict(Run(run), films).set_index("clip")
    assert set(found["problem"]) == {""}
    scores, clips, classes = Run(run).scores
    for clip, row in zip(clips, scores, strict=True):
        best = found.loc[str(there / "films" / f"{clip}.mp4"), "top"][0]
        assert best[0] == classes[row.argmax()]
        assert best[1] == pytest.approx(float(np.exp(row.max())), abs=1e-4), (
            "as when the run was tested"
        )
    with pytest.raises(RunError, match="has other weights"):
        predict(Run(run), films, tower=str(random_tower(there / "other", seed=1)))


def test_a_clip_unlike_the_training_clips_is_warned_of(there, both):
    run = both
    recogniser = load_recogniser(run)
    assert recogniser.familiar.length is not None
    white = there / "white.mp4"
    write_video(white, [np.full((64, 64, 3), 255, np.uint8)] * 6, 10)
    seen = features_of([white], tower_of(recogniser), 4)[str(white)]
    points = np.full((3, 54, 3), np.nan)
    told = recogniser.familiar.warnings(points, [range(12, 33), range(33, 54)], seen)
    assert [words.split()[0] for words in told] == ["3", "no", "it"]


def test_a_film_of_a_person_goes_through_landmarks_and_encoder(there, both):
    pytest.importorskip("mediapipe")
    from signlib.synthesis.portrait import portrait_clip

    film = there / "portrait.mp4"
    write_video(film, portrait_clip(8), fps=25)
    torn = there / "torn.mp4"
    torn.write_bytes(film.read_bytes()[:500])
    found = predict(both, [film, torn], top=2).set_index("clip")
    assert len(found.loc[str(film), "top"]) == 2
    assert found.loc[str(film), "problem"] == ""
    assert "looks different" in found.loc[str(film), "warning"], "a portrait is no generated signer"
    assert found.loc[str(torn), "top"] == []
    assert found.loc[str(torn), "problem"]


def test_stores_of_both_give_the_scores_of_the_test(there, both):
    scores, clips, classes = both.scores
    features = next((there / "runs" / "frozen").glob("*/extraction.json")).parent
    source = corpora.load_corpus(both.settings.data)
    about = {"width": 512, "height": 512, "fps": 25.0}
    table = source.labelled.drop(columns=["width", "height"])
    points = [(clip, np.asarray(source.read(clip))) for clip in table["clip"]]
    store = write_store(there / "points", source.extraction, table, points, **about)
    found = predict(both, [features, store.path], split="test").set_index("clip")
    assert set(found.index) == set(clips)
    for clip, row in zip(clips, scores, strict=True):
        assert [gloss for gloss, _ in found.loc[clip, "top"]] == [
            classes[k] for k in np.argsort(-row)
        ]
    with pytest.raises(RunError, match="0 stores of features and 1 of landmarks"):
        predict(both, [store.path])
    overrides = [f"model={there / 'tower'}", "frames=2"]
    other = extraction.extract(there / "films", there / "other-features", "frozen", overrides)
    with pytest.raises(RunError, match="frames=4, these have 2"):
        predict(both, [other.path, store.path])


def test_training_reads_the_feature_size_from_the_store(there, both):
    assert load_recogniser(both).model.visual.project[0].in_features == 32
    made = next((there / "runs" / "frozen").glob("*/extraction.json")).parent
    assert FeatureStore(made).extraction.shape == (32,)
    assert load_recogniser(both).frozen.shape == (32,)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["frozen.tower=''"], "make features with"),
        (["augment.mirror=0.5"], r"augment\.mirror=0\.5 changes landmarks"),
        (["features.dominant=true"], r"features\.dominant=True"),
        (["frozen.inputs=[]"], "each once"),
        (["frozen.heads=3"], "cannot be shared"),
        (["features.frames=0"], r"within 1\.\.64"),
        (["fusion.modalities=[rgb]"], "belongs to task modalities"),
        (["gcn.variant=nano"], "belongs to task graph"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(there, changes, told):
    with pytest.raises(SettingsError, match=told):
        open_task(presets.build("wlasl/concat", "smoke", 0, [*SMALL, *changes]))


def test_a_store_of_something_else_is_refused(tmp_path):
    table = pd.DataFrame({"clip": ["a"], "file": ["a"], "gloss": ["x"]})
    made = Extraction("imported", shape=(543, 3), skeleton="mediapipe-543")
    write_store(tmp_path / "s", made, table, [("a", np.ones((2, 543, 3), np.float32))])
    with pytest.raises(SettingsError, match="holds imported"):
        open_task(
            presets.build("wlasl/concat", "smoke", 0, [*SMALL, f"frozen.store={tmp_path / 's'}"])
        )
