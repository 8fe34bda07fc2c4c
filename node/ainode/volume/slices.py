"""One single-frame image of a series, as far as geometry goes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.elements import image_name, numbers
from ainode_models.errors import GeometryError

ORTHONORMAL_TOLERANCE = 1e-3
"""How far the direction cosines may be from orthogonal unit vectors: some are written with three decimals."""


@dataclass(frozen=True)
class Slice:
    """The Image Plane Module (PS3.3 C.7.6.2) of one image, as numbers."""

    header: Dataset
    position: NDArray[np.float64]
    """``ImagePositionPatient``: centre of the first voxel, LPS mm, ``(3,)``."""
    row_axis: NDArray[np.float64]
    """Unit vector along a row, to the next column, LPS, ``(3,)``."""
    column_axis: NDArray[np.float64]
    """Unit vector along a column, to the next row, LPS, ``(3,)``."""
    spacing: tuple[float, float]
    """``PixelSpacing``: mm between rows, then mm between columns."""

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice, LPS, ``(3,)``: row axis x column axis."""
        normal: NDArray[np.float64] = np.cross(self.row_axis, self.column_axis)
        return normal / np.linalg.norm(normal)


def read_slice(header: Dataset) -> Slice:
    """Geometry of one image; raises GeometryError when an element is missing or makes no sense."""
    cosines = numbers(header, "ImageOrientationPatient", 6)
    between_rows, between_columns = numbers(header, "PixelSpacing", 2)
    if min(between_rows, between_columns) <= 0:
        raise GeometryError(f"{image_name(header)} has a PixelSpacing that is not above zero")
    row_axis, column_axis = _unit_axes(header, cosines)
    return Slice(
        header=header,
        position=numbers(header, "ImagePositionPatient", 3),
        row_axis=row_axis,
        column_axis=column_axis,
        spacing=(float(between_rows), float(between_columns)),
    )


def _unit_axes(header: Dataset, cosines: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    row, column = cosines[:3], cosines[3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    off = max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column)))
    if off > ORTHONORMAL_TOLERANCE:
        raise GeometryError(
            f"{image_name(header)} has an ImageOrientationPatient that is not two unit vectors at a right "
            f"angle (off by {off:.2g}): the series was changed after the scanner made it"
        )
    return row / lengths[0], column / lengths[1]
