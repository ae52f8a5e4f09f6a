"""Adjacency of any skeleton for graph convolutions, and sums over the neighbours it names.

It says who is how many bones away, and in which share; models are handed the matrix, so they know
no skeleton. Sums run over short lists on a CPU, and are one matrix product elsewhere: a skeleton
has few bones, of 3 x 25 x 25 shares all but 127 are zero, of 3 x 543 x 543 all but 1 in 100.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from signlib.errors import SettingsError

PARTITIONS = ("distance", "spatial")
# Entries of lists that are held at once: a skeleton of many joints takes its frames in pieces.
LISTED = 2**22


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


class Neighbours:
    """The entries of an adjacency (K, J, J) that are not zero, and how to gather over them.

    Attributes:
        taker, subset, giver: (E,) w, k and v of each entry, in the order of w, then k.
        order: (E,) entry numbers in the order of v, which the backward pass needs.
    """

    def __init__(self, adjacency: Tensor) -> None:
        subsets, joints = adjacency.shape[:2]
        self.taker, self.subset, self.giver = adjacency.permute(2, 0, 1).nonzero().T
        outputs = self.taker * subsets + self.subset
        self.order = self.giver.argsort(stable=True)
        self.to_outputs = _Lists(self.giver, joints, outputs, joints * subsets)
        self.to_inputs = _Lists(
            outputs[self.order], joints * subsets, self.giver[self.order], joints
        )

    def gather(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, T, J, K C): for each joint w and subset k the sum over v of shares[k, v, w] x_v.

        Args:
            x: (N, T, J, C).
            shares: (K, J, J).
        """
        if x.device.type != "cpu":
            return gather_densely(x, shares)
        values = shares[self.subset, self.giver, self.taker]
        parts = x.flatten(0, 1).split(max(1, LISTED // len(values)))
        gathered = [_Gather.apply(part, values, self) for part in parts]
        whole = gathered[0] if len(gathered) == 1 else torch.cat(gathered)
        return whole.view(*x.shape[:3], -1)


def gather_densely(x: Tensor, shares: Tensor) -> Tensor:
    """The same by one product with all of shares (K, J, J)."""
    joints = shares.shape[1]
    # Rows (w, k): the K neighbourhoods of a joint come to lie side by side, as channels.
    table = shares.permute(2, 0, 1).reshape(1, -1, joints).to(x.dtype)
    rows = x.flatten(0, 1)
    return torch.bmm(table.expand(len(rows), -1, -1), rows).view(*x.shape[:3], -1)


class _Lists:
    """Which rows each bag adds up, for as many frames as were ever asked for.

    The lists for fewer frames are the beginnings of those for more.
    """

    def __init__(self, rows: Tensor, rows_a_frame: int, bags: Tensor, bags_a_frame: int) -> None:
        starts = torch.bincount(bags, minlength=bags_a_frame).cumsum(0).roll(1)
        starts[0] = 0
        # What one frame holds, and what each further frame adds to it.
        self.one = (rows, rows_a_frame), (starts, len(rows)), (bags, bags_a_frame)
        self.longest = tuple(first.int() for first, _ in self.one)

    def __call__(self, frames: int) -> list[Tensor]:
        """Row of each entry, first entry of each bag, bag of each entry, int32."""
        if len(self.longest[0]) < frames * len(self.one[0][0]):
            frame = torch.arange(frames)[:, None]
            self.longest = tuple((frame * step + first).flatten().int() for first, step in self.one)
        sizes = [frames * len(first) for first, _ in self.one]
        return [values[:size] for values, size in zip(self.longest, sizes, strict=True)]


class _Gather(torch.autograd.Function):
    """x (M, J, C) of M frames and the shares (E,) of its neighbours to (M, J K, C)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, near: Neighbours) -> Tensor:
        ctx.save_for_backward(x, values)
        ctx.near = near
        return _add_up(x, values, near.to_outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, values = ctx.saved_tensors
        near: Neighbours = ctx.near
        for_x = for_values = None
        if ctx.needs_input_grad[0]:
            for_x = _add_up(grad, values[near.order], near.to_inputs).to(x.dtype)
        if ctx.needs_input_grad[1]:
            rows, starts, bags = near.to_outputs(len(x))
            # The public way to this product would add up the lists a second time.
            products = torch.ops.aten._embedding_bag_per_sample_weights_backward(
                grad.flatten(0, 1), x.flatten(0, 1).to(grad.dtype), rows, starts, bags, 0
            )
            wide = torch.promote_types(grad.dtype, torch.float32)
            for_values = products.view(len(x), -1).sum(0, dtype=wide).to(values.dtype)
        return for_x, for_values, None


def _add_up(x: Tensor, values: Tensor, lists: _Lists) -> Tensor:
    # (M, bags, C): sums of rows of x (M, rows, C), weighted by values (E,).
    rows, starts, _ = lists(len(x))
    weights = values.to(x.dtype).repeat(len(x))
    out = functional.embedding_bag(
        rows, x.flatten(0, 1), starts, mode="sum", per_sample_weights=weights
    )
    return out.view(len(x), -1, x.shape[2])
