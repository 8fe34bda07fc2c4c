"""Every kind of result is valid R4 in the eyes of pyrofile, with HL7's own definitions; and pyrofile would notice."""

import json

import pytest
from sqlalchemy import create_engine

from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded_bundle
from peers.classified import classified, not_classified, nothing_classified
from peers.fhir_checks import R4Checker
from peers.fhir_samples import FAILED, NEGATIVE, OBJECTS, POSITIVE, REFUSED, STUDY
from peers.fhir_service import fill, served
from peers.prior_samples import with_prior

SITE = Site()
POSITIVE_BUNDLE = as_json(report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE, replaces="run-0"))
DOCUMENTS: dict[str, Json] = {
    "positive": POSITIVE_BUNDLE,
    "with a page": as_json(report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE, page=b"%PDF-1.7 of a test")),
    "compared": as_json(report_bundle(with_prior(POSITIVE), STUDY, OBJECTS, site=SITE)),
    "negative": as_json(report_bundle(NEGATIVE, STUDY, OBJECTS, site=SITE)),
    "failed": as_json(report_bundle(FAILED, STUDY, (), site=SITE)),
    "refused": as_json(report_bundle(REFUSED, STUDY, (), site=SITE)),
    "classified": as_json(report_bundle(classified(), STUDY, OBJECTS, site=SITE)),
    "nothing classified": as_json(report_bundle(nothing_classified(), STUDY, OBJECTS, site=SITE)),
    "not classified": as_json(report_bundle(not_classified(), STUDY, (), site=SITE)),
    "withdrawn": as_json(superseded_bundle([e["resource"] for e in POSITIVE_BUNDLE["entry"]], base_url=SITE.base_url)),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Bundles and outcomes of the server. Its CapabilityStatement is not for pyrofile, which counts over all types what
    R4 limits for each.
    """
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('fhir') / 'fhir.db'}")
    asked = {
        "page": "DiagnosticReport?_count=1&_sort=-date&_include=*&_revinclude=Provenance:target",
        "warning": "DiagnosticReport?colour=red&_summary=true",
        "history": "DiagnosticReport/_history?_count=2",
        "outcome": "DiagnosticReport/nothing",
    }
    with served(fill(engine)) as client:
        answers = {name: client.get(f"/fhir/{url}").json() for name, url in asked.items()}
    engine.dispose()
    return answers


def test_every_kind_of_result_and_answer_is_valid_r4_and_two_seeded_faults_are_the_only_errors(
    r4: R4Checker, answers: dict[str, Json]
) -> None:
    seeded = json.loads(json.dumps(POSITIVE_BUNDLE))
    report = next(e["resource"] for e in seeded["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
    report |= {"status": "bogus", "performer": [{"reference": "Device/1"}]}
    found = r4.errors({**DOCUMENTS, **answers, "seeded": seeded})
    assert set(found) == {
        ("terminology.required", "DiagnosticReport.status"),
        ("profile.element.binding.required", "DiagnosticReport.status"),
        ("reference.type", "DiagnosticReport.performer[0]"),
    }
    assert len(found) == 3
