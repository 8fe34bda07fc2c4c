"""Several series as the inputs of one model: one space, one grid."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from ainode.volume.builder import SeriesVolume
from ainode_models.errors import SeriesMismatchError
from ainode_models.volume import Volume

MINIMUM_OVERLAP = 0.5
"""Share of the reference volume that every other input has to cover: below it a model sees mostly padding."""

_OVERLAP_SAMPLES = 64  # for each axis: the share is right to about 1 %, at no cost


def align_inputs(inputs: Mapping[str, SeriesVolume], *, reference: str) -> Mapping[str, Volume]:
    """All inputs on the grid of the input called ``reference``, in the order given.

    The reference is the series that the results will refer to and be drawn on, so it keeps its voxels
    untouched; others on another grid are interpolated (linear), as float32. Raises SeriesMismatchError, naming the
    inputs, when frames of reference differ (PS3.3 C.7.4.1) or fields of view overlap too little.
    """
    target = inputs[reference].volume
    return {name: _align(series.volume, target, (name, reference)) for name, series in inputs.items()}


def resample(source: Volume, target: Volume) -> Volume:
    """``source`` at the voxel centres of ``target``: trilinear, float32; outside it, its minimum."""
    mapping = np.linalg.solve(source.affine, target.affine)
    shape = target.array.shape
    values = source.array.astype(np.float32)
    # "nearest" only carries the outermost half voxel, where there is nothing to interpolate with
    moved = affine_transform(values, mapping, output_shape=shape, order=1, mode="nearest")
    covered = affine_transform(
        np.ones(values.shape, np.uint8), mapping, output_shape=shape, order=0, mode="grid-constant", cval=0
    )
    moved[covered == 0] = values.min()
    return Volume(moved, target.affine, target.frame_of_reference_uid)


def overlap(source: Volume, target: Volume) -> float:
    """Share of the volume of ``target`` that the voxels of ``source`` cover, 0 to 1."""
    mapping = np.linalg.solve(source.affine, target.affine)
    points = np.stack(np.meshgrid(*map(_samples, target.array.shape), indexing="ij"), axis=-1)
    voxels = points @ mapping[:3, :3].T + mapping[:3, 3]
    edges = np.array(source.array.shape) - 0.5
    return float(np.mean(np.all((voxels >= -0.5) & (voxels <= edges), axis=-1)))


def _align(volume: Volume, target: Volume, names: tuple[str, str]) -> Volume:
    name, reference = names
    if volume.frame_of_reference_uid != target.frame_of_reference_uid:
        raise SeriesMismatchError(
            f"{name} and {reference} do not share a FrameOfReferenceUID, so nothing says how they lie to each "
            "other (patient repositioned, or two examinations): register them first, or route series of one "
            "examination"
        )
    if volume.same_grid(target):
        return volume
    share = overlap(volume, target)
    if share < MINIMUM_OVERLAP:
        raise SeriesMismatchError(
            f"{name} covers only {share:.0%} of the volume of {reference}, at least {MINIMUM_OVERLAP:.0%} is "
            "needed: route series that show the same region"
        )
    return resample(volume, target)


def _samples(length: int) -> NDArray[np.float64]:
    """Centres of equal parts of an axis of ``length`` voxels, which reaches from -0.5 to length - 0.5."""
    parts = min(length, _OVERLAP_SAMPLES)
    return (np.arange(parts) + 0.5) * length / parts - 0.5
