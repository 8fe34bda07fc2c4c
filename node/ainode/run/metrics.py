"""Prometheus metrics of runs and of the models' processes, and the log line of a finished run."""

import structlog
from prometheus_client import Counter, Gauge, Histogram

from ainode.journal.runs import RunRow

log = structlog.get_logger()

RUNS = Counter("ainode_runs", "Runs that ended, by model and outcome.", ["model", "outcome"])
SECONDS = Histogram(
    "ainode_run_seconds",
    "Time from the start of a run to its encoded objects.",
    ["model"],
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
)

MODEL_PROCESSES = Gauge("ainode_model_processes", "Processes of models that live.")
MODEL_MEMORY = Gauge("ainode_model_memory_bytes", "Memory that the models' processes hold, of machine and GPU.", ["of"])
MODEL_PROCESSES_ENDED = Counter("ainode_model_processes_ended", "Processes of models that ended, by cause.", ["why"])


def count_run(run: RunRow) -> None:
    """Count a run that ended, and write its log line."""
    seconds = (run.finished_at or 0.0) - (run.started_at or 0.0)
    RUNS.labels(model=run.model, outcome=run.outcome).inc()
    SECONDS.labels(model=run.model).observe(seconds)
    log.info(
        "run",
        run=run.run_id,
        study=run.study_uid,
        model=f"{run.model}@{run.model_version}",
        outcome=run.outcome,
        reason=run.reason,
        seconds=round(seconds, 3),
    )
