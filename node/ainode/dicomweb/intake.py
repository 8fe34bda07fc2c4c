"""Taking in objects that come over HTTP: bytes on disk, header read, rows in the journal, then the answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import sqlalchemy as sa
import structlog
from starlette.datastructures import Address

from ainode.dicomweb.failure import Failure, Reason
from ainode.dicomweb.metrics import STORED
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.header import Header, read_header
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError

_log = structlog.get_logger()

_JOURNAL_BATCH = 50
"""Instances per journal transaction; all are committed before the answer."""


@dataclass(frozen=True)
class Taken:
    """What became of one object."""

    name: str
    """How its sender calls it: a file's name, or the number of a part."""
    header: Header | None
    """None when it could not be read."""
    failure: Failure | None = None
    """None when it is stored."""


@dataclass(frozen=True)
class ObjectIntake:
    """What it takes to store an object."""

    spool: Spool
    journal: InstanceJournal
    is_stored: Callable[[str], bool]
    """Whether objects of a SOP class are stored."""
    largest: int
    """Bytes of one object at most."""

    def batch(self, way: str, client: Address | None) -> "Batch":
        """The objects of one request; ``way`` and the client's address are what the journal says of their source."""
        return Batch(self, way, client.host if client else "unknown")


class Batch:
    """The objects of one request; stored for good when the ``with`` block ends, even by an error."""

    def __init__(self, intake: ObjectIntake, way: str, address: str) -> None:
        self.taken: list[Taken] = []
        self._intake = intake
        self._way, self._source = way, f"{way} {address}"
        self._waiting: list[tuple[int, StoredInstance]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._commit()
        for item in self.taken:
            result = f"{item.failure.reason:04X}" if item.failure else "stored"
            STORED.labels(way=self._way, result=result).inc()
        failures = sum(item.failure is not None for item in self.taken)
        _log.info("objects taken in", source=self._source, stored=len(self.taken) - failures, failures=failures)

    def take(self, name: str, chunks: Iterable[bytes], *, study_uid: str | None = None) -> None:
        """Store one object, which belongs to ``study_uid`` if that is given; what became of it is in ``taken``."""
        path = self._intake.spool.incoming / f"{uuid4().hex}.part"
        header = None
        try:
            self._write(path, chunks)
            header = read_header(path)
            failure = self._refusal(header, study_uid)
            if failure is None:
                self._keep(path, header)
        except InstanceError as exc:
            failure = Failure(Reason.CANNOT_UNDERSTAND, str(exc))
        except OSError as exc:
            failure = self._no_room(exc)
        finally:
            path.unlink(missing_ok=True)
        self.taken.append(Taken(name, header, failure))
        if len(self._waiting) >= _JOURNAL_BATCH:
            self._commit()

    def refuse(self, name: str, failure: Failure) -> None:
        """Note an object that is not looked at."""
        self.taken.append(Taken(name, None, failure))

    def _write(self, path: Path, chunks: Iterable[bytes]) -> None:
        self._intake.spool.admit()
        size = 0
        path.touch(mode=0o600, exist_ok=False)
        with path.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > self._intake.largest:
                    raise InstanceError(f"larger than {self._intake.largest} bytes, which [dicomweb] max_object allows")
                file.write(chunk)

    def _refusal(self, header: Header, study_uid: str | None) -> Failure | None:
        if not self._intake.is_stored(header.sop_class_uid):
            return Failure(Reason.SOP_CLASS_NOT_SUPPORTED, "objects of this SOP class are not stored here")
        if study_uid not in (None, header.study_uid):
            return Failure(Reason.PROCESSING_FAILURE, "StudyInstanceUID (0020,000D) is not that of the address")
        return None

    def _keep(self, path: Path, header: Header) -> None:
        kept = self._intake.spool.adopt(path)
        row = StoredInstance(header.sop_instance_uid, kept.sha256, kept.path, kept.bytes, self._source)
        self._waiting.append((len(self.taken), row))

    def _commit(self) -> None:
        """Rows of what waits; an object without its row does not count as stored."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._intake.journal.stored([row for _, row in waiting])
        except (OSError, sa.exc.SQLAlchemyError) as exc:
            failure = self._no_room(exc)
            for place, _ in waiting:
                found = self.taken[place]
                self.taken[place] = Taken(found.name, found.header, failure)

    def _no_room(self, exc: Exception) -> Failure:
        error = exc.strerror if isinstance(exc, OSError) else type(exc).__name__
        _log.error("object not stored", source=self._source, error=error)
        return Failure(Reason.OUT_OF_RESOURCES, "disk or journal cannot take the object; try later")
