"""Transformations inside a network: values, sizes, modes, randomness, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor, transform
from n2d2.cells import Conv, Sequence, Transformation


def sample(n: int = 4, h: int = 5, w: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, 2, h, w)).astype(np.float32)


def test_printing_and_reading() -> None:
    flip = transform.Flip(horizontal_flip=True, apply_to="LearnOnly")
    for cell in (Transformation(flip, name="t"), Transformation(perm=flip, name="t")):
        assert cell.get_parameter("transformation") is cell.transformation is flip
    cell = Transformation(transformation=flip, name="t")
    assert str(cell) == (
        "'t' Transformation(Frame)(transformation=Flip(horizontal_flip=True | random_horizontal_flip=False, "
        "random_vertical_flip=False)[apply_to=StimuliSetMask.LearnOnly] | activation=None)"
    )


def test_each_transformation() -> None:
    x = sample()
    affine = transform.RangeAffine("Multiplies", [2.0, -1.0], second_operator="Plus", second_value=0.5)
    factors = np.array([2.0, -1.0], np.float32)[:, None, None]
    scaled = x * factors + np.float32(0.5)
    for t, expected in [
        (transform.Flip(vertical_flip=True), x[:, :, ::-1]),
        (affine, scaled),
        (transform.PadCrop(4, 3), x[:, :, 1:4, 1:5]),
        (
            transform.PadCrop(2, 4, additive_wh=True, border_type="ConstantBorder"),
            np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1))),
        ),
        (transform.Rescale(3, 5), (x[..., ::2] + x[..., 1::2]) / 2),
        (
            transform.Composite([affine, transform.PadCrop(6, 5), transform.Flip(horizontal_flip=True)]),
            scaled[..., ::-1],
        ),
    ]:
        cell = Transformation(t)
        y = cell(Tensor.from_numpy(x)).to_numpy()
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, 1e-6, 1e-6, err_msg=str(t))


def test_no_gradient_goes_back() -> None:
    first = Conv(2, 2, [1, 1])
    cell = Transformation(transform.Rescale(3, 4))
    x, before = Tensor.from_numpy(sample()), first.get_weight(0, 0)[0]
    y = Sequence([first, cell])(x)
    y.back_propagate(np.ones(y.shape()))
    y.update()
    assert cell.get_diffoutputs().shape() == [4, 2, 5, 6]
    assert not any(cell.get_diffoutputs())
    assert any(cell.get_diffinputs())
    assert first.get_weight(0, 0)[0] == before


def test_partitions_are_modes() -> None:
    x = sample()
    for apply_to, learn, test in (("LearnOnly", True, False), ("NoLearn", False, True), ("All", True, True)):
        cell = Transformation(transform.Flip(horizontal_flip=True, apply_to=apply_to))
        for flipped, mode in ((learn, cell.learn), (test, cell.test)):
            assert (mode()(Tensor.from_numpy(x)).to_numpy() == (x[..., ::-1] if flipped else x)).all()


def test_random_transformations_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(size=(64, 3, 40, 41)).astype(np.float32)
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(n2d2.global_variables, "nb_threads", threads)
        cell = Transformation(transform.Flip(random_horizontal_flip=True, random_vertical_flip=True), name="threads")
        results.append([cell(Tensor.from_numpy(x)).to_numpy().copy() for _ in range(3)])
    assert (np.array(results[0]) == np.array(results[1])).all()
    first, second, _ = results[0]
    assert (first != second).any(), "every step draws anew"
    kinds = [x, x[..., ::-1], x[:, :, ::-1], x[:, :, ::-1, ::-1]]
    counts = [sum((y == k[i]).all() for i, y in enumerate(first)) for k in kinds]
    assert sum(counts) == 64
    # Binomial, n = 64, p = 1/4: four standard deviations are 14.
    assert all(2 <= c <= 30 for c in counts), counts


def test_other_sizes_follow_and_parameters_may_change() -> None:
    flip = transform.Flip()
    cell, x = Transformation(flip), sample(2, 3, 3)
    assert (cell(Tensor.from_numpy(x)).to_numpy() == x).all()
    flip.random_horizontal_flip = True
    y = Transformation(flip, name="changed")(Tensor.from_numpy(np.repeat(sample(1, 3, 3), 32, axis=0))).to_numpy()
    assert len(np.unique(y, axis=0)) == 2
    kept = Transformation(transform.Rescale(10, 10, keep_aspect_ratio=True))
    assert kept(Tensor([1, 1, 5, 20])).shape() == [1, 1, 2, 10]
    assert kept(Tensor([3, 1, 20, 10])).shape() == [3, 1, 10, 5]
    assert kept.dims() == [5, 10, 1, 3]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: Transformation([0, 1], name="e"),
        TypeError,
        "e: parameter `transformation` must be an n2d2.transform.Transformation, got list",
    ),
    (lambda: Transformation(name="e"), TypeError, "must be an n2d2.transform.Transformation, got NoneType"),
    (
        lambda: Transformation(transform.Flip(), transformation=transform.Flip()),
        TypeError,
        "Transformation: give `perm` or `transformation`, which mean the same, not both",
    ),
    (lambda: Transformation(transform.Flip(), datatype="float"), ValueError, "`datatype` is not a parameter"),
    (
        lambda: Transformation(transform.Flip(apply_to="NoTest"), name="e"),
        ValueError,
        "e: parameter `transformation` is a Flip with apply_to NoTest, expected All, LearnOnly or NoLearn",
    ),
    (
        lambda: Transformation(transform.RangeAffine("Plus", [1.0, 2.0]), name="e")(Tensor([1, 3, 2, 2])),
        ValueError,
        "e: RangeAffine: first_value: expected 1 or 3 values for 3 channels, got 2",
    ),
    (
        lambda: Transformation(transform.Rescale(4, 4, apply_to="LearnOnly"), name="e")(Tensor([1, 3, 2, 2])),
        ValueError,
        "e: output in test mode: expected [1, 3, 4, 4], that of learning mode, got [1, 3, 2, 2]",
    ),
    (
        lambda: Transformation(transform.Flip(), name="e")(Interface([Tensor([1, 1]), Tensor([1, 1])])),
        ValueError,
        "e: inputs: expected one tensor, got 2 tensors",
    ),
    (
        lambda: Transformation(transform.Flip(), name="e").set_parameter("transformation", transform.Flip()),
        RuntimeError,
        "e: `transformation` is an argument of the constructor",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
