"""Requests as jobs: files taken in, predicted in the order of their arrival, results kept for a while."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ainode.api.cases import one_case, several_cases
from ainode.api.job_runner import JobRunner, Work
from ainode.api.jobs import Job, Jobs
from ainode.api.predictor import Predictor
from ainode.api.question import Options, Question
from ainode.api.result_store import ResultStore
from ainode.api.sent_files import receive_files
from ainode.dicomweb.problem import WebProblem
from ainode_models.package import ModelPackage

GONE = "no such thing here, or it is kept no longer"
_THREADS = 4
"""Cases that are read, predicted or measured at once; the models' processes have queues of their own."""


@dataclass(frozen=True)
class Asked:
    """What a request is for."""

    package: ModelPackage
    options: Options
    batch: bool


@dataclass(frozen=True)
class Submitted:
    """A job, and what is done when it has ended, however it ended."""

    job_id: str
    ended: "Future[None]"


@dataclass(frozen=True)
class Intake:
    """How files are taken in."""

    folder: Path
    """Where they lie until their job has ended."""
    longest: int
    """Bytes of a body at most."""
    admit: Callable[[], None]
    """Raises OSError while the disk is nearly full."""


class Predictions:
    """The jobs of the REST interface; thread-safe."""

    def __init__(
        self, predictor: Predictor, jobs: Jobs, results: ResultStore, *, intake: Intake, clock: Callable[[], float]
    ) -> None:
        self.jobs = jobs
        self.results = results
        self._predictor = predictor
        self._runner = JobRunner(predictor, jobs, clock)
        self._intake = intake
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="api")
        self._futures: dict[str, Future[None]] = {}
        self._receiving: set[str] = set()
        self._forgotten: set[str] = set()

    def submit(self, asked: Asked, chunks: Iterator[bytes], boundary: bytes) -> Submitted:
        """Take the files in and queue them; WebProblem says why not, and nothing of them is left then."""
        self._admit()
        job_id = uuid4().hex
        folder = self._intake.folder / job_id
        self._receiving.add(job_id)
        folder.mkdir(parents=True, mode=0o700)
        try:
            return self._queued(asked, chunks, boundary, folder=folder)
        except BaseException:
            self.jobs.remove(job_id)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._receiving.discard(job_id)

    def job(self, job_id: str) -> Job:
        """A job; WebProblem 404 when there is none."""
        job = self.jobs.get(job_id)
        if job is None:
            raise WebProblem(404, GONE)
        return job

    def cancel(self, job_id: str) -> bool:
        """Forget a job and its result; False when there is none. What a model is at goes on, but nobody hears of it."""
        job = self.jobs.get(job_id)
        if job is None:
            return False
        self._forgotten.add(job_id)
        self.jobs.remove(job_id)
        if future := self._futures.get(job_id):
            future.cancel()
        else:
            self._forgotten.discard(job_id)
        for result_id in job.result_ids:
            self.results.remove(result_id)
        return True

    def step(self) -> int:
        """Remove what is too old, and what a stop of the node left; 0, as there is nothing more to do."""
        self.jobs.sweep()
        self.results.sweep()
        for folder in self._intake.folder.iterdir() if self._intake.folder.is_dir() else ():
            if self._is_leftover(folder):
                shutil.rmtree(folder, ignore_errors=True)
        return 0

    def close(self, *, wait: bool) -> None:
        """Begin no more jobs."""
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _admit(self) -> None:
        try:
            self._intake.admit()
        except OSError as exc:
            problem = "the disk of the node is nearly full; try later"
            raise WebProblem(503, problem, headers={"retry-after": "60"}) from exc

    def _queued(self, asked: Asked, chunks: Iterator[bytes], boundary: bytes, *, folder: Path) -> Submitted:
        sent = receive_files(chunks, boundary, folder, longest=self._intake.longest)
        manifest = asked.package.manifest
        cases = several_cases(sent.files, manifest) if asked.batch else [one_case(sent.files, manifest)]
        questions = [Question(case, asked.package, asked.options) for case in cases]
        job = self.jobs.create(folder.name, manifest.name, asked.package.version, cases=len(cases))
        return Submitted(job.id, self._begun(Work(job, questions, asked.batch, folder, _remarks(sent.texts))))

    def _begun(self, work: Work) -> "Future[None]":
        """The end of the work, which is now when all of it was done before."""
        if all(self._predictor.known(question) for question in work.questions):
            self._runner.run(work)
            shutil.rmtree(work.folder, ignore_errors=True)
            future: Future[None] = Future()
            future.set_result(None)
            return future
        try:
            future = self._futures[work.job.id] = self._threads.submit(self._runner.run, work)
        except RuntimeError as exc:
            raise WebProblem(503, "the node is stopping", headers={"retry-after": "60"}) from exc
        future.add_done_callback(lambda _: self._forget(work))
        return future

    def _forget(self, work: Work) -> None:
        self._futures.pop(work.job.id, None)
        if work.job.id in self._forgotten:
            self._forgotten.discard(work.job.id)
            for question in work.questions:
                self.results.remove(question.result_id)
        shutil.rmtree(work.folder, ignore_errors=True)

    def _is_leftover(self, folder: Path) -> bool:
        return folder.name not in self._receiving and folder.name not in self._futures


def _remarks(texts: Sequence[str]) -> tuple[str, ...]:
    named = sorted({text for text in texts if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", text)})
    return (f"Fields without a file were ignored: {', '.join(named)}.",) if named else ()
