"""What happens in a job: one case after the other, and whatever goes wrong is its answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import format_tb
from types import MappingProxyType

import structlog

from ainode.api.answers import BatchAnswer, PredictionAnswer, Refusal, State
from ainode.api.jobs import Job, Jobs
from ainode.api.metrics import PREDICTIONS
from ainode.api.predictor import Predictor
from ainode.api.question import Question
from ainode.dicomweb.problem import WebProblem
from ainode_models.errors import (
    AinodeError,
    InputError,
    OutOfMemory,
    PackageError,
    RuntimeUnavailable,
    WorkerCrashed,
    WorkerTimeout,
)

_log = structlog.get_logger()
_UNAVAILABLE = (WorkerCrashed, WorkerTimeout, RuntimeUnavailable, PackageError)
"""What may be otherwise when the client comes again."""
_LATER: Mapping[str, str] = MappingProxyType({"retry-after": "30"})


@dataclass(frozen=True)
class Work:
    """What is to be done for one job."""

    job: Job
    questions: Sequence[Question]
    batch: bool
    """Whether the answer is one for several cases, even if there is one only."""
    folder: Path
    """Holds the files, and goes with the job."""
    remarks: tuple[str, ...]


class JobRunner:
    """Does the work of jobs; thread-safe."""

    def __init__(self, predictor: Predictor, jobs: Jobs, clock: Callable[[], float]) -> None:
        self._predictor = predictor
        self._jobs = jobs
        self._clock = clock

    def run(self, work: Work) -> None:
        """Do all of it and record how it ended; raises nothing."""
        began = time.perf_counter()
        answers = [self._case(work, place, question) for place, question in enumerate(work.questions)]
        finished = replace(work.job, cases_done=len(answers), finished_at=self._clock())
        only = answers[0]
        if work.batch:
            result = _batch(finished, answers, time.perf_counter() - began)
            job = replace(finished, state="done", result=result)
        elif isinstance(only, PredictionAnswer):
            job = replace(finished, state="done", result=only)
        else:
            job = finished.failed(str(only), status=only.status, now=self._clock())
        self._jobs.end(job)

    def _case(self, work: Work, place: int, question: Question) -> PredictionAnswer | WebProblem:
        def tell(state: State) -> None:
            self._jobs.change(work.job.id, state=state, cases_done=place)

        model = question.package.manifest.name
        try:
            answer = self._predictor.answer(question, work.folder, tell)
        except Exception as exc:  # noqa: BLE001 - the edge of the job: whoever waits must get an answer
            problem = problem_of(exc)
            PREDICTIONS.labels(model=model, result="failed").inc()
            _log.info("prediction", job=work.job.id, model=model, result="failed", status=problem.status)
            return problem
        result = "cached" if answer.cached else "predicted"
        PREDICTIONS.labels(model=model, result=result).inc()
        _log.info("prediction", job=work.job.id, model=model, result=result, status=200)
        return answer.model_copy(update={"remarks": [*work.remarks, *answer.remarks]})


def problem_of(exc: Exception) -> WebProblem:
    """What a client is told of an error: what is wrong with its files, else that the node cannot."""
    if isinstance(exc, WebProblem):
        return exc
    if isinstance(exc, InputError):
        return WebProblem(422, str(exc))
    if isinstance(exc, AinodeError):
        return _without_answer(exc)
    if isinstance(exc, OSError):
        _log.error("prediction not kept", error=exc.strerror)
        return WebProblem(507, "the disk of the node does not take the files")
    _log.error("prediction failed", error=type(exc).__name__, where="".join(format_tb(exc.__traceback__)))
    return WebProblem(500, "the node failed; its log says why")


def _without_answer(exc: AinodeError) -> WebProblem:
    """What lies with the node or the model, not with the input."""
    if isinstance(exc, _UNAVAILABLE):
        _log.error("model not available", reason=str(exc))
        return WebProblem(503, "the model cannot answer now; the log of the node says why", headers=_LATER)
    _log.error("model failed", reason=str(exc))
    if isinstance(exc, OutOfMemory):
        return WebProblem(503, "the model needs more memory for this input than there is now", headers=_LATER)
    return WebProblem(500, "the model failed; the log of the node says why")


def _batch(job: Job, answers: Sequence[PredictionAnswer | WebProblem], seconds: float) -> BatchAnswer:
    good = sum(isinstance(answer, PredictionAnswer) for answer in answers)
    return BatchAnswer(
        success=good == len(answers),
        status="success" if good == len(answers) else "partial" if good else "error",
        message=f"{good} of {len(answers)} inputs were predicted",
        model=job.model,
        version=job.version,
        elapsed_time=round(seconds, 4),
        results=[
            answer if isinstance(answer, PredictionAnswer) else Refusal(message=str(answer)) for answer in answers
        ],
    )
