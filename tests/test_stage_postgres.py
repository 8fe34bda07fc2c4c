"""The node on PostgreSQL, journal and workflows in one database as docker-compose.postgres.yml has it."""

from collections.abc import Iterator
from pathlib import Path

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


def test_a_node_on_postgresql_finishes_the_study_after_it_was_killed_while_the_model_ran(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    study_uid, files = write_head(tmp_path / "study")
    url = postgres.database("node")
    more = f'[database]\nurl = "{url}"\nworkflow_url = "{url}"\n'
    with OrthancServer(tmp_path / "orthanc") as orthanc, NodeServer(tmp_path / "node", orthanc, more=more) as node:
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
        assert len(node.reports()) == 1
        assert list((node.folder / "state").glob("*.sqlite*")) == []
