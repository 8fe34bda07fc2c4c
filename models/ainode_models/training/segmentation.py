"""``ainode evaluate`` for a package that labels volumes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainode_models.package import ModelPackage
from ainode_models.runtime import Runtime, runtime_for
from ainode_models.training.class_report import write_json
from ainode_models.training.figure import draw_boxes
from ainode_models.training.interval import Interval, mean_interval, resampled_weights
from ainode_models.training.nifti_case import LabelledCase, case_folders
from ainode_models.training.overlap import Overlap, overlap_of

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class LabelFigures:
    """One label over all cases; intervals by resampling the cases."""

    cases: int
    in_truth: int
    """Cases in which the label occurs."""
    missed: int
    """Cases in which it occurs and the answer has none of it."""
    invented: int
    """Cases in which only the answer has it."""
    dice: Interval
    hd95_mm: Interval
    """Without the cases that are missed or invented."""
    error_ml: Interval
    absolute_error_ml: Interval


def evaluate_segmentation(
    package: ModelPackage, data: Path, out: Path, *, device: str, seed: int, progress: Progress
) -> Mapping[str, LabelFigures]:
    """Run the package on every case of ``data`` and write ``metrics.json``, ``cases.json`` and ``overlap.png``.

    Raises `InputError` for data, and what the runtime raises.
    """
    runtime, folders = runtime_for(package), case_folders(data)
    runtime.load(package, device)
    cases: dict[str, Mapping[str, Overlap]] = {}
    try:
        for number, folder in enumerate(folders, 1):
            cases[folder.name] = _measured(runtime, package, folder)
            progress("cases", number, len(folders), "")
    finally:
        runtime.unload()
    return _written(out, package, cases, seed)


def _measured(runtime: Runtime, package: ModelPackage, folder: Path) -> Mapping[str, Overlap]:
    case = LabelledCase.read(folder, [each.name for each in package.manifest.inputs])
    answer = runtime.predict(case.volumes).label_map
    grid = next(iter(case.volumes.values()))
    return {
        label.name: overlap_of(
            case.labels == label.value, answer == label.value, spacing=grid.spacing, voxel_ml=grid.voxel_volume_ml
        )
        for label in package.manifest.labels
    }


def _written(
    out: Path, package: ModelPackage, cases: Mapping[str, Mapping[str, Overlap]], seed: int
) -> Mapping[str, LabelFigures]:
    names = [label.name for label in package.manifest.labels]
    columns = {name: [case[name] for case in cases.values()] for name in names}
    figures = {name: _figures(column, seed) for name, column in columns.items()}
    model = {"name": package.manifest.name, "version": package.manifest.version, "weights": package.weights_sha256}
    labels = {name: asdict(each) for name, each in figures.items()}
    write_json(out / "metrics.json", {"model": model, "cases": len(cases), "labels": labels})
    plain = {case: {name: _plain(each) for name, each in labels.items()} for case, labels in cases.items()}
    write_json(out / "cases.json", plain)
    panels = {"Dice": "dice", "HD95 in mm": "hd95_mm", "volume error in mL": "error_ml"}
    boxes = {title: {name: _column(column, key) for name, column in columns.items()} for title, key in panels.items()}
    draw_boxes(out / "overlap.png", boxes)
    return figures


def _figures(column: list[Overlap], seed: int) -> LabelFigures:
    weights = resampled_weights(np.arange(len(column)), seed=seed)
    error = _column(column, "error_ml")
    return LabelFigures(
        cases=len(column),
        in_truth=sum(each.truth_ml > 0 for each in column),
        missed=sum(each.truth_ml > 0 and each.answer_ml == 0 for each in column),
        invented=sum(each.truth_ml == 0 and each.answer_ml > 0 for each in column),
        dice=mean_interval(_column(column, "dice"), weights),
        hd95_mm=mean_interval(_column(column, "hd95_mm"), weights),
        error_ml=mean_interval(error, weights),
        absolute_error_ml=mean_interval(np.abs(error), weights),
    )


def _column(column: list[Overlap], key: str) -> NDArray[np.float64]:
    return np.array([getattr(each, key) for each in column], np.float64)


def _plain(each: Overlap) -> dict[str, float | None]:
    return {**asdict(each), "error_ml": each.error_ml, "error_percent": each.error_percent}
