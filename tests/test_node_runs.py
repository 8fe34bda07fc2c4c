"""Runs that end badly, twice, or not at all: each ends once, says why, and holds up no other."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from dbos._dbos import _get_or_create_dbos_registry
from pydicom import dcmread

from ainode.encode.encoder import WITHDRAWAL, Encoder
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.runs import RunJournal, RunRow, RunSpec
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode.route.rule import Priority
from ainode.run.stages import RunStages
from ainode.run.volume_file import load_volumes, save_prediction
from ainode.run.workers import ModelWorkers
from ainode.run.workflow import RunQueue, RunWorkflow
from ainode_dicom_sr.equipment import Equipment
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.tables import resource_table
from ainode_models.errors import GeometryError, ModelError
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.registry import Registry
from peers.shared_data import ROOT
from peers.tiny_series import write_series

SLICES, ROWS = 3, 16


class QuickModel(ModelWorkers):
    """Finds one label everywhere, at once."""

    def predict(
        self,
        package: ModelPackage,
        inputs: Path,
        output: Path,
        *,
        explain: str | None = None,
        probabilities: bool = False,
        lacking: Sequence[str] = (),
        priority: int = Priority.ROUTINE,
    ) -> float:
        """Write the same label for every voxel."""
        save_prediction(output, Prediction(np.ones((SLICES, ROWS, ROWS), np.uint8), {1: 0.9}))
        return 0.0


class Bench:
    """The run stage with all that it needs, on a study of three small slices."""

    def __init__(self, folder: Path) -> None:
        engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.engine = engine
        self.folder = folder
        self.instances = InstanceJournal(engine, time.time)
        self.runs = RunJournal(engine, time.time)
        self.deliveries = DeliveryJournal(engine, time.time)
        self.store = ResourceStore(engine, clock=lambda: datetime.now(UTC))
        self.spool = Spool(folder / "spool")
        self.results = folder / "results"
        self.stages = RunStages(
            instances=self.instances,
            runs=self.runs,
            spool=self.spool,
            registry=Registry(ROOT / "models"),
            worker=QuickModel(device="cpu", timeout=1),
            encoder=Encoder(
                self.results, equipment=Equipment("ainode", "ainode", "1", ("1",)), site=Site(), store=self.store
            ),
            work=folder / "work",
        )

    def take(self, files: list[Path]) -> tuple[str, ...]:
        """Have the node hold ``files``; their SOP Instance UIDs."""
        uids = tuple(str(dcmread(path).SOPInstanceUID) for path in files)
        kept = [self.spool.write(uid, [path.read_bytes()]) for uid, path in zip(uids, files, strict=True)]
        rows = zip(uids, kept, strict=True)
        self.instances.stored([StoredInstance(uid, k.sha256, k.path, k.bytes, "C-STORE SCU") for uid, k in rows])
        assert Indexer(self.instances, self.spool).step() == len(files)
        return uids

    def study(self, seed: str = "1", patient_name: str | None = None) -> RunSpec:
        """A new study, and the run that is to be made of it."""
        files = write_series(self.folder / seed, images=SLICES, seed=seed, rows=ROWS)
        for path in files:
            image = dcmread(path)
            image.PatientName = patient_name or image.PatientName
            image.save_as(path)
        package = Registry(ROOT / "models").get("t1-head-demo")
        return RunSpec(
            study_uid=str(image.StudyInstanceUID),
            rule="head",
            model=package.manifest.name,
            model_version=package.manifest.version,
            weights_sha256=package.weights_sha256,
            inputs={"T1": self.take(files)},
            outputs=("seg", "sr", "fhir"),
            destinations=("pacs",),
            priority=10,
        )

    def queued(self, spec: RunSpec) -> str:
        """Id of a new run."""
        assert self.runs.create(spec)
        return spec.run_id

    def ran(self, run_id: str) -> RunRow:
        """The run after all its steps."""
        assert self.runs.started(run_id)
        self.stages.prepare(run_id)
        self.stages.infer(run_id)
        self.stages.encode(run_id)
        return self.runs.get(run_id)

    def status(self, run_id: str) -> str | None:
        """Status of the run's report in the node's FHIR store."""
        stored = self.store.read("DiagnosticReport", report_id(run_id))
        return stored.content["status"] if stored else None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.engine.dispose()


def test_a_finished_run_stays_finished_when_the_node_was_killed_before_it_noted_the_step(bench: Bench) -> None:
    """After ``finished`` is committed and the work folder is gone, DBOS does the last step again."""
    run_id = bench.queued(bench.study())
    assert bench.ran(run_id).outcome == "findings"
    report = (bench.results / run_id / "sr.dcm").read_bytes()
    assert not bench.runs.started(run_id), "the workflow would go on to a step whose input is gone"
    bench.runs.finished(run_id, outcome="failed", reason="too late", objects=())
    assert (bench.runs.get(run_id).state, bench.runs.get(run_id).outcome) == ("finished", "findings")
    assert (bench.results / run_id / "sr.dcm").read_bytes() == report


@pytest.mark.parametrize("name", ["DOE\\JANE", "DOE^JANE\\ROE^ANN"])
def test_a_name_with_a_backslash_makes_a_report_and_no_second_patient_name(bench: Bench, name: str) -> None:
    run_id = bench.queued(bench.study(patient_name=name))
    assert bench.ran(run_id).outcome == "findings"
    patients = [item for item in bench.store.result_of(report_id(run_id)) if item["resourceType"] == "Patient"]
    assert [len(item["name"]) for item in patients] == [1]


def test_a_run_takes_the_volume_that_its_rule_wants_and_its_results_refer_to_no_other(bench: Bench) -> None:
    """Two echoes in one series, one for each input: the results are of the input that comes first."""
    spec = bench.study()
    for number, path in enumerate(write_series(bench.folder / "echo", images=SLICES), start=1):
        image = dcmread(path)
        image.SOPInstanceUID, image.InstanceNumber = f"1.2.3.{number}", 10 + number
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.EchoTime, image.RescaleIntercept = 90, 0
        image.save_as(path)
    second = bench.take(sorted((bench.folder / "echo").iterdir()))
    images = (*spec.inputs["T1"], *second)
    both = {"T2": images, "T1": images}
    failed = bench.queued(replace(spec, inputs=both))
    assert bench.runs.started(failed)
    with pytest.raises(
        GeometryError, match=r"2 volumes at one place: no EchoTime \(3 slices\); EchoTime 90 \(3 slices\)"
    ):
        bench.stages.prepare(failed)
    run_id = bench.queued(
        replace(spec, inputs=both, volumes={"T2": {"EchoTime": 90}, "T1": {"EchoTime": {"exists": False}}})
    )
    assert bench.runs.started(run_id)
    bench.stages.prepare(run_id)
    voxels = load_volumes(bench.folder / "work" / run_id / "inputs.npz")
    assert voxels["T2"].array.min() >= 0 > -900 > voxels["T1"].array.min()
    bench.stages.infer(run_id)
    bench.stages.encode(run_id)
    assert bench.runs.get(run_id).outcome == "findings"
    segmentation = dcmread(bench.results / run_id / "seg.dcm")
    referred = {
        str(source.ReferencedSOPInstanceUID)
        for frame in segmentation.PerFrameFunctionalGroupsSequence
        for item in frame.DerivationImageSequence
        for source in item.SourceImageSequence
    }
    assert referred == set(second)


def unforeseen(*_args: object, **_kwargs: object) -> None:
    raise AttributeError("unforeseen")


def test_a_failure_that_cannot_be_reported_still_ends_the_run_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.queued(bench.study())
    assert bench.runs.started(run_id)
    bench.stages.prepare(run_id)
    monkeypatch.setattr(bench.stages.encoder, "encode", unforeseen)
    bench.stages.fail(run_id, "the model failed")
    row = bench.runs.get(run_id)
    assert (row.state, bench.deliveries.all()) == ("failed", [])
    assert row.reason == (
        "the model failed; no report of the failure could be written, either: internal error (AttributeError)"
    )
    assert list((bench.folder / "work").iterdir()) == []


def test_what_goes_wrong_after_a_result_was_recorded_does_not_replace_it(bench: Bench) -> None:
    """Such as DBOS, when its disk is full and it cannot note that the last step was done."""
    run_id = bench.queued(bench.study())
    bench.ran(run_id)
    report = (bench.results / run_id / "sr.dcm").read_bytes()
    bench.stages.encode(run_id)
    bench.stages.fail(run_id, "internal error")
    assert (bench.runs.get(run_id).outcome, bench.status(run_id)) == ("findings", "partial")
    assert (bench.results / run_id / "sr.dcm").read_bytes() == report


def test_a_run_that_fails_while_its_report_is_written_leaves_no_finding_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.queued(bench.study())
    with monkeypatch.context() as patch:
        patch.setattr(bench.stages.encoder, "_write", unforeseen)
        with pytest.raises(AttributeError, match="unforeseen"):
            bench.ran(run_id)
    bench.stages.fail(run_id, "internal error")
    assert bench.status(run_id) == "cancelled"
    with bench.engine.connect() as connection:
        observed = connection.scalars(sa.select(resource_table.c.content).where(resource_table.c.type == "Observation"))
        assert [json.loads(content)["status"] for content in observed] == ["cancelled"]


def test_what_a_killed_node_left_between_the_steps_is_removed_unless_the_run_goes_on(bench: Bench) -> None:
    done, going = bench.queued(bench.study("1")), bench.queued(bench.study("2"))
    assert bench.runs.started(going)
    bench.stages.prepare(done)
    bench.stages.prepare(going)
    bench.runs.finished(done, outcome="failed", reason="killed", objects=())
    bench.stages.remove_leftovers()
    assert [path.name for path in (bench.folder / "work").iterdir()] == [going]


def test_a_run_that_was_replaced_before_it_began_is_left_out(bench: Bench) -> None:
    """A slow sender would else fill the queue with runs on parts of a study."""
    first = bench.study()
    late = replace(first, retry=1)
    old, new = bench.queued(first), bench.queued(late)
    assert [run.run_id for run in bench.runs.unfinished()] == [new]
    assert not bench.runs.started(old)
    assert (bench.runs.get(old).state, bench.runs.get(old).started_at) == ("superseded", None)


def test_every_report_that_a_run_replaces_is_withdrawn_even_past_a_run_without_one(bench: Bench) -> None:
    spec = bench.study()
    first = bench.queued(spec)
    bench.ran(first)
    assert bench.status(first) == "partial"
    left_out = bench.queued(replace(spec, retry=1))
    last = bench.queued(replace(spec, retry=2))
    bench.ran(last)
    assert (bench.status(first), bench.status(left_out), bench.status(last)) == ("entered-in-error", None, "partial")
    withdrawal = (bench.results / last / WITHDRAWAL).read_text()
    assert report_id(first) in withdrawal
    assert withdrawal.count('"resourceType": "Patient"') == 1


def test_a_failed_run_that_was_replaced_cannot_come_back_over_the_run_on_more_images(bench: Bench) -> None:
    late = bench.study()
    early = replace(late, inputs={"T1": late.inputs["T1"][:1]})
    failed = bench.queued(early)
    bench.runs.finished(failed, outcome="failed", reason="no extent", objects=())
    good = bench.queued(late)
    bench.ran(good)
    assert not bench.runs.create(replace(early, retry=1))
    assert bench.runs.get(good).superseded_by is None
    assert bench.queued(replace(late, retry=1)), "a retry of the latest run is one"


def test_two_rules_that_want_the_same_result_each_get_it_delivered(bench: Bench) -> None:
    spec = bench.study()
    run_id = bench.queued(spec)
    assert not bench.runs.create(replace(spec, rule="second", destinations=("pacs", "before")))
    bench.ran(run_id)
    assert not bench.runs.create(replace(spec, rule="third", destinations=("after",)))
    assert not bench.runs.create(replace(spec, rule="third", destinations=("after",)))
    assert sorted(row.destination for row in bench.deliveries.of_run(run_id)) == ["after", "before", "pacs"]


class BrokenStages(RunStages):
    """A run of the rule ``broken`` can neither be run nor failed."""

    def prepare(self, run_id: str) -> None:
        """Fail for one run."""
        if self.runs.get(run_id).spec.rule == "broken":
            raise ModelError("broken")
        super().prepare(run_id)

    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """Find no way to say so."""
        raise OSError("disk full")


def test_a_run_that_cannot_even_be_failed_holds_up_no_other(bench: Bench) -> None:
    bad, good = bench.queued(replace(bench.study("1"), rule="broken")), bench.queued(bench.study("2"))
    stages = BrokenStages(**{name: getattr(bench.stages, name) for name in RunStages.__dataclass_fields__})
    # DBOS keeps one workflow object for a process, and another test may have had its own.
    _get_or_create_dbos_registry().instance_info_map.clear()
    workflow = RunWorkflow(stages, bench.runs, lambda _: None)
    queue = RunQueue(workflow, bench.runs, database_url=f"sqlite:///{bench.folder / 'workflows.sqlite'}")
    queue.start()
    try:
        turn_until_finished(queue, bench, good)
        turn_until_finished(queue, bench, bench.queued(bench.study("3")))
        assert bench.runs.get(bad).state == "running"
    finally:
        queue.stop()


def turn_until_finished(queue: RunQueue, bench: Bench, run_id: str) -> None:
    for _ in range(600):
        turn(queue)
        if bench.runs.get(run_id).state == "finished":
            return
        time.sleep(0.05)
    pytest.fail(f"run {run_id} is {bench.runs.get(run_id).state}")


def turn(queue: RunQueue) -> None:
    """One turn of the loop, which outlives what a step raises."""
    try:
        queue.step()
    except OSError as error:
        assert str(error) == "disk full"
