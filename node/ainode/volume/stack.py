"""Whether slices that are sorted along their normal stand at equal steps on one straight line."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.elements import image_name
from ainode.volume.slices import Slice
from ainode.volume.split import SAME_PLACE_MM, plane_starts, split_volumes, volume_names
from ainode_models.errors import GeometryError

PLACE_TOLERANCE = 0.02
"""How far a slice may lie from where the affine puts it, in voxels: a fiftieth changes no result."""

ROUNDING_MM = 0.01
"""Allowed even where it is more than ``PLACE_TOLERANCE``: positions are often written with two decimals."""

_ROUNDING_LIMIT = 0.1  # voxels: on a grid so fine that ROUNDING_MM is a whole voxel, it would hide missing slices


def check_places(slices: Sequence[Slice]) -> None:
    """Raise GeometryError when two images lie at the same place, or side by side in one plane."""
    positions = np.stack([item.position for item in slices])
    starts = plane_starts(slices)
    if len(starts) == len(slices):
        return
    planes = np.split(positions, starts[1:])
    if any(np.linalg.norm(plane - plane[0], axis=1).max() > SAME_PLACE_MM for plane in planes):
        raise GeometryError("some images lie side by side in one plane: the series is not one stack of slices")
    _refuse_copies(slices, starts)


def check_line(slices: Sequence[Slice], affine: NDArray[np.float64]) -> None:
    """Raise GeometryError, saying what is wrong, unless ``affine`` puts every slice in its place."""
    positions = np.stack([item.position for item in slices])
    voxels = np.linalg.solve(affine[:3, :3], (positions - affine[:3, 3]).T).T
    voxels[:, 0] -= np.arange(len(slices))
    allowed = _allowed_voxels(np.linalg.norm(affine[:3, :3], axis=0))
    off = np.abs(voxels) > allowed
    if off[:, 0].any():
        _refuse_gaps(slices, positions @ slices[0].normal)
    if off.any():
        place = int(np.argmax(off.any(axis=1)))
        raise GeometryError(
            f"the slices do not stand on one straight line: {place_name(slices[place])} is shifted sideways "
            f"by {float(np.abs(voxels[place, 1:]).max()):.2g} pixel; the patient or the table moved"
        )


def place_name(item: Slice) -> str:
    """How messages say where a slice is: ``InstanceNumber`` and mm along the normal."""
    return f"{image_name(item.header)} at {float(item.position @ item.normal):.2f} mm"


def _allowed_voxels(spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(ROUNDING_MM / spacing, PLACE_TOLERANCE, _ROUNDING_LIMIT)


def _refuse_copies(slices: Sequence[Slice], starts: NDArray[np.intp]) -> NoReturn:
    counts = np.diff(starts, append=len(slices))
    if len(volumes := split_volumes(slices)) > 1:
        raise GeometryError(
            f"the series holds {len(volumes)} volumes at one place: {volume_names(volumes)}. A model takes one: let "
            "volume in the rule say which"
        )
    if counts.min() == counts.max():
        raise GeometryError(
            f"the series holds {counts[0]} images at each of {len(counts)} slice positions, so {counts[0]} "
            "volumes (time points, echoes, b-values, or the same images sent under new UIDs): "
            "split it into one volume each"
        )
    first = int(starts[np.argmax(counts > 1)])
    again = image_name(slices[first + 1].header)
    raise GeometryError(
        f"duplicate slices: {place_name(slices[first])} and {again} lie at the same place; "
        f"{len(slices)} images stand at {len(counts)} positions: send the series again with each slice once"
    )


def _refuse_gaps(slices: Sequence[Slice], along: NDArray[np.float64]) -> NoReturn:
    gaps = np.diff(along)
    usual = float(np.quantile(gaps, 0.5, method="lower"))
    for step in (usual, *_written_distances(slices[0].header)):
        if _whole_steps(gaps, step):
            raise GeometryError(_missing(slices, gaps, step))
    narrow, wide = int(np.argmin(gaps)), int(np.argmax(gaps))
    raise GeometryError(
        f"the gaps between slices are uneven: {gaps[narrow]:.3g} mm after {place_name(slices[narrow])}, but "
        f"{gaps[wide]:.3g} mm after {place_name(slices[wide])} (most are {usual:.3g} mm): "
        "reconstruct the series with one slice distance"
    )


def _written_distances(header: Dataset) -> list[float]:
    """What the header says about the distance of slices, mm; only ever used to explain a refusal."""
    written = [header.get(keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    return [float(value) for value in written if value]


def _whole_steps(gaps: NDArray[np.float64], step: float) -> bool:
    """Whether every gap is one or more whole steps."""
    steps = np.rint(gaps / step)
    return bool(np.all(np.abs(gaps / step - steps) <= 2 * _allowed_voxels(np.array([step])))) and steps.min() >= 1


def _missing(slices: Sequence[Slice], gaps: NDArray[np.float64], step: float) -> str:
    steps = np.rint(gaps / step).astype(int)
    first = int(np.argmax(steps > 1))
    return (
        f"missing slices: after {place_name(slices[first])} the next is {gaps[first]:.2f} mm away instead of "
        f"{step:.2f} mm, {steps[first] - 1} missing there; {steps.sum() + 1} slices expected, {len(slices)} received: "
        "send the series again complete"
    )
