"""Behaviours of a whole network, and of what makes one of a container."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from contract import rows
from contract.cases import Array, close, tensor
from contract.containers import linear
from contract.registry import behaviour, resolve
from n2d2.cells import Conv, Fc, Sequence, Softmax
from n2d2.error_handler import MissingFileError, ShapeError, StateError, UnknownCellError, WrongInputType, WrongValue
from n2d2.solver import SGD

CELL = ["n2d2.cells.DeepNetCell"]

# Four images of one pixel in two channels; the class is the brighter channel.
IMAGES = np.array([[1.0, 0.0], [0.0, 1.0], [0.75, 0.25], [0.25, 0.75]], np.float32).reshape(4, 2, 1, 1)
LABELS = [0, 1, 0, 1]
WEIGHTS = np.array([[0.5, -0.25], [0.25, 0.125]], np.float32)


def source(*partitions: str, batch_size: int = 2, size: int = 1) -> Any:
    """Return a provider with the images in each partition, the image repeated to this size."""
    base = n2d2.database.Numpy()
    for partition in partitions or ("Learn", "Test"):
        base.load([np.tile(image, (1, size, size)) for image in IMAGES], LABELS, partition=partition)
    return n2d2.provider.DataProvider(base, [size, size, 2], batch_size=batch_size, name="source")


def layer(rate: float = 0.5) -> Fc:
    """Return a layer without bias with the weights above."""
    fc = Fc(2, 2, no_bias=True, solver=SGD(learning_rate=rate), name="fc")
    for o, c in np.ndindex(2, 2):
        fc.set_weight(o, c, tensor([WEIGHTS[o, c]]))
    return fc


def network(path: str, *partitions: str, folder: Any = ".", batch_size: int = 2, rate: float = 0.5) -> Any:
    """Return a network of one layer with a target `t`, for a provider in the Learn partition."""
    provider = source(*partitions, batch_size=batch_size)
    provider.set_partition("Learn")
    body = Sequence([layer(rate)], name="body")
    made = body.to_deepnet_cell(provider, n2d2.target.Score(provider, name="t", log_dir=folder))
    assert type(made) is resolve(path)
    return made


def learnt(steps: int, batch: Array = IMAGES, rate: float = 0.5) -> Array:
    """Return the weights after some steps over the same batch."""
    x, wanted, w = batch[:, :, 0, 0].astype(float), np.eye(2)[LABELS], WEIGHTS.astype(float)
    for _ in range(steps):
        w = w + rate / len(x) * (wanted - x @ w.T).T @ x
    return w


def weights(model: Any) -> Array:
    values: Array = model["fc"].N2D2().param("weights").reshape(2, 2).astype(float)
    return values


def printed(function: Any, *arguments: Any, **named: Any) -> str:
    """Return what a call prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert function(*arguments, **named) is None
    return text.getvalue()


@behaviour("__init__", CELL)
def network_is_built(path: str) -> None:
    """A graph becomes a cell with the name of the graph, in which the same cells compute the same; errors."""
    make = resolve(path)
    fc = layer()
    net = fc(tensor(IMAGES[:1])).get_deepnet()
    made = make(net)
    assert made.get_name() == net.get_name()
    assert made["fc"] is fc
    close(made(tensor(IMAGES)), (IMAGES[:, :, 0, 0] @ WEIGHTS.T)[..., None, None])
    with pytest.raises(WrongInputType, match=r"N2D2_object must be of type n2d2\.deepnet\.DeepNet, got str"):
        make("net")
    with pytest.raises(StateError, match=r"the graph DeepNet_\d+ has no cells"):
        make(tensor(IMAGES).get_deepnet())


@behaviour("export_free_parameters", CELL)
def parameters_are_written(path: str) -> None:
    """A file a parameter of each layer, and a line for each layer unless told not to."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path)
        text = printed(model.export_free_parameters, folder)
        assert text == f"Export to {folder}/fc.syntxt\nExport to {folder}/fc_quant.syntxt\n"
        close(np.loadtxt(f"{folder}/fc_weights.syntxt"), WEIGHTS)
        assert printed(model.export_free_parameters, f"{folder}/more", verbose=False) == ""
        assert [file.name for file in Path(folder, "more").iterdir()] == ["fc_weights.syntxt"]


@behaviour("import_free_parameters", CELL)
def parameters_are_read(path: str) -> None:
    """What was written comes back; a missing file is an error unless told otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path)
        model.export_free_parameters(folder, verbose=False)
        model["fc"].set_weight(0, 0, tensor([9.0]))
        model.import_free_parameters(folder)
        close(weights(model), WEIGHTS)
        with pytest.raises(MissingFileError, match="fc"):
            model.import_free_parameters(f"{folder}/none")
        model.import_free_parameters(f"{folder}/none", ignore_not_exists=True)
        close(weights(model), WEIGHTS)


@behaviour("fit", CELL)
def network_is_trained(path: str) -> None:
    """One step an epoch over a batch of all stimuli, by the formula of the loss; files; the metric; errors."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path, "Learn", "Validation", folder=folder, batch_size=4)
        text = printed(model.fit, 3, 1, valid_metric="Accuracy", stop_valid=5, log_dir=folder)
        close(weights(model), learnt(3))
        assert len(text.splitlines()) == 3
        assert "Accuracy" in text
        close(np.loadtxt(f"{folder}/weights_init/fc_weights.syntxt"), WEIGHTS)
        assert Path(folder, "weights_validation", "fc_weights.syntxt").exists()
        assert Path(folder, "t.Target", "Success_learning.png").exists()
        assert [round(epoch["success"], 6) for epoch in model.history][-1] == 1.0
        with pytest.raises(WrongValue, match="valid_metric is 'Sensitivty', expected"):
            model.fit(1, valid_metric="Sensitivty")
        with pytest.raises(WrongValue, match="learn_epoch is 0, expected an integer of at least 1"):
            model.fit(0)
        close(weights(model), learnt(3))


@behaviour("run_test", CELL)
def network_is_tested(path: str) -> None:
    """The success of the Test partition, its confusion matrix, one stimulus alone; weights stay; errors."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path, folder=folder)
        # The outputs are 0.5 a - 0.25 b and 0.25 a + 0.125 b: the larger one is right for all images.
        text = printed(model.run_test, report=2, log_dir=folder)
        assert "2/4   success 100.00 %\n4/4   success 100.00 %\n" in text
        target = model.targets["fc"]
        model.provider.set_partition("Test")
        np.testing.assert_array_equal(target.confusion_matrix(), [[2, 0], [0, 2]])
        assert Path(folder, "t.Target", "ConfusionMatrix_test_score.png").exists()
        close(weights(model), WEIGHTS)
        # The stimuli of a partition are in an order that was drawn; 5 and 7 are those of class 1.
        ids = model.provider.get_database().N2D2().ids("Test").tolist()
        printed(model.run_test, test_index=ids.index(7), log_dir=folder)
        np.testing.assert_array_equal(target.confusion_matrix(), [[0, 0], [0, 1]])
        printed(model.run_test, test_index=ids.index(7), test_id=6, log_dir=folder)
        np.testing.assert_array_equal(target.confusion_matrix(), [[1, 0], [0, 0]])
        printed(model.run_test, nb_test=3, log_dir=folder)
        left_out = ids[3] % 2
        np.testing.assert_array_equal(
            target.confusion_matrix(), np.diag([2, 2]) - np.diag(np.eye(2, dtype=int)[left_out])
        )
        with pytest.raises(WrongValue, match="nb_test is 2, expected -1 beside test_index or test_id"):
            model.run_test(nb_test=2, test_index=1)
        with pytest.raises(WrongValue, match=r"act_scaling_mode is 'FLOAT', expected one of \[NONE, FLOAT_MULT"):
            model.run_test(act_scaling_mode="FLOAT")


@behaviour("get_cell", CELL)
def cell_of_the_network(path: str) -> None:
    """The cell itself; the error names the nearest."""
    model = network(path)
    assert model.get_cell("fc") is model.get_cell(item="fc")
    assert model.get_cell("fc").get_type() == "Fc"
    with pytest.raises(UnknownCellError, match="`fd` is not one of its cells; did you mean `fc`"):
        model.get_cell("fd")


@behaviour("get_cells", CELL)
def cells_of_the_network(path: str) -> None:
    """All cells by name, layer by layer."""
    first, second, third = linear("first", 2.0), linear("second", 3.0), linear("third", 1.0)
    h = first(tensor(IMAGES[:1]))
    join = n2d2.cells.ElemWise(name="join")
    deep = join(n2d2.Interface([second(linear("between", 1.0)(h)), third(h)]))
    model = resolve(path)(deep.get_deepnet())
    assert list(model.get_cells()) == ["first", "between", "third", "second", "join"]
    assert model.get_cells()["third"] is third


@behaviour("get_deepnet", CELL)
def graph_of_the_last_call(path: str) -> None:
    """That of the tensor that the last call gave."""
    model = network(path)
    assert model.get_deepnet() is model.get_embedded_deepnet()
    y = model(tensor(IMAGES))
    assert model.get_deepnet() is y.get_deepnet()


@behaviour("get_embedded_deepnet", CELL)
def graph_of_the_network(path: str) -> None:
    """That it was made from, whatever was called since."""
    net = layer()(tensor(IMAGES[:1])).get_deepnet()
    model = resolve(path)(net)
    model(tensor(IMAGES))
    assert model.get_embedded_deepnet() is net


def of_two(path: str) -> Any:
    """Return a network of two layers with an output each."""
    h = linear("first", 2.0)(tensor(IMAGES[:1]))
    ends = [linear("left", 1.0)(h), linear("right", 3.0)(h)]
    return resolve(path)(n2d2.deepnet.DeepNet(ends))


@behaviour("get_input_cells", CELL)
def cells_at_the_entry(path: str) -> None:
    """Those that read the input."""
    assert [cell.get_name() for cell in of_two(path).get_input_cells()] == ["first"]


@behaviour("get_output_cells", CELL)
def cells_at_the_end(path: str) -> None:
    """Those that give the outputs, in their order."""
    assert [cell.get_name() for cell in of_two(path).get_output_cells()] == ["left", "right"]


@behaviour("is_integral", CELL)
def network_of_floats(path: str) -> None:
    """True without parameters, False for float parameters."""
    assert network(path).is_integral() is False
    assert resolve(path)(Softmax()(tensor(IMAGES)).get_deepnet()).is_integral() is True


def dropping(path: str) -> Any:
    """Return a network that drops everything but one value in a million when it learns."""
    return resolve(path)(n2d2.cells.Dropout(dropout=0.999999, name="drop")(tensor(IMAGES)).get_deepnet())


@behaviour("learn", CELL)
def network_learns(path: str) -> None:
    """All cells are in learning mode, and the network is returned."""
    model = dropping(path)
    model["drop"].test()
    assert model.learn() is model
    close(model(tensor(np.ones((1, 4, 1, 1)))), np.zeros((1, 4, 1, 1)))


@behaviour("test", CELL)
def network_tests(path: str) -> None:
    """All cells are in test mode, and the network is returned."""
    model = dropping(path)
    assert model.test() is model
    close(model(tensor(np.ones((1, 4, 1, 1)))), np.ones((1, 4, 1, 1)))


def saved(folder: str) -> str:
    """Return the name of an ONNX file: a layer of the weights above, and a softmax."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w"], ["scores"], transB=1),
            helper.make_node("Softmax", ["scores"], ["y"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    file = str(Path(folder, "model.onnx"))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), file)
    return file


@behaviour("load_from_ONNX", CELL)
def network_of_an_onnx_file(path: str) -> None:
    """The cells of the file, with its names and weights, on the provider, with a target at the end; errors."""
    make = resolve(path)
    with tempfile.TemporaryDirectory() as folder:
        file, provider = saved(folder), source()
        model = make.load_from_ONNX(provider, file)
        assert model.provider is provider
        assert [cell.get_name() for cell in model.get_output_cells()] == ["y"]
        assert list(model.targets) == ["y"]
        exponents = np.exp(IMAGES[:, :, 0, 0].astype(float) @ WEIGHTS.T)
        close(model.test()(tensor(IMAGES)), (exponents / exponents.sum(1, keepdims=True))[..., None, None])
        cut = make.load_from_ONNX(provider, file, ignore_cells=["y"])
        assert [cell.get_name() for cell in cut.get_output_cells()] == ["scores"]
        with pytest.raises(n2d2.error_handler.ModelFileError, match="nothing"):
            make.load_from_ONNX(provider, file, ignore_cells=["nothing"])
        with pytest.raises(MissingFileError, match=r"none\.onnx"):
            make.load_from_ONNX(provider, f"{folder}/none.onnx")
        with pytest.raises(WrongInputType, match="provider"):
            make.load_from_ONNX("provider", file)


INI = """\
[database]
Type=Digits_Database

[sp]
Size=28 28 1
BatchSize=3

[fc]
Input=sp
Type=Fc
NbOutputs=10
WeightsFiller=ConstantFiller
WeightsFiller.Value=0.5
NoBias=1

[softmax]
Input=fc
Type=Softmax
NbOutputs=10
WithLoss=1

[softmax.Target]
"""


@behaviour("load_from_INI", CELL)
def network_of_an_ini_file(path: str) -> None:
    """The cells of the file with its names, parameters and target, its database and provider; errors."""
    make = resolve(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.ini")
        file.write_text(INI)
        model = make.load_from_INI(str(file))
        assert list(model.get_cells()) == ["fc", "softmax"]
        assert list(model.targets) == ["softmax"]
        assert (model.provider.get_size(), model.provider.get_batch_size()) == ([28, 28, 1], 3)
        assert model.provider.get_database().get_type() == "Digits"
        close(model["fc"](tensor(np.ones((2, 1, 28, 28)))), np.full((2, 10, 1, 1), 0.5 * 28 * 28))
        file.write_text(INI.replace("NbOutputs=10\nWeights", "NbOutput=10\nWeights"))
        with pytest.raises(n2d2.error_handler.ModelFileError, match=r"model\.ini[\s\S]*NbOutputs"):
            make.load_from_INI(path=str(file))
        with pytest.raises(MissingFileError, match=r"none\.ini"):
            make.load_from_INI(f"{folder}/none.ini")


@behaviour("log_confusion_matrix", CELL)
def confusion_of_a_partition(path: str) -> None:
    """The matrix of the partition that is named, whatever the provider reads; errors."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path, folder=folder)
        printed(model.run_test)
        model.log_confusion_matrix("run")
        lines = Path(folder, "t.Target", "ConfusionMatrix_run.dat").read_text().splitlines()
        counts = [list(map(int, line.split()[:3])) for line in lines if line[:1].isdigit()]
        assert [count for count in counts if count[2]] == [[0, 0, 2], [1, 1, 2]]
        assert Path(folder, "t.Target", "ConfusionMatrix_run_score.png").read_bytes().startswith(b"\x89PNG")
        assert model.provider.get_partition() == "Learn"
        with pytest.raises(StateError, match="t: nothing was evaluated in partition Learn"):
            model.log_confusion_matrix("run", partition="Learn")
        with pytest.raises(WrongValue, match=r"partition is 'Train', expected one of \[Learn, Validation, Test"):
            model.log_confusion_matrix("run", "Train")


@behaviour("log_success", CELL)
def success_of_a_partition(path: str) -> None:
    """The curve of the partition that is named, whatever the provider reads; errors."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path, folder=folder)
        printed(model.run_test)
        model.log_success("run")
        lines = Path(folder, "t.Target", "Success_run.dat").read_text().splitlines()
        assert [line.split() for line in lines if line[:1].isdigit()] == [["0", "1"]]
        with pytest.raises(StateError, match="t: nothing was evaluated in partition Learn"):
            model.log_success("run", partition="Learn")
        with pytest.raises(WrongValue, match=r"partition is 'Train', expected one of \[Learn, Validation, Test"):
            model.log_success("run", "Train")


@behaviour("log_stats", CELL)
def statistics_of_the_network(path: str) -> None:
    """What each cell needs, in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(path)
        model.log_stats(f"{folder}/stats")
        assert Path(folder, "stats", "stats.dat").read_text().splitlines()[1] == "fc 4 4 2"
        with pytest.raises(WrongInputType, match="parameter `path` must be a str, got int"):
            model.log_stats(1)


@behaviour("remove", CELL)
def cell_is_taken_out(path: str) -> None:
    """What read the cell reads its input, or goes without it; nothing changes after an error."""
    make: Any = resolve(path)
    first, between, last = linear("first", 2.0), linear("between", 3.0), linear("last", 1.0)
    model = make(last(between(first(tensor(IMAGES)))).get_deepnet())
    model.remove("between")
    assert list(model.get_cells()) == ["first", "last"]
    close(model(tensor(IMAGES)), np.full((4, 2, 1, 1), 2 * 2.0))
    with pytest.raises(UnknownCellError, match="`frist` is not one of its cells; did you mean `first`"):
        model.remove("frist")
    with pytest.raises(StateError, match="without `first`, `last` would read nothing"):
        model.remove("first", reconnect=False)
    assert list(model.get_cells()) == ["first", "last"]
    model.remove(name="first", reconnect=True)
    close(model(tensor(IMAGES)), np.ones((4, 2, 1, 1)))


@behaviour("set_back_propagate", CELL)
def network_is_frozen(path: str) -> None:
    """Of every trainable cell."""
    model = network(path)
    for value in (False, True):
        model.set_back_propagate(value)
        assert model["fc"].back_propagate is value
    with pytest.raises(WrongInputType, match="set_back_propagate: value must be of type bool, got int"):
        model.set_back_propagate(0)


@behaviour("set_provider", CELL)
def provider_is_exchanged(path: str) -> None:
    """Stimuli and labels come from it; a network without target gets one; sizes are checked."""
    model, other = network(path), source(batch_size=4)
    model.set_provider(other)
    assert model.provider is other
    assert model.targets["fc"].provider is other
    bare = resolve(path)(layer()(tensor(IMAGES)).get_deepnet())
    bare.set_provider(provider=other)
    assert [target.get_name() for target in bare.targets.values()] == ["Target_0"]
    with pytest.raises(ShapeError, match="fc"):
        model.set_provider(source(size=3))
    assert model.provider is other
    with pytest.raises(WrongInputType, match="provider must be of type Provider, got str"):
        model.set_provider("source")


@behaviour("set_solver", CELL)
def solver_of_the_network(path: str) -> None:
    """Every parameter gets a copy, and moves by it."""
    model, solver = network(path), SGD(learning_rate=4.0)
    model.set_solver(solver)
    assert model["fc"].weights_solver is not solver
    y = model(tensor(IMAGES[:1]))
    y.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    y.update()
    close(weights(model), WEIGHTS + 4.0 * np.array([[1.0, 0.0], [1.0, 0.0]]))
    with pytest.raises(WrongInputType, match=r"set_solver: solver must be of type n2d2\.solver\.Solver, got str"):
        model.set_solver("SGD")


@behaviour("summary", CELL)
def table_of_the_network(path: str) -> None:
    """A row a cell with its sizes, and the totals; BatchNorm has rows only if they are asked for."""
    conv = Conv(2, 4, [3, 3], padding_dims=[1, 1], name="conv", activation=n2d2.activation.Rectifier())
    body = Sequence([conv, n2d2.cells.BatchNorm2d(4, name="norm"), Fc(4, 2, no_bias=True, name="fc")])
    model = body.to_deepnet_cell(source())
    assert type(model) is resolve(path)
    rows_of = [line.split() for line in printed(model.summary).splitlines() if line[:1].isalpha()]
    assert [row[0] for row in rows_of] == ["Layer", "Image1", "conv", "fc", "Features", "Total", "Total", "As"]
    assert rows_of[2] == [
        "conv",
        "(Conv",
        "3x3)",
        "(2,",
        "4,",
        "1,",
        "1)",
        "76",
        "0k",
        "Image1",
        "pad:",
        "1,",
        "Act:",
        "ReLu",
        "True",
    ]
    assert rows_of[3] == ["fc", "(Fc)", "(2,", "2,", "1,", "1)", "8", "0k", "conv", "True"]
    # 4 x (2 x 9 + 1) and 4 x 2 weights, and a scale and a bias for each of 4 channels.
    assert rows_of[5] == ["Total", "params:", "92"]
    # Of each kernel, the centre falls into the image of one pixel, in two channels; then 4 biases and 8 weights.
    assert rows_of[6] == ["Total", "computing:", "20", "MAC"]
    assert rows_of[7][4:6] == ["80", "MAC,"], "every weight once, in an image of one pixel"
    verbose = [line.split() for line in printed(model.summary, verbose=True).splitlines()]
    assert ["norm", "(BatchNorm2d)", "(2,", "4,", "1,", "1)", "8", "0k", "conv", "True"] in verbose
    with pytest.raises(WrongInputType, match="verbose"):
        model.summary("yes")


@behaviour("update", CELL)
def network_moves(path: str) -> None:
    """Every parameter moves once by its solver; an error before the first call."""
    model = network(path)
    with pytest.raises(StateError, match="update: the network was not called yet"):
        model.update()
    model(tensor(IMAGES[:1])).back_propagate(np.ones((1, 2, 1, 1), np.float32))
    model.update()
    close(weights(model), WEIGHTS + 0.5 * np.array([[1.0, 0.0], [1.0, 0.0]]))


class Own(n2d2.cells.Block):
    """A container with a data flow of its own."""

    def __call__(self, inputs: Any) -> Any:
        """One cell after the other."""
        for cell in self:
            inputs = cell(inputs)
        return inputs


@behaviour("to_deepnet_cell", [*sorted(rows.CONTAINERS), *CELL])
def network_of_a_container(path: str) -> None:
    """The same cells, on a provider, with a target for each output; what one learns, the other knows; errors."""
    provider, fc = source(), layer()
    container: Any
    if path in CELL:
        container = Sequence([fc]).to_deepnet_cell(provider)
    else:
        container = Own([fc]) if path == "n2d2.cells.Block" else resolve(path)([fc])
    target = n2d2.target.Score(provider, name="t")
    model = container.to_deepnet_cell(provider, target=target)
    assert model is not container
    assert isinstance(model, n2d2.cells.DeepNetCell)
    assert model["fc"] is fc
    assert model.provider is provider
    assert model.targets == {"fc": target}
    fc.set_weight(0, 0, tensor([2.0]))
    close(model(tensor(IMAGES[:1])), np.array([2.0, 0.25]).reshape(1, 2, 1, 1))
    assert [t.get_name() for t in container.to_deepnet_cell(provider).targets.values()] == ["Target"]
    with pytest.raises(WrongInputType, match="provider must be of type Provider, got str"):
        container.to_deepnet_cell("source")
    with pytest.raises(WrongInputType, match="target must be of type Target, got str"):
        container.to_deepnet_cell(provider, "t")
    with pytest.raises(WrongValue, match="target is '2 targets', expected 1, one for each output"):
        container.to_deepnet_cell(provider, [target, target])
