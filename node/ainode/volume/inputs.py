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

_EDGE = 1e-6
"""Part of a field of view by which it counts as larger, so that rounding decides nothing on its very edge."""


def align_inputs(inputs: Mapping[str, SeriesVolume], *, reference: str) -> Mapping[str, Volume]:
    """All inputs on the grid of the input called ``reference``, in the order given.

    The reference is the series that the results will refer to and be drawn on, so it keeps its voxels
    untouched; others on another grid are interpolated (linear), as float32. Raises SeriesMismatchError, naming the
    inputs, when frames of reference differ (PS3.3 C.7.4.1) or fields of view overlap too little.
    """
    target = inputs[reference].volume
    return {name: _align(series.volume, target, (name, reference)) for name, series in inputs.items()}


def covered(source: Volume, target: Volume) -> NDArray[np.bool_]:
    """Where the voxels of ``source`` reach, edges included, on the grid of ``target``."""
    shape = source.array.shape
    centre = (np.array(shape) - 1) / 2
    mapping = _mapping(source, target)
    mapping[:3] *= 1 - _EDGE
    mapping[:3, 3] += centre * _EDGE
    # order 0 takes the voxel in which the point lies; "grid-constant" lets each reach its full extent at the border
    inside: NDArray[np.bool_] = affine_transform(
        np.ones(shape, bool), mapping, output_shape=target.array.shape, order=0, mode="grid-constant"
    )
    return inside


def _resample(source: Volume, target: Volume, inside: NDArray[np.bool_]) -> Volume:
    """``source`` at the voxel centres of ``target``: trilinear, float32; its minimum where it has no voxels."""
    values = source.array.astype(np.float32)
    # "nearest" only carries the outermost half voxel, where there is nothing to interpolate with
    moved = affine_transform(values, _mapping(source, target), output_shape=target.array.shape, order=1, mode="nearest")
    moved[~inside] = values.min()
    return Volume(moved, target.affine, target.frame_of_reference_uid)


def _mapping(source: Volume, target: Volume) -> NDArray[np.float64]:
    """Voxel index of ``target`` to voxel index of ``source``, ``(4, 4)``."""
    mapping: NDArray[np.float64] = np.linalg.solve(source.affine, target.affine).astype(np.float64)
    return mapping


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
    inside = covered(volume, target)
    if (share := float(inside.mean())) < MINIMUM_OVERLAP:
        raise SeriesMismatchError(
            f"{name} covers only {share:.0%} of the volume of {reference}, at least {MINIMUM_OVERLAP:.0%} is "
            "needed: route series that show the same region"
        )
    return _resample(volume, target, inside)
