"""The record of access: entries are gathered and written together, as a commit for each would cost more than a search.

So a node that is killed may lose the last quarter of a second; one whose database is away lets nobody in once as many
entries wait as it can hold.
"""

import threading
from collections.abc import Callable

from sqlalchemy import Engine, delete, insert

from ainode_fhir.audit.entry import AuditEntry
from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.tables import audit_table

_MOST_WAITING = 10_000
_LONGEST_QUERY = 4096
"""Characters of a query that are kept."""
_DAY_S = 86400.0
_PURGE_EVERY_S = 600.0


class AuditTrail:
    """Writes the record; thread-safe. ``step`` is to be called again and again, and once more at the end."""

    def __init__(self, engine: Engine, clock: Callable[[], float], *, days: float) -> None:
        """``clock`` gives seconds since 1970-01-01 UTC; entries leave after ``days``, 0 for never."""
        self._engine = engine
        self._clock = clock
        self._days = days
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[Json] = []
        self._purged_at = 0.0

    def check(self) -> None:
        """FhirProblem (503) when nothing more can be recorded: nobody gets anything unrecorded."""
        if len(self._waiting) >= _MOST_WAITING:
            raise FhirProblem(503, "transient", "the record of access cannot be written; its database is away")

    def note(self, entry: AuditEntry) -> None:
        """Record an access, now by the clock."""
        row = vars(entry) | {"outcome": entry.outcome, "recorded": int(self._clock() * 1e6)}
        # PostgreSQL takes no NUL, and one row that it does not take would hold up all others.
        row["query"] = entry.query[:_LONGEST_QUERY].replace("\0", "\ufffd")
        row["entity"] = entry.entity[:160]
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(row)

    def step(self) -> int:
        """Write what was gathered, and now and then let go of what is old; 0, so that its loop rests."""
        self.flush()
        if self._days and self._clock() >= self._purged_at + _PURGE_EVERY_S:
            self._purged_at = self._clock()
            self._purge(self._clock() - self._days * _DAY_S)
        return 0

    def flush(self) -> None:
        """Return when what was noted before is in the database."""
        with self._writing:
            with self._lock:
                rows, self._waiting = self._waiting, []
            if not rows:
                return
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(audit_table), rows)
            except BaseException:
                with self._lock:
                    self._waiting = rows + self._waiting
                raise

    def _purge(self, before: float) -> None:
        old = audit_table.c.recorded < int(before * 1e6)
        with self._engine.begin() as connection:
            connection.execute(delete(audit_table).where(old))
