"""Received objects as files, safe on disk when a call returns, under names that no peer can choose."""

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ainode.durable_file import sync_folder
from ainode.group_commit import GroupCommit
from ainode.receive.arrival import Arrival
from ainode.receive.direct_file import Buffers, DirectFile
from ainode.receive.free_space import FreeSpace
from ainode.receive.stock import Stock
from ainode.receive.stock_file import SIZE, trim
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InstanceError


def path_in_spool(sha256: str) -> str:
    """Where the file with this digest lies, relative to the spool folder."""
    return f"{sha256[:2]}/{sha256}.dcm"


@dataclass(frozen=True)
class SpooledFile:
    """One file of the spool."""

    path: str
    """Relative to the spool folder; made of ``sha256`` alone."""
    sha256: str
    """Of the whole file."""
    bytes: int


class Spool:
    """Folder of files named by their own digest: ``<first two digits>/<sha256>.dcm``; thread-safe.

    What a peer sends by C-STORE lies in ``stock`` or ``new`` first, whole and durable, until the journal knows of it.
    """

    def __init__(self, folder: Path, space: FreeSpace | None = None, *, stock: int = 0) -> None:
        """``stock``: so many files are kept ready, while they are less than a tenth of the room."""
        self.folder = folder
        self._space = space
        self.stock = Stock(folder / "stock", lambda: min(stock, self._tenth()))
        self.incoming = folder / "incoming"
        """Files on their way in; another stage may write here and then call ``adopt``."""
        self.new = folder / "new"
        """Whole objects, named by their time of arrival: see ``Registrar``."""
        self.named = GroupCommit(self._sync_new)
        self.buffers = Buffers()
        for path in (self.incoming, self.new, *(folder / f"{shard:02x}" for shard in range(256))):
            path.mkdir(parents=True, exist_ok=True)
        sync_folder(folder)

    def remove_leftovers(self) -> int:
        """Remove what a killed process left half-written; its number. Call before anything is received."""
        self.stock.recover()
        leftovers = [path for path in self.incoming.iterdir() if path.is_file()]
        for path in leftovers:
            path.unlink()
        return len(leftovers)

    def open(self, sop_instance_uid: str) -> "SpoolWriter":
        """Begin one object. Raises InstanceError when the UID is none (PS3.5 9.1), OSError when the disk refuses."""
        if not is_valid_uid(sop_instance_uid):
            raise InstanceError("SOP Instance UID is no valid UID (PS3.5 9.1); mend it at the sender")
        self.admit()
        return SpoolWriter(self)

    def admit(self) -> None:
        """Raise DiskNearlyFull, an OSError, while there is no room for anything new; what was begun goes on."""
        if self._space:
            self._space.admit()

    def write(self, sop_instance_uid: str, chunks: Iterable[bytes | memoryview]) -> SpooledFile:
        """Store one object; the same bytes again are the same file. Raises as ``open`` does."""
        writer = self.open(sop_instance_uid)
        try:
            for chunk in chunks:
                writer.write(chunk)
            return self.adopt(writer.finish())
        finally:
            writer.discard()

    def adopt(self, path: Path) -> SpooledFile:
        """Take in a complete file of the same file system; its old name is the caller's to remove."""
        kept = self.link(path)
        self.settle([kept.path])
        return kept

    def arrivals(self) -> list[float]:
        """When each object came that the journal does not know of, in seconds since 1970."""
        in_stock = self.stock.arrivals()  # first: they move from there to the others
        named = [arrival for path in self.new.iterdir() if (arrival := Arrival.of(path))]
        return [arrival.seconds for arrival in (*named, *in_stock)]

    def arrived(self) -> list[Path]:
        """Files of the objects that the journal does not know of, oldest first."""
        self.stock.move(self.new)
        return sorted(self.new.iterdir())

    def path_of(self, relative: str) -> Path:
        """Where a file of the spool lies."""
        return self.folder / relative

    def link(self, path: Path) -> SpooledFile:
        """Give a file its final name too, bytes first: under that name it is always whole. See ``settle``."""
        if arrival := Arrival.of(path):
            trim(path, arrival.name)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        kept = SpooledFile(path_in_spool(sha256), sha256, size)
        # In two steps, for a copy that was there may be damaged: this one has just been read.
        part = self.incoming / f"{uuid4().hex}.part"
        part.hardlink_to(path)
        part.replace(self.path_of(kept.path))
        part.unlink(missing_ok=True)  # rename(2) leaves both names of one file
        return kept

    def settle(self, kept: Iterable[str]) -> None:
        """Make the names of files durable, each folder once."""
        for folder in {self.path_of(path).parent for path in kept}:
            sync_folder(folder)

    def _tenth(self) -> int:
        """Files of the stock that would fill a tenth of the room."""
        return max(0, self._space.room().above) // 10 // SIZE if self._space else sys.maxsize

    def _sync_new(self, _batch: Sequence[Path]) -> None:
        sync_folder(self.new)


class SpoolWriter:
    """One object on its way into the spool; nothing is kept until ``keep`` returns."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._name = uuid4().hex
        self._path = spool.incoming / f"{self._name}.part"
        self._file: DirectFile | None = DirectFile(self._path, spool.buffers)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; OSError when the disk does not take them."""
        assert self._file
        self._file.write(chunk)

    def finish(self) -> Path:
        """Where the whole object lies now, until it is discarded; OSError when the disk does not take it."""
        assert self._file
        self._file.flush()
        return self._path

    def keep(self) -> int:
        """Make the object durable and put it into ``new``; its length in bytes. OSError as for ``finish``."""
        assert self._file
        if (gathered := self._file.gathered) and self._spool.stock.keep(*gathered):
            self.discard()
            return gathered[1]
        length = self._file.flush()
        # Named before it is synchronised: the journal of the file system then takes both in one commit. A power cut
        # in between may leave a part of an object that nobody heard was stored, and the header walk finds it.
        arrived = self._spool.new / Arrival(time.time_ns(), self._name).file_name
        self._path.rename(arrived)
        try:
            self._file.sync()
            self._spool.named.commit(arrived)
        except BaseException:
            with suppress(OSError):
                arrived.unlink(missing_ok=True)
            raise
        self.discard()
        return length

    def discard(self) -> None:
        """Throw away what was not kept; may be called at any time and again."""
        file, self._file = self._file, None
        if file:
            is_made = file.gathered is None
            file.close()
            if is_made:
                self._path.unlink(missing_ok=True)
