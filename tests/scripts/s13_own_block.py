"""A Block with a data flow of its own, trained; a part of it frozen."""

from __future__ import annotations

import numpy as np

import n2d2
from n2d2.cells import Block, ElemWise, Fc, Sequence


class Gate(Block):
    """Two branches over one input, multiplied."""

    def __init__(self, size: int) -> None:
        self.left = Fc(size, size, name="left")
        self.right = Sequence([Fc(size, size, activation=n2d2.activation.Logistic(), name="right")], name="branch")
        self.product = ElemWise(operation="Prod", name="product")
        super().__init__([self.left, self.right, self.product], name="gate")

    def __call__(self, inputs: n2d2.Tensor) -> n2d2.Tensor:
        super().__call__(inputs)
        return self.product(n2d2.Interface([self.left(inputs), self.right(inputs)]))


first = Fc(3, 4, name="first")
gate = Gate(4)
model = Sequence([first, gate], name="model")
model.set_solver(n2d2.solver.SGD(learning_rate=0.2))
assert gate["right"].weights_solver.learning_rate == 0.2
assert gate["right"].weights_solver is not gate["left"].weights_solver
assert list(model.get_cells()) == ["first", "gate", "left", "branch", "right", "product"]

rng = np.random.default_rng(4)
x = n2d2.Tensor.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))
wanted = rng.normal(size=(8, 4, 1, 1)).astype(np.float32)


def train(steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        y = model(x)
        error = wanted - y.to_numpy()
        losses.append(float((error**2).mean()))
        y.back_propagate(error)
        y.update()
    return losses


losses = train(300)
assert losses[-1] < 0.5 * losses[0], losses

# Without gradients from the gate, the layer before it stands still; the gate goes on learning.
gate.set_back_propagate(False)
before = first.get_weights(), gate["left"].get_weights()
train(3)
assert first.get_weights() == before[0]
assert gate["left"].get_weights() != before[1]
gate.set_back_propagate(True)
train(1)
assert first.get_weights() != before[0]

try:
    Block([Fc(1, 1, name="alone")], name="plain")(n2d2.Tensor([1, 1]))
except NotImplementedError as error:
    assert "plain" in str(error)
print("success")
