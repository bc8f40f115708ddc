"""Cells beside PyTorch on random configurations: outputs, gradients of inputs and of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import n2d2
from n2d2 import cells

RTOL, ATOL = 2e-4, 2e-5


def tensor(array: Any) -> n2d2.Tensor:
    return n2d2.Tensor.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def close(actual: Any, expected: torch.Tensor, what: str) -> None:
    expected_array = expected.detach().numpy()
    scale = max(1.0, float(np.abs(expected_array).max()))
    np.testing.assert_allclose(np.asarray(actual), expected_array, RTOL, ATOL * scale, err_msg=what)


def compare(cell: Any, x: np.ndarray, reference: Any, seed: int = 0) -> None:
    """Compare output and input gradient of a cell with those of a PyTorch function."""
    t = torch.from_numpy(x).requires_grad_()
    expected = reference(t)
    output = cell(tensor(x))
    close(output.to_numpy().reshape(expected.shape), expected, "output")
    g = np.random.default_rng(seed).normal(size=expected.shape).astype(np.float32)
    expected.backward(torch.from_numpy(g))
    output.back_propagate(g.reshape(output.shape()))
    assert t.grad is not None
    close(cell.get_diffoutputs().to_numpy(), t.grad, "gradient of the input")


def weights(cell: Any) -> np.ndarray:
    return np.stack([np.stack([w.to_numpy() for w in row]) for row in cell.get_weights()])


def biases(cell: Any) -> np.ndarray:
    return np.array([b.to_numpy().item() for b in cell.get_biases()], dtype=np.float32)


CONV = [
    # batch, channels, outputs, height, width, kernel, stride, padding, dilation
    (2, 1, 6, 28, 28, (5, 5), (1, 1), (0, 0), (1, 1)),
    (3, 6, 16, 12, 12, (5, 5), (1, 1), (0, 0), (1, 1)),
    (2, 3, 32, 33, 17, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 64, 64, 14, 14, (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 31, 45, 9, 11, (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 17, 33, 13, 10, (3, 5), (2, 3), (0, 2), (1, 1)),
    (4, 8, 24, 15, 15, (1, 1), (1, 1), (0, 0), (1, 1)),
    (2, 8, 24, 15, 15, (1, 1), (2, 2), (0, 0), (1, 1)),
    (2, 5, 7, 16, 16, (3, 3), (1, 1), (2, 2), (2, 2)),
    (2, 4, 9, 20, 18, (3, 2), (2, 1), (3, 1), (2, 3)),
    (1, 3, 64, 32, 32, (7, 7), (2, 2), (3, 3), (1, 1)),
    (1, 130, 70, 7, 7, (3, 3), (1, 1), (1, 1), (1, 1)),
]


@pytest.mark.parametrize("config", CONV, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_conv(config: tuple[Any, ...], threads: int) -> None:
    n, c_in, c_out, h, w, kernel, stride, padding, dilation = config
    n2d2.global_variables.nb_threads = threads
    cell = cells.Conv(
        c_in,
        c_out,
        list(kernel),
        stride_dims=list(stride),
        padding_dims=list(padding),
        dilation_dims=list(dilation),
        solver=n2d2.solver.SGD(learning_rate=1.0),
    )
    x = np.random.default_rng(1).normal(size=(n, c_in, h, w)).astype(np.float32)
    wt = torch.from_numpy(weights(cell)).requires_grad_()
    bt = torch.from_numpy(biases(cell)).requires_grad_()
    compare(cell, x, lambda t: F.conv2d(t, wt, bt, stride, padding, dilation))
    before_w, before_b = weights(cell), biases(cell)
    cell.get_outputs().update()
    assert wt.grad is not None
    assert bt.grad is not None
    close(n * (weights(cell) - before_w), wt.grad, "gradient of the weights")
    close(n * (biases(cell) - before_b), bt.grad, "gradient of the bias")


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_conv_with_groups(groups: int) -> None:
    cell = cells.Conv(
        8,
        16,
        [3, 3],
        padding_dims=[1, 1],
        no_bias=True,
        mapping=n2d2.mapping.Mapping(nb_groups=groups).create_mapping(8, 16),
    )
    per_group = 8 // groups
    packed = np.zeros((16, per_group, 3, 3), np.float32)
    for o in range(16):
        for c in range(per_group):
            packed[o, c] = cell.get_weight(o, o * groups // 16 * per_group + c).to_numpy()
    x = np.random.default_rng(1).normal(size=(2, 8, 9, 9)).astype(np.float32)
    compare(cell, x, lambda t: F.conv2d(t, torch.from_numpy(packed), padding=1, groups=groups))


DECONV = [
    # batch, channels, outputs, height, width, kernel, stride, padding, dilation
    (2, 16, 8, 7, 9, (4, 4), (2, 2), (1, 1), (1, 1)),
    (1, 64, 33, 8, 8, (3, 3), (1, 1), (1, 1), (1, 1)),
    (3, 5, 7, 6, 5, (3, 2), (2, 3), (1, 0), (2, 1)),
    (2, 3, 20, 5, 5, (2, 2), (3, 3), (0, 0), (1, 1)),
]


@pytest.mark.parametrize("config", DECONV, ids=str)
def test_deconv(config: tuple[Any, ...]) -> None:
    n, c_in, c_out, h, w, kernel, stride, padding, dilation = config
    cell = cells.Deconv(
        c_in,
        c_out,
        list(kernel),
        stride_dims=list(stride),
        padding_dims=list(padding),
        dilation_dims=list(dilation),
        solver=n2d2.solver.SGD(learning_rate=1.0),
    )
    x = np.random.default_rng(1).normal(size=(n, c_in, h, w)).astype(np.float32)
    wt = torch.from_numpy(np.ascontiguousarray(weights(cell).swapaxes(0, 1))).requires_grad_()
    bt = torch.from_numpy(biases(cell)).requires_grad_()
    compare(cell, x, lambda t: F.conv_transpose2d(t, wt, bt, stride, padding, dilation=dilation))
    before_w, before_b = weights(cell), biases(cell)
    cell.get_outputs().update()
    assert wt.grad is not None
    assert bt.grad is not None
    close(n * (weights(cell) - before_w).swapaxes(0, 1), wt.grad, "gradient of the weights")
    close(n * (biases(cell) - before_b), bt.grad, "gradient of the bias")


@pytest.mark.parametrize(("n", "inputs", "outputs"), [(1, 256, 120), (32, 256, 120), (5, 7, 3), (64, 1000, 33)])
def test_fc(n: int, inputs: int, outputs: int) -> None:
    cell = cells.Fc(inputs, outputs)
    x = np.random.default_rng(1).normal(size=(n, inputs, 1, 1)).astype(np.float32)
    w = torch.from_numpy(weights(cell).reshape(outputs, inputs))
    compare(cell, x, lambda t: F.linear(t.flatten(1), w, torch.from_numpy(biases(cell))))


@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize(
    ("dims", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 3), (1, 0))]
)
def test_pool(kind: str, dims: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
    cell = cells.Pool2d(list(dims), stride_dims=list(stride), padding_dims=list(padding), pooling=kind)
    x = np.random.default_rng(1).normal(size=(2, 19, 12, 15)).astype(np.float32)
    function = F.max_pool2d if kind == "Max" else F.avg_pool2d
    compare(cell, x, lambda t: function(t, dims, stride, padding))


def test_batch_norm() -> None:
    cell = cells.BatchNorm2d(19)
    mean, variance = torch.zeros(19), torch.ones(19)
    x = np.random.default_rng(1).normal(2.0, 3.0, size=(4, 19, 7, 5)).astype(np.float32)
    compare(cell, x, lambda t: F.batch_norm(t, mean, variance, torch.ones(19), torch.zeros(19), training=True))
    close(cell.get_means().to_numpy().ravel(), mean, "running mean")
    close(cell.get_variances().to_numpy().ravel(), variance, "running variance")


@pytest.mark.parametrize("sides", [(1, 2, 3, 0), (-1, 1, 2, -1), (0, -3, -2, 5)], ids=str)
def test_padding(sides: tuple[int, int, int, int]) -> None:
    (top, bottom, left, right) = sides
    x = np.random.default_rng(1).normal(size=(3, 19, 7, 6)).astype(np.float32)
    compare(cells.Padding(*sides), x, lambda t: F.pad(t, (left, right, top, bottom)))


@pytest.mark.parametrize("size", [(14, 12), (4, 3), (9, 20), (7, 6), (3, 30)], ids=str)
@pytest.mark.parametrize(
    ("mode", "align_corners", "options"),
    [
        ("Bilinear", False, {"mode": "bilinear", "align_corners": False}),
        ("Bilinear", True, {"mode": "bilinear", "align_corners": True}),
        ("BilinearTF", True, {"mode": "bilinear", "align_corners": True}),
        ("NearestNeighbor", False, {"mode": "nearest"}),
    ],
    ids=["centres", "corners", "corners_tf", "nearest"],
)
def test_resize(mode: str, align_corners: bool, options: dict[str, Any], size: tuple[int, int]) -> None:
    (height, width) = size
    x = np.random.default_rng(1).normal(size=(3, 19, 7, 6)).astype(np.float32)
    cell = cells.Resize(width, height, mode, align_corners=align_corners)
    compare(cell, x, lambda t: F.interpolate(t, size, **options))


@pytest.mark.parametrize(
    ("perm", "axes"), [([1, 0, 2, 3], (0, 1, 3, 2)), ([2, 0, 1], (0, 2, 3, 1)), ([0, 2, 1], (0, 2, 1, 3))], ids=str
)
def test_transpose(perm: list[int], axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=(3, 19, 7, 6)).astype(np.float32)
    compare(cells.Transpose(perm), x, lambda t: t.permute(axes))


def test_softmax() -> None:
    x = np.random.default_rng(1).normal(size=(4, 10, 3, 2)).astype(np.float32)
    compare(cells.Softmax(), x, lambda t: F.softmax(t, 1))


@pytest.mark.parametrize(
    ("activation", "reference"),
    [
        (n2d2.activation.Rectifier(), F.relu),
        (n2d2.activation.Rectifier(leak_slope=0.1), lambda t: F.leaky_relu(t, 0.1)),
        (n2d2.activation.Tanh(), torch.tanh),
        (n2d2.activation.Logistic(), torch.sigmoid),
        (n2d2.activation.Saturation(threshold=0.5), lambda t: F.hardtanh(t, -0.5, 0.5)),
        (n2d2.activation.Softplus(), F.softplus),
        (n2d2.activation.Swish(), F.silu),
    ],
    ids=["relu", "leaky", "tanh", "logistic", "saturation", "softplus", "swish"],
)
def test_activation(activation: Any, reference: Any) -> None:
    x = np.random.default_rng(1).normal(size=(3, 21, 5, 4)).astype(np.float32)
    compare(cells.Activation(activation), x, reference)


@pytest.mark.parametrize("threads", [1, 2])
def test_training_with_adam(threads: int) -> None:
    """Twenty steps of a small network end at the same parameters."""
    n2d2.global_variables.nb_threads = threads
    layers = [
        cells.Conv(1, 4, [3, 3], activation=n2d2.activation.Rectifier()),
        cells.Pool2d([2, 2], stride_dims=[2, 2]),
        cells.Fc(144, 10),
        cells.Softmax(with_loss=True),
    ]
    model = cells.Sequence(layers)
    model.set_solver(n2d2.solver.Adam(learning_rate=0.001))
    conv, fc = layers[0], layers[2]
    ours = [(conv, weights(conv)), (fc, weights(fc).reshape(10, 144))]
    parameters = [torch.from_numpy(a).requires_grad_() for cell, w in ours for a in (w, biases(cell))]
    solver = torch.optim.Adam(parameters, lr=0.001, eps=1e-8)
    rng = np.random.default_rng(2)
    for _ in range(20):
        x, y = rng.normal(size=(8, 1, 14, 14)).astype(np.float32), rng.integers(0, 10, 8)
        output = model(tensor(x))
        target = np.eye(10, dtype=np.float32)[y][:, :, None, None]
        output.back_propagate(target - output.to_numpy())
        output.update()
        t = F.max_pool2d(F.relu(F.conv2d(torch.from_numpy(x), parameters[0], parameters[1])), 2).flatten(1)
        loss = F.cross_entropy(F.linear(t, parameters[2], parameters[3]), torch.from_numpy(y), reduction="sum")
        solver.zero_grad()
        loss.backward()
        solver.step()
    close(weights(conv), parameters[0], "weights of the convolution")
    close(weights(fc).reshape(10, 144), parameters[2], "weights of the dense layer")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int8, torch.uint8, torch.int32, torch.int64])
def test_dlpack_from_torch_shares_memory(dtype: torch.dtype) -> None:
    t = torch.arange(12).reshape(3, 4).to(dtype)
    tensor = n2d2.Tensor.from_dlpack(t)
    assert tensor.shape() == [3, 4]
    tensor[1, 2] = 42
    assert t[1, 2].item() == 42
    t[0, 3] = 17
    assert tensor[0, 3] == 17


def test_dlpack_from_torch_of_any_strides() -> None:
    t = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensor = n2d2.Tensor.from_dlpack(t[:, :, ::2])
    np.testing.assert_array_equal(tensor.to_numpy(), t[:, :, ::2].numpy())
    tensor[1, 2, 1, 4] = -1.0
    assert t[1, 2, 2, 4].item() == -1.0


def test_dlpack_copy_from_torch_is_apart() -> None:
    t = torch.zeros(3)
    n2d2.Tensor.from_dlpack(t, copy=True)[0] = 5.0
    assert t[0].item() == 0.0


def test_dlpack_to_torch_shares_memory() -> None:
    tensor = n2d2.Tensor([2, 3], value=1.0)
    t = torch.from_dlpack(tensor)
    t[0, 1] = 7.0
    tensor[1, 2] = 9.0
    assert (tensor[0, 1], t[1, 2].item()) == (7.0, 9.0)


def test_dlpack_to_torch_of_the_output_of_a_cell() -> None:
    y = cells.Conv(2, 3, [3, 3])(n2d2.Tensor([2, 2, 8, 9], value=1.0))
    t = torch.from_dlpack(y)
    assert list(t.shape) == y.shape()
    t.mul_(2.0)
    np.testing.assert_array_equal(y.to_numpy(), t.numpy())


def test_dlpack_memory_outlives_its_producer() -> None:
    t = torch.from_dlpack(n2d2.Tensor([1000], value=3.0))
    tensor = n2d2.Tensor.from_dlpack(torch.full((1000,), 4.0))
    assert (t.sum().item(), sum(tensor)) == (3000.0, 4000.0)


def test_dlpack_of_a_tensor_that_requires_grad_is_refused() -> None:
    with pytest.raises(n2d2.error_handler.StateError, match=r"Tensor\.from_dlpack: the memory cannot be shared"):
        n2d2.Tensor.from_dlpack(torch.zeros(2, requires_grad=True))
