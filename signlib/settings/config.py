"""Typed settings of one experiment: defaults here, differences in presets, overrides as
`a.b=value`.

An unknown key or an impossible value is refused before anything is computed.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from signlib.errors import SettingsError
from signlib.settings.frozen import FROZEN_INPUTS
from signlib.settings.graph import GRAPH_STREAMS
from signlib.settings.modalities import MODALITIES
from signlib.settings.schema import (
    CHOICES,
    RANGES,
    STREAMS,
    ActionSettings,
    AugmentSettings,
    DataSettings,
    FeatureSettings,
    FrozenSettings,
    FusionSettings,
    GraphSettings,
    ModelSettings,
    PhonologySettings,
    PictureSettings,
    SentenceSettings,
    Settings,
    TrainingSettings,
    VideoAugmentSettings,
    VideoSettings,
)

__all__ = [
    "ActionSettings",
    "AugmentSettings",
    "DataSettings",
    "FeatureSettings",
    "FrozenSettings",
    "FusionSettings",
    "GraphSettings",
    "ModelSettings",
    "PhonologySettings",
    "PictureSettings",
    "SentenceSettings",
    "Settings",
    "TrainingSettings",
    "VideoAugmentSettings",
    "VideoSettings",
    "build",
    "differences",
    "flat",
    "from_yaml",
    "known_keys",
    "run_name",
    "to_yaml",
]


def known_keys(kind: type = Settings, prefix: str = "") -> list[str]:
    """Every dotted key of the settings, in the order of definition."""
    keys = []
    for entry in fields(kind):
        if is_dataclass(entry.type):
            keys += known_keys(entry.type, f"{prefix}{entry.name}.")
        else:
            keys.append(prefix + entry.name)
    return keys


def build(*differences: Mapping[str, Any], overrides: Iterable[str] = ()) -> Settings:
    """The settings after all differences and overrides, checked.

    Args:
        differences: dotted keys and values, later ones win (`{"model.width": 64}`).
        overrides: `key=value` strings, as on the command line; they win over all.

    Raises:
        SettingsError: for an unknown key, a value of the wrong type, or an impossible one.
    """
    config = OmegaConf.structured(Settings)
    pairs = [pair for difference in differences for pair in difference.items()]
    pairs += [_parse(text) for text in overrides]
    for key, value in pairs:
        _check_key(key)
        _check_plain(f"{key}={value}")
        try:
            OmegaConf.update(config, key, value, merge=False)
        except (OmegaConfBaseException, ValueError) as error:
            expected = type(OmegaConf.select(config, key)).__name__
            raise SettingsError(
                f"{key}={value!r} is not possible: it must be of type {expected}"
                f" ({_first_line(error)})"
            ) from None
    settings = OmegaConf.to_object(config)
    check(settings)
    return settings


def _parse(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SettingsError(
            f"override {text!r} is not of the form key=value, such as training.epochs=5"
        )
    _check_plain(text)
    if not value:
        return key.strip(), ""
    try:
        return key.strip(), _native(OmegaConf.from_dotlist([f"value={value}"]).value)
    except yaml.YAMLError as error:
        raise SettingsError(
            f"override {text!r} cannot be read ({_first_line(error)}); quote its value"
        ) from None


def _check_plain(text: str) -> None:
    """Refuse OmegaConf's `${...}`: a run's settings must not depend on another machine's
    environment.
    """
    if "${" in text:
        raise SettingsError(
            f"{text[text.index('${') :][:40]!r}: settings are plain values; write the value itself"
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _check_key(key: str) -> None:
    keys = known_keys()
    if key in keys or any(
        key.startswith(known + ".") for known in keys if known == "training.rates"
    ):
        return
    near = difflib.get_close_matches(key, keys, n=1) or [
        k for k in keys if k.split(".")[-1] == key.split(".")[-1]
    ]
    hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(keys)}"
    raise SettingsError(f"setting {key!r} is unknown; {hint}")


def flat(settings: Settings) -> dict[str, Any]:
    """Every dotted key with its value."""
    config = OmegaConf.structured(settings)
    return {key: _native(OmegaConf.select(config, key)) for key in known_keys()}


def _native(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def check(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        SettingsError: with key, value and limit.
    """
    values = flat(settings)
    for key, choices in CHOICES.items():
        if values[key] not in choices:
            raise SettingsError(
                f"{key}={values[key]!r} is unknown; choose from {', '.join(map(str, choices))}"
            )
    for key, (low, high) in RANGES.items():
        if not low <= values[key] <= high:
            raise SettingsError(f"{key}={values[key]} is outside {low}..{high}")
    for prefix, rate in values["training.rates"].items():
        if not 0 <= rate <= 100:
            raise SettingsError(f"training.rates.{prefix}={rate} is outside 0..100")
    for key, known in (("model.streams", STREAMS), ("gcn.streams", GRAPH_STREAMS)):
        streams = values[key]
        if set(streams) - set(known) or not streams or len(set(streams)) < len(streams):
            raise SettingsError(f"{key}={streams} must be some of {', '.join(known)}, each once")
    check_training(settings.training)
    if settings.model.width % settings.model.heads:
        raise SettingsError(
            f"model.width={settings.model.width} cannot be shared by"
            f" model.heads={settings.model.heads}; heads must divide the width"
        )
    chosen = values["fusion.modalities"]
    if set(chosen) - set(MODALITIES) or len(set(chosen)) < len(chosen):
        raise SettingsError(
            f"fusion.modalities={chosen} must be some of {', '.join(MODALITIES)}, each once"
        )
    for part in ("rgb", "depth"):
        if part in chosen and values[f"{part}.width"] % values[f"{part}.heads"]:
            raise SettingsError(
                f"{part}.width={values[f'{part}.width']} cannot be shared by"
                f" {part}.heads={values[f'{part}.heads']}; heads must divide the width"
            )
    if settings.pictures.size % settings.pictures.patch:
        raise SettingsError(
            f"pictures.size={settings.pictures.size} is no multiple of"
            f" pictures.patch={settings.pictures.patch}"
        )
    if settings.pictures.frames % 2:
        raise SettingsError(
            f"pictures.frames={settings.pictures.frames} is odd; a token spans two frames"
        )
    if settings.fusion.width % settings.fusion.heads:
        raise SettingsError(
            f"fusion.width={settings.fusion.width} cannot be shared by"
            f" fusion.heads={settings.fusion.heads}"
        )
    if chosen and settings.gcn.variant:
        raise SettingsError(
            f"gcn.variant={settings.gcn.variant} takes skeletons alone; empty fusion.modalities"
        )
    if chosen and settings.augment.mixup:
        raise SettingsError(
            f"augment.mixup={settings.augment.mixup} is for landmarks alone; set it to 0 with a"
            " fusion"
        )
    if settings.model.stem_kernel % 2 == 0:
        raise SettingsError(
            f"model.stem_kernel={settings.model.stem_kernel} is even; take an odd number of frames"
        )
    if settings.data.shortest > settings.data.longest:
        raise SettingsError(
            f"data.shortest={settings.data.shortest} is more than"
            f" data.longest={settings.data.longest}"
        )
    check_sentences(settings)
    check_phonology(settings)
    check_frozen(settings)
    if settings.data.fold >= settings.data.folds:
        raise SettingsError(
            f"data.fold={settings.data.fold} must lie within 0..{settings.data.folds - 1}"
        )
    if settings.data.split == "signer" and not settings.data.test_signers:
        raise SettingsError(
            "data.split=signer needs data.test_signers, such as data.test_signers=[signer2]"
        )
    if settings.model.layout == "seed" and (
        settings.features.frames < 1 or settings.model.stem_stride != 1
    ):
        raise SettingsError(
            "model.layout=seed reads a fixed number of frames: set features.frames >= 1 and"
            " model.stem_stride=1"
        )


def check_training(training: TrainingSettings) -> None:
    """Refuse a schedule or batch that does not fit together."""
    # With 0 devices, which are all there are, the trainer checks it again.
    if training.effective_batch % (training.batch_size * max(training.devices, 1)):
        devices = f" x training.devices={training.devices}" if training.devices > 1 else ""
        raise SettingsError(
            f"training.effective_batch={training.effective_batch} is no multiple of"
            f" training.batch_size={training.batch_size}{devices}; change one of them"
        )
    for key in ("warmup_start_lr", "min_lr"):
        if getattr(training, key) > training.learning_rate:
            raise SettingsError(
                f"training.{key}={getattr(training, key)} is above"
                f" training.learning_rate={training.learning_rate}; lower it"
            )
    if training.warmup_epochs and training.warmup_epochs >= training.epochs:
        raise SettingsError(
            f"training.warmup_epochs={training.warmup_epochs} leaves nothing of"
            f" training.epochs={training.epochs}; lower it"
        )
    if training.optimizer == "sgd" and training.nesterov and not training.momentum:
        raise SettingsError(
            "training.nesterov=true needs training.momentum above 0; set it to false"
        )
    stones = training.milestones
    if bool(stones) != (training.schedule == "multistep") or stones != sorted(
        {s for s in stones if s > 0}
    ):
        raise SettingsError(
            f"training.milestones={stones} with training.schedule={training.schedule}: multistep"
            " needs rising epochs such as [50,65], other schedules none"
        )


def check_frozen(settings: Settings) -> None:
    """Refuse what cannot work in a classifier on frozen features.

    Raises:
        SettingsError: with key, value and limit.
    """
    frozen, inputs = settings.frozen, settings.frozen.inputs
    if set(inputs) - set(FROZEN_INPUTS) or not inputs or len(set(inputs)) < len(inputs):
        raise SettingsError(
            f"frozen.inputs={inputs} must be some of {', '.join(FROZEN_INPUTS)}, each once"
        )
    if frozen.width % frozen.heads:
        raise SettingsError(
            f"frozen.width={frozen.width} cannot be shared by frozen.heads={frozen.heads}"
        )
    if not frozen.fusion:
        return
    others = {
        "fusion.modalities": settings.fusion.modalities,
        "gcn.variant": settings.gcn.variant,
        "ctc.network": settings.ctc.network,
    }
    for key, value in others.items():
        if value:
            raise SettingsError(
                f"frozen.fusion={frozen.fusion} and {key}={value} are two models; empty one of them"
            )
    if "landmarks" in inputs and not 1 <= settings.features.frames <= frozen.positions:
        raise SettingsError(
            f"features.frames={settings.features.frames} must lie within 1..{frozen.positions}"
            " (frozen.positions)"
        )
    mirrors = {
        "features.dominant": settings.features.dominant,
        "augment.mirror": settings.augment.mirror,
        "augment.mixup": settings.augment.mixup,
        "training.mirror_at_test": settings.training.mirror_at_test,
    }
    for key, value in mirrors.items() if "visual" in inputs else ():
        if value:
            raise SettingsError(
                f"{key}={value} changes landmarks, but not what a frozen encoder saw; switch it off"
            )


def check_sentences(settings: Settings) -> None:
    """Refuse what cannot work in a network for sentences.

    Raises:
        SettingsError: with key, value and limit.
    """
    ctc = settings.ctc
    for key, values, least in (("kernels", ctc.kernels, 1), ("part_widths", ctc.part_widths, 1)):
        if not values or min(values) < least or max(values) > 10**5:
            raise SettingsError(f"ctc.{key}={values}: give some whole numbers from 1 on")
    if ctc.network and ctc.width % 2:
        raise SettingsError(f"ctc.width={ctc.width} is odd; take an even one")
    for key, values, low, high in (("alphas", ctc.alphas, 0, 100), ("betas", ctc.betas, -100, 100)):
        if not values or not all(low <= value <= high for value in values):
            raise SettingsError(f"ctc.{key}={values}: give some numbers within {low}..{high}")
    if ctc.phases and (len(ctc.phases) != 4 or min(ctc.phases) < 0 or not ctc.phases[1]):
        raise SettingsError(
            f"ctc.phases={ctc.phases} must be four lengths: warm-up, main (not 0), fine-tuning,"
            " distillation"
        )
    if ctc.network and (settings.augment.mixup or settings.training.class_weights):
        raise SettingsError(
            f"ctc.network={ctc.network}: sentences have no one class; set augment.mixup=0"
            " (ctc.sign_mixup is theirs) and training.class_weights=false"
        )
    if ctc.network and (
        settings.fusion.modalities or settings.gcn.variant or settings.features.frames
    ):
        raise SettingsError(
            f"ctc.network={ctc.network} reads whole sentences of landmarks: set features.frames=0,"
            " and neither fusion.modalities nor gcn.variant"
        )
    if ctc.reduce and ctc.input != "dynamics":
        raise SettingsError(f"ctc.reduce={ctc.reduce} is for ctc.input=dynamics")


def check_phonology(settings: Settings) -> None:
    """Refuse what cannot work in a network on phonological features.

    Raises:
        SettingsError: with key, value and limit.
    """
    p, training = settings.phonology, settings.training
    if len(p.codebooks) != 5 or min(p.codebooks) < 2 or max(p.codebooks) > 10**5:
        raise SettingsError(
            f"phonology.codebooks={p.codebooks}: give five whole numbers from 2 on (H, L, O, M, N)"
        )
    if not p.network:
        return
    if settings.fusion.modalities or settings.gcn.variant or settings.ctc.network:
        raise SettingsError(
            f"phonology.network={p.network} is a network of its own: empty fusion.modalities,"
            " gcn.variant, ctc.network"
        )
    unfit = {
        "training.label_smoothing": training.label_smoothing,
        "training.teacher": training.teacher,
        "training.mirror_at_test": training.mirror_at_test,
        "augment.mixup": settings.augment.mixup,
    }
    for key, value in unfit.items():
        if value:
            raise SettingsError(
                f"{key}={value} does not go with phonology.network={p.network}; switch it off"
            )


def to_yaml(settings: Settings) -> str:
    """The settings, fully resolved, as YAML."""
    return OmegaConf.to_yaml(OmegaConf.structured(settings))


def run_name(settings: Settings) -> str:
    """A name for a run of these settings: the same settings give the same name, one changed number
    another.
    """
    digest = hashlib.sha256(to_yaml(settings).encode()).hexdigest()[:8]
    return f"{settings.mode}-seed{settings.seed}-{digest}"


def from_yaml(text: str) -> Settings:
    """The settings in a YAML text, checked.

    Raises:
        SettingsError: when the text is no YAML mapping of known keys.
    """
    _check_plain(text)
    try:
        loaded = OmegaConf.create(text)
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Settings), loaded))
    except (OmegaConfBaseException, yaml.YAMLError, AssertionError, ValueError, TypeError) as error:
        raise SettingsError(f"these settings cannot be read: {_first_line(error)}") from None
    check(settings)
    return settings


def differences(settings: Settings, base: Settings | None = None) -> dict[str, Any]:
    """The keys in which the settings differ from `base` (the defaults), with their values."""
    ours, theirs = flat(settings), flat(base or Settings())
    return {key: value for key, value in ours.items() if value != theirs[key]}
