"""Saves and loads the parameters of a layer, of a nested block and of a whole model."""

from __future__ import annotations

import numpy as np

import n2d2
from n2d2.cells import BatchNorm2d, Conv, Deconv, Fc, Sequence


def build() -> Sequence:
    block = Sequence([Conv(1, 4, [3, 3], no_bias=True, name="conv"), BatchNorm2d(4, name="norm")], name="block")
    return Sequence([block, Deconv(4, 2, [3, 3], name="up"), Fc(128, 3, name="fc")], name="model")


x = n2d2.Tensor.from_numpy(np.random.default_rng(1).normal(size=(2, 1, 8, 8)).astype(np.float32))
first = build()
for _ in range(3):  # Statistics and parameters move away from their first values.
    y = first(x)
    y.back_propagate(1 - y.to_numpy())
    y.update()
expected = first.test()(x).to_numpy().copy()

# A layer.
first["fc"].export_free_parameters("layer")
second = build().test()
assert not np.array_equal(second(x).to_numpy(), expected)
second["fc"].import_free_parameters("layer")
assert second["fc"].get_weights() == first["fc"].get_weights()
assert second["conv"].get_weights() != first["conv"].get_weights()

# A nested block.
first["block"].export_free_parameters("block", verbose=False)
second["block"].import_free_parameters("block")
assert np.array_equal(second["block"](x).to_numpy(), first["block"](x).to_numpy())
assert second["norm"].get_variances() == first["norm"].get_variances()

# The whole model, to the bit.
first.export_free_parameters("model", verbose=False)
third = build().test()
third.import_free_parameters("model")
assert np.array_equal(third(x).to_numpy(), expected)

# A file that is missing.
other = Fc(2, 2, name="other")
before = other.get_weights()
try:
    other.import_free_parameters("model")
except n2d2.error_handler.MissingFileError as error:
    assert "other_weights.syntxt" in str(error)
else:
    raise AssertionError("a missing file must be an error")
other.import_free_parameters("model", ignore_not_exists=True)
assert other.get_weights() == before
print("success")
