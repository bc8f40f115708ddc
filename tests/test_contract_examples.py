"""The examples of the user's contract, each in a fresh process, print what the contract prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

SGD_TEXT = (
    "SGD(clamping=, decay=0.0, iteration_size=1, learning_rate={}, learning_rate_decay=0.1, learning_rate_policy=None, "
    "learning_rate_step_size=1, max_iterations=0, min_decay=0.0, momentum=0.0, polyak_momentum=True, power=0.0, "
    "warm_up_duration=0, warm_up_lr_frac=0.25)"
)
ADAM_TEXT = "Adam(beta1=0.9, beta2=0.999, clamping=, epsilon=1e-08, learning_rate={})"
FC_TEXT = (
    "\t({n}): 'Fc_{n}' Fc(Frame<float>)(nb_inputs=2, nb_outputs=2 | back_propagate=True, "
    "drop_connect=1.0, no_bias=False, normalize=False, outputs_remap=, weights_export_format=OC, activation=None, "
    "weights_solver={weights}, bias_solver={bias}, weights_filler=Normal(mean=0.0, std_dev=0.05), "
    "bias_filler=Normal(mean=0.0, std_dev=0.05), "
    "quantizer=None)\n"
)


def run(code: str) -> str:
    """Return what a fresh interpreter prints, warnings being errors."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def model_text(*solvers: tuple[str, str]) -> str:
    cells = "".join(FC_TEXT.format(n=n, weights=w, bias=b) for n, (w, b) in enumerate(solvers))
    return f"'Sequence_0' Sequence(\n{cells})\n"


def test_solver() -> None:
    code = """
import n2d2

cell1 = n2d2.cells.Fc(2,2, solver=n2d2.solver.SGD(learning_rate=0.1))
cell2 = n2d2.cells.Fc(2,2)

model = n2d2.cells.Sequence([cell1, cell2])

print(model)
cell2.bias_solver=n2d2.solver.Adam()

print(model)
model.set_solver(n2d2.solver.Adam(learning_rate=0.1))

print(model)
"""
    tenth, hundredth = SGD_TEXT.format(0.1), SGD_TEXT.format(0.01)
    adam = ADAM_TEXT.format(0.1)
    expected = model_text((tenth, tenth), (hundredth, hundredth))
    expected += model_text((tenth, tenth), (hundredth, ADAM_TEXT.format(0.001)))
    expected += model_text((adam, adam), (adam, adam))
    assert run(code) == expected


def test_solver_by_the_name_of_the_cell() -> None:
    code = """
import n2d2
cell1, cell2 = n2d2.cells.Fc(2, 2), n2d2.cells.Fc(2, 2)
model = n2d2.cells.Sequence([cell1, cell2])
model["Fc_1"].bias_solver=n2d2.solver.Adam()
print(cell2.bias_solver, cell2.weights_solver.get_type(), cell1.bias_solver.get_type())
"""
    assert run(code) == f"{ADAM_TEXT.format(0.001)} SGD SGD\n"


def test_filler() -> None:
    code = """
import n2d2
cell = n2d2.cells.Fc(2,2, filler=n2d2.filler.Constant(value=1.0))
print("--- Weights ---")
for channel in cell.get_weights():
    for value in channel:
        print(value)
print("--- Biases ---")
for channel in cell.get_biases():
    print(channel)
cell.bias_filler=n2d2.filler.Normal()
cell.refill_bias()
print("--- New Biases ---")
for channel in cell.get_biases():
    print(channel)
"""
    one = "n2d2.Tensor([\n1\n], device=cpu, datatype=f)\n"
    expected = f"--- Weights ---\n{one * 4}--- Biases ---\n{one * 2}--- New Biases ---\n"
    expected += "n2d2.Tensor([\n1.32238\n], device=cpu, datatype=f)\n"
    expected += "n2d2.Tensor([\n-0.0233932\n], device=cpu, datatype=f)\n"
    assert run(code) == expected


def test_filler_by_the_names_of_the_text() -> None:
    code = """
import n2d2
cell = n2d2.cells.Fc(2, 2, weight_filler=n2d2.filler.Constant(value=2.0))
print(cell.get_weight(1, 1)[0], cell.weight_filler)
cell.weight_filler = n2d2.filler.Constant(value=3.0)
cell.refill_weights()
print(cell.get_weight(0, 0)[0])
cell.set_biases_filler(n2d2.filler.Constant(value=4.0), refill=True)
print(cell.get_bias(1)[0])
cell.filer = n2d2.filler.Constant(value=5.0)
print(cell.weights_filler, cell.bias_filler, cell.get_bias(1)[0])
print(n2d2.filler.NormalFiller is n2d2.filler.Normal)
"""
    expected = "2.0 Constant(value=2.0)\n3.0\n4.0\nConstant(value=5.0) Constant(value=5.0) 4.0\nTrue\n"
    assert run(code) == expected


def test_configuration_section() -> None:
    code = """
import n2d2
conv_config = n2d2.ConfigSection(no_bias=True)
a = n2d2.cells.Conv(3, 32, [4, 4], **conv_config)
def conv_def():
    return n2d2.ConfigSection(weights_solver=n2d2.solver.SGD())
b = n2d2.cells.Conv(3, 32, [4, 4], **conv_def())
c = n2d2.cells.Conv(3, 32, [4, 4], **conv_def())
print(a.no_bias, a.has_bias(), b.no_bias, b.weights_solver is not c.weights_solver)
"""
    assert run(code) == "True False False True\n"


# Row -> first column of its pair of ones.
GROUPED = [0, 2, 4, 6, 6, 8, 10, 12, 14, 14, 16, 18, 20, 22, 22]


def test_mapping() -> None:
    code = """
import n2d2
mapping=n2d2.mapping.Mapping(nb_channels_per_group=2).create_mapping(15, 24)
for row in mapping.to_numpy().astype(int).tolist():
    print(*row)
print(n2d2.cells.Conv(15, 24, [3, 3], mapping=mapping)(n2d2.Tensor([1, 15, 5, 5])).shape())
"""
    rows = [" ".join(str(int(c in (first, first + 1))) for c in range(24)) for first in GROUPED]
    assert run(code) == "\n".join(rows) + "\n[1, 24, 3, 3]\n"


HAND_MADE = [
    "100000000000000100000011",
    "110000000000000100000011",
    "011000000000000110000011",
    "001100000000000110000011",
    "000110000000000011000011",
    "000011000000000011000011",
    "000001100000000001100011",
    "000000110000000001100011",
    "000000011000000000110011",
    "000000001100000000110011",
    "000000000110000000011011",
    "000000000011000000011011",
    "000000000001100000001111",
    "000000000000110000001111",
    "000000000000011000000111",
    "000000000000001000000111",
]


def test_a_mapping_by_hand_must_have_the_rows_it_declares() -> None:
    code = f"""
import n2d2
rows = {[[int(v) for v in row] for row in HAND_MADE]}
mapping = n2d2.Tensor([15, 24], datatype="bool")
try:
    mapping.set_values(rows)
except n2d2.Error as error:
    print(error)
mapping = n2d2.Tensor([16, 24], datatype="bool")
mapping.set_values(rows)
conv = n2d2.cells.Conv(16, 24, [3, 3], mapping=mapping)
print(conv(n2d2.Tensor([1, 16, 4, 4])).shape(), conv.get_weight(0, 15).mean(), conv.get_weight(22, 15).mean() != 0)
"""
    expected = "Tensor.set_values: expected shape [15, 24], got [16, 24]\n[1, 24, 2, 2] 0.0 True\n"
    assert run(code) == expected


def test_training_step() -> None:
    code = """
import n2d2
database = n2d2.database.Digits()
provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=10)
provider.set_partition("Learn")
model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10), n2d2.cells.Softmax(with_loss=True)])
model.set_solver(n2d2.solver.SGD(learning_rate=0.1))
target = n2d2.target.Score(provider)
stimuli = provider.read_random_batch()
output = model(stimuli)
loss = target(output)
before = model["Fc_0"].get_weight(3, 400)
loss.back_propagate()
loss.update()
print(loss.is_leaf(), output.is_leaf(), output.shape(), before == model["Fc_0"].get_weight(3, 400))
"""
    assert run(code) == "True False [10, 10, 1, 1] False\n"


ABSTRACT = ["solver.Solver()", "filler.Filler()", "activation.ActivationFunction()", "cells.NeuralNetworkCell()"]


@pytest.mark.parametrize("statement", ABSTRACT)
def test_abstract_classes_cannot_be_built(statement: str) -> None:
    code = f"""
import n2d2
try:
    n2d2.{statement}
except TypeError as error:
    print("abstract" in str(error))
"""
    assert run(code) == "True\n"
