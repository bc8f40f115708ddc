"""Anything at all for any parameter of any public class: it works, or an n2d2.Error says which parameter is wrong.

Classes are found by walking the package; a new one that needs arguments fails until it has an entry in `SUBJECTS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import n2d2

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

MODULES = (
    n2d2, n2d2.activation, n2d2.cells, n2d2.database, n2d2.filler, n2d2.mapping, n2d2.provider, n2d2.scaling,
    n2d2.solver, n2d2.target, n2d2.transform,
)  # fmt: skip


def image() -> n2d2.Tensor:
    return n2d2.Tensor([1, 2, 4, 4], value=0.5)


def database() -> Any:
    made = n2d2.database.Numpy()
    made.load([np.zeros((1, 4, 4), np.float32)] * 6, [0, 1] * 3, partition="Learn")
    return made


def provider() -> Any:
    made = n2d2.provider.DataProvider(database(), [4, 4, 1], batch_size=2)
    made.set_partition("Learn")
    return made


def called(cell: Any) -> None:
    cell(image())


def scaled(factors: Any) -> None:
    called(n2d2.cells.Scaling(factors))


def read(made: Any) -> None:
    made.set_partition("Learn")
    made.read_random_batch()
    made.read_batch(0)


def scored(target: Any) -> None:
    target.provider.read_batch(0)
    target(n2d2.Tensor([2, 2, 1, 1], value=0.5))


def solved(solver: Any) -> None:
    cell = n2d2.cells.Fc(32, 2, solver=solver)
    output = cell(image())
    output.back_propagate(np.ones(output.shape()))
    output.update()


# Class: the arguments it needs, and its first use.
SUBJECTS: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[Any], object]]] = {
    "Activation": (lambda: {"activation": n2d2.activation.Tanh()}, called),
    "BatchNorm2d": (lambda: {"nb_inputs": 2}, called),
    "Block": (lambda: {"cells": [n2d2.cells.Softmax()]}, str),
    "Conv": (lambda: {"nb_inputs": 2, "nb_outputs": 2, "kernel_dims": [2, 2]}, called),
    "ConvDepthWise": (lambda: {"nb_channel": 2, "kernel_dims": [2, 2]}, called),
    "ConvPointWise": (lambda: {"nb_inputs": 2, "nb_outputs": 2}, called),
    "DeepNetCell": (lambda: {"N2D2_object": n2d2.cells.Softmax()(image()).get_deepnet()}, called),
    "Deconv": (lambda: {"nb_inputs": 2, "nb_outputs": 2, "kernel_dims": [2, 2]}, called),
    "Arithmetic": (lambda: {"operation": "Mul", "constant": [2.0]}, called),
    "Rearrange": (lambda: {"index": [3, 2], "shape": [2], "per_sample": True}, called),
    "MatMul": (dict, lambda cell: cell([image(), n2d2.Tensor([4, 2])])),
    "Function": (lambda: {"function": "Exp"}, called),
    "Fc": (lambda: {"nb_inputs": 32, "nb_outputs": 2}, called),
    "Layer": (lambda: {"cells": [n2d2.cells.Softmax()]}, called),
    "Padding": (lambda: {"top_pad": 1, "bot_pad": 1, "left_pad": 1, "right_pad": 1}, called),
    "Pool": (lambda: {"pool_dims": [2, 2]}, called),
    "Pool2d": (lambda: {"pool_dims": [2, 2]}, called),
    "Reshape": (lambda: {"dims": [1, 1, -1]}, called),
    "Resize": (lambda: {"outputs_width": 3, "outputs_height": 3, "resize_mode": "Bilinear"}, called),
    "Scaling": (lambda: {"scaling": n2d2.scaling.FloatingPointScaling([0.5, 2.0])}, called),
    "FloatingPointScaling": (lambda: {"scaling_per_output": [0.5, 2.0]}, scaled),
    "FixedPointScaling": (lambda: {"nb_fractional_bits": 1, "scaling": [1, 2]}, scaled),
    "SingleShiftScaling": (lambda: {"scaling": [1, 2]}, scaled),
    "DoubleShiftScaling": (lambda: {"scaling": [[1, 2], [0, 3]]}, scaled),
    "Transformation": (lambda: {"perm": n2d2.transform.Flip()}, called),
    "Sequence": (lambda: {"cells": [n2d2.cells.Softmax()]}, called),
    "Transpose": (lambda: {"perm": [1, 0, 2]}, called),
    "Interface": (lambda: {"tensors": [image()]}, str),
    "Tensor": (lambda: {"dims": [2, 2]}, str),
    "Mapping": (lambda: {"nb_groups": 2}, lambda mapping: mapping.create_mapping(4, 4)),
    "DataProvider": (lambda: {"database": database(), "size": [4, 4, 1]}, read),
    "TensorPlaceholder": (lambda: {"inputs": image()}, str),
    "Score": (lambda: {"provider": provider()}, scored),
    "Composite": (lambda: {"transformations": [n2d2.transform.Flip()]}, str),
    "PadCrop": (lambda: {"width": 3, "height": 3}, str),
    "RangeAffine": (lambda: {"first_operator": "Plus", "first_value": 1.0}, str),
    "Rescale": (lambda: {"width": 3, "height": 3}, str),
    "Numpy": (dict, lambda made: made.load([np.zeros((1, 4, 4), np.float32)] * 2, [0, 1])),
}

# How a class of a module that needs no argument is used first.
USES: dict[str, Callable[[Any], object]] = {
    "n2d2.activation": lambda made: n2d2.cells.Activation(made)(image()),
    "n2d2.filler": lambda made: n2d2.cells.Fc(2, 2, filler=made),
    "n2d2.solver": solved,
    "n2d2.cells": called,
}

# Bases, parts and results that users do not build, files on disk, and cells that need other objects.
OTHER = {
    "CoreObject",
    "Cell",
    "ConfigSection",
    "Database",
    "Error",
    "ExplainedNode",
    "Explanation",
    "HidesDefaults",
    "Iterable",
    "LossSource",
    "MNIST",
    "Option",
    "Parametrised",
    "Producer",
    "Provider",
    "Target",
    "Trainable",
}


def subjects() -> dict[str, type]:
    """Every class that users build, by name."""
    found = {}
    for name, cls in (pair for module in MODULES for pair in vars(module).items()):
        public = (
            inspect.isclass(cls) and cls.__module__.startswith("n2d2.") and name == cls.__name__ and name not in OTHER
        )
        if public and not inspect.isabstract(cls) and not issubclass(cls, (Exception, tuple)) and name[0] != "_":
            found[name] = cls
    return {n: c for n, c in found.items() if not n.startswith("Parameter") and n != "GlobalVariables"}


FOUND = subjects()


class Odd:
    """Something that n2d2 has never heard of."""


HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 2**31, 2**40, 2**62, 2**63, 2**64, 10**30, -(10**30), 0.0, 0.5, -1.5,
    float("nan"),
    float("inf"), -float("inf"), 1e300, "", "abc", "None", "\0", "é" * 3, b"ab", [], [1], [0], [-1], [2, 2], [1, 2, 3],
    [2**62, 2**62], [2**64], [1, 2**62], ["a"], [None], [1.5], [True], [float("nan")], [[1]], [[]], {}, {"a": 1}, (),
    (1,),
    (2, 2), set(), {1}, np.int64(2), np.int64(-1), np.float32(0.5), np.float64("nan"), np.bool_(True), np.array([2, 2]),
    np.array(3), np.zeros(0), np.array(["a"]), np.zeros((2, 2), object), 1j, range(2), Odd(), Odd, len,
]  # fmt: skip
# The largest size that a parameter may have.
LARGEST: list[Any] = [2**31 - 1, [2**31 - 1, 2**31 - 1], [1, 2**31 - 1]]
hostile = st.one_of(
    st.sampled_from(range(len(HOSTILE))).map(HOSTILE.__getitem__),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=2), st.none()), max_size=4),
    st.sampled_from([[2, 2], [4, 4], [2, 4]]).map(lambda dims: n2d2.Tensor(dims, datatype="bool")),
)


def parameters_of(cls: type) -> list[str]:
    signature = inspect.signature(cls.__init__).parameters
    named = [n for n, p in signature.items() if n != "self" and p.kind is not p.VAR_KEYWORD]
    # Without a place for unknown names, Python itself refuses them.
    return [*named, "no_such_name"] if any(p.kind is p.VAR_KEYWORD for p in signature.values()) else named


def attempt(cls: type, parameter: str, value: Any) -> None:
    """Build and use; nothing but an n2d2.Error that names class or parameter may come."""
    needed, use = SUBJECTS.get(cls.__name__, (dict, USES.get(cls.__module__.rpartition(".")[0], str)))
    use = USES.get(cls.__module__, use)
    try:
        made = cls(**{**needed(), parameter: value})
        use(made)
        assert str(made)
    except n2d2.Error as error:
        text = str(error)
        assert text
        # A mapping is made later, and a file that cannot be read goes by its own name.
        words = (parameter, cls.__name__, "create_mapping", str(value), repr(value))
        assert any(word in text for word in words), f"{cls.__name__}({parameter}={value!r}): {text}"


def test_every_class_is_known() -> None:
    assert set(SUBJECTS) <= set(FOUND)
    for name, cls in FOUND.items():
        needed, _ = SUBJECTS.get(name, (dict, None))
        cls(**needed())


@pytest.mark.parametrize("name", sorted(FOUND))
def test_every_known_nuisance(name: str) -> None:
    cls = FOUND[name]
    for parameter in parameters_of(cls):
        # A tensor of this size is within the limits: whether the machine holds it is not for a test to say.
        for value in HOSTILE if cls is n2d2.Tensor else [*HOSTILE, *LARGEST]:
            attempt(cls, parameter, value)


@settings(max_examples=600)
@given(st.data())
def test_anything(data: Any) -> None:
    cls = FOUND[data.draw(st.sampled_from(sorted(FOUND)))]
    attempt(cls, data.draw(st.sampled_from(parameters_of(cls))), data.draw(hostile))
