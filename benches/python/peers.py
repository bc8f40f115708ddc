"""The other libraries, each in its modes, with the parameters of n2d2."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from batches import Batch
from measure import Contender
from networks import Floats, JaxForward, Network, torch_parameters
from ours import LEARNING_RATE, MOMENTUM


class Trainer(Contender, Protocol):
    """A contender that learns."""

    def parameters(self) -> list[Floats]:
        """Return all parameters, as PyTorch orders and shapes them."""


class Inferrer(Contender, Protocol):
    """A contender that computes probabilities."""

    def infer(self) -> Floats:
        """Return the probabilities of the classes, `[n, classes]`."""


TORCH_MODES = ("eager", "channels_last", "compile", "compile, channels_last")
JAX_LAYOUTS = ("NCHW", "NHWC")


def torch_module(network: Network, start: list[Floats]) -> Any:
    """Return the PyTorch module of a network with some parameters.

    Raises:
        ValueError: They do not fit.
    """
    import torch

    module = network.torch()
    tensors = torch_parameters(module)
    with torch.no_grad():
        for tensor, array in zip(tensors, start, strict=True):
            if tuple(tensor.shape) != array.shape:
                raise ValueError(f"{network.title}: a parameter {array.shape} of n2d2 meets {tuple(tensor.shape)}")
            tensor.copy_(torch.from_numpy(array))
    return module


class TorchTraining:
    """Training steps of PyTorch with the fused solver."""

    def __init__(
        self, mode: str, network: Network, batches: list[Batch], start: list[Floats], *, double: bool = False
    ) -> None:
        import torch

        self.name = f"PyTorch {mode}"
        kind = torch.float64 if double else torch.float32
        memory = torch.channels_last if "channels_last" in mode else torch.contiguous_format
        self._module = torch_module(network, start).train().to(dtype=kind, memory_format=memory)
        self._batches = itertools.cycle(
            [
                (torch.from_numpy(x).to(dtype=kind, memory_format=memory), torch.from_numpy(labels.astype(np.int64)))
                for x, labels in batches
            ]
        )
        self._solver = torch.optim.SGD(self._module.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=True)

        def loss(x: Any, labels: Any) -> Any:
            return torch.nn.functional.cross_entropy(self._module(x), labels)

        self._loss: Callable[[Any, Any], Any] = loss
        if "compile" in mode:
            # What was compiled for another mode of the same code would be asked first, at each call.
            torch._dynamo.reset()
            self._loss = torch.compile(loss)

    def step(self) -> None:
        """Train on the next batch."""
        self._loss(*next(self._batches)).backward()
        self._solver.step()
        self._solver.zero_grad(set_to_none=True)

    def finish(self) -> None:
        """Nothing to wait for."""

    def parameters(self) -> list[Floats]:
        """Return copies of all parameters."""
        return [tensor.detach().contiguous().numpy().copy() for tensor in torch_parameters(self._module)]


class JaxTraining:
    """Training steps of JAX: one compiled function that takes over the buffers of the parameters."""

    def __init__(self, layout: str, forward: JaxForward, batches: list[Batch], start: list[Floats]) -> None:
        import jax
        from jax import numpy as jnp

        self.name = f"JAX jit {layout}"
        self._layout = layout
        self._state = _jax_arrays(start, layout), [jnp.zeros_like(p) for p in _jax_arrays(start, layout)]
        self._batches = itertools.cycle([(_jax_images(x, layout), jax.device_put(labels)) for x, labels in batches])

        def loss(parameters: list[Any], x: Any, labels: Any) -> Any:
            chosen = jax.nn.log_softmax(forward(parameters, x, layout))[jnp.arange(len(x)), labels]
            return -chosen.mean()

        def step(state: tuple[list[Any], list[Any]], x: Any, labels: Any) -> tuple[list[Any], list[Any]]:
            parameters, moments = state
            gradients = jax.grad(loss)(parameters, x, labels)
            moments = [MOMENTUM * m + g for m, g in zip(moments, gradients, strict=True)]
            return [p - LEARNING_RATE * m for p, m in zip(parameters, moments, strict=True)], moments

        self._step = jax.jit(step, donate_argnums=0)

    def step(self) -> None:
        """Train on the next batch; JAX may still compute when this returns."""
        self._state = self._step(self._state, *next(self._batches))

    def finish(self) -> None:
        """Wait for the last step."""
        import jax

        jax.block_until_ready(self._state)

    def parameters(self) -> list[Floats]:
        """Return copies of all parameters."""
        kernels_last = self._layout == "NHWC"
        return [np.array(p.transpose(3, 2, 0, 1) if kernels_last and p.ndim == 4 else p) for p in self._state[0]]


def _jax_arrays(arrays: list[Floats], layout: str) -> list[Any]:
    import jax

    return [
        jax.device_put(np.ascontiguousarray(a.transpose(2, 3, 1, 0)) if layout == "NHWC" and a.ndim == 4 else a)
        for a in arrays
    ]


def _jax_images(x: Floats, layout: str) -> Any:
    import jax

    return jax.device_put(x if layout == "NCHW" else np.ascontiguousarray(x.transpose(0, 2, 3, 1)))


def trainers(network: Network, batches: list[Batch], start: list[Floats]) -> Iterator[Trainer]:
    """Yield the peers that can train a network, in each mode."""
    for mode in TORCH_MODES:
        yield TorchTraining(mode, network, batches, start)
    if network.jax is not None:
        for layout in JAX_LAYOUTS:
            yield JaxTraining(layout, network.jax, batches, start)


class TorchInference:
    """PyTorch in test mode."""

    def __init__(self, mode: str, network: Network, batch: Batch, start: list[Floats], *, double: bool = False) -> None:
        import torch

        self.name = f"PyTorch {mode}"
        self._kind = torch.float64 if double else torch.float32
        self._memory = torch.channels_last if "channels_last" in mode else torch.contiguous_format
        module = torch.nn.Sequential(torch_module(network, start), torch.nn.Softmax(1)).eval()
        module = module.to(dtype=self._kind, memory_format=self._memory)
        self._x = batch.x
        self._guard = torch.inference_mode
        if "jit" in mode:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # They say that torch.compile is the successor.
                traced = torch.jit.freeze(torch.jit.trace(module, self._input()))
                module = torch.jit.optimize_for_inference(traced)
        elif "compile" in mode:
            # Inductor folds and packs weights only where it sees no_grad.
            torch._inductor.config.freezing = True
            torch._dynamo.reset()
            self._guard = torch.no_grad
            module = torch.compile(module)
        self._module = module

    def _input(self) -> Any:
        import torch

        x = torch.from_numpy(self._x)
        return x.to(dtype=self._kind, memory_format=self._memory)

    def infer(self) -> Floats:
        """Return the probabilities."""
        with self._guard():
            y: Floats = self._module(self._input()).numpy()
        return y

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""


class JaxInference:
    """JAX, the parameters compiled in."""

    def __init__(self, forward: JaxForward, batch: Batch, start: list[Floats]) -> None:
        import jax

        self.name = "JAX jit"
        parameters = _jax_arrays(start, "NCHW")
        self._x = batch.x
        self._compute = jax.jit(lambda x: jax.nn.softmax(forward(parameters, x, "NCHW")))

    def infer(self) -> Floats:
        """Return the probabilities."""
        return np.asarray(self._compute(self._x))

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""


class OnnxRuntime:
    """ONNX Runtime on the file that n2d2 exports; bound, it writes into an array that was given to it."""

    def __init__(self, model: bytes, batch: Batch, threads: int, *, bound: bool) -> None:
        import onnxruntime

        self.name = f"ONNX Runtime, {'bound, ' if bound else ''}{_threads(threads)}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._x = batch.x
        self._input = self._session.get_inputs()[0].name
        self._binding: Any = None
        if bound:
            output = self._session.get_outputs()[0]
            self._y = np.empty(output.shape, np.float32)
            self._binding = self._session.io_binding()
            self._binding.bind_output(output.name, "cpu", 0, np.float32, output.shape, self._y.ctypes.data)

    def infer(self) -> Floats:
        """Return the probabilities."""
        y: Floats
        if self._binding is None:
            y = self._session.run(None, {self._input: self._x})[0]
        else:
            self._binding.bind_cpu_input(self._input, self._x)
            self._session.run_with_iobinding(self._binding)
            y = self._y.copy()
        return y.reshape(len(y), -1)

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""


class OpenVino:
    """OpenVINO on the file that n2d2 exports; it reads the array where it lies."""

    def __init__(self, model: bytes, batch: Batch, threads: int) -> None:
        import openvino

        self.name = f"OpenVINO, {_threads(threads)}"
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
        self._request = compiled.create_infer_request()
        self._output = self._request.get_output_tensor()
        self._tensor = openvino.Tensor
        self._x = batch.x

    def infer(self) -> Floats:
        """Return the probabilities."""
        # Half of the time of `request.infer([x])` for a small network goes into its conversions.
        self._request.set_input_tensor(self._tensor(self._x, shared_memory=True))
        self._request.infer()
        y: Floats = self._output.data.copy()
        return y.reshape(len(y), -1)

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def inferrers(network: Network, batch: Batch, start: list[Floats], model: bytes, threads: int) -> Iterator[Inferrer]:
    """Yield the peers that can compute a network, in each mode."""
    # A small network is faster on one thread; n2d2 decides that itself.
    for count in sorted({threads, 1}, reverse=True):
        yield OnnxRuntime(model, batch, count, bound=False)
        yield OnnxRuntime(model, batch, count, bound=True)
        yield OpenVino(model, batch, count)
    for mode in ("jit", "jit, channels_last", *TORCH_MODES):
        yield TorchInference(mode, network, batch, start)
    if network.jax is not None:
        yield JaxInference(network.jax, batch, start)
