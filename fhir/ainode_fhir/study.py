"""What the FHIR resources need to know of the study and of the DICOM objects; the node fills it from the headers."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from ainode_fhir.order import Order

Kind = Literal["SEG", "PM", "SC", "SR", "TREE", "PDF"]
"""What a DICOM object of a run is."""


@dataclass(frozen=True)
class Instance:
    """One image of the study."""

    uid: str
    """``SOPInstanceUID``."""
    sop_class_uid: str
    """``SOPClassUID``."""
    number: int | None = None
    """``InstanceNumber``."""


@dataclass(frozen=True)
class Series:
    """One series of the study."""

    uid: str
    """``SeriesInstanceUID``."""
    modality: str
    """``Modality``, a code of CID 29."""
    description: str | None = None
    """``SeriesDescription``."""
    number: int | None = None
    """``SeriesNumber``."""
    instances: tuple[Instance, ...] = ()
    """The images that the node has, in the order of their number."""


@dataclass(frozen=True, kw_only=True)
class ImagingContext:
    """The study that was analysed, and whose it is."""

    study_uid: str
    """``StudyInstanceUID``."""
    patient_id: str | None
    """``PatientID``; None when the study has none."""
    patient_issuer: str | None = None
    """``IssuerOfPatientID``, or the URI of the identifier system when the node knows it."""
    patient_name: str | None = None
    """``PatientName`` as people read it, not with carets."""
    family_name: str | None = None
    """Its family name complex (PS3.5 6.2.1)."""
    given_names: tuple[str, ...] = ()
    """Its given and middle names."""
    birth_date: date | None = None
    """``PatientBirthDate``."""
    sex: str | None = None
    """``PatientSex``: M, F or O (PS3.3 C.7.1.1)."""
    accession_number: str | None = None
    """``AccessionNumber``."""
    accession_issuer: str | None = None
    """Issuer of the accession number, or the URI of its identifier system."""
    order: Order | None = None
    """What else is known of the order: by HL7 v2, or by the headers."""
    started: datetime | date | None = None
    """``StudyDate`` with ``StudyTime`` and zone; a date alone when the study gives no time."""
    description: str | None = None
    """``StudyDescription``."""
    series: tuple[Series, ...] = ()
    """The series of the study that the node has, without those that the node made."""


@dataclass(frozen=True)
class ResultObject:
    """A DICOM object that the run made."""

    kind: Kind
    sop_class_uid: str
    """``SOPClassUID``."""
    sop_instance_uid: str
    """``SOPInstanceUID``."""
    series_uid: str
    """``SeriesInstanceUID``."""
