"""Senders end in the middle of something, or fall silent there."""

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from receive_faults.images import ImageMaker
from receive_faults.stand import Outcome, Stand
from receive_faults.wire import Wire, association_request, dial

_SILENCE = 2.0
"""Seconds of silence that the node is told to bear."""
_GRACE = 10.0
"""Seconds beyond that in which it must have hung up."""


def abort(folder: Path, *, seed: int, times: int) -> Outcome:
    """A-ABORT between two fragments of an object."""

    def end(wire: Wire) -> None:
        wire.abort()

    return _cut_short("sender_abort", folder, seed=seed, times=times, between_pdus=True, end=end)


def cut(folder: Path, *, seed: int, times: int) -> Outcome:
    """The connection ends within a PDU, now with FIN, now with RST."""
    turns = iter(range(times))

    def end(wire: Wire) -> None:
        if next(turns) % 2:
            wire.reset()

    return _cut_short("connection_cut", folder, seed=seed, times=times, between_pdus=False, end=end)


def silence(folder: Path, *, seed: int, times: int) -> Outcome:
    """Peers stop sending, before the association, within its request or within an object, and stay."""
    with Stand("silent_peer", folder, seed=seed, silence=_SILENCE) as stand:
        maker = ImageMaker((seed, 1))
        silent = [_fall_silent(stand, maker, number) for number in range(times)]
        stand.must_take_objects("beside silent peers", more=50)
        for connection in silent:
            if not _hung_up(connection):
                stand.stuck(f"a peer that is silent is still connected after {_SILENCE + _GRACE:g} s")
            connection.close()
        stand.must_take_objects("after silent peers")
        return stand.outcome()


def _cut_short(
    fault: str, folder: Path, *, seed: int, times: int, between_pdus: bool, end: Callable[[Wire], None]
) -> Outcome:
    with Stand(fault, folder, seed=seed) as stand:
        maker = ImageMaker((seed, 0))
        for _ in range(times):
            with Wire(stand.node.port, "RUDE", timeout=60) as wire:
                _send_part(stand, wire, maker, between_pdus=between_pdus)
                time.sleep(stand.random.uniform(0, 0.02))  # now before, now after the node has read it
                end(wire)
        stand.must_take_objects("after cut objects", more=20)
        return stand.outcome()


def _send_part(stand: Stand, wire: Wire, maker: ImageMaker, *, between_pdus: bool) -> None:
    image = maker.make()
    stand.ledger.cut_short(image)
    stream = wire.stream(image)
    whole = _first_pdu(stream)
    wire.socket.sendall(stream[: whole if between_pdus else int(stand.random.integers(1, len(stream)))])


def _first_pdu(stream: bytes) -> int:
    """Length of the first PDU, the command set: an object has begun behind it."""
    return 6 + int(struct.unpack_from(">I", stream, 2)[0])


def _fall_silent(stand: Stand, maker: ImageMaker, number: int) -> socket.socket:
    """One more connection that has said only a part of something."""
    if number % 4 == 0:
        return dial(stand.node.port, timeout=60)
    if number % 4 == 1:
        connection = dial(stand.node.port, timeout=60)
        request = association_request("SILENT")
        connection.sendall(request[: int(stand.random.integers(1, len(request)))])
        return connection
    wire = Wire(stand.node.port, "SILENT", timeout=60)
    _send_part(stand, wire, maker, between_pdus=number % 4 == 2)
    return wire.socket


def _hung_up(connection: socket.socket) -> bool:
    """Whether the node ends the connection in time; what it says before that is read."""
    deadline = time.monotonic() + _SILENCE + _GRACE
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(1 << 12):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False
