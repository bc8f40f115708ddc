"""The `onnx.backend.base.Backend` protocol: ONNX's own test suite, and tools that speak it, run models by n2d2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx.backend.base import Backend, BackendRep

from n2d2.error_handler import Error, ShapeError, WrongValue
from n2d2.onnx.graph import LAST_OPSET, read_graph
from n2d2.onnx.importer import Importer, needed_constants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from n2d2.onnx.importer import Imported

__all__ = ["N2D2Backend", "N2D2BackendRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]


class N2D2BackendRep(BackendRep):
    """A model that is ready to run.

    Inputs of the graph that operators need to know beforehand, such as weights and axes, are part of the network: it
    is made at the first run, and again when they change.

    Arguments:
        model (onnx.ModelProto): The model.

    Raises:
        ModelFileError: The model is wrong.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._graph = read_graph(model)
        self._fixed = needed_constants(self._graph) & set(self._graph.inputs)
        self._made: Imported | None = None
        self._made_of: tuple[dict[str, tuple[int, ...]], dict[str, NDArray[Any]]] = ({}, {})
        if not self._fixed:
            self._made = Importer(self._graph, align=False, learns=False).read()
            self._made_of = (dict(self._graph.inputs), {})

    def run(
        self, inputs: Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]], **options: Any
    ) -> tuple[NDArray[Any], ...]:
        """Computes the outputs.

        Arguments:
            inputs (list or dict of numpy.ndarray): The inputs, in the order of the graph or by name.
            **options (object): Taken by the protocol, not used.

        Raises:
            ShapeError: There are more or fewer inputs than the graph has.
            ModelFileError: Something in the model is not supported.
        """
        names = list(self._graph.inputs)
        given = dict(inputs) if hasattr(inputs, "keys") else dict(zip(names, inputs, strict=False))
        if len(inputs) != len(names) or set(given) != set(names):
            raise ShapeError(f"the model has the inputs {names}, got {len(inputs)}")
        arrays = {n: np.asarray(given[n]) for n in names}
        fixed = {n: a for n, a in arrays.items() if n in self._fixed}
        shapes = {n: a.shape for n, a in arrays.items()}
        if self._made is None or not self._is_made_of(shapes, fixed):
            self._graph = read_graph(self._model, shapes)
            self._made = Importer(self._graph, constants=fixed, align=False, learns=False).read()
            self._made_of = (shapes, {n: a.copy() for n, a in fixed.items()})
        results = self._made.run({n: a for n, a in arrays.items() if n not in self._fixed})
        return tuple(results[n] for n in self._graph.outputs)

    def _is_made_of(self, shapes: dict[str, tuple[int, ...]], fixed: dict[str, NDArray[Any]]) -> bool:
        old_shapes, old = self._made_of
        return shapes == old_shapes and all(np.array_equal(a, old[n]) for n, a in fixed.items())


class N2D2Backend(Backend):
    """Runs ONNX models by n2d2, on the processor.

    Example:
        >>> import numpy, onnx
        >>> node = onnx.helper.make_node("Relu", ["x"], ["y"])
        >>> print(N2D2Backend.run_node(node, [numpy.array([[-1.0, 2.0]], numpy.float32)])[0])
        [[0. 2.]]
    """

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> bool:
        """True if `prepare` would not raise.

        Arguments:
            model (onnx.ModelProto): The model.
            device (str, optional): `CPU`, default="CPU".
            **options (object): Taken by the protocol, not used.
        """
        try:
            cls.prepare(model, device)
        except Error:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> N2D2BackendRep:
        """Checks a model and makes it ready to run.

        Arguments:
            model (onnx.ModelProto): The model.
            device (str, optional): `CPU`, default="CPU".
            **options (object): Taken by the protocol, not used.

        Raises:
            WrongValue: The device is another one.
            ModelFileError: The model is wrong, or has parts that are not supported.
        """
        if not cls.supports_device(device):
            raise WrongValue("n2d2.onnx.backend: device", device, ["CPU"])
        return N2D2BackendRep(model)

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Sequence[NDArray[Any]], device: str = "CPU", **options: Any
    ) -> tuple[NDArray[Any], ...]:
        """Computes the outputs of a model, once.

        Arguments:
            model (onnx.ModelProto): The model.
            inputs (list of numpy.ndarray): Its inputs, in the order of the graph.
            device (str, optional): `CPU`, default="CPU".
            **options (object): Taken by the protocol, not used.

        Raises:
            WrongValue: The device is another one.
            ModelFileError: The model is wrong, or has parts that are not supported.
        """
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Sequence[NDArray[Any]],
        device: str = "CPU",
        outputs_info: object = None,
        **options: Any,
    ) -> tuple[NDArray[Any], ...]:
        """Runs one operator.

        Arguments:
            node (onnx.NodeProto): The node.
            inputs (list of numpy.ndarray): Its inputs, those that are left out too, as None.
            device (str, optional): `CPU`, default="CPU".
            outputs_info (list, optional): Element types and shapes of the outputs; they are inferred, default=None.
            **options (object): `opset_version` (int), the version of the operators; others are not used.
        """
        from onnx import helper

        opset = options.get("opset_version")
        arrays = {n: np.asarray(a) for n, a in zip(node.input, inputs, strict=False) if n}
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in arrays.items()
        ]
        outputs = [helper.make_empty_tensor_value_info(o) for o in node.output if o]
        graph = helper.make_graph([node], "node", infos, outputs)
        opsets = [helper.make_opsetid("", LAST_OPSET if opset is None else opset)]
        return cls.prepare(helper.make_model(graph, opset_imports=opsets), device).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """True for `CPU`.

        Arguments:
            device (str): Name of a device, as `CPU` or `CPU:0`.
        """
        return device.partition(":")[0] == "CPU"


is_compatible = N2D2Backend.is_compatible
prepare = N2D2Backend.prepare
run_model = N2D2Backend.run_model
run_node = N2D2Backend.run_node
supports_device = N2D2Backend.supports_device
