"""What was asked for beside a model's answer and cannot be made costs nobody the answer; a lost answer is a failure."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ainode.encode.encoder import Encoder
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal
from ainode.journal.runs import RunJournal, RunSpec
from ainode.receive.spool import Spool
from ainode.run.image_file import load_classification, save_radiographs
from ainode.run.stages import RunStages
from ainode.run.volume_file import load_prediction, save_volumes
from ainode.run.workers import ModelWorkers
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_models.errors import ModelError, OutOfMemory
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification, Prediction
from ainode_models.radiograph import Radiograph
from ainode_models.registry import Registry
from ainode_models.volume import Volume
from peers.dicom_sources import EQUIPMENT
from peers.fhir_samples import Clock
from peers.probe_runtime import install_probe, probe_classifier, probe_package

SHAPE = (3, 4, 5)
Ask = Callable[[ModelPackage, tuple[str, ...]], Prediction | Classification]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """The step ``infer`` of a run with these outputs, with a process that knows ``probe``; what it leaves behind."""
    probe = install_probe(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(probe), os.environ.get("PYTHONPATH", "")]))
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    runs, workers = RunJournal(engine, time.time), ModelWorkers(device="cpu", timeout=120)
    store = ResourceStore(engine, clock=Clock())
    stages = RunStages(
        instances=InstanceJournal(engine, time.time),
        runs=runs,
        spool=Spool(tmp_path / "spool"),
        registry=Registry(tmp_path / "models"),
        worker=workers,
        encoder=Encoder(tmp_path / "results", equipment=EQUIPMENT, site=Site(), store=store),
        work=tmp_path / "work",
    )

    def ask(package: ModelPackage, outputs: tuple[str, ...]) -> Prediction | Classification:
        name, version = package.manifest.name, package.manifest.version
        spec = RunSpec("1.2.3", "r", name, version, package.weights_sha256, {"x": ("1.2.3.1",)}, outputs, (), 5)
        runs.create(spec)
        folder = tmp_path / "work" / spec.run_id
        if package.manifest.classes:
            save_radiographs(folder / "inputs.npz", {"chest": Radiograph(np.zeros((4, 5), np.float32), "DX", "", "PA")})
        else:
            save_volumes(folder / "inputs.npz", {"T1": Volume(np.zeros(SHAPE, np.float32), np.eye(4), "1.2")})
        stages.infer(spec.run_id)
        file = folder / "prediction.npz"
        return load_classification(file) if package.manifest.classes else load_prediction(file)

    yield ask
    workers.stop()
    engine.dispose()


@pytest.mark.parametrize(
    ("keeping", "lacking"),
    [
        ("works", ()),
        ("breaks", ("probability maps, for the model could not make them",)),
        ("lacks memory", ("probability maps, for the memory did not suffice",)),
        ("dies", ("probability maps, for the model's process ended over them",)),
    ],
)
def test_a_segmentation_is_there_whatever_becomes_of_its_probabilities(
    ask: Ask, keeping: str, lacking: tuple[str, ...], tmp_path: Path
) -> None:
    package = probe_package(tmp_path / "models", "segments", keeping=keeping)
    answer = ask(package, ("seg", "pm", "sr"))
    assert isinstance(answer, Prediction)
    assert (answer.label_map == 1).all()
    assert answer.lacking == lacking
    assert (answer.probabilities is None) is bool(lacking)


@pytest.mark.parametrize(
    ("keeping", "lacking"),
    [
        ("works", ()),
        ("breaks", ("heat maps, for the model could not make them",)),
        ("lacks memory", ("heat maps, for the memory did not suffice",)),
    ],
)
def test_a_classification_is_there_whatever_becomes_of_its_heat_maps(
    ask: Ask, keeping: str, lacking: tuple[str, ...], tmp_path: Path
) -> None:
    package = probe_classifier(tmp_path / "models", "classifies", keeping=keeping)
    answer = ask(package, ("sc", "sr"))
    assert isinstance(answer, Classification)
    assert answer.probabilities[1] == 0.91
    assert answer.lacking == lacking
    assert len(answer.heatmaps) == (0 if lacking else 4)
    unasked = ask(package, ("sr",))
    assert (unasked.lacking, unasked.heatmaps) == ((), ())  # type: ignore[union-attr]  # it is a Classification, too


def test_a_runtime_that_keeps_none_gives_a_partial_result_where_no_rule_was_checked(ask: Ask, tmp_path: Path) -> None:
    answer = ask(probe_package(tmp_path / "models", "plain"), ("seg", "pm"))
    assert answer.lacking == ("probability maps, for the model could not make them",)


def _keeper(folder: Path, name: str, mood: str) -> ModelPackage:
    return probe_package(folder, name, mood, keeping="works")


def test_a_model_that_cannot_answer_at_all_fails_whatever_was_asked_for_beside(ask: Ask, tmp_path: Path) -> None:
    for kind, make, outputs in (("a", _keeper, ("seg", "pm")), ("b", probe_classifier, ("sc", "sr"))):
        with pytest.raises(ModelError, match="the model failed with ZeroDivisionError: a defect"):
            ask(make(tmp_path / "models", f"{kind}-breaks", "breaks"), outputs)
        with pytest.raises(OutOfMemory):
            ask(make(tmp_path / "models", f"{kind}-starves", "lacks memory"), outputs)
