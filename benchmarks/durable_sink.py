"""The simplest durable C-STORE receiver: what the disk and the network allow to any receiver on this machine.

    python durable_sink.py PORT FOLDER

It accepts every presentation context with the first transfer syntax offered, writes each object and fsyncs it before it
answers. No index, no journal, no checks: a yardstick, not a receiver.
"""

import asyncio
import os
import struct
import sys
from pathlib import Path

_A_ASSOCIATE_RQ, _P_DATA_TF, _A_RELEASE_RQ = 1, 4, 5  # PS3.8 9.3
_CONTEXT_RQ, _CONTEXT_AC, _TRANSFER_SYNTAX = 0x20, 0x21, 0x40


def item(kind: int, content: bytes) -> bytes:
    """Variable item of PS3.8 9.3: type, reserved byte, length, content."""
    return struct.pack(">BBH", kind, 0, len(content)) + content


def items(content: bytes) -> list[tuple[int, bytes]]:
    """Type and content of each item."""
    found, at = [], 0
    while at < len(content):
        kind, _, size = struct.unpack_from(">BBH", content, at)
        found.append((kind, content[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def acceptance(request: bytes) -> bytes:
    """A-ASSOCIATE-AC that accepts all of an A-ASSOCIATE-RQ (PS3.8 9.3.3)."""
    contexts = b""
    for kind, content in items(request[68:]):
        if kind == _CONTEXT_RQ:
            syntax = next(value for sub, value in items(content[4:]) if sub == _TRANSFER_SYNTAX)
            contexts += item(_CONTEXT_AC, content[:1] + b"\0\0\0" + item(_TRANSFER_SYNTAX, syntax))
    user = item(0x51, struct.pack(">I", 0)) + item(0x52, b"2.25.1")
    body = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + item(0x50, user)
    return struct.pack(">BBI", 2, 0, len(body)) + body


def element(number: int, value: bytes) -> bytes:
    """Element of group 0000 in Implicit VR Little Endian."""
    return struct.pack("<HHI", 0, number, len(value)) + value


def success(context: int, command: bytes) -> bytes:
    """P-DATA-TF with the C-STORE-RSP, status 0000H, of a C-STORE-RQ (PS3.7 9.3.1)."""
    asked: dict[int, bytes] = {}
    at = 0
    while at < len(command):
        _, number, size = struct.unpack_from("<HHI", command, at)
        asked[number] = command[at + 8 : at + 8 + size]
        at += 8 + size
    answer = element(0x0002, asked[0x0002]) + element(0x0100, b"\x01\x80") + element(0x0120, asked[0x0110])
    answer += element(0x0800, b"\x01\x01") + element(0x0900, b"\0\0") + element(0x1000, asked[0x1000])
    answer = element(0, struct.pack("<I", len(answer))) + answer
    value = struct.pack(">IBB", len(answer) + 2, context, 3) + answer
    return struct.pack(">BBI", _P_DATA_TF, 0, len(value)) + value


class Sink:
    """Serves associations, one file for each object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One association."""
        command, parts = b"", []
        while True:
            try:
                kind, _, size = struct.unpack(">BBI", await reader.readexactly(6))
                body = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            if kind == _A_ASSOCIATE_RQ:
                writer.write(acceptance(body))
            elif kind == _A_RELEASE_RQ:
                writer.write(struct.pack(">BBII", 6, 0, 4, 0))
                break
            at = 0
            while kind == _P_DATA_TF and at < len(body):
                length, context, control = struct.unpack_from(">IBB", body, at)
                fragment = body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & 1:
                    command = fragment
                else:
                    parts.append(fragment)
                    if control & 2:
                        self._keep(parts)
                        parts = []
                        writer.write(success(context, command))
        await writer.drain()
        writer.close()

    def _keep(self, parts: list[bytes]) -> None:
        self._count += 1
        with (self._folder / str(self._count)).open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())


async def main() -> None:
    """Listen on the port until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_server(Sink(folder).serve, "127.0.0.1", port, limit=1 << 24)
    await server.serve_forever()


asyncio.run(main())
