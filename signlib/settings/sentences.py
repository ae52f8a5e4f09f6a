"""Settings of continuous recognition: sentences instead of single signs."""

from dataclasses import dataclass, field


@dataclass
class SentenceSettings:
    """A network with CTC that reads sentences. Empty `network`: single signs.

    Attributes:
        network: hierarchical, teacher, cnn-lstm, hybrid or compact.
        input: `streams` (points, hand shapes and velocities of each part, made from augmented
            landmarks) or `dynamics` (position, velocity and acceleration of every number of every
            landmark, computed once).
        reduce: principal components of `dynamics`, fitted on the training clips; 0 = none.
        whiten: make all components equally large.
        width: of the network; see `models.ctc`.
        part_widths: of the part encoders, in the order pose, hands, face.
        kernels: of the convolutions side by side, in frames.
        heads, part_heads: of attention over time, and over parts.
        layers: of `compact`.
        residual, separable, multiscale, crossmodal: seed 001's additions to `hierarchical`, one by
            one.
        stride: frames that are averaged into one.
        attention, window: full, window or linear; reach of a window, and of distances that are told
            apart.
        chunk: of `compact`: frames after pooling that are read at a time (0 = the whole clip).
        output: plain or clustered; clusters: how many (at most one a gloss).
        hidden: width of a layer before the output, 0 = none; adapter: width of each cluster's own
            layer, 0 = none.
        dropout, drop_path, drop_part: chances in training, of numbers, branches and parts of the
            body.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        focal_share, focal_power: of the focal loss.
        blank_start, blank_until: what is added to the blank's score at first, and the share of the
            training after which it is 0.
        short_signs, short_until: signs in a row that a training clip is cut to at first, where the
            corpus tells when each begins (0 = whole clips from the start), and the share of the
            training after which clips are whole.
        warp, frame_drop, noise: largest change of speed, chance of a frame to be lost, spread added
            to features.
        sign_mixup: chance of a clip made of two.
        time_mask, time_masks: longest stretch that goes unseen, as a share of the clip, and how
            many.
        phases: lengths of warm-up, main training, fine-tuning and self-distillation, of any unit:
            together they are the whole training; empty = the training's own schedule.
        finetune_rate: factor on the learning rate in fine-tuning and distillation.
        nan_steps: so many steps without a finite loss or gradient end the run.
        beam: of the search; order: of the n-gram model, 0 = none.
        alphas, betas: weights of the model and bonuses a gloss that are tried on validation clips.
            A model takes its weight times three or four nats off every gloss, so bonuses have to
            reach that far.
    """

    network: str = ""
    input: str = "streams"
    reduce: int = 0
    whiten: bool = False
    width: int = 512
    part_widths: list[int] = field(default_factory=lambda: [128, 256, 128])
    kernels: list[int] = field(default_factory=lambda: [3, 5, 7])
    heads: int = 8
    part_heads: int = 16
    layers: int = 6
    residual: bool = False
    separable: bool = False
    multiscale: bool = False
    crossmodal: bool = False
    stride: int = 1
    attention: str = "full"
    window: int = 32
    chunk: int = 0
    output: str = "plain"
    clusters: int = 50
    hidden: int = 0
    adapter: int = 0
    dropout: float = 0.1
    drop_path: float = 0.1
    drop_part: float = 0.1
    checkpointing: bool = False
    focal_share: float = 0.3
    focal_power: float = 2.0
    blank_start: float = 0.0
    blank_until: float = 0.3
    short_signs: int = 0
    short_until: float = 0.4
    warp: float = 0.2
    frame_drop: float = 0.1
    noise: float = 0.05
    sign_mixup: float = 0.3
    time_mask: float = 0.05
    time_masks: int = 2
    phases: list[int] = field(default_factory=list)
    finetune_rate: float = 0.1
    nan_steps: int = 20
    beam: int = 10
    order: int = 3
    alphas: list[float] = field(default_factory=lambda: [0.0, 0.3, 0.6, 0.9])
    betas: list[float] = field(default_factory=lambda: [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])


SENTENCE_CHOICES = {
    "ctc.network": ("", "hierarchical", "teacher", "cnn-lstm", "hybrid", "compact"),
    "ctc.input": ("streams", "dynamics"),
    "ctc.attention": ("full", "window", "linear"),
    "ctc.output": ("plain", "clustered"),
}

SENTENCE_RANGES = {
    "ctc.reduce": (0, 10**5),
    "ctc.width": (2, 10**5),
    "ctc.heads": (1, 1000),
    "ctc.part_heads": (1, 1000),
    "ctc.layers": (1, 1000),
    "ctc.stride": (1, 64),
    "ctc.window": (1, 10**5),
    "ctc.chunk": (0, 10**5),
    "ctc.clusters": (1, 10**6),
    "ctc.hidden": (0, 10**5),
    "ctc.adapter": (0, 10**4),
    **{
        f"ctc.{name}": (0, 0.95)
        for name in ("dropout", "drop_path", "drop_part", "frame_drop", "warp", "time_mask")
    },
    "ctc.focal_share": (0, 1),
    "ctc.focal_power": (0, 10),
    "ctc.blank_start": (-100, 0),
    "ctc.blank_until": (0, 1),
    "ctc.short_signs": (0, 1000),
    "ctc.short_until": (0, 1),
    "ctc.noise": (0, 10),
    "ctc.sign_mixup": (0, 1),
    "ctc.time_masks": (0, 100),
    "ctc.finetune_rate": (0, 1),
    "ctc.nan_steps": (1, 10**6),
    "ctc.beam": (1, 10**4),
    "ctc.order": (0, 10),
}
