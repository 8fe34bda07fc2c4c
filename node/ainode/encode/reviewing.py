"""The review stage: makes what humans decided visible in FHIR, and has it delivered."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from ainode.durable_file import durable_file
from ainode.encode.encoder import REPORT
from ainode.encode.kept_findings import kept_findings
from ainode.journal.reviews import ReviewJournal, ReviewRow
from ainode_fhir.bundle import as_json
from ainode_fhir.review import Review
from ainode_fhir.reviewed import reviewed_bundle
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_models.errors import AinodeError

log = structlog.get_logger()
REVIEW = "review.json"
"""File of the transaction with the resources as the last review leaves them, in the run's folder."""


@dataclass(frozen=True)
class Reviewing:
    """Takes pending reviews from the journal; each may be done twice and leaves the same."""

    reviews: ReviewJournal
    results: Path
    """Folder of the results."""
    store: ResourceStore
    site: Site
    destinations: Collection[str]
    """Names of those that get FHIR."""
    tell: Callable[[str], None]
    """Has the Task of a run say how far it is."""

    def step(self) -> int:
        """Apply what is pending, in its order; how many."""
        pending = self.reviews.pending()
        for row in pending:
            self._apply(row)
        return len(pending)

    def _apply(self, row: ReviewRow) -> None:
        review = row.review
        try:
            self._write(review)
        except (AinodeError, FileNotFoundError, ValueError) as error:
            # Its files are gone, or are none: that does not mend itself, as a full disk or a database does.
            trouble = str(error) if isinstance(error, AinodeError) else f"its report is gone ({type(error).__name__})"
            self.reviews.failed(row, trouble)
            log.warning("review not applied", run=review.run_id, number=review.number, reason=trouble)
            return
        self.tell(review.run_id)
        self.reviews.applied(row, self.destinations)
        log.info("review", run=review.run_id, number=review.number, verdict=review.verdict)

    def _write(self, review: Review) -> None:
        folder = self.results / review.run_id
        resources = [entry["resource"] for entry in json.loads((folder / REPORT).read_bytes())["entry"]]
        bundle = reviewed_bundle(resources, kept_findings(folder), review, site=self.site)
        with durable_file(folder / REVIEW) as file:
            file.write(json.dumps(as_json(bundle)).encode())
        self.store.apply(bundle)
