"""Models exported from PyTorch, and what PyTorch computes with them.

`python -m support.torch_models` (with PyTorch, torchvision and onnxscript; `make torch-models`) writes the narrow ones
to `tests/onnx/torch`, where `make test` finds them. `make test-peers` makes the full ones on the spot.
"""

from __future__ import annotations

import copy
import io
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

FOLDER = Path(__file__).parent.parent / "onnx" / "torch"
LEARNING_RATE = 0.0001


class Exported(NamedTuple):
    """A model and what PyTorch makes of it: outputs at test, and the parameters after a step of SGD."""

    model: bytes
    x: np.ndarray
    y: np.ndarray
    """Output in test mode for `x`."""
    gradient: np.ndarray
    """Minus the derivative of the loss by the output, in learning mode."""
    stepped: dict[str, np.ndarray]
    """Parameters and statistics after the step, by their names in the file."""
    exact: dict[str, np.ndarray]
    """The same computed in double precision; empty for the stored models."""


def lenet() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _torchvision(name: str) -> torch.nn.Module:
    import torchvision

    model: torch.nn.Module = getattr(torchvision.models, name)(weights=None, num_classes=10)
    return model


def narrowed(model: torch.nn.Module, factor: int) -> torch.nn.Module:
    """The model with its layers as many times narrower; image channels and classes stay."""
    from torch import nn

    def fewer(n: int) -> int:
        return n if n in (1, 3, 10) else max(1, n // factor)

    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d):
                groups = layer.groups if layer.groups == 1 else fewer(layer.groups)
                shape = fewer(layer.in_channels), fewer(layer.out_channels), layer.kernel_size
                more = {"stride": layer.stride, "padding": layer.padding, "bias": layer.bias is not None}
                setattr(parent, name, nn.Conv2d(*shape, groups=groups, **more))
            elif isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, nn.BatchNorm2d(fewer(layer.num_features)))
            elif isinstance(layer, nn.Linear):
                features = layer.in_features // factor
                setattr(parent, name, nn.Linear(features, fewer(layer.out_features)))
    return model


MODELS: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...], int]] = {
    # How to make it, input size of the full one, of the narrow one, how many times narrower.
    "lenet": (lenet, (4, 1, 28, 28), (4, 1, 28, 28), 2),
    "resnet18": (lambda: _torchvision("resnet18"), (2, 3, 224, 224), (3, 3, 32, 32), 16),
    "mobilenet_v2": (lambda: _torchvision("mobilenet_v2"), (2, 3, 224, 224), (4, 3, 64, 64), 8),
}
KINDS = ("trained", "tested")
"""With BatchNorm as it learns, and as the exporter writes it for inference: folded into the layers before it."""


def export(name: str, kind: str, narrow: bool) -> Exported:
    """Make a model with random weights, export it, and compute with it."""
    import torch

    torch.manual_seed(7)
    make, size, narrow_size, factor = MODELS[name]
    model = narrowed(make(), factor) if narrow else make()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values, low, high in (
                (layer.running_mean, -0.3, 0.3), (layer.running_var, 0.5, 2.0),
                (layer.weight, 0.5, 1.5), (layer.bias, -0.3, 0.3),
            ):  # fmt: skip
                torch.nn.init.uniform_(values, low, high)
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0  # its random numbers are PyTorch's own
    x = torch.randn(narrow_size if narrow else size)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"dynamo": kind == "tested"}
        if kind == "trained":
            options |= {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
            torch.onnx.export(model, (x,), file, **options)
        else:
            program = torch.onnx.export(model.eval(), (x,), **options)
            proto = program.model_proto
            for node in proto.graph.node:
                del node.metadata_props[:]  # where in the sources it came from
            file.write(proto.SerializeToString())
    model.eval()
    y = model(x).detach()
    # That of the cross-entropy with random labels.
    labels = torch.nn.functional.one_hot(torch.randint(10, (len(x),)), 10)
    gradient = labels - copy.deepcopy(model).train()(x).detach().softmax(dim=1)
    stepped: dict[str, np.ndarray] = {}
    exact: dict[str, np.ndarray] = {}
    if kind == "trained":
        exact = {} if narrow else _stepped(copy.deepcopy(model).double(), x.double(), gradient.double())
        stepped = _stepped(model, x, gradient)
    return Exported(file.getvalue(), x.numpy(), y.numpy(), gradient.numpy(), stepped, exact)


def _stepped(model: torch.nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> dict[str, np.ndarray]:
    """Parameters and statistics after a step of SGD."""
    import torch

    optimiser = torch.optim.SGD(model.train().parameters(), lr=LEARNING_RATE)
    model(x).backward(-gradient / len(x))
    optimiser.step()
    return {k: v.detach().numpy() for k, v in model.state_dict().items() if v.ndim}


def parameters(exported: bytes, model: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Names in the file, the values there, and those of the cells of an imported network, in one order of axes."""
    graph = onnx.load_from_string(exported).graph
    known = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type not in {"Conv", "Gemm", "BatchNormalization"}:
            continue
        cell = model.get_cell(node.output[0]).N2D2()
        if node.op_type == "BatchNormalization":
            for name, own in zip(node.input[1:], ("scales", "biases", "means", "variances"), strict=True):
                yield name, known[name], cell.param(own).reshape(known[name].shape)
            continue
        weights = cell.param("weights")
        expected = known[node.input[1]]
        if node.op_type == "Conv":
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            outputs, inputs = expected.shape[:2]
            if weights.shape[1] != inputs:
                first = np.arange(outputs) // (outputs // groups) * inputs
                weights = np.stack([weights[o, c : c + inputs] for o, c in enumerate(first)])
        yield node.input[1], expected, weights.reshape(expected.shape)
        if len(node.input) > 2:
            yield node.input[2], known[node.input[2]], cell.param("bias").reshape(-1)


def check(e: Exported, rtol: float = 1e-4) -> None:
    """Load a model, compare its outputs and its parameters after a step with those of PyTorch."""
    import n2d2

    def close(actual: np.ndarray, expected: np.ndarray, what: str, rounding: float = 0.0) -> None:
        # Relative to the largest value: small values are differences of large ones.
        atol = rtol * float(np.abs(expected).max()) + rounding
        np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=what)

    model = n2d2.onnx.load(e.model)
    model.set_solver(n2d2.solver.SGD(learning_rate=LEARNING_RATE))
    for name, expected, actual in parameters(e.model, model):
        np.testing.assert_array_equal(actual, expected, err_msg=f"{name} as loaded")
    x = n2d2.Tensor.from_numpy(e.x)
    model.test()
    y = model(x).to_numpy()
    close(y.reshape(e.y.shape), e.y, "output")
    if not e.stepped:
        return
    model.learn()
    y = model(x)
    y.back_propagate(e.gradient.reshape(y.shape()))
    y.update()
    values = list(parameters(e.model, model))
    assert sorted(name for name, *_ in values) == sorted(e.stepped)
    largest = max(float(np.abs(e.stepped[name] - before).max()) for name, before, _ in values)
    for name, before, actual in values:
        expected = e.stepped[name]
        close(actual, expected, f"{name} after a step")
        # The values are rounded after the step, by half a unit in the last place on either side; and what BatchNorm
        # takes away again, such as a bias two layers before it, moves by rounding errors only.
        rounding = float(np.spacing(np.abs(expected).max())) + 1e-5 * largest
        if not e.exact:
            close(actual - before, expected - before, f"move of {name}", rounding)
            continue
        # In a large network a rectifier here and there opens or stays shut by a rounding error: PyTorch's own steps in
        # single and double precision differ by up to some percent of the largest move. Ours must not be worse.
        error = float(np.abs(actual - e.exact[name]).max())
        theirs = float(np.abs(expected - e.exact[name]).max())
        assert error <= 3 * theirs + rounding, f"move of {name}: {error} from the exact one, PyTorch's {theirs}"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        for kind in KINDS:
            e = export(name, kind, narrow=True)
            (FOLDER / f"{name}_{kind}.onnx").write_bytes(e.model)
            arrays = {f"stepped/{k}": v for k, v in e.stepped.items()}
            np.savez_compressed(FOLDER / f"{name}_{kind}.npz", x=e.x, y=e.y, gradient=e.gradient, **arrays)


def stored(name: str, kind: str) -> Exported:
    """Read a narrow model back."""
    with np.load(FOLDER / f"{name}_{kind}.npz") as arrays:
        values = dict(arrays)
    stepped = {k.removeprefix("stepped/"): v for k, v in values.items() if k.startswith("stepped/")}
    model = (FOLDER / f"{name}_{kind}.onnx").read_bytes()
    return Exported(model, values["x"], values["y"], values["gradient"], stepped, {})


if __name__ == "__main__":
    sys.exit(main())
