"""What humans may decide about a result, and the bundles that the node writes of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fhir.resources.R4B.bundle import Bundle

from ainode.encode.encoder import REPORT
from ainode.encode.imaging_context import imaging_context
from ainode.encode.kept_findings import kept_findings
from ainode.journal.runs import RunRow
from ainode.run.announcements import progress_of
from ainode_conformance.kinds.source import Source
from ainode_fhir.bundle import as_json, transaction
from ainode_fhir.datatypes import Json
from ainode_fhir.registered import never_reported, registered_bundle
from ainode_fhir.review import Review, Reviewer, Struck, Verdict, check_review, labels
from ainode_fhir.reviewed import reviewed_bundle
from ainode_fhir.run_order import RunOrder
from ainode_fhir.site import Site
from ainode_fhir.task import progressed
from ainode_models.findings import Findings

Decide = Callable[[Findings], Review]
"""A verdict on findings."""

_AT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
_WHO = Reviewer("urn:oid:1.2.276.99.7", "R-12", "Dr Müller <radiologist>")


def accepted(findings: Findings) -> Review:
    """As it is, with a comment."""
    return _review(findings, "accepted", comment="As I see it")


def edited(findings: Findings) -> Review:
    """Without the first finding."""
    first = next(iter(labels(findings)))
    return _review(findings, "edited", struck=(Struck(first, "an artefact"),))


def rejected(findings: Findings) -> Review:
    """For a reason."""
    return _review(findings, "rejected", reason="The images are of another patient")


def write_review(folder: Path, decide: Decide, site: Site, *, bundle: Callable[[Path], Json]) -> Bundle:
    """The bundle of a review of the result in ``folder``."""
    findings = kept_findings(folder)
    review = decide(findings)
    check_review(review.verdict, reason=review.reason, struck=review.struck, findings=findings)
    resources = [entry["resource"] for entry in bundle(folder / REPORT)["entry"]]
    return reviewed_bundle(resources, findings, review, site=site)


def announcements(run: RunRow, findings: Findings, source: Source, site: Site) -> dict[str, Bundle]:
    """What the node says of a run beside its result: registered, at its end, and when it never begins."""
    order = RunOrder(
        run_id=run.run_id,
        algorithm=findings.algorithm,
        context=imaging_context(source.study, source.images.evidence[:1]),
        site=site,
        authored=_AT,
    )
    registered = registered_bundle(order)
    bodies = [entry["resource"] for entry in as_json(registered)["entry"]]
    *others, report, task = bodies
    at = _AT.timestamp()
    ended = replace(run, state="finished", created_at=at, started_at=at + 1, finished_at=at + 9)
    unbegun = replace(run, state="superseded", superseded_by="2", created_at=at)
    done = progress_of(ended, None, review=None, standing=[_review(findings, "accepted")])
    never = progress_of(unbegun, replace(ended, run_id="2"), review=None, standing=[])
    cancelled = never_reported(report, str(never.reason))
    return {
        "registered": registered,
        "ended": transaction([*others, report, progressed(task, done)], base_url=site.base_url),
        "never": transaction([*others, cancelled, progressed(task, never)], base_url=site.base_url),
    }


def _review(
    findings: Findings, verdict: Verdict, *, reason: str = "", comment: str = "", struck: tuple[Struck, ...] = ()
) -> Review:
    return Review(
        run_id=findings.run_id,
        number=1,
        verdict=verdict,
        reviewer=_WHO,
        reviewed_at=_AT,
        reason=reason,
        comment=comment,
        struck=struck,
    )
