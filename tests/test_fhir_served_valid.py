"""Every resource that a node with results of all kinds serves passes the checkers of ``make conformance``."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_conformance.checkers.allowed import ALLOWED
from ainode_conformance.checkers.table import checkers
from ainode_conformance.kinds.kind import Made
from ainode_conformance.kinds.source import Source
from ainode_conformance.violation import Severity
from ainode_fhir.bundle import report_bundle
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.registered import registered_bundle
from ainode_fhir.run_order import RunOrder
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded_bundle
from peers.classified import classified, not_classified, nothing_classified
from peers.fhir_samples import ALGORITHM, FAILED, NEGATIVE, OBJECTS, POSITIVE, REFUSED, STARTED, STUDY
from peers.fhir_service import BASE, fill, served
from peers.prior_samples import with_prior
from peers.shared_data import ROOT

SITE = Site(base_url=BASE)
ACCEPTED = RunOrder(run_id="run accepted", algorithm=ALGORITHM, context=STUDY, site=SITE, authored=STARTED)
FINDINGS = {
    "positive": POSITIVE,
    "page": POSITIVE,
    "compared": with_prior(POSITIVE),
    "negative": NEGATIVE,
    "failed": FAILED,
    "refused": REFUSED,
    "classified": classified(),
    "nothing classified": nothing_classified(),
    "not classified": not_classified(),
    "withdrawn": POSITIVE,
}
CHECKERS = {
    one.name: one for one in checkers(ROOT / "build") if one.name in ("pyrofile", "fhirclient", "medplum", "npm fhir")
}


PYROFILE = ("Device", "Organization", "Patient", "ImagingStudy", "included")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('served') / 'fhir.db'}")
    store = fill(engine)
    for name, findings in FINDINGS.items():
        run = replace(findings, run_id=f"run of {name}")
        objects = OBJECTS if findings.segments or findings.classes else ()
        page = b"%PDF-1.7 of a test" if name == "page" else None
        replaces = "run-0" if name == "positive" else None
        store.apply(report_bundle(run, STUDY, objects, site=SITE, page=page, replaces=replaces))
    store.apply(superseded_bundle(store.result_of(report_id("run of withdrawn")), base_url=BASE))
    store.apply(registered_bundle(ACCEPTED))
    with served(store) as client:
        yield client
    engine.dispose()


@pytest.fixture(scope="module")
def answers(client: TestClient, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """All resources of each type by search, all versions, and a page with what comes along."""
    folder = tmp_path_factory.mktemp("answers")
    asked = {kind: f"{kind}?_count=500" for kind in PARAMETERS}
    asked |= {f"{kind} history": f"{kind}/_history?_count=500" for kind in PARAMETERS}
    asked["included"] = "DiagnosticReport?_count=2&_include=*&_revinclude=*"
    files: dict[str, Path] = {}
    for name, path in asked.items():
        bundle = client.get(f"/fhir/{path}").json()
        assert bundle["entry"], path
        assert not [link for link in bundle["link"] if link["relation"] == "next" and name != "included"]
        files[name] = folder / f"{name}.json"
        files[name].write_text(json.dumps(bundle))
    return [Made("served", files, frozenset(files), cast("Source", None), POSITIVE)]


def test_all_kinds_are_served(client: TestClient) -> None:
    reports = [entry["resource"] for entry in client.get("/fhir/DiagnosticReport?_count=500").json()["entry"]]
    assert len(reports) == len(FINDINGS) + 4
    assert {report["status"] for report in reports} == {"registered", "partial", "cancelled", "entered-in-error"}
    assert any("presentedForm" in report for report in reports)
    assert len(CHECKERS) == 4


@pytest.mark.parametrize("name", CHECKERS)
def test_a_checker_of_others_has_no_error_for_what_is_served(name: str, answers: list[Made]) -> None:
    checker = CHECKERS[name]
    if missing := checker.missing():
        pytest.skip(missing)
    if name == "pyrofile":  # which takes a minute for all; test_fhir_validation.py shows it each kind of result
        answers = [replace(answers[0], subjects=frozenset(PYROFILE))]
    assert set(checker.subjects(answers[0])) == answers[0].subjects
    problems = checker.check(answers)
    allowed = [one for one in problems if any(each.covers(name, one) for each in ALLOWED)]
    assert [one for one in problems if one.severity is Severity.ERROR and one not in allowed] == []
