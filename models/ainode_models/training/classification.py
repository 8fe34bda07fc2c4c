"""``ainode evaluate`` for a package that classifies images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainode_models.classifier import Classifier, classifier_for
from ainode_models.errors import ConfigError, InputError
from ainode_models.package import ModelPackage
from ainode_models.radiograph import Radiograph
from ainode_models.training.class_folder import ClassFolder
from ainode_models.training.class_metrics import Answers
from ainode_models.training.class_report import ClassReport, write_class_report
from ainode_models.training.patients import patients_of
from ainode_models.training.xray_folder import LabelledXray, read_xrays
from ainode_models.training.xray_pixels import grey_of

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class LabelledData:
    """What an evaluation is asked to measure on."""

    folder: Path
    classes: tuple[ClassFolder, ...]
    """Which folder holds which class; the names are those of the package."""
    patient_pattern: str | None


def evaluate_classifier(
    package: ModelPackage, data: LabelledData, out: Path, *, device: str, seed: int, progress: Progress
) -> ClassReport:
    """Run the package on every image of ``data`` and write the tables and pictures to ``out``.

    Images that the model refuses are counted in ``metrics.json`` and left out of all figures. Raises `ConfigError` for
    classes that the package does not have, `InputError` for data, and what the classifier raises.
    """
    folders = _in_order(package, data.classes)
    patients = patients_of(data.folder, data.patient_pattern)
    xrays = read_xrays(data.folder, folders, patients, masked=False)
    classifier = classifier_for(package)
    classifier.load(package, device)
    try:
        said = [
            _told(progress, number, len(xrays), _probabilities(classifier, package, xray))
            for number, xray in enumerate(xrays, 1)
        ]
    finally:
        classifier.unload()
    answered = [number for number, each in enumerate(said) if each is not None]
    if not answered:
        raise InputError(f"{data.folder}: the model refuses every image; run one through the node to see why")
    chosen = [xrays[number] for number in answered]
    answers = answers_of(package, chosen, np.array([said[number] for number in answered]))
    also = {
        "model": {
            "name": package.manifest.name,
            "version": package.manifest.version,
            "weights": package.weights_sha256,
        },
        "refused_images": len(xrays) - len(answered),
        "split_by_patient": patients.by_patient,
    }
    return write_class_report(out, answers, seed=seed, also=also)


def _in_order(package: ModelPackage, classes: Sequence[ClassFolder]) -> list[ClassFolder]:
    """The folders in the order of the classes of the package."""
    by_name = {each.name: each for each in classes}
    names = [each.name for each in package.manifest.classes]
    if set(names) != set(by_name):
        raise ConfigError(
            f"{package.manifest.name} has the classes {', '.join(names)}, but the data {', '.join(by_name)}; "
            "say which folder holds which class of the model in a file for --classes"
        )
    return [by_name[name] for name in names]


def _probabilities(classifier: Classifier, package: ModelPackage, xray: LabelledXray) -> list[float] | None:
    """Of each class of the package; None when the model refuses the image."""
    image = Radiograph(grey_of(xray.file), view=xray.patient.strata.get("view", ""))
    try:
        said = classifier.classify({package.manifest.inputs[0].name: image})
    except InputError:
        return None
    return [said.probabilities[each.number] for each in package.manifest.classes]


def _told(progress: Progress, done: int, of: int, said: list[float] | None) -> list[float] | None:
    progress("images", done, of, "")
    return said


def answers_of(package: ModelPackage, xrays: Sequence[LabelledXray], said: NDArray[np.float64]) -> Answers:
    """What the package ``said`` of ``xrays``, ``(images, classes)``, beside the truth."""
    classes = package.manifest.classes
    return Answers(
        classes=tuple(each.name for each in classes),
        truth=np.array([xray.label for xray in xrays], np.intp),
        probabilities=said,
        thresholds=tuple(each.threshold for each in classes),
        refer_from=tuple(each.refer_from for each in classes),
        patients=np.unique([xray.patient.id for xray in xrays], return_inverse=True)[1],
        strata=tuple(xray.patient.strata for xray in xrays),
    )
