"""A run that the node has accepted and not yet ended."""

from dataclasses import dataclass
from datetime import date, datetime

from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext
from ainode_models.findings import Algorithm


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """What is known of a run before it begins."""

    run_id: str
    algorithm: Algorithm
    context: ImagingContext
    """The study as far as it is here."""
    site: Site
    authored: datetime
    """When the run was accepted, with zone."""

    @property
    def effective(self) -> datetime | date:
        """When the images were made, else when the run was accepted; as that of the report that comes later."""
        return self.context.started or self.authored
