"""Replays every case recorded from the original N2D2 (see golden/README.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import n2d2
from support import reference
from support.constructor import build, group_rows
from support.golden import Case, assert_close, load

CASES = load()


def tensor(array: Any) -> n2d2.Tensor:
    return n2d2.Tensor.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def mask_of(case: Case, outputs: int, channels: int) -> np.ndarray:
    """Return which (output, channel) pairs are connected."""
    return case["mapping_in_out"].T if "mapping_in_out" in case else np.ones((outputs, channels), bool)


def set_parameters(cell: Any, w: np.ndarray, b: np.ndarray | None, mask: np.ndarray) -> None:
    for o, c in np.argwhere(mask):
        cell.set_weight(int(o), int(c), tensor(w[o, c].reshape(w.shape[2:] or (1,))))
    if b is not None:
        for o, value in enumerate(b.ravel()):
            cell.set_bias(o, tensor([value]))


def weights_of(cell: Any, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weights as one array, 0 where there is no connection."""
    w = np.zeros(shape)
    for o, c in np.argwhere(mask):
        w[o, c] = cell.get_weight(int(o), int(c)).to_numpy().reshape(shape[2:])
    return w


def biases_of(cell: Any) -> np.ndarray:
    return np.array([b.to_numpy().item() for b in cell.get_biases()])


def activation_layer(cell: Any) -> list[reference.Layer]:
    activation = cell.activation
    if activation is None:
        return []
    parameters = {n: activation.get_parameter(n) for n in type(activation)._parameters if n != "quantizer"}
    return [reference.Activation(type(activation).__name__, **parameters)]


def reference_of(cell: Any, case: Case, mask: np.ndarray) -> reference.Chain:
    """Return the reference of a cell that has no trustworthy recording."""

    def pair(key: str) -> tuple[int, int]:
        (first, second) = cell.get_parameter(key)
        return first, second

    layer: reference.Layer
    match cell:
        case n2d2.cells.Conv():
            layer = reference.Conv(
                np.nan_to_num(case["weights"]),
                case.get_array("bias"),
                pair("stride_dims"),
                pair("padding_dims"),
                pair("dilation_dims"),
                pair("sub_sample_dims"),
                mask.astype(float),
            )
        case n2d2.cells.Deconv():
            layer = reference.Deconv(
                np.nan_to_num(case["weights"]),
                case.get_array("bias"),
                pair("stride_dims"),
                pair("padding_dims"),
                pair("dilation_dims"),
                mask.astype(float),
            )
        case n2d2.cells.Softmax():
            layer = reference.Softmax(cell.get_parameter("with_loss"), cell.get_parameter("group_size"))
        case n2d2.cells.Resize():
            names = ("outputs_width", "outputs_height", "resize_mode", "align_corners")
            layer = reference.Resize(*(cell.get_parameter(n) for n in names))
        case n2d2.cells.Scaling():
            match cell.scaling:
                case n2d2.scaling.FixedPointScaling() as s:
                    factors = np.array(s.scaling) / 2**s.nb_fractional_bits
                    layer = reference.Scaling(list(factors), rounds=True)
                case n2d2.scaling.FloatingPointScaling() as s:
                    layer = reference.Scaling(s.scaling_per_output)
        case n2d2.cells.Activation():
            return reference.Chain(activation_layer(cell))
        case _:
            pytest.fail(f"{case.id}: no reference for {type(cell).__name__}")
    return reference.Chain([layer, *activation_layer(cell)])


def replay_cell(case: Case) -> None:
    """Forward, backward and one update of a cell with one input."""
    cell = build(case.get("constructor"))
    if case.id == "Dropout/inference":
        cell.test()
    mask = np.ones((0, 0), bool)
    if "weights" in case:
        mask = mask_of(case, *case["weights"].shape[:2])
        set_parameters(cell, case["weights"], case.get_array("bias"), mask)
    truth = {}
    if case.get("do_not_trust"):
        chain = reference_of(cell, case, mask)
        truth["output"] = chain.forward(case["x"].astype(float))
        truth["diff_out"] = chain.backward(case["diff_in"].astype(float))
        chain.update(reference.Sgd(0.1), len(case["x"]))
        truth["weights_after"], truth["bias_after"] = (chain.layers[0].params.get(k) for k in ("w", "b"))

    def expected(array: str) -> Any:
        return case[array] if case.trusted(array) else truth[array]

    output = cell(tensor(case["x"]))
    assert_close(output.to_numpy(), expected("output"), "output")
    output.back_propagate(case["diff_in"])
    if case.id == "Dropout/inference":
        # The original sends zeros back from a dropout at test; this library sends the gradient of the identity.
        assert_close(cell.get_diffoutputs().to_numpy(), case["diff_in"], "diff_out")
    elif "no_backprop" not in case.name:
        assert_close(cell.get_diffoutputs().to_numpy(), expected("diff_out"), "diff_out")
    output.update()
    if "weights_after" in case:
        w = np.where(mask.reshape(mask.shape + (1,) * (case["weights"].ndim - 2)), expected("weights_after"), 0.0)
        assert_close(weights_of(cell, mask, w.shape), w, "weights_after")
    if "bias_after" in case:
        assert_close(biases_of(cell), expected("bias_after"), "bias_after")


def replay_unrecorded(case: Case) -> None:
    """Forward and backward of a cell that the original could not run, against the reference."""
    cell = build(case.get("constructor"))
    chain, rng = reference_of(cell, case, np.ones((0, 0), bool)), np.random.default_rng(5)
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    output = cell(tensor(x))
    assert_close(output.to_numpy(), chain.forward(x.astype(float)), "output")
    g = rng.normal(size=output.shape()).astype(np.float32)
    output.back_propagate(g)
    assert_close(cell.get_diffoutputs().to_numpy(), chain.backward(g.astype(float)), "diff_out")


def replay_transformation(case: Case) -> None:
    """A transformation cell, which the original could not build: forward only."""
    cell, x = build(case.get("constructor")), np.random.default_rng(5).normal(size=(2, 4, 4, 3)).astype(np.float32)
    output = cell(tensor(x))
    assert_close(output.to_numpy(), x[..., ::-1], "output")
    output.back_propagate(np.ones(output.shape(), np.float32))
    assert_close(cell.get_diffoutputs().to_numpy(), np.zeros(x.shape), "diff_out")


def replay_low_level_activation(case: Case) -> None:
    """Activations that only INI files of the original reach, recorded behind a dense layer of weights 1 and 0."""
    kind = case.name.removeprefix("lowlevel_")
    with_loss = kind == "logistic_withloss"
    if with_loss:
        # The original refused this constructor; the forward values are those of the plain function.
        case = CASES["Activation/lowlevel_logistic"]
        kind = "logistic"
    activation = {
        "logistic": n2d2.activation.Logistic(with_loss=with_loss),
        "saturation": n2d2.activation.Saturation(),
    }[kind]
    cell = n2d2.cells.Fc(6, 6, no_bias=True, activation=activation, filler=n2d2.filler.Constant())
    for i in range(6):
        cell.set_weight(i, i, tensor([1.0]))
    output = cell(tensor(case["x"]))
    assert_close(output.to_numpy(), case["output"], "output")
    output.back_propagate(case["diff_in"])
    assert_close(cell.get_diffoutputs().to_numpy(), case["diff_in" if with_loss else "diff_out"], "diff_out")


def replay_mapping_that_failed(case: Case) -> None:
    """Grouped convolutions that the original could not build, against the reference."""
    rng = np.random.default_rng(5)
    cell = build(case.get("constructor"))
    channels, outputs = cell.get_parameter("nb_inputs"), cell.get_parameter("nb_outputs")
    text = case.get("constructor")
    groups = 3 if "nb_groups=3" in text else 2
    if "nb_channels_per_group" in text:
        groups = outputs // 2
    mask = np.array(group_rows(channels, outputs, groups), bool).T
    w, b = rng.normal(size=(outputs, channels, 3, 3)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)
    x = rng.normal(size=(2, channels, 5, 5)).astype(np.float32)
    set_parameters(cell, w, b, mask)
    conv = reference.Conv(w, b, mask=mask.astype(float))
    output = cell(tensor(x))
    assert_close(output.to_numpy(), conv.forward(x.astype(float)), "output")
    g = rng.normal(size=output.shape()).astype(np.float32)
    output.back_propagate(g)
    assert_close(cell.get_diffoutputs().to_numpy(), conv.backward(g.astype(float)), "diff_out")
    output.update()
    after = reference.Sgd(0.1).step(0, conv.params["w"], conv.grads["w"], 2)
    assert_close(weights_of(cell, mask, w.shape), after, "weights_after")


def replay_accumulate(case: Case) -> None:
    """Four passes of a convolution that updates every second one."""
    cell = build(case.get("constructor"))
    mask = mask_of(case, *case["weights"].shape[:2])
    set_parameters(cell, case["weights"], case["bias"], mask)
    for k in range(4):
        output = cell(tensor(case[f"x{k}"]))
        output.back_propagate(case[f"diff_in{k}"])
        output.update()
        assert_close(weights_of(cell, mask, case["weights"].shape), case[f"weights_after{k}"], f"weights_after{k}")
        assert_close(biases_of(cell), case[f"bias_after{k}"], f"bias_after{k}")


def replay_two_inputs(case: Case) -> None:
    """Two tensors joined along the channels."""
    text = case.get("constructor")
    cell = build(text.split(" called")[0]) if text.startswith("nn.") else n2d2.cells.Pool2d([2, 2], stride_dims=[2, 2])
    if "weights" in case:
        set_parameters(cell, case["weights"], case["bias"], mask_of(case, *case["weights"].shape[:2]))
    output = cell(n2d2.Interface([tensor(case["x1"]), tensor(case["x2"])]))
    expected = case["output"]
    if not case.trusted("output"):
        joined = np.concatenate([case["x1"], case["x2"]], axis=1).astype(float)
        expected = reference.Pool("Max", (2, 2), (2, 2)).forward(joined)
    assert_close(output.to_numpy(), expected, "output")


def replay_elem_wise(case: Case) -> None:
    """Forward and backward of an ElemWise with several inputs."""
    cell = build(case.get("constructor"))
    inputs = [f"x{k}" for k in range(9) if f"x{k}" in case] or ["x"]
    tensors = [tensor(case[name]) for name in inputs]
    output = cell(n2d2.Interface(tensors) if len(tensors) > 1 else tensors[0])
    assert_close(output.to_numpy(), case["output"], "output")
    output.back_propagate(case["diff_in"])
    for k, name in enumerate(inputs):
        assert_close(cell.get_diffoutputs(k).to_numpy(), case[name.replace("x", "diff_out")], f"diff_out {k}")


def replay_batch_norm(case: Case) -> None:
    """Inference, three learning steps, inference; input gradients from the reference."""
    cell = build(case.get("constructor"))
    names = {"scale": "scales", "bias": "biases", "mean": "means", "variance": "variances"}

    def values(name: str) -> np.ndarray:
        return getattr(cell, f"get_{names[name]}")().to_numpy()

    for name in names:
        values(name)[...] = case[name].reshape(values(name).shape)
    layer = reference.BatchNorm(
        *(case[name] for name in names),
        epsilon=cell.get_parameter("epsilon"),
        momentum=cell.get_parameter("moving_average_momentum"),
    )
    chain, solver = reference.Chain([layer, *activation_layer(cell)]), reference.Sgd(0.1)
    # One case cannot be compared with the recordings: epsilon=0.0 is automatic here and a true zero there.
    own = "epsilon=0.0" in case.get("constructor")
    cell.test()
    before = chain.forward(case["x_inf"].astype(float), learn=False) if own else case["output_inference_before"]
    assert_close(cell(tensor(case["x_inf"])).to_numpy(), before, "output_inference_before")
    cell.learn()
    for k in range(3):
        output = cell(tensor(case[f"x{k}"]))
        y = chain.forward(case[f"x{k}"].astype(float))
        assert_close(output.to_numpy(), y if own else case[f"output{k}"], f"output{k}")
        output.back_propagate(case[f"diff_in{k}"])
        g = chain.backward(case[f"diff_in{k}"].astype(float))
        chain.update(solver, len(y))
        assert_close(cell.get_diffoutputs().to_numpy(), g, f"diff_out{k}")
        output.update()
        for name in names:
            ours = layer.params[name] if name in layer.params else getattr(layer, name)
            assert_close(values(name).ravel(), np.ravel(ours if own else case[f"{name}_after{k}"]), f"{name}_after{k}")
    cell.test()
    expected = chain.forward(case["x_inf"].astype(float), learn=False) if own else case["output_inf"]
    assert_close(cell(tensor(case["x_inf"])).to_numpy(), expected, "output_inf")


BRANCHES = {
    "fc": "nn.Fc(64, 3, no_bias=True)",
    "conv": "nn.Conv(4, 3, [3, 3], no_bias=True)",
    "deconv": "nn.Deconv(4, 3, [3, 3], no_bias=True)",
    "pool_avg": "nn.Pool2d([2, 2], stride_dims=[2, 2], pooling='Average')",
    "pool_max": "nn.Pool2d([2, 2], stride_dims=[2, 2])",
    "act": "nn.Activation(act.Tanh())",
    "softmax": "nn.Softmax()",
    "softmax_loss": "nn.Softmax(with_loss=True)",
    "reshape": "nn.Reshape([1, 1, 64])",
    "resize": "nn.Resize(8, 8, 'BilinearTF')",
    "resize_nn": "nn.Resize(8, 8, 'NearestNeighbor')",
    "transpose": "nn.Transpose([1, 0, 2, 3])",
    "bn": "nn.BatchNorm2d(4)",
    "elemwise": "nn.ElemWise()",
}


def solve_weights(case: Case) -> np.ndarray:
    """Return weights that give the recorded gradient, which is linear in them: the case does not store them."""
    kind, shape = {
        "fc": (reference.Fc, (3, 64)),
        "conv": (reference.Conv, (3, 4, 3, 3)),
        "deconv": (reference.Deconv, (3, 4, 3, 3)),
    }[case.name]
    columns = []
    for k in range(int(np.prod(shape))):
        w = np.zeros(shape)
        w.flat[k] = 1.0
        layer = kind(w)
        layer.forward(case["x"].astype(float))
        columns.append(layer.backward(case["diff_in"].astype(float)).ravel())
    gradient = case["grad_after_first"].ravel().astype(float)
    solution, *_ = np.linalg.lstsq(np.stack(columns, axis=1), gradient, rcond=None)
    return solution.reshape(shape)


def replay_branch(case: Case) -> None:
    """Two equal children of one cell: the parent receives the sum of both gradients."""
    children = [build(BRANCHES[case.name]) for _ in range(2)]
    if case.name in ("fc", "conv", "deconv"):
        w = solve_weights(case)
        for child in children:
            set_parameters(child, w, None, np.ones(w.shape[:2], bool))
    first = case["grad_after_first"]
    if case.name == "bn":
        ones, zeros = np.ones(4), np.zeros(4)
        layer = reference.BatchNorm(ones, zeros, zeros, ones)
        layer.forward(case["x"].astype(float))
        first = layer.backward(case["diff_in"].astype(float))
    if case.name == "resize_nn":
        chain = reference_of(children[0], case, np.ones((0, 0), bool))
        chain.forward(case["x"].astype(float))
        first = chain.backward(case["diff_in"].astype(float))
    for count in (1, 2):
        parent = build("nn.Activation(act.Linear())")
        x = parent(tensor(case["x"]))
        outputs = [child(x) for child in children[:count]]
        joined = n2d2.cells.ElemWise()(n2d2.Interface(outputs) if count > 1 else outputs[0])
        joined.back_propagate(case["diff_in"])
        assert_close(parent.get_diffinputs().to_numpy(), count * first, f"gradient with {count} children")


def replay_solver(case: Case) -> None:
    """Updates of one weight by recorded gradients."""
    solver = build(case.get("solver"))
    if case.get("post"):
        name, _, value = case.get("post").removeprefix("s.").partition(" = ")
        setattr(solver, name, build(value))
    batch = case.get("batch", 1)
    cell = n2d2.cells.Fc(1, 1, no_bias=True, weights_solver=solver)
    if "grads" not in case:
        grads, expected = np.array([1.0, -2.0, 3.0]), None
    else:
        grads, expected = case["grads"], case["weights"]
    if case.get("ours") != "raise" and (expected is None or not case.trusted("weights")):
        expected = unclamped(case, grads)
    cell.set_weight(0, 0, tensor([0.5]))
    for k, g in enumerate(grads):
        output = cell(tensor(np.ones((batch, 1, 1, 1))))
        output.back_propagate(np.full((batch, 1, 1, 1), g, np.float32))
        output.update()
        if expected is not None:
            assert_close(cell.get_weight(0, 0).to_numpy().item(), expected[k], f"weight after update {k}")


def unclamped(case: Case, grads: np.ndarray) -> np.ndarray:
    """Return the weights of plain SGD from 0.5, clamped where the text gives numbers."""
    rate = {"Solver/clamp_ctor_literal": 0.5, "Solver/clamp_ctor_number": 0.5, "Solver/int_lr": 1.0}[case.id]
    limit = 0.6 if case.id == "Solver/clamp_ctor_number" else np.inf
    w, after = 0.5, []
    for g in grads:
        w = float(np.clip(w + rate * float(g), -limit, limit))
        after.append(w)
    return np.array(after)


def replay_solver_parameters(case: Case) -> None:
    """The printed form of solvers and of their copies."""
    values = case.get("values")
    solver = n2d2.solver.SGD(
        learning_rate=0.1, momentum=0.9, learning_rate_policy="StepDecay", learning_rate_step_size=4
    )
    assert str(solver) == values["str"]
    assert str(solver.copy()) == values["copy"]
    assert str(n2d2.solver.Adam()) == values["adam"]


def replay_filler(case: Case) -> None:
    """Statistics of filled parameters; the recordings start from seed 7."""
    n2d2.global_variables.seed = 7
    cell = build(case.get("constructor"))
    if "stats" not in case.entry:
        assert {w.to_numpy().item() for row in cell.get_weights() for w in row} == {1.0}
        return
    stats, bias = case.get("stats"), "bias" in case.name
    values = cell.N2D2().param("bias" if bias else "weights").astype(float).ravel()
    assert values.size == stats["n"]
    if not case.trusted("stats"):
        # Uniform in +-sqrt(3 / fan-out): one output a channel, so the fan-out is the size of the kernel.
        limit = np.sqrt(3 / 9)
        assert abs(values).max() == pytest.approx(limit, rel=1e-2)
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=2e-2)
        return
    for name, value in (
        ("mean", values.mean()),
        ("std", values.std()),
        ("min", values.min()),
        ("max", values.max()),
    ):
        assert value == pytest.approx(stats[name], rel=1e-4, abs=1e-6), name


def replay_raise(case: Case) -> None:
    """An error of a class that a user can catch, before or at the first use."""

    def use() -> None:
        if case.group == "Solver":
            replay_solver(case)
        else:
            # Conv/conv1d_3dims is an attempt at a one-dimensional convolution: a tensor without height.
            shape = (2, 2, 8) if case.group == "Conv" else (2, 4, 2, 3)
            build(case.get("constructor"))(tensor(np.zeros(shape)))

    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        use()
    assert isinstance(caught.value, n2d2.Error), repr(caught.value)


NETWORKS = {
    "lenet": [
        "nn.Conv(1, 4, [3, 3], activation=act.Rectifier(), name='conv1')",
        "nn.Pool2d([2, 2], stride_dims=[2, 2], name='pool1')",
        "nn.Conv(4, 6, [3, 3], activation=act.Tanh(), name='conv2')",
        "nn.Pool2d([2, 2], stride_dims=[2, 2], pooling='Average', name='pool2')",
        "nn.Fc(24, 10, activation=act.Rectifier(), name='fc1')",
        "nn.Fc(10, 4, name='fc2')",
        "nn.Softmax(with_loss=True, name='softmax')",
    ],
    "lenet_bn": [
        "nn.Conv(1, 4, [3, 3], no_bias=True, name='conv1')",
        "nn.BatchNorm2d(4, activation=act.Rectifier(), name='bn1')",
        "nn.Pool2d([2, 2], stride_dims=[2, 2], name='pool1')",
        "nn.Conv(4, 6, [3, 3], no_bias=True, name='conv2')",
        "nn.BatchNorm2d(6, activation=act.Rectifier(), name='bn2')",
        "nn.Pool2d([2, 2], stride_dims=[2, 2], name='pool2')",
        "nn.Fc(24, 4, name='fc2')",
        "nn.Softmax(with_loss=True, name='softmax')",
    ],
    "mse": ["nn.Fc(196, 12, activation=act.Tanh(), name='fc1')", "nn.Fc(12, 4, activation=act.Tanh(), name='fc2')"],
    "softmax_noloss": [
        "nn.Fc(196, 12, activation=act.Tanh(), name='fc1')",
        "nn.Fc(12, 4, name='fc2')",
        "nn.Softmax(name='softmax')",
    ],
}


class Network:
    """A network of the training cases, with its parameters by their recorded names."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.model = n2d2.cells.Sequence([build(text) for text in NETWORKS[case.get("model")]], name="net")
        self.model.set_solver(build(case.get("solver")))
        for cell in self.trainable():
            if isinstance(cell, n2d2.cells.BatchNorm2d):
                for name, values in self.statistics(cell).items():
                    values[...] = case[f"init_{cell.name}_{name}"].reshape(values.shape)
            else:
                w, b = (case.get_array(f"init_{cell.name}_{k}") for k in "wb")
                set_parameters(cell, w, b, np.ones(w.shape[:2], bool))

    def trainable(self) -> list[Any]:
        return [c for c in self.model if isinstance(c, n2d2.cells.Conv | n2d2.cells.Fc | n2d2.cells.BatchNorm2d)]

    @staticmethod
    def statistics(cell: Any) -> dict[str, np.ndarray]:
        tensors = {
            "scale": cell.get_scales(),
            "bias": cell.get_biases(),
            "mean": cell.get_means(),
            "var": cell.get_variances(),
        }
        return {name: t.to_numpy() for name, t in tensors.items()}

    def parameters(self) -> dict[str, np.ndarray]:
        found = {}
        for cell in self.trainable():
            if isinstance(cell, n2d2.cells.BatchNorm2d):
                found |= {f"{cell.name}_{k}": v for k, v in self.statistics(cell).items()}
                continue
            shape = self.case[f"init_{cell.name}_w"].shape
            found[f"{cell.name}_w"] = weights_of(cell, np.ones(shape[:2], bool), shape)
            if cell.has_bias():
                found[f"{cell.name}_b"] = biases_of(cell)
        return found

    def reference(self) -> reference.Chain:
        """Return the same network in the reference."""
        layers: list[reference.Layer] = []
        for cell in self.model:
            init = f"init_{cell.name}_"
            match cell:
                case n2d2.cells.Conv():
                    layers.append(reference.Conv(self.case[init + "w"]))
                case n2d2.cells.Fc():
                    layers.append(reference.Fc(self.case[init + "w"], self.case[init + "b"]))
                case n2d2.cells.BatchNorm2d():
                    layers.append(reference.BatchNorm(*(self.case[init + k] for k in ("scale", "bias", "mean", "var"))))
                case n2d2.cells.Softmax():
                    layers.append(reference.Softmax(cell.get_parameter("with_loss")))
                case _:
                    layers.append(reference.Pool("Max", (2, 2), (2, 2)))
            layers += activation_layer(cell)
        return reference.Chain(layers)


def replay_training(case: Case) -> None:
    """Twenty-four steps over three batches: losses and parameters."""
    net = Network(case)
    low, high = (-1.0, 1.0) if "'default_value': -1.0" in case.get("target") else (0.0, 1.0)
    target = np.where(np.eye(4, dtype=bool)[case["labels"]], high, low)[:, :, None, None]
    with_bn = case.get("model") == "lenet_bn"
    chain = net.reference() if with_bn else None
    solver = reference.Adam(0.005) if "Adam" in case.get("solver") else reference.Sgd(0.1, 0.9)
    for k in range(24):
        batch = case.get("batches")[k % 3]
        output = net.model(tensor(case["x"][batch]))
        g = target[batch] - output.to_numpy()
        loss = case["losses"][k]
        if chain is not None:
            y = chain.forward(case["x"][batch].astype(float))
            loss = np.sum((target[batch] - y) ** 2) / 8
            chain.backward(target[batch] - y)
            chain.update(solver, 8)
        if k == 0:
            assert_close(output.to_numpy(), case["output0"], "output0")
        assert np.sum(g**2) / 8 == pytest.approx(loss, rel=1e-5, abs=1e-6), f"loss {k}"
        output.back_propagate(g.astype(np.float32))
        output.update()
        if k == 0:
            for name, values in net.parameters().items():
                if not (with_bn and name.startswith(("conv", "bn1"))):
                    assert_close(values.ravel(), case[f"after1_{name}"].ravel(), f"after1_{name}")
    if with_bn:
        return
    for name, values in net.parameters().items():
        assert_close(values, case[f"final_{name}"], f"final_{name}")
    net.model.test()
    assert_close(
        net.model(tensor(case["x"][case.get("batches")[0]])).to_numpy(), case["final_output_test"], "final_output_test"
    )


HANDLERS: dict[str, Callable[[Case], None]] = {
    "Conv": replay_cell,
    "Deconv": replay_cell,
    "Fc": replay_cell,
    "Pool": replay_cell,
    "Activation": replay_cell,
    "Softmax": replay_cell,
    "Dropout": replay_cell,
    "Reshape": replay_cell,
    "Padding": replay_cell,
    "Resize": replay_cell,
    "Transpose": replay_cell,
    "Scaling": replay_unrecorded,
    "Transformation": replay_transformation,
    "ElemWise": replay_elem_wise,
    "BatchNorm2d": replay_batch_norm,
    "Branch": replay_branch,
    "Solver": replay_solver,
    "Filler": replay_filler,
    "Training": replay_training,
    "Activation/lowlevel_logistic": replay_low_level_activation,
    "Activation/lowlevel_logistic_withloss": replay_low_level_activation,
    "Activation/lowlevel_saturation": replay_low_level_activation,
    "Conv/groups2": replay_mapping_that_failed,
    "Conv/groups_chan_per_group2": replay_mapping_that_failed,
    "Conv/groups_mult2": replay_mapping_that_failed,
    "Conv/accumulate_iteration_size2": replay_accumulate,
    "Conv/two_input_cells": replay_two_inputs,
    "Pool/interface_concat": replay_two_inputs,
    "Resize/Bilinear_up_al1": replay_unrecorded,
    "Resize/Bilinear_x2_al1": replay_unrecorded,
    "Resize/Bilinear_down_al0": replay_unrecorded,
    "Resize/Bilinear_x2_al0": replay_unrecorded,
    "Solver/parameters": replay_solver_parameters,
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    if case.get("ours") == "raise":
        replay_raise(case)
    else:
        HANDLERS.get(name, HANDLERS[case.group])(case)
