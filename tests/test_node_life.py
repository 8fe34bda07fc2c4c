"""The life of a report on the node: registered, its result, a human's review, and what a later run makes of it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from ainode.deliver.ehr import EhrDestination
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.deliver.results import Results
from ainode.encode.registration import Registrations
from ainode.encode.reviewing import REVIEW, Reviewing
from ainode.journal.priors import PriorJournal
from ainode.journal.reviews import ReviewDraft, ReviewJournal
from ainode.journal.runs import RunSpec
from ainode.journal.tables import instances
from ainode.run.announcements import Announcements
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import REPLACES, report_id
from ainode_fhir.push import FhirDestination
from ainode_fhir.review import Reviewer
from ainode_fhir.site import Site
from ainode_fhir.tables import resource_table
from ainode_fhir.task import task_id
from ainode_models.errors import InputError
from ainode_models.registry import Registry
from peers.fhir_receiver import own_receiver
from peers.shared_data import ROOT
from test_node_runs import Bench

RADIOLOGIST = Reviewer("urn:oid:1.2.276.99.7", "R-12", "Dr A. Radiologist")


class Life(Bench):
    """The run stage as the node has it, with announcements and reviews."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reviews = ReviewJournal(self.engine, time.time)
        self.announcements = Announcements(
            runs=self.runs,
            reviews=self.reviews,
            instances=self.instances,
            spool=self.spool,
            registry=Registry(ROOT / "models"),
            store=self.store,
            site=Site(),
        )
        self.stages = replace(self.stages, announcements=self.announcements, reviews=self.reviews)
        self.reviewing = Reviewing(
            reviews=self.reviews,
            results=self.results,
            store=self.store,
            site=Site(),
            destinations=["pacs"],
            tell=self.announcements.tell,
        )

    def accepted(self, spec: RunSpec) -> str:
        """Id of a new run that was announced."""
        run_id = self.queued(spec)
        self.announcements.register(run_id)
        return run_id

    def review(self, run_id: str, verdict: Any, **more: Any) -> None:
        """A review, and its effect."""
        self.reviews.add(ReviewDraft(run_id=run_id, verdict=verdict, reviewer=RADIOLOGIST, via="test", **more))
        assert self.reviewing.step() == 1

    def task(self, run_id: str) -> Json:
        """The Task of a run in the store."""
        stored = self.store.read("Task", task_id(run_id))
        assert stored
        return stored.content

    def report(self, run_id: str) -> Json:
        """The report of a run in the store."""
        stored = self.store.read("DiagnosticReport", report_id(run_id))
        assert stored
        return stored.content

    def states(self, run_id: str) -> tuple[str, str, str | None]:
        """Status of report and Task, and the Task's business status."""
        task = self.task(run_id)
        business = task["businessStatus"]["coding"][0]["code"] if "businessStatus" in task else None
        return self.report(run_id)["status"], task["status"], business

    def versions(self) -> int:
        """Of all resources."""
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(resource_table)) or 0


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.engine.dispose()


def again(spec: RunSpec) -> RunSpec:
    """Another run of the same rule on the study, which takes the place of the one before."""
    return replace(spec, outputs=(*spec.outputs, "pdf"))


def test_report_and_task_are_there_from_the_acceptance_to_the_end_and_a_replay_writes_nothing(life: Life) -> None:
    run_id = life.accepted(life.study())
    assert life.states(run_id) == ("registered", "requested", None)
    registered = life.versions()
    life.announcements.register(run_id)
    assert life.versions() == registered
    assert life.runs.started(run_id)
    for _ in range(2):
        life.stages.prepare(run_id)
        assert life.states(run_id) == ("registered", "in-progress", None)
    assert life.versions() == registered + 1
    life.stages.infer(run_id)
    life.stages.encode(run_id)
    assert life.states(run_id) == ("partial", "completed", "unreviewed")
    ended = life.versions()
    life.stages.encode(run_id)
    life.announcements.register(run_id)
    life.announcements.tell(run_id)
    assert life.versions() == ended
    task = life.task(run_id)
    assert set(task["executionPeriod"]) == {"start", "end"}
    assert task["output"][0]["valueReference"]["reference"] == f"DiagnosticReport/{report_id(run_id)}"


@pytest.mark.parametrize(("refused", "status"), [(True, "rejected"), (False, "failed")])
def test_a_run_that_ends_badly_says_why_in_its_task(life: Life, refused: bool, status: str) -> None:
    run_id = life.accepted(life.study())
    assert life.runs.started(run_id)
    for _ in range(2):
        life.stages.fail(run_id, "the series is a localizer", refused=refused)
    assert life.states(run_id) == ("cancelled", status, None)
    assert life.task(run_id)["statusReason"]["text"] == "the series is a localizer"


def test_a_failure_of_which_no_report_can_be_written_leaves_no_registered_report(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = life.accepted(life.study())
    assert life.runs.started(run_id)
    monkeypatch.setattr(type(life.stages), "_report_failure", lambda *_args, **_more: 1 / 0)
    life.stages.fail(run_id, "out of memory")
    assert life.states(run_id) == ("cancelled", "failed", None)
    assert "out of memory" in life.report(run_id)["conclusion"]


def test_a_run_that_is_replaced_before_it_begins_is_cancelled_and_never_withdrawn(life: Life) -> None:
    spec = life.study()
    first, second = life.accepted(spec), life.accepted(again(spec))
    assert life.states(first) == ("cancelled", "cancelled", None)
    assert second in life.task(first)["statusReason"]["text"]
    assert life.ran(second).outcome == "findings"
    assert life.states(first) == ("cancelled", "cancelled", None)
    assert not (life.results / second / "withdrawal.json").exists()


def test_a_run_whose_images_or_model_are_gone_is_not_announced_and_holds_up_nothing(life: Life) -> None:
    run_id = life.queued(replace(life.study(), model="gone"))
    life.announcements.register(run_id)
    assert life.store.read("Task", task_id(run_id)) is None
    quiet = life.queued(replace(life.study("2"), outputs=("sr",)))
    life.announcements.register(quiet)
    assert life.store.read("Task", task_id(quiet)) is None
    assert life.ran(quiet).outcome == "findings"


def test_an_unread_result_is_withdrawn_by_the_next_run(life: Life) -> None:
    spec = life.study()
    first = life.accepted(spec)
    life.ran(first)
    second = life.accepted(again(spec))
    assert life.states(first) == ("partial", "completed", "superseded")
    life.ran(second)
    assert life.states(first) == ("entered-in-error", "completed", "superseded")
    assert life.states(second) == ("partial", "completed", "unreviewed")


def test_a_result_that_a_human_accepted_is_not_withdrawn_and_the_next_run_stands_beside_it(life: Life) -> None:
    spec = life.study()
    first = life.accepted(spec)
    life.ran(first)
    life.review(first, "accepted")
    assert life.states(first) == ("final", "completed", "accepted")
    accepted = life.report(first)
    second = life.accepted(again(spec))
    life.ran(second)
    assert life.report(first) == accepted
    assert life.states(second) == ("partial", "completed", "unreviewed")
    new = life.report(second)
    assert new["extension"][0]["url"] == REPLACES
    assert f"(run {first}) was accepted by a human" in new["conclusion"]
    assert first in life.task(second)["note"][0]["text"]
    assert second in life.task(first)["note"][0]["text"]
    assert not (life.results / second / "withdrawal.json").exists()
    life.review(first, "rejected", reason="the newer one has all images")
    assert life.states(first) == ("entered-in-error", "completed", "rejected")


def test_a_replaced_result_cannot_be_reviewed_and_a_rejected_one_is_withdrawn_once(life: Life) -> None:
    spec = life.study()
    first = life.accepted(spec)
    life.ran(first)
    life.review(first, "rejected", reason="motion")
    rejected = life.report(first)
    second = life.accepted(again(spec))
    with pytest.raises(InputError, match=f"run {second} on more images replaces it"):
        life.review(first, "accepted")
    life.ran(second)
    assert life.report(first) == rejected
    life.stages.encode(second)
    assert life.report(first) == rejected


def test_a_run_without_a_result_cannot_be_reviewed(life: Life) -> None:
    waiting = life.accepted(life.study())
    failed = life.accepted(life.study("2"))
    assert life.runs.started(failed)
    life.stages.fail(failed, "out of memory")
    for run_id in (waiting, failed, "no-such-run"):
        with pytest.raises(InputError, match="has no result"):
            life.review(run_id, "accepted")
    assert life.reviews.pending() == []


def test_the_last_review_counts_and_is_made_from_the_result_not_from_the_review_before(life: Life) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    life.review(run_id, "rejected", reason="wrong patient")
    assert life.states(run_id) == ("entered-in-error", "completed", "rejected")
    life.review(run_id, "accepted", comment="It was the right one")
    assert life.states(run_id) == ("final", "completed", "accepted")
    assert "wrong patient" not in life.report(run_id)["conclusion"]
    rows = life.reviews.of_run(run_id)
    assert [(row.review.number, row.review.verdict, row.state) for row in rows] == [
        (1, "rejected", "applied"),
        (2, "accepted", "applied"),
    ]


@pytest.mark.parametrize("cut", ["before the files", "after the files", "after the store"])
def test_a_node_that_is_killed_within_a_review_applies_it_after_the_restart_once(
    life: Life, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    life.reviews.add(ReviewDraft(run_id=run_id, verdict="accepted", reviewer=RADIOLOGIST, via="test"))
    where = {
        "before the files": (Reviewing, "_write"),
        "after the files": (type(life.store), "apply"),
        "after the store": (ReviewJournal, "applied"),
    }
    with monkeypatch.context() as killed:
        killed.setattr(*where[cut], lambda *_args: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            life.reviewing.step()
    assert [row.state for row in life.reviews.pending()] == ["pending"]
    assert [row.version for row in life.deliveries.of_run(run_id)] == [1]
    assert life.reviewing.step() == 1
    assert life.states(run_id) == ("final", "completed", "accepted")
    stored = life.store.read("DiagnosticReport", report_id(run_id))
    assert stored
    assert stored.version == 3  # registered, partial, final
    assert [(row.version, row.state) for row in life.deliveries.of_run(run_id)] == [(2, "pending")]
    assert life.reviewing.step() == 0


def test_an_attempt_under_way_does_not_end_the_delivery_of_a_review_that_came_meanwhile(life: Life) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    (before,) = life.deliveries.due("pacs")
    life.review(run_id, "accepted")
    life.deliveries.delivered(before)
    life.deliveries.dead(before, "refused")
    (row,) = life.deliveries.due("pacs")
    assert (row.version, row.state, row.attempts) == (2, "pending", 0)
    life.deliveries.delivered(row)
    assert life.deliveries.due("pacs") == []


def test_a_review_of_a_result_whose_files_are_gone_is_kept_and_says_so(life: Life) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    (life.results / run_id / "findings.json").unlink()
    life.review(run_id, "accepted")
    (row,) = life.reviews.of_run(run_id)
    assert (row.state, row.trouble and "kept nothing to review" in row.trouble) == ("failed", True)
    assert life.states(run_id)[0] == "partial"


def test_a_result_that_was_rejected_or_edited_is_no_prior(life: Life) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    later = life.accepted(life.study("2"))
    with life.engine.begin() as connection:  # both studies are of one patient
        connection.execute(instances.update().values(patient="same"))
    priors = PriorJournal(life.engine)

    def found() -> list[str]:
        return [row.run_id for row in priors.reports(life.runs.get(later))]

    assert found() == [run_id]
    life.review(run_id, "rejected", reason="motion")
    assert found() == []
    life.review(run_id, "accepted")
    assert found() == [run_id]


def test_what_is_pushed_after_a_review_is_in_the_runs_folder(life: Life) -> None:
    run_id = life.accepted(life.study())
    life.ran(run_id)
    life.review(run_id, "accepted")
    bundle = json.loads((life.results / run_id / REVIEW).read_text())
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds.count("Provenance") == 2
    assert {"Patient", "ImagingStudy", "DiagnosticReport", "Device", "Organization"} < set(kinds)


@pytest.fixture
def told(life: Life) -> Life:
    """The same with a destination, pacs, that asks for registered reports."""
    registrations = Registrations(life.deliveries, life.results, ["pacs", "other"])
    life.announcements = replace(life.announcements, registrations=registrations)
    life.stages = replace(life.stages, announcements=life.announcements)
    return life


def deliver(life: Life, server: FhirDestination) -> None:
    """What is due for the destination that asks, as its outbox does it."""
    results = partial(Results(life.runs, life.results).get, registered=True)
    policy = RetryPolicy(1, 1, 1)
    outbox = Outbox(
        "pacs", EhrDestination(server), life.deliveries, policy=policy, result=results, clock=time.time, in_order=True
    )
    while outbox.step():
        pass
    assert {row.state for row in life.deliveries.all()} <= {"delivered", "superseded"}


def test_a_destination_that_asks_sees_each_state_of_the_report_and_one_report(told: Life, tmp_path: Path) -> None:
    with own_receiver(tmp_path) as ehr, httpx.Client(trust_env=False) as client:
        server = FhirDestination(ehr.url, client)

        def statuses() -> list[str]:
            entries = client.get(f"{ehr.url}/DiagnosticReport?_sort=_lastUpdated").json().get("entry", [])
            return [entry["resource"]["status"] for entry in entries]

        spec = told.study()
        run_id = told.accepted(spec)
        told.announcements.register(run_id)
        deliver(told, server)
        assert statuses() == ["registered"]
        told.ran(run_id)
        deliver(told, server)
        assert statuses() == ["partial"]
        told.review(run_id, "accepted")
        deliver(told, server)
        assert statuses() == ["final"]
        never = told.accepted(again(spec))
        deliver(told, server)
        told.accepted(replace(again(spec), outputs=("fhir",)))
        assert told.states(never)[0] == "cancelled"
        for _ in range(2):
            told.announcements.tell(never)
            deliver(told, server)
        assert statuses() == ["final", "cancelled", "registered"]
        assert [row.version for row in told.deliveries.of_run(never)] == [2]
        assert client.get(f"{ehr.url}/Task").json()["total"] == 0
        assert client.get(f"{ehr.url}/Patient").json()["total"] == 1


def test_a_destination_that_does_not_ask_gets_the_result_alone(told: Life) -> None:
    run_id = told.accepted(told.study())
    told.ran(run_id)
    result = Results(told.runs, told.results).get(run_id)
    assert ([path.name for path in result.bundles], result.change) == (["report.json"], None)
    quiet = told.accepted(replace(told.study("2"), destinations=("archive",)))
    assert told.deliveries.of_run(quiet) == []
