"""The evaluation of a classifier as files: every table as JSON, every figure as PNG beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ainode_models.training.calibration import Calibration, calibration_of
from ainode_models.training.class_metrics import (
    Answers,
    ClassifierFigures,
    Curve,
    confusion_of,
    figures_of,
    precision_recall_of,
    roc_of,
)
from ainode_models.training.figure import (
    draw_calibration,
    draw_confusion,
    draw_losses,
    draw_precision_recall,
    draw_roc,
    draw_subgroups,
)
from ainode_models.training.fit import History
from ainode_models.training.subgroups import Subgroups, subgroups_of


@dataclass(frozen=True)
class ClassReport:
    """What was measured."""

    figures: ClassifierFigures
    calibration: Calibration
    subgroups: Subgroups


def write_class_report(folder: Path, answers: Answers, *, seed: int, also: Mapping[str, Any]) -> ClassReport:
    """Measure ``answers`` and write the files; ``also`` goes into ``metrics.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    report = ClassReport(figures_of(answers, seed=seed), calibration_of(answers), subgroups_of(answers, seed=seed))
    write_json(folder / "metrics.json", {**asdict(report.figures), **also})
    _write_confusion(folder, answers)
    _write_curves(folder, answers)
    write_json(folder / "calibration.json", asdict(report.calibration))
    draw_calibration(folder / "calibration.png", report.calibration)
    _write_subgroups(folder, report.subgroups)
    return report


def write_losses(folder: Path, histories: Mapping[str, History]) -> None:
    """The loss of each net by epoch, as ``loss.json`` and ``loss.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "loss.json", {name: asdict(history) for name, history in histories.items()})
    draw_losses(folder / "loss.png", histories)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Readable JSON without NaN."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_confusion(folder: Path, answers: Answers) -> None:
    counts = confusion_of(answers)
    write_json(folder / "confusion.json", {"classes": list(answers.classes), "rows_true": counts.tolist()})
    draw_confusion(folder / "confusion.png", counts, answers.classes)


def _write_curves(folder: Path, answers: Answers) -> None:
    names = list(enumerate(answers.classes))
    for file, of, draw in (("roc", roc_of, draw_roc), ("precision-recall", precision_recall_of, draw_precision_recall)):
        found = {name: of(answers, number) for number, name in names}
        curves: dict[str, Curve] = {name: curve for name, curve in found.items() if curve is not None}
        write_json(folder / f"{file}.json", {name: asdict(curve) for name, curve in curves.items()})
        draw(folder / f"{file}.png", curves)


def _write_subgroups(folder: Path, subgroups: Subgroups) -> None:
    """Nothing when nothing is known of the patients."""
    if subgroups:
        plain = {key: {value: asdict(each) for value, each in of.items()} for key, of in subgroups.items()}
        write_json(folder / "subgroups.json", plain)
        draw_subgroups(folder / "subgroups.png", subgroups)
