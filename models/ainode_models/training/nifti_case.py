"""Labelled cases of a folder: ``CASE/INPUT.nii.gz`` for each input of a model, and ``CASE/label.nii.gz``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ainode_models.errors import InputError, SeriesMismatchError
from ainode_models.uids import derived_uid
from ainode_models.volume import Volume

LABEL = "label"
_SUFFIXES = (".nii.gz", ".nii")
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


@dataclass(frozen=True)
class LabelledCase:
    """One patient with the truth."""

    name: str
    """Of its folder."""
    volumes: Mapping[str, Volume]
    """By the name of the model's input."""
    labels: NDArray[np.uint8]
    """The truth, ``(slices, rows, columns)`` on the grid of the volumes."""

    @classmethod
    def read(cls, folder: Path, inputs: Sequence[str]) -> "LabelledCase":
        """Read a case; raises `InputError` for files that are missing or damaged, and labels on another grid."""
        volumes = read_case(folder, inputs)
        truth = read_volume(_file(folder, LABEL), folder.name)
        for name, volume in volumes.items():
            if not volume.same_grid(truth, tolerance_mm=1e-2):
                raise SeriesMismatchError(
                    f"{folder}: {LABEL} and {name} lie on different grids (shape or affine); resample one to the other"
                )
        whole = np.rint(truth.array)
        if not np.array_equal(whole, truth.array) or whole.min() < 0 or whole.max() > 255:
            raise InputError(
                f"{folder}: {LABEL} must hold whole numbers from 0 to 255, the values of the model's labels"
            )
        return cls(folder.name, volumes, whole.astype(np.uint8))


def case_folders(data: Path) -> tuple[Path, ...]:
    """Folders of ``data`` that hold a label, by name; raises `InputError` when there is none."""
    folders = tuple(
        path for path in sorted(data.glob("*/")) if any((path / f"{LABEL}{suffix}").is_file() for suffix in _SUFFIXES)
    )
    if not folders:
        raise InputError(
            f"{data}: has no folder with {LABEL}.nii.gz; each case is a folder with its inputs and its label"
        )
    return folders


def read_cases(data: Path, inputs: Sequence[str]) -> tuple[Mapping[str, Volume], ...]:
    """The inputs of every case in ``data``, by name, with or without a label; raises `InputError`."""
    cases = tuple(read_case(folder, inputs) for folder in sorted(data.glob("*/")))
    if not cases:
        raise InputError(f"{data}: has no folders; each case is a folder with {inputs[0]}.nii.gz and the other inputs")
    return cases


def read_case(folder: Path, names: Sequence[str]) -> Mapping[str, Volume]:
    """The inputs of one case, by name, with or without a label; raises `InputError`."""
    return {name: read_volume(_file(folder, name), folder.name) for name in names}


def read_volume(file: Path, case: str) -> Volume:
    """A NIfTI file (RAS mm) as a volume in the axes of DICOM (LPS mm); raises `InputError`."""
    try:
        image: Any = nibabel.load(file)
        array = np.asarray(image.dataobj, dtype=np.float32)
        affine = np.asarray(image.affine, dtype=np.float64)
        unit = _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    except (OSError, EOFError, ValueError, nibabel.filebasedimages.ImageFileError) as exc:
        raise InputError(f"{file}: is no NIfTI volume, or a damaged one ({type(exc).__name__}); copy it again") from exc
    if array.ndim != 3 or 0 in array.shape or not np.isfinite(array).all():
        raise InputError(f"{file}: must hold one volume of finite numbers, not an array of shape {array.shape}")
    lps = _RAS_TO_LPS @ affine
    lps[:3] *= unit
    return Volume(np.ascontiguousarray(array.transpose(2, 1, 0)), lps[:, [2, 1, 0, 3]], derived_uid("evaluation", case))


def _file(folder: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise InputError(f"{folder}: has no {name}.nii.gz; each case needs every input of the model")
