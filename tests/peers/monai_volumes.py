"""The images of bundles as volumes of DICOM, and what plain MONAI says of them (`peers.plain_monai`)."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ainode_models.volume import Volume

OUTERMOST_FIRST = [2, 1, 3]
"""Order of the regions that overlap."""
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def turned(array: NDArray[Any]) -> NDArray[Any]:
    """From the axes of the NIfTI file to those of some DICOM series."""
    return np.ascontiguousarray(np.flip(array.transpose(1, 2, 0), 1))


def volumes(bundle: Path) -> dict[str, Volume]:
    """The images of a bundle as volumes of DICOM, in axes other than the file's."""
    found = {}
    for number, file in enumerate(sorted((bundle / "images").glob("*.nii.gz")), 1):
        image: Any = nibabel.load(file)
        affine = image.affine[:, [1, 2, 0, 3]]
        affine[:3, 3] += affine[:3, 1] * (image.shape[2] - 1)
        affine[:3, 1] *= -1
        found[f"T{number}"] = Volume(turned(image.get_fdata(dtype=np.float32)), TO_LPS @ affine, "1.2")
    return found


def plain_answer(bundle: Path) -> NDArray[Any]:
    """Labels that plain MONAI saved; of regions, the later of `OUTERMOST_FIRST` where two overlap."""
    image: Any = nibabel.load(bundle.with_name(f"{bundle.name}-answer.nii.gz"))
    saved = np.asarray(image.dataobj)
    if saved.ndim == 3:
        return turned(saved)
    labels = np.zeros(saved.shape[:3], dtype=np.uint8)
    for value in OUTERMOST_FIRST:
        labels[saved[..., value - 1] > 0] = value
    return turned(labels)
