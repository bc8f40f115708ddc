"""The networks of `make bench`: n2d2, PyTorch and JAX compute the same."""

from __future__ import annotations

import pytest

from batches import Batch, batches
from check import CEILING, check_output, check_training, inference_judge, training_judges
from networks import NETWORKS
from ours import N2d2Inference, N2d2Training
from peers import JAX_LAYOUTS, JaxInference, JaxTraining, OnnxRuntime, OpenVino

SMALL = ("lenet", "mlp", "vgg32", "mobilenet32", "resnet32")


# Batch normalisation over a few values is chaotic: two float32 runs part after a step or two.
COMPARED_STEPS = {"mobilenet32": 1, "resnet32": 3}


def data(name: str) -> list[Batch]:
    return batches(NETWORKS[name], 16 if name == "mobilenet32" else 4)


@pytest.mark.parametrize("name", SMALL)
def test_training_ends_at_the_same_parameters(name: str) -> None:
    network = NETWORKS[name]
    ours = N2d2Training(network, data(name))
    judges = training_judges(network, data(name), ours.start)
    assert judges[0].steps == 1
    assert judges[-1].steps >= COMPARED_STEPS.get(name, 10)
    assert max(judge.limit for judge in judges) < CEILING
    check_training(judges, ours)


@pytest.mark.parametrize("name", ["lenet", "mlp"])
@pytest.mark.parametrize("layout", JAX_LAYOUTS)
def test_jax_learns_the_same(name: str, layout: str) -> None:
    pytest.importorskip("jax")
    network = NETWORKS[name]
    ours = N2d2Training(network, data(name))
    assert network.jax is not None
    theirs = JaxTraining(layout, network.jax, data(name), ours.start)
    check_training(training_judges(network, data(name), ours.start), theirs)


@pytest.mark.parametrize("name", SMALL)
def test_outputs_are_the_same(name: str) -> None:
    network, batch = NETWORKS[name], data(name)[0]
    ours = N2d2Inference(network, batch)
    judge = inference_judge(network, batch, ours.start)
    check_output(judge, ours)
    if network.jax is not None:
        pytest.importorskip("jax")
        check_output(judge, JaxInference(network.jax, batch, ours.start))


@pytest.mark.parametrize("name", ["lenet", "mobilenet32"])
def test_runtimes_compute_the_same_from_the_exported_file(name: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    network, batch = NETWORKS[name], data(name)[0]
    ours = N2d2Inference(network, batch)
    judge = inference_judge(network, batch, ours.start)
    for bound in (False, True):
        check_output(judge, OnnxRuntime(ours.onnx(), batch, 1, bound=bound))
    check_output(judge, OpenVino(ours.onnx(), batch, 1))
