"""Per-frame Functional Groups of many segments, from those of one frame for each slice.

Frames of two segments on one slice differ by two numbers. highdicom and pydicom need a millisecond and more to make and
to write a frame, and whole-body models have ten thousand; so each slice is written once, and the numbers are set. Most
elements of two slices are the same: each is encoded once.
"""

import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ainode_dicom_sr.encoded_items import Known, encoded_item, encoded_sequence
from ainode_dicom_sr.objects import encoded

_GROUPS = Tag("PerFrameFunctionalGroupsSequence")
_HEADER = 8  # bytes of tag, VR and length before a short element
_PLACE = 4  # bytes of the first of the indices
_INDICES = struct.pack("<HH2sH", 0x0020, 0x9157, b"UL", 8)  # DimensionIndexValues: of the segment, of the place
_NUMBER = struct.pack("<HH2sH", 0x0062, 0x000B, b"US", 2)  # ReferencedSegmentNumber


def with_frames_of_segments(ds: Dataset, occupied: NDArray[np.bool_]) -> Dataset:
    """``ds``, whose frame ``k`` is the one of segment 1 on a slice, with a frame for each segment on that slice.

    ``occupied``, ``(frames, segments)``, says which segments are there. The frames of the first segment come first. A
    single segment's number stands in the shared groups (PS3.3 C.7.6.16.2.1), so there is none to set. Pixels are
    not touched; ``ds`` is used up.
    """
    frames = list(map(_located, _taken(ds)))
    result = dcmread(BytesIO(encoded(ds)))
    _set_frames(result, [_of(frames[place], segment + 1) for segment, place in np.argwhere(occupied.T).tolist()])
    return result


def with_encoded_frames(ds: Dataset) -> Dataset:
    """``ds``, which is used up, with its frames encoded, so that pydicom writes them as they are."""
    items = _taken(ds)
    result = dcmread(BytesIO(encoded(ds)))
    _set_frames(result, items)
    return result


def frames_of_each_segment(ds: Dataset, occupied: NDArray[np.bool_]) -> Iterator[Dataset]:
    """``ds``, whose frame ``k`` is the one of segment 1 on a slice, once for each segment with its frames alone.

    ``occupied`` as above. Segments and places are numbered from 1 in each (PS3.3 C.8.20.2, C.7.6.17). Nothing else is
    touched; ``ds`` is used up.
    """
    frames = list(map(_located, _taken(ds)))
    data = encoded(ds)
    for segment in occupied.T:
        result, own = dcmread(BytesIO(data)), [frames[place] for place in np.flatnonzero(segment)]
        _, places = np.unique([frame.place for frame in own], return_inverse=True)
        _set_frames(result, [_of(frame, 1, place) for frame, place in zip(own, (places + 1).tolist(), strict=True)])
        yield result


class _Frame(NamedTuple):
    """An item, and where in it the numbers are."""

    item: bytes
    indices: int
    number: int | None

    @property
    def place(self) -> int:
        """Index of the slice, from 1."""
        place: int = struct.unpack_from("<L", self.item, self.indices + _PLACE)[0]
        return place


def _taken(ds: Dataset) -> list[bytes]:
    """The frames of ``ds``, which has none then, encoded."""
    known: Known = {}
    items = [encoded_item(frame, known) for frame in ds.PerFrameFunctionalGroupsSequence]
    del ds.PerFrameFunctionalGroupsSequence
    return items


def _located(item: bytes) -> _Frame:
    number = item.find(_NUMBER)
    return _Frame(item, item.index(_INDICES) + _HEADER, None if number < 0 else number + _HEADER)


def _set_frames(ds: Dataset, items: Sequence[bytes]) -> None:
    ds[_GROUPS] = encoded_sequence(_GROUPS, items)
    ds.NumberOfFrames = len(items)


def _of(frame: _Frame, segment: int, place: int | None = None) -> bytes:
    item = bytearray(frame.item)
    struct.pack_into("<LL", item, frame.indices, segment, place or frame.place)
    if frame.number is not None:
        struct.pack_into("<H", item, frame.number, segment)
    return bytes(item)


def slices_of_frames(ds: Dataset, images: Sequence[Dataset]) -> list[int]:
    """Index of the image that each frame lies on."""
    places = {str(image.SOPInstanceUID): place for place, image in enumerate(images)}
    return [
        places[str(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)]
        for frame in ds.PerFrameFunctionalGroupsSequence
    ]
