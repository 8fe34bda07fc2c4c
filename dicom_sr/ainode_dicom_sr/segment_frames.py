"""Pixel Data of segmentations, straight from the label map, so that memory holds little but the result."""

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8  # frames that together fill whole bytes, however many pixels one has
_LONGEST = 128  # pixels that one code of PS3.5 G.3.1 repeats
_RLE_HEADER = struct.pack("<16L", 1, 64, *[0] * 14)  # one segment, which follows at once (PS3.5 G.5)


def packed_frames(labels: NDArray[np.uint8], slices: Sequence[int], numbers: Sequence[int]) -> bytes:
    """Frame ``i`` shows where slice ``slices[i]`` of ``labels``, ``(slices, rows, columns)``, has ``numbers[i]``.

    One bit per pixel, the first in the lowest bit, nothing between frames (PS3.5 8.1.1), an even number of bytes.
    """
    data = BytesIO()  # a list of frames, joined, would need twice the memory
    wanted = np.asarray(numbers, dtype=np.uint8)[:, np.newaxis, np.newaxis]
    for begin in range(0, len(slices), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        shown = labels[list(slices[block])] == wanted[block]
        data.write(np.packbits(shown, axis=None, bitorder="little").tobytes())
    data.write(b"\0" * (data.tell() % 2))
    return data.getvalue()


def run_length_frame(plane: NDArray[np.uint8]) -> bytes:
    """A frame of RLE Lossless (PS3.5 Annex G) of ``plane``, ``(rows, columns)``: two bytes for each run of up to 128.

    pydicom's encoder goes pixel by pixel in Python. A pixel alone is a literal run of one, so noise would double in
    size; segments are no noise.
    """
    starts = np.ones(plane.shape, dtype=bool)  # a run ends with its row
    starts[:, 1:] = plane[:, 1:] != plane[:, :-1]
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=plane.size)
    pieces = -(-lengths // _LONGEST)
    sizes = np.full(pieces.sum(), _LONGEST)
    sizes[np.cumsum(pieces) - 1] = lengths - _LONGEST * (pieces - 1)
    codes = np.empty((len(sizes), 2), dtype=np.uint8)
    codes[:, 0] = (257 - sizes) % 256
    codes[:, 1] = np.repeat(plane.ravel()[first], pieces)
    return _RLE_HEADER + codes.tobytes()
