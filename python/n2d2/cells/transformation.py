"""Transformations of images inside a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import WrongInputType
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from typing import Any

    from n2d2 import transform
    from n2d2.activation import ActivationFunction


def _check_transformation(owner: str, name: str, value: Any) -> transform.Transformation:
    # Not at the top, so that `import n2d2` stays fast.
    from n2d2 import transform

    if not isinstance(value, transform.Transformation):
        raise WrongInputType(
            f"{owner}: parameter `{name}` must be an n2d2.transform.Transformation, got {type(value).__name__}"
        )
    return value


class Transformation(NeuralNetworkCell):
    """Transformation layer: applies a transformation of images to every stimulus.

    A stimulus is taken as an image of floats, so that nothing is divided by 255. What is random in a transformation
    depends on the seed, the cell, the step and the stimulus, and is the same for any number of threads; in test mode
    every call draws alike. In learning mode the cell applies what applies to the Learn partition, in test mode what
    applies to Validation and Test.

    Forward only: no gradient goes to the input, `get_diffoutputs` gives zeros.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, h', w']` with the size of the transformed stimulus.

    Arguments:
        perm (n2d2.transform.Transformation): Transformation to apply; the name is that of N2D2's signature.
        transformation (n2d2.transform.Transformation, optional): The same under the name of N2D2's documentation. Give
            one of the two. A `Composite` is taken as it is when the cell is built.
        name (str, optional): Cell name, default=`Transformation_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: There is no transformation, or there are two.
        WrongValue: A name is unknown, or a transformation is applied to only one of Validation and Test, which a cell
            cannot tell apart.
        ShapeError: At a call: a transformation cannot take the stimuli, or the output would have one size while
            learning and another in test mode.

    Export:
        ONNX: `RangeAffine` as `Add`, `Sub`, `Mul` and `Div`, `Rescale` as `Resize`, `PadCrop` as `Pad`, and a `Flip`
        that is not random as `Gather`; none of the others.

    Example:
        >>> import n2d2
        >>> half = n2d2.cells.Transformation(n2d2.transform.Rescale(width=2, height=1), name="half")
        >>> x = n2d2.Tensor([1, 1, 1, 4])
        >>> x.set_values([[[[1, 3, 5, 7]]]])
        >>> list(half(x))
        [2.0, 6.0]
    """

    _key_has_datatype = False

    transformation = Parameter["transform.Transformation"]("constructor", check=_check_transformation)

    def __init__(
        self,
        perm: transform.Transformation | None = None,
        *,
        transformation: transform.Transformation | None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        if perm is not None and transformation is not None:
            raise WrongInputType("Transformation: give `perm` or `transformation`, which mean the same, not both")
        self._start(
            "Transformation", {**locals(), "transformation": perm if transformation is None else transformation}
        )

    def _make(self, kind: str, parameters: dict[str, Any]) -> _core.Cell:
        return _core.Cell.of_transforms(self._name, [t.N2D2() for t in self.transformation._unfolded()])
