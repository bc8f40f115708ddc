"""The rows of the contract, and the tables of everything that is not as its text says.

`contract.json` holds the 35 classes and 284 members of the contract: signatures as printed, and the arguments of each
constructor with the default that the text gives (null: none).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text())


@dataclass(frozen=True)
class Row:
    """A promised class (`member` is empty) or member."""

    path: str
    member: str
    signature: str

    @property
    def id(self) -> str:
        """The name, as in `Conv.get_weight`."""
        return ".".join(filter(None, [self.path.removeprefix("n2d2."), self.member]))


ROWS = [
    Row(path, member, signature)
    for path, entry in CONTRACT.items()
    for member, signature in [("", entry["signature"]), *entry["members"].items()]
]

ABSTRACT = {
    "n2d2.cells.NeuralNetworkCell",
    "n2d2.solver.Solver",
    "n2d2.filler.Filler",
    "n2d2.activation.ActivationFunction",
}
CONTAINERS = {"n2d2.cells.Block", "n2d2.cells.Sequence", "n2d2.cells.Layer"}
LAYERS = [path for path in CONTRACT if path.startswith("n2d2.cells.") and path not in CONTAINERS | ABSTRACT]
LAYERS.remove("n2d2.cells.DeepNetCell")

# Where the contract contradicts itself or its own printed output, the decision of the design: the default of the
# argument, or a new name in quotes.
CONTRADICTIONS = {
    ("n2d2.solver.Adam", "learning_rate"): (0.001, "the text says 0.01, the printed object and the engine 0.001"),
    ("n2d2.cells.BatchNorm2d", "moving_average_momentum"): (0.1, "the text gives no default; that of the original"),
    ("n2d2.filler.He", "mean_norm"): (0.0, "the text gives no default; that of the original"),
    ("n2d2.cells.Fc", "bias_solver"): (None, "the text says Normal, which is a filler; SGD is meant and used"),
}
# Arguments with two names: the one of the signature, and the one of the text. Both must be accepted as keywords.
PLACES = {("n2d2.cells.Transformation", "perm"): ("transformation", "the signature says perm, the text transformation")}

# Arguments without default in the signature that have one all the same.
OPTIONAL = {(path, "solver"): "the text says optional, default SGD" for path in sorted(CONTAINERS)}
OPTIONAL[("n2d2.cells.DeepNetCell", "solver")] = "the text says optional, default SGD"
OPTIONAL[("n2d2.cells.Transformation", "perm")] = "either name is accepted, so neither is required"

# Defaults that are made when the object is: None in the signature.
MADE = {
    "CellType_id": "the next automatic name",
    "Target_id": "the next automatic name; the original and the folder names say Score_<n>",
    "n2d2.global_variables.default_datatype": "read at construction",
    "n2d2.global_variables.default_model": "read at construction",
    "n2d2.filler.NormalFiller": "Normal(std_dev=0.05), as printed",
    "n2d2.filler.Normal": "Normal(std_dev=0.05), as printed",
    "NormalFiller": "Normal(std_dev=0.05), as printed",
    "Normal": "Normal(std_dev=0.05), as printed",
    "n2d2.solver.SGD": "SGD(), as printed",
    "SGD": "SGD(), as printed",
}

# Concrete classes that need no source: there is no formula, or it is its own definition.
NO_SOURCE = CONTAINERS | {
    "n2d2.cells.DeepNetCell",
    "n2d2.ConfigSection",
    "n2d2.mapping.Mapping",
    "n2d2.filler.Constant",
    "n2d2.activation.Linear",
    "n2d2.cells.Activation",
    "n2d2.cells.Transformation",
}

# Members that refuse wrong arguments or a wrong state, and must say which.
REFUSES = {
    "append",
    "fit",
    "get_average_score",
    "get_average_top_n_success",
    "get_bias",
    "get_biases",
    "get_cell",
    "get_diffinputs",
    "get_diffoutputs",
    "get_inputs",
    "get_outputs",
    "get_parameter",
    "get_weight",
    "is_exportable_to",
    "load_from_INI",
    "load_from_ONNX",
    "log_confusion_matrix",
    "log_stats",
    "log_success",
    "loss",
    "refill_bias",
    "remove",
    "run_test",
    "set_activation",
    "set_back_propagate",
    "set_bias",
    "set_bias_filler",
    "set_filler",
    "set_provider",
    "set_solver",
    "set_solver_parameter",
    "set_weight",
    "set_weights_filler",
    "to_deepnet_cell",
}
