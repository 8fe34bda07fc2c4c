"""Deliveries that nobody foresaw: none is lost, none is called delivered, and none holds up another."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ainode.deliver.destination import Result
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.deliver.results import Results
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal, DeliveryRow
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.web.requests import RequestLog
from ainode_models.errors import EncodingError

SPEC = RunSpec("1.2", "rule", "model", "1", "ab", {"T1": ("1.2.1",)}, ("fhir",), ("ehr",), 10)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def runs(engine: Engine) -> RunJournal:
    return RunJournal(engine, time.time)


@pytest.fixture
def deliveries(engine: Engine) -> DeliveryJournal:
    return DeliveryJournal(engine, time.time)


def finished(runs: RunJournal, spec: RunSpec) -> str:
    assert runs.create(spec)
    report = ResultRow(spec.run_id, "FHIR", f"{spec.run_id}/report.json")
    runs.finished(spec.run_id, outcome="findings", reason=None, objects=[report])
    return spec.run_id


def row_of(deliveries: DeliveryJournal, run_id: str) -> DeliveryRow:
    (row,) = deliveries.of_run(run_id)
    return row


class Ehr:
    """Shows everything, except where its answer makes no sense."""

    def __init__(self, odd: str) -> None:
        self._odd = odd

    def shows(self, result: Result) -> bool:
        """Whether it has the result."""
        if result.run_id == self._odd:
            raise KeyError("id")
        return True

    def send(self, result: Result) -> None:
        """Never called."""
        raise AssertionError


def test_an_answer_that_nobody_foresaw_delays_its_delivery_and_no_other(
    runs: RunJournal, deliveries: DeliveryJournal
) -> None:
    bad, good = finished(runs, SPEC), finished(runs, replace(SPEC, study_uid="1.3"))
    box = Outbox(
        "ehr",
        Ehr(bad),
        deliveries,
        policy=RetryPolicy(60, 60, 600),
        result=lambda run_id: Result(run_id, "1.2", (), ()),
        clock=time.time,
    )
    assert [box.step(), box.step()] == [1, 1]
    assert [row_of(deliveries, run_id).state for run_id in (bad, good)] == ["pending", "delivered"]
    assert row_of(deliveries, bad).reason == "internal error (KeyError); the node's log has the details"
    assert box.step() == 0


def test_a_report_whose_file_is_gone_does_not_count_as_nothing_to_deliver(runs: RunJournal, tmp_path: Path) -> None:
    run_id = finished(runs, SPEC)
    with pytest.raises(EncodingError, match="is gone from the results folder"):
        Results(runs, tmp_path / "results").get(run_id)


def test_the_result_of_a_run_that_was_replaced_cannot_be_replayed(
    runs: RunJournal, deliveries: DeliveryJournal
) -> None:
    old = finished(runs, SPEC)
    sending = row_of(deliveries, old)
    finished(runs, replace(SPEC, retry=1))
    assert not deliveries.replay(sending.id)
    deliveries.dead(sending, "refused while it was replaced")
    assert row_of(deliveries, old).state == "superseded"
    deliveries.delivered(sending)
    assert not deliveries.replay(sending.id)


def test_made_up_http_methods_make_no_new_time_series() -> None:
    client = TestClient(RequestLog(Starlette()))
    for word in ("BREW", "X1", "X2"):
        client.request(word, "/")
    methods = {
        sample.labels["method"]
        for metric in REGISTRY.collect()
        if metric.name == "ainode_http_requests"
        for sample in metric.samples
    }
    assert "other" in methods
    assert not methods & {"BREW", "X1", "X2"}
