"""The files in a zip, read one after the other within bounds; names in it are never used as paths."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ainode.dicomweb.problem import WebProblem
from ainode_models.errors import InstanceError

_READ_BYTES = 256 * 1024
_LONGEST_DIRECTORY = 32 << 20
"""Bytes of the central directory, all of which is read: some 300,000 files."""
_RATIO = 100
_ALWAYS_ALLOWED = 1 << 30
"""Together at most so many bytes, or so many times those of the zip, whichever is more: a bomb ends there."""
_END = b"PK\x05\x06"
_LOCATOR_64, _END_64 = b"PK\x06\x07", b"PK\x06\x06"


@dataclass(frozen=True)
class Member:
    """One file of a zip."""

    name: str
    content: Iterator[bytes] | str
    """Its bytes, to be read before the next member, or why it is skipped."""


def no_dicom(start: bytes) -> str | None:
    """Why a file that begins so is skipped; None for DICOM."""
    return None if start[128:132] == b"DICM" else "no DICOM file"


def read_members(path: Path, *, skip: Callable[[bytes], str | None] = no_dicom) -> Iterator[Member]:
    """Each file of the zip, ``skip`` saying why one that begins so is not wanted; WebProblem 400 when it is no zip."""
    with path.open("rb") as file:
        _check_directory(file)
        try:
            archive = ZipFile(file)
        except (BadZipFile, ValueError, OverflowError, struct.error, NotImplementedError) as exc:
            raise WebProblem(400, "the body is no zip file, or a damaged one; send it again") from exc
        with archive:
            budget = _Budget(max(_ALWAYS_ALLOWED, _RATIO * path.stat().st_size))
            for info in archive.infolist():
                if not info.is_dir():
                    yield _member(archive, info, budget, skip=skip)


class _Budget:
    """Bytes that may still come out of a zip."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, count: int) -> None:
        """Count bytes; WebProblem 413 when there are too many."""
        self._left -= count
        if self._left < 0:
            raise WebProblem(413, "the zip holds far more bytes than it has; send its files in several zips")


def _member(archive: ZipFile, info: ZipInfo, budget: _Budget, *, skip: Callable[[bytes], str | None]) -> Member:
    name = info.filename
    if info.flag_bits & 1:
        return Member(name, "encrypted")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return Member(name, "compressed otherwise than by deflate")
    if name.rpartition("/")[2].upper() == "DICOMDIR":
        return Member(name, "a directory of DICOM files, not one of them")
    content = _content(archive, info, budget)
    try:
        start = next(content, b"")
    except InstanceError as exc:
        return Member(name, str(exc))
    if reason := skip(start):
        return Member(name, reason)
    return Member(name, _again(start, content))


def _again(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _content(archive: ZipFile, info: ZipInfo, budget: _Budget) -> Iterator[bytes]:
    """Bytes of one file; InstanceError when they are damaged."""
    try:
        with archive.open(info) as file:
            while piece := file.read(_READ_BYTES):
                budget.spend(len(piece))
                yield piece
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error, zlib.error) as exc:
        raise InstanceError("damaged in the zip; make the zip again") from exc


def _check_directory(file: BinaryIO) -> None:
    """WebProblem 413 when the central directory is too long to be read."""
    size = file.seek(0, 2)
    start = max(0, size - (1 << 16) - 100)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or end + 22 > len(tail):
        raise WebProblem(400, "the body is no zip file, or a damaged one; send it again")
    (length,) = struct.unpack_from("<L", tail, end + 12)
    if end >= 76 and tail[end - 20 : end - 16] == _LOCATOR_64 and tail[end - 76 : end - 72] == _END_64:
        (length,) = struct.unpack_from("<Q", tail, end - 76 + 40)
    if length > _LONGEST_DIRECTORY:
        raise WebProblem(413, "the zip has too many files; send several zips")
