"""From the bytes of a message with orders to its answer: AA only when the orders are on the disk."""

from collections.abc import Callable
from datetime import datetime

import structlog

from ainode.journal.orders import OrderJournal
from ainode.orders.metrics import MESSAGES
from ainode_fhir.hl7v2.acknowledgement import MessageProblem, acknowledgement
from ainode_fhir.hl7v2.orders import orders_of
from ainode_fhir.hl7v2.received import header_of, parsed
from ainode_models.uids import derived_uid

log = structlog.get_logger()


class OrderIntake:
    """Answers messages; the same message again is the same order."""

    def __init__(self, journal: OrderJournal, clock: Callable[[], datetime], *, on_kept: Callable[[], None]) -> None:
        """``clock`` gives the time with zone; ``on_kept`` is called when there are orders to be shown."""
        self._journal = journal
        self._clock = clock
        self._on_kept = on_kept

    def answer(self, block: bytes) -> bytes:
        """The acknowledgement of one message, without the frame of MLLP."""
        try:
            sent = orders_of(parsed(block))
            self._journal.keep(sent.orders, sent.at)
        except MessageProblem as problem:
            return self.refusal(block, problem)
        except Exception:  # the edge: the sender is always answered, and sends again
            log.exception("order not kept")
            return self.refusal(block, MessageProblem("AE", 207, "the order could not be kept: send it again"))
        log.info("orders received", orders=len(sent.orders))
        self._on_kept()
        return self._acknowledged(block, None)

    def refusal(self, block: bytes, problem: MessageProblem) -> bytes:
        """The answer to what is not taken; ``block`` may be the beginning of a message alone."""
        log.warning("orders refused", answer=problem.verdict, reason=str(problem))
        return self._acknowledged(block, problem)

    def _acknowledged(self, block: bytes, problem: MessageProblem | None) -> bytes:
        MESSAGES.labels(problem.verdict if problem else "AA").inc()
        header, now = header_of(block), self._clock()
        own_id = derived_uid("hl7v2 ack", header.control_id, now.isoformat()).removeprefix("2.25.")[:20]
        return acknowledgement(header, own_id, now, problem).encode()
