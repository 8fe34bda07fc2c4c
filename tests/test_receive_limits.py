"""Peers that are too many, silent, slow or deaf hold up no other."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pynetdicom.association import Association

from ainode.receive import transport
from ainode.receive.tls import TlsFiles
from peers import dcmtk
from peers.certificates import Authority
from peers.receiver import LOOPBACK, OPTIONS, Receiver, association, data_set_of, receiver, uid_of
from peers.tiny_series import write_series
from peers.wire import association_request, store_request

IMPATIENT = replace(OPTIONS, network_timeout_s=1.5, acse_timeout_s=1.5)


@contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=30)) for _ in range(count)]


def _is_closed(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) in {b"", b"\x07"}
    except ConnectionResetError:
        return True


def _wire(assoc: Association) -> socket.socket:
    assert assoc.dul.socket is not None
    assert assoc.dul.socket.socket is not None
    return assoc.dul.socket.socket


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _closed(reason: str) -> float:
    return REGISTRY.get_sample_value("ainode_connections_closed_total", {"reason": reason}) or 0.0


def _file_arrives(node: Receiver, path: Path) -> None:
    dcmtk.storescu(path, LOOPBACK, node.port, calling="SCU")
    assert uid_of(path) in {uid for uid, _ in node.committed()}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", images=1)[0]


def test_dcmtk_hears_that_there_are_too_many_associations_and_is_taken_when_one_ends(
    tmp_path: Path, image: Path
) -> None:
    limits = replace(OPTIONS, max_associations=2)
    with receiver(tmp_path / "node", options=limits) as node, association(node), association(node) as last:
        done = dcmtk.storescu(image, LOOPBACK, node.port, calling="SCU", options=("-v",), check=False)
        said = done.stdout + done.stderr
        assert "Result: Rejected Transient, Source: Service Provider (Presentation Related)" in said
        assert "Reason: Local Limit Exceeded" in said
        assert node.committed() == []
        last.release()
        _file_arrives(node, image)


def test_connections_that_ask_for_nothing_take_no_seat_and_no_thread(tmp_path: Path, image: Path) -> None:
    crowded = _closed("crowded out")
    limits = replace(OPTIONS, max_associations=1)
    with receiver(tmp_path / "node", options=limits) as node, _connections(node.port, 500) as silent:
        _until(lambda: _closed("crowded out") >= crowded + 244)
        server = node.listener._server
        assert server is not None
        assert server.active_associations == []
        _file_arrives(node, image)
        assert _is_closed(silent[0])
        silent[-1].settimeout(0.01)
        with pytest.raises(TimeoutError):
            silent[-1].recv(1)


def test_a_connection_that_asks_for_nothing_is_closed_when_its_time_is_over(tmp_path: Path) -> None:
    silent = _closed("silent")
    with receiver(tmp_path / "node", options=IMPATIENT) as node, _connections(node.port, 3) as (one, two, three):
        two.sendall(b"\x01\0\0")
        three.sendall(b"\x01\0\0\0\x01\0" + bytes(10))
        assert all(_is_closed(peer) for peer in (one, two, three))
    assert _closed("silent") == silent + 3


def test_a_request_that_comes_byte_by_byte_is_answered_as_any_other(tmp_path: Path) -> None:
    request = association_request()
    with receiver(tmp_path / "node") as node, _connections(node.port, 1) as (peer,):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(len(request)):
            peer.sendall(request[start : start + 1])
        assert peer.recv(1) == b"\x02"  # A-ASSOCIATE-AC


def test_an_association_that_is_silent_for_too_long_is_aborted(tmp_path: Path, image: Path) -> None:
    limits = replace(IMPATIENT, max_associations=1)
    with receiver(tmp_path / "node", options=limits) as node, association(node) as idle:
        idle.join(30)
        assert idle.is_aborted
        _file_arrives(node, image)


def test_who_stops_within_an_object_is_ended_and_leaves_no_file(tmp_path: Path, image: Path) -> None:
    (large,) = write_series(tmp_path / "large", images=1, rows=1024)  # of a small one there is no file before its end
    limits = replace(IMPATIENT, max_associations=1)
    with receiver(tmp_path / "node", options=limits) as node, association(node) as assoc:
        _wire(assoc).sendall(store_request(uid_of(large), data_set_of(large), fragment=1 << 14)[:-10])
        _until(lambda: node.files() != [])
        assoc.join(30)
        assert assoc.is_aborted
        _until(lambda: node.files() == [])
        assert node.committed() == []
        _file_arrives(node, image)


def test_who_sends_byte_by_byte_holds_up_nobody_and_is_ended(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_SLOWEST", 10_000_000)
    with receiver(tmp_path / "node", options=IMPATIENT) as node, association(node) as slow:
        wire = _wire(slow)
        wire.sendall(b"\x04\0\0\0\x27\x10")
        _file_arrives(node, image)
        with pytest.raises(OSError, match=r"."):
            while True:
                wire.sendall(b"\0")
                time.sleep(0.05)
        slow.join(30)
        assert slow.is_aborted


def test_who_never_reads_our_answers_holds_up_nobody_and_is_ended(tmp_path: Path, image: Path) -> None:
    limits = replace(IMPATIENT, max_associations=2)
    with receiver(tmp_path / "node", options=limits) as node, _connections(node.port, 1) as (deaf,):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.sendall(association_request())
        deaf.settimeout(5)
        server = node.listener._server
        assert server is not None
        _until(lambda: any(each.is_established for each in server.active_associations))
        (theirs,) = server.active_associations
        _wire(theirs).setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        refused = store_request(uid_of(image), None) * 50
        with pytest.raises(OSError, match=r"."):
            while True:
                deaf.sendall(refused)
        _file_arrives(node, image)
        _until(lambda: server.active_associations == [])


def test_greetings_without_end_on_the_port_for_tls_hold_up_nobody(tmp_path: Path, image: Path) -> None:
    own = Authority(tmp_path).issue("node")
    limits = replace(OPTIONS, tls=TlsFiles(own.certificate, own.key), max_associations=1)
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    greeting = outgoing.read()
    crowded = _closed("crowded out")
    with receiver(tmp_path / "node", options=limits) as node, _connections(node.listener.tls_port, 100) as peers:
        for peer in peers:
            peer.sendall(greeting)
        _until(lambda: _closed("crowded out") >= crowded + 36)
        _file_arrives(node, image)
