"""Sums, learned weights and selection of streams, on scores whose best weights are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from signlib.data.score_files import CLEAN, Stream, made_up_scores, read_scores
from signlib.errors import SettingsError
from signlib.evaluation.metrics import top_k
from signlib.reports.late_fusion import (
    LEARNERS,
    NESTED,
    best_stream,
    correlation_of_errors,
    fit_weights,
    fixed,
    forward_path,
    fuse,
    fusion_table,
    leave_one_signer_out,
    log_loss,
    margins,
    rescale,
    selected_weights,
    stream_table,
)

SCORES = np.array(
    [[[2.0, 0, 1], [0, 1, 0]], [[0, 3, 0], [1, 0, 0]]]
)  # 2 streams, 2 clips, 3 classes
TARGETS = np.array([0, 1])


def world(streams, accuracy, loudness=None, correlation=0.0, **sizes):
    names = [Stream(f"stream {i}") for i in range(streams)]
    sizes = {"clips": 6_000, "classes": 8, "signer_spread": 0.0, **sizes}
    return made_up_scores(
        names, accuracy, loudness or [1.0] * streams, correlation, correlation, **sizes
    )


def test_a_weighted_sum_by_hand():
    assert fuse(SCORES, np.array([1, 2])).tolist() == [[2, 6, 1], [2, 1, 0]]
    assert margins(SCORES, TARGETS).tolist() == [[[0, -2, -1], [-1, 0, -1]], [[0, 3, 0], [1, 0, 0]]]


def test_scales_by_hand():
    assert rescale(SCORES, "raw") is SCORES
    assert rescale(np.log([[1.0, 3]]), "softmax") == pytest.approx(np.array([[0.25, 0.75]]))
    assert rescale(np.log([[1.0, 3]]), "log-softmax") == pytest.approx(np.log([[0.25, 0.75]]))
    assert rescale(np.array([[1.0, 3]]), "standard").tolist() == [[-1, 1]]
    with pytest.raises(SettingsError, match="scale 'loud' is unknown"):
        rescale(SCORES, "loud")


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3))
def test_raw_scores_and_log_probabilities_rank_classes_alike_under_any_weights(weights):
    scores = made_up_scores(clips=30, classes=5).scores[:3].astype(float)
    raw, logs = (
        fuse(rescale(scores, scale), np.array(weights)) for scale in ("raw", "log-softmax")
    )
    shift = raw - logs
    assert shift == pytest.approx(np.repeat(shift[:, :1], 5, axis=1))


def test_loss_by_hand_and_its_slope_by_differences():
    ahead, weights = margins(SCORES, TARGETS), np.array([0.5, 0.25])
    mixed = fuse(SCORES, weights)  # rows: 1, .75, .5 and .25, .5, 0
    expected = [
        -np.log(np.exp(row[target]) / np.exp(row).sum())
        for row, target in zip(mixed, TARGETS, strict=True)
    ]
    loss, slope = log_loss(weights, ahead)
    assert loss == pytest.approx(np.mean(expected))
    assert slope == pytest.approx(
        optimize.approx_fprime(weights, lambda w: log_loss(w, ahead)[0]), abs=1e-6
    )


def test_loss_takes_scores_of_any_size():
    assert log_loss(np.array([1.0]), np.array([[[0.0, -1e4]]]))[0] == 0
    assert log_loss(np.array([1.0]), np.array([[[0.0, 1e4]]]))[0] == 1e4


def test_learned_weights_are_the_best_linear_ones():
    # Normal noise with one covariance S and leads d: the log-odds of a class are linear with
    # weights S^-1 d.
    loud, accuracy, correlation = [4.0, 0.5, 1.0], [0.7, 0.6, 0.5], 0.3
    table = world(3, accuracy, loud, correlation, clips=40_000)
    lead = np.array([(own[np.arange(40_000), table.targets].mean()) for own in table.scores]) / loud
    covariance = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    expected = np.linalg.solve(covariance, lead) / loud
    found = fit_weights(margins(table.scores.astype(float), table.targets))
    assert found == pytest.approx(expected, rel=0.06)


def test_temperature_undoes_loudness():
    table = world(2, [0.7, 0.7], [1.0, 5.0])
    # the temperature of a stream is one over its weight
    first, second = (
        1 / fit_weights(margins(scores[None], table.targets))[0] for scores in table.scores
    )
    assert second / first == pytest.approx(5, rel=0.1)
    calm = special.log_softmax(table.scores[1] / second, axis=1)[
        np.arange(6_000), table.targets
    ].mean()
    for other in (0.9, 1.1):
        assert (
            special.log_softmax(table.scores[1] / (second * other), axis=1)[
                np.arange(6_000), table.targets
            ].mean()
            < calm
        )


def test_a_stream_of_noise_or_of_lies_weighs_nothing():
    table = world(2, [0.7, 0.6])
    noise = np.random.default_rng(0).standard_normal(table.scores[0].shape)
    scores = np.stack([*table.scores, noise, -table.scores[0]])
    weights = fit_weights(margins(scores[[0, 1, 2]], table.targets))
    assert weights[:2].min() > 0.5
    assert weights[2] < 0.03
    assert fit_weights(margins(scores[[3]], table.targets)).tolist() == [0]
    assert (fit_weights(margins(scores, table.targets)) >= 0).all()


def test_weights_stay_finite_where_every_clip_is_right_and_for_a_constant_stream():
    scores = np.stack([np.eye(4), np.zeros((4, 4))])
    weights = fit_weights(margins(scores, np.arange(4)))
    assert np.isfinite(weights).all()
    assert 1 < weights[0] < 100


def test_a_path_adds_one_stream_at_a_time_and_stops_at_noise():
    table = world(3, [0.5, 0.8, 0.6])
    ahead = margins(table.scores, table.targets)
    path = forward_path(ahead)
    assert [np.count_nonzero(weights) for weights in path] == [1, 2, 3]
    assert path[0][1] > 0, "the most accurate stream comes first"
    losses = [log_loss(weights, ahead)[0] for weights in path]
    assert losses == sorted(losses, reverse=True)
    assert path[-1] == pytest.approx(fit_weights(ahead), rel=0.01)
    assert len(forward_path(ahead, 2)) == 2
    twice = np.stack([ahead[1], ahead[1]])
    assert np.count_nonzero(forward_path(twice)[0]) == 1


def test_selection_keeps_what_helps_other_signers():
    table = world(3, [0.8, 0.7, 0.6], clips=2_400)
    noise = np.random.default_rng(1).standard_normal((6, 2_400, 8)).astype(np.float32)
    scores = np.concatenate([table.scores, noise])
    weights = selected_weights(margins(scores, table.targets), table.targets, table.signers)
    assert weights[:3].min() > 0
    assert np.count_nonzero(weights[3:]) <= 2
    assert weights[3:].max(initial=0) < 0.2


def test_the_signer_that_is_tested_has_no_part_in_its_weights():
    table = world(2, [0.7, 0.5], clips=120)
    asked = []

    def spy(ahead, targets, signers):
        asked.append(set(signers))
        return np.array([len(asked), 0.0])

    found = leave_one_signer_out(table.scores, table.targets, table.signers, spy)
    everyone = set(table.signers)
    assert [everyone - seen for seen in asked] == [{name} for name in found.signers]
    assert found.weights[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.right.tolist() == top_k(table.scores[0], table.targets, 1).tolist()
    row = [found.signers.index(name) + 1 for name in table.signers]
    alone = special.log_softmax(table.scores[0] * np.array(row)[:, None], axis=1)[
        np.arange(120), table.targets
    ]
    assert found.loss == pytest.approx(-alone, abs=1e-5)


def test_changing_the_tested_signers_truth_does_not_change_its_weights():
    table = world(3, [0.7, 0.6, 0.5], clips=240)
    lied = np.where(table.signers == "signer2", (table.targets + 1) % 8, table.targets)
    for learn in LEARNERS.values():
        before, after = (
            leave_one_signer_out(table.scores, t, table.signers, learn)
            for t in (table.targets, lied)
        )
        row = before.signers.index("signer2")
        assert before.weights[row] == pytest.approx(after.weights[row])


def test_learners_agree_on_one_stream_and_rank_as_they_should():
    table = world(2, [0.7, 0.6], [10.0, 0.1], correlation=0.3, clips=1200)
    one = [
        leave_one_signer_out(table.scores[:1], table.targets, table.signers, learn)
        for learn in LEARNERS.values()
    ]
    assert all(np.array_equal(found.right, one[0].right) for found in one)
    found = {
        name: leave_one_signer_out(table.scores, table.targets, table.signers, learn)
        for name, learn in LEARNERS.items()
    }
    assert np.array_equal(found["best stream"].right, top_k(table.scores[0], table.targets, 1))
    assert found["plain sum"].right.mean() < found["calibrated sum"].right.mean() + 0.01
    assert found["learned weights"].right.mean() > found["best stream"].right.mean() + 0.03
    assert found["learned weights"].loss.mean() < found["calibrated sum"].loss.mean()
    assert LEARNERS["plain sum"](table.scores, table.targets, table.signers).tolist() == [1, 1]
    assert best_stream(
        margins(table.scores, table.targets), table.targets, table.signers
    ).tolist() == [1, 0]


def test_too_few_signers_are_refused():
    with pytest.raises(SettingsError, match="2 signers"):
        leave_one_signer_out(SCORES, TARGETS, np.array(["a", "b"]), LEARNERS["plain sum"])


def test_a_nested_result_is_called_one():
    table = world(2, [0.7, 0.6], clips=60)
    assert NESTED.format(table.origin).startswith(
        "nested cross-validation on scores made up from seed 0: learned on"
    )


def test_correlation_of_errors_by_hand():
    right = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 1, 1]], bool)
    found = correlation_of_errors(right)
    assert found[0, :4] == pytest.approx([1, 1, -1, 0])
    assert np.isnan(found[4]).all()


def test_a_table_of_streams_and_one_of_fusions():
    table = world(2, [0.7, 0.6], clips=120)
    found = {
        (group, name): leave_one_signer_out(table.scores, table.targets, table.signers, learn)
        for group in ("both", "again")
        for name, learn in (("sum", LEARNERS["plain sum"]), ("first", fixed([1, 0])))
    }
    shares = fusion_table(found)
    assert shares.index.tolist() == ["both", "again"]
    assert shares.columns.tolist() == ["sum", "first"]
    losses = fusion_table(found, loss=True)
    assert losses.loc["both", "first"] == pytest.approx(
        found["both", "first"].loss.mean(), abs=1e-3
    )
    alone = stream_table(table)
    assert alone["top-1 %"]["stream 0"] == shares.loc["both", "first"]
    right = top_k(table.scores[0], table.targets, 1)
    each = [100 * right[table.signers == name].mean() for name in np.unique(table.signers)]
    assert alone.loc["stream 0", "signers, worst to best"] == f"{min(each):.1f} to {max(each):.1f}"


def test_the_published_sum_of_four_clean_streams(real_data):
    table = read_scores(real_data("autsl") / "test_scores.npz")
    clean = table.pick(table.where(group=CLEAN))
    share = {
        scale: 100 * top_k(fuse(rescale(clean.scores, scale), np.ones(4)), table.targets, 1).mean()
        for scale in ("raw", "log-softmax", "softmax")
    }
    assert share["raw"] == pytest.approx(96.34, abs=0.005)
    assert share["log-softmax"] == pytest.approx(96.34, abs=0.005)
    assert share["softmax"] == pytest.approx(96.10, abs=0.005)
    found = leave_one_signer_out(
        clean.scores, clean.targets, clean.signers, LEARNERS["learned weights"]
    )
    assert 96.3 < 100 * found.right.mean() < 96.8


def test_published_weights_are_those_of_a_search_without_slopes(real_data):
    table = read_scores(real_data("autsl") / "test_scores.npz")
    ahead = margins(table.pick(table.where(group=CLEAN)).scores[:2], table.targets)
    searched = optimize.minimize(
        lambda w: log_loss(np.abs(w), ahead)[0], [0.1, 0.1], method="Nelder-Mead"
    )
    assert fit_weights(ahead) == pytest.approx(np.abs(searched.x), rel=0.02)
