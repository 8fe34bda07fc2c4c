"""``build/demo.json`` and the closing table of the demonstration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.table import Table

from ainode.demo.outcome import Outcome
from ainode.demo.watch import StudyProgress
from ainode.measurement import Machine, Report, Row, commit_of

STAGES = ("received", "complete", "ran", "delivered")
DICE_GOAL = ">= 0.85"


@dataclass(frozen=True)
class Finished:
    """One study with all that is known of it at the end."""

    progress: StudyProgress
    outcome: Outcome
    sent_at: float


def demo_report(finished: Sequence[Finished], root: Path) -> Report:
    """Every figure of the demonstration in the project's one format."""
    return Report(
        name="demo",
        rows=tuple(row for item in finished for row in _rows(item)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(root),
        machine=Machine.this(),
    )


def demo_table(finished: Sequence[Finished]) -> Table:
    """One line for each study: seconds of each stage."""
    table = Table(title="seconds of each stage", title_justify="left")
    for column in ("study", "images", *STAGES, "total"):
        table.add_column(column, justify="left" if column == "study" else "right", no_wrap=True)
    for item in finished:
        seconds = item.progress.seconds(item.sent_at)
        table.add_row(
            item.progress.study.name,
            str(item.progress.received),
            *(f"{seconds[stage]:.1f}" for stage in (*STAGES, "total")),
        )
    return table


def _rows(item: Finished) -> list[Row]:
    study = item.progress.study
    prefix = study.name.replace(" ", "_")
    rows = [
        Row.judged(f"{prefix}_instances", item.progress.received, unit="1", goal=f"= {len(study.files)}"),
        Row.judged(f"{prefix}_reports_found", item.outcome.reports, unit="1", goal="= 1"),
    ]
    rows += [
        Row(metric=f"{prefix}_{stage}_seconds", value=round(seconds, 2), unit="s")
        for stage, seconds in item.progress.seconds(item.sent_at).items()
    ]
    rows += [
        Row(metric=f"{prefix}_{kind.lower()}_sop_instance_uid", value=uid, unit="")
        for kind, uid in item.outcome.objects.items()
    ]
    rows += [
        Row.judged(f"{prefix}_dice_{label.lower().replace(' ', '_')}", round(score, 4), unit="1", goal=DICE_GOAL)
        for label, score in item.outcome.dice.items()
    ]
    return rows
