"""What comes before classification: only frontal chest radiographs pass, and negatives are turned."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.ask import Ask
from ainode_models.cxr.frontal import ENOUGH, Likeness, by_torch, likeness
from ainode_models.cxr.header import says_frontal_chest
from ainode_models.errors import InputError
from ainode_models.radiograph import Radiograph

SMALLEST = 64
"""Rows and columns at least; below, nothing of the lungs can be seen."""

_HARDLY = "The picture hardly looks like a frontal chest"

Admitted = tuple[NDArray[np.float32], tuple[str, ...]]
"""Grey values with air dark, and remarks."""


def admitted(image: Radiograph, frontal: Ask = by_torch) -> Admitted:
    """Raises `InputError` with what was found and what is wanted.

    A header that names modality, chest and PA or AP is believed, and a doubt about the picture becomes a remark that
    `is_doubtful` knows; without such a header the picture itself must look like a frontal chest, as the `FrontalNet`
    says that ``frontal`` asks.
    """
    certain = says_frontal_chest(image)
    _readable(image.pixels)
    looks = likeness(image.pixels, frontal)
    if not looks.is_chest and not certain:
        raise InputError(
            f"the picture does not look like a frontal chest radiograph (likeness {_best(looks):.2f}, at least "
            f"{ENOUGH:.2f} is wanted) and no header says that it is one; send a PA or AP chest radiograph, the patient "
            "upright in the picture, best as DICOM with BodyPartExamined and ViewPosition"
        )
    remarks = () if looks.is_chest else (f"{_HARDLY} ({_best(looks):.2f}, at least {ENOUGH:.2f} is wanted).",)
    if looks.is_negative:
        return 1 - image.pixels, (*remarks, "The picture was a negative (air bright) and was inverted.")
    return image.pixels, remarks


def is_doubtful(remarks: Iterable[str]) -> bool:
    """Whether the remarks of `admitted` say that the picture is hardly a frontal chest: then a human must decide."""
    return any(remark.startswith(_HARDLY) for remark in remarks)


def _readable(pixels: NDArray[np.float32]) -> None:
    if pixels.ndim != 2 or min(pixels.shape) < SMALLEST:
        size = " x ".join(map(str, pixels.shape))
        raise InputError(f"the picture has {size} pixels; at least {SMALLEST} x {SMALLEST} grey ones are needed")
    if not np.isfinite(pixels).all():
        raise InputError("the picture holds values that are no numbers; send it again")
    if float(np.ptp(pixels)) < 1e-3:
        raise InputError("the picture has one grey value only; send the radiograph itself")


def _best(looks: Likeness) -> float:
    return max(looks.upright, looks.inverted)
