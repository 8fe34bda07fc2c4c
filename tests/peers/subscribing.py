"""What an EHR does that subscribes at a node, and what it subscribes to."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.site import Site
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY
from peers.smart_node import SmartNode

ALL = "system/*.rs system/Subscription.cruds"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def wanted(
    url: str, criteria: str = "DiagnosticReport", level: str = "id-only", filters: tuple[str, ...] = (), **channel: Any
) -> Json:
    """A Subscription as an EHR sends it."""
    content = {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": level}]}
    narrowed = [{"url": BACKPORT + "backport-filter-criteria", "valueString": each} for each in filters]
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "shows results",
        "criteria": criteria,
        **({"_criteria": {"extension": narrowed}} if narrowed else {}),
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": content,
            "header": ["Authorization: Bearer of-the-ehr"],
            **channel,
        },
    }


def send(node: SmartNode, method: str, path: str, token: str, body: Json | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    return node.http.request(method, f"{node.url}/{path}", json=body, headers=headers)


def made(node: SmartNode, body: Json, scopes: str = ALL) -> tuple[str, str]:
    """Id of a new subscription, and the key that made it."""
    key = node.key(scopes)
    answer = send(node, "POST", "Subscription", key, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"]), key


def until(node: SmartNode, held: Callable[[], bool]) -> None:
    """Let the notifier work until it has."""
    for _ in range(1000):
        node.notifier.step()
        if held():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def active(node: SmartNode, body: Json, scopes: str = ALL) -> tuple[str, str]:
    """The same, when the handshake is over."""
    identity, key = made(node, body, scopes)
    until(node, lambda: status_of(node, identity, key) == "active")
    return identity, key


def status_of(node: SmartNode, identity: str, key: str) -> str:
    return str(send(node, "GET", f"Subscription/{identity}", key).json()["status"])


def report(node: SmartNode, run: str = "run-2", study: Any = STUDY, findings: Any = POSITIVE) -> str:
    """A new report in the store; its location."""
    node.store.apply(report_bundle(replace(findings, run_id=run), study, OBJECTS, site=Site(base_url=node.url)))
    return f"{node.url}/DiagnosticReport/{report_id(run)}"
