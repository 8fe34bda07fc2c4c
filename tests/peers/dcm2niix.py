"""Debian's dcm2niix: what the same series gives in the hands of the converter that neuroimaging trusts."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Nifti:
    """A NIfTI file in its own axes."""

    array: NDArray[Any]
    """Scaled values, ``(i, j, k)`` and for several volumes ``(i, j, k, t)``."""
    affine: NDArray[np.float64]
    """Voxel index (i, j, k) to RAS mm, ``(4, 4)``."""


def convert(folder: Path, out: Path) -> Path:
    """Convert the one series in ``folder``; fails unless exactly one volume, not resampled or cropped, comes out."""
    out.mkdir(parents=True)
    command = ["dcm2niix", "-z", "n", "-b", "n", "-m", "y", "-f", "series", "-o", str(out), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    written = sorted(path.name for path in out.glob("*.nii"))
    assert written == ["series.nii"], f"dcm2niix wrote {written}: {done.stdout}"
    return out / "series.nii"


def read(path: Path) -> Nifti:
    """A NIfTI file, whole."""
    image = nibabel.nifti1.Nifti1Image.from_filename(path)
    return Nifti(np.asanyarray(image.dataobj), np.asarray(image.affine, dtype=np.float64))


def in_axes_of(nifti: Nifti, affine: NDArray[np.float64]) -> Nifti:
    """The same image in the axes of a grid that ``affine`` places in LPS mm, its own affine in LPS mm too.

    dcm2niix turns axes round; this undoes it by where the voxels are, and fails if the grids differ by more than
    whole axes.
    """
    mapping = np.rint(np.linalg.solve(nifti.affine, LPS_TO_RAS @ affine))
    turn = mapping[:3, :3]
    assert np.array_equal(np.abs(turn).sum(axis=0), [1, 1, 1]), f"not the same grid: {mapping}"
    axes = [int(np.argmax(np.abs(turn[:, axis]))) for axis in range(3)]
    flips = tuple(slice(None, None, int(turn[axes[axis], axis])) for axis in range(3))
    return Nifti(np.transpose(nifti.array, axes)[flips], LPS_TO_RAS @ nifti.affine @ mapping)
