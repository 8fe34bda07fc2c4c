"""What the node's own FHIR store says of a run beside its result: that it is registered, and how far its Task is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ainode.complete.held_study import held_study
from ainode.encode.imaging_context import imaging_context
from ainode.encode.registration import Registrations
from ainode.journal.instances import InstanceJournal
from ainode.journal.reviews import ReviewJournal
from ainode.journal.runs import RunJournal, RunRow
from ainode.orders.study_orders import StudyOrders
from ainode.receive.spool import Spool
from ainode.volume.builder import read_header
from ainode_fhir.bundle import transaction
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.registered import never_reported, registered_bundle
from ainode_fhir.review import Review
from ainode_fhir.run_order import RunOrder
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.task import Business, Progress, TaskStatus, progressed, task_id
from ainode_models.errors import InstanceError
from ainode_models.registry import Registry

log = structlog.get_logger()


@dataclass(frozen=True)
class Announcements:
    """Each call says what the journal says at that moment; repeated, it writes nothing."""

    runs: RunJournal
    reviews: ReviewJournal
    instances: InstanceJournal
    spool: Spool
    registry: Registry
    store: ResourceStore
    site: Site
    orders: StudyOrders | None = None
    """What came by HL7 v2."""
    registrations: Registrations | None = None
    """For destinations that ask for registered reports."""

    def register(self, run_id: str) -> None:
        """Announce a run that was accepted, and that those it replaces will not begin any more.

        Whatever is wrong with its images or its model, the run itself must find it, and say so in its report.
        """
        run = self.runs.get(run_id)
        if "fhir" not in run.spec.outputs:
            return
        try:
            # After a restart it may be there already; what is sent may not.
            if self.registrations or self.store.read("Task", task_id(run_id)) is None:
                self._announce(run)
            for earlier in self.runs.replaced(run_id):
                self.tell(earlier)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the images hold: the run goes on without
            log.warning("run not announced", run=run_id, error=type(error).__name__)

    def tell(self, run_id: str) -> None:
        """Have the Task say how far the run is; a report for which nothing comes any more says so.

        A review that is written meanwhile is not lost: it is looked for again after each writing.
        """
        told: list[Json] = []
        while (now := self._now(run_id)) != told:
            self.store.apply(transaction(now, base_url=self.site.base_url))
            told = now
        self._end_registration(run_id)

    def _end_registration(self, run_id: str) -> None:
        report = self.store.read("DiagnosticReport", report_id(run_id)) if self.registrations else None
        if self.registrations and report and report.content["status"] == "cancelled" and "result" not in report.content:
            bundle = transaction(self.store.result_of(report_id(run_id)), base_url=self.site.base_url)
            self.registrations.never(run_id, bundle)

    def _announce(self, run: RunRow) -> None:
        bundle = registered_bundle(self._order(run))
        self.store.apply(bundle)
        if self.registrations:
            self.registrations.registered(run.run_id, bundle, run.spec.destinations)

    def _order(self, run: RunRow) -> RunOrder:
        rows = self.instances.of_study(run.study_uid)
        used = {row.sop_instance_uid: row.path for row in rows}
        first = next((uid for uids in run.spec.inputs.values() for uid in uids if uid in used), None)
        if first is None:
            raise InstanceError("its images are no longer here")
        study = held_study(run.study_uid, rows, self.spool)
        context = imaging_context(study, [read_header(self.spool.path_of(used[first]))])
        return RunOrder(
            run_id=run.run_id,
            algorithm=self.registry.get(f"{run.model}@{run.model_version}").algorithm(),
            context=self.orders.completed(context) if self.orders else context,
            site=self.site,
            authored=_moment(run.created_at),
        )

    def _now(self, run_id: str) -> list[Json]:
        stored = self.store.read("Task", task_id(run_id))
        if stored is None or stored.deleted:  # it has no FHIR among its outputs, or could not be announced
            return []
        run = self.runs.get(run_id)
        row = self.reviews.last(run_id)
        after = self.runs.get(run.superseded_by) if run.superseded_by else None
        standing = self.reviews.standing(self.runs.replaced(run_id))
        progress = progress_of(run, after, review=row.review if row else None, standing=standing)
        resources = [progressed(stored.content, progress)]
        report = self.store.read("DiagnosticReport", report_id(run_id))
        if report and not report.deleted and progress.reason:
            resources.append(never_reported(report.content, progress.reason))
        return resources


def progress_of(run: RunRow, after: RunRow | None, *, review: Review | None, standing: Sequence[Review]) -> Progress:
    """How far a run is; ``after`` is the run that replaces it, ``standing`` are accepted reviews of runs before it."""
    times = [run.created_at, run.started_at, run.finished_at, review.reviewed_at.timestamp() if review else None]
    if after and run.finished_at:
        times.append(max(after.created_at, run.finished_at))
    return Progress(
        status=_status(run),
        modified=_moment(max(at for at in times if at is not None)),
        started=_moment(run.started_at) if run.started_at else None,
        # A clock that was set back makes no period that ends before it starts.
        ended=_moment(max(run.finished_at, run.started_at or 0)) if run.finished_at else None,
        reason=_reason(run),
        business=_business(run, review),
        notes=(*standing_remarks(standing), *_beside(after, review)),
    )


def standing_remarks(standing: Sequence[Review]) -> tuple[str, ...]:
    """For readers of a newer result: what a human accepted before is not withdrawn by it."""
    return tuple(
        f"An earlier analysis of this study (run {review.run_id}) was accepted by a human on "
        f"{review.reviewed_at:%Y-%m-%d} and stands: this newer one has not been reviewed"
        for review in standing
    )


def _status(run: RunRow) -> TaskStatus:
    if run.state == "failed":
        return "rejected" if run.outcome == "refused" else "failed"
    known: dict[str, TaskStatus] = {
        "queued": "requested",
        "running": "in-progress",
        "finished": "completed",
        "superseded": "cancelled",
    }
    return known[run.state]


def _reason(run: RunRow) -> str | None:
    if run.state == "superseded":
        return f"run {run.superseded_by} on more images replaced it before it began"
    return run.reason if run.state == "failed" else None


def _business(run: RunRow, review: Review | None) -> Business | None:
    if run.state != "finished":
        return None
    return review.verdict if review else "superseded" if run.superseded_by else "unreviewed"


def _beside(after: RunRow | None, review: Review | None) -> tuple[str, ...]:
    if after is None or review is None or not review.stands:
        return ()
    return (f"Run {after.run_id} on more images is newer, and stands beside this result",)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
