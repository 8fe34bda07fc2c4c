"""The run stage with the real model in its real process: warm, timed out, crashed, and refused."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from dbos._dbos import _get_or_create_dbos_registry

from ainode.durable_file import durable_file
from ainode.encode.encoder import Encoder
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal
from ainode.journal.runs import RunJournal, RunSpec
from ainode.receive.spool import Spool
from ainode.run.stages import RunStages
from ainode.run.volume_file import load_prediction, load_volumes, save_prediction, save_volumes
from ainode.run.worker import ModelWorker
from ainode.run.workers import ModelWorkers
from ainode.run.workflow import RunQueue, RunWorkflow
from ainode_dicom_sr.equipment import Equipment
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_models.errors import ModelError, PackageError, SeriesMismatchError, WorkerCrashed, WorkerTimeout
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.registry import Registry
from ainode_models.volume import Volume
from peers.fhir_samples import Clock
from peers.head_study import head_phantom
from peers.probe_runtime import install_probe, probe_package
from peers.shared_data import ROOT

PACKAGE = ModelPackage.open(ROOT / "models" / "t1-head-demo")


@pytest.fixture(scope="module")
def workers() -> Iterator[ModelWorkers]:
    """One process for all tests that leave it as they found it: loading torch takes seconds."""
    workers = ModelWorkers(device="cpu", timeout=120)
    yield workers
    workers.stop()
    assert workers.pids == {}


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelWorker]:
    """A process of its own, with a model that is loaded at once."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(install_probe(tmp_path / "site")), *sys.path]))
    worker = ModelWorker(probe_package(tmp_path, "probe"), device="cpu", timeout=120)
    yield worker
    worker.stop()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.npz"
    save_volumes(path, head_phantom().volumes)
    return path


def test_the_model_stays_warm_and_says_the_same_twice(workers: ModelWorkers, inputs: Path, tmp_path: Path) -> None:
    answers, pids = [], []
    for name in ("one.npz", "two.npz"):
        workers.predict(PACKAGE, inputs, tmp_path / name, probabilities=name == "two.npz")
        answers.append(load_prediction(tmp_path / name))
        pids.append(workers.pids)
    assert list(pids[0]) == ["t1-head-demo@1.0.0"]
    assert pids[0] == pids[1]
    assert set(np.unique(answers[0].label_map)) == {0, 1}
    np.testing.assert_array_equal(answers[0].label_map, answers[1].label_map)
    truth = head_phantom().labels == 1
    found = answers[0].label_map == 1
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.9
    assert 0.5 < answers[0].confidence[1] <= 1
    softmax = answers[1].probabilities
    assert answers[0].probabilities is None
    assert softmax is not None
    assert softmax[0][found].mean(dtype=np.float64) == pytest.approx(answers[1].confidence[1], abs=1e-3)


def test_what_the_model_says_is_wrong_comes_through_and_it_stays_warm(
    workers: ModelWorkers, inputs: Path, tmp_path: Path
) -> None:
    save_volumes(tmp_path / "T2.npz", {"T2": head_phantom().volumes["T1"]})
    with pytest.raises(SeriesMismatchError, match="T1"):
        workers.predict(PACKAGE, tmp_path / "T2.npz", tmp_path / "answer.npz")
    pid = workers.pids["t1-head-demo@1.0.0"]
    with pytest.raises(ModelError, match=r"the model failed with FileNotFoundError: .*nowhere\.npz"):
        workers.predict(PACKAGE, tmp_path / "nowhere.npz", tmp_path / "answer.npz")
    broken = tmp_path / "t1-head-demo"
    shutil.copytree(PACKAGE.folder, broken)
    (broken / "nnunet" / "fold_0" / "checkpoint_final.pth").write_bytes(b"no weights")
    with pytest.raises(PackageError, match=r"checkpoint_final\.pth"):
        workers.predict(ModelPackage.open(broken), inputs, tmp_path / "answer.npz")
    assert sorted(path.name for path in tmp_path.glob("*.npz*")) == ["T2.npz", "inputs.npz"]
    workers.predict(PACKAGE, inputs, tmp_path / "after.npz")
    assert pid in workers.pids.values()


def test_a_process_that_is_killed_fails_the_call_and_the_next_one_gets_a_new_process(
    worker: ModelWorker, inputs: Path, tmp_path: Path
) -> None:
    worker.predict(inputs, tmp_path / "before.npz")
    first = worker.pid
    assert first
    assert worker.held.machine > 20_000_000
    os.kill(first, signal.SIGSTOP)  # it takes the request, but cannot answer before it is killed
    threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(WorkerCrashed, match="exit code -9 and no answer"):
        worker.predict(inputs, tmp_path / "lost.npz")
    assert worker.pid is None
    assert not (tmp_path / "lost.npz").exists()
    worker.predict(inputs, tmp_path / "after.npz")
    assert worker.pid not in (None, first)


class DiesUnasked(ModelWorker):
    """Its process dies after it was found alive and before it is asked."""

    def _started(self) -> "subprocess.Popen[str]":
        process = super()._started()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process


def test_a_process_that_is_gone_when_it_is_asked_has_crashed(inputs: Path, tmp_path: Path) -> None:
    worker = DiesUnasked(PACKAGE, device="cpu", timeout=60)
    with pytest.raises(WorkerCrashed, match="exit code -9"):
        worker.predict(inputs, tmp_path / "lost.npz")
    assert worker.pid is None


def test_a_model_that_takes_too_long_is_ended_and_the_next_call_is_not_given_its_late_answer(
    worker: ModelWorker, inputs: Path, tmp_path: Path
) -> None:
    package = worker.package
    worker.package = probe_package(tmp_path, "slow", "waits")
    worker._timeout = 0.2
    with pytest.raises(WorkerTimeout, match=r"no answer in 0\.2 s; raise \[models\] timeout"):
        worker.predict(inputs, tmp_path / "slow.npz")
    assert worker.pid is None
    worker._timeout = 120
    worker.package = replace(package, folder=tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"nowhere/model\.toml"):
        worker.predict(inputs, tmp_path / "answer.npz")
    assert not (tmp_path / "slow.npz").exists()


def test_the_models_process_ends_with_the_node(worker: ModelWorker) -> None:
    process = worker._started()
    assert process.stdin
    process.stdin.close()
    assert process.wait(60) == 0


def test_volumes_and_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    volumes = {
        name: Volume(rng.normal(size=(3, 4, 5)).astype(kind), rng.normal(size=(4, 4)), f"1.2.{name}")
        for name, kind in (("T2/FLAIR", "float32"), ("T1", "int16"), ("a b", "float64"))
    }
    save_volumes(tmp_path / "new" / "inputs.npz", volumes)
    again = load_volumes(tmp_path / "new" / "inputs.npz")
    assert list(again) == list(volumes)
    for name, volume in volumes.items():
        np.testing.assert_array_equal(again[name].array, volume.array)
        np.testing.assert_array_equal(again[name].affine, volume.affine)
        assert again[name].array.dtype == volume.array.dtype
        assert again[name].frame_of_reference_uid == volume.frame_of_reference_uid
    softmax = rng.random((3, 3, 4, 5)).astype(np.float16)
    labels = rng.integers(0, 4, (3, 4, 5), dtype=np.uint8)
    prediction = Prediction(labels, {3: 0.25, 1: 1.0}, ("said",), softmax, "cpu", parameters=30_000_000, lacking=("x",))
    save_prediction(tmp_path / "prediction.npz", prediction)
    read = load_prediction(tmp_path / "prediction.npz")
    np.testing.assert_array_equal(read.label_map, prediction.label_map)
    assert read.label_map.dtype == np.uint8
    assert (dict(read.confidence), read.parameters) == ({3: 0.25, 1: 1.0}, 30_000_000)
    assert (read.remarks, read.lacking, read.device) == (("said",), ("x",), "cpu")
    np.testing.assert_array_equal(read.probabilities, softmax)


def test_an_error_while_writing_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), durable_file(path) as file:
        file.write(b"half")
        _ = 1 / 0
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_changed_under_the_same_version_are_refused(workers: ModelWorkers, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(PACKAGE.folder, models / "t1-head-demo")
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    runs = RunJournal(engine, time.time)
    stages = RunStages(
        instances=InstanceJournal(engine, time.time),
        runs=runs,
        spool=Spool(tmp_path / "spool"),
        registry=Registry(models),
        worker=workers,
        encoder=Encoder(
            tmp_path / "results",
            equipment=Equipment("ainode", "ainode", "1", ("1",)),
            site=Site(),
            store=ResourceStore(engine, clock=Clock()),
        ),
        work=tmp_path / "work",
    )
    inputs = {"T1": ("1.2.3.1",)}
    spec = RunSpec("1.2.3", "r", "t1-head-demo", "1.0.0", PACKAGE.weights_sha256, inputs, ("sr",), (), 5)
    runs.create(spec)
    save_volumes(tmp_path / "work" / spec.run_id / "inputs.npz", head_phantom().volumes)
    stages.infer(spec.run_id)
    weights = models / "t1-head-demo" / "nnunet" / "fold_0" / "checkpoint_final.pth"
    manifest = models / "t1-head-demo" / "model.toml"
    changed = weights.read_bytes() + b" "
    weights.write_bytes(changed)
    with pytest.raises(PackageError, match=r"checkpoint_final\.pth: SHA-256 is"):
        stages.infer(spec.run_id)
    good = next(item.sha256 for item in PACKAGE.manifest.weights if item.path.suffix == ".pth")
    manifest.write_text(manifest.read_text().replace(good, hashlib.sha256(changed).hexdigest()))
    with pytest.raises(PackageError, match="was changed after the run was queued, under the same version"):
        stages.infer(spec.run_id)
    engine.dispose()


class Moody:
    """Stages of which the database is away once, for one run, and the model has its say in another."""

    def __init__(self, runs: RunJournal) -> None:
        self._runs = runs
        self.encoded = 0

    def prepare(self, run_id: str) -> None:
        """See ``Stages``."""

    def infer(self, run_id: str) -> float:
        """Fail for the study 1.2.2."""
        if self._runs.get(run_id).study_uid == "1.2.2":
            raise ModelError("the model's own words")
        return 0.0

    def encode(self, run_id: str) -> None:
        """Find the database away at first."""
        self.encoded += 1
        if self.encoded == 1:
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))
        self._runs.finished(run_id, outcome="findings", reason=None, objects=[])

    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """See ``Stages``."""
        self._runs.finished(run_id, outcome="failed", reason=reason, objects=[])


@pytest.fixture
def only_workflow() -> Iterator[None]:
    """DBOS keeps one workflow object for a process, as a node has one; another test may have had its own."""
    known = _get_or_create_dbos_registry().instance_info_map
    known.clear()
    yield
    known.clear()


@pytest.mark.usefixtures("only_workflow")
def test_a_step_is_done_again_when_the_database_was_away_and_only_then(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    runs = RunJournal(engine, time.time)
    stages = Moody(runs)
    ended: list[str] = []
    workflow = RunWorkflow(stages, runs, lambda row: ended.append(row.run_id))
    queue = RunQueue(workflow, runs, database_url=f"sqlite:///{tmp_path / 'workflows.sqlite'}")
    specs = [RunSpec(uid, "r", "m", "1", "ab", {"T1": (uid,)}, ("sr",), (), 5) for uid in ("1.2.1", "1.2.2")]
    queue.start()
    try:
        for spec in specs:
            runs.create(spec)
        queue.step()
        while len(ended) < len(specs):
            time.sleep(0.05)
    finally:
        queue.stop()
    assert [(runs.get(spec.run_id).outcome, runs.get(spec.run_id).reason) for spec in specs] == [
        ("findings", None),
        ("failed", "the model's own words"),
    ]
    assert stages.encoded == 2
    engine.dispose()
