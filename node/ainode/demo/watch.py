"""How far each study of the demonstration is, read from the node's journal."""

from dataclasses import dataclass

from ainode.cli.journal import Journal
from ainode.demo.studies import DemoStudy
from ainode.journal.deliveries import DeliveryRow
from ainode.journal.runs import RunRow
from ainode.journal.studies import StudyRow


@dataclass(frozen=True)
class StudyProgress:
    """One look at one study; times in seconds since 1970."""

    study: DemoStudy
    received: int
    """Instances that the node has."""
    row: StudyRow | None
    run: RunRow | None
    deliveries: tuple[DeliveryRow, ...]

    @property
    def done(self) -> bool:
        """Whether the result arrived, or never will."""
        if self.run is None or self.run.state in ("queued", "running"):
            return False
        return bool(self.deliveries) and all(item.state != "pending" for item in self.deliveries)

    @property
    def stage(self) -> str:
        """Where the study is, in a word or two."""
        if self.run is None:
            return self.row.state if self.row else "on its way"
        if self.run.state in ("queued", "running"):
            return self.run.state
        if self.done:
            return "delivered" if self.delivered_at else "failed"
        return "delivering"

    @property
    def words(self) -> str:
        """Where the study is, with numbers and reasons."""
        if self.run is None:
            reason = f": {self.row.reason}" if self.row and self.row.state != "receiving" else ""
            return f"{self.stage}: {self.received} of {len(self.study.files)} images{reason}"
        reason = f": {self.run.reason}" if self.run.reason else ""
        return f"{self.stage}, {self.run.model}@{self.run.model_version}{reason}"

    @property
    def delivered_at(self) -> float | None:
        """When the last destination showed the result; None before, and after a failure."""
        times = [item.delivered_at for item in self.deliveries]
        return max((time for time in times if time), default=None) if all(times) else None

    def seconds(self, sent_at: float) -> dict[str, float]:
        """Seconds of each stage, when all is done: the study was sent from ``sent_at`` on."""
        row, run = self.row, self.run
        assert row
        assert run
        assert row.complete_at
        assert run.started_at
        assert run.finished_at
        assert self.delivered_at
        return {
            "received": row.changed_at - sent_at,
            "complete": row.complete_at - row.changed_at,
            "ran": run.finished_at - row.complete_at,
            "delivered": self.delivered_at - run.finished_at,
            "total": self.delivered_at - sent_at,
        }


def look(journal: Journal, study: DemoStudy) -> StudyProgress:
    """Progress of one study now."""
    runs = journal.runs.of_study(study.study_uid)
    run = runs[0] if runs else None
    return StudyProgress(
        study=study,
        received=len(journal.instances.of_study(study.study_uid)),
        row=journal.studies.get(study.study_uid),
        run=run,
        deliveries=tuple(journal.deliveries.of_run(run.run_id)) if run else (),
    )
