"""What one association brought: one log line and one count when it ends."""

import structlog

from ainode.receive import metrics

_log = structlog.get_logger()


class AssociationTally:
    """Running totals of one association."""

    def __init__(self, *, calling: str, called: str, address: str, started: float) -> None:
        self.calling = calling
        self._peer = {"calling": calling, "called": called, "address": address}
        self._started = started
        self._instances = 0
        self._failures = 0
        self._bytes = 0
        self._closed = False

    def stored(self, size: int) -> None:
        """Count one object that is answered with Success; ``size`` of its file in bytes."""
        self._instances += 1
        self._bytes += size
        metrics.INSTANCES.inc()
        metrics.BYTES.inc(size)

    def failed(self, status: str) -> None:
        """Count one object that is answered with a failure."""
        self._failures += 1
        metrics.STORE_FAILURES.labels(status).inc()

    def close(self, result: str, *, reason: str, now: float) -> None:
        """Write the line, once; ``result`` is released, aborted or rejected."""
        if self._closed:
            return
        self._closed = True
        metrics.ASSOCIATIONS.labels(result).inc()
        _log.info(
            "association",
            **self._peer,
            instances=self._instances,
            failures=self._failures,
            bytes=self._bytes,
            seconds=round(now - self._started, 3),
            ended=result,
            reason=reason,
        )
