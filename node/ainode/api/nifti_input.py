"""A NIfTI file as a volume, and a label map as a NIfTI file."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ainode.dicomweb.nifti import NiftiSeries, Subject, inflated
from ainode.dicomweb.nifti_values import StoredValues
from ainode.volume.builder import SeriesVolume
from ainode_models.volume import Volume

_FRAME = "NIfTI"
"""Files of one request are taken to share one space: the format has no name for it."""
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TURN = [2, 1, 0, 3]
"""From (slice, row, column) to NIfTI's (i, j, k), which are column, row and slice."""


def read_nifti(path: Path, *, longest: int) -> SeriesVolume:
    """The one volume of a file, gzipped or not; ``path`` is gone afterwards.

    InstanceError when it is damaged, no NIfTI, several volumes, or inflates to more than ``longest`` bytes;
    GeometryError when it does not say where its voxels are.
    """
    with inflated(path, longest=longest, limit="[api] max_inflated") as plain:
        with plain.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        series = NiftiSeries.read(plain, digest, subject=Subject("", "", "MR", ""))
        voxels = np.ascontiguousarray(_real(series.values).transpose())
    return SeriesVolume(Volume(voxels, series.affine[:, _TURN], _FRAME), (), ())


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
