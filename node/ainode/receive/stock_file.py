"""One file of the stock: full of its own pattern, then an object and, right behind it, a mark.

All of it is one durable write. A disk that loses power within that write may keep any part of it, and the pattern shows
in every sector that it did not keep: nobody can guess it, so no object holds it.
"""

import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from ainode.receive.direct_file import BLOCK, BUFFER, open_direct, write_at

SIZE = BUFFER
"""Bytes of the file."""
ROOM = SIZE - BLOCK
"""Bytes of the longest object, in whole blocks."""

_SECTOR = 512
"""Bytes that a disk writes wholly or not at all."""
_LAYOUT = struct.Struct("<16sQQ16sI")  # magic, length, arrival, name of the file, CRC-32 of all before
_MAGIC = b"ainode object 1\0"


@dataclass(frozen=True)
class Mark:
    """What stands behind an object."""

    length: int
    """Of the object, bytes."""
    arrived: int
    """When it came, ns since 1970."""


def make(path: Path, buffer: mmap.mmap) -> None:
    """A new file that holds nothing but its pattern, durable but for its name; ``buffer`` is overwritten."""
    buffer[:] = _pattern(path.stem, SIZE)
    descriptor = open_direct(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_at(descriptor, memoryview(buffer), 0)
        os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def fill(descriptor: int, name: str, buffer: memoryview, mark: Mark) -> None:
    """Write the object at the start of ``buffer``, and its mark; the descriptor is one of ``O_DSYNC``."""
    end = _blocks(mark.length)
    said = _LAYOUT.pack(_MAGIC, mark.length, mark.arrived, bytes.fromhex(name), 0)[:-4]
    buffer[end : end + _LAYOUT.size] = said + struct.pack("<I", zlib.crc32(said))
    write_at(descriptor, buffer[: end + BLOCK], 0)


def is_unused(path: Path, buffer: mmap.mmap) -> bool:
    """Whether nothing was ever written over the pattern; ``buffer`` is overwritten."""
    descriptor = open_direct(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [buffer], 0) == SIZE and buffer[:] == _pattern(path.stem, SIZE)
    finally:
        os.close(descriptor)


def is_begun(path: Path) -> bool:
    """Whether something was written at the start of the file: where nothing was, there is no whole object."""
    with path.open("rb") as file:
        return file.read(_SECTOR) != _pattern(path.stem, _SECTOR)


def whole_object(path: Path) -> Mark | None:
    """The mark of an object of which every sector is there."""
    content, sector = path.read_bytes(), _pattern(path.stem, _SECTOR)
    mark = _find_mark(content, path.stem)
    if mark and all(content[at : at + _SECTOR] != sector for at in range(0, _blocks(mark.length), _SECTOR)):
        return mark
    return None


def trim(path: Path, name: str) -> None:
    """Cut a file to the object in it, if it was the file ``name`` of the stock; any other stays as it is."""
    if path.stat().st_size == SIZE and (mark := _find_mark(path.read_bytes(), name)):
        os.truncate(path, mark.length)


def _find_mark(content: bytes, name: str) -> Mark | None:
    """The last block in which the pattern does not show, if it is a mark."""
    pattern = _pattern(name, BLOCK)
    for at in range(len(content) - BLOCK, -1, -BLOCK):
        if content[at : at + BLOCK] != pattern:
            return _read_mark(content[at : at + _LAYOUT.size], name, at)
    return None


def _read_mark(said: bytes, name: str, at: int) -> Mark | None:
    magic, length, arrived, marked, checksum = _LAYOUT.unpack(said)
    holds = (magic, marked.hex(), zlib.crc32(said[:-4])) == (_MAGIC, name, checksum)
    return Mark(length, arrived) if holds and _blocks(length) == at else None


def _blocks(length: int) -> int:
    """Bytes in whole blocks."""
    return -(-length // BLOCK) * BLOCK


def _pattern(name: str, length: int) -> bytes:
    pattern = bytes.fromhex(name)
    return pattern * (length // len(pattern))
