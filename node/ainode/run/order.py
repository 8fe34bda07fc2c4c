"""Who goes first of those that wait: the most urgent, but nobody is overtaken for ever."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

MOST_IN_A_ROW = 4
"""So many, one after the other, may overtake the one that waits longest."""


class Waiting(Protocol):
    """What waits."""

    @property
    def priority(self) -> int:
        """1 goes first; see `ainode.route.rule.Priority`."""


W = TypeVar("W", bound=Waiting)


class Order:
    """The order of one queue; remembers how often the one that waits longest was overtaken in a row."""

    def __init__(self) -> None:
        self._overtaken = 0

    def first(self, waiting: Sequence[W]) -> W:
        """Who goes first of ``waiting``, which come in the order of their arrival."""
        if self._overtaken >= MOST_IN_A_ROW:
            return waiting[0]
        return min(waiting, key=lambda each: each.priority)  # of equals the first

    def went(self, one: W, waiting: Sequence[W]) -> None:
        """``one`` of ``waiting`` goes now."""
        self._overtaken = 0 if one is waiting[0] else self._overtaken + 1
