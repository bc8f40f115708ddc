"""LeNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Linear, Rectifier
from n2d2.cells.batch_norm import BatchNorm2d
from n2d2.cells.conv import Conv
from n2d2.cells.dropout import Dropout
from n2d2.cells.fc import Fc
from n2d2.cells.pool import Pool2d
from n2d2.cells.sequence import Sequence
from n2d2.filler import Normal, Xavier
from n2d2.models._units import check_positive

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell


def _cells(nb_outputs: int, with_bn: bool) -> list[Cell]:
    def conv(name: str, nb_inputs: int, nb_filters: int) -> list[Cell]:
        made = Conv(
            nb_inputs, nb_filters, [5, 5], weights_filler=Xavier(variance_norm="FanOut"), no_bias=True, name=name
        )
        if with_bn:
            return [made, BatchNorm2d(nb_filters, name=f"{name}_bn", activation=Rectifier())]
        made.activation = Linear()
        return [made]

    def fc(name: str, nb_inputs: int, nb_neurons: int, activation: Linear | Rectifier) -> Fc:
        filler = Normal(mean=0.0, std_dev=0.01)
        return Fc(nb_inputs, nb_neurons, weights_filler=filler, no_bias=True, activation=activation, name=name)

    return [
        *conv("conv1", 1, 6),
        Pool2d([2, 2], stride_dims=[2, 2], pooling="Max", name="pool1"),
        *conv("conv2", 6, 16),
        Pool2d([2, 2], stride_dims=[2, 2], pooling="Max", name="pool2"),
        *conv("conv3", 16, 120),
        fc("fc1", 120, 84, Rectifier()),
        Dropout(dropout=0.5, name="fc1_drop"),
        fc("fc2", 84, nb_outputs, Linear()),
    ]


class LeNet(Sequence):
    """LeNet: three convolutions without activation, two max pools, two fully connected layers.

    Shape:
        Input `[n, 1, 32, 32]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        nb_outputs (int, optional): Number of classes, default=10.
        name (str, optional): Name, default=`LeNet_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: `nb_outputs` is below 1.

    Example:
        >>> import n2d2
        >>> n2d2.models.LeNet(nb_outputs=10)(n2d2.Tensor([2, 1, 32, 32])).shape()
        [2, 10, 1, 1]

    Source:
        LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    def __init__(self, nb_outputs: int = 10, *, name: str | None = None) -> None:
        check_positive("LeNet", nb_outputs=nb_outputs)
        super().__init__(_cells(nb_outputs, with_bn=False), name)


class LeNetBN(Sequence):
    """LeNet with a batch normalisation and a rectifier behind each convolution.

    Shape:
        Input `[n, 1, 32, 32]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        nb_outputs (int, optional): Number of classes, default=10.
        name (str, optional): Name, default=`LeNetBN_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: `nb_outputs` is below 1.

    Example:
        >>> import n2d2
        >>> n2d2.models.LeNetBN(nb_outputs=10)(n2d2.Tensor([2, 1, 32, 32])).shape()
        [2, 10, 1, 1]

    Source:
        LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    def __init__(self, nb_outputs: int = 10, *, name: str | None = None) -> None:
        check_positive("LeNetBN", nb_outputs=nb_outputs)
        super().__init__(_cells(nb_outputs, with_bn=True), name)
