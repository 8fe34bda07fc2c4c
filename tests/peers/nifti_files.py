"""Volumes as NIfTI files, written by nibabel from nothing but their voxels and affine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ainode_models.volume import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nifti(path: Path, volume: Volume) -> Path:
    """Axes as scanners' converters write them: columns, rows, slices."""
    return _written(path, volume.array.transpose(2, 1, 0), volume)


def write_channels(path: Path, volumes: Sequence[Volume]) -> Path:
    """Volumes on one grid as one image of four axes, the last for the volumes."""
    return _written(path, np.stack([volume.array.transpose(2, 1, 0) for volume in volumes], axis=-1), volumes[0])


def _written(path: Path, voxels: NDArray[Any], grid: Volume) -> Path:
    affine = LPS_TO_RAS @ grid.affine[:, [2, 1, 0, 3]]
    image: Any = nibabel.nifti1.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def read_mask(path: Path) -> tuple[Any, Any]:
    """Voxels ``(columns, rows, slices)`` and affine to RAS mm of a NIfTI file, by nibabel."""
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine
