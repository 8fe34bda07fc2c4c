"""What one hospital settles for all its reports."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Site:
    """Settings of the FHIR side; the node reads them once at start."""

    organization: str = "AI node operator"
    """Name of the organization that answers for the reports; it is their performer, as R4 allows no Device there."""
    report_status: Literal["partial", "preliminary"] = "partial"
    """``DiagnosticReport.status`` of a finished run. R4 defines ``partial`` as "may be incomplete or unverified" and
    ``preliminary`` as "verified early results": the first is what an unread AI result is; the second is for EHRs
    that look for nothing else."""
    reviewed_status: Literal["final", "unchanged"] = "final"
    """``DiagnosticReport.status`` of a result that a human accepted, and that of its Observations."""
    base_url: str = "http://127.0.0.1:8080/fhir"
    """Where this node serves FHIR, without a slash at the end."""
    node_name: str = "ainode"
    """Name of the node's Device."""
    node_version: str = "0"
    """Version of the node's software."""
    patient_system: str | None = None
    """URI of the patient identifier system, for studies whose issuer is no URI. An EHR that gets pushes needs it:
    without it a patient there is matched only by an identifier that has no system either."""
    accession_system: str | None = None
    """URI of the accession number system, for studies whose issuer is no URI."""
    wado_url: str | None = None
    """Base URL of WADO-RS (PS3.18 10.4) where images and results can be fetched by those who read these resources; None
    when it is not known."""
