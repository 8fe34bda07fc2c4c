"""A disk whose free space a test decides, and a real one that is small enough to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """Stands in for ``os.statvfs``; sizes in bytes."""

    def __init__(self, *, total: int, free: int) -> None:
        self.total = total
        self.free = free
        self.error: OSError | None = None

    def __call__(self, _folder: Path) -> os.statvfs_result:
        """What the system would say of any folder."""
        if self.error:
            raise self.error
        # Every one a block: size, fragment size, blocks, free for root, free for us, files, ..., flags, name length.
        return os.statvfs_result((1, 1, self.total, self.free, self.free, 0, 0, 0, 0, 255))


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[Path]:
    """A real file system of ``size`` bytes in memory at ``folder``; skips where nobody may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
