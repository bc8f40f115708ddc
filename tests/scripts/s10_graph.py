"""Prints cells at the three verbosities before and after a call, reaches cells by name, draws the graph."""

from __future__ import annotations

from pathlib import Path

import n2d2
from n2d2.cells import Dropout, Fc, Sequence
from n2d2.global_variables import Verbosity

settings = n2d2.global_variables
x = n2d2.Tensor([1, 28, 28], value=0.5)

settings.verbosity = Verbosity.graph_only
fc = Fc(28 * 28, 50, activation=n2d2.activation.Linear(), name="fc")
assert str(fc) == "'fc' Fc(Frame<float>)", fc
settings.verbosity = Verbosity.short
assert str(fc) == "'fc' Fc(Frame<float>)(nb_inputs=784, nb_outputs=50)", fc
settings.verbosity = Verbosity.detailed
assert str(fc).startswith("'fc' Fc(Frame<float>)(nb_inputs=784, nb_outputs=50 | back_propagate=True, "), fc

settings.verbosity = Verbosity.graph_only
y = fc(x)
assert y.shape() == [1, 50, 1, 1]
source = fc.get_input_cells()[0]
assert source.startswith("TensorPlaceholder_")
assert str(fc) == f"'fc' Fc(Frame<float>)(['{source}'])", fc

inner = Sequence([Fc(50, 20, name="fc1"), Dropout(name="drop")], name="inner")
network = Sequence([inner, Fc(20, 10, name="fc2")], name="network")
lines = str(network).split("\n")
assert lines == [
    "'network' Sequence(",
    "\t(0): 'inner' Sequence(",
    "\t\t(0): 'fc1' Fc(Frame<float>)",
    "\t\t(1): 'drop' Dropout(Frame<float>)",
    "\t)",
    "\t(1): 'fc2' Fc(Frame<float>)",
    ")",
], lines
output = network(y)
assert network["fc1"] is inner[0]
assert network["fc1"].get_outputs().shape() == [1, 20, 1, 1]
assert network["drop"].get_input_cells() == ["fc1"]

output.draw_associated_graph("graph")
assert Path("graph.png").read_bytes()[1:4] == b"PNG"
network[0].export_free_parameters("exported", verbose=False)
assert sorted(p.name for p in Path("exported").iterdir()) == ["fc1_biases.syntxt", "fc1_weights.syntxt"]
print("success")
