"""The voxel grids on which phantoms are sampled, and random fields that are exact on any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Orientation = Literal["axial", "sagittal", "coronal"]
Floats = NDArray[np.float32]
Triple = tuple[float, float, float]

DIRECTIONS: Mapping[Orientation, NDArray[np.float64]] = MappingProxyType(
    {
        "axial": np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=np.float64).T,
        "sagittal": np.array([[-1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=np.float64).T,
        "coronal": np.array([[0, 1, 0], [0, 0, -1], [1, 0, 0]], dtype=np.float64).T,
    }
)
"""Columns: LPS directions of the slice, row and column axes, slices along the normal (PS3.3 C.7.6.2.1.1)."""


@dataclass(frozen=True)
class Grid:
    """Voxel centres: ``affine`` as in `ainode_models.volume.Volume`, ``shape`` in the same axes."""

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @classmethod
    def over(
        cls,
        field_of_view: Triple,
        centre: Triple,
        *,
        orientation: Orientation,
        spacing: Triple,
        shape: tuple[int, int, int] | None = None,
        rotation: Rotation | None = None,
    ) -> "Grid":
        """Grid centred at ``centre`` (LPS mm).

        Without ``shape`` it covers ``field_of_view`` (mm along L, P, S); ``rotation`` is about its centre.
        """
        directions = DIRECTIONS[orientation]
        extent = np.abs(directions.T) @ np.asarray(field_of_view)
        sizes = np.asarray(shape if shape else np.ceil(extent / spacing)).astype(int)
        affine = np.eye(4)
        affine[:3, :3] = (rotation or Rotation.identity()).as_matrix() @ directions * spacing
        affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((sizes - 1) / 2)
        return cls(affine, (int(sizes[0]), int(sizes[1]), int(sizes[2])))

    def points(self) -> Floats:
        """LPS mm of every voxel centre, ``(3, slices, rows, columns)``."""
        index = np.indices(self.shape, dtype=np.float32, sparse=True)
        steps = self.affine.astype(np.float32)
        return np.stack([sum((steps[i, j] * index[j] for j in range(3)), start=steps[i, 3]) for i in range(3)]).astype(
            np.float32
        )


@dataclass(frozen=True)
class Waves:
    """A smooth random field over the patient's space: a sum of plane waves."""

    vectors: NDArray[np.float64]
    """Wave vectors in rad/mm, ``(waves, 3)``."""
    weights: NDArray[np.complex128]
    """Amplitude and phase of each wave, ``(waves,)``."""

    @classmethod
    def draw(
        cls, rng: np.random.Generator, amplitude: float, *, wavelength: tuple[float, float], count: int = 24
    ) -> "Waves":
        """Field of standard deviation ``amplitude`` and wavelengths (mm) within ``wavelength``."""
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        vectors = directions * (2 * np.pi / rng.uniform(*wavelength, size=(count, 1)))
        phases = rng.uniform(0, 2 * np.pi, size=count)
        return cls(vectors, amplitude * np.sqrt(2 / count) * np.exp(1j * phases))

    def on(self, grid: Grid) -> Floats:
        """The field at every voxel centre, ``(slices, rows, columns)``; separable, so exact and cheap."""
        steps = self.vectors @ grid.affine[:3, :3]
        along = [np.exp(1j * np.outer(steps[:, axis], np.arange(size))) for axis, size in enumerate(grid.shape)]
        start = self.weights * np.exp(1j * (self.vectors @ grid.affine[:3, 3]))
        plane = (along[1][:, :, None] * along[2][:, None, :]).reshape(len(start), -1)
        values = (start[:, None] * along[0]).T.astype(np.complex64) @ plane.astype(np.complex64)
        field: Floats = values.real.reshape(grid.shape)
        return field
