"""Peers that fall silent or announce too much hold neither a thread nor memory of the node."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from peers.receiver import LOOPBACK, OPTIONS, Receiver, association, receiver

HALF_A_PDU = b"\x01\0" + (1000).to_bytes(4, "big") + b"only these"
TOO_LONG = b"\x01\0\xff\xff\xff\xff" + b"and so on"


@contextmanager
def _connection(node: Receiver, beginning: bytes) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, node.port), timeout=30) as peer:
        peer.sendall(beginning)
        yield peer


def _is_closed(peer: socket.socket) -> bool:
    """Whether the node ends the connection, with or without a word (A-ABORT is PDU type 7)."""
    try:
        return peer.recv(1) in {b"", b"\x07"}
    except ConnectionResetError:
        return True


def test_a_peer_that_stops_within_a_pdu_is_left_after_the_time_out(tmp_path: Path) -> None:
    impatient = replace(OPTIONS, network_timeout_s=1.0, acse_timeout_s=1.0)
    with receiver(tmp_path, options=impatient) as node:
        with _connection(node, HALF_A_PDU) as stranger:
            assert _is_closed(stranger)
        with association(node) as assoc:
            assert assoc.dul.socket is not None
            assert assoc.dul.socket.socket is not None
            assoc.dul.socket.socket.sendall(HALF_A_PDU)
            assoc.join(30)
            assert assoc.is_aborted


def test_a_pdu_longer_than_agreed_is_not_read(tmp_path: Path) -> None:
    with receiver(tmp_path) as node, _connection(node, TOO_LONG) as stranger:
        assert _is_closed(stranger)


def test_the_node_stops_although_peers_are_silent(tmp_path: Path) -> None:
    with receiver(tmp_path) as node, association(node) as assoc:
        with _connection(node, b""), _connection(node, HALF_A_PDU):
            assert assoc.dul.socket is not None
            assert assoc.dul.socket.socket is not None
            assoc.dul.socket.socket.sendall(HALF_A_PDU)
            node.listener.stop()
        assoc.join(30)
        assert assoc.is_aborted
