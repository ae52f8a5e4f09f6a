"""Fitting readers that learn nothing in steps, and their batches."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.svm import SVC

from signlib.errors import ManifestError
from signlib.models.baseline import ClipReader, VectorMachine
from signlib.training.batches import Batch, ClipData, Targets

# The numbers of a clip (D,), and its class.
VectorItem = tuple[np.ndarray, int]


def collate(items: Sequence[VectorItem]) -> Batch:
    """Items to one batch: vectors (B, D), target (B,)."""
    vectors, targets = zip(*items, strict=True)
    return {"vectors": torch.from_numpy(np.stack(vectors)), "target": torch.tensor(targets)}


class VectorDataset(ClipData[VectorItem]):
    """Clips as vectors (D,) with their class numbers."""

    collate = staticmethod(collate)

    def __init__(self, points: Sequence[np.ndarray], targets: Targets, repeats: int = 1) -> None:
        items = [(clip, int(target)) for clip, target in zip(points, targets, strict=True)]
        super().__init__(items, targets, repeats)


def fit_reader(
    reader: ClipReader, vectors: np.ndarray, targets: np.ndarray, standardise: bool = False
) -> None:
    """Have a reader keep training clips, and learn what each of them counts.

    Args:
        reader: changed in place.
        vectors: (N, D) float32.
        targets: (N,) class numbers.
        standardise: of support vectors: bring each number to mean 0 and deviation 1 first; one that
            never changes only to 0.

    Raises:
        ManifestError: for support vectors of a single gloss, which have nothing to tell apart.
    """
    if standardise and isinstance(reader, VectorMachine):
        spread = vectors.std(axis=0, dtype=float)
        reader.middle.copy_(torch.from_numpy(vectors.mean(axis=0, dtype=float)))
        reader.spread.copy_(torch.from_numpy(np.where(spread > 0, spread, 1)))
        vectors = reader.scaled(torch.from_numpy(vectors)).numpy()
    reader.keep(torch.from_numpy(vectors), torch.from_numpy(targets))
    if not isinstance(reader, VectorMachine):
        return
    present = np.unique(targets)
    ManifestError.raise_if(
        len(present) < 2,
        f"baseline.method=svm: {len(vectors)} training clips are of {len(present)} gloss; give it"
        " two or more, or take baseline.method=neighbour",
    )
    fitted = SVC().fit(vectors, targets)
    # Of two classes scikit-learn turns the sign round, so that the second one is the positive one.
    sign = -1 if len(present) == 2 else 1
    support, strengths = fitted.support_, sign * fitted.dual_coef_
    # scikit-learn numbers only classes that it has seen, in the same order.
    for number, label in enumerate(present):
        others, chosen = np.delete(present, number), targets[support] == label
        rows, columns = np.ix_(others - (others > label), support[chosen])
        values = torch.from_numpy(strengths[:, chosen])
        reader.weights[torch.from_numpy(rows), torch.from_numpy(columns).long()] = values
    pairs = np.isin(np.triu_indices(reader.classes, 1), present).all(axis=0)
    reader.offsets[torch.from_numpy(pairs)] = torch.from_numpy(sign * fitted.intercept_)
    # As scikit-learn has it where all clips are the same.
    spread_of_all = vectors.shape[1] * vectors.astype(float).var()
    reader.gamma.fill_(1 / spread_of_all if spread_of_all else 1.0)
