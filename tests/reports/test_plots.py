"""The figures show the numbers they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from signlib.reports.plots import (
    BLUE,
    ORANGE,
    confusion_matrix,
    contact_sheet,
    draw_skeleton,
    figure,
    frequent_confusions,
    interval_plot,
    learning_curve,
    plain,
)


def test_a_figure_is_a_row_of_plain_axes_and_is_not_shown_twice():
    before = plt.get_fignums()
    drawn, axes = figure(columns=3)
    assert len(axes) == 3
    assert plt.get_fignums() == before
    assert not axes[0].spines["top"].get_visible()
    assert drawn.get_size_inches().tolist() == [7.0, 3.2]


def test_the_learning_curve_shows_loss_and_what_was_validated():
    history = [
        {"epoch": 1, "loss": 3.0},
        {"epoch": 2, "loss": 2.0, "validation_accuracy": 40.0},
        {"epoch": 3, "loss": 1.5, "validation_accuracy": float("nan")},
        {"epoch": 4, "loss": 1.0, "validation_accuracy": 60.0},
    ]
    loss, accuracy = learning_curve(history).axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 3], [2, 2], [3, 1.5], [4, 1]]
    assert accuracy.lines[0].get_xydata().tolist() == [[2, 40], [4, 60]]
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "training loss")
    assert accuracy.get_ylim() == (0, 100)


@pytest.mark.parametrize("row", [{}, {"validation_accuracy": float("nan")}])
def test_without_validation_there_is_the_loss_alone(row):
    assert len(learning_curve([{"epoch": 1, "loss": 3.0, **row}]).axes) == 1


def test_a_skeleton_has_the_colours_of_its_parts_and_no_missing_points():
    points = np.array([[0.1, 0.2], [0.3, 0.4], [np.nan, np.nan], [0.5, 0.5]])
    _, (axis,) = figure()
    draw_skeleton(
        axis,
        points,
        [(0, 1), (1, 2), (0, 3)],
        {"left_hand": (0, 1, 2), "right_hand": (3,)},
        aspect=2.0,
    )
    bones = [line.get_xydata() for line in axis.lines]
    # Bone (0, 3) joins two parts and is drawn by neither.
    assert len(bones) == 2
    np.testing.assert_allclose(bones[0], [[0.2, 0.2], [0.6, 0.4]])
    assert np.isnan(bones[1][1]).all()
    assert {line.get_color() for line in axis.lines} == {BLUE}
    left, right = axis.collections
    np.testing.assert_allclose(right.get_offsets(), [[1.0, 0.5]])
    assert len(left.get_offsets()) == 3
    assert np.ma.getmaskarray(left.get_offsets())[2].all() or np.isnan(left.get_offsets()[2]).all()
    bottom, top = axis.get_ylim()
    assert bottom > top
    assert right.get_facecolor()[0].tolist() == pytest.approx(
        [*plt.matplotlib.colors.to_rgb(ORANGE), 1.0]
    )


def test_the_confusion_matrix_shows_shares_of_each_target():
    counts = np.array([[3, 1], [0, 0]])
    axis, bar = confusion_matrix(counts, ["CAT", "TREE"]).axes
    np.testing.assert_allclose(axis.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["CAT", "TREE"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("prediction", "target")
    assert "share" in bar.get_ylabel()
    many = confusion_matrix(np.eye(100), [str(i) for i in range(100)])
    assert max(many.get_size_inches()) <= 12.2


GLOSSES = [
    "$",
    "$x$",
    r"$\frac$",
    r"$\frac$ a\$b_{^",
    "a\nb\tc",
    "手話",
    "\u0644\u063a\u0629",
    "\ud800half",
    "\x00\x1b[0m",
    "<b>&",
    "",
    "LONG" * 200,
    "LONG" * 201,
]


def test_a_label_is_one_line_that_can_be_drawn():
    assert [plain(gloss) for gloss in GLOSSES[:2]] == ["$", "$x$"]
    assert plain("a\nb\tc  d") == "a b c d"
    assert plain("\ud800half") == "half"
    assert plain("\x00\x1b[0m") == "[0m"
    assert plain("手話") == "手話"
    assert plain("x" * 40) == "x" * 40
    assert plain("x" * 41) == "x" * 37 + "..."


def _annotated():
    drawn, (axis,) = figure()
    axis.plot([1, 10], [1, 100], label=GLOSSES[2])
    axis.set(title=GLOSSES[2], xlabel=GLOSSES[3], ylabel=GLOSSES[1], yscale="log")
    axis.annotate(GLOSSES[2], (1, 1))
    axis.text(2, 2, GLOSSES[3])
    axis.legend(title=GLOSSES[2])
    drawn.suptitle(GLOSSES[3])
    return drawn


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion_matrix(np.eye(len(GLOSSES)), GLOSSES),
        lambda: frequent_confusions(
            pd.DataFrame({"reference": GLOSSES, "hypothesis": GLOSSES[::-1], "count": 2})
        ),
        lambda: interval_plot(
            pd.DataFrame({"value": 5.0, "low": 4.0, "high": 6.0}, index=GLOSSES), GLOSSES[2], 1.0
        ),
        lambda: contact_sheet(
            {gloss: [np.zeros((4, 4, 3), np.uint8)] for gloss in GLOSSES}, GLOSSES
        ),
        _annotated,
    ],
)
def test_every_figure_draws_every_gloss(draw, tmp_path):
    drawn = draw()
    drawn.savefig(tmp_path / "drawn.png", dpi=20, bbox_inches="tight")
    assert (tmp_path / "drawn.png").stat().st_size > 1000
    signed = [
        text for axes in drawn.axes for text in axes.get_yticklabels() if "$" in text.get_text()
    ]
    powers = [text for text in signed if "mathdefault" in text.get_text()]
    assert all(text.get_parse_math() == (text in powers) for text in signed)


def test_bars_of_labels_that_begin_alike_stay_apart():
    pairs = {"reference": ["A" * 60 + "1", "A" * 60 + "2"], "hypothesis": ["B", "B"]}
    (axis,) = frequent_confusions(pd.DataFrame({**pairs, "count": [5, 3]})).axes
    assert [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in axis.patches] == [
        (0, 3),
        (1, 5),
    ]
