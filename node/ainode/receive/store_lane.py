"""The way of P-DATA for C-STORE: from the socket to the disk, in the thread that reads the association.

pynetdicom negotiates, times, releases and aborts every association, and answers every other command. But its path for
data hands each fragment through four queues and two polling threads and keeps whole objects in memory; here the
fragments of a C-STORE go straight to their file, and the answer straight to the socket.
"""

import socket
import struct
from collections.abc import Callable
from functools import cached_property
from typing import cast

from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from ainode.receive.associations import AssociationTally
from ainode.receive.command_set import read_store_request, store_response
from ainode.receive.intake import Intake, Reception
from ainode.receive.pdv import Fragment, fragments
from ainode.receive.transport import BoundedSocket

_P_DATA_TF = 0x04  # PS3.8 9.3.1
_HEAD = struct.Struct(">BBI")
_READY_FOR_DATA = "Sta6"  # PS3.8 Table 9-4
_TRANSPORT_CLOSED = "Evt17"  # PS3.8 Table 9-10
_INVALID_PDU = "Evt19"
_LONGEST_COMMAND = 1 << 16
"""Bytes; a C-STORE-RQ has some two hundred."""
_LONGEST_MESSAGE = 1 << 24
"""Bytes of a message for pynetdicom, which holds it in memory: storage commitment for 100,000 instances."""
_LINGER = 0.05
"""Seconds to wait for the next object before the reactor of pynetdicom looks round, with its own pauses."""


class StoreLane:
    """Takes over from ``DULServiceProvider._is_transport_event`` while an association is established."""

    def __init__(self, association: Association, intake: Intake, tally: AssociationTally) -> None:
        self._association = association
        self._dul = association.dul
        self._intake = intake
        self._tally = tally
        self._otherwise: Callable[[], bool] = self._dul._is_transport_event
        self._buffer = bytearray(1 << 17)
        self._command = b""
        self._held: list[bytes] = []
        self._passed_on = 0
        self._reception: Reception | None = None
        self._dul._is_transport_event = self.step  # type: ignore[method-assign]  # pynetdicom offers no hook

    def step(self) -> bool:
        """Read what the peer sends now; whether there was anything."""
        if self._dul.state_machine.current_state != _READY_FOR_DATA or not self._association.is_established:
            return self._otherwise()
        return self._readable(0.0) and self._burst()

    def _burst(self) -> bool:
        """Read until the peer pauses, or sends what is not ours.

        The other thread of pynetdicom, which looks for messages a thousand times a second, rests meanwhile.
        """
        checkpoint = self._association._reactor_checkpoint
        resting = not checkpoint.is_set()  # by somebody else's wish
        checkpoint.clear()
        try:
            while self._pdu():
                if self._reception:  # the rest of the object is under way: reading it waits no longer than it may
                    continue
                self._dul._idle_timer.restart()
                if not self._readable(_LINGER):
                    break
        finally:
            if not resting:
                checkpoint.set()
        return True

    def close(self) -> None:
        """Throw away an object of which only a part came."""
        reception, self._reception = self._reception, None
        if reception:
            reception.discard()

    def _readable(self, seconds: float) -> bool:
        transport = cast("BoundedSocket | None", self._dul.socket)
        if transport is None or not transport.socket or not self._dul.to_provider_queue.empty():
            return False
        try:
            return transport.readable(seconds)
        except (OSError, ValueError):  # closed by ourselves meanwhile
            return False

    @property
    def _connection(self) -> socket.socket | None:
        transport = cast("BoundedSocket | None", self._dul.socket)
        return transport.socket if transport else None

    def _pdu(self) -> bool:
        """Read one PDU; whether the next one may be read at once."""
        transport = cast(BoundedSocket, self._dul.socket)
        try:
            kind, _, length = _HEAD.unpack(transport.read_into(self._buffer, _HEAD.size))
            transport.check_length(length)
            if length > len(self._buffer):
                self._buffer = bytearray(length)
            body = transport.read_into(self._buffer, length)
        except (OSError, struct.error):
            self._dul.event_queue.put(_TRANSPORT_CLOSED)
            return False
        if kind != _P_DATA_TF:
            self._pass_on(_HEAD.pack(kind, 0, length) + body)
            return False
        try:
            return self._data(body)
        except ValueError:
            self._dul.event_queue.put(_INVALID_PDU)
        except OSError:  # the answer did not go out: the peer is gone
            self._dul.event_queue.put(_TRANSPORT_CLOSED)
        return False

    def _data(self, body: memoryview) -> bool:
        """Take in a P-DATA-TF, or pass it on when it belongs to no C-STORE; whether it was taken in."""
        found = list(fragments(body))
        if self._reception is None:
            self._held.append(_HEAD.pack(_P_DATA_TF, 0, len(body)) + body)
            if not self._begin(found):
                return False
            found = [fragment for fragment in found if not fragment.is_command]
        for fragment in found:
            self._write(fragment)
        return True

    def _begin(self, found: list[Fragment]) -> bool:
        """Read a command; False when it is none for this lane, which then has passed on what came of it."""
        commands = [fragment for fragment in found if fragment.is_command]
        self._command += b"".join(fragment.content for fragment in commands)
        if len(self._command) > _LONGEST_COMMAND:
            raise ValueError("a command set without end")
        if commands and not commands[-1].is_last:
            return True
        request = read_store_request(self._command) if commands else None
        held, self._held, self._command = self._held, [], b""
        context = self._contexts.get(commands[-1].context_id) if request else None
        if request is None or context is None:
            self._check_other(held, begins=bool(commands))
            for pdu in held:
                self._pass_on(pdu)
            return False
        self._reception = self._intake.begin(request, context, self._tally)
        if not request.has_data_set:
            self._finish()
        return True

    @cached_property  # negotiated once; building it for every object is work in front of the answer
    def _contexts(self) -> dict[int, PresentationContext]:
        return {context.context_id: context for context in self._association.accepted_contexts if context.context_id}

    def _write(self, fragment: Fragment) -> None:
        if self._reception is None or fragment.is_command or fragment.context_id != self._reception.context_id:
            raise ValueError("a fragment belongs to no message")
        self._reception.write(fragment.content)
        if fragment.is_last:
            self._finish()

    def _finish(self) -> None:
        assert self._reception
        reception, self._reception = self._reception, None
        answer = store_response(reception.request, reception.context_id, reception.finish())
        connection = self._connection
        if connection is not None:
            connection.sendall(answer)

    def _check_other(self, held: list[bytes], *, begins: bool) -> None:
        """Raise ValueError when ``held`` makes of the message that pynetdicom holds one that none can be."""
        unfinished = self._association.dimse.message is not None
        self._passed_on = sum(map(len, held)) + (self._passed_on if unfinished else 0)
        if self._passed_on > _LONGEST_MESSAGE:
            raise ValueError("a message without end")
        if unfinished and begins and self._dul.event_queue.empty():
            raise ValueError("a command within a message")

    def _pass_on(self, pdu: bytes) -> None:
        """Give a PDU to pynetdicom, as if it had read it."""
        try:
            decoded, event = self._dul._decode_pdu(bytearray(pdu))
        except Exception:  # noqa: BLE001 - whatever pynetdicom makes of broken bytes: the peer is answered with an abort
            self._dul.event_queue.put(_INVALID_PDU)
            return
        self._dul.event_queue.put(event)
        self._dul._recv_pdu.put(decoded)
