"""Which studies are given up: those whose time is over, and the oldest ones when room is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ainode.journal.retention import Candidate, RetentionJournal
from ainode.receive.free_space import Room
from ainode.receive.spool import Spool
from ainode.retain import metrics
from ainode.retain.sweeper import Sweeper, newest_change

log = structlog.get_logger()

_DAY_S = 86400.0
_YOUNGEST_S = 3600.0
"""However little room there is, a study stays for so long after the last thing that happened to it."""


@dataclass(frozen=True)
class Terms:
    """How long studies stay."""

    days: float
    """After the last image, run or delivery; 0 for ever."""
    room: Callable[[Path], Room]
    """Room of the spool's disk, with the mark below which the oldest are given up before their time."""


class Retention:
    """One step gives up some studies, and removes files of those that were given up before."""

    def __init__(
        self,
        journal: RetentionJournal,
        spool: Spool,
        sweeper: Sweeper,
        *,
        terms: Terms,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._sweeper = sweeper
        self._terms = terms
        self._clock = clock
        self._sent_again: dict[str, float] = {}

    def step(self) -> int:
        """How much was done; 0 when there is nothing to do now."""
        return self._sweeper.step() + self._by_age() + self._by_room()

    def _by_age(self) -> int:
        if not self._terms.days:
            return 0
        before = self._clock() - self._terms.days * _DAY_S
        refused = self._journal.give_up_refused(before=before)
        why = f"deleted: nothing happened for {self._terms.days:g} days"
        return refused + sum(self._give_up(item, before, why, "age") for item in self._ready(before))

    def _by_room(self) -> int:
        """Give up the oldest studies until what they hold makes enough room."""
        try:
            room = self._terms.room(self._spool.folder)
        except OSError:  # those who need the disk say so
            return 0
        lacking = -room.above
        if lacking <= 0 or (lacking := lacking - self._journal.waiting_bytes()) <= 0:
            return 0
        done = 0
        before = self._clock() - _YOUNGEST_S
        for item in self._ready(before):
            if lacking <= 0:
                break
            if self._give_up(item, before, "deleted: the disk needed room", "room"):
                lacking -= item.bytes
                done += 1
        return done

    def _ready(self, before: float) -> list[Candidate]:
        """Candidates of which no object came again since, which the journal does not tell."""
        again = tuple(uid for uid, when in self._sent_again.items() if when >= before)
        found = self._journal.finished(before=before, but=again)
        when = {item.study_uid: newest_change(self._spool, item.paths) for item in found}
        self._sent_again |= {uid: moment for uid, moment in when.items() if moment >= before}
        return [item for item in found if when[item.study_uid] < before]

    def _give_up(self, item: Candidate, before: float, reason: str, why: str) -> bool:
        if not self._journal.give_up(item, before=before, reason=reason):
            return False
        self._sent_again.pop(item.study_uid, None)
        metrics.STUDIES.labels(why).inc()
        log.info("study deleted", study=item.study_uid, instances=len(item.paths), bytes=item.bytes, why=why)
        return True
