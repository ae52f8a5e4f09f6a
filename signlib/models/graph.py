"""Adjacency of any skeleton for graph convolutions: who is how many bones away, and in which share.

Models are handed the matrix that comes out, so they know no skeleton.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from signlib.errors import SettingsError

PARTITIONS = ("distance", "spatial")


def adjacency(
    edges: Sequence[tuple[int, int]],
    joints: int,
    hops: int,
    partition: str = "distance",
    centre: int | None = None,
) -> Tensor:
    """(K, J, J) float32: how much joint v (row) gives to joint w (column), by subset k.

    K = hops + 1.

    Args:
        edges: pairs of joint indices; the direction does not matter.
        joints: J.
        hops: bones that one layer reaches.
        partition: `distance`: subset k holds the pairs exactly k bones apart, all weighted by 1 /
            sqrt(d_v d_w) with d the number of joints within reach; `spatial`: that of source 003,
            see `spatial_subsets`.
        centre: joint that `spatial` measures from; without it the one nearest to all others.

    Raises:
        SettingsError: for an unknown partition, a joint outside the skeleton or fewer than one hop.

    Source: Yan et al. 2018 (ST-GCN), section 3.3, distance partition and normalisation.
    Differs: source 003 names a spatial partition, but keeps only its first K subsets: with two hops
        both subsets two bones away are lost and its table of receptive fields is not true. The
        distance partition has as many subsets, is symmetric and makes that table true.
    """
    if partition not in PARTITIONS:
        raise SettingsError(
            f"partition={partition!r} is unknown; choose from {', '.join(PARTITIONS)}"
        )
    if hops < 1:
        raise SettingsError(f"hops={hops}: a layer must reach at least 1 bone")
    distance = hop_distances(edges, joints, hops)
    if partition == "spatial":
        middle = most_central(edges, joints) if centre is None else centre
        return spatial_subsets(distance, hops, middle)
    subsets = torch.stack([(distance == hop).float() for hop in range(hops + 1)])
    degree = subsets.sum((0, 1))
    return subsets * (degree[:, None] * degree).rsqrt()


def hop_distances(edges: Sequence[tuple[int, int]], joints: int, hops: int | None = None) -> Tensor:
    """(J, J) bones on the shortest way between two joints.

    It is infinity where there is no way of at most `hops` bones.
    """
    outside = [edge for edge in edges if not (min(edge) >= 0 and max(edge) < joints)]
    if outside:
        raise SettingsError(
            f"edge {outside[0]} lies outside {joints} joints; number them from 0 to {joints - 1}"
        )
    neighbours = torch.zeros(joints, joints)
    if len(edges):
        rows, columns = torch.tensor(edges).T
        neighbours[rows, columns] = neighbours[columns, rows] = 1
    distance = torch.full((joints, joints), torch.inf).fill_diagonal_(0)
    reached = torch.eye(joints)
    # Each round reaches one bone farther, until nothing is new.
    for hop in range(1, (joints - 1 if hops is None else hops) + 1):
        wider = ((reached + reached @ neighbours) > 0).float()
        distance[(wider > 0) & (reached == 0)] = hop
        if torch.equal(wider, reached):
            break
        reached = wider
    return distance


def most_central(edges: Sequence[tuple[int, int]], joints: int) -> int:
    """The joint with the fewest bones to all others; one out of reach counts as J bones away."""
    return int(hop_distances(edges, joints).clamp(max=joints).sum(1).argmin())


def spatial_subsets(distance: Tensor, hops: int, centre: int) -> Tensor:
    """(K, J, J): the partition of source 003 with its fault: only the first K subsets are kept.

    Args:
        distance: (J, J) from `hop_distances` with the same `hops`; beyond them it is infinite, to
            the centre too.
        hops: K - 1.
        centre: joint index.

    Subset 0 is the joint itself. For each hop follow the pairs whose row lies as far from the
    centre as its column or farther, then those whose row lies nearer. Each subset is normalised by
    its own column sums on both sides.

    Source: source 003, graph at the commit that has its parameter counts.
    """
    away = distance[:, centre]
    nearer = away[:, None] < away
    subsets = [(distance == 0).float()]
    for hop in range(1, hops + 1):
        pairs = distance == hop
        subsets += [(pairs & ~nearer).float(), (pairs & nearer).float()]
    kept = torch.stack(subsets[: hops + 1])
    columns = kept.sum(1)
    weight = torch.where(columns > 0, columns.clamp(min=1).rsqrt(), 0)
    return weight[:, :, None] * kept * weight[:, None, :]
