"""What a file that a client sent is, by its own bytes, and whether that agrees with what the client says."""

import zlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from ainode.dicomweb.problem import WebProblem

_HEAD_BYTES = 352
"""Of the longest head that tells a kind: that of NIfTI-1."""
_GZIP = b"\x1f\x8b"
_GENERAL = ("", "application/octet-stream", "binary/octet-stream")


class FileKind(StrEnum):
    """The kinds that are taken."""

    NIFTI = "NIfTI"
    DICOM = "DICOM"
    ZIP = "zip"
    PNG = "PNG"
    JPEG = "JPEG"


MEDIA_TYPES: Mapping[FileKind, tuple[str, ...]] = MappingProxyType(
    {
        FileKind.NIFTI: (
            *("application/x-nifti", "application/nifti", "image/x-nifti", "image/nifti"),
            *("application/gzip", "application/x-gzip"),
        ),
        FileKind.DICOM: ("application/dicom",),
        FileKind.ZIP: ("application/zip", "application/x-zip-compressed"),
        FileKind.PNG: ("image/png",),
        FileKind.JPEG: ("image/jpeg", "image/jpg", "image/pjpeg"),
    }
)
"""What a client may call each; it may also say nothing, or ``application/octet-stream``."""


def file_kind(path: Path, said: str) -> FileKind:
    """Kind of the file; WebProblem 415 when it is none of them, or not the media type that the client says."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    kind = _kind(head)
    if kind is None:
        raise WebProblem(415, f"a file is none of {', '.join(FileKind)}; send one of these")
    if said not in _GENERAL and said not in MEDIA_TYPES[kind]:
        raise WebProblem(415, f"a file is {kind}, but its Content-Type says otherwise; correct or omit that")
    return kind


def packed_kind(start: bytes) -> FileKind | None:
    """Kind of a file within a zip that begins so: what is gzipped there is looked into."""
    kind = _kind(start)
    if not start.startswith(_GZIP):
        return kind
    try:
        head = zlib.decompressobj(wbits=31).decompress(start, _HEAD_BYTES)
    except zlib.error:
        return None
    return kind if _kind(head) is kind else None


def _kind(head: bytes) -> FileKind | None:
    if head[128:132] == b"DICM":
        return FileKind.DICOM
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return FileKind.NIFTI
    starts = {_GZIP: FileKind.NIFTI, b"PK\x03\x04": FileKind.ZIP, b"PK\x05\x06": FileKind.ZIP}
    starts |= {b"\x89PNG\r\n\x1a\n": FileKind.PNG, b"\xff\xd8\xff": FileKind.JPEG}
    return next((kind for start, kind in starts.items() if head.startswith(start)), None)
