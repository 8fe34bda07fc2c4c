"""Reading a DICOM file with pydicom, but for deflated data sets, of which pydicom inflates any number of bytes."""

import io
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_file_meta_info, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ainode.inflater import Inflater

FIRST_PIXELS = 0x7FE00008
"""Float Pixel Data: with it, or with one of the two behind it, the pixels begin."""


def read_dicom(path: Path, *, pixels: bool = True) -> Dataset:
    """What pydicom's ``dcmread`` gives; raises as it does, and InstanceError when it is deflated and no good."""
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _read_deflated(path, meta, pixels=pixels)
    return dcmread(path, stop_before_pixels=not pixels)


def _read_deflated(path: Path, meta: FileMetaDataset, *, pixels: bool) -> Dataset:
    with path.open("rb") as file:
        preamble = read_preamble(file, force=False)
        read_dataset(file, False, True, stop_when=_behind_file_meta)
        plain = io.BytesIO(Inflater(file).readall())
    ds = read_dataset(plain, False, True, stop_when=None if pixels else _at_pixels)
    whole = FileDataset(str(path), ds, preamble, meta, is_implicit_VR=False, is_little_endian=True)
    whole.set_original_encoding(False, True, ds.original_character_set)
    return whole


def _behind_file_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 0x0002


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) >= FIRST_PIXELS
