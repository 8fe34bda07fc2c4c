"""What the node must know of an object before it can be used: whole, and whose."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from ainode.receive.byte_stream import ByteStream
from ainode.receive.elements import ElementWalk
from ainode.receive.encoding import Encoding, is_vr
from ainode.receive.pixel_data import PIXEL_TAGS, check_pixel_data
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InstanceError

_MEDIA_INSTANCE, _TRANSFER_SYNTAX, _SOURCE = 0x00020003, 0x00020010, 0x00020016
_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_PATIENT_ID = 0x00100020
_NAMES = {
    _MEDIA_INSTANCE: "MediaStorageSOPInstanceUID (0002,0003)",
    _TRANSFER_SYNTAX: "TransferSyntaxUID (0002,0010)",
    _SOP_CLASS: "SOPClassUID (0008,0016)",
    _SOP_INSTANCE: "SOPInstanceUID (0008,0018)",
    _STUDY: "StudyInstanceUID (0020,000D)",
    _SERIES: "SeriesInstanceUID (0020,000E)",
}
_IDENTITY = (_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES)
_DEFLATED = (
    DeflatedExplicitVRLittleEndian,
    "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
)
_FILE_META = Encoding(implicit=False, little_endian=True)


@dataclass(frozen=True)
class Header:
    """UIDs of one whole object, each valid by PS3.5 9.1, and whose it is."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    patient: str
    """Digest of PatientID (0010,0020), so that no journal and no log holds the ID itself."""


def same_data_set(one: Path, other: Path) -> bool:
    """Whether two DICOM files differ in nothing but their heads, which name who sent and who wrote them."""
    with one.open("rb") as first, other.open("rb") as second:
        if _transfer_syntax(first) != _transfer_syntax(second):
            return False
        return hashlib.file_digest(first, "sha256").digest() == hashlib.file_digest(second, "sha256").digest()


@dataclass(frozen=True)
class FileMeta:
    """What the receiver wrote into the head of a file (PS3.10 7.1)."""

    sop_instance_uid: str
    """As announced in the C-STORE request."""
    transfer_syntax_uid: str
    source_ae_title: str
    """Empty when it was not recorded."""


def read_file_meta(path: Path) -> FileMeta:
    """File Meta Information of a DICOM file; InstanceError when it has none."""
    with path.open("rb") as file:
        return _file_meta(file)


def read_header(path: Path) -> Header:
    """Header of a DICOM file; InstanceError when it is no DICOM, truncated, or without its UIDs."""
    with path.open("rb") as file:
        syntax = _transfer_syntax(file)
        stream = ByteStream.inflated(file) if syntax in _DEFLATED else ByteStream.of_file(file)
        # Some writers announce one VR encoding and use the other: the first element tells (as pydicom does).
        implicit = not is_vr(stream.peek(6)[4:])
        encoding = Encoding(implicit, little_endian=syntax != ExplicitVRBigEndian)
        elements = ElementWalk(stream, encoding).collect({*_IDENTITY, _PATIENT_ID, *PIXEL_TAGS})
    values = {tag: element.value for tag, element in elements.items()}
    patient = hashlib.sha256(values.get(_PATIENT_ID, b"").strip(b"\0 ")).hexdigest()
    sop_class, sop_instance, study, series = (_uid(values, tag) for tag in _IDENTITY)
    header = Header(sop_class, sop_instance, study, series, patient)
    check_pixel_data(elements, encoding, sop_class_uid=header.sop_class_uid)
    return header


def _transfer_syntax(file: BinaryIO) -> str:
    """Transfer syntax of the File Meta Information (PS3.10 7.1); leaves ``file`` at the data set."""
    return _uid(_meta_values(file), _TRANSFER_SYNTAX)


def _file_meta(file: BinaryIO) -> FileMeta:
    # No further than what we wrote: a data set may begin with elements of the same group, and speak for another.
    values = _meta_values(file, to_its_end=False)
    source = values.get(_SOURCE, b"").decode("ascii", "replace").strip()
    return FileMeta(_uid(values, _MEDIA_INSTANCE), _uid(values, _TRANSFER_SYNTAX), source)


def _meta_values(file: BinaryIO, *, to_its_end: bool = True) -> dict[int, bytes]:
    stream = ByteStream.of_file(file)
    if stream.upto(132)[128:] != b"DICM":
        raise InstanceError("no DICOM file: the prefix DICM is not there (PS3.10 7.1); send a DICOM object")
    wanted = {_MEDIA_INSTANCE, _TRANSFER_SYNTAX, _SOURCE}
    found = ElementWalk(stream, _FILE_META).collect_group(0x0002, wanted, to_its_end=to_its_end)
    file.seek(stream.tell())
    return {tag: element.value for tag, element in found.items()}


def _uid(values: dict[int, bytes], tag: int) -> str:
    text = values.get(tag, b"").decode("ascii", "replace").rstrip("\0 ")
    if not text:
        raise InstanceError(f"{_NAMES[tag]} is missing; send the whole object")
    if not is_valid_uid(text):
        raise InstanceError(f"{_NAMES[tag]} is no valid UID (PS3.5 9.1); mend it at the sender")
    return text
