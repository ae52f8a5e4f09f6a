"""Parameter groups, and the learning rate over the steps."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from signlib.errors import SettingsError


def parameter_groups(
    module: nn.Module, rate: float, decay: float, rates: Mapping[str, float] | None = None
) -> list[dict]:
    """AdamW groups with every learned parameter in exactly one of them.

    Args:
        module: the model.
        rate: learning rate of what `rates` does not name.
        decay: weight decay of matrices in linear and convolutional layers; biases, norms, embeddings and
            other vectors get none.
        rates: name prefix -> learning rate, such as `{"encoder": 5e-5}`; the longest matching prefix counts.

    Raises:
        SettingsError: for a prefix that no parameter has.
    """
    rates = dict(rates or {})
    learned = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    for prefix in rates:
        if not any(_has_prefix(name, prefix) for name, _ in learned):
            known = ", ".join(sorted({name.split(".")[0] for name, _ in learned}))
            raise SettingsError(f"training.rates.{prefix}: no parameter has that prefix; the model has {known}")
    embeddings = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    groups: dict[tuple[float, float], dict] = {}
    for name, parameter in learned:
        prefixes = [prefix for prefix in rates if _has_prefix(name, prefix)]
        own_rate = rates[max(prefixes, key=len)] if prefixes else rate
        own_decay = decay if parameter.ndim > 1 and name not in embeddings else 0.0
        group = groups.setdefault((own_rate, own_decay), {"lr": own_rate, "weight_decay": own_decay, "params": []})
        group["params"].append(parameter)
    return list(groups.values())


def _has_prefix(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def rate_factor(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The factor on the learning rate at a step: linear rise, then cosine, linear or no fall.

    >>> [rate_factor(s, 10, 0.2, "linear") for s in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rising = warmup_steps(steps, warmup)
    if step < rising:
        return (step + 1) / rising
    done = min((step - rising) / max(steps - rising, 1), 1.0)
    return {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[schedule]


def warmup_steps(steps: int, warmup: float) -> int:
    """How many of the steps the warm-up takes."""
    return round(steps * warmup)


class Average:
    """Exponential moving average of a model's weights and buffers.

    Args:
        module: the model to follow.
        decay: share that is kept a step; early steps keep less, so that the start is forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the module's present weights."""
        self.updates += 1
        keep = min(self.decay, self.updates / (self.updates + 9))
        present = module.state_dict()
        floats = [name for name, value in present.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in floats], [present[n] for n in floats], 1 - keep)
        for name in present.keys() - set(floats):
            self.state[name].copy_(present[name])
