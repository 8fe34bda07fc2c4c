"""Reading the headers of stored objects, after their senders were answered."""

import time
from collections.abc import Callable, Sequence

import structlog

from ainode.journal.instances import InstanceJournal, InstanceRow, Place, Refusal, SecondCopy
from ainode.receive.header import Header, read_header, same_data_set
from ainode.receive.metrics import CONFLICTING
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError

_log = structlog.get_logger()

_PAUSE = 0.1
"""Seconds without a new object after which those that came are read."""
_LONGEST_WAIT = 2.0
"""Seconds that an object may wait while others come."""


class Indexer:
    """Finds the study of each stored object, or says why it cannot be used; its file stays either way."""

    def __init__(self, journal: InstanceJournal, spool: Spool, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._journal = journal
        self._spool = spool
        self._registrar = Registrar(spool, journal)

    def step_when_calm(self) -> int:
        """``step``, unless objects come in and none has waited for long: the processor is the receiver's then."""
        return 0 if self._more_is_coming() else self.step()

    def step(self) -> int:
        """Register what has arrived and read the headers that wait; how many objects are settled now.

        One transaction for many of them: one for each would cost more than the reading.
        """
        self._registrar.step()
        rows = self._journal.to_index()
        rivals = self._journal.rivals(rows) if rows else {}
        found = [self._look(row, rivals.get(row.sop_instance_uid, ())) for row in rows]
        places = [item for item in found if isinstance(item, Place)]
        refusals = [item for item in found if isinstance(item, Refusal)]
        copies = [item for item in found if isinstance(item, SecondCopy)]
        self._journal.settle(places, refusals, copies)
        return len(places) + len(refusals) + len(copies)

    def _more_is_coming(self) -> bool:
        ages = [self._clock() - arrived_at for arrived_at in self._spool.arrivals()]
        return bool(ages) and 0 <= min(ages) < _PAUSE and max(ages) < _LONGEST_WAIT

    def _look(self, row: InstanceRow, rivals: Sequence[InstanceRow]) -> Place | Refusal | SecondCopy | None:
        try:
            header = self._header(row)
            rivals = [rival for rival in rivals if rival.id != row.id and rival.study_uid == header.study_uid]
            if same := next((rival for rival in rivals if self._is_copy(row, rival)), None):
                return SecondCopy(row.id, same.id)
        except InstanceError as exc:
            _log.warning("object refused", instance=row.id, source=row.source, reason=str(exc))
            return Refusal(row.id, str(exc))
        except OSError as exc:
            # Perhaps only for now (too many open files, a network disk): an object is not given up for that.
            _log.error("header not read", instance=row.id, error=exc.strerror)
            return None
        if rivals:
            CONFLICTING.inc()
            others = [rival.id for rival in rivals]
            _log.warning("instance differs", instance=row.id, others=others, source=row.source, study=header.study_uid)
        return Place(row.id, header.study_uid, header.series_uid, header.sop_class_uid, header.patient)

    def _is_copy(self, row: InstanceRow, rival: InstanceRow) -> bool:
        try:
            return same_data_set(self._spool.path_of(row.path), self._spool.path_of(rival.path))
        except FileNotFoundError:  # of the rival, for this one has just been read
            return False

    def _header(self, row: InstanceRow) -> Header:
        path = self._spool.path_of(row.path)
        # A spool that is not mounted has no shard either, and may come back.
        if not path.exists() and path.parent.is_dir():
            raise InstanceError("its file is gone from the spool; send the object again")
        header = read_header(path)
        if header.sop_instance_uid != row.sop_instance_uid:
            raise InstanceError(
                "SOPInstanceUID (0008,0018) differs from the one announced in the C-STORE request or by the "
                "archive; mend it at the sender"
            )
        return header
