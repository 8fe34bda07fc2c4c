"""One slice as people see it, with what a model found drawn over it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from ainode.encode.fonts import picture_font
from ainode.volume.slices import Slice

_LONGEST = 768
"""Pixels of the longer side; a larger slice keeps its own, up to ``_MOST``."""
_MOST = 1024
_OPACITY = 0.3
"""Of the fill; what is below must stay readable."""
_CONTOUR = 5
"""Pixels of the window that finds the edge of a region: a contour is half of it wide, inside the region."""
_OBLIQUE = 0.1736
"""Sine of 10 degrees: an axis that leans less towards a side does not name it."""
_SIDES = ("R", "L"), ("A", "P"), ("F", "H")
"""The lower and the higher end of x, y and z of the patient (PS3.3 C.7.6.2.1.1)."""


def slice_picture(
    grey: NDArray[np.float32], labels: NDArray[np.uint8], place: Slice, *, colours: Mapping[int, tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """``grey`` (0 black to 1 white) with the regions of ``labels``, both ``(rows, columns)``, in their colours.

    ``(rows, columns, 3)``, RGB. Pixels are square whatever those of the slice are.
    """
    columns, rows = _size(grey.shape, place.spacing)
    base = Image.fromarray(np.rint(255 * grey).astype(np.uint8)).resize((columns, rows), Image.Resampling.BICUBIC)
    regions = np.asarray(Image.fromarray(labels).resize((columns, rows), Image.Resampling.NEAREST))
    return _blended(np.asarray(base), regions, colours)


def orientation(place: Slice) -> tuple[str, str]:
    """``PatientOrientation`` (PS3.3 C.7.6.1.1.1) of the rows and columns of a slice, such as ``("L", "P")``."""
    return side(place.row_axis), side(place.column_axis)


def side(axis: NDArray[np.float64]) -> str:
    """Letters of the sides that an axis points to, the nearest first: ``L``, or ``LP`` where it is oblique."""
    order = [n for n in np.argsort(-np.abs(axis), kind="stable") if abs(axis[n]) > _OBLIQUE]
    return "".join(_SIDES[n][int(axis[n] > 0)] for n in order)


def _size(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[int, int]:
    """Columns and rows of the picture."""
    height, width = shape[0] * spacing[0], shape[1] * spacing[1]
    longest = min(max(_LONGEST, *shape), _MOST)
    scale = longest / max(height, width)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _blended(
    grey: NDArray[np.uint8], regions: NDArray[np.uint8], colours: Mapping[int, tuple[int, int, int]]
) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), np.float32)
    for number, colour in colours.items():
        table[number] = colour
    shown = np.isin(regions, list(colours))
    differs = ndimage.maximum_filter(regions, _CONTOUR) != ndimage.minimum_filter(regions, _CONTOUR)
    share = np.where(shown, np.where(differs, 1.0, _OPACITY), 0.0)[..., None]
    return np.asarray(np.rint(grey[..., None] * (1 - share) + table[regions] * share), np.uint8)


def lettered(pixels: NDArray[np.uint8], place: Slice, *, corner: str = "") -> NDArray[np.uint8]:
    """``pixels`` with letters at the edges that name the sides of the patient, and a text in the upper left corner."""
    image = Image.fromarray(pixels)
    draw, (width, height) = ImageDraw.Draw(image), image.size
    font = picture_font(max(12, min(width, height) // 28), bold=True)
    edges = {
        (width - 6, height // 2, "rm"): place.row_axis,
        (6, height // 2, "lm"): -place.row_axis,
        (width // 2, height - 6, "md"): place.column_axis,
        (width // 2, 6, "ma"): -place.column_axis,
    }
    texts = {place: side(axis) for place, axis in edges.items()} | {(6, 6, "la"): corner}
    for (x, y, anchor), text in texts.items():
        draw.text((x, y), text, fill="white", stroke_width=2, stroke_fill="black", font=font, anchor=anchor)
    return np.asarray(image)
