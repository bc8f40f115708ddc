"""ONNX models as cells: `load` makes a network of a file that it can train further, on the spot.

The files of `n2d2.onnx.operators` say which operators can be read, one family a file. Files may come from strangers:
they are checked before anything large is made, no code of theirs runs, and no file outside of their folder is read.
"""

from n2d2.onnx.loading import load, load_onto
from n2d2.onnx.saving import save, to_model

__all__ = ["load", "load_onto", "save", "to_model"]
