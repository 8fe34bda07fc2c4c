"""Received objects as files, safe on disk when a call returns, under names that no peer can choose."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ainode.durable_file import sync_folder
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InstanceError


@dataclass(frozen=True)
class SpooledFile:
    """One file of the spool."""

    path: str
    """Relative to the spool folder; made of ``sha256`` alone."""
    sha256: str
    """Of the whole file."""
    bytes: int


class Spool:
    """Folder of files named by their own digest: ``<first two digits>/<sha256>.dcm``; thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        """Files on their way in; another stage may write here and then call ``adopt``."""
        for path in (self.incoming, *(folder / f"{shard:02x}" for shard in range(256))):
            path.mkdir(parents=True, exist_ok=True)
        sync_folder(folder)

    def remove_leftovers(self) -> int:
        """Remove what a killed process left half-written; its number. Call before anything is received."""
        leftovers = [path for path in self.incoming.iterdir() if path.is_file()]
        for path in leftovers:
            path.unlink()
        return len(leftovers)

    def open(self, sop_instance_uid: str) -> "SpoolWriter":
        """Begin one object. Raises InstanceError when the UID is none (PS3.5 9.1), OSError when the disk refuses."""
        if not is_valid_uid(sop_instance_uid):
            raise InstanceError("SOP Instance UID is no valid UID (PS3.5 9.1); mend it at the sender")
        return SpoolWriter(self)

    def write(self, sop_instance_uid: str, chunks: Iterable[bytes | memoryview]) -> SpooledFile:
        """Store one object; the same bytes again are the same file. Raises as ``open`` does."""
        writer = self.open(sop_instance_uid)
        try:
            for chunk in chunks:
                writer.write(chunk)
            kept = writer.keep()
        finally:
            writer.discard()
        self.settle([kept.path])
        return kept

    def adopt(self, path: Path) -> SpooledFile:
        """Move a complete file in; it must lie on the same file system, best in ``incoming``."""
        with path.open("rb") as file:
            kept = self.keep(path, file.fileno(), hashlib.file_digest(file, "sha256").hexdigest())
        self.settle([kept.path])
        return kept

    def path_of(self, relative: str) -> Path:
        """Where a file of the spool lies."""
        return self.folder / relative

    def keep(self, path: Path, descriptor: int, sha256: str) -> SpooledFile:
        """Give a file its final name, bytes first: under that name it is always whole. ``settle`` makes it durable."""
        os.fsync(descriptor)
        kept = SpooledFile(f"{sha256[:2]}/{sha256}.dcm", sha256, os.fstat(descriptor).st_size)
        target = self.path_of(kept.path)
        path.replace(target)
        return kept

    def settle(self, kept: Iterable[str]) -> None:
        """Make the names of kept files durable, each folder once."""
        for folder in {self.path_of(path).parent for path in kept}:
            sync_folder(folder)


class SpoolWriter:
    """One object on its way into the spool; nothing is kept until ``keep`` returns."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._path = spool.incoming / f"{uuid4().hex}.part"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; OSError when the disk does not take them."""
        self._digest.update(chunk)
        done = os.write(self._descriptor, chunk)
        while done < len(chunk):  # a signal, or a disk that is nearly full
            done += os.write(self._descriptor, chunk[done:])

    def keep(self) -> SpooledFile:
        """Make the bytes durable and name them; OSError when the disk does not take them. See ``Spool.settle``."""
        kept = self._spool.keep(self._path, self._descriptor, self._digest.hexdigest())
        self.discard()
        return kept

    def discard(self) -> None:
        """Throw away what was not kept; may be called at any time and again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.unlink(missing_ok=True)
