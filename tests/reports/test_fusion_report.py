"""The questions of notebook 21 on made-up streams, where the answers were put in."""

from dataclasses import replace

import numpy as np
import pytest

from signlib.data.score_files import AUTSL_WEIGHTS, made_up_scores
from signlib.errors import InputError
from signlib.evaluation.metrics import top_k
from signlib.reports.late_fusion import (
    BARE,
    GROUPS,
    LEARNERS,
    errors_plot,
    fuse_groups,
    leave_one_signer_out,
)
from signlib.statistics.paired import paired


@pytest.fixture(scope="module")
def table():
    return made_up_scores(clips=300, classes=20)


def test_every_group_is_fused_in_every_way(table):
    found = fuse_groups(table)
    assert set(found) >= {(group, way) for group in GROUPS for way in LEARNERS}
    assert found["final*", "published"].weights[0].tolist() == list(AUTSL_WEIGHTS["with depth"])
    assert found[BARE, "same weights"].weights[0].tolist() == list(AUTSL_WEIGHTS["with depth"][:3])
    own = [top_k(scores, table.targets, 1).sum() for scores in table.scores[:4]]
    assert found["clean", "highest"].right.sum() == max(own)


def test_depth_is_found_where_it_was_put_in_and_only_there():
    answers = []
    for across in (0.3, 0.8):  # 0.8: depth errs like every other stream, and less accurately
        table = made_up_scores(clips=3_000, classes=30, across=across, seed=3)
        less, more = (table.pick(table.where(**GROUPS[name])) for name in (BARE, "final*"))
        right = [
            leave_one_signer_out(
                own.scores, own.targets, own.signers, LEARNERS["learned weights"]
            ).right
            for own in (less, more)
        ]
        answers.append(paired(*right, table.signers))
    assert answers[0].p < 1e-3
    assert [answer.answer for answer in answers] == ["better", "no difference shown"]


def test_scores_without_a_group_are_refused(table):
    with pytest.raises(InputError, match=r"no streams of clean; use scores with all groups"):
        fuse_groups(table.pick(range(4, 13)))


def test_the_picture_of_errors_names_every_stream(table):
    axis, _ = errors_plot(table).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == [
        str(stream) for stream in table.streams
    ]
    assert np.asarray(axis.images[0].get_array()).diagonal() == pytest.approx(1)
    perfect = replace(
        table, scores=table.scores + 1e3 * np.eye(20, dtype=np.float32)[table.targets]
    )
    errors_plot(
        perfect
    ).canvas.draw()  # a stream without errors has no correlation, and no warning either
