"""The FHIR read side as an EHR sees it: searches, pages, versions, and an OperationOutcome for every mistake."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_fhir.bundle import as_json, report_bundle, transaction
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.run_order import RunOrder
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.task import task
from peers.fhir_samples import ALGORITHM, OBJECTS, POSITIVE, STARTED, STUDY, Clock, resources
from peers.fhir_service import BASE, fill, served

BUNDLE = report_bundle(POSITIVE, STUDY, OBJECTS, site=Site(base_url=BASE))
PATIENT = resources(BUNDLE, "Patient")[0]["id"]
IMAGING_STUDY = resources(BUNDLE, "ImagingStudy")[0]["id"]
PATIENT_SYSTEM = "urn:oid:1.2.276.99"
ACCESSION_SYSTEM = "http://hospital.example/accession"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A positive and a failed report of one patient, the Task of the first, and a negative report of another."""
    path = tmp_path_factory.mktemp("fhir") / "fhir.db"
    engine = create_engine(f"sqlite:///{path}")
    order = RunOrder(
        run_id="run-positive", algorithm=ALGORITHM, context=STUDY, site=Site(base_url=BASE), authored=STARTED
    )
    fill(engine).apply(transaction([as_json(task(order))], base_url=BASE))
    engine.dispose()
    return path


@contextmanager
def serving(path: Path) -> Iterator[TestClient]:
    """Client of a server on the database file ``path``."""
    engine = create_engine(f"sqlite:///{path}")
    with served(ResourceStore(engine, clock=Clock(), base_url=BASE)) as client:
        yield client
    engine.dispose()


@pytest.fixture(scope="module")
def client(database: Path) -> Iterator[TestClient]:
    with serving(database) as client:
        yield client


def runs(answer: Json) -> set[str]:
    """Run ids of the reports in a searchset."""
    entries = [entry for entry in answer.get("entry", []) if entry["search"]["mode"] == "match"]
    return {entry["resource"]["identifier"][0]["value"] for entry in entries}


BOTH, ALL = {"run-positive", "run-failed"}, {"run-positive", "run-failed", "run-negative"}
SEARCHES = [
    ({}, ALL),
    ({"patient": PATIENT}, BOTH),
    ({"patient": f"Patient/{PATIENT}"}, BOTH),
    ({"patient": f"{BASE}/Patient/{PATIENT}"}, BOTH),
    ({"subject:Patient": PATIENT}, BOTH),
    ({"patient": "Patient/nobody"}, set()),
    ({"patient.identifier": f"{PATIENT_SYSTEM}|P-4711"}, BOTH),
    ({"patient.identifier": "P-4711"}, BOTH),
    ({"subject.identifier": "P-4711,P-1"}, ALL),
    ({"patient.identifier": "|P-4711"}, set()),
    ({"patient.identifier": "urn:oid:1.2.3|P-4711"}, set()),
    ({"identifier": f"{RUN_SYSTEM}|run-failed"}, {"run-failed"}),
    ({"identifier": "urn:dicom:uid|urn:oid:2.25.51"}, {"run-positive"}),
    ({"identifier": "2.25.51"}, {"run-positive"}),
    ({"based-on.identifier": f"{ACCESSION_SYSTEM}|ACC-9"}, BOTH),
    ({"based-on:identifier": "ACC-9"}, BOTH),
    ({"basedOn.identifier": "ACC-10"}, {"run-negative"}),
    ({"imagingStudy.identifier": "urn:dicom:uid|urn:oid:1.2.826.0.1.77"}, BOTH),
    ({"imagingStudy.identifier": "1.2.826.0.1.78"}, {"run-negative"}),
    ({"imagingStudy:identifier": "1.2.826.0.1.78"}, {"run-negative"}),
    ({"imagingStudy": IMAGING_STUDY}, BOTH),
    ({"imagingStudy.modality": "MR"}, ALL),
    ({"imagingStudy.started": "2026-05"}, {"run-negative"}),
    ({"status": "cancelled"}, {"run-failed"}),
    ({"status": "partial,cancelled"}, ALL),
    ({"status:not": "cancelled"}, {"run-positive", "run-negative"}),
    ({"status": "partial", "patient.identifier": "P-4711"}, {"run-positive"}),
    ({"_id": report_id("run-negative")}, {"run-negative"}),
    ({"code": "http://loinc.org|18748-4"}, ALL),
    ({"category": "LP29684-5"}, ALL),
    ({"category": "http://terminology.hl7.org/CodeSystem/v2-0074|"}, ALL),
    ({"conclusion": "http://snomed.info/sct|79654002"}, {"run-positive"}),
    ({"_security": "AIAST"}, ALL),
    ({"date": "2026-03-04"}, BOTH),
    ({"date": "ge2026-05-01"}, {"run-negative"}),
    ({"date": "lt2026-03-04T10:00:00+01:00"}, set()),
    ({"date": "le2026-03-04T10:00:00+01:00"}, BOTH),
    ({"date": "gt2026"}, set()),
    ({"issued": "2026-03-04T10:20:30Z"}, ALL),
    ({"_lastUpdated": "gt2026-03-05"}, set()),
    ({"_lastUpdated": "ge2026-03-05"}, ALL),
]


@pytest.mark.parametrize(
    ("parameters", "expected"), SEARCHES, ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:60]
)
def test_a_search_finds_the_same_reports_by_get_and_by_post(
    client: TestClient, parameters: dict[str, str], expected: set[str]
) -> None:
    strict = {"prefer": "handling=strict"}
    got = client.get("/fhir/DiagnosticReport", params=parameters, headers=strict)
    posted = client.post("/fhir/DiagnosticReport/_search", data=parameters, headers=strict)
    assert (got.status_code, posted.status_code) == (200, 200), got.text
    assert got.json() == posted.json()
    assert runs(got.json()) == expected
    assert got.json()["total"] == len(expected)
    assert Bundle.model_validate_json(got.text)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"value-concept": "http://snomed.info/sct|79654002"}, 1),
        ({"value-concept": "373572006"}, 3),
        ({"code": "118565006", "patient.identifier": "P-4711"}, 1),
        ({"data-absent-reason": "error"}, 1),
        ({"derived-from.identifier": "1.2.826.0.1.78"}, 3),
        ({"part-of.identifier": "urn:dicom:uid|urn:oid:1.2.826.0.1.78"}, 3),
        ({"based-on.identifier": "ACC-10"}, 3),
        ({"patient.identifier": "P-1", "category": "imaging", "status": "preliminary"}, 3),
        ({"device.identifier": "2.25.310", "status": "cancelled"}, 1),
        ({"identifier": "2.25.61"}, 2),
    ],
    ids=lambda value: str(value)[:60],
)
def test_observations_are_found_by_patient_order_study_code_and_value(
    client: TestClient, parameters: dict[str, str], expected: int
) -> None:
    answer = client.get("/fhir/Observation", params=parameters, headers={"prefer": "handling=strict"})
    assert answer.json()["total"] == expected, answer.text


def test_pages_hold_every_report_once_in_both_orders(client: TestClient) -> None:
    orders = []
    for sort in ("-_lastUpdated", "_lastUpdated"):
        seen, url = [], f"{BASE}/DiagnosticReport?_count=1&_sort={sort}&status=partial,cancelled"
        while url:
            answer = client.get(url).json()
            assert answer["total"] == 3
            seen += [entry["resource"]["identifier"][0]["value"] for entry in answer["entry"]]
            links = {link["relation"]: link["url"] for link in answer["link"]}
            assert "_count=1" in links["self"]
            url = links.get("next", "")
        orders.append(seen)
    assert orders[0] == ["run-negative", "run-failed", "run-positive"] == orders[1][::-1]
    only_total = client.get("/fhir/DiagnosticReport?_count=0").json()
    assert only_total["total"] == 3
    assert "entry" not in only_total


def test_a_poller_gets_each_change_once_by_the_last_updated_that_it_saw(client: TestClient) -> None:
    newest = client.get("/fhir/DiagnosticReport?_count=2").json()["entry"][1]["resource"]
    seen = newest["meta"]["lastUpdated"]
    later = client.get("/fhir/DiagnosticReport", params={"_lastUpdated": f"gt{seen}"}).json()
    assert runs(later) == {"run-negative"}
    unencoded = client.get(f"/fhir/DiagnosticReport?_lastUpdated=gt{seen}").json()
    assert runs(unencoded) == {"run-negative"}


def test_a_read_has_a_version_that_saves_reading_it_again(client: TestClient) -> None:
    url = f"/fhir/DiagnosticReport/{report_id('run-positive')}"
    answer = client.get(url)
    assert answer.headers["content-type"].startswith("application/fhir+json; fhirVersion=4.0")
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.json()["meta"]["versionId"] == "1"
    again = client.get(url, headers={"if-none-match": 'W/"1"'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(url, headers={"if-none-match": 'W/"2"'}).status_code == 200


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_type_is_read_and_searched(client: TestClient, kind: str) -> None:
    answer = client.get(f"/fhir/{kind}").json()
    assert answer["total"] > 0
    first = answer["entry"][0]
    assert client.get(first["fullUrl"]).json() == first["resource"]


def test_unknown_parameters_are_named_when_lenient_and_refused_when_strict(client: TestClient) -> None:
    lenient = client.get("/fhir/DiagnosticReport?colour=red&status=cancelled").json()
    assert lenient["total"] == 1
    (warning,) = [entry["resource"] for entry in lenient["entry"] if entry["search"]["mode"] == "outcome"]
    assert "colour" in warning["issue"][0]["diagnostics"]
    assert warning["issue"][0]["severity"] == "warning"
    assert "colour" not in lenient["link"][0]["url"]
    strict = client.get("/fhir/DiagnosticReport?colour=red", headers={"prefer": "handling=strict"})
    assert strict.status_code == 400


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/fhir/DiagnosticReport/nothing-here", 404),
        ("GET", "/fhir/Basic", 404),
        ("GET", "/fhir/Basic/1", 404),
        ("GET", "/fhir/", 404),
        ("GET", "/fhir/DiagnosticReport/1/2/3", 404),
        ("GET", "/fhir/DiagnosticReport?date=yesterday", 400),
        ("GET", "/fhir/DiagnosticReport?date=2026-13-01", 400),
        ("GET", "/fhir/DiagnosticReport?date=9999-12-31", 400),
        ("GET", "/fhir/DiagnosticReport?date=xx2026", 400),
        ("GET", "/fhir/DiagnosticReport?status:text=x", 400),
        ("GET", "/fhir/DiagnosticReport?patient:Device=x", 400),
        ("GET", "/fhir/DiagnosticReport?_count=many", 400),
        ("GET", "/fhir/DiagnosticReport?_page=broken", 400),
        ("GET", "/fhir/DiagnosticReport?_format=xml", 406),
        ("POST", "/fhir/DiagnosticReport", 405),
        ("PUT", "/fhir/DiagnosticReport/1", 405),
        ("DELETE", "/fhir/DiagnosticReport/1", 405),
        ("POST", "/fhir/metadata", 405),
    ],
)
def test_every_mistake_is_answered_with_an_operation_outcome(
    client: TestClient, method: str, url: str, status: int
) -> None:
    answer = client.request(method, url)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert as_json(OperationOutcome.model_validate_json(answer.text))["issue"][0]["severity"] == "error"


def test_only_json_of_fhir_4_is_served(client: TestClient) -> None:
    def status(accept: str) -> int:
        return client.get("/fhir/metadata", headers={"accept": accept}).status_code

    assert {status(accept) for accept in ("application/fhir+xml", "application/fhir+json; fhirVersion=5.0")} == {406}
    accepted = ("application/fhir+json; fhirVersion=4.0", "text/html, */*;q=0.1", "application/json", "*/*")
    assert {status(accept) for accept in accepted} == {200}
    refused = client.post("/fhir/DiagnosticReport/_search", json={"status": "partial"})
    assert refused.status_code == 415


def test_a_deleted_report_is_gone(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "fhir.db"
    shutil.copy(database, copy)
    engine = create_engine(f"sqlite:///{copy}")
    url = f"DiagnosticReport/{report_id('run-positive')}"
    removal = {"type": "transaction", "entry": [{"request": {"method": "DELETE", "url": url}}]}
    ResourceStore(engine, clock=Clock()).apply(Bundle.model_validate(removal))
    engine.dispose()
    with serving(copy) as client:
        answer = client.get(f"/fhir/{url}")
    assert answer.status_code == 410
    assert answer.json()["issue"][0]["code"] == "deleted"


def test_a_broken_database_is_answered_with_500_and_no_patient_data_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path / "empty.db") as client, caplog.at_level(logging.ERROR):
        answer = client.get("/fhir/DiagnosticReport?patient.identifier=P-4711")
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["code"] == "exception"
    assert "fhir_resource" not in answer.text
    assert "GET /fhir/DiagnosticReport failed with OperationalError" in caplog.text
    assert "P-4711" not in caplog.text


def test_the_capability_statement_lists_what_the_search_table_holds(client: TestClient) -> None:
    answer = client.get("/fhir/metadata")
    statement = as_json(CapabilityStatement.model_validate_json(answer.text))
    assert statement["fhirVersion"] == "4.0.1"
    served: dict[str, set[str]] = {
        item["type"]: {parameter["name"] for parameter in item["searchParam"]}
        for item in statement["rest"][0]["resource"]
    }
    assert set(served) == set(PARAMETERS)
    for kind, parameters in PARAMETERS.items():
        assert {parameter.name for parameter in parameters} <= served[kind]
    wanted = {
        "patient",
        "patient.identifier",
        "based-on.identifier",
        "imagingStudy.identifier",
        "status",
        "_lastUpdated",
    }
    assert wanted <= served["DiagnosticReport"]
    assert wanted - {"imagingStudy.identifier"} | {"derived-from.identifier"} <= served["Observation"]
    for kind, names in served.items():
        for name in names:
            strict = client.get(f"/fhir/{kind}", params={name: "2026"}, headers={"prefer": "handling=strict"})
            assert strict.status_code == 200, (kind, name)
