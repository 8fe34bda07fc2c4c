"""The raw answer of a runtime."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """A label for each voxel of the input."""

    label_map: NDArray[np.uint8]
    """``(slices, rows, columns)`` on the grid of the volumes that were given."""
    confidence: Mapping[int, float]
    """Mean probability that the model gives a label over the voxels that it labelled so; absent labels lack."""
