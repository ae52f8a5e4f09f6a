"""Attention over time against attention over a single key, with features that know hands.

The second one is that of source 004. A small VideoMAE first learns where wrists and fingertips are,
on clips of another generated world (other signs, other people), and is frozen. Its features and
landmarks of a second world then train both attentions, and each stream alone, several times; half
of the signers are tested, nothing is selected, the last epoch counts. Runs are kept below
SIGNLIB_RUNS and resumed.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm.auto import trange
from transformers import VideoMAEConfig, VideoMAEModel

from signlib import paths
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import sample_indices
from signlib.experiments.experiment import train
from signlib.extraction.filming import RenderedClips
from signlib.extraction.towers import load_tower
from signlib.settings import presets
from signlib.statistics.intervals import cluster_interval
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.synthesis.camera import project
from signlib.synthesis.clips import GeneratedCorpus

SIDE, WINDOW, FRAMES = 64, 4, 8
OTHER_WORLD, SIGNERS, HARDNESS = 1000, 32, 0.5
JOINTS, SHOULDERS = (
    [MEDIAPIPE_543.index(f"{side}_{joint}") for joint in joints for side in ("left", "right")]
    for joints in (("wrist", "index", "thumb"), ("shoulder",))
)
SIZES = [
    "data.glosses=12",
    f"data.signers={SIGNERS}",
    "data.repetitions=1",
    f"frozen.frames={FRAMES}",
    "frozen.width=64",
    "frozen.intermediate=256",
    "training.epochs=20",
    "training.batch_size=16",
    f"features.frames={FRAMES}",
    "data.split=signer",
    f"data.hardness={HARDNESS}",
    "training.threads=1",
]
ONE_KEY, TIME = "attention, one key (source 004)", "attention over time"
ARMS = {
    ONE_KEY: ("wlasl/attention", []),
    TIME: ("wlasl/attention-over-time", []),
    "features alone": ("wlasl/concat", ["frozen.inputs=[visual]"]),
    "landmarks alone": ("wlasl/concat", ["frozen.inputs=[landmarks]"]),
}


def films(world: GeneratedCorpus, clips: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, WINDOW, 3, SIDE, SIDE) of 0..255, and where the hands are.

    Places are measured from between the shoulders, in shoulder widths. The second is (N, WINDOW /
    2, 2 * joints): a token of VideoMAE spans two pictures, so it has their mean.
    """
    source = RenderedClips(world)
    pictures, places = [], []
    for row in source.manifest.iloc[:: max(1, len(source.manifest) // clips)].itertuples():
        pictures.append(source.film(row, [COLOUR], PictureSettings(FRAMES, SIDE))[COLOUR].pictures)
        points = world.performance(row.clip).points
        filmed = points[sample_indices(len(points), sampling="linspace", count=FRAMES)]
        flat = project(filmed, world.seated(row.clip))[..., :2]
        shoulders = flat[:, SHOULDERS]
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1)[:, None, None]
        local = (flat[:, JOINTS] - shoulders.mean(1, keepdims=True)) / width
        places.append(local.reshape(-1, 2, 2 * len(JOINTS)).mean(1))
    seen = torch.from_numpy(np.stack(pictures)).permute(0, 1, 4, 2, 3)
    return seen.unflatten(1, (-1, WINDOW)).flatten(0, 1), torch.from_numpy(
        np.stack(places)
    ).float().reshape(-1, WINDOW // 2, 2 * len(JOINTS))


def encoder(folder: Path, clips: int, epochs: int) -> tuple[Path, float]:
    """Folder of a VideoMAE that has learned to find hands, and the variance that it explains."""
    world = GeneratedCorpus(60, 40, 1, seed=OTHER_WORLD, hardness=HARDNESS)
    pictures, places = films(world, clips)
    held = len(pictures) // 10
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
        }
        model = VideoMAEModel(
            VideoMAEConfig(**sizes, image_size=SIDE, patch_size=16, num_frames=WINDOW)
        )
        head = nn.Linear(96, places.shape[-1])
        middle, scale = scaling(folder, model)
        mean, spread = places[held:].mean(0), places[held:].std(0)
        parameters = [*model.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, 1e-3)
        steps = epochs * -(-(len(pictures) - held) // 32)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)

        def predicted(rows: torch.Tensor) -> torch.Tensor:
            tokens = model((rows / 255 - middle) / scale).last_hidden_state
            return head(tokens.unflatten(1, (WINDOW // 2, -1)).mean(2))

        for _ in trange(epochs, desc="encoder"):
            for rows in (torch.randperm(len(pictures) - held) + held).split(32):
                loss = nn.functional.mse_loss(
                    predicted(pictures[rows]), (places[rows] - mean) / spread
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            missed = nn.functional.mse_loss(
                predicted(pictures[:held]), (places[:held] - mean) / spread
            )
    model.save_pretrained(folder)
    return folder, 1 - float(missed)


def scaling(folder: Path, model: VideoMAEModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (3, 1, 1) by which pictures of such a frozen model will be scaled."""
    model.save_pretrained(folder)
    facts = load_tower(str(folder), device="cpu").facts
    return torch.tensor(facts.mean).view(3, 1, 1), torch.tensor(facts.deviation).view(3, 1, 1)


def tested(arm: str, seed: int, tower: Path) -> pd.DataFrame:
    """The test clips and whether each was recognised."""
    preset, changes = ARMS[arm]
    signers = sorted(set(GeneratedCorpus(12, SIGNERS, 1).manifest["signer"]))[::2]
    world = [
        "data.corpus=generated",
        f"data.test_signers=[{','.join(signers)}]",
        f"frozen.tower={tower}",
    ]
    settings = presets.build(preset, seed=seed, overrides=[*world, *SIZES, *changes])
    name = f"attention-study-{arm.split(',')[0].replace(' ', '-')}-seed{seed}"
    table = train(settings, name, resume=True, quiet=True).predictions
    right = (table["target"] == table["prediction"]).astype(float)
    return pd.DataFrame(
        {"seed": seed, "arm": arm, "clip": table["clip"], "signer": table["signer"], "right": right}
    )


def report(results: pd.DataFrame) -> str:
    """Accuracy of each arm, and its paired difference from the original attention.

    Intervals are over signers. They know nothing of how much a training differs from the next: so
    the difference is also given for each seed.
    """
    wide = results.pivot_table(index=["signer", "clip"], columns=["arm", "seed"], values="right")
    signers = wide.index.get_level_values("signer").tolist()
    lines = [
        (
            "| | top-1 by seed (%) | mean (%) [95 %, over signers] | points against the source's"
            " attention | by seed |"
        ),
        "|---|---|---|---|---|",
    ]
    for arm in ARMS:
        right = wide[arm].mean(axis=1).to_numpy()
        gain = right - wide[ONE_KEY].mean(axis=1).to_numpy()
        (low, high), (first, last) = (cluster_interval(values, signers) for values in (right, gain))
        by_seed = ", ".join(f"{100 * value:.1f}" for value in wide[arm].mean())
        each = ", ".join(f"{100 * value:+.1f}" for value in (wide[arm] - wide[ONE_KEY]).mean())
        against = (
            "- | -"
            if arm == ONE_KEY
            else f"{100 * gain.mean():+.1f} [{first:+.1f}, {last:+.1f}] | {each}"
        )
        lines.append(
            f"| {arm} | {by_seed} | {100 * right.mean():.1f} [{low:.1f}, {high:.1f}] | {against} |"
        )
    return "\n".join(
        [*lines, f"\n{len(wide)} clips of {len(set(signers))} signers, each tested once a seed"]
    )


def main() -> None:
    """Train the encoder and all arms, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument(
        "--clips", type=int, default=400, help="that the encoder learns from (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=22, help="of the encoder (default: %(default)s)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    tower, explained = encoder(
        paths.runs_root() / "frozen" / "finds-hands", options.clips, options.epochs
    )
    print(f"the encoder explains {explained:.0%} of where hands are in clips that it has not seen")
    print(
        report(
            pd.concat([tested(arm, seed, tower) for seed in range(options.seeds) for arm in ARMS])
        )
    )


if __name__ == "__main__":
    main()
