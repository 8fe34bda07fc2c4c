"""The order of a study as ServiceRequest: from HL7 v2 or the images, before the report or after it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from starlette.testclient import TestClient

from ainode.encode.imaging_context import imaging_context
from ainode.journal.database import open_database
from ainode.journal.orders import OrderJournal
from ainode.orders.study_orders import Forgetting, StudyOrders
from ainode.study import Series, Study
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.hl7v2.oru import Parties, messages
from ainode_fhir.order import Number, Order
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ImagingContext
from ainode_models.findings import Code
from peers import dicom_sources
from peers.fhir_samples import NEGATIVE, OBJECTS, POSITIVE, STUDY, Clock, resources
from peers.fhir_service import served

SITE = Site(patient_system="http://hospital.example/patient", accession_system="http://hospital.example/accession")
ORDER = Order(
    status="active",
    placer=Number("PL-1", "RIS"),
    filler=Number("FI-1", "RIS"),
    accession=Number("ACC-9"),
    patients=(Number("P-4711", "HOSP", "1.2.276.99"),),
    study_uid=STUDY.study_uid,
    procedure=Code("MRHEAD", "LOCAL", "MR head & neck"),
    priority="stat",
    authored="2026-03-01T11:59:00+01:00",
    wanted="2026-03-04T09:00:00+01:00",
)
UNNUMBERED = replace(STUDY, accession_number=None, accession_issuer=None)
SENT = "2026-03-01T12:00:00+01:00"


@dataclass(frozen=True)
class Desk:
    """A node's orders, its store, and its server."""

    journal: OrderJournal
    orders: StudyOrders
    store: ResourceStore
    client: TestClient
    now: list[float]

    def report(self, context: ImagingContext, findings: object = POSITIVE) -> None:
        """Encode and store the report on a study, as the encoder does."""
        completed = self.orders.completed(context)
        self.store.apply(report_bundle(findings, completed, OBJECTS, site=SITE))  # type: ignore[arg-type]
        self.orders.look_again(completed)

    def receive(self, *orders: Order, at: str = SENT) -> None:
        """Take orders, and show them."""
        self.journal.keep(orders, at)
        self.show()

    def show(self) -> None:
        """Until nothing is left."""
        while self.orders.step():
            pass

    def find(self, search: str) -> list[Json]:
        """What a search on the server finds."""
        answer = self.client.get(f"/fhir/{search}", headers={"prefer": "handling=strict"})
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    now = [time.time()]
    journal, store = OrderJournal(engine, lambda: now[0]), ResourceStore(engine, clock=Clock())
    with served(store) as client:
        yield Desk(journal, StudyOrders(journal, store, SITE), store, client, now)
    engine.dispose()


def numbers(body: Json) -> dict[str, str]:
    """The identifiers of a ServiceRequest by their type."""
    return {one["type"]["coding"][0]["code"]: one["value"] for one in body["identifier"]}


def test_the_order_is_what_hl7_says_with_the_accession_number_of_the_images(desk: Desk) -> None:
    desk.receive(ORDER)
    assert desk.find("ServiceRequest") == []
    desk.report(STUDY)
    (body,) = desk.find("ServiceRequest")
    assert numbers(body) == {"ACSN": "ACC-9", "PLAC": "PL-1", "FILL": "FI-1"}
    assert body["identifier"][0]["system"] == STUDY.accession_issuer
    assert (body["status"], body["intent"], body["priority"]) == ("active", "order", "stat")
    assert body["code"] == {"coding": [{"code": "MRHEAD", "display": "MR head & neck"}], "text": "MR head & neck"}
    assert (body["authoredOn"], body["occurrenceDateTime"]) == (ORDER.authored, ORDER.wanted)
    assert "requester" not in body
    assert "performer" not in body


@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation", "ImagingStudy"])
def test_whatever_is_based_on_the_order_points_to_it_and_names_its_number(desk: Desk, kind: str) -> None:
    desk.report(STUDY)
    (request,) = desk.find("ServiceRequest")
    name = "basedon" if kind == "ImagingStudy" else "based-on"
    every = desk.find(kind)
    assert desk.find(f"{kind}?{name}=ServiceRequest/{request['id']}") == every != []
    assert desk.find(f"{kind}?{name}.identifier=http://hospital.example/accession|ACC-9") == every
    assert desk.find(f"{kind}?{name}:identifier=ACC-9") == every
    assert desk.find(f"{kind}?{name}.identifier=ACC-8") == []
    along = desk.find(f"{kind}?_count=1&_include={kind}:{name}")
    assert [body["id"] for body in along if body["resourceType"] == "ServiceRequest"] == [request["id"]]


@pytest.mark.parametrize(
    "search",
    [
        "_id={id}",
        "identifier=http://hospital.example/accession|ACC-9",
        "identifier=PL-1",
        "{subject}",
        "patient.identifier=P-4711",
        "subject={patient}&code=MRHEAD",
        "patient={patient}&status=active",
        "patient={patient}&category=http://snomed.info/sct|363679005&authored=ge2026-03-01",
        "patient={patient}&code=MRHEAD&authored=2026-03-01",
        "intent=order&priority=stat&occurrence=2026-03-04&_sort=-authored",
    ],
)
def test_the_order_is_found_as_r4_and_us_core_have_it(desk: Desk, search: str) -> None:
    desk.receive(ORDER)
    desk.report(STUDY)
    (body,) = desk.find("ServiceRequest")
    patient = body["subject"]["reference"]
    asked = search.format(id=body["id"], patient=patient, subject=f"patient={patient}")
    assert desk.find(f"ServiceRequest?{asked}") == [body]
    assert desk.client.get(f"/fhir/ServiceRequest/{body['id']}").json() == body


def test_an_order_that_is_known_by_the_images_alone_has_no_status_and_the_words_of_the_study(desk: Desk) -> None:
    desk.report(STUDY)
    (body,) = desk.find("ServiceRequest")
    assert (body["status"], body["code"], numbers(body)) == ("unknown", {"text": "MR head"}, {"ACSN": "ACC-9"})


def test_without_any_number_there_is_no_order(desk: Desk) -> None:
    desk.report(replace(UNNUMBERED, order=Order(procedure=Code("", "", "MR head"))))
    assert desk.find("ServiceRequest") == []
    assert "basedOn" not in desk.find("DiagnosticReport")[0]


def test_the_order_gives_its_accession_number_to_a_study_without_one(desk: Desk) -> None:
    desk.receive(ORDER)
    desk.report(UNNUMBERED)
    (report,) = desk.find("DiagnosticReport?based-on.identifier=http://hospital.example/accession|ACC-9")
    assert report["basedOn"][0]["identifier"]["value"] == "ACC-9"
    (study,) = desk.find("ImagingStudy?identifier=ACC-9")
    assert study["basedOn"] == report["basedOn"]


@pytest.mark.parametrize("context", [STUDY, UNNUMBERED])
def test_an_order_that_comes_late_makes_the_same_of_the_report_as_one_that_came_before(
    desk: Desk, tmp_path: Path, context: ImagingContext
) -> None:
    desk.report(context)
    desk.report(context, NEGATIVE)
    desk.receive(ORDER)
    late = {
        (entry["resource"]["resourceType"], entry["resource"]["id"])
        for findings in (POSITIVE, NEGATIVE)
        for entry in as_json(report_bundle(findings, desk.orders.completed(context), OBJECTS, site=SITE))["entry"]
    }
    for kind, identity in sorted(late):
        expected = next(
            body
            for findings in (POSITIVE, NEGATIVE)
            for body in resources(report_bundle(findings, desk.orders.completed(context), OBJECTS, site=SITE), kind)
            if body["id"] == identity
        )
        stored = desk.store.read(kind, identity)
        assert stored
        assert stored.content == expected
    versions = [body["meta"]["versionId"] for body in desk.find("DiagnosticReport")]
    desk.receive(ORDER)
    assert [body["meta"]["versionId"] for body in desk.find("DiagnosticReport")] == versions


def test_a_late_cancellation_is_seen_in_the_served_order_and_the_report_stays(desk: Desk) -> None:
    desk.receive(ORDER)
    desk.report(STUDY)
    desk.receive(replace(ORDER, status="revoked"), at="2026-03-05T12:00:00+01:00")
    (body,) = desk.find("ServiceRequest?status=revoked")
    assert numbers(body)["PLAC"] == "PL-1"
    assert desk.find("DiagnosticReport")[0]["status"] == "partial"


@pytest.mark.parametrize("changes", [{"patients": (Number("P-4712"),)}, {"accession": Number("ACC-8")}])
def test_an_order_that_turns_out_to_be_of_another_patient_or_number_is_taken_back(
    desk: Desk, changes: dict[str, object]
) -> None:
    desk.receive(ORDER)
    desk.report(STUDY)
    desk.show()
    desk.receive(replace(ORDER, **changes), at="2026-03-05T12:00:00+01:00")  # type: ignore[arg-type]
    (body,) = desk.find("ServiceRequest")
    assert (body["status"], body["code"], numbers(body)) == ("unknown", {"text": "MR head"}, {"ACSN": "ACC-9"})
    desk.receive(ORDER, at="2026-03-06T12:00:00+01:00")
    (body,) = desk.find("ServiceRequest")
    assert (body["status"], numbers(body)["PLAC"]) == ("active", "PL-1")


def test_what_only_the_images_say_of_an_order_stays_when_it_comes(desk: Desk) -> None:
    told = Order(placer=Number("PL-7", "HIS"), procedure=Code("", "", "MR of the head"))
    desk.report(replace(STUDY, order=told))
    desk.receive(replace(ORDER, placer=Number(), procedure=Code("", "", "")))
    (body,) = desk.find("ServiceRequest")
    assert numbers(body) == {"ACSN": "ACC-9", "PLAC": "PL-7", "FILL": "FI-1"}
    assert body["code"] == {"text": "MR of the head"}


@pytest.mark.parametrize(
    "changes",
    [
        {"patients": (Number("P-4712"),)},
        {"patients": (Number("P-4711", "ELSEWHERE", "1.2.3"),)},
        {"patients": (Number("P-4712"),), "study_uid": ""},
        {"accession": Number("ACC-8")},
        {"accession": Number("ACC-8"), "study_uid": ""},
        {"accession": Number("ACC-9", "ELSEWHERE", "http://other.example/accession"), "study_uid": ""},
        {"accession": Number(), "study_uid": ""},
        {"accession": Number(), "study_uid": "1.2.3"},
    ],
)
def test_the_order_of_another_patient_or_another_number_is_never_taken(desk: Desk, changes: dict[str, object]) -> None:
    other = replace(ORDER, **changes)  # type: ignore[arg-type]
    desk.receive(other)
    desk.report(STUDY)
    desk.receive(other)
    (body,) = desk.find("ServiceRequest")
    assert body["status"] == "unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"study_uid": ""},
        {"accession": Number()},
        {"accession": Number("ACC-9", "RIS", "1.2.3"), "study_uid": ""},
        {"patients": (Number("NAT-1", "NATION"), Number("P-4711"))},
        {"accession": Number("ACC-9", "", "http://hospital.example/accession"), "study_uid": "1.2.3"},
    ],
)
def test_the_order_of_a_study_is_found_by_number_and_patient_or_by_study_uid(
    desk: Desk, changes: dict[str, object]
) -> None:
    desk.receive(replace(ORDER, **changes))  # type: ignore[arg-type]
    desk.report(STUDY)
    assert [body["status"] for body in desk.find("ServiceRequest")] == ["active"]


def test_a_patient_without_number_is_matched_by_study_uid_alone(desk: Desk) -> None:
    nobody = replace(STUDY, patient_id=None, patient_issuer=None)
    desk.receive(replace(ORDER, study_uid=""))
    desk.report(nobody)
    desk.show()
    assert [body["status"] for body in desk.find("ServiceRequest")] == ["unknown"]
    desk.receive(ORDER)
    assert [body["status"] for body in desk.find("ServiceRequest")] == ["active"]


def test_of_several_orders_under_one_number_that_of_the_study_counts_then_one_that_holds(desk: Desk) -> None:
    def numbered(number: str, **changes: object) -> Order:
        return replace(ORDER, placer=Number(number, "RIS"), filler=Number(number, "RIS"), **changes)  # type: ignore[arg-type]

    cancelled = numbered("PL-3", study_uid="", status="revoked")
    desk.receive(numbered("PL-2", study_uid=""), cancelled)
    desk.report(STUDY)
    assert numbers(desk.find("ServiceRequest")[0])["PLAC"] == "PL-2"
    desk.receive(replace(numbered("PL-4"), filler=Number()))
    assert numbers(desk.find("ServiceRequest")[0]) == {"ACSN": "ACC-9", "PLAC": "PL-4"}


def test_an_order_that_came_while_its_report_was_written_is_shown(desk: Desk) -> None:
    written = desk.orders.completed(STUDY)
    desk.receive(ORDER)
    desk.store.apply(report_bundle(POSITIVE, written, OBJECTS, site=SITE))
    desk.orders.look_again(written)
    assert desk.find("ServiceRequest")[0]["status"] == "unknown"
    desk.show()
    assert desk.find("ServiceRequest")[0]["status"] == "active"


def test_orders_are_forgotten_after_their_time_and_what_was_served_stays(desk: Desk) -> None:
    desk.receive(ORDER)
    desk.report(STUDY)
    desk.now[0] += 2 * 86_400
    Forgetting(desk.journal, days=3).step()
    assert len(desk.journal.all()) == 1
    Forgetting(desk.journal, days=1).step()
    assert desk.journal.all() == []
    assert desk.find("ServiceRequest")[0]["status"] == "active"


def test_the_message_to_a_site_without_fhir_has_the_placer_number_and_the_accession_number_of_the_order(
    desk: Desk,
) -> None:
    desk.receive(ORDER)
    desk.report(UNNUMBERED)
    found = desk.store.result_of(report_id(POSITIVE.run_id))
    ((_, text),) = messages(found, Parties("AINODE", "", "", ""))
    fields = next(line.split("|") for line in text.split("\r") if line.startswith("OBR"))
    assert (fields[2], fields[3], fields[18]) == ("PL-1^RIS", "run-positive^AINODE", "ACC-9")
    assert next(line for line in text.split("\r") if line.startswith("ORC")) == "ORC|RE|PL-1^RIS|run-positive^AINODE"


def test_the_headers_of_the_images_tell_number_and_procedure_also_in_the_request_that_they_answer() -> None:
    header = dicom_sources.series()[0]
    study = Study(str(header.StudyInstanceUID), (Series(str(header.SeriesInstanceUID), header, ()),))
    issuer, code, request = Dataset(), Dataset(), Dataset()
    issuer.LocalNamespaceEntityID = "RIS"
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "MRHEAD", "99LOCAL", "MR head"
    request.AccessionNumber, request.RequestedProcedureDescription = "ACC-5", "MR of the head"
    request.RequestedProcedureCodeSequence = [code]
    request.PlacerOrderNumberImagingServiceRequest = "PL-5"
    request.OrderPlacerIdentifierSequence = [issuer]
    header.AccessionNumber = ""
    header.RequestAttributesSequence = [request]
    context = imaging_context(study, [header])
    assert context.accession_number == "ACC-5"
    assert context.order == Order(placer=Number("PL-5", "RIS"), procedure=Code("MRHEAD", "99LOCAL", "MR of the head"))
    header.AccessionNumber = "ACC-6"
    assert imaging_context(study, [header]).accession_number == "ACC-6"
    del header.RequestAttributesSequence
    assert imaging_context(study, [header]).order is None
