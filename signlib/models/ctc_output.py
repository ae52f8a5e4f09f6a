"""From frames to log probabilities of glosses and the blank: at once, or a cluster first."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError


class Output(nn.Module):
    """Frames (B, T, D) to log probabilities (B, T, V) of `classes` = V classes."""

    classes: int


class PlainOutput(Output):
    """A linear layer, or two, and a softmax over all classes.

    Args:
        size: D of a frame.
        classes: V, with the blank as class 0.
        hidden: width of a layer before, 0 = none.
        dropout: before the last layer.
    """

    def __init__(self, size: int, classes: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Linear(size, hidden), nn.GELU()) if hidden else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.classes = classes
        self.scores = nn.Linear(hidden or size, classes)

    def forward(self, x: Tensor, blank_bonus: float = 0.0) -> Tensor:
        """(B, T, V) log probabilities.

        Args:
            x: (B, T, D).
            blank_bonus: added to the blank's score; below 0 makes it rarer.
        """
        return with_bonus(self.scores(self.drop(self.before(x))), blank_bonus).log_softmax(-1)


class ClusteredOutput(Output):
    """log p(gloss) = log p(cluster) + log p(gloss | cluster); the blank is a cluster of its own.

    Which gloss is in which cluster is kept with the weights.

    Args:
        size: D of a frame.
        clusters: (V - 1,) the cluster, 0 .. C - 1, of each class 1 .. V - 1; none may be empty.
        hidden: width of a layer before, 0 = none.
        adapter: width of a small layer that each cluster has for itself, 0 = none.
        dropout: before the last layers.

    Raises:
        SettingsError: for an empty cluster.

    Source: source 001, "vocabulary-aware design"; Goodman 2001, classes for speeding up maximum
        entropy training.
    """

    belongs: Tensor
    members: Tensor
    places: Tensor
    empty: Tensor

    def __init__(
        self,
        size: int,
        clusters: Sequence[int] | np.ndarray,
        hidden: int = 0,
        adapter: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        belongs = np.asarray(clusters, np.int64)
        counts = np.bincount(belongs)
        if not len(counts) or counts.min() == 0:
            raise SettingsError(
                f"ctc.clusters: {len(counts)} clusters for {len(belongs)} glosses leave one empty;"
                " ask for fewer"
            )
        # Row c holds the glosses of cluster c, -1 where it has fewer than the longest one; `places`
        # says where in that table each gloss is.
        members = np.full((len(counts), counts.max()), -1)
        places = np.empty(len(belongs), np.int64)
        for cluster, count in enumerate(counts):
            members[cluster, :count] = np.flatnonzero(belongs == cluster)
            places[members[cluster, :count]] = cluster * counts.max() + np.arange(count)
        self.register_buffer("belongs", torch.from_numpy(belongs))
        self.register_buffer("members", torch.from_numpy(np.maximum(members, 0)))
        self.register_buffer("places", torch.from_numpy(places))
        self.register_buffer("empty", torch.from_numpy(members < 0))
        width = hidden or size
        self.before = nn.Sequential(nn.Linear(size, hidden), nn.GELU()) if hidden else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.classes = len(belongs) + 1
        self.cluster, self.gloss = nn.Linear(width, len(counts) + 1), nn.Linear(width, len(belongs))
        self.adapter = nn.Linear(width, len(counts) * adapter) if adapter else None
        self.adapted = None
        if adapter:
            self.adapted = nn.Parameter(torch.randn(*members.shape, adapter) * adapter**-0.5)

    def forward(self, x: Tensor, blank_bonus: float = 0.0) -> Tensor:
        """(B, T, V) log probabilities, as `PlainOutput` gives them."""
        x = self.drop(self.before(x))
        cluster = with_bonus(self.cluster(x), blank_bonus).log_softmax(-1)
        # (B, T, C, longest cluster)
        scores = self.gloss(x)[..., self.members]
        if self.adapter is not None and self.adapted is not None:
            small = functional.gelu(self.adapter(x)).unflatten(-1, (len(self.members), -1))
            scores = scores + torch.einsum("btca,cma->btcm", small, self.adapted)
        inside = scores.masked_fill(self.empty, -torch.inf).log_softmax(-1)
        inside = inside.flatten(2)[..., self.places]
        return torch.cat([cluster[..., :1], cluster[..., 1 + self.belongs] + inside], dim=-1)


def with_bonus(scores: Tensor, blank_bonus: float) -> Tensor:
    """Scores (..., V) with a number added to the blank's."""
    if not blank_bonus:
        return scores
    return scores + functional.pad(scores.new_full((1,), blank_bonus), (0, scores.shape[-1] - 1))


def dealt_clusters(counts: Sequence[int] | np.ndarray, clusters: int) -> np.ndarray:
    """(V - 1,) a cluster for each gloss, so that all clusters weigh alike.

    The commonest glosses are dealt out one by one, to and fro.

    Args:
        counts: (V - 1,) how often each gloss occurs in training.
        clusters: C, at most V - 1.

    >>> dealt_clusters([9, 1, 5, 5], 2).tolist()
    [0, 0, 1, 1]
    """
    if not 1 <= clusters <= len(counts):
        raise SettingsError(
            f"ctc.clusters={clusters} for {len(counts)} glosses: give 1 to {len(counts)}"
        )
    order = np.argsort(-np.asarray(counts), kind="stable")
    deal = np.arange(len(order)) % (2 * clusters)
    out = np.empty(len(order), np.int64)
    out[order] = np.minimum(deal, 2 * clusters - 1 - deal)
    return out
