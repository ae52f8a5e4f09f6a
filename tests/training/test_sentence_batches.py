"""Batches of sentences, and that a changed batch still says what its targets say."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.decoding.ctc import check_lengths
from signlib.errors import ClipError
from signlib.models.ctc import CtcNetwork, FlatEncoder, NormedConvolutions
from signlib.models.ctc_blocks import PlainOutput
from signlib.settings.sentences import SentenceSettings
from signlib.training.augment_sentences import (
    SentenceAugment,
    can_be_said,
    change_time,
    cut_signs,
    hide_frames,
    mix_signs,
)
from signlib.training.losses import frames_needed, sentence_losses
from signlib.training.sentences import (
    Sentence,
    SentenceDataset,
    collate_sentences,
    landmark_sentence,
)

REST = -1.0


def spelled(target: list[int], rng: np.random.Generator, timed: bool = True) -> Sentence:
    """A clip whose only feature is the class signed in each frame, `REST` between signs."""
    frames, spans = [REST] * int(rng.integers(2, 5)), []
    for gloss in target:
        length = int(rng.integers(2, 9))
        spans.append((len(frames), len(frames) + length))
        frames += [float(gloss)] * length + [REST] * int(rng.integers(2, 5))
    values = np.array(frames, np.float32)[:, None]
    present = np.ones((len(frames), 1), bool)
    return Sentence(
        {"features": values, "present": present},
        np.array(target),
        np.array(spans) if timed else None,
    )


def batch(seed: int = 0, clips: int = 6, timed: bool = True, most: int = 7):
    rng = np.random.default_rng(seed)
    targets = [rng.integers(1, 9, rng.integers(1, most)).tolist() for _ in range(clips)]
    return collate_sentences([spelled(target, rng, timed) for target in targets])


def said(made, row: int) -> list[int]:
    """What the frames of a clip say: runs of equal classes, rests left out."""
    frames = made["features"][row, : made["lengths"][row], 0].tolist()
    runs = [value for place, value in enumerate(frames) if place == 0 or frames[place - 1] != value]
    return [int(value) for value in runs if value != REST]


def wanted(made, row: int) -> list[int]:
    return made["targets"][row, : made["sizes"][row]].tolist()


def test_a_batch_by_hand():
    points = np.full((3, 2, 2), np.nan)
    points[1] = [[1, 2], [3, 4]]
    one = landmark_sentence(points, [4, 4], np.array([[0, 1], [1, 3]]))
    two = landmark_sentence(points[1:2], [2])
    made = collate_sentences([one, two])
    assert made["lengths"].tolist() == [3, 1]
    assert made["targets"].tolist() == [[4, 4], [2, 0]]
    assert made["sizes"].tolist() == [2, 1]
    assert made["spans"].tolist() == [[[0, 1], [1, 3]], [[-1, -1], [-1, -1]]]
    assert made["mask"].tolist() == [
        [[False] * 2, [True] * 2, [False] * 2],
        [[True] * 2, [False] * 2, [False] * 2],
    ]
    assert made["points"][0, 1].tolist() == [[1, 2], [3, 4]]
    assert made["points"][1, 1:].abs().sum() == 0


def test_a_pass_goes_through_all_as_often_as_asked():
    rng = np.random.default_rng(0)
    data = SentenceDataset([spelled([1], rng), spelled([2], rng)], repeats=3)
    assert [int(item.target[0]) for item in data] == [1, 2, 1, 2, 1, 2]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.6), st.integers(1, 3))
def test_another_speed_says_the_same(seed, warp, stride):
    torch.manual_seed(seed)
    before = batch(seed)
    after = change_time(before, warp, 0.0, stride)
    # a sign of two frames may go when half of the frames do; at a fifth more speed all stay
    for row in range(6):
        if warp <= 0.2:
            assert said(after, row) == said(before, row)
        assert after["features"][row, after["lengths"][row] :].abs().sum() == 0
        assert not after["present"][row, after["lengths"][row] :].any()
    need = torch.minimum(
        before["lengths"], stride * frames_needed(before["targets"], before["sizes"])
    )
    assert (after["lengths"] >= need).all()
    assert (after["lengths"] <= before["lengths"] / (1 - warp) + 1).all()


def test_lost_frames_are_as_many_as_asked_and_never_too_many():
    torch.manual_seed(0)
    before = batch(1, clips=200, most=3)
    after = change_time(before, 0.0, 0.2)
    assert 1 - after["lengths"].sum() / before["lengths"].sum() == pytest.approx(0.2, abs=0.04)
    need = frames_needed(before["targets"], before["sizes"])
    few = change_time(before, 0.0, 0.95)
    assert (few["lengths"] >= need).all()
    assert (few["lengths"] == need).float().mean() > 0.3
    # what is left stands in its order
    for row in range(20):
        whole, rest = (m["features"][row, : m["lengths"][row], 0].tolist() for m in (before, after))
        place = 0
        for value in rest:
            place = whole.index(value, place) + 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_spans_follow_their_frames(seed):
    torch.manual_seed(seed)
    after = mix_signs(change_time(batch(seed), 0.2, 0.1), 0.7)
    for row in range(6):
        for gloss, (start, end) in zip(
            wanted(after, row), after["spans"][row].tolist(), strict=False
        ):
            inside = set(after["features"][row, start:end, 0].tolist())
            assert inside <= {float(gloss)}
            assert 0 <= start <= end <= after["lengths"][row]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_mixed_sentences_say_their_targets(seed, timed):
    torch.manual_seed(seed)
    before = batch(seed, timed=timed)
    after = mix_signs(before, 0.8)
    for row in range(6):
        frames, target = said(after, row), wanted(after, row)
        # two equal signs beside each other are told apart by the rest between them
        assert frames == target
        if timed and target != wanted(before, row):
            assert any(
                target[-1:] == wanted(before, other)[-1:] for other in range(6) if other != row
            )


def test_without_spans_whole_sentences_are_put_behind_one_another():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    before = collate_sentences(
        [spelled([1, 2], rng, False), spelled([3], rng, False), spelled([4] * 20, rng, False)]
    )
    seen = set()
    for _ in range(60):
        after = mix_signs(before, 0.5)
        assert after["lengths"].max() <= before["lengths"].max()
        seen |= {tuple(wanted(after, row)) for row in range(3)}
    assert seen == {(1, 2), (3,), (4,) * 20, (1, 2, 3), (3, 1, 2)}


def test_nothing_is_mixed_alone_or_without_chance():
    made = batch()
    assert mix_signs(made, 0.0) is made
    one = collate_sentences([spelled([1, 2], np.random.default_rng(0))])
    assert mix_signs(one, 1.0) is one


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_cut_sentences_say_some_of_their_signs_in_a_row(seed, most):
    torch.manual_seed(seed)
    before = batch(seed)
    after = cut_signs(before, most)
    for row in range(6):
        whole, part = wanted(before, row), wanted(after, row)
        assert len(part) == min(most, len(whole))
        assert any(whole[k : k + len(part)] == part for k in range(len(whole)))
        assert said(after, row) == part
        for gloss, (start, end) in zip(part, after["spans"][row].tolist(), strict=False):
            assert set(after["features"][row, start:end, 0].tolist()) == {float(gloss)}


def test_every_sign_of_a_sentence_is_cut_out_as_often_and_without_spans_nothing_is():
    torch.manual_seed(0)
    made = collate_sentences([spelled([1, 2, 3, 4], np.random.default_rng(k)) for k in range(2000)])
    counts = torch.bincount(cut_signs(made, 1)["targets"].flatten(), minlength=5)
    assert (counts[1:] - 500).abs().max() < 70
    untimed = batch(timed=False)
    after = cut_signs(untimed, 1)
    assert all(
        torch.equal(after[key], untimed[key])
        for key in ("targets", "sizes", "lengths", "features", "spans")
    )


def test_hidden_frames_leave_the_length():
    torch.manual_seed(0)
    made = collate_sentences(
        [spelled([k % 8 + 1 for k in range(40)], np.random.default_rng(k)) for k in range(50)]
    )
    hidden = hide_frames(made, 0.2, 2)
    assert torch.equal(hidden["lengths"], made["lengths"])
    lost = ((hidden["features"] == 0) & (made["features"] != 0)).sum() / (
        made["features"] != 0
    ).sum()
    assert lost == pytest.approx(
        0.19, abs=0.04
    )  # two stretches of a tenth on average, which may overlap
    assert torch.equal(
        hidden["present"][..., 0], made["present"][..., 0] & (hidden["features"][..., 0] != 0)
    )
    assert hide_frames(made, 0.0, 2) is made


def test_all_together_on_landmarks():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = [
        landmark_sentence(
            rng.normal(size=(30 + k, 4, 3)), [1, 2, 3], np.array([[0, 9], [9, 20], [20, 30]])
        )
        for k in range(4)
    ]
    called = []
    augment = SentenceAugment(SentenceSettings(), 2, lambda b: called.append(len(b["points"])) or b)
    made = augment(collate_sentences(clips))
    assert called == [4]
    assert made["points"].shape[:2] == made["mask"].shape[:2]
    assert (made["lengths"] >= 2 * frames_needed(made["targets"], made["sizes"])).all()
    assert made["mask"].any()
    plain = SentenceSettings(sign_mixup=0, warp=0, frame_drop=0, time_mask=0)
    same = collate_sentences(clips)
    assert all(
        torch.equal(value, same[key]) for key, value in SentenceAugment(plain, 2)(same).items()
    )


def short_signs(target: list[int], lengths: list[int], rests: list[int]) -> Sentence:
    """A clip whose signs have so many frames, with so many between them."""
    frames, spans = [], []
    for gloss, length, rest in zip(target, lengths, rests, strict=True):
        spans.append((len(frames), len(frames) + length))
        frames += [float(gloss)] * length + [REST] * rest
    values = np.array(frames, np.float32)[:, None]
    present = np.ones((len(frames), 1), bool)
    return Sentence({"features": values, "present": present}, np.array(target), np.array(spans))


def test_a_mixture_that_its_frames_cannot_say_is_not_made():
    """Signs of four frames, four frames to one: [2] and [2] are eight frames but need three."""
    one = short_signs([1, 2], [4, 4], [0, 0])
    two = short_signs([2, 3], [4, 4], [0, 0])
    before = collate_sentences([one, two])
    seen = set()
    for number in range(60):
        torch.manual_seed(number)
        after = mix_signs(before, 1.0, stride=4)
        seen |= {tuple(wanted(after, row)) for row in range(2)}
    # without the stride (2, 2) is one of them
    assert seen == {(1, 3), (1, 2, 3), (2, 3), (2, 3, 2)}


def test_signs_that_too_few_frames_would_be_left_of_are_not_cut_out():
    """[5, 5] of four frames each needs three of the network's, and gets two."""
    torch.manual_seed(0)
    made = collate_sentences([short_signs([5, 5, 6], [4, 4, 4], [0, 0, 0])] * 40)
    assert can_be_said(made["targets"], made["sizes"], made["lengths"], 4).logical_not().all()
    made = collate_sentences([short_signs([5, 5, 6], [4, 4, 4], [0, 0, 4])] * 40)
    after = cut_signs(made, 2, stride=4)
    assert {tuple(wanted(after, row)) for row in range(40)} == {(5, 5, 6), (5, 6)}
    whole = after["sizes"] == 3
    assert (after["lengths"][whole] == 16).all()
    assert torch.equal(after["spans"][whole], made["spans"][whole])


# Of a sign: its class, its frames, and the frames between it and the next one.
SIGNS = st.tuples(st.integers(1, 3), st.integers(3, 8), st.integers(0, 2))
# Of a clip: its signs, and whether its corpus tells where they lie.
CLIPS = st.tuples(st.lists(SIGNS, min_size=1, max_size=12), st.booleans())
STRONG = SentenceSettings(sign_mixup=0.9, warp=0.4, frame_drop=0.5)


def needed(target: list[int]) -> int:
    """Frames that a sentence needs after the network's stride."""
    return len(target) + sum(one == next_one for one, next_one in pairwise(target))


def small_network(stride: int) -> CtcNetwork:
    encoder = FlatEncoder(NormedConvolutions(1, 4))
    return CtcNetwork(encoder, [], PlainOutput(4, 4), stride).eval()


def views(made, stride: int):
    """What training may make of a batch: each change that shortens alone, then all as it does."""
    yield "mixed", mix_signs(made, 1.0, stride)
    yield "faster", change_time(made, 0.6, 0.0, stride)
    yield "frames lost", change_time(made, 0.0, 0.9, stride)
    yield "all", SentenceAugment(STRONG, stride)(made)
    for most in (1, 5):
        cut = cut_signs(made, most, stride)
        yield f"cut to {most}", cut
        yield f"cut to {most}, all", SentenceAugment(STRONG, stride)(cut)


@settings(max_examples=60, deadline=None)
@given(st.lists(CLIPS, min_size=1, max_size=6), st.sampled_from([1, 2, 4]), st.integers(0, 10**6))
def test_no_view_of_a_sentence_has_too_few_frames_for_ctc(clips, stride, seed):
    torch.manual_seed(seed)
    sentences = [short_signs(*zip(*signs, strict=True)) for signs, _ in clips]
    for sentence, (_, timed) in zip(sentences, clips, strict=True):
        sentence.spans = sentence.spans if timed else None
    made = collate_sentences(sentences)
    targets = [wanted(made, row) for row in range(len(clips))]
    frames = (-(-made["lengths"] // stride)).tolist()
    possible = [have >= needed(target) for have, target in zip(frames, targets, strict=True)]
    network = small_network(stride)
    for name, view in views(made, stride):
        frames = network.frames(view["lengths"])
        for row, target in enumerate(targets):
            enough = frames[row] >= needed(wanted(view, row))
            assert enough or not possible[row], f"{name}: clip {row}"
            # What nothing can make possible is left as it was.
            same = wanted(view, row) == target and view["lengths"][row] >= made["lengths"][row]
            assert enough or same, f"{name}: clip {row}"
        if all(possible) and name.endswith("all"):
            scores = network(view)
            losses = sentence_losses(scores, frames, view["targets"], view["sizes"])
            assert losses.isfinite().all(), name


@settings(max_examples=25, deadline=None)
@given(st.lists(CLIPS, min_size=1, max_size=6), st.sampled_from([1, 2, 4]))
def test_a_sentence_that_no_view_makes_possible_is_refused_by_name_before_training(clips, stride):
    sentences = [short_signs(*zip(*signs, strict=True)) for signs, _ in clips]
    made = collate_sentences(sentences)
    network = small_network(stride)
    frames = network.frames(made["lengths"])
    targets = [sentence.target.tolist() for sentence in sentences]
    names = [f"clip{k}" for k in range(len(clips))]
    short = [k for k in range(len(clips)) if frames[k] < needed(targets[k])]
    for check in (
        lambda: check_lengths(frames.tolist(), targets, names),
        lambda: sentence_losses(network(made), frames, made["targets"], made["sizes"]),
    ):
        words = rf"'clip{short[0]}' has|^{len(short)} of" if short else ""
        with pytest.raises(ClipError, match=words) if short else nullcontext():
            check()
