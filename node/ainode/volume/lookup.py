"""Lookup tables of DICOM images: Modality LUT, VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1) and palettes (C.7.6.3.1.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset


@dataclass(frozen=True)
class LookupTable:
    """One table; values before its first and after its last entry get those.

    pydicom's own functions look up in the type of the entries, so that of tables with 8-bit entries only the first
    256 are found, and take no table whose 8-bit entries are packed or that has 10 to 15 bits for each.
    """

    first: int
    """The value that the first entry is for."""
    entries: NDArray[np.uint16]
    bits: int
    """Of each entry."""

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """The entry for each value, which is rounded to a whole number."""
        whole = values if values.dtype.kind in "iu" else np.rint(values)
        looked_up: NDArray[np.uint16] = self.entries[np.clip(whole.astype(np.int64) - self.first, 0, self._last)]
        return looked_up

    @property
    def _last(self) -> int:
        return len(self.entries) - 1

    @property
    def maximum(self) -> int:
        """The highest value that an entry may have."""
        return (1 << self.bits) - 1


def read_table(item: Dataset, *, little_endian: bool) -> LookupTable:
    """Table of one item of a Modality or VOI LUT Sequence.

    Raises AttributeError, TypeError or ValueError when it is damaged.
    """
    return table_of(item.LUTDescriptor, item.LUTData, little_endian=little_endian)


def table_of(descriptor: Sequence[int], data: bytes | Sequence[int] | int, *, little_endian: bool) -> LookupTable:
    """Table of a LUT Descriptor and LUT Data of VR US or OW; raises TypeError or ValueError when they do not fit.

    Entries of 8 bits are packed two to a word, or fill one each: their number tells (PS3.3 C.11.1.1).
    """
    written, first, bits = (int(value) for value in descriptor)
    count = written or 1 << 16
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data, np.uint16))
    if len(words) < count:
        words, bits = words.astype("<u2").view(np.uint8), min(bits, 8)
    if len(words) < count or not 1 <= bits <= 16:
        raise ValueError(f"{count} entries of {bits} bits, but {len(words)} bytes of them")
    return LookupTable(first, words[:count].astype(np.uint16), bits)


def is_little_endian(image: Dataset) -> bool:
    """Byte order of the OW values of a dataset, as pydicom leaves them."""
    if hasattr(image, "file_meta") and "TransferSyntaxUID" in image.file_meta:
        return bool(image.file_meta.TransferSyntaxUID.is_little_endian)
    return image.original_encoding[1] is not False
