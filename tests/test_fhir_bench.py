"""``make bench-fhir`` measures what the node itself would have written, and runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ainode.journal.database import open_database
from ainode_fhir.datatypes import Json
from ainode_fhir.indexing import index_rows, sort_values
from ainode_fhir.tables import index_table, resource_table
from fhir_load.filling import Filling
from peers.postgres import PostgresServer
from peers.shared_data import ROOT

KEYS = ("type", "id", "parameter", "system", "value", "low", "high")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_filled_in_is_indexed_as_the_node_indexes_it(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database("filled")
    engine = open_database(url)
    filling = Filling(engine)
    filling.fill(30)
    filling.fill(60)
    with engine.connect() as connection:
        resources = list(connection.execute(sa.select(resource_table)).mappings())
        index = connection.execute(sa.select(*(index_table.c[key] for key in KEYS))).all()
        names = {each["name"] for each in sa.inspect(connection).get_indexes("fhir_index")}
    engine.dispose()
    bodies: list[Json] = [json.loads(row["content"]) for row in resources]
    expected = [tuple(row[key] for key in KEYS) for body in bodies for row in index_rows(body)]
    assert sorted(map(repr, map(tuple, index))) == sorted(map(repr, expected))
    for row, body in zip(resources, bodies, strict=True):
        assert (row["type"], row["id"]) == (body["resourceType"], body["id"])
        assert {name: row[name] for name in ("status", "date", "issued")} == sort_values(body)
    kinds = [row["type"] for row in resources]
    assert (kinds.count("DiagnosticReport"), kinds.count("Observation")) == (60, filling.observations)
    assert kinds.count("Patient") == len(filling.patients) < 60
    assert names == {str(each.name) for each in index_table.indexes}


def test_the_bench_asks_a_node_and_writes_its_figures(tmp_path: Path) -> None:
    """The program itself; a wrong answer would end it."""
    program = [sys.executable, "benchmarks/bench_fhir.py", "--reports", "40", "--rounds", "5", "--only", "sqlite"]
    done = subprocess.run(
        [*program, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "fhir.json")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["metric"]: row["value"] for row in json.loads((tmp_path / "fhir.json").read_text())["rows"]}
    assert rows["reports"] == 40
    assert rows["sqlite_search_p95_ms"] >= rows["sqlite_search_p50_ms"] > 0
    assert rows["sqlite_searches_per_core"] > 0
