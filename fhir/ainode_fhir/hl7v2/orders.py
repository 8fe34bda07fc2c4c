"""Orders of ORM^O01, OMI^O23 and OMG^O19 (HL7 v2.5.1 chapter 4), as IHE RAD-4 (Procedure Scheduled) has them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import hl7

from ainode_fhir.hl7v2.acknowledgement import MessageProblem
from ainode_fhir.hl7v2.received import moment, text
from ainode_fhir.order import Number, Order, Priority, Status
from ainode_models.findings import Code

TYPES = (("ORM", "O01"), ("OMI", "O23"), ("OMG", "O19"))
"""MSH-9 of what is taken."""
_CONTROLS: Mapping[str, Status] = MappingProxyType(
    {
        **dict.fromkeys(("NW", "OK", "XO", "XX", "XR", "SC", "SN", "NA", "OE", "PA", "CH", "RO", "RP", "RU"), "active"),
        **dict.fromkeys(("RL", "OR"), "active"),
        **dict.fromkeys(("HD", "OH", "HR"), "on-hold"),
        **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR"), "revoked"),
    }
)
"""Table 0119: what an order is after each. What is not there says nothing of an order, or that it could not be done."""
_STATES: Mapping[str, Status] = MappingProxyType(
    {"CA": "revoked", "DC": "revoked", "RP": "revoked", "HD": "on-hold", "CM": "completed"}
)
"""Table 0038 (ORC-5), which a status change (SC) has its state from."""
_PRIORITIES: Mapping[str, Priority] = MappingProxyType({"S": "stat", "A": "asap", "R": "routine", "T": "urgent"})
"""Table 0485 and 0027; others have no word in FHIR."""
_MOST_ORDERS = 100


@dataclass(frozen=True)
class Sent:
    """What one message said."""

    orders: tuple[Order, ...]
    at: str
    """MSH-7: FHIR dateTime, or empty."""


def orders_of(message: hl7.Message) -> Sent:
    """The orders of a message; MessageProblem: AR for what is not taken here, AE for what lacks something."""
    msh = message.segment("MSH")
    kind = (text(msh, 9, 1), text(msh, 9, 2))
    if kind not in TYPES:
        taken = ", ".join("^".join(each) for each in TYPES)
        raise MessageProblem("AR", 200, f"MSH-9 is none of {taken}, which are taken here")
    if not text(msh, 10):
        raise MessageProblem("AR", 101, "MSH-10 is missing: without it the answer cannot name the message")
    patients = _patients(message)
    groups = list(_groups(message))
    if not groups:
        raise MessageProblem("AE", 100, "there is no ORC, so no order")
    if len(groups) > _MOST_ORDERS:
        raise MessageProblem("AE", 207, f"there are more than {_MOST_ORDERS} orders: send several messages")
    at = moment(text(msh, 7))
    return Sent(tuple(_order(group, patients, at) for group in groups), at)


def _patients(message: hl7.Message) -> tuple[Number, ...]:
    try:
        pid = message.segment("PID")
        repeats = len(pid[3])
    except LookupError:
        repeats = 0
    found = tuple(
        Number(value, text(pid, 3, 4, 1, repeat=each), text(pid, 3, 4, 2, repeat=each))
        for each in range(1, repeats + 1)
        if (value := text(pid, 3, 1, repeat=each))
    )
    if not found:
        raise MessageProblem("AE", 101, "PID-3 has no patient identifier")
    return found


def _groups(message: hl7.Message) -> Iterator[Sequence[hl7.Segment]]:
    """Each ORC with the segments up to the next."""
    group: list[hl7.Segment] = []
    for segment in message:
        if str(segment[0]) == "ORC":
            if group:
                yield group
            group = [segment]
        elif group:
            group.append(segment)
    if group:
        yield group


def _order(group: Sequence[hl7.Segment], patients: tuple[Number, ...], sent: str) -> Order:
    named = {str(segment[0]): segment for segment in reversed(group)}  # the first of each counts
    empty = hl7.Segment(separator="|", sequence=[["-"]])
    orc, obr, tq1, ipc, zds = (named.get(name, empty) for name in ("ORC", "OBR", "TQ1", "IPC", "ZDS"))
    order = Order(
        status=_status(orc),
        placer=_number(orc, 2) if text(orc, 2) else _number(obr, 2),
        filler=_number(orc, 3) if text(orc, 3) else _number(obr, 3),
        accession=_number(ipc, 1) if text(ipc, 1) else _number(obr, 18),
        patients=patients,
        study_uid=text(ipc, 3) or text(zds, 1),
        procedure=Code(text(obr, 4, 1), text(obr, 4, 3), text(obr, 4, 2)),
        priority=_PRIORITIES.get(text(tq1, 9) or text(obr, 27, 6) or text(orc, 7, 6) or text(obr, 5), ""),
        authored=moment(text(orc, 9)) or sent,
        wanted=_first_moment(text(tq1, 7), text(obr, 27, 4), text(orc, 7, 4), text(obr, 36), text(obr, 6)),
    )
    _check(order)
    return order


def _status(orc: hl7.Segment) -> Status:
    control, state = text(orc, 1), text(orc, 5)
    if not control:
        raise MessageProblem("AE", 101, "ORC-1, the order control, is missing")
    if control not in _CONTROLS:
        raise MessageProblem("AE", 103, f"ORC-1 is not among {', '.join(_CONTROLS)}")
    return _STATES.get(state, "active") if control in ("SC", "SN") else _CONTROLS[control]


def _check(order: Order) -> None:
    if not (order.placer.value or order.filler.value or order.accession.value):
        raise MessageProblem(
            "AE", 101, "an order has neither placer (ORC-2), filler (ORC-3) nor accession number (OBR-18)"
        )
    values = (order.placer, order.filler, order.accession, *order.patients)
    texts = [part for each in values for part in (each.value, each.namespace, each.universal)]
    if any(len(each) > _LONGEST for each in [*texts, order.study_uid, order.procedure.value, order.procedure.scheme]):
        raise MessageProblem("AE", 102, f"a number or code is longer than {_LONGEST} characters")
    if order.study_uid and not _is_uid(order.study_uid):
        raise MessageProblem("AE", 102, "the Study Instance UID (IPC-3, ZDS-1) is no UID")


_LONGEST = 250


def _is_uid(value: str) -> bool:
    return len(value) <= 64 and all(part.isdecimal() and part.isascii() for part in value.split("."))


def _number(segment: hl7.Segment, field: int) -> Number:
    """EI: entity identifier, namespace, universal id."""
    return Number(text(segment, field, 1), text(segment, field, 2), text(segment, field, 3))


def _first_moment(*values: str) -> str:
    return next((found for value in values if (found := moment(value))), "")
