"""The INI file that `load_from_ONNX` takes: options of the file, and arguments of its cells."""

from n2d2.ini.settings import read_settings

__all__ = ["read_settings"]
