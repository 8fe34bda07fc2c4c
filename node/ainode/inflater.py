"""Deflated data sets (PS3.5 A.5), inflated piece by piece and not without end."""

import io
import zlib
from typing import BinaryIO

from ainode_models.errors import InstanceError

MOST_INFLATED = 512 << 20
"""Bytes that a data set may inflate to: a thousand CT slices. A bomb of some megabytes would fill the memory."""

_BLOCK = 1 << 16


class Inflater(io.RawIOBase):
    """The rest of an open file, inflated; InstanceError when it is damaged, cut short or inflates to too much."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._left = MOST_INFLATED

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The next bytes, at most as many as ``buffer`` holds."""
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(_BLOCK)
            plain = self._inflate(packed, len(buffer))
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if not packed:
                raise InstanceError("truncated: the deflated data set has no end; send the object again")
        return 0

    def _inflate(self, packed: bytes, limit: int) -> bytes:
        try:
            plain = self._inflater.decompress(packed, limit)
        except zlib.error as exc:
            raise InstanceError("the deflated data set cannot be inflated; send the object again") from exc
        self._left -= len(plain)
        if self._left < 0:
            raise InstanceError(
                f"the deflated data set inflates to more than {MOST_INFLATED >> 20} MiB; send it without deflation"
            )
        return plain
