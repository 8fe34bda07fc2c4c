"""A NIfTI file as volumes, and a label map as a NIfTI file."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ainode.dicomweb.nifti import inflated, read_volumes
from ainode.dicomweb.nifti_values import StoredValues
from ainode.volume.builder import SeriesVolume
from ainode_models.volume import Volume

_FRAME = "NIfTI"
"""Files of one request are taken to share one space: the format has no name for it."""
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TURN = [2, 1, 0, 3]
"""From (slice, row, column) to NIfTI's (i, j, k), which are column, row and slice."""


def read_nifti(path: Path, names: Sequence[str], *, longest: int) -> dict[str, SeriesVolume]:
    """The volumes of a file, gzipped or not, by their ``names``, in their order; ``path`` may be gone afterwards.

    InstanceError when it is damaged, no NIfTI, another number of volumes, or inflates to more than ``longest`` bytes;
    GeometryError when it does not say where its voxels are.
    """
    cure = "send each as a file of its own"
    if len(names) > 1:
        cure = f"the model needs {len(names)}: a file for each, or one file of all in this order: {', '.join(names)}"
    with inflated(path, longest=longest, limit="[api] max_inflated") as plain:
        volumes, affine = read_volumes(plain, len(names), cure=cure)
        arrays = [np.ascontiguousarray(_real(values).transpose()) for values in volumes]
    placed = affine[:, _TURN]
    return {
        name: SeriesVolume(Volume(array, placed, _FRAME), (), ()) for name, array in zip(names, arrays, strict=True)
    }


def nifti_bytes(label_map: NDArray[np.uint8], affine: NDArray[np.float64]) -> bytes:
    """A label map ``(slices, rows, columns)`` with its affine to LPS mm, as a ``.nii.gz`` in RAS mm.

    Of a NIfTI input it has shape and affine of that file.
    """
    placed = _LPS_TO_RAS @ affine[:, _TURN]
    image: Any = nibabel.nifti1.Nifti1Image(label_map.transpose(), placed)  # type: ignore[no-untyped-call]
    image.set_sform(placed, code=1)
    image.set_qform(placed, code=1)
    image.header.set_xyzt_units("mm")
    packed: bytes = gzip.compress(image.to_bytes(), compresslevel=4, mtime=0)
    return packed


def _real(values: StoredValues) -> NDArray[Any]:
    """``(i, j, k)``: whole numbers as they are, all else as float32."""
    slope, intercept = (values.slope, values.intercept) if values.scale is None else values.scale
    if values.voxels.dtype.kind in "iu" and (slope, intercept) == (1.0, 0.0):
        return np.asarray(values.voxels, dtype=values.voxels.dtype.newbyteorder("="))
    return (np.asarray(values.voxels, dtype=np.float64) * slope + intercept).astype(np.float32)
