"""Parametric Maps as dcmqi reads them: each value at its place in LPS."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_conformance.checkers.checker import said
from ainode_conformance.kinds.kind import Made
from ainode_dicom_sr.parametric_map import LEAST

_PROGRAM = Path(sysconfig.get_path("scripts")) / "paramap2itkimage"


def map_differences(made: Made, file: Path) -> Iterator[str]:
    """Where the values are others than the run's, at another place, or missing though there is some probability."""
    with TemporaryDirectory() as folder:
        words = said(
            _PROGRAM, "--inputDICOM", file, "--outputDirectory", folder, "--outputType", "nrrd", "--prefix", "p"
        )
        path = Path(folder) / "p-pmap.nrrd"
        if not path.is_file():
            yield f"cannot read it: {' '.join(words.split())[:300]}"
            return
        array, affine = image_of(path)
    wanted = _wanted(made, file)
    assert made.source.affine is not None
    to_source = np.linalg.inv(made.source.affine) @ affine
    voxels = np.indices(array.shape).reshape(3, -1).T @ to_source[:3, :3].T + to_source[:3, 3]
    whole = np.rint(voxels).astype(np.int64)
    if np.abs(voxels - whole).max() > 1e-3:
        yield "lies between the voxels of its source"
        return
    if whole.min() < 0 or (whole.max(axis=0) >= wanted.shape).any():
        yield "lies beyond its source"
        return
    read = np.zeros(wanted.shape)
    read[tuple(whole.T)] = array.ravel()
    there = np.zeros(len(wanted), np.bool_)
    there[np.unique(whole[:, 0])] = True
    if not np.array_equal(read[there], wanted[there]):
        yield f"{np.count_nonzero(read[there] != wanted[there])} voxels have other values than those of the run"
    if (wanted[~there] >= LEAST).any():
        yield "slices lack that have some probability"


def image_of(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels, ``(slices, rows, columns)``, of an image that dcmqi wrote, and from their index to LPS millimetres."""
    import SimpleITK

    image: Any = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, :3], affine[:3, 3] = axes[:, ::-1], image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def _wanted(made: Made, file: Path) -> NDArray[np.float64]:
    """Of the segment whose number the file's name ends with."""
    probabilities = made.findings.probabilities
    assert probabilities is not None
    numbers = [segment.number for segment in made.findings.segments]
    planes = probabilities[numbers.index(int(file.stem.removeprefix("pm")))]
    return np.asarray(planes, np.float64)
