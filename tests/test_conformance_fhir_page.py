"""The page for EHR integrators: its searches find what it says, and its snippets are what the node makes."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import create_engine
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from ainode_fhir.bundle import as_json, report_bundle, transaction
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.registered import registered_bundle
from ainode_fhir.review import Review, Reviewer
from ainode_fhir.reviewed import reviewed_bundle
from ainode_fhir.run_order import RunOrder
from ainode_fhir.server import fhir_routes
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription.channel import Channel
from ainode_fhir.subscription.wanted import criteria_of, read_wanted
from ainode_fhir.supersede import superseded_bundle
from ainode_fhir.tables import metadata
from ainode_fhir.task import Progress, progressed
from peers.classified import classified
from peers.fhir_samples import ALGORITHM, FAILED, NEGATIVE, OBJECTS, POSITIVE, REFUSED, STARTED, STUDY, Clock, resources
from peers.prior_samples import with_prior
from peers.shared_data import ROOT

PAGE = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
SEARCHES = re.findall(r'^curl -sG "\$FHIR/(\w+)" (.*\S)\s+# (\d+)$', PAGE, re.MULTILINE)
BLOCKS = [
    (section.partition("\n")[0], json.loads(block))
    for section in PAGE.split("\n### ")[1:]
    for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)
]
SNIPPETS = [(section, block) for section, block in BLOCKS if block["resourceType"] != "Subscription"]
(SUBSCRIPTION,) = [block for _, block in BLOCKS if block["resourceType"] == "Subscription"]
SITE = Site(base_url="http://testserver/fhir")
OTHER = replace(STUDY, study_uid="1.2.826.0.1.78", patient_id="P-1", accession_number="ACC-10")
FOUND = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE)
LATER = report_bundle(replace(POSITIVE, run_id="run-2"), STUDY, OBJECTS, site=SITE, replaces="run-positive")
WITHDRAWN = superseded_bundle([entry["resource"] for entry in as_json(FOUND)["entry"]], base_url=SITE.base_url)
REGISTERED = registered_bundle(
    RunOrder(run_id="run-positive", algorithm=ALGORITHM, context=STUDY, site=SITE, authored=STARTED)
)
(TASK,) = resources(REGISTERED, "Task")
ENDED = transaction(
    [progressed(TASK, Progress(status="completed", modified=STARTED, business="unreviewed"))], base_url=SITE.base_url
)
ACCEPTED = Review(
    run_id="run-positive",
    number=1,
    verdict="accepted",
    reviewer=Reviewer("urn:oid:1.2.276.99.7", "R-12"),
    reviewed_at=STARTED,
)
REVIEWED = reviewed_bundle([entry["resource"] for entry in as_json(FOUND)["entry"]], POSITIVE, ACCEPTED, site=SITE)
MADE: dict[str, tuple[Bundle, ...]] = {
    "The order": (report_bundle(FAILED, STUDY, (), site=SITE),),
    "Found": (FOUND,),
    "Compared": (report_bundle(with_prior(POSITIVE), STUDY, OBJECTS, site=SITE),),
    "Nothing found": (report_bundle(NEGATIVE, OTHER, OBJECTS, site=SITE),),
    "Classified": (report_bundle(classified(), STUDY, OBJECTS, site=SITE),),
    "Failed": (report_bundle(FAILED, STUDY, (), site=SITE),),
    "Refused": (report_bundle(REFUSED, STUDY, (), site=SITE),),
    "Superseded": (WITHDRAWN, LATER),
    "Registered": (REGISTERED,),
    "Task": (FOUND, ENDED),
    "Reviewed": (REVIEWED,),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The node that the page speaks of: found, then superseded by the same on more images; failed; nothing found."""
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('page') / 'fhir.db'}")
    metadata.create_all(engine)
    store = ResourceStore(engine, clock=Clock(), base_url=SITE.base_url)
    for bundle in (FOUND, ENDED, *MADE["Failed"], *MADE["Nothing found"], LATER):
        store.apply(bundle)
    store.apply(superseded_bundle(store.result_of(report_id("run-positive")), base_url=SITE.base_url))
    routes = fhir_routes(store, base_url=SITE.base_url, version="0.1.0", started=STARTED)
    with TestClient(Starlette(routes=[Mount("/fhir", routes=routes)])) as client:
        yield client
    engine.dispose()


def contains(whole: Any, part: Any) -> bool:
    """Whether ``part`` is in ``whole``: members of objects, and for each item of a list one that contains it."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(have, item) for have in whole) for item in part)
    return bool(whole == part)


def made(section: str) -> list[Json]:
    """Resources of the runs that a section of the page is about."""
    return [entry["resource"] for bundle in MADE[section] for entry in as_json(bundle)["entry"]]


def test_every_curl_line_of_the_page_is_understood() -> None:
    assert len(SEARCHES) == PAGE.count("curl ") == 16
    assert {section for section, _ in SNIPPETS} == set(MADE)


@pytest.mark.parametrize(("kind", "arguments", "count"), SEARCHES, ids=lambda value: str(value)[:40])
def test_a_search_of_the_page_finds_as_many_as_it_says(
    client: TestClient, kind: str, arguments: str, count: str
) -> None:
    words = shlex.split(arguments)
    assert set(words[::2]) == {"--data-urlencode"}
    parameters = urlencode([(name, value) for name, _, value in (word.partition("=") for word in words[1::2])])
    answer = client.get(f"/fhir/{kind}?{parameters}", headers={"prefer": "handling=strict"})
    assert (answer.status_code, answer.json().get("total")) == (200, int(count)), answer.text


@pytest.mark.parametrize(("section", "snippet"), SNIPPETS, ids=lambda value: str(value)[:20])
def test_a_snippet_of_the_page_is_part_of_what_the_node_makes(section: str, snippet: Json) -> None:
    assert any(contains(resource, snippet) for resource in made(section)), made(section)


def test_the_subscription_of_the_page_is_one_that_the_node_takes() -> None:
    wanted = read_wanted(json.dumps(SUBSCRIPTION).encode())
    channel = Channel.of(wanted.resource, ("ehr.hospital.example",))
    assert criteria_of(wanted.resource) == ("DiagnosticReport", ("status=partial",))
    assert (channel.level, channel.headers) == ("id-only", (("Authorization", "Bearer secret"),))


def test_what_the_page_says_is_absent_or_said_in_words_is_so() -> None:
    reports = {name: next(body for body in made(name) if body["resourceType"] == "DiagnosticReport") for name in MADE}
    assert [name for name, report in reports.items() if "conclusionCode" in report] == [
        "Found",
        "Compared",
        "Classified",
        "Task",
        "Reviewed",
    ]
    assert "This does not mean that the study is normal" in reports["Nothing found"]["conclusion"]
    assert reports["Superseded"]["conclusion"].startswith("SUPERSEDED")
    (only,) = [body for body in made("Failed") if body["resourceType"] == "Observation"]
    assert not any(key.startswith("value") for key in only)
    assert RUN_SYSTEM in PAGE


def test_no_page_or_statement_links_to_a_file_that_is_not_there() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "conformance").glob("*.md")]
    targets = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))]
    assert [(page.name, link) for page, link in targets if not (Path(page).parent / link).exists()] == []
