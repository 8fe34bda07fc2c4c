"""What the senders were told: the promises that the node must keep."""

import threading
from collections import Counter

from receive_faults.images import Image
from receive_faults.wire import SUCCESS


class Ledger:
    """Answers of the node to all senders; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._acknowledged: dict[str, str] = {}
        self._refusals: Counter[int] = Counter()
        self._complaints: list[str] = []
        self._cut_short: set[str] = set()

    def answered(self, image: Image, status: int) -> None:
        """Write down the status that a sender heard."""
        with self._changed:
            if status == SUCCESS:
                self._acknowledged[image.uid] = image.sha256
            else:
                self._refusals[status] += 1
            self._changed.notify_all()

    def complain(self, text: str) -> None:
        """Write down what no sender should see, such as no answer at all."""
        with self._changed:
            self._complaints.append(text)

    def cut_short(self, image: Image) -> None:
        """Write down an image that is never sent whole, so that nobody may have it."""
        with self._changed:
            self._cut_short.add(image.uid)

    @property
    def acknowledged(self) -> dict[str, str]:
        """Digests of the data sets, by SOP Instance UID, in the order of their ``Success``."""
        with self._changed:
            return dict(self._acknowledged)

    @property
    def refusals(self) -> Counter[int]:
        """How often each status other than ``Success`` was heard."""
        with self._changed:
            return Counter(self._refusals)

    @property
    def complaints(self) -> list[str]:
        """All complaints so far."""
        with self._changed:
            return list(self._complaints)

    @property
    def partial(self) -> set[str]:
        """SOP Instance UIDs of the images that were never sent whole."""
        with self._changed:
            return set(self._cut_short)

    def wait_for_success(self, more: int, *, seconds: float) -> bool:
        """Whether ``more`` images are acknowledged within ``seconds`` from now."""
        with self._changed:
            enough = len(self._acknowledged) + more
            return self._changed.wait_for(lambda: len(self._acknowledged) >= enough, seconds)

    def wait_for_refusals(self, more: int, *, seconds: float) -> bool:
        """The same for refused images."""
        with self._changed:
            enough = self._refusals.total() + more
            return self._changed.wait_for(lambda: self._refusals.total() >= enough, seconds)
