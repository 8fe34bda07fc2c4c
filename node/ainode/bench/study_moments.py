"""When a study was where: from the node's journal and from its log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ainode.bench.study_round import Outcome
from ainode.cli.journal import Journal
from ainode_models.errors import ModelError

PHASES = ("complete", "started", "volume", "handed over", "encoded", "delivered")
"""Of the overhead, in order: what `Moments.phases` gives."""


@dataclass(frozen=True)
class Moments:
    """Moments of one study in seconds since 1970, by the clock of this machine."""

    sent: float
    """The last C-STORE was answered."""
    indexed: float
    """The node knew that the last image belongs to the study."""
    queued: float
    started: float
    prepared: float
    """The volume was built."""
    predicted: float
    encoded: float
    """The objects were written, and their deliveries in the outbox."""
    found: float
    """QIDO-RS of the archive showed SEG and SR."""
    quiet_s: float
    """The configured quiet time."""
    model_s: float
    """Seconds that the model itself computed."""

    @property
    def whole_s(self) -> float:
        """From the last answer to the results, without the quiet time."""
        return self.found - self.sent - self.quiet_s

    @property
    def overhead_s(self) -> float:
        """The same without the model's own computing."""
        return self.whole_s - self.model_s

    @property
    def phases(self) -> Mapping[str, float]:
        """The overhead in parts, seconds.

        ``complete`` is how much later than after the quiet time the run was queued; ``handed over`` is all of the
        model's step but its computing.
        """
        times = (
            self.queued - self.sent - self.quiet_s,
            self.started - self.queued,
            self.prepared - self.started,
            self.predicted - self.prepared - self.model_s,
            self.encoded - self.predicted,
            self.found - self.encoded,
        )
        return dict(zip(PHASES, times, strict=True))


def moments_of(outcome: Outcome, book: Journal, node_log: Path, *, quiet_s: float) -> Moments:
    """Moments of a study whose results were found, from the node's journal and log.

    Raises `ModelError` when it has not had one run that ended well.
    """
    assert outcome.found is not None
    study = book.studies.get(outcome.study.uid)
    run, *more = book.runs.of_study(outcome.study.uid)
    if more or run.outcome != "findings" or study is None or run.started_at is None or run.finished_at is None:
        raise ModelError(f"the last of {1 + len(more)} runs is {run.state}, {run.outcome}: {run.reason}")
    steps = _steps(node_log, run.run_id)
    return Moments(
        sent=outcome.sent,
        indexed=study.changed_at,
        queued=run.created_at,
        started=run.started_at,
        prepared=_moment(steps["prepare"]),
        predicted=_moment(steps["infer"]),
        encoded=run.finished_at,
        found=outcome.found,
        quiet_s=quiet_s,
        model_s=steps["infer"]["model_seconds"],
    )


def _steps(node_log: Path, run_id: str) -> Mapping[str, Mapping[str, Any]]:
    """The log's lines on the steps of a run, by step."""
    lines = (line for line in node_log.read_text().splitlines() if run_id in line and '"run step"' in line)
    return {line["step"]: line for line in map(json.loads, lines)}


def _moment(line: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
