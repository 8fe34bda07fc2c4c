"""One image or frame as a person sees it: grey or colour, from 0, black, to 1."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.picture.colour import colours
from ainode.picture.frame import frame_header
from ainode.picture.grey import greys
from ainode.picture.views import Window
from ainode.volume.builder import read_header
from ainode.volume.elements import check_image, check_readable


@dataclass(frozen=True)
class Picture:
    """What a person sees, and how it was made of the stored values."""

    pixels: NDArray[np.float32]
    """``(rows, columns)``, in colour ``(rows, columns, 3)`` red, green, blue; 0 is black, 1 white."""
    view: str
    """Which VOI LUT, window or colours, such as ``window 40/400 LINEAR``."""
    choices: tuple[str, ...]
    """All VOI LUTs and windows of the image, in the order of their numbers for ``read_picture``."""
    inverted: bool
    """Whether the lowest stored value is white (PS3.3 C.7.6.3.1.2, C.11.6.1.2)."""
    notes: tuple[str, ...]
    """What was left out or contradicts itself, for people to read."""


def read_picture(image: Path | Dataset, *, frame: int = 1, view: int | Window = 0) -> Picture:
    """The picture of one frame of any image, by the pipelines of PS3.4 N.2.

    Greyscale goes through Modality LUT, VOI LUT and Presentation LUT Shape; colours become red, green and blue.
    Overlays, shutters and annotations are not drawn; padding (PS3.3 C.7.5.1.1.2) is black. ``frame`` counts from 1.
    ``view`` is a window of the caller's, or the number of one of ``choices``, from 0; without any, the range of the
    values is shown. Raises InstanceError for what cannot be decoded, InputError when ``frame`` or ``view`` is none.
    """
    whole = read_header(image) if isinstance(image, Path) else image
    check_readable(whole)
    check_image(whole)
    header = frame_header(whole, frame)
    if header.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        pixels, name = colours(header, frame)
        return Picture(pixels, name, (), inverted=False, notes=())
    shown = greys(header, frame, view)
    return Picture(shown.pixels, shown.view, shown.choices, inverted=shown.inverted, notes=shown.notes)
