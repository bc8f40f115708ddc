"""The parents of quantizers: names for annotations, nothing that could be used by mistake."""

from __future__ import annotations

import pytest

import n2d2
from n2d2 import quantizer


@pytest.mark.parametrize("kind", [quantizer.Quantizer, quantizer.CellQuantizer, quantizer.ActivationQuantizer])
def test_a_quantizer_cannot_be_built_and_says_why(kind: type) -> None:
    with pytest.raises(n2d2.Error, match=f"{kind.__name__}: quantisation is not built yet; leave `quantizer` None"):
        kind()


def test_relations() -> None:
    assert issubclass(quantizer.CellQuantizer, quantizer.Quantizer)
    assert issubclass(quantizer.ActivationQuantizer, quantizer.Quantizer)
    assert not issubclass(quantizer.ActivationQuantizer, quantizer.CellQuantizer)
