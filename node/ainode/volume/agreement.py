"""What all slices of one volume must have in common."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from pydicom.dataset import Dataset

from ainode.volume.slices import Slice
from ainode_models.errors import GeometryError

ORIENTATION_TOLERANCE = 1e-4
"""Largest difference of a direction cosine between slices: 0.006 degrees, 0.02 mm at 200 mm."""

SPACING_TOLERANCE = 1e-4
"""Largest relative difference of ``PixelSpacing``: 0.05 pixel at the far side of 512 columns."""

_SHARED = ("Rows", "Columns", "PhotometricInterpretation")
_SHARED_UIDS = {
    "SeriesInstanceUID": "several series were given as one: route one series to each input",
    "FrameOfReferenceUID": "the patient may have moved between them, so they do not form one volume",
}


def check_agreement(slices: Sequence[Slice]) -> None:
    """Raise GeometryError unless all slices share series, space, matrix, spacing and orientation."""
    headers = [item.header for item in slices]
    _check_uids(headers)
    for keyword in _SHARED:
        _refuse_mixture(headers, keyword, [header.get(keyword) for header in headers])
    _check_spacing(slices)
    _check_orientation(slices)


def _check_uids(headers: Sequence[Dataset]) -> None:
    for keyword, reason in _SHARED_UIDS.items():
        counts = Counter(header.get(keyword) for header in headers)
        if not all(counts):
            raise GeometryError(f"{_count(counts[None] + counts[''])} without {keyword}: send the series again")
        if len(counts) > 1:
            sizes = " and ".join(str(count) for count in counts.values())
            raise GeometryError(f"the images have {len(counts)} {keyword}s ({sizes} images): {reason}")


def _check_spacing(slices: Sequence[Slice]) -> None:
    def same(one: Slice, other: Slice) -> bool:
        return np.allclose(one.spacing, other.spacing, rtol=SPACING_TOLERANCE, atol=0)

    values = _representatives(slices, same)
    shown = [f"{item.spacing[0]:g} x {item.spacing[1]:g} mm" for item in values]
    _refuse_mixture([item.header for item in slices], "PixelSpacing", shown)


def _check_orientation(slices: Sequence[Slice]) -> None:
    def same(one: Slice, other: Slice) -> bool:
        return bool(
            np.abs(one.row_axis - other.row_axis).max() <= ORIENTATION_TOLERANCE
            and np.abs(one.column_axis - other.column_axis).max() <= ORIENTATION_TOLERANCE
        )

    values = _representatives(slices, same)
    shown = ["\\".join(f"{part:g}" for part in (*item.row_axis, *item.column_axis)) for item in values]
    _refuse_mixture([item.header for item in slices], "ImageOrientationPatient", shown)


def _representatives(slices: Sequence[Slice], same: Callable[[Slice, Slice], bool]) -> list[Slice]:
    """For each slice the first one that it agrees with."""
    groups: list[Slice] = []
    found: list[Slice] = []
    for item in slices:
        match = next((first for first in groups if same(first, item)), None)
        if match is None:
            groups.append(match := item)
        found.append(match)
    return found


def _refuse_mixture(headers: Sequence[Dataset], keyword: str, values: Sequence[Hashable]) -> None:
    counts = Counter(values)
    if len(counts) == 1:
        return
    rare = counts.most_common()[-1][0]
    example = next(header for header, value in zip(headers, values, strict=True) if value == rare)
    shown = ", ".join(f"{value} in {_count(count)}" for value, count in counts.most_common(4))
    raise GeometryError(
        f"the images differ in {keyword}: {shown}; one of the rarest is InstanceNumber "
        f"{example.get('InstanceNumber')}: a volume needs one {keyword}, so split the series"
    )


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"
