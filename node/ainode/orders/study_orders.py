"""Which order a study was made for, and the FHIR store in line with it."""

from typing import TypedDict

import structlog

from ainode.encode.imaging_context import imaging_context
from ainode.journal.orders import OrderJournal, OrderRow
from ainode.study import Study
from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_fhir.order import Number, Order
from ainode_fhir.order_update import accession_number, patient_number, studies_of, updated, with_order
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ImagingContext

log = structlog.get_logger()

_DAY_S = 86_400
_URGENT = ("stat", "asap", "urgent")


class Numbers(TypedDict):
    """What an order is compared with."""

    study_uid: str
    accession: Number
    patient: Number


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

    def is_urgent(self, study: Study) -> bool:
        """Whether the study has an order that is not for when its turn comes: ``stat``, ``asap`` or ``urgent``."""
        try:
            order = self._order(imaging_context(study, [study.series[0].header]))
        except UNREADABLE:  # whoever runs it finds out, and says so
            return False
        return order is not None and order.status != "revoked" and order.priority in _URGENT

    def look_again(self, context: ImagingContext) -> None:
        """A report was stored: an order that came while it was written could not see it."""
        self._journal.look_again(study_uid=context.study_uid, accession=context.accession_number or "")

    def step(self) -> int:
        """Bring the studies of one order in line with it; how many orders were looked at."""
        row = self._journal.unshown()
        if row is None:
            return 0
        changed = sum(self._show(context, row.previous) for context in self._contexts(row))
        self._journal.shown(row)
        if changed:
            log.info("order shown", studies=changed)
        return 1

    def _contexts(self, row: OrderRow) -> list[ImagingContext]:
        """The studies that may be those of an order, as it is or as it was shown."""
        states = [row.order, row.previous] if row.previous else [row.order]
        found = [context for state in states for context in studies_of(state, self._store, self._site)]
        return list({context.study_uid: context for context in found}.values())

    def _show(self, context: ImagingContext, previous: Order | None) -> bool:
        """Whether the study has an order: the best of those that fit it, which need not be the one that came.

        A study that was shown with ``previous`` and now fits no order is back at what the images alone may have told.
        """
        order, bundle = self._order(context), None
        if order:
            bundle = updated(with_order(context, order), self._store, self._site)
        elif previous and previous.fits(**self._numbers(context)):
            bundle = updated(context, self._store, self._site, known=False)
        if bundle is None:
            return False
        self._store.apply(bundle)
        return True

    def _order(self, context: ImagingContext) -> Order | None:
        return self._journal.matching(**self._numbers(context))

    def _numbers(self, context: ImagingContext) -> Numbers:
        return Numbers(
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
