"""A listener for orders with its journal: in this process, or as one that can be killed."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import hl7
from hl7.client import MLLPClient

from ainode.journal.database import open_database
from ainode.journal.orders import OrderJournal
from ainode.orders.intake import OrderIntake
from ainode.orders.listener import OrderListener
from ainode.orders.options import OrderOptions

MESSAGE = (
    "MSH|^~\\&|RIS|HOSPITAL|AINODE|NODE|20260301120000+0100||OMI^O23^OMI_O23|M1|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||P-4711^^^HOSP&1.2.276.99&ISO^MR||Müller^Erika\r"
    "PV1|1|O\r"
    "ORC|NW|PL-1^RIS|FI-1^RIS||||||20260301115900+0100\r"
    "TQ1|1||||||20260304090000+0100||S\r"
    "OBR|1|PL-1^RIS|FI-1^RIS|MRHEAD^MR head \\T\\ neck^LOCAL\r"
    "IPC|ACC-9|RP-1|1.2.826.0.1.77|SPS-1|MR\r"
)
"""As IHE RAD-4 has it from 2.5.1 on."""
OLD_MESSAGE = (
    "MSH|^~\\&|RIS|HOSPITAL|AINODE|NODE|20260301120000+0100||ORM^O01|M2|P|2.3.1\r"
    "PID|1||P-4711^^^HOSP&1.2.276.99&ISO^MR\r"
    "ORC|NW|PL-1^RIS|FI-1^RIS||||||20260301115900+0100\r"
    "OBR|1|PL-1^RIS|FI-1^RIS|MRHEAD^MR head^LOCAL||||||||||||||ACC-9|||||||||^^^20260304090000+0100^^S\r"
    "ZDS|1.2.826.0.1.77^RIS^Application^DICOM\r"
)
"""As it has it of old."""


@dataclass(frozen=True)
class OrderNode:
    """What listens, and what it kept."""

    port: int
    journal: OrderJournal
    woken: threading.Event

    def ask(self, message: str | bytes) -> hl7.Message:
        """Send a message with python-hl7's own client; its answer."""
        with MLLPClient("127.0.0.1", self.port) as client:
            return answered(client.send_message(message))


def answered(block: bytes) -> hl7.Message:
    """The message in the block of an answer."""
    assert block[:1] == b"\x0b"
    assert block[-2:] == b"\x1c\r"
    return hl7.parse(block[1:-2].decode())


def code(answer: hl7.Message) -> tuple[str, str]:
    """MSA-1 and MSA-2."""
    return str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])


@contextmanager
def order_node(folder: Path, **options: object) -> Iterator[OrderNode]:
    """A listener on a free port, for this machine unless ``options`` say otherwise."""
    engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
    journal, woken = OrderJournal(engine, time.time), threading.Event()
    intake = OrderIntake(journal, lambda: datetime.now(UTC), on_kept=woken.set)
    given = {"host": "127.0.0.1", "port": 0, "senders": ("127.0.0.0/8",), **options}
    listener = OrderListener(OrderOptions(**given), intake)  # type: ignore[arg-type]
    listener.start()
    try:
        yield OrderNode(listener.port, journal, woken)
    finally:
        listener.stop()
        engine.dispose()


if __name__ == "__main__":
    with order_node(Path(sys.argv[1])) as node:
        sys.stdout.write(f"{node.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
