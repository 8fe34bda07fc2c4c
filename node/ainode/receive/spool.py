"""Received objects as files, safe on disk when a call returns, under names that no peer can choose."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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

    def write(self, sop_instance_uid: str, chunks: Iterable[bytes | memoryview]) -> SpooledFile:
        """Store one object; the same bytes again are the same file.

        Raises InstanceError when the UID is none (PS3.5 9.1), OSError when the disk does not take the bytes.
        """
        if not is_valid_uid(sop_instance_uid):
            raise InstanceError("SOP Instance UID is no valid UID (PS3.5 9.1); mend it at the sender")
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.incoming, suffix=".part", delete=False) as file:
            path = Path(file.name)
            try:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                file.flush()
                return self._keep(path, file.fileno(), digest.hexdigest())
            finally:
                path.unlink(missing_ok=True)

    def adopt(self, path: Path) -> SpooledFile:
        """Move a complete file in; it must lie on the same file system, best in ``incoming``."""
        with path.open("rb") as file:
            return self._keep(path, file.fileno(), hashlib.file_digest(file, "sha256").hexdigest())

    def path_of(self, relative: str) -> Path:
        """Where a file of the spool lies."""
        return self.folder / relative

    def _keep(self, path: Path, descriptor: int, sha256: str) -> SpooledFile:
        """Bytes first, then the name: a file under its final name is always whole."""
        os.fsync(descriptor)
        kept = SpooledFile(f"{sha256[:2]}/{sha256}.dcm", sha256, os.fstat(descriptor).st_size)
        target = self.path_of(kept.path)
        path.replace(target)
        sync_folder(target.parent)
        return kept
