"""From DICOM headers to what the FHIR resources need to know of a study."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM, PersonName

from ainode.study import Study
from ainode_fhir.order import UNCODED, Number, Order
from ainode_fhir.study import ImagingContext, Instance, Series
from ainode_models.findings import Code


def imaging_context(study: Study, images: Sequence[Dataset]) -> ImagingContext:
    """Context of one study; ``images`` are headers of the instances that the model was given, one at least."""
    header = images[0]
    requested = _request(header)
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
        accession_number=_text(header, "AccessionNumber") or _text(requested, "AccessionNumber"),
        accession_issuer=_accession_issuer(header if _text(header, "AccessionNumber") else requested),
        order=_order(header, requested),
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
    item = _first(header, "IssuerOfAccessionNumberSequence")
    return _text(item, "UniversalEntityID") or _text(item, "LocalNamespaceEntityID")


def _request(header: Dataset) -> Dataset:
    """The first request that the image answers (PS3.3 C.7.6.16, 10.6); empty where it names none."""
    return _first(header, "RequestAttributesSequence") or _first(header, "ReferencedRequestSequence")


def _order(header: Dataset, requested: Dataset) -> Order | None:
    """What the headers say of the order beside the accession number; None where that is nothing."""
    order = Order(
        placer=_number("Placer", header, requested),
        filler=_number("Filler", header, requested),
        procedure=_procedure(requested) or _procedure(header) or UNCODED,
    )
    return order if order != Order() else None


def _number(whose: str, *places: Dataset) -> Number:
    keyword = f"{whose}OrderNumberImagingServiceRequest"
    place = next((place for place in places if _text(place, keyword)), Dataset())
    issuer = _first(place, f"Order{whose}IdentifierSequence")
    names = (_text(issuer, "LocalNamespaceEntityID"), _text(issuer, "UniversalEntityID"))
    value = _text(place, keyword)
    return Number(value, *(name or "" for name in names)) if value else Number()


def _procedure(place: Dataset) -> Code | None:
    item = _first(place, "RequestedProcedureCodeSequence")
    words = _text(place, "RequestedProcedureDescription")
    code = (_text(item, "CodeValue"), _text(item, "CodingSchemeDesignator"), words or _text(item, "CodeMeaning"))
    return Code(*(part or "" for part in code)) if any(code) else None


def _first(place: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence; an empty one where there is none."""
    items = place.get(keyword)
    return items[0] if isinstance(items, Sequence) and items else Dataset()


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
