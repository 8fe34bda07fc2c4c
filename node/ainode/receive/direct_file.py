"""Files written past the page cache, so that receiving is as fast when memory is full of other things."""

import errno
import fcntl
import mmap
import os
from collections import deque
from contextlib import suppress
from pathlib import Path

_BLOCK = 4096
"""Bytes; every length and address of direct I/O is a multiple of the device's block, which is at most this."""
_BUFFER = 1 << 20
"""Bytes gathered for one write. While it is written, the kernel's socket buffer takes what the peer sends."""


class Buffers:
    """Page-aligned memory that is used again, for a fresh page costs as much as writing it; thread-safe."""

    def __init__(self) -> None:
        self._free: deque[mmap.mmap] = deque(maxlen=16)

    def take(self) -> mmap.mmap:
        """A buffer of 1 MiB, with any content."""
        try:
            return self._free.pop()
        except IndexError:
            return mmap.mmap(-1, _BUFFER)

    def give(self, buffer: mmap.mmap) -> None:
        """Return a buffer that nobody uses any more."""
        self._free.append(buffer)


class DirectFile:
    """A new file that grows at its end. See open(2), O_DIRECT; where the file system has none, the cache is used."""

    def __init__(self, path: Path, buffers: Buffers) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._direct(True)
        self._buffers = buffers
        self._buffer = buffers.take()
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._written = 0

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; OSError when the disk does not take them."""
        done = 0
        while done < len(chunk):
            count = min(_BUFFER - self._filled, len(chunk) - done)
            self._view[self._filled : self._filled + count] = chunk[done : done + count]
            self._filled += count
            done += count
            if self._filled == _BUFFER:
                self._put(_BUFFER)
                self._filled = 0

    def flush(self) -> int:
        """Give the rest to the disk, after which nothing may be written any more; the length of the file in bytes."""
        whole = -(-self._filled // _BLOCK) * _BLOCK
        length = self._written + self._filled
        if whole:
            self._put(whole)
            os.ftruncate(self.descriptor, length)
        self._filled = 0
        return length

    def close(self) -> None:
        """Close the file, whatever is in it."""
        os.close(self.descriptor)
        self._view.release()
        self._buffers.give(self._buffer)

    def _put(self, length: int) -> None:
        done = 0
        while done < length:
            try:
                done += os.write(self.descriptor, self._view[done:length])
            except OSError as exc:
                # A file system that takes the flag and not the length, or a nearly full disk that took an odd part.
                if exc.errno != errno.EINVAL or not self._is_direct:
                    raise
                self._direct(False)
        self._written += length

    @property
    def _is_direct(self) -> bool:
        return bool(fcntl.fcntl(self.descriptor, fcntl.F_GETFL) & os.O_DIRECT)

    def _direct(self, wanted: bool) -> None:
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        with suppress(OSError):
            fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT)
