"""The journal: what makes a run the same run, what replaces what, and tables that the migrations really make."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from ainode.journal import tables
from ainode.journal.database import MIGRATIONS, open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal, Place, StoredInstance
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.journal.studies import StudyJournal
from ainode_fhir import tables as fhir_tables
from ainode_fhir.search import parse_search
from ainode_fhir.smart import tables as access_tables
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription import tables as subscription_tables
from ainode_models.findings import Outcome
from peers.postgres import PostgresServer

SPEC = RunSpec(
    study_uid="1.2.3",
    rule="head",
    model="t1-head-demo",
    model_version="1.0.0",
    weights_sha256="ab" * 32,
    inputs={"T1": ("1.2.3.1", "1.2.3.2"), "T2": ("1.2.3.3",)},
    outputs=("seg", "sr", "fhir"),
    destinations=("orthanc", "ehr"),
    priority=5,
)

OTHERS = (fhir_tables.metadata, access_tables.metadata, subscription_tables.metadata)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database(tmp_path.name)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def test_opening_twice_gives_exactly_the_tables_that_the_code_uses(engine: sa.Engine, url: str) -> None:
    open_database(url).dispose()
    # Of SQLite, alembic takes '' and an empty text for two defaults.
    options = {"compare_server_default": engine.dialect.name == "postgresql"}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, [tables.metadata, *OTHERS]) == []  # type: ignore[arg-type]


def test_a_change_of_the_tables_without_a_migration_would_be_noticed(engine: sa.Engine) -> None:
    changed = sa.MetaData()
    for table in tables.metadata.tables.values():
        copy = table.to_metadata(changed)
        if table.name == "runs":
            copy.append_column(sa.Column("forgotten", sa.Text))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), [changed, *OTHERS])  # type: ignore[arg-type]
    assert [(change[0], change[3].name) for change in found] == [("add_column", "forgotten")]


@pytest.mark.parametrize(
    "same",
    [
        {"inputs": {"T2": ("1.2.3.3",), "T1": ("1.2.3.2", "1.2.3.1")}},
        {"outputs": ("fhir", "seg", "sr")},
        {"rule": "renamed"},
        {"destinations": ("elsewhere",)},
        {"priority": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_run_is_the_same_whatever_does_not_change_its_result(same: dict[str, object]) -> None:
    assert replace(SPEC, **same).run_id == SPEC.run_id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"study_uid": "1.2.4"},
        {"model": "other"},
        {"model_version": "1.0.1"},
        {"weights_sha256": "cd" * 32},
        {"inputs": {"T1": ("1.2.3.1", "1.2.3.2")}},
        {"inputs": {"T1": ("1.2.3.1",), "T2": ("1.2.3.2", "1.2.3.3")}},
        {"inputs": {"T2": ("1.2.3.1", "1.2.3.2"), "T1": ("1.2.3.3",)}},
        {"outputs": ("seg", "sr")},
        {"retry": 1},
        {"volumes": {"T1": {"EchoTime": 30}}},
    ],
    ids=str,
)
def test_a_run_is_another_one_when_its_result_may_differ(other: dict[str, object]) -> None:
    assert replace(SPEC, **other).run_id != SPEC.run_id  # type: ignore[arg-type]


def test_a_run_of_one_volume_series_has_the_id_that_earlier_versions_gave_it() -> None:
    assert SPEC.run_id == "86895164-903f-5ca7-b031-974eab463221"
    first, second = ({"T1": {"EchoTime": echo}} for echo in (30, 90))
    assert replace(SPEC, volumes=first).run_id != replace(SPEC, volumes=second).run_id


def test_a_run_keeps_which_volumes_its_rule_wants_and_one_of_an_earlier_version_wants_none(engine: sa.Engine) -> None:
    runs = RunJournal(engine, time.time)
    choosy = replace(SPEC, volumes={"T1": {"DiffusionBValue": {"max": 10.5}, "number": 1}})
    assert runs.create(choosy)
    assert runs.get(choosy.run_id).spec == choosy
    assert runs.create(SPEC)
    with engine.begin() as connection:
        earlier = {key: value for key, value in asdict(SPEC).items() if key != "volumes"}
        query = tables.runs.update().where(tables.runs.c.run_id == SPEC.run_id)
        connection.execute(query.values(spec=earlier))
    assert runs.get(SPEC.run_id).spec == SPEC


def finish(runs: RunJournal, spec: RunSpec) -> None:
    row = ResultRow(spec.run_id, "SR", f"{spec.run_id}/sr.dcm", "1.2", f"2.25.{spec.retry}", "1.4")
    runs.finished(spec.run_id, outcome=Outcome.FINDINGS, reason=None, objects=[row])


def test_late_images_replace_the_run_before_and_what_of_it_was_not_yet_delivered(engine: sa.Engine) -> None:
    runs, deliveries = RunJournal(engine, time.time), DeliveryJournal(engine, time.time)
    late = replace(SPEC, inputs={"T1": ("1.2.3.1", "1.2.3.2", "1.2.3.9"), "T2": ("1.2.3.3",)})
    assert runs.create(SPEC)
    assert not runs.create(replace(SPEC, destinations=("elsewhere",)))
    finish(runs, SPEC)
    finish(runs, SPEC)
    deliveries.delivered(deliveries.due("orthanc")[0])
    assert runs.create(late)
    assert not runs.create(SPEC)
    assert {row.destination: row.state for row in deliveries.of_run(SPEC.run_id)} == {
        "orthanc": "delivered",
        "ehr": "superseded",
    }
    old, new = runs.get(SPEC.run_id), runs.get(late.run_id)
    assert (old.state, old.outcome, old.spec, old.superseded_by) == ("finished", "findings", SPEC, late.run_id)
    assert (new.number, new.supersedes, new.spec) == (2, SPEC.run_id, late)
    assert runs.made_here(["2.25.0", "2.25.1"]) == {"2.25.0"}


def test_a_run_that_was_replaced_while_it_ran_delivers_nothing(engine: sa.Engine) -> None:
    runs, deliveries = RunJournal(engine, time.time), DeliveryJournal(engine, time.time)
    runs.create(SPEC)
    runs.create(replace(SPEC, retry=1))
    finish(runs, SPEC)
    assert deliveries.all() == []
    assert runs.get(SPEC.run_id).state == "finished"


def index(instances: InstanceJournal, uid: str) -> None:
    instances.stored([StoredInstance(uid, uid, f"{uid}.dcm", 1, "C-STORE SCU")])
    instances.settle([Place(instances.to_index()[0].id, "1.2.3", "1.2.3.4", "1.2")], [])


def test_a_verdict_does_not_stand_when_an_instance_came_while_it_was_reached(engine: sa.Engine) -> None:
    now = [1_700_000_000.123456]
    instances, studies = (kind(engine, lambda: now[0]) for kind in (InstanceJournal, StudyJournal))
    assert isinstance(instances, InstanceJournal)
    assert isinstance(studies, StudyJournal)
    index(instances, "1.1")
    (seen,) = studies.due()
    now[0] += 0.001
    index(instances, "1.2")
    assert not studies.settle(seen, "routed", "complete")
    assert [row.state for row in studies.due()] == ["receiving"]
    assert studies.settle(studies.due()[0], "routed", "complete")
    assert studies.due() == studies.open() == []
    now[0] += 1
    index(instances, "1.3")
    assert [(row.state, row.complete_at) for row in studies.due()] == [("receiving", None)]


def test_a_change_of_an_archive_and_the_place_in_its_feed_are_kept_together_or_not_at_all(
    engine: sa.Engine, url: str
) -> None:
    studies = StudyJournal(engine, time.time)
    studies.touched("orthanc", ("1.2.3",), "17")
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE feed_positions RENAME TO away"))
    with pytest.raises(sa.exc.DBAPIError):
        studies.touched("orthanc", ("1.2.3", "1.2.4"), "18")
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO feed_positions"))
    assert studies.position("orthanc") == "17"
    assert [uid for uid, _ in studies.to_fetch("orthanc", settled=0)] == ["1.2.3"]


def test_a_study_that_changes_while_it_is_fetched_is_fetched_again(engine: sa.Engine) -> None:
    now: Callable[[], float] = iter(range(100)).__next__
    studies = StudyJournal(engine, now)
    studies.touched("orthanc", ("1.2.3",), "1")
    ((uid, touched_at),) = studies.to_fetch("orthanc", settled=0)
    studies.touched("orthanc", ("1.2.3",), "2")
    studies.fetched("orthanc", uid, touched_at)
    ((uid, touched_at),) = studies.to_fetch("orthanc", settled=0)
    studies.fetched("orthanc", uid, touched_at)
    assert studies.to_fetch("orthanc", settled=0) == []


def test_objects_come_in_the_order_in_which_they_refer_to_each_other_and_of_their_numbers(engine: sa.Engine) -> None:
    runs = RunJournal(engine, time.time)
    assert runs.create(SPEC)
    kinds = ["SEG", "LABELMAP", "SPLIT1", "SPLIT2", "SPLIT10", "SPLIT255", "SC1", "SR", "TREE", "PDF", "FHIR"]
    rows = [ResultRow(SPEC.run_id, kind, f"{SPEC.run_id}/{kind}") for kind in sorted(kinds)]
    runs.finished(SPEC.run_id, outcome="findings", reason=None, objects=rows)
    assert [row.kind for row in runs.objects(SPEC.run_id)] == kinds


def test_resources_from_before_the_newest_migration_can_be_sorted_and_found_by_name(url: str) -> None:
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        old = ("type", "id", "version", "last_updated", "current", "deleted", "content")
        for resource in (
            {"resourceType": "Patient", "id": "p", "name": [{"family": "Núñez"}], "birthDate": "1950-01-02"},
            {"resourceType": "DiagnosticReport", "id": "r", "status": "partial", "issued": "2026-03-04T10:20:30Z"},
        ):
            row = (resource["resourceType"], resource["id"], 1, 1_000_000, True, False, json.dumps(resource))
            table = sa.table("fhir_resource", *(sa.column(name) for name in old))
            connection.execute(table.insert(), [dict(zip(old, row, strict=True))])
    engine.dispose()
    engine = open_database(url)
    store = ResourceStore(engine, clock=lambda: datetime(2026, 3, 5, tzinfo=UTC))
    query = parse_search("Patient", [("family", "nunez"), ("birthdate", "1950"), ("_sort", "birthdate")], strict=True)
    assert [patient.id for patient in store.search(query).resources] == ["p"]
    with engine.connect() as connection:
        columns = (fhir_tables.resource_table.c[name] for name in ("id", "status", "date", "issued"))
        rows = {row.id: tuple(row)[1:] for row in connection.execute(sa.select(*columns))}
    issued = datetime(2026, 3, 4, 10, 20, 30, tzinfo=UTC).timestamp() * 1_000_000
    assert rows == {
        "r": ("partial", int(fhir_tables.NO_DATE), issued),
        "p": ("", -631065600000000, int(fhir_tables.NO_DATE)),
    }
    engine.dispose()
