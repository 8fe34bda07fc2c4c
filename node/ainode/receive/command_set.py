"""The command sets of C-STORE (PS3.7 9.3.1): group 0000, Implicit VR Little Endian, read and written as bytes."""

import struct
from dataclasses import dataclass

_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_AFFECTED_SOP_INSTANCE_UID = 0x1000

_C_STORE_RQ = 0x0001
_C_STORE_RSP = 0x8001
_NO_DATA_SET = 0x0101
_LAST_COMMAND_FRAGMENT = 0x03  # PS3.8 E.2


@dataclass(frozen=True)
class StoreRequest:
    """What a C-STORE-RQ announces."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


def read_store_request(command: bytes) -> StoreRequest | None:
    """The request in a command set, None when it is another command; ValueError when it is no command set."""
    try:
        elements = _elements(command)
        if _number(elements[_COMMAND_FIELD]) != _C_STORE_RQ:
            return None
        return StoreRequest(
            message_id=_number(elements[_MESSAGE_ID]),
            sop_class_uid=_text(elements[_AFFECTED_SOP_CLASS_UID]),
            sop_instance_uid=_text(elements[_AFFECTED_SOP_INSTANCE_UID]),
            has_data_set=_number(elements[_COMMAND_DATA_SET_TYPE]) != _NO_DATA_SET,
        )
    except (struct.error, KeyError, UnicodeDecodeError) as exc:
        raise ValueError("what should be a command set is none") from exc


def store_response(request: StoreRequest, context_id: int, status: int) -> bytes:
    """P-DATA-TF PDU (PS3.8 9.3.5) with the C-STORE-RSP to ``request``."""
    body = b"".join(
        (
            _element(_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid)),
            _element(_COMMAND_FIELD, struct.pack("<H", _C_STORE_RSP)),
            _element(_MESSAGE_ID_BEING_RESPONDED_TO, struct.pack("<H", request.message_id)),
            _element(_COMMAND_DATA_SET_TYPE, struct.pack("<H", _NO_DATA_SET)),
            _element(_STATUS, struct.pack("<H", status)),
            _element(_AFFECTED_SOP_INSTANCE_UID, _padded(request.sop_instance_uid)),
        )
    )
    command = _element(0, struct.pack("<I", len(body))) + body
    value = struct.pack(">IBB", len(command) + 2, context_id, _LAST_COMMAND_FRAGMENT) + command
    return struct.pack(">BBI", 0x04, 0, len(value)) + value


def _elements(command: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(command):
        _group, element, length = struct.unpack_from("<HHI", command, at)
        found[element] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def _number(value: bytes) -> int:
    return int(struct.unpack("<H", value)[0])


def _text(value: bytes) -> str:
    return value.decode("ascii").rstrip("\0 ")


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
