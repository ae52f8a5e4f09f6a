"""Parameter groups, and the learning rate over the steps."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from signlib.errors import SettingsError
from signlib.settings.training import TrainingSettings

# As torch's optimisers read it: `lr`, `weight_decay`, and `params`, a list of parameters.
Group = dict[str, Any]


def parameter_groups(
    module: nn.Module, rate: float, decay: float, rates: Mapping[str, float] | None = None
) -> list[Group]:
    """Optimiser groups with every learned parameter in exactly one of them.

    Args:
        module: the model.
        rate: learning rate of what `rates` does not name.
        decay: weight decay of what `decays`; everything else gets none.
        rates: name prefix -> learning rate, such as `{"encoder": 5e-5}`; the longest matching
            prefix counts.

    Raises:
        SettingsError: for a prefix that no parameter has.

    Differs: source 000 decays every parameter, and its groups leave out the projection of the
        landmarks; source 003 goes by parts of names, and misses norms inside containers.
    """
    rates = dict(rates or {})
    learned = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    for prefix in rates:
        if not any(_has_prefix(name, prefix) for name, _ in learned):
            parts = ", ".join(sorted({name.split(".")[0] for name, _ in learned}))
            raise SettingsError(
                f"training.rates.{prefix}: no parameter has that prefix; the model has {parts}"
            )
    decaying = decays(module)
    groups: dict[tuple[float, float], Group] = {}
    for name, parameter in learned:
        prefixes = [prefix for prefix in rates if _has_prefix(name, prefix)]
        key = (
            rates[max(prefixes, key=len)] if prefixes else rate,
            decay if name in decaying else 0.0,
        )
        group = groups.setdefault(key, {"lr": key[0], "weight_decay": key[1], "params": []})
        group["params"].append(parameter)
    return list(groups.values())


# Parts of torch that hold rows of something, not the matrix of a layer.
_SPARED = (nn.Embedding, nn.ParameterList, nn.ParameterDict)


def decays(module: nn.Module) -> set[str]:
    """Names of the parameters that weight decay acts on: matrices inside layers of torch itself.

    Biases, norms and embeddings are left out, and so is what a module of ours holds directly,
    whatever its shape: gates, the weights of a graph's edges, learned tokens.
    """
    names = set()
    for prefix, part in module.named_modules():
        if type(part).__module__.startswith("torch.nn.") and not isinstance(part, _SPARED):
            direct = part.named_parameters(prefix, recurse=False)
            names |= {name for name, parameter in direct if parameter.ndim > 1}
    return names


def decay_lists(module: nn.Module) -> tuple[dict[str, int], dict[str, int]]:
    """Names of learned parameters with their sizes: those that decay, and those that do not."""
    decaying = decays(module)
    sizes = {name: p.numel() for name, p in module.named_parameters() if p.requires_grad}
    return (
        {name: size for name, size in sizes.items() if name in decaying},
        {name: size for name, size in sizes.items() if name not in decaying},
    )


def make_optimizer(groups: list[Group], training: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW or SGD over the groups."""
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups)
    return torch.optim.SGD(
        groups,
        training.learning_rate,
        momentum=training.momentum,
        nesterov=training.nesterov and training.momentum > 0,
    )


def schedule_of(training: TrainingSettings, steps: int) -> Callable[[int], float]:
    """Step -> factor on the learning rate, as the settings say, over so many steps."""
    # Factors, not rates: each parameter group has a learning rate of its own.
    start = training.warmup_start_lr / (training.learning_rate or 1)
    floor = training.min_lr / (training.learning_rate or 1)
    milestones = [epoch / training.epochs for epoch in training.milestones]
    return lambda step: rate_factor(
        step,
        steps,
        warmup_share(training),
        schedule=training.schedule,
        start=start,
        floor=floor,
        milestones=milestones,
    )


def warmup_share(training: TrainingSettings) -> float:
    """The share of the steps in which the rate rises."""
    return training.warmup_epochs / training.epochs if training.warmup_epochs else training.warmup


def _has_prefix(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def rate_factor(
    step: int,
    steps: int,
    warmup: float,
    schedule: str,
    start: float = 0.0,
    floor: float = 0.0,
    milestones: Sequence[float] = (),
) -> float:
    """The factor on the learning rate at a step: a linear rise, then a fall.

    Args:
        step: from 0.
        steps: in all.
        warmup: share of the steps in which it rises.
        schedule: `cosine`, `linear`, `constant` or `multistep`.
        start: factor of the first step; 0 = one share of the rise.
        floor: factor at the end of `cosine` and `linear`.
        milestones: shares of the steps after each of which `multistep` takes a tenth.

    Differs: in source 003 the rate changes once an epoch, here with every step.

    >>> [rate_factor(s, 10, 0.2, "linear") for s in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rising = warmup_steps(steps, warmup)
    if step < rising:
        return start + (1 - start) * step / rising if start else (step + 1) / rising
    if schedule == "constant":
        return 1.0
    if schedule == "multistep":
        return 0.1 ** sum(step >= share * steps for share in milestones)
    done = min((step - rising) / max(steps - rising, 1), 1.0)
    return floor + (1 - floor) * (
        0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done
    )


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
        torch._foreach_lerp_(
            [self.state[n] for n in floats], [present[n] for n in floats], 1 - keep
        )
        for name in present.keys() - set(floats):
            self.state[name].copy_(present[name])
