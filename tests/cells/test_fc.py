"""Fully connected layer: order of the inputs, weights, options, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2d2 import Error, Interface, Tensor
from n2d2.cells import Conv, Fc
from n2d2.filler import Constant
from n2d2.mapping import Mapping
from n2d2.solver import SGD

ONE = Constant(value=1.0)


def test_weights_follow_channel_height_width_order() -> None:
    """After a convolution the activations lie channels-last in memory; the weights must not notice."""
    fc = Fc(12, 1, no_bias=True, filler=Constant(value=0.0))
    for i in range(12):
        fc.set_weight(0, i, Tensor([1], value=float(i)))
    x = np.random.default_rng(2).normal(size=(2, 3, 2, 2)).astype(np.float32)
    expected = (x.reshape(2, 12) * np.arange(12)).sum(1)
    assert fc(Tensor.from_numpy(x)).to_numpy().ravel() == pytest.approx(expected, rel=1e-5)
    identity = Conv(3, 3, [1, 1], no_bias=True, filler=Constant(value=0.0))
    for c in range(3):
        identity.set_weight(c, c, Tensor([1, 1], value=1.0))
    assert fc(identity(Tensor.from_numpy(x))).to_numpy().ravel() == pytest.approx(expected, rel=1e-5)
    assert [w[0] for w in fc.get_weights()[0]] == list(range(12))
    fc.set_weight(0, 5, Tensor([1], value=-1.0))
    assert fc.get_weight(0, 5)[0] == -1.0
    assert fc(Tensor.from_numpy(x))[0] == pytest.approx(expected[0] - 6 * x[0].ravel()[5], rel=1e-4)


def test_several_input_cells() -> None:
    fc = Fc(2, 1, 2, filler=ONE)
    y = fc(Interface([Tensor([1, 2], value=1.0), Tensor([1, 2], value=2.0)]))
    assert y[0] == 1 + 1 + 2 + 2 + 1
    assert len(fc.get_weights()[0]) == 4


def test_options_at_run_time() -> None:
    fc = Fc(4, 1, no_bias=True, filler=ONE, drop_connect=1, normalize=False)
    assert repr(fc.drop_connect) == "1.0"
    x = Tensor([1, 4], value=1.0)
    fc.drop_connect = 0.5
    outputs = {fc(x)[0] for _ in range(50)}
    assert outputs <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert len(outputs) > 2
    assert fc.test()(x)[0] == 4.0
    fc.learn().set_parameter("drop_connect", 1.0)
    fc.normalize = True
    assert fc(x)[0] == pytest.approx(2.0, rel=1e-6)


def test_a_step_by_hand() -> None:
    fc = Fc(2, 2, filler=ONE, solver=SGD(learning_rate=0.1))
    x = Tensor([2, 2])
    x.set_values([[1, 2], [3, 4]])
    y = fc(x)
    assert y.to_numpy().reshape(2, 2).tolist() == [[4.0, 4.0], [8.0, 8.0]]
    y.back_propagate(np.array([[1, 0], [0, 2]], np.float32).reshape(2, 2, 1, 1))
    assert fc.N2D2().grad("weights").tolist() == [[1.0, 2.0], [6.0, 8.0]]
    assert fc.N2D2().grad("bias").tolist() == [1.0, 2.0]
    assert fc.get_diffoutputs().to_numpy().reshape(2, 2).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    y.update()
    assert np.allclose(fc.N2D2().param("weights"), [[1.05, 1.1], [1.3, 1.4]])
    assert np.allclose(fc.N2D2().param("bias"), [1.05, 1.1])


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Fc(2.0, 2, name="e"), TypeError, "e: parameter `nb_inputs` must be an int, got a float (2.0)"),
    (lambda: Fc(2, 0, name="e"), ValueError, "e: parameter `nb_outputs` is 0, expected an integer of at least 1"),
    (
        lambda: Fc(2, 2, drop_connect=0.0, name="e"),
        ValueError,
        "e: parameter `drop_connect` is 0, expected a probability",
    ),
    (lambda: Fc(2, 2, drop_connect="a", name="e"), TypeError, "e: parameter `drop_connect` must be a float"),
    (lambda: Fc(2, 2, normalise=True), ValueError, "Fc: `normalise` is not a parameter; did you mean `normalize`?"),
    (lambda: Fc(2, 2, weights_export_format="OCHW", name="e"), ValueError, "is 'OCHW', expected one of OC, CO"),
    (lambda: Fc(4, 2, name="e")(Tensor([1, 3])), RuntimeError, "e: "),
    (lambda: Fc(4, 2, name="e").get_weight(0, 4), ValueError, "e: channel_index is 4, expected an integer from 0 to 3"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)


def test_a_mapping_says_which_weights_exist() -> None:
    mapping = Tensor([3, 2], datatype="bool")
    mapping.set_values([[1, 0], [1, 1], [0, 1]])
    fc = Fc(3, 2, mapping=mapping, no_bias=True, filler=ONE, solver=SGD(learning_rate=1.0, clamping="0.5:9"))
    assert fc.mapping is mapping
    mapping.set_values([[1, 1], [1, 1], [1, 1]])  # The cell has a copy.
    assert [[w[0] for w in row] for row in fc.get_weights()] == [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    assert fc.get_weight(0, 2)[0] == 0.0
    with pytest.raises(RuntimeError, match="output 0 and channel 2 are not connected"):
        fc.set_weight(0, 2, Tensor([1], value=1.0))
    x = Tensor([1, 3])
    x.set_values([[1, 10, 100]])
    y = fc(x)
    assert list(y) == [11.0, 110.0]
    y.back_propagate(np.ones((1, 2, 1, 1)))
    assert list(fc.get_diffoutputs()) == [1.0, 2.0, 1.0]
    y.update()
    assert [[w[0] for w in row] for row in fc.get_weights()] == [[2.0, 9.0, 0.0], [0.0, 9.0, 9.0]]
    fc.refill_weights()
    assert fc(x)[1] == 110.0


def test_a_mapping_reaches_files_groups_and_options(tmp_path: Path) -> None:
    fc = Fc(4, 2, mapping=Mapping(nb_groups=2), no_bias=True, filler=ONE, name="m")
    fc.export_free_parameters(str(tmp_path), verbose=False)
    assert (tmp_path / "m_weights.syntxt").read_text() == "1 1 \n1 1 \n"
    (tmp_path / "m_weights.syntxt").write_text("1 2\n3 4\n")
    fc.import_free_parameters(str(tmp_path))
    assert [[w[0] for w in row] for row in fc.get_weights()] == [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0]]
    fc.normalize = True
    assert fc(Tensor([1, 4], value=1.0))[1] == pytest.approx(1.4, rel=1e-6)
    assert [[w[0] for w in row][:2] for row in fc.get_weights()][1] == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"f: parameter `mapping` is 2x2, expected a bool matrix of 3 rows \(inputs\)"):
        Fc(3, 2, mapping=Tensor([2, 2], datatype="bool"), name="f")
    with pytest.raises(TypeError, match="Fc: parameter `mapping` must be a bool Tensor"):
        Fc(3, 2, mapping=[[True, False]] * 3)


def test_a_mapping_counts_the_inputs_of_all_input_cells_and_survives_drop_connect() -> None:
    mapping = Tensor([4, 2], datatype="bool")
    mapping.set_values([[1, 0], [0, 1], [0, 1], [1, 0]])
    fc = Fc(2, 2, 2, mapping=mapping, no_bias=True, filler=ONE, drop_connect=0.5, solver=SGD(learning_rate=1.0))
    a, b = Tensor([1, 2], value=1.0), Tensor([1, 2], value=10.0)
    seen = set()
    for _ in range(30):
        y = fc(Interface([a, b]))
        seen.add(tuple(y))
        y.back_propagate(np.ones((1, 2, 1, 1)))
        y.update()
        assert not any(fc.get_weight(o, i)[0] for o, i in ((0, 1), (0, 2), (1, 0), (1, 3)))
        fc.refill_weights()
    assert seen <= {(p, q) for p in (0.0, 1.0, 10.0, 11.0) for q in (0.0, 1.0, 10.0, 11.0)}
    assert len(seen) > 4


def test_errors_name_the_argument_that_was_given() -> None:
    cell = Fc(2, 2, name="fc")
    for action, text in (
        (lambda: cell.set_filler(3), "fc: parameter `filler` must be an n2d2.filler.Filler, got int"),
        (lambda: cell.set_solver(3), "fc: parameter `solver` must be an n2d2.solver.Solver, got int"),
        (lambda: Fc(2, 2, filler=3, name="fc"), "fc: parameter `filler` must be an n2d2.filler.Filler"),
        (lambda: Fc(2, 2, solver=3, name="fc"), "fc: parameter `solver` must be an n2d2.solver.Solver"),
        (lambda: Fc(-1, 2, name="fc"), "parameter `nb_inputs` is -1, expected an integer of at least 1"),
    ):
        with pytest.raises(Error) as raised:
            action()
        assert text in str(raised.value)
