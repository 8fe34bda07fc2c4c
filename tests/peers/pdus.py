"""PDUs of the upper layer (PS3.8 9.3) and command sets (PS3.7 6.3.1) made by hand, so that they can be made wrong."""

import struct
from collections.abc import Mapping, Sequence

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
C_STORE_RQ, C_ECHO_RQ, N_ACTION_RQ = 0x0001, 0x0030, 0x0130
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_OUR_CLASS = b"1.2.826.0.1.3680043.8.498.1"


def pdu(kind: int, body: bytes) -> bytes:
    """One PDU with its right length."""
    return struct.pack(">BBI", kind, 0, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    """One item of an A-ASSOCIATE PDU (PS3.8 9.3.2)."""
    return struct.pack(">BBH", kind, 0, len(body)) + body


def context(number: int, abstract_syntax: str, transfer_syntax: str) -> bytes:
    """A presentation context item (PS3.8 9.3.2.2)."""
    syntaxes = item(0x30, abstract_syntax.encode()) + item(0x40, transfer_syntax.encode())
    return item(0x20, bytes((number, 0, 0, 0)) + syntaxes)


def associate_items(contexts: Mapping[int, tuple[str, str]]) -> list[bytes]:
    """The items of an A-ASSOCIATE-RQ in their order; ``contexts`` are abstract and transfer syntax by number."""
    user = item(0x51, struct.pack(">I", 1 << 16)) + item(0x52, _OUR_CLASS) + item(0x55, b"FUZZ")
    proposed = [context(number, *syntaxes) for number, syntaxes in contexts.items()]
    return [item(0x10, _APPLICATION_CONTEXT), *proposed, item(0x50, user)]


def associate_rq(items: Sequence[bytes], *, called: bytes = b"AINODE", calling: bytes = b"FUZZ") -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    head = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16), calling.ljust(16))
    return pdu(ASSOCIATE_RQ, head + b"".join(items))


def accepted(body: bytes) -> set[int]:
    """Numbers of the presentation contexts that an A-ASSOCIATE-AC accepts (PS3.8 9.3.3.2)."""
    found, at = set(), 68
    while at < len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21 and body[at + 6] == 0:
            found.add(body[at + 4])
        at += 4 + length
    return found


def element(number: int, value: bytes) -> bytes:
    """One element of a command set."""
    return struct.pack("<HHI", 0, number, len(value)) + value


def uid(text: str) -> bytes:
    """A UID as it is encoded, padded to an even length."""
    return (text + "\0" * (len(text) % 2)).encode("latin-1")


def store_command(sop_class: str, sop_instance: str, *, message: int = 1) -> list[bytes]:
    """The elements of a C-STORE-RQ that announces a data set (PS3.7 9.3.1.1)."""
    return [
        element(0x0002, uid(sop_class)),
        element(0x0100, struct.pack("<H", C_STORE_RQ)),
        element(0x0110, struct.pack("<H", message)),
        element(0x0700, struct.pack("<H", 2)),
        element(0x0800, struct.pack("<H", 0x0001)),
        element(0x1000, uid(sop_instance)),
    ]


def echo_command(*, message: int = 1) -> list[bytes]:
    """The elements of a C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return [
        element(0x0002, uid("1.2.840.10008.1.1")),
        element(0x0100, struct.pack("<H", C_ECHO_RQ)),
        element(0x0110, struct.pack("<H", message)),
        element(0x0800, struct.pack("<H", 0x0101)),
    ]


def action_command(*, message: int = 1) -> list[bytes]:
    """The elements of an N-ACTION-RQ for storage commitment that announces a data set (PS3.7 10.3.4.1)."""
    return [
        element(0x0003, uid("1.2.840.10008.1.20.1")),
        element(0x0100, struct.pack("<H", N_ACTION_RQ)),
        element(0x0110, struct.pack("<H", message)),
        element(0x0800, struct.pack("<H", 0x0001)),
        element(0x1001, uid("1.2.840.10008.1.20.1.1")),
        element(0x1008, struct.pack("<H", 1)),
    ]


def command_set(elements: Sequence[bytes]) -> bytes:
    """Elements behind their group length."""
    body = b"".join(elements)
    return element(0, struct.pack("<I", len(body))) + body


def pdv(number: int, content: bytes, *, control: int) -> bytes:
    """A presentation data value; ``control`` is 1 for a command, plus 2 for its last fragment (PS3.8 E.2)."""
    return struct.pack(">IBB", len(content) + 2, number, control) + content


def message(number: int, command: bytes, data: bytes | None, *, fragment: int = 1 << 15) -> list[bytes]:
    """The P-DATA-TF PDUs of one message in the context ``number``."""
    pdus = [pdu(P_DATA, pdv(number, command, control=3))]
    if data is not None:
        parts = [data[start : start + fragment] for start in range(0, len(data), fragment)] or [b""]
        pdus += [pdu(P_DATA, pdv(number, part, control=0)) for part in parts[:-1]]
        pdus.append(pdu(P_DATA, pdv(number, parts[-1], control=2)))
    return pdus


def status_of(body: bytes) -> int | None:
    """Status (0000,0900) of a response in a P-DATA-TF; None when it has none."""
    at = body.find(struct.pack("<HHI", 0, 0x0900, 2))
    return int(struct.unpack_from("<H", body, at + 8)[0]) if at >= 0 else None
