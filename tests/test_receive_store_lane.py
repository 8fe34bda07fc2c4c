"""P-DATA for C-STORE goes straight to disk; whatever else a peer sends is still pynetdicom's."""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # the names are made at import
from structlog.testing import capture_logs

from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.command_set import StoreRequest, read_store_request, store_response
from ainode.receive.pdv import fragments
from peers.receiver import Receiver, association, receiver, store

UID = "1.2.826.0.1.3680043.8.498.7"
ABORT, DATA = 0x07, 0x04


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path / "node") as running:
        yield running


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def command(uid: str = UID, *, field: int = 0x0001, has_data_set: bool = True) -> bytes:
    """Command set of a C-STORE-RQ, or of what ``field`` says."""
    padded = uid.encode() + b"\0" * (len(uid) % 2)
    return (
        element(0x0002, CTImageStorage.encode() + b"\0")
        + element(0x0100, struct.pack("<H", field))
        + element(0x0110, struct.pack("<H", 9))
        + element(0x0800, struct.pack("<H", 0 if has_data_set else 0x0101))
        + element(0x1000, padded)
    )


def pdv(context_id: int, content: bytes, *, is_command: bool, is_last: bool) -> bytes:
    return struct.pack(">IBB", len(content) + 2, context_id, is_command | is_last << 1) + content


def pdu(*values: bytes) -> bytes:
    body = b"".join(values)
    return struct.pack(">BBI", DATA, 0, len(body)) + body


class Wire:
    """The socket of an association that pynetdicom has negotiated, for bytes of our own."""

    def __init__(self, assoc: object, context_id: int) -> None:
        transport = assoc.dul.socket  # type: ignore[attr-defined]
        self.connection: socket.socket = transport.socket
        self.context_id = context_id

    def send(self, *pdus: bytes) -> None:
        """Write PDUs."""
        self.connection.sendall(b"".join(pdus))

    def receive(self) -> tuple[int, bytes]:
        """Kind and body of the next PDU."""
        kind, _, length = struct.unpack(">BBI", self._exactly(6))
        return kind, self._exactly(length)

    def status(self) -> int:
        """Status of the answer that comes."""
        kind, body = self.receive()
        assert kind == DATA
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int(struct.unpack_from("<H", body, at + 8)[0])

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.connection.recv(count - len(found))
            assert more, "the connection was closed"
            found += more
        return found


@contextmanager
def opened(node: Receiver) -> Iterator[Wire]:
    """pynetdicom's own threads are kept from the answers, so that the test reads them."""
    with association(node) as assoc:
        assoc._reactor_checkpoint.clear()
        assoc.dul.kill_dul()
        assoc.dul.join()
        wire = Wire(assoc, assoc.accepted_contexts[0].context_id or 0)
        yield wire
        assoc.is_established = False
        wire.connection.close()


@pytest.fixture
def wire(node: Receiver) -> Iterator[Wire]:
    with opened(node) as wire:
        yield wire


def test_fragments_of_any_size_in_any_pdu_make_the_same_object(node: Receiver, wire: Wire) -> None:
    data = bytes(range(256)) * 5
    halves = (command()[:30], command()[30:])
    context = wire.context_id
    wire.send(
        pdu(pdv(context, halves[0], is_command=True, is_last=False)),
        pdu(
            pdv(context, halves[1], is_command=True, is_last=True),
            pdv(context, data[:1], is_command=False, is_last=False),
            pdv(context, data[1:700], is_command=False, is_last=False),
        ),
        pdu(pdv(context, b"", is_command=False, is_last=False)),
        pdu(pdv(context, data[700:], is_command=False, is_last=True)),
    )
    assert wire.status() == 0x0000
    (row,) = node.rows()
    assert node.spool.path_of(row.path).read_bytes().endswith(data)
    assert node.committed() == [(UID, row.path)]


def test_bytes_that_trickle_in_one_by_one_make_the_same_object(node: Receiver, wire: Wire) -> None:
    context = wire.context_id
    for byte in pdu(pdv(context, command(), is_command=True, is_last=True)) + pdu(
        pdv(context, b"data", is_command=False, is_last=True)
    ):
        wire.send(bytes([byte]))
    assert wire.status() == 0x0000
    assert len(node.rows()) == 1


@pytest.mark.parametrize(
    "broken",
    [
        pdu(b"\0\0\0\x10\x01\0abc"),  # longer than its PDU
        pdu(b"\0\0\0"),  # not even a head
        pdu(pdv(1, b"data of no object", is_command=False, is_last=True)),
        pdu(pdv(1, b"no command set", is_command=True, is_last=True)),
        pdu(pdv(1, bytes(60_000), is_command=True, is_last=False)) * 2,  # a command set without end
        struct.pack(">BBI", 0x55, 0, 4) + b"what",  # no kind of PDU
    ],
)
def test_what_is_no_message_ends_the_association_and_leaves_nothing(node: Receiver, wire: Wire, broken: bytes) -> None:
    wire.send(broken)
    assert wire.receive()[0] == ABORT
    assert node.files() == []


def test_a_command_in_the_middle_of_an_object_ends_the_association_and_leaves_nothing(
    node: Receiver, wire: Wire
) -> None:
    first = pdv(wire.context_id, command(), is_command=True, is_last=True)
    wire.send(pdu(first), pdu(pdv(wire.context_id, b"half", is_command=False, is_last=False)), pdu(first))
    assert wire.receive()[0] == ABORT
    node.listener.stop()
    assert node.files() == []


def test_an_object_whose_sender_hangs_up_leaves_nothing(node: Receiver, wire: Wire) -> None:
    wire.send(
        pdu(pdv(wire.context_id, command(), is_command=True, is_last=True)),
        pdu(pdv(wire.context_id, b"half of it", is_command=False, is_last=False)),
    )
    wire.connection.shutdown(socket.SHUT_RDWR)
    node.listener.stop()
    assert node.files() == []
    assert node.rows() == []


class SlowJournal(InstanceJournal):
    """Gives the peer time to be gone."""

    def stored(self, batch: Sequence[StoredInstance]) -> None:
        """Take half a second longer."""
        super().stored(batch)
        time.sleep(0.5)


def test_a_peer_that_is_gone_before_its_answer_ends_as_any_other_and_its_object_is_kept(tmp_path: Path) -> None:
    with capture_logs() as lines, receiver(tmp_path / "node", journal=SlowJournal) as node, opened(node) as wire:
        wire.send(
            pdu(pdv(wire.context_id, command(), is_command=True, is_last=True)),
            pdu(pdv(wire.context_id, b"all of it", is_command=False, is_last=True)),
        )
        time.sleep(0.2)
        # A reset and no orderly end, so that the answer cannot be written.
        wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.connection.close()
        deadline = time.monotonic() + 60
        while not (told := [line for line in lines if line["event"] == "association"]):
            assert time.monotonic() < deadline, "the association has no line"
            time.sleep(0.05)
        assert [(line["ended"], line["instances"]) for line in told] == [("aborted", 1)]
        assert len(node.rows()) == 1


def test_echo_and_store_share_an_association(node: Receiver) -> None:
    proposals = {CTImageStorage: [ExplicitVRLittleEndian], Verification: [ExplicitVRLittleEndian]}
    with association(node, proposals) as assoc:
        assert store(assoc, b"one" * 9, sop_instance_uid=f"{UID}.1") == 0x0000
        assert assoc.send_c_echo().Status == 0x0000
        assert store(assoc, b"two" * 9, sop_instance_uid=f"{UID}.2") == 0x0000
        assert assoc.send_c_echo().Status == 0x0000
    assert len(node.rows()) == 2


def test_commands_are_read_and_answered_as_the_standard_writes_them() -> None:
    request = read_store_request(command())
    assert request == StoreRequest(9, CTImageStorage, UID, has_data_set=True)
    assert read_store_request(command(field=0x0030)) is None
    assert read_store_request(command()[:-3]) != request
    answer = store_response(request, 5, 0xA700)
    (fragment,) = fragments(memoryview(answer)[6:])
    assert (fragment.context_id, fragment.is_command, fragment.is_last) == (5, True, True)
    assert element(0x0900, b"\0\xa7") in bytes(fragment.content)
