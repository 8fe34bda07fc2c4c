"""A named thread that does one step again and again."""

import threading
from collections.abc import Callable, Sequence

import structlog

from ainode_models.errors import AinodeError

log = structlog.get_logger()

_LEAST = 0.01
"""Seconds that a loop rests at least, whatever it thinks that it has to do."""


class Loop:
    """Calls ``step`` until stopped; rests ``interval`` seconds whenever a step found nothing to do."""

    def __init__(
        self,
        name: str,
        step: Callable[[], int],
        *,
        interval: float,
        rest: Callable[[], float] | None = None,
        then: Sequence["Loop"] = (),
    ) -> None:
        """``rest`` says in how many seconds there is something to do, if that is sooner than ``interval``.

        ``then`` are loops that what this one did makes work for: they need not rest any longer.
        """
        self.name = name
        self._step = step
        self._interval = interval
        self._rest = rest or (lambda: interval)
        self._then = then
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """End the present rest."""
        self._wake.set()

    def end(self) -> None:
        """Ask for the end after the present step."""
        self._stop.set()
        self._wake.set()

    def stop(self) -> None:
        """End after the present step; returns when the thread has ended."""
        self.end()
        self._thread.join()

    def _turn(self) -> None:
        while not self._stop.is_set():
            if self._once():
                for loop in self._then:
                    loop.wake()
            else:
                self._wake.wait(min(self._interval, max(_LEAST, self._rest())))
                self._wake.clear()

    def _once(self) -> int:
        try:
            done = self._step()
        except AinodeError as error:
            if str(error) != self._said:  # a peer that is down for hours is one line, not thousands
                log.warning("step failed", loop=self.name, reason=str(error))
            self._said = str(error)
            return 0
        except Exception as error:
            if repr(error) != self._said:  # the same for a database
                log.exception("step failed", loop=self.name)
            self._said = repr(error)
            return 0
        self._said = ""
        return done
