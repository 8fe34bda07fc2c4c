"""The Storage Commitment SCP on the associations of the listener: N-ACTION in, and N-EVENT-REPORT while they last."""

from collections.abc import Callable
from typing import cast

import structlog
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION, DimseServiceType
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModelInstance
from sqlalchemy.exc import SQLAlchemyError

from ainode.commitment.report import tell
from ainode.commitment.request import read_request
from ainode.commitment.same_association import report_here
from ainode.commitment.statuses import ActionStatus
from ainode.commitment.verdict import Judge
from ainode.journal.commitments import CommitmentJournal, CommitmentRow
from ainode_models.errors import InstanceError

log = structlog.get_logger()

_REQUEST_COMMITMENT = 1  # Action Type ID, PS3.4 Table J.3-1
_HELD_BACK_S = 60.0
"""How long a report on the same association may take; then, after a crash too, it goes on one of its own."""
_LINGER_S = 0.25
"""Most peers that do not wait for the report release at once."""


class CommitmentProvider:
    """Takes requests into the journal; ``on_waiting`` is called when a report needs an association of its own."""

    def __init__(self, journal: CommitmentJournal, judge: Judge, *, on_waiting: Callable[[], None]) -> None:
        self._journal = journal
        self._judge = judge
        self._on_waiting = on_waiting

    def attach(self, association: Association) -> None:
        """Serve an association that is being negotiated."""
        asked: list[CommitmentRow] = []
        association.bind(evt.EVT_N_ACTION, self._on_action, [asked])
        serve = association._serve_request  # noqa: SLF001 - pynetdicom offers no hook after an answer

        def serve_and_report(message: DimseServiceType, context_id: int) -> None:
            # The answer is sent when this returns; only then may the report follow (PS3.4 J.3.3).
            serve(message, context_id)
            while asked:
                self._report(association, context_id, asked.pop(0))

        association._serve_request = serve_and_report  # type: ignore[assignment, method-assign]  # noqa: SLF001

    def _on_action(self, event: Event, asked: list[CommitmentRow]) -> tuple[int, Dataset | None]:
        status = self._take(event, asked)
        if status is not ActionStatus.SUCCESS:
            log.warning("commitment refused", calling=_calling(event.assoc), status=f"{status.code:04X}")
        return status.code, None

    def _take(self, event: Event, asked: list[CommitmentRow]) -> ActionStatus:
        action = cast(N_ACTION, event.request)
        if action.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
            return ActionStatus.NO_SUCH_SOP_INSTANCE
        if action.ActionTypeID != _REQUEST_COMMITMENT:
            return ActionStatus.NO_SUCH_ACTION
        peer = event.assoc.requestor
        try:
            request = read_request(event.action_information, calling=_calling(event.assoc), address=peer.address)
            asked.append(self._journal.asked(request, wait=_HELD_BACK_S))
        except InstanceError:
            return ActionStatus.INVALID_ARGUMENT_VALUE
        except SQLAlchemyError:
            log.exception("commitment not recorded", calling=_calling(event.assoc))
            return ActionStatus.RESOURCE_LIMITATION
        return ActionStatus.SUCCESS

    def _report(self, association: Association, context_id: int, row: CommitmentRow) -> None:
        """Report here if the peer stays; else at once on an association of its own."""
        try:
            verdict = self._judge.verdict(row)
            if report_here(association, context_id, row, verdict, linger_s=_LINGER_S):
                self._journal.reported(row)
                tell(row, "reported", committed=len(verdict.committed), failed=len(verdict.failed))
                return
            self._journal.at_once(row)
        except Exception:  # the edge: the request is in the journal, and the Reporter comes back to it
            log.exception("commitment held back", transaction=row.transaction_uid)
        self._on_waiting()


def _calling(association: Association) -> str:
    return str(association.requestor.ae_title).strip()
