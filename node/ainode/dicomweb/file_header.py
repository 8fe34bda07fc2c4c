"""The header of a stored file as pydicom's data set, in bounded memory."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import BaseTag

from ainode.receive.byte_stream import ByteStream
from ainode.volume.elements import UNREADABLE
from ainode_models.errors import InstanceError

DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
"""Transfer syntaxes whose data set is deflated (PS3.5 A.5)."""
_LONGEST_INFLATED = 1 << 26
_LONGEST_VALUE = 1 << 20
"""Bytes of a value that is read with the header; longer ones only when they are asked for."""
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def file_meta(path: Path) -> FileMetaDataset:
    """File Meta Information of a file of the spool; InstanceError when it cannot be read."""
    try:
        return read_file_meta_info(path)
    except (*UNREADABLE, InvalidDicomError) as exc:
        raise InstanceError("a stored file has no File Meta Information; look for damage on the disk") from exc


def transfer_syntax(path: Path) -> str:
    """Transfer Syntax UID of a file of the spool."""
    return str(file_meta(path).get("TransferSyntaxUID", ""))


def file_header(path: Path) -> Dataset:
    """Everything before the pixel data; InstanceError when pydicom cannot read it."""
    with path.open("rb") as file:
        return read_to_pixels(file, transfer_syntax(path))


def read_to_pixels(file: BinaryIO, syntax: str) -> Dataset:
    """The same of an open file, which then stands at the pixel data unless it is deflated."""
    try:
        return (
            _inflated(file) if syntax in DEFLATED else dcmread(file, defer_size=_LONGEST_VALUE, stop_before_pixels=True)
        )
    except (*UNREADABLE, InvalidDicomError, RecursionError) as exc:
        raise InstanceError("the header of a stored file cannot be read; its sender should mend it") from exc


def value_length(header: Dataset, tag: int) -> int:
    """Bytes of a value as it was read, without reading one that was not; 0 for what was decoded since."""
    raw: object = header.get_item(tag, keep_deferred=True)
    if not isinstance(raw, RawDataElement):
        return 0
    return raw.length if raw.value is None else len(raw.value)


def is_left_out(header: Dataset, tag: int) -> bool:
    """Whether a value was too long to be read with the header."""
    return value_length(header, tag) > _LONGEST_VALUE


def inflate(file: BinaryIO, longest: int) -> bytes:
    """Up to ``longest`` bytes of the deflated data set of an open file; InstanceError when they are damaged."""
    file.seek(0)
    read_file_meta_info_of(file)
    return ByteStream.inflated(file).upto(longest)


def read_file_meta_info_of(file: BinaryIO) -> None:
    """Leave an open file at its data set."""
    file.seek(132)
    head = file.read(12)  # (0002,0000) UL 4: the group length (PS3.10 7.1)
    length = int.from_bytes(head[8:12], "little")
    file.seek(132 + 12 + length)


def _inflated(file: BinaryIO) -> Dataset:
    plain = BytesIO(inflate(file, _LONGEST_INFLATED))
    return read_dataset(plain, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in _PIXELS
