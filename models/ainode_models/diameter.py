"""The longest diameter of a segment in three dimensions."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from ainode_models.findings import Diameter

_CHUNK = 512
"""Rows of the distance matrix at a time: bounds memory for hulls of many thousand corners."""

_FLAT_MM = 1e-3
"""A point set thinner than this has no extent in that direction."""


def longest_diameter(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> Diameter | None:
    """The two voxel centres of ``mask`` that are farthest apart, exactly; None when it is empty.

    ``mask`` is ``(slices, rows, columns)`` and ``affine`` as in `ainode_models.volume.Volume`. The longest
    distance joins two corners of the convex hull, whose corners are ends of the runs along the columns.
    """
    ends = _run_ends(mask)
    if not len(ends):
        return None
    points = ends @ affine[:3, :3].T + affine[:3, 3]
    corners = points[_corners(points)]
    length, first, second = _farthest(corners)
    start, end = sorted((_place(corners[first]), _place(corners[second])))
    return Diameter(length, start, end)


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected part of ``mask`` with the most voxels, neighbours over corners counted; empty stays empty.

    A diameter across several lesions, or from one to a stray voxel, is the size of nothing.
    """
    box = ndimage.find_objects(mask.astype(np.uint8))
    if not box:
        return mask
    parts, count = ndimage.label(mask[box[0]], structure=np.ones((3, 3, 3)))
    if count == 1:
        return mask
    found = np.zeros_like(mask)
    found[box[0]] = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return found


def _run_ends(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Index of the first and last voxel of every line along the columns, ``(n, 3)``, once where they are the same."""
    lines = np.argwhere(mask.any(axis=2))
    rows = mask[lines[:, 0], lines[:, 1]]
    first = rows.argmax(axis=1)
    last = mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)
    ends = np.column_stack((np.repeat(lines, 2, axis=0), np.column_stack((first, last)).ravel()))
    kept = np.column_stack((np.ones(len(lines), dtype=np.bool_), last > first)).ravel()
    found: NDArray[np.float64] = ends[kept].astype(np.float64)
    return found


def _corners(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the points that include every corner of the convex hull, also of flat point sets."""
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred.T @ centred)[0]
    flat = centred @ axes
    flat = flat[:, np.ptp(flat, axis=0) > _FLAT_MM]
    if flat.shape[1] == 0:
        return np.zeros(1, dtype=np.intp)
    if flat.shape[1] == 1:
        return np.array([flat[:, 0].argmin(), flat[:, 0].argmax()], dtype=np.intp)
    return ConvexHull(flat).vertices.astype(np.intp)


def _farthest(points: NDArray[np.float64]) -> tuple[float, int, int]:
    """Largest distance between two of ``points`` and the first pair that has it."""
    best = (0.0, 0, 0)
    for start in range(0, len(points), _CHUNK):
        distances = cdist(points[start : start + _CHUNK], points)
        row, column = np.unravel_index(distances.argmax(), distances.shape)
        if distances[row, column] > best[0]:
            best = (float(distances[row, column]), start + int(row), int(column))
    return best


def _place(point: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
