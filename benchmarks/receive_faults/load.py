"""Several senders at once."""

import time
from typing import Self

from receive_faults.images import ImageMaker
from receive_faults.ledger import Ledger
from receive_faults.sender import PATIENCE, Sender

_LONG, _SHORT = 1_000_000, 25
"""Images in one association: every second sender keeps one open, the others come and go."""


class Load:
    """Sends from the start of the block to its end."""

    def __init__(self, port: int, ledger: Ledger, *, senders: int, seed: tuple[int, ...], pause: float = 0.01) -> None:
        self._ledger = ledger
        self._senders = [
            Sender(
                port,
                ledger,
                ImageMaker((*seed, number)),
                number=number,
                per_association=_SHORT if number % 2 else _LONG,
                pause=pause,
            )
            for number in range(senders)
        ]

    def hold(self) -> None:
        """Let all senders rest; returns when nothing is under way."""
        for sender in self._senders:
            sender.hold()
        deadline = time.monotonic() + 2 * PATIENCE
        for sender in self._senders:
            if not sender.idle.wait(max(0.0, deadline - time.monotonic())):
                self._ledger.complain(f"{sender.name} did not come to rest")

    def resume(self) -> None:
        """Go on."""
        for sender in self._senders:
            sender.resume()

    def __enter__(self) -> Self:
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.stop()
        for sender in self._senders:
            sender.join(2 * PATIENCE)
