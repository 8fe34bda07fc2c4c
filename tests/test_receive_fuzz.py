"""Nothing that a peer sends brings the receiver down, holds it up, fills its memory or writes outside its spool."""

import socket
from dataclasses import replace
from pathlib import Path

from peers.receiver import OPTIONS, association, receiver, store


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
