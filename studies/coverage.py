"""Do 95 % intervals hold the truth 95 times in a hundred?

They are tried for clips, for few signers and for few seeds. Two made-up systems are tested on
made-up clips over and over. What is true is known: a clip is right when a sum of normal parts
(clip, signer, signer with this system, seed, luck) is above 0. `--doc docs/statistics.md` writes
the tables into the page.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm.auto import tqdm

from signlib.files import with_part, write_text
from signlib.statistics.intervals import wilson_interval
from signlib.statistics.variation import bootstrap, difference

BEGIN, END = "<!-- coverage: written by studies/coverage.py -->", "<!-- end of coverage -->"
CLIPS, RESAMPLES = 60, 1000
Interval = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]]


@dataclass(frozen=True)
class World:
    """How much each part varies (standard deviations), and how good the two systems are.

    Attributes:
        clip: difficulty of a clip, the same for both systems.
        signer, suits: how easy a signer is, for both systems and for one of them.
        seed: luck of a training.
        levels: mean of either system on the scale of the sum.
    """

    clip: float = 1.0
    signer: float = 0.5
    suits: float = 0.25
    seed: float = 0.12
    levels: tuple[float, float] = (1.0, 1.15)

    @property
    def truth(self) -> float:
        """Points by which the second system is better."""
        spread = np.sqrt(1 + self.clip**2 + self.signer**2 + self.suits**2 + self.seed**2)
        low, high = stats.norm.cdf(np.array(self.levels) / spread)
        return float(100 * (high - low))

    def draw(
        self, rng: np.random.Generator, sizes: np.ndarray, seeds: int, copies: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Sums of right clips of both systems, (S, G) each, for so many drawn corpora.

        Args:
            sizes: (G,) clips of each signer.
        """
        starts = np.append(0, np.cumsum(sizes)[:-1])
        for _ in range(copies):
            base = np.repeat(self.signer * rng.standard_normal(len(sizes)), sizes)
            base += self.clip * rng.standard_normal(len(base))
            sums = []
            for level in self.levels:
                ease = base + np.repeat(self.suits * rng.standard_normal(len(sizes)), sizes)
                luck = self.seed * rng.standard_normal((seeds, 1)) + rng.standard_normal(
                    (seeds, len(base))
                )
                right = (level + ease + luck > 0).astype(float)
                sums.append(np.add.reduceat(right, starts, axis=1))
            yield sums[0], sums[1]


def over(seeds: bool, units: bool = True) -> Interval:
    """The t interval over signers, seeds, or both."""

    def interval(first: np.ndarray, second: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
        estimate = difference(first, second, seeds=seeds, units=units, sizes=sizes)
        return estimate.low, estimate.high

    return interval


def drawn(seeds: bool) -> Interval:
    """The percentile interval of the bootstrap."""
    return lambda first, second, sizes: bootstrap(first, second, None, seeds, sizes, RESAMPLES)


def coverage(
    methods: dict[str, Interval],
    world: World,
    sizes: np.ndarray,
    seeds: int,
    copies: int,
    seed: int = 0,
) -> dict[str, float]:
    """Per cent of drawn corpora in which each interval holds the truth."""
    held = dict.fromkeys(methods, 0)
    for first, second in world.draw(np.random.default_rng(seed), sizes, seeds, copies):
        for name, interval in methods.items():
            low, high = interval(first, second, sizes)
            held[name] += low <= world.truth <= high
    return {name: 100 * count / copies for name, count in held.items()}


def independent(copies: int) -> pd.DataFrame:
    """Clips that have nothing to do with each other: one signer each."""
    world, rows = World(signer=0, suits=0, seed=0), {}
    methods = {"t over clips": over(False), "bootstrap of clips": drawn(False)}
    for count in (50, 200, 500):
        rows[f"{count:,} clips"] = coverage(methods, world, np.ones(count, int), 1, copies)
    share = stats.norm.cdf(world.levels[0] / np.sqrt(2))
    for count in (50, 200, 500):
        hits = np.random.default_rng(1).binomial(count, share, copies)
        ends = {k: wilson_interval(np.arange(count) < k) for k in np.unique(hits)}
        inside = np.mean([ends[k][0] <= 100 * share <= ends[k][1] for k in hits])
        rows[f"{count:,} clips"]["Wilson, one accuracy"] = 100 * inside
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("independent clips")


def clustered(copies: int) -> pd.DataFrame:
    """Clips of few signers, as many of each or very different numbers."""
    methods = {"t over signers": over(False), "bootstrap of signers": drawn(False)}
    rows, world = {}, World(seed=0)
    for unequal in (False, True):
        for count in (6, 10, 30):
            sizes = _sizes(count, unequal)
            shares = coverage(methods, world, sizes, 1, copies)
            clips = f"{sizes.min()} to {sizes.max()}" if unequal else CLIPS
            rows[f"{count} signers, {clips} clips each"] = {
                "as if clips were independent": _as_independent(world, sizes, copies)
            } | shares
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("clips of few signers")


def _sizes(count: int, unequal: bool) -> np.ndarray:
    """Clips of each signer; unequal ones go from 10 to 110, as in a corpus of volunteers."""
    return np.linspace(10, 2 * CLIPS - 10, count).astype(int) if unequal else np.full(count, CLIPS)


def _as_independent(world: World, sizes: np.ndarray, copies: int) -> float:
    """The same corpora with an interval that forgets who signs, in per cent that hold."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(copies):
        base = np.repeat(world.signer * rng.standard_normal(len(sizes)), sizes)
        base += world.clip * rng.standard_normal(len(base))
        right = [
            level
            + base
            + np.repeat(world.suits * rng.standard_normal(len(sizes)), sizes)
            + rng.standard_normal(len(base))
            > 0
            for level in world.levels
        ]
        estimate = difference(*right)
        held += estimate.low <= world.truth <= estimate.high
    return 100 * held / copies


def crossed(copies: int) -> pd.DataFrame:
    """Few signers and few seeds at once."""
    methods = {
        "t over signers": over(False),
        "t over seeds": over(True, False),
        "t over seeds and signers": over(True),
        "bootstrap of both": drawn(True),
    }
    rows = {}
    for seeds in (3, 5, 10):
        for count in (6, 10, 30):
            rows[f"{seeds} seeds, {count} signers"] = coverage(
                methods, World(), _sizes(count, False), seeds, copies
            )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("few seeds and signers")


def text(table: pd.DataFrame) -> str:
    """Coverage in per cent as markdown."""
    lines = [
        f"| {table.index.name} | " + " | ".join(table.columns) + " |",
        "|---" * (table.shape[1] + 1) + "|",
    ]
    return "\n".join(
        lines
        + [
            f"| {name} | " + " | ".join(f"{x:.1f}" for x in row) + " |"
            for name, row in zip(table.index, table.to_numpy(), strict=True)
        ]
    )


def main() -> None:
    """Simulate and print; write into a page where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--copies", type=int, default=1500, help="drawn corpora a row (default: %(default)s)"
    )
    parser.add_argument("--doc", type=Path, help="write the tables between this page's marks")
    options = parser.parse_args()
    error = 100 * np.sqrt(0.95 * 0.05 / options.copies)
    parts = [
        f"How often a 95 % interval holds the truth, in per cent of {options.copies:,} drawn"
        f" corpora (each number is good to ±{2 * error:.1f})."
    ]
    for part in tqdm((independent, clustered, crossed), desc="coverage"):
        parts.append(text(part(options.copies)))
    page = "\n\n".join(parts)
    print(page)
    if options.doc:
        write_text(options.doc, with_part(options.doc, BEGIN, END, page))


if __name__ == "__main__":
    main()
