"""Files that are written already: an object put into one is safe without an entry in the file system's own journal.

To make a file, give it blocks, name it and synchronise both takes longer than to overwrite half a megabyte.
"""

import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog

from ainode.durable_file import sync_folder
from ainode.receive.arrival import Arrival
from ainode.receive.direct_file import open_direct
from ainode.receive.stock_file import ROOM, SIZE, Mark, fill, is_begun, is_unused, make, whole_object

_log = structlog.get_logger()

_SUFFIX = ".stock"
_BATCH = 16
"""Files that are made or looked at in one step."""
_REST = 1.0
"""Seconds without a new object after which files are made."""


class Stock:
    """Up to ``wanted()`` files in a folder; thread-safe. ``recover`` comes first."""

    def __init__(self, folder: Path, wanted: Callable[[], int]) -> None:
        self._folder = folder
        self._wanted = wanted
        self._free: deque[Path] = deque()
        self._full: deque[Arrival] = deque()
        self._doubtful: deque[Path] = deque()
        self._moving = threading.Lock()
        self._buffer = mmap.mmap(-1, SIZE)
        self._used_at = -_REST

    def recover(self) -> None:
        """Take up what an earlier process left: objects first, and what may be used again when there is time."""
        self._folder.mkdir(exist_ok=True)
        for path in self._folder.glob(f"{'[0-9a-f]' * 32}{_SUFFIX}"):
            if path.stat().st_size != SIZE:
                path.unlink()
            elif is_begun(path) and (mark := whole_object(path)):
                self._full.append(Arrival(mark.arrived, path.stem))
            else:
                self._doubtful.append(path)

    def keep(self, buffer: memoryview, length: int) -> bool:
        """Make the first ``length`` bytes of a buffer safe; False when they are too many, or no file is left.

        The rest of the buffer is overwritten. OSError when the disk does not take the object.
        """
        self._used_at = time.monotonic()
        try:
            path = self._free.pop() if length <= ROOM else None
        except IndexError:
            path = None
        if path is None:
            return False
        arrival = Arrival(time.time_ns(), path.stem)
        self._fill(path, buffer, Mark(length, arrival.at))
        self._full.append(arrival)
        return True

    def arrivals(self) -> list[Arrival]:
        """The objects that lie here."""
        return list(self._full.copy())

    def move(self, folder: Path) -> None:
        """Move the objects that lie here into ``folder``, named by their arrival; ``trim`` is the reader's to do."""
        with self._moving:
            if not self._full:
                return
            while self._full:
                arrival = self._full[0]
                path = self._folder / f"{arrival.name}{_SUFFIX}"
                try:
                    path.rename(folder / arrival.file_name)
                except FileNotFoundError:
                    _log.error("object gone", file=path.name, folder=str(self._folder))
                self._full.popleft()
            # Both names, before anybody trims a file: without its mark it would be nothing under its old one.
            sync_folder(folder)
            sync_folder(self._folder)

    def refill(self) -> int:
        """Make files for those that were used, unless objects come in; how many were made or looked at."""
        if self._full or time.monotonic() - self._used_at < _REST:
            return 0
        if self._doubtful:
            return self._look_again()
        made = [self._make() for _ in range(min(self._wanted() - len(self._free), _BATCH))]
        if made:
            sync_folder(self._folder)
        self._free.extend(made)
        return len(made)

    def _fill(self, path: Path, buffer: memoryview, mark: Mark) -> None:
        try:
            descriptor = open_direct(path, os.O_WRONLY | os.O_DSYNC)
        except OSError:  # too many open files, perhaps
            self._free.append(path)
            raise
        try:
            fill(descriptor, path.stem, buffer, mark)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def _look_again(self) -> int:
        """Take files that were never used into the stock, and remove those that a killed process had begun."""
        count = min(len(self._doubtful), _BATCH)
        for _ in range(count):
            path = self._doubtful.popleft()
            if is_unused(path, self._buffer):
                self._free.append(path)
            else:
                path.unlink()
        return count

    def _make(self) -> Path:
        path = self._folder / f"{uuid4().hex}{_SUFFIX}"
        make(path, self._buffer)
        return path
