"""Which order a study was made for, and the FHIR store in line with it."""

import structlog

from ainode.journal.orders import OrderJournal
from ainode_fhir.order import Order
from ainode_fhir.order_update import accession_number, patient_number, studies_of, updated, with_order
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ImagingContext

log = structlog.get_logger()

_DAY_S = 86_400


class StudyOrders:
    """Orders beside studies: for the encoder, and for reports that were there before their order."""

    def __init__(self, journal: OrderJournal, store: ResourceStore, site: Site) -> None:
        self._journal = journal
        self._store = store
        self._site = site

    def completed(self, context: ImagingContext) -> ImagingContext:
        """``context`` with its order, where one came."""
        order = self._order(context)
        return with_order(context, order) if order else context

    def look_again(self, context: ImagingContext) -> None:
        """A report was stored: an order that came while it was written could not see it."""
        self._journal.look_again(study_uid=context.study_uid, accession=context.accession_number or "")

    def step(self) -> int:
        """Bring the studies of one order in line with it; how many orders were looked at."""
        row = self._journal.unshown()
        if row is None:
            return 0
        changed = sum(self._show(context) for context in studies_of(row.order, self._store, self._site))
        self._journal.shown(row)
        if changed:
            log.info("order shown", studies=changed)
        return 1

    def _show(self, context: ImagingContext) -> bool:
        """Whether the study has an order: the best of those that fit it, which need not be the one that came."""
        order = self._order(context)
        bundle = updated(with_order(context, order), self._store, self._site) if order else None
        if bundle is None:
            return False
        self._store.apply(bundle)
        return True

    def _order(self, context: ImagingContext) -> Order | None:
        return self._journal.matching(
            study_uid=context.study_uid,
            accession=accession_number(context, self._site),
            patient=patient_number(context, self._site),
        )


class Forgetting:
    """Deletes orders that nothing was heard of for a while."""

    def __init__(self, journal: OrderJournal, *, days: float) -> None:
        self._journal = journal
        self._seconds = days * _DAY_S

    def step(self) -> int:
        """Delete what is too old; returns 0, as nothing follows from it."""
        self._journal.forget(self._seconds)
        return 0
