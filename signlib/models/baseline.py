"""Readers that learn nothing in steps: they keep training clips, and how much each of them counts.

Everything is a tensor, so that such a reader is kept and loaded like the weights of a network.
"""

import torch
from torch import Tensor

from signlib.evaluation.neighbours import class_distances
from signlib.models.network import Batch, Classifier

# The score of a class that no training clip is of; finite, so that every score is a number.
NEVER_SEEN = -1e9


class ClipReader(Classifier):
    """What both readers keep: up to N training clips of D numbers, with their classes.

    Args:
        clips, numbers, classes: N, D and K.
    """

    rows: Tensor
    labels: Tensor

    def __init__(self, clips: int, numbers: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("rows", torch.zeros(clips, numbers))
        # -1: the clip could not be used, and its row says nothing.
        self.register_buffer("labels", torch.full((clips,), -1))

    def keep(self, rows: Tensor, labels: Tensor) -> None:
        """Keep training clips (M, D) of class numbers (M,); M is at most N."""
        self.rows[: len(rows)], self.labels[: len(labels)] = rows, labels

    @property
    def known(self) -> Tensor:
        """(K,) bool: the classes that a kept clip is of."""
        return torch.bincount(self.labels[self.labels >= 0], minlength=self.classes) > 0


class NearestClip(ClipReader):
    """Scores (B, K): less the Euclidean distance to the nearest kept clip of each class.

    Source: Cover and Hart 1967.
    """

    def forward(self, batch: Batch) -> Tensor:
        """Scores of `vectors` (B, D)."""
        used = self.labels >= 0
        arrays = (self.rows[used], self.labels[used], batch["vectors"])
        rows, labels, vectors = (each.cpu().double().numpy() for each in arrays)
        away = class_distances(rows, labels.astype(int), vectors, self.classes)
        scores = -torch.from_numpy(away).to(self.rows.device)
        return scores.masked_fill(~self.known, NEVER_SEEN)


class VectorMachine(ClipReader):
    """Scores (B, K) of support vector machines with an RBF kernel, one for each pair of classes.

    A class gets a vote for each pair that it wins, and less than half a vote for how clearly it
    wins and loses, as scikit-learn's `SVC.decision_function` has it. A kept clip of class i has
    one weight for each other class: in row j - 1 for j > i, in row j for j < i.

    Source: Cortes and Vapnik 1995; one against one: Knerr et al. 1990, as in libsvm.
    """

    weights: Tensor
    offsets: Tensor
    gamma: Tensor
    middle: Tensor
    spread: Tensor

    def __init__(self, clips: int, numbers: int, classes: int) -> None:
        super().__init__(clips, numbers, classes)
        pairs = classes * (classes - 1) // 2
        self.register_buffer("weights", torch.zeros(classes - 1, clips, dtype=torch.float64))
        self.register_buffer("offsets", torch.zeros(pairs, dtype=torch.float64))
        self.register_buffer("gamma", torch.ones((), dtype=torch.float64))
        # Taken from each number, and what the rest is divided by, before clips are compared.
        self.register_buffer("middle", torch.zeros(numbers, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(numbers, dtype=torch.float64))

    def scaled(self, vectors: Tensor) -> Tensor:
        """Vectors (B, D) as they are compared."""
        return ((vectors - self.middle) / self.spread).float()

    def forward(self, batch: Batch) -> Tensor:
        """Scores of `vectors` (B, D)."""
        first, second = torch.triu_indices(self.classes, self.classes, 1, device=self.rows.device)
        decisions = self._decisions(self.scaled(batch["vectors"]), first, second)
        # A pair with a class that nobody has shown decides nothing.
        decided = (self.known[first] & self.known[second]).double()
        wins = (decisions >= 0).double() * decided
        votes = _added(wins, first, self.classes) + _added(decided - wins, second, self.classes)
        margins = _added(decisions * decided, first, self.classes)
        margins = margins - _added(decisions * decided, second, self.classes)
        scores = votes + margins / (3 * (margins.abs() + 1))
        return scores.masked_fill(~self.known, NEVER_SEEN)

    def _decisions(self, vectors: Tensor, first: Tensor, second: Tensor) -> Tensor:
        # (B, P) of each pair of classes: 0 or more for its first one.
        away = torch.cdist(vectors.double(), self.rows.double())
        near = torch.exp(-self.gamma * away**2)
        parts = near.new_zeros(self.classes, len(vectors), max(self.classes - 1, 0))
        for number in range(self.classes):
            members = self.labels == number
            parts[number] = near[:, members] @ self.weights[:, members].T
        ahead, behind = parts[first, :, second - 1], parts[second, :, first]
        return (ahead + behind).T + self.offsets


def _added(values: Tensor, classes: Tensor, count: int) -> Tensor:
    # (B, K): values (B, P) of pairs, added up for the class of each.
    return values.new_zeros(len(values), count).index_add(1, classes, values)
