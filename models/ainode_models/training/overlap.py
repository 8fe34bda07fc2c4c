"""How well a segmentation meets the truth: Dice, 95th percentile of the Hausdorff distance, volume error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.dice import dice

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """One label in one case.

    Where the truth and the answer are both empty, nothing was missed: Dice is 1 and HD95 is 0. Where one of them is
    empty, Dice is 0, and HD95 has no value, because there is no surface to measure to.
    """

    dice: float
    hd95_mm: float | None
    truth_ml: float
    answer_ml: float

    @property
    def error_ml(self) -> float:
        """Volume of the answer less that of the truth."""
        return self.answer_ml - self.truth_ml

    @property
    def error_percent(self) -> float | None:
        """The same in percent of the truth; None without truth."""
        return 100 * self.error_ml / self.truth_ml if self.truth_ml else None


def overlap_of(truth: Mask, answer: Mask, *, spacing: tuple[float, float, float], voxel_ml: float) -> Overlap:
    """Compare masks of one shape, ``(slices, rows, columns)``; ``spacing`` in mm in the same order."""
    sizes = int(truth.sum()), int(answer.sum())
    return Overlap(dice(truth, answer), _hd95(truth, answer, spacing), sizes[0] * voxel_ml, sizes[1] * voxel_ml)


def _hd95(truth: Mask, answer: Mask, spacing: tuple[float, float, float]) -> float | None:
    """The larger of both directions' 95th percentiles of the distances from surface to surface, in mm."""
    if not truth.any() and not answer.any():
        return 0.0
    if not truth.any() or not answer.any():
        return None
    box = ndimage.find_objects(np.asarray(truth | answer, np.uint8))[0]
    one, other = (_surface(mask[box]) for mask in (truth, answer))
    there, back = (_distances(start, end, spacing) for start, end in ((one, other), (other, one)))
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _surface(mask: Mask) -> Mask:
    """Voxels of the mask with a face towards the outside; beyond the array is outside."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _distances(start: Mask, end: Mask, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """From each voxel of ``start`` to the nearest of ``end``, mm."""
    return np.asarray(ndimage.distance_transform_edt(~end, sampling=spacing))[start]
