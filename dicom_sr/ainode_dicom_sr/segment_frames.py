"""Pixel Data of segmentations, straight from the label map, so that memory holds little but the result.

A plane has some thousand runs of one label within a row, but 262,144 pixels or more: what can, goes by the runs.
"""

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

_LONGEST = 128  # pixels that one code of PS3.5 G.3.1 repeats
_RLE_HEADER = struct.pack("<16L", 1, 64, *[0] * 14)  # one segment, which follows at once (PS3.5 G.5)


def runs(plane: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the runs of equal pixels begin in ``plane.ravel()``, and how long they are; each ends with its row."""
    starts = np.ones(plane.shape, dtype=bool)
    np.not_equal(plane[:, 1:], plane[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    return first, np.diff(first, append=plane.size)


def extents(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``(256,)`` how many voxels each label has, and ``(slices, 256, 2)`` on which rows of a slice: the first, and the
    one after the last; 0 and 0 where it is not."""
    counts, rows = np.zeros(256, dtype=np.int64), np.zeros((len(labels), 256, 2), dtype=np.int64)
    for plane, found in zip(labels, rows, strict=True):
        first, lengths = runs(plane)
        shown, row = plane.ravel()[first], first // plane.shape[1]
        counts += np.bincount(shown, weights=lengths, minlength=256).astype(np.int64)
        found[shown[::-1], 0] = row[::-1]  # of what is assigned to one place, the last stays
        found[shown, 1] = row + 1
    return counts, rows


def packed_frames(
    labels: NDArray[np.uint8], slices: Sequence[int], numbers: Sequence[int], rows: NDArray[np.int64]
) -> bytes:
    """Frame ``i`` shows where slice ``slices[i]`` of ``labels``, ``(slices, rows, columns)``, has ``numbers[i]``.

    ``rows[i]`` are the only ones that have it, as `extents` tells. One bit per pixel, the first in the lowest bit,
    nothing between frames (PS3.5 8.1.1), an even number of bytes.
    """
    _, height, width = labels.shape
    data = BytesIO(bytes(-(-len(slices) * height * width // 16) * 2))  # gives its value away without a copy
    packed = np.frombuffer(data.getbuffer(), dtype=np.uint8)
    for frame, (place, number, (top, bottom)) in enumerate(zip(slices, numbers, rows.tolist(), strict=True)):
        begin, before = divmod((frame * height + top) * width, 8)
        shown = np.zeros(before + (bottom - top) * width, dtype=bool)
        np.equal(labels[place, top:bottom].ravel(), number, out=shown[before:])
        bits = np.packbits(shown, bitorder="little")
        packed[begin : begin + len(bits)] |= bits  # the frame before may end within this byte
    return data.getvalue()


def run_length_frame(plane: NDArray[np.uint8], table: NDArray[np.uint8]) -> bytes:
    """A frame of RLE Lossless (PS3.5 Annex G) of ``table[plane]``, ``(rows, columns)``: two bytes for each run of up to
    128.

    pydicom's encoder goes pixel by pixel in Python. A pixel alone is a literal run of one, so noise would double in
    size; segments are no noise.
    """
    first, lengths = runs(plane)
    pieces = -(-lengths // _LONGEST)
    sizes = np.full(pieces.sum(), _LONGEST)
    sizes[np.cumsum(pieces) - 1] = lengths - _LONGEST * (pieces - 1)
    codes = np.empty((len(sizes), 2), dtype=np.uint8)
    codes[:, 0] = (257 - sizes) % 256
    codes[:, 1] = np.repeat(table[plane.ravel()[first]], pieces)
    return _RLE_HEADER + codes.tobytes()
