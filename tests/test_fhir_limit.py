"""A caller who is limited to certain patients sees nothing of any other, however it asks; each refusal is recorded."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine
from typer.testing import CliRunner

from ainode.cli import app
from ainode.settings import Fhir, FhirClient
from ainode_fhir.bundle import as_json, report_bundle, transaction
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from peers.fhir_samples import FAILED, NEGATIVE, OBJECTS, POSITIVE, STUDY, Clock
from peers.fhir_service import OTHER
from peers.postgres import PostgresServer
from peers.smart_node import CLIENT, SmartNode, smart_node

OWN, HIDDEN = "urn:oid:1.2.276.99|P-4711", "urn:oid:1.2.276.99|P-1"
TYPES = (
    "DiagnosticReport",
    "Observation",
    "ServiceRequest",
    "Patient",
    "ImagingStudy",
    "Device",
    "Provenance",
    "Organization",
)
FOREIGN_MODEL = replace(NEGATIVE.algorithm, name="another-model", device_uid="2.25.999")


@dataclass(frozen=True)
class Site2:
    """A node with two patients, and the token of a client that may see one of them."""

    node: SmartNode
    store: ResourceStore
    own: dict[str, list[str]]
    """Ids of the patient's resources by type, from their bundles."""
    hidden: dict[str, list[str]]
    """Of the other's, without what both share."""

    @property
    def token(self) -> str:
        """A new one of the limited client."""
        return self.node.token("system/*.rs")

    def get(self, path: str) -> httpx.Response:
        """What the limited client is answered."""
        return self.node.get(path, self.token)

    def seen(self, path: str) -> set[str]:
        """``Type/id`` of all that a search or a history shows, on all pages."""
        found: set[str] = set()
        following = f"{self.node.url}/{path}"
        shown = {"authorization": f"Bearer {self.token}", "prefer": "handling=strict"}
        while following:
            answer = self.node.http.get(following, headers=shown)
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            resources = [entry["resource"] for entry in bundle.get("entry", [])]
            found |= {f"{each['resourceType']}/{each['id']}" for each in resources}
            following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        return found

    @property
    def secrets(self) -> set[str]:
        """Locations that must never be shown."""
        return {f"{kind}/{each}" for kind, ids in self.hidden.items() for each in ids}

    def refused(self) -> tuple[str, str]:
        """Outcome and reason of the last access in the record."""
        event = self.node.audit("_count=5")[0]
        assert event["agent"][0]["altId"] == CLIENT
        return event["outcome"], event["outcomeDesc"]


def ids_of(bodies: list[Json]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for body in bodies:
        found.setdefault(body["resourceType"], []).append(body["id"])
    return found


def filled(engine: Engine, base: str) -> tuple[ResourceStore, dict[str, list[str]], dict[str, list[str]]]:
    """Adds a failed report of the one patient, and a report by another model of the other."""
    store, site = ResourceStore(engine, clock=Clock(), base_url=base), Site(base_url=base)
    bundles = [
        report_bundle(POSITIVE, STUDY, OBJECTS, site=site),
        report_bundle(FAILED, STUDY, (), site=site),
        report_bundle(replace(NEGATIVE, algorithm=FOREIGN_MODEL), OTHER, OBJECTS, site=site),
    ]
    for bundle in bundles[1:]:
        store.apply(bundle)
    bodies = [[entry["resource"] for entry in as_json(bundle)["entry"]] for bundle in bundles]
    own, hidden = ids_of([*bodies[0], *bodies[1]]), ids_of(bodies[2])
    secret = {kind: [each for each in ids if each not in own[kind]] for kind, ids in hidden.items()}
    return store, own, secret


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site2]:
    folder = tmp_path_factory.mktemp("limit")
    with PostgresServer() as server:
        url = f"sqlite:///{folder / 'fhir.sqlite'}" if request.param == "sqlite" else server.database("limit")
        scopes, keys = "system/*.rs system/AuditEvent.rs", folder / "jwks.json"
        client = FhirClient(id=CLIENT, scopes=scopes, jwks=keys, patients=(OWN,))
        with smart_node(folder, fhir=Fhir(client=(client,)), database=url) as node:
            engine = create_engine(url)
            yield Site2(node, *filled(engine, node.url))
            engine.dispose()


def test_there_is_something_to_hide_and_all_of_it_is_served_to_others(site: Site2) -> None:
    key = site.node.key("system/*.rs")
    assert set(site.hidden) == set(TYPES)
    for location in site.secrets:
        assert site.node.get(location, key).status_code == 200
    assert len(site.hidden["DiagnosticReport"]) == len(site.hidden["Patient"]) == len(site.hidden["Device"]) == 1
    assert not site.hidden["Organization"]


@pytest.mark.parametrize("kind", TYPES)
def test_searches_and_histories_show_all_that_is_the_patients_and_nothing_else(site: Site2, kind: str) -> None:
    own = {f"{kind}/{each}" for each in site.own[kind]}
    assert site.seen(kind) == site.seen(f"{kind}?_count=1") == site.seen(f"{kind}/_history") == own
    for total in ("accurate", "none"):
        assert site.get(f"{kind}?_total={total}&_count=1").json().get("total") in (len(own), None)
    assert site.get(f"{kind}?_summary=count").json()["total"] == len(own)


def test_what_is_not_theirs_is_answered_as_what_is_not_there(site: Site2) -> None:
    for location in site.secrets:
        kind = location.partition("/")[0]
        for path in ("", "/_history/1", "/_history", "/_history/1?_summary=text"):
            hidden, absent = site.get(location + path), site.get(f"{kind}/nothing{path}")
            assert (hidden.status_code, hidden.text) == (absent.status_code, absent.text) == (404, absent.text)
        assert site.node.get(location, site.token, **{"if-none-match": 'W/"1"'}).status_code == 404
        assert site.refused() == ("4", "HTTP 404 it is of no patient whom the caller may see")


ESCAPES = [
    "DiagnosticReport?_include=*&_revinclude=*&_include:iterate=*&_revinclude:iterate=*",
    "Device?_revinclude=Observation:device",
    "Device?_revinclude=Observation:device&_revinclude:iterate=DiagnosticReport:result",
    "Organization?_revinclude=*&_revinclude:iterate=*&_include:iterate=*",
    "Patient?_revinclude=*&_revinclude:iterate=*",
    "Provenance?_include=Provenance:target&_include:iterate=*",
    "DiagnosticReport?_sort=-date,status&_count=1",
    "DiagnosticReport?code:not=1&_sort=status",
    "Observation?data-absent-reason:missing=true&_count=2",
    "Observation?has-member:missing=true",
    "Patient?name:contains=e",
    "Patient?birthdate=gt1900",
    "Observation?_lastUpdated=gt1990&_count=3",
    "Patient?_has:Observation:patient:code=6574001",
    "DiagnosticReport?_security=AIAST",
    "ImagingStudy?modality=MR&_revinclude=*",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_way_of_asking_brings_along_what_is_not_theirs(site: Site2, path: str) -> None:
    found = site.seen(path)
    assert found
    assert found & site.secrets == set()


@pytest.mark.parametrize(
    ("path", "for_others"),
    [
        ("Device?_has:Observation:device:value-concept=373572006&identifier=2.25.999", 1),
        ("Patient?_has:Observation:patient:code=79654002", 1),
        ("DiagnosticReport?imagingStudy.identifier=1.2.826.0.1.78", 1),
        ("DiagnosticReport?patient.name=nunez", 1),
        ("DiagnosticReport?patient.birthdate=1950-01-02", 1),
        ("Patient?_has:DiagnosticReport:patient:identifier=run-negative", 1),
        ("Patient?family=nunez", 1),
        ("Observation?device.identifier=2.25.999", 3),
        ("Device?identifier=2.25.999", 1),
        ("DiagnosticReport?identifier=run-negative&_total=accurate", 1),
        ("DiagnosticReport?based-on.identifier=ACC-10", 1),
    ],
)
def test_a_chain_or_has_tells_nothing_of_others(site: Site2, path: str, for_others: int) -> None:
    mine = site.get(path)
    key = site.node.key("system/*.rs")
    assert len(site.node.get(path, key).json()["entry"]) == for_others
    assert (mine.status_code, mine.json().get("entry"), mine.json()["total"]) == (200, None, 0)


def naming(other: str, identifier: str) -> list[tuple[str, dict[str, str]]]:
    """Searches that name a patient."""
    value = identifier.partition("|")[2]
    return [
        ("DiagnosticReport", {"patient": other}),
        ("DiagnosticReport", {"subject": f"Patient/{other}"}),
        ("DiagnosticReport", {"subject:Patient": other}),
        ("DiagnosticReport", {"patient.identifier": identifier}),
        ("DiagnosticReport", {"patient:identifier": identifier}),
        ("DiagnosticReport", {"patient.identifier": f"P-4711,{value}"}),
        ("DiagnosticReport", {"imagingStudy.patient": other}),
        ("Observation", {"patient": f"Patient/{other}"}),
        ("Patient", {"_id": other}),
        ("Patient", {"identifier": identifier}),
        ("Patient", {"identifier": value}),
        ("ImagingStudy", {"patient": other}),
        ("Device", {"_has:Observation:device:patient": other}),
        ("Device", {"patient": other}),
        ("Provenance", {"target": f"Patient/{other}"}),
        ("Provenance", {"target:Patient": other}),
    ]


@pytest.mark.parametrize("posted", [False, True], ids=["GET", "POST"])
def test_a_search_that_names_another_patient_is_refused_whether_or_not_there_is_one(site: Site2, posted: bool) -> None:
    (other,) = site.hidden["Patient"]
    known, unknown = naming(other, HIDDEN), naming("nobody", "urn:oid:1.2.276.99|P-9999")
    for (kind, parameters), (_, others) in zip(known, unknown, strict=True):
        answers = []
        for asked in (parameters, others):
            shown = {"authorization": f"Bearer {site.token}"}
            url = f"{site.node.url}/{kind}"
            answers.append(
                site.node.http.post(f"{url}/_search", data=asked, headers=shown)
                if posted
                else site.node.http.get(url, params=asked, headers=shown)
            )
            assert site.refused() == ("4", "HTTP 403 this names a patient whom the caller may not ask for")
        assert [each.status_code for each in answers] == [403, 403], parameters
        assert answers[0].json()["resourceType"] == "OperationOutcome"
        assert answers[0].text == answers[1].text


def test_a_search_that_names_the_own_patient_is_answered(site: Site2) -> None:
    (own,) = site.own["Patient"][:1]
    for kind, parameters in naming(own, OWN):
        shown = {"authorization": f"Bearer {site.token}"}
        answer = site.node.http.get(f"{site.node.url}/{kind}", params=parameters, headers=shown)
        expected = 403 if "P-4711,P-4711" in parameters.values() else 200
        assert answer.status_code in (200, expected), answer.text


def test_a_page_link_of_another_caller_shows_no_more(site: Site2) -> None:
    key = site.node.key("system/*.rs")
    for kind in ("Observation", "DiagnosticReport"):
        first = site.node.get(f"{kind}?_count=1&_sort=_lastUpdated", key).json()
        link = next(each["url"] for each in first["link"] if each["relation"] == "next")
        stolen = link.removeprefix(f"{site.node.url}/")
        assert site.seen(stolen) & site.secrets == set()
        history = site.node.get(f"{kind}/_history?_count=1", key).json()
        link = next(each["url"] for each in history["link"] if each["relation"] == "next")
        assert site.seen(link.removeprefix(f"{site.node.url}/")) & site.secrets == set()


@pytest.mark.parametrize("path", ["AuditEvent", "AuditEvent/1", "", "_history", "Patient/1/$everything", "Basic"])
def test_what_the_server_does_not_narrow_is_refused(site: Site2, path: str) -> None:
    assert site.node.get(path, site.node.token("system/*.rs system/AuditEvent.rs")).status_code == 403
    assert site.refused()[0] == "4"


def test_a_version_of_another_patient_stays_hidden_when_the_resource_is_now_theirs(site: Site2) -> None:
    (own,) = site.own["Patient"][:1]
    (other,) = site.hidden["Patient"]
    moved = {
        "resourceType": "ImagingStudy",
        "id": "moved",
        "status": "available",
        "subject": {"reference": f"Patient/{other}"},
    }
    for patient in (other, own):
        body = moved | {"subject": {"reference": f"Patient/{patient}"}}
        site.store.apply(transaction([body], base_url=site.node.url))
    assert site.get("ImagingStudy/moved").status_code == site.get("ImagingStudy/moved/_history/2").status_code == 200
    assert site.get("ImagingStudy/moved/_history/1").status_code == 404
    for path in ("ImagingStudy/moved/_history", "ImagingStudy/_history"):
        shown = site.get(path)
        assert other not in shown.text
        assert "total" not in shown.json()
    site.store.apply(transaction([moved], base_url=site.node.url))
    assert site.get("ImagingStudy/moved").status_code == site.get("ImagingStudy/moved/_history/2").status_code == 404
    assert "moved" not in site.get("ImagingStudy/_history").text


def test_a_key_is_limited_as_a_client_is(site: Site2) -> None:
    now = datetime.fromtimestamp(site.node.now(), UTC)
    key = site.node.keys.add(f"limited-{site.node.now():.0f}", now, "system/*.rs", (HIDDEN,))
    found = site.node.get("DiagnosticReport", key).json()["entry"]
    assert [entry["resource"]["id"] for entry in found] == site.hidden["DiagnosticReport"]
    assert site.node.get(f"Patient/{site.own['Patient'][0]}", key).status_code == 404
    nobody = site.node.keys.add(f"nobody-{site.node.now():.0f}", now, "system/*.rs", ())
    assert all(site.node.get(kind, nobody).json()["total"] == 0 for kind in TYPES)


def test_a_file_of_patients_counts_at_once_and_lets_nobody_in_when_it_is_away(tmp_path: Path) -> None:
    patients = tmp_path / "patients.txt"
    patients.write_text(f"# of ward 7\n\n{OWN}\n")
    client = FhirClient(id=CLIENT, scopes="system/*.rs", jwks=tmp_path / "jwks.json", patients_file=patients)
    with smart_node(tmp_path, fhir=Fhir(client=(client,))) as node:
        token = node.token()
        assert node.get("DiagnosticReport", token).json()["total"] == 1
        patients.write_text("")
        assert node.get("DiagnosticReport", token).json()["total"] == 0
        patients.write_text("P-4711\n")
        assert node.get("DiagnosticReport", token).status_code == 503
        patients.unlink()
        refused = node.get("DiagnosticReport", token)
        assert (refused.status_code, refused.json()["resourceType"]) == (503, "OperationOutcome")


def test_the_command_makes_a_limited_key_and_does_not_show_whom_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    made = run(app, ["keys", "add", "ward", "--fhir", "system/*.rs", "--patient", OWN, "--patient", HIDDEN])
    assert made.exit_code == 0, made.output
    shown = run(app, ["keys", "list"]).output
    assert "2 patients" in shown
    assert "P-4711" not in shown
    (row,) = (json.loads(path.read_text()) for path in tmp_path.rglob("api-keys/*.json"))
    assert row["patients"] == [OWN, HIDDEN]
    for wrong in (["--patient", OWN], ["--fhir", "system/*.rs", "--patient", "P-4711"]):
        assert run(app, ["keys", "add", "other", *wrong]).exit_code != 0


def test_the_record_names_the_patient_that_was_asked_for(site: Site2) -> None:
    (other,) = site.hidden["Patient"]
    site.get(f"DiagnosticReport?patient={other}")
    event = site.node.audit("_count=5")[0]
    assert event["entity"][0]["what"] == {"reference": f"Patient/{other}"}
    assert base64.b64decode(event["entity"][1]["query"]).decode() == f"DiagnosticReport?patient={other}"
