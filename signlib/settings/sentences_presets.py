"""Presets of continuous recognition as plain rows; `presets` makes experiments of them."""

from signlib.settings.preset_rows import Row

_SMOKE = {
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
_READ = {
    "features.frames": 0,
    "augment.mirror": 0.0,
    "training.mirror_at_test": False,
    "training.clip_norm": 5.0,
}

_GENERATED = {
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

_PHOENIX = {
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

_DYNAMICS = {"ctc.input": "dynamics"}
_HYBRID = {"ctc.network": "hybrid", "ctc.output": "clustered"}
_COMPACT = {"ctc.network": "compact", "ctc.layers": 4}

SENTENCES: dict[str, Row] = {
    "sentences/hierarchical": (
        "generated sentences: seed 001's first network, at a quarter of its width",
        {**_GENERATED, "ctc.network": "hierarchical"},
        _SMOKE,
        "",
    ),
    "sentences/hybrid": (
        "generated sentences: seed 001's last network, at a quarter of its width",
        {**_GENERATED, **_HYBRID, "ctc.hidden": 256, "ctc.adapter": 16},
        {**_SMOKE, "ctc.hidden": 32, "ctc.adapter": 4},
        "",
    ),
    "sentences/compact": (
        "generated sentences: the small network that can read while people sign",
        {**_GENERATED, **_COMPACT},
        _SMOKE,
        "",
    ),
}

_ADDITIONS = {
    "residual": {"ctc.residual": True},
    "multiscale": {"ctc.multiscale": True},
    "crossmodal": {"ctc.crossmodal": True},
    "depthwise": {"ctc.separable": True},
}
_ALL = {key: value for own in _ADDITIONS.values() for key, value in own.items()}
_ROWS = {f"baseline+{name}": own for name, own in (*_ADDITIONS.items(), ("all", _ALL))}
ABLATION = ("baseline", *_ROWS)
"""Seed 001, section 7.1: rows that share everything else."""
# 31 glosses of two signers whom training knows: the small network errs in 15 % of validation signs
# after two epochs.
_STITCHED = {"data.corpus": "stitched-asl-words", "data.sentences": 900, "training.epochs": 8}
_SMALLER = {"data.shortest": 3, "data.longest": 6, "ctc.width": 64, "training.epochs": 16}
_FEWER = {
    "sentences": {"data.glosses": 40, "data.repetitions": 60},
    "stitched": {"data.sentences": 700},
}

for _name in ("hierarchical", "hybrid", "compact"):
    SENTENCES[f"stitched/{_name}"] = (
        f"sentences stitched from real ASL clips, closed signers: {_name}",
        _STITCHED,
        {"training.epochs": 6},
        f"sentences/{_name}",
    )
for _family, _where in (("sentences", ""), ("stitched", "stitched real clips, closed signers: ")):
    SENTENCES[f"{_family}/baseline"] = (
        f"{_where}seed 001's ablation, baseline",
        {**_SMALLER, **_FEWER[_family]},
        {},
        f"{_family}/hierarchical",
    )
    SENTENCES |= {
        f"{_family}/{_name}": (
            f"{_where}seed 001's ablation, {_name}",
            _own,
            {},
            f"{_family}/baseline",
        )
        for _name, _own in _ROWS.items()
    }

_FULL_SMOKE = {**_SMOKE, "training.workers": 0}
SENTENCES |= {
    "phoenix/hierarchical": (
        "PHOENIX-2014 from landmarks: seed 001's first network, 1,024 components without whitening",
        {**_PHOENIX, **_DYNAMICS, "ctc.network": "hierarchical", "ctc.reduce": 1024},
        {**_FULL_SMOKE, "ctc.reduce": 64},
        "",
    ),
    "phoenix/improved": (
        "PHOENIX-2014, phase 1: wider, longer kernels, residuals, two layers before the output",
        {"ctc.width": 768, "ctc.kernels": [5, 9, 15], "ctc.residual": True, "ctc.hidden": 1536},
        {"ctc.hidden": 64},
        "phoenix/hierarchical",
    ),
    "phoenix/cnn-lstm": (
        (
            "PHOENIX-2014, phase 2: separable convolutions, inverted residuals, LSTMs, clustered"
            " output"
        ),
        {"ctc.network": "cnn-lstm", "ctc.width": 768, "ctc.output": "clustered", "ctc.stride": 2},
        {},
        "phoenix/hierarchical",
    ),
    "phoenix/teacher": (
        "PHOENIX-2014: seed 001's teacher on all 6,516 features",
        {**_PHOENIX, **_DYNAMICS, "ctc.network": "teacher", "ctc.dropout": 0.3},
        _FULL_SMOKE,
        "",
    ),
    "phoenix/hybrid": (
        (
            "PHOENIX-2014, phase 3: parts, cross-modal attention, transformer, residual LSTMs,"
            " clustered output"
        ),
        {
            **_PHOENIX,
            **_DYNAMICS,
            **_HYBRID,
            "ctc.hidden": 1024,
            "ctc.adapter": 64,
            "ctc.stride": 2,
        },
        {**_FULL_SMOKE, "ctc.hidden": 32, "ctc.adapter": 4},
        "",
    ),
    "phoenix/compact": (
        "PHOENIX-2014: the small network on hands, upper body and face",
        {
            **_PHOENIX,
            **_COMPACT,
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
