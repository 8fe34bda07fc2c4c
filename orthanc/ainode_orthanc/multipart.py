"""Multipart messages (RFC 2046, PS3.18 8.6.1.2) as they come off the wire, in bounded memory."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from uuid import uuid4

from ainode_models.errors import PeerRefused, PeerUnreachable

_MAX_HEADERS = 64 * 1024
_READ_BYTES = 256 * 1024
_END_OF_HEADERS = b"\r\n\r\n"


def boundary_of(content_type: str) -> bytes:
    """The boundary parameter of a multipart media type; PeerRefused when there is none."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not boundary:
        raise PeerRefused(f"the archive answered {content_type!r} where multipart/related is due")
    return boundary.encode("latin-1")


class _Source:
    """Bytes still to be read: what is buffered, then what the wire brings."""

    def __init__(self, chunks: Iterable[bytes], start: bytes) -> None:
        self._chunks = iter(chunks)
        self.buffer = start

    def more(self, doing: str) -> None:
        """Append the next chunk to the buffer; PeerUnreachable at the end of the stream."""
        try:
            self.buffer += next(self._chunks)
        except StopIteration:
            raise PeerUnreachable(f"the archive's answer ended in the middle of {doing}") from None

    def drain(self) -> None:
        """Read to the end of the stream, so that its connection may serve again."""
        for _ in self._chunks:
            pass

    def until(self, mark: bytes, doing: str) -> Iterator[bytes]:
        """The bytes before ``mark``, in pieces; afterwards the buffer starts behind ``mark``."""
        keep = len(mark) - 1
        while (at := self.buffer.find(mark)) < 0:
            ready = len(self.buffer) - keep
            if ready > 0:
                piece, self.buffer = self.buffer[:ready], self.buffer[ready:]
                yield piece
            self.more(doing)
        piece, self.buffer = self.buffer[:at], self.buffer[at + len(mark) :]
        if piece:
            yield piece


class Part:
    """One part of a multipart answer: iterate over it for its bytes, before the next part is asked for.

    PeerUnreachable in the middle of that means that the stream broke: what was read is to be thrown away.
    """

    def __init__(self, headers: Mapping[str, str], chunks: Iterator[bytes]) -> None:
        self.headers = headers
        """Header fields of the part, names in lower case."""
        self._chunks: Iterator[bytes] | None = chunks

    def __iter__(self) -> Iterator[bytes]:
        # A list of parts would else look like a list of empty files.
        if self._chunks is None:
            raise RuntimeError("this part of the stream has gone by: read each part before the next one")
        return self._chunks

    def skip(self) -> None:
        """Let the rest of the part go by."""
        for _ in self:
            pass
        self._chunks = None


def read_parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Part]:
    """Yield the parts of a multipart stream one after the other, each before the next one is asked for.

    PeerUnreachable when the stream ends before the closing boundary, PeerRefused when it is not multipart.
    """
    mark = b"\r\n--" + boundary
    source = _Source(chunks, start=b"\r\n")  # The first boundary may have no line before it.
    for _ in source.until(mark, "the preamble"):
        pass
    number = 0
    while not _closed(source):
        number += 1
        headers = _headers(source)
        part = Part(headers, source.until(mark, f"part {number}"))
        yield part
        part.skip()
    source.drain()


def _closed(source: _Source) -> bool:
    while len(source.buffer) < 2:
        source.more("a boundary")
    return source.buffer.startswith(b"--")


def _headers(source: _Source) -> dict[str, str]:
    while (end := source.buffer.find(_END_OF_HEADERS)) < 0:
        if len(source.buffer) > _MAX_HEADERS:
            raise PeerRefused("the archive's multipart answer has a part without an end of its header")
        source.more("the header of a part")
    block, source.buffer = source.buffer[:end], source.buffer[end + len(_END_OF_HEADERS) :]
    padding, *lines = block.decode("latin-1").split("\r\n")
    if padding.strip(" \t"):
        raise PeerRefused("the archive's multipart answer has text behind a boundary")
    fields = (re.split(r":\s*", line, maxsplit=1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in fields}


@dataclass(frozen=True)
class FileParts:
    """A multipart/related body of DICOM files, read from disk while it is sent (PS3.18 10.5.1)."""

    paths: tuple[Path, ...]
    boundary: str = field(default_factory=lambda: uuid4().hex)
    """Random by default, so that no file can hold it on purpose."""

    @property
    def headers(self) -> dict[str, str]:
        """Content-Type and the exact Content-Length, which some archives need."""
        size = sum(len(self._head) + path.stat().st_size + len(b"\r\n") for path in self.paths)
        return {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={self.boundary}',
            "Content-Length": str(size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        for path in self.paths:
            yield self._head
            with path.open("rb") as file:
                while piece := file.read(_READ_BYTES):
                    yield piece
            yield b"\r\n"
        yield self._tail

    @property
    def _head(self) -> bytes:
        return f"--{self.boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")

    @property
    def _tail(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode("ascii")
