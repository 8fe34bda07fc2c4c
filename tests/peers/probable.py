"""Findings with probabilities of voxels, and what dcmqi reads of a Parametric Map."""

import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainode_models.findings import Findings
from peers.dicom_checkers import SegmentImage, itk_image


def with_probabilities(run: Findings) -> Findings:
    """``run`` with a probability at each voxel: of the present segments more than half on their voxels, of the others
    little, and none beyond the slices next to them. No two voxels of a slice are alike.
    """
    labels = run.label_map
    assert labels is not None
    noise = np.random.default_rng(11).random((len(run.segments), *labels.shape))
    probabilities = np.zeros(noise.shape, np.float16)
    for place, segment in enumerate(run.segments):
        own = labels == segment.number
        near = np.flatnonzero(own.any(axis=(1, 2)))
        slab = slice(max(near[0] - 1, 0), near[-1] + 2) if len(near) else slice(0, 0)
        probabilities[place, slab] = np.where(own, 0.5 + noise[place] / 2, noise[place] / 3)[slab]
    return replace(run, probabilities=probabilities)


def map_by_dcmqi(path: Path, folder: Path) -> SegmentImage:
    """The values, ``(slices, rows, columns)``, at their place in LPS, as paramap2itkimage writes them."""
    folder.mkdir(exist_ok=True)
    program = Path(sysconfig.get_path("scripts")) / "paramap2itkimage"
    command = [program, "--inputDICOM", path, "--outputDirectory", folder, "--outputType", "nrrd", "--prefix", "p"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return itk_image(folder / "p-pmap.nrrd")


def values_at(image: SegmentImage, affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Values of ``image`` at their place in LPS on the grid of ``affine``; NaN where it has none."""
    voxels = np.indices(image.array.shape).reshape(3, -1).T
    inverse = np.linalg.inv(affine) @ image.affine
    exact = voxels @ inverse[:3, :3].T + inverse[:3, 3]
    assert np.abs(exact - exact.round()).max() < 1e-3
    result = np.full(shape, np.nan)
    result[tuple(exact.round().astype(np.int64).T)] = image.array.ravel()
    return result
