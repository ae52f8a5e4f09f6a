"""Published streams fused in every way (notebook 21), and how alike their errors are."""

import numpy as np
from matplotlib.figure import Figure

from signlib.data.score_files import AUTSL_WEIGHTS, CLEAN, FINAL, TUNED, StreamScores
from signlib.errors import InputError
from signlib.evaluation.metrics import top_k
from signlib.reports import late_fusion, plots

BARE = "final*, no depth"
# Which streams are fused with each other; a star as in `Stream`.
GROUPS: dict[str, dict[str, str | bool]] = {
    "clean": {"group": CLEAN},
    "fine-tuned*": {"group": TUNED},
    BARE: {"group": FINAL, "depth": False},
    "final*": {"group": FINAL},
}


def fuse_groups(table: StreamScores) -> dict[tuple[str, str], late_fusion.Fused]:
    """(group, way) -> fusion, each signer by weights that the signer had no part in.

    Ways are `LEARNERS`; `highest` for the clean group (its most accurate stream, looked up on these
    very clips: a hard rival); `published` for the final groups, and `same weights` (those of the
    set with depth, depth left out).

    Raises:
        InputError: for scores without one of the groups.
    """
    missing = [name for name, which in GROUPS.items() if not table.where(**which)]
    if missing:
        raise InputError(
            f"{table.origin}: no streams of {', '.join(missing)}; use scores with all groups"
        )
    groups = {name: table.pick(table.where(**which)) for name, which in GROUPS.items()}
    learners = {
        (name, way): learn for name in groups for way, learn in late_fusion.LEARNERS.items()
    }
    weights = {
        ("clean", "highest"): late_fusion.best_stream(
            groups["clean"].scores, table.targets, table.signers
        ),
        (BARE, "published"): AUTSL_WEIGHTS["without depth"],
        (BARE, "same weights"): AUTSL_WEIGHTS["with depth"][:3],
        ("final*", "published"): AUTSL_WEIGHTS["with depth"],
    }
    learners |= {key: late_fusion.fixed(values) for key, values in weights.items()}
    return {
        (name, way): late_fusion.leave_one_signer_out(
            groups[name].scores, table.targets, table.signers, learn
        )
        for (name, way), learn in learners.items()
    }


def errors_plot(table: StreamScores) -> Figure:
    """Which streams fail on the same clips: the correlation of their errors as a picture."""
    right = np.array([top_k(scores, table.targets, 1) for scores in table.scores])
    names = [str(stream) for stream in table.streams]
    drawn, (axis,) = plots.figure(2.6 + 0.3 * len(names), 1.6 + 0.24 * len(names))
    image = axis.imshow(late_fusion.correlation_of_errors(right), cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    drawn.colorbar(image, ax=axis, shrink=0.8, label="correlation of their errors")
    return drawn
