"""What all objects of one run share: UIDs from the run id, node and model, dates, and the marks of an AI result."""

from typing import Any

from highdicom import ContentQualificationValues, SOPClass
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import validate_value

from ainode_dicom_sr.equipment import Equipment, contributing_equipment
from ainode_dicom_sr.objects import name_implementation
from ainode_dicom_sr.source import local_time, timezone_offset
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings
from ainode_models.uids import derived_uid

_WARNING = "NOT FOR DIAGNOSTIC USE"


def series_description(findings: Findings, kind: str) -> str:
    """``SeriesDescription`` (LO, 64 characters) that names the model and warns; a long name is cut, never the rest.

    Viewers show the first letters only: that nothing was analysed stands before the name.
    """
    tail = f" {kind} - {_WARNING}"
    mark = "" if findings.analysed else f" {findings.outcome.upper()}:"
    return f"AI{mark} {findings.algorithm.name}"[: 64 - len(tail)] + tail


def attributes(findings: Findings, header: Dataset, equipment: Equipment, *, kind: str) -> dict[str, Any]:
    """Arguments that every object of highdicom takes, for the object ``kind`` (``SEG``, ``SR``, ``SC``) of this run.

    Content Date and Time are when the analysis started (IHE AIR 6.5.3.1). Content Qualification is RESEARCH, or SERVICE
    as that of the source (PS3.3 C.8.13.2.1.1): no model is approved as delivered.
    """
    started = local_time(findings.started_at, header)
    return {
        "series_instance_uid": derived_uid(findings.run_id, kind, "SeriesInstanceUID"),
        "sop_instance_uid": derived_uid(findings.run_id, kind, "SOPInstanceUID"),
        "instance_number": 1,
        "manufacturer": equipment.manufacturer,
        "manufacturer_model_name": equipment.model_name,
        "device_serial_number": equipment.device_serial_number,
        "software_versions": list(equipment.software_versions),
        "content_date": started.date(),
        "content_time": started.time(),
        "series_date": started.date(),
        "series_time": started.time(),
        "content_qualification": _qualification(header),
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        # Set when finished: highdicom refuses some values that real sources have.
        "specific_character_set": None,
    }


def _qualification(header: Dataset) -> ContentQualificationValues:
    of_source, service = header.get("ContentQualification"), ContentQualificationValues.SERVICE
    return service if of_source == service.value else ContentQualificationValues.RESEARCH


def require_long_strings(findings: Findings, equipment: Equipment) -> None:
    """Refuse names that VR LO cannot hold (PS3.5 6.2): cutting one would break its equality across the objects."""
    algorithm = findings.algorithm
    texts = {
        "name of the model": algorithm.name,
        "version of the model": algorithm.version,
        "manufacturer of the model": algorithm.manufacturer,
        **{f"label of segment {segment.number}": segment.label for segment in findings.segments},
        **{f"name of class {item.number}": item.label for item in findings.classes},
        **{f"{key} of the equipment": value for key, value in vars(equipment).items() if isinstance(value, str)},
    }
    for what, text in texts.items():
        try:
            validate_value("LO", text, RAISE)
        except ValueError as exc:
            raise EncodingError(f"the {what} must have at most 64 characters, none of them a backslash") from exc


def finish(result: SOPClass, findings: Findings, header: Dataset, equipment: Equipment) -> None:
    """Add what highdicom leaves out or gets from the clock, so that the same run always makes the same object."""
    result.copy_patient_and_study_information(header)
    _set_character_set(result, findings, header, equipment)
    _set_contributing_equipment(result, findings, header)
    _set_owner(result, equipment)
    offset = timezone_offset(header)
    if offset is not None:
        result.TimezoneOffsetFromUTC = offset
    del result.InstanceCreationDate
    del result.InstanceCreationTime
    name_implementation(result)


def _set_contributing_equipment(result: SOPClass, findings: Findings, header: Dataset) -> None:
    """Model first, then the scanner; the library drops out: IHE AIR would read it as a second algorithm."""
    scanner = [
        item
        for item in result.get("ContributingEquipmentSequence", ())
        if item.PurposeOfReferenceCodeSequence[0] == codes.DCM.AcquisitionEquipment
    ]
    started = local_time(findings.started_at, header)
    result.ContributingEquipmentSequence = [contributing_equipment(findings, started), *scanner]


def _set_owner(result: SOPClass, equipment: Equipment) -> None:
    """Site of the node (PS3.3 C.7.5.1), which may be another than that of the scanner."""
    for keyword, value in (("StationName", equipment.station_name), ("InstitutionName", equipment.institution_name)):
        if value is not None:
            setattr(result, keyword, value)


def _set_character_set(result: SOPClass, findings: Findings, header: Dataset, equipment: Equipment) -> None:
    """Keep the source's character set, as its names came in it; UTF-8 only when our own texts need more than ASCII."""
    said = (findings.segments, findings.classes, findings.failure, findings.remarks, findings.lacking, findings.prior)
    ours = (findings.algorithm, *said, equipment)
    if not repr(ours).isascii():
        result.SpecificCharacterSet = "ISO_IR 192"
    elif header.get("SpecificCharacterSet"):
        result.SpecificCharacterSet = header.SpecificCharacterSet
