"""A trained run put to work on clips of one's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.torch import load_file
from torch import nn

from signlib import runs
from signlib.config import Settings
from signlib.data.skeletons import Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.experiment import MODEL, build_model, score, weights_path
from signlib.features.store import ClipSource, Extraction
from signlib.training.batches import ClipDataset, Prepared, prepare_clips


@dataclass
class Recogniser:
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton, extraction: of its run.
    """

    model: nn.Module
    settings: Settings
    vocabulary: Vocabulary
    skeleton: Skeleton
    extraction: Extraction

    def recognise(self, source: ClipSource, clips: Sequence[str], quiet: bool = True) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K) of the clips that can be used; `unusable` of the second says which cannot."""
        prepared = prepare_clips(source, clips, self.settings.features, quiet)
        if not prepared.clips:
            return np.empty((0, len(self.vocabulary))), prepared
        data = ClipDataset(prepared.points, np.zeros(len(prepared.clips), int))
        chosen = self.skeleton.select(self.settings.features.joints)
        return np.exp(score(self.model, data, self.settings, chosen)), prepared


def load_recogniser(run: runs.Run) -> Recogniser:
    """The model of a run, ready to predict.

    Raises:
        RunError: when the run holds no weights.
    """
    weights = load_file(weights_path(run))
    about = json.loads((run.path / MODEL).read_text(encoding="utf-8"))
    made = about["extraction"]
    extraction = Extraction(**{**made, "shape": tuple(made["shape"]), "channels": tuple(made["channels"])})
    base, vocabulary = skeleton(extraction.skeleton), Vocabulary(tuple(about["classes"]))
    model = build_model(run.settings, base, len(vocabulary))
    model.load_state_dict(weights)
    return Recogniser(model.eval(), run.settings, vocabulary, base, extraction)
