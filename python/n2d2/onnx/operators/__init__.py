"""Operators of ONNX, one family a file; every file of this folder is loaded when a model is read or written."""
