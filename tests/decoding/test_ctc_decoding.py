"""Decoding by hand, against every alignment of small alphabets, one engine against the others."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.decoding.beam import BeamSearch
from signlib.decoding.ctc import check_lengths, collapse, greedy, needed_frames, prefix_search
from signlib.decoding.language_model import train_model
from signlib.errors import ClipError, SettingsError

GLOSSES = ["A", "B", "C"]
MODEL = train_model(
    [list("ABCAB"), list("AABC"), list("CCAB"), list("B"), list("ABABAC")] * 2 + [list("BACA")], 3
)
WEIGHTS = [(0, 0), (0, 0.7), (0.8, 0), (0.5, 1.3), (0.5, -1.3)]
SIZES = st.tuples(st.integers(0, 5), st.integers(2, 4), st.integers(0, 10**6))


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def random_frames(frames: int, classes: int, seed: int, spread: float = 1.5) -> np.ndarray:
    return log_softmax(spread * np.random.default_rng(seed).normal(size=(frames, classes)))


def every_reading(frames: np.ndarray) -> dict[tuple[int, ...], float]:
    """Each reading's log probability as the sum over all of its alignments."""
    found: dict[tuple[int, ...], float] = {}
    for path in product(range(frames.shape[1]), repeat=len(frames)):
        reading = tuple(collapse(path))
        score = sum(frames[t, k] for t, k in enumerate(path))
        found[reading] = np.logaddexp(found.get(reading, -np.inf), score)
    return found


@pytest.mark.parametrize(
    ("path", "reading"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 1], [1]),
        ([1, 0, 1], [1, 1]),
        ([0, 1, 2, 2, 0, 2], [1, 2, 2]),
        ([3, 1, 3], [3, 1, 3]),
    ],
)
def test_collapse(path, reading):
    assert collapse(path) == reading


def test_greedy_reads_only_real_frames():
    scores = np.eye(3)[[[1, 1, 0, 1, 2], [2, 2, 1, 1, 1]]]
    assert greedy(scores, [5, 2]) == [[1, 1, 2], [2]]


@given(st.lists(st.integers(1, 3), max_size=5))
def test_needed_frames_is_the_shortest_path_that_says_it(target):
    shortest = (
        next(
            size
            for size in range(12)
            if any(collapse(path) == target for path in product(range(4), repeat=size))
        )
        if len(target) < 4
        else None
    )
    if shortest is not None:
        assert needed_frames(target) == shortest


def test_clips_that_are_too_short_are_named():
    targets = [[1, 2], [1, 1, 2], [2]]
    check_lengths([2, 4, 1], targets, ["a", "b", "c"])
    with pytest.raises(
        ClipError,
        match=r"clip 'b' has 3 frames after down-sampling, its glosses need 4 \(2 such clips\)",
    ):
        check_lengths([2, 3, 0], targets, ["a", "b", "c"])


def test_the_same_gloss_twice_needs_a_blank_between():
    certain = np.log(np.full((3, 2), 1e-9))
    certain[[0, 1, 2], [1, 0, 1]] = 0
    assert prefix_search(certain, 10)[0].classes == (1, 1)
    certain[1] = [-20, 0]
    assert prefix_search(certain, 10)[0].classes == (1,)
    # half blank, half A in both frames: A A A, A blank, blank A, A A read A; only blank blank reads
    # nothing
    half = np.log(np.full((2, 2), 0.5))
    assert [(h.classes, pytest.approx(np.exp(h.score))) for h in prefix_search(half, 10)] == [
        ((1,), 0.75),
        ((), 0.25),
    ]


def searches(alpha: float, beta: float, beam: int, glosses: list[str]):
    model = MODEL if alpha else None
    yield lambda frames: prefix_search(frames, beam, glosses, model, alpha, beta)
    yield BeamSearch(glosses, beam, model, alpha, beta)
    # its beam holds several endings of one prefix
    yield BeamSearch(glosses, 3 * beam, model, alpha, beta, engine="flashlight")


@settings(max_examples=30, deadline=None)
@given(SIZES, st.sampled_from(WEIGHTS))
def test_every_engine_finds_every_reading(sizes, weights):
    frames, (alpha, beta) = random_frames(*sizes), weights
    glosses = GLOSSES[: sizes[1] - 1]
    expected = {
        reading: (
            score
            + beta * len(reading)
            + (alpha * MODEL.sentence([glosses[k - 1] for k in reading]) if alpha else 0)
        )
        for reading, score in every_reading(frames).items()
    }
    for search in searches(alpha, beta, 1000, glosses):
        found = search(frames)
        assert {h.classes: h.score for h in found} == pytest.approx(expected, abs=2e-4)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.sampled_from([(0, 0), (0.8, 0), (0.5, 1.3), (1, -2)]),
)
def test_the_fast_search_is_the_plain_one(length, seed, beam, weights):
    alpha, beta = weights
    glosses = [*GLOSSES, "D", "E", "F", "G"]
    frames = random_frames(length, 8, seed, spread=3)
    plain, fast, _ = searches(alpha, beta, beam, glosses)
    assert [(h.classes, pytest.approx(h.score)) for h in plain(frames)] == [
        (h.classes, h.score) for h in fast(frames)
    ]


def test_a_narrow_beam_of_ours_reaches_as_far_as_a_wider_one_of_flashlight():
    glosses = [f"g{k}" for k in range(40)]
    rng = np.random.default_rng(0)
    ours, theirs = BeamSearch(glosses, 10), BeamSearch(glosses, 10, engine="flashlight")
    gains = []
    for seed in range(20):
        peaks = np.zeros((30, 41))
        peaks[np.arange(30), rng.integers(41, size=30) * (rng.random(30) < 0.4)] = 5
        frames = log_softmax(peaks + random_frames(30, 41, seed))
        gains.append(ours(frames)[0].score - theirs(frames)[0].score)
    assert min(gains) > -1e-3
    assert max(gains) > 0


def test_a_wide_search_beats_the_best_path():
    for seed in range(20):
        frames = random_frames(6, 4, seed)
        readings = every_reading(frames)
        (best,) = greedy(frames[None], [6])
        assert BeamSearch(GLOSSES, 400)(frames)[0].score >= readings[tuple(best)] - 1e-9


@pytest.mark.parametrize("engine", ["own", "flashlight"])
def test_classes_that_cannot_be(engine):
    frames = np.full((4, 4), -np.inf)
    frames[[0, 1, 2, 3], [1, 1, 0, 2]] = 0
    found = BeamSearch(GLOSSES, 3, engine=engine)(frames)[0]
    assert (found.classes, found.score) == ((1, 2), 0)


@pytest.mark.parametrize("broken", [np.nan, -np.inf])
def test_broken_scores_are_no_reading(broken):
    frames = random_frames(3, 4, 0)
    frames[1] = broken
    for read in (
        BeamSearch(GLOSSES),
        lambda frames: prefix_search(frames, 3),
        lambda frames: greedy(frames[None], [3]),
    ):
        with pytest.raises(ValueError, match="NaN or all -inf in a frame"):
            read(frames)
    # one class alone, which argmax would take
    frames = random_frames(3, 4, 0)
    frames[1, 2] = broken
    if np.isnan(broken):
        with pytest.raises(ValueError, match="NaN or all -inf in a frame"):
            greedy(frames[None], [3])
    # nobody reads the padding
    assert len(greedy(frames[None], [1])) == 1


def test_no_frames_read_nothing():
    assert BeamSearch(GLOSSES, 3)(np.empty((0, 4)))[0].classes == ()
    ended = BeamSearch(GLOSSES, 3, MODEL, 0.5)(np.empty((0, 4)))[0]
    assert ended.score == pytest.approx(0.5 * MODEL.sentence([]))


def test_a_search_forgets_the_clip_before(monkeypatch):
    from signlib.decoding import beam

    search = BeamSearch(GLOSSES, 4, MODEL, 0.7, 0.5)
    clips = [random_frames(8, 4, seed) for seed in range(5)]
    first = [search(clip) for clip in clips]
    monkeypatch.setattr(beam, "_MOST_ROWS", 0)  # the table of contexts is emptied before each
    assert [search(clip) for clip in reversed(clips)] == first[::-1]


def test_a_model_that_knows_other_glosses():
    # D is unknown to the model, so it is as likely as any unknown word
    frames = random_frames(4, 5, 3)
    plain = prefix_search(frames, 50, [*GLOSSES, "D"], MODEL, 0.8, 0.1)
    fast = BeamSearch([*GLOSSES, "D"], 50, MODEL, 0.8, 0.1)(frames)
    assert [(h.classes, pytest.approx(h.score)) for h in plain] == [
        (h.classes, h.score) for h in fast
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam": 0}, "beam=0"),
        ({"engine": "ctcdecode"}, "choose from own, flashlight"),
        ({"alpha": 0.5}, "weighs a language model"),
        ({"alpha": -0.5, "model": MODEL}, "alpha=-0.5"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        BeamSearch(GLOSSES, **arguments)


def test_scores_of_another_vocabulary_are_refused():
    with pytest.raises(
        SettingsError, match=r"shape \(5, 6\) are not \(T, 4\): 3 glosses and the blank"
    ):
        BeamSearch(GLOSSES)(random_frames(5, 6, 0))
