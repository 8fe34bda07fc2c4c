"""Connections that have not asked for anything yet: no thread waits for them, and not for ever, and not for many."""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ainode.receive import metrics

Pass = Callable[[socket.socket, object], None]
"""Takes a connection and the address of its peer."""

_PDU_HEAD, _TLS_HEAD = 6, 5
"""Bytes before what has a length: type, reserved, length (PS3.8 9.3.1); type, version, length (RFC 8446 5.1)."""
_LONGEST = 1 << 20
"""Nobody asks for an association in more bytes; who announces them is let in, to be turned away at once."""
_ENOUGH = 1 << 16
"""Of a longer request so many bytes are waited for: the system need not hold more of what nobody reads."""


@dataclass
class _Guest:
    connection: socket.socket
    deadline: float
    wanted: int
    """Bytes that must be there before anything is looked at."""
    let_in: Callable[[], None]


class Doorway:
    """Holds a connection until its A-ASSOCIATE-RQ, or TLS greeting, is whole; then somebody may spend a thread on it.

    It closes one that takes longer than ``patience`` seconds (ARTIM, PS3.8 9.1.5), and beyond ``most`` of them the one
    that has been silent for the longest: those that say at once what they want never wait behind the others.
    """

    def __init__(self, *, patience: float, most: int = 256, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._guests: dict[socket.socket, _Guest] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._open = True
        self._thread = threading.Thread(target=self._watch, name="doorway", daemon=True)
        self._thread.start()

    def receive(self, connection: socket.socket, address: object, *, tls: bool, let_in: Pass) -> None:
        """Keep a connection that was just accepted; ``let_in`` is called, in a thread of ours, when it is ready."""
        head = _TLS_HEAD if tls else _PDU_HEAD
        guest = _Guest(connection, self._clock() + self._patience, head, partial(let_in, connection, address))
        _wake_at(connection, head)
        with self._lock:
            if not self._open:
                connection.close()
                return
            if len(self._guests) >= self._most:
                self._dismiss(next(iter(self._guests.values())), "crowded out")
            if not self._guests:
                self._ring.send(b"\0")  # nobody had a deadline, now there is one
            self._guests[connection] = guest
            self._selector.register(connection, selectors.EVENT_READ)

    def close(self) -> None:
        """Close all connections that wait, and take no more."""
        self._open = False
        self._ring.send(b"\0")
        self._thread.join()
        with self._lock:
            for guest in list(self._guests.values()):
                self._forget(guest)
                guest.connection.close()
        self._selector.close()
        self._bell.close()
        self._ring.close()

    def _watch(self) -> None:
        while self._open:
            ready = {key.fileobj for key, _ in self._selector.select(self._rest())}
            if self._bell in ready:
                self._bell.recv(4096)
            with self._lock:
                guests = [guest for guest in self._guests.values() if guest.connection in ready]
                for guest in guests:
                    self._look(guest)
                self._dismiss_late()

    def _rest(self) -> float | None:
        """Seconds until the first deadline; the first that came has it."""
        with self._lock:
            first = next(iter(self._guests.values()), None)
        return max(0.0, first.deadline - self._clock()) if first else None

    def _look(self, guest: _Guest) -> None:
        """Let a guest in when all that was waited for is there, or when no more will come."""
        try:
            there = guest.connection.recv(guest.wanted, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:  # meant another, whose number this one was given
            return
        except OSError:
            there = b""
        needed = _length_of_first(there)
        if len(there) >= guest.wanted and needed > guest.wanted:
            guest.wanted = needed
            _wake_at(guest.connection, needed)
            return
        self._forget(guest)
        if not there:
            guest.connection.close()
            return
        _wake_at(guest.connection, 1)
        guest.let_in()

    def _dismiss_late(self) -> None:
        now = self._clock()
        for guest in list(self._guests.values()):
            if guest.deadline > now:
                break
            self._dismiss(guest, "silent")

    def _dismiss(self, guest: _Guest, reason: str) -> None:
        self._forget(guest)
        guest.connection.close()
        metrics.CONNECTIONS_CLOSED.labels(reason).inc()

    def _forget(self, guest: _Guest) -> None:
        del self._guests[guest.connection]
        self._selector.unregister(guest.connection)


def _wake_at(connection: socket.socket, count: int) -> None:
    """Have the system say that a connection is readable only when so many bytes are there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _length_of_first(beginning: bytes) -> int:
    """Bytes of the first PDU, or TLS record, as its head says, but no more than is waited for; 0 for no such."""
    if beginning[:1] == b"\x01":
        needed = _PDU_HEAD + int.from_bytes(beginning[2:_PDU_HEAD], "big")
    elif beginning[:1] == b"\x16":
        needed = _TLS_HEAD + int.from_bytes(beginning[3:_TLS_HEAD], "big")
    else:
        return 0
    return 0 if needed > _LONGEST else min(needed, _ENOUGH)
