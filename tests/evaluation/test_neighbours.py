"""Nearest neighbours: by hand, and as scikit-learn has them."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from signlib.evaluation.neighbours import class_distances, flatten


def test_a_clip_is_interpolated_in_time():
    clip = np.array([0.0, 2.0, 6.0]).reshape(3, 1, 1)
    assert flatten(clip, 5).tolist() == [0, 1, 2, 4, 6]


def test_missing_points_are_filled_from_those_around_them():
    clip = np.array([[0.0, np.nan], [np.nan, np.nan], [4.0, np.nan]]).reshape(3, 2, 1)
    assert flatten(clip, 3).reshape(3, 2).tolist() == [[0, 0], [2, 0], [4, 0]]


def test_a_single_frame_is_repeated():
    assert flatten(np.ones((1, 2, 2)), 3).tolist() == [1.0] * 12


def test_distances_by_hand():
    train, classes = np.array([[0.0, 0], [3, 4], [0, 1]]), np.array([0, 1, 0])
    found = class_distances(train, classes, np.array([[0.0, 1], [3, 0]]), 3)
    np.testing.assert_allclose(found, [[0, 18**0.5, np.inf], [3, 4, np.inf]])


def test_scikit_learn_finds_the_same_neighbours():
    rng = np.random.default_rng(0)
    train, test, glosses = (
        rng.normal(size=(60, 5)),
        rng.normal(size=(40, 5)),
        rng.integers(7, size=60),
    )
    theirs = KNeighborsClassifier(1).fit(train, glosses).predict(test)
    np.testing.assert_array_equal(class_distances(train, glosses, test, 7).argmin(1), theirs)
