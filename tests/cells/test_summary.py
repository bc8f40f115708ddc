"""The table of a network, as it is printed."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier, Tanh
from n2d2.cells import (
    Activation,
    BatchNorm2d,
    Conv,
    ConvDepthWise,
    ConvPointWise,
    Deconv,
    DeepNetCell,
    Dropout,
    ElemWise,
    Fc,
    GlobalPool2d,
    Layer,
    Pool,
    Sequence,
    Softmax,
)
from n2d2.error_handler import WrongInputType
from n2d2.mapping import Mapping
from n2d2.provider import DataProvider


def network() -> DeepNetCell:
    """Return a network with a branch, for images of 3 channels, 10 rows and 12 columns, and a batch size of 4."""
    provider = DataProvider(n2d2.database.Numpy(), [12, 10, 3], batch_size=4)
    wide = Conv(16, 16, [3, 5], padding_dims=[1, 2], name="wide")
    layers: list[Any] = [
        Conv(3, 8, [3, 3], padding_dims=[1, 1], stride_dims=[1, 2], no_bias=True, name="conv"),
        BatchNorm2d(8, activation=Rectifier(), name="norm"),
        ConvDepthWise(8, [3, 3], padding_dims=[1, 1], name="depth"),
        ConvPointWise(8, 16, activation=Tanh(), name="point"),
        Layer([Sequence([wide, BatchNorm2d(16, name="norm2")]), Sequence([])]),
        ElemWise(name="add"),
        Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="max"),
        Deconv(16, 4, [2, 2], stride_dims=[2, 2], name="up"),
        GlobalPool2d(pooling="Average", name="mean"),
        Dropout(name="drop"),
        Fc(4, 2000, back_propagate=False, name="fc"),
        Softmax(name="softmax"),
    ]
    return Sequence(layers).to_deepnet_cell(provider)


def printed(model: DeepNetCell, verbose: bool = False) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        model.summary(verbose)
    return text.getvalue()


def rows_of(model: DeepNetCell, verbose: bool = False) -> dict[str, list[str]]:
    """Return the fields of each row by the name of its cell."""
    lines = printed(model, verbose).splitlines()
    titles = ["Layer (type)", "Output Shape", "Param #", " MAC #", "Connected to", "Extra", "Grad"]
    starts = [lines[1].index(title) for title in titles]
    ends = [*starts[1:], len(lines[0])]
    rows = [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in lines[3:-4] if line]
    return {row[0].split(" (")[0]: row for row in rows}


# Kernels and images overlap at 28 of the 30 places of 3 rows at 10 positions, and at 17 of 18 in the columns, 16 of 18
# with a stride of 1 over 6 columns, 24 of 30 for 5 columns. With the biases:
# conv 8 x 3 x 28 x 17; depth 8 x 28 x 16 + 8; point 8 x 16 x 60 + 16; wide 16 x 16 x 28 x 24 + 16;
# up 16 x 4 x 4 x 15 + 4; fc 2000 x 4 + 2000.
MACS = 8 * 3 * 28 * 17 + 8 * 28 * 16 + 8 + 8 * 16 * 60 + 16 + 16 * 16 * 28 * 24 + 16 + 16 * 4 * 4 * 15 + 4 + 2000 * 5

TABLE = """\
------------------------------------------------------------------------------------------------------
Layer (type)         Output Shape       Param #     MAC #    Connected to    Extra               Grad
======================================================================================================
Image1 (input)       (4, 3, 10, 12)     0          0k                                            -

conv (Conv 3x3)      (4, 8, 10, 6)      216        11k       Image1          str: 1x2, pad: 1    True

depth (Depthwise)    (4, 8, 10, 6)      80         3k        conv            k: 3x3, pad: 1      True

point (PointWise)    (4, 16, 10, 6)     144        7k        depth           Act: Tanh           True

wide (Conv 3x5)      (4, 16, 10, 6)     3,856      172k      point           pad: 1x2            True

add (ElemWise)       (4, 16, 10, 6)     0          0k        wide, point                         -

max (MaxPool)        (4, 16, 5, 3)      0          0k        add             size: 2, str: 2     -

up (Deconv 2x2)      (4, 4, 10, 6)      260        3k        max             str: 2              True

mean (AvgPool)       (4, 4, 1, 1)       0          0k        up              size: 10x6          -

drop (Dropout)       (4, 4, 1, 1)       0          0k        mean                                -

fc (Fc)              (4, 2000, 1, 1)    10,000     10k       drop                                False

softmax (Softmax)    (4, 2000, 1, 1)    0          0k        fc                                  -

Features (output)    (4, 2000, 1, 1)    0          0k        softmax                             -
======================================================================================================
Total params:  14,604
Total computing:  208,604 MAC
As publications count it:  267,200 MAC, with the padding and without biases
"""

VERBOSE = """\
--------------------------------------------------------------------------------------------------------
Layer (type)           Output Shape       Param #     MAC #    Connected to    Extra               Grad
========================================================================================================
Image1 (input)         (4, 3, 10, 12)     0          0k                                            -

conv (Conv 3x3)        (4, 8, 10, 6)      216        11k       Image1          str: 1x2, pad: 1    True

norm (BatchNorm2d)     (4, 8, 10, 6)      16         0k        conv            Act: ReLu           True

depth (Depthwise)      (4, 8, 10, 6)      80         3k        norm            k: 3x3, pad: 1      True

point (PointWise)      (4, 16, 10, 6)     144        7k        depth           Act: Tanh           True

wide (Conv 3x5)        (4, 16, 10, 6)     3,856      172k      point           pad: 1x2            True

norm2 (BatchNorm2d)    (4, 16, 10, 6)     32         0k        wide                                True

add (ElemWise)         (4, 16, 10, 6)     0          0k        norm2, point                        -

max (MaxPool)          (4, 16, 5, 3)      0          0k        add             size: 2, str: 2     -

up (Deconv 2x2)        (4, 4, 10, 6)      260        3k        max             str: 2              True

mean (AvgPool)         (4, 4, 1, 1)       0          0k        up              size: 10x6          -

drop (Dropout)         (4, 4, 1, 1)       0          0k        mean                                -

fc (Fc)                (4, 2000, 1, 1)    10,000     10k       drop                                False

softmax (Softmax)      (4, 2000, 1, 1)    0          0k        fc                                  -

Features (output)      (4, 2000, 1, 1)    0          0k        softmax                             -
========================================================================================================
Total params:  14,604
Total computing:  208,604 MAC
As publications count it:  267,200 MAC, with the padding and without biases
"""


def test_the_table() -> None:
    assert printed(network()) == TABLE
    assert TABLE.splitlines()[-2] == f"Total computing:  {MACS:,} MAC"


def test_batch_norms_have_rows_if_they_are_asked_for() -> None:
    assert printed(network(), verbose=True) == VERBOSE
    assert VERBOSE.splitlines()[-3:] == TABLE.splitlines()[-3:]


def test_the_totals_count_what_has_a_weight_of_its_own() -> None:
    model = network()
    held = [
        cell.N2D2().param(name).size
        for cell in model
        for name in ("weights", "bias", "scales", "biases")
        if name in cell.N2D2().param_names()
    ]
    # The weights of a depthwise convolution are stored for all pairs of channels: 8 x 8 instead of 8 kernels.
    unused = model["depth"].N2D2().param("weights").size - 8 * 9
    assert f"Total params:  {sum(held) - unused:,}\n" in printed(model)


def test_a_removed_cell_has_no_row() -> None:
    model = network()
    model.remove("softmax")
    model.remove("drop")
    model.remove("max")
    rows = rows_of(model)
    assert list(rows) == ["Image1", "conv", "depth", "point", "wide", "add", "up", "mean", "fc", "Features"]
    assert rows["up"] == ["up (Deconv 2x2)", "(4, 4, 20, 12)", "260", "15k", "add", "str: 2", "True"]
    assert rows["fc"][4] == "mean"
    assert rows["Features"] == ["Features (output)", "(4, 2000, 1, 1)", "0", "0k", "fc", "", "-"]
    model.remove("norm2")
    assert "norm2" not in rows_of(model, verbose=True)
    assert rows_of(model)["add"][4] == "wide, point"


def test_the_batch_size_is_that_of_the_provider_and_one_without() -> None:
    model = DeepNetCell(Fc(6, 2, name="fc")(n2d2.Tensor([5, 6])).get_deepnet())
    assert rows_of(model)["fc"][1] == "(1, 2, 1, 1)"
    model.set_provider(DataProvider(n2d2.database.Numpy(), [2, 1, 3], batch_size=7))
    assert rows_of(model)["fc"][1] == "(7, 2, 1, 1)"
    assert rows_of(model)["Image1"][1] == "(7, 3, 1, 2)"


def test_the_size_is_that_of_the_last_provider() -> None:
    provider = DataProvider(n2d2.database.Numpy(), [8, 8, 1], batch_size=2)
    model = Sequence([Conv(1, 2, [3, 3], name="conv")]).to_deepnet_cell(provider)
    assert rows_of(model)["conv"][1] == "(2, 2, 6, 6)"
    model.set_provider(DataProvider(n2d2.database.Numpy(), [20, 10, 1], batch_size=2))
    assert rows_of(model)["conv"][1] == "(2, 2, 8, 18)"


def test_several_inputs_and_outputs() -> None:
    a, b = n2d2.Tensor([1, 4]), n2d2.Tensor([1, 4])
    both = ElemWise(name="both")(n2d2.Interface([Fc(4, 2, name="fa")(a), Fc(4, 2, name="fb")(b)]))
    ends = [Fc(2, 3, name="left")(both), Activation(Tanh(), name="right")(both)]
    rows = rows_of(DeepNetCell._of(ends, inputs=[a, b]))
    assert rows["Image1"][0] == "Image1 (input)"
    assert (rows["fa"][4], rows["fb"][4], rows["both"][4]) == ("Image1", "Image2", "fa, fb")
    text = printed(DeepNetCell._of(ends, inputs=[a, b]))
    features = [line.split() for line in text.splitlines() if line.startswith("Features")]
    assert [line[2:8] for line in features] == [
        ["(1,", "3,", "1,", "1)", "0", "0k"],
        ["(1,", "2,", "1,", "1)", "0", "0k"],
    ]
    assert [line[8] for line in features] == ["left", "right"]
    assert rows["right"][5] == "Act: Tanh"


def test_a_cell_that_is_called_twice_has_one_row() -> None:
    fc = Fc(3, 3, name="fc")
    model = DeepNetCell(fc(fc(n2d2.Tensor([1, 3]))).get_deepnet())
    text = printed(model)
    assert text.count("fc (Fc)") == 1
    assert "Total params:  12\n" in text
    rows = rows_of(model)
    assert list(rows) == ["Image1", "fc", "Features"]
    assert (rows["fc"][4], rows["Features"][4]) == ("Image1, fc", "fc")


def test_a_batch_norm_that_reads_itself_is_left_out() -> None:
    norm, fc = BatchNorm2d(3, name="norm"), Fc(3, 3, name="fc")
    model = DeepNetCell(fc(norm(norm(n2d2.Tensor([1, 3, 1, 1])))).get_deepnet())
    assert rows_of(model)["fc"][4] == "Image1"


def test_networks_of_a_hundred_hidden_branches_are_quick() -> None:
    x: Any = n2d2.Tensor([1, 2, 1, 1])
    for k in range(100):
        norm = BatchNorm2d(2, name=f"norm{k}")(x)
        x = ElemWise(name=f"add{k}")(n2d2.Interface([norm, x]))
    rows = rows_of(DeepNetCell(x.get_deepnet()))
    assert rows["add99"][4] == "add98"


@pytest.mark.parametrize(
    ("cell", "kind", "params", "extra"),
    [
        (Conv(4, 6, [1, 1], name="c"), "PointWise", "30", ""),
        (Conv(4, 6, [3, 1], name="c"), "Conv 3x1", "78", ""),
        (Conv(4, 6, [2, 2], dilation_dims=[2, 2], name="c"), "Conv 2x2", "102", "dilation: 2"),
        (Conv(4, 4, [3, 3], mapping=Mapping(nb_groups=4), name="c"), "Depthwise", "40", "k: 3x3"),
        (Conv(4, 4, [3, 3], mapping=Mapping(nb_groups=2), name="c"), "Conv 3x3", "76", ""),
        (Conv(4, 8, [3, 3], mapping=Mapping(nb_groups=4), name="c"), "Conv 3x3", "80", ""),
        (Conv(4, 4, [1, 1], mapping=Mapping(nb_groups=4), name="c"), "Depthwise", "8", "k: 1x1"),
        (Conv(4, 2, [2, 2], stride_dims=[2, 1], padding_dims=[0, 1], name="c"), "Conv 2x2", "34", "str: 2x1, pad: 0x1"),
        (Deconv(4, 2, [3, 3], no_bias=True, name="c"), "Deconv 3x3", "72", ""),
        (Pool([2, 3], pooling="Max", name="c"), "MaxPool", "0", "size: 2x3"),
        (Pool([3, 3], padding_dims=[1, 1], stride_dims=[3, 3], name="c"), "MaxPool", "0", "size: 3, str: 3, pad: 1"),
        (Fc(144, 2, activation=Rectifier(), no_bias=True, name="c"), "Fc", "288", "Act: ReLu"),
        (BatchNorm2d(4, name="c"), "BatchNorm2d", "8", ""),
    ],
)  # fmt: skip
def test_types_parameters_and_extras(cell: Any, kind: str, params: str, extra: str) -> None:
    model = DeepNetCell(cell(n2d2.Tensor([1, 4, 6, 6])).get_deepnet())
    row = rows_of(model, verbose=True)["c"]
    assert (row[0], row[2], row[5]) == (f"c ({kind})", params, extra)
    assert f"Total params:  {params}\n" in printed(model)


def test_a_batch_norm_at_the_end_is_left_out_but_its_output_shown() -> None:
    body = Sequence([Fc(4, 2, name="fc"), BatchNorm2d(2, name="norm")])
    model = body.to_deepnet_cell(DataProvider(n2d2.database.Numpy(), [2, 2, 1]))
    assert list(rows_of(model)) == ["Image1", "fc", "Features"]
    assert rows_of(model)["Features"][4] == "fc"
    assert rows_of(model, verbose=True)["Features"][4] == "norm"
    alone = DeepNetCell(BatchNorm2d(2, name="norm")(n2d2.Tensor([1, 2, 3, 3])).get_deepnet())
    assert rows_of(alone)["Features"][4] == "Image1"


def test_the_numbers_are_those_of_the_statistics(tmp_path: Any) -> None:
    model = network()
    model.log_stats(str(tmp_path))
    stats = [line.split() for line in (tmp_path / "stats.dat").read_text().splitlines()[1:]]
    rows = rows_of(model)
    for name, params, macs, _ in stats:
        if name in rows and not rows[name][0].endswith("Pool)"):
            assert rows[name][2].replace(",", "") == params
            assert rows[name][3] == f"{int(macs) // 1000:,}k"
    assert (
        np.sum([int(macs) for name, _, macs, _ in stats if name in ("conv", "depth", "point", "wide", "up", "fc")])
        == MACS
    )


def test_verbose_must_be_a_bool() -> None:
    with pytest.raises(WrongInputType, match="parameter `verbose` must be a bool, got int"):
        network().summary(1)
