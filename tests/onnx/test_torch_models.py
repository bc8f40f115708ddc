"""Narrow models that PyTorch exported, beside what PyTorch computed with them."""

from __future__ import annotations

import pytest

from support import torch_models


@pytest.mark.parametrize("kind", torch_models.KINDS)
@pytest.mark.parametrize("name", torch_models.MODELS)
def test_outputs_and_a_step_are_those_of_pytorch(name: str, kind: str) -> None:
    torch_models.check(torch_models.stored(name, kind))
