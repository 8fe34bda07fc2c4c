"""What an archive says about each instance of a STOW-RS request (PS3.18 10.5.3 and Annex I)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_SAID = "the archive did not say why; it may not have understood the object"

_REASONS: tuple[tuple[int, int, bool, str], ...] = (
    # first, last, worth trying again, meaning; the first range that fits counts
    (0x0110, 0x0110, False, "processing failure (PS3.18 I.2.2, 0110H)"),
    (0x0111, 0x0111, False, "duplicate SOP Instance (PS3.7 C.5.7, 0111H)"),
    (0x0117, 0x0117, False, "invalid SOP Instance UID (PS3.7 C.5.13, 0117H)"),
    (0x0119, 0x0119, False, "class and instance conflict (PS3.7 C.5.4, 0119H)"),
    (0x0122, 0x0122, False, "SOP Class not supported (PS3.18 I.2.2, 0122H)"),
    (0x0124, 0x0124, False, "not authorized (PS3.7 C.5.22, 0124H)"),
    (0x0213, 0x0213, True, "resource limitation (PS3.3 C.14.1.1, 0213H)"),
    (0xA700, 0xA7FF, True, "out of resources (PS3.18 I.2.2, A7xxH)"),
    (0xA900, 0xA9FF, False, "the data set does not match its SOP Class (PS3.18 I.2.2, A9xxH)"),
    (0xC122, 0xC122, False, "transfer syntax not supported (PS3.18 I.2.2, C122H)"),
    (0xC000, 0xCFFF, False, "the archive cannot understand the object (PS3.18 I.2.2, CxxxH)"),
)
_WARNINGS = {
    0xB000: "coercion of data elements (PS3.18 I.2.1, B000H)",
    0xB006: "elements discarded (PS3.18 I.2.1, B006H)",
    0xB007: "the data set does not match its SOP Class (PS3.18 I.2.1, B007H)",
}


@dataclass(frozen=True)
class StoredInstance:
    """An instance that the archive has now."""

    sop_instance_uid: str
    warning: str | None
    """Meaning of ``WarningReason`` (0008,1196); None when it was stored as it is."""


@dataclass(frozen=True)
class FailedInstance:
    """An instance that the archive did not take."""

    sop_instance_uid: str
    code: int | None
    """``FailureReason`` (0008,1197); None when the answer does not mention the instance at all."""
    reason: str
    retriable: bool
    """Whether the reason may pass, such as a full disk."""


@dataclass(frozen=True)
class StoreAnswer:
    """The outcome of one STOW-RS request; every instance that was sent is in one of the two."""

    stored: tuple[StoredInstance, ...]
    failed: tuple[FailedInstance, ...]

    @property
    def complete(self) -> bool:
        """Whether the archive took everything."""
        return not self.failed


def read_store_answer(answer: Mapping[str, Any], sent: Sequence[str]) -> StoreAnswer:
    """Match the archive's answer, a DICOM JSON object (PS3.18 F), with the SOP Instance UIDs that were ``sent``.

    An instance that the answer leaves out was not stored: Orthanc does so with objects that it cannot parse. The
    JSON is read as it is, because pydicom would check UIDs here that the archive only repeats.
    """
    named = _items(answer, "00081199")
    refused = _items(answer, "00081198")
    stored = tuple(_stored(uid, named[uid]) for uid in sent if uid in named and uid not in refused)
    kept = {instance.sop_instance_uid for instance in stored}
    return StoreAnswer(stored, tuple(_failed(uid, refused.get(uid)) for uid in sent if uid not in kept))


def _items(answer: Mapping[str, Any], sequence: str) -> dict[str | None, Mapping[str, Any]]:
    """Items of ReferencedSOPSequence (0008,1199) or FailedSOPSequence (0008,1198) by their instance."""
    items = answer.get(sequence, {}).get("Value", ())
    return {_value(item, "00081155"): item for item in items}


def _value(item: Mapping[str, Any], tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _stored(uid: str, item: Mapping[str, Any]) -> StoredInstance:
    code = _value(item, "00081196")
    warning = None if code is None else _WARNINGS.get(code, f"warning {code:04X}H")
    return StoredInstance(uid, warning)


def _failed(uid: str, item: Mapping[str, Any] | None) -> FailedInstance:
    code = None if item is None else _value(item, "00081197")
    if code is None:
        return FailedInstance(uid, None, NOT_SAID, retriable=False)
    for first, last, again, meaning in _REASONS:
        if first <= code <= last:
            return FailedInstance(uid, code, meaning, again)
    return FailedInstance(uid, code, f"failure {code:04X}H", retriable=False)
