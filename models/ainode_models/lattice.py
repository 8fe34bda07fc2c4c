"""The points at which a network sees a volume, and the exact way from its answer back to the voxels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Axis:
    """Points along one array axis: point ``j`` lies at voxel ``start + step * j``, which may be a fraction."""

    start: float
    step: float
    points: int

    @classmethod
    def centred(cls, low: int, high: int, *, step: float, least: int) -> "Axis":
        """Points ``step`` voxels apart around the middle of voxels ``low`` to ``high - 1``, which they cover.

        There are at least ``least`` of them. At a step of one they are voxels, so that nothing is interpolated.
        """
        points = max(least, math.ceil((high - low) / step - 1e-6))
        start = (low + high - 1 - (points - 1) * step) / 2
        return cls(float(math.floor(start + 0.5)) if step == 1 else start, step, points)

    @classmethod
    def stretched(cls, low: int, high: int, *, points: int) -> "Axis":
        """``points`` points that share voxels ``low`` to ``high - 1`` evenly, edge to edge."""
        step = (high - low) / points
        return cls(low - 0.5 + step / 2, step, points)

    def sampling(self, voxels: int) -> sparse.csr_array:
        """Matrix ``(points, voxels)``: linear between voxels, a triangle of ``step`` where points are wider apart.

        A point outside the volume by more than half a voxel gets nothing, that is 0.
        """
        at = self.start + self.step * np.arange(self.points)
        inside = (at >= -0.5) & (at <= voxels - 0.5)
        return _triangles(np.clip(at, 0, voxels - 1), voxels, width=max(1.0, self.step), rows=inside)

    def spreading(self, voxels: NDArray[np.intp]) -> sparse.csr_array:
        """Matrix ``(voxels, points)``: linear between points, for voxels of `covered`."""
        at = (voxels - self.start) / self.step
        return _triangles(np.clip(at, 0, self.points - 1), self.points, width=1.0, rows=np.ones(len(at), dtype=bool))

    def covered(self, voxels: int) -> NDArray[np.intp]:
        """The voxels that lie between the outer borders of the first and the last point."""
        at = (np.arange(voxels) - self.start) / self.step
        return np.flatnonzero((at >= -0.5 - 1e-9) & (at <= self.points - 0.5 + 1e-9))


def _triangles(at: NDArray[np.float64], size: int, *, width: float, rows: NDArray[np.bool_]) -> sparse.csr_array:
    """Rows of weights that fall linearly to 0 at ``width`` from each of ``at`` and sum to one; others are empty."""
    reach = math.ceil(width)
    near = np.floor(at)[:, None] + np.arange(1 - reach, reach + 1)
    weights = np.maximum(0, 1 - np.abs(near - at[:, None]) / width)
    weights[(near < 0) | (near > size - 1) | ~rows[:, None]] = 0
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    row, column = np.nonzero(weights)
    entries = (weights[row, column].astype(np.float32), (row, near[row, column].astype(np.intp)))
    return sparse.csr_array(entries, shape=(len(at), size))


@dataclass(frozen=True)
class Lattice:
    """Points in all three array axes."""

    axes: tuple[Axis, Axis, Axis]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Count of points along each axis."""
        first, second, third = (axis.points for axis in self.axes)
        return first, second, third

    def sample(self, image: Floats) -> Floats:
        """Channels ``(channels, *voxels)`` at the points: ``(channels, *points)``."""
        for number, axis in enumerate(self.axes, 1):
            image = along(axis.sampling(image.shape[number]), image, number)
        return image


def along(matrix: sparse.csr_array, array: Floats, axis: int) -> Floats:
    """``array`` with ``matrix`` applied along ``axis``."""
    moved = np.moveaxis(array, axis, 0)
    flat = np.ascontiguousarray(moved, dtype=np.float32).reshape(len(moved), -1)
    product: Floats = (matrix @ flat).reshape(-1, *moved.shape[1:])
    return np.moveaxis(product, 0, axis)
