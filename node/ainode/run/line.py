"""The runs that wait, and how many may be under way."""

from collections.abc import Collection, Sequence

from ainode.journal.runs import OpenRun
from ainode.run.order import Order

_AHEAD_AND_BEHIND = 2
"""Runs under way beside those that a model works at: one whose images are read for it, one that is encoded."""


class Line:
    """Says which run begins next: urgent before routine before low, as long as there are places.

    A run counts against the places of its own priority and of those below, so an urgent one begins at once, whatever
    else is under way, and goes before the others wherever it meets them. Two runs of one rule on one study are never
    under way together: the second withdraws what the first has reported.
    """

    def __init__(self, models: int) -> None:
        """``models`` work side by side."""
        self._places = models + _AHEAD_AND_BEHIND
        self._order = Order()

    def next(self, waiting: Sequence[OpenRun], under_way: Collection[OpenRun]) -> OpenRun | None:
        """The run that begins now; None while there is no place for it. Both are in the order of their arrival."""
        busy = {(run.study_uid, run.rule) for run in under_way}
        free = [run for run in waiting if (run.study_uid, run.rule) not in busy]
        if not free:
            return None
        first = self._order.first(free)
        if sum(run.priority <= first.priority for run in under_way) >= self._places:
            return None
        self._order.went(first, free)
        return first
