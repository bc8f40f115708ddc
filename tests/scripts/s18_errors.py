"""Every kind of wrong argument: the class of the error, and that its text names the parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import n2d2
from n2d2 import activation, cells, filler, solver
from n2d2.error_handler import WrongInputType, WrongValue

x = n2d2.Tensor([1, 2, 6, 6])
conv = cells.Conv(2, 2, [3, 3], name="conv")
pool = cells.Pool2d([2, 2], name="pool")
provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])

Action = Callable[[], Any]
WRONG_TYPES: list[tuple[Action, str]] = [
    (lambda: cells.Conv("a", 2, [3, 3]), "nb_inputs"),
    (lambda: cells.Conv(2, "a", [3, 3]), "nb_outputs"),
    (lambda: cells.Conv(2, 2, "a"), "kernel_dims"),
    (lambda: cells.Conv(2, 2, [3, 3], stride_dims="a"), "stride_dims"),
    (lambda: cells.Conv(2, 2, [3, 3], no_bias=1), "no_bias"),
    (lambda: cells.Conv(2, 2, [3, 3], back_propagate="True"), "back_propagate"),
    (lambda: cells.Conv(2, 2, [3, 3], weights_export_flip=0), "weights_export_flip"),
    (lambda: cells.Conv(2, 2, [3, 3], weights_filler="a"), "weights_filler"),
    (lambda: cells.Conv(2, 2, [3, 3], bias_filler=1), "bias_filler"),
    (lambda: cells.Conv(2, 2, [3, 3], weights_solver="a"), "weights_solver"),
    (lambda: cells.Conv(2, 2, [3, 3], bias_solver="a"), "bias_solver"),
    (lambda: cells.Conv(2, 2, [3, 3], activation="a"), "activation"),
    (lambda: cells.Conv(2, 2, [3, 3], mapping="a"), "mapping"),
    (lambda: cells.Conv(2, 2, [3, 3], quantizer="a"), "quantizer"),
    (lambda: cells.Conv(2, 2, [3, 3], name=1), "name"),
    (lambda: cells.Conv(2, 2, [3, 3], model=1), "model"),
    (lambda: cells.Conv(2, 2, [3, 3], datatype=1), "datatype"),
    (lambda: cells.Deconv("a", 2, [3, 3]), "nb_inputs"),
    (lambda: cells.Fc("a", 2), "nb_inputs"),
    (lambda: cells.Fc(2, 2, drop_connect="a"), "drop_connect"),
    (lambda: cells.Fc(2, 2, normalize=1), "normalize"),
    (lambda: cells.Dropout(dropout="a"), "dropout"),
    (lambda: cells.ElemWise(operation=1), "operation"),
    (lambda: cells.ElemWise(mode=1), "mode"),
    (lambda: cells.ElemWise(weights="a"), "weights"),
    (lambda: cells.ElemWise(shifts="a"), "shifts"),
    (lambda: cells.Padding("a", 1, 1, 1), "top_pad"),
    (lambda: cells.Padding(1, 1, 1, 1.5), "right_pad"),
    (lambda: cells.Softmax(with_loss=1), "with_loss"),
    (lambda: cells.Softmax(group_size="a"), "group_size"),
    (lambda: cells.BatchNorm2d("a"), "nb_inputs"),
    (lambda: cells.BatchNorm2d(2, epsilon="a"), "epsilon"),
    (lambda: cells.BatchNorm2d(2, moving_average_momentum="a"), "moving_average_momentum"),
    (lambda: cells.BatchNorm2d(2, scale_solver="a"), "scale_solver"),
    (lambda: cells.Pool("a"), "pool_dims"),
    (lambda: cells.Pool([2, 2], pooling=1), "pooling"),
    (lambda: cells.Activation("a"), "activation"),
    (lambda: cells.Reshape("a"), "dims"),
    (lambda: cells.Resize("a", 2, "Bilinear"), "outputs_width"),
    (lambda: cells.Resize(2, 2, 1), "resize_mode"),
    (lambda: cells.Resize(2, 2, "Bilinear", align_corners=1), "align_corners"),
    (lambda: cells.Scaling("a"), "scaling"),
    (lambda: cells.Transformation("a"), "transformation"),
    (lambda: cells.Transpose("a"), "perm"),
    (lambda: solver.SGD(learning_rate="a"), "learning_rate"),
    (lambda: solver.SGD(momentum=True), "momentum"),
    (lambda: solver.SGD(iteration_size=1.5), "iteration_size"),
    (lambda: solver.SGD(polyak_momentum=1), "polyak_momentum"),
    (lambda: solver.Adam(beta1="a"), "beta1"),
    (lambda: filler.Normal(mean="a"), "mean"),
    (lambda: filler.Constant(value="a"), "value"),
    (lambda: filler.Xavier(scaling="a"), "scaling"),
    (lambda: filler.He(mean_norm="a"), "mean_norm"),
    (lambda: activation.Rectifier(leak_slope="a"), "leak_slope"),
    (lambda: activation.Linear(quantizer=1), "quantizer"),
    (lambda: activation.Tanh(alpha="a"), "alpha"),
    (lambda: n2d2.target.Score("a"), "provider"),
    (lambda: n2d2.target.Score(provider, top_n="a"), "top_n"),
    (lambda: n2d2.target.Score(provider, target_value="a"), "target_value"),
    (lambda: setattr(conv, "activation", 3), "activation"),
    (lambda: conv.set_solver(3), "solver"),
    (lambda: conv.set_filler(3), "filler"),
    (lambda: conv.set_parameter("back_propagate", 3), "back_propagate"),
]
WRONG_VALUES: list[tuple[Action, str]] = [
    (lambda: cells.Conv(2, 2, [3, 3], padding=1), "padding"),
    (lambda: cells.Conv(2, 2, [3, 3], inputs_dims=[1, 1]), "inputs_dims"),
    (lambda: cells.Conv(2, 2, [3, 3], weights_export_format="OC"), "weights_export_format"),
    (lambda: cells.Conv(2, 2, [0, 3]), "kernel_dims"),
    (lambda: cells.Conv(2, 2, [3, 3], model="a"), "model"),
    (lambda: cells.Conv(2, 2, [3, 3], datatype="a"), "datatype"),
    (lambda: cells.Fc(0, 2), "nb_inputs"),
    (lambda: cells.Fc(2, 2, drop_connect=1.5), "drop_connect"),
    (lambda: cells.Dropout(dropout=1.5), "dropout"),
    (lambda: cells.Dropout(proba=0.5), "proba"),
    (lambda: cells.ElemWise(operation="a"), "operation"),
    (lambda: cells.ElemWise(mode="a"), "mode"),
    (lambda: cells.Pool([2, 2], pooling="a"), "pooling"),
    (lambda: cells.Pool2d([2, 2], ext_padding_dims=[1, 1]), "ext_padding_dims"),
    (lambda: cells.BatchNorm2d(2, moving_average_momentum=1.0), "moving_average_momentum"),
    (lambda: cells.Reshape([-1, -1, 2]), "dims"),
    (lambda: cells.Resize(2, 2, "a"), "resize_mode"),
    (lambda: cells.Transpose([0, 0, 2, 3]), "perm"),
    (lambda: solver.SGD(learning_rate_policy="a"), "learning_rate_policy"),
    (lambda: solver.SGD(learning_rate_policy=1), "learning_rate_policy"),
    (lambda: solver.SGD(clamping="a"), "clamping"),
    (lambda: solver.SGD(clamping=1), "clamping"),
    (lambda: solver.SGD(nesterov=True), "nesterov"),
    (lambda: filler.Xavier(variance_norm=1), "variance_norm"),
    (lambda: filler.Xavier(distribution=1), "distribution"),
    (lambda: filler.He(variance_norm="a"), "variance_norm"),
    (lambda: filler.Normal(std=1.0), "std"),
    (lambda: activation.Tanh(slope=1.0), "slope"),
    (lambda: n2d2.target.Score(provider, top=1), "top"),
    (lambda: n2d2.target.Score(provider).get_average_score("a"), "metric"),
    (lambda: conv.get_parameter("a"), "conv"),
    (lambda: pool.get_parameter("a"), "pool"),
    (lambda: solver.SGD().get_parameter("a"), "SGD"),
    (lambda: filler.He().get_parameter("a"), "He"),
    (lambda: activation.Tanh().get_parameter("a"), "Tanh"),
    (lambda: conv.set_parameter("a", 1), "a"),
    (lambda: conv.set_solver_parameter("a", 1), "a"),
    (lambda: conv.get_weight(2, 0), "output_index"),
    (lambda: conv.set_bias(2, n2d2.Tensor([1])), "output_index"),
    (lambda: n2d2.mapping.Mapping(), "nb_groups"),
    (lambda: cells.Sequence([cells.Dropout(name="d"), cells.Dropout(name="d")]), "d"),
    (lambda: n2d2.Interface([]), "Interface"),
    (lambda: cells.BatchNorm2d(3, name="norm")(x), "norm"),
]
STATES: list[tuple[Action, str]] = [
    (lambda: conv.set_parameter("nb_inputs", 3), "nb_inputs"),
    (lambda: setattr(conv, "stride_dims", [2, 2]), "stride_dims"),
    (lambda: setattr(pool, "pooling", "Average"), "pooling"),
    (lambda: cells.ConvDepthWise(2, [3, 3], mapping=None), "mapping"),
    (lambda: cells.Pool2d([2, 2], mapping=None), "mapping"),
    (lambda: cells.GlobalPool2d(pool_dims=[2, 2]), "pool_dims"),
    (lambda: cells.Fc(2, 2, no_bias=True, name="fc").get_bias(0), "fc"),
    (lambda: cells.Conv(2, 2, [3, 3], model="Frame_CUDA"), "Frame_CUDA"),
    (lambda: cells.Conv(3, 2, [3, 3], name="three")(x), "three"),
    (lambda: cells.Fc(5, 2, name="five")(x), "five"),
    (lambda: x.back_propagate(), "Tensor"),
    (lambda: setattr(n2d2.global_variables, "cuda_available", True), "cuda_available"),
    (lambda: setattr(filler.Normal(), "mean", 1.0), "mean"),
]
ABSTRACT = [cells.NeuralNetworkCell, solver.Solver, filler.Filler, activation.ActivationFunction]


def check(action: Action, expected: type[Exception], name: str) -> None:
    try:
        action()
    except n2d2.Error as error:
        assert isinstance(error, expected), (name, type(error), error)
        assert name in str(error), (name, error)
    else:
        raise AssertionError(f"no error about {name}")


for cases, expected in ((WRONG_TYPES, TypeError), (WRONG_VALUES, ValueError), (STATES, RuntimeError)):
    for action, name in cases:
        check(action, expected, name)
for action, name in WRONG_TYPES[:10]:
    check(action, WrongInputType, name)
for action, name in WRONG_VALUES[:10]:
    check(action, WrongValue, name)
for kind in ABSTRACT:
    try:
        kind()
    except TypeError as error:
        assert kind.__name__ in str(error)
    else:
        raise AssertionError(kind)
try:
    cells.Sequence([])["nothing"]
except KeyError as error:
    assert "nothing" in str(error)
print("success")
