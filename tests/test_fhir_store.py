"""The FHIR store keeps each version once and all of a transaction or none of it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import Engine, create_engine, func, select

from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.query import Query
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.stored import Stored
from ainode_fhir.supersede import superseded_bundle
from ainode_fhir.tables import index_table, metadata, resource_table
from peers.fhir_samples import NEGATIVE, OBJECTS, POSITIVE, STUDY, Clock

SITE = Site()
BUNDLE = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE)
ENTRIES = as_json(BUNDLE)["entry"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'fhir.db'}")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> ResourceStore:
    return ResourceStore(engine, clock=Clock())


def versions(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(resource_table)) or 0


def test_applying_the_same_bundle_again_makes_no_new_version(store: ResourceStore, engine: Engine) -> None:
    first = store.apply(BUNDLE)
    assert store.apply(BUNDLE) == first
    assert versions(engine) == len(ENTRIES)


def test_changed_content_makes_the_next_version_and_searches_see_only_that(store: ResourceStore) -> None:
    store.apply(BUNDLE)
    store.apply(report_bundle(POSITIVE, replace(STUDY, description="MR head, more images"), OBJECTS, site=SITE))
    (study,) = store.search(Query("ImagingStudy")).resources
    assert study.version == 2
    assert study.content["description"] == "MR head, more images"
    (report,) = store.search(Query("DiagnosticReport")).resources
    assert report.version == 1


def test_a_superseded_result_is_found_whole_and_withdrawn_without_touching_the_patient(store: ResourceStore) -> None:
    store.apply(BUNDLE)
    earlier = store.result_of(report_id("run-positive"))
    assert len(earlier) == len(ENTRIES) - 1  # all but the Provenance, which points at the report
    store.apply(superseded_bundle(earlier, base_url=SITE.base_url))
    (report,) = store.search(Query("DiagnosticReport")).resources
    assert (report.version, report.content["status"]) == (2, "entered-in-error")
    (patient,) = store.search(Query("Patient")).resources
    assert patient.version == 1
    assert store.result_of("no-such-report") == []


def test_a_deleted_resource_is_remembered_as_deleted_and_found_by_no_search(store: ResourceStore) -> None:
    store.apply(BUNDLE)
    url = f"DiagnosticReport/{report_id('run-positive')}"
    removal = Bundle.model_validate({"type": "transaction", "entry": [{"request": {"method": "DELETE", "url": url}}]})
    store.apply(removal)
    store.apply(removal)
    stored = store.read(*url.split("/"))
    assert stored is not None
    assert (stored.deleted, stored.version) == (True, 2)
    assert store.search(Query("DiagnosticReport")).total == 0
    store.apply(BUNDLE)
    assert store.search(Query("DiagnosticReport")).total == 1


def test_a_transaction_that_fails_half_way_leaves_nothing(store: ResourceStore, engine: Engine) -> None:
    entries = as_json(BUNDLE)["entry"]
    entries[-1]["request"]["url"] = "Basic/1"  # a type without index: the last write fails
    entries[-1]["resource"] = {"resourceType": "Basic", "id": "1", "code": {"text": "x"}}
    with pytest.raises(KeyError):
        store.apply(Bundle.model_validate({"type": "transaction", "entry": entries}))
    assert versions(engine) == 0
    with engine.connect() as connection:
        assert connection.execute(select(index_table)).first() is None


def test_writers_at_the_same_time_make_one_version_of_each_resource(store: ResourceStore, engine: Engine) -> None:
    negative = report_bundle(NEGATIVE, STUDY, OBJECTS, site=SITE)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.apply, [BUNDLE, negative] * 4))
    distinct = {entry["request"]["url"] for entry in (*ENTRIES, *as_json(negative)["entry"])}
    assert versions(engine) == len(distinct)


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceType": "Device", "id": "d"}',
        '{"resourceType": "Device", "id": "d", "meta": {}}',
        '{"resourceType": "Device", "id": "d", "meta": {"tag": [{"code": "}"}]}, "status": "active"}',
        '{"resourceType": "Device", "id": "d", "meta": {"versionId": "9", "lastUpdated": "1999"}}',
        '{"resourceType": "Device", "id": "d", "status": "active", "meta": {"tag": []}}',
        '{"id": "d", "resourceType": "Device", "manufacturer": "\\u00e4 \\"meta\\": {"}',
        '{"resourceType": "Device", "id": "d", "manufacturer": ", \\"meta\\": {"}',
        '{"resourceType":"Device","id":"d","meta":{"tag":[]}}',
    ],
)
def test_the_stamp_that_is_put_into_the_text_is_that_of_the_resource_that_was_read(text: str) -> None:
    stored = Stored("Device", "d", 3, 1_790_000_000_000_000, False, text)
    assert json.loads(stored.body_text) == stored.body
    assert stored.body["meta"]["versionId"] == "3"
    assert stored.body_text.count('"lastUpdated"') == 1
