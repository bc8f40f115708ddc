"""Tensors: construction, axis orders, access, printing, NumPy, and the errors of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Tensor


def counted(*shape: int) -> Tensor:
    return Tensor.from_numpy(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


def test_axis_orders() -> None:
    t = counted(1, 2, 3, 4)
    assert (t.shape(), t.dims(), t.nb_dims(), len(t)) == ([1, 2, 3, 4], [4, 3, 2, 1], 4, 24)
    assert (t.dimX(), t.dimY(), t.dimZ(), t.dimB()) == (4, 3, 2, 1)
    assert [t[0], t[5], t[0, 1, 2, 3], t[[0, 0, 1, 0]], t[5.0]] == [0.0, 5.0, 23.0, 4.0, 5.0]
    assert t.mean() == 11.5
    assert 5.0 in t
    assert 5.5 not in t
    assert list(t)[:3] == [0.0, 1.0, 2.0]
    other = Tensor([2, 3, 4, 5], dim_format="N2D2")
    assert (other.shape(), other.dims()) == ([5, 4, 3, 2], [2, 3, 4, 5])
    assert [Tensor(d).dimZ() for d in ([7], [7, 5], [7, 5, 3], [7, 5, 3, 2])] == [0, 5, 7, 5]
    assert [Tensor(d).dimY() for d in ([7], [7, 5])] == [0, 7]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([2, 3], value=1.5), "1.5 1.5 1.5\n1.5 1.5 1.5\n], device=cpu, datatype=float)"),
        (
            Tensor([1, 2, 2, 3], value=0.5),
            "[0][0]:\n0.5 0.5 0.5\n0.5 0.5 0.5\n[1]:\n0.5 0.5 0.5\n0.5 0.5 0.5\n], device=cpu, datatype=float)",
        ),
        (Tensor([2, 2, 2], value=2), "[0]:\n2 2\n2 2\n[1]:\n2 2\n2 2\n], device=cpu, datatype=float)"),
        (Tensor([2, 2], value=3, datatype="int"), "3 3\n3 3\n], device=cpu, datatype=int)"),
        (Tensor([2, 2], value=True, datatype="bool"), "1 1\n1 1\n], device=cpu, datatype=bool)"),
        (Tensor([3], value=0.1, datatype="double"), "0.1 0.1 0.1\n], device=cpu, datatype=double)"),
        (Tensor([1]), "0\n], device=cpu, datatype=float)"),
        (Tensor([]), "\n], device=cpu, datatype=float)"),
        (Tensor.from_numpy(np.arange(4, dtype=np.uint8).reshape(2, 2)), "0 1\n2 3\n], device=cpu, datatype=uchar)"),
        (
            Tensor.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3) / 7),
            "0 0.142857 0.285714\n0.428571 0.571429 0.714286\n], device=cpu, datatype=float)",
        ),
        (Tensor.from_numpy(np.array([[1e6, 2e-6, -5e6]])), "1e+06 2e-06 -5e+06\n], device=cpu, datatype=double)"),
    ],
)
def test_printing(tensor: Tensor, text: str) -> None:
    assert str(tensor) == "n2d2.Tensor([\n" + text
    assert str(tensor).startswith("n2d2.Tensor([\n" + repr(tensor))


def test_output_of_a_cell_prints_the_cell() -> None:
    fc = n2d2.cells.Fc(2, 2, no_bias=True, weights_filler=n2d2.filler.Constant(value=0.5), name="printed")
    y = fc(Tensor([1, 2, 1, 1], value=1.0))
    assert str(y) == "n2d2.Tensor([\n[0][0]:\n1\n[1]:\n1\n], device=cpu, datatype=f, cell='printed')"
    assert y.cell is fc


def test_writing() -> None:
    t = Tensor([2, 2])
    t[0, 1] = 3
    t[2] = 4.5
    assert list(t) == [0.0, 3.0, 4.5, 0.0]
    t[0:2] = 7
    assert list(t) == [7.0, 7.0, 4.5, 0.0]
    t[1:3] = Tensor([2], value=1.0)
    assert list(t) == [7.0, 1.0, 1.0, 0.0]
    part = t[0:2]
    part[0] = 9
    assert (list(part), t[0], part.data_type()) == ([9.0, 1.0], 7.0, "float")
    b = Tensor([2], datatype="bool")
    b[0] = 1
    assert list(b) == [True, False]


def test_values() -> None:
    t = Tensor([2, 2])
    t.set_values([[1, 2], [3, 4.5]])
    assert list(t) == [1.0, 2.0, 3.0, 4.5]
    t = Tensor([2], datatype="bool")
    t.set_values([True, 0])
    assert list(t) == [True, False]


def test_numpy_shares_memory() -> None:
    t = Tensor([2, 2], value=1.0)
    a = t.to_numpy()
    a[0, 0] = 9
    assert t[0] == 9.0
    assert t.to_numpy(copy=True) is not a
    t.to_numpy(copy=True)[...] = 0
    assert np.array_equal(np.asarray(t), [[9, 1], [1, 1]])
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    np.from_dlpack(t)[1, 1] = 5
    assert t[3] == 5.0


def test_output_of_a_cell_shares_memory_with_numpy() -> None:
    conv = n2d2.cells.Conv(2, 3, [1, 1])
    y = conv(Tensor([2, 2, 4, 5], value=1.0))
    a = y.to_numpy()
    assert a.shape == (2, 3, 4, 5)
    a[1, 2, 3, 4] = 42.0
    assert y[1, 2, 3, 4] == 42.0
    flat = n2d2.cells.Reshape([1, 1, -1])(y)
    assert flat[1, 59, 0, 0] == 42.0


def test_a_cell_reads_any_strides() -> None:
    conv = n2d2.cells.Conv(2, 3, [2, 2])
    x = np.random.default_rng(1).normal(size=(2, 2, 6, 5)).astype(np.float32)
    expected = conv(Tensor.from_numpy(x)).to_numpy()
    for view in (
        x.transpose(3, 2, 1, 0).copy().transpose(3, 2, 1, 0),
        np.repeat(x, 2, axis=3)[..., ::2],
        x[:, :, ::-1].copy()[:, :, ::-1],
    ):
        wrapped = Tensor._wrap(view)
        assert np.array_equal(wrapped.to_numpy(), x)
        assert np.array_equal(conv(wrapped).to_numpy(), expected)


def test_from_numpy_copies_and_names_the_type() -> None:
    kinds = [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.float32, np.float64, np.bool_]
    names = [Tensor.from_numpy(np.zeros((2, 3), kind)).data_type() for kind in kinds]
    assert names == ["char", "uchar", "short", "int", "uint", "long", "float", "double", "bool"]
    a = np.ones((2, 2), np.float32)
    t = Tensor.from_numpy(a)
    a[...] = 0
    assert list(t) == [1.0] * 4
    assert Tensor.from_numpy(np.array([[True, False]])).shape() == [1, 2]


def test_reshape_resize_copy() -> None:
    t = counted(2, 3)
    t.reshape([3, 2])
    assert (t.shape(), list(t)) == ([3, 2], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    u = t.copy()
    u[0] = 5
    assert (t[0], u[0], u.shape(), u.data_type()) == (0.0, 5.0, [3, 2], "float")
    t.resize([2, 4])
    assert list(t) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]
    fc = n2d2.cells.Fc(8, 1, filler=n2d2.filler.Constant(value=1))
    t.reshape([1, 8])
    assert fc(t)[0] == 16.0
    t.reshape([1, 2, 2, 2])
    assert fc(t)[0] == 16.0


def test_equality() -> None:
    assert Tensor([2], value=1.0) == Tensor([2], value=1.0)
    assert Tensor([2], value=1.0) != Tensor([2], value=2.0)
    assert Tensor([1, 2]) != Tensor([2])
    assert Tensor([2], value=1) == Tensor([2], value=1, datatype="int")
    with pytest.raises(TypeError, match=r"a tensor can be compared with a tensor only; .* got float"):
        Tensor([1]) == 0.0  # noqa: B015
    with pytest.raises(TypeError, match="unhashable"):
        hash(Tensor([1]))


def test_inputs_of_fewer_axes() -> None:
    fc = n2d2.cells.Fc(3, 2)
    assert fc(Tensor([4, 3])).shape() == [4, 2, 1, 1]
    conv = n2d2.cells.Conv(1, 2, [3, 3])
    assert conv(Tensor([1, 28, 28])).shape() == [1, 2, 26, 26]


def test_explicit_gradient() -> None:
    fc = n2d2.cells.Fc(2, 1, filler=n2d2.filler.Constant(value=1.0), solver=n2d2.solver.SGD(learning_rate=0.5))
    x = Tensor([1, 2])
    x.set_values([[2, 3]])
    y = fc(x)
    assert y[0] == 6.0
    y.back_propagate(Tensor([1, 1, 1, 1], value=0.5))
    assert list(fc.get_diffinputs()) == [0.5]
    assert list(fc.get_diffoutputs()) == [0.5, 0.5]
    y.update()
    assert [w[0] for w in fc.get_weights()[0]] == [1.5, 1.75]
    assert fc.get_bias(0)[0] == 1.25
    assert fc(x)[0] == 1.5 * 2 + 1.75 * 3 + 1.25


def test_a_tensor_read_twice_gets_the_sum_of_the_gradients() -> None:
    one = n2d2.filler.Constant(value=1.0)
    fc = n2d2.cells.Fc(2, 2, filler=one, no_bias=True)
    add = n2d2.cells.ElemWise()
    x = Tensor([1, 2], value=1.0)
    h = fc(x)
    y = add(n2d2.Interface([h, h]))
    y.back_propagate(np.ones((1, 2, 1, 1)))
    assert list(fc.get_diffinputs()) == [2.0, 2.0]
    assert list(fc.get_diffoutputs()) == [4.0, 4.0]


def test_detach_cuts_the_graph() -> None:
    first, second = n2d2.cells.Fc(2, 2), n2d2.cells.Fc(2, 2)
    h = first(Tensor([1, 2], value=1.0))
    before = list(h)
    y = second(h.detach())
    assert h.cell is None
    assert list(h) == before
    y.back_propagate(np.ones(y.shape()))
    assert list(first.get_diffinputs()) == [0.0, 0.0]
    assert any(second.get_diffoutputs())


def test_data_that_wants_no_gradient() -> None:
    fc = n2d2.cells.Fc(2, 2)
    x = Tensor._wrap(np.ones((1, 2, 1, 1), np.float32), wants_gradient=False)
    y = fc(x)
    y.back_propagate(np.ones(y.shape()))
    assert list(fc.get_diffoutputs()) == [0.0, 0.0]
    assert np.abs(fc.N2D2().grad("weights")).min() == 1.0


class Loss:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def back_propagate(self) -> None:
        self.calls.append("back_propagate")

    def update(self) -> None:
        self.calls.append("update")


def test_a_loss_goes_back_through_its_target() -> None:
    loss, source = Tensor([1], value=0.5), Loss()
    assert not loss.is_leaf()
    loss._loss_source = source
    assert loss.is_leaf()
    loss.back_propagate()
    loss.update()
    assert source.calls == ["back_propagate", "update"]
    with pytest.raises(n2d2.error_handler.StateError, match="a loss takes no gradient"):
        loss.back_propagate(np.ones(1))


class Legacy:
    """A producer of the first version of DLPack, which cannot say that memory is read-only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


class Elsewhere(Legacy):
    def __dlpack__(self, **wanted: Any) -> Any:
        raise BufferError("the array lies on a GPU")


@pytest.mark.parametrize("producer", [lambda a: a, Legacy])
def test_from_dlpack_shares_memory(producer: Any) -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    t = Tensor.from_dlpack(producer(a))
    t[1, 1] = 42
    a[0, 0] = 7
    assert (t.shape(), list(t), a[1, 1]) == ([2, 2], [7.0, 2.0, 3.0, 42.0], 42.0)
    apart = Tensor.from_dlpack(producer(a), copy=True)
    apart[0] = 0
    assert a[0, 0] == 7
    del a
    assert list(t) == [7.0, 2.0, 3.0, 42.0]


def test_from_dlpack_copies_read_only_memory() -> None:
    a = np.ones(3, np.float32)
    a.flags.writeable = False
    t = Tensor.from_dlpack(a)
    t[0] = 5
    assert (list(t), a[0]) == ([5.0, 1.0, 1.0], 1.0)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "uint32", "int64", "float32", "float64", "bool"])
def test_dlpack_there_and_back_of_every_datatype(kind: str) -> None:
    t = Tensor.from_numpy(np.array([[0, 1, 1]], kind))
    a = np.from_dlpack(t)
    a[0, 0] = 1
    assert (a.dtype, t[0], Tensor.from_dlpack(t).data_type()) == (np.dtype(kind), 1, t.data_type())
    assert t.__dlpack_device__() == (1, 0)


def test_dlpack_of_the_output_of_a_cell() -> None:
    y = n2d2.cells.Conv(2, 3, [1, 1])(Tensor([2, 2, 4, 5], value=1.0))
    a = np.from_dlpack(y)
    a[1, 2, 3, 4] = 42.0
    assert y[1, 2, 3, 4] == 42.0


def test_array_protocol_of_numpy_2() -> None:
    t = counted(2, 3)
    assert np.shares_memory(np.asarray(t), t.to_numpy())
    assert np.shares_memory(np.array(t, copy=False), t.to_numpy())
    assert np.shares_memory(np.asarray(t, dtype="float32", copy=False), t.to_numpy())
    assert not np.shares_memory(np.array(t), t.to_numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.to_numpy())
    assert t.__array__(np.int16).dtype == np.int16
    assert np.array(t, dtype=np.float64, copy=None).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(
        ValueError, match=r"an array of float64 must be a copy .* float32 values, which copy=False forb"
    ):
        np.asarray(t, dtype=np.float64, copy=False)


def test_from_n2d2_keeps_memory_and_graph() -> None:
    fc = n2d2.cells.Fc(2, 1, filler=n2d2.filler.Constant(value=1.0))
    y = fc(Tensor([1, 2], value=1.0))
    other = Tensor.from_N2D2(y.N2D2())
    other[0] = 9
    assert (y[0], other.shape(), other.data_type(), other.cell) == (9.0, [1, 1, 1, 1], "f", None)
    other.back_propagate(np.ones((1, 1, 1, 1)))
    assert list(fc.get_diffoutputs()) == [1.0, 1.0]


def test_views_share_memory() -> None:
    t = counted(2, 3, 4)
    a = t.to_numpy()
    keys: list[Any] = [
        (0, ...),
        (slice(None), 1),
        (..., -1),
        (1, slice(None, None, -2)),
        None,
        ...,
        (None, 0, ...),
        (0, 1, 2, ...),
        (0, slice(5, 9)),
    ]
    for key in keys:
        view = t[key]
        expected = a[key]
        assert isinstance(view, Tensor)
        assert (view.shape(), view.data_type(), list(view)) == (
            list(expected.shape),
            "float",
            expected.ravel().tolist(),
        )
        if expected.size:
            assert np.shares_memory(view.to_numpy(), a)
    t[0, ...][1, 2] = 50
    assert t[0, 1, 2] == 50.0
    assert n2d2.cells.Fc(4, 1, filler=n2d2.filler.Constant(value=1.0))(t[1, ...])[0] == 12 + 13 + 14 + 15 + 1


def test_writing_through_views_and_masks() -> None:
    t = Tensor([2, 3])
    t[0, :] = 5
    t[:, 2] = Tensor([2], value=7.0)
    t[1, :2] = [1, 2]
    assert list(t) == [5.0, 5.0, 7.0, 1.0, 2.0, 7.0]
    t[..., 0] = np.array([8.5, 9.5])
    assert list(t[:, 0]) == [8.5, 9.5]
    mask = t.to_numpy() > 7
    assert list(t[mask]) == [8.5, 9.5]
    t[Tensor.from_numpy(mask)] = 0
    assert list(t) == [0.0, 5.0, 7.0, 0.0, 2.0, 7.0]
    t[mask] = [3, 4]
    assert list(t) == [3.0, 5.0, 7.0, 4.0, 2.0, 7.0]
    t[1:3] = [10, 11]
    t[...] = t
    assert list(t) == [3.0, 10.0, 11.0, 4.0, 2.0, 7.0]
    part = t[0, ...]
    part[0] = 1
    assert t[0] == 1.0


def test_numpy_numbers_are_numbers() -> None:
    t = Tensor([2], value=np.float32(1.5))
    t[np.int64(1)] = np.float64(2.5)
    assert [t[np.uint8(0)], t[np.float32(1.0)], t[(np.int32(1),)]] == [1.5, 2.5, 2.5]
    assert list(Tensor([np.int64(1)], value=np.int16(3), datatype="long")) == [3]
    assert list(Tensor([1], value=np.True_, datatype="bool")) == [True]
    assert np.float32(2.5) in t
    assert True not in t
    assert all(value not in t for value in ("a", None, [2.5], t))


def test_numbers_that_are_not_numbers() -> None:
    t = Tensor([2], value=float("nan"))
    assert repr(t) == "nan nan\n"
    assert t != t.copy()
    assert 0.0 not in t
    assert np.isnan(t.mean())
    t[0] = float("-inf")
    assert repr(t) == "-inf nan\n"


def test_tensors_without_elements_or_axes() -> None:
    empty, hollow, point = Tensor([]), Tensor([2, 0, 3]), counted(2, 3)[1, 2, ...]
    assert (len(empty), list(empty), empty.shape(), empty.dims(), empty.dimB()) == (0, [], [0], [0], 0)
    assert (len(hollow), list(hollow), hollow.shape(), 0.0 in hollow) == (0, [], [2, 0, 3], False)
    hollow.reshape([0, 5])
    assert hollow.shape() == [0, 5]
    assert empty == Tensor([])
    assert list(empty[0:5]) == []
    empty.resize([2])
    assert list(empty) == [0.0, 0.0]
    assert (point.shape(), point.dims(), point.nb_dims(), len(point), point[0], repr(point)) == (
        [],
        [],
        0,
        1,
        5.0,
        "5\n",
    )
    assert [point.dimX(), point.dimY(), point.dimZ(), point.dimB()] == [0, 0, 0, 0]
    assert Tensor.from_numpy(np.array(3.0)).shape() == Tensor.from_dlpack(np.array(3.0)).shape() == [1]


@pytest.mark.parametrize("datatype", ["float", "double", "int", "uint", "short", "long", "bool", "char", "uchar"])
def test_every_datatype_and_its_letter(datatype: str) -> None:
    letters = {"float": "f", "double": "d", "int": "i", "uint": "j", "short": "s", "long": "l", "bool": "b"}
    letter = {**letters, "char": "c", "uchar": "h"}[datatype]
    one: Any = True if datatype == "bool" else 1
    t = Tensor([1, 2], value=one, datatype=datatype)
    assert str(t) == f"n2d2.Tensor([\n1 1\n], device=cpu, datatype={datatype})"
    assert t == Tensor([1, 2], value=one, datatype=letter)
    assert Tensor([1], datatype=letter).data_type() == letter
    t.set_values([[0, 1]])
    t[0] = 1
    assert (list(t), t.copy().data_type(), t[0:1].data_type(), t[0, ...].data_type()) == ([1, 1], *[datatype] * 3)
    assert type(t[0]) is type(t[0, 1]) is {"float": float, "double": float, "bool": bool}.get(datatype, int)
    t.resize([3])
    assert (list(t), t.mean()) == ([1, 1, 0], pytest.approx(2 / 3))


def test_devices() -> None:
    t = Tensor([1])
    assert t.cpu() is t
    assert not t.is_cuda
    assert t.get_tensors() == [t]


def raw() -> Tensor:
    return Tensor([1, 2], value=1.0)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Tensor(3), n2d2.error_handler.WrongInputType, "Tensor: dims must be of type list, tuple, got int"),
    (lambda: Tensor([2.5]), TypeError, "Tensor: a size in dims must be of type int, got float"),
    (lambda: Tensor([True]), TypeError, "Tensor: a size in dims must be of type int, got bool"),
    (lambda: Tensor([-1]), ValueError, "Tensor: a size in dims is -1, expected an integer of at least 0"),
    (lambda: Tensor([1], value="a"), TypeError, "Tensor: value of a tensor of datatype 'float' must be of type float"),
    (lambda: Tensor([1], value=True), TypeError, "must be of type float, got bool"),
    (lambda: Tensor([1], value=1.5, datatype="int"), TypeError, "must be of type int, got float"),
    (lambda: Tensor([1], datatype="half"), TypeError, "Tensor: datatype is 'half', expected one of float, double, int"),
    (lambda: Tensor([1], datatype=["float"]), TypeError, "Tensor: datatype is ['float']"),
    (lambda: Tensor([1], cuda=1), TypeError, "Tensor: cuda must be of type bool, got int"),
    (lambda: Tensor([1], cuda=True), RuntimeError, "Tensor: cuda=True needs the CUDA backend"),
    (lambda: Tensor([1]).cuda(), RuntimeError, "this version has no CUDA backend"),
    (lambda: Tensor([1]).htod(), RuntimeError, "not on a CUDA device"),
    (lambda: Tensor([1]).dtoh(), RuntimeError, "not on a CUDA device"),
    (lambda: Tensor([1], dim_format="NHWC"), ValueError, "Tensor: dim_format is 'NHWC', expected one of [Numpy, N2D2]"),
    (lambda: Tensor.from_numpy([1.0]), TypeError, "Tensor.from_numpy: np_array must be of type ndarray, got list"),
    (lambda: Tensor.from_numpy(np.zeros(2, np.float16)), TypeError, "arrays of float16 are not supported"),
    (lambda: raw().set_values((1, 2)), TypeError, "Tensor.set_values: values must be of type list, got tuple"),
    (lambda: raw().set_values([[1, 2], [3]]), ValueError, "nested lists of shape [1, 2], got lists of unequal length"),
    (lambda: raw().set_values([1, 2]), ValueError, "Tensor.set_values: expected shape [1, 2], got [2]"),
    (lambda: raw().set_values([["a", "b"]]), TypeError, "values for datatype 'float' cannot be <U1"),
    (lambda: Tensor([1], datatype="int").set_values([1.5]), TypeError, "values for datatype 'int' cannot be float64"),
    (
        lambda: Tensor([1], datatype="uchar").set_values([300]),
        ValueError,
        "values outside the range of datatype 'uchar'",
    ),
    (lambda: raw().reshape([3]), ValueError, "new shape [3] has 3 elements, the tensor [1, 2] has 2"),
    (lambda: raw()[0, 2], ValueError, "Tensor: coordinate [0, 2] is outside the shape [1, 2]"),
    (lambda: raw()[0, -1], ValueError, "Tensor: coordinate [0, -1] is outside the shape [1, 2]"),
    (lambda: raw()[0, 0, 0], ValueError, "Tensor: coordinate [0, 0, 0] must have 2 numbers, one an axis"),
    (lambda: raw()[2], IndexError, "Tensor: index 2 is outside the 2 elements"),
    (lambda: raw()["a"], TypeError, "Tensor: an index must be of type int, tuple, list, slice, got str"),
    (lambda: raw().__setitem__(0, "a"), RuntimeError, "Tensor: 'a' cannot be an element of datatype 'float'"),
    (lambda: raw().__setitem__(slice(0, 1), raw()), ValueError, "1 elements cannot take the 2 of another tensor"),
    (lambda: raw()[None, 5, ...], ValueError, "Tensor: index (None, 5, Ellipsis) does not fit the shape [1, 2]"),
    (lambda: raw()[0, 0, 0, ...], ValueError, "does not fit the shape [1, 2]: too many indices"),
    (
        lambda: raw()[0,],
        ValueError,
        "Tensor: coordinate [0] must have 2 numbers, one an axis; for a part of the tensor end it by `...`",
    ),
    (lambda: raw()[0.0, 1.0], TypeError, "Tensor: an index of an axis must be of type int, got float"),
    (lambda: raw()[True, 0], TypeError, "Tensor: an index of an axis must be of type int, got bool"),
    (lambda: raw()[..., "a"], TypeError, "Tensor: an index of an axis must be of type int, got str"),
    (lambda: raw()[True], TypeError, "Tensor: an index must be of type int, tuple, list, slice, got bool"),
    (lambda: raw()[-1], IndexError, "Tensor: index -1 is outside the 2 elements"),
    (lambda: raw()[float("nan")], IndexError, "Tensor: index nan is not a number of an element"),
    (lambda: raw()[np.array([0])], TypeError, "an index that is an array must be a mask of bool, got int64"),
    (lambda: raw()[np.array([True])], ValueError, "Tensor: expected a mask of shape [1, 2], got [1]"),
    (lambda: raw().__setitem__((0, ...), [1, 2, 3]), ValueError, "a part of shape [2] cannot take values of shape [3]"),
    (lambda: raw().__setitem__((0, ...), [[1], [2, 3]]), ValueError, "got lists of unequal length"),
    (lambda: raw().__setitem__(slice(0, 2), [1]), ValueError, "2 elements cannot take the 1 of an array"),
    (lambda: raw().__setitem__((0, ...), "a"), RuntimeError, "Tensor: 'a' cannot be an element of datatype 'float'"),
    (
        lambda: Tensor([2], datatype="char").__setitem__(..., [1, 200]),
        ValueError,
        "Tensor: values outside the range of datatype 'char'",
    ),
    (
        lambda: Tensor([2], datatype="int").__setitem__(slice(0, 2), Tensor([2], value=0.5)),
        TypeError,
        "Tensor: values for datatype 'int' cannot be float32",
    ),
    (
        lambda: Tensor([1], value=300, datatype="uchar"),
        ValueError,
        "value 300 is outside the range of datatype 'uchar'",
    ),
    (lambda: Tensor([1], value=np.ones(2)), TypeError, "datatype 'float' must be of type float, got ndarray"),
    (lambda: Tensor([2**40, 2**40]), ValueError, "a tensor of shape [1099511627776, 1099511627776] does not fit"),
    (lambda: Tensor([]).mean(), RuntimeError, "Tensor.mean: the tensor has no elements"),
    (lambda: raw().reshape([-1]), ValueError, "Tensor: a size in new_dims is -1, expected an integer of at least 0"),
    (lambda: raw().resize(3), TypeError, "Tensor: new_dims must be of type list, tuple, got int"),
    (lambda: Tensor.from_N2D2(raw()), TypeError, "Tensor.from_N2D2: core must be of type Var, got Tensor"),
    (lambda: Tensor.from_dlpack([1.0]), TypeError, "source must be of type an array with __dlpack__, got list"),
    (lambda: Tensor.from_dlpack(np.zeros(2, np.float16)), TypeError, "arrays of float16 are not supported"),
    (lambda: Tensor.from_dlpack(Elsewhere(np.zeros(2))), RuntimeError, "cannot be shared: the array lies on a GPU"),
    (
        lambda: Tensor.from_dlpack(np.broadcast_to(np.float32(1), (2,)), copy=False),
        ValueError,
        "read-only memory must be copied, which copy=False forbids",
    ),
    (lambda: raw() == None, TypeError, "the other operand must be of type Tensor, got NoneType"),  # noqa: E711
    (lambda: raw().back_propagate(), RuntimeError, "this tensor is not the leaf of a graph; give it a gradient"),
    (lambda: raw().back_propagate(np.ones((1, 2))), RuntimeError, "no cell made this tensor"),
    (lambda: raw().update(), RuntimeError, "Tensor.update: no cell made this tensor"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, (n2d2.Error, IndexError))


def test_errors_of_the_output_of_a_cell() -> None:
    y = n2d2.cells.Fc(2, 3, name="linked")(raw())
    with pytest.raises(ValueError, match=r"expected a gradient of shape \[1, 3, 1, 1\], got \[3\]"):
        y.back_propagate(np.ones(3))
    with pytest.raises(TypeError, match="gradient must be of type Tensor, ndarray, got list"):
        y.back_propagate([1, 2, 3])
    with pytest.raises(TypeError, match="gradient must hold numbers, got bool"):
        y.back_propagate(np.ones((1, 3, 1, 1), bool))
    with pytest.raises(RuntimeError, match=r"Tensor.reshape: the tensor belongs to a graph; detach\(\) it or copy\(\)"):
        y.reshape([3])
    copy = y.copy()
    copy.reshape([3])
    assert copy.shape() == [3]


@pytest.mark.parametrize(
    ("dims", "datatype", "kind", "text"),
    [
        ([1, 2], "int", TypeError, "reader: the input must be a tensor of datatype 'float', got 'int'"),
        ([2], "float", ValueError, "reader: the input must be [batch, channels, height, width], got [2]"),
        ([3, 2, 2], "float", ValueError, "got [3, 2, 2]; add the batch axis: reshape to [1, ...]"),
        ([1, 1, 1, 1, 2], "float", ValueError, "got [1, 1, 1, 1, 2]"),
        ([0, 2], "float", ValueError, "reader"),
    ],
)
def test_inputs_that_a_cell_refuses(dims: list[int], datatype: str, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        n2d2.cells.Fc(2, 2, name="reader")(Tensor(dims, datatype=datatype))
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
