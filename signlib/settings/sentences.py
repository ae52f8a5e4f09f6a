"""Continuous recognition (source 001): sentences instead of single signs; settings and presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from signlib.errors import SettingsError
from signlib.settings.base import ALONE, FeatureSettings, Preset, Settings
from signlib.settings.fields import (
    NEVER,
    Only,
    choice,
    free_list,
    name,
    number,
    numbers,
    section,
    switch,
    unless,
    when,
)
from signlib.settings.training import TrainingSettings

_HIERARCHICAL = when(".network", "hierarchical")
_COMPACT = when(".network", "compact")
_PARTS = when(".network", "hybrid") | when(".crossmodal")
_TRANSFORMER = when(".network", "hybrid", "compact")
_CLUSTERED = when(".output", "clustered")
_STREAMS = when("ctc.input", "streams")
_NO_PHASES = unless("ctc.phases")


@dataclass
class SentenceSettings:
    """A network with CTC that reads sentences."""

    network: str = choice(
        "compact", "which one", "hierarchical", "teacher", "cnn-lstm", "hybrid", "compact"
    )
    input: str = choice(
        "streams",
        "streams (points, hand shapes and velocities of each part, made from augmented landmarks) "
        "or dynamics (position, velocity and acceleration of every number, computed once)",
        "streams",
        "dynamics",
    )
    reduce: int = number(
        0,
        "principal components of dynamics, fitted on the training clips; 0 = none",
        0,
        10**5,
        only=when(".input", "dynamics"),
    )
    whiten: bool = switch(False, "make all components equally large", only=when(".reduce"))
    width: int = number(512, "of the network; see `models.ctc`", 2, 10**5)
    part_widths: list[int] = numbers(
        [128, 256, 128],
        "of the part encoders, in the order pose, hands, face",
        1,
        10**5,
        only=_PARTS,
    )
    kernels: list[int] = numbers(
        [3, 5, 7],
        "of the convolutions side by side, in frames",
        1,
        10**5,
        only=when(".network", "hierarchical", "cnn-lstm"),
    )
    heads: int = number(
        8, "of attention over time", 1, 1000, only=when(".network", "hybrid", "compact", "teacher")
    )
    part_heads: int = number(16, "of attention over parts", 1, 1000, only=_PARTS)
    layers: int = number(6, "of the network", 1, 1000, only=_COMPACT)
    residual: bool = switch(
        False, "the source's addition to hierarchical: residual connections", only=_HIERARCHICAL
    )
    separable: bool = switch(
        False, "the same: depthwise separable convolutions", only=_HIERARCHICAL
    )
    multiscale: bool = switch(False, "the same: several scales of time", only=_HIERARCHICAL)
    crossmodal: bool = switch(False, "the same: attention between parts", only=_HIERARCHICAL)
    stride: int = number(1, "frames that are averaged into one", 1, 64)
    attention: str = choice(
        "full",
        "over time",
        "full",
        "window",
        "linear",
        "linformer",
        "performer",
        only=when(".network", "hybrid"),
    )
    window: int = number(
        32,
        "reach of a window, and of distances that are told apart",
        1,
        10**5,
        only=(_TRANSFORMER, when(".attention", "full", "window")),
    )
    seq_len_limit: int = number(
        0,
        "frames after pooling that attention sees at once, a longer clip goes in pieces (0 = the "
        "whole clip; linformer needs a limit)",
        0,
        10**5,
        only=when(".network", "hybrid"),
    )
    rank: int = number(
        64,
        "mixed frames that linformer attends to, or random features of performer",
        1,
        10**5,
        only=(when(".network", "hybrid"), when(".attention", "linformer", "performer")),
    )
    chunk: int = number(
        0,
        "frames after pooling that are read at a time (0 = the whole clip)",
        0,
        10**5,
        only=_COMPACT,
    )
    normed: bool = switch(
        False,
        "what recurrent layers and the output read is brought to mean 0 and spread 1",
        only=when(".network", "hierarchical", "teacher", "cnn-lstm", "hybrid"),
    )
    output: str = choice("plain", "the output layer", "plain", "clustered")
    clusters: int = number(50, "of the output, at most one a gloss", 1, 10**6, only=_CLUSTERED)
    hidden: int = number(0, "width of a layer before the output, 0 = none", 0, 10**5)
    adapter: int = number(
        0, "width of each cluster's own layer, 0 = none", 0, 10**4, only=_CLUSTERED
    )
    dropout: float = number(0.1, "chance in training to lose a number", 0, 0.95)
    drop_path: float = number(0.1, "a branch", 0, 0.95, only=_TRANSFORMER)
    drop_part: float = number(0.1, "a part of the body", 0, 0.95, only=_PARTS)
    checkpointing: bool = switch(
        False, "compute activations again in the backward pass instead of keeping them"
    )
    focal_share: float = number(0.3, "of the focal loss in the whole loss", 0, 1)
    focal_power: float = number(2.0, "its exponent", 0, 10, only=when(".focal_share"))
    blank_start: float = number(0.0, "what is added to the blank's score at first", -100, 0)
    blank_until: float = number(
        0.3,
        "share of the training after which nothing is added any more",
        0,
        1,
        only=when(".blank_start"),
    )
    early_share: float = number(
        0.0,
        "of a second CTC loss in the whole loss: on what the output makes of frames before the "
        "recurrent layers (of compact: in its middle)",
        0,
        0.95,
    )
    frame_share: float = number(
        0.0,
        "at first, of a loss on single frames (each is of the sign at this time, or blank) where "
        "the corpus tells when each sign begins",
        0,
        0.95,
    )
    frame_until: float = number(
        0.5, "share of the training after which it is 0", 0, 1, only=when(".frame_share")
    )
    short_signs: int = number(
        0,
        "signs in a row that a training clip is cut to at first, where the corpus tells when each "
        "begins (0 = whole clips from the start)",
        0,
        1000,
    )
    short_until: float = number(
        0.4, "share of the training after which clips are whole", 0, 1, only=when(".short_signs")
    )
    warp: float = number(0.2, "largest change of speed", 0, 0.95)
    frame_drop: float = number(0.1, "chance of a frame to be lost", 0, 0.95)
    noise: float = number(0.05, "spread added to features", 0, 10)
    sign_mixup: float = number(0.3, "chance of a clip made of two", 0, 1)
    time_mask: float = number(
        0.05, "longest stretch that goes unseen, as a share of the clip", 0, 0.95
    )
    time_masks: int = number(2, "how many of them", 0, 100, only=when(".time_mask"))
    phases: list[int] = free_list(
        [],
        "lengths of warm-up, main training, fine-tuning and self-distillation, of any unit: "
        "together they are the whole training; none = the training's own schedule",
    )
    finetune_rate: float = number(
        0.1,
        "factor on the learning rate in fine-tuning and distillation",
        0,
        1,
        only=when(".phases"),
    )
    nan_steps: int = number(
        20, "so many steps without a finite loss or gradient end the run", 1, 10**6
    )
    beam: int = number(10, "width of the search", 1, 10**4)
    order: int = number(3, "of the n-gram model, 0 = none", 0, 10)
    # A model takes its weight times three or four nats off every gloss: bonuses reach that far.
    alphas: list[float] = numbers(
        [0.0, 0.3, 0.6, 0.9],
        "weights of the n-gram model that are tried on validation",
        0,
        100,
        only=when(".order"),
    )
    betas: list[float] = numbers(
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0],
        "bonuses a gloss that are tried on validation",
        -100,
        100,
        only=when(".order"),
    )


@dataclass
class SentenceExperiment(Settings):
    """Sentences from landmarks."""

    DROPOUT: ClassVar[str] = "ctc.dropout"
    # Dynamics take all coordinates as they are, computed once; sentences have their own changes of
    # speed, and a schedule of their own where they have phases.
    ONLY: ClassVar[Mapping[str, Only]] = {
        **ALONE,
        "data.limit_classes": NEVER,
        "data.fewest": NEVER,
        "features.coordinates": _STREAMS,
        "features.z_weight": (_STREAMS, when("features.coordinates", 3)),
        "features.face_camera": (_STREAMS, when("features.normalise")),
        "features.hand_depth": (_STREAMS, when("features.normalise")),
        "augment.": _STREAMS,
        "augment.warp": NEVER,
        "augment.crop": NEVER,
        "training.warmup": (_NO_PHASES, unless("training.warmup_epochs")),
        "training.warmup_epochs": _NO_PHASES,
        "training.warmup_start_lr": (
            _NO_PHASES,
            when("training.warmup") | when("training.warmup_epochs"),
        ),
        "training.schedule": _NO_PHASES,
        "training.min_lr": (_NO_PHASES, when("training.schedule", "cosine", "linear")),
        "training.teacher_weight": when("training.teacher") | when("ctc.phases"),
        "training.teacher_temperature": when("training.teacher") | when("ctc.phases"),
        "training.mirror_at_test": NEVER,
    }

    task: str = name("sentences", "the family of models")
    features: FeatureSettings = section(FeatureSettings, "what is seen of the landmarks", frames=0)
    training: TrainingSettings = section(
        TrainingSettings, "how the model is fitted", mirror_at_test=False
    )
    ctc: SentenceSettings = section(SentenceSettings, "the network, its loss and its search")

    def check(self) -> None:
        super().check()
        ctc = self.ctc
        SettingsError.raise_if(
            ctc.width % 2,
            f"ctc.width={ctc.width} is odd; take an even one",
        )
        SettingsError.raise_if(
            ctc.phases and (len(ctc.phases) != 4 or min(ctc.phases) < 0 or not ctc.phases[1]),
            f"ctc.phases={ctc.phases} must be four lengths: warm-up, main (not 0), "
            "fine-tuning, distillation",
        )
        SettingsError.raise_if(
            self.augment.mixup or self.training.class_weights,
            f"ctc.network={ctc.network}: sentences have no one class; set augment.mixup=0 "
            "(ctc.sign_mixup is theirs) and training.class_weights=false",
        )
        SettingsError.raise_if(
            self.features.frames,
            f"ctc.network={ctc.network} reads whole sentences of landmarks: set "
            f"features.frames=0, not {self.features.frames}",
        )


_SMOKE: dict[str, Any] = {
    "data.corpus": "generated-sentences",
    "data.glosses": 6,
    "data.signers": 5,
    "data.repetitions": 30,
    "data.shortest": 1,
    "data.longest": 4,
    "ctc.width": 32,
    "ctc.part_widths": [16, 32, 16],
    "ctc.part_heads": 4,
    "ctc.heads": 2,
    "ctc.layers": 2,
    "training.epochs": 12,
    "training.batch_size": 8,
}
_READ: dict[str, Any] = {
    "augment.mirror": 0.0,
    "training.clip_norm": 5.0,
}

# What ends the blank plateau of networks with recurrent layers (docs/sentences.md); without it they
# are as they were before. The loss on frames needs a corpus that tells when signs begin.
_LEAVES_BLANK: dict[str, Any] = {"ctc.normed": True, "ctc.early_share": 0.5}
_TIMED: dict[str, Any] = {"ctc.frame_share": 0.5}

_GENERATED: dict[str, Any] = {
    **_READ,
    "data.corpus": "generated-sentences",
    "data.glosses": 120,
    "data.signers": 20,
    "data.repetitions": 100,
    "data.shortest": 6,
    "data.longest": 12,
    "features.joints": "upper",
    "ctc.width": 128,
    "ctc.part_widths": [32, 64, 32],
    "ctc.part_heads": 4,
    "ctc.heads": 4,
    "ctc.stride": 4,
    "ctc.window": 16,
    "augment.drop_hand": 0.05,
    "augment.drop_second": 0.0,
    # Recurrent layers say nothing but blanks for very long when they begin with whole sentences.
    "ctc.short_signs": 2,
    "ctc.short_until": 0.12,
    "training.epochs": 12,
    "training.validate_every": 0.5,
    "training.batch_size": 16,
    "training.learning_rate": 2e-3,
    "training.threads": 1,
}

_PHOENIX: dict[str, Any] = {
    **_READ,
    "data.corpus": "store",
    "features.joints": "all",
    "features.dominant": False,
    "ctc.phases": [5, 50, 20, 10],
    "ctc.blank_start": -2.0,
    "training.epochs": 85,
    "training.batch_size": 16,
    "training.learning_rate": 5e-4,
    "training.precision": "auto",
    "training.workers": 2,
}

_HYBRID = {"ctc.network": "hybrid", "ctc.output": "clustered"}
# Attention in time and memory proportional to the frames; source 001 names the last two.
_ATTENTION: dict[str, dict[str, Any]] = {
    "window": {},
    "linear": {},
    "performer": {},
    "linformer": {"ctc.seq_len_limit": 256},
}

_ADDITIONS = {
    "residual": {"ctc.residual": True},
    "multiscale": {"ctc.multiscale": True},
    "crossmodal": {"ctc.crossmodal": True},
    "depthwise": {"ctc.separable": True},
}
_ADDITIONS["all"] = {key: True for row in _ADDITIONS.values() for key in row}
_ROWS = {f"baseline+{addition}": settings for addition, settings in _ADDITIONS.items()}
# Source 001, section 7.1: rows that share everything else.
ABLATION = ("baseline", *_ROWS)
# 31 glosses of two signers whom training knows: the small network errs in 15 % of validation signs
# after two epochs.
_STITCHED = {"data.corpus": "stitched-asl-words", "data.sentences": 900, "training.epochs": 8}
_SMALLER = {"data.shortest": 3, "data.longest": 6, "ctc.width": 64, "training.epochs": 16}
_FULL_SMOKE: dict[str, Any] = {**_SMOKE, "training.workers": 0}


def _ablation(family: str, where: str, fewer: dict[str, Any]) -> dict[str, Preset]:
    # Source 001's ablation on a family's smaller corpus.
    question = f"{where}source 001's ablation"
    return {
        f"{family}/baseline": Preset(
            f"{question}, baseline", {**_SMALLER, **fewer}, {}, f"{family}/hierarchical"
        ),
        **{
            f"{family}/{name}": Preset(f"{question}, {name}", settings, {}, f"{family}/baseline")
            for name, settings in _ROWS.items()
        },
    }


PRESETS: dict[str, Preset] = {
    "sentences/hierarchical": Preset(
        "generated sentences: source 001's first network, at a quarter of its width",
        {**_GENERATED, **_LEAVES_BLANK, **_TIMED, "ctc.network": "hierarchical"},
        _SMOKE,
        "",
    ),
    "sentences/hybrid": Preset(
        "generated sentences: source 001's last network, at a quarter of its width",
        {
            **_GENERATED,
            **_LEAVES_BLANK,
            **_TIMED,
            **_HYBRID,
            "ctc.hidden": 256,
            "ctc.adapter": 16,
        },
        {**_SMOKE, "ctc.hidden": 32, "ctc.adapter": 4},
        "",
    ),
    "sentences/compact": Preset(
        "generated sentences: the small network that can read while people sign",
        {**_GENERATED, "ctc.layers": 4},
        _SMOKE,
        "",
    ),
    **{
        f"sentences/hybrid+{kind}": Preset(
            f"generated sentences: hybrid with {kind} attention",
            {"ctc.attention": kind, **more},
            {},
            "sentences/hybrid",
        )
        for kind, more in _ATTENTION.items()
    },
    **{
        f"stitched/{name}": Preset(
            f"sentences stitched from real ASL clips, closed signers: {name}",
            _STITCHED,
            {"training.epochs": 6},
            f"sentences/{name}",
        )
        for name in ("hierarchical", "hybrid", "compact")
    },
    **_ablation("sentences", "", {"data.glosses": 40, "data.repetitions": 60}),
    **_ablation("stitched", "stitched real clips, closed signers: ", {"data.sentences": 700}),
    "phoenix/hierarchical": Preset(
        "PHOENIX-2014 from landmarks: source 001's first network, 1,024 components, not whitened",
        {
            **_PHOENIX,
            **_LEAVES_BLANK,
            "ctc.input": "dynamics",
            "ctc.network": "hierarchical",
            "ctc.reduce": 1024,
        },
        {**_FULL_SMOKE, "ctc.reduce": 64},
        "",
        stated="20,146,118 at 966 classes",
    ),
    "phoenix/improved": Preset(
        "PHOENIX-2014, phase 1: wider, longer kernels, residuals, two layers before the output",
        {"ctc.width": 768, "ctc.kernels": [5, 9, 15], "ctc.residual": True, "ctc.hidden": 1536},
        {"ctc.hidden": 64},
        "phoenix/hierarchical",
        stated="30M",
    ),
    "phoenix/cnn-lstm": Preset(
        (
            "PHOENIX-2014, phase 2: separable convolutions, inverted residuals, LSTMs, clustered"
            " output"
        ),
        {"ctc.network": "cnn-lstm", "ctc.width": 768, "ctc.output": "clustered", "ctc.stride": 2},
        {},
        "phoenix/hierarchical",
        stated="35M",
    ),
    "phoenix/teacher": Preset(
        "PHOENIX-2014: source 001's teacher on all 6,516 features",
        {
            **_PHOENIX,
            **_LEAVES_BLANK,
            "ctc.input": "dynamics",
            "ctc.network": "teacher",
            "ctc.dropout": 0.3,
        },
        _FULL_SMOKE,
        "",
        stated="41.6M at 1,295 classes",
    ),
    "phoenix/hybrid": Preset(
        (
            "PHOENIX-2014, phase 3: parts, cross-modal attention, transformer, residual LSTMs,"
            " clustered output"
        ),
        {
            **_PHOENIX,
            **_LEAVES_BLANK,
            "ctc.input": "dynamics",
            **_HYBRID,
            "ctc.hidden": 1024,
            "ctc.adapter": 64,
            "ctc.stride": 2,
            "ctc.seq_len_limit": 256,
        },
        {**_FULL_SMOKE, "ctc.hidden": 32, "ctc.adapter": 4},
        "",
        stated="35M",
    ),
    "phoenix/compact": Preset(
        "PHOENIX-2014: the small network on hands, upper body and face",
        {
            **_PHOENIX,
            "ctc.layers": 4,
            "features.joints": "118+pose",
            "ctc.width": 256,
            "ctc.heads": 4,
            "ctc.stride": 4,
            "ctc.window": 16,
            "training.learning_rate": 2e-3,
        },
        _FULL_SMOKE,
        "",
    ),
}

# Named families of presets that are trained over several random seeds.
SWEEPS = {
    **{
        family: tuple(f"{family}/{row}" for row in ABLATION) for family in ("sentences", "stitched")
    },
    "attention": ("sentences/hybrid", *(f"sentences/hybrid+{kind}" for kind in _ATTENTION)),
}
