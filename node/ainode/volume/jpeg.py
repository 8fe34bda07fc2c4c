"""pydicom's decoder plug-in for JPEG (ISO/IEC 10918-1), lossy and lossless, by libjpeg-turbo.

pydicom's own plug-ins leave JPEG Lossless and 12-bit JPEG Extended to gdcm and to a library under the GPL: see
``docs/decisions/0005-decoders.md``.
"""

import numpy as np
from imagecodecs import JPEG8, jpeg8_decode
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGTransferSyntaxes

DECODER_DEPENDENCIES = dict.fromkeys(JPEGTransferSyntaxes, ("imagecodecs",))
"""What pydicom tells people to install, for each transfer syntax of the plug-in."""

_SPACES = {"RGB": JPEG8.CS.RGB}  # of the frame: what its header says, since markers in the frame are often wrong


def is_available(uid: str) -> bool:
    """Whether the plug-in decodes this transfer syntax."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame as little-endian bytes of 8 or 16 bits, row by row, of colours pixel by pixel.

    Colours stay in the space of the frame, with chrominance for each pixel. Raises ValueError when the frame has
    another size, more bits or other samples than the header says: it is found in the frame's own header, before memory
    is taken for its pixels.
    """
    colour = runner.samples_per_pixel == 3
    shape = (runner.rows, runner.columns, 3) if colour else (runner.rows, runner.columns)
    pixels = np.empty(shape, np.uint8 if runner.bits_stored <= 8 else np.uint16)
    space = _SPACES.get(runner.photometric_interpretation, JPEG8.CS.YCbCr) if colour else None
    jpeg8_decode(source, colorspace=space, outcolorspace=space, out=pixels)
    if colour:
        runner.set_option("planar_configuration", 0)
    if runner.transfer_syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        _check_bits(pixels, runner.bits_stored)
    runner.set_option("bits_allocated", pixels.itemsize * 8)
    return pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def _check_bits(pixels: NDArray[np.unsignedinteger], bits_stored: int) -> None:
    """A lossy value above the stored bits would otherwise lose its highest bit."""
    if highest := int(pixels.max()) >> bits_stored:
        raise ValueError(f"JPEG values need {highest.bit_length()} bits more than the {bits_stored} stored")
