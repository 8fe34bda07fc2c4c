"""What a compressed frame says of itself, read before a decoder takes memory for it."""

from _CharLS import read_header
from openjpeg.utils import get_parameters
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes


def check_shapes(image: Dataset, syntax: UID) -> None:
    """Raise ValueError unless each JPEG 2000 or JPEG-LS frame has the rows, columns and samples of the header.

    Their decoders take memory as the frame says: one of 100 KB may claim 60000 x 60000 values. Frames of other
    transfer syntaxes cannot, or are checked as they are decoded.
    """
    if syntax not in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes):
        return
    offsets = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    frames = generate_frames(
        image.PixelData,
        number_of_frames=int(image.get("NumberOfFrames") or 1),
        extended_offsets=(image[offsets[0]].value, image[offsets[1]].value) if offsets[0] in image else None,
    )
    expected = (image.Rows, image.Columns, image.SamplesPerPixel)
    for number, frame in enumerate(frames, start=1):
        if (claimed := _shape(frame, syntax)) != expected:
            raise ValueError(f"frame {number} claims (rows, columns, samples) {claimed}, the header {expected}")


def _shape(frame: bytes, syntax: UID) -> tuple[int, int, int]:
    if syntax in JPEGLSTransferSyntaxes:
        header = read_header(frame)
        return header["height"], header["width"], header["components"]
    parameters = get_parameters(frame)
    return int(parameters["rows"]), int(parameters["columns"]), int(parameters["samples_per_pixel"])
