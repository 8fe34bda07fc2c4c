"""Telling the peer, by N-EVENT-REPORT, on an association of its own, again and again until it says that it heard."""

from collections.abc import Callable

import structlog
from pynetdicom import build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from sqlalchemy.exc import SQLAlchemyError

from ainode.commitment.metrics import COMMITMENTS
from ainode.commitment.verdict import Judge, Verdict
from ainode.deliver.association import Peer, association
from ainode.deliver.outbox import RetryPolicy
from ainode.journal.commitments import CommitmentJournal, CommitmentRow
from ainode_models.errors import PeerRefused, PeerUnreachable

log = structlog.get_logger()

_TRANSIENT = (0x0110, 0x0213)
"""Processing failure and resource limitation: the peer may be able to later (PS3.7 10.1.1.1.8)."""


class Reporter:
    """Works off the requests that were not reported yet."""

    def __init__(
        self,
        journal: CommitmentJournal,
        judge: Judge,
        *,
        peer: Callable[[CommitmentRow], Peer],
        policy: RetryPolicy,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._judge = judge
        self._peer = peer
        self._policy = policy
        self._clock = clock

    def step(self) -> int:
        """Attempt the report that is due first; how many were attempted, 0 or 1."""
        row = self._journal.due()
        if row:
            self._attempt(row)
        return 1 if row else 0

    def _attempt(self, row: CommitmentRow) -> None:
        try:
            verdict = self._judge.verdict(row)
            send(self._peer(row), row, verdict)
        except (PeerUnreachable, OSError) as error:
            self._later(row, str(error))
        except PeerRefused as error:
            self._bury(row, str(error))
        except SQLAlchemyError:
            raise
        except Exception as error:  # a bad row holds up no other
            log.exception("commitment failed", transaction=row.transaction_uid)
            self._later(row, f"internal error ({type(error).__name__}); the node's log has the details")
        else:
            self._journal.reported(row)
            tell(row, "reported", committed=len(verdict.committed), failed=len(verdict.failed))

    def _later(self, row: CommitmentRow, reason: str) -> None:
        if self._clock() - row.created_at > self._policy.give_up_after:
            self._bury(row, f"gave up after {self._policy.give_up_after:g} s: {reason}")
            return
        wait = self._policy.wait(row.attempts + 1)
        self._journal.retry(row, reason, wait)
        tell(row, "retry", reason=reason, wait_seconds=wait)

    def _bury(self, row: CommitmentRow, reason: str) -> None:
        self._journal.dead(row, reason)
        tell(row, "dead", reason=reason)


def send(peer: Peer, row: CommitmentRow, verdict: Verdict) -> None:
    """N-EVENT-REPORT on a new association, in which we are the SCP (PS3.4 J.3.3, PS3.7 D.3.3.4)."""
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    with association(peer, [StorageCommitmentPushModel], roles=[role]) as assoc:
        answer, _ = assoc.send_n_event_report(
            verdict.event_information(row.transaction_uid),
            verdict.event_type,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
    if "Status" not in answer:
        raise PeerUnreachable(f"{peer.name} ended the association without an answer to N-EVENT-REPORT")
    if answer.Status in _TRANSIENT:
        raise PeerUnreachable(f"{peer.name} cannot take N-EVENT-REPORT now (0x{answer.Status:04X})")
    if answer.Status != 0:
        raise PeerRefused(f"{peer.name} answered N-EVENT-REPORT with 0x{answer.Status:04X}")


def tell(row: CommitmentRow, how: str, **more: object) -> None:
    """Count and log one attempt."""
    COMMITMENTS.labels(how).inc()
    log.info(
        "commitment",
        transaction=row.transaction_uid,
        calling=row.calling,
        result=how,
        attempt=row.attempts + 1,
        **more,
    )
