"""A PNG or JPEG file as a radiograph; how large it says it is is looked at before memory is taken for it."""

from pathlib import Path
from typing import Any

import numpy as np
from imagecodecs import Jpeg8Error, PngError, jpeg8_decode, png_decode
from numpy.typing import NDArray

from ainode.api.file_kind import FileKind
from ainode.volume.size import MOST_IN_FRAME
from ainode_models.errors import InstanceError
from ainode_models.radiograph import Radiograph

_GREY = (0.299, 0.587, 0.114)
"""Luma of red, green and blue (ITU-R BT.601)."""
_NO_FRAME = (0xC4, 0xC8, 0xCC)
"""Markers between SOF0 and SOF15 that begin no frame (ITU-T T.81 B.1.1.3)."""


def read_picture_file(path: Path, kind: FileKind) -> Radiograph:
    """Grey values as the file shows them; colours become grey, transparency is ignored.

    InstanceError when the file is damaged, or larger than any radiograph.
    """
    data = path.read_bytes()
    rows, columns = _png_size(data) if kind is FileKind.PNG else _jpeg_size(data)
    if not 0 < rows * columns <= MOST_IN_FRAME:
        raise InstanceError(f"the {kind} says it has {rows} x {columns} pixels; {MOST_IN_FRAME} are the most")
    try:
        pixels = png_decode(data) if kind is FileKind.PNG else jpeg8_decode(data)
    except (PngError, Jpeg8Error, ValueError) as exc:
        raise InstanceError(f"the {kind} is damaged; send it again") from exc
    return Radiograph(_greys(pixels))


def _greys(pixels: NDArray[Any]) -> NDArray[np.float32]:
    scaled = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if scaled.ndim == 2:
        return scaled
    if scaled.shape[2] < 3:  # grey with transparency
        return np.ascontiguousarray(scaled[..., 0])
    return np.asarray(scaled[..., :3] @ np.array(_GREY, np.float32), np.float32)


def _png_size(data: bytes) -> tuple[int, int]:
    """Rows and columns of the IHDR chunk, which comes first."""
    if data[12:16] != b"IHDR":
        raise InstanceError("the PNG is damaged: it does not begin with its header; send it again")
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Rows and columns of the frame header (ITU-T T.81 B.2.2)."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return int.from_bytes(data[place + 5 : place + 7]), int.from_bytes(data[place + 7 : place + 9])
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    raise InstanceError("the JPEG is damaged: it has no frame header; send it again")
