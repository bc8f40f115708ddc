"""Comparisons with PyTorch; `make test-peers` runs them in an environment that has it."""

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(2)
