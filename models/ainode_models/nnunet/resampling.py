"""nnU-Net's resamplings as exact separable operators: one matrix for each axis.

A spline zoom is linear, and separable: zooming the unit vectors of an axis gives the matrix that zooms along it
(as in TotalSegmentator's resampling on GPUs). The matrices come from the functions that nnU-Net itself calls, so that
the answer is its answer up to rounding, while a product of matrices takes a hundredth of the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.errors import PackageError

Matrix = NDArray[np.float32]
Shape = tuple[int, ...]
Order = Literal[0, 1, 2, 3, 4, 5]

_SPLINE = "resample_data_or_seg_to_shape"
_TORCH = "resample_torch_fornnunet"
_ANISOTROPIC = 3
"""nnU-Net's ``ANISO_THRESHOLD``: spacings further apart are resampled slice by slice."""


@dataclass(frozen=True)
class Interpolation:
    """One of nnU-Net's two resampling functions, with the arguments that the plans give."""

    spline: bool
    """By scikit-image's ``resize``; else by torch's ``interpolate``, linear."""
    order: Order
    """Of the spline."""
    across: Order
    """Order across the slices where these are resampled one by one."""
    separate: bool | None
    """Whether they are; None leaves it to the spacings."""

    @classmethod
    def of(cls, function: str, arguments: Mapping[str, Any]) -> "Interpolation":
        """Raises `PackageError` for a function or argument that changes the answer and is not known."""
        known = {"is_seg", "order", "order_z", "force_separate_z", "num_threads", "memefficient_seg_resampling"}
        if function not in (_SPLINE, _TORCH) or not set(arguments) <= known or arguments.get("is_seg"):
            raise PackageError(
                f"plans.json: resampling by {function} with {', '.join(arguments) or 'no arguments'} is not known; "
                f"train with {_SPLINE} or {_TORCH}"
            )
        spline = function == _SPLINE
        return cls(
            spline,
            arguments.get("order", 3) if spline else 1,
            arguments.get("order_z", 0),
            arguments.get("force_separate_z", False if spline else None),
        )


@dataclass(frozen=True)
class Resampling:
    """The way from one grid to another of the same extent, as a matrix for each axis, or None where it stays."""

    operators: tuple[Matrix | None, ...]
    """``(voxels out, voxels in)`` for each axis."""
    slices: int | None
    """The axis whose slices nnU-Net resamples one by one."""
    clips: bool
    """Whether the answer is kept within the values of the image, or of each slice: splines overshoot."""

    @classmethod
    def between(
        cls, how: Interpolation, before: Shape, after: Shape, *, spacing: Sequence[float], wanted: Sequence[float]
    ) -> "Resampling":
        """From ``before`` voxels, ``spacing`` mm apart, to ``after`` voxels, which are ``wanted`` mm apart."""
        if before == after:
            return cls((None,) * len(before), None, clips=False)
        slices = _lone_axis(how, spacing, wanted)
        operators = tuple(
            None if old == new else _operator(how, old, new, across=axis == slices)
            for axis, (old, new) in enumerate(zip(before, after, strict=True))
        )
        return cls(operators, slices, clips=how.spline and how.order > 1)

    def apply(self, image: Any) -> Any:
        """``(channels, *voxels)`` on the other grid; an array of numpy or torch, on its own device."""
        for axis in self._order():
            image = along(image, self.operators[axis], axis + 1)
        return image

    def clipped(self, image: Any) -> Any:
        """`apply`, kept within the values that ``image`` has where nnU-Net does so."""
        if not self.clips:
            return self.apply(image)
        xp = array_namespace(image)
        within = [axis for axis in self._order() if axis != self.slices]
        axes = tuple(axis + 1 for axis in within)
        low, high = (of(image, axis=axes, keepdims=True) for of in (xp.min, xp.max))
        for axis in within:
            image = along(image, self.operators[axis], axis + 1)
        image = xp.minimum(xp.maximum(image, low), high)
        return image if self.slices is None else along(image, self.operators[self.slices], self.slices + 1)

    def _order(self) -> list[int]:
        """The axes within slices first."""
        return sorted(range(len(self.operators)), key=lambda axis: axis == self.slices)

    def part(self, axis: int, start: int, stop: int) -> tuple["Resampling", slice]:
        """What makes the voxels ``start`` to ``stop`` of ``axis``, and the voxels of the image that it needs."""
        operator = self.operators[axis]
        if operator is None:
            return self, slice(start, stop)
        rows = operator[start:stop]
        used = np.flatnonzero(rows.any(axis=0))
        needed = slice(int(used[0]), int(used[-1]) + 1)
        parts = list(self.operators)
        parts[axis] = np.ascontiguousarray(rows[:, needed])
        return Resampling(tuple(parts), self.slices, self.clips), needed


def along(image: Any, operator: Matrix | None, axis: int) -> Any:
    """``image`` with one axis multiplied by ``operator``."""
    if operator is None:
        return image
    xp = array_namespace(image)
    matrix = xp.asarray(operator, device=device(image))
    before, after = image.shape[:axis], image.shape[axis + 1 :]
    if not after:  # in one product: BLAS gains nothing by sharing many small ones among the cores
        flat = xp.reshape(image, (-1, image.shape[axis]))
        return xp.reshape(xp.matmul(flat, matrix.T), (*before, matrix.shape[0]))
    flat = xp.reshape(image, (int(np.prod(before)), image.shape[axis], int(np.prod(after))))
    return xp.reshape(xp.matmul(matrix, flat), (*before, matrix.shape[0], *after))


def _lone_axis(how: Interpolation, spacing: Sequence[float], wanted: Sequence[float]) -> int | None:
    """The axis that nnU-Net treats apart (``determine_do_sep_z_and_axis``)."""
    if how.separate is False:
        return None
    for spacings in (spacing, wanted):
        if how.separate or max(spacings) / min(spacings) > _ANISOTROPIC:
            largest = [axis for axis, each in enumerate(spacings) if max(spacings) / each == 1]
            return largest[0] if len(largest) == 1 else None
    return None


@lru_cache(maxsize=256)
def _operator(how: Interpolation, old: int, new: int, *, across: bool) -> Matrix:
    """The matrix ``(new, old)`` of one axis."""
    if not how.spline:
        return _nearest(old, new) if across else _linear(old, new)
    if across:
        middles = old / new * (np.arange(new) + 0.5) - 0.5
        columns = [ndimage.map_coordinates(unit, [middles], order=how.across, mode="nearest") for unit in np.eye(old)]
    else:  # as skimage.transform.resize with mode="edge" and without anti-aliasing
        columns = [
            ndimage.zoom(unit, new / old, order=how.order, mode="nearest", grid_mode=True) for unit in np.eye(old)
        ]
    return np.stack(columns, axis=1).astype(np.float32)


def _linear(old: int, new: int) -> Matrix:
    """torch's ``interpolate(mode="linear", align_corners=False)``."""
    place = np.maximum(old / new * (np.arange(new) + 0.5) - 0.5, 0)
    left = np.minimum(place.astype(int), old - 1)
    right = np.minimum(left + 1, old - 1)
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new), left), 1 - (place - left))
    np.add.at(matrix, (np.arange(new), right), place - left)
    return matrix.astype(np.float32)


def _nearest(old: int, new: int) -> Matrix:
    """torch's ``interpolate(mode="nearest-exact")``."""
    chosen = np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(int), old - 1)
    matrix: Matrix = np.eye(old, dtype=np.float32)[chosen]
    return matrix
