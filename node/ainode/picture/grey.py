"""The grayscale pipeline (PS3.4 N.2.1): stored values, modality values, VOI, and which end is white."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage

from ainode.picture.views import FullRange, View, Window, views_of
from ainode.volume.elements import UNREADABLE, image_name
from ainode.volume.pixels import modality_values, stored_values
from ainode_models.errors import InputError, InstanceError

_XRAY_SEQUENCES = (XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage)
"""Their Modality LUT gives X-ray intensity for subtraction and is no part of what is shown (PS3.4 N.2.5)."""


@dataclass(frozen=True)
class Greys:
    """A greyscale picture; ``ainode.picture.picture.Picture`` says what each is."""

    pixels: NDArray[np.float32]
    view: str
    choices: tuple[str, ...]
    inverted: bool
    notes: tuple[str, ...]


def greys(header: Dataset, frame: int, wanted: int | Window) -> Greys:
    """Grey levels of one frame, from 0 to 1, shown by the view that is wanted."""
    stored = stored_values(header, frame=frame)[0]
    hidden = padding(header, stored)
    values = stored if header.get("SOPClassUID") in _XRAY_SEQUENCES else modality_values(header, stored)
    views, notes = views_of(header)
    view = _chosen(header, views, wanted) or _full_range(values, hidden)
    inverted, contradiction = inversion(header)
    shown = view(values)
    pixels = np.where(hidden, 0, 1 - shown if inverted else shown).astype(np.float32)
    if header.get("PixelPresentation") in ("COLOR", "MIXED"):
        notes.append("colours of the supplemental palette (PS3.3 C.7.6.19) are shown as greys")
    return Greys(pixels, view.name, tuple(item.name for item in views), inverted, (*notes, *contradiction))


def padding(header: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the image has no values of its own (PS3.3 C.7.5.1.1.2); raises InstanceError when that is damaged."""
    try:
        value = header.get("PixelPaddingValue")
        limits = [] if value is None else [int(value), int(header.get("PixelPaddingRangeLimit", value))]
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged PixelPaddingValue: send it again") from exc
    if not limits:
        return np.zeros(stored.shape, np.bool_)
    return np.asarray((stored >= min(limits)) & (stored <= max(limits)), np.bool_)


def _chosen(header: Dataset, views: list[View], wanted: int | Window) -> View | None:
    if isinstance(wanted, Window):
        if not wanted.valid:
            raise InputError(f"{wanted.name} has no meaning (PS3.3 C.11.2.1.2): ask for another")
        return wanted
    if wanted and not 0 <= wanted < len(views):
        names = ", ".join(view.name for view in views) or "none"
        raise InputError(f"{image_name(header)} has no VOI LUT or window number {wanted}, from 0: it has {names}")
    return views[wanted] if views else None


def _full_range(values: NDArray[Any], hidden: NDArray[np.bool_]) -> FullRange:
    kept = values if hidden.all() else values[~hidden]
    return FullRange(float(kept.min()), float(kept.max()))


def inversion(header: Dataset) -> tuple[bool, list[str]]:
    """Whether the lowest value is white, and a note if the image contradicts itself.

    MONOCHROME1 and Presentation LUT Shape INVERSE say the same, once: each shall go with the other (PS3.3 C.7.6.1,
    C.11.6.1.2). The standard does not say which holds where they differ. The shape is taken, as dcmtk and dcm4che do:
    it ends the pipeline, and says whether what comes out are P-Values already.
    """
    by_samples = header.PhotometricInterpretation == "MONOCHROME1"
    shape = str(header.get("PresentationLUTShape") or "")
    if shape not in ("IDENTITY", "INVERSE") or by_samples == (shape == "INVERSE"):
        return by_samples, []
    note = f"PhotometricInterpretation {header.PhotometricInterpretation} contradicts PresentationLUTShape {shape}"
    return shape == "INVERSE", [f"{note}; the latter was followed"]
