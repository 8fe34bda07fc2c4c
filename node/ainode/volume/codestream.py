"""What a compressed frame says of itself, read before a decoder takes memory for it."""

import struct
from collections.abc import Iterator

from _CharLS import read_header
from openjpeg.utils import get_parameters
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes

from ainode.volume.frame_headers import changed_header

_SOT, _COM, _EOC = b"\xff\x90", b"\xff\x64", b"\xff\xd9"


def check_shapes(image: Dataset, syntax: UID) -> None:
    """Raise ValueError unless each JPEG 2000 or JPEG-LS frame has the rows, columns and samples of the header.

    Their decoders take memory as the frame says: one of 100 KB may claim 60000 x 60000 values. Frames of other
    transfer syntaxes cannot, or are checked as they are decoded.
    """
    if syntax not in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes):
        return
    expected = (image.Rows, image.Columns, image.SamplesPerPixel)
    for number, frame in enumerate(_frames(image), start=1):
        if (claimed := _shape(frame, syntax)) != expected:
            raise ValueError(f"frame {number} claims (rows, columns, samples) {claimed}, the header {expected}")


def _shape(frame: bytes, syntax: UID) -> tuple[int, int, int]:
    if syntax in JPEGLSTransferSyntaxes:
        header = read_header(frame)
        return header["height"], header["width"], header["components"]
    parameters = get_parameters(frame)
    return int(parameters["rows"]), int(parameters["columns"]), int(parameters["samples_per_pixel"])


def tidied(image: Dataset, syntax: UID) -> Dataset:
    """The image, or a copy of it whose JPEG 2000 frames end with their last tile, as OpenJPEG needs it.

    Kakadu fills frames up with a comment behind the last tile, where ISO/IEC 15444-1 A.4.2 has none. Raises
    struct.error when a frame ends within a tile header.
    """
    if syntax not in JPEG2000TransferSyntaxes:
        return image
    if all(_without_last_comment(frame) is frame for frame in _frames(image)):
        return image
    tidy = [_without_last_comment(frame) for frame in _frames(image)]
    whole = changed_header(image, {"ExtendedOffsetTable": None, "ExtendedOffsetTableLengths": None})
    whole["PixelData"] = DataElement(image["PixelData"].tag, "OB", encapsulate(tidy), is_undefined_length=True)
    return whole


def _frames(image: Dataset) -> Iterator[bytes]:
    offsets = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    return generate_frames(
        image.PixelData,
        number_of_frames=int(image.get("NumberOfFrames") or 1),
        extended_offsets=(image[offsets[0]].value, image[offsets[1]].value) if offsets[0] in image else None,
    )


def _without_last_comment(frame: bytes) -> bytes:
    """Without a comment (COM) between the last tile-part and the end of the codestream (EOC)."""
    place = frame.find(_SOT)
    while place >= 0 and frame[place : place + 2] == _SOT:
        length: int = struct.unpack_from(">I", frame, place + 6)[0]
        place = place + length if length else -1  # a length of 0: up to EOC, ISO/IEC 15444-1 A.4.2
    if place < 0 or frame[place : place + 2] != _COM:
        return frame
    end = place + 2 + int.from_bytes(frame[place + 2 : place + 4])
    return frame[:place] + _EOC if frame[end : end + 2] == _EOC else frame
