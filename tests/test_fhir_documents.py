"""The SEG, the SR and the model's card as documents: found as US Core searches, and withdrawn with their result."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fhirclient.models.documentreference import DocumentReference
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from ainode_fhir.bundle import as_json, conditional_creates, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.supersede import superseded_bundle
from ainode_fhir.tables import metadata
from ainode_models.findings import Algorithm
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry
from peers.fhir_checks import R4Checker
from peers.fhir_samples import ALGORITHM, OBJECTS, POSITIVE, STUDY, Clock, codes_of, resources
from peers.fhir_service import served
from peers.shared_data import ROOT

SITE = Site(wado_url="https://pacs.example/dicom-web")
CARD = "# brain-tumour-demo\n\nHas **never seen a patient**, ünicode."
BUNDLE = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE, card=CARD)
SEG = "https://pacs.example/dicom-web/studies/1.2.826.0.1.77/series/2.25.42/instances/2.25.41"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResourceStore]:
    engine = create_engine(f"sqlite:///{tmp_path / 'fhir.db'}")
    metadata.create_all(engine)
    store = ResourceStore(engine, clock=Clock())
    store.apply(BUNDLE)
    yield store
    engine.dispose()


@pytest.fixture
def client(store: ResourceStore) -> Iterator[TestClient]:
    with served(store) as client:
        yield client


def card_of(found: list[Json]) -> Json:
    (card,) = [body for body in found if "subject" not in body]
    return card


def test_the_card_is_inline_with_size_and_hash_and_device_and_provenance_refer_to_it() -> None:
    card = card_of(resources(BUNDLE, "DocumentReference"))
    attachment = card["content"][0]["attachment"]
    content = base64.b64decode(attachment["data"])
    assert (content.decode(), attachment["contentType"], attachment["size"]) == (CARD, "text/markdown", len(content))
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(content, usedforsecurity=False).digest()
    assert (codes_of(card["type"]), card["type"]["text"]) == (["AIModelCard"], "model card")
    location = f"DocumentReference/{card['id']}"
    model = next(body for body in resources(BUNDLE, "Device") if "extension" in body)
    assert model["extension"][0]["valueReference"]["reference"] == location
    (provenance,) = resources(BUNDLE, "Provenance")
    assert [(each["role"], each["what"]["reference"].split("/")[0]) for each in provenance["entity"]] == [
        ("source", "ImagingStudy"),
        ("derivation", "DocumentReference"),
    ]
    assert provenance["entity"][1]["what"]["reference"] == location


def test_the_id_of_a_card_follows_from_the_uid_of_the_model_alone() -> None:
    def identity(algorithm: Algorithm) -> str:
        run = replace(POSITIVE, run_id="another", algorithm=algorithm)
        found = resources(report_bundle(run, STUDY, (), site=Site(), card="other words"), "DocumentReference")
        return str(card_of(found)["id"])

    here = card_of(resources(BUNDLE, "DocumentReference"))["id"]
    assert identity(replace(ALGORITHM, name="renamed")) == here
    assert identity(replace(ALGORITHM, device_uid="2.25.311")) != here


def test_a_model_without_card_has_no_document_and_nothing_refers_to_one() -> None:
    bundle = report_bundle(POSITIVE, STUDY, OBJECTS, site=Site())
    assert resources(bundle, "DocumentReference") == []
    assert "DocumentReference" not in str(as_json(bundle))


def test_the_shipped_packages_have_a_card_and_a_package_without_one_has_none(tmp_path: Path) -> None:
    registry = Registry(ROOT / "models")
    card = registry.card("brain-tumour-demo")
    assert card is not None
    assert "never seen a patient" in card
    assert registry.card("no-such-model@1.0.0") is None
    package = ModelPackage(tmp_path, registry.get("brain-tumour-demo").manifest)
    assert package.card is None
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    assert package.card is None


SEARCHES = {
    "patient={patient}": 2,
    "patient={patient}&category=LP29684-5": 2,
    "patient={patient}&category=http://loinc.org|LP29684-5&date=2026-03-04": 2,
    "patient={patient}&category=LP29684-5&date=gt2026-03-05": 0,
    "patient={patient}&type=http://loinc.org|18748-4": 2,
    "patient={patient}&status=current": 2,
    "patient=Patient/nobody": 0,
    "subject=Patient/{patient}": 2,
    "patient.identifier=urn:oid:1.2.276.99|P-4711": 2,
    "identifier=urn:dicom:uid|urn:oid:2.25.41": 1,
    "related=DiagnosticReport/{report}": 2,
    "related:ImagingStudy.identifier=1.2.826.0.1.77": 2,
    "format=1.2.840.10008.5.1.4.1.1.66.4": 1,
    "contenttype=text/markdown": 1,
    "type=AIModelCard": 1,
    "_lastUpdated=ge2026-03-05": 3,
    "patient={patient}&_revinclude=Provenance:target&_sort=-date": 2,
}


@pytest.mark.parametrize("asked", SEARCHES, ids=lambda each: each)
def test_documents_are_found_by(asked: str, client: TestClient) -> None:
    patient = resources(BUNDLE, "Patient")[0]["id"]
    url = "/fhir/DocumentReference?" + asked.format(patient=patient, report=report_id("run-positive"))
    answer = client.get(url, headers={"prefer": "handling=strict"}).json()
    found = [each["resource"] for each in answer.get("entry", ()) if each["search"]["mode"] == "match"]
    assert len(found) == SEARCHES[asked]
    for body in found:
        assert DocumentReference(body, strict=True).id == body["id"]
        assert client.get(f"/fhir/DocumentReference?_id={body['id']}").json()["total"] == 1


def test_a_document_says_where_its_object_is_what_it_is_and_what_it_belongs_to(client: TestClient) -> None:
    answer = client.get("/fhir/DocumentReference?identifier=urn:dicom:uid|urn:oid:2.25.41").json()
    body = answer["entry"][0]["resource"]
    (content,) = body["content"]
    assert (content["attachment"]["url"], content["attachment"]["contentType"]) == (SEG, "application/dicom")
    assert content["format"]["code"] == "1.2.840.10008.5.1.4.1.1.66.4"
    assert [label["code"] for label in body["meta"]["security"]] == ["AIAST"]
    assert (body["status"], body["docStatus"]) == ("current", "preliminary")
    related = [each["reference"] for each in body["context"]["related"]]
    assert [client.get(f"/fhir/{each}").status_code for each in related] == [200, 200]
    assert [each.split("/")[0] for each in related] == ["ImagingStudy", "DiagnosticReport"]


def test_the_documents_of_a_withdrawn_result_are_superseded_here_and_at_the_ehr_and_the_card_is_not(
    store: ResourceStore, client: TestClient
) -> None:
    withdrawal = superseded_bundle(store.result_of(report_id("run-positive")), base_url=SITE.base_url)
    store.apply(withdrawal)
    found = client.get("/fhir/DocumentReference").json()["entry"]
    states = {("context" in each["resource"], each["resource"]["status"]) for each in found}
    assert (len(found), states) == (3, {(True, "superseded"), (False, "current")})
    pushed = [
        each for each in conditional_creates(withdrawal)["entry"] if "DocumentReference" in each["request"]["url"]
    ]
    methods = sorted((each["resource"]["status"], each["request"]["method"]) for each in pushed)
    assert methods == [("current", "POST"), ("superseded", "PUT"), ("superseded", "PUT")]


def test_documents_devices_and_provenance_are_valid_r4(r4: R4Checker) -> None:
    bodies = {
        "whole": as_json(BUNDLE),
        "withdrawn": as_json(superseded_bundle([e["resource"] for e in as_json(BUNDLE)["entry"]], base_url="")),
    }
    found = r4.errors(bodies)
    assert set(found) == {("extension.unknown", "Device.extension[0]")}  # of HL7 AI Transparency, which it has not


def test_a_document_has_what_us_core_demands_of_one() -> None:
    bodies = [body for body in resources(BUNDLE, "DocumentReference") if "subject" in body]
    assert len(bodies) == 2
    for body in bodies:
        assert {"identifier", "status", "type", "category", "subject", "date", "author", "content", "context"} <= set(
            body
        )
        assert body["type"]["coding"][0]["system"] == "http://loinc.org"
        assert body["subject"]["reference"].startswith("Patient/")
        assert "period" in body["context"]
        assert "url" in body["content"][0]["attachment"]
