"""Findings without their pictures, in a file beside the results: what a review is made from, perhaps months later."""

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ainode.durable_file import durable_file
from ainode_models.errors import EncodingError
from ainode_models.findings import Agreement, Algorithm, ClassFinding, Findings, Outcome, Prior, Segment

FINDINGS = "findings.json"
"""Name of the file, in the run's folder."""


@dataclass(frozen=True)
class KeptFindings:
    """The fields of `Findings` that are no arrays."""

    run_id: str
    outcome: Outcome
    algorithm: Algorithm
    started_at: datetime
    segments: tuple[Segment, ...]
    failure: str | None
    classes: tuple[ClassFinding, ...]
    agreement: Agreement | None
    remarks: tuple[str, ...]
    lacking: tuple[str, ...]
    device: str
    prior: Prior | None


_ADAPTER = TypeAdapter(KeptFindings)


def keep_findings(findings: Findings, folder: Path) -> None:
    """Write them into the folder of their run; doing so twice writes the same."""
    kept = KeptFindings(**{item.name: getattr(findings, item.name) for item in fields(KeptFindings)})
    with durable_file(folder / FINDINGS) as file:
        file.write(_ADAPTER.dump_json(kept))


def kept_findings(folder: Path) -> Findings:
    """Findings of the run of a folder, without arrays; EncodingError where there are none, or none that can be read."""
    try:
        kept = _ADAPTER.validate_json((folder / FINDINGS).read_bytes())
    except FileNotFoundError as exc:
        raise EncodingError(
            f"run {folder.name} has kept nothing to review: it has no FHIR among its outputs, was made by an earlier "
            "version of this node, or was deleted after its time"
        ) from exc
    except (OSError, ValidationError) as exc:
        raise EncodingError(f"what was kept of run {folder.name} cannot be read: {type(exc).__name__}") from exc
    return Findings(label_map=None, **{item.name: getattr(kept, item.name) for item in fields(KeptFindings)})
