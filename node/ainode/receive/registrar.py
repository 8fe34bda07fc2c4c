"""The journal's rows of objects that came by C-STORE, written after their senders were answered."""

import threading
from itertools import islice
from pathlib import Path

import structlog

from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.arrival import Arrival
from ainode.receive.header import read_file_meta
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError

_log = structlog.get_logger()

_BATCH = 200
"""Objects for each transaction."""


class Registrar:
    """Moves objects from the folder ``new`` of the spool under their digest, and into the journal; thread-safe.

    Final name first, then the row, then the old name is removed: killed anywhere in between, it does all of it again.
    Several may work on one spool.
    """

    def __init__(self, spool: Spool, journal: InstanceJournal) -> None:
        self._spool = spool
        self._journal = journal
        self._turn = threading.Lock()
        self._said = ""

    def register(self) -> int:
        """Register everything that has arrived; the number of files."""
        done = 0
        while count := self.step():
            done += count
        return done

    def step(self) -> int:
        """Register the oldest of what has arrived; the number of files."""
        with self._turn:
            arrived = self._spool.arrived()
            found = ((path, row) for path in arrived if (row := self._stored(path)))
            stored = dict(islice(found, _BATCH))  # of many that cannot be read now, none holds up those behind it
            if not stored:
                return 0
            self._said = ""
            self._spool.settle(row.path for row in stored.values())
            self._journal.stored(list(stored.values()))
            for path in stored:
                path.unlink(missing_ok=True)
            return len(stored)

    def _stored(self, path: Path) -> StoredInstance | None:
        try:
            meta = read_file_meta(path)
            kept = self._spool.link(path)
            arrival = Arrival.of(path)
            received_at = arrival.seconds if arrival else path.stat().st_mtime
        except InstanceError as exc:  # no file of ours, or one that a power cut made short before it was acknowledged
            self._set_aside(path, str(exc))
            return None
        except FileNotFoundError:  # registered by another thread meanwhile
            return None
        except OSError as exc:
            # Perhaps only for now (too many open files, a full disk): an object is not given up for that.
            self._tell(path, exc)
            return None
        source = f"C-STORE {meta.source_ae_title}"
        return StoredInstance(meta.sop_instance_uid, kept.sha256, kept.path, kept.bytes, source, received_at)

    def _set_aside(self, path: Path, reason: str) -> None:
        folder = self._spool.folder / "unreadable"
        try:
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
        except OSError as exc:  # a full disk, perhaps: the next step tries it again
            self._tell(path, exc)
        else:
            _log.error("file set aside", file=path.name, folder=str(folder), reason=reason)

    def _tell(self, path: Path, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        if reason != self._said:  # a full disk is one line, not one for each object and try
            _log.error("object not registered", file=path.name, error=reason)
        self._said = reason
