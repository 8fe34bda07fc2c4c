"""A sender as modalities are: it sends an image until it hears ``Success``, whatever becomes of the node."""

import threading

from receive_faults.images import Image, ImageMaker
from receive_faults.ledger import Ledger
from receive_faults.wire import SUCCESS, Wire, WrongAnswerError

PATIENCE = 60.0
"""Seconds without an answer after which a sender complains; longer than any lock of the journal is waited for."""
_BACKOFF, _AFTER_REFUSAL = 0.05, 0.1


class Sender(threading.Thread):
    """Sends one image after the other, on one association for as long as it lasts or on many short ones."""

    def __init__(
        self, port: int, ledger: Ledger, maker: ImageMaker, *, number: int, per_association: int, pause: float
    ) -> None:
        super().__init__(name=f"sender {number}", daemon=True)
        self._port = port
        self._ledger = ledger
        self._maker = maker
        self._title = f"SENDER{number}"
        self._per_association = per_association
        self._pause = pause
        self._pending: Image | None = None
        self._end = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self.idle = threading.Event()
        """Set while nothing of this sender is under way."""

    def hold(self) -> None:
        """Ask for a rest after the present image."""
        self._go.clear()

    def resume(self) -> None:
        """End the rest."""
        self.idle.clear()
        self._go.set()

    def stop(self) -> None:
        """Ask for the end after the present image."""
        self._end.set()
        self._go.set()

    def run(self) -> None:
        """Send until stopped."""
        while not self._end.is_set():
            self._rest()
            try:
                self._associate()
            except TimeoutError:
                self._ledger.complain(f"{self._title} had no answer for {PATIENCE:g} s")
            except WrongAnswerError as exc:
                self._ledger.complain(f"{self._title}: {exc}")
            except OSError:
                self._end.wait(_BACKOFF)

    def _associate(self) -> None:
        with Wire(self._port, self._title, timeout=PATIENCE) as wire:
            self._maker.begin_study()
            for _ in range(self._per_association):
                self._rest()
                if self._end.is_set():
                    break
                self._store(wire)
            wire.release()

    def _store(self, wire: Wire) -> None:
        self._pending = self._pending or self._maker.make()
        status = wire.store(self._pending)
        self._ledger.answered(self._pending, status)
        if status == SUCCESS:
            self._pending = None
        self._end.wait(self._pause if status == SUCCESS else _AFTER_REFUSAL)

    def _rest(self) -> None:
        if not self._go.is_set():
            self.idle.set()
            self._go.wait()
