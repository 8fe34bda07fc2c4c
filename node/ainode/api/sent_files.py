"""The files of a multipart/form-data request (RFC 7578), on disk as they come, within bounds."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path

from ainode.api.file_kind import FileKind, file_kind
from ainode.dicomweb.media import media_range
from ainode.dicomweb.problem import WebProblem
from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.multipart import Part, read_parts

_MOST_PARTS = 20_000
_LONGEST_TEXT = 64 * 1024
_KIND = "multipart/form-data"


@dataclass(frozen=True)
class SentFile:
    """One file."""

    field: str
    """Name of its field."""
    name: str
    """As its sender calls it: only ever compared, never used as a path, nor written anywhere."""
    path: Path
    kind: FileKind
    sha256: str
    """Of what was sent: of the zip, for a file out of one."""


@dataclass(frozen=True)
class SentFiles:
    """The files of one request."""

    files: tuple[SentFile, ...]
    texts: tuple[str, ...]
    """Names of the fields that hold no file."""


@dataclass
class _Allowance:
    """Bytes of a body that may still come."""

    left: int
    limit: int

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks; WebProblem 413 when they are too many bytes."""
        for chunk in chunks:
            self.left -= len(chunk)
            if self.left < 0:
                raise WebProblem(413, f"the body is longer than {self.limit} bytes, which [api] max_upload allows")
            yield chunk


def boundary_of(content_type: str) -> bytes:
    """Boundary of the body; WebProblem 415 unless it is a form, 400 when there is none."""
    given = media_range(content_type)
    if given.kind != _KIND:
        raise WebProblem(415, f"files are sent as {_KIND}, in a field called image")
    boundary = given.parameters.get("boundary", "")
    if not boundary:
        raise WebProblem(400, "Content-Type names no boundary")
    return boundary.encode("latin-1", "replace")


def receive_files(chunks: Iterator[bytes], boundary: bytes, folder: Path, *, longest: int) -> SentFiles:
    """Write the files of a body to ``folder``; WebProblem says what is wrong, 507 when the disk takes no more."""
    files: list[SentFile] = []
    texts: list[str] = []
    try:
        for number, part in enumerate(read_parts(_Allowance(longest, longest).watch(chunks), boundary), 1):
            if number > _MOST_PARTS:
                raise WebProblem(413, f"more than {_MOST_PARTS} files; send a zip")
            field, name = _names(part)
            if name is None:
                texts.append(field)
                _skip_text(part)
            else:
                files.append(_written(part, field, name, folder / f"{number:05}"))
    except (PeerRefused, PeerUnreachable) as exc:
        raise WebProblem(400, "the body is no complete form of its boundary; send it again") from exc
    except OSError as exc:
        raise WebProblem(507, f"the disk does not take the body: {exc.strerror}") from exc
    if not files:
        raise WebProblem(400, "the form has no file; send one in a field called image")
    return SentFiles(tuple(files), tuple(texts))


def _names(part: Part) -> tuple[str, str | None]:
    """Names of the field and of the file; None for a field without a file."""
    message = Message()
    message["Content-Disposition"] = part.headers.get("content-disposition", "")
    field, name = (message.get_param(key, header="content-disposition") for key in ("name", "filename"))
    if not isinstance(field, str):
        raise WebProblem(400, "a part of the form has no name (RFC 7578 4.2)")
    return field, None if name is None else collapse_rfc2231_value(name)


def _skip_text(part: Part) -> None:
    """Options of other services are read past, but not without end."""
    size = 0
    for piece in part:
        size += len(piece)
        if size > _LONGEST_TEXT:
            raise WebProblem(413, "a field of the form that is no file is too long; give files a filename")


def _written(part: Part, field: str, name: str, path: Path) -> SentFile:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in part:
            digest.update(piece)
            file.write(piece)
    said = media_range(part.headers.get("content-type", "")).kind
    return SentFile(field, name, path, file_kind(path, said), digest.hexdigest())
