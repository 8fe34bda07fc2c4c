"""A part of a run's way that one run takes at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ainode.run.order import Order


@dataclass(frozen=True, eq=False)
class _Turn:
    priority: int


class Gate:
    """Lets one through at a time, in the order of `Order`; the others wait.

    Reading images and encoding are Python's own work: two at once would only take as long as one after the other, and
    the first would come out later.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Turn] = []
        self._order = Order()
        self._taken = False

    @contextmanager
    def turn(self, priority: int) -> Iterator[None]:
        """Wait for the turn, and have it until the block ends."""
        mine = _Turn(priority)
        with self._changed:
            self._waiting.append(mine)
            self._changed.wait_for(lambda: not self._taken and self._order.first(self._waiting) is mine)
            self._order.went(mine, self._waiting)
            self._waiting.remove(mine)
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
