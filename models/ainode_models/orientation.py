"""The array axes that a network was trained on, and the exact way there and back.

Canonical axes are those of nnU-Net's SimpleITK reader on an axial series: slices to the head, rows to the
back, columns to the left (``orientation = "LPS"`` in ``model.toml``).
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.volume import Volume

_TOWARDS = (2, 1, 0)
"""Patient component (L, P, S) that the slice, row and column axes of the canonical array follow."""


@dataclass(frozen=True)
class Reorientation:
    """A permutation and flips of array axes: no voxel changes its value."""

    axes: tuple[int, int, int]
    """For each canonical axis, the axis of the volume that becomes it."""
    flips: tuple[bool, bool, bool]
    """For each canonical axis, whether it runs against the volume's."""

    @classmethod
    def of(cls, affine: NDArray[np.float64]) -> "Reorientation":
        """The reorientation to the canonical axes that are closest to ``affine`` (as in `Volume`)."""
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        axes = max(permutations(range(3)), key=lambda axes: _agreement(directions, axes))
        signs = [directions[_TOWARDS[i], axes[i]] < 0 for i in range(3)]
        return cls((axes[0], axes[1], axes[2]), (bool(signs[0]), bool(signs[1]), bool(signs[2])))

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """``array`` in canonical axes."""
        return np.ascontiguousarray(np.flip(array.transpose(self.axes), self._flipped))

    def undo(self, array: NDArray[Any]) -> NDArray[Any]:
        """Canonical ``array`` in the axes of the volume."""
        return np.ascontiguousarray(np.flip(array, self._flipped).transpose(np.argsort(self.axes)))

    @property
    def _flipped(self) -> tuple[int, ...]:
        return tuple(axis for axis, flip in enumerate(self.flips) if flip)


def _agreement(directions: NDArray[np.float64], axes: tuple[int, ...]) -> float:
    return float(sum(abs(directions[_TOWARDS[i], axes[i]]) for i in range(3)))


def to_canonical(volume: Volume) -> tuple[Volume, Reorientation]:
    """The same voxels at the same places, in canonical axes, and how to come back."""
    turn = Reorientation.of(volume.affine)
    affine = volume.affine.copy()
    affine[:3, :3] = volume.affine[:3, list(turn.axes)]
    for axis, flip in enumerate(turn.flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (volume.array.shape[turn.axes[axis]] - 1)
            affine[:3, axis] *= -1
    return Volume(turn.apply(volume.array), affine, volume.frame_of_reference_uid), turn


def from_canonical(array: NDArray[Any], turn: Reorientation) -> NDArray[Any]:
    """A label map or image in canonical axes, in the axes of the volume that `to_canonical` was given."""
    return turn.undo(array)
