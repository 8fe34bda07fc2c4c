"""Nothing that a peer sends brings the receiver down, holds it up, fills its memory or writes outside its spool."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from structlog.testing import capture_logs

from ainode.receive.options import Caller
from peers import pdus
from peers.line import SILENT, Line
from peers.receiver import LOOPBACK, OPTIONS, association, receiver, store

OPEN = replace(OPTIONS, callers=(Caller("*", LOOPBACK),))
CT = {1: (str(CTImageStorage), str(ExplicitVRLittleEndian)), 3: ("1.2.840.10008.1.1", "1.2.840.10008.1.2")}


def test_peers_that_leave_without_a_request_hold_no_place(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_associations=2)
    with receiver(tmp_path, options=options) as node:
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x01\0\0\0\0\4what") * 4:
            with socket.create_connection(("127.0.0.1", node.port)) as stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                while stranger.recv(100):
                    pass
        with association(node) as assoc:
            assert assoc.is_established
            assert store(assoc, b"data", sop_instance_uid="1.2.3") == 0


@pytest.mark.parametrize(
    "fatal",
    [
        pdus.pdu(pdus.ABORT, b"\0\0\x69\0"),  # by nobody that there is
        pdus.pdu(pdus.RELEASE_RQ, bytes(4)),
        pdus.pdu(pdus.RELEASE_RQ, b""),
        pdus.pdu(pdus.P_DATA, b"\0\0\0\1"),
    ],
)
def test_whatever_ends_an_association_within_an_object_leaves_nothing_of_it(tmp_path: Path, fatal: bytes) -> None:
    with receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        command = pdus.command_set(pdus.store_command(CTImageStorage, "1.2.3"))
        begun, *_ = pdus.message(1, command, None)
        line.send(begun + pdus.pdu(pdus.P_DATA, pdus.pdv(1, b"half of it", control=0)) + fatal)
        assert line.end(10)[-1][0] != SILENT
        node.wait_until_idle()
        assert node.files() == []


@pytest.mark.parametrize("missing", range(4))
def test_a_command_that_lacks_an_element_ends_its_association(tmp_path: Path, missing: int) -> None:
    with capture_logs() as lines, receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        elements = pdus.echo_command()
        del elements[missing]
        line.send(b"".join(pdus.message(3, pdus.command_set(elements), None)))
        said = line.end(10)
        assert said[-1][0] != SILENT
        node.wait_until_idle()
    assert [told["ended"] for told in lines if told["event"] == "association"] == ["aborted"]
