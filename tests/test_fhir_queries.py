"""The page of questions: asked with fhirpy over HTTP, on SQLite and on PostgreSQL, each prints what the page says."""

import contextlib
import io
import re
from collections.abc import Iterator

import pytest
from fhirpy import SyncFHIRClient
from sqlalchemy import create_engine

from peers.fhir_service import listening
from peers.postgres import PostgresServer
from peers.shared_data import ROOT
from test_fhir_us_core import IMR, US_CORE

PAGE = (ROOT / "docs" / "fhir-queries.md").read_text(encoding="utf-8")
FIRST, *QUESTIONS = PAGE.split("\n## ")
ADDRESS = "http://127.0.0.1:8080/fhir"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        database = f"sqlite:///{tmp_path_factory.mktemp('queries') / 'fhir.db'}"
        if request.param == "postgresql":
            database = stack.enter_context(PostgresServer()).database("queries")
        engine = create_engine(database)
        stack.callback(engine.dispose)
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("NO_PROXY", "127.0.0.1")
        yield stack.enter_context(listening(engine))


def code_of(text: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(code)


def test_the_page_asks_ten_questions_and_each_has_an_answer() -> None:
    assert [question.partition(".")[0] for question in QUESTIONS] == [str(number) for number in range(1, 11)]
    assert PAGE.count("```python") == 11
    assert PAGE.count("```text") == 10


def test_every_question_prints_the_answer_on_the_page(url: str) -> None:
    names: dict[str, object] = {}
    opening = code_of(FIRST)
    assert ADDRESS in opening
    exec(opening.replace(ADDRESS, url), names)
    for question in QUESTIONS:
        (expected,) = re.findall(r"```text\n(.*?)```", question, re.DOTALL)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code_of(question), names)
        assert printed.getvalue() == expected, question.partition("\n")[0]


@pytest.mark.parametrize(("kind", "parameters", "count"), [*US_CORE, *IMR], ids=lambda each: str(each)[:70])
def test_fhirpy_finds_what_us_core_and_imr_ask_for(
    url: str, kind: str, parameters: dict[str, object], count: int
) -> None:
    client = SyncFHIRClient(url)
    patient = client.resources("Patient").search(identifier="urn:oid:1.2.276.99|P-4711").get().id
    asked = {
        name: value["$and"] if isinstance(value, dict) else str(value).replace("{patient}", patient)
        for name, value in parameters.items()
    }
    found = client.resources(kind).search(**asked).limit(2).fetch_all()
    assert len(found) == count
    assert {each["resourceType"] for each in found} <= {kind}
