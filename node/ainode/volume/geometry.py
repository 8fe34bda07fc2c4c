"""From headers in any order to slices along their normal and the affine that places their voxels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.agreement import check_agreement
from ainode.volume.elements import check_readable, image_name, numbers
from ainode.volume.selection import select_images
from ainode.volume.slices import Slice, read_slice
from ainode.volume.split import VolumeChoice, split_volumes
from ainode.volume.stack import check_line, check_places
from ainode_models.errors import GeometryError

TILT_NOTED_DEGREES = 0.1
"""Stacking direction this far from the normal is reported as gantry tilt; the affine holds at any angle."""

SPACING_NOTED = 0.01
"""Relative difference between the header's slice distance and the measured one that is worth a note."""


@dataclass(frozen=True)
class Stack:
    """Slices that form one volume."""

    headers: tuple[Dataset, ...]
    """In slice order: ascending along row axis x column axis."""
    affine: NDArray[np.float64]
    """Voxel index (slice, row, column) to LPS mm, ``(4, 4)``."""
    notes: tuple[str, ...]
    """What was left out or is unusual, for people to read."""


def stack_slices(headers: Sequence[Dataset], choice: VolumeChoice | None = None) -> Stack:
    """Prove that the images of a series form one volume (PS3.3 C.7.6.2), and place them.

    With a ``choice``, those of one of its volumes, which the notes name.

    Raises GeometryError with the reason when slices are missing, doubled, uneven or mixed, and InstanceError or
    InputError for images that cannot be a slice at all.
    """
    slices, notes = _read(headers)
    if choice is None:
        return _stack(slices, notes)
    parts = split_volumes(slices, choice.traits)
    part = choice.pick(parts)
    taken = [f"of {len(parts)} volumes of the series, {part.name} was taken"] if len(parts) > 1 else []
    return _stack(part.slices, [*notes, *taken])


def stacks_of_series(headers: Sequence[Dataset]) -> Mapping[str, Stack]:
    """Each volume of a series that may hold several at one place, by what tells it from the others.

    That is, for instance, ``"TemporalPositionIndex 2"``; it is empty when there is one volume only. Raises as
    ``stack_slices`` does, also when what belongs together cannot be told.
    """
    slices, notes = _read(headers)
    return {part.name: _stack(part.slices, notes) for part in split_volumes(slices)}


def _read(headers: Sequence[Dataset]) -> tuple[list[Slice], list[str]]:
    """Slices sorted along their normal, and notes on what was left out."""
    for header in headers:
        check_readable(header)
    images, notes = select_images(headers)
    slices = [read_slice(header) for header in images]
    check_agreement(slices)
    return _sorted_along_normal(slices), notes


def _stack(slices: Sequence[Slice], notes: Sequence[str]) -> Stack:
    check_places(slices)
    step = _step(slices)
    affine = _affine(slices[0], step)
    check_line(slices, affine)
    notes = [*notes, *_tilt_note(slices[0], step), *_distance_note(slices, step)]
    return Stack(headers=tuple(item.header for item in slices), affine=affine, notes=tuple(notes))


def _sorted_along_normal(slices: Sequence[Slice]) -> list[Slice]:
    normal = slices[0].normal
    return sorted(slices, key=lambda item: (float(item.position @ normal), str(item.header.SOPInstanceUID)))


def _step(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """From one slice to the next, LPS mm, ``(3,)``; from positions, so that a gantry tilt stays in."""
    if len(slices) > 1:
        return (slices[-1].position - slices[0].position) / (len(slices) - 1)
    return slices[0].normal * _distance_of_single(slices[0].header)


def _distance_of_single(header: Dataset) -> float:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        if header.get(keyword) is not None and (distance := float(numbers(header, keyword, 1)[0])) > 0:
            return distance
    raise GeometryError(
        f"the series has one slice ({image_name(header)}) and no SliceThickness or SpacingBetweenSlices, "
        "so it has no extent: send the whole series"
    )


def _affine(first: Slice, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns: one slice, one row (along the column axis), one column (along the row axis), the origin."""
    between_rows, between_columns = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = first.column_axis * between_rows
    affine[:3, 2] = first.row_axis * between_columns
    affine[:3, 3] = first.position
    return affine


def _tilt_note(first: Slice, step: NDArray[np.float64]) -> list[str]:
    across = float(step @ first.normal)
    sideways = float(np.linalg.norm(step - across * first.normal))
    degrees = math.degrees(math.atan2(sideways, across))
    return [f"gantry tilt of {degrees:.1f} degrees: the voxel grid is sheared"] if degrees > TILT_NOTED_DEGREES else []


def _distance_note(slices: Sequence[Slice], step: NDArray[np.float64]) -> list[str]:
    header = slices[0].header
    if len(slices) == 1:
        return ["one slice only: its thickness comes from the header, not from positions"]
    if header.get("SpacingBetweenSlices") is None:
        return []
    written = abs(float(numbers(header, "SpacingBetweenSlices", 1)[0]))
    measured = float(step @ slices[0].normal)
    if abs(written - measured) <= SPACING_NOTED * measured:
        return []
    return [f"SpacingBetweenSlices says {written:g} mm, the positions {measured:g} mm; the positions were used"]
