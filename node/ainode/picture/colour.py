"""Colour images as red, green and blue (PS3.3 C.7.6.3.1.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import JPEG2000TransferSyntaxes

from ainode.volume.elements import UNREADABLE, image_name
from ainode.volume.frames import decode_frames
from ainode.volume.lookup import is_little_endian, table_of
from ainode.volume.pixels import stored_values
from ainode_models.errors import InstanceError

_CHANNELS = ("Red", "Green", "Blue")


def colours(header: Dataset, frame: int) -> tuple[NDArray[np.float32], str]:
    """One frame, ``(rows, columns, 3)`` from 0 to 1, and in words what its colours were.

    Raises InstanceError when it cannot be decoded or has colours that nothing here converts.
    """
    space = str(header.PhotometricInterpretation)
    if space == "PALETTE COLOR":
        return _looked_up(header, stored_values(header, frame=frame)[0]), "palette"
    decoded = decode_frames(header, frame=frame)[0]
    if decoded.shape[2:] != (3,):
        raise InstanceError(f"{image_name(header)} is {space}, but has not 3 samples for each pixel: send it again")
    if space in ("YBR_FULL", "YBR_FULL_422") and decoded.dtype == np.uint8:
        return _levels(convert_color_space(decoded, space, "RGB"), 8), space
    if space == "RGB" or (space in ("YBR_RCT", "YBR_ICT") and _is_jpeg_2000(header)):
        return _levels(decoded, int(header.BitsStored)), space
    raise InstanceError(
        f"{image_name(header)} has colours as {space} with {header.BitsStored} bits, which this installation cannot "
        "convert: let the archive send it as RGB"
    )


def _is_jpeg_2000(header: Dataset) -> bool:
    return header.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes


def _levels(values: NDArray[Any], bits: int) -> NDArray[np.float32]:
    return np.clip(values / float((1 << bits) - 1), 0, 1).astype(np.float32)


def _looked_up(header: Dataset, stored: NDArray[Any]) -> NDArray[np.float32]:
    try:
        if header.get("SegmentedRedPaletteColorLookupTableData") and not header.get("RedPaletteColorLookupTableData"):
            return _segmented(header, stored)
        tables = [_table(header, channel) for channel in _CHANNELS]
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged or no palette: send it again") from exc
    return np.stack([_levels(table(stored), table.bits) for table in tables], axis=-1)


def _table(header: Dataset, channel: str) -> Any:
    keyword = f"{channel}PaletteColorLookupTable"
    descriptor, data = (header[f"{keyword}{part}"].value for part in ("Descriptor", "Data"))
    return table_of(descriptor, data, little_endian=is_little_endian(header))


def _segmented(header: Dataset, stored: NDArray[Any]) -> NDArray[np.float32]:
    """By pydicom, which unfolds the segments (PS3.3 C.7.9.2)."""
    entries, _, bits = header.RedPaletteColorLookupTableDescriptor
    if bits == 8 and not 0 < entries <= 256:
        raise ValueError("pydicom finds only the first 256 entries of 8 bits")
    return _levels(apply_color_lut(stored.astype(np.int64), header)[..., :3], int(bits))
