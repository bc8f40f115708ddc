"""Every class of n2d2 and every kind of method once, with the types that an editor and a type checker see.

Each function is a subject of its own: cells, parameters, containers, data, a training with its scores. What it prints
is little; what it asserts is what the calls are for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

import n2d2
from n2d2 import Interface, Tensor, activation, cells, filler, mapping, scaling, solver, transform
from n2d2.database import MNIST, AbstractDatabase, Database, Digits, Numpy
from n2d2.deepnet import DeepNet, GraphNode
from n2d2.provider import DataProvider, Provider, TensorPlaceholder
from n2d2.target import Score, Target
from n2d2.train import (
    Callback,
    Checkpoint,
    CsvLog,
    EarlyStopping,
    JsonLines,
    LearningRateLog,
    Profile,
    ProfiledPass,
    Progress,
    Run,
    TensorBoard,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def images(n: int, channels: int, size: int = 6) -> Tensor:
    values = np.random.default_rng(7).normal(size=(n, channels, size, size))
    return Tensor.from_numpy(values.astype(np.float32))


def tensors() -> None:
    x = Tensor([2, 3], value=1.5)
    x[0, 1] = 4.0
    x.set_values([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    array: NDArray[np.float32] = x.to_numpy()
    array[0, 0] = 7.0
    assert x[0] == 7.0, "the memory is shared"
    y = x.copy()
    y.reshape([3, 2])
    y.resize([4, 2])
    assert (x.shape(), x.dims(), x.nb_dims(), y.shape()) == ([2, 3], [3, 2], 2, [4, 2])
    assert (x.dimX(), x.dimY(), x.dimZ(), x.dimB()) == (3, 2, 3, 2)
    assert x.cpu().detach().data_type() == "float"
    assert not x.is_cuda
    assert not x.is_leaf()
    bundle = Interface([Tensor([1, 2, 4, 4]), Tensor([1, 3, 4, 4])])
    assert bundle.dims() == [4, 4, 5, 1]
    assert len(bundle.get_tensors()) == 2
    print(f"tensors: mean {x.mean():.2f}, a bundle of {bundle.dimZ()} channels named {bundle.get_name()}")


def solvers_fillers_activations() -> None:
    sgd: solver.Solver = solver.SGD(learning_rate=0.1, momentum=0.9, learning_rate_policy="StepDecay")
    adam = solver.Adam(learning_rate=0.01)
    own = adam.copy()
    own.set_parameter("beta1", 0.5)
    assert (adam.beta1, own.get_parameter("beta1")) == (0.9, 0.5)
    assert sgd.N2D2().kind == "SGD"
    fillers: list[filler.Filler] = [
        filler.Constant(value=0.5),
        filler.Normal(std_dev=0.05),
        filler.Uniform(min=-1.0, max=1.0),
        filler.Xavier(distribution="Normal"),
        filler.He(variance_norm="FanOut"),
    ]
    functions: list[activation.ActivationFunction] = [
        activation.Linear(clipping=6.0),
        activation.Rectifier(leak_slope=0.1),
        activation.Tanh(alpha=0.5),
        activation.Logistic(),
        activation.Saturation(),
        activation.Softplus(),
        activation.Swish(),
    ]
    x = Tensor([1, 1], value=1.0)
    values = {f.get_type(): cells.Activation(f)(x)[0] for f in functions if not f.has_quantizer()}
    print("fillers:", *(f.get_type() for f in fillers))
    print("activations of 1:", " ".join(f"{name} {value:.3f}" for name, value in values.items()))


def layers() -> None:
    """Each layer with parameters of its own: sizes in, sizes out."""
    groups = mapping.Mapping(nb_groups=2)
    assert groups.create_mapping(4, 6).shape() == [4, 6]
    shared = n2d2.ConfigSection(padding_dims=[1, 1], weights_filler=filler.He(), no_bias=True)
    made: list[cells.NeuralNetworkCell] = [
        cells.Conv(4, 6, [3, 3], mapping=groups, activation=activation.Rectifier(), **shared),
        cells.ConvDepthWise(4, [3, 3], **shared),
        cells.ConvPointWise(4, 8),
        cells.Deconv(4, 3, [2, 2], stride_dims=[2, 2]),
        cells.Fc(4 * 6 * 6, 10),
        cells.BatchNorm2d(4, moving_average_momentum=0.2),
        cells.Pool([2, 2], stride_dims=[2, 2], pooling="Average"),
        cells.Pool2d([3, 3]),
        cells.GlobalPool2d(pooling="Max"),
        cells.Activation(activation.Tanh()),
        cells.Softmax(group_size=2),
        cells.Dropout(dropout=0.25),
        cells.ElemWise(operation="Sum", weights=[2.0]),
        cells.Reshape([1, 1, -1]),
        cells.Padding(1, 1, 2, -1),
        cells.Resize(12, 9, "Bilinear"),
        cells.Transpose([1, 0, 2, 3]),
        cells.Scaling(scaling.FloatingPointScaling([0.5] * 4)),
    ]
    x = images(2, 4)
    for cell in made:
        y = cell(x)
        assert cell.get_outputs() is y
        assert cell.get_inputs() is x
        y.back_propagate(np.ones(y.shape(), np.float32))
        assert cell.get_diffinputs().shape() == y.shape()
        assert cell.get_diffoutputs(0).shape() == x.shape()
        assert cell.get_parameter("activation") is cell.get_activation()
        assert cell.dims() == y.dims()
        assert (cell.get_nb_channels(), cell.get_nb_outputs()) == (4, y.dimZ())
        learns = "learns" if isinstance(cell, cells.Trainable) else ""
        exports = "C" if cell.is_exportable_to("C") else "-"
        print(f"  {cell.get_type():<13} {x.shape()} -> {y.shape()!s:<14} export {exports}  {learns}")
    mirror = cells.Transformation(transform.Flip(horizontal_flip=True))
    assert mirror(mirror(x)) == x
    cell = made[-1]
    cell.set_activation(activation.Linear())
    assert cell.get_input_cells()
    assert cell.N2D2().name == cell.get_name() == cell.name


def arithmetic() -> None:
    """Cells that compute with tensors of any shape, as ONNX files do."""
    x = Tensor([2, 3, 4, 1], value=4.0)
    root = cells.Function("Sqrt")
    half = cells.Arithmetic(operation="Mul", constant=0.5)
    assert half(root(x))[0] == 1.0
    assert cells.Reduce(operation="Sum", axes=[1])(x).shape() == [2, 1, 4, 1]
    assert cells.LRN(n=3, alpha=0.0, beta=1.0, k=2.0)(x)[0] == 2.0
    product = cells.MatMul()([Tensor([2, 3], value=1.0), Tensor([3, 2], value=2.0)])
    picked = cells.Rearrange([0, 1, 0], [3], per_sample=True)(Tensor([2, 2], value=1.0))
    print("arithmetic:", product.shape(), product[0], picked.shape())


def parameters(folder: Path) -> None:
    """Weights and biases: read, written, drawn, trained, saved."""
    fc = cells.Fc(2, 2, name="fc")
    fc.set_filler(filler.Constant(value=1.0), refill=True)
    fc.set_weights_filler(filler.Constant(value=0.5))
    fc.set_bias_filler(filler.Constant(value=0.25))
    fc.refill_weights()
    fc.refill_bias()
    fc.set_weight(0, 1, Tensor([1], value=2.0))
    fc.set_bias(1, Tensor([1], value=-1.0))
    assert [fc.get_weight(0, 0)[0], fc.get_weight(0, 1)[0]] == [0.5, 2.0]
    assert [bias[0] for bias in fc.get_biases()] == [0.25, fc.get_bias(1)[0]]
    assert len(fc.get_weights()) == 2
    assert fc.has_bias()
    assert not fc.has_quantizer()
    fc.set_solver(solver.SGD())
    fc.set_solver_parameter("learning_rate", 0.5)
    fc.set_bias_solver(solver.Adam())
    fc.set_weights_solver(fc.get_weights_solver().copy())
    assert fc.get_bias_solver().get_type() == "Adam"
    fc.back_propagate = True
    y = fc(Tensor([1, 2], value=1.0))
    y.back_propagate(Tensor([1, 2, 1, 1], value=1.0))
    y.update()
    assert fc.get_weight(0, 0)[0] == 1.0

    fc.export_free_parameters(str(folder), verbose=False)
    again = cells.Fc(2, 2, name="fc", filler=filler.Constant())
    again.import_free_parameters(str(folder))
    assert again.get_weight(0, 1) == fc.get_weight(0, 1)

    norm = cells.BatchNorm2d(3)
    norm.test()(images(2, 3))
    statistics = [norm.get_scales(), norm.get_biases(), norm.get_means(), norm.get_variances()]
    print("statistics of a BatchNorm2d:", [values[0] for values in statistics])


class Residual(cells.Block):
    """A container with a data flow of its own."""

    def __init__(self, channels: int) -> None:
        self.conv = cells.Conv(channels, channels, [3, 3], padding_dims=[1, 1], name="conv")
        self.sum = cells.ElemWise(operation="Sum", name="sum")
        super().__init__([self.conv, self.sum], name="residual")

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """The input plus its convolution."""
        super().__call__(inputs)
        return self.sum(Interface([self.conv(inputs), *inputs.get_tensors()]))


def containers(folder: Path) -> None:
    branches = cells.Layer([cells.Pool2d([1, 1], name="pool"), cells.Sequence([], name="same")], name="branches")
    model = cells.Sequence([Residual(4), branches], name="model")
    model.append(cells.ElemWise(operation="Max", name="max"))
    first: cells.Cell = cells.Dropout(name="drop")
    model.insert(0, first)
    assert model.index(first) == 0
    model.remove(first)
    assert isinstance(model, cells.Iterable)
    assert model.get_cell("conv") is model["conv"]
    assert [name for name, _ in model.items()] == ["residual", "branches", "max"]
    model.set_solver(solver.Adam(learning_rate=0.05))
    model.set_back_propagate(True)
    assert not model.is_integral()
    y = model.test()(images(2, 4))
    assert y.shape() == [2, 4, 6, 6]
    model.learn()
    model.export_free_parameters(str(folder), verbose=False)
    model.import_free_parameters(str(folder), ignore_not_exists=True)
    net: DeepNet = y.get_deepnet()
    last: GraphNode = net.nodes()[-1]
    assert last.name in net.get_cells()
    assert [cell.get_name() for cell in net.get_output_cells()] == ["max"]
    net.draw_graph(str(folder / "model"))
    print("containers:", *model.get_cells())
    print("graph:", *(node.name for node in net.nodes()))


def data() -> None:
    base: AbstractDatabase = Numpy()
    assert isinstance(base, Numpy)
    base.load([np.full((1, 4, 4), k, np.float32) for k in range(8)], [0, 1] * 4)
    base.partition_stimuli(learn=0.5, validation=0.25, test=0.25)
    assert [base.get_nb_stimuli(partition) for partition in ("Learn", "Validation", "Test")] == [4, 2, 2]
    assert base.get_label_name(1) == base.label_names()[1]
    base.get_partition_summary()
    provider = DataProvider(base, [6, 6, 1], batch_size=2)
    provider.add_transformation(transform.Composite([transform.PadCrop(6, 6, border_type="ConstantBorder")]))
    provider.add_on_the_fly_transformation(transform.Flip(random_horizontal_flip=True, apply_to="LearnOnly"))
    provider.add_on_the_fly_transformation(transform.RangeAffine("Divides", 8.0))
    assert [t.get_apply_set() for t in provider.get_transformations()] == ["LearnOnly", "All", "All"]
    provider.set_partition("Learn")
    provider.set_prefetch("never")
    provider.set_reading_randomly(False)
    provider.set_batch(shuffle=True)
    while not provider.all_batchs_provided():
        assert provider.read_batch() is provider.get_data()
    assert provider.read_random_batch().shape() == provider.shape() == [2, 1, 6, 6]
    assert (provider.dims(), provider.get_size(), provider.get_batch_size()) == ([6, 6, 1, 2], [6, 6, 1], 2)
    assert len(provider.stimuli_ids()) == len(provider.labels_array()) == len(provider.get_labels())
    assert provider.get_database() is base
    print(
        f"data: {provider.get_name()} at {provider.get_partition()}, batch {provider.batch_number()} of {len(provider)}"
    )

    empty: list[transform.Transformation] = [transform.Rescale(8, 8)]
    stack = transform.Composite(empty)
    stack.append(transform.Flip(vertical_flip=True))
    assert len(stack.get_transformations()) == 2
    assert Database().get_nb_stimuli("Learn") == 0
    try:
        MNIST("nowhere")
    except n2d2.Error as error:
        print("data:", type(error).__name__, str(error).split(";")[-1].strip())


def training(folder: Path) -> None:
    database = Digits(validation=0.2)
    provider = DataProvider(database, [28, 28, 1], batch_size=100)
    provider.normalize_stimuli()
    fc = cells.Fc(28 * 28, 10, solver=solver.SGD(learning_rate=0.1, momentum=0.9), weights_filler=filler.Xavier())
    model = cells.Sequence([fc, cells.Softmax(with_loss=True)])
    target: Target = Score(provider, top_n=1, log_dir=folder, name="digits")
    assert isinstance(target, Score)
    provider.set_partition("Learn")
    for stimuli in Progress(target, 1)(provider, len(provider)):
        loss = target(model(stimuli))
        assert loss.is_leaf()
        loss.back_propagate()
        loss.update()
    assert len(target.get_loss()) == len(provider)
    assert target.get_loss()[-1] == target.loss()
    assert target.cross_entropy() > 0

    provider.set_partition("Test")
    model.test()
    target.clear_score()
    target.clear_success()
    for stimuli in provider:
        target(model(stimuli))
    assert target.get_average_top_n_success() == 0.0, "one output is kept: see get_average_success"
    assert target.estimated_labels().shape == target.estimated_values().shape
    assert int(target.confusion_matrix().sum()) == database.get_nb_stimuli("Test")
    assert len(target.class_names()) == 10
    assert target.recent(0)[2] == 1000
    target.log_confusion_matrix("tour")
    target.log_success("tour")
    target.log_stats("stats")
    assert "average" in target.score_table()
    source: Provider = TensorPlaceholder(Tensor([1, 1, 28, 28]), name="zeros")
    assert target.provider is not source
    assert target.get_name() == target.name
    assert target.get_parameter("top_n") == 1
    print(f"training: success {100 * target.get_average_success():.1f} %, F1 {target.get_average_score('F1Score'):.2f}")
    print("files:", *sorted(f.name for f in target.folder.iterdir())[:3], "...")


class StopsAt(Callback):
    """Ends a training when it is good enough."""

    def __init__(self, success: float) -> None:
        self.success = success
        self.batches = 0

    def batch(self, run: Run) -> None:
        """Counts the batches."""
        self.batches += 1
        assert self.batches == run.step

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Looks at the success of the epoch."""
        run.stop, run.reason = metrics["success"] > self.success, f"{100 * self.success:.0f} % reached"


def whole_networks(folder: Path) -> None:
    """A container becomes a network, which trains, tests and logs itself."""
    provider = DataProvider(Digits(validation=0.2), [28, 28, 1], batch_size=100)
    fc = cells.Fc(28 * 28, 10, name="fc")
    drop, softmax = cells.Dropout(dropout=0.1, name="drop"), cells.Softmax(with_loss=True, name="softmax")
    body = cells.Sequence([fc, drop, softmax])
    model: cells.DeepNetCell = body.to_deepnet_cell(provider, Score(provider, name="networks", log_dir=folder))
    model.set_solver(solver.SGD(learning_rate=0.1, momentum=0.9))
    stops = StopsAt(0.9)
    logs: list[Callback] = [JsonLines("more.jsonl"), CsvLog("more.csv"), LearningRateLog(), TensorBoard()]
    callbacks = [*logs, Checkpoint(every=2), EarlyStopping(patience=2), stops]
    model.fit(5, log_epoch=1, valid_metric="F1Score", log_dir=folder, callbacks=callbacks, restore_best=True)
    assert len((folder / "more.jsonl").read_text().splitlines()) == len(model.history)
    assert stops.batches == len(model.history) * 32
    model.run_test(report=500, log_dir=folder)
    model.log_confusion_matrix("network", partition="Test")
    model.log_success("network", partition="Learn")
    model.log_stats(str(folder / "network"))
    model.remove("drop")
    model.summary(verbose=True)
    first, last = model.get_input_cells(), model.get_output_cells()
    assert [cell.name for cell in (*first, *last)] == ["fc", "softmax"]

    model.set_provider(TensorPlaceholder(Tensor([2, 1, 28, 28], value=0.5), name="grey"))
    with Profile() as profile:
        y = model.learn()(images(2, 1, 28))
    measured: list[ProfiledPass] = profile.passes
    assert [p.name for p in measured] == ["fc", "softmax"]
    assert "GFLOP/s" in profile.table()
    assert isinstance(y, Tensor)
    y.back_propagate(np.ones(y.shape(), np.float32))
    model.update()
    found: cells.Explanation = model.test().explain(batch_size=4)
    nodes: tuple[cells.ExplainedNode, ...] = found.nodes
    assert [(node.name, node.shape[0]) for node in nodes] == [("fc", 4), ("softmax", 4)]
    assert "kernel" in str(found)
    assert np.shape(model.predict(np.zeros((4, 1, 28, 28), np.float32), batch_size=2)) == (4, 10, 1, 1)
    assert model.learn().get_deepnet() is y.get_deepnet()
    again = cells.DeepNetCell(model.get_embedded_deepnet())
    assert again.test()["fc"] is fc
    print(f"networks: {model.get_name()} with", *again.get_cells())


INI = """
[database]
Type=Digits_Database
[sp]
Size=28 28 1
BatchSize=50
[fc]
Input=sp
Type=Fc
NbOutputs=10
[softmax]
Input=fc
Type=Softmax
NbOutputs=10
WithLoss=1
[softmax.Target]
"""


def model_files(folder: Path) -> None:
    """Networks of files: INI describes the data too, ONNX takes a provider."""
    ini, onnx = folder / "net.ini", folder / "net.onnx"
    ini.write_text(INI)
    model = cells.DeepNetCell.load_from_INI(ini)
    assert list(model.targets) == ["softmax"]
    provider = model.provider
    assert provider is not None

    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Softmax", ["flat"], ["likely"])],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("likely", TensorProto.FLOAT, [1, 784])],
    )
    onnx.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    other = cells.DeepNetCell.load_from_ONNX(provider, onnx)
    print("files:", *model.get_cells(), "and", *other.get_cells())


def main() -> None:
    n2d2.global_variables.seed = 1
    tensors()
    solvers_fillers_activations()
    layers()
    arithmetic()
    data()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters(folder / "fc")
        containers(folder / "model")
        training(folder)
        whole_networks(folder)
        model_files(folder)


if __name__ == "__main__":
    main()
