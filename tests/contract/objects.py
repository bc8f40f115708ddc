"""Behaviours of solvers, fillers, activation functions, mappings and shared parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import n2d2
from contract.cases import Array, call, close, draws, tensor
from contract.registry import behaviour, resolve
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.filler import Constant
from support import reference

SOLVERS = ["n2d2.solver.SGD", "n2d2.solver.Adam"]
FILLERS = [f"n2d2.filler.{name}" for name in ("He", "Normal", "Constant", "Xavier")]
ACTIVATIONS = [f"n2d2.activation.{name}" for name in ("Linear", "Rectifier", "Tanh")]
PARENTS = ["n2d2.solver.Solver", "n2d2.filler.Filler", "n2d2.activation.ActivationFunction"]

# A parameter of each class, a value that is not the default, and another value that it accepts.
PARAMETER: dict[str, tuple[str, Any, Any]] = {
    "SGD": ("momentum", 0.75, 0.5),
    "Adam": ("beta1", 0.75, 0.5),
    "He": ("scaling", 0.5, None),
    "Normal": ("std_dev", 0.5, None),
    "Constant": ("value", 0.5, None),
    "Xavier": ("distribution", "Normal", None),
    "Linear": ("clipping", 6.0, 3.0),
    "Rectifier": ("leak_slope", 0.5, 0.25),
    "Tanh": ("alpha", 0.5, 2.0),
}
CHILD = dict(zip(PARENTS, ("n2d2.solver.Adam", "n2d2.filler.Normal", "n2d2.activation.Tanh"), strict=True))


def concrete(path: str) -> str:
    """Return the class that stands for an abstract parent, or the class itself."""
    return CHILD.get(path, path)


def parameter_of(path: str) -> tuple[str, Any, Any]:
    return PARAMETER[path.rpartition(".")[2]]


@behaviour("N2D2", [*PARENTS, *SOLVERS, *FILLERS, *ACTIVATIONS])
def engine_object(path: str) -> None:
    """One object of the engine, which has the parameters and their changes."""
    path = concrete(path)
    key, value, other = parameter_of(path)
    made = resolve(path)(**{key: value})
    handle = made.N2D2()
    assert handle is made.N2D2()
    assert handle.kind == path.rpartition(".")[2]
    assert handle.get(key) == value
    if other is not None:
        setattr(made, key, other)
        assert handle.get(key) == other


@behaviour("get_parameter", [*PARENTS, *SOLVERS, *FILLERS, *ACTIVATIONS])
def parameter_by_name(path: str) -> None:
    """The present value; the error names the class and the nearest parameter."""
    path = concrete(path)
    key, value, other = parameter_of(path)
    made = resolve(path)(**{key: value})
    assert made.get_parameter(key) == value
    if other is not None:
        setattr(made, key, other)
        assert made.get_parameter(key=key) == other
    kind = path.rpartition(".")[2]
    with pytest.raises(WrongValue, match=f"{kind}: `{key}x` is not a parameter; did you mean `{key}`"):
        made.get_parameter(key + "x")


@behaviour("__init__", PARENTS)
def parent_is_abstract(path: str) -> None:
    """Only subclasses can be built."""
    with pytest.raises(TypeError, match="abstract"):
        resolve(path)()


def common_errors(path: str, models: bool = True) -> None:
    """Keyword-only, unknown names, model and datatype."""
    kind, make = path.rpartition(".")[2], resolve(path)
    key, value, _ = parameter_of(path)
    with pytest.raises(TypeError, match="positional"):
        make(value)
    with pytest.raises(WrongValue, match=f"{kind}: `{key}x` is not a parameter; did you mean `{key}`"):
        make(**{key + "x": value})
    with pytest.raises(WrongInputType if not isinstance(value, str) else WrongValue, match=key):
        make(**{key: [value]})
    with pytest.raises(WrongValue, match="parameter `datatype` is 'half', expected 'float'"):
        make(datatype="half")
    if models:
        with pytest.raises(WrongValue, match=r"parameter `model` is \"Cuda\", expected"):
            make(model="Cuda")
        assert str(make(model="Frame", datatype="float")) == str(make())


# ---- solvers ----


def solved(solver: Any, steps: int) -> Array:
    """Return the weights of a layer before the first and after each step, for the gradients of `pull`."""
    fc = n2d2.cells.Fc(3, 1, no_bias=True, weights_filler=Constant(value=0.5), solver=solver)
    weights = [fc.N2D2().param("weights").ravel().astype(float)]
    for k in range(steps):
        output = fc(tensor(pull(k)[:, :, None, None]))
        output.back_propagate(np.ones((2, 1, 1, 1), np.float32))
        output.update()
        weights.append(fc.N2D2().param("weights").ravel().astype(float))
    return np.array(weights)


def pull(k: int) -> Array:
    """Return the inputs of a step, two stimuli; with a gradient of 1 their sum is the gradient of the weights."""
    return draws(81 + k, (2, 3))


def by_hand(solver: reference.Sgd | reference.Adam, steps: int) -> Array:
    weights = [np.full(3, 0.5)]
    for k in range(steps):
        weights.append(solver.step(0, weights[-1], pull(k).sum(axis=0), 2))
    return np.array(weights)


@behaviour("__init__", ["n2d2.solver.SGD"])
def sgd_is_built(path: str) -> None:
    """Rate, momentum, decay, clamping and the policies, each by its formula."""
    make: Callable[..., Any] = resolve(path)
    assert str(make()).startswith("SGD(clamping=, decay=0.0, iteration_size=1, learning_rate=0.01,")
    close(solved(make(), 3), by_hand(reference.Sgd(), 3), "defaults")
    named = {"learning_rate": 0.5, "momentum": 0.75, "decay": 0.125}
    close(solved(make(**named), 3), by_hand(reference.Sgd(**named), 3), "momentum and decay")
    free = solved(make(learning_rate=4.0), 1)
    close(solved(make(learning_rate=4.0, clamping="-0.25:0.75"), 1)[1], np.clip(free[1], -0.25, 0.75), "clamping")

    def rates(**policy: Any) -> Array:
        """Return the rate of each step over the first one, for the same gradient each time."""
        fc = n2d2.cells.Fc(1, 1, no_bias=True, weights_filler=Constant(), solver=make(learning_rate=1.0, **policy))
        weights = [0.0]
        for _ in range(4):
            output = fc(tensor(np.ones((2, 1, 1, 1))))
            output.back_propagate(np.ones((2, 1, 1, 1), np.float32))
            output.update()
            weights.append(fc.get_weight(0, 0)[0])
        return np.diff(weights)

    # Two stimuli an update, steps of four stimuli: 0, 0, 1, 1.
    k = np.array([0, 0, 1, 1])
    step = {"learning_rate_step_size": 4, "learning_rate_decay": 0.25}
    close(rates(learning_rate_policy="None", **step), np.ones(4))
    close(rates(learning_rate_policy="StepDecay", **step), 0.25**k)
    close(rates(learning_rate_policy="ExponentialDecay", **step), np.exp(-0.25 * k))
    close(rates(learning_rate_policy="InvTDecay", **step), 1 / (1 + 0.25 * k))
    cosine = {"max_iterations": 4, "min_decay": 0.125, "learning_rate_step_size": 2}
    half = (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    close(rates(learning_rate_policy="CosineDecay", **cosine), (1 - 0.125) * half + 0.125)
    close(rates(learning_rate_policy="PolyDecay", max_iterations=4, power=2.0), (1 - np.arange(4) / 4) ** 2)
    with pytest.raises(WrongValue, match="learning_rate_policy"):
        make(learning_rate_policy="Never")
    with pytest.raises(WrongValue, match="clamping"):
        make(clamping="1")
    common_errors(path)


@behaviour("__init__", ["n2d2.solver.Adam"])
def adam_is_built(path: str) -> None:
    """Its formula, with the defaults that are printed; the gradient is not divided by the batch."""
    make: Callable[..., Any] = resolve(path)
    assert str(make()) == "Adam(beta1=0.9, beta2=0.999, clamping=, epsilon=1e-08, learning_rate=0.001)"
    close(solved(make(), 3), by_hand(reference.Adam(), 3), "defaults")
    named = {"learning_rate": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125}
    close(solved(make(**named), 3), by_hand(reference.Adam(**named), 3), "all parameters")
    free = solved(make(learning_rate=0.5), 1)
    close(solved(make(learning_rate=0.5, clamping=":0.75"), 1)[1], np.minimum(free[1], 0.75), "clamping")
    common_errors(path)


# ---- fillers ----


def drawn(filler: Any, inputs: int = 400, outputs: int = 100) -> Array:
    """Return the weights of a layer, drawn from seed 1."""
    fc = n2d2.cells.Fc(inputs, outputs, no_bias=True)
    fc.weights_filler = filler
    n2d2.global_variables.seed = 1
    fc.refill_weights()
    weights: Array = fc.N2D2().param("weights").astype(float)
    return weights


def standard(outputs: int = 100, inputs: int = 400) -> Array:
    """Return the draws of a normal distribution of mean 0 and deviation 1."""
    return drawn(n2d2.filler.Normal(), inputs, outputs)


@behaviour("__init__", ["n2d2.filler.Constant"])
def constant_is_built(path: str) -> None:
    """Every value is that value, 0 by default."""
    make = resolve(path)
    assert set(np.unique(drawn(make(value=-2.5)))) == {-2.5}
    assert set(np.unique(drawn(make()))) == {0.0}
    assert str(make(value=1)) == "Constant(value=1.0)"
    common_errors(path, models=False)


@behaviour("__init__", ["n2d2.filler.Normal"])
def normal_is_built(path: str) -> None:
    """The documented draws of seed 1, moved by mean and deviation."""
    make = resolve(path)
    first = drawn(make()).ravel()
    close(first[:8], [1.32238, -0.0233932, 0.738361, -0.333062, 2.95292, 3.07119, 1.54673, -0.00932475])
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    close(drawn(make(mean=3.0, std_dev=0.5)).ravel(), 3 + 0.5 * first)
    assert str(make()) == "Normal(mean=0.0, std_dev=1.0)"
    with pytest.raises(WrongValue, match="std_dev"):
        make(std_dev=-1.0)
    common_errors(path, models=False)


# Sizes that the fillers divide by, for 100 outputs of 400 inputs.
FANS = {"FanIn": 400, "Average": 250, "FanOut": 100}


@behaviour("__init__", ["n2d2.filler.He"])
def he_is_built(path: str) -> None:
    """Normal with the variance 2 / n, for each kind of n."""
    make = resolve(path)
    for fan, n in FANS.items():
        close(drawn(make(variance_norm=fan)), standard() * np.sqrt(2 / n), fan)
    close(drawn(make(scaling=3.0, mean_norm=8.0)), 3 * (8 / 400 + standard() * np.sqrt(2 / 400)), "mean and scaling")
    assert str(make()) == "He(variance_norm=VarianceNorm.FanIn, mean_norm=0.0, scaling=1.0)"
    with pytest.raises(WrongValue, match="variance_norm"):
        make(variance_norm="FanOff")
    common_errors(path, models=False)


@behaviour("__init__", ["n2d2.filler.Xavier"])
def xavier_is_built(path: str) -> None:
    """Uniform or normal with the variance 1 / n, for each kind of n."""
    make = resolve(path)
    for fan, n in FANS.items():
        close(drawn(make(variance_norm=fan, distribution="Normal")), standard() * np.sqrt(1 / n), fan)
        uniform, bound = drawn(make(variance_norm=fan)), np.sqrt(3 / n)
        assert abs(uniform).max() <= bound
        assert abs(uniform).max() > 0.99 * bound
        assert abs(uniform.var() * n - 1) < 0.02
    close(drawn(make(scaling=3.0)), 3 * drawn(make()), "scaling")
    assert str(make()).startswith("Xavier(variance_norm=VarianceNorm.FanIn, distribution=Distribution.Uniform,")
    with pytest.raises(WrongValue, match="distribution"):
        make(distribution="Cauchy")
    common_errors(path, models=False)


# ---- activation functions ----


def applied(activation: Any, x: Array) -> tuple[Array, Array]:
    """Return the function of x and its derivative."""
    cell = n2d2.cells.Activation(activation)
    output = call(cell, [x[None, :, None, None]])
    y = output.to_numpy().ravel().astype(float)
    output.back_propagate(np.ones((1, len(x), 1, 1), np.float32))
    return y, cell.get_diffoutputs().to_numpy().ravel().astype(float)


X = np.array([-3.0, -1.5, -0.25, 0.5, 1.75, 4.0])


def check_activation(path: str, activation: Any, y: Any, derivative: Any) -> None:
    ours = applied(activation, X)
    close(ours[0], y, str(activation))
    close(ours[1], derivative, f"derivative of {activation}")
    with pytest.raises(WrongInputType, match="parameter `quantizer` must be None, got int; quantisation is not built"):
        resolve(path)(quantizer=1)
    assert activation.get_parameter("quantizer") is None


@behaviour("__init__", ["n2d2.activation.Linear"])
def linear_is_built(path: str) -> None:
    """The identity, or a clamp."""
    make = resolve(path)
    check_activation(path, make(), X, np.ones(6))
    check_activation(path, make(clipping=2.0), np.clip(X, -2, 2), (abs(X) < 2).astype(float))
    common_errors(path)


@behaviour("__init__", ["n2d2.activation.Rectifier"])
def rectifier_is_built(path: str) -> None:
    """Zero or a leak below zero, a limit above."""
    make = resolve(path)
    check_activation(path, make(), np.maximum(X, 0), (X > 0).astype(float))
    y = np.where(X > 0, np.minimum(X, 2), 0.25 * X)
    check_activation(path, make(leak_slope=0.25, clipping=2.0), y, np.where(X > 0, X < 2, 0.25))
    common_errors(path)


@behaviour("__init__", ["n2d2.activation.Tanh"])
def tanh_is_built(path: str) -> None:
    """The hyperbolic tangent of alpha x."""
    make = resolve(path)
    check_activation(path, make(), np.tanh(X), 1 - np.tanh(X) ** 2)
    check_activation(path, make(alpha=0.5), np.tanh(0.5 * X), 0.5 * (1 - np.tanh(0.5 * X) ** 2))
    common_errors(path)


# ---- mapping and shared parameters ----

# First column of the pair of ones in each row of the contract's 15 x 24 mapping.
PAIRS = [0, 2, 4, 6, 6, 8, 10, 12, 14, 14, 16, 18, 20, 22, 22]


@behaviour("__init__", ["n2d2.mapping.Mapping"])
def mapping_is_built(path: str) -> None:
    """Exactly one argument; the printed matrix comes out, and groups are connected to themselves."""
    make = resolve(path)
    mapping = make(nb_channels_per_group=2).create_mapping(15, 24)
    assert mapping.shape() == [15, 24]
    printed = np.zeros((15, 24), bool)
    for row, column in enumerate(PAIRS):
        printed[row, column : column + 2] = True
    np.testing.assert_array_equal(mapping.to_numpy(), printed)
    halves = make(2).create_mapping(4, 2).to_numpy()
    np.testing.assert_array_equal(halves, [[True, False], [True, False], [False, True], [False, True]])
    for arguments in ({}, {"nb_groups": 2, "nb_channels_per_group": 2}):
        with pytest.raises(WrongValue, match="Mapping: give one of nb_groups and nb_channels_per_group"):
            make(**arguments)
    with pytest.raises(WrongInputType, match="Mapping: nb_groups must be of type int, got float"):
        make(nb_groups=2.0)


@behaviour("", ["n2d2.ConfigSection"])
def section_unpacks(path: str) -> None:
    """A dictionary that goes into constructors by `**`, built from keywords or a dictionary."""
    make = resolve(path)
    section = make(no_bias=True)
    assert dict(section) == {"no_bias": True}
    assert n2d2.cells.Conv(1, 1, [1, 1], **section).no_bias is True
    merged = make({"no_bias": False, "stride_dims": [2, 1]}, name="own")
    merged["no_bias"] = True
    conv = n2d2.cells.Conv(1, 1, [1, 1], **merged)
    assert (conv.no_bias, conv.stride_dims, conv.name) == (True, [2, 1], "own")
    with pytest.raises(WrongValue, match="Conv: `no_bia` is not a parameter; did you mean `no_bias`"):
        n2d2.cells.Conv(1, 1, [1, 1], **make(no_bia=True))
