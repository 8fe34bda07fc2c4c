"""From the answer of a runtime to findings: sizes in the patient's millimetres."""

from datetime import datetime

import numpy as np

from ainode_models.diameter import largest_part, longest_diameter
from ainode_models.findings import Algorithm, Findings, Outcome, Segment
from ainode_models.label import Label
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.tracking import tracking_id
from ainode_models.uids import derived_uid
from ainode_models.volume import Volume


def findings_of(
    prediction: Prediction, package: ModelPackage, *, grid: Volume, run_id: str, started_at: datetime
) -> Findings:
    """Findings of a run that ended, with or without anything found.

    ``grid`` is the reference volume, on whose voxels the prediction lies.
    """
    segments = segments_of(prediction, package, grid=grid, run_id=run_id)
    found = any(segment.voxels for segment in segments)
    return Findings(
        run_id=run_id,
        outcome=Outcome.FINDINGS if found else Outcome.NO_FINDINGS,
        algorithm=package.algorithm(prediction.parameters),
        started_at=started_at,
        segments=segments,
        label_map=prediction.label_map,
        failure=None,
        remarks=prediction.remarks,
        lacking=prediction.lacking,
        device=prediction.device,
        probabilities=prediction.probabilities,
    )


def failed_findings(
    algorithm: Algorithm, failure: str, *, run_id: str, started_at: datetime, refused: bool = False
) -> Findings:
    """Findings of a run that did not end; ``failure`` says why, without patient data.

    ``refused``: the images were not suitable, rather than that something went wrong.
    """
    return Findings(
        run_id=run_id,
        outcome=Outcome.REFUSED if refused else Outcome.FAILED,
        algorithm=algorithm,
        started_at=started_at,
        segments=(),
        label_map=None,
        failure=failure,
    )


def segments_of(prediction: Prediction, package: ModelPackage, *, grid: Volume, run_id: str) -> tuple[Segment, ...]:
    """Every label of the package, measured in ``prediction``; absent ones have no voxels."""
    return tuple(_segment(label, prediction, package, grid=grid, run_id=run_id) for label in package.manifest.labels)


def _segment(label: Label, prediction: Prediction, package: ModelPackage, *, grid: Volume, run_id: str) -> Segment:
    mask = prediction.label_map == label.value
    voxels = int(np.count_nonzero(mask))
    return Segment(
        number=label.value,
        label=label.name,
        category=label.category,
        type=label.type,
        anatomy=label.anatomy,
        color=label.color,
        tracking_id=tracking_id(label.name, package.manifest.name, package.version),
        tracking_uid=derived_uid("tracking", run_id, str(label.value)),
        voxels=voxels,
        volume_ml=voxels * grid.voxel_volume_ml,
        longest_diameter=longest_diameter(largest_part(mask), grid.affine),
        confidence=prediction.confidence.get(label.value),
    )
