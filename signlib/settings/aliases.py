"""Words of earlier versions, so that runs, stores and command lines made with them still work.

One table each for settings that moved, values that were renamed and presets that were renamed.
"""

from collections.abc import Mapping
from typing import Any

# Old key of a setting -> its key now.
MOVED = {"fusion.landmarks": "data.landmarks"}
# Old name of a preset -> its name now.
RENAMED_PRESETS = {
    "landmarks/seed": "landmarks/original",
    "wlasl/seed": "wlasl/original",
    "phonology/ctc-seed": "phonology/ctc-original",
    "phonology/pretraining-seed": "phonology/pretraining-original",
}
# Key and old value of a setting -> its value now.
RENAMED_VALUES = {
    **{("preset", old): new for old, new in RENAMED_PRESETS.items()},
    ("model.layout", "seed"): "original",
    ("phonology.form", "seed"): "original",
    ("phonology.pretext", "seed"): "original",
    ("gcn.head", "seed"): "original",
    ("frozen.landmarks", "seed"): "original",
}
# Before `task` was a setting, the first of these that was not empty told the family.
TASK_MARKS = {
    "gcn.variant": "graph",
    "ctc.network": "sentences",
    "phonology.network": "phonology",
    "frozen.fusion": "frozen",
    "fusion.modalities": "modalities",
}


def current(key: str, value: Any) -> tuple[str, Any]:
    """A setting's key and value in today's words."""
    key = MOVED.get(key, key)
    return key, RENAMED_VALUES.get((key, str(value)), value)


def infer_task(values: Mapping[str, Any]) -> str:
    """The task of settings that do not name it, as those of older runs.

    Args:
        values: dotted keys and values.
    """
    marked = next((task for key, task in TASK_MARKS.items() if values.get(key)), "landmarks")
    return str(values.get("task") or marked)
