"""A look at a whole package: codes, checksums, weights, and its own sample through the real runtime."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ainode_models.classifier import Classifier, classifier_for
from ainode_models.dice import dice
from ainode_models.errors import AinodeError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.profile import Profile
from ainode_models.runtime import Runtime, runtime_for
from ainode_models.sample import Sample
from ainode_models.sample_files import sample_radiographs, sample_volumes, stored_label_map, stored_probabilities
from ainode_models.terminology import check_codes

LEAST_DICE = 0.999
"""Of each label of the sample, between the stored answer and today's."""
MOST_DIFFERENCE = 1e-3
"""Of the probability of each class."""
MOST_ROUNDED = 1e-2
"""The same where `ainode_models.prediction.Classification.rounded`."""


@dataclass(frozen=True)
class Report:
    """What was seen of a package that is sound."""

    reference: str
    """``name@version``."""
    load_seconds: float
    sample_seconds: float
    agreement: str
    """How well today's answer to the sample agrees with the stored one, in words; empty when it brings none."""
    remarks: tuple[str, ...]
    """What nobody could check, in words."""


def check_package(package: ModelPackage, device: str, *, clock: Callable[[], float] = time.perf_counter) -> Report:
    """Check everything that can be; raises `PackageError`, or `RuntimeUnavailable` for what lacks here.

    Loads the model into this process: `ainode_models.check_process` does it in another.
    """
    remarks = check_codes(package.manifest)
    package.verify()
    as_trained = replace(package, profile=Profile())
    model = classifier_for(package) if package.manifest.classes else runtime_for(package)
    start = clock()
    model.load(as_trained, device)
    loaded = clock()
    sample = package.manifest.sample
    agreement = _agreement(model, package, sample) if sample else ""
    ended = clock()
    for profile in package.manifest.profiles.values():
        if profile != as_trained.profile:  # its Dice was measured on more than the sample: here it must load
            model.load(replace(package, profile=profile), "cpu" if profile.precision == "int8" else device)
    model.unload()
    if not sample:
        remarks = (*remarks, "it brings no [sample]: nobody checked that it answers as it should")
    return Report(package.reference, loaded - start, ended - loaded, agreement, remarks)


def _agreement(model: Runtime | Classifier, package: ModelPackage, sample: Sample) -> str:
    try:
        if isinstance(model, Classifier):
            return _classified(model, package, sample)
        return _segmented(model, package, sample)
    except PackageError:
        raise
    except AinodeError as exc:
        raise PackageError(f"{package.folder}: its own sample cannot be run: {exc}; write the sample anew") from exc


def _segmented(runtime: Runtime, package: ModelPackage, sample: Sample) -> str:
    expected, volumes = stored_label_map(package, sample), sample_volumes(package, sample)
    shape = next(iter(volumes.values())).array.shape
    if shape != expected.shape:
        raise PackageError(
            f"{package.folder / sample.answer}: 'label_map' has the shape {expected.shape}, but the sample's inputs "
            f"have {shape}; write the sample anew"
        )
    if unknown := set(np.unique(expected).tolist()) - {0, *(label.value for label in package.manifest.labels)}:
        raise PackageError(
            f"{package.folder / sample.answer}: holds {sorted(unknown)}, which are no [[label]]; see there"
        )
    label_map = runtime.predict(volumes).label_map
    scores = {label.name: dice(label_map == label.value, expected == label.value) for label in package.manifest.labels}
    shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    if min(scores.values()) < LEAST_DICE:
        raise PackageError(
            f"{package.folder}: answers its own sample otherwise than stored: Dice {shown}; each must be at least "
            f"{LEAST_DICE}. These are not the weights that made {sample.answer}, or they run wrongly here"
        )
    return f"Dice {shown}"


def _classified(classifier: Classifier, package: ModelPackage, sample: Sample) -> str:
    expected = stored_probabilities(package, sample)
    said = classifier.classify(sample_radiographs(package, sample))
    answer, most = said.probabilities, MOST_ROUNDED if said.rounded else MOST_DIFFERENCE
    if len(expected) != len(package.manifest.classes):
        raise PackageError(
            f"{package.folder / sample.answer}: holds {len(expected)} probabilities for "
            f"{len(package.manifest.classes)} [[class]]; write one for each"
        )
    differences = {
        each.name: abs(answer[each.number] - float(value))
        for each, value in zip(package.manifest.classes, expected, strict=True)
    }
    worst = max(differences, key=lambda name: differences[name])
    shown = f"probabilities differ by at most {differences[worst]:.1e} ({worst})"
    if not differences[worst] <= most:
        raise PackageError(
            f"{package.folder}: answers its own sample otherwise than stored: {shown}; at most {most} is "
            f"allowed. These are not the weights that made {sample.answer}, or they run wrongly here"
        )
    return shown
