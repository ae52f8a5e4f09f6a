"""Source 003's command lines work as written.

Every flag has its effect, `--set` wins, nothing is ignored.
"""

import shlex

import pytest

from signlib.__main__ import main
from signlib.cli import source_flags
from signlib.cli.parser import parser
from signlib.errors import SettingsError
from signlib.models.gcn import sizes_of
from signlib.runs.run import Run
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.layouts import write_ntu60

PROGRAM = "python scripts/train.py"
BASE = (
    f"{PROGRAM} --model base_e_v3 --dataset ntu60 --split_type xsub --epochs 120 --batch_size 32"
    " --lr 0.1 --weight_decay 0.0004 --dropout 0.3 --scheduler cosine_warmup --min_lr 0.0001 --amp"
    " --workers 2 --seed 42 --env kaggle --set training.gradient_clip=1.0"
    " training.gradient_accumulation_steps=1 training.warmup_epochs=5"
    " training.warmup_start_lr=0.01 training.label_smoothing=0.1 training.ib_loss_weight=0.01"
    " training.save_interval=10 training.nesterov=true training.momentum=0.9"
)
SHORT = (
    f"{PROGRAM} --model {{}}_e_v3 --dataset ntu60 --epochs 120 --batch_size {{}} --lr 0.1 --amp"
    " --workers 2 --env kaggle --set training.gradient_clip=1.0 training.warmup_epochs=5"
    " training.warmup_start_lr=0.01"
)
LARGE = (
    SHORT.format("large", 24).replace("--amp", "--dropout 0.3 --amp")
    + " training.ib_loss_weight=0.01"
)
LINES = {
    "base": BASE,
    "nano": SHORT.format("nano", 64),
    "small": SHORT.format("small", 48),
    "large": LARGE,
}
TABLES = {
    "training.optimizer": "sgd",
    "training.learning_rate": 0.1,
    "training.momentum": 0.9,
    "training.nesterov": True,
    "training.weight_decay": 0.0004,
    "training.schedule": "cosine",
    "training.warmup_epochs": 5,
    "training.warmup_start_lr": 0.01,
    "training.min_lr": 0.0001,
    "training.epochs": 120,
    "training.accumulate": 1,
    "action.frames": 64,
    "training.label_smoothing": 0.1,
    "training.clip_norm": 1.0,
    "gcn.ib_loss_weight": 0.01,
    "training.precision": "auto",
    "training.save_interval": 10,
    "seed": 42,
    "data.corpus": "ntu60",
    "data.split_type": "xsub",
    "gcn.head": "original",
    "gcn.streams": ["joint", "velocity", "bone"],
}
BY_VARIANT = {
    "nano": (64, 0.2, 0.0),
    "small": (48, 0.25, 0.0),
    "base": (32, 0.3, 0.05),
    "large": (24, 0.3, 0.1),
}
"""The source's tables: what all variants share, and batch size, dropout and drop path of each."""

MODELS = {
    "nano": (24, [32, 48, 64], [1, 1, 1], 1, "motion", False, False),
    "small": (32, [48, 64, 96], [1, 2, 2], 2, "motion", True, False),
    "base": (48, [64, 96, 128], [2, 2, 2], 2, "motion", True, True),
    "large": (48, [80, 112, 160], [2, 2, 2], 2, "hybrid", True, True),
}
KEYS = ("stem_channels", "channels", "num_blocks", "max_hop", "gate_type")
KEYS += ("use_subset_att", "use_ib_loss")
MODELS = {
    variant: dict(zip(KEYS, values, strict=True)) | {"expand_ratio": 2}
    for variant, values in MODELS.items()
}
"""The source's table of model variants."""


def built(line: str) -> Settings:
    """The settings that a command line of the verb `train` comes to."""
    options = parser().parse_args(["train", *shlex.split(line.removeprefix(PROGRAM))])
    preset = source_flags.preset_of(options)
    return presets.build(
        preset, options.mode, options.seed, source_flags.settings_of(options, preset)
    )


@pytest.mark.parametrize("variant", LINES)
def test_the_sources_lines_come_to_its_tables(variant):
    found = built(LINES[variant])
    values = config.flat(found)
    assert {key: values[key] for key in TABLES} == TABLES
    assert found.gcn.variant == variant
    assert (found.training.batch_size, found.gcn.dropout, found.gcn.drop_path) == BY_VARIANT[
        variant
    ]
    assert found.training.workers == 2
    assert found.preset == f"ntu60/{variant}"


@pytest.mark.parametrize("variant", BY_VARIANT)
def test_the_presets_alone_are_the_sources_tables_too(variant):
    found = presets.build(f"ntu60/{variant}")
    values = config.flat(found)
    assert {key: values[key] for key in TABLES} == TABLES
    assert (found.training.batch_size, found.gcn.dropout, found.gcn.drop_path) == BY_VARIANT[
        variant
    ]
    assert found.training.workers == 4, "the source's local default"


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("--model nano", "gcn.variant", "nano"),
        ("--model large_e_v3", "preset", "ntu60/large"),
        ("--dataset nw-ucla", "data.corpus", "nw-ucla"),
        ("--model nano --dataset generated-actions", "data.corpus", "generated-actions"),
        ("--model nano --split_type xview", "data.split_type", "xview"),
        ("--model nano --split-type xview", "data.split_type", "xview"),
        ("--epochs 7", "training.epochs", 7),
        ("--batch_size 3", "training.batch_size", 3),
        ("--lr 0.03", "training.learning_rate", 0.03),
        ("--weight_decay 0.5", "training.weight_decay", 0.5),
        ("--dropout 0.4", "model.head_dropout", 0.4),
        ("--model nano --dropout 0.4", "gcn.dropout", 0.4),
        ("autsl/rgb --dropout 0.4", "fusion.dropout", 0.4),
        ("wlasl/concat --dropout 0.4", "frozen.dropout", 0.4),
        ("phonology/ctc --dropout 0.4", "phonology.dropout", 0.4),
        ("sentences/compact --dropout 0.4", "ctc.dropout", 0.4),
        ("--min_lr 0.0005", "training.min_lr", 0.0005),
        ("--scheduler cosine_warmup", "training.schedule", "cosine"),
        ("--scheduler multistep_warmup", "training.milestones", [50, 65]),
        ("--scheduler multistep --milestones 3,9", "training.milestones", [3, 9]),
        ("--amp", "training.precision", "auto"),
        ("--workers 3", "training.workers", 3),
        ("--env local", "training.workers", 4),
        ("--env kaggle", "training.workers", 2),
        ("--env lambda --workers 1", "training.workers", 1),
        ("--seed 5", "seed", 5),
        ("--model nano", "seed", 42),
        ("landmarks/small", "seed", 0),
        ("--data-root x", "data.corpus", "store"),
        ("--data-root x --model nano", "data.corpus", "ntu60"),
        ("--data-root x --model nano", "data.root", "x"),
        ("--set training.gradient_clip=2.0", "training.clip_norm", 2.0),
        ("--set training.gradient_accumulation_steps=4", "training.accumulate", 4),
        ("--set training.warmup_epochs=3", "training.warmup_epochs", 3),
        ("--set training.warmup_start_lr=0.0005", "training.warmup_start_lr", 0.0005),
        ("--model base --set training.ib_loss_weight=0.05", "gcn.ib_loss_weight", 0.05),
        ("--set training.label_smoothing=0.2", "training.label_smoothing", 0.2),
        ("--set training.save_interval=5", "training.save_interval", 5),
        ("--model nano --set training.nesterov=false", "training.nesterov", False),
        ("--model nano --set training.momentum=0.8", "training.momentum", 0.8),
        ("--model nano --set model.dropout=0.4", "gcn.dropout", 0.4),
        ("--set model.dropout=0.4", "model.dropout", 0.4),
        ("--model nano --set model.stem_channels=30", "gcn.stem", 30),
        ("--model nano --set model.channels=[40,48,64]", "gcn.channels", [40, 48, 64]),
        ("--model nano --set model.num_blocks=[1,2,1]", "gcn.blocks", [1, 2, 1]),
        ("--model nano --set model.gate_type=hybrid", "gcn.gate", "hybrid"),
        ("--model nano --set model.expand_ratio=3", "gcn.expand", 3),
        ("--model nano --set model.max_hop=2", "gcn.hops", 2),
        ("--model nano --set model.use_subset_att=true", "gcn.attend", "weighted"),
        ("--model base --set model.use_subset_att=false", "gcn.attend", "equally"),
        ("--model nano --set model.use_ib_loss=True", "gcn.bottleneck", "with"),
        ("--model base --set model.use_ib_loss=false", "gcn.bottleneck", "without"),
        ("--set training.pin_memory=false", "training.pin_memory", False),
        ("--set training.use_amp=true", "training.precision", "auto"),
        ("--model nano --set training.use_amp=false", "training.precision", "32"),
        ("--model nano --set training.input_frames=32", "action.frames", 32),
        ("--set training.scheduler=multistep_warmup", "training.milestones", [50, 65]),
        ("--model nano --mode smoke --dataset ntu60", "data.corpus", "generated-actions"),
    ],
)
def test_every_flag_has_its_effect(line, key, value):
    assert config.flat(built(line))[key] == value
    named = line.split()[0]
    untouched = "--model nano" if "--model" in line else "" if named[0] == "-" else named
    if (
        key not in ("gcn.variant", "preset", "seed", "data.corpus")
        and "--mode" not in line
        and "cosine" not in line
    ):
        assert config.flat(built(untouched))[key] != value or (key, value) in SAME, (
            "the flag changed nothing"
        )


SAME = {("training.workers", 4), ("training.precision", "auto"), ("model.dropout", 0.4)}
"""What a default may be already."""


@pytest.mark.parametrize("variant", MODELS)
def test_the_sources_table_of_variants_is_the_presets_own(variant):
    """What the table says of a variant, given key by key, changes no size of its network."""
    said = [f"'model.{key}={value}'" for key, value in MODELS[variant].items()]
    line = f"--model {variant} --set {' '.join(said)} model.depths=[1,1,1] model.strides=[1,2,2]"
    settings = built(line).gcn
    assert sizes_of(settings) == sizes_of(presets.build(f"ntu60/{variant}").gcn)
    assert config.differences(built(line), presets.build(f"ntu60/{variant}")).keys() == {
        "gcn.stem",
        "gcn.channels",
        "gcn.blocks",
        "gcn.hops",
        "gcn.gate",
        "gcn.attend",
        "gcn.bottleneck",
    }


@pytest.mark.parametrize("key", ["model.max_hop", "model.stem_channels"])
def test_a_size_of_nothing_is_not_that_of_the_variant(key):
    with pytest.raises(SettingsError, match=rf"{key}=0 is no size"):
        built(f"--model base --set {key}=0")


def test_a_data_root_is_the_folder_of_the_presets_own_corpus_unless_it_is_a_store(tmp_path):
    for preset, corpus in (
        ("wlasl/concat", "wlasl"),
        ("autsl/rgb", "autsl"),
        ("landmarks/small", "store"),
    ):
        assert built(f"{preset} --data-root {tmp_path}").data.corpus == corpus
    assert built(f"wlasl-50/small --data-root {tmp_path} --corpus dgs-30").data.corpus == "dgs-30"
    (tmp_path / "extraction.json").write_text("{}")
    for preset in ("wlasl/concat", "wlasl-50/small"):
        assert built(f"{preset} --data-root {tmp_path}").data.corpus == "store"


def test_set_wins_over_flags_and_flags_over_the_preset():
    line = "--model nano --lr 0.2 --epochs 50 --dropout 0.1 --workers 1 --env kaggle --set"
    found = built(f"{line} training.learning_rate=0.3 model.dropout=0.6")
    assert (found.training.learning_rate, found.gcn.dropout) == (0.3, 0.6)
    assert (found.training.epochs, found.training.workers) == (50, 1)
    assert found.training.weight_decay == 4e-4


@pytest.mark.parametrize(
    "line",
    [
        "--epoch 3",
        "--model huge",
        "--scheduler plateau",
        "--env moon",
        "--lr fast",
        "--batch 3",
        "--unknown 1",
    ],
)
def test_unknown_flags_and_values_are_refused(line, capsys):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["train", *line.split()])
    assert end.value.code == 2
    assert line.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ntu60/base --model nano", "name two models"),
        ("--model nano --set model.use_subset_att=maybe", "'maybe' is neither true nor false"),
        ("--model nano --set model.depths=[1,2,1]", "a block has one temporal unit"),
        (
            "--model nano --set model.strides=[1,1,2]",
            r"only model\.strides=\[1, 2, 2\] is possible",
        ),
        ("--model nano --set model.channels=[32,48]", r"gcn\.channels=\[32, 48\]: give 3 numbers"),
        ("--model nano --set model.gate_type=static", "choose from .*motion, hybrid"),
        ("--model nano --set model.max_hop=17", r"gcn\.hops=17 is outside 0\.\.16"),
        ("--model nano --set model.embed_dim=3", r"'model\.embed_dim' is unknown"),
        ("--set model.max_hop=2", r"'gcn\.hops' belongs to task graph"),
        ("--model nano --set gcn.head=plain model.use_ib_loss=true", "only with gcn.head=original"),
        ("--set training.ib_loss_weight=0.05", r"'gcn\.ib_loss_weight' belongs to task graph"),
        ("--set training.input_frames=32", r"'action\.frames' belongs to task graph"),
        ("--milestones 3", "multistep needs"),
        ("--model nano --split_type view-1", None),
        ("--model nano --lr 0.001", r"warmup_start_lr=0\.01 is above"),
    ],
)
def test_what_does_not_fit_together_is_refused(line, message):
    if message is None:
        assert main(["train", *line.split()]) == 2, "the corpus has no such split"
        return
    with pytest.raises(SettingsError, match=message):
        built(line)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """Few generated actions as NTU RGB+D's own files."""
    return write_ntu60(
        ActionCorpus(2, 4, 1, 1), tmp_path_factory.mktemp("ntu") / "ntu60", progress=False
    )


def test_the_sources_line_runs_as_written_on_its_layout_and_says_what_it_used(
    layout, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    monkeypatch.setenv("SIGNLIB_DATA", str(layout.parent))
    line = (
        f"{LINES['nano']} training.max_steps=2 training.threads=1 training.workers=0"
        " data.validation_by=clip"
    )
    assert (
        main(["train", *shlex.split(line.removeprefix(PROGRAM)), "--set", "data.validation=0"]) == 0
    )
    shown = capsys.readouterr().out
    run = Run(tmp_path / "ntu60-nano" / "full-seed42")
    assert run.finished
    assert run.settings.data.corpus == "ntu60"
    assert "preset ntu60/nano (full), seed 42, corpus ntu60" in shown
    assert "training.max_steps = 2" in shown
    assert (
        f"used: {run.facts['device']}, precision {run.facts['precision']}, 2 epochs, 2 steps"
        in shown
    )
    lists = {row.split(":")[0].strip(): row for row in shown.splitlines() if "numbers: " in row}
    assert set(lists) == {"decay", "no decay"}
    assert "blocks.*.graph.edge (3)" in lists["no decay"]
    assert "conv.weight" in lists["decay"]
    for word in ("edge", "alpha", "bias", "norm", "pool.gate"):
        assert word not in lists["decay"]


def test_a_run_resumes_from_the_checkpoint_that_is_named(layout, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    line = [
        "train",
        "--model",
        "nano",
        "--data-root",
        str(layout),
        "--set",
        "data.validation=0",
        "action.frames=8",
        "training.epochs=6",
        "training.warmup_epochs=1",
        "training.save_interval=2",
        "training.threads=1",
        "training.workers=0",
        "training.hours=0.0000001",
    ]
    assert main([*line, "--run-name", "a"]) == 0
    folder = tmp_path / "ntu60-nano" / "a"
    for _ in range(3):
        assert main([*line, "--run-name", "a", "--resume"]) == 0
    assert sorted(path.name for path in folder.glob("epoch-*.ckpt")) == [
        "epoch-002.ckpt",
        "epoch-004.ckpt",
    ]
    assert Run(folder).facts["epochs"] == 4
    assert main([*line, "--resume", str(folder / "epoch-002.ckpt")]) == 0
    assert Run(folder).facts["epochs"] == 3, "two epochs again, and one more"
    capsys.readouterr()
    assert main([*line, "--resume", str(tmp_path / "elsewhere.ckpt")]) == 2
    assert "give a .ckpt in the folder of the run" in capsys.readouterr().err
    assert main([*line, "--run-name", "b", "--resume", str(folder / "epoch-002.ckpt")]) == 2


def test_dropout_of_a_task_that_has_none():
    with pytest.raises(SettingsError, match="--dropout: task baseline has none"):
        built("baseline/svm --dropout 0.1")
