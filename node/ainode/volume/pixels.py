"""Voxel values of a stack: decoded, rescaled, and exact where they are whole numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.elements import UNREADABLE, image_name, numbers
from ainode.volume.frames import decode_frames
from ainode.volume.lookup import is_little_endian, read_table
from ainode.volume.planes import planes
from ainode.volume.size import check_size, check_volume_size
from ainode_models.errors import InstanceError

_INTEGER_TYPES = (np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))


def decode_stack(headers: Sequence[Dataset]) -> NDArray[Any]:
    """Modality values (PS3.3 C.11.1) of slices in order, ``(slices, rows, columns)``.

    The type is the smallest of int16, int32 and int64 that holds every value the headers allow when each
    slope and intercept is whole, else float32. Pixel data come from the dataset, or from its ``filename`` when
    it was read without them. Raises InstanceError when they are absent, cut short or cannot be decoded.
    """
    for header in headers:
        check_size(header)
    check_volume_size(headers)
    dtype = _exact_type(headers)
    shape = (len(headers), int(headers[0].Rows), int(headers[0].Columns))
    voxels = np.empty(shape, dtype=dtype or np.float32)
    for index, (header, stored) in enumerate(zip(headers, planes(headers, stored_values), strict=True)):
        voxels[index] = modality_values(header, stored) if dtype is None else _whole_values(header, stored, dtype)
    return voxels


def _exact_type(headers: Sequence[Dataset]) -> np.dtype[Any] | None:
    """Integer type for all slices; None when some slice needs fractions."""
    limits: list[int] = []
    for header in headers:
        slope, intercept = _rescale(header)
        if not (slope.is_integer() and intercept.is_integer()) or "ModalityLUTSequence" in header:
            return None
        limits += [stored * int(slope) + int(intercept) for stored in _stored_range(header)]
    return next((t for t in _INTEGER_TYPES if _holds(t, min(limits), max(limits))), None)


def _holds(dtype: np.dtype[Any], low: int, high: int) -> bool:
    info = np.iinfo(dtype)
    return bool(info.min <= low and high <= info.max)


def _rescale(header: Dataset) -> tuple[float, float]:
    """Rescale Slope and Intercept, 1 and 0 when absent."""

    def one(keyword: str, default: float) -> float:
        return default if header.get(keyword) is None else float(numbers(header, keyword, 1)[0])

    return one("RescaleSlope", 1.0), one("RescaleIntercept", 0.0)


def _stored_range(header: Dataset) -> tuple[int, int]:
    bits = int(header.BitsStored)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if header.PixelRepresentation else (0, (1 << bits) - 1)


def _whole_values(header: Dataset, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    slope, intercept = _rescale(header)
    values: NDArray[Any] = stored.astype(dtype) * dtype.type(slope) + dtype.type(intercept)
    return values


def modality_values(header: Dataset, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Stored values after Modality LUT Sequence, else Rescale Slope and Intercept (PS3.3 C.11.1)."""
    if not header.get("ModalityLUTSequence"):
        slope, intercept = _rescale(header)
        return (stored * np.float64(slope) + intercept).astype(np.float32)
    try:
        table = read_table(header.ModalityLUTSequence[0], little_endian=is_little_endian(header))
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged ModalityLUTSequence: send it again") from exc
    return table(stored).astype(np.float32)


def stored_values(header: Dataset, *, frame: int | None = None) -> NDArray[Any]:
    """Stored values of a greyscale image, ``(frames, rows, columns)``, all within the bits that its header states.

    ``frame``, from 1, asks for that frame alone. Raises InstanceError as ``decode_frames`` does.
    """
    stored = decode_frames(header, frame=frame)
    if stored.ndim != 3:
        raise InstanceError(f"{image_name(header)} has {stored.shape[-1]} samples for each pixel: it is not greyscale")
    low, high = _stored_range(header)
    if stored.min() < low or stored.max() > high:
        raise InstanceError(
            f"{image_name(header)} holds values from {stored.min()} to {stored.max()}, outside the "
            f"{header.BitsStored} bits that its header states"
        )
    return stored
