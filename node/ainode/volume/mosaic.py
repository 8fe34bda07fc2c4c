"""Siemens mosaics: the slices of a volume side by side in one image."""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.volume.elements import UNREADABLE, image_name, numbers
from ainode.volume.frame_headers import changed_header
from ainode.volume.slices import read_slice
from ainode_models.errors import GeometryError, InstanceError

_MR, _CSA = (0x0019, "SIEMENS MR HEADER"), (0x0029, "SIEMENS CSA HEADER")
_TAG = struct.Struct("<64si4siii")
_LENGTHS = struct.Struct("<4i")


def is_mosaic(header: Dataset) -> bool:
    """Whether the header is that of a mosaic, or of a tile of one; enhanced images may bear the word, too."""
    return "MOSAIC" in (header.get("ImageType") or ()) and "NumberOfFrames" not in header


def tile_headers(header: Dataset) -> list[Dataset]:
    """One header for each slice of a mosaic, with its own matrix and position.

    ``ImagePositionPatient`` of a mosaic is that of one slice as large as the mosaic, about the same centre; the slices
    go along ``SliceNormalVector`` of Siemens' CSA header, ``SpacingBetweenSlices`` apart. Raises GeometryError when
    one of these is missing or the tiles do not fill the image.
    """
    count = _count(header)
    grid = _grid(header) if count > 0 else 0
    if not grid or header.Rows % grid or header.Columns % grid:
        raise GeometryError(f"{image_name(header)} is a mosaic whose {count} slices do not fill its matrix")
    rows, columns = int(header.Rows) // grid, int(header.Columns) // grid
    whole = read_slice(header)
    between_rows, between_columns = whole.spacing
    first = (
        whole.position
        + whole.row_axis * between_columns * (header.Columns - columns) / 2
        + whole.column_axis * between_rows * (header.Rows - rows) / 2
    )
    step = _normal(header, whole.normal) * numbers(header, "SpacingBetweenSlices", 1)[0]
    return [_tile(header, number, (rows, columns), first + step * number) for number in range(count)]


def whole_mosaic(tile: Dataset) -> Dataset:
    """The mosaic that a tile is from, as far as decoding goes."""
    grid = _grid(tile)
    return changed_header(tile, {"Rows": tile.Rows * grid, "Columns": tile.Columns * grid})


def tile_of(tile: Dataset, mosaic: NDArray[Any]) -> NDArray[Any]:
    """The slice of a tile's header, ``(rows, columns)``, out of the mosaic's stored values."""
    row, column = divmod(int(tile.ReferencedFrameNumber) - 1, _grid(tile))
    rows, columns = int(tile.Rows), int(tile.Columns)
    return mosaic[row * rows :, column * columns :][:rows, :columns]


def _tile(header: Dataset, number: int, matrix: tuple[int, int], position: NDArray[np.float64]) -> Dataset:
    values = {
        "Rows": matrix[0],
        "Columns": matrix[1],
        "ImagePositionPatient": [f"{part:.10g}" for part in position],
        "ReferencedFrameNumber": number + 1,
    }
    return changed_header(header, values)


def _grid(header: Dataset) -> int:
    """Tiles in each direction."""
    return math.ceil(math.sqrt(_count(header)))


def _count(header: Dataset) -> int:
    try:
        return int(header.private_block(*_MR)[0x0A].value)
    except UNREADABLE as exc:
        raise GeometryError(
            f"{image_name(header)} is a mosaic of several slices in one image, without NumberOfImagesInMosaic "
            "(0019,100A): let the scanner export the series as one slice for each image"
        ) from exc


def _normal(header: Dataset, computed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from slice to slice: the computed normal of the plane, turned as the CSA header says."""
    try:
        written = _csa_numbers(header.private_block(*_CSA)[0x10].value, "SliceNormalVector")
    except LookupError as exc:
        raise GeometryError(
            f"{image_name(header)} is a mosaic without Siemens' CSA header (0029,1010), so the order of its slices is "
            "unknown: let the scanner export the series as one slice for each image"
        ) from exc
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged CSA header (0029,1010): send it again") from exc
    along = float(computed @ written) if len(written) == 3 else 0.0
    if abs(abs(along) - 1) > 1e-3:
        raise GeometryError(f"{image_name(header)} is a mosaic whose SliceNormalVector is not across its plane")
    return computed if along > 0 else -computed


def _csa_numbers(header: bytes, name: str) -> list[float]:
    """Values of one tag of a CSA header, version 2; raises ValueError or struct.error when it is none.

    A tag is its name in 64 bytes, VM, VR, syngo type, number of items, and 77; an item is four lengths and its text,
    filled up to four bytes. See https://nipy.org/nibabel/dicom/siemens_csa.html.
    """
    if header[:4] != b"SV10":
        raise ValueError("no CSA header of version 2")
    place = 16
    for _ in range(struct.unpack_from("<I", header, 8)[0]):
        written, vm, _vr, _type, items, _end = _TAG.unpack_from(header, place)
        place += _TAG.size
        texts = []
        for _ in range(items):
            length = _LENGTHS.unpack_from(header, place)[1]
            if length < 0:
                raise ValueError("negative length in a CSA header")
            place += _LENGTHS.size
            texts.append(header[place : place + length])
            place += -(-length // 4) * 4
        if written.partition(b"\0")[0].decode("ascii") == name:
            return [float(text.partition(b"\0")[0]) for text in texts[:vm]]
    raise ValueError(f"no {name}")
