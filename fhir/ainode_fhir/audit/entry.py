"""One access, and the AuditEvent that it is."""

import base64
from dataclasses import dataclass
from typing import Literal

from ainode_fhir.datatypes import Json, hl7_coding, instant, present
from ainode_fhir.moments import moment_of

DCM = "http://dicom.nema.org/resources/ontology/DCM"
_LOGIN = {"token": "110122", "introspect": "110122"}
_ACTIONS = {"create": "C", "update": "U", "delete": "D"}
_REST = "http://hl7.org/fhir/restful-interaction"
Outcome = Literal["0", "4", "8"]


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One access."""

    event: str
    """Interaction of FHIR's REST, or ``token``, ``introspect`` or ``notify``."""
    agent: str
    """Client or key; empty for anybody."""
    address: str
    status: int
    """Of the HTTP answer."""
    entity: str = ""
    """``Type/id`` or ``Type``."""
    patient: str = ""
    """``Patient/id``, as far as the request said so."""
    query: str = ""
    """Of a search, as it was written."""
    detail: str = ""
    """Why it was refused, or the scopes that were granted; no patient data."""

    @property
    def outcome(self) -> Outcome:
        """Of https://hl7.org/fhir/R4/valueset-audit-event-outcome.html: success, minor or serious failure."""
        return "0" if self.status < 400 else "4" if self.status < 500 else "8"


@dataclass(frozen=True)
class Recorded:
    """An access that is in the record."""

    id: int
    recorded: int
    """Microseconds since 1970-01-01 UTC."""
    entry: AuditEntry


def audit_event(recorded: Recorded, *, node: str) -> Json:
    """AuditEvent (R4) of an access to the node of this name."""
    entry, when = recorded.entry, instant(moment_of(recorded.recorded))
    outcome: Json = {"outcome": entry.outcome, "outcomeDesc": f"HTTP {entry.status} {entry.detail}".strip()}
    return {
        "resourceType": "AuditEvent",
        "id": str(recorded.id),
        "meta": {"versionId": "1", "lastUpdated": when},
        **_kind(entry.event),
        "recorded": when,
        **outcome,
        "agent": [_agent(entry)],
        "source": {
            "site": node,
            "observer": {"display": node},
            "type": [hl7_coding("security-source-type", "4", "Application Server")],
        },
        **present({"entity": _entities(entry)}),
    }


def _kind(event: str) -> Json:
    """Type, subtype and action (https://hl7.org/fhir/R4/valueset-audit-event-type.html)."""
    if event in _LOGIN:
        login = {"system": DCM, "code": "110114", "display": "User Authentication"}
        return {"type": login, "subtype": [{"system": DCM, "code": _LOGIN[event], "display": "Login"}], "action": "E"}
    if event == "notify":  # of a subscriber
        export = {"system": DCM, "code": "110106", "display": "Export"}
        return {"type": export, "action": "R"}
    read = event in ("read", "vread", "history-instance")
    return {
        "type": hl7_coding("audit-event-type", "rest", "RESTful Operation"),
        "subtype": [{"system": _REST, "code": event, "display": event}],
        "action": _ACTIONS.get(event, "R" if read else "E"),
    }


def _agent(entry: AuditEntry) -> Json:
    name = entry.agent or "anybody"
    who: Json = {"who": {"identifier": {"value": entry.agent}}, "altId": entry.agent} if entry.agent else {}
    network: Json = {"network": {"address": entry.address, "type": "2"}} if entry.address else {}
    return {
        "type": {"coding": [{"system": DCM, "code": "110153", "display": "Source Role ID"}]},
        **who,
        "name": name,
        "requestor": True,
        **network,
    }


def _entities(entry: AuditEntry) -> list[Json]:
    entities = [_patient(entry.patient)] if entry.patient else []
    if "/" in entry.entity and entry.entity != entry.patient:
        entities.append(
            {
                "what": {"reference": entry.entity},
                "type": hl7_coding("audit-entity-type", "2", "System Object"),
                "role": hl7_coding("object-role", "4", "Domain Resource"),
            }
        )
    if entry.event.startswith(("search", "history")) or entry.query:
        asked = f"{entry.entity}?{entry.query}"
        entities.append(
            {
                "type": hl7_coding("audit-entity-type", "2", "System Object"),
                "role": hl7_coding("object-role", "24", "Query"),
                "query": base64.b64encode(asked.encode("utf-8", "replace")).decode(),
            }
        )
    return entities


def _patient(reference: str) -> Json:
    return {
        "what": {"reference": reference},
        "type": hl7_coding("audit-entity-type", "1", "Person"),
        "role": hl7_coding("object-role", "1", "Patient"),
    }
