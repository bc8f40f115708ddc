"""`n2d2 test`: tests a network."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from n2d2.cli.model import kind_of, log_dir_of, read_weights, read_with_data, set_machine

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Tests a network on its Test partition.

    Arguments:
        options (argparse.Namespace): Command line.

    Raises:
        Error: Something is wrong with the model, the parameters or the data.
    """
    set_machine(options)
    if options.weights is None and kind_of(options.model) == "INI":
        text = f"{options.model}: no folder of parameters is given, so those that the file says how to fill are tested"
        warnings.warn(text, UserWarning, stacklevel=1)
    model = read_with_data(options)
    read_weights(model, options.weights)
    folder = log_dir_of(options)
    model.run_test(report=10**9, log_dir=folder)
    print(f"logs: {folder}")
    return 0
