"""Findings beside those of an earlier study of the same patient by the same model: tracking goes on, volumes compare.

It says what was measured then and now, and the difference. What that means for the patient it does not say.
"""

from collections.abc import Sequence
from dataclasses import replace

from ainode_models.digits import reported
from ainode_models.findings import Findings, Prior, Segment

_Key = tuple[str, str, str, str, str]


def compared(findings: Findings, prior: Prior, earlier: Sequence[Segment]) -> Findings:
    """``findings`` with the tracking identifiers and volumes of the same labels in ``earlier``, the prior's segments.

    A label is the same when its name and the codes of its type and its anatomy are: a segment is all that the model
    gives this label, so it is the same thing over time. Others stay as they are; without any there is no prior.
    """
    before = {_key(segment): segment for segment in earlier}
    if not any(_key(segment) in before for segment in findings.segments):
        return findings
    segments = tuple(_continued(segment, before.get(_key(segment))) for segment in findings.segments)
    return replace(findings, segments=segments, prior=prior)


def change_ml(segment: Segment) -> float | None:
    """Volume now less volume then, in mL, of the numbers as they are reported; None without a volume then."""
    if segment.prior_volume_ml is None:
        return None
    return reported(reported(segment.volume_ml) - reported(segment.prior_volume_ml))


def comparison(findings: Findings) -> str | None:
    """Which result they are compared with, then each label that was or is there: then, now, change."""
    if findings.prior is None:
        return None
    labels = [_statement(segment) for segment in findings.segments if is_compared(segment)]
    return f"{compared_with(findings.prior)}: {'; '.join(labels) or 'nothing was found then or now'}."


def compared_with(prior: Prior) -> str:
    """The result that findings are compared with: its study's date, its version, its run."""
    return f"Compared with the study of {prior.studied_on} (version {prior.version}, run {prior.run_id})"


def is_compared(segment: Segment) -> bool:
    """Whether a segment has a volume then, and was there then or is now."""
    return segment.prior_volume_ml is not None and bool(segment.prior_volume_ml or segment.voxels)


def signed(value: float) -> str:
    """A change with one decimal and its sign; ``0.0`` without one."""
    text = f"{value:+.1f}"
    return text if float(text) else "0.0"


def _key(segment: Segment) -> _Key:
    return segment.label, segment.type.value, segment.type.scheme, segment.anatomy.value, segment.anatomy.scheme


def _continued(segment: Segment, before: Segment | None) -> Segment:
    if before is None:
        return segment
    return replace(
        segment,
        tracking_id=before.tracking_id,
        tracking_uid=before.tracking_uid,
        prior_volume_ml=before.volume_ml,
    )


def _statement(segment: Segment) -> str:
    then, change = segment.prior_volume_ml or 0.0, change_ml(segment) or 0.0
    before = f"{reported(then):.1f} mL" if then else "not found"
    now = f"{reported(segment.volume_ml):.1f} mL" if segment.voxels else "not found"
    return f"{segment.label} then {before}, now {now}, change {signed(change)} mL"
