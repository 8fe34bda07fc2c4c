"""Reading a data set forwards, from a file or out of a deflated one, and noticing where it ends too early."""

import io
import os
from typing import BinaryIO, cast

from ainode.inflater import Inflater
from ainode_models.errors import InstanceError

_BLOCK = 1 << 16


class ByteStream:
    """Bytes in order; a value can be passed over without being read when its file can seek."""

    def __init__(self, raw: io.BufferedReader, size: int | None) -> None:
        self._raw = raw
        self._size = size
        self._unread = b""

    @classmethod
    def of_file(cls, file: BinaryIO) -> "ByteStream":
        """The rest of an open file."""
        return cls(cast(io.BufferedReader, file), os.fstat(file.fileno()).st_size)

    @classmethod
    def inflated(cls, file: BinaryIO) -> "ByteStream":
        """The rest of an open file, deflated as PS3.5 A.5 says."""
        return cls(io.BufferedReader(Inflater(file), _BLOCK), None)

    def peek(self, count: int) -> bytes:
        """Up to ``count`` next bytes, which stay unread."""
        self._unread = self.upto(count)
        return self._unread

    def upto(self, count: int) -> bytes:
        """The next ``count`` bytes, or fewer where the data end."""
        found = self._unread[:count]
        self._unread = self._unread[count:]
        return found + self._raw.read(count - len(found))

    def tell(self) -> int:
        """Position of the next byte in the file."""
        return self._raw.tell() - len(self._unread)

    def exactly(self, count: int, what: str) -> bytes:
        """The next ``count`` bytes; InstanceError, which names ``what``, when they are not there."""
        found = self.upto(count)
        if len(found) < count:
            raise _cut_short(what, len(found), count)
        return found

    def skip(self, count: int, what: str) -> None:
        """Pass over ``count`` bytes; InstanceError, which names ``what``, when they are not there."""
        left = count - self._jump(count)
        while left:
            found = len(self.upto(min(left, _BLOCK)))
            if not found:
                raise _cut_short(what, count - left, count)
            left -= found

    def _jump(self, count: int) -> int:
        """Seek over as many of ``count`` bytes as the file has; the number."""
        if self._size is None:
            return 0
        start = self.tell()
        there = max(0, min(count, self._size - start))
        self._unread = b""
        self._raw.seek(start + there)
        return there


def _cut_short(what: str, found: int, wanted: int) -> InstanceError:
    return InstanceError(
        f"truncated: the data end inside {what}, after {found} of {wanted} bytes; send the object again"
    )
