"""Pushing a result to FHIR servers over HTTP: once is enough, twice is harmless, and failures say what to do."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import as_json, report_bundle, transaction
from ainode_fhir.capability import capability_statement
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.outcome import outcome
from ainode_fhir.push import FhirDestination
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded_bundle
from ainode_models.errors import PeerError, PeerRefused, PeerUnreachable
from peers.faulty_proxy import Fault, faulty_proxy
from peers.fhir_receiver import Receiver, medplum_receiver, own_receiver
from peers.fhir_samples import FAILED, NEGATIVE, OBJECTS, POSITIVE, STARTED, STUDY, resources

SITE = Site()
BUNDLE = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE)
ENTRIES = as_json(BUNDLE)["entry"]
LATER = report_bundle(replace(POSITIVE, run_id="run-2"), STUDY, OBJECTS, site=SITE, replaces="run-positive")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as client:
        yield client


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with own_receiver(tmp_path) as receiver:
        yield receiver


@pytest.fixture(params=["own", "medplum"])
def base_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty server of each kind."""
    if request.param == "medplum":
        with medplum_receiver() as url:
            yield url
    else:
        with own_receiver(tmp_path) as own:
            yield own.url


def found(client: httpx.Client, url: str) -> list[Json]:
    return [entry["resource"] for entry in client.get(url).json().get("entry", [])]


def test_results_are_pushed_once_read_back_and_withdrawn_when_superseded(client: httpx.Client, base_url: str) -> None:
    destination = FhirDestination(base_url, client)
    assert [entry.status for entry in destination.push(BUNDLE)] == [201] * len(ENTRIES)
    identity = destination.confirm(BUNDLE)
    assert [entry.status for entry in destination.push(BUNDLE)] == [200] * len(ENTRIES)
    assert destination.confirm(BUNDLE) == identity

    (report,) = found(client, f"{base_url}/DiagnosticReport?identifier={RUN_SYSTEM}|run-positive")
    assert report["id"] == identity
    group = client.get(f"{base_url}/{report['result'][1]['reference']}").json()
    volume = client.get(f"{base_url}/{group['hasMember'][0]['reference']}").json()
    assert volume["valueQuantity"]["value"] == 34.568
    assert client.get(f"{base_url}/{report['subject']['reference']}").json()["identifier"][0]["value"] == "P-4711"

    destination.push(LATER)
    withdrawn = superseded_bundle([entry["resource"] for entry in ENTRIES], base_url=SITE.base_url)
    for _ in range(2):
        destination.push(withdrawn)
    reports = {item["identifier"][0]["value"]: item["status"] for item in found(client, f"{base_url}/DiagnosticReport")}
    assert reports == {"run-positive": "entered-in-error", "run-2": "partial"}
    assert len(found(client, f"{base_url}/Patient")) == len(found(client, f"{base_url}/ImagingStudy")) == 1

    for findings in (NEGATIVE, FAILED):
        other = report_bundle(findings, STUDY, (), site=SITE)
        destination.push(other)
        assert destination.confirm(other)


def test_a_report_that_the_server_does_not_show_is_not_confirmed(client: httpx.Client, receiver: Receiver) -> None:
    with pytest.raises(PeerUnreachable, match="does not find the report"):
        FhirDestination(receiver.url, client).confirm(BUNDLE)


def test_two_reports_of_one_run_on_the_server_are_a_fault_to_be_mended_there(
    client: httpx.Client, receiver: Receiver
) -> None:
    (report,) = resources(BUNDLE, "DiagnosticReport")
    receiver.store.apply(transaction([report, {**report, "id": "twin"}], base_url=receiver.url))
    with pytest.raises(PeerRefused, match="has 2 reports of one run"):
        FhirDestination(receiver.url, client).confirm(BUNDLE)


@pytest.mark.parametrize(("orders", "whose"), [(1, "Patient/own"), (2, "Patient/own"), (1, "Patient/another")])
def test_the_order_of_the_ehr_is_taken_where_it_has_one_of_the_patient_and_else_the_number_alone(
    client: httpx.Client, base_url: str, orders: int, whose: str
) -> None:
    (patient,) = resources(BUNDLE, "Patient")
    (request,) = resources(BUNDLE, "ServiceRequest")
    another = {**patient, "identifier": [{"system": "urn:oid:1.2.3", "value": "other"}]}
    urns = {
        "Patient/own": "urn:uuid:0b5a2b0e-0000-4000-8000-000000000001",
        "Patient/another": "urn:uuid:0b5a2b0e-0000-4000-8000-000000000002",
    }
    made = [(urns["Patient/own"], patient), (urns["Patient/another"], another)]
    order = {**request, "status": "active", "subject": {"reference": urns[whose]}}
    made += [(f"urn:uuid:0b5a2b0e-0000-4000-8000-00000000001{number}", order) for number in range(orders)]
    entries = [
        {
            "fullUrl": urn,
            "resource": {name: value for name, value in body.items() if name != "id"},
            "request": {"method": "POST", "url": body["resourceType"]},
        }
        for urn, body in made
    ]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert client.post(base_url, json=body).status_code == 200
    taken = orders == 1 and whose == "Patient/own"
    destination = FhirDestination(base_url, client)
    assert len(destination.push(BUNDLE)) == len(ENTRIES) - (not taken)
    kept = found(client, f"{base_url}/ServiceRequest")
    assert [each["status"] for each in kept] == ["active"] * orders
    for kind in ("DiagnosticReport", "Observation", "ImagingStudy"):
        for each in found(client, f"{base_url}/{kind}"):
            (pointer,) = each["basedOn"]
            assert pointer["identifier"]["value"] == "ACC-9"
            assert pointer.get("reference") == (f"ServiceRequest/{kept[0]['id']}" if taken else None)
    assert destination.confirm(BUNDLE)


def test_who_may_not_ask_for_orders_is_told_the_number_alone() -> None:
    sent: list[Json] = []

    def ehr(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(403, json=outcome("forbidden", "no"))
        sent.append(json.loads(request.content))
        entries = [{"response": {"status": "201 Created"}} for _ in sent[0]["entry"]]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "transaction-response", "entry": entries})

    with httpx.Client(transport=httpx.MockTransport(ehr)) as client:
        assert len(FhirDestination("http://ehr.example", client).push(BUNDLE)) == len(ENTRIES) - 1
    (report,) = [one["resource"] for one in sent[0]["entry"] if one["resource"]["resourceType"] == "DiagnosticReport"]
    assert [set(pointer) for pointer in report["basedOn"]] == [{"type", "identifier"}]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, PeerRefused) for status in (400, 401, 404, 412, 422)),
        *((status, PeerUnreachable) for status in (408, 409, 429, 500, 503)),
    ],
)
def test_a_refusal_gives_the_servers_reason_and_whether_to_try_again(
    client: httpx.Client, receiver: Receiver, status: int, error: type[PeerError]
) -> None:
    receiver.answers = [(status, outcome("processing", "Observation.code is not known here"))]
    with pytest.raises(error, match=rf"answered {status}: Observation.code is not known here") as caught:
        FhirDestination(receiver.url, client).push(BUNDLE)
    assert "P-4711" not in str(caught.value)
    assert len(FhirDestination(receiver.url, client).push(BUNDLE)) == len(ENTRIES)


def test_an_entry_that_was_refused_within_an_accepted_transaction_is_noticed(
    client: httpx.Client, receiver: Receiver
) -> None:
    entries: list[Json] = [{"response": {"status": "201 Created"}} for _ in ENTRIES]
    refused = outcome("business-rule", "reports are closed")
    entries[-2] = {"response": {"status": "422 Unprocessable", "outcome": refused}}
    receiver.answers = [(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": entries})]
    with pytest.raises(PeerRefused, match="DiagnosticReport answered 422: reports are closed"):
        FhirDestination(receiver.url, client).push(BUNDLE)


def test_an_answer_that_is_no_transaction_response_is_not_taken_for_success(
    client: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers = [(200, {"resourceType": "Bundle", "type": "batch-response"})]
    with pytest.raises(PeerRefused, match="no transaction-response"):
        FhirDestination(receiver.url, client).push(BUNDLE)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.CUT_UNNOTICED])
def test_a_transaction_whose_answer_was_cut_off_is_asked_for_before_it_is_sent_again(
    client: httpx.Client, receiver: Receiver, fault: Fault
) -> None:
    unordered = report_bundle(POSITIVE, replace(STUDY, accession_number=None), OBJECTS, site=SITE)
    with faulty_proxy(receiver.url, seed=1, share=1, faults=[fault]) as proxy, pytest.raises(PeerUnreachable):
        FhirDestination(proxy.url, client).push(unordered)  # which asks for no order before
    assert FhirDestination(receiver.url, client).confirm(unordered)


def test_an_answer_that_comes_twice_is_not_taken_for_that_of_the_next_request(
    client: httpx.Client, receiver: Receiver
) -> None:
    with faulty_proxy(receiver.url, seed=1, share=1, faults=[Fault.REPEATED]) as proxy:
        destination = FhirDestination(proxy.url, client)
        assert [entry.status for entry in destination.push(BUNDLE)] == [201] * len(ENTRIES)
        assert [entry.status for entry in destination.push(BUNDLE)] == [200] * len(ENTRIES)
        assert destination.confirm(BUNDLE)


def test_a_server_that_shows_the_report_of_another_run_does_not_show_this_one(client: httpx.Client) -> None:
    (other,) = resources(LATER, "DiagnosticReport")
    answer = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": other}]}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=answer))
    with httpx.Client(transport=transport) as lenient, pytest.raises(PeerUnreachable, match="does not find"):
        FhirDestination("http://ehr.example", lenient).confirm(BUNDLE)


def test_a_server_that_is_not_there_is_worth_trying_again(client: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachable, match="did not answer: ConnectError"):
        FhirDestination(f"http://127.0.0.1:{port}", client).push(BUNDLE)


def test_a_server_that_does_not_answer_in_time_is_worth_trying_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, httpx.Client(timeout=0.2) as client:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(PeerUnreachable, match="did not answer: ReadTimeout"):
            FhirDestination(url, client).push(BUNDLE)


def test_medplum_refuses_what_r4_does_not_allow() -> None:
    """The peer's own check works: a value beside the reason for having none breaks obs-6, and does not get in."""
    bad = as_json(BUNDLE)
    for entry in bad["entry"]:
        if "valueQuantity" in entry["resource"]:
            entry["resource"]["dataAbsentReason"] = {"text": "none"}
    with (
        medplum_receiver() as url,
        httpx.Client() as client,
        pytest.raises(PeerRefused, match="obs-6"),
    ):
        FhirDestination(url, client).push(Bundle.model_validate(bad))


def test_medplum_takes_the_capability_statement_as_valid_r4() -> None:
    statement = capability_statement(base_url=SITE.base_url, version="0.1.0", started=STARTED)
    with medplum_receiver() as url:
        assert httpx.post(f"{url}/CapabilityStatement", json=statement).status_code == 201
        statement["rest"][0]["resource"][0]["interaction"] = [{}]
        assert httpx.post(f"{url}/CapabilityStatement", json=statement).status_code == 400
