"""The durable workflow of one run: DBOS checkpoints each step, and a restart goes on after the last one."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetEnqueueOptions, SetWorkflowID

from ainode.journal.runs import OpenRun, RunJournal, RunRow
from ainode_models.errors import AinodeError, InputError

log = structlog.get_logger()

QUEUE = "runs"
_ENDED_WITHOUT_WORD = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")


def _database_is_away(error: BaseException) -> bool:
    """Whether a step may be done again: it did not fail for the study or the model."""
    return isinstance(error, sa.exc.OperationalError)


# Waits of 1, 2, 4 ... s, about 17 minutes in all; DBOS itself waits as long as it takes.
_step = DBOS.step(retries_allowed=True, max_attempts=10, should_retry=_database_is_away)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


class Stages(Protocol):
    """What a run does, each part safe to do twice."""

    def prepare(self, run_id: str) -> None:
        """Write the volumes of the model's inputs."""

    def infer(self, run_id: str) -> float:
        """Write the model's prediction; seconds that the model itself computed."""

    def encode(self, run_id: str) -> None:
        """Write the result objects, and record the run as finished with its deliveries."""

    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """Write the objects that say that the run failed or was refused, and record it so."""


@DBOS.dbos_class()
class RunWorkflow(DBOSConfiguredInstance):
    """Takes a run from the queue to its result."""

    def __init__(self, stages: Stages, journal: RunJournal, finished: Callable[[RunRow], None]) -> None:
        super().__init__("node")
        self._stages = stages
        self._journal = journal
        self._finished = finished

    # A run that takes the node down with it must not do so for ever, and hold up the others.
    @DBOS.workflow(max_recovery_attempts=10)
    def run(self, run_id: str) -> None:
        """Prepare, infer, encode; whatever goes wrong ends in a failed run with its reason."""
        if not self._journal.started(run_id):
            return
        try:
            self.prepare(run_id)
            self.infer(run_id)
            self.encode(run_id)
        except InputError as error:  # it says that the images will not do, not that something broke
            self.fail(run_id, str(error), refused=True)
        except AinodeError as error:
            self.fail(run_id, str(error))
        except Exception as error:
            log.exception("run failed", run=run_id)
            self.fail(run_id, f"internal error ({type(error).__name__}); the node's log has the details")

    @_step
    def prepare(self, run_id: str) -> None:
        """Step 1, see ``Stages.prepare``."""
        began = time.monotonic()
        self._stages.prepare(run_id)
        log.info("run step", run=run_id, step="prepare", seconds=_since(began))

    @_step
    def infer(self, run_id: str) -> None:
        """Step 2, see ``Stages.infer``."""
        began = time.monotonic()
        computed = self._stages.infer(run_id)
        log.info("run step", run=run_id, step="infer", seconds=_since(began), model_seconds=computed)

    @_step
    def encode(self, run_id: str) -> None:
        """Step 3, see ``Stages.encode``."""
        began = time.monotonic()
        self._stages.encode(run_id)
        log.info("run step", run=run_id, step="encode", seconds=_since(began))
        self._finished(self._journal.get(run_id))

    @_step
    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """The other end, see ``Stages.fail``."""
        self._stages.fail(run_id, reason, refused=refused)
        self._finished(self._journal.get(run_id))


class RunQueue:
    """Starts workflows for the runs in the journal; one of this process at a time."""

    def __init__(
        self,
        workflow: RunWorkflow,
        journal: RunJournal,
        *,
        database_url: str,
        register: Callable[[str], None] = lambda _run_id: None,
    ) -> None:
        """``register`` is told of each run before it begins, and after a restart once more."""
        self._workflow = workflow
        self._register = register
        self._journal = journal
        self._config: DBOSConfig = {
            "name": "ainode",
            "system_database_url": database_url,
            # One version for all releases: a run that was queued before an upgrade is finished after it.
            "application_version": "1",
            "executor_id": "node",
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        self._started: set[str] = set()

    def start(self) -> None:
        """Open the workflow database; runs that a stop or crash cut off go on by themselves."""
        DBOS(config=self._config)
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.1, on_conflict="always_update")

    def step(self) -> int:
        """Start a workflow for every run that has none; the run's id is the workflow's id, so never two."""
        waiting = self._journal.unfinished()
        fresh = [run for run in waiting if run.run_id not in self._started]
        for run in fresh:
            self._register(run.run_id)
            with SetWorkflowID(run.run_id), SetEnqueueOptions(priority=run.priority):
                DBOS.enqueue_workflow(QUEUE, self._workflow.run, run.run_id)
            self._started.add(run.run_id)
        self._close_dead(waiting)
        return len(fresh)

    def stop(self) -> None:
        """Stop without waiting for a run; the next start goes on with it."""
        DBOS.destroy(workflow_completion_timeout_sec=0)

    def _close_dead(self, waiting: Sequence[OpenRun]) -> None:
        """Fail the runs whose workflow came to an end that it could not record."""
        if not waiting:
            return
        ended = DBOS.list_workflows(status=list(_ENDED_WITHOUT_WORD), load_input=False, load_output=False)
        dead = {status.workflow_id: status.status for status in ended}
        for run in waiting:
            if run.run_id in dead:
                how = dead[run.run_id]
                self._workflow.fail(
                    run.run_id, f"the run could not be finished after many restarts of the node ({how})"
                )
