"""Images of another size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class Resize(NeuralNetworkCell):
    """Resize layer: an image of another size, by interpolation or by its nearest pixels.

    Row and column of an output pixel lie in the input where the mode says, for index `i` of `out` on `in`:

    | `resize_mode` | place |
    |---|---|
    | `BilinearTF`, `align_corners` and `out > 1` | `i * (in - 1) / (out - 1)` |
    | `BilinearTF` otherwise | `i * in / out` |
    | `Bilinear`, `align_corners` | as `BilinearTF` |
    | `Bilinear` otherwise | `(i + 0.5) * in / out - 0.5`, at least 0: pixel centres are at half indices |
    | `NearestNeighbor` | `floor(i * in / out)` |

    The value is interpolated linearly between the two nearest columns and the two nearest rows, the last pixel standing
    for what lies behind it. The gradient of a pixel is the sum over all outputs that read it.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, outputs_height, outputs_width]`. Several inputs, given as an
        `n2d2.Interface`, are joined along channels.

    Arguments:
        outputs_width (int): Width of the output in pixels, from 1 to 32768.
        outputs_height (int): Height of the output in pixels, from 1 to 32768.
        resize_mode (str): `Bilinear`, `BilinearTF` (as TensorFlow 1) or `NearestNeighbor`.
        align_corners (bool, optional): If True, the corner pixels of input and output coincide; no choice with
            `NearestNeighbor`, default=True.
        name (str, optional): Cell name, default=`Resize_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a size is out of range.

    Export:
        INI `Resize`; ONNX `Resize`.

    Example:
        >>> import n2d2
        >>> x = n2d2.Tensor([1, 1, 1, 2])
        >>> x.set_values([[[[0, 8]]]])
        >>> list(n2d2.cells.Resize(3, 1, "BilinearTF", name="corners")(x))
        [0.0, 4.0, 8.0]
        >>> list(n2d2.cells.Resize(4, 1, "Bilinear", align_corners=False, name="centres")(x))
        [0.0, 2.0, 6.0, 8.0]

    Source:
        ONNX operator `Resize`, modes `linear` and `nearest`.
    """

    _exports = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")
    _key_has_datatype = False

    outputs_width = Parameter[int]("constructor")
    outputs_height = Parameter[int]("constructor")
    resize_mode = Parameter[str]("constructor", prefix="ResizeMode")
    align_corners = Parameter[bool]("config")

    def __init__(
        self,
        outputs_width: int,
        outputs_height: int,
        resize_mode: str,
        *,
        align_corners: bool = True,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Resize", locals())
