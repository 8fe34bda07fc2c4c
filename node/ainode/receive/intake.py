"""Taking in one object: bytes on disk, then the row in the journal, then the answer."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import cast

import structlog
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.associations import AssociationTally
from ainode.receive.part10 import file_head
from ainode.receive.spool import Spool
from ainode.receive.statuses import Status, status_of

_log = structlog.get_logger()


class Intake:
    """Answers C-STORE requests; nothing is decoded before the answer."""

    def __init__(self, spool: Spool, journal: InstanceJournal, *, on_stored: Callable[[], None]) -> None:
        self._spool = spool
        self._journal = journal
        self._on_stored = on_stored

    def answer(self, event: Event, tally: AssociationTally) -> int:
        """Store the object of a C-STORE request; the status to send."""
        try:
            status = self._store(event, tally)
        except Exception as exc:  # noqa: BLE001 - the edge: whatever happens, the peer is answered
            status = status_of(exc)
            unforeseen = status is Status.CANNOT_UNDERSTAND
            _log.error(
                "store failed",
                calling=tally.calling,
                status=status.hex,
                error=f"{type(exc).__name__}: {exc}".partition("\n")[0],
                exc_info=unforeseen,
            )
        if status is not Status.SUCCESS:
            tally.failed(status.hex)
        return status.code

    def _store(self, event: Event, tally: AssociationTally) -> Status:
        request = cast(C_STORE, event.request)
        data_set = cast(BytesIO, request.DataSet).getbuffer()
        if request.AffectedSOPClassUID != event.context.abstract_syntax:
            return Status.SOP_CLASS_NOT_SUPPORTED
        if not data_set.nbytes:
            return Status.CANNOT_UNDERSTAND
        uid = str(request.AffectedSOPInstanceUID)
        kept = self._spool.write(uid, _file_of(event, uid, data_set=data_set, calling=tally.calling))
        source = f"C-STORE {tally.calling}"
        self._journal.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, source)])
        self._on_stored()
        tally.stored(kept.bytes)
        return Status.SUCCESS


def _file_of(
    event: Event, sop_instance_uid: str, *, data_set: memoryview, calling: str
) -> Iterator[bytes | memoryview]:
    """The DICOM file: a head of ours, and the data set as it came."""
    yield file_head(
        sop_class_uid=event.context.abstract_syntax,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=event.context.transfer_syntax,
        source_ae_title=calling,
    )
    yield data_set
