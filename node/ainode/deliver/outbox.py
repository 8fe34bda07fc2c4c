"""Works off the outbox rows of one destination."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ainode.deliver.destination import Destination, Result
from ainode.deliver.metrics import DELIVERIES
from ainode.journal.deliveries import DeliveryJournal, DeliveryRow
from ainode_models.errors import AinodeError, PeerUnreachable

log = structlog.get_logger()


@dataclass(frozen=True)
class RetryPolicy:
    """When to try again, in seconds."""

    first: float
    """Wait after the first failure; it doubles each time."""
    longest: float
    """The wait never exceeds this."""
    give_up_after: float
    """A delivery that is older than this becomes a dead letter."""

    def wait(self, attempts: int) -> float:
        """Seconds until the next attempt, after ``attempts`` failed ones."""
        return float(min(self.longest, self.first * 2 ** min(attempts - 1, 30)))


class Outbox:
    """Sends each due result, and calls it delivered only when the destination shows it."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        journal: DeliveryJournal,
        *,
        policy: RetryPolicy,
        result: Callable[[str], Result],
        clock: Callable[[], float],
        in_order: bool = False,
    ) -> None:
        """``in_order``: a patient's result waits until the one before is delivered, or set aside for people."""
        self.name = name
        self._destination = destination
        self._journal = journal
        self._policy = policy
        self._result = result
        self._clock = clock
        self._in_order = in_order

    def step(self) -> int:
        """Attempt the delivery whose turn it is; how many were attempted, 0 or 1."""
        due = self._journal.due(self.name, in_order=self._in_order)
        for row in due[:1]:  # one, so that a stop need not wait for all
            self._attempt(row)
        return len(due[:1])

    def _attempt(self, row: DeliveryRow) -> None:
        try:
            shown = self._deliver(self._result(row.run_id))
        except PeerUnreachable as error:
            self._later(row, str(error))
        except AinodeError as error:  # refused, or a file of the result is no more: neither mends itself
            self._bury(row, str(error))
        except SQLAlchemyError:
            raise
        except Exception as error:  # a bad row holds up no other
            log.exception("delivery failed", run=row.run_id, destination=self.name)
            self._later(row, f"internal error ({type(error).__name__}); the node's log has the details")
        else:
            if shown:
                self._journal.delivered(row)
                self._tell(row, "delivered")
            else:
                self._later(row, "the destination took the result but does not show it yet")

    def _deliver(self, result: Result) -> bool:
        """Ask first: an earlier attempt may have arrived although its answer was lost."""
        if self._destination.shows(result):
            return True
        self._destination.send(result)
        return self._destination.shows(result)

    def _later(self, row: DeliveryRow, reason: str) -> None:
        if self._clock() - row.created_at > self._policy.give_up_after:
            self._bury(row, f"gave up after {self._policy.give_up_after:g} s: {reason}")
            return
        wait = self._policy.wait(row.attempts + 1)
        self._journal.retry(row, reason, wait)
        self._tell(row, "retry", reason=reason, wait_seconds=wait)

    def _bury(self, row: DeliveryRow, reason: str) -> None:
        self._journal.dead(row, reason)
        self._tell(row, "dead", reason=reason)

    def _tell(self, row: DeliveryRow, how: str, **more: object) -> None:
        DELIVERIES.labels(destination=self.name, result=how).inc()
        log.info("delivery", run=row.run_id, destination=self.name, result=how, attempt=row.attempts + 1, **more)
