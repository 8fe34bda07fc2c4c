"""PDUs as bytes, for peers that do with them what no library would."""

import struct

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

CONTEXT = 1
"""Presentation context of ``association_request``: CT images, Explicit VR Little Endian."""


def association_request(calling: str = "SCU") -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    names = _item(0x30, CTImageStorage.encode()) + _item(0x40, ExplicitVRLittleEndian.encode())
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3")
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, bytes([CONTEXT, 0, 0, 0]) + names) + _item(0x50, user)
    return _pdu(0x01, struct.pack(">HH16s16s32x", 1, 0, b"ANY".ljust(16), calling.encode().ljust(16)) + items)


def store_request(sop_instance_uid: str, data_set: bytes | None, *, fragment: int | None = None) -> bytes:
    """C-STORE-RQ in two P-DATA-TF, the second with all of the data set; only the first when there is none.

    With ``fragment``, the data set comes in P-DATA-TF of so many bytes each.
    """
    uid = sop_instance_uid.encode()
    body = (
        _element(0x0002, CTImageStorage.encode() + b"\0")
        + _element(0x0100, struct.pack("<H", 0x0001))
        + _element(0x0110, struct.pack("<H", 9))
        + _element(0x0800, struct.pack("<H", 0x0101 if data_set is None else 0x0000))
        + _element(0x1000, uid + b"\0" * (len(uid) % 2))
    )
    command = _value(_element(0x0000, struct.pack("<I", len(body))) + body, 0x03)
    length = len(data_set or b"")
    starts = [] if data_set is None else range(0, length or 1, fragment or length or 1)
    parts = [(data_set or b"")[at : at + (fragment or length)] for at in starts]
    values = [_value(part, 0x02 if number == len(parts) else 0x00) for number, part in enumerate(parts, 1)]
    return b"".join(_pdu(0x04, value) for value in (command, *values))


def _pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(content)) + content


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _value(content: bytes, control: int) -> bytes:
    return struct.pack(">IBB", len(content) + 2, CONTEXT, control) + content


def _element(number: int, content: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(content)) + content
