"""Which of the instances that a peer asks about are safe here, and how the peer is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ainode.commitment.statuses import FailureReason
from ainode.journal.commitments import CommitmentJournal, CommitmentRow, Copy, Reference
from ainode.receive.header import read_header
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError


@dataclass(frozen=True)
class Verdict:
    """Every reference of a request, in its order."""

    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, FailureReason], ...]

    @property
    def event_type(self) -> int:
        """Event Type ID (PS3.4 J.3.3.1): 1 when all are committed, else 2."""
        return 2 if self.failed else 1

    def event_information(self, transaction_uid: str) -> Dataset:
        """Event Information of PS3.4 Table J.3-2."""
        ds = Dataset()
        ds.TransactionUID = transaction_uid
        if self.committed:
            ds.ReferencedSOPSequence = [_item(reference) for reference in self.committed]
        if self.failed:
            ds.FailedSOPSequence = [_item(reference, reason) for reference, reason in self.failed]
        return ds


class Judge:
    """Looks at the journal and at the files themselves."""

    def __init__(self, journal: CommitmentJournal, spool: Spool, registrar: Registrar) -> None:
        self._registrar = registrar
        self._journal = journal
        self._spool = spool

    def verdict(self, row: CommitmentRow) -> Verdict:
        """What is safe now; OSError when the spool cannot be read at all, which says nothing of the instances."""
        if self._journal.is_duplicate(row):
            return Verdict((), tuple((item, FailureReason.DUPLICATE_TRANSACTION_UID) for item in row.references))
        self._registrar.register()  # the peer may have sent them a moment ago
        copies = self._journal.copies([item.sop_instance_uid for item in row.references])
        reasons = [(item, self._reason(item, copies.get(item.sop_instance_uid, ()))) for item in row.references]
        return Verdict(
            tuple(item for item, reason in reasons if reason is None),
            tuple((item, reason) for item, reason in reasons if reason is not None),
        )

    def _reason(self, reference: Reference, copies: Sequence[Copy]) -> FailureReason | None:
        classes = [sop_class for sop_class in map(self._class_of, copies) if sop_class]
        if not classes:
            return FailureReason.NO_SUCH_OBJECT_INSTANCE
        return None if reference.sop_class_uid in classes else FailureReason.CLASS_INSTANCE_CONFLICT

    def _class_of(self, copy: Copy) -> str | None:
        """SOP Class UID of a copy that is whole; None when it is not."""
        path = self._spool.path_of(copy.path)
        try:
            if path.stat().st_size != copy.bytes:
                return None
            # What has only just arrived is not indexed yet.
            return copy.sop_class_uid or self._read(copy)
        except FileNotFoundError:
            if not path.parent.is_dir():  # a spool that is not mounted, and may come back
                raise
            return None

    def _read(self, copy: Copy) -> str | None:
        try:
            header = read_header(self._spool.path_of(copy.path))
        except InstanceError:
            return None
        return header.sop_class_uid if header.sop_instance_uid == copy.sop_instance_uid else None


def _item(reference: Reference, reason: FailureReason | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason:
        item.FailureReason = reason.code
    return item
