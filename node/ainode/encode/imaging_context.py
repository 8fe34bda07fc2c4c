"""From DICOM headers to what the FHIR resources need to know of a study."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM, PersonName

from ainode.study import Study
from ainode_fhir.study import ImagingContext, Instance, Series


def imaging_context(study: Study, images: Sequence[Dataset]) -> ImagingContext:
    """Context of one study; ``images`` are headers of the instances that the model was given, one at least."""
    header = images[0]
    given = {str(image.SOPInstanceUID): image for image in images}
    return ImagingContext(
        study_uid=study.study_uid,
        patient_id=_text(header, "PatientID"),
        patient_issuer=_text(header, "IssuerOfPatientID"),
        patient_name=_readable_name(header),
        family_name=_name_part(header, "family_name"),
        given_names=tuple(filter(None, (_name_part(header, "given_name"), _name_part(header, "middle_name")))),
        birth_date=_date(header, "PatientBirthDate"),
        sex=_text(header, "PatientSex"),
        accession_number=_text(header, "AccessionNumber"),
        accession_issuer=_accession_issuer(header),
        started=_started(header),
        description=_text(header, "StudyDescription"),
        series=tuple(
            Series(
                uid=series.series_uid,
                modality=series.modality or "OT",
                description=_text(series.header, "SeriesDescription"),
                number=_whole(series.header, "SeriesNumber"),
                instances=tuple(_instance(uid, given.get(uid, series.header)) for uid in series.sop_uids),
            )
            for series in study.series
        ),
    )


def _instance(uid: str, header: Dataset) -> Instance:
    own = str(header.get("SOPInstanceUID")) == uid
    return Instance(uid, str(header.SOPClassUID), _whole(header, "InstanceNumber") if own else None)


def _text(header: Dataset, keyword: str) -> str | None:
    return str(header.get(keyword) or "").strip() or None


def _whole(header: Dataset, keyword: str) -> int | None:
    text = str(header.get(keyword) if header.get(keyword) is not None else "")
    return int(text) if text.isdecimal() else None


def _readable_name(header: Dataset) -> str | None:
    """Given names first, without carets: the alphabetic component group of PS3.5 6.2.1."""
    name = header.get("PatientName")
    if not name:
        return None
    if not isinstance(name, PersonName):  # a backslash in it makes several of it
        return " ".join(str(part).replace("^", " ").strip() for part in name)
    parts = (name.name_prefix, name.given_name, name.middle_name, name.family_name, name.name_suffix)
    return " ".join(part for part in parts if part) or None


def _name_part(header: Dataset, part: str) -> str | None:
    """A component of the name; None for one that a backslash has made several of."""
    name = header.get("PatientName")
    return str(getattr(name, part)) or None if isinstance(name, PersonName) else None


def _accession_issuer(header: Dataset) -> str | None:
    items = header.get("IssuerOfAccessionNumberSequence")
    return (_text(items[0], "UniversalEntityID") or _text(items[0], "LocalNamespaceEntityID")) if items else None


def _date(header: Dataset, keyword: str) -> date | None:
    try:
        return DA(header.get(keyword) or None)
    except ValueError:
        return None


def _started(header: Dataset) -> datetime | date | None:
    """Study Date and Time in the zone of the study, else in that of this machine; a bad time gives the date alone."""
    day = _date(header, "StudyDate")
    try:
        clock: time | None = TM(header.get("StudyTime") or None)
    except ValueError:
        clock = None
    if day is None or clock is None:
        return day
    moment = datetime.combine(date(day.year, day.month, day.day), clock.replace(tzinfo=None))
    zone = _zone(_text(header, "TimezoneOffsetFromUTC"))
    return moment.replace(tzinfo=zone) if zone else moment.astimezone()


def _zone(offset: str | None) -> timezone | None:
    """``TimezoneOffsetFromUTC`` (0008,0201), ``&ZZXX`` of PS3.3 C.12.1.1.8; None when absent or malformed."""
    if not offset or len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdecimal():
        return None
    shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    if shift >= timedelta(days=1):
        return None
    return timezone(-shift if offset[0] == "-" else shift)
