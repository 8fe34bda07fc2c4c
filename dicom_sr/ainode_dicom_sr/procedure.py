"""The imaging procedure and the order that a report belongs to, as the source images state them."""

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from ainode_dicom_sr.coding import concepts_in

_BY_MODALITY = {
    "CR": ("43468-8", "LN", "XR unspecified body region"),
    "CT": ("25045-6", "LN", "CT unspecified body region"),
    "DX": ("43468-8", "LN", "XR unspecified body region"),
    "MR": ("25056-3", "LN", "MRI unspecified body region"),
    "NM": ("49118-3", "LN", "NM unspecified body region"),
    "PT": ("44136-0", "LN", "PET unspecified body region"),
}
_ANY = ("363679005", "SCT", "Imaging procedure")

_ORDER_ATTRIBUTES = (
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
)


def procedures_reported(header: Dataset) -> list[CodedConcept]:
    """Values of (121058, DCM, "Procedure reported"): the imaging that was analysed (IHE AIR 6.5.3.2).

    ``ProcedureCodeSequence`` of the study, else the codes that were requested, else CID 100 by modality.
    """
    return (
        concepts_in(header, "ProcedureCodeSequence")
        or [code for order in _orders(header) for code in concepts_in(order, "RequestedProcedureCodeSequence")]
        or [CodedConcept(*_BY_MODALITY.get(str(header.get("Modality")), _ANY))]
    )


def referenced_requests(header: Dataset) -> list[Dataset] | None:
    """Items of ``ReferencedRequestSequence`` (0040,A370), one for each order of the source; None without orders."""
    return [_referenced_request(order, header) for order in _orders(header)] or None


def _orders(header: Dataset) -> list[Dataset]:
    return list(header.get("RequestAttributesSequence") or ())


def _referenced_request(order: Dataset, header: Dataset) -> Dataset:
    request = Dataset()
    request.StudyInstanceUID = order.get("StudyInstanceUID") or header.StudyInstanceUID
    request.ReferencedStudySequence = list(order.get("ReferencedStudySequence") or ())
    request.AccessionNumber = order.get("AccessionNumber") or header.get("AccessionNumber")
    for keyword in _ORDER_ATTRIBUTES:
        setattr(request, keyword, order.get(keyword) or header.get(keyword))
    request.RequestedProcedureCodeSequence = concepts_in(order, "RequestedProcedureCodeSequence")
    return request
