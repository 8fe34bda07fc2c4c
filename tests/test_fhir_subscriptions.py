"""An EHR subscribes to results and hears of each, in order and without gaps, whatever happens to it or to the node."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ainode.settings import Fhir, FhirClient
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.subscription.wanted import TOPIC
from ainode_fhir.supersede import superseded_bundle
from peers.fhir_checks import R4Checker
from peers.fhir_samples import FAILED
from peers.fhir_service import OTHER
from peers.orthanc import free_port
from peers.postgres import PostgresServer
from peers.smart_node import CLIENT, EC, RSA, SmartNode, key_set, smart_node
from peers.subscriber import Subscriber, subscriber, value_of
from peers.subscribing import ALL, BACKPORT, active, made, report, send, status_of, until, wanted

EXPORT = "110106"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SmartNode]:
    (tmp_path / "jwks.json").write_text(key_set(RSA, EC))
    client = FhirClient(id=CLIENT, scopes=ALL, jwks=tmp_path / "jwks.json")
    hosts = ("127.0.0.1", "ehr.hospital.example")
    with smart_node(tmp_path, fhir=Fhir(client=(client,), subscription_hosts=hosts)) as node:
        yield node


@pytest.fixture
def hook() -> Iterator[Subscriber]:
    with subscriber() as heard:
        yield heard


def test_a_handshake_comes_first_and_then_each_new_report_once(node: SmartNode, hook: Subscriber) -> None:
    identity, key = made(node, wanted(hook.url))
    assert status_of(node, identity, key) == "requested"
    until(node, lambda: status_of(node, identity, key) == "active")
    locations = [report(node, f"run-{number}") for number in (2, 3, 4)]
    report(node, "run-4")  # nothing new
    until(node, lambda: len(hook.numbers) == 3)
    until(node, lambda: True)
    assert (hook.kinds[0], set(hook.kinds[1:])) == ("handshake", {"event-notification"})
    assert (hook.numbers, hook.focuses) == ([1, 2, 3], locations)
    assert value_of(hook.bundles[0], "subscription")["reference"] == f"{node.url}/Subscription/{identity}"
    assert {bundle["type"] for bundle in hook.bundles} == {"history"}
    assert all(len(bundle["entry"]) == 1 for bundle in hook.bundles)
    assert {headers["authorization"] for headers in hook.headers} == {"Bearer of-the-ehr"}
    assert {headers["content-type"] for headers in hook.headers} == {"application/fhir+json; fhirVersion=4.0"}
    status = send(node, "GET", f"Subscription/{identity}/$status", key).json()
    assert (value_of(status, "events-since-subscription-start"), value_of(status, "type")) == ("3", "query-status")


def test_our_topic_with_filters_tells_of_what_answers_all_of_them(node: SmartNode, hook: Subscriber) -> None:
    patient = node.get("Patient", node.key("system/*.rs")).json()["entry"][0]["resource"]["id"]
    filters = (f"DiagnosticReport?patient={patient}", "status=partial")
    active(node, wanted(hook.url, TOPIC, "full-resource", filters))
    report(node, "run-other", OTHER)
    report(node, "run-failed", findings=FAILED)
    right = report(node, "run-right")
    until(node, lambda: bool(hook.numbers))
    assert (hook.numbers, hook.focuses) == ([1], [right])
    bundle = hook.bundles[-1]
    assert value_of(bundle, "topic") == TOPIC
    resource = bundle["entry"][1]["resource"]
    assert (resource["resourceType"], resource["status"]) == ("DiagnosticReport", "partial")
    assert bundle["entry"][1]["response"]["status"] == "201"


def test_a_withdrawn_report_is_told_as_it_was_and_as_it_became(node: SmartNode, hook: Subscriber) -> None:
    active(node, wanted(hook.url, level="full-resource"))
    report(node)
    node.store.apply(superseded_bundle(node.store.result_of(report_id("run-2")), base_url=node.url))
    until(node, lambda: len(hook.numbers) == 2)
    told = [entry["resource"]["status"] for bundle in hook.bundles for entry in bundle["entry"][1:]]
    assert told == ["partial", "entered-in-error"]


def test_an_empty_payload_names_nothing_and_core_r4_without_payload_is_one(node: SmartNode, hook: Subscriber) -> None:
    bare = wanted(hook.url, "DiagnosticReport?status=partial")
    del bare["channel"]["payload"], bare["channel"]["_payload"]
    active(node, bare)
    active(node, wanted(hook.url, TOPIC, "empty"))
    report(node)
    until(node, lambda: len(hook.numbers) == 2)
    assert hook.numbers == [1, 1]
    assert hook.focuses == []
    assert "DiagnosticReport" not in json.dumps(hook.bundles)
    assert TOPIC not in json.dumps(hook.bundles)


def test_every_notification_is_valid_r4(node: SmartNode, hook: Subscriber, r4: R4Checker) -> None:
    active(node, wanted(hook.url, TOPIC, "full-resource", ("DiagnosticReport?status=partial",)))
    report(node)
    until(node, lambda: len(hook.numbers) == 1)
    bundles = {f"bundle-{number}": bundle for number, bundle in enumerate(hook.bundles)}
    found = r4.errors(bundles)
    assert {code for code, _ in found} <= {"profile.unknown"}, found  # the guide's own, which pyrofile has not


def test_a_subscriber_that_is_down_or_fails_is_told_later_in_order_and_nothing_twice(
    node: SmartNode, hook: Subscriber
) -> None:
    identity, key = active(node, wanted(hook.url))
    hook.answers = [500, 503, 307, 200]
    locations = [report(node, f"run-{number}") for number in (2, 3)]
    for tries in (1, 2, 3):
        until(node, lambda tries=tries: hook.asked == 1 + tries)  # type: ignore[misc]
        until(node, lambda: "error" in send(node, "GET", f"Subscription/{identity}", key).json())
        asked = hook.asked
        node.notifier.step()
        time.sleep(0.05)
        assert hook.asked == asked  # not before its pause is over
        if tries < 3:
            assert status_of(node, identity, key) == "active"
        else:
            until(node, lambda: status_of(node, identity, key) == "error")
        node.now.seconds += 60
    until(node, lambda: status_of(node, identity, key) == "active")
    until(node, lambda: len(hook.numbers) == 2)
    assert (hook.numbers, hook.focuses) == ([1, 2], locations)
    assert "error" not in send(node, "GET", f"Subscription/{identity}", key).json()


def test_one_that_does_not_listen_is_told_when_it_does(node: SmartNode) -> None:
    port = free_port()
    with subscriber(port) as first:
        identity, key = active(node, wanted(first.url))
    report(node)
    until(node, lambda: "error" in send(node, "GET", f"Subscription/{identity}", key).json())
    node.now.seconds += 60
    with subscriber(port) as again:
        until(node, lambda: again.numbers == [1])


def test_a_slow_subscriber_holds_up_no_other_and_is_given_up_after_its_timeout(
    node: SmartNode, hook: Subscriber
) -> None:
    timeout = [{"url": BACKPORT + "backport-timeout", "valueUnsignedInt": 1}]
    with subscriber() as slow:
        identity, key = active(node, wanted(slow.url, extension=timeout))
        active(node, wanted(hook.url))
        slow.pause = 1.3
        report(node)
        until(node, lambda: hook.numbers == [1])
        assert slow.numbers == []
        until(node, lambda: "error" in send(node, "GET", f"Subscription/{identity}", key).json())
        slow.pause = 0
        node.now.seconds += 60
        until(node, lambda: status_of(node, identity, key) == "active" and 1 in slow.numbers)


@pytest.mark.parametrize("gone", [True, False], ids=["410", "a week of failures"])
def test_a_subscriber_that_is_gone_is_told_nothing_more(node: SmartNode, hook: Subscriber, gone: bool) -> None:
    identity, key = active(node, wanted(hook.url))
    hook.answers = [410] if gone else [500, 500]
    report(node)
    until(node, lambda: hook.asked == 2)
    if not gone:
        until(node, lambda: "error" in send(node, "GET", f"Subscription/{identity}", key).json())
        node.now.seconds += 700_000
    until(node, lambda: status_of(node, identity, key) == "off")
    node.now.seconds += 700_000
    node.notifier.step()
    assert hook.numbers == []


def test_heartbeats_come_while_nothing_else_does_and_the_end_ends_all(node: SmartNode, hook: Subscriber) -> None:
    beats = [{"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 60}]
    until_then = {"end": "2026-09-21T16:00:00Z"}  # an hour or so from the node's now
    identity, key = active(node, {**wanted(hook.url, extension=beats), **until_then})
    assert hook.kinds == ["handshake"]
    node.now.seconds += 61
    until(node, lambda: hook.kinds == ["handshake", "heartbeat"])
    assert value_of(hook.bundles[-1], "events-since-subscription-start") == "0"
    node.now.seconds += 86_400
    until(node, lambda: status_of(node, identity, key) == "off")
    report(node)
    node.notifier.step()
    assert hook.kinds == ["handshake", "heartbeat"]


def test_a_subscription_is_changed_switched_off_and_deleted_by_its_owner_alone(
    node: SmartNode, hook: Subscriber
) -> None:
    identity, key = active(node, wanted(hook.url))
    report(node)
    until(node, lambda: hook.numbers == [1])
    other = node.key(ALL)
    for method in ("GET", "PUT", "DELETE"):
        assert send(node, method, f"Subscription/{identity}", other, wanted(hook.url)).status_code == 404
    assert send(node, "GET", "Subscription", other).json()["total"] == 0
    assert send(node, "GET", "Subscription?status=active&criteria=Diag", key).json()["total"] == 1
    changed = send(node, "PUT", f"Subscription/{identity}", key, wanted(hook.url, "DiagnosticReport?status=cancelled"))
    assert (changed.status_code, changed.json()["status"], changed.headers["etag"]) == (200, "requested", 'W/"2"')
    until(node, lambda: status_of(node, identity, key) == "active")
    report(node, "run-5")
    report(node, "run-failed", findings=FAILED)
    until(node, lambda: hook.numbers == [1, 2])
    off = send(node, "PUT", f"Subscription/{identity}", key, {**wanted(hook.url), "status": "off"})
    assert off.json()["status"] == "off"
    report(node, "run-6")
    assert send(node, "DELETE", f"Subscription/{identity}", key).status_code == 204
    assert send(node, "GET", f"Subscription/{identity}", key).status_code == 404
    node.notifier.step()
    assert hook.numbers == [1, 2]


BAD: dict[str, tuple[Json, int]] = {
    "http elsewhere": ({"endpoint": "http://ehr.hospital.example/hook"}, 422),
    "a host that nobody named": ({"endpoint": "https://169.254.169.254/latest"}, 422),
    "a name that resolves to anything": ({"endpoint": "https://localhost.evil.example/"}, 422),
    "a user in the address": ({"endpoint": "https://me:secret@ehr.hospital.example/"}, 422),
    "a host behind a user": ({"endpoint": "https://ehr.hospital.example@evil.example/"}, 422),
    "a line break in a header": ({"header": ["X-A: b\r\nHost: evil"]}, 422),
    "the header Host": ({"header": ["Host: evil.example"]}, 422),
    "mail": ({"type": "email"}, 422),
    "XML": ({"payload": "application/fhir+xml"}, 422),
    "no channel type of R4": ({"type": 7}, 400),
}


@pytest.mark.parametrize("case", BAD, ids=lambda each: each)
def test_a_channel_that_could_be_turned_against_the_network_is_refused(node: SmartNode, case: str) -> None:
    changed, status = BAD[case]
    answer = send(node, "POST", "Subscription", node.key(ALL), wanted("https://ehr.hospital.example/hook", **changed))
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "criteria",
    ["Nothing?x=1", "DiagnosticReport?colour=red", "DiagnosticReport?_count=1", "DiagnosticReport?date=yesterday", "",
     "DiagnosticReport?_include=*", "http://topic.example/unknown", "AuditEvent"],
)  # fmt: skip
def test_criteria_that_mean_nothing_here_are_refused(node: SmartNode, criteria: str) -> None:
    answer = send(node, "POST", "Subscription", node.key(ALL), wanted("https://ehr.hospital.example/hook", criteria))
    assert answer.status_code in (400, 422)
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_nobody_subscribes_without_a_host_in_the_settings(tmp_path: Path) -> None:
    with smart_node(tmp_path) as node:
        answer = send(node, "POST", "Subscription", node.key(ALL), wanted("https://ehr.hospital.example/hook"))
    assert answer.status_code == 422
    assert "subscription_hosts" in answer.json()["issue"][0]["diagnostics"]


def test_scopes_say_who_may_subscribe_and_to_what(node: SmartNode) -> None:
    body = wanted("https://ehr.hospital.example/hook")

    def asked(scopes: str, body: Json = body) -> int:
        return send(node, "POST", "Subscription", node.key(scopes), body).status_code

    assert node.http.post(f"{node.url}/Subscription", json=body).status_code == 401
    assert asked("system/*.rs") == 403
    assert asked("system/Subscription.rs system/*.rs") == 403
    assert asked("system/Subscription.c system/Observation.rs") == 403
    assert asked("system/Subscription.c system/DiagnosticReport.rs") == 201
    by_name = wanted("https://ehr.hospital.example/hook", "DiagnosticReport?patient.name=Muster")
    assert asked("system/Subscription.c system/DiagnosticReport.rs", by_name) == 403
    token = node.token("system/Subscription.c system/DiagnosticReport.rs")
    made = send(node, "POST", "Subscription", token, body)
    assert made.status_code == 201
    assert send(node, "DELETE", f"Subscription/{made.json()['id']}", token).status_code == 403
    for method, path in (("POST", "DiagnosticReport"), ("PUT", "DiagnosticReport/x"), ("DELETE", "Patient/x")):
        assert send(node, method, path, node.key(ALL), {}).status_code == 405


def test_one_whose_owner_may_read_no_more_is_told_nothing_more(node: SmartNode, hook: Subscriber) -> None:
    key = node.keys.add("ehr", datetime.fromtimestamp(node.now(), UTC), ALL)
    identity = send(node, "POST", "Subscription", key, wanted(hook.url)).json()["id"]
    until(node, lambda: status_of(node, identity, key) == "active")
    node.keys.revoke("ehr")
    report(node)
    asked = hook.asked
    for _ in range(20):
        node.notifier.step()
        time.sleep(0.01)
    assert hook.asked == asked
    assert hook.numbers == []


def test_subscribing_and_each_notification_are_in_the_record_without_secrets(node: SmartNode, hook: Subscriber) -> None:
    token = node.token(ALL)
    identity = send(node, "POST", "Subscription", token, wanted(hook.url)).json()["id"]
    until(node, lambda: hook.kinds == ["handshake"])
    until(node, lambda: status_of(node, identity, token) == "active")
    location = report(node)
    until(node, lambda: hook.numbers == [1])
    until(node, lambda: len(node.audit(f"entity=Subscription/{identity}&subtype=notify")) == 2)
    record = node.audit()
    assert "of-the-ehr" not in json.dumps(record)
    told = node.audit(f"entity=Subscription/{identity}&subtype=notify")[0]
    assert (told["type"]["code"], told["agent"][0]["altId"], told["outcome"]) == (EXPORT, CLIENT, "0")
    assert location.removeprefix(f"{node.url}/") in told["outcomeDesc"]
    created = node.audit("subtype=create")
    assert [(each["action"], each["agent"][0]["altId"]) for each in created] == [("C", CLIENT)]


def test_a_subscription_that_cannot_be_read_any_more_does_not_keep_results_from_being_stored(
    node: SmartNode, hook: Subscriber, tmp_path: Path
) -> None:
    identity, key = active(node, wanted(hook.url, "DiagnosticReport?status=partial"))
    engine = create_engine(f"sqlite:///{tmp_path / 'node' / 'journal.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE fhir_subscription SET content = replace(content, 'status=partial', 'gone=1')"))
    engine.dispose()
    report(node)
    assert node.store.read("DiagnosticReport", report_id("run-2")) is not None
    assert status_of(node, identity, key) == "off"


def test_writers_at_once_on_postgresql_give_each_event_a_number_of_its_own(tmp_path: Path, hook: Subscriber) -> None:
    with PostgresServer() as server:
        (tmp_path / "jwks.json").write_text(key_set(RSA, EC))
        client = FhirClient(id=CLIENT, scopes=ALL, jwks=tmp_path / "jwks.json")
        fhir = Fhir(client=(client,), subscription_hosts=("127.0.0.1",))
        with smart_node(tmp_path, fhir=fhir, database=server.database("told")) as node:
            identity, key = active(node, wanted(hook.url, "DiagnosticReport?status=partial"))
            with ThreadPoolExecutor(4) as writers:
                locations = list(writers.map(lambda number: report(node, f"run-{number}"), range(10, 22)))
            until(node, lambda: len(hook.numbers) == 12)
            assert send(node, "DELETE", f"Subscription/{identity}", key).status_code == 204
    assert hook.numbers == list(range(1, 13))
    assert sorted(hook.focuses) == sorted(locations)


def test_a_node_that_is_killed_again_and_again_loses_no_event_and_skips_none(tmp_path: Path) -> None:
    script = Path(__file__).parent / "peers" / "writing_node.py"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subscriber() as hook:
        for round_ in range(3):
            command = [sys.executable, str(script), str(tmp_path), hook.url, f"round-{round_}"]
            process = subprocess.Popen(command, env=environment)
            told = len(set(hook.numbers))
            deadline = time.monotonic() + 60
            while len(set(hook.numbers)) < told + 3 and time.monotonic() < deadline:
                assert process.poll() is None, "it ended by itself"
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        command = [sys.executable, str(script), str(tmp_path), hook.url, ""]
        subprocess.run(command, check=True, timeout=60, env=environment)
    engine = create_engine(f"sqlite:///{tmp_path / 'node.db'}")
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT id, version FROM fhir_resource WHERE type = 'DiagnosticReport' ORDER BY last_updated, id")
        ).all()
        waiting = connection.scalar(text("SELECT count(*) FROM fhir_subscription_event"))
    engine.dispose()
    heard = dict(zip(hook.numbers, hook.focuses, strict=True))
    assert waiting == 0
    assert list(heard) == list(range(1, len(stored) + 1))
    assert [focus.rpartition("/")[2] for focus in heard.values()] == [row.id for row in stored]
    assert hook.numbers == sorted(hook.numbers)
    assert len(stored) >= 9
