"""Objects that anybody made, read as far as they go: reports (SR), segmentations, and what else results are sent as.

Nothing is refused because it breaks the standard: ``ReadReport.notes`` says what was not understood. highdicom's
``srread`` and its readers of measurement groups are not used here: they refuse Basic Text SR, and find no group in
four of the reports of IHE's Connectathons that have some (measured in ``docs/sr-reader.md``).
"""

import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from ainode_dicom_sr.reader_model import ReadEquipment, ReadImage, ReadObject
from ainode_dicom_sr.reader_report import read_report
from ainode_dicom_sr.reader_segmentation import read_segmentation
from ainode_dicom_sr.reader_values import code, items, text, texts, whole
from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_models.errors import InstanceError

_LONGEST = 1 << 26
_SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""Root of all SOP Classes of structured reports and of Key Object Selection."""


def read_file(file: Path | bytes) -> ReadObject:
    """What a file of PS3.10 says, as `read` does; InstanceError when it is none, OSError as ``open`` raises it."""
    with warnings.catch_warnings(), BytesIO(file) if isinstance(file, bytes) else file.open("rb") as opened:
        warnings.simplefilter("ignore")
        return _read(_opened(opened))


def read(ds: Dataset) -> ReadObject:
    """What an object says: a `ReadReport`, a `ReadSegmentation`, a `ReadImage`, or a plain `ReadObject`.

    Raises InstanceError when it names no SOP Class and has no content tree. Warnings of pydicom are silenced, in the
    whole process while it reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(ds)


def _opened(file: BinaryIO) -> Dataset:
    try:
        read_preamble(file, force=False)
        meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_behind_file_meta)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return read_dataset(_inflated(file), is_implicit_VR=False, is_little_endian=True)
        file.seek(0)
        return dcmread(file, stop_before_pixels=True)
    except (*UNREADABLE, InvalidDicomError) as exc:
        raise InstanceError("the file is not DICOM, or is damaged: ask its sender for it again") from exc


def _behind_file_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != 2


def _inflated(file: BinaryIO) -> BinaryIO:
    """A deflated data set, which pydicom would inflate to any number of bytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(file.read(), _LONGEST)
    if inflater.unconsumed_tail:
        raise InstanceError(f"the file is deflated, and longer than {_LONGEST >> 20} MiB when inflated: it is not read")
    return BytesIO(plain)


def _read(ds: Dataset) -> ReadObject:
    base = _base(ds)
    if base.sop_class_uid in _SEGMENTATIONS:
        return read_segmentation(ds, _image(ds, base))
    if base.sop_class_uid.startswith(_REPORTS) or items(ds, "ContentSequence"):
        return read_report(ds, base)
    if not base.sop_class_uid:
        raise InstanceError("the object names no SOP Class and has no content tree: it cannot be read")
    return _image(ds, base) if whole(ds, "Rows") else base


def _base(ds: Dataset) -> ReadObject:
    sop_class = text(ds, "SOPClassUID") or ""
    return ReadObject(
        kind=UID(sop_class).name,
        sop_class_uid=sop_class,
        sop_instance_uid=text(ds, "SOPInstanceUID"),
        modality=text(ds, "Modality"),
        manufacturer=text(ds, "Manufacturer"),
        model=text(ds, "ManufacturerModelName"),
        equipment=tuple(map(_equipment, items(ds, "ContributingEquipmentSequence"))),
        content_qualification=text(ds, "ContentQualification"),
    )


def _equipment(item: Dataset) -> ReadEquipment:
    return ReadEquipment(
        purpose=code(item, "PurposeOfReferenceCodeSequence"),
        manufacturer=text(item, "Manufacturer"),
        model=text(item, "ManufacturerModelName"),
        software_versions=texts(item, "SoftwareVersions"),
        device_uid=text(item, "DeviceUID"),
        description=text(item, "ContributionDescription"),
        contributed_at=text(item, "ContributionDateTime"),
    )


def _image(ds: Dataset, base: ReadObject) -> ReadImage:
    frames = whole(ds, "NumberOfFrames") or 1
    return ReadImage(**vars(base), rows=whole(ds, "Rows"), columns=whole(ds, "Columns"), frames=frames)
