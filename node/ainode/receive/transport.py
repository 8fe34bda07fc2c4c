"""The TCP side of an association: no waiting without end, no PDU without bound, no answer held back."""

import errno
import select
import socket
import ssl
import struct
import time
from contextlib import suppress
from typing import cast

import structlog
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from ainode.receive.tls import TlsContext

_log = structlog.get_logger()

_STRANGER_LIMIT = 1 << 20
"""Longest PDU before the caller is known, bytes: an A-ASSOCIATE-RQ with 128 contexts has some 200 kB."""


_SLOWEST = 10_000
"""Bytes per second below which a peer, after the time-out, counts as one that has stopped."""


class BoundedSocket(AssociationSocket):
    """Reads whole PDUs into one buffer, and none that is longer than we announced."""

    received = 0
    """Bytes so far."""
    timeout_s = 60.0
    """Silence, and time for a short PDU, seconds."""

    def recv(self, nr_bytes: int) -> bytearray:
        """The next ``nr_bytes``, or fewer when the peer closes; OSError, which ends the association, when too many."""
        self.check_length(nr_bytes)
        buffer = bytearray(nr_bytes)
        return buffer[: len(self.read_into(buffer, nr_bytes))]

    def read_into(self, buffer: bytearray, nr_bytes: int) -> memoryview:
        """The next ``nr_bytes`` at the start of ``buffer``, or fewer when the peer closes; OSError on a time-out."""
        view = memoryview(buffer)[:nr_bytes]
        done = 0
        deadline = time.monotonic() + self.timeout_s + nr_bytes / _SLOWEST
        while done < nr_bytes:
            count = self._receive(view[done:])
            if not count:
                self._lost()
                break
            done += count
            if done < nr_bytes and time.monotonic() > deadline:  # byte by byte, and never silent
                self._lost()
                raise TimeoutError(f"the peer sent {done} of {nr_bytes} bytes, and is too slow")
        self.received += done
        return view[:done]

    def readable(self, seconds: float) -> bool:
        """Whether there is something to read, or the end, within ``seconds``; OSError or ValueError once closed."""
        connection = cast(socket.socket, self.socket)
        # What TLS has decrypted already is nothing that the system knows of.
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        return bool(select.select([connection], [], [], seconds)[0])

    def _receive(self, view: memoryview) -> int:
        try:
            return cast(socket.socket, self.socket).recv_into(view)
        except OSError as exc:
            if isinstance(exc, ssl.SSLError):
                reason = exc.reason or type(exc).__name__
                _log.warning("tls failed", address=self.assoc.requestor.address, reason=reason)
            self._lost()
            raise

    def _lost(self) -> None:
        """Close a connection that is of no more use; pynetdicom hears of it from the caller's error or short read."""
        self._shutdown_socket()
        self._is_connected = False

    def _shutdown_socket(self) -> None:
        """Close the connection, also when the peer has left: pynetdicom leaves that one to the garbage collector."""
        connection = self.socket
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def check_length(self, nr_bytes: int) -> None:
        """Raise OSError, which ends the association, for a PDU that is longer than we announced."""
        if nr_bytes > self._limit():
            self._lost()
            raise OSError(errno.EMSGSIZE, f"the peer announces a PDU of {nr_bytes} bytes, which is too long")

    def _limit(self) -> float:
        if not self.assoc.is_established:
            return _STRANGER_LIMIT
        announced = self.assoc.ae.maximum_pdu_size
        return max(announced, _STRANGER_LIMIT) if announced else float("inf")


def prepare(association: Association, *, timeout_s: float, tls: TlsContext | None = None) -> None:
    """Set up the socket of an association that was just accepted and has not yet read anything."""
    transport = cast(AssociationSocket, association.dul.socket)
    # pynetdicom makes its transport itself and lets nobody name another class.
    transport.__class__ = BoundedSocket
    cast(BoundedSocket, transport).timeout_s = timeout_s
    connection = cast(socket.socket, transport.socket)
    # pynetdicom sets none on accepted sockets: a peer that stops within a PDU would hold a thread for ever.
    if tls:
        connection.settimeout(timeout_s)
    else:
        _let_the_kernel_wait(connection, timeout_s)
    # Nagle's algorithm would hold each answer back for 40 ms.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        transport.socket = tls.wrap(connection)


def _let_the_kernel_wait(connection: socket.socket, timeout_s: float) -> None:
    """Set the time-out of socket(7), not Python's, which asks poll(2) before each of a dozen reads for an object."""
    time_out = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time_out)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time_out)


def hang_up(association: Association) -> None:
    """Close the connection at once, also under a thread that waits for the peer."""
    transport = association.dul.socket
    connection = transport.socket if transport else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
