"""A network of a file, and a Softmax behind it, in a Sequence that is called on a raw tensor."""

from __future__ import annotations

import math

import numpy as np

import n2d2

DIMS = [5, 1, 28, 28]

n2d2.global_variables.seed = 1
database = n2d2.database.Digits(validation=0.1)
provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=32)
body = n2d2.cells.Sequence(
    [
        n2d2.cells.Conv(1, 6, [5, 5], stride_dims=[2, 2], activation=n2d2.activation.Rectifier(), name="conv"),
        n2d2.cells.Fc(6 * 12 * 12, 10, name="fc"),
    ]
)
model = body.to_deepnet_cell(provider)
assert isinstance(model, n2d2.cells.DeepNetCell)

sequence = n2d2.cells.Sequence([model, n2d2.cells.Softmax(with_loss=True, name="softmax")])
input_tensor = n2d2.Tensor(DIMS)
input_tensor.set_values(np.random.default_rng(1).random(DIMS).tolist())
output_tensor = sequence(input_tensor)
assert output_tensor.shape() == [5, 10, 1, 1]
np.testing.assert_allclose(output_tensor.to_numpy().sum(axis=1).ravel(), np.ones(5), rtol=1e-6)

scores = model(input_tensor).to_numpy().reshape(5, 10)
exponents = [[math.exp(value - row.max()) for value in row] for row in scores.astype(float)]
np.testing.assert_allclose(
    output_tensor.to_numpy().reshape(5, 10), [[e / sum(row) for e in row] for row in exponents], rtol=1e-5
)

output_tensor = sequence(input_tensor)
assert list(output_tensor.get_deepnet().get_cells()) == ["conv", "fc", "softmax"]
assert list(model.get_embedded_deepnet().get_cells()) == ["conv", "fc"]
before = model["conv"].N2D2().param("weights").copy()
output_tensor.back_propagate(np.ones(output_tensor.shape(), np.float32) - output_tensor.to_numpy())
output_tensor.update()
assert not np.array_equal(model["conv"].N2D2().param("weights"), before), "it learns through the Softmax"
print(sequence)
print("success")
