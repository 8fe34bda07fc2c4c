"""What an EHR can say in a search: comparisons of dates, names, absent values, order, and what is counted."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import Engine, create_engine, event, insert, literal, select
from starlette.testclient import TestClient

from ainode_fhir import selection, statements
from ainode_fhir.datatypes import Json
from ainode_fhir.dates import PREFIXES, read_date
from ainode_fhir.moments import span
from ainode_fhir.query import COUNTED, MAX_CRITERIA, MAX_VALUES, Query
from ainode_fhir.search import parse_search
from ainode_fhir.stored import Page
from ainode_fhir.tables import resource_table
from peers.fhir_service import BASE, fill, served

STRICT = {"prefer": "handling=strict"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('fhir') / 'fhir.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=["few", "many"])
def client(request: pytest.FixtureRequest, engine: Engine) -> Iterator[TestClient]:
    """Two reports of Erika Mustermann on 2026-03-04, one of José Núñez-Østergaard on 2026-05-04.

    What they have in common is searched for as what few have, and as what many have.
    """
    with pytest.MonkeyPatch.context() as patch, served(fill(engine)) as client:
        if request.param == "many":
            patch.setattr(selection, "FEW", -1)
        yield client


def found(client: TestClient, url: str) -> list[Json]:
    answer = client.get(f"/fhir/{url}", headers=STRICT)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


def runs(client: TestClient, url: str) -> list[str]:
    return [resource["identifier"][0]["value"].removeprefix("run-") for resource in found(client, url)]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("eq2026-03-04", {"positive", "failed"}),
        ("ne2026-03-04", {"negative"}),
        ("gt2026-03-04", {"negative"}),
        ("ge2026-03-04", {"positive", "failed", "negative"}),
        ("lt2026-05", {"positive", "failed"}),
        ("le2026-03-04", {"positive", "failed"}),
        ("sa2026-04", {"negative"}),
        ("sa2026-05-04", set()),
        ("eb2026-05-04", {"positive", "failed"}),
        ("eb2026-03-04", set()),
        ("ap2026-03-04", {"positive", "failed"}),
        ("ap2026-03-01", set()),
        ("2026-05-10", set()),
        ("ap2026-05-10", {"negative"}),
        ("2025,2026-05", {"negative"}),
    ],
)
def test_dates_are_compared_as_the_standard_says(client: TestClient, date: str, expected: set[str]) -> None:
    assert set(runs(client, f"DiagnosticReport?date={date}")) == expected
    assert set(runs(client, f"DiagnosticReport?date={date}&_sort=-date")) == expected
    assert set(runs(client, f"DiagnosticReport?date={date}&_sort=date,status")) == expected


@pytest.mark.parametrize("prefix", ["gt", "ge", "lt", "le", "ne", "sa", "eb", "eq"])
def test_the_moment_of_the_last_change_is_compared_with_every_exact_prefix(client: TestClient, prefix: str) -> None:
    first, second, third = found(client, "DiagnosticReport?_sort=_lastUpdated")
    kept = {
        "gt": [third],
        "ge": [second, third],
        "lt": [first],
        "le": [first, second],
        "ne": [first, third],
        "sa": [third],
        "eb": [first],
        "eq": [second],
    }
    moment = second["meta"]["lastUpdated"]
    assert found(client, f"DiagnosticReport?_sort=_lastUpdated&_lastUpdated={prefix}{moment}") == kept[prefix]


@pytest.mark.parametrize("written", ["2026", "2026-02", "2026-03-04", "2026-03-04T09:00:00Z", "2025", "2027"])
def test_a_time_that_answers_a_date_is_in_the_range_that_is_read_for_it(written: str) -> None:
    low, high = span(written)
    for prefix in PREFIXES:
        for searched in ("2026", "2026-03", "2026-03-04", "2026-03-04T09:00", "2028", "2025-12-31"):
            date = read_date(prefix + searched, "date", now=0)
            both = select(date.met_by(literal(low), literal(high)), date.may_be_met_from(literal(low)))
            with create_engine("sqlite://").connect() as connection:
                met, possible = connection.execute(both).one()
            assert possible or not met, (prefix, searched)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("name=muster", ["Mustermann"]),
        ("name=ERIKA", ["Mustermann"]),
        ("name=jose", ["Núñez-Østergaard"]),
        ("family=nunez", ["Núñez-Østergaard"]),
        ("family=ostergaard", []),
        ("family:contains=sterg", ["Núñez-Østergaard"]),
        ("given=ana", ["Núñez-Østergaard"]),
        ("given=mann", []),
        ("family:exact=Mustermann", ["Mustermann"]),
        ("family:exact=mustermann", []),
        ("name:exact=Erika Mustermann", ["Mustermann"]),
        ("name=mu%25", []),
        ("birthdate=1964-08-12&name=erika", ["Mustermann"]),
        ("birthdate=lt1960", ["Núñez-Østergaard"]),
        ("gender=female", ["Mustermann"]),
        ("gender:not=female", ["Núñez-Østergaard"]),
        ("name=erika,jose&_sort=birthdate", ["Núñez-Østergaard", "Mustermann"]),
    ],
)
def test_patients_are_found_by_name_whatever_its_case_and_accents(
    client: TestClient, parameters: str, names: list[str]
) -> None:
    assert [patient["name"][0]["family"] for patient in found(client, f"Patient?{parameters}")] == names


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("patient.name=muster", {"positive", "failed"}),
        ("patient.family=nunez", {"negative"}),
        ("patient.name.family=nunez", {"negative"}),
        ("patient.name.given=erika", {"positive", "failed"}),
        ("patient.given:exact=erika", set()),
        ("subject:Patient.name:contains=muster", {"positive", "failed"}),
        ("patient.birthdate=1950", {"negative"}),
        ("patient.gender=female&status=cancelled", {"failed"}),
        ("imagingStudy.modality=MR&imagingStudy.started=ge2026-05", {"negative"}),
        ("imagingStudy.modality=CT", set()),
        ("basedOn.identifier=ACC-10", {"negative"}),
        ("result.value-concept=79654002", {"positive"}),
        ("conclusion:missing=true", {"failed", "negative"}),
        ("conclusion:missing=false", {"positive"}),
        ("based-on:missing=true", set()),
        ("patient:missing=false&status:not=cancelled", {"positive", "negative"}),
        ("_id:missing=true", set()),
        ("_lastUpdated:missing=false", {"positive", "failed", "negative"}),
        ("status:not=cancelled,partial", set()),
    ],
)
def test_reports_are_found_by_what_their_patient_and_study_are_and_by_what_is_absent(
    client: TestClient, parameters: str, expected: set[str]
) -> None:
    assert set(runs(client, f"DiagnosticReport?{parameters}")) == expected


def test_several_ids_are_one_search(client: TestClient) -> None:
    ids = [report["id"] for report in found(client, "DiagnosticReport")]
    assert len(found(client, f"DiagnosticReport?_id={ids[0]},{ids[2]},nothing")) == 2


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("date,_lastUpdated", ["positive", "failed", "negative"]),
        ("date,-_lastUpdated", ["failed", "positive", "negative"]),
        ("-date,_lastUpdated", ["negative", "positive", "failed"]),
        ("status,-date", ["failed", "negative", "positive"]),
        ("-status,date", ["positive", "negative", "failed"]),
        ("issued,-_lastUpdated", ["negative", "failed", "positive"]),
        ("_lastUpdated,date,_lastUpdated", ["positive", "failed", "negative"]),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 10])
def test_several_keys_sort_over_all_pages(client: TestClient, sort: str, expected: list[str], count: int) -> None:
    seen, url = [], f"{BASE}/DiagnosticReport?_sort={sort}&_count={count}"
    while url:
        body = client.get(url, headers=STRICT).json()
        seen += [entry["resource"]["identifier"][0]["value"].removeprefix("run-") for entry in body["entry"]]
        url = {link["relation"]: link["url"] for link in body["link"]}.get("next", "")
    assert seen == expected


@pytest.mark.parametrize(
    "problem",
    [
        "_sort=colour",
        "_sort=-date,",
        "_total=perhaps",
        "date=xx2026",
        "status:missing=perhaps",
        "patient.name:missing=true",
        "patient.identifier:not=1",
        "patient:identifier.name=x",
        "_page=WzEsMl0",
        "_page=WyJhIiwiYiJd",
        "status=%00",
        f"status={','.join(map(str, range(MAX_VALUES + 1)))}",
        "&".join(["status=partial"] * (MAX_CRITERIA + 1)),
    ],
    ids=lambda problem: problem[:30],
)
def test_what_cannot_be_answered_is_refused(client: TestClient, problem: str) -> None:
    answer = client.get(f"/fhir/DiagnosticReport?{problem}", headers=STRICT)
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome"), answer.text


def test_the_most_that_a_search_may_hold_is_answered(client: TestClient) -> None:
    most = ",".join(["partial", *map(str, range(MAX_VALUES - 1))])
    assert len(found(client, "DiagnosticReport?" + "&".join([f"status={most}"] * 10))) == 2
    assert len(found(client, "DiagnosticReport?" + "&".join(["status:not=x"] * MAX_CRITERIA))) == 3


def test_matches_are_counted_only_as_far_as_it_is_asked_for(client: TestClient, engine: Engine) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))

    def counted(parameters: str) -> tuple[int | None, int]:
        statements.clear()
        total = client.get(f"/fhir/Observation?{parameters}", headers=STRICT).json().get("total")
        return total, len([each for each in statements if "count(" in each and "fhir_resource" in each])

    whole, counts = counted("_count=500")
    assert (whole, counts) == (len(found(client, "Observation?_count=500")), 0), "all on one page need no counting"
    assert counted("_count=2&_total=none") == (None, 0)
    assert (
        counted("_count=2") == counted("_count=2&_total=accurate") == counted("_count=2&_total=estimate") == (whole, 1)
    )
    assert counted("_count=0") == counted("_count=0&_total=none") == (whole, 1)
    statements.clear()
    found(client, "Observation?_count=2")
    assert [each for each in statements if "count(" in each and "LIMIT" in each]


def test_above_a_thousand_matches_are_counted_only_when_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('many') / 'fhir.db'}")
    store = fill(engine)
    with engine.begin() as connection:
        patients = select(resource_table).where(resource_table.c.type == "Patient")
        row = dict(connection.execute(patients).mappings().first() or {})
        connection.execute(insert(resource_table), [{**row, "id": f"p-{number}"} for number in range(COUNTED)])

    def total(**wish: object) -> int | None:
        page: Page = store.search(Query("Patient", **wish))  # type: ignore[arg-type]
        return page.total

    assert total() is None
    assert total(total="accurate") == total(total="estimate") == total(count=0) == COUNTED + 2
    engine.dispose()


def test_the_capability_statement_names_chains_modifiers_and_keys_that_are_answered(client: TestClient) -> None:
    statement = client.get("/fhir/metadata").json()
    (report,) = (each for each in statement["rest"][0]["resource"] if each["type"] == "DiagnosticReport")
    stated = {each["name"]: each.get("documentation", "") for each in report["searchParam"]}
    imr = ("patient.identifier", "patient.name", "patient.family", "patient.given", "based-on.identifier")
    assert set(imr) | {"imagingStudy.identifier", "imagingStudy.modality", "imagingStudy.started"} <= set(stated)
    assert ":not" in stated["status"]
    assert ":exact" in stated["patient.family"]
    for each in statement["rest"][0]["resource"]:
        for name in (each["documentation"].partition(": ")[2]).split(", "):
            found(client, f"{each['type']}?_sort={name},-{name}")


@pytest.mark.parametrize(
    ("parameters", "started_by"),
    [
        ("patient=x&category=LP29684-5&date=ge2026", "fhir_index_value"),
        ("identifier=run-positive", "fhir_index_value"),
        ("status=cancelled", "fhir_resource_status"),
        ("", "fhir_resource_newest"),
        ("_sort=_lastUpdated&_lastUpdated=ge2026", "fhir_resource_newest"),
        ("category=LP29684-5&code=18748-4", "fhir_resource_newest"),
        ("imagingStudy.modality=MR&patient.name=muster", "fhir_resource_newest"),
        ("_sort=-date&category=LP29684-5", "fhir_resource_date"),
        ("_sort=date&date=ge2020", "fhir_resource_date (type=? AND current=? AND date>?)"),
    ],
)
def test_a_page_is_found_by_indexes_and_not_sorted_afterwards(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, parameters: str, started_by: str
) -> None:
    """What SQLite plans where each code is one that many have: the work does not grow with the database."""
    monkeypatch.setattr(selection, "FEW", -1)
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append((arguments[2], arguments[3])))
    fill(engine).search(parse_search("DiagnosticReport", [*parse_qsl(parameters), ("_total", "none")], strict=True))
    statement, values = next(each for each in reversed(asked) if "FROM fhir_resource" in each[0])
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [step for step in plan if "SCAN" in step] == []
    few = started_by == "fhir_index_value"
    assert any(started_by in step for step in plan[: 3 if few else 1]), plan
    assert few or not any("TEMP B-TREE" in step for step in plan), plan
    tested = [step for step in plan if step.startswith(("SEARCH fhir_index ", "SEARCH target "))]
    assert all("id=?" in step for step in tested) or few, plan


def test_searches_of_one_form_share_a_statement_and_not_their_values(client: TestClient) -> None:
    for identifier in ("positive", "failed", "nothing", "negative"):
        expected = [] if identifier == "nothing" else [identifier]
        assert runs(client, f"DiagnosticReport?identifier=run-{identifier}") == expected
    twice = "DiagnosticReport?date=ge{}&date=ge{}"
    assert len(runs(client, twice.format("2026-03-04", "2026-03-04"))) == 3
    assert runs(client, twice.format("2026-03-04", "2026-05-01")) == ["negative"]
    assert runs(client, twice.format("2026-05-01", "2026-03-04")) == ["negative"]
    for count in ("1", "2"):
        assert len(runs(client, f"DiagnosticReport?date=ge2026-03-04&_count={count}")) == int(count)
    assert runs(client, "DiagnosticReport?status=cancelled,partial&_sort=_lastUpdated")[0] == "positive"
    assert runs(client, "DiagnosticReport?status=cancelled,cancelled") == ["failed"]


def test_statements_of_more_forms_than_are_kept_are_made_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_MOST", 2)
    for _ in range(2):
        for values in range(1, 6):
            asked = ",".join(["run-failed", *(f"run-{number}" for number in range(1, values))])
            assert runs(client, f"DiagnosticReport?identifier={asked}") == ["failed"]


def test_what_surely_very_many_have_is_not_counted_unasked(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "/fhir/DiagnosticReport?category=RAD&_count=1"
    assert client.get(asked).json()["total"] == 3
    for name, value in (("FEW", 1), ("COUNTED", 2)):
        monkeypatch.setattr(selection, name, value)
    assert "total" not in client.get(asked).json()
    assert client.get(f"{asked}&_total=accurate").json()["total"] == 3
    assert client.get(f"{asked}&code=18748-4").json()["total"] == 3
    assert client.get("/fhir/DiagnosticReport?category=RAD").json()["total"] == 3
    assert client.get("/fhir/DiagnosticReport?category:not=RAD&_count=1").json()["total"] == 0
