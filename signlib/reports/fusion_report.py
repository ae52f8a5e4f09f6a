"""What notebook 21 asks of published streams: every group fused in every way, and the figures for
it.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from signlib.data.score_files import AUTSL_WEIGHTS, CLEAN, FINAL, TUNED, StreamScores
from signlib.errors import InputError
from signlib.evaluation.metrics import top_k
from signlib.reports.late_fusion import (
    LEARNERS,
    Fused,
    Learner,
    correlation_of_errors,
    fixed,
    leave_one_signer_out,
)
from signlib.reports.plots import BLUE, GREY, INK, figure
from signlib.statistics.paired import Paired

BARE = "final*, no depth"
GROUPS = {
    "clean": {"group": CLEAN},
    "fine-tuned*": {"group": TUNED},
    BARE: {"group": FINAL, "depth": False},
    "final*": {"group": FINAL},
}
"""Which streams are fused with each other; a star as in `Stream`."""


def fuse_groups(table: StreamScores) -> dict[tuple[str, str], Fused]:
    """(group, way) -> fusion, each signer by weights that the signer had no part in.

    Ways are `LEARNERS`; `highest` for the clean group (its most accurate stream, looked up on these
    very clips: a hard rival); `published` for the final groups, and `same weights` (those of the
    set with depth, depth left out).

    Raises:
        InputError: for scores without one of the groups.
    """
    missing = [name for name, asked in GROUPS.items() if not table.where(**asked)]
    if missing:
        raise InputError(
            f"{table.origin}: no streams of {', '.join(missing)}; use scores with all groups"
        )
    groups = {name: table.pick(table.where(**asked)) for name, asked in GROUPS.items()}
    found = {
        (name, way): _fused(own, learn)
        for name, own in groups.items()
        for way, learn in LEARNERS.items()
    }
    right = [top_k(scores, table.targets, 1).sum() for scores in groups["clean"].scores]
    weights = {
        ("clean", "highest"): np.eye(len(right))[int(np.argmax(right))],
        (BARE, "published"): AUTSL_WEIGHTS["without depth"],
        (BARE, "same weights"): AUTSL_WEIGHTS["with depth"][:3],
        ("final*", "published"): AUTSL_WEIGHTS["with depth"],
    }
    return found | {
        (name, way): _fused(groups[name], fixed(own)) for (name, way), own in weights.items()
    }


def _fused(table: StreamScores, learn: Learner) -> Fused:
    return leave_one_signer_out(table.scores, table.targets, table.signers, learn)


def errors_plot(table: StreamScores) -> Figure:
    """Which streams fail on the same clips: the correlation of their errors as a picture."""
    right = np.array([top_k(own, table.targets, 1) for own in table.scores])
    names = [str(stream) for stream in table.streams]
    drawn, (axis,) = figure(2.6 + 0.3 * len(names), 1.6 + 0.24 * len(names))
    image = axis.imshow(correlation_of_errors(right), cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    drawn.colorbar(image, ax=axis, shrink=0.8, label="correlation of their errors")
    return drawn


def paired_plot(answers: Mapping[str, Paired]) -> Figure:
    """One line a comparison: its t interval as a band, the signers' mean as a dot, each signer as a
    stroke.
    """
    drawn, (axis,) = figure(7, 0.9 + 0.38 * len(answers))
    for row, answer in enumerate(answers.values()):
        axis.plot(
            answer.by_signer, [row, row], color=BLUE, linewidth=5, alpha=0.3, solid_capstyle="butt"
        )
        axis.plot(answer.each_signer, np.full(answer.signers, row), "|", color=INK, markersize=9)
        axis.plot(answer.signer_mean, row, "o", color=BLUE)
    axis.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
    axis.set(xlabel="points gained; strokes: one signer each", ylim=(len(answers) - 0.5, -0.5))
    axis.set_yticks(range(len(answers)), list(answers))
    return drawn
