"""Removing files that were given up, so that a kill at any moment loses nothing and leaves nothing for ever."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from ainode.durable_file import sync_folder
from ainode.journal.retention import Deletion, RetentionJournal
from ainode.receive.spool import Spool
from ainode.retain import metrics

_log = structlog.get_logger()

_GRACE_S = 60.0
"""Between giving up and removing: what began at the same moment, and was not seen, shows by then."""


class Sweeper:
    """Removes what was given up a while ago, unless it is needed or came again."""

    def __init__(
        self,
        journal: RetentionJournal,
        spool: Spool,
        results: Path,
        *,
        clock: Callable[[], float],
        grace: float = _GRACE_S,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._results = results
        self._clock = clock
        self._grace = grace
        self._bin = spool.folder / "deleted"
        self._bin.mkdir(exist_ok=True)

    def step(self) -> int:
        """Remove some of what is due; how much was removed."""
        due = self._journal.given_up(before=self._clock() - self._grace)
        if not due:
            return 0
        if self._journal.restore_needed():
            return 1
        gone = [item for item in due if self._remove(item)]
        self._settle(gone)
        return len(gone)

    def _remove(self, item: Deletion) -> bool:
        """Whether it is no longer there, or no longer ours to remove."""
        try:
            return self._remove_file(item) if item.area == "spool" else self._remove_results(item)
        except OSError as exc:
            _log.error("file not deleted", area=item.area, file=item.path, error=exc.strerror)
            self._journal.postpone(item)
            return False

    def _remove_results(self, item: Deletion) -> bool:
        folder = self._results / item.path
        if folder.exists():
            shutil.rmtree(folder)
        return True

    def _remove_file(self, item: Deletion) -> bool:
        """Under a name that is made of its digest the same file may come again at any time, rows before or after it."""
        path, aside = self._spool.path_of(item.path), self._bin / str(item.id)
        if aside.exists():  # the node was killed in the middle of this
            self._put_back(aside, path)
        if self._journal.is_held(item):
            return True
        if not path.exists():
            return path.parent.is_dir()  # a spool that is not mounted has no shard either
        found = path.stat()
        if found.st_ctime > item.marked_at:
            self._journal.postpone(item)
            return False
        path.rename(aside)
        if aside.stat().st_ino != found.st_ino or self._journal.is_held(item):
            self._put_back(aside, path)
            self._journal.postpone(item)
            return False
        aside.unlink()
        metrics.BYTES.inc(item.bytes)
        return True

    def _put_back(self, aside: Path, path: Path) -> None:
        """Give a file its name again; one that has it by now holds the very same bytes."""
        with suppress(FileExistsError):
            path.hardlink_to(aside)
        sync_folder(path.parent)
        aside.unlink()

    def _settle(self, gone: list[Deletion]) -> None:
        """Durable first: a file that a power cut brings back would be nobody's."""
        shards = {self._spool.path_of(item.path).parent for item in gone if item.area == "spool"}
        results = {self._results} if any(item.area == "results" for item in gone) else set()
        for folder in {self._bin, *shards, *results}:
            if folder.is_dir():
                sync_folder(folder)
        self._journal.gone(gone)


def newest_change(spool: Spool, paths: tuple[str, ...]) -> float:
    """When the last of some files got its name, in seconds since 1970: an object that comes again gets it anew."""
    newest = 0.0
    for path in paths:
        with suppress(FileNotFoundError):
            newest = max(newest, spool.path_of(path).stat().st_ctime)
    return newest
