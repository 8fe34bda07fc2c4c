"""The model card of a trained ensemble (Mitchell et al. 2019), in Markdown."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from ainode_models.training.class_metrics import ClassFigures, ClassifierFigures
from ainode_models.training.class_report import ClassReport
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Ensemble, LabelledSet
from ainode_models.training.subgroups import Subgroups

_LIBRARIES = ("ainode", "torch", "torchvision", "scikit-learn", "numpy", "pillow")
_PICTURES = {
    "loss": "Loss",
    "confusion": "Confusion matrix",
    "roc": "ROC",
    "precision-recall": "Precision and recall",
    "calibration": "Calibration",
}


def card_of(title: str, plan: CxrPlan, data: LabelledSet, *, ensemble: Ensemble, report: ClassReport) -> str:
    """What the model is, what it learnt from, how good it is, and what it is not good for."""
    parts = [
        f"# {title}",
        f"A chest X-ray classifier: the mean of the probabilities of {', '.join(plan.nets)}. "
        "Not validated for diagnostic use.",
        *_data(plan, data, ensemble),
        *_recipe(plan, ensemble),
        *_results(report),
        *_limits(plan, data, report),
    ]
    return "\n\n".join(parts) + "\n"


def _data(plan: CxrPlan, data: LabelledSet, ensemble: Ensemble) -> list[str]:
    labels, parts = data.labels, ensemble.split
    held = (parts.training, parts.validation, parts.held_out)
    rows = [
        [each.name, *(str(int((labels[part] == number).sum())) for part in held)]
        for number, each in enumerate(plan.classes)
    ]
    rows.append(["all", *(str(len(part)) for part in held)])
    by = "by patient" if data.by_patient else "by image, because nothing says whose images they are"
    seen = "Black outside the lung mask (mask above 0, before resizing)." if plan.masked else "Without lung masks."
    return [
        "## Data",
        f"{len(labels)} images of {len(set(data.patients))} patients. {seen}"
        if data.by_patient
        else f"{len(labels)} images. {seen}",
        f"Split {by}, the same shares of each class, seed {plan.seed}; images that are exact copies of one another "
        f"({parts.copies} here) are in one part. The training images teach, the validation images choose the epoch, "
        "the thresholds and the temperature, and the held-out images decide nothing: all figures below are theirs.",
        _table(["class", "training", "validation", "held out"], rows),
    ]


def _recipe(plan: CxrPlan, ensemble: Ensemble) -> list[str]:
    facts = {key: value for key, value in asdict(plan.recipe).items() if not isinstance(value, dict)}
    facts |= {f"augmentation: {key}": value for key, value in asdict(plan.recipe.augmentation).items()}
    kept = ", ".join(
        f"{name}: epoch {each.best + 1} of {len(each.training_loss)}" for name, each in ensemble.histories.items()
    )
    start = {"imagenet": "ImageNet (torchvision)", "none": "random"}.get(plan.weights, "a folder of the trainer's")
    return [
        "## Recipe",
        _table(["", ""], [[key.replace("_", " "), str(value)] for key, value in facts.items()]),
        f"Start weights: {start}. Kept: {kept}. "
        f"Temperature of the vote: {ensemble.temperature:.3f} (already in the weights).",
        "Versions: " + ", ".join([f"Python {platform.python_version()}", *map(_version, _LIBRARIES)]) + ".",
    ]


def _results(report: ClassReport) -> list[str]:
    figures = report.figures
    pictures = [f"![{title}](evaluation/{name}.png)" for name, title in _PICTURES.items()]
    auc = "none" if figures.macro_auc is None else f"{figures.macro_auc:.3f}"
    return [
        "## Results on held-out images",
        f"Accuracy {figures.accuracy}, balanced accuracy {figures.balanced_accuracy:.3f}, "
        f"macro F1 {figures.macro_f1:.3f}, macro AUC {auc}, "
        f"expected calibration error {report.calibration.expected_error:.3f}, "
        f"Brier score {report.calibration.brier:.3f}; {figures.images} images of {figures.patients} patients. "
        "In brackets: 95 % interval, from 1000 resamples of the patients; "
        "1.000 to 1.000 says that no error was seen among so many, not that there is none.",
        _class_table(figures),
        *_subgroup_tables(report.subgroups),
        "\n".join(pictures),
    ]


def _class_table(figures: ClassifierFigures) -> str:
    heads = [
        "class",
        "images",
        "accuracy",
        "precision",
        "recall",
        "specificity",
        "F1",
        "AUC",
        "threshold",
        "refer from",
    ]
    rows = [[name, *map(str, _row(each))] for name, each in figures.by_class.items()]
    return _table(heads, rows)


def _row(each: ClassFigures) -> tuple[object, ...]:
    rates = (each.accuracy, each.precision, each.recall, each.specificity, each.f1, each.auc)
    return each.images, *rates, each.threshold, each.refer_from


def _subgroup_tables(subgroups: Subgroups) -> list[str]:
    if not subgroups:
        return ["Nothing is known of sex, age, site or view, so no subgroup was measured."]
    rows = [
        [f"{key}: {value}", str(each.images), str(each.patients), str(each.accuracy)]
        for key, of in subgroups.items()
        for value, each in of.items()
    ]
    return [_table(["subgroup", "images", "patients", "accuracy"], rows), "![Subgroups](evaluation/subgroups.png)"]


def _limits(plan: CxrPlan, data: LabelledSet, report: ClassReport) -> list[str]:
    items = [
        "Not validated for diagnostic use. The held-out images come from the same source as the others: figures at "
        "another hospital, on other devices, or on another mix of diseases are not known.",
        "Where each class comes from another source, nets learn the source (DeGrave et al. 2021). Measure on data from "
        "elsewhere with `ainode evaluate` before you believe a figure.",
        "It knows no class beyond the above, and answers one of them for anything else.",
    ]
    if plan.masked:
        items.append("It learnt from lungs on black. Without a lung mask at work its answers are worse than the above.")
    if not data.by_patient:
        items.append("Split by image: when patients have several images, the figures above are too good.")
    if report.figures.accuracy.low is not None and report.figures.images < 200:
        items.append(f"Only {report.figures.images} held-out images: mind the width of the intervals.")
    return ["## Limits", "\n".join(f"* {item}" for item in items)]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library} unknown"
