"""Presets of graph networks on whole bodies as plain rows; `presets` makes experiments of them."""

from signlib.settings.preset_rows import Row

ACTIONS: dict[str, Row] = {
    "ntu60/nano": (
        "seed 003: everyday actions by a graph network of 75,596 parameters",
        {
            "seed": 42,
            "data.corpus": "ntu60",
            "data.split_type": "xsub",
            # No clip is official validation: one of the twenty training performers.
            "data.validation": 0.05,
            "data.validation_by": "signer",
            "gcn.variant": "nano",
            "augment.mirror": 0.0,
            "augment.yaw": 15.0,
            "augment.pitch": 0.0,
            "augment.roll": 0.0,
            "augment.scale": 0.06,
            "augment.shear": 0.06,
            "training.epochs": 120,
            "training.optimizer": "sgd",
            "training.learning_rate": 0.1,
            "training.weight_decay": 4e-4,
            "training.warmup_epochs": 5,
            "training.warmup_start_lr": 0.01,
            "training.min_lr": 1e-4,
            "training.average": 0.0,
            "training.save_interval": 10,
            "training.precision": "auto",
            "training.workers": 4,
            "training.mirror_at_test": False,
        },
        {
            "data.corpus": "generated-actions",
            "data.repetitions": 1,
            "action.frames": 12,
            "training.epochs": 6,
            "training.batch_size": 8,
            "training.warmup_epochs": 2,
            "training.save_interval": 0,
            "training.workers": 0,
        },
        "",
    ),
    "ntu60/small": (
        "seed 003: 284,461 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25, "training.batch_size": 48},
        {},
        "ntu60/nano",
    ),
    "ntu60/base": (
        "seed 003: 600,912 parameters, 33,024 of them in a bottleneck of its own",
        {
            "gcn.variant": "base",
            "gcn.dropout": 0.3,
            "gcn.drop_path": 0.05,
            "training.batch_size": 32,
        },
        {},
        "ntu60/nano",
    ),
    "ntu60/large": (
        "seed 003: 911,376 parameters, gates that see frequencies",
        {"gcn.variant": "large", "gcn.drop_path": 0.1, "training.batch_size": 24},
        {},
        "ntu60/base",
    ),
    "nw-ucla/nano": (
        (
            "ten actions, trained on one view and tested on another; settings chosen on people of"
            " the training view"
        ),
        {
            "seed": 0,
            "data.corpus": "nw-ucla",
            "data.split_type": "view-1",
            # Nothing is selected: the last epoch counts, and every person of the view trains.
            "data.validation": 0.0,
            "action.bodies": 1,
            "action.frames": 32,
            "augment.mirror": 0.5,
            "augment.yaw": 30.0,
            "augment.pitch": 10.0,
            "augment.scale": 0.1,
            "training.epochs": 60,
            "training.batch_size": 16,
            "training.precision": "32",
            "training.save_interval": 0,
            "training.workers": 0,
            "training.threads": 1,
            "training.mirror_at_test": True,
        },
        {"data.split_type": "xview"},
        "ntu60/nano",
    ),
    "nw-ucla/small": (
        "the same with 276,236 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25},
        {},
        "nw-ucla/nano",
    ),
}
