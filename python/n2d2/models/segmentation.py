"""Segmentation: a class for every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from n2d2.activation import Rectifier
from n2d2.cells.block import Block
from n2d2.cells.conv import Conv
from n2d2.cells.deconv import Deconv
from n2d2.cells.elem_wise import ElemWise
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.cells.padding import Padding
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.filler import Constant, He
from n2d2.interface import Interface
from n2d2.models._units import check_positive, conv_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell
    from n2d2.tensor import Tensor


class SegmentationNetwork(Block):
    """A fully convolutional decoder behind any network: scores of four scales, enlarged and added to finer ones.

    A 1x1 convolution makes `nb_outputs` scores of each feature; a Deconv doubles the scores of the coarsest, a Padding
    crops what is too much, an ElemWise adds those of the next; a last Deconv by 4 gives scores for every pixel.

    Shape:
        Input `[n, c, h, w]`, output `[n, nb_outputs, h, w]`.

    Arguments:
        backbone (Block): Network that makes the features.
        features (list of NeuralNetworkCell): The cells of the backbone whose outputs are a 4th, 8th, 16th and 32nd of
            the image, in this order.
        nb_channels (list of int): Their numbers of channels.
        nb_outputs (int, optional): Number of classes, default=21.
        name (str, optional): Name, default=`SegmentationNetwork_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: There are not four features and numbers.
        StateError: A feature is not a cell of the backbone.
        ShapeError: At a call: the sizes of the features do not fit.

    Example:
        >>> import n2d2
        >>> net = n2d2.models.ResNet18(width=0.0625)
        >>> features = [net[stage][-1][-1] for stage in ("div4", "div8", "div16", "div32")]
        >>> body = n2d2.cells.Sequence([net[i] for i in range(len(net) - 2)], name="body")
        >>> segments = n2d2.models.SegmentationNetwork(body, features, [4, 8, 16, 32])
        >>> segments(n2d2.Tensor([1, 3, 50, 70])).shape()
        [1, 21, 50, 70]

    Source:
        Long et al., "Fully convolutional networks for semantic segmentation", 2015.
    """

    def __init__(
        self,
        backbone: Block,
        features: list[NeuralNetworkCell],
        nb_channels: list[int],
        *,
        nb_outputs: int = 21,
        name: str | None = None,
    ) -> None:
        if not isinstance(cast("object", backbone), Block):
            raise WrongInputType("SegmentationNetwork: backbone", type(backbone), "n2d2.cells.Block")
        for what, values in (("features", features), ("nb_channels", nb_channels)):
            if not isinstance(cast("object", values), (list, tuple)):
                raise WrongInputType(f"SegmentationNetwork: {what}", type(values), list)
            if len(values) != 4:
                raise WrongValue(f"SegmentationNetwork: {what}", f"{len(values)} of them", "four, the finest first")
        check_positive("SegmentationNetwork", nb_outputs=nb_outputs)
        for count in nb_channels:
            check_positive("SegmentationNetwork", nb_channels=count)
        inside = {id(cell) for cell in backbone.get_cells().values()}
        for cell in features:
            if not isinstance(cast("object", cell), NeuralNetworkCell):
                raise WrongInputType("SegmentationNetwork: a feature", type(cell), "n2d2.cells.NeuralNetworkCell")
            if id(cell) not in inside:
                raise StateError(f"SegmentationNetwork: `{cell.name}` is not a cell of `{backbone.name}`")
        self._backbone, self._features = backbone, list(features)
        zero = Constant(value=0.0)

        def score(scale: int, channels: int) -> Conv:
            filler = He(variance_norm="FanIn")
            return Conv(channels, nb_outputs, [1, 1], weights_filler=filler, bias_filler=zero, name=f"score_div{scale}")

        def up(name: str, factor: int) -> Deconv:
            return Deconv(
                nb_outputs,
                nb_outputs,
                [2 * factor, 2 * factor],
                stride_dims=[factor, factor],
                padding_dims=[factor // 2, factor // 2],
                weights_filler=He(variance_norm="FanIn"),
                no_bias=True,
                name=name,
            )

        self._scores = [score(4 << i, channels) for i, channels in enumerate(nb_channels)]
        self._ups = [up(f"up_div{4 << i}", 2) for i in range(3)] + [up("up", 4)]
        self._sums = [ElemWise(operation="Sum", name=f"sum_div{4 << i}") for i in range(3)]
        cells: list[Cell] = [backbone, *self._scores, *self._ups, *self._sums]
        super().__init__(cells, name)

    def _cropped(self, x: Tensor, height: int, width: int, name: str) -> Tensor:
        """Crops at the bottom and the right; the cell that does it is made for the size of the images."""
        rows, columns = x.dimY() - height, x.dimX() - width
        if not rows and not columns:
            return x
        name = f"{name}_crop_{rows}_{columns}"
        if name not in self._cells:
            self._cells[name] = Padding(0, -rows, 0, -columns, name=name)
        crop = cast("Padding", self._cells[name])
        return crop(x)

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the scores of every pixel.

        Arguments:
            inputs (Tensor or Interface): Images, at least 32 pixels high and wide.

        Example:
            >>> import n2d2
            >>> net = n2d2.models.SmallSegmentationNetwork(nb_outputs=3, width=0.25)
            >>> net(n2d2.Tensor([1, 3, 33, 47])).shape()
            [1, 3, 33, 47]
        """
        super().__call__(inputs)
        self._backbone(inputs)
        scores = [score(cell.get_outputs()) for score, cell in zip(self._scores, self._features, strict=True)]
        total = scores[3]
        for i in (2, 1, 0):
            fine = scores[i]
            coarse = self._cropped(self._ups[i](total), fine.dimY(), fine.dimX(), self._ups[i].name)
            total = self._sums[i](Interface([fine, coarse]))
        image = self._tensors(inputs)[0]
        return self._cropped(self._ups[3](total), image.dimY(), image.dimX(), self._ups[3].name)


class SmallSegmentationNetwork(SegmentationNetwork):
    """A small network that gives a class to every pixel: five strided convolutions and the decoder.

    Shape:
        Input `[n, nb_inputs, h, w]`, output `[n, nb_outputs, h, w]`.

    Arguments:
        nb_inputs (int, optional): Number of channels of the images, default=3.
        nb_outputs (int, optional): Number of classes, default=21.
        width (float, optional): Factor of the number of channels, default=1.0: 16, 32, 64, 128, 128.
        with_bn (bool, optional): If False, convolutions have a bias and are not normalised, default=True.
        name (str, optional): Name, default=`SmallSegmentationNetwork_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> net = n2d2.models.SmallSegmentationNetwork(nb_inputs=1, nb_outputs=2)
        >>> net(n2d2.Tensor([1, 1, 64, 64])).shape()
        [1, 2, 64, 64]
    """

    def __init__(
        self,
        nb_inputs: int = 3,
        nb_outputs: int = 21,
        *,
        width: float = 1.0,
        with_bn: bool = True,
        name: str | None = None,
    ) -> None:
        check_positive("SmallSegmentationNetwork", nb_inputs=nb_inputs, nb_outputs=nb_outputs, width=width)
        cells: list[Cell] = []
        features: list[NeuralNetworkCell] = []
        channels, counts = nb_inputs, [scaled(filters, width) for filters in (16, 32, 64, 128, 128)]
        for i, filters in enumerate(counts, 1):
            cells += conv_unit(f"conv{i}", channels, filters, 3, stride=2, with_bn=with_bn, activation=Rectifier())
            features.append(cast("NeuralNetworkCell", cells[-1]))
            channels = filters
        backbone = Sequence(cells, name="backbone")
        super().__init__(backbone, features[1:], counts[1:], nb_outputs=nb_outputs, name=name)
