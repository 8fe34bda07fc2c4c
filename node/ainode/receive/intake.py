"""Taking in one object: safe on disk, then the answer."""

from collections.abc import Callable

import structlog
from pynetdicom.presentation import PresentationContext

from ainode.receive.associations import AssociationTally
from ainode.receive.command_set import StoreRequest
from ainode.receive.free_space import DiskNearlyFull
from ainode.receive.part10 import file_head
from ainode.receive.spool import Spool, SpoolWriter
from ainode.receive.statuses import Status, status_of

_log = structlog.get_logger()


class Intake:
    """Begins receptions; nothing is decoded before the answer, and the journal hears of the object after it."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

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
        self._tally.stored(self._writer.keep())

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as exc:  # noqa: BLE001 - the edge: whatever happens, the peer is answered
            self._status = status_of(exc)
            if isinstance(exc, DiskNearlyFull):
                return  # said once for all objects
            unforeseen = self._status is Status.CANNOT_UNDERSTAND
            _log.error(
                "store failed",
                calling=self._tally.calling,
                status=self._status.hex,
                error=f"{type(exc).__name__}: {exc}".partition("\n")[0],
                exc_info=unforeseen,
            )
