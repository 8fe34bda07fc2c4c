"""Which part of an image's stored values is the slice that a header stands for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.elements import image_name
from ainode.volume.frame_headers import changed_header
from ainode.volume.mosaic import is_mosaic, tile_of, whole_mosaic
from ainode_models.errors import InstanceError

Decode = Callable[[Dataset], NDArray[Any]]
"""Stored values of an image, ``(rows, columns)`` or ``(frames, rows, columns)``."""


def planes(headers: Sequence[Dataset], decode: Decode) -> Iterator[NDArray[Any]]:
    """Stored values of each slice, ``(rows, columns)``; an image that holds several is decoded once for all of them."""
    for _, group in groupby(headers, key=lambda header: str(header.SOPInstanceUID)):
        slices = list(group)
        stored = decode(_whole(slices[0]))
        frames = stored.reshape(-1, *stored.shape[-2:])
        yield from (_plane(header, frames) for header in slices)


def _whole(header: Dataset) -> Dataset:
    """The image that the slice of ``header`` is a part of."""
    if header.get("ReferencedFrameNumber") is None:
        return header
    return changed_header(whole_mosaic(header) if is_mosaic(header) else header, {"ReferencedFrameNumber": None})


def _plane(header: Dataset, frames: NDArray[Any]) -> NDArray[Any]:
    if is_mosaic(header):
        return tile_of(header, frames[0])
    number = int(header.get("ReferencedFrameNumber") or 1)
    if not 0 < number <= len(frames):
        raise InstanceError(f"{image_name(header)} has no pixel data: send the image again")
    plane: NDArray[Any] = frames[number - 1]
    return plane
