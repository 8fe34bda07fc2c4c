"""Metadata of an instance: its header in DICOM JSON, bulk data by their address (PS3.18 10.4.1.1.2, F.2.2)."""

from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset

from ainode.dicomweb.attributes import Attributes, element_json, single
from ainode.dicomweb.file_header import DEFLATED, is_left_out, read_to_pixels, transfer_syntax, value_length
from ainode.dicomweb.frames import PIXEL_TAGS, pixel_tag

_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_LONGEST_INLINE = 1024
_PIXEL_DATA = 0x7FE00010


def instance_metadata(path: Path, address: str) -> Attributes:
    """Everything but long binary values, which are at ``address``/bulkdata/tag; InstanceError when it is damaged.

    Elements behind the pixel data, and those that hold no value of their kind, are left out.
    """
    syntax = transfer_syntax(path)
    with path.open("rb") as file:
        header = read_to_pixels(file, syntax)
        pixels = _deflated_pixels(header) if syntax in DEFLATED else pixel_tag(file, syntax)
    made = {}
    for tag in sorted(header.keys()):
        found = _element(header, int(tag), address)
        if found is not None:
            made[f"{int(tag):08X}"] = found
    if pixels is not None:
        made[f"{pixels:08X}"] = {"vr": PIXEL_TAGS[pixels], "BulkDataURI": _bulk_address(address, pixels)}
    return made | (single("SpecificCharacterSet", "ISO_IR 192") if "SpecificCharacterSet" in header else {})


def bulk_value(path: Path, tag: int) -> bytes | None:
    """The value of one binary element of the top level before the pixel data, as it is stored; None without it."""
    with path.open("rb") as file:
        header = read_to_pixels(file, transfer_syntax(path))
    value = header[tag].value if tag in header and header[tag].VR in _BULK else None
    return value if isinstance(value, bytes) else None


def _deflated_pixels(header: Dataset) -> int | None:
    """Pixel Data of what says that it is an image: to see would be to inflate all."""
    return _PIXEL_DATA if "Rows" in header else None


def _element(header: Dataset, tag: int, address: str) -> dict[str, Any] | None:
    if value_length(header, tag) > _LONGEST_INLINE:
        vr = _vr(header, tag)
        if vr in _BULK:
            return {"vr": vr, "BulkDataURI": _bulk_address(address, tag)}
    return element_json(header, tag)


def _vr(header: Dataset, tag: int) -> str:
    """VR of an element; of a value that was too long to be read, as the file or the dictionary has it."""
    if not is_left_out(header, tag):
        return str(header[tag].VR)
    raw = header.get_item(tag, keep_deferred=True)
    known = dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
    return str((raw.VR if raw else None) or known).partition(" ")[0]


def _bulk_address(address: str, tag: int) -> str:
    return f"{address}/bulkdata/{tag:08X}"
