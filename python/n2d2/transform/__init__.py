"""Transformations of the images of a database, applied by a provider before they reach a network.

Several are applied in the order in which they were added to the provider, those applied once per stimulus before those
applied at every read.
"""

from __future__ import annotations

from n2d2.transform.composite import Composite
from n2d2.transform.flip import Flip
from n2d2.transform.pad_crop import PadCrop
from n2d2.transform.range_affine import RangeAffine
from n2d2.transform.rescale import Rescale
from n2d2.transform.transformation import Transformation

__all__ = ["Composite", "Flip", "PadCrop", "RangeAffine", "Rescale", "Transformation"]
