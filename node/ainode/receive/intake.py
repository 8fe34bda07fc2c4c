"""Taking in one object: bytes on disk, then the row in the journal, then the answer."""

from collections.abc import Callable, Sequence

import structlog
from pynetdicom.presentation import PresentationContext

from ainode.journal.group_commit import GroupCommit
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.associations import AssociationTally
from ainode.receive.command_set import StoreRequest
from ainode.receive.part10 import file_head
from ainode.receive.spool import Spool, SpoolWriter
from ainode.receive.statuses import Status, status_of

_log = structlog.get_logger()


class Intake:
    """Begins receptions; nothing is decoded before the answer."""

    def __init__(self, spool: Spool, journal: InstanceJournal) -> None:
        self.spool = spool
        self._journal = journal
        self.stored = GroupCommit(self._commit)

    def _commit(self, batch: Sequence[StoredInstance]) -> None:
        """Rows and names of some objects, durable when this returns.

        The names last: on ext4 the commit of the rows writes them too, and the fsync of the folder then costs
        nothing. A power cut in between leaves a row without its file, of an object that nobody heard was stored.
        """
        self._journal.stored(batch)
        self.spool.settle(item.path for item in batch)

    def begin(self, request: StoreRequest, context: PresentationContext, tally: AssociationTally) -> "Reception":
        """The reception of one object, which answers for all that happens to it."""
        return Reception(self, request, context, tally)


class Reception:
    """One object on its way in; an error is kept until all of it has come, for only then may the peer be answered."""

    def __init__(
        self, intake: Intake, request: StoreRequest, context: PresentationContext, tally: AssociationTally
    ) -> None:
        assert context.context_id
        self.request = request
        self.context_id = context.context_id
        self._intake = intake
        self._tally = tally
        self._writer: SpoolWriter | None = None
        self._empty = True
        self._status = self._refusal(context)
        if self._status is Status.SUCCESS:
            self._guarded(lambda: self._open(context))

    def write(self, chunk: memoryview) -> None:
        """Take one fragment of the data set."""
        self._empty = self._empty and not chunk
        if self._status is Status.SUCCESS and self._writer:
            writer = self._writer
            self._guarded(lambda: writer.write(chunk))

    def finish(self) -> int:
        """Make the object safe, if it can be; the status to send."""
        if self._status is Status.SUCCESS and self._empty:
            self._status = Status.CANNOT_UNDERSTAND
        if self._status is Status.SUCCESS:
            self._guarded(self._keep)
        self.discard()
        if self._status is not Status.SUCCESS:
            self._tally.failed(self._status.hex)
        return self._status.code

    def discard(self) -> None:
        """Throw away what was not kept."""
        if self._writer:
            self._writer.discard()

    def _refusal(self, context: PresentationContext) -> Status:
        if self.request.sop_class_uid != context.abstract_syntax:
            return Status.SOP_CLASS_NOT_SUPPORTED
        return Status.SUCCESS

    def _open(self, context: PresentationContext) -> None:
        self._writer = self._intake.spool.open(self.request.sop_instance_uid)
        head = file_head(
            sop_class_uid=self.request.sop_class_uid,
            sop_instance_uid=self.request.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax[0],
            source_ae_title=self._tally.calling,
        )
        self._writer.write(head)

    def _keep(self) -> None:
        assert self._writer
        kept = self._writer.keep()
        source = f"C-STORE {self._tally.calling}"
        uid = self.request.sop_instance_uid
        self._intake.stored.commit(StoredInstance(uid, kept.sha256, kept.path, kept.bytes, source))
        self._tally.stored(kept.bytes)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as exc:  # noqa: BLE001 - the edge: whatever happens, the peer is answered
            self._status = status_of(exc)
            unforeseen = self._status is Status.CANNOT_UNDERSTAND
            _log.error(
                "store failed",
                calling=self._tally.calling,
                status=self._status.hex,
                error=f"{type(exc).__name__}: {exc}".partition("\n")[0],
                exc_info=unforeseen,
            )
