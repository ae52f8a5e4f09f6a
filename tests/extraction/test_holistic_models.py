"""The pose model loses its mask and nothing else."""

import numpy as np
import pytest

models = pytest.importorskip("signlib.extraction.holistic_models")


def graph(model: bytes):
    return models.tflite.Model.GetRootAs(model, 0).Subgraphs(0)


def whole_pose_model() -> bytes:
    return (models.MODULES / models.POSE_MODEL).read_bytes()


def operators(model: bytes) -> list[tuple[list[int], list[int]]]:
    """Inputs and outputs of what is computed, in order."""
    found = graph(model)
    steps = [found.Operators(number) for number in range(found.OperatorsLength())]
    return [(step.InputsAsNumpy().tolist(), step.OutputsAsNumpy().tolist()) for step in steps]


def shapes(model: bytes) -> list[list[int]]:
    """Shapes of the outputs."""
    found = graph(model)
    return [found.Tensors(tensor).ShapeAsNumpy().tolist() for tensor in found.OutputsAsNumpy()]


def test_the_mask_of_the_pose_is_not_computed():
    whole, ours = whole_pose_model(), models.pose_model()
    assert shapes(whole) == [[1, 195], [1, 1], [1, 256, 256, 1], [1, 64, 64, 39], [1, 117]]
    assert shapes(ours) == [[1, 195], [1, 1], [1, 1], [1, 64, 64, 39], [1, 117]]
    mask = int(graph(whole).OutputsAsNumpy()[models.POSE_MASK])
    assert any(mask in made for _, made in operators(whole))
    assert not any(mask in made for _, made in operators(ours))


def test_what_is_left_is_complete_and_in_its_old_order():
    whole, ours = operators(whole_pose_model()), operators(models.pose_model())
    assert (len(whole), len(ours)) == (332, 286)
    left = iter(whole)
    assert all(step in left for step in ours), "each step, after the one before"
    made = {tensor for _, tensors in whole for tensor in tensors}
    known = {int(tensor) for tensor in graph(models.pose_model()).InputsAsNumpy()}
    for needs, makes in ours:
        assert known >= {tensor for tensor in needs if tensor in made}
        known |= set(makes)
    assert known >= set(graph(models.pose_model()).OutputsAsNumpy().tolist())


def test_everything_but_the_list_of_steps_is_left_alone():
    whole, ours = (
        np.frombuffer(model, np.uint8) for model in (whole_pose_model(), models.pose_model())
    )
    assert len(whole) == len(ours)
    assert 0 < (whole != ours).sum() < 332 * 4 + 8


@pytest.mark.parametrize("output", [5, -1])
def test_an_output_that_is_not_there_is_refused(output):
    with pytest.raises(IndexError):
        models.without_output(models.pose_model(), output)
