"""What the node writes for each model package that this repository ships, without running any."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from pydicom.dataset import Dataset

from ainode_dicom_sr.parametric_map import parametric_map
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.classify import classification_findings
from ainode_models.findings import Findings
from ainode_models.measure import findings_of
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification, Prediction
from ainode_models.volume import Volume
from peers.classified import radiograph_header
from peers.dicom_sources import EQUIPMENT, SHAPE, affine, series
from peers.heat_map import heat_map_of
from peers.probable import with_probabilities
from peers.shared_data import ROOT

_STARTED = datetime(2026, 1, 4, 11, 22, 33, tzinfo=UTC)
_NETS = ("one", "two")


@dataclass(frozen=True)
class Written:
    """The objects of one run."""

    report: Dataset
    segmentation: Dataset | None = None
    pictures: tuple[Dataset, ...] = ()
    maps: tuple[Dataset, ...] = ()


def shipped() -> list[ModelPackage]:
    """Every package of ``models/``, by name."""
    return [ModelPackage.open(manifest.parent) for manifest in sorted((ROOT / "models").glob("*/model.toml"))]


def found(package: ModelPackage) -> Written:
    """Of a run that found all that the model looks for; of a classifier, every class present."""
    return _classified(package, 1.0) if package.manifest.classes else _segmented(package)


def measured_only(package: ModelPackage) -> Written:
    """The same of a segmentation model where the rule asks for no segmentation."""
    return _segmented(package, with_seg=False)


def absent(package: ModelPackage) -> Written:
    """Of a run that looked for everything and found nothing."""
    return _classified(package, 0.0) if package.manifest.classes else _segmented(package, empty=True)


def undetermined(package: ModelPackage) -> Written:
    """Of a classifier that leaves every class to a human."""
    return _classified(package, max(each.refer_from for each in package.manifest.classes))


def _segmented(package: ModelPackage, *, empty: bool = False, with_seg: bool = True) -> Written:
    labels = np.zeros(SHAPE, np.uint8)
    for place, label in enumerate(() if empty else package.manifest.labels):
        labels[4:9, 4 + 8 * place : 10 + 8 * place, 5:30] = label.value
    sources = series()
    confidence = {label.value: 0.875 for label in package.manifest.labels if not empty}
    run = findings_of(
        Prediction(labels, confidence),
        package,
        grid=Volume(labels, affine(sources), str(sources[0].FrameOfReferenceUID)),
        run_id=package.reference,
        started_at=_STARTED,
    )
    seg = segmentation(run, sources, EQUIPMENT) if run.present and with_seg else None
    segs = [seg] if seg else []
    report = measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=segs)
    probable = with_probabilities(run)
    maps = tuple(parametric_map(probable, each, sources, EQUIPMENT) for each in run.present) if with_seg else ()
    return Written(report, seg, maps=maps)


def _classified(package: ModelPackage, probability: float) -> Written:
    answer = {each.number: probability for each in package.manifest.classes}
    run = classification_findings(
        Classification(answer, dict.fromkeys(_NETS, answer)), package, run_id=package.reference, started_at=_STARTED
    )
    source = radiograph_header()
    shown = dict(_pictures(run, source))
    report = measurement_report(run, [source], EQUIPMENT, reference_sources=[source], explanations=shown)
    return Written(report, pictures=tuple(shown.values()))


def _pictures(run: Findings, source: Dataset) -> Iterator[tuple[int, Dataset]]:
    return ((item.number, heat_map_of(run, item, source)) for item in run.classes if item.notable)
