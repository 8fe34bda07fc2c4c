"""Frames of a stored image as they are stored (PS3.18 8.7.3.3, 8.7.3.4)."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ainode.dicomweb.file_header import DEFLATED, inflate, read_to_pixels, transfer_syntax
from ainode.dicomweb.problem import WebProblem
from ainode.volume.elements import UNREADABLE
from ainode_models.errors import InstanceError

OCTETS = "application/octet-stream"
PIXEL_TAGS = {0x7FE00008: "OF", 0x7FE00009: "OD", 0x7FE00010: "OW"}
"""Float Pixel Data, Double Float Pixel Data and Pixel Data, and their VR."""
MEDIA = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **dict.fromkeys((f"1.2.840.10008.1.2.4.10{end}" for end in ("0", "0.1", "1", "1.1")), "video/mpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.10{number}{end}" for number in "23456" for end in ("", ".1")), "video/mp4"),
}
"""Transfer syntax -> media type of its frames (PS3.18 Tables 8.7.3-2 to 8.7.3-5)."""
_LONGEST = 1 << 30
"""Bytes of a deflated data set, or of one frame, that are handled at once."""


@dataclass(frozen=True)
class StoredFrames:
    """The frames of one image."""

    path: Path
    header: Dataset
    syntax: str
    start: int
    """Of the value of the pixel data in the file, or in the inflated data set."""
    encapsulated: bool

    @classmethod
    def of(cls, path: Path) -> "StoredFrames":
        """Frames of a file; WebProblem 404 when it holds no pixels, InstanceError when its header is damaged."""
        syntax = transfer_syntax(path)
        with path.open("rb") as file:
            header = read_to_pixels(file, syntax)
            start, encapsulated = (-1, False) if syntax in DEFLATED else _value(file, syntax)
        if "Rows" not in header or "BitsAllocated" not in header or (start < 0 and syntax not in DEFLATED):
            raise WebProblem(404, "this instance has no frames")
        return cls(path, header, syntax, start, encapsulated)

    @property
    def media_type(self) -> str:
        """Media type of each frame."""
        return MEDIA.get(self.syntax, OCTETS) if self.encapsulated else OCTETS

    @property
    def wire_syntax(self) -> str:
        """Transfer syntax that the frames are in when sent: native ones in little endian."""
        return self.syntax if self.encapsulated else str(ExplicitVRLittleEndian)

    @property
    def count(self) -> int:
        """Number of frames."""
        text = str(self.header.get("NumberOfFrames") or "1")
        return int(text) if text.isascii() and text.isdigit() else 1

    def frame(self, number: int) -> bytes:
        """Frame ``number``, from 1 on; InstanceError when it is cut short or damaged."""
        try:
            found = self._encapsulated(number) if self.encapsulated else self._native(number)
        except (*UNREADABLE, StopIteration) as exc:
            raise InstanceError("a frame of a stored image is damaged or cut short") from exc
        return found

    def _encapsulated(self, number: int) -> bytes:
        offsets = self.header.get("ExtendedOffsetTable"), self.header.get("ExtendedOffsetTableLengths")
        table = (offsets[0], offsets[1]) if offsets[0] and offsets[1] else None
        with self.path.open("rb") as file:
            file.seek(self.start)
            return get_frame(file, number - 1, extended_offsets=table, number_of_frames=self.count)

    def _native(self, number: int) -> bytes:
        bits = self._frame_bits
        first = (number - 1) * bits
        raw = self._octets(first // 8, (first + bits + 7) // 8)
        if self.header.BitsAllocated == 1 and (first % 8 or bits % 8):
            sliced = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[first % 8 :][:bits]
            raw = np.packbits(sliced, bitorder="little").tobytes()
        width = self.header.BitsAllocated // 8
        if self.syntax == ExplicitVRBigEndian and width > 1:
            raw = np.frombuffer(raw, f">u{width}").astype(f"<u{width}").tobytes()
        return raw

    @property
    def _frame_bits(self) -> int:
        """Bits of one frame, uncompressed; chrominance may have half the horizontal rate (PS3.3 C.7.6.3.1.2)."""
        header = self.header
        bits = int(header.Rows * header.Columns * header.get("SamplesPerPixel", 1) * header.BitsAllocated)
        return bits * 2 // 3 if str(header.get("PhotometricInterpretation", "")).endswith("_422") else bits

    def _octets(self, first: int, last: int) -> bytes:
        if last - first > _LONGEST:
            raise InstanceError("a frame is larger than this server sends; retrieve the instance")
        with self.path.open("rb") as file:
            if self.syntax in DEFLATED:
                found = _inflated_pixels(inflate(file, _LONGEST))[first:last]
            else:
                file.seek(self.start + first)
                found = file.read(last - first)
        if len(found) < last - first:
            raise InstanceError("the pixel data of a stored image are cut short")
        return found


def pixel_tag(file: BinaryIO, syntax: str) -> int | None:
    """Tag of the pixel data that follow where ``read_to_pixels`` left an open file; None when it is at its end."""
    tag = _tag(file.read(4), big=syntax == ExplicitVRBigEndian)
    return tag if tag in PIXEL_TAGS else None


def _tag(head: bytes, *, big: bool) -> int:
    group, element = struct.unpack(">HH" if big else "<HH", head) if len(head) == 4 else (0, 0)
    return int(group << 16 | element)


def _value(file: BinaryIO, syntax: str) -> tuple[int, bool]:
    """Where the value of the element at hand begins, -1 for another than pixel data; whether it is encapsulated."""
    head = file.read(12)
    if len(head) < 12 or _tag(head[:4], big=syntax == ExplicitVRBigEndian) not in PIXEL_TAGS:
        return -1, False
    explicit = head[4:6].isalpha() and syntax != ImplicitVRLittleEndian
    length = head[8:12] if explicit else head[4:8]
    return file.tell() - (0 if explicit else 4), length == b"\xff\xff\xff\xff" and UID(syntax).is_compressed


def _inflated_pixels(plain: bytes) -> bytes:
    """Value of the pixel data at the end of a data set in Explicit VR Little Endian."""
    for vr in (b"OW", b"OB"):
        at = plain.rfind(b"\xe0\x7f\x10\x00" + vr + b"\0\0")
        if at >= 0:
            return plain[at + 12 :]
    raise InstanceError("this instance has no pixel data")
