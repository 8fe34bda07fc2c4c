"""How a run can end: of the packages that are in this repository, and of samples."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainode_conformance.kinds.samples import dicom_sources, with_probabilities
from ainode_conformance.kinds.source import Source
from ainode_models.classify import classification_findings
from ainode_models.findings import Findings, Heatmap
from ainode_models.measure import failed_findings, findings_of
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification, Prediction
from ainode_models.volume import Volume

Run = Callable[[Source], Findings]
"""The findings of a run on a source."""

MODELS = Path(__file__).resolve().parents[3] / "models"
_STARTED = datetime(2026, 1, 4, 11, 22, 33, tzinfo=UTC)


def always(findings: Findings) -> Run:
    """The same findings for every source."""
    return lambda _: findings


def probable(run: Run) -> Run:
    """The same with the probabilities of voxels."""
    return lambda source: with_probabilities(run(source))


def partial(run: Run, lacking: str) -> Run:
    """The same of a run whose answer is there, but not what else was asked for."""
    return lambda source: replace(run(source), heatmaps=(), lacking=(lacking,))


def nothing() -> Findings:
    """Findings of a segmentation that looked for three labels and found none."""
    return dicom_sources.findings(np.zeros(dicom_sources.SHAPE, np.uint8))


def many_labels(count: int) -> Findings:
    """Findings with that many labels, one of which in two parts, and one of which says so beyond ASCII."""
    labels = np.zeros(dicom_sources.SHAPE, np.uint8)
    for number in range(1, count + 1):
        labels[2 + number % 12 : 5 + number % 12, 1 + number : 2 + number, 8:30] = number
    labels[18, 60, 40] = 1
    (first, *_) = dicom_sources.findings(np.ones(dicom_sources.SHAPE, np.uint8)).segments
    voxels = np.bincount(labels.ravel(), minlength=count + 1)
    segments = tuple(
        replace(
            first,
            number=number,
            label=f"Nekröse {number}",
            tracking_id=f"Nekröse {number} of run 1",
            tracking_uid=f"2.25.{900 + number}",
            voxels=int(voxels[number]),
            volume_ml=float(voxels[number]) * 0.0036,
        )
        for number in range(1, count + 1)
    )
    return replace(dicom_sources.findings(), segments=segments, label_map=labels)


def remarked() -> Findings:
    """Findings of a run that was done otherwise than asked."""
    return replace(dicom_sources.findings(), remarks=("With smaller tiles, as memory was short", "On the CPU"))


def segmented(package: str, *, found: bool = True) -> Run:
    """What a package of this repository says with its own labels and codes; the last of several is absent."""

    def run(source: Source) -> Findings:
        opened = ModelPackage.open(MODELS / package)
        values = [label.value for label in opened.manifest.labels]
        labels = _boxes(values if len(values) == 1 else values[:-1]) if found else np.zeros_like(_boxes([1]))
        assert source.affine is not None
        grid = Volume(labels, source.affine, str(source.images.evidence[0].FrameOfReferenceUID))
        confidence = {value: 0.9 for value in values if (labels == value).any()}
        prediction = Prediction(labels, confidence=confidence, device="cpu")
        return findings_of(prediction, opened, grid=grid, run_id="run", started_at=_STARTED)

    return run


def _boxes(values: list[int]) -> NDArray[np.uint8]:
    labels = np.zeros(dicom_sources.SHAPE, np.uint8)
    for place, value in enumerate(values):
        labels[3 + place : 15, 6 + 12 * place : 16 + 12 * place, 5 : 40 - 4 * place] = value
    return labels


def broken_off(package: str, *, refused: bool = False) -> Run:
    """What is said when a package's run failed, or its images were refused."""
    algorithm = ModelPackage.open(MODELS / package).algorithm()
    words = "ViewPosition is 'LL', but the model takes frontal views only" if refused else "out of memory"
    return always(failed_findings(algorithm, words, run_id="run", started_at=_STARTED, refused=refused))


def shown(findings: Findings) -> Findings:
    """The same with heat maps of the size of the image."""
    return replace(findings, heatmaps=tuple(replace(one, values=_heat()) for one in findings.heatmaps))


def _heat() -> NDArray[np.float32]:
    return np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(40, 50)


def chest(*probabilities: float, doubtful: bool = False) -> Run:
    """What the X-ray package says when its classes have these probabilities, with a heat map for each."""
    opened = ModelPackage.open(MODELS / "chest-xray-demo")
    numbers = [label.number for label in opened.manifest.classes]
    given = dict(zip(numbers, probabilities, strict=True))
    answer = Classification(
        given,
        {"one": given, "two": given},
        heatmaps=tuple(Heatmap(number, "Grad-CAM", _heat()) for number in numbers),
        device="cpu",
        doubtful=doubtful,
    )
    return always(classification_findings(answer, opened, run_id="run", started_at=_STARTED))
