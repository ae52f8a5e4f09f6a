"""The vision tower of any model that transformers can load: pictures to one vector each.

Of Gemma 3 only the files that hold its tower are fetched, and only the tower's weights are read.
`TowerFacts`, and so every store, says what the vectors depend on: weights, number type, pooling,
how pictures are fitted.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, Gemma3Config, PreTrainedModel
from transformers.utils import cached_file, is_flash_attn_2_available

from signlib import reading
from signlib.errors import SettingsError
from signlib.settings.values import first_line

# Gemma 3 models that see pictures; 270m and 1b read text only.
# Source: Hugging Face, "Welcome Gemma 3".
GEMMA_3 = tuple(
    f"google/gemma-3-{size}-{kind}" for size in ("4b", "12b", "27b") for kind in ("it", "pt")
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# What a person types -> what transformers calls it; None leaves it to the model.
ATTENTION = {"auto": None, "sdpa": "sdpa", "eager": "eager", "flash": "flash_attention_2"}
EMBEDDINGS = ("tower", "projected")
_USABLE = f"models of Gemma 3 that see: {', '.join(GEMMA_3)}"
# What transformers, safetensors and torch raise on files of a model that are damaged or contradict
# each other.
_FAULTS = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError),
    *(RuntimeError, SafetensorError, StrictDataclassError),
)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class TowerFacts:
    """What a tower's vectors depend on.

    Attributes:
        model, revision: name or path; the commit that a name stood for, "" for a path.
        kind: transformers' name of the tower's type, such as siglip_vision_model.
        embedding: `tower`, or `projected`: what the language model would be given.
        size: D of a vector.
        window: pictures that are looked at together: 1, or those of a video model.
        side, fit, mean, deviation: pictures are side x side, values 0..1 less mean, divided by
            deviation.
        dtype, attention: in which they are computed.
        pooling: how tokens become a vector.
        digest: sha256 of the weights.
    """

    model: str
    revision: str
    kind: str
    embedding: str
    size: int
    window: int
    side: int
    fit: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    dtype: str
    attention: str
    pooling: str
    digest: str


class Tower(nn.Module):
    """A frozen vision encoder.

    Args:
        model: transformers' encoder, frozen.
        facts: what it is.
        projector: of tokens, for `embedding="projected"`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, model: PreTrainedModel, facts: TowerFacts, projector: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.model, self.projector, self.facts = model.eval(), projector, facts
        for name in ("mean", "deviation"):
            values = torch.tensor(getattr(facts, name)).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.model.parameters()).device

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """The mean of each picture's tokens: (N, D) float32 of pictures (N, side, side, 3) uint8.

        A video model looks at `window` pictures together and has tokens that span several: those
        get the same vector.

        Raises:
            SettingsError: when the device has not enough memory for so many pictures.
        """
        try:
            return self._encode(torch.from_numpy(pictures)).float().cpu().numpy()
        except torch.cuda.OutOfMemoryError:
            raise SettingsError(
                f"{len(pictures)} pictures at once do not fit into the GPU; set a smaller batch"
            ) from None

    def _encode(self, pictures: Tensor) -> Tensor:
        pixels = pictures.to(self.device).permute(0, 3, 1, 2).float() / 255
        pixels = ((pixels - self.mean) / self.deviation).to(next(self.model.parameters()).dtype)
        window = self.facts.window
        if window > 1:
            # A token of a video model spans a tubelet: a patch in `span` successive pictures.
            span = self.model.config.tubelet_size
            tokens = self.model(pixels.unflatten(0, (-1, window))).last_hidden_state
            # (N / window, window / span, D): the mean over the patches of one moment.
            vectors = tokens.unflatten(1, (window // span, -1)).float().mean(2)
            return vectors.repeat_interleave(span, 1).flatten(0, 1)
        tokens = self.model(pixels).last_hidden_state
        if self.projector is not None:
            tokens = self.projector(tokens)
        return tokens.float().mean(1)


def load_tower(
    model: str,
    revision: str = "main",
    embedding: str = "tower",
    dtype: str = "auto",
    attention: str = "auto",
    device: str = "auto",
    fit: str = "",
) -> Tower:
    """The vision tower of a model, without the rest.

    Args:
        model: a name on the Hugging Face hub, or a folder that `save_pretrained` wrote.
        revision: of a name.
        embedding: `tower`: the encoder's own tokens; `projected`: Gemma 3's, as its language model
            gets them.
        dtype: `float32`, `bfloat16`, `float16`, or `auto`: bfloat16 on a GPU that has it, else
            float32. Half precision is never chosen, because Gemma 3 overflows in it.
        attention: `sdpa`, `eager`, `flash`, or `auto`: torch's own fused one where the model has
            it.
        device: `cpu`, `cuda`, `mps` or `auto`.
        fit: how pictures become square (`stretch`, `crop`, `letterbox`); "" = as the model's own
            processor does.

    Raises:
        SettingsError: for a model that does not exist, cannot be loaded, sees nothing, or is too
            large for half precision; for a device, type or attention that is not there.
    """
    target = _device(device)
    chosen, implementation = _dtype(dtype, target), _attention(attention, target)
    _check_name(model)
    try:
        config = AutoConfig.from_pretrained(model, revision=revision)
        vision = getattr(config, "vision_config", config)
        for refused, problem in (
            (
                not hasattr(vision, "image_size"),
                f"model {model!r} ({config.model_type}) sees no pictures of one size; {_USABLE}",
            ),
            (
                hasattr(vision, "num_frames") and not hasattr(vision, "tubelet_size"),
                f"model {model!r} ({config.model_type}) orders its tokens in a way that is not"
                " known here; take VideoMAE, or an encoder of single pictures",
            ),
            (
                embedding == "projected" and not isinstance(config, Gemma3Config),
                f"embedding=projected is of Gemma 3, and {model!r} is {config.model_type}; set"
                " embedding=tower",
            ),
        ):
            if refused:
                raise SettingsError(problem)
        encoder, projector = _loaded(
            model=model,
            revision=revision,
            config=config,
            attention=implementation,
            projected=embedding == "projected",
        )
        broken = _not_finite(encoder, projector)
        if broken:
            raise ValueError(f"{broken} holds numbers that are not finite")
        form = _picture_form(model, revision, vision)
        form["fit"] = fit or form["fit"]
    except _FAULTS as error:
        raise SettingsError(
            f"model {model!r} cannot be loaded ({first_line(error)}); give the folder of a copy, or"
            f" go online and accept its licence; {_USABLE}"
        ) from None
    # Of the weights as they are stored, before they change their type.
    digest = _digest(encoder, projector)
    for part in filter(None, (encoder, projector)):
        part.to(target, chosen)
    facts = TowerFacts(
        model=model,
        revision=getattr(config, "_commit_hash", None) or "",
        kind=vision.model_type,
        embedding=embedding,
        size=vision.hidden_size if projector is None else config.text_config.hidden_size,
        window=getattr(vision, "num_frames", 1),
        **form,
        dtype=str(chosen).removeprefix("torch."),
        attention=encoder.config._attn_implementation,
        pooling="mean over tokens",
        digest=digest,
    )
    tower = Tower(encoder, facts, projector).to(target)
    if facts.dtype == "float16":
        # Better refused now than clip by clip, for hours.
        shape = (facts.window, facts.side, facts.side, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        if not np.isfinite(tower.encode(noise)).all():
            raise SettingsError(
                f"dtype=float16 is too small for {facts.model}: numbers above 65,504 come up in it;"
                " leave it at auto"
            )
    return tower


def _check_name(model: str) -> None:
    # Refuse what looks like a Gemma 3 and is none, before the network is asked.
    match = re.fullmatch(r"(?:google/)?gemma-3-([^-/]+)-[^/]+", model)
    sizes = {name.split("-")[2] for name in GEMMA_3}
    if match and match[1] not in sizes and not Path(model).exists():
        why = "reads text only" if match[1] in ("270m", "1b") else "does not exist"
        raise SettingsError(f"model {model!r} {why}; {_USABLE}")


def _device(name: str) -> torch.device:
    backends = {"cpu": torch.cpu, "cuda": torch.cuda, "mps": torch.backends.mps}
    usable = [key for key, backend in backends.items() if backend.is_available()]
    if name == "auto":
        name = "cuda" if "cuda" in usable else "cpu"
    if name not in usable:
        raise SettingsError(f"device={name!r} is not there; here are {', '.join(usable)}")
    return torch.device(name)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        # torch says that a T4 knows bfloat16, because it can emulate it, slowly.
        native = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if native else torch.float32
    if name not in DTYPES:
        raise SettingsError(f"dtype={name!r} is unknown; choose from auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def _attention(name: str, device: torch.device) -> str | None:
    if name not in ATTENTION:
        raise SettingsError(f"attention={name!r} is unknown; choose from {', '.join(ATTENTION)}")
    if name == "flash" and not (device.type == "cuda" and is_flash_attn_2_available()):
        raise SettingsError(
            "attention=flash needs a GPU and the package flash-attn; leave it at auto"
        )
    return ATTENTION[name]


def _loaded(
    model: str,
    revision: str,
    config: Any,
    attention: str | None,
    projected: bool,
) -> tuple[PreTrainedModel, nn.Module | None]:
    # The encoder, and the projector where it is `projected`, in float32 on the CPU.
    chosen = {} if attention is None else {"attn_implementation": attention}
    if not hasattr(config, "vision_config"):
        whole, told = AutoModel.from_pretrained(
            model, revision=revision, use_safetensors=True, output_loading_info=True, **chosen
        )
        # What the files lack gets random weights; a pooler may, because nothing here reads it.
        lost = [name for name in told["missing_keys"] if "pooler" not in name]
        if lost:
            raise OSError(f"its files lack {min(lost)}")
        return whole.float(), None
    # Made from the vision part of the settings, the tower comes alone: the language model is
    # neither built nor read.
    encoder = AutoModel.from_config(config.vision_config, **chosen).float()
    projector = None
    if projected:
        from transformers.models.gemma3.modeling_gemma3 import Gemma3MultiModalProjector

        projector = Gemma3MultiModalProjector(config).float()
    files = _weight_files(model, revision)
    for part in filter(None, (encoder, projector)):
        part.load_state_dict(_weights(part, files, model, revision))
    return encoder, projector


def _cached(model: str, revision: str, name: str) -> str | None:
    """The path of one of a model's files, fetched when it is needed.

    None when the model has none of that name.
    """
    if Path(model).is_dir():
        file = Path(model) / name
        return str(file) if file.is_file() else None
    return cached_file(model, name, revision=revision, _raise_exceptions_for_missing_entries=False)


def _weight_files(model: str, revision: str) -> dict[str, str]:
    """Tensor -> the file that holds it.

    Where an index names them, no file with weights is fetched.
    """
    index = _cached(model, revision, "model.safetensors.index.json")
    if index is not None:
        files = reading.read_json(index).get("weight_map")
        if not isinstance(files, dict) or not all(map(_plain, files.values())):
            raise OSError("its index names no files beside it")
        return files
    single = _cached(model, revision, "model.safetensors")
    if single is None:
        raise OSError("it has no model.safetensors")
    return dict.fromkeys(reading.tensor_names(single), "model.safetensors")


def _plain(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _weights(
    part: nn.Module, files: dict[str, str], model: str, revision: str
) -> dict[str, Tensor]:
    # The tensors of one part of a model, whatever the part is called there.
    names = list(part.state_dict())
    # The same names, after what the part is called in the whole model ("vision_tower.").
    starts = {name.removesuffix(names[0]) for name in files if name.endswith(names[0])}
    complete = (start for start in sorted(starts) if files.keys() >= {start + n for n in names})
    start = next(complete, None)
    if start is None:
        raise OSError(f"its files lack {names[0]} and the rest of a {type(part).__name__}")
    tensors: dict[str, Tensor] = {}
    for file in dict.fromkeys(files[start + name] for name in names):
        stored = [start + name for name in names if files[start + name] == file]
        read = reading.tensors(_cached(model, revision, file) or file, stored)
        tensors |= {name.removeprefix(start): value for name, value in read.items()}
    return tensors


def _picture_form(model: str, revision: str, vision: Any) -> dict[str, Any]:
    """How the model's own processor prepares pictures: side, fit, mean and deviation.

    Args:
        model, revision: where its files are.
        vision: the settings of its tower; each type of model has a class of its own.
    """
    names = ("preprocessor_config.json", "processor_config.json")
    path = next(filter(None, (_cached(model, revision, name) for name in names)), None)
    content = reading.read_json(path) if path else {}
    processor = content.get("image_processor") or content
    mean, deviation = ((0.5,) * 3, (0.5,) * 3) if "siglip" in vision.model_type else _IMAGENET
    size = processor.get("size") or {}
    # A processor with a height resizes both sides; one with a shortest edge crops.
    stretches = "height" in size or ("siglip" in vision.model_type and not size)
    return {
        "side": int(vision.image_size),
        "fit": "stretch" if stretches else "crop",
        "mean": tuple(processor.get("image_mean", mean)),
        "deviation": tuple(processor.get("image_std", deviation)),
    }


def _not_finite(*parts: nn.Module | None) -> str:
    # The first tensor that holds a number which is not finite; "" where none does.
    tensors = (item for part in filter(None, parts) for item in part.state_dict().items())
    return next((name for name, tensor in tensors if not torch.isfinite(tensor).all()), "")


def _digest(*parts: nn.Module | None) -> str:
    digest = hashlib.sha256()
    for part in filter(None, parts):
        for name, value in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def random_tower(
    folder: str | Path, kind: str = "siglip", width: int = 32, side: int = 32, seed: int = 0
) -> Path:
    """A tiny model with random weights, to try things out without a download.

    It is saved as `save_pretrained` does.

    Args:
        folder: where it is written, unless it exists there already.
        kind: `siglip` (a tower), `gemma3` (a whole model with its tower inside) or `videomae` (4
            frames).
        width: D.
        side: of its pictures in pixels.
        seed: random seed of its weights.

    Raises:
        SettingsError: for another kind.
    """
    from transformers import (
        Gemma3ForConditionalGeneration,
        SiglipVisionConfig,
        SiglipVisionModel,
        VideoMAEConfig,
        VideoMAEModel,
    )

    folder = Path(folder)
    sizes: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision = {**sizes, "image_size": side, "patch_size": 8, "vision_use_head": False}
    text = {**sizes, "hidden_size": 48, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 64}
    kinds = {
        "siglip": lambda: SiglipVisionModel(SiglipVisionConfig(**vision)),
        "gemma3": lambda: Gemma3ForConditionalGeneration(
            Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
        ),
        "videomae": lambda: VideoMAEModel(
            VideoMAEConfig(**sizes, image_size=side, patch_size=8, num_frames=4)
        ),
    }
    if kind not in kinds:
        raise SettingsError(f"kind={kind!r} is unknown; choose from {', '.join(kinds)}")
    if not (folder / "model.safetensors").is_file():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            kinds[kind]().save_pretrained(folder)
    return folder
