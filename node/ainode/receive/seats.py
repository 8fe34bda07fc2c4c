"""How many associations are open, and how many peers are still on their way to one."""

import threading
from collections.abc import Callable

from pynetdicom.association import Association

from ainode.receive import metrics


class Seats:
    """Counts associations by their threads, so that one that ends in whatever way gives its seat back."""

    def __init__(self, most: int, *, most_strangers: int = 64, hang_up: Callable[[Association], None]) -> None:
        self._most = most
        self._most_strangers = most_strangers
        self._hang_up = hang_up
        self._lock = threading.Lock()
        self._seated: list[Association] = []
        self._strangers: list[Association] = []

    def arrive(self, association: Association) -> None:
        """A connection is about to negotiate; when too many are, the one that has taken the longest is closed."""
        with self._lock:
            self._strangers = [each for each in self._strangers if not _is_over(each)]
            if len(self._strangers) >= self._most_strangers:
                self._hang_up(self._strangers.pop(0))
                metrics.CONNECTIONS_CLOSED.labels("crowded out").inc()
            self._strangers.append(association)

    def take(self, association: Association) -> bool:
        """Give an association a seat; whether there was one."""
        with self._lock:
            self._strangers = [each for each in self._strangers if each is not association]
            self._seated = [each for each in self._seated if not _is_over(each)]
            if len(self._seated) >= self._most:
                return False
            self._seated.append(association)
            return True


def _is_over(association: Association) -> bool:
    """Whether it has ended; its thread may take a moment more, or not have begun yet."""
    ended = association.is_released or association.is_aborted or association.is_rejected
    return ended or (association.ident is not None and not association.is_alive())
