"""The slices on which what was found shows best, drawn for people."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from ainode.encode.caption import Line
from ainode.encode.illustration import Illustration
from ainode.encode.slice_picture import lettered, orientation, slice_picture
from ainode.picture.grey import inversion, padding
from ainode.picture.views import View, Window, views_of
from ainode.volume.pixels import modality_values, stored_values
from ainode.volume.planes import planes
from ainode.volume.slices import Slice, read_slice
from ainode_models.errors import InstanceError
from ainode_models.findings import Findings, Segment

_MOST = 3
"""Slices that get a picture of their own."""
_NAMED = 6
"""Segments that a caption names."""
_ACROSS = 3
"""Slices in a row and in a column of the overview."""
_NARROWEST = 512
"""Columns of a picture: captions need room."""


def key_images(findings: Findings, sources: Sequence[Dataset]) -> list[Illustration]:
    """For each present segment the slice on which it is largest, at most three slices, and an overview of nine.

    ``sources`` are the headers of the slices of the label map, in its order; pixels are read from their files. Raises
    InstanceError when they are not there.
    """
    labels = findings.label_map
    if labels is None or not findings.present:
        return []
    areas = _areas(labels)
    best, spread = _best_slices(findings.present, areas), _spread_slices(areas)
    numbers = sorted({*best, *spread})
    drawn = dict(zip(numbers, _drawn(findings, labels, [(n, sources[n]) for n in numbers]), strict=True))
    place = read_slice(sources[0])
    shown: list[tuple[tuple[int, ...], NDArray[np.uint8]]]
    shown = [((number,), lettered(drawn[number], place)) for number in best]
    if len(spread) > 1:
        shown.append((tuple(spread), _side_by_side({number: drawn[number] for number in spread}, place)))
    return [
        Illustration(
            number=number,
            pixels=_widened(pixels),
            kind="key image",
            titles=_titles(slices, len(labels)),
            legend=_legend(findings.present, areas[list(slices)].sum(axis=0)),
            sources=slices,
            orientation=orientation(place),
        )
        for number, (slices, pixels) in enumerate(shown, start=1)
    ]


def _areas(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Voxels of each label on each slice, ``(slices, 256)``; counted once, as maps are large and labels many."""
    return np.stack([np.bincount(plane.ravel(), minlength=256) for plane in labels])


def _best_slices(segments: Sequence[Segment], areas: NDArray[np.intp]) -> list[int]:
    """Of the largest segment first; a slice on which several are largest comes once."""
    ordered = sorted(segments, key=lambda each: -each.volume_ml)
    return list(dict.fromkeys(int(areas[:, each.number].argmax()) for each in ordered))[:_MOST]


def _spread_slices(areas: NDArray[np.intp]) -> list[int]:
    """At equal distances from the first to the last slice that has anything."""
    (used,) = np.nonzero(areas[:, 1:].any(axis=1))
    count = min(_ACROSS * _ACROSS, int(used[-1] - used[0]) + 1)
    return sorted({round(place) for place in np.linspace(used[0], used[-1], count)})


def _drawn(
    findings: Findings, labels: NDArray[np.uint8], slices: Sequence[tuple[int, Dataset]]
) -> list[NDArray[np.uint8]]:
    colours = {segment.number: segment.color for segment in findings.present}
    greys = _greys([header for _, header in slices])
    return [
        slice_picture(grey, labels[number], read_slice(header), colours=colours)
        for (number, header), grey in zip(slices, greys, strict=True)
    ]


def _greys(headers: Sequence[Dataset]) -> list[NDArray[np.float32]]:
    """The slices as their first VOI LUT or window shows them, else all by one window without the outer percent."""
    stored = list(planes(headers, stored_values))
    values = [modality_values(header, each) for header, each in zip(headers, stored, strict=True)]
    low, high = np.percentile(np.stack(values), (1, 99))
    window = Window(float(low + high) / 2, max(float(high - low), 1e-6), "LINEAR_EXACT")
    return [_grey(*each, window) for each in zip(headers, stored, values, strict=True)]


def _grey(
    header: Dataset, stored: NDArray[np.generic], values: NDArray[np.float32], otherwise: View
) -> NDArray[np.float32]:
    try:
        views, hidden = views_of(header)[0], padding(header, stored)
    except InstanceError:  # what only says how to show it costs nobody the result
        views, hidden = [], np.zeros(stored.shape, np.bool_)
    shown = (views[0] if views else otherwise)(values)
    return np.where(hidden, 0, 1 - shown if inversion(header)[0] else shown).astype(np.float32)


def _widened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With black at both sides when it is too narrow for a caption."""
    lack = max(0, _NARROWEST - pixels.shape[1])
    return np.pad(pixels, ((0, 0), (lack // 2, lack - lack // 2), (0, 0)))


def _side_by_side(drawn: Mapping[int, NDArray[np.uint8]], place: Slice) -> NDArray[np.uint8]:
    """The slices in rows with their numbers, as large together as one of them."""
    rows, columns = next(iter(drawn.values())).shape[:2]
    across = min(_ACROSS, int(np.ceil(np.sqrt(len(drawn)))))
    small = columns // across, rows // across
    whole = Image.new("RGB", (columns, rows))
    for count, (number, pixels) in enumerate(drawn.items()):
        row, column = divmod(count, across)
        tile = np.asarray(Image.fromarray(pixels).resize(small, Image.Resampling.LANCZOS))
        lettering = lettered(tile, place, corner=str(number + 1))
        whole.paste(Image.fromarray(lettering), (column * small[0], row * small[1]))
    return np.asarray(whole)


def _titles(slices: Sequence[int], of: int) -> tuple[str, str]:
    numbers = ", ".join(str(number + 1) for number in slices)
    many = "s" if len(slices) > 1 else ""
    return f"Slice{many} {numbers} of {of}", f"Corte{many} {numbers} de {of}"


def _legend(segments: Sequence[Segment], voxels: NDArray[np.intp]) -> tuple[Line, ...]:
    """What is on the slices, the largest there first; ``voxels`` of each label."""
    there = sorted((s for s in segments if voxels[s.number]), key=lambda each: -int(voxels[each.number]))
    named = tuple(Line(f"{each.label}, {each.volume_ml:.1f} mL in all", each.color) for each in there[:_NAMED])
    more = len(there) - _NAMED
    return (*named, Line(f"and {more} more")) if more > 0 else named
