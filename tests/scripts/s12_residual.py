"""A residual block: a Layer with an identity branch, summed by an ElemWise; with and without mapping."""

from __future__ import annotations

import numpy as np

import n2d2
from n2d2.cells import Conv, ElemWise, Fc, GlobalPool2d, Layer, Sequence, Softmax

n2d2.global_variables.seed = 1


def conv(nb_inputs: int, nb_outputs: int) -> Conv:
    relu, he = n2d2.activation.Rectifier(), n2d2.filler.He()
    return Conv(nb_inputs, nb_outputs, [3, 3], padding_dims=[1, 1], activation=relu, weights_filler=he)


def residual(channels: int) -> Sequence:
    return Sequence([Layer([Sequence([conv(channels, channels), conv(channels, channels)]), Sequence([])]), ElemWise()])


block = residual(4)
x = n2d2.Tensor.from_numpy(np.random.default_rng(2).normal(size=(2, 4, 6, 6)).astype(np.float32))
branch = block[0][0](x).to_numpy().copy()
assert np.allclose(block(x).to_numpy(), branch + x.to_numpy())

# Two inputs, of which the mapping sends one to each branch.
crossed = Layer([Sequence([]), conv(4, 4)], mapping=[[False, True], [True, False]])
other = n2d2.Tensor([2, 4, 6, 6], value=1.0)
bundle = crossed(n2d2.Interface([x, other]))
assert bundle[0] is other
assert np.allclose(bundle[1].to_numpy(), crossed[1](x).to_numpy())

# It learns which of two patterns an image shows.
model = Sequence([conv(1, 4), residual(4), GlobalPool2d(pooling="Average"), Fc(4, 2), Softmax(with_loss=True)])
model.set_solver(n2d2.solver.SGD(learning_rate=0.3, momentum=0.9))
rng = np.random.default_rng(3)
labels = rng.integers(0, 2, 32)
images = rng.normal(0, 0.1, (32, 1, 8, 8)).astype(np.float32)
images[labels == 0, :, ::2] += 1
images[labels == 1, :, :, ::2] += 1
wanted = np.eye(2, dtype=np.float32)[labels][:, :, None, None]
for _ in range(60):
    y = model(n2d2.Tensor.from_numpy(images))
    y.back_propagate(wanted - y.to_numpy())
    y.update()
right = (y.to_numpy()[:, :, 0, 0].argmax(1) == labels).mean()
assert right == 1.0, right
print("success")
