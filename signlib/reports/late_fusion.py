"""Streams that were trained apart, put together by their scores: sums, learned weights, selection.

Published streams are fused in every way (notebook 21), and their errors held against each other.
Whatever is learned here is learned on some signers and tested on another, since the only scores
that are published are those of test clips. Adding raw scores and adding log-probabilities rank
classes alike for any weights: the two differ by one number a clip.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import optimize, special

from signlib.data.score_files import AUTSL_WEIGHTS, CLEAN, FINAL, TUNED, StreamScores
from signlib.errors import InputError, SettingsError
from signlib.evaluation.metrics import top_k
from signlib.reports.plots import figure
from signlib.statistics.intervals import t_interval

SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "raw": lambda scores: scores,
    "log-softmax": lambda scores: special.log_softmax(scores, axis=-1),
    "softmax": lambda scores: special.softmax(scores, axis=-1),
    "standard": lambda scores: (
        (centred := scores - scores.mean(axis=-1, keepdims=True))
        / centred.std(axis=-1, keepdims=True)
    ),
}
# What to call a result of `leave_one_signer_out`; `.format(table.origin)` says on what.
NESTED = "nested cross-validation on {}: learned on all signers but one, tested on that one"

BARE = "final*, no depth"
# Which streams are fused with each other; a star as in `Stream`.
GROUPS: dict[str, dict[str, str | bool]] = {
    "clean": {"group": CLEAN},
    "fine-tuned*": {"group": TUNED},
    BARE: {"group": FINAL, "depth": False},
    "final*": {"group": FINAL},
}

# (margins (M, N, K), targets (N,), signers (N,)) of the training signers -> weights (M,).
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def rescale(scores: np.ndarray, scale: str) -> np.ndarray:
    """Scores (..., N, K) of each stream on another scale.

    Args:
        scale: raw; log-softmax (log-probabilities); softmax (probabilities); standard (mean 0 and
            standard deviation 1 over the classes of each clip).

    Raises:
        SettingsError: for another scale.
    """
    if scale not in SCALES:
        raise SettingsError(f"scale {scale!r} is unknown; use one of {', '.join(SCALES)}")
    return SCALES[scale](scores)


def fuse(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, K): the weighted sum of scores (M, N, K) with weights (M,)."""
    return np.tensordot(np.asarray(weights, scores.dtype), scores, 1)


def margins(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(M, N, K): how far each class is above the target of its clip.

    A likelihood needs nothing else.
    """
    return scores - np.take_along_axis(scores, targets[None, :, None], axis=2)


def log_loss(weights: np.ndarray, ahead: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean -log p(target) of the weighted sum, p its softmax, and the gradient (M,).

    It is convex in the weights.

    Args:
        weights: (M,).
        ahead: (M, N, K) from `margins`.
    """
    mixed = fuse(ahead, weights)
    # the highest is taken off first: exp of a large score would overflow
    highest = mixed.max(axis=1, keepdims=True)
    share = np.exp(mixed - highest)
    total = share.sum(axis=1, keepdims=True)
    share /= total
    loss = float((np.log(total) + highest).mean(dtype=np.float64))
    return loss, (ahead.reshape(len(ahead), -1) @ share.ravel()).astype(np.float64) / ahead.shape[1]


def fit_weights(ahead: np.ndarray, ridge: float = 1e-6) -> np.ndarray:
    """(M,) weights >= 0 that make the targets most likely: one temperature a stream.

    All are fitted together.

    Args:
        ahead: (M, N, K) from `margins`.
        ridge: keeps weights finite where every clip is right already; on streams scaled to the same
            spread.
    """
    scale = _scale(ahead)

    def objective(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = log_loss(scaled / scale, ahead)
        return loss + ridge * scaled @ scaled, slope / scale + 2 * ridge * scaled

    fit = optimize.minimize(
        objective,
        np.full(len(ahead), 1 / len(ahead)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(ahead),
    )
    return fit.x / scale


def _scale(ahead: np.ndarray) -> np.ndarray:
    # (M,) how widely each stream's margins spread; 1 for a stream that says nothing.
    scale = np.sqrt((ahead.astype(np.float64) ** 2).mean(axis=(1, 2)))
    return np.where(scale == 0, 1, scale)


def best_stream(ahead: np.ndarray, targets: np.ndarray, signers: np.ndarray) -> np.ndarray:
    """The stream that names most training clips, alone."""
    right = [top_k(stream, targets, 1).sum() for stream in ahead]
    return np.eye(len(ahead))[int(np.argmax(right))]


def calibrated_sum(ahead: np.ndarray, targets: np.ndarray, signers: np.ndarray) -> np.ndarray:
    """Each stream divided by its own temperature: loud ones are turned down, all count alike.

    Source: Guo et al. 2017, section 4.2 (temperature scaling).
    """
    return np.concatenate([fit_weights(stream[None]) for stream in ahead])


def fixed(weights: Sequence[float] | np.ndarray) -> Learner:
    """A learner that learns nothing and answers these weights (M,)."""
    return lambda *_: np.asarray(weights, float)


def selected_weights(ahead: np.ndarray, targets: np.ndarray, signers: np.ndarray) -> np.ndarray:
    """Greedy forward selection; leaving out each training signer in turn says how many streams."""
    losses = np.zeros(len(ahead))
    for name in np.unique(signers):
        inside = signers != name
        path = forward_path(ahead[:, inside])
        held = [log_loss(weights, ahead[:, ~inside])[0] * (~inside).sum() for weights in path]
        # a path that ended early has the loss of its end from there on
        losses += np.pad(held, (0, len(ahead) - len(held)), mode="edge")
    return forward_path(ahead, int(losses.argmin()) + 1)[-1]


def forward_path(ahead: np.ndarray, most: int | None = None) -> list[np.ndarray]:
    """Weights (M,) with one stream, with two, ...: the most promising one joins each time.

    What a stream promises is the slope of the loss in its weight, streams scaled to the same
    spread; then all that have joined are weighed again. The path ends where no stream promises
    anything, or with `most` streams.
    """
    scale = _scale(ahead)
    inside: list[int] = []
    path: list[np.ndarray] = []
    weights = np.zeros(len(ahead))
    while len(inside) < (most or len(ahead)):
        promise = -log_loss(weights, ahead)[1] / scale
        # who is inside already cannot join again
        promise[inside] = -np.inf
        if promise.max() <= 0 and path:
            break
        inside.append(int(promise.argmax()))
        weights = np.zeros(len(ahead))
        weights[inside] = fit_weights(ahead[inside])
        path.append(weights)
    return path


LEARNERS: dict[str, Learner] = {
    "best stream": best_stream,
    # every stream weighs 1, on the scale it came in: learns nothing
    "plain sum": lambda ahead, *_: np.ones(len(ahead)),
    "calibrated sum": calibrated_sum,
    # those that make the training clips most likely
    "learned weights": lambda ahead, *_: fit_weights(ahead),
    "forward selection": selected_weights,
}


@dataclass(frozen=True)
class Fused:
    """Every clip by weights that its own signer had no part in.

    Attributes:
        right: (N,) bool, is the target alone on top?
        loss: (N,) -log p(target), p the softmax of the weighted sum.
        weights: (G, M), one row a signer that was left out.
        signers: G of them.
    """

    right: np.ndarray
    loss: np.ndarray
    weights: np.ndarray
    signers: tuple[str, ...]


def leave_one_signer_out(
    scores: np.ndarray, targets: np.ndarray, signers: np.ndarray, learn: Learner
) -> Fused:
    """Learn on all signers but one, test on that one, in turn.

    Args:
        scores: (M, N, K) of M streams.
        targets: (N,) class numbers.
        signers: (N,).
        learn: one of `LEARNERS`, or any other.

    Raises:
        SettingsError: with fewer than three signers: selection needs two of them to train on.
    """
    names = np.unique(signers)
    if len(names) < 3:
        raise SettingsError(
            f"{len(names)} signers: leaving one out needs at least three; use scores of more"
            " signers"
        )
    ahead = margins(scores, targets)
    weights = np.empty((len(names), len(scores)))
    mixed = np.empty(scores.shape[1:], scores.dtype)
    # no clip is fused by weights that its own signer helped to learn
    for row, name in enumerate(names):
        held = signers == name
        weights[row] = learn(ahead[:, ~held], targets[~held], signers[~held])
        mixed[held] = fuse(ahead[:, held], weights[row])
    return Fused(
        right=top_k(mixed, targets, 1),
        loss=special.logsumexp(mixed, axis=1),
        weights=weights,
        signers=tuple(map(str, names)),
    )


def stream_table(table: StreamScores) -> pd.DataFrame:
    """One row a stream: top-1 (%), t interval over signers, worst and best signer, what it saw."""
    rows = {}
    for stream, scores in zip(table.streams, table.scores, strict=True):
        right = top_k(scores, table.targets, 1)
        each = 100 * pd.Series(right).groupby(table.signers).mean()
        low, high = t_interval(each.to_numpy())
        rows[str(stream)] = {
            "top-1 %": round(100 * right.mean(), 2),
            "t interval": f"[{low:.1f}, {high:.1f}]",
            "signers, worst to best": f"{each.min():.1f} to {each.max():.1f}",
            "group": stream.group,
            "depth": "yes" if stream.depth else "",
            "saw validation": "yes" if stream.saw_validation else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def fusion_table(fusions: Mapping[tuple[str, str], Fused], loss: bool = False) -> pd.DataFrame:
    """Top-1 (%) of fusions by (group of streams, learner): one row a group, one column a learner.

    Args:
        fusions: (group, learner) -> the result of `leave_one_signer_out`.
        loss: mean -log p(target) in nats instead: lower is better, guessing among K classes has log
            K.
    """
    values = {
        key: fused.loss.mean() if loss else 100 * fused.right.mean()
        for key, fused in fusions.items()
    }
    return pd.Series(values).unstack(sort=False).round(3 if loss else 2)


def correlation_of_errors(right: np.ndarray) -> np.ndarray:
    """(M, M) correlation of which clips each stream gets wrong; NaN for one without errors.

    Streams that fail on the same clips cannot help each other.

    Args:
        right: (M, N) bool.
    """
    with np.errstate(invalid="ignore"):
        return np.corrcoef(~np.asarray(right, bool))


def fuse_groups(table: StreamScores) -> dict[tuple[str, str], Fused]:
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
    learners = {(name, way): learn for name in groups for way, learn in LEARNERS.items()}
    highest = best_stream(groups["clean"].scores, table.targets, table.signers)
    learners |= {
        ("clean", "highest"): fixed(highest),
        (BARE, "published"): fixed(AUTSL_WEIGHTS["without depth"]),
        (BARE, "same weights"): fixed(AUTSL_WEIGHTS["with depth"][:3]),
        ("final*", "published"): fixed(AUTSL_WEIGHTS["with depth"]),
    }
    return {
        (name, way): leave_one_signer_out(groups[name].scores, table.targets, table.signers, learn)
        for (name, way), learn in learners.items()
    }


def errors_plot(table: StreamScores) -> Figure:
    """Which streams fail on the same clips: the correlation of their errors as a picture."""
    right = np.array([top_k(scores, table.targets, 1) for scores in table.scores])
    names = [str(stream) for stream in table.streams]
    drawn, (axis,) = figure(2.6 + 0.3 * len(names), 1.6 + 0.24 * len(names))
    image = axis.imshow(correlation_of_errors(right), cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    drawn.colorbar(image, ax=axis, shrink=0.8, label="correlation of their errors")
    return drawn
