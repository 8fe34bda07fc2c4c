"""From the answer of a classifier to findings: what is present, and how sure the nets are."""

from datetime import datetime

import numpy as np

from ainode_models.class_label import ClassLabel
from ainode_models.errors import ModelError
from ainode_models.findings import Agreement, ClassFinding, Decision, Findings, Outcome
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification
from ainode_models.tracking import tracking_id
from ainode_models.uids import derived_uid


def classification_findings(
    classification: Classification, package: ModelPackage, *, run_id: str, started_at: datetime
) -> Findings:
    """Findings of a run that ended: something is found where any class but a normal one is present or uncertain.

    Raises `ModelError` when the classifier did not give each class of the package a probability from 0 to 1.
    """
    _check(classification, package)
    classes = tuple(_finding(label, classification, package, run_id=run_id) for label in package.manifest.classes)
    found = any(each.notable for each in classes)
    return Findings(
        run_id=run_id,
        outcome=Outcome.FINDINGS if found else Outcome.NO_FINDINGS,
        algorithm=package.algorithm(classification.parameters),
        started_at=started_at,
        segments=(),
        label_map=None,
        failure=None,
        classes=classes,
        agreement=agreement_of(classification),
        heatmaps=classification.heatmaps,
        remarks=classification.remarks + _undecided(classes, doubtful=classification.doubtful),
        lacking=classification.lacking,
        device=classification.device,
    )


def agreement_of(classification: Classification) -> Agreement:
    """Confidence, margin of the top two, and disagreement between the nets; a single net agrees with itself."""
    second, best = sorted(classification.probabilities.values())[-2:]
    members = [[member[n] for n in sorted(member)] for member in classification.members.values()]
    disagreement = float(np.std(members, axis=0).mean()) if members else 0.0
    return Agreement(confidence=best, margin=best - second, disagreement=disagreement)


def _finding(label: ClassLabel, answer: Classification, package: ModelPackage, *, run_id: str) -> ClassFinding:
    probability = answer.probabilities[label.number]
    return ClassFinding(
        number=label.number,
        label=label.name,
        type=label.type,
        anatomy=label.anatomy,
        tracking_id=tracking_id(label.name, package.manifest.name, package.version),
        tracking_uid=derived_uid("tracking", run_id, str(label.number)),
        probability=probability,
        decision=Decision.UNCERTAIN if answer.doubtful else label.decide(probability),
        members={name: member[label.number] for name, member in answer.members.items()},
        normal=label.normal,
    )


def _undecided(classes: tuple[ClassFinding, ...], *, doubtful: bool) -> tuple[str, ...]:
    """Nothing present must not read as nothing there."""
    if doubtful:
        return ("The image hardly is what the model is made for: it decides on no class, a human must.",)
    if any(each.decision is Decision.PRESENT for each in classes):
        return ()
    return ("No class reaches its threshold: the model does not decide, a human must.",)


def _check(answer: Classification, package: ModelPackage) -> None:
    """NaN is not within bounds either."""
    wanted = {label.number for label in package.manifest.classes}
    for name, given in [("the whole", answer.probabilities), *answer.members.items()]:
        if set(given) != wanted or not all(0 <= value <= 1 for value in given.values()):
            raise ModelError(
                f"{package.manifest.name}: {name} gave no probability from 0 to 1 for each of classes "
                f"{sorted(wanted)}; correct the classifier or its weights"
            )
