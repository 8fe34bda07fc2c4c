"""A plain TCP connection to a DICOM node, for PDUs that no toolkit would send."""

import socket
import struct
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from peers.pdus import ABORT, ASSOCIATE_AC, accepted, associate_items, associate_rq

CLOSED = 0
"""Kind of what comes when the node has closed the connection."""
SILENT = -1
"""Kind of what comes when nothing comes."""


class Line:
    """One connection; whatever happens on it ends in a kind of PDU, ``CLOSED`` or ``SILENT``."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.contexts: set[int] = set()
        """Numbers of the contexts that were accepted."""

    def associate(self, contexts: dict[int, tuple[str, str]]) -> Self:
        """Negotiate; RuntimeError when the node does not accept."""
        self.send(associate_rq(associate_items(contexts)))
        kind, body = self.reply(30)
        if kind != ASSOCIATE_AC:
            raise RuntimeError(f"the node does not accept an association (PDU {kind}): {body[:16].hex()}")
        self.contexts = accepted(body)
        return self

    def send(self, data: bytes) -> bool:
        """Write bytes; False when the node no longer takes them."""
        try:
            self._socket.settimeout(30)
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def reply(self, seconds: float) -> tuple[int, bytes]:
        """Kind and body of the next PDU that comes within ``seconds``."""
        try:
            self._socket.settimeout(seconds)
            kind, _, length = struct.unpack(">BBI", self._exactly(6))
            return kind, self._exactly(length)
        except TimeoutError:
            return SILENT, b""
        except (OSError, EOFError):
            return CLOSED, b""

    def end(self, seconds: float) -> list[tuple[int, bytes]]:
        """Say that nothing more will come, and take what the node still says until it closes.

        The last is ``SILENT`` when it does not close within ``seconds``: it hangs.
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + seconds
        said = [self.reply(seconds)]
        while said[-1][0] not in (CLOSED, SILENT, ABORT):
            said.append(self.reply(max(0.001, deadline - time.monotonic())))
        return said

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self._socket.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found
