"""The figures of the course: one look for all of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text

from signlib.data.skeletons import Skeleton

INK, BLUE, ORANGE, GREY = "#22303c", "#2a6fbb", "#d9772b", "#b8c0c8"
PART_COLOURS = {"face": GREY, "pose": INK, "left_hand": BLUE, "right_hand": ORANGE, "body": INK}

# Characters of a label that are drawn.
LONGEST_LABEL = 40


class PlainFigure(Figure):
    """A figure that draws every text as it is: a gloss may be `$\\frac$`, which is no formula."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw it; only the powers of ten beside a logarithmic axis stay formulas."""
        powers: set[Text] = set()
        for axes in self.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() != "linear":
                    powers.update({*axis.findobj(Text)} - {axis.label})
        for text in self.findobj(Text):
            text.set_parse_math(text in powers)
        super().draw(renderer)


def plain(label: object) -> str:
    """A label for a figure: in one line, without signs that cannot be drawn, and not too long."""
    text = "".join(filter(str.isprintable, " ".join(str(label).split())))
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."


def figure(width: float = 7.0, height: float = 3.2, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure with a row of axes, drawn plainly; it does not show itself twice in a notebook."""
    drawn, axes = plt.subplots(
        1,
        columns,
        FigureClass=PlainFigure,
        figsize=(width, height),
        layout="constrained",
        squeeze=False,
    )
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    plt.close(drawn)
    return drawn, axes[0]


def draw_interval(
    axis: Axes,
    row: float,
    value: float,
    ends: tuple[float, float],
    colour: str = BLUE,
    strokes: Sequence[float] = (),
    label: str = "",
) -> None:
    """One line of a figure of intervals: a band, strokes for single values, a dot for the mean.

    Args:
        row: height of the line.
        ends: of the band.
        strokes: single values, such as one a seed.
        label: for a legend.
    """
    axis.plot(ends, [row, row], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
    if len(strokes):
        axis.plot(strokes, [row] * len(strokes), "|", color=INK, markersize=9)
    axis.plot(value, row, "o", color=colour, markersize=5, clip_on=False, label=label)


def name_rows(axis: Axes, names: Collection[str], label: str) -> None:
    """Names of the lines, the first one on top, and the label of the axis below."""
    axis.set(xlabel=label, ylim=(len(names) - 0.5, -0.5))
    axis.set_yticks(range(len(names)), list(map(plain, names)))


def draw_skeleton(
    axis: Axes,
    points: np.ndarray,
    bones: Sequence[tuple[int, int]],
    parts: Mapping[str, Sequence[int]],
    aspect: float = 1,
) -> None:
    """One frame's points and bones; missing points are not drawn.

    Args:
        points: (J, C >= 2), y downwards.
        bones: pairs of joints.
        parts: part name -> joints, for the colours.
        aspect: width / height of the picture the coordinates are fractions of.
    """
    x, y = points[:, 0] * aspect, points[:, 1]
    for part, joints in parts.items():
        inside = set(joints)
        pairs = np.array([bone for bone in bones if inside.issuperset(bone)])
        colour = PART_COLOURS.get(part, INK)
        if len(pairs) and part != "face":
            axis.plot(x[pairs].T, y[pairs].T, color=colour, linewidth=1.2, solid_capstyle="round")
        axis.scatter(x[list(joints)], y[list(joints)], s=1 if part == "face" else 4, color=colour)
    axis.set_aspect("equal")
    axis.invert_yaxis()
    axis.axis("off")


def learning_curve(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss over the epochs, and validation accuracy where there was a validation split."""
    drawn = curves(history, "validation_accuracy", "validation accuracy (%)")
    drawn.axes[0].set_ylim(0, None)
    return drawn


def curves(history: Sequence[Mapping[str, float]], column: str, label: str) -> Figure:
    """Loss, and the validated column of a history, per cent; alone where nothing was validated."""
    validated = [row for row in history if np.isfinite(row.get(column, np.nan))]
    drawn, axes = figure(columns=2 if validated else 1, width=7 if validated else 4.5)
    axes[0].plot([row["epoch"] for row in history], [row["loss"] for row in history], color=BLUE)
    axes[0].set(xlabel="epoch", ylabel="training loss")
    if validated:
        rates = [row[column] for row in validated]
        axes[1].plot([row["epoch"] for row in validated], rates, color=ORANGE, marker=".")
        # a word error rate may exceed 100
        highest = 100 if max(rates) <= 100 else 1.05 * max(rates)
        axes[1].set(xlabel="epoch", ylabel=label, ylim=(0, highest))
    return drawn


def frequent_confusions(confused: pd.DataFrame, most: int = 15) -> Figure:
    """Which sign was read as which, and how often.

    Args:
        confused: from `wer.confusions`.
        most: only the commonest so many.
    """
    top = confused.head(most).iloc[::-1]
    drawn, (axis,) = figure(6.0, 0.25 * max(2, len(top)) + 0.8)
    # By number: two labels that were cut to the same words are two bars.
    axis.barh(range(len(top)), top["count"], color=BLUE)
    axis.set_yticks(
        range(len(top)),
        [f"{plain(row.reference)} → {plain(row.hypothesis)}" for row in top.itertuples()],
    )
    axis.set(xlabel="times" if len(top) else "no sign was taken for another")
    return drawn


def confusion_matrix(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """Share of each target's clips by prediction, as a picture.

    Args:
        counts: (K, K), row = target.
        names: K class names.
    """
    size = float(np.clip(0.22 * len(names), 3.5, 11))
    drawn, (axis,) = figure(size + 1.2, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= 60:
        labels = list(map(plain, names))
        axis.set_xticks(range(len(names)), labels, rotation=90, fontsize=7)
        axis.set_yticks(range(len(names)), labels, fontsize=7)
    axis.set(xlabel="prediction", ylabel="target")
    drawn.colorbar(image, ax=axis, shrink=0.7, label="share of the target's clips")
    return drawn


def filmstrip(
    points: np.ndarray,
    bones: Sequence[tuple[int, int]],
    parts: Mapping[str, Sequence[int]],
    aspect: float = 1,
    count: int = 6,
) -> Figure:
    """Evenly spaced frames of one clip, side by side, cut to where face and hands move.

    Args:
        points: (T, J, C >= 2), y downwards, NaN = missing.
        bones, parts, aspect: as for `draw_skeleton`.
        count: how many frames.
    """
    drawn, axes = figure(1.45 * count, 2.2, columns=count)
    signing = [joint for part, joints in parts.items() if part != "pose" for joint in joints]
    if not np.isfinite(points[:, signing]).any():
        signing = list(range(points.shape[1]))
    x, y = points[:, signing, 0] * aspect, points[:, signing, 1]
    middle = [(np.nanmin(values) + np.nanmax(values)) / 2 for values in (x, y)]
    # one square window for all frames, a fifth wider than what moves
    half = 0.6 * max(np.nanmax(x) - np.nanmin(x), np.nanmax(y) - np.nanmin(y))
    for axis, number in _spaced(axes, len(points)):
        draw_skeleton(axis, points[number], bones, parts, aspect=aspect)
        axis.set(
            xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half)
        )
    return drawn


def _spaced(axes: np.ndarray, frames: int) -> Iterator[tuple[Axes, int]]:
    # Each axis, titled, with the number of its frame: evenly spaced from the first to the last.
    for axis, number in zip(axes, np.linspace(0, frames - 1, len(axes)).round(), strict=True):
        axis.set_title(f"frame {number:.0f}", fontsize=8)
        yield axis, int(number)


def action_strip(joints: np.ndarray, skeleton: Skeleton, count: int = 6) -> Figure:
    """Evenly spaced frames of whole bodies as the sensor sees them, side by side at one scale.

    Args:
        joints: (T, M, J, 3), y up, NaN = no such body.
        skeleton: of the joints.
        count: how many frames.
    """
    # depth is left out, and y points downwards as in pictures
    flat = joints[..., :2] * (1, -1)
    low, high = np.nanmin(flat, axis=(0, 1, 2)), np.nanmax(flat, axis=(0, 1, 2))
    middle, half = (low + high) / 2, 0.55 * np.maximum(high - low, 1e-6)
    narrow = float(np.clip(half[0] / half[1], 0.3, 3))
    drawn, axes = figure(1.5 * narrow**0.5 * count, 1.5 / narrow**0.5 + 0.3, columns=count)
    for axis, number in _spaced(axes, len(joints)):
        for person, colour in zip(flat[number], (INK, ORANGE, BLUE, GREY), strict=False):
            if np.isfinite(person).any():
                axis.plot(
                    *person[np.array(skeleton.bones)].T,
                    color=colour,
                    linewidth=1.2,
                    solid_capstyle="round",
                )
                axis.scatter(person[:, 0], person[:, 1], s=3, color=colour)
        axis.set(
            xlim=(middle[0] - half[0], middle[0] + half[0]),
            ylim=(middle[1] + half[1], middle[1] - half[1]),
            aspect="equal",
        )
        axis.axis("off")
    return drawn


def contact_sheet(
    rows: Mapping[str, Sequence[np.ndarray]],
    titles: Sequence[str],
    skeleton: Skeleton | None = None,
    aspect: float = 1,
) -> Figure:
    """Pictures side by side, one row a kind; a page that says so where there are none.

    Args:
        rows: name -> pictures (H, W, 3) uint8, or points (J, C >= 2) as fractions of the picture,
            NaN = missing.
        titles: of the columns.
        skeleton: of the points.
        aspect: width / height of the picture.
    """
    if not rows:
        drawn, (axis,) = figure(4, 0.6)
        axis.axis("off")
        axis.text(
            0.5, 0.5, "no pictures: the files of these clips are not here", ha="center", va="center"
        )
        return drawn
    columns = max(map(len, rows.values()))
    # pictures of rooms are heavy, and a notebook may weigh 200 KB
    drawn, axes = plt.subplots(
        len(rows),
        columns,
        FigureClass=PlainFigure,
        figsize=(1.15 * columns * aspect**0.5, 1.2 * len(rows)),
        dpi=70,
        layout="constrained",
        squeeze=False,
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, picture in zip(line, pictures, strict=False):
            if picture.ndim == 3:
                axis.imshow(picture)
            elif skeleton is not None:
                draw_skeleton(axis, picture, skeleton.bones, skeleton.parts, aspect=aspect)
                axis.set(xlim=(0, aspect), ylim=(1, 0))
        line[0].text(
            -0.08,
            0.5,
            plain(name),
            rotation=90,
            ha="right",
            va="center",
            transform=line[0].transAxes,
            fontsize=9,
        )
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(plain(title), fontsize=8)
    plt.close(drawn)
    return drawn


def interval_plot(table: pd.DataFrame, label: str, chance: float | None = None) -> Figure:
    """One line a row of the table: its value as a dot, its interval as a band.

    Args:
        table: columns value, low, high in per cent; the index names the rows.
        label: of the axis.
        chance: where guessing would stand.
    """
    drawn, (axis,) = figure(7, 0.9 + 0.38 * len(table))
    for row, (value, low, high) in enumerate(table[["value", "low", "high"]].to_numpy(float)):
        draw_interval(axis, row, value, (low, high))
    if chance is not None:
        axis.axvline(chance, color=GREY, linestyle="--", linewidth=1, zorder=0)
        axis.set_title("dashed: chance", loc="right", fontsize=8, color="0.45")
    name_rows(axis, list(table.index), label)
    axis.set_xlim(0, 100)
    return drawn
