"""Each network of the comparison: once as cells of n2d2, once as a PyTorch module, the small ones once in JAX.

PyTorch's and JAX's give logits, because their loss includes the softmax; n2d2's end with the `Softmax` cell. The
parameters of the three are in the same order; `check.py` compares what they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
JaxForward = Callable[[list[Any], Any, str], Any]


class Network(NamedTuple):
    """A network and the size `[channels, height, width]` of its images."""

    title: str
    size: tuple[int, int, int]
    classes: int
    ours: Callable[[], Any]
    torch: Callable[[], Any]
    jax: JaxForward | None = None


def parameters_of(container: Any) -> list[Floats]:
    """Return copies of all parameters of an n2d2 container, as PyTorch orders and shapes them."""
    return [np.array(cell.N2D2().param(name)) for cell in layers_of(container) for name in cell.N2D2().param_names()]


def layers_of(container: Any) -> Iterator[Any]:
    """Yield the cells of a container that hold others no more."""
    from n2d2.cells import Block

    for cell in container:
        if isinstance(cell, Block):
            yield from layers_of(cell)
        else:
            yield cell


def torch_parameters(module: Any) -> list[Any]:
    """Return the tensors of a PyTorch module that `parameters_of` has too: weights, biases and moving statistics."""
    return [value for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")]


# -- n2d2 --


def _conv(nb_inputs: int, nb_outputs: int, kernel: int, padding: int = 0) -> Any:
    import n2d2

    return n2d2.cells.Conv(
        nb_inputs,
        nb_outputs,
        [kernel, kernel],
        padding_dims=[padding, padding],
        activation=n2d2.activation.Rectifier(),
        weights_filler=n2d2.filler.He(),
        bias_filler=n2d2.filler.Constant(),
    )


def _fc(nb_inputs: int, nb_outputs: int, *, rectified: bool = True) -> Any:
    import n2d2

    return n2d2.cells.Fc(
        nb_inputs,
        nb_outputs,
        activation=n2d2.activation.Rectifier() if rectified else None,
        weights_filler=n2d2.filler.He(),
        bias_filler=n2d2.filler.Constant(),
    )


def _pool() -> Any:
    from n2d2.cells import Pool2d

    return Pool2d([2, 2], stride_dims=[2, 2], pooling="Max")


def _classifier(cells: list[Any]) -> Any:
    from n2d2.cells import Sequence, Softmax

    return Sequence([*cells, Softmax(with_loss=True)])


def lenet() -> Any:
    """LeNet-5 as it is trained today: rectifiers and max pooling."""
    ends = [_fc(256, 120), _fc(120, 84), _fc(84, 10, rectified=False)]
    return _classifier([_conv(1, 6, 5), _pool(), _conv(6, 16, 5), _pool(), *ends])


def mlp() -> Any:
    """Three fully connected layers."""
    return _classifier([_fc(784, 300), _fc(300, 100), _fc(100, 10, rectified=False)])


def vgg() -> Any:
    """Six 3x3 convolutions with biases, three pools, two fully connected layers."""
    cells, nb_inputs = [], 3
    for nb_outputs in (32, 64, 128):
        cells += [_conv(nb_inputs, nb_outputs, 3, 1), _conv(nb_outputs, nb_outputs, 3, 1), _pool()]
        nb_inputs = nb_outputs
    return _classifier([*cells, _fc(2048, 256), _fc(256, 10, rectified=False)])


def mobilenet(classes: int) -> Any:
    """MobileNet v1 with batch normalisation."""
    from n2d2.models import MobileNetv1

    return _classifier([MobileNetv1(nb_outputs=classes, with_bn=True)])


def resnet(classes: int, *, small_images: bool) -> Any:
    """ResNet-18."""
    from n2d2.models import ResNet18

    return _classifier([ResNet18(nb_outputs=classes, small_images=small_images)])


# -- PyTorch --


def torch_lenet() -> Any:
    """The module of `lenet`."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def torch_mlp() -> Any:
    """The module of `mlp`."""
    from torch import nn

    hidden = [nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(100, 10))


def torch_vgg() -> Any:
    """The module of `vgg`."""
    from torch import nn

    layers: list[Any] = []
    nb_inputs = 3
    for nb_outputs in (32, 64, 128):
        layers += [nn.Conv2d(nb_inputs, nb_outputs, 3, padding=1), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(nb_outputs, nb_outputs, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        nb_inputs = nb_outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 256), nn.ReLU(inplace=True), nn.Linear(256, 10))


def torch_mobilenet(classes: int) -> Any:
    """The module of `mobilenet`."""
    from torch import nn

    def unit(nb_inputs: int, nb_outputs: int, kernel: int, stride: int, groups: int = 1) -> list[Any]:
        conv = nn.Conv2d(nb_inputs, nb_outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(nb_outputs), nn.ReLU(inplace=True)]

    layers, channels = unit(3, 32, 3, 2), 32
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for width, stride in widths:
        layers += [*unit(channels, channels, 3, stride, channels), *unit(channels, width, 1, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def torch_resnet(classes: int, *, small_images: bool) -> Any:
    """The module of `resnet`: torchvision's, for small images with another stem."""
    import torchvision
    from torch import nn

    module = torchvision.models.resnet18(weights=None, num_classes=classes)
    if small_images:
        module.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        module.maxpool = nn.Identity()
    return module


# -- JAX --


def jax_lenet(parameters: list[Any], x: Any, layout: str) -> Any:
    """Return the logits of `lenet`; kernels are OIHW for the layout NCHW and HWIO for NHWC."""
    from jax import lax, nn
    from jax import numpy as jnp

    first = layout == "NCHW"
    window = (1, 1, 2, 2) if first else (1, 2, 2, 1)
    numbers = (layout, "OIHW" if first else "HWIO", layout)
    w1, b1, w2, b2, *dense = parameters
    for w, b in ((w1, b1), (w2, b2)):
        x = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=numbers)
        x = nn.relu(x + (b[:, None, None] if first else b))
        x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    return jax_mlp(dense, x if first else x.transpose(0, 3, 1, 2), layout)


def jax_mlp(parameters: list[Any], x: Any, _: str) -> Any:
    """Return the logits of `mlp`."""
    from jax import nn

    x = x.reshape(len(x), -1)
    for k in range(0, len(parameters), 2):
        x = x @ parameters[k].T + parameters[k + 1]
        if k + 2 < len(parameters):
            x = nn.relu(x)
    return x


def _mobilenet(side: int, classes: int) -> Network:
    title = f"MobileNet v1 {side}x{side}"
    return Network(title, (3, side, side), classes, lambda: mobilenet(classes), lambda: torch_mobilenet(classes))


def _resnet(side: int, classes: int) -> Network:
    small = side == 32
    return Network(
        f"ResNet-18 {side}x{side}",
        (3, side, side),
        classes,
        lambda: resnet(classes, small_images=small),
        lambda: torch_resnet(classes, small_images=small),
    )


NETWORKS = {
    "lenet": Network("LeNet-5", (1, 28, 28), 10, lenet, torch_lenet, jax_lenet),
    "mlp": Network("MLP 784-300-100-10", (1, 28, 28), 10, mlp, torch_mlp, jax_mlp),
    "mobilenet32": _mobilenet(32, 10),
    "mobilenet224": _mobilenet(224, 1000),
    "vgg32": Network("small VGG 32x32", (3, 32, 32), 10, vgg, torch_vgg),
    "resnet32": _resnet(32, 10),
    "resnet224": _resnet(224, 1000),
}
