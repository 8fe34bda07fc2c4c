"""Versions of resources as an EHR reads them: one by its number, those of a resource, those of a type."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded_bundle
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY
from peers.fhir_service import BASE, fill, served

REPORT = report_id("run-positive")
REMOVED = report_id("run-failed")
STRICT = {"prefer": "handling=strict"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Three reports; afterwards one was superseded by a fourth, and another was deleted."""
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('fhir') / 'fhir.db'}")
    store = fill(engine)
    store.apply(superseded_bundle(store.result_of(REPORT), base_url=BASE))
    store.apply(report_bundle(replace(POSITIVE, run_id="run-later"), STUDY, OBJECTS, site=Site(base_url=BASE)))
    removal = {"method": "DELETE", "url": f"DiagnosticReport/{REMOVED}"}
    store.apply(Bundle.model_validate({"type": "transaction", "entry": [{"request": removal}]}))
    with served(store) as client:
        yield client
    engine.dispose()


def history(client: TestClient, url: str) -> Json:
    answer = client.get(url, headers=STRICT)
    assert answer.status_code == 200, answer.text
    Bundle.model_validate_json(answer.text)
    body: Json = answer.json()
    assert body["type"] == "history"
    return body


def test_each_version_is_read_with_its_own_etag(client: TestClient) -> None:
    url = f"/fhir/DiagnosticReport/{REPORT}"
    first, second = (client.get(f"{url}/_history/{number}") for number in (1, 2))
    assert [answer.headers["etag"] for answer in (first, second)] == ['W/"1"', 'W/"2"']
    assert [answer.json()["status"] for answer in (first, second)] == ["partial", "entered-in-error"]
    assert [answer.json()["meta"]["versionId"] for answer in (first, second)] == ["1", "2"]
    assert client.get(url).json() == second.json()
    again = client.get(f"{url}/_history/1", headers={"if-none-match": 'W/"1"'})
    assert (again.status_code, again.content) == (304, b"")


def test_the_history_of_a_resource_says_how_each_version_came_about(client: TestClient) -> None:
    body = history(client, f"/fhir/DiagnosticReport/{REPORT}/_history")
    assert body["total"] == 2
    assert [entry["response"]["status"] for entry in body["entry"]] == ["200 OK", "201 Created"]
    assert [entry["response"]["etag"] for entry in body["entry"]] == ['W/"2"', 'W/"1"']
    for entry in body["entry"]:
        assert entry["request"] == {"method": "PUT", "url": f"DiagnosticReport/{REPORT}"}
        assert entry["response"]["lastModified"] == entry["resource"]["meta"]["lastUpdated"]
        assert entry["fullUrl"] == f"{BASE}/DiagnosticReport/{REPORT}"


def test_a_deletion_is_a_version_without_resource(client: TestClient) -> None:
    newest, oldest = history(client, f"/fhir/DiagnosticReport/{REMOVED}/_history")["entry"]
    assert newest["request"]["method"] == "DELETE"
    assert newest["response"]["status"] == "204 No Content"
    assert "resource" not in newest
    assert oldest["resource"]["status"] == "cancelled"
    gone = client.get(f"/fhir/DiagnosticReport/{REMOVED}/_history/2")
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")


def test_pages_of_the_history_of_a_type_hold_each_version_once_newest_first(client: TestClient) -> None:
    whole = [entry["response"] for entry in history(client, "/fhir/Observation/_history?_count=500")["entry"]]
    seen, url = [], f"{BASE}/Observation/_history?_count=3"
    while url:
        body = history(client, url)
        seen += [entry["response"] for entry in body["entry"]]
        links = {link["relation"]: link["url"] for link in body["link"]}
        assert "_count=3" in links["self"]
        url = links.get("next", "")
    assert seen == whole
    moments = [each["lastModified"] for each in seen]
    assert moments == sorted(moments, reverse=True)
    keys = [
        (e["fullUrl"], e["response"]["etag"]) for e in history(client, "/fhir/Observation/_history?_count=500")["entry"]
    ]
    assert len(set(keys)) == len(keys) == len(seen) > 10


def test_since_leaves_out_what_an_ehr_has_seen(client: TestClient) -> None:
    newest, *_ = history(client, "/fhir/DiagnosticReport/_history")["entry"]
    since = newest["response"]["lastModified"]
    (only,) = history(client, f"/fhir/DiagnosticReport/_history?_since={since}")["entry"]
    assert only == newest
    assert "entry" not in history(client, "/fhir/DiagnosticReport/_history?_since=2100-01-01T00:00:00Z")
    assert "entry" not in history(client, "/fhir/DiagnosticReport/_history?_count=0")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"DiagnosticReport/{REPORT}/_history/3", 404),
        (f"DiagnosticReport/{REPORT}/_history/first", 404),
        (f"DiagnosticReport/{REPORT}/_history/99999999999999999999", 404),
        ("DiagnosticReport/nothing-here/_history/1", 404),
        ("DiagnosticReport/nothing-here/_history", 404),
        ("Basic/_history", 404),
        ("DiagnosticReport/_history?_since=yesterday", 400),
        ("DiagnosticReport/_history?_count=-1", 400),
        ("DiagnosticReport/_history?_page=WzEsMl0", 400),
        ("DiagnosticReport/_history?_at=2026", 400),
    ],
)
def test_a_version_that_never_was_and_a_bad_parameter_are_refused(client: TestClient, url: str, status: int) -> None:
    answer = client.get(f"/fhir/{url}", headers=STRICT)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_history_cannot_be_written(client: TestClient) -> None:
    assert client.post(f"/fhir/DiagnosticReport/{REPORT}/_history").status_code == 405
    assert client.delete(f"/fhir/DiagnosticReport/{REPORT}/_history/1").status_code == 405
