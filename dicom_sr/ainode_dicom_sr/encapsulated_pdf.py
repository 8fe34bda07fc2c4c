"""A page for people as Encapsulated PDF (PS3.3 A.45.1): highdicom has no class for it."""

from collections.abc import Sequence

from highdicom.base import SOPClass
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.result import attributes, finish, require_long_strings, series_description
from ainode_dicom_sr.secondary_capture import instance_references
from ainode_dicom_sr.source import decoded_header, require, series_number, without_identity
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TITLE = CodedConcept("18748-4", "LN", "Diagnostic imaging study")
"""CID 7020; as the code of the FHIR report, it names neither modality nor body part."""


def encapsulated_pdf(
    findings: Findings, document: bytes, *, sources: Sequence[Dataset], equipment: Equipment
) -> SOPClass:
    """Encapsulated PDF Storage (1.2.840.10008.5.1.4.1.1.104.1) of one run; every outcome has one.

    ``sources`` are the headers of the images that the page speaks of. The page names the patient, hence Burned In
    Annotation YES. Nothing in the IOD says PRELIMINARY; title and description do, and Verification Flag UNVERIFIED.
    """
    require_long_strings(findings, equipment)
    require(sources, _NEEDED)
    header = decoded_header(sources[0])
    try:
        result = _built(findings, header, equipment=equipment)
        _set_document(result, findings, document, sources)
        finish(result, findings, header, equipment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the page of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def document_of(instance: Dataset) -> bytes:
    """The PDF without the byte that made its length even (PS3.5 8.2)."""
    return bytes(instance.EncapsulatedDocument[: instance.EncapsulatedDocumentLength])


def _built(findings: Findings, header: Dataset, *, equipment: Equipment) -> SOPClass:
    blank = without_identity(header)
    return SOPClass(
        study_instance_uid=blank.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        series_number=series_number(header, 4000),
        series_description=series_description(findings, "page"),
        **attributes(findings, header, equipment, kind="PDF"),
    )


def _set_document(result: SOPClass, findings: Findings, document: bytes, sources: Sequence[Dataset]) -> None:
    """SC Equipment and Encapsulated Document Modules (PS3.3 C.8.6.1, C.24.2)."""
    name = f"{findings.algorithm.name} {findings.algorithm.version}"
    result.ConversionType = "WSD"
    result.AcquisitionDateTime = None
    result.BurnedInAnnotation, result.VerificationFlag = "YES", "UNVERIFIED"
    result.SourceInstanceSequence = instance_references(sources)
    result.DocumentTitle = f"AI result ({findings.outcome}), preliminary, unverified: {name}"
    result.ConceptNameCodeSequence = [_TITLE]
    result.MIMETypeOfEncapsulatedDocument = "application/pdf"
    result.EncapsulatedDocumentLength = len(document)
    result.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
