"""A node that is killed when a human's review was written down: the EHR gets it, and each version is there once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ainode.api.keys import ApiKeys
from ainode.journal.runs import RunRow
from ainode.places import Places
from peers.dcmtk import storescu
from peers.fhir_receiver import Receiver, own_receiver
from peers.head_study import write_head
from peers.node import HEAD_RULE, NodeServer
from peers.orthanc import OrthancServer

RULE = HEAD_RULE.replace('["orthanc"]', '["orthanc", "ehr"]')
MORE = """
[api]
enabled = true
[fhir]
access = "open"
[[destination]]
name = "ehr"
kind = "fhir"
url = "{url}"
"""


def review(node: NodeServer, key: str, run: RunRow, **body: Any) -> httpx.Response:
    """The answer to a review."""
    url = f"{node.url}/api/v1/runs/{run.run_id}/review"
    return httpx.post(url, json=body, headers={"x-api-key": key}, trust_env=False)


def statuses(ehr: Receiver, kind: str) -> set[str]:
    """Of all resources of a kind that the EHR has."""
    entries = httpx.get(f"{ehr.url}/{kind}?_count=500", trust_env=False).json().get("entry", [])
    return {entry["resource"]["status"] for entry in entries}


def history(node: NodeServer, kind: str) -> list[str]:
    """Status of each version of the only resource of a kind on the node, oldest first."""
    entries = httpx.get(f"{node.url}/fhir/{kind}/_history", trust_env=False).json()["entry"]
    return [entry["resource"]["status"] for entry in reversed(entries)]


def test_a_review_reaches_the_ehr_although_the_node_is_killed_when_it_was_written_down(tmp_path: Path) -> None:
    _, files = write_head(tmp_path / "study")
    with (
        own_receiver(tmp_path) as ehr,
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, rules=RULE, more=MORE.format(url=ehr.url)) as node,
    ):
        keys = ApiKeys(Places.of(node.settings).api_keys)
        key = keys.add("dr-a", datetime.now(UTC), reviewer="urn:oid:1.2.276.99.7|R-12", reviewer_name="Dr A")
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait(lambda: node.reports("status=registered"), "the registered report")
        run = node.wait_for_run("finished", "failed")
        node.wait_for_delivery(run.run_id)
        assert statuses(ehr, "DiagnosticReport") == {"partial"}
        assert review(node, key, run, verdict="rejected").status_code == 422
        assert review(node, key, run, verdict="accepted", comment="Agreed").status_code == 201
        node.kill()
        node.start()
        node.wait(lambda: statuses(ehr, "DiagnosticReport") == {"final"}, "the review at the EHR")
        node.wait_for_delivery(run.run_id)
        assert statuses(ehr, "Observation") == {"final"}
        (report,) = node.reports()
        assert report["status"] == "final"
        assert history(node, "DiagnosticReport") == ["registered", "partial", "final"]
        assert history(node, "Task") == ["requested", "in-progress", "completed", "completed"]

        node.ainode("runs", "review", run.run_id, "rejected", "--reviewer", "urn:oid:1.2|R-1", "--reason", "Motion")
        node.wait(lambda: statuses(ehr, "Observation") == {"entered-in-error"}, "the rejection at the EHR")
        node.wait_for_delivery(run.run_id)
        assert statuses(ehr, "DiagnosticReport") == {"entered-in-error"}
        assert "rejected by R-1" in node.ainode("runs").stdout
