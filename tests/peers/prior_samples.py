"""A prior, and findings beside it."""

from dataclasses import replace
from datetime import date

from ainode_models.comparison import compared
from ainode_models.findings import Findings, Prior
from ainode_models.tracking import tracking_id

PRIOR = Prior(
    run_id="run-0",
    version="0.9.1",
    studied_on=date(2025, 7, 1),
    study_uid="2.25.801",
    series_uid="2.25.802",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
    sop_instance_uid="2.25.803",
)
VOLUMES = (12.3, 2.0, 0.0)
"""Then, of the labels in their order; those behind them were not looked for."""


def with_prior(run: Findings) -> Findings:
    """``run`` beside a prior in which the same labels had other volumes, and tracking UIDs of their own."""
    earlier = [
        replace(segment, volume_ml=volume, voxels=int(volume > 0), tracking_uid=f"2.25.81{segment.number}")
        for segment, volume in zip(run.segments, VOLUMES, strict=False)
    ]
    return compared(run, PRIOR, earlier)


def tracked(run: Findings) -> Findings:
    """``run`` with the tracking identifiers that the node writes."""
    own = (run.algorithm.name, run.algorithm.version)
    return replace(
        run,
        segments=tuple(replace(each, tracking_id=tracking_id(each.label, *own)) for each in run.segments),
        classes=tuple(replace(each, tracking_id=tracking_id(each.label, *own)) for each in run.classes),
    )
