"""The record of access: AuditEvents that are valid R4, are found, and without which nobody gets anything."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle

from ainode.journal.database import open_database
from ainode_fhir.audit.entry import AuditEntry, Recorded, audit_event
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.tables import audit_table
from peers.fhir_checks import R4Checker
from peers.smart_node import CLIENT, Now, SmartNode, audit_of, smart_node

SEARCH = AuditEntry(
    event="search-type", agent="ehr", address="10.0.0.7", status=200, entity="DiagnosticReport",
    patient="Patient/p1", query="patient=Patient/p1&status=partial",
)  # fmt: skip
EVERY_KIND = {
    "search": SEARCH,
    "empty search": AuditEntry(event="search-type", agent="ehr", address="10.0.0.7", status=200, entity="Device"),
    "read": AuditEntry(event="read", agent="ehr", address="::1", status=304, entity="Observation/o1"),
    "read of a patient": AuditEntry(
        event="read", agent="ehr", address="::1", status=404, entity="Patient/p1", patient="Patient/p1"
    ),
    "write": AuditEntry(event="update", agent="", address="", status=405, detail="read-only"),
    "refused": AuditEntry(event="history-system", agent="", address="10.0.0.7", status=401, detail="needs a token"),
    "failed": AuditEntry(event="vread", agent="ehr", address="10.0.0.7", status=500, entity="Device/d"),
    "token": AuditEntry(event="token", agent="ehr", address="10.0.0.7", status=200, detail="system/*.rs"),
    "introspection": AuditEntry(event="introspect", agent="", address="10.0.0.7", status=401, detail="unknown"),
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmartNode]:
    """A node that was asked for six things, an hour after each other."""
    with smart_node(tmp_path_factory.mktemp("audit")) as node:
        asked = ("Patient/p1", "Observation?patient=p1&status=final", "Device", "DiagnosticReport?subject=Patient/p2")
        for path in asked:
            assert node.get(path, node.token()).status_code in (200, 404)
            node.now.seconds += 3600
        node.get("Device?_sort=x")
        yield node


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield engine
    engine.dispose()


def test_every_kind_of_event_is_valid_r4(r4: R4Checker) -> None:
    events = {
        name: audit_event(Recorded(number, 1_790_000_000_000_000, entry), node="ainode")
        for number, (name, entry) in enumerate(EVERY_KIND.items(), start=1)
    }
    for event in events.values():
        AuditEvent.model_validate(event)
    seeded = {**events["search"], "id": "seeded", "outcome": "7"}
    found = r4.errors({**events, "seeded": seeded})
    assert set(found) == {
        ("terminology.required", "AuditEvent.outcome"),
        ("profile.element.binding.required", "AuditEvent.outcome"),
    }


def test_the_query_is_kept_as_fhir_says_and_the_patient_is_an_entity_of_its_own() -> None:
    event = audit_event(Recorded(1, 1_790_000_000_000_000, SEARCH), node="ainode")
    patient, query = event["entity"]
    assert patient["what"] == {"reference": "Patient/p1"}
    assert base64.b64decode(query["query"]).decode() == f"DiagnosticReport?{SEARCH.query}"
    assert (event["action"], event["outcome"], event["recorded"]) == ("E", "0", "2026-09-21T14:13:20+00:00")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("patient=p1", ["search-type", "read"]),
        ("patient=Patient/p2", ["search-type"]),
        ("entity=Patient/p1", ["search-type", "read"]),
        ("entity=Device", ["search-type", "search-type"]),
        ("subtype=read", ["read"]),
        ("outcome=4&subtype=search-type", ["search-type"]),
        ("outcome=http://terminology.hl7.org/x|8", []),
        (f"altid={CLIENT}&subtype=search-type,read&_sort=date", ["read"] + 3 * ["search-type"]),
        (f"agent:identifier={CLIENT}&subtype=read", ["read"]),
        ("altid=nobody", []),
        ("subtype=read&date=lt2026-09-21T14:13:20Z", []),
        ("subtype=read&date=ge2026-09-21", ["read"]),
        ("subtype=read&date=sa2026-09-21", []),
        ("subtype=read&_lastUpdated=2026-09", ["read"]),
        ("address=127.0.0.1&subtype=read", ["read"]),
    ],
)
def test_events_are_found_by_date_client_entity_and_outcome(
    node: SmartNode, parameters: str, expected: list[str]
) -> None:
    assert [audit_of(event)[0] for event in node.audit(parameters)] == expected


def test_pages_hold_every_event_once_and_one_is_read_by_its_id(node: SmartNode) -> None:
    token = node.token("system/AuditEvent.rs")
    seen, path = [], "AuditEvent?_count=2&_total=accurate&subtype=110122,read"
    while path:
        answer = node.get(path, token)
        Bundle.model_validate_json(answer.text)
        page = answer.json()
        seen += [entry["resource"] for entry in page["entry"]]
        assert page["total"] >= len(seen)
        path = {link["relation"]: link["url"] for link in page["link"]}.get("next", "").removeprefix(f"{node.url}/")
    ids = [int(event["id"]) for event in seen]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == page["total"]
    assert node.get(f"AuditEvent/{ids[0]}", token).json() == seen[0]
    assert node.get("AuditEvent/999999", token).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("AuditEvent?date=yesterday", 400),
        ("AuditEvent?_count=many", 400),
        ("AuditEvent?_page=\uff11", 400),
        ("AuditEvent?colour=red", 200),
    ],
)
def test_a_mistake_is_answered_as_for_other_types(node: SmartNode, path: str, status: int) -> None:
    token = node.token("system/AuditEvent.rs")
    assert node.get(path, token).status_code == status
    assert node.get(path, token, prefer="handling=strict").status_code == 400


def test_old_events_leave_and_without_a_term_none_does(engine: sa.Engine) -> None:
    now = Now()
    for days, left in ((0.0, 2), (7.0, 1)):
        trail = AuditTrail(engine, now, days=days)
        trail.note(SEARCH)
        trail.step()
        now.seconds += 8 * 86400
        trail.note(SEARCH)
        trail.step()
        with engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(audit_table)) == left


def test_while_the_record_cannot_be_written_nobody_gets_anything_and_afterwards_nothing_is_lost(
    engine: sa.Engine,
) -> None:
    trail = AuditTrail(engine, Now(), days=0)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE fhir_audit RENAME TO away")
    for _ in range(10_000):
        trail.check()
        trail.note(SEARCH)
    with pytest.raises(sa.exc.OperationalError):
        trail.flush()
    with pytest.raises(FhirProblem):
        trail.check()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO fhir_audit")
    trail.flush()
    trail.check()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_table)) == 10_000
