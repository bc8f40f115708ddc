"""The networks of the comparison, without the peers: `make test-peers` compares them."""

from __future__ import annotations

import numpy as np
import pytest

from batches import batches
from networks import NETWORKS, layers_of, parameters_of
from ours import Batches, N2d2Inference, N2d2Training, data_tensors
from rows import ROWS, row_of

# The small ones; the others are the same cells on larger images.
SMALL = ("lenet", "mlp", "vgg32", "mobilenet32")


def count(name: str) -> int:
    return sum(p.size for p in parameters_of(NETWORKS[name].ours()))


def test_parameters_are_those_of_the_publications() -> None:
    assert count("lenet") == 44_426
    assert count("mlp") == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10
    statistics = 2 * sum(
        layer.nb_inputs for layer in layers_of(NETWORKS["resnet224"].ours()) if layer.get_type() == "BatchNorm2d"
    )
    assert count("resnet224") - statistics == 11_689_512


@pytest.mark.parametrize("name", SMALL)
def test_training_moves_every_parameter_by_a_step_of_sgd(name: str) -> None:
    network = NETWORKS[name]
    ours = N2d2Training(network, batches(network, 2))
    ours.step()
    after = ours.parameters()
    assert all(a.shape == b.shape for a, b in zip(after, ours.start, strict=True))
    assert all((a != b).any() for a, b in zip(after, ours.start, strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_inference_gives_probabilities_and_a_file_of_fixed_batch(name: str) -> None:
    import onnx

    network = NETWORKS[name]
    ours = N2d2Inference(network, batches(network, 3)[0])
    y = ours.infer()
    assert y.shape == (3, network.classes)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    model = onnx.load_from_string(ours.onnx())
    sizes = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == [3, *network.size]
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


@pytest.mark.parametrize(("name", "size"), [("lenet", 1), ("lenet", 256), ("mobilenet32", 5)])
def test_batches_are_distinct_and_stay_as_they_are(name: str, size: int) -> None:
    network = NETWORKS[name]
    found = batches(network, size)
    assert len(found) >= 4
    assert all(batch.x.shape == (size, *network.size) and batch.x.dtype == np.float32 for batch in found)
    assert all(batch.labels.min() >= 0 and batch.labels.max() < network.classes for batch in found)
    assert not (found[0].x == found[1].x).all()
    again = batches(network, size)
    np.testing.assert_array_equal(found[-1].x, again[-1].x)
    tensors = data_tensors(found)
    for batch, tensor in zip(found, tensors, strict=True):
        np.testing.assert_array_equal(tensor.to_numpy(), batch.x)
        assert not tensor.N2D2().wants_gradient


def test_batches_of_large_images_do_not_fill_the_memory() -> None:
    assert len(batches(NETWORKS["resnet224"], 8)) == 4
    assert len(batches(NETWORKS["lenet"], 1)) == 64


def test_batches_come_one_after_the_other_with_their_labels() -> None:
    found = batches(NETWORKS["mobilenet32"], 3)[:2]
    provider = Batches(found)
    for batch in (*found, found[0]):
        np.testing.assert_array_equal(provider.read_batch().to_numpy(), batch.x)
        np.testing.assert_array_equal(provider.labels_array(), batch.labels)
    assert provider.stimuli_ids().tolist() == [0, 1, 2]


def test_rows_have_keys_of_their_own_and_networks_that_exist() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
    assert {row.network for row in ROWS} == set(NETWORKS)
    assert row_of("inference-vgg32-1").batch == 1
    with pytest.raises(ValueError, match=r"there is no row 'training-vgg32-1'; there are training-lenet-1, "):
        row_of("training-vgg32-1")
