"""One transaction for all that wait for one."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class _Entry(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: Exception | None = None


class GroupCommit(Generic[T]):
    """While one thread commits, the items of the others gather, and the next commit takes them all.

    A lone caller waits for nobody, and many share one fsync.
    """

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Entry[T]] = []

    def commit(self, item: T) -> None:
        """Return when a transaction that holds ``item`` is committed; raises what made it fail."""
        entry = _Entry(item)
        with self._guard:
            self._waiting.append(entry)
        with self._turn:
            if not entry.done:
                self._commit_waiting()
        if entry.error:
            raise entry.error

    def _commit_waiting(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        error: Exception | None = None
        try:
            self._write([entry.item for entry in batch])
        except Exception as exc:  # noqa: BLE001 - handed to every caller of this batch, in its own thread
            error = exc
        for entry in batch:
            entry.error = error
            entry.done = True
