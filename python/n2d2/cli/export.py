"""`n2d2 export`: writes a network in another format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.cli.model import read_model, read_weights

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Writes a network as ONNX.

    Arguments:
        options (argparse.Namespace): Command line.

    Raises:
        Error: Something is wrong with the model or the parameters, or a file cannot be written.
    """
    from n2d2 import onnx

    model = read_model(options.model)
    read_weights(model, options.weights)
    more: dict[str, Any] = {} if options.opset is None else {"opset": options.opset}
    onnx.save(model, options.out, fuse_batch_norm=options.fuse, **more)
    print(f"{options.out}: written")
    return 0
