"""A scalar volume in the patient's space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Volume:
    """Voxels with the affine that places them, in the axes and the LPS space of DICOM.

    ``affine`` is 4 x 4 and maps the homogeneous voxel index ``(slice, row, column, 1)`` to the
    millimetres ``(x, y, z, 1)`` of the centre of that voxel in the patient coordinate system of
    PS3.3 C.7.6.2.1.1 (x to the patient's left, y to the back, z to the head: LPS).
    """

    array: NDArray[Any]
    """Voxels, ``(slices, rows, columns)``."""
    affine: NDArray[np.float64]
    """Voxel index to LPS millimetres, ``(4, 4)``."""
    frame_of_reference_uid: str
    """``FrameOfReferenceUID`` of the series."""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres in mm, in the order (slice, row, column)."""
        steps = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(steps[0]), float(steps[1]), float(steps[2])

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL, from the determinant, so that a sheared grid counts right."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def same_grid(self, other: "Volume", tolerance_mm: float = 1e-3) -> bool:
        """Whether both volumes have the same shape, frame of reference and voxel positions."""
        return (
            self.array.shape == other.array.shape
            and self.frame_of_reference_uid == other.frame_of_reference_uid
            and bool(np.allclose(self.affine, other.affine, rtol=0, atol=tolerance_mm))
        )
