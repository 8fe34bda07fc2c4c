"""From probabilities at the points of a network to a label for each voxel."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ainode_models.lattice import Floats, Lattice, along

_SLAB = 16
"""Planes of voxels at a time, which bounds the memory that their probabilities take."""


def labelled(
    probabilities: Floats, lattice: Lattice, *, voxels: tuple[int, int, int], values: tuple[int, ...]
) -> tuple[NDArray[np.uint8], Mapping[int, float]]:
    """Label map of the shape ``voxels``, and the mean probability of each label over the voxels that bear it.

    ``probabilities``: ``(classes, *points)``, taken linearly between points, exactly at a voxel that is a point; voxels
    beyond the points are background. ``values``: the label of each class.
    """
    labels = np.zeros(voxels, dtype=np.uint8)
    sums, counts = np.zeros(len(values)), np.zeros(len(values))
    slices, rows, columns = (axis.covered(size) for axis, size in zip(lattice.axes, voxels, strict=True))
    plane = along(lattice.axes[1].spreading(rows), probabilities, 2)
    plane = along(lattice.axes[2].spreading(columns), plane, 3)
    table = np.asarray(values, dtype=np.uint8)
    for start in range(0, len(slices), _SLAB):
        some = slices[start : start + _SLAB]
        slab = along(lattice.axes[0].spreading(some), plane, 1)
        best = slab.argmax(axis=0)
        labels[np.ix_(some, rows, columns)] = table[best]
        sums += np.bincount(best.ravel(), weights=slab.max(axis=0).ravel(), minlength=len(values))
        counts += np.bincount(best.ravel(), minlength=len(values))
    found = [number for number, value in enumerate(values) if value and counts[number]]
    return labels, {values[number]: float(sums[number] / counts[number]) for number in found}
