"""One run as the encoders see it: findings, study, DICOM objects and site together."""

from dataclasses import dataclass
from datetime import date, datetime

from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext, ResultObject
from ainode_models.findings import Findings


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that the resources of one run are written from."""

    findings: Findings
    context: ImagingContext
    objects: tuple[ResultObject, ...]
    """The DICOM objects of the run; empty when they could not be made."""
    site: Site
    issued: datetime
    """When the result was made available, with zone."""
    replaces: str | None
    """Run id of the earlier run that this one supersedes."""
    page: bytes | None = None
    """The report as PDF, for people."""
    card: str | None = None
    """What the makers of the model say of it, in Markdown."""

    @property
    def run_id(self) -> str:
        """Id of the run; all ids derive from it."""
        return self.findings.run_id

    @property
    def effective(self) -> datetime | date:
        """When the images were made, else when the analysis started: never absent, as us-core-10 asks."""
        return self.context.started or self.findings.started_at
