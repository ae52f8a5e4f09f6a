"""Alignments and probabilities of readings, held against every path there is."""

from itertools import product

import numpy as np
import pytest

from signlib.decoding.alignment import align, log_probability
from signlib.decoding.beam import BeamSearch
from signlib.decoding.ctc import collapse, greedy
from signlib.errors import ClipError


def emissions(*rows):
    return np.log(np.array(rows, float))


def test_glosses_are_found_where_they_were_signed():
    # blank A A blank A B: the second A needs the blank between, B follows at once
    scores = emissions(
        [0.8, 0.1, 0.1],
        [0.1, 0.8, 0.1],
        [0.2, 0.7, 0.1],
        [0.6, 0.3, 0.1],
        [0.1, 0.8, 0.1],
        [0.1, 0.1, 0.8],
    )
    assert align(scores, [1, 1, 2]).tolist() == [[1, 3], [4, 5], [5, 6]]
    # A alone stretches over frames that prefer the blank only as far as it pays
    assert align(scores[:4], [1]).tolist() == [[1, 3]]
    assert align(scores, []).shape == (0, 2)


def test_alignments_and_probabilities_are_those_of_all_paths():
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(3), 5))
    paths = list(product(range(3), repeat=5))
    values = {path: sum(scores[t, k] for t, k in enumerate(path)) for path in paths}
    for reading in ([], [1], [2, 1], [1, 1], [1, 2, 1], [2, 2, 1]):
        saying = {path: value for path, value in values.items() if collapse(path) == reading}
        total = np.log(np.exp(list(saying.values())).sum())
        assert log_probability(scores, reading) == pytest.approx(total)
        best = np.array(max(saying, key=saying.get))
        spans = align(scores, reading)
        assert best.tolist() == path_of(spans, reading, len(best)).tolist()


def path_of(spans, reading, frames):
    path = np.zeros(frames, int)
    for (first, end), k in zip(spans, reading, strict=True):
        path[first:end] = k
    return path


def test_the_best_path_is_aligned_as_it_is_and_readings_have_the_score_of_the_search():
    rng = np.random.default_rng(1)
    scores = np.log(rng.dirichlet(np.full(5, 0.3), 40))
    (reading,) = greedy(scores[None], [40])
    path = path_of(align(scores, reading), reading, 40)
    assert path.tolist() == scores.argmax(1).tolist()
    short = scores[:7]
    for hypothesis in BeamSearch("ABCD", 10_000)(short)[:20]:
        assert log_probability(short, hypothesis.classes) == pytest.approx(hypothesis.score)


def test_too_few_frames_say_nothing():
    scores = emissions([0.5, 0.5], [0.5, 0.5])
    assert log_probability(scores, [1, 1]) == -np.inf
    with pytest.raises(ClipError, match="2 frames of scores cannot say 2 glosses, which need 3"):
        align(scores, [1, 1])
