"""Parameter groups, the learning rate over the steps, the moving average."""

import math

import pytest
import torch
from torch import nn

from signlib.data.skeletons import FACE_HANDS_43, HANDS_42, MEDIAPIPE_543
from signlib.errors import SettingsError
from signlib.settings import config, presets
from signlib.settings.registry import all_presets
from signlib.tasks.registry import task_of
from signlib.tasks.task import Inputs
from signlib.training.optim import (
    Average,
    decays,
    make_optimizer,
    parameter_groups,
    rate_factor,
    schedule_of,
    warmup_share,
    warmup_steps,
)

SKELETONS = {"dgs-30/small": FACE_HANDS_43, "asl-letters/small": HANDS_42}


def groups_by_name(model: nn.Module, *arguments) -> dict[str, tuple[float, float]]:
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in parameter_groups(model, *arguments):
        for parameter in group["params"]:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    return found


# A baseline has no parameters.
@pytest.mark.parametrize(
    "preset", [name for name, (task, _) in all_presets().items() if task != "baseline"]
)
def test_every_parameter_is_in_one_group_and_only_matrices_decay(preset):
    settings = presets.build(preset)
    task, inputs = task_of(settings), Inputs(SKELETONS.get(preset, MEDIAPIPE_543))
    with torch.device("meta"):
        model = task.network(task.offline(settings), inputs, 30)
    training = settings.training
    found = groups_by_name(model, training.learning_rate, training.weight_decay, training.rates)
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    kinds = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
    matrices = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, kinds)}
    recurrent = tuple(name for name, part in model.named_modules() if isinstance(part, nn.RNNBase))
    matrices |= {
        name for name, p in model.named_parameters() if name.startswith(recurrent) and p.ndim > 1
    }
    attention = [
        name for name, part in model.named_modules() if isinstance(part, nn.MultiheadAttention)
    ]
    matrices |= {f"{name}.in_proj_weight" for name in attention}
    assert matrices
    for name, (rate, decay) in found.items():
        own = [prefix for prefix in training.rates if name.startswith(prefix + ".")]
        assert rate == (training.rates[own[0]] if own else training.learning_rate)
        assert decay == (settings.training.weight_decay if name in matrices else 0.0), name


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
        self.encoder_like = nn.Linear(2, 2)
        self.words = nn.Embedding(3, 2)
        self.norm = nn.LayerNorm(2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def test_rates_go_by_the_longest_prefix_of_whole_names():
    found = groups_by_name(
        Small(), 1.0, 0.5, {"encoder": 0.1, "encoder.b": 0.01, "norm.weight": 0.2}
    )
    assert found == {
        "encoder.a.weight": (0.1, 0.5),
        "encoder.a.bias": (0.1, 0.0),
        "encoder.b.weight": (0.01, 0.5),
        "encoder.b.bias": (0.01, 0.0),
        "encoder_like.weight": (1.0, 0.5),
        "encoder_like.bias": (1.0, 0.0),
        "words.weight": (1.0, 0.0),
        "norm.weight": (0.2, 0.0),
        "norm.bias": (1.0, 0.0),
    }


@pytest.mark.parametrize("prefix", ["encode", "decoder", "frozen", "encoder.c"])
def test_a_prefix_that_no_learned_parameter_has_is_refused(prefix):
    with pytest.raises(
        SettingsError,
        match=rf"training\.rates\.{prefix}: .*the model has encoder, encoder_like, norm",
    ):
        parameter_groups(Small(), 1.0, 0.5, {prefix: 0.1})


def test_the_rate_rises_and_falls_as_worked_out_by_hand():
    assert [rate_factor(s, 8, 0.5, "constant") for s in range(8)] == [
        0.25,
        0.5,
        0.75,
        1,
        1,
        1,
        1,
        1,
    ]
    assert [rate_factor(s, 8, 0.5, "linear") for s in range(9)] == [
        0.25,
        0.5,
        0.75,
        1,
        1,
        0.75,
        0.5,
        0.25,
        0,
    ]
    cosine = [rate_factor(s, 8, 0.5, "cosine") for s in range(4, 9)]
    assert cosine == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0])
    assert rate_factor(0, 4, 0.0, "linear") == 1
    assert rate_factor(9, 4, 0.0, "cosine") == pytest.approx(0)
    assert warmup_steps(101, 0.1) == 10


def test_seed_003s_rate_starts_at_a_hundredth_peaks_and_ends_at_its_floor():
    given = [
        "training.learning_rate=0.1",
        "training.warmup_start_lr=0.01",
        "training.min_lr=0.0001",
    ]
    training = config.build(
        overrides=[*given, "training.epochs=120", "training.warmup_epochs=5"]
    ).training
    rate = [0.1 * schedule_of(training, 1200)(step) for step in range(1201)]
    assert rate[0] == pytest.approx(0.01)
    assert rate[25] == pytest.approx(0.055), "half of the way up"
    assert rate[50] == pytest.approx(0.1) == max(rate)
    assert rate[625] == pytest.approx(0.0001 + (0.1 - 0.0001) / 2), "half of the way down"
    assert rate[1200] == pytest.approx(0.0001) == min(rate)
    assert warmup_share(training) == 5 / 120
    assert warmup_share(config.build(overrides=["training.warmup=0.2"]).training) == 0.2


def test_steps_take_a_tenth_after_each_milestone():
    given = [
        "training.schedule=multistep",
        "training.milestones=[2,3]",
        "training.epochs=4",
        "training.warmup=0",
    ]
    factor = schedule_of(config.build(overrides=given).training, 8)
    assert [factor(step) for step in range(8)] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_optimiser_is_the_one_that_was_asked_for():
    model = Small()
    for given, kind, expected in [
        (["training.optimizer=sgd"], torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (
            ["training.optimizer=sgd", "training.nesterov=false"],
            torch.optim.SGD,
            {"nesterov": False},
        ),
        (
            ["training.optimizer=sgd", "training.nesterov=false", "training.momentum=0"],
            torch.optim.SGD,
            {"momentum": 0},
        ),
        ([], torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ]:
        training = config.build(overrides=given).training
        made = make_optimizer(parameter_groups(model, 0.1, 0.5), training)
        assert type(made) is kind
        for group in made.param_groups:
            assert expected.items() <= group.items()


def test_what_a_module_of_ours_holds_directly_does_not_decay():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.edge, self.alpha = (
                nn.Parameter(torch.ones(3, 4, 4)),
                nn.Parameter(torch.zeros(1, 5, 1, 1)),
            )
            self.mix = nn.Sequential(nn.Conv2d(5, 5, 1, bias=False), nn.BatchNorm2d(5))
            self.recurrent = nn.LSTM(5, 5)

    assert decays(Gated()) == {"mix.0.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0"}


def test_the_average_forgets_its_start_and_then_moves_slowly():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(100.0)
    average = Average(model, decay=0.12)
    expected = 100.0
    # The share kept is 1/10, then 2/11 would be, but for the limit of 0.12.
    for value, keep in ((1.0, 0.1), (2.0, 0.12), (3.0, 0.12)):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update(model)
        expected = keep * expected + (1 - keep) * value
        assert average.state["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert average.updates == 3
    assert model.weight.item() == 3.0


def test_the_average_takes_in_buffers_and_copies_counters():
    model = nn.BatchNorm1d(2)
    average = Average(model, decay=0.9)
    model(torch.randn(8, 2) + 5)
    average.update(model)
    assert average.state["num_batches_tracked"] == 1
    torch.testing.assert_close(average.state["running_mean"], 0.9 * model.running_mean)
    model(torch.randn(8, 2))
    assert average.state["num_batches_tracked"] == 1
