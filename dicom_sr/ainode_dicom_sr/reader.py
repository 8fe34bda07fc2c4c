"""Objects that anybody made, read as far as they go: reports (SR), segmentations, and what else results are sent as.

Nothing is refused because it breaks the standard: ``ReadReport.notes`` says what was not understood. highdicom's
``srread`` and its readers of measurement groups are not used here: they refuse Basic Text SR, and find no group in
four of the reports of IHE's Connectathons that have some (measured in ``docs/sr-reader.md``).
"""

import warnings
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from ainode_dicom_sr.reader_model import ReadEquipment, ReadImage, ReadObject
from ainode_dicom_sr.reader_report import read_report
from ainode_dicom_sr.reader_segmentation import read_segmentation
from ainode_dicom_sr.reader_values import code, items, text, texts, whole
from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_models.errors import InstanceError

_SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""Root of all SOP Classes of structured reports and of Key Object Selection."""


def read_file(file: Path | bytes) -> ReadObject:
    """What a file of PS3.10 says; raises InstanceError when it is none, or names no SOP Class."""
    return read(_opened(file))


def read(ds: Dataset) -> ReadObject:
    """What an object says: a `ReadReport`, a `ReadSegmentation`, a `ReadImage`, or a plain `ReadObject`.

    Raises InstanceError when it names no SOP Class and has no content tree. Warnings of pydicom are silenced, in the
    whole process while it reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(ds)


def _opened(file: Path | bytes) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(BytesIO(file) if isinstance(file, bytes) else file, stop_before_pixels=True)
    except (*UNREADABLE, InvalidDicomError) as exc:
        raise InstanceError("the file is not DICOM, or is damaged: ask its sender for it again") from exc


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
