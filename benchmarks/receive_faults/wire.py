"""One association with C-STORE on a plain socket, so that it can also end in the middle of anything."""

import socket
import struct
from functools import lru_cache
from io import BytesIO
from typing import Self

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from ainode_models.uids import derived_uid
from receive_faults.images import Image

SUCCESS = 0x0000
_ACCEPTED, _DATA, _RELEASED = 0x02, 0x04, 0x06  # PS3.8 9.3.1
_RELEASE_RQ = struct.pack(">BBII", 0x05, 0, 4, 0)
_ABORT = struct.pack(">BBIBBBB", 0x07, 0, 4, 0, 0, 0, 0)
_COMMAND_LAST, _DATA_MORE, _DATA_LAST = 0x03, 0x00, 0x02  # PS3.8 E.2
_CONTEXT = 1


class WrongAnswerError(Exception):
    """The node answered something that no request asked for."""


class Wire:
    """An established association; every way in which the peer ends it early is an OSError."""

    def __init__(self, port: int, title: str, *, timeout: float) -> None:
        self.socket = dial(port, timeout=timeout)
        self._message = 0
        try:
            self._room = self._associate(title)
        except OSError:
            self.socket.close()
            raise

    def _associate(self, title: str) -> int:
        """Negotiate; the longest fragment that the node takes, bytes."""
        self.socket.sendall(association_request(title))
        kind, body = self._pdu()
        if kind != _ACCEPTED:
            raise ConnectionRefusedError("the association was not accepted")
        answer = A_ASSOCIATE_AC()
        answer.decode(struct.pack(">BBI", kind, 0, len(body)) + body)
        assert answer.user_information
        return (answer.user_information.maximum_length or 1 << 17) - 6

    def store(self, image: Image) -> int:
        """Send an image; the status of the answer."""
        self.socket.sendall(self.stream(image))
        kind, body = self._pdu()
        if kind != _DATA:
            raise ConnectionAbortedError(f"PDU {kind:02X} came instead of an answer")
        answer = decode(BytesIO(body[6:]), is_implicit_vr=True, is_little_endian=True)
        if (answer.AffectedSOPInstanceUID, answer.MessageIDBeingRespondedTo) != (image.uid, self._message):
            raise WrongAnswerError("an answer belongs to another request than the last")
        return int(answer.Status)

    def stream(self, image: Image) -> bytes:
        """The PDUs of a C-STORE-RQ (PS3.7 9.3.1.1), to be sent as a whole or in part."""
        self._message = self._message % 0xFFFF + 1
        parts = [_pdu(_COMMAND_LAST, _command(image.uid, self._message))]
        for start in range(0, len(image.data_set), self._room):
            chunk = image.data_set[start : start + self._room]
            last = start + self._room >= len(image.data_set)
            parts.append(_pdu(_DATA_LAST if last else _DATA_MORE, chunk))
        return b"".join(parts)

    def release(self) -> None:
        """End as the standard wants it (PS3.8 7.2)."""
        self.socket.sendall(_RELEASE_RQ)
        if self._pdu()[0] != _RELEASED:
            raise ConnectionAbortedError("the release was not confirmed")

    def abort(self) -> None:
        """Send an A-ABORT (PS3.8 9.3.8)."""
        self.socket.sendall(_ABORT)

    def reset(self) -> None:
        """Drop the connection as a peer does that is switched off: RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                raise ConnectionResetError("the node closed the connection")
            found += more
        return found


def dial(port: int, *, timeout: float) -> socket.socket:
    """A connection to the node, before the first PDU."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@lru_cache
def association_request(title: str) -> bytes:
    """A-ASSOCIATE-RQ PDU (PS3.8 9.3.2) for CT images in Explicit VR Little Endian."""
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    longest.maximum_length_received = 1 << 14
    implementation.implementation_class_uid = derived_uid("receive faults")
    context = build_context(CTImageStorage, ExplicitVRLittleEndian)
    context.context_id = _CONTEXT
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = title, "AINODE"
    primitive.user_information = [longest, implementation]
    primitive.presentation_context_definition_list = [context]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def _pdu(control: int, value: bytes) -> bytes:
    """P-DATA-TF with one presentation data value (PS3.8 9.3.5)."""
    return struct.pack(">BBIIBB", _DATA, 0, len(value) + 6, len(value) + 2, _CONTEXT, control) + value


def _command(uid: str, message: int) -> bytes:
    """Command set of a C-STORE-RQ, Implicit VR Little Endian (PS3.7 6.3.1)."""
    body = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value
        for element, value in (
            (0x0002, _even(CTImageStorage)),
            (0x0100, struct.pack("<H", 0x0001)),
            (0x0110, struct.pack("<H", message)),
            (0x0700, struct.pack("<H", 0)),
            (0x0800, struct.pack("<H", 1)),
            (0x1000, _even(uid)),
        )
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
