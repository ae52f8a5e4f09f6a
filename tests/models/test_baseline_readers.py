"""Readers without steps: scikit-learn's scores from kept clips alone; the nearest clip by hand."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from signlib.errors import ManifestError
from signlib.models.baseline import NEVER_SEEN, NearestClip, VectorMachine
from signlib.training.baseline import VectorDataset, fit_reader


def clouds(classes: list[int], count: int, spread: float = 1.5):
    """Clips of some classes that overlap, so that machines disagree here and there."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(max(classes) + 1, 4))
    targets = np.array(classes)[rng.integers(len(classes), size=count)]
    return (middles[targets] + spread * rng.normal(size=(count, 4))).astype(np.float32), targets


def scores_of(reader, vectors):
    with torch.no_grad():
        return reader({"vectors": torch.from_numpy(vectors)}).numpy()


@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 4], [1, 3, 4], [0, 1], [2, 4]])
def test_scores_are_those_of_scikit_learn(classes):
    vectors, targets = clouds(classes, 90)
    others, _ = clouds(classes, 200, spread=2.5)
    # Two rows more than clips: clips that could not be used.
    reader = VectorMachine(92, 4, 5)
    fit_reader(reader, vectors, targets)
    scores = scores_of(reader, others)
    machine = SVC(break_ties=len(classes) > 2).fit(vectors, targets)
    assert (scores.argmax(1) == machine.predict(others)).all()
    theirs = machine.decision_function(others)
    if len(classes) == 2:
        # Of two classes it gives one number: how clearly the second one wins.
        assert ((scores[:, classes[1]] > scores[:, classes[0]]) == (theirs > 0)).all()
    else:
        np.testing.assert_allclose(scores[:, classes], theirs, rtol=0, atol=1e-5)
    absent = [number for number in range(5) if number not in classes]
    assert (scores[:, absent] == NEVER_SEEN).all()


def test_the_nearest_clip_by_hand():
    reader = NearestClip(4, 2, 3)
    fit_reader(reader, np.array([[0, 0], [3, 4], [0, 1]], np.float32), np.array([0, 2, 2]))
    scores = scores_of(reader, np.array([[0, 0], [3, 0]], np.float32))
    # (0, 0) and (3, 0); class 2 is at (3, 4) and (0, 1); nobody has shown class 1.
    expected = [[0, NEVER_SEEN, -1], [-3, NEVER_SEEN, -np.sqrt(10)]]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_numbers_are_standardised_as_scikit_learn_does():
    vectors, targets = clouds([0, 1, 2], 60)
    # A number that counts for nothing unless all are of one size, and one that never changes.
    vectors = (vectors * [100, 1, 1, 0]).astype(np.float32)
    reader = VectorMachine(60, 4, 3)
    fit_reader(reader, vectors, targets, standardise=True)
    pipeline = make_pipeline(StandardScaler(), SVC()).fit(vectors, targets)
    np.testing.assert_allclose(
        scores_of(reader, vectors), pipeline.decision_function(vectors), rtol=0, atol=1e-4
    )
    plain = SVC().fit(vectors, targets).decision_function(vectors)
    assert abs(plain - scores_of(reader, vectors)).max() > 0.1


@pytest.mark.parametrize("kind", [VectorMachine, NearestClip])
def test_other_clips_of_a_batch_change_nothing_and_everything_is_in_the_state(kind):
    vectors, targets = clouds([0, 1, 2], 30)
    reader, empty = kind(30, 4, 3), kind(30, 4, 3)
    fit_reader(reader, vectors, targets)
    empty.load_state_dict(reader.state_dict())
    together = scores_of(empty, vectors)
    alone = np.concatenate([scores_of(reader, vectors[n : n + 1]) for n in range(30)])
    np.testing.assert_allclose(together, alone, atol=1e-9)
    np.testing.assert_allclose(scores_of(reader, vectors[::-1].copy()), together[::-1], atol=1e-9)


def test_nothing_can_be_told_apart_of_one_gloss():
    with pytest.raises(ManifestError, match="of 1 gloss; give it two or more"):
        fit_reader(VectorMachine(2, 4, 3), np.zeros((2, 4), np.float32), np.array([1, 1]))


def test_clips_that_are_all_the_same_have_scores_that_are_numbers():
    reader = VectorMachine(4, 3, 2)
    fit_reader(reader, np.ones((4, 3), np.float32), np.array([0, 0, 1, 1]))
    # The width of scikit-learn's kernel where no number ever changes.
    assert reader.gamma == 1
    assert reader({"vectors": torch.ones(1, 3)}).isfinite().all()


def test_a_batch_of_vectors():
    data = VectorDataset([np.array([1, 2], np.float32), np.array([3, 4], np.float32)], [5, 6])
    batch = data.collate([data[0], data[1]])
    assert batch["vectors"].tolist() == [[1, 2], [3, 4]]
    assert batch["target"].tolist() == [5, 6]
