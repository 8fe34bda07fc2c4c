"""Elements of a header as values that can be relied on."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode_dicom_sr import unreadable
from ainode_models.errors import GeometryError, InstanceError

UNREADABLE = unreadable.UNREADABLE
"""What pydicom raises on damaged bytes."""

_REQUIRED = ("Rows", "Columns", "BitsStored", "PixelRepresentation", "PhotometricInterpretation")
_WHOLE = ("InstanceNumber", "ReferencedFrameNumber", "NumberOfFrames")
_NUMBER = (
    *_WHOLE,
    "BitsAllocated",
    "HighBit",
    "SamplesPerPixel",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
    *_REQUIRED[:-1],
)
_NUMBERS = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_TEXT = (
    "FrameOfReferenceUID",
    "PixelPresentation",
    "PresentationLUTShape",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    _REQUIRED[-1],
)
_TEXTS = ("ImageType",)


def image_name(header: Dataset) -> str:
    """How messages call an image, by its ``InstanceNumber``, or a frame of it."""
    number = header.get("InstanceNumber")
    name = "an image without InstanceNumber" if number is None else f"image {number}"
    return name if header.get("ReferencedFrameNumber") is None else f"frame {header.ReferencedFrameNumber} of {name}"


def check_readable(header: Dataset) -> None:
    """Raise InstanceError when an element that is used later holds no value of its kind and multiplicity."""
    for keyword in (*_NUMBER, *_NUMBERS, *_TEXT, *_TEXTS):
        try:
            value = header.get(keyword)
            values = np.asarray(value or 0, dtype=np.float64 if keyword in _NUMBER + _NUMBERS else np.str_)
        except UNREADABLE as exc:
            raise InstanceError(_damaged(header, keyword)) from exc
        endless = keyword in _WHOLE and not np.isfinite(values).all()
        if endless or (values.ndim and keyword in _NUMBER + _TEXT):
            raise InstanceError(_damaged(header, keyword))


def check_image(header: Dataset) -> None:
    """Raise InstanceError when an element that every image has is missing (PS3.3 C.7.6.3)."""
    for keyword in _REQUIRED:
        if header.get(keyword) in (None, ""):
            raise InstanceError(
                f"{image_name(header)} has no {keyword}: it is no image, or was cut short; send it again"
            )


def _damaged(header: Dataset, keyword: str) -> str:
    name = "an image" if keyword in _WHOLE[:2] else image_name(header)
    return f"{name} has a damaged {keyword}: send it again"


def numbers(header: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    """``count`` finite values of one element, ``(count,)``; raises GeometryError without them."""
    value = header.get(keyword)
    if value is None or value == "":
        raise GeometryError(
            f"{image_name(header)} has no {keyword}, so its place in the patient is unknown: "
            "send the series as the scanner made it, not a screen capture"
        )
    found = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if found.shape != (count,) or not np.isfinite(found).all():
        raise GeometryError(f"{image_name(header)} has a {keyword} that is not {count} finite numbers: send it again")
    return found
