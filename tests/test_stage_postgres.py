"""The node on PostgreSQL, journal and workflows in one database as docker-compose.postgres.yml has it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from peers.dcmtk import storescu
from peers.head_study import write_head
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from peers.postgres import PostgresServer
from test_loop_ways_in import results_in


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, orthanc: OrthancServer, quick_models: Path
) -> Iterator[NodeServer]:
    url = postgres.database("node")
    more = f'[database]\nurl = "{url}"\nworkflow_url = "{url}"\n'
    with NodeServer(tmp_path_factory.mktemp("node"), orthanc, models=quick_models, more=more) as node:
        yield node


def healthy(node: NodeServer) -> bool:
    return httpx.get(f"{node.url}/health", trust_env=False).status_code == 200


def test_killed_while_the_model_runs_the_study_is_finished_once(
    tmp_path: Path, node: NodeServer, orthanc: OrthancServer
) -> None:
    study_uid, files = write_head(tmp_path, 201)
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: '"model process started"' in node.log.read_text(), "the model to be called")
    node.kill()
    assert node.look(lambda book: book.runs.all()[0].state) == "running"
    node.start()
    run = node.wait_for_run("finished", "failed")
    assert run.outcome == "findings", run.reason
    node.wait_for_delivery(run.run_id)
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: node.look(lambda book: not book.studies.due()), "the study to be looked at")
    assert [len(uids) for uids in results_in(orthanc, study_uid).values()] == [1, 1]
    assert len(node.reports("status=partial")) == 1
    assert list((node.folder / "state").glob("*.sqlite*")) == []


def test_what_happened_is_in_the_metrics_and_in_one_log_line_each(node: NodeServer) -> None:
    """Counted since the restart of the test before, logged since the beginning."""
    metrics = httpx.get(f"{node.url}/metrics", trust_env=False).text
    assert 'ainode_runs_total{model="t1-head-demo",outcome="findings"} 1.0' in metrics
    assert 'ainode_run_seconds_count{model="t1-head-demo"} 1.0' in metrics
    assert 'ainode_deliveries_total{destination="orthanc",result="delivered"} 1.0' in metrics
    lines = [json.loads(line) for line in node.log.read_text().splitlines() if line.startswith("{")]
    (run,) = (line for line in lines if line["event"] == "run")
    assert (run["model"], run["outcome"], run["level"]) == ("t1-head-demo@1.0.0", "findings", "info")
    assert len([line for line in lines if line["event"] == "association"]) == 2
    asked = {line["path"] for line in lines if line["event"] == "request"}
    assert asked >= {"/health", "/fhir/DiagnosticReport"}
    assert not re.search("PHANTOM|ACC201|status=partial", node.log.read_text())


def test_while_the_database_is_away_objects_are_kept_and_afterwards_all_goes_on(
    tmp_path: Path, node: NodeServer, postgres: PostgresServer, orthanc: OrthancServer
) -> None:
    study_uid, files = write_head(tmp_path, 202)
    postgres.stop()
    node.wait(lambda: not healthy(node), "the health to say so")
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    postgres.start()
    node.wait(lambda: healthy(node), "the database")
    run = node.wait_for_run("finished", "failed", count=2)
    assert (run.study_uid, run.outcome) == (study_uid, "findings")
    node.wait_for_delivery(run.run_id)
    assert [len(uids) for uids in results_in(orthanc, study_uid).values()] == [1, 1]
    failures = [line for line in node.log.read_text().splitlines() if '"step failed"' in line]
    assert len(failures) < 100, "an outage is not worth a line for every try"
