"""Models that PyTorch exports on the spot, full size, beside PyTorch itself."""

from __future__ import annotations

import pytest

from support import torch_models


@pytest.mark.parametrize("kind", torch_models.KINDS)
@pytest.mark.parametrize("name", torch_models.MODELS)
def test_outputs_and_a_step_are_those_of_pytorch(name: str, kind: str) -> None:
    torch_models.check(torch_models.export(name, kind, narrow=False))
