"""What comes along with the matches of a search, and parts of resources."""

from collections import Counter
from collections.abc import Iterator

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import create_engine, delete, insert, select
from starlette.testclient import TestClient

from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.inclusion import MAX_INCLUDED
from ainode_fhir.search import parse_search
from ainode_fhir.tables import index_table, resource_table
from peers.fhir_service import BASE, fill, served

STRICT = {"prefer": "handling=strict"}
POSITIVE_ID = report_id("run-positive")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('fhir') / 'fhir.db'}")
    with served(fill(engine)) as client:
        yield client
    engine.dispose()


def search(client: TestClient, url: str) -> Json:
    answer = client.get(f"/fhir/{url}", headers=STRICT)
    assert answer.status_code == 200, answer.text
    Bundle.model_validate_json(answer.text)
    body: Json = answer.json()
    return body


def along(body: Json) -> dict[str, int]:
    """How many of each type came along; each resource once, and none of the matches."""
    urls = [entry["fullUrl"] for entry in body["entry"]]
    assert len(urls) == len(set(urls))
    included = [entry["resource"] for entry in body["entry"] if entry["search"]["mode"] == "include"]
    return dict(Counter(resource["resourceType"] for resource in included))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("_include=DiagnosticReport:subject", {"Patient": 1}),
        ("_include=DiagnosticReport:patient&_include=DiagnosticReport:subject", {"Patient": 1}),
        ("_include=DiagnosticReport:subject:Patient", {"Patient": 1}),
        ("_include=DiagnosticReport:imagingStudy", {"ImagingStudy": 1}),
        ("_include=DiagnosticReport:result", {"Observation": 3}),
        ("_include=DiagnosticReport:based-on", {"ServiceRequest": 1}),
        ("_include=Observation:device", {}),
        ("_revinclude=Provenance:target", {"Provenance": 1}),
        ("_revinclude=Provenance:target:DiagnosticReport", {"Provenance": 1}),
        ("_revinclude=Observation:device", {}),
        (
            "_include=DiagnosticReport:result&_include:iterate=Observation:has-member&_include=DiagnosticReport:subject",
            {"Observation": 6, "Patient": 1},
        ),
        ("_include=DiagnosticReport:result&_include:iterate=Observation:device", {"Observation": 3, "Device": 1}),
        (
            "_include=*&_revinclude=*",
            {
                "Observation": 3,
                "Patient": 1,
                "ServiceRequest": 1,
                "ImagingStudy": 1,
                "Provenance": 1,
                "DocumentReference": 2,
            },
        ),
        ("_include=DiagnosticReport:*", {"Observation": 3, "Patient": 1, "ServiceRequest": 1, "ImagingStudy": 1}),
    ],
)
def test_what_an_ehr_asks_for_comes_along_once(client: TestClient, parameters: str, expected: dict[str, int]) -> None:
    body = search(client, f"DiagnosticReport?_id={POSITIVE_ID}&{parameters}")
    assert along(body) == expected
    assert body["total"] == 1


def test_from_an_observation_its_members_and_the_report_that_holds_it_come_along(client: TestClient) -> None:
    groups = "Observation?category=125007&_include=Observation:has-member&_revinclude=DiagnosticReport:result"
    body = search(client, groups)
    members = {
        reference["reference"]
        for entry in body["entry"]
        if entry["search"]["mode"] == "match"
        for reference in entry["resource"]["hasMember"]
    }
    included = {
        entry["fullUrl"].removeprefix(f"{BASE}/") for entry in body["entry"] if entry["search"]["mode"] == "include"
    }
    assert included == members | {f"DiagnosticReport/{POSITIVE_ID}"}


def test_what_comes_along_is_chosen_for_each_page_and_stays_in_the_links(client: TestClient) -> None:
    seen, url = [], f"{BASE}/DiagnosticReport?_count=1&_include=DiagnosticReport:subject"
    while url:
        body = client.get(url, headers=STRICT).json()
        seen.append(along(body))
        url = {link["relation"]: link["url"] for link in body["link"]}.get("next", "")
    assert seen == [{"Patient": 1}] * 3


def test_a_patient_is_included_by_a_match_that_is_that_patient_not_again(client: TestClient) -> None:
    body = search(
        client, "Patient?name=erika&_revinclude=DiagnosticReport:subject&_include:iterate=DiagnosticReport:subject"
    )
    assert along(body) == {"DiagnosticReport": 2}


@pytest.mark.parametrize(
    "inclusion",
    [
        "_include=DiagnosticReport:colour",
        "_include=Basic:subject",
        "_include=Basic:*",
        "_include=DiagnosticReport:code",
        "_include=x",
        "_include:often=DiagnosticReport:subject",
        "_include=DiagnosticReport:subject:Device",
        "_revinclude=Provenance",
    ],
)
def test_an_inclusion_that_is_not_known_is_refused_when_strict_and_named_when_lenient(
    client: TestClient, inclusion: str
) -> None:
    assert client.get(f"/fhir/DiagnosticReport?{inclusion}", headers=STRICT).status_code == 400
    body = client.get(f"/fhir/DiagnosticReport?{inclusion}").json()
    (warning,) = [entry["resource"] for entry in body["entry"] if entry["search"]["mode"] == "outcome"]
    assert inclusion.partition("=")[0] in warning["issue"][0]["diagnostics"]
    assert body["total"] == 3


def test_no_more_than_a_thousand_come_along_and_the_answer_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('many') / 'fhir.db'}")
    store = fill(engine)
    with engine.begin() as connection:
        provenances = select(resource_table).where(resource_table.c.type == "Provenance")
        row = dict(connection.execute(provenances).mappings().first() or {})
        rows = [{**row, "id": f"p-{number}"} for number in range(MAX_INCLUDED)]
        connection.execute(insert(resource_table), rows)
        targets = {
            "type": "Provenance",
            "parameter": "target",
            "system": "",
            "value": f"DiagnosticReport/{POSITIVE_ID}",
        }
        connection.execute(insert(index_table), [{**targets, "id": row["id"]} for row in rows])
    pairs = [("_id", POSITIVE_ID), ("_revinclude", "Provenance:target")]
    with served(store) as client:
        body = client.get("/fhir/DiagnosticReport", params=dict(pairs)).json()
    modes = Counter(entry["search"]["mode"] for entry in body["entry"])
    assert modes == {"match": 1, "include": MAX_INCLUDED, "outcome": 1}
    with engine.begin() as connection:
        connection.execute(delete(index_table).where(index_table.c.id == "p-0"))
    page = store.search(parse_search("DiagnosticReport", pairs, strict=True))
    assert (len(page.included), page.cut) == (MAX_INCLUDED, False)
    engine.dispose()


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ("_summary=text", {"text", "status", "code"}),
        (
            "_summary=true",
            {"identifier", "status", "category", "code", "subject", "effectiveDateTime", "issued", "performer"},
        ),
        ("_elements=conclusion", {"status", "code", "conclusion"}),
        ("_elements=subject.reference,DiagnosticReport.issued", {"status", "code", "subject", "issued"}),
    ],
)
def test_a_part_of_a_resource_is_what_was_asked_for_and_says_that_it_is_a_part(
    client: TestClient, parameters: str, shown: set[str]
) -> None:
    body = search(client, f"DiagnosticReport?_id={POSITIVE_ID}&{parameters}")["entry"][0]["resource"]
    assert set(body) == shown | {"resourceType", "id", "meta"}
    assert [tag["code"] for tag in body["meta"]["tag"]] == ["SUBSETTED"]
    assert [label["code"] for label in body["meta"]["security"]] == ["AIAST"], "what an AI said keeps saying so"
    assert client.get(f"/fhir/DiagnosticReport/{POSITIVE_ID}?{parameters}").json() == body


def test_data_leaves_out_the_text_alone_and_false_nothing(client: TestClient) -> None:
    whole = client.get(f"/fhir/DiagnosticReport/{POSITIVE_ID}").json()
    data = client.get(f"/fhir/DiagnosticReport/{POSITIVE_ID}?_summary=data").json()
    assert set(whole) - set(data) == {"text"}
    assert client.get(f"/fhir/DiagnosticReport/{POSITIVE_ID}?_summary=false").json() == whole
    assert "tag" not in whole["meta"]


def test_the_count_alone_has_no_resources(client: TestClient) -> None:
    for parameters in ("_summary=count", "_summary=count&_count=2", "_count=2&_summary=count&_total=none"):
        body = search(client, f"DiagnosticReport?{parameters}")
        assert (body["total"], "entry" in body) == (3, False)


def test_elements_are_those_of_the_matches_and_a_summary_is_of_all(client: TestClient) -> None:
    url = f"DiagnosticReport?_id={POSITIVE_ID}&_include=DiagnosticReport:subject"
    patient = search(client, f"{url}&_elements=issued")["entry"][1]["resource"]
    assert {"name", "birthDate"} <= set(patient)
    study = f"DiagnosticReport?_id={POSITIVE_ID}&_include=DiagnosticReport:result&_summary=true"
    assert {"note", "bodySite"}.isdisjoint(search(client, study)["entry"][2]["resource"])
    refused = client.get(f"/fhir/{url}&_summary=text")
    assert (refused.status_code, refused.json()["resourceType"]) == (400, "OperationOutcome")


def test_the_statement_lists_the_inclusions_that_are_answered(client: TestClient) -> None:
    for each in client.get("/fhir/metadata").json()["rest"][0]["resource"]:
        kind = each["type"]
        for directive, listed in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            for value in each[listed]:
                search(client, f"{kind}?{directive}={value}")
        if kind == "DiagnosticReport":
            asked = {"DiagnosticReport:result", "DiagnosticReport:subject", "DiagnosticReport:imagingStudy"}
            assert asked <= set(each["searchInclude"])
            assert "Provenance:target" in each["searchRevInclude"]
