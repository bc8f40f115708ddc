"""An auto-encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from n2d2.activation import Logistic
from n2d2.cells.fc import Fc
from n2d2.cells.reshape import Reshape
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.filler import Constant, Xavier
from n2d2.models._units import check_positive

if TYPE_CHECKING:
    from collections.abc import Sequence as List

    from n2d2.activation import ActivationFunction
    from n2d2.cells.cell import Cell


class AutoEncoder(Sequence):
    """A deep auto-encoder: `encoder` brings an image down to a few numbers, `decoder` makes the image of them again.

    Layers have logistic activations, the code is linear.

    Shape:
        Input `[n, c, h, w]`, output the same, with `size = [w, h, c]`.

    Arguments:
        size (list of int, optional): `[width, height, channels]` of the images, default=[28, 28, 1].
        nb_neurons (list of int, optional): Neurons of the encoder, the code last; the decoder has them backwards,
            default=[1000, 500, 250, 30].
        name (str, optional): Name, default=`AutoEncoder_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> model = n2d2.models.AutoEncoder([8, 8, 1], nb_neurons=[16, 4])
        >>> x = n2d2.Tensor([2, 1, 8, 8])
        >>> model["encoder"](x).shape(), model(x).shape()
        ([2, 4, 1, 1], [2, 1, 8, 8])

    Source:
        Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.
    """

    def __init__(
        self,
        size: List[int] = (28, 28, 1),
        *,
        nb_neurons: List[int] = (1000, 500, 250, 30),
        name: str | None = None,
    ) -> None:
        for what, values in (("size", size), ("nb_neurons", nb_neurons)):
            if not isinstance(cast("object", values), (list, tuple)):
                raise WrongInputType(f"AutoEncoder: {what}", type(values), "list of int")
            for value in values:
                check_positive("AutoEncoder", **{what: value})
        if len(size) != 3 or not nb_neurons:
            raise WrongValue("AutoEncoder: size, nb_neurons", (size, nb_neurons), "three sizes, at least one layer")
        width, height, channels = size
        counts = [width * height * channels, *nb_neurons]

        def fc(name: str, nb_inputs: int, nb_outputs: int, activation: ActivationFunction | None) -> Fc:
            filler = Xavier(variance_norm="Average")
            zero = Constant(value=0.0)
            return Fc(nb_inputs, nb_outputs, weights_filler=filler, bias_filler=zero, activation=activation, name=name)

        last = len(nb_neurons)
        encoder: list[Cell] = [
            fc(f"encoder{i}", counts[i - 1], counts[i], Logistic() if i < last else None) for i in range(1, last + 1)
        ]
        decoder: list[Cell] = [fc(f"decoder{i}", counts[i], counts[i - 1], Logistic()) for i in range(last, 0, -1)]
        decoder.append(Reshape([width, height, channels], name="image"))
        super().__init__([Sequence(encoder, name="encoder"), Sequence(decoder, name="decoder")], name)
