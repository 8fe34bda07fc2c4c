"""``_has``: what is referred to by resources that answer something, on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_fhir import selection
from peers.fhir_service import fill, served
from peers.postgres import PostgresServer

STRICT = {"prefer": "handling=strict"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('has') / 'fhir.db'}"
    else:
        with PostgresServer() as server:
            yield server.database("has")


@pytest.fixture(scope="module")
def filled(database: str) -> Iterator[TestClient]:
    engine = create_engine(database)
    with served(fill(engine)) as client:
        yield client
    engine.dispose()


@pytest.fixture(params=["few", "many"])
def client(request: pytest.FixtureRequest, filled: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """What is searched for is treated as what few have, and as what many have."""
    if request.param == "many":
        monkeypatch.setattr(selection, "FEW", -1)
    return filled


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("Patient?_has:Observation:patient:code=http://snomed.info/sct|118565006", 1),
        ("Patient?_has:Observation:patient:code=118565006,111017", 2),
        ("Patient?_has:Observation:patient:code=nothing", 0),
        ("Patient?_has:Observation:subject:value-concept=373572006", 2),
        ("Patient?_has:DiagnosticReport:patient:status=cancelled", 1),
        ("Patient?_has:DiagnosticReport:patient:date=ge2026-05", 1),
        ("Patient?_has:DiagnosticReport:patient:identifier=run-negative", 1),
        ("Patient?_has:ImagingStudy:patient:modality=MR", 2),
        ("Patient?_has:ImagingStudy:patient:modality=CT", 0),
        ("Patient?_has:DiagnosticReport:patient:status=cancelled&_has:Observation:patient:code=118565006", 1),
        ("Patient?_has:DiagnosticReport:patient:status=cancelled&family=nunez", 0),
        ("ImagingStudy?_has:DiagnosticReport:imagingStudy:conclusion=79654002", 1),
        ("ImagingStudy?_has:DiagnosticReport:imaging-study:status=cancelled", 1),
        ("Observation?_has:Observation:has-member:value-concept=79654002", 3),
        ("Observation?_has:DiagnosticReport:result:status=partial", 6),
        ("Device?_has:Observation:device:value-concept=79654002", 1),
        ("DiagnosticReport?_has:Provenance:target:_tag=run-positive", 1),
        ("DiagnosticReport?_has:Provenance:target:_id=nothing", 0),
        ("Organization?_has:Provenance:target:_tag=run-positive", 0),
    ],
)
def test_what_others_refer_to_is_found_by_what_they_say(client: TestClient, path: str, found: int) -> None:
    answer = client.get(f"/fhir/{path}", headers=STRICT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == found == len(answer.json().get("entry", []))
    assert client.get(f"/fhir/{path}&_total=accurate&_count=1").json()["total"] == found
    kind, _, parameters = path.partition("?")
    form = dict(pair.split("=", 1) for pair in parameters.split("&"))
    assert client.post(f"/fhir/{kind}/_search", data=form).json()["total"] == found


def test_has_by_the_id_of_what_refers_finds_what_it_refers_to(client: TestClient) -> None:
    (report,) = client.get("/fhir/DiagnosticReport?identifier=run-positive").json()["entry"]
    answer = client.get(f"/fhir/Patient?_has:DiagnosticReport:patient:_id={report['resource']['id']}")
    (patient,) = answer.json()["entry"]
    assert patient["fullUrl"].endswith(report["resource"]["subject"]["reference"])


@pytest.mark.parametrize(
    "name",
    [
        "_has:Observation:patient",
        "_has:",
        "_has:Nothing:patient:code",
        "_has:Observation:nothing:code",
        "_has:Observation:code:code",
        "_has:Observation:device:code",
        "_has:Observation:patient:nothing",
        "_has:Observation:patient:_lastUpdated",
        "_has:Observation:patient:code:not",
        "_has:Observation:patient:device.identifier",
        "_has:Observation:patient:_has:Provenance:target:_tag",
    ],
)
def test_has_that_is_not_known_is_refused_also_by_a_lenient_server_as_more_would_be_found(
    client: TestClient, name: str
) -> None:
    answer = client.get("/fhir/Patient", params={name: "1"})
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
