"""What US Core 9.0.0 and IHE IMR ask of a server, by SMART's client over HTTP, on SQLite and on PostgreSQL.

Each row is a search that a server shall or should answer (capability statement of US Core; table 2:4.143.4.1.2.1-1 of
IMR), with how many resources of the samples it finds. Where the standard asks for it, GET and POST find the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.device import Device
from fhirclient.models.diagnosticreport import DiagnosticReport
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from sqlalchemy import create_engine

from ainode_fhir.datatypes import Json
from peers.fhir_service import listening
from peers.postgres import PostgresServer

TYPES = (Device, DiagnosticReport, DocumentReference, ImagingStudy, Observation, Patient)
LOINC, SCT = "http://loinc.org", "http://snomed.info/sct"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@dataclass(frozen=True)
class Ehr:
    """SMART's client, connected to our server."""

    url: str
    client: FHIRClient

    def find(self, kind: str, parameters: Json) -> list[Any]:
        """The resources of all pages."""
        (model,) = (each for each in TYPES if each.resource_type == kind)
        found = model.where(struct=parameters).perform_resources_iter(self.client.server)
        return [each for each in found if each.resource_type == kind]

    def patient(self) -> str:
        """The id of Erika Mustermann."""
        (patient,) = self.find("Patient", {"identifier": "urn:oid:1.2.276.99|P-4711"})
        return str(patient.id)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ehr(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('us-core') / 'fhir.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database("us-core")
    engine = create_engine(url)
    with listening(engine) as base:
        yield Ehr(base, FHIRClient(settings={"app_id": "ehr", "api_base": base}))
    engine.dispose()


# {patient} stands for the id of the patient with the positive and the failed report, of 2026-03-04.
US_CORE: list[tuple[str, Json, int]] = [
    ("DocumentReference", {"patient": "{patient}"}, 2),
    ("DocumentReference", {"patient": "Patient/{patient}", "category": "LP29684-5"}, 2),
    ("DocumentReference", {"patient": "{patient}", "category": f"{LOINC}|LP29684-5", "date": "ge2026-03-04"}, 2),
    ("DocumentReference", {"patient": "{patient}", "category": "LP29684-5", "date": "gt2026-03-04"}, 0),
    ("DocumentReference", {"patient": "{patient}", "type": f"{LOINC}|18748-4"}, 2),
    ("DocumentReference", {"patient": "{patient}", "status": "current"}, 2),
    ("DiagnosticReport", {"patient": "{patient}"}, 2),
    ("DiagnosticReport", {"patient": "Patient/{patient}"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": f"{LOINC}|LP29684-5"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": f"{SCT}|LP29684-5"}, 0),
    ("DiagnosticReport", {"patient": "{patient}", "code": f"{LOINC}|18748-4"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "code": "18748-4,11502-2"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "date": "2026-03-04"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "date": "gt2026-03-03"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "date": "lt2026-03-04"}, 0),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "date": "ge2026-03-04T09:00:00Z"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "date": "le2026-03-04T10:00:00+01:00"}, 2),
    (
        "DiagnosticReport",
        {"patient": "{patient}", "category": "LP29684-5", "date": {"$and": ["ge2026-03", "lt2026-04"]}},
        2,
    ),
    ("DiagnosticReport", {"patient": "{patient}", "status": "cancelled"}, 1),
    ("DiagnosticReport", {"patient": "{patient}", "status": "partial,final"}, 1),
    ("DiagnosticReport", {"patient": "{patient}", "code": "18748-4", "date": "ge2026"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "_lastUpdated": "ge2026-03-05"}, 2),
    ("DiagnosticReport", {"patient": "{patient}", "category": "LP29684-5", "_lastUpdated": "gt2026-03-06"}, 0),
    ("Observation", {"patient": "{patient}", "category": "imaging"}, 7),
    ("Observation", {"patient": "{patient}", "code": f"{SCT}|118565006"}, 1),
    ("Observation", {"patient": "{patient}", "category": "imaging", "date": "ge2026-03-04"}, 7),
    ("Observation", {"patient": "{patient}", "category": "imaging", "date": "lt2026-03-04"}, 0),
    ("Observation", {"patient": "{patient}", "category": "imaging", "status": "cancelled"}, 1),
    ("Observation", {"patient": "{patient}", "code": f"{SCT}|118565006", "date": {"$and": ["ge2026", "lt2027"]}}, 1),
    ("Observation", {"patient": "{patient}", "category": "imaging", "_lastUpdated": "ge2026-03-05"}, 7),
    ("Patient", {"_id": "{patient}"}, 1),
    ("Patient", {"identifier": "urn:oid:1.2.276.99|P-4711"}, 1),
    ("Patient", {"identifier": "P-4711"}, 1),
    ("Patient", {"name": "mustermann"}, 1),
    ("Patient", {"birthdate": "1964-08-12", "name": "erika"}, 1),
    ("Patient", {"birthdate": "1964-08-12", "family": "Mustermann"}, 1),
    ("Patient", {"family": "Mustermann", "gender": "female"}, 1),
    ("Patient", {"gender": "female", "name": "nunez"}, 0),
    ("Device", {"patient": "{patient}"}, 0),
    ("Device", {"patient": "{patient}", "type": f"{SCT}|706687001"}, 0),
]
IMR: list[tuple[str, Json, int]] = [
    ("DiagnosticReport", {"patient": "{patient}"}, 2),
    ("DiagnosticReport", {"patient.identifier": "urn:oid:1.2.276.99|P-4711"}, 2),
    ("DiagnosticReport", {"patient.name": "nunez"}, 1),
    ("DiagnosticReport", {"patient.name.family": "mustermann", "patient.name.given": "erika"}, 2),
    ("DiagnosticReport", {"patient.family": "mustermann", "patient.given": "erika"}, 2),
    ("DiagnosticReport", {"basedOn.identifier": "http://hospital.example/accession|ACC-9"}, 2),
    ("DiagnosticReport", {"based-on.identifier": "ACC-10"}, 1),
    ("DiagnosticReport", {"imagingStudy.identifier": "urn:dicom:uid|urn:oid:1.2.826.0.1.77"}, 2),
    ("DiagnosticReport", {"imagingStudy.modality": "MR", "imagingStudy.started": "ge2026-05"}, 1),
    ("DiagnosticReport", {"status": "partial"}, 2),
    ("ImagingStudy", {"patient": "{patient}", "started": "2026-03-04", "modality": "MR"}, 1),
]


@pytest.mark.parametrize(
    ("kind", "parameters", "count"), [*US_CORE, *IMR], ids=lambda each: str(each).replace("{patient}", "*")[:70]
)
def test_a_search_that_an_ehr_relies_on_is_answered(ehr: Ehr, kind: str, parameters: Json, count: int) -> None:
    patient = ehr.patient()
    filled = {
        name: value.replace("{patient}", patient) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    found = ehr.find(kind, filled)
    assert len(found) == count
    form = {name: value["$and"] if isinstance(value, dict) else value for name, value in filled.items()}
    strict = {"prefer": "handling=strict"}
    posted = httpx.post(f"{ehr.url}/{kind}/_search", data=form, headers=strict, trust_env=False).json()
    assert {entry["resource"]["id"] for entry in posted.get("entry", [])} == {each.id for each in found}


def test_a_report_is_read_in_each_version_with_its_history_and_provenance(ehr: Ehr) -> None:
    (report,) = ehr.find("DiagnosticReport", {"identifier": "run-positive"})
    server = ehr.client.server
    assert DiagnosticReport.read(report.id, server).as_json() == report.as_json()
    version = server.request_json(f"DiagnosticReport/{report.id}/_history/{report.meta.versionId}")
    assert DiagnosticReport(version).as_json() == report.as_json()
    history = Bundle(server.request_json(f"DiagnosticReport/{report.id}/_history"))
    assert [entry.response.etag for entry in history.entry] == [f'W/"{report.meta.versionId}"']
    whole = Bundle(
        server.request_json(
            f"DiagnosticReport?_id={report.id}&_revinclude=Provenance:target&_include=DiagnosticReport:result"
        )
    )
    modes = [(entry.resource.resource_type, entry.search.mode) for entry in whole.entry]
    assert modes[0] == ("DiagnosticReport", "match")
    assert {("Provenance", "include"), ("Observation", "include")} == set(modes[1:])


def test_the_pages_that_a_client_follows_hold_each_resource_once(ehr: Ehr) -> None:
    for sort in ("_lastUpdated", "-date,status", "status,-_lastUpdated"):
        found = ehr.find("Observation", {"_count": "2", "_sort": sort})
        ids = [each.id for each in found]
        assert len(set(ids)) == len(ids) == len(ehr.find("Observation", {}))


def test_the_statement_is_valid_for_the_client_and_names_what_us_core_asks_for(ehr: Ehr) -> None:
    statement = CapabilityStatement(ehr.client.server.request_json("metadata"), strict=True)
    served = {resource.type: resource for resource in statement.rest[0].resource}
    for kind in ("DiagnosticReport", "Observation", "Patient", "Device"):
        interactions = {each.code for each in served[kind].interaction}
        assert interactions == {"read", "vread", "history-instance", "history-type", "search-type"}
        assert "Provenance:target" in served[kind].searchRevInclude
        asked = {name for each, parameters, _ in US_CORE if each == kind for name in parameters}
        assert asked <= {parameter.name for parameter in served[kind].searchParam}


@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation", "Patient"])
def test_what_is_not_there_is_404_with_an_operation_outcome(ehr: Ehr, kind: str) -> None:
    answer = httpx.get(f"{ehr.url}/{kind}/nothing", trust_env=False)
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
