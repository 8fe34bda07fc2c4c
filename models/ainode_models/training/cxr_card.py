"""The model card of a trained ensemble (Mitchell et al. 2019), in Markdown."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ainode_models.manifest import Manifest
from ainode_models.package import ModelPackage
from ainode_models.training.class_metrics import ClassFigures, ClassifierFigures
from ainode_models.training.class_report import ClassReport
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Ensemble
from ainode_models.training.labelled_set import LabelledSet, labels_of
from ainode_models.training.lung_masks import LungMasks
from ainode_models.training.start_weights import is_package
from ainode_models.training.subgroups import Subgroups

_LIBRARIES = ("ainode", "torch", "torchvision", "scikit-learn", "numpy", "pillow")
_PICTURES = {
    "loss": "Loss",
    "confusion": "Confusion matrix",
    "roc": "ROC",
    "precision-recall": "Precision and recall",
    "calibration": "Calibration",
}


def card_of(
    manifest: Manifest,
    plan: CxrPlan,
    data: LabelledSet,
    *,
    ensemble: Ensemble,
    report: ClassReport,
    masks: LungMasks | None,
) -> str:
    """What the model is, what it learnt from, how good it is, and what it is not good for."""
    parts = [
        f"# {manifest.title}",
        f"A chest X-ray classifier: the mean of the probabilities of {', '.join(plan.nets)}. "
        "Not validated for diagnostic use.",
        *_data(plan, data),
        *_recipe(plan, ensemble),
        *_results(report, masks),
        *_limits(data, report, brings_image=manifest.sample is not None),
    ]
    return "\n\n".join(parts) + "\n"


def _data(plan: CxrPlan, data: LabelledSet) -> list[str]:
    labels, parts = labels_of(data.xrays), data.split
    held = (parts.training, parts.validation, parts.held_out)
    rows = [
        [each.name, *(str(int((labels[part] == number).sum())) for part in held)]
        for number, each in enumerate(plan.classes)
    ]
    rows.append(["all", *(str(len(part)) for part in held)])
    by = "by patient" if data.by_patient else "by image, because nothing says whose images they are"
    seen = (
        "Black outside the lungs that the package's own net finds; it learnt the masks of the training images."
        if plan.masked
        else "Without lung masks."
    )
    return [
        "## Data",
        f"{len(labels)} images of {data.patients} patients. {seen}"
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
    if is_package(plan.weights):
        start = ModelPackage.open(Path(plan.weights)).reference
    return [
        "## Recipe",
        _table(["", ""], [[key.replace("_", " "), str(value)] for key, value in facts.items()]),
        f"Start weights: {start}. Kept: {kept}. "
        f"Temperature of the vote: {ensemble.temperature:.3f} (already in the weights).",
        "Versions: " + ", ".join([f"Python {platform.python_version()}", *map(_version, _LIBRARIES)]) + ".",
    ]


def _results(report: ClassReport, masks: LungMasks | None) -> list[str]:
    figures = report.figures
    pictures = [f"![{title}](evaluation/{name}.png)" for name, title in _PICTURES.items()]
    auc = "none" if figures.macro_auc is None else f"{figures.macro_auc:.3f}"
    return [
        "## Results on held-out images",
        "Measured with the finished package, on the images as the node prepares them.",
        f"Accuracy {figures.accuracy}, balanced accuracy {figures.balanced_accuracy:.3f}, "
        f"macro F1 {figures.macro_f1:.3f}, macro AUC {auc}, "
        f"expected calibration error {report.calibration.expected_error:.3f}, "
        f"Brier score {report.calibration.brier:.3f}; {figures.images} images of {figures.patients} patients. "
        "In brackets: 95 % interval, from 1000 resamples of the patients; "
        "1.000 to 1.000 says that no error was seen among so many, not that there is none.",
        _class_table(figures),
        *_masks(masks),
        *_subgroup_tables(report.subgroups),
        "\n".join(pictures),
    ]


def _masks(masks: LungMasks | None) -> list[str]:
    if masks is None:
        return []
    return [
        f"Lung mask: Dice {masks.dice} with the masks of the data; on {masks.not_found} of {masks.images} images the "
        "net finds nothing that could be two lungs (Dice 0 here), and those are classified as they are."
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


def _limits(data: LabelledSet, report: ClassReport, *, brings_image: bool) -> list[str]:
    items = [
        "Not validated for diagnostic use. The held-out images come from the same source as the others: figures at "
        "another hospital, on other devices, or on another mix of diseases are not known.",
        "Where each class comes from another source, nets learn the source (DeGrave et al. 2021). Measure on data from "
        "elsewhere with `ainode evaluate` before you believe a figure.",
        "It knows no class beyond the above, and answers one of them for anything else.",
    ]
    if brings_image:
        items.append(
            "`sample/` holds one of the held-out images, without a name. May you give that image to all who "
            "get the package? Else train with `--no-sample`, or remove `sample/` and `[sample]` in `model.toml`."
        )
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
