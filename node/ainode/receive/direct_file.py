"""Files written past the page cache, so that receiving is as fast when memory is full of other things."""

import errno
import fcntl
import mmap
import os
from collections import deque
from pathlib import Path

BLOCK = 4096
"""Bytes; every length and address of direct I/O is a multiple of the device's block, which is at most this."""
BUFFER = 1 << 20
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
            return mmap.mmap(-1, BUFFER)

    def give(self, buffer: mmap.mmap) -> None:
        """Return a buffer that nobody uses any more."""
        self._free.append(buffer)


def open_direct(path: Path, flags: int) -> int:
    """Descriptor of a file. See open(2), O_DIRECT; where the file system has none, the cache is used."""
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        return os.open(path, flags & ~os.O_EXCL, 0o600)  # which the first try may have made


def write_at(descriptor: int, blocks: memoryview, at: int) -> None:
    """Write whole blocks at an offset; OSError when the disk does not take them."""
    done = 0
    while done < len(blocks):
        try:
            done += os.pwrite(descriptor, blocks[done:], at + done)
        except OSError as exc:
            # A file system that takes the flag and not the length, or a nearly full disk that took an odd part.
            if exc.errno != errno.EINVAL or not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
                raise
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)


class DirectFile:
    """A new file that grows at its end, and is made when there is more than a buffer holds, or at the flush."""

    def __init__(self, path: Path, buffers: Buffers) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._buffers = buffers
        self._buffer = buffers.take()
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._written = 0

    @property
    def gathered(self) -> tuple[memoryview, int] | None:
        """The buffer, all of it, and how many bytes in it count; None once a file was made."""
        return (self._view, self._filled) if self._descriptor is None else None

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; OSError when the disk does not take them."""
        done = 0
        while done < len(chunk):
            count = min(BUFFER - self._filled, len(chunk) - done)
            self._view[self._filled : self._filled + count] = chunk[done : done + count]
            self._filled += count
            done += count
            if self._filled == BUFFER:
                self._put(BUFFER)
                self._filled = 0

    def flush(self) -> int:
        """Give the rest to the disk, after which nothing may be written any more; the length of the file in bytes."""
        whole = -(-self._filled // BLOCK) * BLOCK
        length = self._written + self._filled
        self._put(whole)
        if whole != self._filled:
            os.ftruncate(self._made(), length)
        self._filled = 0
        return length

    def sync(self) -> None:
        """Make what was flushed durable."""
        os.fsync(self._made())

    def close(self) -> None:
        """Close the file, whatever is in it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._view.release()
        self._buffers.give(self._buffer)

    def _put(self, length: int) -> None:
        write_at(self._made(), self._view[:length], self._written)
        self._written += length

    def _made(self) -> int:
        if self._descriptor is None:
            self._descriptor = open_direct(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        return self._descriptor
