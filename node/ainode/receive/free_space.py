"""How much room the disk has, and the mark below which nothing new is taken in."""

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from ainode.receive import metrics

_log = structlog.get_logger()

_LOOK_EVERY_S = 0.05
"""Two microseconds of each object are not worth more, and a fast sender fills a gigabyte in seconds."""
_MORE = 10
"""A tenth of the mark must be free beyond it before objects are taken again: at the mark itself they would be refused
and taken in turn, and each turn be told."""


@dataclass(frozen=True)
class Room:
    """One disk, as it was when it was looked at."""

    folder: Path
    free: int
    """Bytes that the node may still use."""
    least: int
    """The mark, bytes."""

    @property
    def above(self) -> int:
        """Bytes above the mark; negative below it."""
        return self.free - self.least


def room_of(
    folder: Path, *, least_bytes: int, least_percent: float, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs
) -> Room:
    """Room on the disk of ``folder``; its mark is the higher of both. OSError when it cannot be asked."""
    found = statvfs(folder)
    least = max(least_bytes, int(found.f_blocks * found.f_frsize * least_percent / 100))
    return Room(folder, found.f_bavail * found.f_frsize, least)


class DiskNearlyFull(OSError):  # noqa: N818 - reads as the state that it names
    """Nothing new is taken in until there is room again; worth trying again."""

    def __init__(self, room: Room) -> None:
        super().__init__(
            errno.ENOSPC,
            f"{room.folder} has {room.free >> 20} MiB free, less than the {room.least >> 20} MiB that are kept free; "
            "make room, and the node takes up again by itself",
        )

    def __str__(self) -> str:
        return str(self.strerror)


class FreeSpace:
    """Watches the disks that the node writes to; thread-safe, and looks at most 20 times a second."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        least_bytes: int,
        least_percent: float,
        clock: Callable[[], float] = time.monotonic,
        statvfs: Callable[[Path], os.statvfs_result] = os.statvfs,
    ) -> None:
        self._folders = folders
        self._room = partial(room_of, least_bytes=least_bytes, least_percent=least_percent, statvfs=statvfs)
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: Room | None = None
        self._looked_at = 0.0
        self._refusing = False

    def admit(self) -> None:
        """Raise DiskNearlyFull while nothing new is taken in, OSError when the disk cannot be asked."""
        room, refusing = self._state()
        if refusing:
            metrics.DISK_REFUSALS.inc()
            raise DiskNearlyFull(room)

    def refusal(self) -> str | None:
        """Why nothing new is taken in, None when it is; OSError when the disk cannot be asked."""
        room, refusing = self._state()
        return str(DiskNearlyFull(room)) if refusing else None

    def room(self) -> Room:
        """The disk that is nearest to its mark; OSError when it cannot be asked."""
        return self._state()[0]

    def step(self) -> int:
        """Look, so that log and metrics tell of a change although nobody sends; 0, as there is nothing more to do."""
        with suppress(OSError):  # what needs the disk says so
            self._state()
        return 0

    def _state(self) -> tuple[Room, bool]:
        with self._lock:
            now = self._clock()
            if self._seen is None or not 0 <= now - self._looked_at < _LOOK_EVERY_S:
                self._seen = min(map(self._room, self._folders), key=lambda room: room.above)
                self._looked_at = now
                self._judge(self._seen)
            return self._seen, self._refusing

    def _judge(self, room: Room) -> None:
        refusing = room.free < room.least + (room.least // _MORE if self._refusing else 0)
        metrics.DISK_FREE.set(room.free)
        metrics.DISK_REFUSING.set(refusing)
        if refusing == self._refusing:
            return
        self._refusing = refusing
        said = {"folder": str(room.folder), "free_bytes": room.free, "least_bytes": room.least}
        if refusing:
            _log.warning("disk nearly full", **said)
        else:
            _log.info("disk has room", **said)
