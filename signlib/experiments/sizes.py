"""How large every preset's model is: parameters by part, and multiply-accumulates of one clip.

Weights are neither drawn nor loaded for it, so the largest model is counted in a second.
"""

import pandas as pd
import torch

from signlib.corpora.registry import corpus_of
from signlib.data.skeletons import MEDIAPIPE_543, skeleton
from signlib.models.classifier import parameter_count
from signlib.settings import presets, registry
from signlib.settings.base import Settings
from signlib.tasks.registry import task_of
from signlib.tasks.task import PARTS, Inputs


def model_table() -> pd.DataFrame:
    """One row a preset with the sizes of its model's parts.

    On frozen features there is one a feature size, Gemma 3's first. `rgb` and `depth` are the
    video encoders, `encoder` the transformer on landmarks, `projection` what leads into it,
    `fusion` the projections and weights of the modalities, `classifier` the rest; "" where there
    is none. Of a graph network, `encoder` is its blocks and `fusion` that of its streams; of one
    for sentences, `projection` is what works on every frame, `encoder` what works on pooled ones.
    """
    rows = []
    for name, (_, preset) in registry.all_presets().items():
        settings = presets.build(name)
        task, classes = task_of(settings), classes_of(settings)
        for width in task.widths(settings):
            inputs = inputs_of(settings, width)
            with torch.device("meta"):
                model = task.network(task.compact(settings), inputs, classes)
            rows.append(
                {
                    "preset": name if width == Inputs().width else f"{name}, {width:,}-D",
                    "parameters": parameter_count(model),
                    **dict.fromkeys(PARTS, ""),
                    **task.count_parts(model),
                    "MACs": task.count_macs(settings, inputs, classes),
                    "classes": classes,
                    "about": preset.question,
                }
            )
    return pd.DataFrame(rows)


def inputs_of(settings: Settings, width: int = Inputs().width) -> Inputs:
    """What the clips of the settings' corpus give a network, whether its files are there or not."""
    layout = settings.data.skeleton or corpus_of(settings.data).skeleton
    return Inputs(skeleton(layout or MEDIAPIPE_543.name), width)


def classes_of(settings: Settings) -> int:
    """How many glosses count for the table: the settings' own limit, or the corpus's."""
    return settings.data.limit_classes or corpus_of(settings.data).glosses or 226
