"""Which clips make which batch, in which order and on which device."""

from collections.abc import Iterator

import torch
from torch.utils.data import BatchSampler, Sampler


class ShuffledByEpoch(Sampler[int]):
    """A permutation that depends on random seed and epoch alone: a resumed run repeats it."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())

    def __len__(self) -> int:
        return self.size


class DealtBatches(Sampler[list[int]]):
    """One device's part of the batches: the first to device 0, the second to device 1, and so on.

    The batches themselves do not depend on the number of devices, so with an effective batch
    neither does what an optimiser step sees. All devices get equally many, as their gradients are
    averaged: where the last round is not full, a device goes through an early batch again, and that
    one does not count.

    Args:
        sampler: the order of all clips; the same on every device.
        size: clips a batch.
        drop_last: leave out a last batch that is not full.
        rank, devices: which device this is, and of how many.
    """

    def __init__(
        self,
        sampler: Sampler[int],
        size: int,
        drop_last: bool = False,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self.sampler = sampler
        self.rank, self.devices = rank, devices
        self.batches = BatchSampler(sampler, size, drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        first: list[int] = []
        dealt = 0
        for number, batch in enumerate(self.batches):
            first = first or batch
            if number % self.devices == self.rank:
                dealt += 1
                yield batch
        # The last round is not full: this device computes a batch that does not count.
        if dealt < len(self):
            yield first

    def __len__(self) -> int:
        return -(-len(self.batches) // self.devices)

    def counts(self, index: int) -> bool:
        """False for a batch (by its number on this device) that only keeps devices in step."""
        return index * self.devices + self.rank < len(self.batches)
