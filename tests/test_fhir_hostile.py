"""Odd requests, made from a seed: never a 5xx, and an OperationOutcome whenever the answer is no."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.parameters import PARAMETERS
from peers.fhir_service import fill, served
from peers.postgres import PostgresServer

SEED, REQUESTS = 20260304, 600
VALUES = (
    "",
    " ",
    ",",
    ",,,",
    "|",
    "||",
    "\\",
    "\\,",
    "a|b|c|d",
    "%",
    "%_%",
    "'; DROP TABLE fhir_resource; --",
    '"',
    "\0",
    "a\0b",
    "\ud7ff\ufffe\U0010ffff",
    "é" * 40,
    "\u0301\u0301",
    "\u202e<script>",
    "x" * 5000,
    ",".join("x" * 800),
    "-1",
    "0",
    "1e9",
    "9" * 30,
    "٣",
    "²",
    "NaN",
    "true",
    "false",
    "null",
    "0000",
    "0001",
    "9999",
    "9999-12-31",
    "ap0001",
    "ap9999",
    "sa9998-12",
    "2026-02-30",
    "2026-03-04T24:00",
    "2026-03-04T10:00:60Z",
    "2026-03-04T10:00:00.123456789+14:00",
    "2026-03-04T10:00:00+99:99",
    "ne",
    "ge",
    "2026-13",
    "Patient/",
    "/",
    "Patient/x/_history/1",
    "http://node.example/fhir/Patient/x",
    "urn:uuid:0",
    "urn:oid:1.2.3",
    "*",
    "*:*",
    "DiagnosticReport:*",
    "DiagnosticReport:subject",
    "DiagnosticReport:subject:Patient:x",
    "Observation:has-member",
    ":::",
    "-_lastUpdated,-date,status,-issued",
    "-",
    "WzEsMl0",
    "W10",
    "bnVsbA",
    "W10" * 500,
    "../../etc/passwd",
    "count",
    "text",
    "none",
    "accurate",
    "id,status,subject.reference",
)
DIRECTIVES = (
    "_count",
    "_sort",
    "_page",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_include:iterate",
    "_revinclude",
    "_revinclude:iterate",
    "_since",
    "_has:Observation:subject:code",
    "_text",
    "_content",
    "_list",
    "_filter",
    "_format",
    "",
    ":",
    ".",
    "\0",
    "a" * 3000,
)
MODIFIERS = ("", ":missing", ":not", ":exact", ":contains", ":identifier", ":Patient", ":text", ":in", ":", "::", ":\0")
CHAINS = ("", ".identifier", ".name", ".name.family:exact", ".code", ".started", ".", "..", "._id", ".subject.name")
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"prefer": "handling=strict"},
    {"prefer": "handling=lenient"},
    {"accept": "application/fhir+xml"},
    {"if-none-match": 'W/"1", *'},
    {"content-type": "text/plain"},
)


def requests(seed: int) -> Iterator[tuple[str, str, list[tuple[str, str]], dict[str, str]]]:
    """Method, path, parameters and headers of ``REQUESTS`` requests; every parameter takes part."""
    dice = random.Random(seed)
    names = [(kind, each.name) for kind, parameters in PARAMETERS.items() for each in parameters]
    for number in range(REQUESTS):
        kind, name = names[number % len(names)]
        pairs = [(f"{name}{dice.choice(MODIFIERS)}{dice.choice(CHAINS)}", dice.choice(VALUES))]
        pairs += [(dice.choice(DIRECTIVES), dice.choice(VALUES)) for _ in range(dice.randrange(3))]
        path = dice.choice(
            (f"/{kind}",) * 6
            + (f"/{kind}/_search", f"/{kind}/_history", f"/{kind}/{report_id('run-positive')}/_history", f"/{kind}/x")
        )
        posted = path.endswith("_search") or dice.random() < 0.02
        yield "POST" if posted else "GET", path, pairs, dice.choice(HEADERS)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'fhir.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database("hostile")
    engine = create_engine(url)
    with served(fill(engine)) as client:
        yield client
    engine.dispose()


def test_whatever_is_asked_the_server_answers_and_says_why_not(client: TestClient) -> None:
    statuses: Counter[int] = Counter()
    for method, path, pairs, headers in requests(SEED):
        form: dict[str, Any] = {"data": _grouped(pairs)} if method == "POST" else {"params": pairs}
        answer = client.request(method, f"/fhir{path}", headers=headers, **form)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, pairs, headers)
        assert answer.headers["content-type"].startswith("application/fhir+json"), (method, path, pairs, headers)
        wanted = "Bundle" if answer.status_code == 200 else "OperationOutcome"
        assert json.loads(answer.content)["resourceType"] == wanted, (method, path, pairs, headers)
    assert statuses.total() == REQUESTS
    assert min(statuses[200], statuses[400], statuses[404], statuses[406]) > 10, statuses


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/DiagnosticReport/%00", 404),
        ("GET", "/DiagnosticReport/a%2Fb", 404),
        ("GET", f"/DiagnosticReport/{'x' * 2000}", 404),
        ("GET", "/DiagnosticReport/%ff%fe", 404),
        ("GET", "/DiagnosticReport/%00/_history", 404),
        ("GET", "/DiagnosticReport/%00/_history/1", 404),
        ("GET", "/DiagnosticReport/x/_history/%00", 404),
        ("GET", "/%00", 404),
        ("GET", "/DiagnosticReport/_search", 404),
        ("PUT", "/DiagnosticReport/_search", 405),
        ("PATCH", "/DiagnosticReport", 405),
    ],
)
def test_odd_paths_are_not_found(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, f"/fhir{path}")
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.parametrize(
    "path", ["/metadata", "/DiagnosticReport", "/DiagnosticReport/x", "/DiagnosticReport/_history"]
)
def test_xml_is_refused_with_words(client: TestClient, path: str) -> None:
    for answer in (
        client.get(f"/fhir{path}", headers={"accept": "application/fhir+xml"}),
        client.get(f"/fhir{path}", params={"_format": "xml"}),
        client.get(f"/fhir{path}", params={"_format": "application/fhir+xml"}, headers={"accept": "*/*"}),
    ):
        assert answer.status_code == 406
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert "application/fhir+json" in answer.json()["issue"][0]["diagnostics"]


def test_a_form_that_is_no_form_is_refused(client: TestClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    many = "&".join(["status=partial"] * 5000)
    for body, status in ((b"\xff\xfe\x00", 200), (b"a" * 2_000_000, 413), (many.encode(), 400)):
        answer = client.post("/fhir/DiagnosticReport/_search", content=body, headers=form)
        assert answer.status_code == status, answer.text[:200]
        assert answer.json()["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")
