"""Gathering over a graph's neighbours: as sums over short lists on a CPU, as one matrix product elsewhere.

A skeleton has few bones: of 3 x 25 x 25 shares all but 127 are zero, of 3 x 543 x 543 all but 1 in 100.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Lists = tuple[Tensor, Tensor]


class Neighbours:
    """The places of an adjacency (K, J, J) that are not zero, and lists of them for many frames at once.

    Attributes:
        subset, giver, taker: (E,) k, v and w of each place, in the order of w, then k.
    """

    def __init__(self, adjacency: Tensor) -> None:
        self.subsets, self.joints = adjacency.shape[:2]
        self.taker, self.subset, self.giver = adjacency.permute(2, 0, 1).nonzero().T
        self.places = self.taker * self.subsets + self.subset
        self.order = self.giver.argsort(stable=True)
        self._forward = _Lists(self.giver, self.joints, self.places, self.joints * self.subsets)
        self._backward = _Lists(
            self.places[self.order], self.joints * self.subsets, self.giver[self.order], self.joints
        )

    def values(self, shares: Tensor) -> Tensor:
        """(E,): what stands in shares (K, J, J) at these places."""
        return shares[self.subset, self.giver, self.taker]

    def gather(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, T, J, K C): for each joint w and subset k the sum over v of shares[k, v, w] x_v; x is (N, T, J, C)."""
        if x.device.type != "cpu":
            return gather_densely(x, shares)
        return _Gather.apply(x, self.values(shares), self)


def gather_densely(x: Tensor, shares: Tensor) -> Tensor:
    """The same by one product with all of shares (K, J, J)."""
    joints = shares.shape[1]
    # Rows (w, k): the K neighbourhoods of a joint come to lie side by side, as channels.
    table = shares.permute(2, 0, 1).reshape(1, -1, joints).to(x.dtype)
    rows = x.flatten(0, 1)
    return torch.bmm(table.expand(len(rows), -1, -1), rows).view(*x.shape[:3], -1)


class _Lists:
    """Which rows each bag adds up, for as many frames as were ever asked for: fewer frames are a part of it."""

    def __init__(self, rows: Tensor, rows_a_frame: int, bags: Tensor, bags_a_frame: int) -> None:
        self.rows, self.rows_a_frame, self.bags, self.bags_a_frame = rows, rows_a_frame, bags, bags_a_frame
        starts = torch.bincount(bags, minlength=bags_a_frame).cumsum(0).roll(1)
        starts[0] = 0
        self.starts, self.made = starts, (rows[:0].int(), rows[:0].int(), rows[:0].int())

    def __call__(self, frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Row of each entry, first entry of each bag, bag of each entry, int32."""
        sizes = frames * len(self.rows), frames * self.bags_a_frame, frames * len(self.rows)
        if len(self.made[0]) < sizes[0]:
            frame = torch.arange(frames)[:, None]
            self.made = tuple(
                (frame * step + first).flatten().int()
                for step, first in (
                    (self.rows_a_frame, self.rows),
                    (len(self.rows), self.starts),
                    (self.bags_a_frame, self.bags),
                )
            )
        return tuple(part[:size] for part, size in zip(self.made, sizes, strict=True))


class _Gather(torch.autograd.Function):
    """x (N, T, J, C) and the values (E,) of its neighbours' shares to (N, T, J, K C)."""

    @staticmethod
    def forward(ctx, x: Tensor, values: Tensor, near: Neighbours) -> Tensor:
        ctx.save_for_backward(x, values)
        ctx.near = near
        frames = x.shape[0] * x.shape[1]
        rows, starts, _ = near._forward(frames)
        out = _add_up(x.reshape(-1, x.shape[3]), rows, starts, values, frames)
        return out.view(*x.shape[:3], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, values = ctx.saved_tensors
        near, channels, frames = ctx.near, x.shape[3], x.shape[0] * x.shape[1]
        grad = grad.reshape(-1, channels)
        for_x = for_values = None
        if ctx.needs_input_grad[0]:
            rows, starts, _ = near._backward(frames)
            for_x = _add_up(grad, rows, starts, values[near.order], frames).view_as(x).to(x.dtype)
        if ctx.needs_input_grad[1]:
            rows, starts, bags = near._forward(frames)
            products = torch.ops.aten._embedding_bag_per_sample_weights_backward(
                grad, x.reshape(-1, channels).to(grad.dtype), rows, starts, bags, 0
            )
            wide = torch.promote_types(grad.dtype, torch.float32)
            for_values = products.view(frames, -1).sum(0, dtype=wide).to(values.dtype)
        return for_x, for_values, None


def _add_up(table: Tensor, rows: Tensor, starts: Tensor, values: Tensor, frames: int) -> Tensor:
    weights = values.to(table.dtype).repeat(frames)
    return functional.embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weights)
