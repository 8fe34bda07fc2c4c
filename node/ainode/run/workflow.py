"""The durable workflow of one run: DBOS checkpoints each step, and a restart goes on after the last one."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID

from ainode.journal.runs import OpenRun, RunJournal, RunRow
from ainode.run.gate import Gate
from ainode.run.line import Line
from ainode_models.errors import AinodeError, InputError

log = structlog.get_logger()

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
        self._preparing, self._encoding = Gate(), Gate()

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
        with self._preparing.turn(self._priority(run_id)):
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
        with self._encoding.turn(self._priority(run_id)):
            began = time.monotonic()
            self._stages.encode(run_id)
            log.info("run step", run=run_id, step="encode", seconds=_since(began))
        self._finished(self._journal.get(run_id))

    @_step
    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """The other end, see ``Stages.fail``."""
        with self._encoding.turn(self._priority(run_id)):
            self._stages.fail(run_id, reason, refused=refused)
        self._finished(self._journal.get(run_id))

    def _priority(self, run_id: str) -> int:
        return self._journal.get(run_id).spec.priority


class RunQueue:
    """Starts workflows for the runs in the journal, as the line lets them.

    The order is the journal's and the line's, not that of a queue of DBOS: that knows no aging, asks its database ten
    times a second, and would start a run on more images beside the one that it replaces.
    """

    def __init__(
        self,
        workflow: RunWorkflow,
        journal: RunJournal,
        *,
        database_url: str,
        models: int = 1,
        register: Callable[[str], None] = lambda _run_id: None,
    ) -> None:
        """``models`` work side by side. ``register`` hears of each run before it begins, after a restart once more."""
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
        self._line = Line(models)
        self._registered: set[str] = set()
        self._started: set[str] = set()

    def start(self) -> None:
        """Open the workflow database; runs that a stop or crash cut off go on by themselves."""
        DBOS(config=self._config)
        DBOS.launch()

    def step(self) -> int:
        """Start the runs whose turn it is; how many were started, or announced."""
        open_runs = self._journal.unfinished()
        for known in (self._registered, self._started):
            known.intersection_update(run.run_id for run in open_runs)
        dead = self._dead() if self._started else {}
        # What runs already was cut off by a stop, and has its place.
        done = sum(self._start(run) for run in open_runs if run.state == "running" and run.run_id not in self._started)
        waiting = [run for run in open_runs if run.run_id not in self._started]
        under_way = [run for run in open_runs if run.run_id in self._started and run.run_id not in dead]
        while run := self._line.next(waiting, under_way):
            done += self._start(run)
            waiting.remove(run)
            under_way.append(run)
        # One, so that an urgent run that comes meanwhile need not wait for all.
        done += next((1 for run in waiting if self._announced(run)), 0)
        for run in open_runs:
            if run.run_id in dead:
                why = f"the run could not be finished after many restarts of the node ({dead[run.run_id]})"
                self._workflow.fail(run.run_id, why)
        return done

    def _start(self, run: OpenRun) -> int:
        """Start the workflow, unless it is there: the run's id is the workflow's id, so never two."""
        self._announced(run)
        with SetWorkflowID(run.run_id):
            DBOS.start_workflow(self._workflow.run, run.run_id)
        self._started.add(run.run_id)
        return 1

    def _announced(self, run: OpenRun) -> bool:
        """Announce a run that was not yet; whether it was so."""
        if run.run_id in self._registered:
            return False
        self._register(run.run_id)
        self._registered.add(run.run_id)
        return True

    def stop(self) -> None:
        """Stop without waiting for a run; the next start goes on with it."""
        DBOS.destroy(workflow_completion_timeout_sec=0)

    def _dead(self) -> Mapping[str, str]:
        """How the workflows ended that came to an end which they could not record, by the id of their run."""
        ended = DBOS.list_workflows(status=list(_ENDED_WITHOUT_WORD), load_input=False, load_output=False)
        return {status.workflow_id: status.status for status in ended}
