"""Jobs: one for each request that predicts; those that ended are on disk, so that a restart answers for them."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from ainode.api.answers import BatchAnswer, JobAnswer, PredictionAnswer, State
from ainode.dicomweb.problem import WebProblem
from ainode.durable_file import durable_file

ENDED: tuple[State, ...] = ("done", "failed")
_INTERRUPTED = "the node was stopped before the job was done; send the files again"
_RETRY_SECONDS = "10"


@dataclass(frozen=True)
class Job:
    """What is known of a job."""

    id: str
    model: str
    version: str
    cases: int
    created_at: float
    """Seconds since 1970."""
    state: State = "queued"
    cases_done: int = 0
    finished_at: float | None = None
    reason: str | None = None
    """Why it failed, without patient data."""
    status: int = 200
    """HTTP status of its answer."""
    result: PredictionAnswer | BatchAnswer | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED

    @property
    def result_ids(self) -> tuple[str, ...]:
        """The results that it has, by their ids."""
        answers = self.result.results if isinstance(self.result, BatchAnswer) else [self.result]
        return tuple(answer.id for answer in answers if isinstance(answer, PredictionAnswer))

    def failed(self, reason: str, *, status: int, now: float) -> Self:
        """The job after a failure."""
        return replace(self, state="failed", reason=reason, status=status, finished_at=now)

    def answer(self, root: str) -> JobAnswer:
        """The job in the words of the interface at ``root``."""
        address = f"{root}/jobs/{self.id}"
        return JobAnswer(
            id=self.id,
            state=self.state,
            model=self.model,
            version=self.version,
            cases=self.cases,
            cases_done=self.cases_done,
            created_at=_iso(self.created_at),
            finished_at=None if self.finished_at is None else _iso(self.finished_at),
            reason=self.reason,
            links={"self": address, "events": f"{address}/events"},
            result=self.result,
        )


_STORED = TypeAdapter(Job)


class Jobs:
    """All jobs; thread-safe."""

    def __init__(self, folder: Path, *, most: int, keep: float, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._most = most
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[str, Job] = {}

    def create(self, job_id: str, model: str, version: str, *, cases: int) -> Job:
        """A new job, recorded on disk; WebProblem 503 when too many wait."""
        job = Job(job_id, model, version, cases, self._clock())
        with self._lock:
            if len(self._live) >= self._most:
                problem = f"{self._most} predictions wait already; try again"
                raise WebProblem(503, problem, headers={"retry-after": _RETRY_SECONDS})
            self._live[job.id] = job
        self._write(job)
        return job

    def get(self, job_id: str) -> Job | None:
        """A job that is under way or kept; one that a stop of the node cut off reads as failed."""
        with self._lock:
            if job_id in self._live:
                return self._live[job_id]
        job = self._read(job_id)
        if job is None or job.ended:
            return job
        return job.failed(_INTERRUPTED, status=503, now=job.created_at)

    def change(self, job_id: str, **changes: Any) -> None:
        """Note progress of a job, unless it was removed."""
        with self._lock:
            if job_id in self._live:
                self._live[job_id] = replace(self._live[job_id], **changes)

    def end(self, job: Job) -> None:
        """Record the end of a job, unless it was removed meanwhile."""
        with self._lock:
            if job.id in self._live:
                self._write(job)
                del self._live[job.id]

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        with self._lock:
            self._live.pop(job_id, None)
            self._path(job_id).unlink(missing_ok=True)

    @property
    def waiting(self) -> int:
        """Jobs under way."""
        with self._lock:
            return len(self._live)

    def is_live(self, job_id: str) -> bool:
        """Whether a job is under way."""
        with self._lock:
            return job_id in self._live

    def sweep(self) -> None:
        """Remove what is too old."""
        for path in self._folder.glob("*.json"):
            job = self.get(path.stem)
            ended = job.finished_at or job.created_at if job and job.ended else None
            if job is None or (ended is not None and self._clock() - ended > self._keep):
                path.unlink(missing_ok=True)

    def _write(self, job: Job) -> None:
        with durable_file(self._path(job.id)) as file:
            file.write(_STORED.dump_json(job))

    def _read(self, job_id: str) -> Job | None:
        if not re.fullmatch(r"[0-9a-f]{32}", job_id):
            return None
        try:
            return _STORED.validate_json(self._path(job_id).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
