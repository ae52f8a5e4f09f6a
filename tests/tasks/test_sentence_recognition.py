"""From settings to a finished run of sentences, on a handful of generated ones."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from usual import built

from signlib.__main__ import main
from signlib.corpora.splits import split_sentences
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, ManifestError, RunError, SettingsError
from signlib.experiments import experiment
from signlib.experiments.experiment import train
from signlib.runs.weights import MODEL
from signlib.settings import config
from signlib.settings.base import DataSettings
from signlib.settings.sentences import SentenceSettings
from signlib.tasks import sentence_report
from signlib.tasks.registry import open_task
from signlib.tasks.sentences import SentenceTask

TINY = [
    "data.glosses=4",
    "data.signers=4",
    "data.repetitions=3",
    "data.shortest=1",
    "data.longest=2",
    "ctc.width=8",
    "ctc.layers=1",
    "ctc.heads=2",
    "ctc.beam=3",
    "ctc.alphas=[0.0,0.5]",
    "ctc.betas=[0.0]",
    "training.epochs=3",
    "training.batch_size=4",
    "training.threads=1",
    "training.accelerator=cpu",
]
FILES = {
    "settings.yaml",
    "splits.csv",
    "status.json",
    "metrics.json",
    "predictions.csv",
    "environment.json",
    "history.csv",
    "model.safetensors",
    "model.json",
    "weight_decay.json",
    "figures",
    "emissions-val.npz",
    "emissions-test.npz",
}


def settings(*overrides: str, preset: str = "sentences/compact", seed: int = 0):
    """Small settings of a preset: those of `TINY` that its network reads."""
    return built(preset, TINY, overrides, seed)


@pytest.fixture(autouse=True)
def runs_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that is over, under a runs root of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        return train(settings(), quiet=True)


def test_a_run_holds_what_others_read(finished):
    kept = {"language_model.arpa"} if finished.facts["alpha"] else set()
    assert {path.name for path in finished.path.iterdir()} == FILES | kept
    table = finished.predictions
    assert table.columns.tolist() == [
        "clip",
        "signer",
        "target",
        "hypothesis",
        "words",
        "substitutions",
        "deletions",
        "insertions",
    ]
    # four signers: the last one tests, the one before validates
    assert set(table["signer"]) == {"signer03"}
    found = {metric.metric: metric for metric in finished.metrics}
    chosen = finished.metrics[0]
    assert chosen.metric == f"WER ({finished.facts['reading']})"
    errors = table[["substitutions", "deletions", "insertions"]].to_numpy().sum()
    assert chosen.value == pytest.approx(100 * errors / table["words"].sum())
    assert {"WER (greedy)", "WER (beam)", "signs found", "frames read a second"} <= set(found)
    assert set(finished.facts["validation"]) == {"greedy", "beam", "beam + n-grams"}
    history = pd.read_csv(finished.path / "history.csv")
    assert history["broken_steps"].tolist() == [0, 0, 0]
    assert "lowest validation WER" in finished.facts["chosen"]


def test_the_scores_that_were_kept_give_the_same_readings(finished):
    emissions, clips, vocabulary = sentence_report.read_emissions(finished, "test")
    table = finished.predictions.set_index("clip")
    assert clips == table.index.tolist()
    np.testing.assert_allclose(np.exp(np.concatenate(emissions)).sum(1), 1, atol=0.01)
    decoders = sentence_report.Decoders(None, None, 0, 0, {})
    heard = [
        " ".join(sentence_report.vocabulary_words(vocabulary, r))
        for r in decoders.read(emissions, "greedy")
    ]
    greedy = next(metric for metric in finished.metrics if metric.metric == "WER (greedy)")
    if greedy.value == finished.metrics[0].value:
        assert heard == table["hypothesis"].tolist()
    assert set(vocabulary.glosses) == set(
        json.loads((finished.path / "model.json").read_text())["classes"]
    )
    with pytest.raises(RunError, match="has no emissions-train"):
        sentence_report.read_emissions(finished, "train")


def test_the_verb_wer_takes_a_run(finished, capsys):
    assert main(["wer", str(finished.path), "--against", str(finished.path)]) == 0
    shown = capsys.readouterr().out
    assert f"WER {finished.metrics[0].value:.2f} %" in shown
    assert "+0.00 points" in shown
    assert main(["wer", str(finished.path), "some.ctm"]) == 2
    assert "give an stm and a ctm, or the folder of one run" in capsys.readouterr().err


PHASED = ["ctc.phases=[1,1,0,1]", "training.average=0.5", "training.effective_batch=8"]


def test_a_stopped_run_comes_to_the_same_weights_through_every_phase():
    whole = train(settings(*PHASED), "whole", quiet=True)
    part = train(settings(*PHASED, "training.hours=0.00001"), "part", quiet=True)
    assert not part.finished
    assert part.facts["epochs"] == 1
    part = train(settings(*PHASED, "training.hours=0.00001"), "part", resume=True, quiet=True)
    assert part.facts["epochs"] == 2
    part = train(settings(*PHASED), "part", resume=True, quiet=True)
    assert part.finished
    ours, theirs = (load_file(run.path / "model.safetensors") for run in (part, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert part.predictions.equals(whole.predictions)


def test_half_precision_and_checkpointing_learn_about_the_same():
    once = ["training.epochs=1", "ctc.short_signs=0"]
    thrifty = [*once, "training.precision=bf16-mixed", "ctc.checkpointing=true"]
    both = {"once": once, "thrifty": thrifty}
    made = [
        train(settings(*own, preset="sentences/hybrid"), name, quiet=True)
        for name, own in both.items()
    ]
    losses = [pd.read_csv(run.path / "history.csv")["loss"].iloc[0] for run in made]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[0] != losses[1], "sixteen bits must have been used"


def test_another_network_teaches():
    teacher = train(settings("training.epochs=1"), "teacher", quiet=True)
    pupil = settings(f"training.teacher={teacher.path}", "training.epochs=1")
    assert train(pupil, "pupil", quiet=True).finished
    other = settings(f"training.teacher={teacher.path}", "ctc.stride=2")
    with pytest.raises(RunError, match=r"ctc\.stride=4, this one 2"):
        train(other, "other", quiet=True)
    facts = json.loads((teacher.path / MODEL).read_text())
    (teacher.path / MODEL).write_text(json.dumps(facts | {"fps": 50.0}))
    with pytest.raises(RunError, match="learned 50 frames a second, this one learns 25"):
        train(pupil, "faster", quiet=True)


def test_a_sentence_that_no_path_can_say_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(experiment.fit, "fit", lambda *_: pytest.fail("training began"))
    with pytest.raises(ClipError, match="frames after down-sampling, its glosses need"):
        train(settings("ctc.stride=64", "data.shortest=2"), quiet=True)


def test_steps_without_a_number_end_the_run(monkeypatch):
    make = SentenceTask.model

    def spoilt(self, classes):
        model = make(self, classes)
        torch.nn.init.constant_(model.network.output.scores.bias, float("nan"))
        return model

    monkeypatch.setattr(SentenceTask, "model", spoilt)
    with pytest.raises(
        RunError, match=r"2 steps had no finite loss or gradient \(the last: loss, step 1\)"
    ):
        train(settings("ctc.nan_steps=2"), quiet=True)


def test_single_signs_are_not_sentences():
    with pytest.raises(ManifestError, match="has single signs, no sentences"):
        open_task(settings("data.corpus=generated"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment.mixup=0.2", "sentences have no one class"),
        ("training.class_weights=true", "sentences have no one"),
        ("ctc.phases=[1,0,1,1]", "main \\(not 0\\)"),
        ("features.frames=8", "reads whole sentences"),
        ("ctc.reduce=8", "is read only with ctc.input=dynamics"),
    ],
)
def test_what_cannot_work_is_refused(override, message):
    with pytest.raises(SettingsError, match=message):
        settings(override)


def test_features_of_everything_are_reduced_on_training_clips_alone():
    task = open_task(settings("ctc.reduce=5", preset="phoenix/hierarchical"))
    clips = task.prepare(task.splits.val, task.vocabulary, quiet=True)
    item = clips.data[0]
    assert item.frames["features"].shape == (len(item), 5)
    assert item.frames["present"].shape == (len(item), 3)
    rows = task.splits.train.copy()
    joined = np.concatenate(
        [item.frames["features"] for item in task.prepare(rows, task.vocabulary).data]
    )
    # centred on the training frames, the first component spreads most
    assert np.abs(joined.mean(0)).max() < 0.05 * joined.std(0).max()
    assert (np.diff(joined.std(0)) < 0).all()
    whole = open_task(settings("features.joints=upper", preset="phoenix/teacher"))
    late = whole.prepare(whole.splits.val.head(1), whole.vocabulary, quiet=True).data
    assert late[0].frames["features"].shape == (len(late[0]), 12 * len(whole.chosen))
    with pytest.raises(SettingsError, match="mixes the parts"):
        open_task(settings("ctc.reduce=5", preset="phoenix/hybrid")).model(4)


def manifest(**columns) -> pd.DataFrame:
    rows = [
        ("a", "A B", "x", "train"),
        ("b", "B", "y", "train"),
        ("c", "A A", "z", "val"),
        ("d", "A C C", "x", "test"),
    ]
    table = pd.DataFrame(rows, columns=["clip", "glosses", "signer", "split"])
    return table.assign(**columns)


def data(**changed) -> DataSettings:
    return config.build({f"data.{key}": value for key, value in changed.items()}).data


def test_a_split_says_what_is_unknown_and_who_signs_twice():
    splits = split_sentences(manifest(), data())
    assert [part["clip"].tolist() for part in (splits.train, splits.val, splits.test)] == [
        ["a", "b"],
        ["c"],
        ["d"],
    ]
    assert splits.notes == [
        "the manifest's split",
        "1 glosses of test (2 signs) are unknown to training: errors",
        "signers in training and test: x",
    ]
    other = split_sentences(
        manifest(split="train"),
        data(split="signer", test_signers=["z"], validation=0.5, validation_by="signer"),
    )
    assert other.test["clip"].tolist() == ["c"]
    assert len(other.val) + len(other.train) == 3
    assert not set(other.val["signer"]) & set(other.train["signer"])


@pytest.mark.parametrize(
    ("table", "changed", "message"),
    [
        (manifest(glosses=["A", "", "A", "A"]), {}, "clip 'b' has no glosses"),
        (manifest(split="train"), {}, "the test split has no sentences"),
        (manifest(signer=""), {"split": "signer", "test_signers": ["q"]}, "'q' signs no clip"),
        (manifest(), {"split": "folds"}, "cannot be stratified over sentences"),
    ],
)
def test_splits_that_cannot_be(table, changed, message):
    with pytest.raises((ManifestError, SettingsError), match=message):
        split_sentences(table, data(**changed))


def search(**changed) -> SentenceSettings:
    chosen = {f"ctc.{key}": value for key, value in changed.items()}
    return config.build({"task": "sentences", "features.frames": 0, **chosen}).ctc


def test_validation_chooses_the_weight_of_the_language_model():
    vocabulary = Vocabulary(("A", "B"))
    # frames cannot tell A from B after A; the sentences of training can
    unsure = np.log([[0.04, 0.9, 0.06], [0.9, 0.05, 0.05], [0.1, 0.6, 0.3]])
    ctc = search(alphas=[0.0, 0.5], betas=[0.0], order=2)
    trained = [["A", "B"]] * 20
    found = sentence_report.choose_decoder(ctc, vocabulary, trained, [unsure], [["A", "B"]])
    assert (found.alpha, found.chosen) == (0.5, "beam + n-grams")
    # "A A" without it: one wrong sign of two
    assert found.rates == {"greedy": 50.0, "beam": 50.0, "beam + n-grams": 0.0}
    assert found.read([unsure], "beam + n-grams") == [[1, 2]]
    # where nothing is gained, the least weight is taken, and the plainest reading
    sure = np.log([[0.04, 0.9, 0.06], [0.9, 0.05, 0.05], [0.02, 0.03, 0.95]])
    found = sentence_report.choose_decoder(ctc, vocabulary, trained, [sure], [["A", "B"]])
    assert (found.alpha, found.chosen) == (0.0, "greedy")
    assert sentence_report.choose_decoder(ctc, vocabulary, trained, [], []).chosen == "greedy"


def test_bonuses_reach_as_far_as_n_grams_cost():
    """Forty glosses in any order, so each costs log 40 = 3.7 nats.

    Every other one has a twin that nobody signs.
    """
    rng = np.random.default_rng(0)
    vocabulary = Vocabulary(tuple(f"{kind}{k:02d}" for k in range(40) for kind in ("SIGN", "TWIN")))
    texts = [[f"SIGN{k:02d}" for k in rng.permutation(40)[:4]] for _ in range(302)]
    trained, said = [*texts[:300], [f"TWIN{k:02d}" for k in range(40)]], texts[300:]
    heard = []
    for text in said:
        frames = np.full((9, 81), 0.001)
        frames[:, 0] = 0.92
        for t, place in zip((1, 3, 5, 7), 1 + vocabulary.encode(text), strict=True):
            frames[t, [0, place, place + 1]] = 0.1, 0.1, 0.8
        heard.append(np.log(frames / frames.sum(1, keepdims=True)))
    found = sentence_report.choose_decoder(search(order=1), vocabulary, trained, heard, said)
    assert found.rates == {"greedy": 100.0, "beam": 100.0, "beam + n-grams": 0.0}
    short = search(order=1, betas=[0.0, 0.5, 1.0, 1.5])
    assert (
        sentence_report.choose_decoder(short, vocabulary, trained, heard, said).rates[
            "beam + n-grams"
        ]
        > 0
    )
