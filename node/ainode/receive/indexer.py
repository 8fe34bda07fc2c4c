"""Reading the headers of stored objects, after their senders were answered."""

import structlog

from ainode.journal.instances import InstanceJournal, InstanceRow
from ainode.receive.header import Header, read_header
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError

_log = structlog.get_logger()


class Indexer:
    """Finds the study of each stored object, or says why it cannot be used; its file stays either way."""

    def __init__(self, journal: InstanceJournal, spool: Spool) -> None:
        self._journal = journal
        self._spool = spool

    def step(self) -> int:
        """Read the headers that wait; how many objects are settled now."""
        return sum(self._settle(row) for row in self._journal.to_index())

    def _settle(self, row: InstanceRow) -> bool:
        try:
            header = self._header(row)
        except InstanceError as exc:
            self._refuse(row, str(exc))
        except OSError as exc:
            # Perhaps only for now (too many open files, a network disk): an object is not given up for that.
            _log.error("header not read", instance=row.id, error=exc.strerror)
            return False
        else:
            self._journal.indexed(
                row.id,
                study_uid=header.study_uid,
                series_uid=header.series_uid,
                sop_class_uid=header.sop_class_uid,
            )
        return True

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

    def _refuse(self, row: InstanceRow, reason: str) -> None:
        self._journal.refused(row.id, reason)
        _log.warning("object refused", instance=row.id, source=row.source, reason=reason)
